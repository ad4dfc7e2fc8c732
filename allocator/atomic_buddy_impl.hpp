// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_ATOMIC_BUDDY_IMPL_HPP
#define LONGREACH_ALLOCATOR_ATOMIC_BUDDY_IMPL_HPP

#include "atomic_buddy.hpp"

// The members of basic_atomic_buddy that start, mark, take, give back, lock and check; atomic_buddy.hpp includes it.
// Searches are in atomic_buddy_search_impl.hpp.
//
// Why no mark is lost. Who sets bits marks what its word then holds, and who fills a word, breaks a full one or changes
// several marks all that the child then holds, each after the change. After the last such change to a child the full
// words stay full and the others not, and bits only disappear: so its maker sees every block that is free in the end.
// Who takes a mark down looks at the bits afterwards and sets it again if they ask for it. Either that look comes after
// the last change, or its maker finds the mark missing.

LONGREACH_NAMESPACE_BEGIN

// ------------------------------------------------------------------------------------------ start

template <class Frame, class Atomics>
basic_atomic_buddy<Frame, Atomics>::basic_atomic_buddy(run<Frame> managed, std::span<std::byte> memory,
                                                       bool keep_bits) noexcept
    : managed_(managed), base_(align_down(managed.first, order{child_order})) {
    LONGREACH_CHECK(!managed.empty(), "atomic_buddy.empty_zone");
    LONGREACH_CHECK(managed.end() > managed.first && managed.end().raw >> 63 == 0, "atomic_buddy.wrapping_zone");
    LONGREACH_CHECK(memory.size() >= required_bytes(managed.count), "atomic_buddy.memory");
    const std::uint64_t n = (align_up(managed.end(), order{child_order}) - base_).raw / child_frames;
    detail::memory_carver carve(memory);
    words_ = carve.template take<child_words>(n, 64);
    headers_ = carve.template take<std::uint64_t>(n);
    for (atomic_bit_tree<Atomics>& tree : marked_) {
        const std::size_t words = atomic_bit_tree<Atomics>::required_words(n);
        tree = atomic_bit_tree<Atomics>(n, carve.template take<std::uint64_t>(words));
    }
    if (keep_bits) {
        recover();
    } else {
        start();
    }
}

/// A zone whose frames are all free. Only the children at its two ends can be broken.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::start() noexcept {
    const std::uint64_t n = children();
    for (child_words& words : words_) {
        for (std::uint64_t& word : words) Atomics::store(word, full_word);
    }
    for (std::uint64_t& header : headers_) Atomics::store(header, std::uint64_t{1} << whole);
    marked_[whole].fill();
    for (const std::uint64_t child : {std::uint64_t{0}, n - 1}) {
        Atomics::store(headers_[child], 0);
        marked_[whole].erase(child);
        start_child(child);
    }
}

template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::recover() noexcept {
    for (atomic_bit_tree<Atomics>& tree : marked_) tree.clear();
    for (std::uint64_t child = 0; child < children(); ++child) {
        Atomics::store(headers_[child], 0);
        start_child(child);
    }
}

/// Cuts a child's bits to the managed run and marks what is left.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::start_child(std::uint64_t child) noexcept {
    const run<Frame> here = managed_part(child);
    const unsigned first = static_cast<unsigned>(here.first.raw % child_frames);
    const unsigned end = first + static_cast<unsigned>(here.count.raw);
    for (unsigned i = 0; i < 8; ++i) {
        std::uint64_t& word = words_[child][i];
        Atomics::store(word, Atomics::load(word) & word_mask(i, first, end));
    }
    mark_all(child);
}

// ------------------------------------------------------------------------------------------ marks

template <class Frame, class Atomics>
child_words basic_atomic_buddy<Frame, Atomics>::look(std::uint64_t child) const noexcept {
    child_words words;
    for (unsigned i = 0; i < words.size(); ++i) words[i] = Atomics::load(words_[child][i]);
    return words;
}

/// Whether all words were seen full, one after the other.
template <class Frame, class Atomics>
bool basic_atomic_buddy<Frame, Atomics>::is_whole(std::uint64_t child) const noexcept {
    for (const std::uint64_t& word : words_[child]) {
        if (Atomics::load(word) != full_word) return false;
    }
    return true;
}

