// SPDX-License-Identifier: MIT
// The original kernel's zone by example: the order of its lists, pageblocks, the text of its map, reserved frames, what
// a record proves, and rules that are no nasty case.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/artifact/artifact_zone.hpp>
#include <longreach/workloads/contiguity_text.hpp>
#include <vector>

#include "model/artifact_zones.hpp"

namespace longreach {
namespace {

using namespace artifact_trial;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ---- lists ----

TEST(artifact_zone_lists, upper_halves_of_a_split_block_become_heads) {
    artifact_zone zone = free_zone(2);
    ASSERT_EQ(zone.allocate(order{3}, migrate_type::movable), block(0));
    for (order size{3}; size < top_order; ++size.raw) {
        EXPECT_THAT(listed(zone, size), ElementsAre(block(0) + size.pages()));
    }
    expect_sound(zone);
}

TEST(artifact_zone_lists, a_split_around_a_target_leaves_one_block_of_each_size_at_the_tails) {
    artifact_zone zone = zone_with(4, {0, 2});
    ASSERT_EQ(zone.allocate(superpage_order, migrate_type::movable), block(0));
    ASSERT_TRUE(zone.take(block(2), superpage_order).taken);
    ASSERT_THAT(listed(zone, superpage_order), ElementsAre(block(2) + superpage, block(0) + superpage));
    // The last frame of a 2 MiB block: every lower half stays, behind what was there.
    const pfn last = block(2) + page_count{1023};
    const artifact_taking taking = zone.take(last, base_order);
    EXPECT_TRUE(taking.taken);
    EXPECT_EQ(taking.how, artifact_success::superblock);
    for (order size = base_order; size < superpage_order; ++size.raw) {
        EXPECT_THAT(listed(zone, size), ElementsAre(align_down(last, order{size.raw + 1})));
    }
    expect_sound(zone);
}

TEST(artifact_zone_lists, a_freed_block_goes_to_the_tail_where_its_parents_buddy_is_free) {
    artifact_zone zone = free_zone(4);
    std::vector<pfn> held;
    for (int i = 0; i < 8; ++i) held.push_back(*zone.allocate(order{8}, migrate_type::movable));
    zone.free(held[4], order{8});
    zone.free(held[2], order{8});
    zone.free(held[3], order{8});  // merges with held[2] to 2 MiB
    zone.free(held[1], order{8});  // its parent's buddy is that 2 MiB block
    EXPECT_THAT(listed(zone, order{8}), ElementsAre(held[4], held[1]));
    expect_sound(zone);
}

TEST(artifact_zone_lists, top_blocks_stay_sorted_whatever_the_order_of_frees) {
    artifact_zone zone = free_zone(8);
    for (std::uint64_t n = 0; n < 8; ++n) take_block(zone, n);
    for (const std::uint64_t n : {5U, 1U, 7U, 0U, 3U}) zone.free(block(n), top_order);
    EXPECT_THAT(listed(zone, top_order), ElementsAre(block(0), block(1), block(3), block(5), block(7)));
    expect_sound(zone);
}

TEST(artifact_zone_lists, base_frames_come_in_batches_in_rising_order_and_go_back_last_first) {
    artifact_zone zone = free_zone(blocks(0, 1), in_batches(4, 8));
    std::vector<pfn> taken;
    for (int i = 0; i < 10; ++i) taken.push_back(*zone.allocate(base_order, migrate_type::movable));
    for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(taken[i], base + page_count{i});
    EXPECT_THAT(zone.per_cpu_frames(0, migrate_type::movable),
                ElementsAre(taken[9] + page_count{1}, taken[9] + page_count{2}));
    for (std::uint64_t i = 0; i < 5; ++i) zone.free(taken[i], base_order);
    EXPECT_EQ(zone.per_cpu_frames(0, migrate_type::movable).size(), 7U);
    EXPECT_EQ(zone.per_cpu_frames(0, migrate_type::movable).front(), taken[4]);
    zone.free(taken[5], base_order);  // the eighth: four go back, from the tail
    EXPECT_THAT(zone.per_cpu_frames(0, migrate_type::movable), ElementsAre(taken[5], taken[4], taken[3], taken[2]));
    expect_sound(zone);
}

TEST(artifact_zone_lists, per_cpu_lists_drain_in_turns_that_grow_where_lists_are_empty) {
    artifact_zone zone = free_zone(blocks(0, 4), in_batches(4, 8));
    const pfn fixed = *zone.allocate(base_order, migrate_type::unmovable);
    const pfn movable = *zone.allocate(base_order, migrate_type::movable);
    zone.free(fixed, base_order);
    ASSERT_EQ(zone.per_cpu_frames(0, migrate_type::unmovable).size(), 4U);
    zone.free(movable, base_order);  // 8 in all: one movable, then (one list empty) two unmovable, then one movable
    EXPECT_EQ(zone.per_cpu_frames(0, migrate_type::movable).size(), 2U);
    EXPECT_EQ(zone.per_cpu_frames(0, migrate_type::unmovable).size(), 2U);
    expect_sound(zone);
}

TEST(artifact_zone_lists, unmovable_frames_take_over_a_whole_movable_block) {
    artifact_zone zone = free_zone(4);
    ASSERT_EQ(zone.allocate(base_order, migrate_type::unmovable), block(0));
    EXPECT_THAT(listed(zone, top_order), ElementsAre(block(1), block(2), block(3)));
    EXPECT_THAT(listed(zone, superpage_order, migrate_type::unmovable), ElementsAre(block(0) + superpage));
    EXPECT_EQ(zone.rover(), block(1));
    EXPECT_THAT(clusters(zone), ElementsAre(blocks(1, 3)));
    expect_sound(zone);
}

TEST(artifact_zone_lists, movable_frames_take_the_smallest_foreign_block_where_no_pageblock_can_be_had) {
    artifact_zone zone = zone_of(blocks(0, 1), in_batches(1),
                                 {piece(order{1}, migrate_type::unmovable, base + page_count{8}),
                                  piece(order{3}, migrate_type::unmovable, base + page_count{16})});
    EXPECT_EQ(zone.allocate(base_order, migrate_type::movable), base + page_count{8});
    expect_sound(zone);
}

TEST(artifact_zone_lists, a_pageblock_that_is_half_free_changes_its_type) {
    artifact_zone zone =
        zone_of(blocks(0, 2), in_batches(1),
                {piece(order{8}, migrate_type::movable, base), piece(order{4}, migrate_type::movable, block(1))});
    ASSERT_EQ(zone.allocate(base_order, migrate_type::unmovable), base);
    EXPECT_THAT(listed(zone, order{7}, migrate_type::unmovable), ElementsAre(base + order{7}.pages()));
    zone.free(base, base_order);
    EXPECT_EQ(zone.per_cpu_frames(0, migrate_type::unmovable).size(), 1U) << "the pageblock is unmovable now";
    expect_sound(zone);
}

// With pageblocks of 2 MiB, only the lower half would change hands.
TEST(artifact_zone_lists, a_pageblock_has_4_MiB) {
    artifact_zone zone = zone_of(
        blocks(0, 1), in_batches(1),
        {piece(order{8}, migrate_type::movable, base), piece(order{6}, migrate_type::movable, base + superpage)});
    ASSERT_EQ(zone.allocate(base_order, migrate_type::unmovable), base + superpage);
    EXPECT_THAT(listed(zone, order{8}, migrate_type::unmovable), ElementsAre(base));
    expect_sound(zone);
}

TEST(artifact_zone_lists, movable_frames_take_a_foreign_pageblock_only_where_a_block_of_128_KiB_is_free) {
    for (const order size : {order{4}, order{5}}) {
        artifact_zone zone = zone_of(
            blocks(0, 1), in_batches(1),
            {piece(size, migrate_type::unmovable, base), piece(order{1}, migrate_type::unmovable, base + superpage)});
        ASSERT_TRUE(zone.allocate(base_order, migrate_type::movable));
        EXPECT_EQ(listed(zone, order{4}, migrate_type::unmovable).size(), size == order{4} ? 1U : 0U);
        expect_sound(zone);
    }
}

TEST(artifact_zone_lists, the_map_reads_as_the_originals_file) {
    artifact_zone zone = zone_with(4, {0, 2, 3});
    EXPECT_EQ(contiguity_text(movable_clusters(zone.map()), 0, "Normal"),
              "Node 0, zone   Normal [0x100000--0x100400](4MB), [0x100800--0x101000](8MB), \n"
              "Next fit rover: 0x100000\n\n");
    for (const std::uint64_t n : {0U, 2U, 3U}) take_block(zone, n);
    EXPECT_EQ(contiguity_text(movable_clusters(zone.map()), 0, "Normal"),
              "Node 0, zone   Normal \nNext fit rover: 0x5800000000\n\n");
}

// ---- other rules, by example ----

TEST(artifact_zone_rules, remainders_of_a_foreign_block_follow_the_request_or_the_pageblock) {
    const auto list_of_rest = [](artifact_rules rules) {
        artifact_zone zone = zone_of(blocks(0, 1), with(rules), {piece(order{4}, migrate_type::unmovable, base)});
        EXPECT_TRUE(zone.take(base, base_order).taken);
        return listed(zone, order{3}, migrate_type::movable).empty() ? migrate_type::unmovable : migrate_type::movable;
    };
    EXPECT_EQ(list_of_rest(artifact_rules::all()), migrate_type::movable);
    EXPECT_EQ(list_of_rest(without(artifact_rule::remainders_follow_request)), migrate_type::unmovable);
}

TEST(artifact_zone_rules, a_zone_without_blocks_at_boot_has_a_range_that_never_was_and_stops_when_the_rover_wraps) {
    const auto stops = [](artifact_rules rules) {
        artifact_zone zone = zone_with(4, {}, rules);
        zone.donate({block(1), top});
        EXPECT_EQ(zone.rover(), block(1));
        EXPECT_EQ(zone.choose(top), block(1));  // takes all of the last range: the rover goes to the first
        expect_sound(zone);
        EXPECT_EQ(zone.choose(top), block(1));
        return zone.crashes();
    };
    EXPECT_EQ(stops(artifact_rules::all()), 1U);
    EXPECT_EQ(stops(without(artifact_rule::bogus_first_range)), 0U);
}

TEST(artifact_zone_rules, placed_superpages_are_never_subtracted_from_the_number_of_free_frames) {
    const auto drift = [](artifact_rules rules) {
        artifact_zone zone = free_zone(4, rules);
        EXPECT_TRUE(zone.place(top, superpage_order));
        return zone.reported_free() - static_cast<std::int64_t>(zone.free_frames().raw);
    };
    EXPECT_EQ(drift(artifact_rules::all()), 512);
    EXPECT_EQ(drift(without(artifact_rule::drifting_free_count)), 0);
}

TEST(artifact_zone_rules, the_watermark_is_checked_against_the_drifting_number) {
    const auto room = [](artifact_rules rules) {
        artifact_zone zone = free_zone(2, rules);
        EXPECT_TRUE(zone.place(top, superpage_order));  // 1536 frames are free
        return zone.has_room(superpage_order, page_count{1100});
    };
    EXPECT_TRUE(room(artifact_rules::all()));
    EXPECT_FALSE(room(without(artifact_rule::drifting_free_count)));
}

TEST(artifact_zone_rules, a_superpage_needs_a_block_of_its_size_whatever_is_free) {
    artifact_zone zone({base, top}, with(artifact_rules::all()));
    zone.donate({base, page_count{500}});
    zone.finish_boot();
    EXPECT_TRUE(zone.has_room(base_order, page_count{0}));
    EXPECT_FALSE(zone.has_room(superpage_order, page_count{0}));
}

// ---- frames reserved for the page cache ----

TEST(artifact_zone_reserved, the_tail_of_a_superpage_is_reserved_in_one_block_of_each_size) {
    artifact_zone zone = free_zone(1);
    ASSERT_TRUE(zone.take(base, superpage_order).taken);
    zone.reserve_tail(base, superpage_order);
    for (order size = base_order; size < superpage_order; ++size.raw) {
        EXPECT_THAT(listed(zone, size, migrate_type::movable, free_list::reserved), ElementsAre(base + size.pages()));
    }
    expect_sound(zone);
    EXPECT_EQ(zone.take_reserved(base).why, artifact_failure::occupied);
    for (std::uint64_t i = 1; i < 512; ++i) {
        const artifact_taking taking = zone.take_reserved(base + page_count{i});
        ASSERT_TRUE(taking.taken) << i;
        EXPECT_EQ(taking.how, artifact_success::reserved);
    }
    expect_sound(zone);
}

TEST(artifact_zone_reserved, reserved_frames_are_no_target_and_go_back_when_released) {
    artifact_zone zone = free_zone(1);
    ASSERT_TRUE(zone.take(base, superpage_order).taken);
    zone.reserve_tail(base, superpage_order);
    EXPECT_FALSE(zone.take(base + page_count{1}, base_order).taken);
    ASSERT_TRUE(zone.take_reserved(base + page_count{384}).taken);
    zone.release_reserved({base, superpage});
    expect_sound(zone);
    EXPECT_THAT(listed(zone, base_order, migrate_type::movable, free_list::reserved), IsEmpty());
}

// ---- what a record proves ----

TEST(artifact_zone_record, withdrawn_frames_are_in_use_wherever_they_were) {
    artifact_zone zone = free_zone(2);
    ASSERT_TRUE(zone.allocate(base_order, migrate_type::movable));
    EXPECT_TRUE(zone.withdraw(base + page_count{5}));       // from a per-CPU list
    EXPECT_TRUE(zone.withdraw(block(1) + page_count{77}));  // out of a 4 MiB block
    EXPECT_FALSE(zone.withdraw(base + page_count{5}));      // twice
    EXPECT_FALSE(zone.withdraw(block(2)));                  // no frame of the zone
    EXPECT_EQ(zone.take(block(1) + page_count{77}, base_order).why, artifact_failure::occupied);
    expect_sound(zone);
    EXPECT_TRUE(zone.hand_next(block(1) + page_count{500}));
    EXPECT_FALSE(zone.hand_next(base)) << "it was given out";
    EXPECT_EQ(zone.allocate(base_order, migrate_type::movable), block(1) + page_count{500});
    expect_sound(zone);
}

TEST(artifact_zone_record, unknown_frames_can_be_slabs_or_unreferenced) {
    artifact_zone zone = zone_with(2, {1});
    EXPECT_EQ(zone.take(block(0), base_order).why, artifact_failure::occupied);
    ASSERT_TRUE(zone.mark_slab(block(0)));
    EXPECT_EQ(zone.take(block(0), base_order).why, artifact_failure::uncounted);
    ASSERT_TRUE(zone.mark_unreferenced(block(0) + page_count{2}));
    EXPECT_EQ(zone.take(block(0) + page_count{2}, base_order).why, artifact_failure::buddy_occupied);
    EXPECT_FALSE(zone.mark_slab(block(1))) << "a free frame is none";
}

}  // namespace
}  // namespace longreach
