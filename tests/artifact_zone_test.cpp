// SPDX-License-Identifier: MIT
// The original kernel's zone by example: order of its lists, its map and rover, how targets are taken; the nasty cases
// E1 to E13 of the study of that kernel; each invariant broken on purpose; and random steps against a plain model.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/artifact/artifact_zone.hpp>
#include <longreach/workloads/contiguity_text.hpp>
#include <longreach/workloads/random.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static auto& map(artifact_zone& z) { return z.map_; }
    static auto& sizes(artifact_zone& z) { return z.sizes_; }
    static auto& free_frames(artifact_zone& z) { return z.free_frames_; }
    static auto& per_cpu_counts(artifact_zone& z) { return z.per_cpu_counts_; }
    static void set_used(artifact_zone& z, pfn frame) { z.states_[z.index(frame)] = artifact_zone::state::used; }
    /// Adds a block to its list without merging it.
    static void insert(artifact_zone& z, pfn block, order size) {
        z.set_states(block, size, artifact_zone::state::tail);
        z.link_front(block, size, migrate_type::movable);
    }
    static auto& ranges(artifact_map& m, migrate_type type) { return m.lists_[static_cast<std::size_t>(type)]; }
    static auto& home(artifact_map& m) { return m.home_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr pfn base{0x100000};
constexpr page_count top = top_order.pages();
constexpr page_count superpage = superpage_order.pages();
constexpr artifact_rules sound{};

/// The n-th 4 MiB block.
constexpr pfn block(std::uint64_t n) { return base + page_count{n * top.raw}; }

artifact_zone_options with(artifact_rules rules) {
    artifact_zone_options options;
    options.rules = rules;
    return options;
}

/// A zone of so many 4 MiB blocks, all free.
artifact_zone free_zone(std::uint64_t blocks, artifact_rules rules = artifact_rules::all()) {
    artifact_zone zone({base, page_count{blocks * top.raw}}, with(rules));
    zone.donate(zone.span());
    zone.finish_boot();
    return zone;
}

/// The same, of which only these blocks are free.
artifact_zone zone_with(std::uint64_t blocks, const std::vector<std::uint64_t>& free,
                        artifact_rules rules = artifact_rules::all()) {
    artifact_zone zone({base, page_count{blocks * top.raw}}, with(rules));
    for (const std::uint64_t n : free) zone.donate({block(n), top});
    zone.finish_boot();
    return zone;
}

/// First frames of a buddy list, head to tail.
std::vector<pfn> listed(const artifact_zone& zone, order size, migrate_type type = migrate_type::movable,
                        free_list list = free_list::zone) {
    std::vector<pfn> frames;
    for (const listed_blocks& each : zone.dump(zone_name::normal)) {
        if (each.list == list && each.size == size && each.type == type) frames.push_back(each.first);
    }
    return frames;
}

std::vector<frame_run> clusters(const artifact_zone& zone, migrate_type type = migrate_type::movable) {
    std::vector<frame_run> runs;
    zone.map().for_each(type, [&](frame_run r) { runs.push_back(r); });
    return runs;
}

frame_run blocks(std::uint64_t first, std::uint64_t count) { return {block(first), page_count{count * top.raw}}; }

/// Both superpages of a block leave.
void take_block(artifact_zone& zone, std::uint64_t n) {
    ASSERT_TRUE(zone.take(block(n), superpage_order).taken);
    ASSERT_TRUE(zone.take(block(n) + superpage, superpage_order).taken);
}

void expect_sound(const artifact_zone& zone) { EXPECT_EQ(zone.audit().label, nullptr) << zone.audit().label; }

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
    artifact_zone_options options;
    options.batch = 4;
    options.high = 8;
    artifact_zone zone({base, top}, options);
    zone.donate(zone.span());
    zone.finish_boot();
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
    artifact_zone_options options;
    options.batch = 4;
    options.high = 8;
    artifact_zone zone({base, page_count{4 * top.raw}}, options);
    zone.donate(zone.span());
    zone.finish_boot();
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
    artifact_zone_options options;
    options.batch = 1;
    artifact_zone zone({base, top}, options);
    zone.append({zone_name::normal, order{1}, migrate_type::unmovable, free_list::zone, 0, base + page_count{8}, 1});
    zone.append({zone_name::normal, order{3}, migrate_type::unmovable, free_list::zone, 0, base + page_count{16}, 1});
    zone.finish_boot();
    EXPECT_EQ(zone.allocate(base_order, migrate_type::movable), base + page_count{8});
    expect_sound(zone);
}

