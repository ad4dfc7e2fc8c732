// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_ATOMIC_BIT_TREE_HPP
#define LONGREACH_ALLOCATOR_ATOMIC_BIT_TREE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "atomics.hpp"
#include "bit_tree.hpp"
#include "bits.hpp"
#include "config.hpp"
#include "status.hpp"

// A bit_tree that any thread changes at any time: members are exact, the summary above them is conservative.
//
// A summary bit may stand over an empty word, which a search takes down when it meets one. It is missing over a word
// with members only while a call that will set it is under way. Who takes a summary bit down looks at the word again
// afterwards, and who fills an empty word looks at the summary afterwards, so one of the two sees the other.

LONGREACH_NAMESPACE_BEGIN

/// Invariants, while no call runs: I1 above each word that is not zero the summary bit is set; I2 no bit at or above
/// size() is set.
template <class Atomics = builtin_atomics>
class atomic_bit_tree {
  public:
    static constexpr unsigned max_levels = bit_tree::max_levels;

    /// 64-bit words needed for the integers [0, size); size is at most 2^36.
    [[nodiscard]] static constexpr std::size_t required_words(std::uint64_t size) noexcept {
        return bit_tree::required_words(size);
    }

    constexpr atomic_bit_tree() = default;

    /// An empty set over `words`, of which it uses and clears the first required_words(size).
    atomic_bit_tree(std::uint64_t size, std::span<std::uint64_t> words) noexcept : size_(size) {
        LONGREACH_CHECK(words.size() >= required_words(size), "atomic_bit_tree.words");
        LONGREACH_CHECK(size <= (std::uint64_t{1} << (6 * max_levels)), "atomic_bit_tree.size");
        std::uint64_t* next = words.data();
        std::uint64_t count = size;
        do {
            count = count <= 64 ? 1 : (count + 63) / 64;
            level_[levels_++] = next;
            next += count;
        } while (count > 1);
        clear();
    }

    /// Removes every member, while nobody else calls; O(size / 64).
    void clear() noexcept {
        for (unsigned k = 0; k < levels_; ++k) {
            for (std::uint64_t i = 0; i * 64 < width(k) || i == 0; ++i) Atomics::store(level_[k][i], 0);
        }
    }

    /// Adds every integer below size(), while nobody else calls; O(size / 64).
    void fill() noexcept {
        for (unsigned k = 0; k < levels_; ++k) {
            const std::uint64_t bits = width(k);
            for (std::uint64_t i = 0; i * 64 < bits; ++i) {
                Atomics::store(level_[k][i], bits - i * 64 >= 64 ? ~std::uint64_t{0}
                                                                 : low_mask(static_cast<unsigned>(bits - i * 64)));
            }
        }
    }

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] bool test(std::uint64_t i) const noexcept {
        return (Atomics::load(level_[0][i / 64]) >> (i % 64) & 1) != 0;
    }

    void insert(std::uint64_t i) noexcept { raise(0, i); }

    void erase(std::uint64_t i) noexcept {
        std::uint64_t& word = level_[0][i / 64];
        const std::uint64_t bit = std::uint64_t{1} << (i % 64);
        if ((Atomics::load(word) & bit) == 0) return;
        if ((Atomics::fetch_and(word, ~bit) & ~bit) == 0) take_down(1, i / 64);
    }

    /// The smallest member at or above `from`, or size(). While others call: an integer that was a member at a moment
    /// of the call; one that is a member all along may be missed while the call that inserts it is under way.
    /// O(log64 size), and more for each empty word under a summary bit, which is met once.
    [[nodiscard]] std::uint64_t first(std::uint64_t from = 0) noexcept {
        std::uint64_t i = from;
        for (unsigned k = from == 0 && levels_ > 0 ? levels_ - 1 : 0; i < width(k);) {
            const std::uint64_t word = Atomics::load_relaxed(level_[k][i / 64]);
            const std::uint64_t rest = word & ~low_mask(static_cast<unsigned>(i % 64));
            if (rest != 0) {
                i = i / 64 * 64 + lowest_one(rest);
                if (k == 0) return i;
                i *= 64;
                --k;
                continue;
            }
            if (++k == levels_) break;
            if (word == 0) take_down(k, i / 64);
            i = i / 64 + 1;
        }
        return size_;
    }

    /// Recounts every summary bit, while nobody else calls; O(size / 64).
    violation audit() const noexcept {
        for (unsigned k = 0; k + 1 < levels_; ++k) {
            for (std::uint64_t i = 0; i < width(k + 1); ++i) {
                const bool summary = (Atomics::load(level_[k + 1][i / 64]) >> (i % 64) & 1) != 0;
                if (!summary && Atomics::load(level_[k][i]) != 0) return {"atomic_bit_tree.I1", i};
            }
        }
        for (unsigned k = 0; k < levels_; ++k) {
            const std::uint64_t bits = width(k);
            if (bits % 64 == 0) continue;
            const std::uint64_t last = Atomics::load(level_[k][bits / 64]);
            if ((last & ~low_mask(static_cast<unsigned>(bits % 64))) != 0) return {"atomic_bit_tree.I2", bits};
        }
        return {};
    }

  private:
    /// Number of meaningful bits on level k.
    [[nodiscard]] std::uint64_t width(unsigned k) const noexcept {
        std::uint64_t bits = size_;
        for (unsigned i = 0; i < k; ++i) bits = (bits + 63) / 64;
        return bits;
    }

    /// Sets bit i of level k, and the summary bits above as far as words were empty.
    void raise(unsigned k, std::uint64_t i) noexcept {
        for (; k < levels_; ++k, i /= 64) {
            std::uint64_t& word = level_[k][i / 64];
            const std::uint64_t bit = std::uint64_t{1} << (i % 64);
            if ((Atomics::load(word) & bit) != 0) return;
            if (Atomics::fetch_or(word, bit) != 0) return;
        }
    }

    /// Clears bit i of level k, the summary of a word that was seen empty, and the bits above as far as words become
    /// empty; sets the bit again where the word has been filled.
    void take_down(unsigned k, std::uint64_t i) noexcept {
        for (; k < levels_; ++k, i /= 64) {
            std::uint64_t& word = level_[k][i / 64];
            const std::uint64_t bit = std::uint64_t{1} << (i % 64);
            if ((Atomics::load(word) & bit) == 0) return;
            const std::uint64_t rest = Atomics::fetch_and(word, ~bit) & ~bit;
            if (Atomics::load(level_[k - 1][i]) != 0) return raise(k, i);
            if (rest != 0) return;
        }
    }

    std::uint64_t size_ = 0;
    unsigned levels_ = 0;
    std::array<std::uint64_t*, max_levels> level_{};
};

LONGREACH_NAMESPACE_END

#endif
