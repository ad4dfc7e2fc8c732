// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_MEMORY_IMAGE_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_MEMORY_IMAGE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "unit_set.hpp"

// Which frames of a memory are taken, as bits apart from any allocator: what the steps of a fragmentation work on, so
// that a step that is refused has changed nothing. Frames are numbers from 0. The caller locks.

LONGREACH_NAMESPACE_BEGIN

struct memory_image {
    unit_set kept;           ///< taken before the first step: no step gives these back, and shares do not count them
    unit_set taken;          ///< now, `kept` among them
    page_count node_frames;  ///< frames of each node; the memory is a whole number of nodes

    [[nodiscard]] std::uint64_t frames() const noexcept { return taken.size(); }
    [[nodiscard]] std::uint64_t free() const noexcept { return taken.size() - taken.count(); }
    /// Frames that a step may take: what percentages are of.
    [[nodiscard]] std::uint64_t usable() const noexcept { return kept.size() - kept.count(); }
    /// What the steps took.
    [[nodiscard]] unit_set pinned() const {
        unit_set result = taken;
        result -= kept;
        return result;
    }
};

/// The frames of a zone that begins at frame 0 that are in use. O(frames / 64).
template <class Frame>
[[nodiscard]] unit_set frames_in_use(const basic_buddy<Frame>& zone) {
    unit_set used(zone.managed().end().raw, true);
    const auto words = used.words();
    for (std::size_t i = 0; i < words.size(); ++i) words[i] &= ~zone.free_in_word(Frame{i * 64});
    return used;
}

/// Takes frames of a zone that begins at frame 0, all of which are free. O(frames / 64), however they are scattered: of
/// a wholly free 2 MiB all frames are taken and the others given back.
template <class Frame>
void take_frames(basic_buddy<Frame>& zone, const unit_set& wanted) {
    const auto words = wanted.words();
    constexpr std::size_t child_words_count = child_frames / 64;
    for (std::size_t begin = 0; begin < words.size(); begin += child_words_count) {
        std::uint64_t any = 0;
        for (std::size_t i = begin; i < words.size() && i < begin + child_words_count; ++i) any |= words[i];
        if (any == 0) continue;
        const Frame first{begin * 64};
        if (zone.allocate_at(first, superpage_order) == status::ok) {
            for (std::size_t i = begin; i < begin + child_words_count; ++i) {
                const std::uint64_t others = i < words.size() ? ~words[i] : ~std::uint64_t{0};
                zone.free_word({Frame{i * 64}, others});
            }
            continue;
        }
        const std::uint64_t end = begin * 64 + child_frames;
        for (std::uint64_t f = wanted.next_member(begin * 64); f < wanted.size() && f < end;) {
            const std::uint64_t gap = std::min(wanted.next_gap(f), end);
            const status taken = zone.allocate_run_at({Frame{f}, page_count{gap - f}});
            LONGREACH_CHECK(taken == status::ok, "take_frames.in_use");
            f = wanted.next_member(gap);
        }
    }
}

LONGREACH_NAMESPACE_END

#endif
