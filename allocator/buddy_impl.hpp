// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BUDDY_IMPL_HPP
#define LONGREACH_ALLOCATOR_BUDDY_IMPL_HPP

#include "buddy.hpp"

// The members of basic_buddy that are longer than a line or two; buddy.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// Cuts typed arrays off the front of a block of memory.
class carver {
  public:
    explicit carver(std::span<std::byte> memory) noexcept : rest_(memory) {}

    /// `count` value-initialized elements, aligned to at least `alignment`.
    template <class T>
    [[nodiscard]] std::span<T> take(std::size_t count, std::size_t alignment = alignof(T)) noexcept {
        const std::size_t misfit = reinterpret_cast<std::uintptr_t>(rest_.data()) % alignment;
        const std::size_t skip = misfit == 0 ? 0 : alignment - misfit;
        LONGREACH_CHECK(rest_.size() >= skip + count * sizeof(T), "memory.too_small");
        T* first = reinterpret_cast<T*>(rest_.data() + skip);
        for (std::size_t i = 0; i < count; ++i) new (static_cast<void*>(first + i)) T{};
        rest_ = rest_.subspan(skip + count * sizeof(T));
        return {first, count};
    }

  private:
    std::span<std::byte> rest_;
};

}  // namespace detail

template <class Frame>
basic_buddy<Frame>::basic_buddy(run<Frame> managed, std::span<std::byte> memory) noexcept
    : managed_(managed),
      base_(align_down(managed.first, order{child_order})),
      child_count_((align_up(managed.end(), order{child_order}) - base_).raw / child_frames),
      free_(managed.count.raw),
      unreserved_(managed.count.raw) {
    LONGREACH_CHECK(!managed.empty(), "buddy.empty_zone");
    LONGREACH_CHECK(managed.end() > managed.first, "buddy.wrapping_zone");
    LONGREACH_CHECK(memory.size() >= required_bytes(managed.count), "buddy.memory");
    const std::uint64_t n = child_count_;
    detail::carver carve(memory);
    words_ = carve.template take<child_words>(n, 64);
    const std::span<child_words> masks = carve.template take<child_words>(reserved_frames::mask_count(n));
    for (bit_tree& tree : by_order_) tree = bit_tree(n, carve.template take<std::uint64_t>(tree_words(n)));
    changed_ = bit_tree(n, carve.template take<std::uint64_t>(tree_words(n)));
    promised_ = bit_tree(n, carve.template take<std::uint64_t>(tree_words(n)));
    superblocks_ =
        superblock_index(absolute(0), n, carve.template take<std::uint64_t>(superblock_index::required_words(n)));
    headers_ = carve.template take<child_header>(n);
    promises_ = reserved_frames(carve.template take<std::uint16_t>(n), masks);

    for (std::uint64_t child = 0; child < n; ++child) {
        const run<Frame> here = intersection(managed_, run<Frame>{frame_at(child, 0), page_count{child_frames}});
        const unsigned first = static_cast<unsigned>((here.first - frame_at(child, 0)).raw);
        const unsigned end = first + static_cast<unsigned>(here.count.raw);
        for (unsigned i = 0; i < 8; ++i) words_[child][i] = word_mask(i, first, end);
        headers_[child].free = static_cast<std::uint16_t>(here.count.raw);
        if (is_whole(child)) {
            superblocks_.insert({absolute(child), child_order});
        } else {
            mark(child, maximal_orders(words_[child]));
        }
        changed_.insert(child);
    }
}

template <class Frame>
bool basic_buddy<Frame>::is_free(Frame block, order o) const noexcept {
    if (!managed_.contains(run<Frame>{block, o.pages()})) return false;
    const std::uint64_t child = child_of(block);
    if (o.raw < child_order) return is_free_block(words_[child], position_of(block), o.raw);
    for (std::uint64_t i = 0; i < o.pages().raw / child_frames; ++i) {
        if (headers_[child + i].free != child_frames) return false;
    }
    return true;
}

template <class Frame>
template <class Words>
page_count basic_buddy<Frame>::count_in(run<Frame> frames, Words words_of) const noexcept {
    std::uint64_t total = 0;
    for (Frame f = frames.first; f < frames.end();) {
        const std::uint64_t child = child_of(f);
        const Frame next = frame_at(child, 0) + page_count{child_frames};
        const unsigned first = position_of(f);
        const unsigned end = next <= frames.end() ? child_frames : position_of(frames.end());
        const child_words words = words_of(child);
        for (unsigned i = first / 64; i * 64 < end; ++i) total += count_ones(words[i] & word_mask(i, first, end));
        f = next;
    }
    return {total};
}

template <class Frame>
page_count basic_buddy<Frame>::count_free_in(run<Frame> frames) const noexcept {
    return count_in(frames, [this](std::uint64_t child) { return words_[child]; });
}

