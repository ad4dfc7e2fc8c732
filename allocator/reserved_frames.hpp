// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_RESERVED_FRAMES_HPP
#define LONGREACH_ALLOCATOR_RESERVED_FRAMES_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "child.hpp"
#include "config.hpp"
#include "status.hpp"

// Which frames a placement has been promised, by child: nothing, all 512 frames, or a mask.
//
// Promised runs are long, so few children need a mask: those at the two ends of a run. Masks come from a
// pool of one per eight children; where it is empty a promise is cut back to whole children, which costs
// protection and never correctness. The caller owns the memory and does the locking.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 every mask in use belongs to exactly one child and the rest are in the free list;
/// I2 no mask in use is empty or full.
class reserved_frames {
  public:
    [[nodiscard]] static constexpr std::size_t mask_count(std::uint64_t children) noexcept {
        return static_cast<std::size_t>(children / 8 + 16 < whole ? children / 8 + 16 : whole - 1);
    }

    constexpr reserved_frames() = default;

    /// Nothing reserved; `state` has one element per child, `masks` mask_count(children).
    constexpr reserved_frames(std::span<std::uint16_t> state, std::span<child_words> masks) noexcept
        : state_(state), masks_(masks) {
        for (std::uint16_t& s : state_) s = none;
        for (std::size_t i = 0; i < masks_.size(); ++i) masks_[i][0] = i + 1;
    }

    [[nodiscard]] constexpr bool any(std::uint64_t child) const noexcept { return state_[child] != none; }

    /// The promised frames of a child.
    [[nodiscard]] constexpr child_words words(std::uint64_t child) const noexcept {
        child_words result{};
        if (state_[child] == none) return result;
        if (state_[child] != whole) return masks_[state_[child]];
        for (std::uint64_t& word : result) word = ~std::uint64_t{0};
        return result;
    }

    /// Replaces the promise of one child; false, and nothing changed, where it needs a mask and none is left.
    constexpr bool assign(std::uint64_t child, const child_words& words) noexcept {
        const unsigned count = count_free(words);
        const bool masked = count != 0 && count != child_frames;
        if (masked && is_plain(child) && free_mask_ == masks_.size()) return false;
        if (!masked && !is_plain(child)) {
            masks_[state_[child]][0] = free_mask_;
            free_mask_ = state_[child];
        }
        if (!masked) {
            state_[child] = count == 0 ? none : whole;
            return true;
        }
        if (is_plain(child)) {
            state_[child] = static_cast<std::uint16_t>(free_mask_);
            free_mask_ = masks_[free_mask_][0];
        }
        masks_[state_[child]] = words;
        return true;
    }

    violation audit() const noexcept {
        std::size_t masked = 0;
        for (std::uint64_t child = 0; child < state_.size(); ++child) {
            if (is_plain(child)) continue;
            ++masked;
            if (state_[child] >= masks_.size()) return {"reserved_frames.I1", child};
            const unsigned count = count_free(masks_[state_[child]]);
            if (count == 0 || count == child_frames) return {"reserved_frames.I2", child};
            for (std::uint64_t other = child + 1; other < state_.size(); ++other) {
                if (state_[other] == state_[child]) return {"reserved_frames.I1", other};
            }
        }
        std::size_t pooled = 0;
        for (std::uint64_t i = free_mask_; i != masks_.size(); i = masks_[i][0]) {
            if (i > masks_.size() || ++pooled > masks_.size()) return {"reserved_frames.I1", i};
        }
        if (masked + pooled != masks_.size()) return {"reserved_frames.I1", masked};
        return {};
    }

  private:
    static constexpr std::uint16_t none = 0xffff;
    static constexpr std::uint16_t whole = 0xfffe;

    [[nodiscard]] constexpr bool is_plain(std::uint64_t child) const noexcept { return state_[child] >= whole; }

    std::span<std::uint16_t> state_{};  ///< none, whole, or the number of a mask
    std::span<child_words> masks_{};    ///< a free mask holds the number of the next free one in word 0
    std::uint64_t free_mask_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
