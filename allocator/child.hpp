// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CHILD_HPP
#define LONGREACH_ALLOCATOR_CHILD_HPP

#include <array>
#include <cstdint>

#include "bits.hpp"
#include "config.hpp"

// Word algebra on a child: 512 consecutive, aligned frames, one bit each (1 = free), eight words, one cache line.
//
// A block of order k is 2^k frames that begin at a multiple of 2^k. A free block is maximal where the
// block of order k + 1 around it is not wholly free. Nothing here keeps state.

LONGREACH_NAMESPACE_BEGIN

inline constexpr unsigned child_order = 9;
inline constexpr unsigned child_frames = 512;

/// Bit f is set where frame f of the child is free.
using child_words = std::array<std::uint64_t, 8>;

namespace detail {

/// Bits at multiples of 2^k, for k from 0 to 6.
inline constexpr std::array<std::uint64_t, 7> block_starts{
    0xffffffffffffffffU, 0x5555555555555555U, 0x1111111111111111U, 0x0101010101010101U,
    0x0001000100010001U, 0x0000000100000001U, 0x0000000000000001U};

/// First bits of the free order-k blocks of one word, k from 0 to 6.
[[nodiscard]] constexpr std::uint64_t free_blocks(std::uint64_t word, unsigned k) noexcept {
    for (unsigned j = 0; j < k; ++j) word &= word >> (1U << j);
    return word & block_starts[k];
}

/// First bits of the maximal free blocks among free blocks of order k (`starts`) and k + 1 (`parents`);
/// `width` is 2^k in units of bits of the word.
[[nodiscard]] constexpr std::uint64_t without_parents(std::uint64_t starts, std::uint64_t parents,
                                                      unsigned width) noexcept {
    return starts & ~(parents | parents << width);
}

}  // namespace detail

/// Bit i is set where all 64 frames of word i are free.
[[nodiscard]] constexpr unsigned full_words(const child_words& words) noexcept {
    unsigned full = 0;
    for (unsigned i = 0; i < words.size(); ++i) full |= static_cast<unsigned>(words[i] == ~std::uint64_t{0}) << i;
    return full;
}

[[nodiscard]] constexpr unsigned count_free(const child_words& words) noexcept {
    unsigned total = 0;
    for (const std::uint64_t word : words) total += count_ones(word);
    return total;
}

/// Position (0 to 511) of the first maximal free block of order k (0 to 8), or 512 where there is none.
[[nodiscard]] constexpr unsigned find_maximal_block(const child_words& words, unsigned k) noexcept {
    if (k < 6) {
        for (unsigned i = 0; i < words.size(); ++i) {
            const std::uint64_t found = detail::without_parents(detail::free_blocks(words[i], k),
                                                                detail::free_blocks(words[i], k + 1), 1U << k);
            if (found != 0) return i * 64 + trailing_zeros(found);
        }
        return child_frames;
    }
    const std::uint64_t full = full_words(words);
    const std::uint64_t found =
        detail::without_parents(detail::free_blocks(full, k - 6), detail::free_blocks(full, k - 5), 1U << (k - 6));
    return found == 0 ? child_frames : trailing_zeros(found) * 64;
}

/// Bit k (0 to 8) is set where the child holds a maximal free block of order k.
[[nodiscard]] constexpr unsigned maximal_orders(const child_words& words) noexcept {
    unsigned orders = 0;
    for (const std::uint64_t word : words) {
        if (word == 0 || word == ~std::uint64_t{0}) continue;
        std::uint64_t starts = word;
        for (unsigned k = 0; k < 6; ++k) {
            const std::uint64_t parents = (starts & starts >> (1U << k)) & detail::block_starts[k + 1];
            orders |= static_cast<unsigned>(detail::without_parents(starts, parents, 1U << k) != 0) << k;
            starts = parents;
        }
    }
    const std::uint64_t full = full_words(words);
    for (unsigned k = 6; k < child_order; ++k) {
        const std::uint64_t found =
            detail::without_parents(detail::free_blocks(full, k - 6), detail::free_blocks(full, k - 5), 1U << (k - 6));
        orders |= static_cast<unsigned>(found != 0) << k;
    }
    return orders;
}