template <class Frame>
page_count basic_buddy<Frame>::count_reserved_in(run<Frame> frames) const noexcept {
    return count_in(frames, [this](std::uint64_t child) { return promises_.words(child); });
}

/// The first block that ordinary allocation takes. Marks may be out of date in one direction only: a marked
/// order may be gone. Such a mark is corrected when a search meets it.
template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_unreserved(order o) noexcept {
    for (unsigned k = o.raw; k < child_order; ++k) {
        for (std::uint64_t child = by_order_[k].first(); child != child_count_; child = by_order_[k].first(child + 1)) {
            const child_words words = unreserved(child);
            const unsigned position = find_maximal_block(words, k);
            if (position != child_frames) return frame_at(child, position);
            mark(child, maximal_orders(words));
        }
    }
    const superblock_index::block found = superblocks_.smallest(o.raw);
    if (found.order == 0) return {};
    return Frame{found.child * child_frames};
}

/// The lowest child with promises that can lend a block, and in it the smallest sufficient block.
template <class Frame>
std::optional<Frame> basic_buddy<Frame>::find_reserved(order o) const noexcept {
    if (o.raw > child_order) {  // whole, aligned stretches of free children, promised or not
        const std::uint64_t step = o.pages().raw / child_frames;
        for (Frame f = align_up(managed_.first, o); managed_.contains(run<Frame>{f, o.pages()}); f += o.pages()) {
            if (is_free(f, o)) return f;
            if (f.raw > ~std::uint64_t{0} - 2 * step * child_frames) break;
        }
        return {};
    }
    for (std::uint64_t child = promised_.first(); child != child_count_; child = promised_.first(child + 1)) {
        if (headers_[child].free < o.pages().raw) continue;
        if (headers_[child].free == child_frames) return frame_at(child, 0);
        for (unsigned k = o.raw; k < child_order; ++k) {
            const unsigned position = find_maximal_block(words_[child], k);
            if (position != child_frames) return frame_at(child, position);
        }
    }
    return {};
}

/// Clears the bits of a block that is free.
template <class Frame>
void basic_buddy<Frame>::take(Frame block, order o) noexcept {
    const std::uint64_t child = child_of(block);
    if (o.raw < child_order) return take_part(child, position_of(block), o.raw);
    const std::uint64_t count = o.pages().raw / child_frames;
    const unsigned around = superblocks_.order_around(absolute(child));
    if (around >= o.raw) superblocks_.erase({absolute(child), o.raw}, around);
    for (std::uint64_t i = child; i < child + count; ++i) {
        if (around < o.raw) {  // some of its children are promised, so it is not one block of the index
            const unsigned single = superblocks_.order_around(absolute(i));
            if (single != 0) superblocks_.erase({absolute(i), child_order}, single);
        }
        unreserved_ -= count_free(unreserved(i));
        mark(i, 0);
        words_[i] = {};
        headers_[i].free = 0;
        changed_.insert(i);
    }
    free_ -= o.pages().raw;
}

/// The same for a block of less than a child.
template <class Frame>
void basic_buddy<Frame>::take_part(std::uint64_t child, unsigned position, unsigned k) noexcept {
    const unsigned end = position + (1U << k);
    unsigned orders = headers_[child].orders;
    if (is_whole(child)) {
        superblocks_.erase({absolute(child), child_order}, superblocks_.order_around(absolute(child)));
        orders = ((1U << child_order) - 1) & ~((1U << k) - 1);
        unreserved_ -= end - position;
    } else {
        const child_words open = unreserved(child);
        unsigned taken = 0;
        for (unsigned i = position / 64; i * 64 < end; ++i) taken += count_ones(open[i] & word_mask(i, position, end));
        unreserved_ -= taken;
        if (taken == end - position) {
            orders |= ((1U << enclosing_order(open, position, k)) - 1) & ~((1U << k) - 1);
        }
    }
    for (unsigned i = position / 64; i * 64 < end; ++i) words_[child][i] &= ~word_mask(i, position, end);
    headers_[child].free = static_cast<std::uint16_t>(headers_[child].free - (end - position));
    free_ -= end - position;
    mark(child, headers_[child].free == 0 ? 0 : orders);
    changed_.insert(child);
}

template <class Frame>
void basic_buddy<Frame>::free(Frame block, order o) noexcept {
    LONGREACH_CHECK(is_aligned(block, o), "buddy.misaligned");
    LONGREACH_CHECK(managed_.contains(run<Frame>{block, o.pages()}), "buddy.foreign_frame");
    const std::uint64_t child = child_of(block);
    if (o.raw < child_order) return give_part(child, position_of(block), o.raw);
    for (std::uint64_t i = child; i < child + o.pages().raw / child_frames; ++i) {
        LONGREACH_CHECK(headers_[i].free == 0, "buddy.double_free");
        for (std::uint64_t& word : words_[i]) word = ~std::uint64_t{0};
        headers_[i].free = child_frames;
        const child_words open = unreserved(i);
        unreserved_ += count_free(open);
        if (is_whole(i)) {
            superblocks_.insert({absolute(i), child_order});
        } else {
            mark(i, maximal_orders(open));
        }
        changed_.insert(i);
    }
    free_ += o.pages().raw;
}

