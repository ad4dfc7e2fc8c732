// SPDX-License-Identifier: MIT
// Areas that grow under CA paging: the headroom that they get, where they go on behind a wall, and neighbours that are
// mapped beside them and continue their run.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>

#include "ca_machine.hpp"

namespace longreach {
namespace {

// ------------------------------------------------------------------------------- headroom

TEST(ca_growth, an_area_that_may_grow_gets_headroom_and_stays_one_run) {
    machine m(8192);
    area heap = heap_of(700, 100);
    ASSERT_TRUE(m.touch(heap, 700));
    EXPECT_EQ(m.piece_of(700).where.pages.count, page_count{836}) << "at least 2 MiB of room, up to a boundary";
    m.touch_all({{vpn{701}, page_count{99}}, 1, true});
    for (int step = 0; step < 30; ++step) {  // other areas come in between
        heap.pages.count += page_count{64};
        for (std::uint64_t p = heap.pages.end().raw - 64; p < heap.pages.end().raw; ++p) ASSERT_TRUE(m.touch(heap, p));
        ASSERT_TRUE(m.touch(area_of(100000 + static_cast<std::uint64_t>(step) * 1000, 20),
                            100000 + static_cast<std::uint64_t>(step) * 1000));
    }
    std::size_t pieces = 0;
    for (std::size_t i = 0; i < m.piece_count(); ++i)
        pieces += m.policy.pieces()[i].where.pages.first < heap.pages.end();
    EXPECT_LE(pieces, 2U);
}

TEST(ca_growth, a_stack_gets_headroom_below) {
    machine m(8192);
    area stack = stack_of(9000, 50);
    ASSERT_TRUE(m.touch(stack, 9049));
    EXPECT_EQ(m.piece_of(9049).where.pages, (run<vpn>{vpn{8192}, page_count{858}}));
    stack.pages = {vpn{8600}, page_count{450}};
    for (std::uint64_t p = 9048; p >= 8600; --p) ASSERT_TRUE(m.touch(stack, p));
    EXPECT_EQ(m.runs(), 1U);
}

TEST(ca_growth, headroom_ends_at_a_boundary_behind_which_no_single_frame_settles) {
    machine m(16 * 512);
    area heap = heap_of(700, 100);
    ASSERT_TRUE(m.touch(heap, 700));
    const pfn end = m.piece_of(700).where.frames().end();
    EXPECT_TRUE(is_aligned(end, superpage_order));
    m.occupy(15 * 512 + 1);  // a broken 2 MiB for single frames
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(m.policy.allocate_table());
    EXPECT_TRUE(m.frames.is_free(end, superpage_order)) << "the heap can grow on";
    heap.pages.count = page_count{2000};
    m.touch_all({{vpn{701}, page_count{1999}}, 1, true});
    EXPECT_EQ(m.runs(), 1U);
}

TEST(ca_growth, an_area_that_grows_down_has_its_cluster_below_it) {
    machine m(16 * 512);
    area arena = stack_of(100 * 512, 100);
    for (int step = 0; step < 60; ++step) {  // as malloc maps one arena below the other
        for (vpn p = arena.pages.first; p < arena.pages.first + page_count{100}; p += page_count{1}) {
            ASSERT_TRUE(m.touch(arena, p.raw));
        }
        arena.pages = {arena.pages.first - page_count{100}, arena.pages.count + page_count{100}};
    }
    EXPECT_EQ(m.runs(), 1U);
}

TEST(ca_growth, growth_is_seen_on_the_side_that_nobody_foretold) {
    machine m(32 * 512);
    m.occupy_superpages({3, 20});  // free: 3, 16 and 11 superpages
    area map = heap_of(100 * 512, 300);
    m.touch_all(map);
    for (int step = 0; step < 20; ++step) {  // neighbours below are one area with it
        map.pages = {map.pages.first - page_count{200}, map.pages.count + page_count{200}};
        for (std::uint64_t i = 0; i < 200; ++i) ASSERT_TRUE(m.touch(map, map.pages.first.raw + i));
        ASSERT_TRUE(m.policy.allocate_table());
    }
    EXPECT_LE(m.runs(), 2U);
}

TEST(ca_growth, growth_that_hits_a_wall_continues_in_the_longest_run) {
    machine m(16 * 512);
    m.occupy_superpages({2, 5});  // free: 2, 2 and 10 superpages
    area heap = heap_of(512, 512);
    ASSERT_EQ(m.touch(heap, 512), pfn{0}) << "with its headroom it fits the shortest run";
    m.touch_all({{vpn{513}, page_count{511}}, 1, true});
    heap.pages.count = page_count{1024 + 64};
    for (std::uint64_t p = 1024; p < 512 + 1024 + 64; ++p) ASSERT_TRUE(m.touch(heap, p));
    EXPECT_EQ(m.piece_of(1536).target(vpn{1536}), pfn{6 * 512}) << "past the wall: not the run of 2 superpages";
    EXPECT_EQ(m.runs(), 2U);
}

// ------------------------------------------------------------------------------- neighbours

TEST(ca_growth, a_new_neighbour_above_continues_the_run_below_it) {
    machine m(8192);
    const area a = area_of(1000, 300);
    m.touch_all(a);
    const area b = area_of(1300, 200);
    m.touch_all(b);
    EXPECT_EQ(m.runs(), 1U);
    EXPECT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.policy.counters().placements, 1U) << "extension is no new placement";
}

TEST(ca_growth, a_new_neighbour_below_continues_the_run_above_it) {
    machine m(8192);
    m.occupy(0, order{10});  // so that frames below the first placement exist
    const area a = area_of(5000, 300);
    m.touch_all(a);
    const area b = area_of(4900, 100);
    m.touch_all(b);
    EXPECT_EQ(m.runs(), 1U);
    EXPECT_EQ(m.piece_count(), 1U);
}

TEST(ca_growth, a_neighbour_that_fits_only_partly_is_placed_on_its_own) {
    machine m(8192);
    const area a = area_of(1024, 512);
    const pfn first = *m.touch(a, 1024);
    m.occupy(first.raw + 512 + 100);
    const area b = area_of(1536, 300);
    m.touch_all(b);
    EXPECT_EQ(m.runs(), 2U) << "a part beside its neighbour would make three";
}

TEST(ca_growth, pages_between_two_pieces_of_one_area_fill_the_gap) {
    machine m(8192);
    const area a = area_of(0, 1500);
    m.touch_all(a);
    m.unmap(a, 400, 100);
    for (std::uint64_t p = 499; p >= 400; --p) ASSERT_TRUE(m.touch(a, p));
    EXPECT_EQ(m.runs(), 1U);
}

TEST(ca_growth, an_area_with_superpages_does_not_continue_a_run_whose_offset_cannot_hold_them) {
    machine m(8192);
    for (std::uint64_t f = 550; f < 8192; f += 100) m.occupy(f);
    const area small = area_of(600, 550);  // has no superpage and fits no run with a congruent offset
    ASSERT_EQ(m.touch(small, 600), pfn{0});
    for (std::uint64_t f = 550; f < 8192; f += 100) m.frames.free(pfn{f}, base_order);
    const area large = area_of(1150, 2000);
    const auto got = m.touch(large, 1536, superpage_order);
    ASSERT_TRUE(got);
    for (const std::uint64_t page : {2560U, 2048U}) {
        EXPECT_EQ(m.touch(large, page, superpage_order), *got + page_count{page - 1536});
    }
    EXPECT_EQ(m.policy.counters().ordinary, 0U);
}

}  // namespace
}  // namespace longreach
