// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_RANDOM_SUBSET_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_RANDOM_SUBSET_HPP

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../allocator/bits.hpp"
#include "../../allocator/config.hpp"
#include "../random.hpp"
#include "unit_set.hpp"

// Some members of a set, drawn so that every choice of that many is equally likely: 64 at a time, then corrected.
//
// No list of the members is made: 2^27 of them cost a tenth of a second. No state.
// Source: R. W. Floyd in Bentley, Programming Pearls: a sample of brilliance, CACM 30(9), 1987 (distinct numbers).

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// `count` different numbers below `end`, in rising order; O(count log count).
[[nodiscard]] inline std::vector<std::uint64_t> random_ranks(std::uint64_t count, std::uint64_t end,
                                                             random_numbers& random) {
    absl::flat_hash_set<std::uint64_t> drawn;
    for (std::uint64_t last = end - count; last != end; ++last) {
        if (!drawn.insert(random.below(last + 1)).second) drawn.insert(last);
    }
    std::vector<std::uint64_t> ranks(drawn.begin(), drawn.end());
    std::sort(ranks.begin(), ranks.end());
    return ranks;
}

/// The members of these ranks, counted from 0 in rising order.
[[nodiscard]] inline unit_set members_at(const unit_set& set, const std::vector<std::uint64_t>& ranks) {
    unit_set result(set.size());
    auto rank = ranks.begin();
    std::uint64_t before = 0;  // members in words before this one
    for (std::size_t i = 0; i < set.words().size() && rank != ranks.end(); ++i) {
        std::uint64_t word = set.words()[i];
        std::uint64_t at = before;  // rank of the lowest bit that is left of the word
        before += count_ones(word);
        for (; rank != ranks.end() && *rank < before; ++rank) {
            for (; at != *rank; ++at) word &= word - 1;
            result.insert(i * 64 + lowest_one(word));
        }
    }
    return result;
}

/// 64 bits, each set with a chance of `share` in 65536.
[[nodiscard]] inline std::uint64_t biased_bits(std::uint64_t share, random_numbers& random) noexcept {
    std::uint64_t word = 0;  // each digit of the share, from the last, halves what the digits behind it chose
    for (unsigned digit = trailing_zeros(share); digit < 16; ++digit) {
        const std::uint64_t drawn = random.next();
        word = (share >> digit & 1) != 0 ? word | drawn : word & drawn;
    }
    return word;
}

}

/// `count` members of the set, which has at least so many.
[[nodiscard]] inline unit_set random_subset(const unit_set& set, std::uint64_t count, random_numbers& random) {
    const std::uint64_t members = set.count();
    LONGREACH_CHECK(count <= members, "random_subset.count");
    if (count == members) return set;
    unit_set chosen(set.size());
    const std::uint64_t share = (count << 16) / members;
    for (std::size_t i = 0; i < set.words().size(); ++i) {
        const std::uint64_t word = set.words()[i];
        if (word != 0) chosen.words()[i] = word & detail::biased_bits(share, random);
    }
    // A subset of random size is as likely as any other of its size; so is it after random members come or go.
    const std::uint64_t found = chosen.count();
    if (found > count) {
        chosen -= detail::members_at(chosen, detail::random_ranks(found - count, found, random));
    } else if (found < count) {
        unit_set left = set;
        left -= chosen;
        chosen |= detail::members_at(left, detail::random_ranks(count - found, members - found, random));
    }
    return chosen;
}

LONGREACH_NAMESPACE_END

#endif
