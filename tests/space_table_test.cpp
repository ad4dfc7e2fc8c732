// SPDX-License-Identifier: MIT
// What the table of an address space says: the contiguity bit of every leaf, and what it had before it was dropped.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <map>
#include <vector>

#include "lone_space.hpp"

namespace longreach {
namespace {

struct contiguity_bits : lone_space {};
struct cache_of_a_space : lone_space {};

// ---- the contiguity bit ----

TEST_F(contiguity_bits, a_mapping_of_32_pages_carries_it_and_one_of_31_does_not) {
    map(pages(1, 100));
    touch(pages(1, 31));
    EXPECT_FALSE(contiguous(1));
    EXPECT_FALSE(contiguous(31));
    touch(pages(32, 1));
    for (std::uint64_t page = 1; page < 33; ++page) EXPECT_TRUE(contiguous(page));
}

TEST_F(contiguity_bits, a_page_that_joins_two_short_mappings_marks_both) {
    map(pages(1, 100));
    touch(pages(1, 20));
    policy.aim(policy.frames_held() + 1);
    touch(pages(22, 20));
    EXPECT_FALSE(contiguous(1));
    policy.aim(20);
    touch(pages(21, 1));
    EXPECT_TRUE(contiguous(1));
    EXPECT_TRUE(contiguous(41));
}

TEST_F(contiguity_bits, pieces_that_fall_below_the_threshold_lose_it) {
    map(pages(1, 100));
    touch(pages(1, 50));
    ASSERT_EQ(space.unmap(pages(11, 1)), status::ok);
    EXPECT_FALSE(contiguous(1));
    EXPECT_FALSE(contiguous(10));
    EXPECT_TRUE(contiguous(12));
    EXPECT_TRUE(contiguous(50));
}

TEST_F(contiguity_bits, superpages_and_what_is_left_of_them_follow_the_same_rule) {
    map(pages(512, 512));
    touch(pages(512, 1));
    EXPECT_TRUE(contiguous(512));
    ASSERT_EQ(space.unmap(pages(522, 502 - 20)), status::ok);
    EXPECT_FALSE(contiguous(521));
    EXPECT_FALSE(contiguous(1023));
}

TEST_F(contiguity_bits, a_copied_page_leaves_two_pieces_that_are_counted_anew) {
    map(pages(1, 100), rw, backing::of_file(1, 0));
    touch(pages(1, 60), access_kind::load);
    EXPECT_TRUE(contiguous(60));
    touch(pages(40, 1));
    EXPECT_TRUE(contiguous(39));
    EXPECT_FALSE(contiguous(40));
    EXPECT_FALSE(contiguous(41)) << "20 pages are left above";
    EXPECT_FALSE(contiguous(60));
}

TEST_F(contiguity_bits, a_moved_piece_is_counted_anew_at_both_of_its_ends) {
    map(pages(1, 200));
    touch(pages(100, 60));
    ASSERT_EQ(space.move(pages(80, 30), pages(1000, 30)), status::ok);
    EXPECT_FALSE(contiguous(1020)) << "10 pages moved, the first 20 places are empty";
    EXPECT_TRUE(contiguous(110));
    ASSERT_EQ(space.move(pages(130, 50), pages(2000, 50)), status::ok);
    EXPECT_FALSE(contiguous(110)) << "20 pages are left";
    EXPECT_FALSE(contiguous(2000)) << "30 pages moved";
}

// ---- the table as a cache ----

TEST_F(cache_of_a_space, a_dropped_table_is_refilled_with_the_same_translations) {
    map(pages(0, 1024));
    map(pages(2000, 100), rw, backing::of_file(1, 0));
    touch(pages(0, 1));
    touch(pages(2000, 50), access_kind::load);
    touch(pages(2010, 50));
    for (std::uint64_t page = 2000; page < 2060; page += 3) (void)space.tables().walk(vpn{page}, access_kind::load);
    std::map<std::uint64_t, translation<pfn>> before;
    for (std::uint64_t page = 0; page < 2100; ++page) {
        if (const auto found = space.translate(vpn{page})) before[page] = *found;
    }
    const std::uint64_t held = policy.frames_held();
    space.drop_table();
    EXPECT_EQ(policy.tables_held(), 0U);
    EXPECT_EQ(policy.frames_held(), held);
    for (const auto& [page, expected] : before) {
        const bool refilled_with_page_0 = page > 0 && page < 512;
        EXPECT_EQ(space.translate(vpn{page}).has_value(), refilled_with_page_0);
        const fault_kind kind = space.fault(vpn{page}, access_kind::load).kind;
        EXPECT_EQ(kind, refilled_with_page_0 ? fault_kind::none : fault_kind::refill);
        EXPECT_EQ(space.translate(vpn{page}), expected);
    }
    EXPECT_EQ(policy.frames_held(), held);
    EXPECT_EQ(space.faults().refills, 61U);
}

TEST_F(cache_of_a_space, extents_are_what_is_contiguous_in_page_and_frame) {
    map(pages(0, 100));
    touch(pages(10, 5));
    policy.aim(100);
    touch(pages(15, 5));
    std::vector<mapping<vpn, pfn>> found;
    space.for_each_mapping(pages(0, 18), [&](const mapping<vpn, pfn>& m) { found.push_back(m); });
    EXPECT_THAT(found, testing::ElementsAre(mapping<vpn, pfn>{pages(10, 5), frame(10)},
                                            mapping<vpn, pfn>{pages(15, 3), frame(15)}));
}

}  // namespace
}  // namespace longreach
