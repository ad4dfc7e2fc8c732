// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BLOCK_LAYER_IMPL_HPP
#define LONGREACH_ALLOCATOR_BLOCK_LAYER_IMPL_HPP

#include "block_layer.hpp"

// The members of block_layer that search, mark and check; block_layer.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

// ---------------------------------------------------------------------------------------------- search

template <class View>
block_place block_layer::search(unsigned k, View view) noexcept {
    for (unsigned usable = snug_used_ >> k; usable != 0; usable = snug_used_ >> k) {
        const unsigned from = k + lowest_one(usable);
        const std::uint64_t child = snug_[from].first();
        const unsigned position =
            view.any(child) ? find_maximal_block(view.words(child), from) : find_maximal(child, from);
        if (position != child_frames) return {child, position, from};
        unmark(child, 1U << from);
    }
    while ((loose_used_ >> k & 1) != 0) {
        const std::uint64_t child = choose_loose(k);
        if (child == none) break;
        const bool promised = view.any(child);
        if (!promised && headers_[child].free == child_frames && view.is_kept(child)) {  // whole since it was marked
            const bool only = loose_[k].first(child + 1) == children_;
            if (only && choice_ <= block_choice::lowest && view.is_lowest_kept(child)) return {child};
            unmark(child, all_orders);
            continue;
        }
        const unsigned position = promised ? find_block(view.words(child), k) : find(child, k);
        if (position != child_frames) return {child, position};
        unmark(child, all_orders & ~((1U << k) - 1));
    }
    return {none};
}

/// Position of the lowest free block of order k, or 512.
inline unsigned block_layer::find(std::uint64_t child, unsigned k) const noexcept {
    const child_words& words = words_[child];
    if (k >= 6) return find_block(words, k);
    for (unsigned rest = headers_[child].nonzero; rest != 0; rest &= rest - 1) {
        const unsigned i = lowest_one(rest);
        const std::uint64_t found = detail::free_blocks(words[i], k);
        if (found != 0) return i * 64 + lowest_one(found);
    }
    return child_frames;
}

/// Position of the lowest maximal free block of order k, or 512.
inline unsigned block_layer::find_maximal(std::uint64_t child, unsigned k) const noexcept {
    const child_words& words = words_[child];
    if (k >= 6) return find_maximal_block(words, k);
    const unsigned width = 1U << k;
    for (unsigned rest = headers_[child].nonzero; rest != 0; rest &= rest - 1) {
        const unsigned i = lowest_one(rest);
        const std::uint64_t starts = detail::free_blocks(words[i], k);
        const std::uint64_t parents = starts & starts >> width & detail::block_starts[k + 1];
        const std::uint64_t found = starts & ~(parents | parents << width);
        if (found != 0) return i * 64 + lowest_one(found);
    }
    return child_frames;
}

inline std::uint64_t block_layer::choose_loose(unsigned k) noexcept {
    const bit_tree& tree = loose_[k];
    if (choice_ == block_choice::fullest) {
        for (unsigned fill = k; fill <= child_order; ++fill) {
            const std::uint64_t found = first_common(tree, by_fill_[fill]);
            if (found != children_) return found;
        }
        return none;
    }
    if (choice_ != block_choice::next_fit) return tree.first();
    const std::uint64_t next = tree.first(rover_);
    return rover_ = next == children_ ? tree.first() : next;
}

/// The smallest member of both sets, or children().
inline std::uint64_t block_layer::first_common(const bit_tree& a, const bit_tree& b) const noexcept {
    for (std::uint64_t i = a.first(); i != children_;) {
        i = b.first(i);
        if (i == children_) break;
        const std::uint64_t common = a.word(i / 64) & b.word(i / 64);
        if (common != 0) return i / 64 * 64 + lowest_one(common);
        i = a.first((i / 64 + 1) * 64);
    }
    return children_;
}

// ------------------------------------------------------------------------------------------------ bits

/// clear() and set() for orders 6 to 8, from word i on.
inline void block_layer::clear_words(std::uint64_t child, unsigned i, unsigned k) noexcept {
    const unsigned count = 1U << (k - 6);
    for (unsigned j = i; j < i + count; ++j) words_[child][j] = 0;
    child_header& header = headers_[child];
    header.nonzero = static_cast<std::uint8_t>(header.nonzero & ~(((1U << count) - 1) << i));
    set_free(child, header.free - (1U << k));
}

inline bool block_layer::set_words(std::uint64_t child, unsigned i, unsigned k) noexcept {
    const unsigned count = 1U << (k - 6);
    const unsigned mask = ((1U << count) - 1) << i;
    child_header& header = headers_[child];
    if ((header.nonzero & mask) != 0) return false;
    for (unsigned j = i; j < i + count; ++j) words_[child][j] = ~std::uint64_t{0};
    header.nonzero = static_cast<std::uint8_t>(header.nonzero | mask);
    set_free(child, header.free + (1U << k));
    return true;
}

