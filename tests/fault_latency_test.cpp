// SPDX-License-Identifier: MIT
// That fault times follow the model, and that the histogram's quantiles are those of a sorted list to one part in 32.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/workloads/fault_latency.hpp>
#include <longreach/workloads/random.hpp>
#include <vector>

namespace longreach {
namespace {

// A fault costs the trap and, unless the frames are zero already, zeroing them.
TEST(fault_latency, charges_the_trap_and_zeroing) {
    constexpr fault_latency_model model;
    EXPECT_EQ(model.fault_ns(base_order), 3500U);
    EXPECT_EQ(model.fault_ns(base_order, true), 2650U);
    EXPECT_EQ(model.fault_ns(superpage_order), 465'000U);
    EXPECT_EQ(model.fault_ns(superpage_order, true), 13'000U);
}

TEST(fault_latency, an_empty_histogram_says_zero) {
    const latency_histogram none;
    EXPECT_EQ(none.count(), 0U);
    EXPECT_EQ(none.quantile(990), 0U);
    EXPECT_EQ(none.longest(), 0U);
}

// The largest time that exists has a bin, and no quantile exceeds the longest time.
TEST(fault_latency, holds_the_largest_time) {
    latency_histogram one;
    one.add(~std::uint64_t{0});
    EXPECT_EQ(one.quantile(0), ~std::uint64_t{0});
    EXPECT_EQ(one.quantile(1000), ~std::uint64_t{0});
}

// Every quantile of random times lies between the sorted list's and that plus a 32nd.
TEST(fault_latency, quantiles_are_those_of_a_sorted_list) {
    random_numbers random(7);
    for (unsigned round = 0; round < 200; ++round) {
        latency_histogram found;
        std::vector<std::uint64_t> sorted;
        const std::uint64_t count = 1 + random.below(300);
        std::uint64_t total = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t ns = random.below(std::uint64_t{1} << (1 + random.below(40)));
            found.add(ns);
            sorted.push_back(ns);
            total += ns;
        }
        std::sort(sorted.begin(), sorted.end());
        ASSERT_EQ(found.count(), count);
        ASSERT_EQ(found.total(), total);
        ASSERT_EQ(found.longest(), sorted.back());
        for (const unsigned permille : {0U, 1U, 250U, 500U, 990U, 999U, 1000U}) {
            const std::uint64_t rank = std::max<std::uint64_t>((count * permille + 999) / 1000, 1);
            const std::uint64_t exact = sorted[static_cast<std::size_t>(rank - 1)];
            ASSERT_GE(found.quantile(permille), exact);
            ASSERT_LE(found.quantile(permille), exact + exact / 32);
        }
    }
}

}  // namespace
}  // namespace longreach
