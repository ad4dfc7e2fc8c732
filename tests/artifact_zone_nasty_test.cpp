// SPDX-License-Identifier: MIT
// The original kernel's zone in the nasty cases E1 to E13 of the study of that kernel: its map and rover, and how
// targets are taken.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/artifact/artifact_zone.hpp>
#include <optional>
#include <vector>

#include "model/artifact_zones.hpp"

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static const auto& per_cpu_counts(const artifact_zone& z) { return z.per_cpu_counts_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using namespace artifact_trial;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr artifact_rules sound{};

/// So many blocks, all in use.
artifact_zone used_zone(std::uint64_t count, artifact_rules rules) {
    artifact_zone zone = free_zone(count, rules);
    for (std::uint64_t n = 0; n < count; ++n) take_block(zone, n);
    return zone;
}

TEST(artifact_zone_nasty, E1_the_middle_block_joins_both_sides_and_draws_the_rover_to_it) {
    artifact_zone zone = zone_with(4, {0, 2});
    ASSERT_EQ(zone.choose(page_count{1}), block(0));  // the rover goes on to the second range
    ASSERT_EQ(zone.rover(), block(2));
    zone.donate({block(1), top});
    EXPECT_THAT(clusters(zone), ElementsAre(blocks(0, 3)));
    EXPECT_EQ(zone.rover(), block(1));
    expect_sound(zone);
}

TEST(artifact_zone_nasty, E2_taking_the_middle_block_splits_the_cluster_and_moves_a_rover_that_stands_there) {
    for (const std::uint64_t at : {0U, 1U, 2U}) {
        artifact_zone zone = free_zone(3);
        for (std::uint64_t i = 0; i < at; ++i) ASSERT_TRUE(zone.choose(top));
        ASSERT_EQ(zone.rover(), block(at));
        ASSERT_TRUE(zone.take(block(1), superpage_order).taken);
        EXPECT_THAT(clusters(zone), ElementsAre(blocks(0, 1), blocks(2, 1)));
        EXPECT_EQ(zone.rover(), block(at == 1 ? 2 : at));
        expect_sound(zone);
    }
}

TEST(artifact_zone_nasty, the_rover_wraps_from_the_last_block_to_the_first_and_ends_with_the_last) {
    artifact_zone zone = free_zone(3);
    ASSERT_TRUE(zone.choose(top));
    ASSERT_TRUE(zone.choose(top));
    ASSERT_EQ(zone.rover(), block(2));
    take_block(zone, 2);
    EXPECT_EQ(zone.rover(), block(0));
    take_block(zone, 0);
    take_block(zone, 1);
    EXPECT_EQ(zone.rover(), std::nullopt);
    EXPECT_EQ(zone.choose(top), std::nullopt);
    zone.free(block(1), top_order);
    EXPECT_EQ(zone.rover(), block(1));
    expect_sound(zone);
}

TEST(artifact_zone_nasty, E3_a_placement_in_the_only_range_leaves_the_rover_on_its_block) {
    artifact_zone zone = zone_with(4, {1});
    ASSERT_EQ(zone.place(top, superpage_order), block(1));
    EXPECT_EQ(zone.rover(), block(1)) << "the block is not free any more";
    expect_sound(zone);
    // Both halves free again: the block is whole, and the rover stands on it as it should.
    zone.free(block(1), superpage_order);
    EXPECT_EQ(zone.rover(), block(1));
    EXPECT_EQ(zone.choose(top), block(1));
    EXPECT_EQ(zone.crashes(), 0U);
    expect_sound(zone);
}

TEST(artifact_zone_nasty, E3_a_rover_on_a_small_free_block_counts_as_sound_and_stops_the_original) {
    const auto stops = [](artifact_rules rules) {
        artifact_zone zone = zone_with(4, {1}, rules);
        EXPECT_EQ(zone.place(top, superpage_order), block(1));
        zone.donate({block(3), top});
        EXPECT_TRUE(zone.take(block(1) + superpage, superpage_order).taken);
        zone.free(block(1), superpage_order);  // free again, alone: the rover stands on a 2 MiB block
        EXPECT_EQ(zone.choose(top), block(3));
        return zone.crashes();
    };
    EXPECT_EQ(stops(artifact_rules::all()), 1U);
    EXPECT_EQ(stops(without(artifact_rule::trusts_small_rover)), 0U);
}

TEST(artifact_zone_nasty, E4_the_range_just_before_the_rovers_is_never_looked_at) {
    const auto chosen = [](artifact_rules rules) {
        artifact_zone zone = zone_with(16, {0, 1, 2, 3, 5, 8}, rules);
        EXPECT_EQ(zone.choose(page_count{4 * top.raw}), block(0));
        EXPECT_EQ(zone.rover(), block(5));
        return zone.choose(page_count{4 * top.raw});
    };
    EXPECT_EQ(chosen(artifact_rules::all()), block(5)) << "the longest of those that it saw";
    EXPECT_EQ(chosen(without(artifact_rule::skips_range_before_rover)), block(0));
}

TEST(artifact_zone_nasty, E4_frames_below_the_rover_in_its_own_range_are_never_looked_at) {
    const auto chosen = [](artifact_rules rules) {
        artifact_zone zone = free_zone(8, rules);
        EXPECT_EQ(zone.choose(page_count{6 * top.raw}), block(0));
        EXPECT_EQ(zone.rover(), block(6));
        return zone.choose(page_count{4 * top.raw});
    };
    EXPECT_EQ(chosen(artifact_rules::all()), block(6));
    EXPECT_EQ(chosen(without(artifact_rule::ignores_frames_below_rover)), block(0));
}

TEST(artifact_zone_nasty, E5_requests_are_rounded_up_to_4_MiB_and_nothing_is_placed_for_none) {
    artifact_zone zone = zone_with(16, {0, 1, 4, 5, 6, 9});
    EXPECT_EQ(zone.choose(page_count{0}), std::nullopt);
    EXPECT_EQ(zone.rover(), block(0));
    EXPECT_EQ(zone.choose(page_count{2 * top.raw}), block(0));  // just the range: the rover goes to the next
    EXPECT_EQ(zone.rover(), block(4));
    EXPECT_EQ(zone.choose(top + page_count{1}), block(4));  // rounded up to two blocks
    EXPECT_EQ(zone.rover(), block(6));
    EXPECT_EQ(zone.choose(page_count{std::uint64_t{1} << 52}), block(6)) << "the longest seen: 9 is no longer";
    expect_sound(zone);
}

TEST(artifact_zone_nasty, I15_choosing_changes_the_rover_only) {
    artifact_zone zone = zone_with(8, {0, 1, 4, 5, 6});
    const auto before = clusters(zone);
    const page_count free = zone.free_frames();
    ASSERT_TRUE(zone.choose(page_count{3 * top.raw}));
    EXPECT_EQ(clusters(zone), before);
    EXPECT_EQ(zone.free_frames(), free);
}

TEST(artifact_zone_nasty, E6_the_middle_block_of_an_odd_zone_would_be_listed_twice) {
    const auto listed_twice = [](artifact_rules rules) {
        artifact_zone zone = used_zone(9, rules);
        zone.free(block(4), top_order);
        expect_sound(zone);
        return zone.crashes();
    };
    EXPECT_EQ(listed_twice(artifact_rules::all()), 1U);
    EXPECT_EQ(listed_twice(without(artifact_rule::one_sided_sorting)), 0U);
}

TEST(artifact_zone_nasty, E6_sorting_gives_up_where_one_side_of_the_zone_ends) {
    const auto order_after = [](const std::vector<std::uint64_t>& frees, artifact_rules rules) {
        artifact_zone zone = used_zone(8, rules);
        for (const std::uint64_t n : frees) zone.free(block(n), top_order);
        return listed(zone, top_order);
    };
    // 0 is two blocks away from 2: the probe meets it.
    EXPECT_THAT(order_after({0, 6, 2, 7}, artifact_rules::all()), ElementsAre(block(0), block(2), block(6), block(7)));
    EXPECT_THAT(order_after({6, 1, 5, 2}, sound), ElementsAre(block(1), block(2), block(5), block(6)));
}

TEST(artifact_zone_nasty, E7_a_hole_counts_as_the_end_of_the_zone_when_sorting) {
    const auto order_of = [](artifact_rules rules) {
        artifact_zone zone({base, page_count{8 * top.raw}}, with(rules));
        zone.add_hole({block(2), top});
        for (const std::uint64_t n : {0U, 1U, 3U, 4U, 5U, 6U, 7U}) zone.donate({block(n), top});
        zone.finish_boot();
        for (const std::uint64_t n : {0U, 1U, 3U, 4U, 5U, 6U, 7U}) take_block(zone, n);
        zone.free(block(0), top_order);
        zone.free(block(3), top_order);  // the hole is next to it: to the head
        expect_sound(zone);
        return listed(zone, top_order);
    };
    EXPECT_THAT(order_of(artifact_rules::all()), ElementsAre(block(3), block(0)));
    EXPECT_THAT(order_of(without(artifact_rule::one_sided_sorting)), ElementsAre(block(0), block(3)));
}

TEST(artifact_zone_nasty, E7_zones_that_start_and_end_anywhere_keep_their_ragged_ends) {
    const artifact_zone zone = free_zone({base + page_count{100}, page_count{3 * top.raw}}, {});
    EXPECT_EQ(zone.free_frames(), zone.span().count);
    EXPECT_THAT(clusters(zone), ElementsAre(blocks(1, 2)));
    expect_sound(zone);
    artifact_zone small = free_zone({base + page_count{3}, page_count{700}}, {});
    EXPECT_THAT(clusters(small), IsEmpty());
    EXPECT_EQ(small.choose(top), std::nullopt);
    EXPECT_TRUE(small.take(base + page_count{4}, base_order).taken);
    expect_sound(small);
}

TEST(artifact_zone_nasty, E8_stealing_the_only_block_of_a_type_leaves_its_rover_behind) {
    artifact_zone zone = zone_with(2, {1});
    ASSERT_EQ(zone.rover(), block(1));
    ASSERT_TRUE(zone.allocate(base_order, migrate_type::unmovable));
    EXPECT_EQ(zone.rover(), block(1)) << "the block belongs to the unmovable now";
    EXPECT_EQ(zone.choose(top), std::nullopt);
    expect_sound(zone);
}

TEST(artifact_zone_nasty, E9_every_other_block_then_the_rest_from_both_ends_is_one_cluster_again) {
    artifact_zone zone = free_zone(16);
    for (std::uint64_t n = 0; n < 16; n += 2) take_block(zone, n);
    EXPECT_EQ(clusters(zone).size(), 8U);
    for (std::uint64_t i = 0; i < 8; ++i) {
        const std::uint64_t n = i % 2 == 0 ? i : 14 - (i - 1);
        zone.free(block(n), top_order);
        expect_sound(zone);
    }
    EXPECT_THAT(clusters(zone), ElementsAre(blocks(0, 16)));
}

TEST(artifact_zone_nasty, E10_the_climb_sees_a_frame_of_a_lone_free_block_only_in_upper_halves) {
    // 2^(K-1) + 1 of 2^K places, none in a 4 MiB block.
    for (order size = base_order; size <= top_order; ++size.raw) {
        std::uint64_t had = 0;
        std::uint64_t had_soundly = 0;
        for (std::uint64_t i = 0; i < size.pages().raw; ++i) {
            for (const bool right : {false, true}) {
                artifact_zone zone({base, top}, with(right ? sound : artifact_rules::all()));
                zone.donate({base, size.pages()});
                zone.finish_boot();
                const artifact_taking taking = zone.take(base + page_count{i}, base_order);
                (right ? had_soundly : had) += taking.taken;
                if (!taking.taken && !right && size < top_order) {
                    EXPECT_TRUE(taking.why == artifact_failure::nothing_found ||
                                taking.why == artifact_failure::buddy_occupied);
                }
                if (!taking.taken) {
                    EXPECT_EQ(zone.free_frames(), size.pages());
                }
            }
        }
        EXPECT_EQ(had_soundly, size.pages().raw);
        EXPECT_EQ(had, size == top_order ? 0 : size == base_order ? 1 : size.pages().raw / 2 + 1) << size.raw;
    }
}

TEST(artifact_zone_nasty, E10_superpage_targets_are_exact_in_both_halves) {
    for (const page_count half : {page_count{0}, superpage}) {
        artifact_zone zone = free_zone(1);
        const artifact_taking first = zone.take(base + half, superpage_order);
        EXPECT_TRUE(first.taken);
        EXPECT_EQ(first.how, artifact_success::superblock);
        EXPECT_EQ(zone.take(base + (superpage - half), superpage_order).how, artifact_success::exact);
        EXPECT_EQ(zone.take(base, superpage_order).why, artifact_failure::occupied);
    }
}

TEST(artifact_zone_nasty, E10_the_head_of_a_4_MiB_block_is_refused_without_a_count_and_a_smaller_block_as_such) {
    artifact_zone zone = free_zone(2);
    EXPECT_EQ(zone.take(block(0), base_order).why, artifact_failure::uncounted);
    EXPECT_EQ(zone.take(block(0) + page_count{1}, base_order).why, artifact_failure::nothing_found);
    ASSERT_TRUE(zone.take(block(0) + superpage, superpage_order).taken);
    ASSERT_TRUE(zone.take(block(0) + page_count{511}, base_order).taken);
    EXPECT_EQ(zone.take(block(0), superpage_order).why, artifact_failure::subblock);
}

/// The first frame is on the second processor's list, and the first processor asks.
artifact_zone zone_with_a_per_cpu_frame(artifact_rules rules) {
    artifact_zone_options options = with(rules);
    options.cpus = 2;
    artifact_zone zone = free_zone(blocks(0, 1), options);
    zone.run_on(1);
    EXPECT_EQ(zone.allocate(base_order, migrate_type::movable), base);
    zone.free(base, base_order);
    zone.run_on(0);
    return zone;
}

TEST(artifact_zone_nasty, E11_a_target_on_a_per_cpu_list_is_had_uncounted_but_never_for_a_superpage) {
    artifact_zone zone = zone_with_a_per_cpu_frame(artifact_rules::all());
    EXPECT_EQ(zone.take(base, superpage_order).why, artifact_failure::uncounted);
    const std::int64_t reported = zone.reported_free();
    const artifact_taking taking = zone.take(base, base_order);
    EXPECT_TRUE(taking.taken);
    EXPECT_EQ(taking.how, artifact_success::uncounted);
    EXPECT_EQ(zone.reported_free(), reported - 1) << "it was subtracted when it went to the list already";
    EXPECT_EQ(corrupt::per_cpu_counts(zone)[0], -1) << "booked on the processor that asked";
    expect_sound(zone);
}

TEST(artifact_zone_nasty, E11_a_per_cpu_frame_is_booked_where_it_was_when_the_rule_is_off) {
    artifact_zone zone = zone_with_a_per_cpu_frame(without(artifact_rule::miscounts_per_cpu));
    ASSERT_TRUE(zone.take(base, base_order).taken);
    EXPECT_EQ(corrupt::per_cpu_counts(zone)[0], 0);
    EXPECT_EQ(corrupt::per_cpu_counts(zone)[1], 62);
}

TEST(artifact_zone_nasty, E13_a_climb_that_leaves_the_zone_says_so) {
    artifact_zone zone = zone_of({base + page_count{2}, page_count{60}}, {},
                                 {piece(order{1}, migrate_type::movable, base + page_count{2}),
                                  piece(order{2}, migrate_type::movable, base + page_count{4}, free_list::reserved)});
    EXPECT_EQ(zone.take(base + page_count{4}, order{2}).why, artifact_failure::exceed_zone);
}

}  // namespace
}  // namespace longreach
