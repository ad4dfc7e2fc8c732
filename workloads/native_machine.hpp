// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_NATIVE_MACHINE_HPP
#define LONGREACH_WORKLOADS_NATIVE_MACHINE_HPP

#include <absl/status/status.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "../spot/native_walker.hpp"
#include "apply_event.hpp"
#include "background.hpp"
#include "cases/ideal_placement.hpp"
#include "fragment/apply_fragmentation.hpp"
#include "frame_map.hpp"
#include "machine.hpp"
#include "policy_kinds.hpp"
#include "run_account.hpp"
#include "simulated_space.hpp"
#include "zone.hpp"

// A machine with one memory and one table: what the program's operating system decides is all there is.
//
// A kind that maps at once touches all anonymous memory of a mapping call in the call. A kind with a daemon lets it
// work beside the program's faults (background.hpp).

LONGREACH_NAMESPACE_BEGIN

template <class Kind>
class native_machine {
  public:
    explicit native_machine(const machine_options& options)
        : zone_(zone_layout{options.memory, options.nodes}),
          policy_(zone_, options.seed),
          memory_(policy_.policy(), Kind::faults, zone_.frames().managed(), options.areas, options.stretches),
          background_(options.coverage),
          started_(apply_fragmentation(options.fragmented, zone_, 2 * options.seed).status()) {
        if constexpr (Kind::places_offline) zone_.for_each_free_run([this](frame_run free) { free_.push_back(free); });
    }

    [[nodiscard]] const absl::Status& started() const noexcept { return started_; }
    [[nodiscard]] std::vector<std::uint64_t> free_runs() { return zone_.free_runs(); }
    [[nodiscard]] std::vector<std::uint64_t> host_free_runs() { return {}; }

    status apply(const vma_event& event) {
        const status outcome = apply_event(memory_.space(), event, [this](page_run pages) { mmu_.invalidate(pages); });
        account_.changed(event);
        if (outcome != status::ok || !Kind::maps_at_once) return outcome;
        return map_at_once(event);
    }

    status touch(vpn page, access_kind kind) { return touch(page_run{page, page_count{1}}, kind); }
    status touch(page_run pages, access_kind kind) {
        const status outcome = detail::touch_pages(memory_.space(), mmu_, pages, kind,
                                                   [this](const auto& fault) { account_.served(fault); });
        if (outcome == status::ok) account_.touched(pages);
        if constexpr (has_daemon) {
            if (background_.catch_up(memory_.space(), zone_.frames(), account_, [this] { return count(); })) {
                mmu_.flush();
            }
        }
        return outcome;
    }

    /// Whether memory is mapped, or given back, by more than faults and mapping events.
    static constexpr bool maps_behind =
        Kind::maps_at_once || !std::is_same_v<typename Kind::template daemon<void>, no_daemon>;
    /// Whether settle() does anything.
    static constexpr bool settles = !std::is_same_v<typename Kind::template daemon<void>, no_daemon>;
    void settle() {
        if constexpr (has_daemon) {
            if (background_.settle(memory_.space(), zone_.frames(), account_, [this] { return count(); })) {
                mmu_.flush();
            }
        }
    }

    void begin_translation() { mmu_.begin(memory_.space().tables()); }
    status translate(std::uint64_t pc, vpn page, access_kind kind, bool through_tlbs) {
        return mmu_.translate(pc, page, kind, through_tlbs, [&](const auto&) { return touch(page, kind); });
    }

    [[nodiscard]] std::uint64_t resident_pages() const { return memory_.space().resident_pages().raw; }
    [[nodiscard]] std::uint64_t touched_pages() const { return account_.pages().resident(); }
    [[nodiscard]] census count() const {
        if constexpr (Kind::places_offline) return count_offline();
        run_counter counter;
        for (const auto& entry : memory_.space().entries()) {
            counter.next_entry();
            memory_.space().for_each_mapping(entry.pages, [&](const auto& part) {
                counter.add(part.pages.first.raw, part.frame.raw, part.pages.count.raw);
            });
        }
        return take_census(std::move(counter.runs), std::move(counter.stretches),
                           memory_.space().resident_superpages());
    }

