// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_ATOMIC_BUDDY_SEARCH_IMPL_HPP
#define LONGREACH_ALLOCATOR_ATOMIC_BUDDY_SEARCH_IMPL_HPP

#include "atomic_buddy.hpp"

// How basic_atomic_buddy finds blocks and runs; atomic_buddy.hpp includes it. What is found is taken in the same step,
// or the search goes on behind it.

LONGREACH_NAMESPACE_BEGIN

/// Takes the first `count` frames of a free block of order o, which is the least that holds them.
template <class Frame, class Atomics>
std::uint64_t basic_atomic_buddy<Frame, Atomics>::allocate_number(order o, page_count count) noexcept {
    if (o.raw < child_order) return allocate_part(o.raw, static_cast<unsigned>(count.raw));
    return o <= max_order ? allocate_children(o, count) : no_frame;
}

/// The same inside of a child. Of the whole children that still have the mark the first one keeps it for the next time
/// there is no broken one; without it a zone of whole children would set and take down marks at each call.
template <class Frame, class Atomics>
std::uint64_t basic_atomic_buddy<Frame, Atomics>::allocate_part(unsigned k, unsigned count) noexcept {
    const std::uint64_t none = children();
    std::uint64_t spare = none;
    for (std::uint64_t child = marked_[k].first(); child != none; child = marked_[k].first(child + 1)) {
        if (is_whole(child)) {
            if (spare == none) {
                spare = child;
            } else {
                unmark(child, k);
            }
            continue;
        }
        const std::uint64_t found = allocate_in(child, k, count);
        if (found != no_frame) return found;
        unmark(child, k);
    }
    if (spare != none) {
        const std::uint64_t found = allocate_in(spare, k, count);
        if (found != no_frame) return found;
    }
    for (std::uint64_t child = marked_[whole].first(); child != none; child = marked_[whole].first(child + 1)) {
        const std::uint64_t found = allocate_in(child, k, count);
        if (found != no_frame) return found;
        unmark(child, whole);
    }
    return no_frame;
}

template <class Frame, class Atomics>
std::uint64_t basic_atomic_buddy<Frame, Atomics>::allocate_in(std::uint64_t child, unsigned k,
                                                              unsigned count) noexcept {
    if (k > 6) {
        for (;;) {
            const unsigned position = find_block(look(child), k);
            if (position == child_frames) return no_frame;
            const run<Frame> frames{frame_at(child, position), page_count{count}};
            if (take_words(frames)) return frames.first.raw;
        }
    }
    for (unsigned i = 0; i < 8; ++i) {
        std::uint64_t& word = words_[child][i];
        std::uint64_t before = Atomics::load_relaxed(word);
        for (std::uint64_t starts = detail::free_blocks(before, k); starts != 0;) {
            const unsigned position = lowest_one(starts);
            if (Atomics::compare_exchange(word, before, before & ~(low_mask(count) << position))) {
                if (before == full_word) mark_all(child);
                return frame_at(child, i * 64 + position).raw;
            }
            starts = detail::free_blocks(before, k);
        }
    }
    return no_frame;
}

/// The same for a block of whole children.
template <class Frame, class Atomics>
std::uint64_t basic_atomic_buddy<Frame, Atomics>::allocate_children(order o, page_count count) noexcept {
    atomic_bit_tree<Atomics>& marked = marked_[whole];
    const std::uint64_t size = o.pages().raw / child_frames;
    for (std::uint64_t child = marked.first(); child != children();) {
        const std::uint64_t start = child_of(align_up(frame_at(child, 0), o));
        if (start + size > children()) return no_frame;
        std::uint64_t i = start;
        while (i < start + size && is_whole(i)) ++i;
        if (i == start + size) {
            if (take_words({frame_at(start, 0), count})) return frame_at(start, 0).raw;
            i = start;
        } else if (marked.test(i)) {
            unmark(i, whole);
        }
        child = i + 1 < children() ? marked.first(i + 1) : children();
    }
    return no_frame;
}

template <class Frame, class Atomics>
std::optional<run<Frame>> basic_atomic_buddy<Frame, Atomics>::allocate_run(page_count count) noexcept {
    LONGREACH_CHECK(count.raw > 0, "atomic_buddy.empty_run");
    if (count > managed_.count) return {};
    const std::uint64_t found = allocate_number(order{ceil_log2(count.raw)}, count);
    if (found != no_frame) return run<Frame>{Frame{found}, count};
    for (std::optional<Frame> f = find_run(managed_.first, count); f; f = find_run(*f + page_count{1}, count)) {
        const run<Frame> frames{*f, count};
        if (allocate_run_at(frames) == status::ok) return frames;
    }
    return {};
}

/// Start of the first run of `count` frames at or after `from` that are seen free, one word after the other.
template <class Frame, class Atomics>
std::optional<Frame> basic_atomic_buddy<Frame, Atomics>::find_run(Frame from, page_count count) const noexcept {
    std::uint64_t length = 0;  // free frames up to here
    for (std::uint64_t child = child_of(from); child < children(); ++child) {
        child_words words = look(child);
        const unsigned first = child == child_of(from) ? from.raw % child_frames : 0;
        for (unsigned i = 0; i < 8; ++i) words[i] &= word_mask(i, first, child_frames);
        for (unsigned position = first; position < child_frames;) {
            const unsigned used = next_used(words, position);
            length += used - position;
            if (length >= count.raw) return frame_at(child, used) - page_count{length};
            if (used == child_frames) break;
            length = 0;
            position = next_free(words, used);
        }
    }
    return {};
}

LONGREACH_NAMESPACE_END

#endif
