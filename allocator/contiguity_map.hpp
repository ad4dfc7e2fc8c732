// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CONTIGUITY_MAP_HPP
#define LONGREACH_ALLOCATOR_CONTIGUITY_MAP_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "buddy.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "status.hpp"
#include "units.hpp"

// The maximal runs of free, unreserved frames (clusters) of one buddy, frame-exact.
//
// A tree of (prefix, suffix, longest) over the buddy's children: level 0 has one node per child, each node
// above covers two. The buddy names the children that changed; a query first brings those up to date, so
// allocations and frees cost the map one bit. Not for finding blocks. Not thread-safe: the caller locks.
// Source of the idea: the contiguity map of CA paging (ISCA 2020), a sorted list of 4 MiB blocks there.

LONGREACH_NAMESPACE_BEGIN

/// Invariants, after refresh(): I1 each child's node equals a recount of its bits; I2 each node above equals
/// the combination of the two below it.
template <class Frame>
class basic_contiguity_map {
  public:
    /// Bytes of memory to pass for a buddy of this many frames: about 0.04 per frame.
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames) noexcept {
        std::uint64_t n = frames.raw / child_frames + 2;
        std::size_t bytes = n * sizeof(leaf) + alignof(node);
        while (n > 1) {
            n = (n + 1) / 2;
            bytes += n * sizeof(node);
        }
        return bytes;
    }

    /// A map of `frames`, less than 16 TiB, which outlives it and has no other map; `memory` holds required_bytes().
    basic_contiguity_map(basic_buddy<Frame>& frames, std::span<std::byte> memory) noexcept : frames_(frames) {
        LONGREACH_CHECK(frames.children() < std::uint64_t{1} << 23, "contiguity_map.size");
        detail::carver carve(memory);
        std::uint64_t n = frames.children();
        leaves_ = carve.template take<leaf>(n);
        while (n > 1) {
            n = (n + 1) / 2;
            levels_[++top_] = carve.template take<node>(n);
        }
        for (std::uint64_t child = 0; child < frames.children(); ++child) update(child);
    }

    /// Brings the map up to date with the buddy; queries call it. O(log children) per changed child.
    void refresh() noexcept {
        for (std::uint64_t c = frames_.take_changed(); c != frames_.children(); c = frames_.take_changed()) update(c);
    }

    /// The longest cluster, the lowest address among equals; nothing where no frame is free. O(log children).
    [[nodiscard]] std::optional<run<Frame>> longest() noexcept {
        refresh();
        const std::uint64_t length = at(top_, 0).longest;
        if (length == 0) return {};
        return next_from(frames_.base(), page_count{length});
    }

    /// The first cluster of at least `least` (1 or more) frames among the free frames at and after `from`: where
    /// `from` lies inside a cluster, only the rest of it counts. O(log children).
    [[nodiscard]] std::optional<run<Frame>> next(Frame from, page_count least) noexcept {
        refresh();
        return next_from(from, least);
    }

    /// The cluster that holds a frame; nothing where the frame is not free, reserved, or not managed. O(log children).
    [[nodiscard]] std::optional<run<Frame>> around(Frame f) noexcept {
        refresh();
        if (!frames_.managed().contains(f)) return {};
        const std::uint64_t c = (f - frames_.base()).raw / child_frames;
        const unsigned position = static_cast<unsigned>(f.raw % child_frames);
        const child_words words = frames_.unreserved(c);
        if (!is_free_block(words, position, 0)) return {};
        return run_between(run_start(c, words, position), run_end(c, words, position));
    }

    /// Recounts the whole tree, after refresh(); O(frames).
    violation audit() const noexcept;

  private:
    friend struct contiguity_map_corruption;  // tests break invariants through it

    /// Free frames at the start, at the end and in the longest run of what a node covers.
    struct node {
        std::uint32_t prefix;
        std::uint32_t suffix;
        std::uint32_t longest;
        friend constexpr bool operator==(const node&, const node&) = default;
    };
    struct leaf {
        std::uint16_t prefix;
        std::uint16_t suffix;
        std::uint16_t longest;
    };

    static constexpr unsigned max_levels = 24;  // 2^23 children

    [[nodiscard]] node at(unsigned level, std::uint64_t i) const noexcept {
        if (level == 0) return {leaves_[i].prefix, leaves_[i].suffix, leaves_[i].longest};
        return levels_[level][i];
    }
    [[nodiscard]] std::uint64_t width(unsigned level) const noexcept {
        return level == 0 ? leaves_.size() : levels_[level].size();
    }
    [[nodiscard]] Frame start_of(std::uint64_t child) const noexcept {
        return frames_.base() + page_count{child * child_frames};
    }
    /// Frames that a node of this level covers when all its children exist.
    [[nodiscard]] static constexpr std::uint64_t span_of(unsigned level) noexcept {
        return std::uint64_t{child_frames} << level;
    }

    [[nodiscard]] static leaf measure(const child_words& words) noexcept;
    [[nodiscard]] node combine(unsigned level, std::uint64_t i) const noexcept;
    void update(std::uint64_t child) noexcept;
    [[nodiscard]] std::optional<run<Frame>> next_from(Frame from, page_count least) const noexcept;
    [[nodiscard]] Frame run_end(std::uint64_t child, const child_words& words, unsigned position) const noexcept;
    [[nodiscard]] Frame run_start(std::uint64_t child, const child_words& words, unsigned position) const noexcept;

    basic_buddy<Frame>& frames_;
    std::span<leaf> leaves_{};
    std::array<std::span<node>, max_levels> levels_{};  ///< from 1 to top_; 0 is leaves_
    unsigned top_ = 0;
};

using contiguity_map = basic_contiguity_map<pfn>;
using guest_contiguity_map = basic_contiguity_map<gfn>;

LONGREACH_NAMESPACE_END

#include "contiguity_map_impl.hpp"

#endif
