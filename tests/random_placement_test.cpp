// SPDX-License-Identifier: MIT
// The random floor: every free block is as likely as any other, the same seed gives the same frames, and it serves as
// long as a block is free.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/random_placement.hpp>
#include <optional>
#include <set>
#include <vector>

namespace longreach {
namespace {

using policy_type = random_placement<vpn, pfn>;
static_assert(placement_policy<policy_type> && placement_policy<random_placement<vpn, gfn>> &&
              placement_policy<random_placement<gfn, pfn>>);

struct random_machine {
    explicit random_machine(std::uint64_t count, std::uint64_t seed = 1, std::uint64_t first = 0)
        : memory(buddy::required_bytes({count})),
          frames({pfn{first}, page_count{count}}, memory),
          policy(frames, seed) {}
    std::optional<pfn> touch(order size = base_order) {
        return policy.allocate({1, vpn{0}, size, {vpn{0}, page_count{1U << 20}}}, nothing_mapped<vpn>{});
    }
    std::vector<std::byte> memory;
    buddy frames;
    policy_type policy;
};

TEST(random_placement, the_same_seed_gives_the_same_frames_and_another_one_others) {
    random_machine one(4096, 7);
    random_machine two(4096, 7);
    random_machine other(4096, 8);
    int equal = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto got = one.touch();
        ASSERT_EQ(got, two.touch());
        equal += got == other.touch() ? 1 : 0;
    }
    EXPECT_LT(equal, 10);
}

TEST(random_placement, the_frames_of_a_seed_are_the_same_on_every_compiler) {
    random_machine m(1U << 20, 42);
    EXPECT_EQ(m.touch(), pfn{0xbdd732262feb6e95U % (1U << 20)}) << "the first number of splitmix64 from 42";
    EXPECT_EQ(m.touch(), pfn{0x28efe333b266f103U % (1U << 20)});
}

TEST(random_placement, every_frame_is_given_once_and_then_none) {
    random_machine m(1000, 3, 77);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto got = m.touch();
        ASSERT_TRUE(got);
        EXPECT_TRUE(seen.insert(got->raw).second);
    }
    EXPECT_FALSE(m.touch());
    EXPECT_EQ(*seen.begin(), 77U);
    EXPECT_EQ(*seen.rbegin(), 1076U);
    EXPECT_EQ(m.policy.counters().ordinary, 1000U);
}

TEST(random_placement, superpages_are_aligned_and_each_free_one_comes_in_a_zone_with_ragged_ends) {
    random_machine m(512 * 9, 5, 300);  // 8 whole superpages, from frame 512 on
    std::set<std::uint64_t> seen;
    while (const auto got = m.touch(superpage_order)) {
        EXPECT_TRUE(is_aligned(*got, superpage_order));
        seen.insert(got->raw);
    }
    EXPECT_EQ(seen.size(), 8U);
    EXPECT_TRUE(m.touch()) << "the ends still serve base pages";
}

TEST(random_placement, a_refusal_takes_nothing) {
    random_machine m(1024);
    ASSERT_EQ(m.frames.allocate_at(pfn{5}, base_order), status::ok);
    ASSERT_EQ(m.frames.allocate_at(pfn{600}, base_order), status::ok);
    EXPECT_FALSE(m.touch(superpage_order));
    EXPECT_EQ(m.frames.free_frames(), page_count{1022});
    EXPECT_EQ(m.policy.counters().ordinary, 0U);
}

TEST(random_placement, free_blocks_are_equally_likely_while_one_draw_of_16_finds_one) {
    // Every second frame of 64 is free: 16 draws miss once in 65,536. 32 frames, 16,000 draws: 500 each, deviation 22.
    std::vector<int> count(64);
    random_machine m(64, 11);
    for (std::uint64_t f = 1; f < 64; f += 2) ASSERT_EQ(m.frames.allocate_at(pfn{f}, base_order), status::ok);
    for (int i = 0; i < 16000; ++i) {
        const pfn got = *m.touch();
        ++count[got.raw];
        m.policy.free(1, vpn{0}, got, base_order);
    }
    for (std::size_t f = 0; f < 64; f += 2) {
        EXPECT_GT(count[f], 380) << "frame " << f;
        EXPECT_LT(count[f], 620) << "frame " << f;
    }
}

TEST(random_placement, where_memory_is_short_the_next_free_frame_above_the_last_draw_serves_cyclically) {
    random_machine m(1U << 16, 2);
    for (std::uint64_t f = 0; f < 1U << 16; ++f) {
        if (f == 100 || f == 60000) continue;
        ASSERT_EQ(m.frames.allocate_at(pfn{f}, base_order), status::ok);
    }
    int low = 0;
    for (int i = 0; i < 2000; ++i) {
        const pfn got = *m.touch();
        low += got == pfn{100} ? 1 : 0;
        m.policy.free(1, vpn{0}, got, base_order);
    }
    EXPECT_NEAR(low, 172, 60) << "5,636 of 65,536 draws lie above the upper one or below the lower one";
}

TEST(random_placement, tables_are_ordinary_frames_and_come_back) {
    random_machine m(1024);
    const auto table = m.policy.allocate_table();
    EXPECT_EQ(table, pfn{0});
    m.policy.free_table(*table);
    m.policy.release(1, {vpn{0}, page_count{9}});
    m.policy.move(1, {vpn{0}, page_count{9}}, vpn{100});
    m.policy.fork(1, 2);
    EXPECT_EQ(m.frames.free_frames(), page_count{1024});
    EXPECT_FALSE(m.policy.audit());
}

}  // namespace
}  // namespace longreach
