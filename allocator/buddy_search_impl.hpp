// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BUDDY_SEARCH_IMPL_HPP
#define LONGREACH_ALLOCATOR_BUDDY_SEARCH_IMPL_HPP

#include "buddy.hpp"

// The members of basic_buddy that look for blocks and count frames; buddy.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

template <class Frame>
bool basic_buddy<Frame>::is_free_inside(Frame block, order o) const noexcept {
    const std::uint64_t child = child_of(block);
    if (o.raw < child_order) return is_free_block(lower_.words(child), position_of(block), o.raw);
    for (std::uint64_t i = child; i < child + o.pages().raw / child_frames; ++i) {
        if (lower_.header(i).free != child_frames) return false;
    }
    return true;
}

/// Calls visit(child, first, end) for the positions of each child that a managed run covers.
template <class Frame>
template <class Visit>
void basic_buddy<Frame>::for_each_part(run<Frame> frames, Visit visit) const noexcept {
    for (Frame f = frames.first; f < frames.end();) {
        const std::uint64_t child = child_of(f);
        const Frame next = frame_at(child + 1, 0);
        visit(child, position_of(f), next <= frames.end() ? child_frames : position_of(frames.end()));
        f = next;
    }
}

template <class Frame>
template <class Words>
page_count basic_buddy<Frame>::count_in(run<Frame> frames, Words words_of) const noexcept {
    std::uint64_t total = 0;
    for_each_part(frames, [&](std::uint64_t child, unsigned first, unsigned end) {
        total += count_free_between(words_of(child), first, end);
    });
    return {total};
}

template <class Frame>
page_count basic_buddy<Frame>::count_free_in(run<Frame> frames) const noexcept {
    return count_in(frames, [this](std::uint64_t child) { return lower_.words(child); });
}

template <class Frame>
page_count basic_buddy<Frame>::count_reserved_in(run<Frame> frames) const noexcept {
    return count_in(frames, [this](std::uint64_t child) { return promises_.words(child); });
}

/// The block of order k (0 to 8) that an ordinary allocation takes, in a broken child or else in a whole one.
template <class Frame>
block_place basic_buddy<Frame>::find_part(unsigned k) noexcept {
    const block_place found = lower_.search(k, lower_view{*this});
    return found.child != block_layer::none ? found : block_place{find_whole()};
}

/// The whole child that an ordinary allocation takes, or `none`.
template <class Frame>
std::uint64_t basic_buddy<Frame>::find_whole() noexcept {
    const block_place unit = upper_.search(0, upper_view{upper_});
    if (unit.child != block_layer::none) return unit.child * child_frames + unit.position - skew_;
    if (upper_.choice() != block_choice::smallest) return block_layer::none;
    const std::optional<Frame> giant = find_giant(giant_order);
    return giant ? child_of(*giant) : block_layer::none;
}

/// The block that an ordinary allocation takes before it takes promised frames.
template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_unreserved(order o) noexcept {
    if (o.raw < child_order) {
        const block_place found = find_part(o.raw);
        if (found.child == block_layer::none) return {};
        return frame_at(found.child, found.position);
    }
    if (o < giant_order) {
        const block_place unit = upper_.search(o.raw - child_order, upper_view{upper_});
        if (unit.child != block_layer::none) return frame_at(unit.child * child_frames + unit.position - skew_, 0);
        if (upper_.choice() != block_choice::smallest) return {};
    }
    return find_giant(o < giant_order ? giant_order : o);
}

/// The lowest block of order 18 or more; with the choice `smallest` the lowest maximal one of the smallest order.
template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_giant(order o) const noexcept {
    if (upper_.choice() != block_choice::smallest) return find_giant(o, managed_.first);
    for (; o <= max_order; ++o.raw) {
        for (std::optional<Frame> f = find_giant(o, managed_.first); f; f = find_giant(o, *f + o.pages())) {
            const order twice{o.raw + 1};
            if (o == max_order || !is_giant(align_down(*f, twice), twice)) return f;
        }
    }
    return {};
}