template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::mark(std::uint64_t child, std::uint64_t marks) noexcept {
    const std::uint64_t missing = marks & ~Atomics::load(headers_[child]);
    if (missing == 0) return;
    const std::uint64_t mine = missing & ~Atomics::fetch_or(headers_[child], missing);
    for (std::uint64_t rest = mine; rest != 0; rest &= rest - 1) marked_[lowest_one(rest)].insert(child);
}

/// Marks what a child holds now.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::mark_all(std::uint64_t child) noexcept {
    const child_words words = look(child);
    if (full_words(words) != 0xff && has_marks(child, child_order)) return;
    mark(child, marks_of(words));
}

/// Marks what a word of a child holds that is not full.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::mark_word(std::uint64_t child, std::uint64_t word) noexcept {
    if (has_marks(child, 6)) return;
    unsigned orders = 0;
    while (orders < 6 && detail::free_blocks(word, orders) != 0) ++orders;
    mark(child, low_mask(orders));
}

/// Takes down a mark that promised too much, unless by now it does not.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::unmark(std::uint64_t child, unsigned k) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << k;
    Atomics::fetch_and(headers_[child], ~bit);
    marked_[k].erase(child);
    if ((Atomics::load(headers_[child]) & bit) != 0) marked_[k].insert(child);  // marked again between the two
    mark(child, marks_of(look(child)) & bit);
}

// ------------------------------------------------------------------------------------------ words

/// Takes frames of a word if all are free; answers what the word held before, or 0.
template <class Frame, class Atomics>
std::uint64_t basic_atomic_buddy<Frame, Atomics>::take(std::uint64_t& word, std::uint64_t frames) noexcept {
    std::uint64_t before = Atomics::load(word);
    while ((~before & frames) == 0) {
        if (Atomics::compare_exchange(word, before, before & ~frames)) return before;
    }
    return 0;
}

/// Gives back frames of a word of a locked child. A word that is given back wholly has no other writer.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::give(std::uint64_t& word, std::uint64_t frames) noexcept {
    if (frames == full_word) {
        LONGREACH_CHECK(Atomics::load(word) == 0, "atomic_buddy.double_free");
        Atomics::store(word, full_word);
    } else {
        const std::uint64_t before = Atomics::fetch_or(word, frames);
        LONGREACH_CHECK((before & frames) == 0, "atomic_buddy.double_free");
    }
}

/// Calls visit(word, frames) for the part of the run in each word until it answers false; the parts before that.
template <class Frame, class Atomics>
template <class Visit>
run<Frame> basic_atomic_buddy<Frame, Atomics>::for_each_word(run<Frame> frames, Visit visit) const noexcept {
    run<Frame> rest = frames;
    while (!rest.empty()) {
        const unsigned skip = rest.first.raw % 64;
        const page_count here{rest.count.raw < 64 - skip ? rest.count.raw : 64 - skip};
        if (!visit(word_of(rest.first), low_mask(static_cast<unsigned>(here.raw)) << skip)) break;
        rest = {rest.first + here, rest.count - here};
    }
    return run_between(frames.first, rest.first);
}

template <class Frame, class Atomics>
status basic_atomic_buddy<Frame, Atomics>::allocate_run_at(run<Frame> frames) noexcept {
    if (frames.empty() || !managed_.contains(frames)) return status::out_of_range;
    if (!is_in_one_word(frames)) {
        return !is_taken(frames) && take_words(frames) ? status::ok : status::occupied;
    }
    const std::uint64_t mask = low_mask(static_cast<unsigned>(frames.count.raw)) << (frames.first.raw % 64);
    do {
        const std::uint64_t before = take(word_of(frames.first), mask);
        if (before == full_word) mark_all(child_of(frames.first));
        if (before != 0) return status::ok;
    } while (!is_taken(frames));
    return status::occupied;
}

template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::free_run(run<Frame> frames) noexcept {
    LONGREACH_CHECK(!frames.empty() && managed_.contains(frames), "atomic_buddy.foreign_frame");
    if (!is_in_one_word(frames)) {
        lock(frames);
        for_each_word(frames, [](std::uint64_t& word, std::uint64_t mask) {
            give(word, mask);
            return true;
        });
        unlock(frames);
        return;
    }
    const std::uint64_t child = child_of(frames.first);
    const std::uint64_t mask = low_mask(static_cast<unsigned>(frames.count.raw)) << (frames.first.raw % 64);
    const std::uint64_t before = Atomics::fetch_or(word_of(frames.first), mask);
    LONGREACH_CHECK((before & mask) == 0, "atomic_buddy.double_free");
    if ((before | mask) == full_word) return mark_all(child);
    mark_word(child, before | mask);
}

