// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_FRAME_RUN_HPP
#define LONGREACH_ALLOCATOR_FRAME_RUN_HPP

#include "config.hpp"
#include "units.hpp"

// Half-open stretches of one index: of frames, of pages, or of both with one offset.

LONGREACH_NAMESPACE_BEGIN

/// The pages or frames [first, first + count); may be empty.
template <class Point>
struct run {
    Point first{};
    page_count count{};

    friend constexpr bool operator==(const run&, const run&) = default;
    [[nodiscard]] constexpr Point end() const noexcept { return first + count; }
    [[nodiscard]] constexpr bool empty() const noexcept { return count.raw == 0; }
    [[nodiscard]] constexpr bool contains(Point p) const noexcept { return p.raw - first.raw < count.raw; }
    [[nodiscard]] constexpr bool contains(run other) const noexcept {
        const page_count before = other.first - first;  // no sum: a run may end beyond the last index
        return other.first >= first && before <= count && other.count <= count - before;
    }
    [[nodiscard]] constexpr bool overlaps(run other) const noexcept {
        return first < other.end() && other.first < end();
    }
};

/// The run from `first` up to, not including, `end`; empty where `end` is not above `first`.
template <class Point>
[[nodiscard]] constexpr run<Point> run_between(Point first, Point end) noexcept {
    return {first, end > first ? end - first : page_count{0}};
}

/// What two runs share; empty (with an unspecified start) where they are disjoint.
template <class Point>
[[nodiscard]] constexpr run<Point> intersection(run<Point> a, run<Point> b) noexcept {
    return run_between(a.first > b.first ? a.first : b.first, a.end() < b.end() ? a.end() : b.end());
}

using frame_run = run<pfn>;
using page_run = run<vpn>;

/// A page run and the equally long frame run it is mapped to, with one offset.
template <class Page, class Frame>
struct mapping {
    run<Page> pages{};
    Frame frame{};

    friend constexpr bool operator==(const mapping&, const mapping&) = default;
    [[nodiscard]] constexpr map_offset<Page, Frame> offset() const noexcept {
        return offset_between(pages.first, frame);
    }
    [[nodiscard]] constexpr run<Frame> frames() const noexcept { return {frame, pages.count}; }
};

LONGREACH_NAMESPACE_END

#endif