/// Position (0 to 511) of the first free block of order k (0 to 8), or 512 where there is none.
[[nodiscard]] constexpr unsigned find_block(const child_words& words, unsigned k) noexcept {
    if (k < 6) {
        for (unsigned i = 0; i < words.size(); ++i) {
            const std::uint64_t found = detail::free_blocks(words[i], k);
            if (found != 0) return i * 64 + trailing_zeros(found);
        }
        return child_frames;
    }
    const std::uint64_t found = detail::free_blocks(full_words(words), k - 6);
    return found == 0 ? child_frames : trailing_zeros(found) * 64;
}

/// Number of orders, from 0 up to 8, of which the child has a free block: 0 where nothing is free, 9 at most.
[[nodiscard]] constexpr unsigned orders_present(const child_words& words) noexcept {
    unsigned present = 0;
    while (present < child_order && find_block(words, present) != child_frames) ++present;
    return present;
}

/// The order-k block (0 to 5) at `position` as a mask of its word.
[[nodiscard]] constexpr std::uint64_t block_mask(unsigned position, unsigned k) noexcept {
    return ((std::uint64_t{1} << (1U << k)) - 1) << (position % 64);
}

/// Whether the order-k block (0 to 9) at `position`, a multiple of 2^k, is wholly free.
[[nodiscard, gnu::always_inline]] constexpr bool is_free_block(const child_words& words, unsigned position,
                                                               unsigned k) noexcept {
    if (k < 6) return (~words[position / 64] & block_mask(position, k)) == 0;
    for (unsigned i = position / 64; i < (position + (1U << k)) / 64; ++i) {
        if (words[i] != ~std::uint64_t{0}) return false;
    }
    return true;
}

/// Order of the largest wholly free block around the free block of order k at `position`; k to 9.
[[nodiscard]] constexpr unsigned enclosing_order(const child_words& words, unsigned position, unsigned k) noexcept {
    while (k < child_order && is_free_block(words, (position >> k ^ 1U) << k, k)) ++k;
    return k;
}

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

/// The part of bits [first, end) of a child that lies in word i, as a mask of that word.
[[nodiscard]] constexpr std::uint64_t word_mask(unsigned i, unsigned first, unsigned end) noexcept {
    const unsigned low = first > i * 64 ? first - i * 64 : 0;
    const unsigned high = end > i * 64 ? end - i * 64 : 0;
    return low >= 64 ? 0 : low_mask(high) & ~low_mask(low);
}

/// Whether all of [first, end) are set.
[[nodiscard]] constexpr bool is_free_between(const child_words& words, unsigned first, unsigned end) noexcept {
    for (unsigned i = first / 64; i * 64 < end; ++i) {
        if ((~words[i] & word_mask(i, first, end)) != 0) return false;
    }
    return true;
}

/// Set bits among [first, end).
[[nodiscard]] constexpr unsigned count_free_between(const child_words& words, unsigned first, unsigned end) noexcept {
    unsigned total = 0;
    for (unsigned i = first / 64; i * 64 < end; ++i) total += count_ones(words[i] & word_mask(i, first, end));
    return total;
}

/// One above the last frame before `end` that is not free, or 0.
[[nodiscard]] constexpr unsigned after_last_used(const child_words& words, unsigned end) noexcept {
    for (unsigned i = (end + 63) / 64; i-- > 0;) {
        const std::uint64_t used = ~words[i] & word_mask(i, 0, end);
        if (used != 0) return i * 64 + 64 - leading_zeros(used);
    }
    return 0;
}

/// How many maximal free blocks of order k (0 to 8) the child holds.
[[nodiscard]] constexpr unsigned count_maximal_blocks(const child_words& words, unsigned k) noexcept {
    if (k >= 6) {
        const unsigned full = full_words(words);
        return count_ones(
            detail::without_parents(detail::free_blocks(full, k - 6), detail::free_blocks(full, k - 5), 1U << (k - 6)));
    }
    unsigned total = 0;
    for (const std::uint64_t word : words) {
        total += count_ones(
            detail::without_parents(detail::free_blocks(word, k), detail::free_blocks(word, k + 1), 1U << k));
    }
    return total;
}

LONGREACH_NAMESPACE_END

#endif
