// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_VIRTUAL_MACHINE_HPP
#define LONGREACH_WORKLOADS_VIRTUAL_MACHINE_HPP

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/placement.hpp"
#include "../spot/nested_walker.hpp"
#include "apply_event.hpp"
#include "fragment/apply_fragmentation.hpp"
#include "frame_map.hpp"
#include "machine.hpp"
#include "policy_kinds.hpp"
#include "run_account.hpp"
#include "simulated_space.hpp"
#include "zone.hpp"

// A machine whose memory is one area of a host's address space: both place frames, with the same policy.
//
// The guest's frames are the host's pages, counted from the start of that area, which lies at a 1 GiB boundary; so
// alignment is the same in both. The host maps a guest frame when the guest first touches it, which is when the
// guest's policy hands it out, for data and for tables; pinned guest frames are never touched. What the guest frees
// stays mapped in the host. Policies with a daemon, and eager paging, are for native machines only.

LONGREACH_NAMESPACE_BEGIN

/// The host of one virtual machine.
template <class Kind>
class simulated_host {
  public:
    using policy_kind = typename Kind::template over<gfn, pfn>;
    using memory_type = simulated_space<gfn, pfn, typename policy_kind::policy_type>;

    /// Twice the guest's memory, fragmented by the same steps.
    explicit simulated_host(const machine_options& options)
        : zone_(page_count{2 * options.memory.raw * options.nodes}),
          policy_(zone_, 2 * options.seed + 1),
          memory_(policy_.policy(), Kind::faults, zone_.frames().managed(), 4, 4),
          started_(apply_fragmentation(options.fragmented, zone_, 2 * options.seed + 1).status()) {
        const status mapped =
            memory_.space().map({gfn{0}, {options.memory.raw * options.nodes}}, user_permissions(true, true, true),
                                backing::anonymous(), area_flags{});
        LONGREACH_CHECK(mapped == status::ok, "simulated_host.map");
    }

    [[nodiscard]] const absl::Status& started() const noexcept { return started_; }

    /// The guest touches its frames: those without a frame of the host get one.
    status touch(run<gfn> frames) {
        for (gfn g = frames.first; g < frames.end();) {
            auto mapped = memory_.space().translate(g);
            if (!mapped) {
                if (const status outcome = memory_.space().fault(g, access_kind::store).outcome;
                    outcome != status::ok) {
                    exhausted_ = true;
                    return outcome;
                }
                mapped = memory_.space().translate(g);
            }
            g = align_down(g, mapped->size) + mapped->size.pages();
        }
        return status::ok;
    }

    [[nodiscard]] const typename memory_type::space_type& space() const noexcept { return memory_.space(); }
    [[nodiscard]] std::vector<std::uint64_t> free_runs() { return zone_.free_runs(); }
    [[nodiscard]] frame_map frames_under(const frame_map& guest) {
        return map_host_frames(guest, memory_.space(), zone_);
    }
    [[nodiscard]] machine_counters counters() {
        return detail::counters_of(memory_.space(), policy_.policy().counters());
    }
    /// Whether a touch ever found no frame.
    [[nodiscard]] bool exhausted() const noexcept { return exhausted_; }
    violation audit() {
        if (const violation broken = memory_.space().audit()) return broken;
        return policy_.policy().audit();
    }

  private:
    simulated_zone<pfn> zone_;
    policy_kind policy_;
    memory_type memory_;
    absl::Status started_;
    bool exhausted_ = false;
};

/// A guest's policy whose frames the host backs before the guest gets them; a frame that the host cannot back is not
/// handed out.
template <class Policy, class Host>
class backed_policy {
  public:
    using page = typename Policy::page;
    using frame = typename Policy::frame;

    backed_policy(Policy& policy, Host& host) noexcept : policy_(policy), host_(host) {}

    template <class Mapped>
    [[nodiscard]] std::optional<frame> allocate(const placement_request<page>& request, const Mapped& mapped) {
        const std::optional<frame> block = policy_.allocate(request, mapped);
        if (!block || host_.touch({*block, request.size.pages()}) == status::ok) return block;
        policy_.free(request.space, request.page, *block, request.size);
        return {};
    }
    void free(std::uint32_t space, page first, frame block, order size) { policy_.free(space, first, block, size); }
    [[nodiscard]] std::optional<frame> allocate_table() {
        const std::optional<frame> table = policy_.allocate_table();
        if (!table || host_.touch({*table, page_count{1}}) == status::ok) return table;
        policy_.free_table(*table);
        return {};
    }
    void free_table(frame table) { policy_.free_table(table); }
    void release(std::uint32_t space, run<page> pages) { policy_.release(space, pages); }
    void move(std::uint32_t space, run<page> pages, page to) { policy_.move(space, pages, to); }
    void fork(std::uint32_t parent, std::uint32_t child) { policy_.fork(parent, child); }
    [[nodiscard]] placement_counters counters() const { return policy_.counters(); }
    violation audit() const { return policy_.audit(); }

