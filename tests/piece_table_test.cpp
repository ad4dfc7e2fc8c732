// SPDX-License-Identifier: MIT
// The piece table finds, inserts and removes by space and page, and keeps its order.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/allocator/piece_table.hpp>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace longreach {
namespace {

using table_type = piece_table<vpn, pfn>;
using piece_type = table_type::piece_type;

piece_type piece_at(std::uint32_t space, std::uint64_t page, std::uint64_t pages, std::uint64_t frame) {
    return {space, false, {{vpn{page}, page_count{pages}}, pfn{frame}}, 0, 0};
}

struct owned_table {
    explicit owned_table(std::size_t room) : memory(room), hints(table_type::hint_count(room)), table(memory, hints) {}
    void add(const piece_type& p) { table.insert(table.position(p.space, p.where.pages.first), p); }
    std::vector<piece_type> memory;
    std::vector<std::uint32_t> hints;
    table_type table;
};

TEST(piece_table, finds_the_piece_that_holds_a_page_and_the_gap_where_none_does) {
    owned_table t(4);
    t.add(piece_at(1, 100, 10, 0));
    t.add(piece_at(1, 200, 10, 50));
    EXPECT_TRUE(t.table.holds(t.table.position(1, vpn{105}), 1, vpn{105}));
    EXPECT_EQ(t.table.position(1, vpn{110}), 1U) << "the first piece that ends above the page";
    EXPECT_FALSE(t.table.holds(1, 1, vpn{110}));
    EXPECT_EQ(t.table.position(1, vpn{210}), 2U);
    EXPECT_EQ(t.table.position(0, vpn{105}), 0U);
    EXPECT_EQ(t.table.position(2, vpn{0}), 2U);
}

TEST(piece_table, spaces_are_apart_though_their_pages_are_equal) {
    owned_table t(3);
    t.add(piece_at(2, 100, 10, 20));
    t.add(piece_at(1, 100, 10, 10));
    t.add(piece_at(3, 100, 10, 30));
    for (std::uint32_t space = 1; space <= 3; ++space) {
        const std::size_t i = t.table.position(space, vpn{105});
        ASSERT_TRUE(t.table.holds(i, space, vpn{105}));
        EXPECT_EQ(t.table[i].target(vpn{105}), pfn{10U * space + 5});
    }
}

TEST(piece_table, a_target_keeps_the_offset_even_where_pages_are_below_frames) {
    EXPECT_EQ(piece_at(0, 5, 10, 1000).target(vpn{7}), pfn{1002});
    EXPECT_EQ(piece_at(0, 1000, 10, 5).target(vpn{1002}), pfn{7});
}

TEST(piece_table, the_answer_tried_first_is_never_stale) {
    owned_table t(4);
    t.add(piece_at(1, 200, 10, 50));
    ASSERT_EQ(t.table.position(1, vpn{205}), 0U);
    t.add(piece_at(1, 100, 10, 0));
    EXPECT_EQ(t.table.position(1, vpn{205}), 1U);
    t.table.erase(0);
    EXPECT_EQ(t.table.position(1, vpn{205}), 0U);
    t.table.erase(0);
    EXPECT_EQ(t.table.position(1, vpn{205}), 0U);
    EXPECT_FALSE(t.table.holds(0, 1, vpn{205}));
}

TEST(piece_table, pieces_that_share_a_hint_are_both_found) {
    owned_table t(4);
    const std::uint64_t apart = 512 * t.hints.size();
    t.add(piece_at(1, 100, 10, 0));
    t.add(piece_at(1, 100 + apart, 10, 50));
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(t.table.find(1, vpn{105}), &t.table[0]);
        ASSERT_EQ(t.table.find(1, vpn{105 + apart}), &t.table[1]);
        ASSERT_EQ(t.table.find(1, vpn{110}), nullptr);
    }
}

TEST(piece_table, agrees_with_a_sorted_map_under_random_use) {
    owned_table t(50);
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> expected;  // 300 pages at multiples of 400
    std::mt19937_64 random(5);
    for (int i = 0; i < 20000; ++i) {
        const auto space = static_cast<std::uint32_t>(random() % 3);
        const std::uint64_t first = random() % 40 * 400;
        const std::uint64_t page = first + random() % 400;
        const std::size_t at = t.table.position(space, vpn{page});
        const auto known = expected.find({space, first});
        const bool held = known != expected.end() && page < first + 300;
        ASSERT_EQ(t.table.holds(at, space, vpn{page}), held);
        ASSERT_EQ(t.table.find(space, vpn{page}), held ? &t.table[at] : nullptr);
        if (held) {
            ASSERT_EQ(t.table[at].target(vpn{page}), pfn{known->second + page - first});
        }
        if (held && random() % 2 == 0) {
            t.table.erase(at);
            expected.erase(known);
        } else if (known == expected.end() && !t.table.full()) {
            t.add(piece_at(space, first, 300, random() % 100000));
            expected[{space, first}] = t.table[t.table.position(space, vpn{first})].where.frame.raw;
        }
        ASSERT_EQ(t.table.size(), expected.size());
    }
}

TEST(piece_table_death, a_full_table_refuses_another_piece) {
    owned_table t(1);
    t.add(piece_at(1, 100, 10, 0));
    EXPECT_TRUE(t.table.full());
    EXPECT_DEATH(t.add(piece_at(1, 200, 10, 0)), "");
    EXPECT_DEATH(t.table.erase(1), "");
}

}  // namespace
}  // namespace longreach
