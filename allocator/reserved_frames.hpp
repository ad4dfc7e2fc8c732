// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_RESERVED_FRAMES_HPP
#define LONGREACH_ALLOCATOR_RESERVED_FRAMES_HPP

#include <cstddef>
#include <cstdint>
#include <span>

#include "block_layer.hpp"
#include "child.hpp"
#include "config.hpp"
#include "status.hpp"

// Which frames a placement has been promised, by child: nothing, all 512 frames, or a mask.
//
// Promised runs are long, so few children need a mask: those at the two ends of a run. Masks come from a pool that
// the caller sizes; where it is empty a promise is cut back to whole children, which costs protection and never
// correctness. What a child was promised stands in its header, 0 for nothing. The caller does the locking.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 every mask in use belongs to exactly one child and the rest are in the free list;
/// I2 no mask in use is empty or full.
class reserved_frames {
  public:
    /// Masks for a zone of this many children: one per eight, 16 at least, 65,533 at most.
    [[nodiscard]] static constexpr std::size_t mask_count(std::uint64_t children) noexcept {
        return static_cast<std::size_t>(children / 8 + 16 < most_masks ? children / 8 + 16 : most_masks);
    }

    constexpr reserved_frames() = default;

    /// Over headers that promise nothing; the masks may hold anything.
    constexpr reserved_frames(std::span<child_header> headers, std::span<child_words> masks) noexcept
        : headers_(headers), masks_(masks) {
        LONGREACH_CHECK(masks.size() <= most_masks, "reserved_frames.masks");
    }

    /// Takes every mask back; the caller clears the headers.
    constexpr void forget() noexcept {
        fresh_ = 0;
        free_ = 0;
    }

    [[nodiscard]] constexpr bool any(std::uint64_t child) const noexcept { return headers_[child].promised != nothing; }

    /// The promised frames of a child.
    [[nodiscard]] constexpr child_words words(std::uint64_t child) const noexcept {
        const unsigned state = headers_[child].promised;
        child_words result{};
        if (state == nothing) return result;
        if (state != everything) return masks_[state - first_mask];
        for (std::uint64_t& word : result) word = ~std::uint64_t{0};
        return result;
    }

    /// Word i of them.
    [[nodiscard, gnu::always_inline]] constexpr std::uint64_t word(std::uint64_t child, unsigned i) const noexcept {
        const unsigned state = headers_[child].promised;
        if (state == nothing) return 0;
        return state == everything ? ~std::uint64_t{0} : masks_[state - first_mask][i];
    }
    /// Whether all of them are.
    [[nodiscard]] constexpr bool all(std::uint64_t child) const noexcept {
        return headers_[child].promised == everything;
    }

    /// Promises all frames of a child that was promised none.
    constexpr void promise_all(std::uint64_t child) noexcept { headers_[child].promised = everything; }

    /// Replaces the promise of one child; false, and nothing changed, where it needs a mask and none is left.
    constexpr bool assign(std::uint64_t child, const child_words& words) noexcept {
        const unsigned count = count_free(words);
        const bool masked = count != 0 && count != child_frames;
        std::uint16_t& state = headers_[child].promised;
        const bool had_mask = state >= first_mask;
        if (masked && !had_mask) {
            if (free_ == 0 && fresh_ == masks_.size()) return false;
            std::size_t mask = fresh_;
            if (free_ != 0) {
                mask = free_ - 1;
                free_ = masks_[mask][0];
            } else {
                ++fresh_;
            }
            state = static_cast<std::uint16_t>(mask + first_mask);
        } else if (!masked) {
            if (had_mask) {
                const std::size_t mask = state - first_mask;
                masks_[mask][0] = free_;
                free_ = mask + 1;
            }
            state = count == 0 ? nothing : everything;
        }
        if (masked) masks_[state - first_mask] = words;
        return true;
    }

    /// O(masks ever used * children).
    violation audit() const noexcept {
        std::size_t masked = 0;
        for (std::uint64_t child = 0; child < headers_.size(); ++child) {
            const unsigned state = headers_[child].promised;
            if (state < first_mask) continue;
            ++masked;
            if (state - first_mask >= fresh_) return {"reserved_frames.I1", child};
            const unsigned count = count_free(masks_[state - first_mask]);
            if (count == 0 || count == child_frames) return {"reserved_frames.I2", child};
            for (std::uint64_t other = child + 1; other < headers_.size(); ++other) {
                if (headers_[other].promised == state) return {"reserved_frames.I1", other};
            }
        }
        std::size_t pooled = 0;
        for (std::uint64_t i = free_; i != 0; i = masks_[i - 1][0]) {
            if (i > fresh_ || ++pooled > fresh_) return {"reserved_frames.I1", i};
            for (const child_header& header : headers_) {
                if (header.promised == i - 1 + first_mask) return {"reserved_frames.I1", i - 1};
            }
        }
        if (masked + pooled != fresh_) return {"reserved_frames.I1", masked};
        return {};
    }

  private:
    static constexpr std::uint16_t nothing = 0;
    static constexpr std::uint16_t everything = 1;
    static constexpr unsigned first_mask = 2;  // mask i is state i + 2
    static constexpr std::size_t most_masks = 0xffff - first_mask;

    std::span<child_header> headers_{};
    std::span<child_words> masks_{};  ///< a free mask holds 1 + the number of the next free one in word 0
    std::size_t fresh_ = 0;           ///< masks from here on were never used
    std::uint64_t free_ = 0;          ///< 1 + the first free mask below fresh_, or 0
};

LONGREACH_NAMESPACE_END

#endif