TEST(artifact_zone_lists, a_pageblock_that_is_half_free_changes_its_type) {
    artifact_zone_options options;
    options.batch = 1;
    artifact_zone zone({base, page_count{2 * top.raw}}, options);
    zone.append({zone_name::normal, order{8}, migrate_type::movable, free_list::zone, 0, base, 1});
    zone.append({zone_name::normal, order{4}, migrate_type::movable, free_list::zone, 0, block(1), 1});
    zone.finish_boot();
    ASSERT_EQ(zone.allocate(base_order, migrate_type::unmovable), base);
    EXPECT_THAT(listed(zone, order{7}, migrate_type::unmovable), ElementsAre(base + order{7}.pages()));
    zone.free(base, base_order);
    EXPECT_EQ(zone.per_cpu_frames(0, migrate_type::unmovable).size(), 1U) << "the pageblock is unmovable now";
    expect_sound(zone);
}

// With pageblocks of 2 MiB, only the lower half would change hands.
TEST(artifact_zone_lists, a_pageblock_has_4_MiB) {
    artifact_zone_options options;
    options.batch = 1;
    artifact_zone zone({base, top}, options);
    zone.append({zone_name::normal, order{8}, migrate_type::movable, free_list::zone, 0, base, 1});
    zone.append({zone_name::normal, order{6}, migrate_type::movable, free_list::zone, 0, base + superpage, 1});
    zone.finish_boot();
    ASSERT_EQ(zone.allocate(base_order, migrate_type::unmovable), base + superpage);
    EXPECT_THAT(listed(zone, order{8}, migrate_type::unmovable), ElementsAre(base));
    expect_sound(zone);
}

TEST(artifact_zone_lists, movable_frames_take_a_foreign_pageblock_only_where_a_block_of_128_KiB_is_free) {
    for (const order size : {order{4}, order{5}}) {
        artifact_zone_options options;
        options.batch = 1;
        artifact_zone zone({base, top}, options);
        zone.append({zone_name::normal, size, migrate_type::unmovable, free_list::zone, 0, base, 1});
        zone.append({zone_name::normal, order{1}, migrate_type::unmovable, free_list::zone, 0, base + superpage, 1});
        zone.finish_boot();
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

// ---- the nasty cases ----

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
    EXPECT_EQ(stops(artifact_rules::all().without(artifact_rule::trusts_small_rover)), 0U);
}

TEST(artifact_zone_nasty, E4_the_range_just_before_the_rovers_is_never_looked_at) {
    const auto chosen = [](artifact_rules rules) {
        artifact_zone zone = zone_with(16, {0, 1, 2, 3, 5, 8}, rules);
        EXPECT_EQ(zone.choose(page_count{4 * top.raw}), block(0));
        EXPECT_EQ(zone.rover(), block(5));
        return zone.choose(page_count{4 * top.raw});
    };
    EXPECT_EQ(chosen(artifact_rules::all()), block(5)) << "the longest of those that it saw";
    EXPECT_EQ(chosen(artifact_rules::all().without(artifact_rule::skips_range_before_rover)), block(0));
}

TEST(artifact_zone_nasty, E4_frames_below_the_rover_in_its_own_range_are_never_looked_at) {
    const auto chosen = [](artifact_rules rules) {
        artifact_zone zone = free_zone(8, rules);
        EXPECT_EQ(zone.choose(page_count{6 * top.raw}), block(0));
        EXPECT_EQ(zone.rover(), block(6));
        return zone.choose(page_count{4 * top.raw});
    };
    EXPECT_EQ(chosen(artifact_rules::all()), block(6));
    EXPECT_EQ(chosen(artifact_rules::all().without(artifact_rule::ignores_frames_below_rover)), block(0));
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
        artifact_zone zone = free_zone(9, rules);
        for (std::uint64_t n = 0; n < 9; ++n) take_block(zone, n);
        zone.free(block(4), top_order);
        expect_sound(zone);
        return zone.crashes();
    };
    EXPECT_EQ(listed_twice(artifact_rules::all()), 1U);
    EXPECT_EQ(listed_twice(artifact_rules::all().without(artifact_rule::one_sided_sorting)), 0U);
}

