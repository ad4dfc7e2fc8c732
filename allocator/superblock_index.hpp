// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_SUPERBLOCK_INDEX_HPP
#define LONGREACH_ALLOCATOR_SUPERBLOCK_INDEX_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bit_tree.hpp"
#include "child.hpp"
#include "config.hpp"
#include "status.hpp"

// The maximal free blocks of order 9 and above, made of wholly free children: one bit_tree per order.
//
// Children are named by their absolute number (frame / 512), so blocks are naturally aligned whatever the
// zone's base. About two bits per child. The caller owns the words and does the locking.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 no child lies in two blocks; I2 no two free buddies of one order below max_order stay unmerged.
class superblock_index {
  public:
    static constexpr unsigned max_order = 30;  ///< 4 TiB

    /// A free block: `child` is its first child.
    struct block {
        std::uint64_t child;
        unsigned order;
    };

    [[nodiscard]] static constexpr std::size_t required_words(std::uint64_t children) noexcept {
        std::size_t total = 0;
        for (unsigned o = child_order; o <= max_order; ++o) {
            total += bit_tree::required_words((children >> (o - child_order)) + 2);
        }
        return total;
    }

    constexpr superblock_index() = default;

    /// Empty, for children [first, first + children), over required_words(children) words.
    constexpr superblock_index(std::uint64_t first, std::uint64_t children, std::span<std::uint64_t> words) noexcept
        : first_(first), end_(first + children) {
        std::size_t used = 0;
        for (unsigned o = child_order; o <= max_order; ++o) {
            const std::uint64_t size = number(first + children - 1, o) - number(first, o) + 1;
            tree(o) = bit_tree(size, words.subspan(used));
            used += bit_tree::required_words(size);
        }
    }

    /// Order of the block that holds the child, or 0 where none does.
    [[nodiscard]] constexpr unsigned order_around(std::uint64_t child) const noexcept {
        for (unsigned o = child_order; o <= max_order; ++o) {
            if (tree(o).test(slot(child, o))) return o;
        }
        return 0;
    }

    /// Adds a free block and merges it with its free buddies.
    constexpr void insert(block b) noexcept {
        while (b.order < max_order) {
            const std::uint64_t buddy = b.child ^ children_in(b.order);
            if (buddy < first_ || buddy + children_in(b.order) > end_ || !tree(b.order).test(slot(buddy, b.order)))
                break;
            tree(b.order).erase(slot(buddy, b.order));
            b.child &= ~children_in(b.order);
            ++b.order;
        }
        tree(b.order).insert(slot(b.child, b.order));
    }

    /// Takes a block out of the larger (or equal) one of order `around` that holds it; the rest stays.
    constexpr void erase(block b, unsigned around) noexcept {
        tree(around).erase(slot(b.child, around));
        for (unsigned o = around; o-- > b.order;) tree(o).insert(slot(b.child ^ children_in(o), o));
    }

    /// The smallest block of at least this order, the lowest address among equals; order 0 where there is none.
    [[nodiscard]] constexpr block smallest(unsigned order) const noexcept {
        for (unsigned o = order < child_order ? child_order : order; o <= max_order; ++o) {
            const std::uint64_t found = tree(o).first();
            if (found != tree(o).size()) return {(found + number(first_, o)) << (o - child_order), o};
        }
        return {0, 0};
    }

    violation audit() const noexcept {
        for (unsigned o = child_order; o <= max_order; ++o) {
            if (const violation broken = tree(o).audit()) return broken;
            for (std::uint64_t i = tree(o).first(); i != tree(o).size(); i = tree(o).first(i + 1)) {
                const std::uint64_t child = (i + number(first_, o)) << (o - child_order);
                for (unsigned above = o + 1; above <= max_order; ++above) {
                    if (tree(above).test(slot(child, above))) return {"superblock_index.I1", child};
                }
                const std::uint64_t buddy = child ^ children_in(o);
                if (o < max_order && buddy >= first_ && buddy < end_ && tree(o).test(slot(buddy, o))) {
                    return {"superblock_index.I2", child};
                }
            }
        }
        return {};
    }

  private:
    [[nodiscard]] static constexpr std::uint64_t children_in(unsigned order) noexcept {
        return std::uint64_t{1} << (order - child_order);
    }
    [[nodiscard]] static constexpr std::uint64_t number(std::uint64_t child, unsigned order) noexcept {
        return child >> (order - child_order);
    }
    [[nodiscard]] constexpr std::uint64_t slot(std::uint64_t child, unsigned order) const noexcept {
        return number(child, order) - number(first_, order);
    }
    [[nodiscard]] constexpr bit_tree& tree(unsigned order) noexcept { return trees_[order - child_order]; }
    [[nodiscard]] constexpr const bit_tree& tree(unsigned order) const noexcept { return trees_[order - child_order]; }

    std::uint64_t first_ = 0;
    std::uint64_t end_ = 0;
    std::array<bit_tree, max_order - child_order + 1> trees_{};
};

LONGREACH_NAMESPACE_END

#endif