/// Whether an aligned block of order 18 or more lies in the zone and is made of whole unreserved children.
template <class Frame>
bool basic_buddy<Frame>::is_giant(Frame block, order o) const noexcept {
    if (!managed_.contains(run<Frame>{block, o.pages()})) return false;
    const std::uint64_t group = unit_of(child_of(block)) / child_frames;
    for (std::uint64_t i = 0; i < o.pages().raw / giant_order.pages().raw; ++i) {
        if (upper_.header(group + i).free != child_frames) return false;
    }
    return true;
}

/// The first such block at or after `from`.
template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_giant(order o, Frame from) const noexcept {
    if (o > max_order) return {};
    for (Frame f = align_up(from, o); managed_.contains(run<Frame>{f, o.pages()}); f += o.pages()) {
        if (is_giant(f, o)) return f;
    }
    return {};
}

/// The lowest child with promises that can lend a block, and in it the smallest sufficient block.
template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_reserved(order o) const noexcept {
    if (reserved_free_ == 0 || o > max_order) return {};
    if (o.raw > child_order) {  // whole, aligned stretches of free children,
                                // promised or not
        for (Frame f = align_up(managed_.first, o); managed_.contains(run<Frame>{f, o.pages()}); f += o.pages()) {
            if (is_free_inside(f, o)) return f;
        }
        return {};
    }
    for (std::uint64_t child = promised_.first(); child != children(); child = promised_.first(child + 1)) {
        if (lower_.header(child).free < o.pages().raw) continue;
        if (lower_.header(child).free == child_frames) return frame_at(child, 0);
        for (unsigned k = o.raw; k < child_order; ++k) {
            const unsigned position = find_maximal_block(lower_.words(child), k);
            if (position != child_frames) return frame_at(child, position);
        }
    }
    return {};
}

template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_first_free(run<Frame> frames, order o) const noexcept {
    LONGREACH_CHECK(managed_.contains(frames), "buddy.foreign_frame");
    LONGREACH_CHECK(o.raw <= child_order, "buddy.order");
    for (Frame f = align_up(frames.first, o); frames.contains(run<Frame>{f, o.pages()});) {
        if (is_free_inside(f, o)) return f;
        const bool hopeless = lower_.header(child_of(f)).free < o.pages().raw;
        f = hopeless ? frame_at(child_of(f) + 1, 0) : f + o.pages();
    }
    return {};
}

template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_last_free(run<Frame> frames, order o) const noexcept {
    LONGREACH_CHECK(managed_.contains(frames), "buddy.foreign_frame");
    LONGREACH_CHECK(o.raw <= child_order, "buddy.order");
    for (Frame end = align_down(frames.end(), o); end >= frames.first + o.pages();) {
        const Frame f = end - o.pages();
        if (is_free_inside(f, o)) return f;
        end = lower_.header(child_of(f)).free < o.pages().raw ? frame_at(child_of(f), 0) : f;
    }
    return {};
}

/// Serves a frame of the word that single frames come from.
template <class Frame>
inline std::uint64_t basic_buddy<Frame>::allocate_frame() noexcept {
    const std::uint64_t child = ready_child_;
    const std::uint64_t ready = lower_.words(child)[ready_index_] & ready_frames_;
    if (ready == 0) return allocate_any(base_order);
    lower_.clear_word(child, ready_index_, ready & (~ready + 1), 1);
    --free_;
    const std::uint64_t taken = frame_at(child, ready_index_ * 64 + lowest_one(ready)).raw;
    // What is ready may have joined freed frames, or become part of a snug child, since it was found.
    constexpr unsigned from = block_place::unknown;
    if (tree_ != nullptr || lower_.needs_marks(child, 0, from)) finish_taking(child, 0, from);
    return taken;
}

/// Serves at once a superpage that is the lowest whole child.
template <class Frame>
std::uint64_t basic_buddy<Frame>::allocate_block(order o) noexcept {
    const std::uint64_t group = o.raw == child_order ? upper_.lowest(0) : block_layer::none;
    if (group == block_layer::none) return allocate_any(o);
    const std::uint64_t child = group * child_frames + upper_.clear_first(group) - skew_;
    upper_.note_taken(group, 0, block_place::unknown, upper_view{upper_});
    empty_whole(child);
    return frame_at(child, 0).raw;
}