TEST(artifact_zone_nasty, E6_sorting_gives_up_where_one_side_of_the_zone_ends) {
    const auto order_of = [](artifact_rules rules) {
        artifact_zone zone = free_zone(8, rules);
        for (std::uint64_t n = 0; n < 8; ++n) take_block(zone, n);
        for (const std::uint64_t n : {0U, 6U}) zone.free(block(n), top_order);
        zone.free(block(2), top_order);  // 0 is two blocks away: the probe meets it
        zone.free(block(7), top_order);
        return listed(zone, top_order);
    };
    EXPECT_THAT(order_of(artifact_rules::all()), ElementsAre(block(0), block(2), block(6), block(7)));
    const auto order_with_far_neighbour = [](artifact_rules rules) {
        artifact_zone zone = free_zone(8, rules);
        for (std::uint64_t n = 0; n < 8; ++n) take_block(zone, n);
        zone.free(block(6), top_order);
        zone.free(block(1), top_order);
        zone.free(block(5), top_order);
        zone.free(block(2), top_order);
        return listed(zone, top_order);
    };
    EXPECT_THAT(order_with_far_neighbour(sound), ElementsAre(block(1), block(2), block(5), block(6)));
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
    EXPECT_THAT(order_of(artifact_rules::all().without(artifact_rule::one_sided_sorting)),
                ElementsAre(block(0), block(3)));
}

TEST(artifact_zone_nasty, E7_zones_that_start_and_end_anywhere_keep_their_ragged_ends) {
    artifact_zone zone({base + page_count{100}, page_count{3 * top.raw}}, with(artifact_rules::all()));
    zone.donate(zone.span());
    zone.finish_boot();
    EXPECT_EQ(zone.free_frames(), zone.span().count);
    EXPECT_THAT(clusters(zone), ElementsAre(blocks(1, 2)));
    expect_sound(zone);
    artifact_zone small({base + page_count{3}, page_count{700}}, with(artifact_rules::all()));
    small.donate(small.span());
    small.finish_boot();
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

TEST(artifact_zone_nasty, E11_a_target_on_a_per_cpu_list_is_had_uncounted_but_never_for_a_superpage) {
    artifact_zone_options options;
    options.cpus = 2;
    artifact_zone zone({base, top}, options);
    zone.donate(zone.span());
    zone.finish_boot();
    zone.run_on(1);
    ASSERT_EQ(zone.allocate(base_order, migrate_type::movable), base);
    zone.free(base, base_order);
    zone.run_on(0);
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
    artifact_zone_options options;
    options.cpus = 2;
    options.rules = artifact_rules::all().without(artifact_rule::miscounts_per_cpu);
    artifact_zone zone({base, top}, options);
    zone.donate(zone.span());
    zone.finish_boot();
    zone.run_on(1);
    ASSERT_EQ(zone.allocate(base_order, migrate_type::movable), base);
    zone.free(base, base_order);
    zone.run_on(0);
    ASSERT_TRUE(zone.take(base, base_order).taken);
    EXPECT_EQ(corrupt::per_cpu_counts(zone)[0], 0);
    EXPECT_EQ(corrupt::per_cpu_counts(zone)[1], 62);
}

TEST(artifact_zone_nasty, E13_a_climb_that_leaves_the_zone_says_so) {
    artifact_zone zone({base + page_count{2}, page_count{60}}, with(artifact_rules::all()));
    zone.append({zone_name::normal, order{1}, migrate_type::movable, free_list::zone, 0, base + page_count{2}, 1});
    zone.append({zone_name::normal, order{2}, migrate_type::movable, free_list::reserved, 0, base + page_count{4}, 1});
    zone.finish_boot();
    EXPECT_EQ(zone.take(base + page_count{4}, order{2}).why, artifact_failure::exceed_zone);
}

// ---- other rules, by example ----

TEST(artifact_zone_rules, remainders_of_a_foreign_block_follow_the_request_or_the_pageblock) {
    const auto list_of_rest = [](artifact_rules rules) {
        artifact_zone zone({base, top}, with(rules));
        zone.append({zone_name::normal, order{4}, migrate_type::unmovable, free_list::zone, 0, base, 1});
        zone.finish_boot();
        EXPECT_TRUE(zone.take(base, base_order).taken);
        return listed(zone, order{3}, migrate_type::movable).empty() ? migrate_type::unmovable : migrate_type::movable;
    };
    EXPECT_EQ(list_of_rest(artifact_rules::all()), migrate_type::movable);
    EXPECT_EQ(list_of_rest(artifact_rules::all().without(artifact_rule::remainders_follow_request)),
              migrate_type::unmovable);
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
    EXPECT_EQ(stops(artifact_rules::all().without(artifact_rule::bogus_first_range)), 0U);
}

TEST(artifact_zone_rules, placed_superpages_are_never_subtracted_from_the_number_of_free_frames) {
    const auto drift = [](artifact_rules rules) {
        artifact_zone zone = free_zone(4, rules);
        EXPECT_TRUE(zone.place(top, superpage_order));
        return zone.reported_free() - static_cast<std::int64_t>(zone.free_frames().raw);
    };
    EXPECT_EQ(drift(artifact_rules::all()), 512);
    EXPECT_EQ(drift(artifact_rules::all().without(artifact_rule::drifting_free_count)), 0);
}

TEST(artifact_zone_rules, the_watermark_is_checked_against_the_drifting_number) {
    const auto room = [](artifact_rules rules) {
        artifact_zone zone = free_zone(2, rules);
        EXPECT_TRUE(zone.place(top, superpage_order));  // 1536 frames are free
        return zone.has_room(superpage_order, page_count{1100});
    };
    EXPECT_TRUE(room(artifact_rules::all()));
    EXPECT_FALSE(room(artifact_rules::all().without(artifact_rule::drifting_free_count)));
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

// ---- random steps ----

/// What a zone is, said plainly: who has each frame.
struct plain_zone {
    explicit plain_zone(frame_run span, bool holes) : span_(span), free(span.count.raw, true) {
        if (!holes) return;
        for (std::uint64_t i = 1500; i < 1600 && i < free.size(); ++i) free[i] = false;
    }
    [[nodiscard]] bool is_free(frame_run frames) const {
        if (!span_.contains(frames)) return false;
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) {
            if (!free[(f - span_.first).raw]) return false;
        }
        return true;
    }
    void set(frame_run frames, bool to) {
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) free[(f - span_.first).raw] = to;
    }
    frame_run span_;
    std::vector<bool> free;
};

