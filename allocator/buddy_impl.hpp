// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BUDDY_IMPL_HPP
#define LONGREACH_ALLOCATOR_BUDDY_IMPL_HPP

#include "buddy.hpp"

// The members of basic_buddy that start, take and give back; buddy.hpp includes it. Searches are in
// buddy_search_impl.hpp.

LONGREACH_NAMESPACE_BEGIN

// ----------------------------------------------------------------------------------------------- start

template <class Frame>
basic_buddy<Frame>::basic_buddy(run<Frame> managed, std::span<std::byte> memory, buddy_options options,
                                bool keep_bits) noexcept
    : managed_(managed),
      base_(align_down(managed.first, order{child_order})),
      skew_(base_.raw / child_frames % child_frames) {
    LONGREACH_CHECK(!managed.empty(), "buddy.empty_zone");
    LONGREACH_CHECK(managed.end() > managed.first && managed.end().raw >> 63 == 0, "buddy.wrapping_zone");
    LONGREACH_CHECK(memory.size() >= required_bytes(managed.count, options), "buddy.memory");
    const std::uint64_t n = (align_up(managed.end(), order{child_order}) - base_).raw / child_frames;
    LONGREACH_CHECK(n >> 32 == 0, "buddy.huge_zone");
    const std::uint64_t groups = (skew_ + n + child_frames - 1) / child_frames;
    detail::memory_carver carve(memory);
    const auto words = carve.template take<child_words>(n, 64);
    const auto units = carve.template take<child_words>(groups);
    const auto masks = carve.template take<child_words>(mask_count(n, options));
    const auto headers = carve.template take<child_header>(n);
    const auto unit_headers = carve.template take<child_header>(groups);
    const auto layer = [&carve](auto of_words, auto of_headers, block_choice choice) {
        const std::size_t tree_words = block_layer::required_words(of_words.size(), choice);
        return block_layer(of_words, of_headers, carve.template take<std::uint64_t>(tree_words), choice);
    };
    lower_ = layer(words, headers, options.choice);
    upper_ = layer(units, unit_headers, upper_choice(options.choice));
    promised_ = bit_tree(n, carve.template take<std::uint64_t>(bit_tree::required_words(n)));
    promises_ = reserved_frames(headers, masks);
    if (keep_bits) {
        recover();
    } else {
        start();
    }
}

/// A zone whose frames are all free. Only the children at its two ends can be broken.
template <class Frame>
void basic_buddy<Frame>::start() noexcept {
    const std::uint64_t n = children();
    for (std::uint64_t child = 0; child < n; ++child) {
        for (std::uint64_t& word : lower_.words(child)) word = ~std::uint64_t{0};
    }
    for (std::uint64_t group = 0; group < upper_.children(); ++group) upper_.words(group) = {};
    start_child(0);
    for (std::uint64_t child = 1; child + 1 < n; ++child) lower_.start_whole(child);
    if (n > 1) start_child(n - 1);
    for (std::uint64_t group = 0; group < upper_.children(); ++group) {
        const std::uint64_t from = group * child_frames;
        const std::uint64_t first = skew_ + 1 > from ? skew_ + 1 - from : 0;
        const std::uint64_t end = skew_ + n - 1 > from ? skew_ + n - 1 - from : 0;
        for (unsigned i = 0; i < 8; ++i) {
            upper_.words(group)[i] |= word_mask(i, static_cast<unsigned>(first < child_frames ? first : child_frames),
                                                static_cast<unsigned>(end < child_frames ? end : child_frames));
        }
        upper_.recount(group);
        upper_.index(group, upper_.words(group));
    }
    free_ = managed_.count.raw;
}

template <class Frame>
void basic_buddy<Frame>::recover() noexcept {
    lower_.forget();
    upper_.forget();
    promised_.clear();
    promises_.forget();
    for (std::uint64_t group = 0; group < upper_.children(); ++group) upper_.words(group) = {};
    queued_ = 0;
    ready_frames_ = 0;
    free_ = 0;
    reserved_free_ = 0;
    kept_every_promise_ = true;
    for (std::uint64_t child = 0; child < children(); ++child) {
        start_child(child);
        free_ += lower_.header(child).free;
        note_change(child);
    }
    for (std::uint64_t group = 0; group < upper_.children(); ++group) {
        upper_.recount(group);
        upper_.index(group, upper_.words(group));
    }
}

