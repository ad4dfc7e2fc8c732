// SPDX-License-Identifier: MIT
// The situations in which the kernel released with CA paging goes wrong, labelled E1 to E29 as a study of it numbers
// them: here those of free memory, its clusters and exact requests. A block is 4 MiB, the one size that the kernel's
// map knows.
//
// Where each label is tested:
//   E1-E14                 here; what that kernel has and this house has not, by its counterpart: migrate types (E8) by
//                          promises, per-CPU lists (E11) by magazines, zone lists (E13) by a set of zones
//   E10 E14 E16 E18 E19 E25  nasty_placement_test.cpp (E10 and E14 as faults)
//   E24                    nasty_file_test.cpp
//   E28 E29                nasty_census_test.cpp
//   E15 E17 E20-E23 E26    nasty_spaces_test.cpp
//   E27                    does not apply: processes register by name in that kernel only; here whoever makes a space
//                          chooses its policy, so no name can be too long, come twice or outlive a thread
// Many of them are tested in the tests of workloads/artifact too, as that kernel answers them.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/cpu_magazines.hpp>
#include <longreach/allocator/zone_set.hpp>
#include <optional>
#include <vector>

#include "model/counting_lock.hpp"
#include "model/free_runs.hpp"
#include "model/mapped_zone.hpp"

namespace longreach {
namespace {

using cluster = std::optional<frame_run>;

constexpr order block_order{10};
constexpr std::uint64_t block = 1024;

frame_run frames(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }
cluster run_of(std::uint64_t first, std::uint64_t count) { return frames(first, count); }
constexpr cluster nothing = std::nullopt;

/// A zone of blocks, and the free runs it should have.
struct blocks : model::mapped_zone {
    explicit blocks(std::uint64_t count) : mapped_zone(0, count * block), expected(frames.managed()) {}

    void take_block(std::uint64_t n) {
        take(n * block, block_order);
        expected.take({pfn{n * block}, page_count{block}});
    }
    void give_block(std::uint64_t n) {
        give(n * block, block_order);
        expected.give({pfn{n * block}, page_count{block}});
    }
    void take_all() {
        ASSERT_EQ(frames.allocate_run_at(frames.managed()), status::ok);
        expected.take(frames.managed());
    }
    void check() {
        EXPECT_EQ(all_clusters(), expected.clusters());
        EXPECT_EQ(frames.free_frames().raw, expected.free_frames());
        EXPECT_FALSE(frames.audit());
        EXPECT_FALSE(clusters.audit());
    }

