// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CLUSTER_TREE_HPP
#define LONGREACH_ALLOCATOR_CLUSTER_TREE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "child.hpp"
#include "cluster_bins.hpp"
#include "config.hpp"
#include "memory_carver.hpp"
#include "status.hpp"

// What is known of the free runs of a zone's children: for each child, and for every two, four, eight … of them, the
// free frames at the start, at the end and in the longest run.
//
// The buddy tells it which children changed and owns the bits; contiguity_map asks it in terms of frames. Positions
// are counted from the first frame of child 0. Not thread-safe: the caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 each child's node equals a recount of its bits; I2 each node above equals the combination of the two
/// below it.
class cluster_tree {
  public:
    static constexpr unsigned max_levels = 24;
    static constexpr std::uint64_t max_children = (std::uint64_t{1} << (max_levels - 1)) - 1;  // just below 16 TiB

    [[nodiscard]] static constexpr std::size_t required_bytes(std::uint64_t children) noexcept {
        std::uint64_t n = children;
        std::size_t bytes = n * sizeof(leaf) + alignof(std::uint64_t) + alignof(node);
        while (n > 1) {
            n = (n + 1) / 2;
            bytes += n * sizeof(node);
        }
        return bytes + cluster_bins::required_words(children) * sizeof(std::uint64_t);
    }

    cluster_tree() = default;

    /// Over children of which nothing is free; `memory` holds required_bytes(children).
    cluster_tree(std::uint64_t children, std::span<std::byte> memory) noexcept {
        LONGREACH_CHECK(children <= max_children, "contiguity_map.size");
        detail::memory_carver carve(memory);
        bins_ = cluster_bins(children, carve.take<std::uint64_t>(cluster_bins::required_words(children)));
        std::uint64_t n = children;
        for (; n > 1; levels_[++top_] = carve.take_zeroed<node>(n)) n = (n + 1) / 2;
        leaves_ = carve.take_zeroed<leaf>(children);
    }

    [[nodiscard]] std::uint64_t children() const noexcept { return leaves_.size(); }
    /// Length of the longest run.
    [[nodiscard]] std::uint64_t longest() const noexcept { return at(top_, 0).longest; }
    [[nodiscard]] const cluster_bins& bins() const noexcept { return bins_; }

    /// Hears of a child's free frames as they are now. O(log children).
    void update(std::uint64_t child, const child_words& words) noexcept {
        std::uint32_t changed = static_cast<std::uint32_t>(child);
        update(std::span(&changed, 1), [&words](std::uint64_t) -> const child_words& { return words; });
    }

    /// The same for several children, whose numbers are overwritten; `words_of(child)` answers the free frames of one.
    /// O(log children) for each, less for those that are neighbours in this order.
    template <class Words>
    void update(std::span<std::uint32_t> changed, Words words_of) noexcept {
        std::size_t count = 0;
        for (const std::uint32_t child : changed) {
            if (update_leaf(child, words_of(child))) changed[count++] = child;
        }
        for (unsigned level = 1; level <= top_ && count != 0; ++level) {
            std::uint64_t done = ~std::uint64_t{0};
            std::size_t above = 0;
            for (const std::uint32_t below : changed.first(count)) {
                const std::uint32_t i = below / 2;
                if (i == done) continue;
                done = i;
                const node joined = combine(level, i);
                if (joined == levels_[level][i]) continue;
                levels_[level][i] = joined;
                changed[above++] = i;
            }
            count = above;
        }
    }

    /// A run of free frames: positions [first, end); empty where none was found.
    struct stretch {
        std::uint64_t first = 0;
        std::uint64_t end = 0;
    };

    /// The first run of at least `least` frames among the free frames at and after `from`, with all that follows it;
    /// `words_of(child)` answers the free frames of a child. O(log children).
    template <class Words>
    [[nodiscard]] stretch next(std::uint64_t from, std::uint64_t least, Words words_of) const noexcept;

