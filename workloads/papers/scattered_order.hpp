// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_PAPERS_SCATTERED_ORDER_HPP
#define LONGREACH_WORKLOADS_PAPERS_SCATTERED_ORDER_HPP

#include <array>
#include <bit>
#include <cstdint>

#include "../../allocator/config.hpp"
#include "../random.hpp"

// The numbers below n in an order that looks random and is computed, not stored: hash buckets touched one by one.
//
// A bijection of the next power of two (additions, odd multiplications and right shifts, each of which can be undone),
// walked on until the number is below n. Not for secrets. Any number of threads may read one object.

LONGREACH_NAMESPACE_BEGIN

class scattered_order {
  public:
    /// The order of 0 to count - 1 that belongs to the seed; `count` is above 0.
    scattered_order(std::uint64_t count, std::uint64_t seed) : count_(count) {
        LONGREACH_CHECK(count != 0, "scattered_order.count");
        const int bits = static_cast<int>(std::bit_width(count - 1));
        mask_ = bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
        shift_ = (bits + 1) / 2;
        splitmix64 words(seed);
        for (step& of : steps_) of = {words.next(), words.next() | 1U};
    }

    /// The number at this place, `place` below `count`. Less than two rounds on average.
    [[nodiscard]] std::uint64_t at(std::uint64_t place) const {
        LONGREACH_CHECK(place < count_, "scattered_order.place");
        std::uint64_t number = place;
        do {
            for (const step& of : steps_) {
                number = (number + of.added) * of.factor & mask_;
                number ^= number >> shift_;
            }
        } while (number >= count_);
        return number;
    }

  private:
    struct step {
        std::uint64_t added = 0;
        std::uint64_t factor = 1;
    };

    std::uint64_t count_;
    std::uint64_t mask_ = 0;
    int shift_ = 0;
    std::array<step, 3> steps_{};
};

LONGREACH_NAMESPACE_END

#endif