    model::free_runs expected;
};

// That kernel merges the right neighbour's record into the left one's and must carry the rover along.
TEST(nasty_map, E1_three_blocks_are_one_cluster_whichever_is_freed_last_and_wherever_the_rover_is) {
    std::array<std::uint64_t, 3> free_order{1, 2, 3};
    do {
        for (std::uint64_t rover = 0; rover < 5; ++rover) {
            blocks z(5);
            z.take_all();
            for (const std::uint64_t n : free_order) {
                z.clusters.set_rover(pfn{rover * block});
                z.give_block(n);
                z.check();
            }
            EXPECT_EQ(z.clusters.next_fit(page_count{3 * block}), run_of(block, 3 * block)) << "rover " << rover;
        }
    } while (std::next_permutation(free_order.begin(), free_order.end()));
}

// That kernel moves its rover when the block under it goes, by the order of another list.
TEST(nasty_map, E2_the_middle_block_of_three_may_go_from_under_the_rover) {
    for (std::uint64_t rover = 1; rover < 4; ++rover) {
        blocks z(5);
        z.take_all();
        for (const std::uint64_t n : {1U, 2U, 3U}) z.give_block(n);
        z.clusters.set_rover(pfn{rover * block});
        z.take_block(2);
        z.check();
        EXPECT_EQ(z.clusters.next_fit(page_count{block}), rover == 1 ? run_of(block, block) : run_of(3 * block, block));
        EXPECT_EQ(z.clusters.next_fit(page_count{block}), rover == 1 ? run_of(3 * block, block) : run_of(block, block));
    }
}

// That kernel's rover stays on the only block when that is granted; half of it freed is a block without a record, which
// the next placement follows.
TEST(nasty_map, E3_the_only_block_is_granted_and_comes_back_by_halves) {
    for (const std::uint64_t first_half : {0U, 1U}) {
        blocks z(3);
        z.take_all();
        z.give_block(1);
        ASSERT_EQ(z.clusters.next_fit(page_count{block}), run_of(block, block));
        z.take(block, block_order);
        EXPECT_EQ(z.clusters.next_fit(page_count{1}), nothing);
        z.give(block + first_half * 512, superpage_order);
        EXPECT_EQ(z.clusters.next_fit(page_count{block}), nothing);
        EXPECT_EQ(z.clusters.next_fit(page_count{512}), run_of(block + first_half * 512, 512));
        z.give(block + (1 - first_half) * 512, superpage_order);
        EXPECT_EQ(z.clusters.next_fit(page_count{block}), run_of(block, block));
        z.check();
    }
}

// That kernel's walk over the clusters ends one too early.
TEST(nasty_map, E4_the_cluster_before_the_rover_s_is_found_like_any_other) {
    for (std::uint64_t fitting = 0; fitting < 5; ++fitting) {
        for (std::uint64_t rover = 0; rover < 5; ++rover) {
            blocks z(16);  // clusters of one block at 0, 3, 6, 9 and 12; the fitting one has two
            z.take_all();
            for (std::uint64_t i = 0; i < 5; ++i) z.give_block(3 * i);
            z.give_block(3 * fitting + 1);
            z.clusters.set_rover(pfn{3 * rover * block});
            EXPECT_EQ(z.clusters.next_fit(page_count{2 * block}), run_of(3 * fitting * block, 2 * block))
                << fitting << " with the rover at " << rover;
        }
    }
    blocks below(2);  // and the part of the rover's own cluster that lies below the rover
    below.clusters.set_rover(pfn{block});
    EXPECT_EQ(below.clusters.next_fit(page_count{2 * block}), run_of(0, 2 * block));
}

TEST(nasty_map, E5_a_request_of_exactly_a_cluster_one_page_more_or_astronomic_is_answered_exactly) {
    blocks z(8);
    z.take_all();
    for (const std::uint64_t n : {1U, 2U, 5U}) z.give_block(n);
    const page_count exact{2 * block};
    const page_count more{2 * block + 1};
    EXPECT_EQ(z.clusters.next(pfn{0}, exact), run_of(block, 2 * block));
    EXPECT_EQ(z.clusters.best_fit(exact), pfn{block});
    EXPECT_EQ(z.clusters.worst_fit(exact), run_of(block, 2 * block));
    for (const page_count large : {more, page_count{std::uint64_t{1} << 52}, page_count{~std::uint64_t{0}}}) {
        EXPECT_EQ(z.clusters.next(pfn{0}, large), nothing);
        EXPECT_EQ(z.clusters.next_fit(large), nothing);
        EXPECT_EQ(z.clusters.best_fit(large), std::nullopt);
        EXPECT_EQ(z.clusters.worst_fit(large), nothing);
        EXPECT_EQ(z.frames.allocate_run(large), nothing);
    }
    EXPECT_EQ(z.clusters.rover(), pfn{0}) << "what finds nothing moves nothing";
}

TEST(nasty_map_death, E5_a_request_for_no_frames_is_refused) {
    blocks z(1);
    EXPECT_DEATH((void)z.clusters.next_fit(page_count{0}), "");
    EXPECT_DEATH((void)z.clusters.best_fit(page_count{0}), "");
}

// That kernel probes both ways for the place in a sorted list; the middle block of an odd number leaves the zone both
// ways at once and is inserted twice, so that it could be granted twice.
TEST(nasty_map, E6_the_middle_block_of_an_odd_number_is_free_once) {
    for (const std::uint64_t count : {1U, 3U, 9U, 15U}) {
        for (std::uint64_t n = 0; n < count; ++n) {
            blocks z(count);
            z.take_all();
            z.give_block(n);
            z.check();
            EXPECT_EQ(z.frames.allocate(block_order), pfn{n * block});
            EXPECT_EQ(z.frames.allocate(block_order), std::nullopt);
            EXPECT_EQ(z.frames.allocate(base_order), std::nullopt);
        }
    }
}

// That kernel takes a hole for the end of the zone, and starts an empty zone with a cluster at frame 0.
TEST(nasty_map, E7_holes_and_zones_of_any_start_and_size_are_mapped_to_the_frame) {
    struct shape {
        std::uint64_t first;
        std::uint64_t count;
        std::vector<frame_run> holes;
    };
    const shape shapes[] = {{0, 7, {}},
                            {0, 5000, {frames(0, 1)}},
                            {300, 900, {frames(600, 1)}},
                            {1000, 10 * block, {frames(3 * block, block), frames(7 * block + 5, 3)}},
                            {block + 1, block - 1, {frames(block + 1, block - 1)}},
                            {3 * block - 1, 4 * block + 2, {frames(5 * block - 2, 4)}}};
    for (const shape& s : shapes) {
        model::mapped_zone z(s.first, s.count);
        model::free_runs expected(z.frames.managed());
        std::size_t culprit = 0;
        ASSERT_EQ(z.frames.allocate_runs_at(s.holes, culprit), status::ok);
        for (const frame_run hole : s.holes) expected.take(hole);
        EXPECT_EQ(z.all_clusters(), expected.clusters());
        std::uint64_t given = 0;
        while (const std::optional<pfn> f = z.frames.allocate(base_order)) {
            ASSERT_TRUE(expected.is_free({*f, page_count{1}})) << f->raw << " lies in a hole or was given before";
            expected.take({*f, page_count{1}});
            ++given;
        }
        EXPECT_EQ(expected.free_frames(), 0U) << given << " given";
        EXPECT_EQ(z.clusters.longest(), nothing);
        EXPECT_EQ(z.clusters.next_fit(page_count{1}), nothing) << "not a cluster at frame 0";
    }
}

// There, a request of another migrate type takes over the only block of one and leaves the rover behind. Here it is a
// promise that an ordinary request takes over.
TEST(nasty_map, E8_the_only_block_is_promised_lent_under_the_rover_and_promised_again_when_it_returns) {
    blocks z(3);
    z.take_all();
    z.give_block(1);
    z.clusters.set_rover(pfn{block});
    z.frames.reserve(frames(block, block));
    EXPECT_EQ(z.clusters.next_fit(page_count{1}), nothing);
    const std::optional<pfn> lent = z.frames.allocate(superpage_order);
    ASSERT_TRUE(lent) << "a promise is soft";
    EXPECT_EQ(z.clusters.next_fit(page_count{1}), nothing);
    z.frames.free(*lent, superpage_order);
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{0});
    z.frames.unreserve(frames(block + 512, 512));  // the two halves are of different kinds
    EXPECT_EQ(z.all_clusters(), std::vector<frame_run>{frames(block + 512, 512)});
    z.frames.unreserve(frames(block, 512));
    z.check();
}

TEST(nasty_map, E9_every_other_block_is_a_cluster_of_its_own_until_the_rest_is_freed_from_both_ends) {
    constexpr std::uint64_t count = 65;
    blocks z(count);
    z.take_all();
    for (std::uint64_t n = 0; n < count; n += 2) z.give_block(n);
    z.check();
    EXPECT_EQ(z.all_clusters().size(), 33U);
    for (std::uint64_t low = 1, high = count - 2; low <= high; low += 2, high -= 2) {
        z.give_block(low);
        z.check();
        if (low != high) z.give_block(high);
        z.check();
        if (high < 2) break;
    }
    EXPECT_EQ(z.clusters.longest(), run_of(0, count * block));
}

// That kernel recognises a containing block only where the target is in its upper half or at its head: 257 of the 512
// frames of a 2 MiB block, none of a 4 MiB block.
TEST(nasty_map, E10_every_frame_of_a_free_block_can_be_had_and_the_rest_is_one_block_of_each_smaller_order) {
    for (unsigned k = 1; k <= 11; ++k) {
        const std::uint64_t size = order{k}.pages().raw;
        model::mapped_zone z(0, 4096);
        z.leave({frames(2048, size)});
        for (std::uint64_t at = 0; at < size; ++at) {
            ASSERT_EQ(z.frames.allocate_at(pfn{2048 + at}, base_order), status::ok) << "order " << k << ", " << at;
            const auto left = z.frames.count_blocks();
            for (unsigned o = 0; o < left.size(); ++o) ASSERT_EQ(left[o], o < k ? 1U : 0U) << k << " at " << at;
            z.give(2048 + at);
            ASSERT_EQ(z.frames.count_blocks()[k], 1U);
        }
    }
}

struct magazine_zone : model::mapped_zone {
    using magazines = cpu_magazines<pfn, model::counting_lock>;

