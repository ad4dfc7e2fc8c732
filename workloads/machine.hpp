// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_MACHINE_HPP
#define LONGREACH_WORKLOADS_MACHINE_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <absl/status/status.h>

#include "../allocator/config.hpp"
#include "../allocator/placement.hpp"
#include "../spot/mmu.hpp"
#include "census.hpp"
#include "fragment/fragmentation.hpp"
#include "frame_map.hpp"
#include "recording.hpp"
#include "run_account.hpp"

// What the machines that run a recorded program have in common; native_machine.hpp and virtual_machine.hpp are they.
//
// A machine serves faults through an address space and its policy, and translates accesses through an MMU. One thread.

LONGREACH_NAMESPACE_BEGIN

/// What a machine is made of.
struct machine_options {
    page_count memory{};         ///< frames of each node of the native machine or the guest; a host has twice as many
    fragmentation fragmented{};  ///< what each memory looks like before the program starts
    std::uint64_t seed = 0;      ///< of that: 2 * seed for the native machine or guest, 2 * seed + 1 for the host
    std::size_t areas = 0;       ///< most map entries at one time
    std::size_t stretches = 0;   ///< most stretches of touched pages; each 2 MiB of pages counts for one
    unsigned nodes = 1;          ///< of the native machine or the guest; a host has one
    std::function<unsigned(vpn)> coverage{};  ///< pages of the aligned 2 MiB that the program uses while a daemon
                                              ///< samples, 0 to 512; empty for all that it touched
};

/// Counts of the faults of one dimension.
struct machine_counters {
    std::uint64_t faults = 0;  ///< faults that took frames: first touches, and first stores to private file pages
    placement_counters placement{};
};

/// The members that whatever drives a machine relies on.
template <class M>
concept simulated_machine = requires(M machine, const vma_event& event, vpn page, page_run pages, access_kind kind,
                                     std::uint64_t pc, bool through_tlbs) {
    // Whether the memory could be fragmented as wanted; where not, the machine is of no use.
    { machine.started() } -> std::same_as<const absl::Status&>;
    // A recorded mapping event happens.
    { machine.apply(event) } -> std::same_as<status>;
    // A load or store touches a page: the fault is served; nothing happens where the table allows it already.
    { machine.touch(page, kind) } -> std::same_as<status>;
    // The same for each of the pages, in order.
    { machine.touch(pages, kind) } -> std::same_as<status>;
    // Whether memory is mapped, or given back, by more than faults and mapping events.
    { M::maps_behind } -> std::convertible_to<bool>;
    // Daemons go on until they find nothing to do; `settles` says whether there is one.
    machine.settle();
    { M::settles } -> std::convertible_to<bool>;
    // From now on accesses are translated, by an MMU that is empty.
    machine.begin_translation();
    // One access to one page, through the TLBs or as a miss of both.
    { machine.translate(pc, page, kind, through_tlbs) } -> std::same_as<status>;
    // Mapped base pages of the program.
    { machine.resident_pages() } -> std::same_as<std::uint64_t>;
    // Base pages that the program touched and still has.
    { machine.touched_pages() } -> std::same_as<std::uint64_t>;
    // The runs as they are now.
    { machine.count() } -> std::same_as<census>;
    // Free runs, longest first; a host's are empty on a native machine.
    { machine.free_runs() } -> std::same_as<std::vector<std::uint64_t>>;
    { machine.host_free_runs() } -> std::same_as<std::vector<std::uint64_t>>;
    // Who has which frame now, in the machine's memory, or in the guest's and then the host's.
    { machine.frame_maps() } -> std::same_as<std::vector<frame_map>>;
    { machine.counters() } -> std::same_as<machine_counters>;
    { machine.costs() } -> std::same_as<run_costs>;
    { machine.host_counters() } -> std::same_as<machine_counters>;
    { machine.translation() } -> std::same_as<mmu_counters>;
    // Whether it was the host that had no frame for the last fault.
    { machine.host_exhausted() } -> std::same_as<bool>;
    { machine.audit() } -> std::same_as<violation>;
};

namespace detail {

/// Translates accesses with a fresh MMU, and says what it met.
template <class Walker>
class translator {
  public:
    template <class... Tables>
    void begin(const Tables&... tables) {
        mmu_.emplace(Walker(tables...));
    }
    [[nodiscard]] bool running() const noexcept { return mmu_.has_value(); }
    void invalidate(page_run pages) {
        if (mmu_) mmu_->invalidate(pages);
    }
    void flush() {
        if (mmu_) mmu_->flush();
    }
    [[nodiscard]] mmu_counters counters() const noexcept { return mmu_ ? mmu_->counters() : mmu_counters{}; }

    /// Translates one page; `serve(answer)` mends a fault. Each mended fault brings the walk further, and a walk can
    /// meet one per guest table, one for the data and two of the guest's own.
    template <class Serve>
    status translate(std::uint64_t pc, vpn page, access_kind kind, bool through_tlbs, Serve&& serve) {
        for (unsigned tries = 0; tries < 8; ++tries) {
            const auto answer = through_tlbs ? mmu_->translate(pc, page, kind) : mmu_->miss(pc, page, kind);
            if (answer.end == walk_end::ok) return status::ok;
            if (const status served = serve(answer); served != status::ok) return served;
        }
        return status::forbidden;
    }

    violation audit() const { return mmu_ ? mmu_->audit() : violation{}; }

  private:
    std::optional<mmu<Walker>> mmu_;
};

/// Serves the faults of loads or stores to the pages, where the table does not allow them already, and hands each that
/// was served to `served(fault_result)`; a page that changes its frame or its rights leaves the translator.
template <class Space, class Translator, class Served>
status touch_pages(Space& space, Translator& translator, page_run pages, access_kind kind, Served&& served) {
    for (vpn page = pages.first; page < pages.end();) {
        const auto mapped = space.translate(page);
        order size{};
        if (mapped && mapped->attributes.allowed.allows(kind)) {
            size = mapped->size;
        } else {
            const auto fault = space.fault(page, kind);
            if (mapped) translator.invalidate({page, page_count{1}});
            if (fault.outcome != status::ok) return fault.outcome;
            served(fault);
            size = fault.size;
        }
        page = align_down(page, size) + size.pages();
    }
    return status::ok;
}

/// Frames that a policy took for pages that nobody touched yet.
template <class Policy>
[[nodiscard]] std::uint64_t held_by(const Policy& policy) {
    if constexpr (requires { policy.held(); }) return policy.held().raw;
    return 0;
}

template <class Space>
[[nodiscard]] machine_counters counters_of(const Space& space, const placement_counters& placement) {
    const auto faults = space.faults();
    return {faults.first_touches + faults.copies, placement};
}

}

LONGREACH_NAMESPACE_END

#endif
