// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <longreach/workloads/census.hpp>
#include <longreach/workloads/random.hpp>
#include <vector>

namespace longreach {
namespace {

TEST(census, the_fewest_runs_are_the_longest_ones_that_reach_the_share) {
    const std::vector<std::uint64_t> runs{50, 30, 19, 1};
    EXPECT_EQ(fewest_runs(runs, 100, 50), 1U);
    EXPECT_EQ(fewest_runs(runs, 100, 51), 2U);
    EXPECT_EQ(fewest_runs(runs, 100, 80), 2U);
    EXPECT_EQ(fewest_runs(runs, 100, 99), 3U);
    EXPECT_EQ(fewest_runs(runs, 100, 100), 4U);
}

TEST(census, runs_that_hold_too_little_all_count_and_nothing_needs_none) {
    EXPECT_EQ(fewest_runs({5, 5}, 1000, 99), 2U);
    EXPECT_EQ(fewest_runs({}, 10, 99), 0U);
    EXPECT_EQ(fewest_runs({7}, 0, 99), 0U);
}

TEST(census, a_share_is_compared_without_rounding) {
    // 99 % of 101 pages is 99.99: 99 pages do not hold it, 100 do.
    EXPECT_EQ(fewest_runs({99, 1, 1}, 101, 99), 2U);
}

TEST(census, a_run_ends_where_page_or_frame_jumps_and_a_stretch_where_the_page_does) {
    run_counter count;
    count.next_entry();
    count.add(10, 100, 5);
    count.add(15, 105, 5);  // both go on
    count.add(20, 300, 2);  // the frame jumps
    count.add(30, 302, 1);  // the page jumps
    EXPECT_EQ(count.runs, (std::vector<std::uint64_t>{10, 2, 1}));
    EXPECT_EQ(count.stretches, (std::vector<std::uint64_t>{12, 1}));
}

TEST(census, runs_do_not_reach_across_entries) {
    run_counter count;
    count.next_entry();
    count.add(10, 100, 5);
    count.next_entry();
    count.add(15, 105, 5);
    EXPECT_EQ(count.runs, (std::vector<std::uint64_t>{5, 5}));
    EXPECT_EQ(count.stretches, (std::vector<std::uint64_t>{5, 5}));
}

TEST(census, nothing_mapped_covers_nothing) {
    const census empty = take_census({}, {}, 0);
    EXPECT_EQ(empty.pages, 0U);
    EXPECT_EQ(empty.n99, 0U);
    EXPECT_EQ(empty.cover32, 0.0);
}

TEST(census, coverage_is_the_share_of_the_longest_runs) {
    std::vector<std::uint64_t> runs(200, 1);
    runs.push_back(800);
    const census counted = take_census(runs, runs, 1);
    EXPECT_EQ(counted.pages, 1000U);
    EXPECT_EQ(counted.runs, 201U);
    EXPECT_EQ(counted.superpages, 1U);
    EXPECT_DOUBLE_EQ(counted.cover32, 0.831);
    EXPECT_DOUBLE_EQ(counted.cover128, 0.927);
    EXPECT_EQ(counted.n80, 1U);
    EXPECT_EQ(counted.n90, 101U);
    EXPECT_EQ(counted.n99, 191U);
}

TEST(census, page_by_page_and_part_by_part_feeding_agree) {
    random_numbers random(5);
    run_counter parts;
    run_counter pages;
    for (int entry = 0; entry < 20; ++entry) {
        parts.next_entry();
        pages.next_entry();
        std::uint64_t page = random.below(1000) + static_cast<std::uint64_t>(entry) * 100000;
        std::uint64_t frame = random.below(100000);
        for (int part = 0; part < 30; ++part) {
            const std::uint64_t length = 1 + random.below(9);
            parts.add(page, frame, length);
            for (std::uint64_t i = 0; i < length; ++i) pages.add(page + i, frame + i, 1);
            page += length + (random.chance(1, 3) ? random.below(4) : 0);
            frame += length + (random.chance(1, 3) ? random.below(4) : 0);
        }
    }
    EXPECT_EQ(parts.runs, pages.runs);
    EXPECT_EQ(parts.stretches, pages.stretches);
}

}
}