    explicit magazine_zone(std::uint64_t count)
        : mapped_zone(0, count),
          magazine_memory(magazines::required_bytes({count}, 3)),
          all(frames, lock, 3, magazine_memory) {}

    std::vector<std::byte> magazine_memory;
    model::counting_lock lock;
    magazines all;
};

// That kernel takes a frame off another processor's list but subtracts it from its own count, and refuses 2 MiB of
// which one frame lies on any list.
TEST(nasty_map, E11_a_target_in_one_s_own_or_another_s_magazine_is_had_once_with_or_without_a_drain) {
    for (const bool drained : {false, true}) {
        for (const unsigned holder : {0U, 2U}) {
            magazine_zone z(2048);
            const std::optional<pfn> first = z.all.allocate(holder, base_order);
            ASSERT_TRUE(first);
            const pfn target = *first + page_count{1};  // lies in the holder's magazine
            if (drained) z.all.drain();
            EXPECT_EQ(z.all.allocate_at(target, base_order), status::ok);
            EXPECT_EQ(z.all.allocate_at(target, base_order), status::occupied);
            EXPECT_EQ(z.all.free_frames(), page_count{2046});
            std::vector<bool> given(2048, false);
            given[first->raw] = given[target.raw] = true;
            for (unsigned i = 0; i < 2046; ++i) {
                const std::optional<pfn> f = z.all.allocate(i % 3, base_order);
                ASSERT_TRUE(f && !given[f->raw]) << "no frame twice, none lost";
                given[f->raw] = true;
            }
            EXPECT_EQ(z.all.allocate(1, base_order), std::nullopt);
            EXPECT_FALSE(z.all.audit());
        }
    }
}

TEST(nasty_map, E11_two_mebibytes_of_which_frames_lie_in_magazines_are_had_whole) {
    magazine_zone z(2048);
    const std::optional<pfn> one = z.all.allocate(1, base_order);
    ASSERT_TRUE(one);
    const pfn superpage = align_down(*one, superpage_order);
    EXPECT_EQ(z.all.allocate_at(superpage, superpage_order), status::occupied) << "one frame is in use";
    z.all.free(1, *one, base_order);
    EXPECT_EQ(z.all.allocate_at(superpage, superpage_order), status::ok);
    EXPECT_EQ(z.all.free_frames(), page_count{1536});
    EXPECT_FALSE(z.all.audit());
}

// In that kernel only the first frame of a plain block has a reference count; the others look unused.
TEST(nasty_map, E12_no_part_of_a_block_in_use_is_free) {
    model::mapped_zone z(0, 4096);
    const std::optional<pfn> used = z.frames.allocate(order{3});
    ASSERT_TRUE(used);
    const page_count before = z.frames.free_frames();
    for (unsigned i = 0; i < 8; ++i) {
        EXPECT_EQ(z.frames.allocate_at(*used + page_count{i}, base_order), status::occupied);
    }
    EXPECT_EQ(z.frames.allocate_at(*used + page_count{4}, order{2}), status::occupied);
    EXPECT_EQ(z.frames.free_frames(), before);
    z.frames.free(*used, order{3});
    EXPECT_EQ(z.frames.allocate_at(*used + page_count{5}, base_order), status::ok);
}

// That kernel rounds a target up without asking whether the rounded one still lies in the zone.
TEST(nasty_map, E13_a_target_is_taken_in_the_zone_that_holds_it_and_never_across_its_end) {
    model::mapped_zone low(0, 2 * block + 300);
    model::mapped_zone high(2 * block + 300, 4 * block);
    std::array members{on_node(high.frames, 1), on_node(low.frames, 0)};
    std::vector<std::byte> memory(zone_set<buddy>::required_bytes(2, 2));
    const zone_set<buddy> set(members, {2, {}}, memory);
    EXPECT_EQ(set.allocate_at(pfn{4 * block}, superpage_order), status::ok) << "whichever zone it is in";
    EXPECT_EQ(high.frames.free_frames(), page_count{4 * block - 512});
    EXPECT_EQ(set.allocate_at(pfn{2 * block}, superpage_order), status::out_of_range) << "half here, half there";
    EXPECT_EQ(low.frames.allocate_at(pfn{2 * block}, superpage_order), status::out_of_range);
    EXPECT_EQ(low.frames.allocate_at(pfn{2 * block}, order{8}), status::ok) << "what lies inside is had";
    EXPECT_EQ(low.frames.allocate_at(pfn{2 * block + 299}, base_order), status::ok);
    EXPECT_EQ(set.allocate_at(pfn{6 * block + 300}, base_order), status::out_of_range);
    EXPECT_EQ(low.frames.free_frames() + high.frames.free_frames(), page_count{6 * block + 300 - 512 - 256 - 1});
    EXPECT_FALSE(set.audit());
}

// A page less its offset may be a frame below the zone, or wrap to one near 2^64.
TEST(nasty_map, E14_frames_below_the_zone_and_at_the_end_of_all_numbers_are_out_of_range) {
    model::mapped_zone z(5 * 512, 2048);
    for (const std::uint64_t wanted : {std::uint64_t{4 * 512}, std::uint64_t{0}, ~std::uint64_t{511}}) {
        EXPECT_EQ(z.frames.allocate_at(pfn{wanted}, superpage_order), status::out_of_range);
        EXPECT_EQ(z.frames.allocate_at(pfn{wanted + 511}, base_order), status::out_of_range);
        EXPECT_FALSE(z.frames.is_free(pfn{wanted}, superpage_order));
        EXPECT_EQ(z.clusters.around(pfn{wanted}), nothing);
    }
    EXPECT_EQ(z.clusters.next(pfn{~std::uint64_t{0}}, page_count{1}), nothing);
    EXPECT_EQ(z.frames.free_frames(), page_count{2048});
    EXPECT_FALSE(z.frames.audit());
}

}  // namespace
}  // namespace longreach
