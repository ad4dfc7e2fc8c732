// SPDX-License-Identifier: MIT
// How places end under CA paging: pages that are released, freed for a while, or moved, wholly or in part.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>

#include "ca_machine.hpp"

namespace longreach {
namespace {

TEST(ca_release, released_pages_lose_their_place_and_the_rest_keeps_it) {
    machine m(8192);
    const area a = area_of(1000, 1000);
    const pfn first = *m.touch(a, 1000);
    m.touch_all({{vpn{1001}, page_count{999}}});
    m.unmap(a, 1300, 200);
    EXPECT_EQ(m.frames.count_reserved_in(m.frames.managed()), page_count{800});
    EXPECT_EQ(m.frames.unreserved_frames(), page_count{8192 - 800});
    EXPECT_EQ(m.piece_of(1000).where.pages.count, page_count{300});
    EXPECT_EQ(m.piece_of(1500).target(vpn{1500}), first + page_count{500});
    EXPECT_EQ(m.piece_of(1500).taken, 500U);
}

TEST(ca_release, releasing_an_area_takes_back_what_was_kept_for_its_growth) {
    machine m(8192);
    const area heap = heap_of(700, 100);
    m.touch_all(heap);
    m.unmap(heap, 700, 100);
    EXPECT_EQ(m.piece_count(), 0U);
    EXPECT_EQ(m.frames.unreserved_frames(), page_count{8192});
}

TEST(ca_release, a_freed_page_gets_its_frame_back_while_the_area_lives) {
    machine m(8192);
    const area a = area_of(1000, 1000);
    m.touch_all(a);
    m.drop(a, 1200, 100);
    EXPECT_EQ(m.piece_of(1200).taken, 900U);
    for (std::uint64_t p = 1299; p >= 1200; --p) ASSERT_TRUE(m.touch(a, p));
    EXPECT_EQ(m.runs(), 1U);
}

TEST(ca_release, a_move_by_whole_superpages_takes_the_pieces_along) {
    machine m(8192);
    const area a = area_of(1000, 1000);
    const pfn first = *m.touch(a, 1000);
    m.policy.move(1, a.pages, vpn{1000 + 512 * 100});
    EXPECT_FALSE(m.policy.audit());
    EXPECT_EQ(m.piece_count(), 1U);
    const area there = area_of(1000 + 512 * 100, 1000);
    EXPECT_EQ(m.touch(there, 1001 + 512 * 100), first + page_count{1});
}

TEST(ca_release, a_move_by_anything_else_gives_the_places_up) {
    machine m(8192);
    const area a = area_of(1000, 1000);
    ASSERT_TRUE(m.touch(a, 1000));
    m.policy.move(1, a.pages, vpn{90001});
    EXPECT_FALSE(m.policy.audit());
    EXPECT_EQ(m.piece_count(), 0U);
    EXPECT_EQ(m.frames.count_reserved_in(m.frames.managed()), page_count{0});
}

TEST(ca_release, part_of_an_area_may_move_and_lands_over_what_was_promised_there) {
    machine m(8192);
    const area a = area_of(1024, 1024);
    const area b = area_of(512 * 40, 1024);
    const pfn first = *m.touch(a, 1024);
    ASSERT_TRUE(m.touch(a, 1200));
    ASSERT_TRUE(m.touch(b, 512 * 40));
    m.policy.move(1, {vpn{1100}, page_count{50}}, vpn{512 * 40 + 588});
    EXPECT_FALSE(m.policy.audit());
    EXPECT_EQ(m.piece_of(512 * 40 + 588).target(vpn{512 * 40 + 600}), first + page_count{88});
    EXPECT_EQ(m.piece_of(1100).where.pages.first, vpn{1150});
}

TEST(ca_release, what_was_kept_for_growth_goes_when_its_area_moves_away) {
    machine m(8192);
    placement_request<vpn> fault{1, vpn{1000}, base_order, {vpn{1000}, page_count{600}}, true, false};
    ASSERT_TRUE(m.policy.allocate(fault, nothing_mapped<vpn>{}));
    ASSERT_GT(m.policy.pieces()[0].where.pages.count, page_count{600});
    m.policy.move(1, fault.area, vpn{1000 + 512 * 50});
    EXPECT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.policy.pieces()[0].where.pages.count, page_count{600});
    EXPECT_EQ(m.frames.count_reserved_in(m.frames.managed()), page_count{600});
}

TEST(ca_release, releasing_no_pages_leaves_untouched_pieces_on_both_sides) {
    machine m(8192);
    ASSERT_TRUE(m.touch(area_of(0, 1024), 0));
    m.drop(area_of(0, 1024), 0);
    m.policy.release(1, {vpn{512}, page_count{0}});
    m.policy.release(1, {vpn{1024}, page_count{0}});
    ASSERT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.piece_of(0).where.pages.count, page_count{1024});
}

// The table is full: of what a lost page parts, both sides stay, and a piece goes whose pages all have their frames.
TEST(ca_release, where_pieces_have_no_room_for_both_sides_one_that_is_used_up_goes) {
    machine m(8192, 0, 4);
    for (const std::uint64_t first : {100000U, 200000U, 300000U}) m.touch_all(area_of(first, 4));
    const area large = area_of(0, 2048);
    const pfn place = *m.touch(large, 0);
    ASSERT_EQ(m.piece_count(), 4U);
    m.occupy(place.raw + 700);
    ASSERT_TRUE(m.touch(large, 700));
    EXPECT_EQ(m.touch(large, 701), place + page_count{701});
    EXPECT_EQ(m.touch(large, 699), place + page_count{699});
    EXPECT_EQ(m.piece_of(701).where.pages.end(), vpn{2048});
}

}  // namespace
}  // namespace longreach
