// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_INGENS_HPP
#define LONGREACH_WORKLOADS_RIVALS_INGENS_HPP

#include <cstdint>

#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../../pagetable/vm/fault.hpp"
#include "../buddyinfo.hpp"
#include "daemon_costs.hpp"
#include "page_activity.hpp"
#include "region_promotion.hpp"

// Ingens: faults give base pages, and a daemon promotes the regions of 2 MiB that are well used.
//
// The utilization of a region is the number of its resident pages: the paper's bit vector records just that, a page
// faulted in sets its bit and a page given back clears it. Not here: see allocator/README.md. One thread.
// Source: Kwon, Yu, Peter, Rossbach, Witchel, Coordinated and Efficient Huge Page Management with Ingens, OSDI 2016.

LONGREACH_NAMESPACE_BEGIN

struct ingens_options {
    unsigned utilization_percent = 90;  ///< a region is promoted from this utilization on (the paper's)
    /// While the free memory fragmentation index for 2 MiB is below this many thousandths, any utilization will do (the
    /// paper's 0.5). The index is the share of free memory in blocks that are too small.
    int aggressive_below = 500;
    /// Base pages copied and zeroed in a pass, or one region more. The paper's promoter works off its queue at no rate.
    page_count pages_per_pass = daemon_pages_per_second;
    std::uint64_t interval_ns = 1'000'000'000;  ///< goes with pages_per_pass; the paper's is woken by faults
};

/// Invariants:
///   I1  every promotion copied or zeroed 512 pages, and a page migrated is a page copied
///   I2  a pass begins at a region
template <class Space>
class ingens {
  public:
    using page = typename Space::table_type::page;
    using frame = typename Space::table_type::frame;

    /// What faults of the spaces may take.
    static constexpr superpage_use fault_path = superpage_use::never;

    explicit ingens(const ingens_options& options = {}) : options_(options) {}

    /// One pass over the regions from where the last one ended, within its budget; whether it changed something.
    /// O(resident leaves) at most.
    bool pass(Space& space, basic_buddy<frame>& frames, const basic_page_activity<page>&) {
        ++costs_.passes;
        const unsigned least = least_utilization(frames);
        const std::uint64_t before = costs_.promotions;
        const page start = next_;
        const auto visit = [&](const detail::superpage_region<page>& region) {
            return consider(space, frames, region, least, before);
        };
        bool all = true;
        for (const auto& area : space.entries()) {
            if (all && area.pages.end() > start) all = detail::for_each_region(space, area, start, visit);
        }
        for (const auto& area : space.entries()) {  // what lies below the start; above, nothing is left to promote
            if (all && area.pages.first < start) all = detail::for_each_region(space, area, page{0}, visit);
        }
        if (all) next_ = page{0};
        return costs_.promotions != before;
    }

    [[nodiscard]] std::uint64_t interval_ns() const noexcept { return options_.interval_ns; }
    [[nodiscard]] const daemon_costs& costs() const noexcept { return costs_; }

    /// Resident pages from which on a pass would promote a region now.
    [[nodiscard]] unsigned least_utilization(const basic_buddy<frame>& frames) const {
        const auto blocks = frames.count_blocks();
        if (unusable_index(blocks, superpage_order.raw) < options_.aggressive_below) return 1;
        return (512 * options_.utilization_percent + 99) / 100;
    }

    [[nodiscard]] violation audit() const noexcept {
        if (costs_.promotions * to_bytes(superpage_order.pages()) != costs_.copied_bytes + costs_.zeroed_bytes ||
            costs_.copied_bytes != to_bytes({costs_.migrated_pages})) {
            return {"ingens.I1", costs_.promotions};
        }
        if (!is_aligned(next_, superpage_order)) return {"ingens.I2", next_.raw};
        return {};
    }

  private:
    friend struct corrupt;

    /// Promotes a region where it is used enough; false where the pass is to end.
    bool consider(Space& space, basic_buddy<frame>& frames, const detail::superpage_region<page>& region,
                  unsigned least, std::uint64_t before) {
        if (region.is_superpage || region.resident < least) return true;
        if ((costs_.promotions - before) * superpage_order.pages().raw >= options_.pages_per_pass.raw) {
            next_ = region.first;
            return false;
        }
        const detail::promotion made = detail::promote(space, frames, region.first, costs_);
        if (made == detail::promotion::refused) costs_.skipped_unmovable += region.resident;
        if (made == detail::promotion::no_block) next_ = region.first;
        return made != detail::promotion::no_block;
    }

    ingens_options options_;
    page next_{};  ///< region with which the next pass begins
    daemon_costs costs_{};
};

LONGREACH_NAMESPACE_END

#endif