    /// The same for runs that hold a whole child wherever they lie (least > ragged), in steps of 64 children.
    template <class Words>
    [[nodiscard]] stretch next_large(std::uint64_t from, std::uint64_t least, Words words_of) const noexcept;

    /// Most frames of a run that holds no whole child.
    static constexpr std::uint64_t ragged = 2 * (child_frames - 1);

    /// End of the run that reaches the free position, or begins there.
    [[nodiscard]] std::uint64_t end_of_run(std::uint64_t position, const child_words& words) const noexcept;
    /// Start of the run that holds the free position.
    [[nodiscard]] std::uint64_t start_of_run(std::uint64_t position, const child_words& words) const noexcept;

    /// The run around wholly free children [first, end).
    [[nodiscard]] stretch around(std::uint64_t first, std::uint64_t end) const noexcept {
        return {first * child_frames - (first == 0 ? 0 : leaves_[first - 1].suffix),
                end * child_frames + (end == children() ? 0 : leaves_[end].prefix)};
    }

    template <class Words>
    violation audit(Words words_of) const noexcept {
        for (std::uint64_t child = 0; child < children(); ++child) {
            if (!(leaves_[child] == measure(words_of(child)))) return {"contiguity_map.I1", child};
        }
        for (unsigned level = 1; level <= top_; ++level) {
            for (std::uint64_t i = 0; i < levels_[level].size(); ++i) {
                if (!(levels_[level][i] == combine(level, i))) return {"contiguity_map.I2", i << level};
            }
        }
        return bins_.audit([this](std::uint64_t child) { return leaves_[child].longest == child_frames; });
    }

  private:
    friend struct contiguity_map_corruption;  // tests break invariants through it

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
        friend constexpr bool operator==(const leaf&, const leaf&) = default;
    };

    [[nodiscard]] node at(unsigned level, std::uint64_t i) const noexcept {
        if (level == 0) return {leaves_[i].prefix, leaves_[i].suffix, leaves_[i].longest};
        return levels_[level][i];
    }
    /// Frames that a node of this level covers when all its children exist.
    [[nodiscard]] static constexpr std::uint64_t span_of(unsigned level) noexcept {
        return std::uint64_t{child_frames} << level;
    }

    /// Whether what is known of a child changed.
    [[nodiscard]] bool update_leaf(std::uint64_t child, const child_words& words) noexcept {
        const leaf before = leaves_[child];
        const leaf now = measure(words);
        if (now == before) return false;
        leaves_[child] = now;
        if ((now.longest == child_frames) != (before.longest == child_frames)) {
            bins_.set_whole(child, now.longest == child_frames);
        }
        return true;
    }

    [[nodiscard]] static leaf measure(const child_words& words) noexcept {
        std::uint64_t any = 0;
        std::uint64_t all = ~std::uint64_t{0};
        for (const std::uint64_t word : words) {
            any |= word;
            all &= word;
        }
        if (any == 0) return {0, 0, 0};
        if (all == ~std::uint64_t{0}) return {child_frames, child_frames, child_frames};
        unsigned longest = 0;
        for (unsigned first = next_free(words, 0); first != child_frames;) {
            const unsigned end = next_used(words, first);
            longest = end - first > longest ? end - first : longest;
            first = end == child_frames ? end : next_free(words, end);
        }
        return {static_cast<std::uint16_t>(next_used(words, 0)),
                static_cast<std::uint16_t>(child_frames - after_last_used(words, child_frames)),
                static_cast<std::uint16_t>(longest)};
    }

    [[nodiscard]] node combine(unsigned level, std::uint64_t i) const noexcept {
        const node left = at(level - 1, 2 * i);
        const std::uint64_t below = level == 1 ? leaves_.size() : levels_[level - 1].size();
        if (2 * i + 1 >= below) return {left.prefix, 0, left.longest};  // past the last child nothing is free
        const node right = at(level - 1, 2 * i + 1);
        const std::uint32_t half = static_cast<std::uint32_t>(span_of(level - 1));
        const std::uint32_t joined = left.suffix + right.prefix;
        const std::uint32_t larger = left.longest > right.longest ? left.longest : right.longest;
        return {left.prefix == half ? half + right.prefix : left.prefix,
                right.suffix == half ? half + left.suffix : right.suffix, joined > larger ? joined : larger};
    }

    [[nodiscard]] std::uint64_t large_run_in(std::uint64_t whole, std::uint64_t word,
                                             std::uint64_t least) const noexcept;

    std::span<leaf> leaves_{};
    std::array<std::span<node>, max_levels> levels_{};  ///< from 1 to top_; 0 is leaves_
    unsigned top_ = 0;
    cluster_bins bins_{};
};