struct random_zone : ::testing::TestWithParam<std::uint64_t> {};

// Frames are never given out twice, refusals change nothing, sound rules never refuse a free block that a list holds,
// and every invariant holds after each step: on spans that start and end anywhere, with and without a hole.
TEST_P(random_zone, keeps_to_a_plain_model) {
    random_numbers random(GetParam());
    const bool right = GetParam() % 2 != 0;
    const bool holes = GetParam() % 3 == 0;
    const frame_run span{base + page_count{random.below(1500)}, page_count{1024 + random.below(7168)}};
    artifact_zone zone(span, with(right ? sound : artifact_rules::all()));
    plain_zone plain(span, holes);
    if (holes) {
        zone.add_hole({span.first + page_count{1500}, page_count{100}});
        zone.donate({span.first, page_count{std::min<std::uint64_t>(1500, span.count.raw)}});
        if (span.count.raw > 1600) zone.donate(run_between(span.first + page_count{1600}, span.end()));
    } else {
        zone.donate(span);
    }
    zone.finish_boot();
    std::vector<std::pair<pfn, order>> held;
    const auto keep = [&](pfn first, order size) {
        ASSERT_TRUE(is_aligned(first, size));
        ASSERT_TRUE(plain.is_free({first, size.pages()})) << "given out twice";
        plain.set({first, size.pages()}, false);
        held.emplace_back(first, size);
    };
    for (int step = 0; step < 600; ++step) {
        const order size = random.below(2) == 0 ? base_order : order{static_cast<unsigned>(random.below(11))};
        const auto type = static_cast<migrate_type>(random.below(8) == 0 ? 0 : 1);
        const pfn target = align_down(span.first + page_count{random.below(span.count.raw)}, size);
        switch (random.below(5)) {
            case 0:
                if (const auto got = zone.allocate(size, type)) keep(*got, size);
                break;
            case 1: {
                if (!zone.exists(target) || !zone.contains(target + (size.pages() - page_count{1}))) break;
                const bool was_free = plain.is_free({target, size.pages()});
                const page_count free_before = zone.free_frames();
                const bool whole = zone.in_buddy(target) && was_free;
                const artifact_taking taking = zone.take(target, size);
                if (taking.taken) {
                    keep(target, size);
                } else {
                    EXPECT_EQ(zone.free_frames(), free_before);
                    if (right && size == base_order) {
                        EXPECT_FALSE(whole) << "a free frame was refused";
                    }
                }
                break;
            }
            case 2:
                if (const auto got = zone.place(page_count{random.below(4096)}, superpage_order)) {
                    keep(*got, superpage_order);
                }
                break;
            default:
                if (held.empty()) break;
                const std::size_t i = random.below(held.size());
                zone.free(held[i].first, held[i].second);
                plain.set({held[i].first, held[i].second.pages()}, true);
                held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
        }
        const violation broken = zone.audit();
        ASSERT_EQ(broken.label, nullptr) << broken.label << " at " << broken.where << " in step " << step;
    }
    // I9: when everything is given back, every frame is on some list again.
    for (const auto& [first, size] : held) zone.free(first, size);
    page_count listed_frames = zone.free_frames();
    for (std::size_t t = 0; t < 3; ++t) {
        listed_frames += page_count{zone.per_cpu_frames(0, static_cast<migrate_type>(t)).size()};
    }
    const auto free = static_cast<std::uint64_t>(std::count(plain.free.begin(), plain.free.end(), true));
    std::uint64_t given_back = 0;
    for (const auto& [first, size] : held) given_back += size.pages().raw;
    EXPECT_EQ(listed_frames.raw, free + given_back);
}