/// Derives everything about a child from its bits, which are first cut to the managed run.
template <class Frame>
void basic_buddy<Frame>::start_child(std::uint64_t child) noexcept {
    const run<Frame> here = managed_part(child);
    const unsigned first = position_of(here.first);
    child_words& words = lower_.words(child);
    for (unsigned i = 0; i < 8; ++i) words[i] &= word_mask(i, first, first + static_cast<unsigned>(here.count.raw));
    lower_.recount(child);
    if (lower_.header(child).free == child_frames) {
        upper_.words(unit_of(child) / child_frames)[unit_of(child) % child_frames / 64] |= std::uint64_t{1}
                                                                                           << (unit_of(child) % 64);
    } else {
        lower_.index(child, words);
    }
}

template <class Frame>
void basic_buddy<Frame>::attach(cluster_tree* tree) noexcept {
    LONGREACH_CHECK(tree == nullptr || tree_ == nullptr, "buddy.second_map");
    if (tree_ != nullptr) settle();
    tree_ = tree;
    for (std::uint64_t child = 0; tree != nullptr && child < children(); ++child) {
        tree->update(child, unreserved(child));
    }
}

// ------------------------------------------------------------------------------------- take, give back

/// The children of an aligned block of 2^k leave the upper layer, to which all of them belong.
template <class Frame>
void basic_buddy<Frame>::take_units(std::uint64_t child, unsigned k) noexcept {
    const std::uint64_t group = unit_of(child) / child_frames;
    const child_header& header = upper_.header(group);
    if (header.free == child_frames && header.orders != block_layer::all_orders) upper_.index_broken(group);
    upper_.clear(group, unit_of(child) % child_frames, k);
    upper_.note_taken(group, k, block_place::unknown, upper_view{upper_});
}

template <class Frame>
inline void basic_buddy<Frame>::give_units(std::uint64_t child, unsigned k) noexcept {
    const std::uint64_t group = unit_of(child) / child_frames;
    upper_.set(group, unit_of(child) % child_frames, k);
    upper_.note_given(group, unit_of(child) % child_frames, k);
}

/// A child stops being one block: the upper layer loses it, the lower one may have any order of it.
template <class Frame>
void basic_buddy<Frame>::break_whole(std::uint64_t child) noexcept {
    take_units(child, 0);
    if (lower_.header(child).orders != block_layer::all_orders || lower_.is_snug(child)) lower_.index_broken(child);
}

/// A child becomes one block. Its marks in the lower layer stay until a search meets them: in a zone without broken
/// children the next request would set them again.
template <class Frame>
void basic_buddy<Frame>::make_whole(std::uint64_t child) noexcept {
    forget_ready(child);
    give_units(child, 0);
}

template <class Frame>
status basic_buddy<Frame>::allocate_large_at(Frame want, order o) noexcept {
    if (!is_free_inside(want, o)) return status::occupied;
    const std::uint64_t child = child_of(want);
    if (o.raw == child_order && promises_.all(child)) {  // neither the marks nor the map know of its frames
        lower_.fill(child, false);
        free_ -= child_frames;
        reserved_free_ -= child_frames;
    } else {
        take(want, o);
    }
    return status::ok;
}

/// Clears the bits of a block that is free.
template <class Frame>
void basic_buddy<Frame>::take(Frame block, order o) noexcept {
    const std::uint64_t child = child_of(block);
    if (o.raw < child_order) return take_part(child, position_of(block), o.raw, block_place::unknown);
    take_children(child, o);
}

/// The same for a block inside a child, cut from a maximal one of order `from`. What is rarely needed is called last,
/// so that the rest needs no stack.
template <class Frame>
inline void basic_buddy<Frame>::take_part(std::uint64_t child, unsigned position, unsigned k, unsigned from) noexcept {
    const child_header& header = lower_.header(child);
    if (header.promised != 0 || header.free == child_frames) return take_rare(child, position, k, from);
    lower_.clear(child, position, k);
    free_ -= std::uint64_t{1} << k;
    if (tree_ != nullptr || lower_.needs_marks(child, k, from)) finish_taking(child, k, from);
}

