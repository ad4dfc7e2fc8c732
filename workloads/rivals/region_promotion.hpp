// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_REGION_PROMOTION_HPP
#define LONGREACH_WORKLOADS_RIVALS_REGION_PROMOTION_HPP

#include <cstdint>
#include <optional>

#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../../pagetable/vm/entry.hpp"
#include "daemon_costs.hpp"

// What daemons share that turn base pages into superpages: how they see aligned 2 MiB regions, and how they promote
// one.

LONGREACH_NAMESPACE_BEGIN

/// Base pages that a daemon copies or zeroes in a second where its paper gives no rate: 1 GiB, what one core does
/// beside a program (heuristic). It is generous: the rate of Linux's khugepaged is 4096 pages looked at in 10 s. Source
/// of the latter: pages_to_scan and scan_sleep_millisecs in Documentation/admin-guide/mm/transhuge.rst.
inline constexpr page_count daemon_pages_per_second{262'144};

namespace detail {

/// An aligned 2 MiB that lies in one area and is resident in part.
template <class Page>
struct superpage_region {
    Page first{};
    unsigned resident = 0;      ///< base pages, 1 to 512
    bool is_superpage = false;  ///< mapped by one leaf

    [[nodiscard]] run<Page> pages() const noexcept { return {first, superpage_order.pages()}; }
};

/// Hands every region of the anonymous area from the region of `from` on that may be a superpage to `visit(region)`, in
/// order, until one answers false; says whether none did. `visit` may change what is resident in its region. Regions
/// with nothing resident are left out.
template <class Space, class Page, class Visit>
bool for_each_region(const Space& space, const map_entry<Page>& area, Page from, Visit&& visit) {
    if (area.source.is_file() || area.flags.superpages == superpage_advice::unwanted) return true;
    const Page end = align_down(area.pages.end(), superpage_order);
    Page next = align_up(area.pages.first, superpage_order);
    if (from > next) next = align_down(from, superpage_order);
    while (next < end) {
        const Page mapped = space.object().first_mapped(run_between(next, end));
        if (mapped >= end) return true;
        superpage_region<Page> region{align_down(mapped, superpage_order)};
        space.for_each_leaf(region.pages(), [&](const auto& leaf) {
            region.resident += static_cast<unsigned>(leaf.size.pages().raw);
            region.is_superpage = leaf.size == superpage_order;
        });
        if (!visit(region)) return false;
        next = region.pages().end();
    }
    return true;
}

enum class promotion : std::uint8_t {
    done,
    refused,   ///< others share a frame of the region
    no_block,  ///< no free 2 MiB
};

/// Makes a region of base pages one superpage, with a block taken from `frames`, and counts what that costs.
template <class Space, class Page, class Frame>
promotion promote(Space& space, basic_buddy<Frame>& frames, Page first, daemon_costs& costs) {
    const std::optional<Frame> block = frames.allocate(superpage_order);
    if (!block) return promotion::no_block;
    const auto made = space.collapse(first, *block);
    if (made.outcome != status::ok) {
        frames.free(*block, superpage_order);
        return promotion::refused;
    }
    ++costs.promotions;
    ++costs.shootdowns;
    costs.migrated_pages += made.copied.raw;
    costs.copied_bytes += to_bytes(made.copied);
    costs.zeroed_bytes += to_bytes(made.zeroed);
    return promotion::done;
}

}

LONGREACH_NAMESPACE_END

#endif