// ----------------------------------------------------------------------------------------------- marks

inline void block_layer::add_marks(std::uint64_t child, unsigned orders) noexcept {
    const bool snug = is_snug(child);
    std::array<bit_tree, child_order>& trees = snug ? snug_ : loose_;
    for (unsigned rest = orders; rest != 0; rest &= rest - 1) trees[lowest_one(rest)].insert(child);
    (snug ? snug_used_ : loose_used_) |= orders;
    headers_[child].orders = static_cast<std::uint16_t>(headers_[child].orders | orders);
}

inline void block_layer::remove_marks(std::uint64_t child, unsigned orders) noexcept {
    const bool snug = is_snug(child);
    std::array<bit_tree, child_order>& trees = snug ? snug_ : loose_;
    unsigned& used = snug ? snug_used_ : loose_used_;
    for (unsigned rest = orders; rest != 0; rest &= rest - 1) {
        bit_tree& tree = trees[lowest_one(rest)];
        tree.erase(child);
        if (tree.empty()) used &= ~(rest & (~rest + 1));
    }
    headers_[child].orders = static_cast<std::uint16_t>(headers_[child].orders & ~orders);
}

inline void block_layer::raise_to_enclosing(std::uint64_t child, unsigned position, unsigned k) noexcept {
    unsigned marked = lowest_one(headers_[child].orders + 1U);
    if (marked <= k) marked = k + 1;
    while (marked < child_order && is_free_block(words_[child], position >> marked << marked, marked)) ++marked;
    mark(child, (1U << marked) - 1);
}

inline void block_layer::note_given_snug(std::uint64_t child, unsigned position, unsigned k) noexcept {
    if (headers_[child].free >= loose_from_) return index(child, words_[child]);
    const unsigned around = enclosing_order(words_[child], position, k);
    if (around < child_order) mark(child, 1U << around);
}

// ----------------------------------------------------------------------------------------------- start

inline void block_layer::forget() noexcept {
    for (bit_tree& tree : loose_) tree.clear();
    for (bit_tree& tree : snug_) tree.clear();
    for (bit_tree& tree : by_fill_) tree.clear();
    rover_ = 0;
    loose_used_ = 0;
    snug_used_ = 0;
}

inline void block_layer::recount(std::uint64_t child) noexcept {
    unsigned nonzero = 0;
    for (unsigned i = 0; i < 8; ++i) nonzero |= static_cast<unsigned>(words_[child][i] != 0) << i;
    headers_[child] = {0, 0, 0, static_cast<std::uint8_t>(nonzero), first_flags()};
    set_free(child, count_free(words_[child]));
}

inline violation block_layer::audit() const noexcept {
    for (std::uint64_t child = 0; child < children_; ++child) {
        const child_header& header = headers_[child];
        unsigned nonzero = 0;
        for (unsigned i = 0; i < 8; ++i) nonzero |= static_cast<unsigned>(words_[child][i] != 0) << i;
        if (header.free != count_free(words_[child]) || header.nonzero != nonzero) return {"block_layer.I1", child};
        if (header.orders > all_orders) return {"block_layer.I2", child};
        for (unsigned k = 0; k < child_order; ++k) {
            const bool marked = (header.orders >> k & 1) != 0;
            if (loose_[k].size() != 0 && loose_[k].test(child) != (marked && !is_snug(child))) {
                return {"block_layer.I2", child};
            }
            if (snug_[k].size() != 0 && snug_[k].test(child) != (marked && is_snug(child))) {
                return {"block_layer.I2", child};
            }
        }
        for (unsigned k = 0; choice_ == block_choice::fullest && k <= child_order; ++k) {
            const bool expected = header.free != 0 && floor_log2(header.free) == k;
            if (by_fill_[k].test(child) != expected) return {"block_layer.I3", child};
        }
    }
    for (unsigned k = 0; k < child_order; ++k) {
        if ((loose_used_ >> k & 1) != static_cast<unsigned>(!loose_[k].empty())) return {"block_layer.I2", k};
        if ((snug_used_ >> k & 1) != static_cast<unsigned>(!snug_[k].empty())) return {"block_layer.I2", k};
        if (const violation broken = loose_[k].audit()) return broken;
        if (const violation broken = snug_[k].audit()) return broken;
    }
    for (const bit_tree& tree : by_fill_) {
        if (const violation broken = tree.audit()) return broken;
    }
    return {};
}

LONGREACH_NAMESPACE_END

#endif