INSTANTIATE_TEST_SUITE_P(seeds, random_zone, ::testing::Range<std::uint64_t>(1, 25));

// ---- audits ----

struct artifact_zone_audit : ::testing::Test {
    artifact_zone zone = free_zone(4);
};

TEST_F(artifact_zone_audit, I1_a_map_with_other_frames_than_the_free_blocks_is_found) {
    corrupt::ranges(corrupt::map(zone), migrate_type::movable).clear();
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I1");
}

TEST_F(artifact_zone_audit, I4_a_free_block_that_the_map_does_not_know_is_found) {
    corrupt::map(zone).remove(block(1), migrate_type::movable);
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I4");
}

TEST_F(artifact_zone_audit, I6_a_missing_rover_is_found) {
    corrupt::map(zone).set_rover(migrate_type::movable, std::nullopt);
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I6");
    corrupt::map(zone).set_rover(migrate_type::movable, block(4));
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I6");
}

TEST_F(artifact_zone_audit, I7_two_free_buddies_apart_are_found) {
    const pfn lower = *zone.allocate(order{8}, migrate_type::movable);
    corrupt::insert(zone, lower, order{8});
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I7");
}

TEST_F(artifact_zone_audit, I8_a_wrong_number_of_free_frames_is_found) {
    ++corrupt::free_frames(zone).raw;
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I8");
    --corrupt::free_frames(zone).raw;
    ++corrupt::per_cpu_counts(zone)[0];
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I8");
}

TEST_F(artifact_zone_audit, I9_a_frame_in_two_states_is_found) {
    corrupt::set_used(zone, block(2) + page_count{9});
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I9");
}

TEST_F(artifact_zone_audit, I28_a_block_on_the_list_of_another_size_is_found) {
    corrupt::sizes(zone)[0] = 9;
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I28");
}

TEST_F(artifact_zone_audit, map_I2_overlapping_ranges_are_found) {
    auto& ranges = corrupt::ranges(corrupt::map(zone), migrate_type::movable);
    ranges.emplace(block(1).raw, top.raw);
    EXPECT_STREQ(corrupt::map(zone).audit().label, "artifact_map.I2");
}

TEST_F(artifact_zone_audit, map_I3_a_range_of_half_blocks_is_found) {
    corrupt::ranges(corrupt::map(zone), migrate_type::movable).begin()->second -= 1;
    EXPECT_STREQ(corrupt::map(zone).audit().label, "artifact_map.I3");
}

TEST_F(artifact_zone_audit, map_I4_a_block_that_names_another_list_is_found) {
    corrupt::home(corrupt::map(zone))[2] = 0;
    EXPECT_STREQ(corrupt::map(zone).audit().label, "artifact_map.I4");
}

}  // namespace
}  // namespace longreach