template <class Frame>
void basic_buddy<Frame>::take_rare(std::uint64_t child, unsigned position, unsigned k, unsigned from) noexcept {
    if (promises_.any(child)) {
        reserved_free_ -= count_promised(child, position, k);
    } else {
        break_whole(child);
    }
    lower_.clear(child, position, k);
    free_ -= std::uint64_t{1} << k;
    finish_taking(child, k, from);
}

template <class Frame>
void basic_buddy<Frame>::finish_taking(std::uint64_t child, unsigned k, unsigned from) noexcept {
    lower_.note_taken(child, k, from, lower_view{*this});
    note_change(child);
}

/// Clears the bits of a wholly free child that is no unit any more.
template <class Frame>
inline void basic_buddy<Frame>::empty_whole(std::uint64_t child) noexcept {
    lower_.unmark(child, block_layer::all_orders);
    lower_.fill(child, false);
    free_ -= child_frames;
    note_change(child);
}

/// Takes a free block of whole children; those that are not promised leave the upper layer, together where they can.
template <class Frame>
void basic_buddy<Frame>::take_children(std::uint64_t child, order o) noexcept {
    const unsigned k = o.raw - child_order < child_order ? o.raw - child_order : child_order - 1;
    const std::uint64_t end = child + o.pages().raw / child_frames;
    for (std::uint64_t block = child; block < end; block += std::uint64_t{1} << k) {
        if (is_free_block(upper_.words(unit_of(block) / child_frames), unit_of(block) % child_frames, k)) {
            take_units(block, k);
            continue;
        }
        for (std::uint64_t i = block; i < block + (std::uint64_t{1} << k); ++i) {
            if (is_unit(i)) take_units(i, 0);
        }
    }
    for (std::uint64_t i = child; i < end; ++i) {
        if (promises_.any(i)) reserved_free_ -= count_free(promises_.words(i));
        empty_whole(i);
    }
}

template <class Frame>
void basic_buddy<Frame>::free(Frame block, order o) noexcept {
    LONGREACH_CHECK(is_aligned(block, o), "buddy.misaligned");
    LONGREACH_CHECK(managed_.contains(run<Frame>{block, o.pages()}), "buddy.foreign_frame");
    const std::uint64_t child = child_of(block);
    if (o.raw == child_order && !promises_.any(child)) return give_whole(child);
    if (o.raw >= child_order) return give_children(child, o);
    const unsigned position = position_of(block);
    const bool given = lower_.set(child, position, o.raw);
    LONGREACH_CHECK(given, "buddy.double_free");
    free_ += o.pages().raw;
    const child_header& header = lower_.header(child);
    if (header.promised != 0 || header.free == child_frames || tree_ != nullptr) {
        return finish_giving(child, position, o.raw);
    }
    lower_.note_given(child, position, o.raw);
}

template <class Frame>
void basic_buddy<Frame>::finish_giving(std::uint64_t child, unsigned position, unsigned k) noexcept {
    if (promises_.any(child)) {
        const unsigned promised = count_promised(child, position, k);
        reserved_free_ += promised;
        if (promised == 1U << k) return;  // neither the marks nor the map know of those
        index_promised(child);
    } else if (lower_.header(child).free == child_frames) {
        make_whole(child);
    } else {
        lower_.note_given(child, position, k);
    }
    note_change(child);
}

/// Marks what a child with promises has to offer.
template <class Frame>
void basic_buddy<Frame>::index_promised(std::uint64_t child) noexcept {
    lower_.index(child, unreserved(child));
}

template <class Frame>
void basic_buddy<Frame>::give_whole(std::uint64_t child) noexcept {
    LONGREACH_CHECK(lower_.header(child).free == 0, "buddy.double_free");
    forget_ready(child);
    lower_.fill(child, true);
    free_ += child_frames;
    give_units(child, 0);
    note_change(child);
}

template <class Frame>
void basic_buddy<Frame>::give_children(std::uint64_t child, order o) noexcept {
    const std::uint64_t end = child + o.pages().raw / child_frames;
    bool promised = false;
    for (std::uint64_t i = child; i < end; ++i) {
        LONGREACH_CHECK(lower_.header(i).free == 0, "buddy.double_free");
        forget_ready(i);
        lower_.fill(i, true);
        note_change(i);
        if (!promises_.any(i)) continue;
        promised = true;
        reserved_free_ += count_free(promises_.words(i));
        index_promised(i);
    }
    free_ += o.pages().raw;
    const unsigned most = o.raw - child_order < child_order ? o.raw - child_order : child_order - 1;
    const unsigned k = promised ? 0 : most;
    for (std::uint64_t block = child; block < end; block += std::uint64_t{1} << k) {
        if (!promised || !promises_.any(block)) give_units(block, k);
    }
}

