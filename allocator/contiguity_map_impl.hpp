// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CONTIGUITY_MAP_IMPL_HPP
#define LONGREACH_ALLOCATOR_CONTIGUITY_MAP_IMPL_HPP

#include "contiguity_map.hpp"

// The members of basic_contiguity_map that climb and descend its tree; contiguity_map.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// Position of the first free frame at or after `from`, or 512.
[[nodiscard]] constexpr unsigned next_free(const child_words& words, unsigned from) noexcept {
    for (unsigned i = from / 64; i < words.size(); ++i) {
        const std::uint64_t rest = i == from / 64 ? words[i] & ~low_mask(from % 64) : words[i];
        if (rest != 0) return i * 64 + trailing_zeros(rest);
    }
    return child_frames;
}

/// Position of the first frame at or after `from` that is not free, or 512.
[[nodiscard]] constexpr unsigned next_used(const child_words& words, unsigned from) noexcept {
    for (unsigned i = from / 64; i < words.size(); ++i) {
        const std::uint64_t rest = i == from / 64 ? ~words[i] & ~low_mask(from % 64) : ~words[i];
        if (rest != 0) return i * 64 + trailing_zeros(rest);
    }
    return child_frames;
}

/// One above the last frame before `end` that is not free, or 0.
[[nodiscard]] constexpr unsigned after_last_used(const child_words& words, unsigned end) noexcept {
    for (unsigned i = (end + 63) / 64; i-- > 0;) {
        const std::uint64_t used = ~words[i] & word_mask(i, 0, end);
        if (used != 0) return i * 64 + 64 - leading_zeros(used);
    }
    return 0;
}

}  // namespace detail

template <class Frame>
auto basic_contiguity_map<Frame>::measure(const child_words& words) noexcept -> leaf {
    unsigned longest = 0;
    for (unsigned first = detail::next_free(words, 0); first != child_frames;) {
        const unsigned end = detail::next_used(words, first);
        longest = end - first > longest ? end - first : longest;
        first = end == child_frames ? end : detail::next_free(words, end);
    }
    return {static_cast<std::uint16_t>(detail::next_used(words, 0)),
            static_cast<std::uint16_t>(child_frames - detail::after_last_used(words, child_frames)),
            static_cast<std::uint16_t>(longest)};
}

template <class Frame>
auto basic_contiguity_map<Frame>::combine(unsigned level, std::uint64_t i) const noexcept -> node {
    const node left = at(level - 1, 2 * i);
    if (2 * i + 1 >= width(level - 1)) return {left.prefix, 0, left.longest};  // past the last child nothing is free
    const node right = at(level - 1, 2 * i + 1);
    const std::uint32_t half = static_cast<std::uint32_t>(span_of(level - 1));
    const std::uint32_t joined = left.suffix + right.prefix;
    const std::uint32_t larger = left.longest > right.longest ? left.longest : right.longest;
    return {left.prefix == half ? half + right.prefix : left.prefix,
            right.suffix == half ? half + left.suffix : right.suffix, joined > larger ? joined : larger};
}

template <class Frame>
void basic_contiguity_map<Frame>::update(std::uint64_t child) noexcept {
    leaves_[child] = measure(frames_.unreserved(child));
    std::uint64_t i = child;
    for (unsigned level = 1; level <= top_; ++level) {
        i /= 2;
        const node now = combine(level, i);
        if (now == levels_[level][i]) return;
        levels_[level][i] = now;
    }
}

/// Walks to the right from `from`, skipping every node in which no cluster that is long enough begins or ends;
/// `carried` free frames end where the walk stands.
template <class Frame>
std::optional<run<Frame>> basic_contiguity_map<Frame>::next_from(Frame from, page_count least) const noexcept {
    LONGREACH_CHECK(least.raw > 0, "contiguity_map.least");
    const std::uint64_t children = leaves_.size();
    const Frame start = from < frames_.base() ? frames_.base() : from;
    if (start >= start_of(children)) return {};
    std::uint64_t c = (start - frames_.base()).raw / child_frames;
    unsigned position = static_cast<unsigned>((start - start_of(c)).raw);
    std::uint64_t carried = 0;
    unsigned level = 0;
    while (c < children) {
        const node here = at(level, c >> level);
        const bool aligned = position == 0;
        if (aligned && carried + here.prefix < least.raw && here.longest < least.raw) {
            carried = here.prefix == span_of(level) ? carried + here.prefix : here.suffix;
            c += std::uint64_t{1} << level;
            if (level < top_ && (c >> level & 1) == 0) ++level;
            continue;
        }
        if (level > 0) {
            --level;
            continue;
        }
        const child_words words = frames_.unreserved(c);
        while (position < child_frames) {
            const unsigned first = carried != 0 ? position : detail::next_free(words, position);
            const Frame begin = start_of(c) + page_count{first} - page_count{carried};
            const unsigned end = first == child_frames ? first : detail::next_used(words, first);
            if (carried + (end - first) >= least.raw) return run_between(begin, run_end(c, words, first));
            carried = end == child_frames ? carried + (end - first) : 0;
            position = end;
        }
        position = 0;
        ++c;
    }
    return {};
}

/// End of the cluster that holds the free frame (or begins at the end of a free stretch) at `position`.
template <class Frame>
Frame basic_contiguity_map<Frame>::run_end(std::uint64_t child, const child_words& words,
                                           unsigned position) const noexcept {
    const unsigned end = detail::next_used(words, position);
    std::uint64_t c = child + 1;
    if (end != child_frames) return start_of(child) + page_count{end};
    unsigned level = 0;
    while (c < leaves_.size()) {
        const node here = at(level, c >> level);
        if (here.prefix == span_of(level)) {
            c += std::uint64_t{1} << level;
            if (level < top_ && (c >> level & 1) == 0) ++level;
        } else if (level > 0) {
            --level;
        } else {
            return start_of(c) + page_count{here.prefix};
        }
    }
    return start_of(leaves_.size());
}

/// Start of the cluster that holds the free frame at `position`.
template <class Frame>
Frame basic_contiguity_map<Frame>::run_start(std::uint64_t child, const child_words& words,
                                             unsigned position) const noexcept {
    const unsigned first = detail::after_last_used(words, position);
    if (first != 0) return start_of(child) + page_count{first};
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
            return start_of(c) - page_count{here.suffix};
        }
    }
    return start_of(0);
}

template <class Frame>
violation basic_contiguity_map<Frame>::audit() const noexcept {
    for (std::uint64_t child = 0; child < leaves_.size(); ++child) {
        const leaf expected = measure(frames_.unreserved(child));
        const leaf& kept = leaves_[child];
        if (kept.prefix != expected.prefix || kept.suffix != expected.suffix || kept.longest != expected.longest) {
            return {"contiguity_map.I1", start_of(child).raw};
        }
    }
    for (unsigned level = 1; level <= top_; ++level) {
        for (std::uint64_t i = 0; i < width(level); ++i) {
            if (!(levels_[level][i] == combine(level, i))) return {"contiguity_map.I2", start_of(i << level).raw};
        }
    }
    return {};
}

LONGREACH_NAMESPACE_END

#endif
