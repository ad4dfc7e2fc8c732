// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RANDOM_HPP
#define LONGREACH_WORKLOADS_RANDOM_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "../allocator/config.hpp"

// Random numbers that are the same for the same seed on every compiler and library, for ever.
//
// The standard engines are fixed but its distributions are not. Not for secrets; not for several threads.
// Source: Blackman and Vigna, Scrambled Linear Pseudorandom Number Generators, ACM TOMS 47(4), 2021
// (xoshiro256**, and splitmix64 for its seed, as the authors advise).

LONGREACH_NAMESPACE_BEGIN

/// A 64-bit generator that any seed starts well: each call is a bijection of the next multiple of a constant.
class splitmix64 {
  public:
    explicit constexpr splitmix64(std::uint64_t seed) noexcept : state_(seed) {}

    constexpr std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }

  private:
    std::uint64_t state_;
};

/// xoshiro256**: period 2^256 - 1, four words of state.
class random_numbers {
  public:
    explicit constexpr random_numbers(std::uint64_t seed) noexcept {
        splitmix64 words(seed);
        for (std::uint64_t& word : state_) word = words.next();
    }

    /// 64 random bits.
    constexpr std::uint64_t next() noexcept {
        const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate_left(state_[3], 45);
        return result;
    }

    /// A number below `bound`, every one equally likely; `bound` is above 0. Less than two draws on average.
    constexpr std::uint64_t below(std::uint64_t bound) noexcept {
        LONGREACH_CHECK(bound != 0, "random_numbers.bound");
        // The lowest 2^64 mod bound values are drawn again, so that a multiple of `bound` remains.
        const std::uint64_t lowest = (0 - bound) % bound;
        std::uint64_t drawn = next();
        while (drawn < lowest) drawn = next();
        return drawn % bound;
    }

    /// True in `numerator` of `denominator` draws.
    constexpr bool chance(std::uint64_t numerator, std::uint64_t denominator) noexcept {
        return below(denominator) < numerator;
    }

    /// Puts the values into an order of which all are equally likely (Fisher and Yates, from the end).
    template <class T>
    constexpr void shuffle(std::span<T> values) noexcept {
        for (std::size_t left = values.size(); left > 1; --left) {
            std::swap(values[left - 1], values[static_cast<std::size_t>(below(left))]);
        }
    }

  private:
    [[nodiscard]] static constexpr std::uint64_t rotate_left(std::uint64_t word, int bits) noexcept {
        return word << bits | word >> (64 - bits);
    }

    std::array<std::uint64_t, 4> state_{};
};

LONGREACH_NAMESPACE_END

#endif