// -------------------------------------------------------------------------------- locked children

/// Locks the children of a run, the lowest first.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::lock(run<Frame> frames) noexcept {
    const std::uint64_t last = child_of(frames.end() - page_count{1});
    for (std::uint64_t child = child_of(frames.first); child <= last;) {
        std::uint64_t header = Atomics::load(headers_[child]);
        if ((header & one_turn) != 0) {
            Atomics::pause();
        } else if (Atomics::compare_exchange(headers_[child], header, header + one_turn)) {
            ++child;
        }
    }
}

/// Unlocks the children of a run, then marks what they hold.
template <class Frame, class Atomics>
void basic_atomic_buddy<Frame, Atomics>::unlock(run<Frame> frames) noexcept {
    const std::uint64_t first = child_of(frames.first);
    const std::uint64_t last = child_of(frames.end() - page_count{1});
    for (std::uint64_t child = first; child <= last; ++child) Atomics::fetch_add(headers_[child], one_turn);
    for (std::uint64_t child = first; child <= last; ++child) mark_all(child);
}

/// Takes all of these frames, or finds one that is in use and takes none.
template <class Frame, class Atomics>
bool basic_atomic_buddy<Frame, Atomics>::take_words(run<Frame> frames) noexcept {
    lock(frames);
    const run<Frame> taken =
        for_each_word(frames, [](std::uint64_t& word, std::uint64_t mask) { return take(word, mask) != 0; });
    if (taken != frames) {
        for_each_word(taken, [](std::uint64_t& word, std::uint64_t mask) {
            give(word, mask);
            return true;
        });
    }
    unlock(frames);
    return taken == frames;
}

/// Whether some of these managed frames is in use; each child is looked at in turn.
template <class Frame, class Atomics>
bool basic_atomic_buddy<Frame, Atomics>::is_taken(run<Frame> frames) const noexcept {
    const std::uint64_t last = child_of(frames.end() - page_count{1});
    for (std::uint64_t child = child_of(frames.first); child <= last; ++child) {
        if (is_taken_in(child, intersection(frames, managed_part(child)))) return true;
    }
    return false;
}

/// Whether some of these frames of a child was in use at a moment when no call on several words was at work on it.
template <class Frame, class Atomics>
bool basic_atomic_buddy<Frame, Atomics>::is_taken_in(std::uint64_t child, run<Frame> frames) const noexcept {
    for (;;) {
        const std::uint64_t before = Atomics::load(headers_[child]);
        if ((before & one_turn) == 0) {
            const run<Frame> seen_free = for_each_word(frames, [](const std::uint64_t& word, std::uint64_t mask) {
                return (~Atomics::load(word) & mask) == 0;
            });
            if (seen_free == frames) return false;
            if (Atomics::load(headers_[child]) / one_turn == before / one_turn) return true;
        }
        Atomics::pause();
    }
}

// ----------------------------------------------------------------------------------------- counts

template <class Frame, class Atomics>
page_count basic_atomic_buddy<Frame, Atomics>::free_frames() const noexcept {
    std::uint64_t total = 0;
    for (std::uint64_t child = 0; child < children(); ++child) total += count_free(look(child));
    return {total};
}

template <class Frame, class Atomics>
violation basic_atomic_buddy<Frame, Atomics>::audit() const noexcept {
    for (std::uint64_t child = 0; child < children(); ++child) {
        const child_words words = look(child);
        const run<Frame> here = managed_part(child);
        const unsigned first = static_cast<unsigned>(here.first.raw % child_frames);
        const unsigned end = first + static_cast<unsigned>(here.count.raw);
        for (unsigned i = 0; i < 8; ++i) {
            if ((words[i] & ~word_mask(i, first, end)) != 0) return {"atomic_buddy.I1", child};
        }
        const std::uint64_t header = Atomics::load(headers_[child]);
        if ((marks_of(words) & ~header) != 0) return {"atomic_buddy.I2", child};
        for (unsigned k = 0; k < mark_count; ++k) {
            if ((header >> k & 1) != 0 && !marked_[k].test(child)) return {"atomic_buddy.I3", child};
        }
        if ((header & one_turn) != 0) return {"atomic_buddy.I4", child};
    }
    for (const atomic_bit_tree<Atomics>& tree : marked_) {
        if (const violation broken = tree.audit()) return broken;
    }
    return {};
}

LONGREACH_NAMESPACE_END

#endif
