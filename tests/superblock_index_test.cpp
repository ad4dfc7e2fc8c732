// SPDX-License-Identifier: MIT
// The superblock index keeps wholly free children merged into the largest naturally aligned blocks.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/allocator/superblock_index.hpp>
#include <string_view>
#include <vector>

namespace longreach {
namespace {

struct owned_index {
    owned_index(std::uint64_t first, std::uint64_t children)
        : words(superblock_index::required_words(children)), index(first, children, words) {}
    void insert_all(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t c = first; c < first + count; ++c) index.insert({c, child_order});
    }
    std::vector<std::uint64_t> words;
    superblock_index index;
};

TEST(superblock_index, begins_empty) {
    const owned_index x(0, 1);
    EXPECT_EQ(x.index.smallest(9).order, 0U);
    EXPECT_EQ(x.index.order_around(0), 0U);
    EXPECT_FALSE(x.index.audit());
}

TEST(superblock_index, buddies_merge_up_to_the_whole_whatever_the_order_of_arrival) {
    owned_index x(0, 512);
    for (std::uint64_t i = 0; i < 512; ++i) x.index.insert({i * 337 % 512, child_order});
    EXPECT_EQ(x.index.order_around(0), 18U);
    EXPECT_EQ(x.index.order_around(511), 18U);
    EXPECT_EQ(x.index.smallest(9).order, 18U);
    EXPECT_FALSE(x.index.audit());
}

TEST(superblock_index, blocks_are_aligned_by_absolute_number_not_by_the_zone_s_start) {
    owned_index x(3, 6);  // children 3 to 8: blocks {3} {4..7} {8}
    x.insert_all(3, 6);
    EXPECT_EQ(x.index.order_around(3), 9U);
    EXPECT_EQ(x.index.order_around(4), 11U);
    EXPECT_EQ(x.index.order_around(7), 11U);
    EXPECT_EQ(x.index.order_around(8), 9U);
    EXPECT_FALSE(x.index.audit());
}

TEST(superblock_index, the_smallest_sufficient_block_wins_and_the_lowest_of_equals) {
    owned_index x(0, 16);
    x.insert_all(0, 4);   // order 11 at 0
    x.insert_all(6, 2);   // order 10 at 6
    x.insert_all(10, 2);  // order 10 at 10
    EXPECT_EQ(x.index.smallest(9).child, 6U);
    EXPECT_EQ(x.index.smallest(10).child, 6U);
    EXPECT_EQ(x.index.smallest(11).child, 0U);
    EXPECT_EQ(x.index.smallest(12).order, 0U);
    EXPECT_EQ(x.index.smallest(40).order, 0U);
}

TEST(superblock_index, taking_one_child_leaves_one_block_of_each_smaller_order) {
    owned_index x(0, 8);
    x.insert_all(0, 8);
    x.index.erase({5, child_order}, x.index.order_around(5));
    EXPECT_EQ(x.index.order_around(5), 0U);
    EXPECT_EQ(x.index.order_around(4), 9U);
    EXPECT_EQ(x.index.order_around(6), 10U);
    EXPECT_EQ(x.index.order_around(0), 11U);
    EXPECT_FALSE(x.index.audit());
    x.index.insert({5, child_order});
    EXPECT_EQ(x.index.order_around(5), 12U);
}

TEST(superblock_index, needs_about_two_bits_per_child) {
    const std::uint64_t children = std::uint64_t{1} << 20;
    EXPECT_LT(static_cast<double>(superblock_index::required_words(children)) * 64,
              2.1 * static_cast<double>(children));
}

TEST(superblock_index, audit_finds_a_child_in_two_blocks_I1) {
    owned_index x(0, 4);
    x.insert_all(0, 4);
    x.words[0] |= 2;  // order 9 comes first: child 1 on its own as well
    EXPECT_EQ(x.index.audit().label, std::string_view("superblock_index.I1"));
    EXPECT_EQ(x.index.audit().where, 1U);
}

TEST(superblock_index, audit_finds_two_buddies_that_were_not_merged_I2) {
    owned_index x(0, 4);
    x.words[0] = 3;
    EXPECT_EQ(x.index.audit().label, std::string_view("superblock_index.I2"));
}

TEST(superblock_index, audit_looks_into_its_trees) {
    owned_index x(0, 4);
    x.words[0] |= std::uint64_t{1} << 40;
    EXPECT_EQ(x.index.audit().label, std::string_view("bit_tree.I2"));
}

}  // namespace
}  // namespace longreach