  private:
    Policy& policy_;
    Host& host_;
};

template <class Kind>
class virtual_machine {
  public:
    explicit virtual_machine(const machine_options& options)
        : host_(options),
          zone_(zone_layout{options.memory, options.nodes}),
          guest_policy_(zone_, 2 * options.seed),
          policy_(guest_policy_.policy(), host_),
          memory_(policy_, Kind::faults, zone_.frames().managed(), options.areas, options.stretches),
          started_(apply_fragmentation(options.fragmented, zone_, 2 * options.seed).status()) {
        if (started_.ok()) started_ = host_.started();
    }

    [[nodiscard]] const absl::Status& started() const noexcept { return started_; }

    [[nodiscard]] std::vector<std::uint64_t> free_runs() { return zone_.free_runs(); }
    [[nodiscard]] std::vector<std::uint64_t> host_free_runs() { return host_.free_runs(); }

    status apply(const vma_event& event) {
        const status outcome = apply_event(memory_.space(), event, [this](page_run pages) { mmu_.invalidate(pages); });
        account_.changed(event);
        return outcome;
    }

    status touch(vpn page, access_kind kind) { return touch(page_run{page, page_count{1}}, kind); }
    status touch(page_run pages, access_kind kind) {
        const status outcome = detail::touch_pages(memory_.space(), mmu_, pages, kind,
                                                   [this](const auto& fault) { account_.served(fault); });
        if (outcome == status::ok) account_.touched(pages);
        return outcome;
    }
    static constexpr bool maps_behind = false;
    static constexpr bool settles = false;
    void settle() {}

    void begin_translation() { mmu_.begin(memory_.space().tables(), host_.space().tables()); }
    status translate(std::uint64_t pc, vpn page, access_kind kind, bool through_tlbs) {
        return mmu_.translate(pc, page, kind, through_tlbs, [&](const auto& answer) {
            const bool of_host = answer.end == walk_end::host_not_mapped;
            return of_host ? host_.touch({answer.host_page, page_count{1}}) : touch(page, kind);
        });
    }

    [[nodiscard]] std::uint64_t resident_pages() const { return memory_.space().resident_pages().raw; }
    [[nodiscard]] std::uint64_t touched_pages() const { return account_.pages().resident(); }
    [[nodiscard]] census count() const {
        run_counter counter;
        for (const auto& entry : memory_.space().entries()) {
            counter.next_entry();
            memory_.space().for_each_mapping(entry.pages, [&](const mapping<vpn, gfn>& part) {
                const auto page_of = [&](gfn g) { return part.pages.first + (g - part.frame); };
                host_.space().for_each_mapping(part.frames(), [&](const mapping<gfn, pfn>& below) {
                    counter.add(page_of(below.pages.first).raw, below.frame.raw, below.pages.count.raw);
                });
            });
        }
        return take_census(std::move(counter.runs), std::move(counter.stretches),
                           memory_.space().resident_superpages());
    }

    [[nodiscard]] std::vector<frame_map> frame_maps() {
        std::vector<frame_map> maps{map_frames(memory_.space(), zone_)};
        maps.push_back(host_.frames_under(maps.front()));
        return maps;
    }

    [[nodiscard]] machine_counters counters() { return detail::counters_of(memory_.space(), policy_.counters()); }
    [[nodiscard]] machine_counters host_counters() { return host_.counters(); }
    /// Of the guest; the host's faults, which the guest's wait for, are not timed.
    [[nodiscard]] run_costs costs() const {
        run_costs costs = account_.costs();
        costs.bloat_pages = resident_pages() - account_.pages().resident();
        return costs;
    }
    [[nodiscard]] mmu_counters translation() const { return mmu_.counters(); }
    [[nodiscard]] bool host_exhausted() const noexcept { return host_.exhausted(); }

    violation audit() {
        if (const violation broken = memory_.space().audit()) return broken;
        if (const violation broken = policy_.audit()) return broken;
        if (const violation broken = host_.audit()) return broken;
        return mmu_.audit();
    }

  private:
    using host_type = simulated_host<Kind>;
    using policy_kind = typename Kind::template over<vpn, gfn>;
    using policy_type = backed_policy<typename policy_kind::policy_type, host_type>;
    using memory_type = simulated_space<vpn, gfn, policy_type>;
    using walker_type = nested_walker<typename memory_type::table_type, typename host_type::memory_type::table_type,
                                      default_walk_caches>;

    host_type host_;
    simulated_zone<gfn> zone_;
    policy_kind guest_policy_;
    policy_type policy_;
    memory_type memory_;
    absl::Status started_;
    run_account account_;
    detail::translator<walker_type> mmu_;
};

static_assert(simulated_machine<virtual_machine<thp_kind>>);

LONGREACH_NAMESPACE_END

#endif