template <class Frame>
std::uint64_t basic_buddy<Frame>::allocate_any(order o) noexcept {
    std::optional<Frame> found;
    if (o.raw < child_order) {
        const block_place place = find_part(o.raw);
        if (place.child != block_layer::none) {
            take_part(place.child, place.position, o.raw, place.from);
            if (o.raw == 0 && lower_.choice() == block_choice::adaptive) make_ready(place);
            return frame_at(place.child, place.position).raw;
        }
    } else {
        found = find_unreserved(o);
    }
    if (!found) found = find_reserved(o);
    if (!found) return no_frame;
    take(*found, o);
    return found->raw;
}

/// Single frames come from the word of `place`, as far as they are in no larger block, until it has none left.
template <class Frame>
void basic_buddy<Frame>::make_ready(block_place place) noexcept {
    ready_child_ = place.child;
    ready_index_ = place.position / 64;
    const std::uint64_t taken = std::uint64_t{1} << (place.position % 64);
    ready_frames_ = block_layer::ready_units(open_word(place.child, ready_index_) | taken, place);
}

template <class Frame>
std::uint64_t basic_buddy<Frame>::open_word(std::uint64_t child, unsigned i) const noexcept {
    return promises_.any(child) ? unreserved(child)[i] : lower_.words(child)[i];
}

template <class Frame>
std::optional<run<Frame>> basic_buddy<Frame>::allocate_run(page_count count) noexcept {
    LONGREACH_CHECK(count.raw > 0, "buddy.empty_run");
    if (count > page_count{free_}) return {};
    const order block{ceil_log2(count.raw)};
    std::optional<Frame> first;
    if (block <= max_order) first = find_unreserved(block);
    if (!first) first = find_run(count, [this](std::uint64_t child) { return unreserved(child); });
    if (!first) first = find_run(count, [this](std::uint64_t child) { return lower_.words(child); });
    if (!first) return {};
    const run<Frame> found{*first, count};
    const status taken = allocate_run_at(found);
    LONGREACH_CHECK(taken == status::ok, "buddy.search");
    return found;
}

/// Start of the first run of `count` set bits.
template <class Frame>
template <class Words>
std::optional<Frame> basic_buddy<Frame>::find_run(page_count count, Words words_of) const noexcept {
    std::uint64_t length = 0;  // set bits up to here
    for (std::uint64_t child = 0; child < children(); ++child) {
        const child_words words = words_of(child);
        for (unsigned position = 0; position < child_frames;) {
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

template <class Frame>
std::optional<frame_word<Frame>> basic_buddy<Frame>::allocate_word() noexcept {
    const block_place found = find_part(0);
    if (found.child == block_layer::none) return {};
    const unsigned i = found.position / 64;
    const std::uint64_t frames = block_layer::ready_units(open_word(found.child, i), found);
    take_word(found.child, i, frames, found.from < 6 ? found.from : 6, found.from);
    note_change(found.child);
    return frame_word<Frame>{frame_at(found.child, i * 64), frames};
}

template <class Frame>
auto basic_buddy<Frame>::count_blocks() const noexcept -> std::array<std::uint64_t, max_order.raw + 1> {
    std::array<std::uint64_t, max_order.raw + 1> counts{};
    std::uint64_t whole = 0;  // wholly free children before this one
    for (std::uint64_t child = 0; child <= children(); ++child) {
        const bool ends = child == children();
        if (!ends && lower_.header(child).free == child_frames) {
            ++whole;
            continue;
        }
        for (std::uint64_t unit = base_.raw / child_frames + child - whole; whole != 0;) {
            unsigned k = floor_log2(whole);
            if (trailing_zeros(unit) < k) k = trailing_zeros(unit);
            if (k > max_order.raw - child_order) k = max_order.raw - child_order;
            ++counts[child_order + k];
            unit += std::uint64_t{1} << k;
            whole -= std::uint64_t{1} << k;
        }
        for (unsigned k = 0; !ends && k < child_order; ++k) counts[k] += count_maximal_blocks(lower_.words(child), k);
    }
    return counts;
}

LONGREACH_NAMESPACE_END

#endif