    [[nodiscard]] std::vector<frame_map> frame_maps() { return {map_frames(memory_.space(), zone_)}; }

    [[nodiscard]] machine_counters counters() {
        return detail::counters_of(memory_.space(), policy_.policy().counters());
    }
    [[nodiscard]] machine_counters host_counters() const { return {}; }
    [[nodiscard]] run_costs costs() {
        run_costs costs = account_.costs();
        costs.bloat_pages = resident_pages() + detail::held_by(policy_.policy()) - account_.pages().resident();
        if constexpr (has_daemon) background_.add_to(costs);
        return costs;
    }
    [[nodiscard]] mmu_counters translation() const { return mmu_.counters(); }
    [[nodiscard]] bool host_exhausted() const noexcept { return false; }

    violation audit() {
        if (const violation broken = memory_.space().audit()) return broken;
        if (const violation broken = policy_.policy().audit()) return broken;
        if constexpr (has_daemon) {
            if (const violation broken = background_.audit()) return broken;
        }
        return mmu_.audit();
    }

  private:
    using policy_kind = typename Kind::template over<vpn, pfn>;
    using memory_type = simulated_space<vpn, pfn, typename policy_kind::policy_type>;
    using space_type = typename memory_type::space_type;
    using daemon_type = typename Kind::template daemon<space_type>;
    static constexpr bool has_daemon = !std::is_same_v<daemon_type, no_daemon>;

    /// Touches the anonymous memory of the call, as far as the program may store to it.
    status map_at_once(const vma_event& event) {
        const bool maps = event.kind == vma_kind::init || event.kind == vma_kind::mmap ||
                          event.kind == vma_kind::brk_grow || event.kind == vma_kind::mremap;
        if (!maps) return status::ok;
        status outcome = status::ok;
        for (const auto& area : memory_.space().entries()) {  // faults change no entry
            const page_run part = intersection(area.pages, event.pages);
            if (part.empty() || area.source.is_file() || !area.allowed.write || outcome != status::ok) continue;
            outcome = detail::touch_pages(memory_.space(), mmu_, part, access_kind::store,
                                          [this](const auto& fault) { account_.mapped_at_once(fault.size); });
        }
        account_.end_call();
        return outcome;
    }

    /// What is mapped now, placed anew in the memory that was free at the start.
    [[nodiscard]] census count_offline() const {
        std::vector<wanted_stretch> stretches;
        std::vector<std::uint64_t> lengths;
        for (const auto& entry : memory_.space().entries()) {
            bool joins = false;
            memory_.space().for_each_leaf(entry.pages, [&](const auto& leaf) {
                const bool superpage = leaf.size == superpage_order;
                if (joins && stretches.back().pages.end() == leaf.page) {
                    stretches.back().pages.count += leaf.size.pages();
                    stretches.back().superpages = stretches.back().superpages || superpage;
                } else {
                    stretches.push_back({0, {leaf.page, leaf.size.pages()}, superpage});
                }
                joins = true;
            });
        }
        for (const wanted_stretch& stretch : stretches) lengths.push_back(stretch.pages.count.raw);
        const ideal_placement ideal(std::move(stretches), free_, {{}});
        if (ideal.pieces().empty()) return {};
        census result = take_census(ideal.pieces()[0], std::move(lengths), memory_.space().resident_superpages());
        result.n99 = ideal.runs()[0];  // may be of a placement that was not built, with fewer runs
        result.n90 = std::min(result.n90, result.n99);
        result.n80 = std::min(result.n80, result.n90);
        return result;
    }

    simulated_zone<pfn> zone_;
    policy_kind policy_;
    memory_type memory_;
    std::vector<frame_run> free_;  ///< at the start, where placed offline
    run_account account_;
    std::conditional_t<has_daemon, background<daemon_type, space_type>, idle_background> background_;
    detail::translator<native_walker<typename memory_type::table_type, default_walk_caches>> mmu_;
    absl::Status started_;
};

static_assert(simulated_machine<native_machine<thp_kind>>);

LONGREACH_NAMESPACE_END

#endif