/// Walks to the right from `from`, skipping every node in which no run that is long enough begins or ends; `carried`
/// free frames end where the walk stands.
template <class Words>
auto cluster_tree::next(std::uint64_t from, std::uint64_t least, Words words_of) const noexcept -> stretch {
    if (longest() < least) return {};
    std::uint64_t c = from / child_frames;
    unsigned position = static_cast<unsigned>(from % child_frames);
    std::uint64_t carried = 0;
    unsigned level = 0;
    while (c < children()) {
        const node here = at(level, c >> level);
        if (position == 0 && carried + here.prefix < least && here.longest < least) {
            carried = here.prefix == span_of(level) ? carried + here.prefix : here.suffix;
            c += std::uint64_t{1} << level;
            while (level < top_ && (c >> level & 1) == 0 && c < children()) ++level;
            continue;
        }
        if (level > 0) {
            --level;
            continue;
        }
        if (position == 0 && carried + here.prefix >= least) {
            const std::uint64_t start = c * child_frames;
            if (here.prefix != child_frames) return {start - carried, start + here.prefix};
            return {start - carried, end_of_run(start, words_of(c))};
        }
        const child_words words = words_of(c);
        while (position < child_frames) {
            const unsigned first = carried != 0 ? position : next_free(words, position);
            const unsigned end = first == child_frames ? first : next_used(words, first);
            if (carried + (end - first) >= least) {
                return {c * child_frames + first - carried, end_of_run(c * child_frames + first, words)};
            }
            carried = end == child_frames ? carried + (end - first) : 0;
            position = end;
        }
        position = 0;
        ++c;
    }
    return {};
}

/// First position of the first run of at least `least` frames that begins before a child of `whole`, which are whole
/// children of one word that do not continue a run from before it; children() * 512 where none has them in this word.
inline std::uint64_t cluster_tree::large_run_in(std::uint64_t whole, std::uint64_t word,
                                                std::uint64_t least) const noexcept {
    const std::uint64_t need = (least - ragged + child_frames - 1) / child_frames;  // whole children, at the least
    if (need > 64) return children() * child_frames;
    std::uint64_t starts = whole;  // of `length` whole children in a row
    for (std::uint64_t length = 1; length < need;) {
        const std::uint64_t step = length < need - length ? length : need - length;
        starts &= starts >> step;
        length += step;
    }
    while (starts != 0) {
        const unsigned first = lowest_one(starts);
        const unsigned count = trailing_zeros(~(whole >> first));
        const unsigned end = first + count < 64 ? first + count : 64;
        const std::uint64_t child = word * 64;
        const std::uint64_t begin =
            (child + first) * child_frames - (child + first == 0 ? 0 : leaves_[child + first - 1].suffix);
        const std::uint64_t beyond = end == 64 || child + end == children() ? 0 : leaves_[child + end].prefix;
        if ((child + end) * child_frames + beyond - begin >= least) return begin;
        starts &= ~low_mask(end);
    }
    return children() * child_frames;
}

