// SPDX-License-Identifier: MIT
// The policy to compare with: the smallest sufficient block, the lowest first, and nothing remembered.

#include <gtest/gtest.h>

#include <cstddef>
#include <longreach/allocator/thp.hpp>
#include <optional>
#include <vector>

namespace longreach {
namespace {

using policy_type = thp<vpn, pfn>;
static_assert(placement_policy<policy_type> && placement_policy<thp<vpn, gfn>> && placement_policy<thp<gfn, pfn>>);

struct machine {
    explicit machine(std::uint64_t count)
        : memory(buddy::required_bytes({count})), frames({pfn{0}, page_count{count}}, memory), policy(frames) {}
    std::optional<pfn> touch(std::uint64_t page, order size = base_order) {
        return policy.allocate({1, vpn{page}, size, {vpn{0}, page_count{1U << 20}}}, nothing_mapped<vpn>{});
    }
    std::vector<std::byte> memory;
    buddy frames;
    policy_type policy;
};

TEST(thp, faults_get_frames_in_the_order_of_the_faults_whatever_their_pages) {
    machine m(2048);
    EXPECT_EQ(m.touch(900), pfn{0});
    EXPECT_EQ(m.touch(17), pfn{1});
    EXPECT_EQ(m.touch(901), pfn{2});
}

TEST(thp, a_superpage_takes_the_lowest_whole_2_Mi_b_and_leaves_broken_ones_to_pages) {
    machine m(2048);
    EXPECT_EQ(m.touch(0), pfn{0});
    EXPECT_EQ(m.touch(512, superpage_order), pfn{512});
    EXPECT_EQ(m.touch(1), pfn{1});
    EXPECT_EQ(m.touch(1024, superpage_order), pfn{1024});
}

TEST(thp, without_a_whole_2_Mi_b_a_superpage_is_refused_and_nothing_is_taken) {
    machine m(1024);
    ASSERT_EQ(m.frames.allocate_at(pfn{5}, base_order), status::ok);
    ASSERT_EQ(m.frames.allocate_at(pfn{600}, base_order), status::ok);
    EXPECT_FALSE(m.touch(512, superpage_order));
    EXPECT_EQ(m.frames.free_frames(), page_count{1022});
    for (int i = 0; i < 1022; ++i) EXPECT_TRUE(m.touch(512));
    EXPECT_FALSE(m.touch(512));
    EXPECT_EQ(m.policy.counters().ordinary, 1022U) << "refusals do not count";
}

TEST(thp, what_is_freed_serves_the_next_fault) {
    machine m(1024);
    const auto table = m.policy.allocate_table();
    const auto page = m.touch(4);
    ASSERT_TRUE(table && page);
    m.policy.free_table(*table);
    EXPECT_EQ(m.touch(99), table);
    m.policy.free(1, vpn{4}, *page, base_order);
    m.policy.release(1, {vpn{4}, page_count{1}});
    m.policy.move(1, {vpn{99}, page_count{1}}, vpn{200});
    EXPECT_EQ(m.frames.free_frames(), page_count{1023});
    EXPECT_FALSE(m.policy.audit());
}

}  // namespace
}  // namespace longreach