/// Takes free frames of one word of a child: those in blocks of orders up to k that were cut from ones up to `from`.
template <class Frame>
void basic_buddy<Frame>::take_word(std::uint64_t child, unsigned i, std::uint64_t frames, unsigned k,
                                   unsigned from) noexcept {
    const unsigned count = count_ones(frames);
    if (promises_.any(child)) {
        reserved_free_ -= count_ones(promises_.words(child)[i] & frames);
    } else if (lower_.header(child).free == child_frames && frames != 0) {
        break_whole(child);
    }
    lower_.clear_word(child, i, frames, count);
    lower_.note_taken(child, k, from, lower_view{*this});
    free_ -= count;
}

/// Gives back frames of one word of a child; index_given() must follow.
template <class Frame>
void basic_buddy<Frame>::give_word(std::uint64_t child, unsigned i, std::uint64_t frames) noexcept {
    if (frames == 0) return;
    const bool given = lower_.set_word(child, i, frames, count_ones(frames));
    LONGREACH_CHECK(given, "buddy.double_free");
    if (promises_.any(child)) reserved_free_ += count_ones(promises_.words(child)[i] & frames);
    free_ += count_ones(frames);
}

template <class Frame>
void basic_buddy<Frame>::index_given(std::uint64_t child) noexcept {
    if (!promises_.any(child) && lower_.header(child).free == child_frames) {
        make_whole(child);
    } else {
        index_promised(child);
    }
    note_change(child);
}

template <class Frame>
status basic_buddy<Frame>::allocate_run_at(run<Frame> frames) noexcept {
    if (frames.empty() || !managed_.contains(frames)) return status::out_of_range;
    bool free = true;
    for_each_part(frames, [&](std::uint64_t child, unsigned first, unsigned end) {
        if (end - first == child_frames) {
            free = free && lower_.header(child).free == child_frames;
            return;
        }
        free = free && is_free_between(lower_.words(child), first, end);
    });
    if (!free) return status::occupied;
    for_each_part(frames, [&](std::uint64_t child, unsigned first, unsigned end) {
        if (end - first == child_frames) return take_children(child, order{child_order});
        for (unsigned i = first / 64; i * 64 < end; ++i) {
            take_word(child, i, word_mask(i, first, end), 0, block_place::unknown);
        }
        note_change(child);
    });
    return status::ok;
}

template <class Frame>
status basic_buddy<Frame>::allocate_runs_at(std::span<const run<Frame>> runs, std::size_t& culprit) noexcept {
    for (culprit = 0; culprit < runs.size(); ++culprit) {
        const status taken = allocate_run_at(runs[culprit]);
        if (taken == status::ok) continue;
        for (std::size_t i = 0; i < culprit; ++i) free_run(runs[i]);
        return taken;
    }
    return status::ok;
}

template <class Frame>
void basic_buddy<Frame>::free_run(run<Frame> frames) noexcept {
    LONGREACH_CHECK(!frames.empty() && managed_.contains(frames), "buddy.foreign_frame");
    for_each_part(frames, [&](std::uint64_t child, unsigned first, unsigned end) {
        if (end - first == child_frames) return give_children(child, order{child_order});
        for (unsigned i = first / 64; i * 64 < end; ++i) give_word(child, i, word_mask(i, first, end));
        index_given(child);
    });
}

template <class Frame>
void basic_buddy<Frame>::free_word(frame_word<Frame> word) noexcept {
    LONGREACH_CHECK(is_aligned(word.first, order{6}), "buddy.misaligned");
    if (word.frames == 0) return;
    const std::uint64_t child = child_of(word.first);
    LONGREACH_CHECK(managed_.contains(word.first + page_count{trailing_zeros(word.frames)}) &&
                        managed_.contains(word.first + page_count{63 - leading_zeros(word.frames)}),
                    "buddy.foreign_frame");
    give_word(child, position_of(word.first) / 64, word.frames);
    index_given(child);
}

LONGREACH_NAMESPACE_END

#endif
