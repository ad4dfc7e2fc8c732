// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BIT_TREE_HPP
#define LONGREACH_ALLOCATOR_BIT_TREE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bits.hpp"
#include "config.hpp"
#include "status.hpp"

// A set of small integers that finds its next member in O(log64 n).
//
// Level 0 holds one bit per integer; bit i of level k + 1 says that word i of level k is not zero.
// At most 1.016 bits per integer. The caller owns the words and does the locking.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 a summary bit is set exactly where the word below it is not zero;
/// I2 no bit at or above size() is set.
class bit_tree {
  public:
    static constexpr unsigned max_levels = 6;  // 64^6 = 2^36 integers

    /// 64-bit words needed for the integers [0, size); size is at most 2^36.
    [[nodiscard]] static constexpr std::size_t required_words(std::uint64_t size) noexcept {
        std::size_t total = 0;
        do {
            size = (size + 63) / 64;
            total += size;
        } while (size > 1);
        return total == 0 ? 1 : total;
    }

    constexpr bit_tree() = default;

    /// An empty set over `words`, of which it uses and clears the first required_words(size).
    constexpr bit_tree(std::uint64_t size, std::span<std::uint64_t> words) noexcept : size_(size) {
        LONGREACH_CHECK(words.size() >= required_words(size), "bit_tree.words");
        LONGREACH_CHECK(size <= (std::uint64_t{1} << (6 * max_levels)), "bit_tree.size");
        std::uint64_t* next = words.data();
        std::uint64_t count = size;
        do {
            count = (count + 63) / 64;
            count = count == 0 ? 1 : count;
            level_[levels_++] = next;
            next += count;
        } while (count > 1);
        clear();
    }

    /// Removes every member; O(size / 64).
    constexpr void clear() noexcept {
        if (levels_ == 0) return;
        const std::size_t words = required_words(size_);
        for (std::size_t i = 0; i < words; ++i) level_[0][i] = 0;
    }

    [[nodiscard]] constexpr std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return levels_ == 0 || *level_[levels_ - 1] == 0; }
    [[nodiscard]] constexpr bool test(std::uint64_t i) const noexcept {
        return (level_[0][i / 64] >> (i % 64) & 1) != 0;
    }

    /// Members 64 * i to 64 * i + 63, one bit each.
    [[nodiscard]] constexpr std::uint64_t word(std::uint64_t i) const noexcept { return level_[0][i]; }

    constexpr void insert(std::uint64_t i) noexcept {
        for (unsigned k = 0; k < levels_; ++k, i /= 64) {
            std::uint64_t& word = level_[k][i / 64];
            const std::uint64_t before = word;
            word |= std::uint64_t{1} << (i % 64);
            if (before != 0) return;
        }
    }

    constexpr void erase(std::uint64_t i) noexcept {
        for (unsigned k = 0; k < levels_; ++k, i /= 64) {
            std::uint64_t& word = level_[k][i / 64];
            word &= ~(std::uint64_t{1} << (i % 64));
            if (word != 0) return;
        }
    }

    /// The smallest member, or size() where there is none.
    [[nodiscard, gnu::always_inline]] constexpr std::uint64_t first() const noexcept {
        if (empty()) return size_;
        std::uint64_t i = 0;
        for (unsigned k = levels_; k-- > 0;) i = i * 64 + lowest_one(level_[k][i]);
        return i;
    }

    /// The smallest member at or above `from`, or size() where there is none.
    [[nodiscard]] constexpr std::uint64_t first(std::uint64_t from) const noexcept {
        if (from >= size_) return size_;
        unsigned k = 0;
        std::uint64_t i = from;
        while (true) {  // climb until a word has a bit at or after i
            const std::uint64_t rest = level_[k][i / 64] & ~low_mask(static_cast<unsigned>(i % 64));
            if (rest != 0) {
                i = i / 64 * 64 + trailing_zeros(rest);
                break;
            }
            i = i / 64 + 1;
            if (++k == levels_ || i >= width(k)) return size_;
        }
        while (k > 0) {  // descend to the first bit below it
            --k;
            i = i * 64 + trailing_zeros(level_[k][i]);
        }
        return i;
    }

    /// The largest member at or below `from`, which is below size(), or size() where there is none.
    [[nodiscard]] constexpr std::uint64_t last(std::uint64_t from) const noexcept {
        unsigned k = 0;
        std::uint64_t i = from;
        while (true) {  // climb until a word has a bit at or before i
            const std::uint64_t rest = level_[k][i / 64] & low_mask(static_cast<unsigned>(i % 64) + 1);
            if (rest != 0) {
                i = i / 64 * 64 + floor_log2(rest);
                break;
            }
            if (i / 64 == 0 || ++k == levels_) return size_;
            i = i / 64 - 1;
        }
        while (k > 0) {  // descend to the last bit below it
            --k;
            i = i * 64 + floor_log2(level_[k][i]);
        }
        return i;
    }

    /// Recounts every summary bit; O(size / 64).
    violation audit() const noexcept {
        for (unsigned k = 0; k + 1 < levels_; ++k) {
            for (std::uint64_t i = 0; i < width(k + 1); ++i) {
                const bool summary = (level_[k + 1][i / 64] >> (i % 64) & 1) != 0;
                if (summary != (level_[k][i] != 0)) return {"bit_tree.I1", i};
            }
        }
        for (unsigned k = 0; k < levels_; ++k) {
            const std::uint64_t bits = width(k);
            if (bits % 64 != 0 && (level_[k][bits / 64] & ~low_mask(static_cast<unsigned>(bits % 64))) != 0) {
                return {"bit_tree.I2", bits};
            }
        }
        return {};
    }

  private:
    /// Number of meaningful bits on level k.
    [[nodiscard]] constexpr std::uint64_t width(unsigned k) const noexcept {
        std::uint64_t bits = size_;
        for (unsigned i = 0; i < k; ++i) bits = (bits + 63) / 64;
        return bits;
    }

    std::uint64_t size_ = 0;
    unsigned levels_ = 0;
    std::array<std::uint64_t*, max_levels> level_{};
};

LONGREACH_NAMESPACE_END

#endif