template <class Words>
auto cluster_tree::next_large(std::uint64_t from, std::uint64_t least, Words words_of) const noexcept -> stretch {
    constexpr unsigned word_level = 6;  // a node of this level covers one word of whole children
    const std::uint64_t nowhere = children() * child_frames;
    if (longest() < least || from >= nowhere) return {};
    if (top_ <= word_level) return next(from, least, words_of);
    const auto found_at = [&](std::uint64_t begin) {
        const std::uint64_t child = (begin + child_frames - 1) / child_frames;  // the run's first whole child
        const std::uint64_t end = bins_.end_of_run(child);
        return stretch{begin, end * child_frames + (end == children() ? 0 : leaves_[end].prefix)};
    };
    std::uint64_t child = from / child_frames;
    unsigned position = static_cast<unsigned>(from % child_frames);
    if (bins_.is_whole(child) ||
        (position == 0 ? leaves_[child].prefix != 0 : is_free_block(words_of(child), position, 0))) {
        const std::uint64_t end = end_of_run(from, words_of(child));  // `from` lies in a run
        if (end - from >= least) return {from, end};
        if (end == nowhere) return {};
        child = end / child_frames;
    }
    std::uint64_t word = child / 64;
    const std::uint64_t after = bins_.whole_word(word) & ~low_mask(static_cast<unsigned>(child % 64) + 1);
    std::uint64_t begin = large_run_in(after, word, least);
    if (begin != nowhere) return found_at(begin);
    std::uint64_t carried = levels_[word_level][word].suffix;
    ++word;
    unsigned level = word_level;
    while (word * 64 < children()) {
        const node& here = levels_[level][word >> (level - word_level)];
        if (carried + here.prefix < least && here.longest < least) {
            carried = here.prefix == span_of(level) ? carried + here.prefix : here.suffix;
            word += std::uint64_t{1} << (level - word_level);
            while (level < top_ && (word >> (level - word_level) & 1) == 0 && word * 64 < children()) ++level;
        } else if (level > word_level) {
            --level;
        } else {
            if (carried + here.prefix >= least) return found_at(word * 64 * child_frames - carried);
            std::uint64_t whole = bins_.whole_word(word);
            if (here.prefix >= child_frames) whole &= whole + 1;  // the run from before it was too short
            begin = large_run_in(whole, word, least);
            if (begin != nowhere) return found_at(begin);
            carried = here.suffix;
            ++word;
        }
    }
    return {};
}

inline std::uint64_t cluster_tree::end_of_run(std::uint64_t position, const child_words& words) const noexcept {
    const std::uint64_t child = position / child_frames;
    const unsigned end = next_used(words, static_cast<unsigned>(position % child_frames));
    if (end != child_frames) return child * child_frames + end;
    unsigned level = 0;
    std::uint64_t c = child + 1;
    while (c < children()) {
        const node here = at(level, c >> level);
        if (here.prefix == span_of(level)) {
            c += std::uint64_t{1} << level;
            if (level < top_ && (c >> level & 1) == 0) ++level;
        } else if (level > 0) {
            --level;
        } else {
            return c * child_frames + here.prefix;
        }
    }
    return children() * child_frames;
}

inline std::uint64_t cluster_tree::start_of_run(std::uint64_t position, const child_words& words) const noexcept {
    const std::uint64_t child = position / child_frames;
    const unsigned first = after_last_used(words, static_cast<unsigned>(position % child_frames));
    if (first != 0) return child * child_frames + first;
    std::uint64_t c = child;  // the walk stands before child c
    unsigned level = 0;
    while (c > 0) {
        const node here = at(level, (c - 1) >> level);
        if (here.suffix == span_of(level)) {
            c -= std::uint64_t{1} << level;
            if (level < top_ && (c >> level & 1) == 0) ++level;
        } else if (level > 0) {
            --level;
        } else {
            return c * child_frames - here.suffix;
        }
    }
    return 0;
}

LONGREACH_NAMESPACE_END

#endif
