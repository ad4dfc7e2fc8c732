// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BITS_HPP
#define LONGREACH_ALLOCATOR_BITS_HPP

#include <climits>
#include <cstdint>

#include "config.hpp"

// Bit counting and masks on 64-bit words.
//
// Without wide instructions the compilers turn the builtin population count into a call to their
// runtime library, which a kernel does not link; so that one has a portable form of its own.
// Leading and trailing zero counts are single instructions on every 64-bit target.

LONGREACH_NAMESPACE_BEGIN

/// Number of set bits, 0 to 64. Source: Warren, Hacker's Delight, 2nd ed., section 5-1.
[[nodiscard]] constexpr unsigned count_ones(std::uint64_t word) noexcept {
#if defined(__POPCNT__)
    return static_cast<unsigned>(__builtin_popcountll(word));
#else
    word -= (word >> 1) & 0x5555555555555555U;
    word = (word & 0x3333333333333333U) + ((word >> 2) & 0x3333333333333333U);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fU;
    return static_cast<unsigned>((word * 0x0101010101010101U) >> 56);
#endif
}

/// Index of the lowest set bit; requires a word with one.
[[nodiscard]] constexpr unsigned lowest_one(std::uint64_t word) noexcept {
    return static_cast<unsigned>(__builtin_ctzll(word));
}

/// Index of the lowest set bit; 64 for zero.
[[nodiscard]] constexpr unsigned trailing_zeros(std::uint64_t word) noexcept {
    return word == 0 ? 64U : static_cast<unsigned>(__builtin_ctzll(word));
}

/// Zeros above the highest set bit; 64 for zero.
[[nodiscard]] constexpr unsigned leading_zeros(std::uint64_t word) noexcept {
    return word == 0 ? 64U : static_cast<unsigned>(__builtin_clzll(word));
}

/// The `count` lowest bits set, 0 to 64.
[[nodiscard]] constexpr std::uint64_t low_mask(unsigned count) noexcept {
    return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

/// floor(log2(value)); requires a value above 0.
[[nodiscard]] constexpr unsigned floor_log2(std::uint64_t value) noexcept { return 63U - leading_zeros(value); }

/// ceil(log2(value)); requires a value above 0.
[[nodiscard]] constexpr unsigned ceil_log2(std::uint64_t value) noexcept {
    return value <= 1 ? 0U : floor_log2(value - 1) + 1;
}

[[nodiscard]] constexpr bool is_power_of_two(std::uint64_t value) noexcept {
    return value != 0 && (value & (value - 1)) == 0;
}

LONGREACH_NAMESPACE_END

#endif
