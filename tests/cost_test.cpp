// SPDX-License-Identifier: MIT
// The cost model: each class of miss pays what the model says, in integers.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/spot/cost.hpp>

namespace longreach {
namespace {

constexpr cost_constants prices{{1, 10, 100, 1000, 10000}, 7, 3};

reference_counts counts(std::uint64_t upper, std::uint64_t leaf, std::uint64_t host_upper = 0,
                        std::uint64_t of_table = 0, std::uint64_t of_data = 0) {
    return {{upper, leaf, host_upper, of_table, of_data}};
}

/// 100 accesses, 20 L1 misses, 8 L2 misses: 5 correct, 2 mispredicted, 1 without prediction.
mmu_counters example() {
    mmu_counters c;
    c.accesses = 100;
    c.l1_misses = 20;
    c.l2_misses = 8;
    c.misses_of = {5, 2, 1};
    c.walk_refs_of = {counts(15, 5), counts(6, 2), counts(3, 1)};
    return c;
}

TEST(cost, every_kind_of_reference_has_its_price) {
    EXPECT_EQ(cycles_of(counts(1, 0), prices), 1U);
    EXPECT_EQ(cycles_of(counts(0, 1), prices), 10U);
    EXPECT_EQ(cycles_of(counts(0, 0, 1), prices), 100U);
    EXPECT_EQ(cycles_of(counts(0, 0, 0, 1), prices), 1000U);
    EXPECT_EQ(cycles_of(counts(0, 0, 0, 0, 1), prices), 10000U);
    EXPECT_EQ(cycles_of(counts(2, 3, 4, 5, 6), prices), 65432U);
}

TEST(cost, without_aPredictor_every_walk_is_exposed) { EXPECT_EQ(walk_cycles(example(), prices), 24 * 1 + 8 * 10U); }

TEST(cost, correct_predictions_hide_their_walks_and_wrong_ones_add_aFlush) {
    EXPECT_EQ(spot_cycles(example(), prices), (9 * 1 + 3 * 10) + 2 * 7U);
}

TEST(cost, without_predictions_both_figures_agree) {
    mmu_counters c = example();
    c.misses_of = {0, 0, 8};
    c.walk_refs_of = {counts(0, 0), counts(0, 0), counts(24, 8)};
    EXPECT_EQ(spot_cycles(c), walk_cycles(c));
}

TEST(cost, a_wrong_prediction_is_worse_than_none) {
    mmu_counters c;
    c.misses_of = {0, 1, 0};
    c.walk_refs_of[1] = counts(3, 1);
    EXPECT_EQ(spot_cycles(c), walk_cycles(c) + published_costs.flush_cycles);
}

TEST(cost, second_level_hits_are_first_level_misses_that_the_second_level_has) {
    EXPECT_EQ(second_level_tlb_cycles(example(), prices), 12 * 3U);
}

TEST(cost, the_published_constants_are_the_ones_with_sources) {
    EXPECT_EQ(published_costs.flush_cycles, 20U);
    EXPECT_EQ(published_costs.second_level_tlb_cycles, 7U);
    // A nested walk of superpages in superpages lies in the band that hardware shows for cached tables.
    EXPECT_EQ(cycles_of(counts(2, 1, 8, 3, 1)), 2 * 12 + 45 + 8 * 12 + 3 * 12 + 45U);
}

TEST(cost, rates_are_exact_and_do_not_overflow) {
    EXPECT_EQ(millicycles_per_kaccess(0, 0), 0U);
    EXPECT_EQ(millicycles_per_kaccess(5, 0), 0U);
    EXPECT_EQ(millicycles_per_kaccess(1, 1000), 1000U) << "one cycle per 1000 accesses";
    EXPECT_EQ(millicycles_per_kaccess(1, 3), 333333U);
    const std::uint64_t many = std::uint64_t{1} << 43;  // eight million million accesses
    EXPECT_EQ(millicycles_per_kaccess(many * 400, many), 400'000'000U);
    EXPECT_EQ(millicycles_per_kaccess(many - 1, many), 999'999U);
}

}  // namespace
}  // namespace longreach
