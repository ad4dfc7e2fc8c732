// SPDX-License-Identifier: MIT
// What an offline placement reaches and what no placement goes below, on cases small enough to know.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/cases/ideal_placement.hpp>
#include <vector>

namespace longreach {
namespace {

frame_run frames(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }
wanted_stretch stretch(std::uint64_t first, std::uint64_t count, bool superpages = false, unsigned process = 0) {
    return {process, {vpn{first}, page_count{count}}, superpages};
}

TEST(ideal_placement, a_stretch_that_fits_a_run_is_one_piece) {
    EXPECT_EQ(ideal_placement({stretch(7, 100)}, {frames(0, 50), frames(60, 100)}, {{}}).runs(), runs_by_process{1});
}

TEST(ideal_placement, best_fit_leaves_the_long_run_to_the_stretch_that_needs_it) {
    const ideal_placement found({stretch(0, 60), stretch(100, 100)}, {frames(0, 100), frames(200, 60)}, {{}});
    EXPECT_EQ(found.runs(), runs_by_process{2});
}

TEST(ideal_placement, the_search_over_all_groupings_beats_best_fit_decreasing) {
    // Best fit puts 5 and 4 into runs that 3 and 3, 4 would fill exactly.
    const std::vector<wanted_stretch> stretches{stretch(0, 5), stretch(10, 4), stretch(20, 3), stretch(30, 3),
                                                stretch(40, 3)};
    const std::vector<frame_run> free{frames(0, 9), frames(20, 9)};
    EXPECT_EQ(ideal_placement(stretches, free, {{}}).runs(), runs_by_process{5});
}

TEST(ideal_placement, one_in_a_hundred_pages_may_lie_anywhere) {
    EXPECT_EQ(ideal_placement({stretch(0, 1000)}, {frames(0, 990), frames(2000, 10)}, {{}}).runs(), runs_by_process{1});
    EXPECT_EQ(ideal_placement({stretch(0, 1000)}, {frames(0, 989), frames(2000, 11)}, {{}}).runs(), runs_by_process{2});
}

TEST(ideal_placement, stretches_with_superpages_keep_page_and_frame_equal_modulo_512) {
    // The run of 1100 frames holds 1024 only where page and frame are equal modulo 512.
    const std::vector<frame_run> free{frames(100, 1100), frames(4096, 1024)};
    EXPECT_EQ(ideal_placement({stretch(0, 1024, true)}, free, {{}}).runs(), runs_by_process{1});
    EXPECT_EQ(ideal_placement({stretch(0, 1024, true)}, {frames(100, 1100), frames(4096, 512)}, {{}}).runs(),
              runs_by_process{2});
}

TEST(ideal_placement, runs_from_before_count_and_take_no_frames) {
    EXPECT_EQ(ideal_placement({stretch(0, 50)}, {frames(0, 50)}, {{50, 50}}).runs(), runs_by_process{3});
}

TEST(ideal_placement, several_processes_share_the_memory) {
    const ideal_placement found({stretch(0, 100, false, 0), stretch(0, 100, false, 1)},
                                {frames(0, 100), frames(200, 60), frames(300, 40)}, {{}, {}});
    EXPECT_EQ(found.runs()[0] + found.runs()[1], 3U);
}

TEST(ideal_placement, a_better_placement_that_somebody_found_counts) {
    ideal_placement found({stretch(0, 100)}, {frames(0, 50), frames(60, 50)}, {{}});
    ASSERT_EQ(found.runs(), runs_by_process{2});
    found.consider_runs({3});
    EXPECT_EQ(found.runs(), runs_by_process{2});
    found.consider_runs({1});
    EXPECT_EQ(found.runs(), runs_by_process{1});
}

TEST(ideal_placement, of_equal_sums_the_split_that_somebody_found_counts) {
    ideal_placement ideal({stretch(0, 100, false, 0), stretch(0, 100, false, 1)},
                          {frames(0, 100), frames(200, 60), frames(300, 40)}, {{}, {}});
    for (const runs_by_process& split : {runs_by_process{1, 2}, runs_by_process{2, 1}}) {
        ideal.consider_runs(split);
        EXPECT_EQ(ideal.runs(), split);
    }
    ideal.consider_runs({1, 3});
    EXPECT_EQ(ideal.runs(), (runs_by_process{2, 1}));
}

TEST(ideal_placement, a_bound_counts_free_runs_superpages_and_stretches) {
    const std::vector<frame_run> free{frames(0, 100), frames(200, 100), frames(400, 100)};
    EXPECT_EQ(fewest_possible_runs({250}, 0, free), 3U) << "free runs";
    EXPECT_EQ(fewest_possible_runs({20, 20, 20, 20, 20}, 0, free), 5U) << "stretches";
    const std::vector<frame_run> ragged{frames(1, 1023), frames(2049, 1023), frames(4096, 512)};
    EXPECT_EQ(fewest_possible_runs({1024}, 2, ragged), 2U) << "a run of 1023 frames has one aligned superpage";
    EXPECT_EQ(fewest_possible_runs({1024}, 0, {frames(1, 1024)}), 1U);
}

}  // namespace
}  // namespace longreach
