// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_DUPLICATES_HPP
#define LONGREACH_PAGETABLE_DUPLICATES_HPP

#include <array>
#include <cstdint>
#include <optional>

#include "../allocator/bits.hpp"
#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"

// Finds a frame that is held twice, without memory beyond 4 KiB of stack. For audits only.

LONGREACH_NAMESPACE_BEGIN

/// A frame in two of the runs that `visit_all(visit)` hands to `visit(run<Frame>)`, or nothing.
///
/// Looks through one window of frames after another and skips the empty ones: one pass over the
/// runs for each populated stretch of 2^15 frames.
template <class Frame, class VisitAll>
[[nodiscard]] std::optional<Frame> first_duplicate(VisitAll&& visit_all) {
    constexpr std::uint64_t window_frames = std::uint64_t{1} << 15;
    std::uint64_t from = 0;  // frames below it are done
    while (true) {
        std::uint64_t lowest = ~std::uint64_t{0};
        visit_all([&](run<Frame> held) {
            if (held.empty() || held.end().raw <= from) return;
            const std::uint64_t first = held.first.raw > from ? held.first.raw : from;
            if (first < lowest) lowest = first;
        });
        if (lowest == ~std::uint64_t{0}) return std::nullopt;
        std::array<std::uint64_t, window_frames / 64> seen{};
        std::optional<Frame> twice;
        const run<Frame> window{Frame{lowest}, page_count{window_frames}};
        visit_all([&](run<Frame> held) {
            const run<Frame> part = intersection(held, window);
            for (std::uint64_t i = 0; i < part.count.raw; ++i) {
                const std::uint64_t bit = part.first.raw + i - lowest;
                std::uint64_t& word = seen[bit / 64];
                const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
                if ((word & mask) != 0 && !twice) twice = part.first + page_count{i};
                word |= mask;
            }
        });
        if (twice) return twice;
        from = lowest + window_frames;
    }
}

LONGREACH_NAMESPACE_END

#endif
