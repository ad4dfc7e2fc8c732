// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_REPRODUCE_ENTRIES_HPP
#define LONGREACH_BENCH_LONGREACH_REPRODUCE_ENTRIES_HPP

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include <longreach/allocator/units.hpp>
#include <longreach/workloads/census.hpp>
#include <longreach/workloads/frame_map.hpp>

// How many entries of three translation structures hold 99 % of a program's pages: ranges, offsets, anchors.
//
// Definitions: the page-collect tool of the CA-paging artifact (Alverti et al., ISCA 2020). An anchor covers an aligned
// 2^d pages that are contiguous in frames; what reaches over on either side takes 2 MiB and 4 KiB entries. One d for
// the whole program. The tool skips a whole anchor where a range begins aligned; here it counts.

namespace longreach {

struct entry_counts {
    std::uint64_t ranges99 = 0;
    std::uint64_t offsets99 = 0;  ///< pages of one offset share an entry, wherever they lie
    std::uint64_t anchors99 = 0;
};

/// A range: contiguous in page and frame.
struct page_range {
    vpn first{};
    std::uint64_t frame = 0;
    std::uint64_t pages = 0;
};

namespace detail {

inline constexpr unsigned most_anchor_order = 21;

/// What the tool takes as the entries that all ranges need, for anchors of 2^d pages; it leaves out where they begin.
[[nodiscard]] inline std::uint64_t anchor_cost(const std::vector<page_range>& ranges, unsigned d) {
    std::uint64_t cost = 0;
    for (const page_range& range : ranges) {
        const std::uint64_t rest = range.pages & ((std::uint64_t{1} << d) - 1);
        cost += (range.pages >> d) + rest / 512 + rest % 512;
    }
    return cost;
}

/// The anchor size that costs least; of equal ones the largest.
[[nodiscard]] inline unsigned anchor_order(const std::vector<page_range>& ranges) {
    unsigned best = 0;
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (unsigned d = 0; d <= most_anchor_order; ++d) {
        const std::uint64_t cost = anchor_cost(ranges, d);
        if (cost > least) continue;
        least = cost;
        best = d;
    }
    return best;
}

/// Fewest entries, largest first, that hold 99 %; `by_size` says how many entries there are of each number of pages.
[[nodiscard]] inline std::uint64_t fewest_entries(
    const std::map<std::uint64_t, std::uint64_t, std::greater<>>& by_size) {
    std::uint64_t pages = 0;
    for (const auto& [size, count] : by_size) pages += size * count;
    std::uint64_t missing = pages - pages / 100;
    std::uint64_t used = 0;
    for (const auto& [size, count] : by_size) {
        const std::uint64_t here = std::min(count, (missing + size - 1) / size);
        used += here;
        missing -= std::min(missing, here * size);
        if (missing == 0) break;
    }
    return used;
}

[[nodiscard]] inline std::uint64_t anchors99(const std::vector<page_range>& ranges) {
    const unsigned d = anchor_order(ranges);
    const std::uint64_t anchor = std::uint64_t{1} << d;
    std::map<std::uint64_t, std::uint64_t, std::greater<>> by_size;
    const auto add_small = [&](std::uint64_t pages) {
        by_size[512] += pages / 512;
        by_size[1] += pages % 512;
    };
    for (const page_range& range : ranges) {
        const std::uint64_t head = std::min(range.pages, (anchor - range.first.raw % anchor) % anchor);
        add_small(head);
        by_size[anchor] += (range.pages - head) / anchor;
        add_small((range.pages - head) % anchor);
    }
    return fewest_entries(by_size);
}

}

/// O(r log r) in the number of ranges.
[[nodiscard]] inline entry_counts count_entries(const std::vector<page_range>& ranges) {
    std::map<std::uint64_t, std::uint64_t> pages_by_offset;
    std::map<std::uint64_t, std::uint64_t, std::greater<>> by_range;
    for (const page_range& range : ranges) {
        pages_by_offset[range.first.raw - range.frame] += range.pages;  // modular, as an offset is
        ++by_range[range.pages];
    }
    std::map<std::uint64_t, std::uint64_t, std::greater<>> by_offset;
    for (const auto& [offset, pages] : pages_by_offset) ++by_offset[pages];
    return {detail::fewest_entries(by_range), detail::fewest_entries(by_offset), detail::anchors99(ranges)};
}

/// The ranges of all areas of a program.
[[nodiscard]] inline std::vector<page_range> ranges_of(const frame_map& map) {
    std::vector<page_range> ranges;
    for (const owned_frames& each : map.runs) {
        if (each.use == frame_use::area) ranges.push_back({each.page, each.first, each.count});
    }
    return ranges;
}

}

#endif
