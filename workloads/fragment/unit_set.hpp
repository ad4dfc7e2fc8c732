// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_UNIT_SET_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_UNIT_SET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../allocator/bits.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/status.hpp"

// A set of numbers below a limit, one bit each: frames, or aligned units of 2^k frames.
//
// 16 MiB for the 2^27 frames of 512 GiB, however they are scattered; whole-set operations go through them in
// milliseconds. The caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 there are just as many words as size() needs. I2 bits at and above size() are 0.
class unit_set {
  public:
    unit_set() = default;
    explicit unit_set(std::uint64_t size, bool full = false)
        : size_(size), words_(static_cast<std::size_t>((size + 63) / 64), full ? ~std::uint64_t{0} : 0) {
        cut();
    }

    friend bool operator==(const unit_set&, const unit_set&) = default;

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::span<std::uint64_t> words() noexcept { return words_; }
    [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return words_; }
    [[nodiscard]] bool contains(std::uint64_t unit) const noexcept {
        return unit < size_ && (words_[static_cast<std::size_t>(unit / 64)] >> (unit % 64) & 1) != 0;
    }
    [[nodiscard]] std::uint64_t count() const noexcept {
        std::uint64_t total = 0;
        for (const std::uint64_t word : words_) total += count_ones(word);
        return total;
    }

    /// Adds, or takes out, `count` units from `first` on, all below size().
    void insert(std::uint64_t first, std::uint64_t count = 1) noexcept {
        for_each_part(first, count, [this](std::size_t i, std::uint64_t mask) { words_[i] |= mask; });
    }
    void erase(std::uint64_t first, std::uint64_t count = 1) noexcept {
        for_each_part(first, count, [this](std::size_t i, std::uint64_t mask) { words_[i] &= ~mask; });
    }

    /// Member by member with a set of the same size.
    unit_set& operator|=(const unit_set& other) noexcept {
        for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
        return *this;
    }
    unit_set& operator&=(const unit_set& other) noexcept {
        for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
        return *this;
    }
    /// Takes out what is in `other`.
    unit_set& operator-=(const unit_set& other) noexcept {
        for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
        return *this;
    }
    [[nodiscard]] unit_set complement() const {
        unit_set result = *this;
        for (std::uint64_t& word : result.words_) word = ~word;
        result.cut();
        return result;
    }

    /// The first member at or after `from`, and the first number there that is none; size() where there is no more.
    [[nodiscard]] std::uint64_t next_member(std::uint64_t from) const noexcept { return next(from, 0); }
    [[nodiscard]] std::uint64_t next_gap(std::uint64_t from) const noexcept { return next(from, ~std::uint64_t{0}); }

    /// Hands every member, in order, to `visit(unit)`.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (std::uint64_t unit = next_member(0); unit != size_; unit = next_member(unit + 1)) visit(unit);
    }
    /// Hands every maximal run of members, in order, to `visit(first, count)`.
    template <class Visit>
    void for_each_run(Visit&& visit) const {
        for (std::uint64_t first = next_member(0); first != size_;) {
            const std::uint64_t end = next_gap(first);
            visit(first, end - first);
            first = next_member(end);
        }
    }

    /// The pairs 2i, 2i + 1 of which both are members, by i: units of twice the size. A last unit without partner is
    /// in no pair.
    [[nodiscard]] unit_set pairs() const {
        unit_set result(size_ / 2);
        for (std::size_t i = 0; i < result.words_.size(); ++i) {
            const std::uint64_t low = words_[2 * i];
            const std::uint64_t high = 2 * i + 1 < words_.size() ? words_[2 * i + 1] : 0;
            result.words_[i] = even_bits(low & low >> 1) | even_bits(high & high >> 1) << 32;
        }
        result.cut();
        return result;
    }
    /// pairs(), k times over: the units of 2^k that are wholly in the set.
    [[nodiscard]] unit_set blocks(unsigned k) const {
        unit_set result = *this;
        for (; k != 0; --k) result = result.pairs();
        return result;
    }
    /// The other way: the 2^k numbers of each member's block, among `size` of them.
    [[nodiscard]] unit_set units(unsigned k, std::uint64_t size) const {
        unit_set result = *this;
        for (; k != 0; --k) result = result.halves(size >> (k - 1));
        return result;
    }

    [[nodiscard]] violation audit() const noexcept {
        if (words_.size() != (size_ + 63) / 64) return {"unit_set.I1", words_.size()};
        const auto used = static_cast<unsigned>(size_ % 64);
        if (used != 0 && (words_.back() & ~low_mask(used)) != 0) return {"unit_set.I2", size_};
        return {};
    }

  private:
    friend struct unit_set_corruption;  // tests break invariants through it

    void cut() noexcept {
        if (size_ % 64 != 0) words_.back() &= low_mask(static_cast<unsigned>(size_ % 64));
    }

    /// 2i and 2i + 1 for every member i, among `size` numbers.
    [[nodiscard]] unit_set halves(std::uint64_t size) const {
        unit_set result(size);
        for (std::size_t i = 0; i < result.words_.size() && i / 2 < words_.size(); ++i) {
            const std::uint64_t spread = to_even_bits(words_[i / 2] >> (i % 2 * 32) & 0xffffffffU);
            result.words_[i] = spread | spread << 1;
        }
        result.cut();
        return result;
    }

    template <class Apply>
    static void for_each_part(std::uint64_t first, std::uint64_t count, Apply apply) noexcept {
        for (const std::uint64_t end = first + count; first != end;) {
            const std::uint64_t here = std::min<std::uint64_t>(end - first, 64 - first % 64);
            apply(static_cast<std::size_t>(first / 64), low_mask(static_cast<unsigned>(here)) << (first % 64));
            first += here;
        }
    }

    /// The first number at or after `from` whose bit differs from those of `skipped`, all zeros or all ones.
    [[nodiscard]] std::uint64_t next(std::uint64_t from, std::uint64_t skipped) const noexcept {
        if (from >= size_) return size_;
        std::size_t i = static_cast<std::size_t>(from / 64);
        std::uint64_t word = (words_[i] ^ skipped) & ~low_mask(static_cast<unsigned>(from % 64));
        while (word == 0 && ++i != words_.size()) word = words_[i] ^ skipped;
        return word == 0 ? size_ : std::min<std::uint64_t>(size_, i * 64 + lowest_one(word));
    }

    /// The bits at even places, close together in the lower half; and back. Source: Warren, Hacker's Delight, 2nd ed.,
    /// section 7-2.
    [[nodiscard]] static constexpr std::uint64_t even_bits(std::uint64_t word) noexcept {
        word &= 0x5555555555555555U;
        word = (word | word >> 1) & 0x3333333333333333U;
        word = (word | word >> 2) & 0x0f0f0f0f0f0f0f0fU;
        word = (word | word >> 4) & 0x00ff00ff00ff00ffU;
        word = (word | word >> 8) & 0x0000ffff0000ffffU;
        return (word | word >> 16) & 0x00000000ffffffffU;
    }
    [[nodiscard]] static constexpr std::uint64_t to_even_bits(std::uint64_t word) noexcept {
        word = (word | word << 16) & 0x0000ffff0000ffffU;
        word = (word | word << 8) & 0x00ff00ff00ff00ffU;
        word = (word | word << 4) & 0x0f0f0f0f0f0f0f0fU;
        word = (word | word << 2) & 0x3333333333333333U;
        return (word | word << 1) & 0x5555555555555555U;
    }

    std::uint64_t size_ = 0;
    std::vector<std::uint64_t> words_;
};

LONGREACH_NAMESPACE_END

#endif
