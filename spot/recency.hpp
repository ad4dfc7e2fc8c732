// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_RECENCY_HPP
#define LONGREACH_SPOT_RECENCY_HPP

#include <cstdint>

#include "../allocator/bits.hpp"
#include "../allocator/config.hpp"

// Exact least-recently-used order of up to eight ways, as a bit matrix in one word.
//
// Byte w is the row of way w; its bit v says that w was used after v. A use sets the whole row and
// clears the column: two operations, no branch, and the oldest way is the one zero row.
// Source: Maruyama, mLRU page replacement algorithm in terms of the reference matrix, IBM TDB 17(10), 1975.

LONGREACH_NAMESPACE_BEGIN

/// The order in which `Ways` ways were last used; at first way 0 is the oldest, the last the newest.
template <unsigned Ways>
class recency {
    static_assert(Ways >= 1 && Ways <= 8, "one word holds at most eight rows of eight bits");

  public:
    /// Makes `way` the newest. Requires way < Ways.
    constexpr void touch(unsigned way) noexcept {
        matrix_ |= low_mask(Ways) << (8 * way);
        matrix_ &= ~(every_byte << way);
    }

    /// The way used longest ago.
    [[nodiscard]] constexpr unsigned oldest() const noexcept {
        // The lowest zero byte; exact, as borrows only reach bytes above it. Hacker's Delight, section 6-1.
        const std::uint64_t word = matrix_ | unused_rows;
        return trailing_zeros((word - every_byte) & ~word & (every_byte << 7)) / 8;
    }

    /// The way used longest ago among those whose bit is set in `ways`. Requires one of them below Ways.
    [[nodiscard]] constexpr unsigned oldest_of(std::uint64_t ways) const noexcept {
        for (std::uint64_t left = ways; left != 0; left &= left - 1) {
            const unsigned way = trailing_zeros(left);
            if ((row(way) & ways) == 0) return way;
        }
        return 0;
    }

    /// Ways used before `way`: 0 for the oldest, Ways - 1 for the newest.
    [[nodiscard]] constexpr unsigned age_rank(unsigned way) const noexcept { return count_ones(row(way)); }

    /// Whether the matrix is an order at all: every rank from 0 to Ways - 1 occurs once, with consistent rows.
    [[nodiscard]] constexpr bool is_order() const noexcept {
        for (unsigned a = 0; a < Ways; ++a) {
            for (unsigned b = 0; b < Ways; ++b) {
                if (((row(a) >> b) & 1) != (age_rank(a) > age_rank(b) ? 1U : 0U)) return false;
                if (a != b && age_rank(a) == age_rank(b)) return false;
            }
        }
        return (matrix_ & unused_rows) == 0;
    }

  private:
    friend struct corrupt;

    static constexpr std::uint64_t every_byte = 0x0101010101010101U;
    static constexpr std::uint64_t unused_rows = Ways == 8 ? 0 : ~low_mask(8 * (Ways & 7));

    [[nodiscard]] static constexpr std::uint64_t in_index_order() noexcept {
        std::uint64_t matrix = 0;
        for (unsigned way = 0; way < Ways; ++way) matrix |= low_mask(way) << (8 * way);
        return matrix;
    }
    [[nodiscard]] constexpr std::uint64_t row(unsigned way) const noexcept { return (matrix_ >> (8 * way)) & 0xff; }

    std::uint64_t matrix_ = in_index_order();
};

LONGREACH_NAMESPACE_END

#endif
