// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_MACHINE_HPP
#define LONGREACH_WORKLOADS_MACHINE_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/placement.hpp"
#include "../spot/mmu.hpp"
#include "census.hpp"
#include "frame_map.hpp"
#include "recording.hpp"

// What the machines that run a recorded program have in common; native_machine.hpp and virtual_machine.hpp are they.
//
// A machine serves faults through an address space and its policy, and translates accesses through an MMU. One thread.

LONGREACH_NAMESPACE_BEGIN

/// What a machine is made of.
struct machine_options {
    page_count memory{};        ///< frames of the native machine or of the guest; a host has twice as many
    unsigned hog_percent = 0;   ///< share of each memory pinned at random in 2 MiB pieces
    std::uint64_t seed = 0;     ///< of the pinning: 2 * seed for the native machine or guest, 2 * seed + 1 for the host
    std::size_t areas = 0;      ///< most map entries at one time
    std::size_t stretches = 0;  ///< most stretches of touched pages; each 2 MiB of pages counts for one
};

/// Counts of the faults of one dimension.
struct machine_counters {
    std::uint64_t faults = 0;  ///< faults that took frames: first touches, and first stores to private file pages
    placement_counters placement{};
};

/// The members that whatever drives a machine relies on.
template <class M>
concept simulated_machine = requires(M machine, const vma_event& event, vpn page, access_kind kind, std::uint64_t pc,
                                     bool through_tlbs) {
    // A recorded mapping event happens.
    { machine.apply(event) } -> std::same_as<status>;
    // A load or store touches a page: the fault is served; nothing happens where the table allows it already.
    { machine.touch(page, kind) } -> std::same_as<status>;
    // From now on accesses are translated, by an MMU that is empty.
    machine.begin_translation();
    // One access to one page, through the TLBs or as a miss of both.
    { machine.translate(pc, page, kind, through_tlbs) } -> std::same_as<status>;
    // Mapped base pages of the program.
    { machine.resident_pages() } -> std::same_as<std::uint64_t>;
    // The runs as they are now.
    { machine.count() } -> std::same_as<census>;
    // Free runs, longest first; a host's are empty on a native machine.
    { machine.free_runs() } -> std::same_as<std::vector<std::uint64_t>>;
    { machine.host_free_runs() } -> std::same_as<std::vector<std::uint64_t>>;
    // Who has which frame now, in the machine's memory, or in the guest's and then the host's.
    { machine.frame_maps() } -> std::same_as<std::vector<frame_map>>;
    { machine.counters() } -> std::same_as<machine_counters>;
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

/// Serves the fault of a load or store, where the table does not allow it already; a page that changes its frame or its
/// rights leaves the translator.
template <class Space, class Translator>
status touch_page(Space& space, Translator& translator, vpn page, access_kind kind) {
    const auto mapped = space.translate(page);
    if (mapped && mapped->attributes.allowed.allows(kind)) return status::ok;
    const status outcome = space.fault(page, kind).outcome;
    if (mapped) translator.invalidate({page, page_count{1}});
    return outcome;
}

template <class Space>
[[nodiscard]] machine_counters counters_of(const Space& space, const placement_counters& placement) {
    const auto faults = space.faults();
    return {faults.first_touches + faults.copies, placement};
}

}

LONGREACH_NAMESPACE_END

#endif