template <class Frame>
void basic_buddy<Frame>::give_part(std::uint64_t child, unsigned position, unsigned k) noexcept {
    const unsigned end = position + (1U << k);
    for (unsigned i = position / 64; i * 64 < end; ++i) {
        const std::uint64_t mask = word_mask(i, position, end);
        LONGREACH_CHECK((words_[child][i] & mask) == 0, "buddy.double_free");
        words_[child][i] |= mask;
    }
    headers_[child].free = static_cast<std::uint16_t>(headers_[child].free + (end - position));
    free_ += end - position;
    changed_.insert(child);
    if (is_whole(child)) {
        unreserved_ += end - position;
        mark(child, 0);
        superblocks_.insert({absolute(child), child_order});
        return;
    }
    const child_words open = unreserved(child);
    unsigned given = 0;
    for (unsigned i = position / 64; i * 64 < end; ++i) given += count_ones(open[i] & word_mask(i, position, end));
    unreserved_ += given;
    if (given == end - position) {
        mark(child, headers_[child].orders | 1U << enclosing_order(open, position, k));
    } else if (given != 0) {
        mark(child, maximal_orders(open));
    }
}

template <class Frame>
void basic_buddy<Frame>::promise(run<Frame> frames, bool wanted) noexcept {
    frames = intersection(frames, managed_);
    for (Frame f = frames.first; f < frames.end();) {
        const std::uint64_t child = child_of(f);
        const Frame next = frame_at(child, 0) + page_count{child_frames};
        promise_part(child, position_of(f), next <= frames.end() ? child_frames : position_of(frames.end()), wanted);
        f = next;
    }
}

/// Changes the promise of frames [first, end) of a child. Where no mask is left, a new promise is not made and a
/// whole one is given up: promises are soft.
template <class Frame>
void basic_buddy<Frame>::promise_part(std::uint64_t child, unsigned first, unsigned end, bool wanted) noexcept {
    child_words promised = promises_.words(child);
    for (unsigned i = 0; i < promised.size(); ++i) {
        const std::uint64_t mask = word_mask(i, first, end);
        promised[i] = wanted ? promised[i] | mask : promised[i] & ~mask;
    }
    if (is_whole(child)) {
        superblocks_.erase({absolute(child), child_order}, superblocks_.order_around(absolute(child)));
    }
    unreserved_ -= count_free(unreserved(child));
    if (!promises_.assign(child, promised)) {
        kept_every_promise_ = false;
        if (!wanted) (void)promises_.assign(child, child_words{});
    }
    const child_words open = unreserved(child);
    unreserved_ += count_free(open);
    if (promises_.any(child)) {
        promised_.insert(child);
    } else {
        promised_.erase(child);
    }
    if (is_whole(child)) {
        mark(child, 0);
        superblocks_.insert({absolute(child), child_order});
    } else {
        mark(child, maximal_orders(open));
    }
    changed_.insert(child);
}

template <class Frame>
violation basic_buddy<Frame>::audit() const noexcept {
    std::uint64_t free = 0;
    std::uint64_t open_frames = 0;
    for (std::uint64_t child = 0; child < child_count_; ++child) {
        const std::uint64_t where = frame_at(child, 0).raw;
        const unsigned count = count_free(words_[child]);
        if (headers_[child].free != count) return {"buddy.I1", where};
        const run<Frame> here = intersection(managed_, run<Frame>{frame_at(child, 0), page_count{child_frames}});
        if (count_free_in(here).raw != count) return {"buddy.I2", where};
        const bool indexed = superblocks_.order_around(absolute(child)) != 0;
        if (indexed != is_whole(child)) return {"buddy.I3", where};
        const child_words open = unreserved(child);
        const unsigned present = indexed ? 0 : maximal_orders(open);
        if ((present & ~static_cast<unsigned>(headers_[child].orders)) != 0) return {"buddy.I4", where};
        for (unsigned k = 0; k < child_order; ++k) {
            if (by_order_[k].test(child) != ((headers_[child].orders >> k & 1) != 0)) return {"buddy.I4", where};
        }
        if (promised_.test(child) != promises_.any(child)) return {"buddy.I6", where};
        free += count;
        open_frames += count_free(open);
    }
    if (free != free_) return {"buddy.I5", free};
    if (open_frames != unreserved_) return {"buddy.I5", open_frames};
    for (const bit_tree& tree : by_order_) {
        if (const violation broken = tree.audit()) return broken;
    }
    if (const violation broken = promised_.audit()) return broken;
    if (const violation broken = changed_.audit()) return broken;
    if (const violation broken = promises_.audit()) return broken;
    return superblocks_.audit();
}

LONGREACH_NAMESPACE_END

#endif
