// SPDX-License-Identifier: MIT
// The rules of CA paging one by one: where a first fault places an area, what later faults get, what happens when
// frames are lost, when memory or records run short. Growth, release and lending have files of their own.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <map>
#include <numeric>
#include <random>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ca_machine.hpp"

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a policy to break what its audit must notice.
struct ca_paging_corruption {
    static piece<vpn, pfn>& piece_at(ca_paging<vpn, pfn>& policy, std::size_t i) { return policy.pieces_[i]; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

bool congruent(vpn page, pfn frame) { return page.raw % 512 == frame.raw % 512; }

// ------------------------------------------------------------------------------- the first fault

TEST(ca_paging, the_first_fault_places_the_whole_area_in_one_run_congruent_modulo_2_Mi_b) {
    machine m(8192);
    const area a = area_of(1000, 3000);
    const auto got = m.touch(a, 1234);
    ASSERT_TRUE(got);
    ASSERT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.piece_of(1234).where.pages, a.pages);
    EXPECT_TRUE(congruent(vpn{1234}, *got));
    EXPECT_EQ(m.frames.count_reserved_in(m.piece_of(1234).where.frames()), a.pages.count);
    EXPECT_EQ(m.policy.counters().placements, 1U);
}

TEST(ca_paging, every_later_fault_gets_exactly_its_target) {
    machine m(8192);
    const area a = area_of(1000, 3000);
    const pfn first = *m.touch(a, 2500) - page_count{1500};
    for (std::uint64_t page = 1000; page < 4000; page += 7) {
        if (page != 2500) {
            ASSERT_EQ(m.touch(a, page), first + page_count{page - 1000});
        }
    }
    EXPECT_EQ(m.policy.counters().placements, 1U);
    EXPECT_EQ(m.policy.counters().target_refusals, 0U);
    EXPECT_EQ(m.policy.counters().ordinary, 0U);
}

TEST(ca_paging, faults_of_4_Ki_b_and_2_Mi_b_form_one_run) {
    machine m(8192);
    const area a = area_of(900, 2400);  // a head of 124 pages, 4 superpages, a tail of 228
    for (std::uint64_t page = 900; page < 1024; ++page) ASSERT_TRUE(m.touch(a, page));
    for (std::uint64_t page = 3072; page < 3300; ++page) ASSERT_TRUE(m.touch(a, page));
    for (std::uint64_t page = 1024; page < 3072; page += 512) ASSERT_TRUE(m.touch(a, page, superpage_order));
    EXPECT_EQ(m.runs(), 1U);
}

TEST(ca_paging, any_order_of_touch_gives_the_same_run) {
    for (const int shape : {0, 1, 2}) {  // forward, backward, random
        machine m(4096);
        const area a = area_of(5000, 700);
        std::vector<std::uint64_t> pages(700);
        std::iota(pages.begin(), pages.end(), 5000U);
        if (shape == 1) std::reverse(pages.begin(), pages.end());
        if (shape == 2) std::shuffle(pages.begin(), pages.end(), std::mt19937(4));
        for (const std::uint64_t page : pages) ASSERT_TRUE(m.touch(a, page));
        EXPECT_EQ(m.runs(), 1U);
        EXPECT_EQ(m.piece_of(5000).taken, 700U);
    }
}

TEST(ca_paging, the_shortest_run_that_holds_the_area_is_taken) {
    machine m(16 * 512);
    m.occupy_superpages({3, 6, 11});  // free: 3, 2, 4 and 4 superpages
    const area a = area_of(512, 1024);
    EXPECT_EQ(m.touch(a, 512), pfn{4 * 512});
}

TEST(ca_paging, a_small_area_lies_across_no_more_than_one_run_even_where_its_start_is_not_aligned) {
    for (const std::uint64_t first : {1U, 511U, 513U, 1023U}) {
        for (const std::uint64_t count : {1U, 2U, 511U, 512U, 513U, 1023U}) {
            machine m(4096, 77);
            const area a = area_of(first, count);
            m.touch_all(a);
            EXPECT_EQ(m.runs(), 1U) << first << " +" << count;
        }
    }
}

TEST(ca_paging, an_area_without_superpages_takes_any_offset_where_no_congruent_run_is_left) {
    machine m(600, 0);
    const area a = area_of(600, 550);  // no aligned 2 MiB inside; congruent it would need frames 88 to 638
    EXPECT_EQ(m.touch(a, 600), pfn{0});
    m.touch(a, 1149);
    EXPECT_EQ(m.piece_count(), 1U);
}

// ------------------------------------------------------------------------------- in pieces

TEST(ca_paging, an_area_of_at_most_five_eighths_of_free_memory_gets_all_its_pieces_at_once_longest_first) {
    machine m(16 * 512);
    m.occupy_superpages({3, 6, 9, 12});  // free: 3, 2, 2, 2 and 3 superpages, 6144 frames
    const area a = area_of(512, 5 * 512);
    ASSERT_TRUE(m.touch(a, 512, superpage_order));
    ASSERT_EQ(m.piece_count(), 2U) << "3 and 2";
    EXPECT_EQ(m.piece_of(512).where.pages.count, page_count{3 * 512});
    EXPECT_EQ(m.piece_of(4 * 512).where.frames(), (frame_run{pfn{4 * 512}, page_count{1024}}));
    for (std::uint64_t n : {3U, 5U, 2U, 4U}) ASSERT_TRUE(m.touch(a, n * 512, superpage_order));
    EXPECT_EQ(m.runs(), 2U);
    EXPECT_EQ(m.policy.counters().placements, 2U);
    EXPECT_EQ(m.policy.counters().target_refusals, 0U);
}

TEST(ca_paging, an_area_of_a_little_more_than_half_the_free_memory_is_planned_as_a_whole) {
    machine m(16 * 512);
    m.occupy_superpages({3, 6, 9, 12});
    const area a = area_of(512, 7 * 512);  // 3584 of 6144 free frames
    ASSERT_TRUE(m.touch(a, 4 * 512, superpage_order));
    EXPECT_EQ(m.piece_count(), 3U) << "3, 3 and 1";
    for (const std::uint64_t n : {7U, 2U, 5U, 1U, 6U, 3U}) ASSERT_TRUE(m.touch(a, n * 512, superpage_order));
    EXPECT_EQ(m.runs(), 3U);
}

TEST(ca_paging, a_larger_area_gets_one_piece_at_a_time_from_the_superpage_of_the_fault_on) {
    machine m(16 * 512);
    m.occupy_superpages({3, 6, 9, 12});
    const area a = area_of(512, 8 * 512);  // 4096 of 6144 free frames
    ASSERT_TRUE(m.touch(a, 5 * 512 + 100));
    ASSERT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.piece_of(5 * 512).where.pages, (run<vpn>{vpn{5 * 512}, page_count{3 * 512}}));
    EXPECT_EQ(m.frames.unreserved_frames(), page_count{6144 - 3 * 512}) << "the rest is left to others";
}

TEST(ca_paging, pieces_break_at_superpages_so_that_none_is_lost) {
    machine m(8 * 512 + 300);
    m.occupy(3 * 512 + 200);  // runs of 1736 and 2659 frames
    const area a = area_of(512, 4 * 512);
    for (std::uint64_t n = 1; n < 5; ++n) ASSERT_TRUE(m.touch(a, n * 512, superpage_order));
    EXPECT_EQ(m.runs(), 1U);
    const area b{{vpn{100 * 512}, page_count{4 * 512}}, 2};
    for (std::uint64_t n = 100; n < 103; ++n) ASSERT_TRUE(m.touch(b, n * 512, superpage_order));
    EXPECT_EQ(m.runs(2), 1U) << "three superpages of the first run";
}

TEST(ca_paging, an_area_larger_than_memory_uses_all_of_it) {
    machine m(2048);
    const area a = area_of(512, 100 * 512);
    std::size_t given = 0;
    for (std::uint64_t page = 10 * 512; page < 10 * 512 + 3000; ++page) given += m.touch(a, page).has_value();
    EXPECT_EQ(given, 2048U);
    EXPECT_EQ(m.runs(), 1U);
    EXPECT_EQ(m.frames.free_frames(), page_count{0});
}

TEST(ca_paging, a_fault_that_finds_no_block_leaves_every_place_as_it_was) {
    machine m(1536);
    const area a = area_of(0, 1536);
    ASSERT_TRUE(m.touch(a, 0));
    m.occupy(700);
    m.occupy(1300);
    const page_count promised = m.frames.count_reserved_in(m.frames.managed());
    const std::uint64_t refusals = m.policy.counters().target_refusals;
    EXPECT_FALSE(m.touch(a, 512, superpage_order));
    EXPECT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.piece_of(0).where.pages.count, page_count{1536});
    EXPECT_EQ(m.frames.count_reserved_in(m.frames.managed()), promised);
    EXPECT_EQ(m.policy.counters().target_refusals, refusals);
    EXPECT_EQ(m.touch(a, 512), m.piece_of(0).target(vpn{512}));
}

TEST(ca_paging, a_memory_of_one_frame_serves_one_fault) {
    machine m(1, 1000);
    const area a = area_of(7, 1100);
    EXPECT_FALSE(m.touch(a, 512, superpage_order));
    EXPECT_EQ(m.touch(a, 9), pfn{1000});
    EXPECT_FALSE(m.touch(a, 10));
    m.drop(a, 9);
    EXPECT_EQ(m.touch(a, 10), pfn{1000});
}

TEST(ca_paging, backward_touch_of_an_area_larger_than_half_the_memory_begins_no_run_each_time) {
    machine m(40 * 512);
    m.occupy_superpages({10, 20, 30});
    const area a = area_of(0, 30 * 512);
    for (std::uint64_t n = 30; n-- > 0;) ASSERT_TRUE(m.touch(a, n * 512, superpage_order));
    EXPECT_LE(m.runs(), 5U);
}

TEST(ca_paging, where_no_superpage_is_left_pieces_use_the_whole_of_a_run) {
    machine m(64 * 512);
    for (std::uint64_t n = 0; n < 64; ++n) m.occupy(n * 512 + 200);  // runs of 511 frames, none with 2 MiB
    const area a = area_of(0, 4096);
    m.touch_all(a);
    EXPECT_LE(m.runs(), 10U) << "8 of 511 frames and a rest of 8";
}

TEST(ca_paging, pages_that_a_forked_child_copies_lie_in_one_run) {
    machine m(8192);
    const area a = area_of(1000, 600);
    std::map<std::uint64_t, pfn> copies;
    struct all_mapped {
        vpn first_mapped(run<vpn> pages) const { return pages.first; }
    };
    for (std::uint64_t p = 1599; p >= 1000; --p) {
        const auto got = m.policy.allocate(placement_request<vpn>{2, vpn{p}, base_order, a.pages}, all_mapped{});
        ASSERT_TRUE(got);
        copies[p] = *got;
    }
    EXPECT_EQ(copies[1599] - copies[1000], page_count{599});
    EXPECT_FALSE(m.policy.audit());
}

// ------------------------------------------------------------------------------- a lost target

TEST(ca_paging, a_refused_target_replaces_only_the_part_whose_frames_are_lost) {
    machine m(8192);
    const area a = area_of(0, 2048);
    ASSERT_EQ(m.touch(a, 0), pfn{0});
    for (std::uint64_t f = 600; f < 610; ++f) m.occupy(f);
    const auto got = m.touch(a, 600);
    ASSERT_TRUE(got);
    EXPECT_NE(*got, pfn{600});
    EXPECT_EQ(m.policy.counters().target_refusals, 1U);
    EXPECT_EQ(m.policy.counters().replacements, 1U);
    EXPECT_EQ(m.policy.counters().placements, 1U);
    m.touch_all({{vpn{1}, page_count{599}}});
    m.touch_all({{vpn{601}, page_count{2048 - 601}}});
    EXPECT_EQ(m.runs(), 3U) << "before, ten lost pages, after";
    EXPECT_EQ(m.piece_of(610).target(vpn{610}), pfn{610});
    EXPECT_EQ(m.policy.counters().target_refusals, 1U) << "all ten were replaced at the first";
}

TEST(ca_paging, the_lost_part_ends_at_a_page_that_is_mapped) {
    machine m(8192);
    const area a = area_of(0, 1000);
    for (const std::uint64_t page : {0U, 505U}) ASSERT_TRUE(m.touch(a, page));
    for (std::uint64_t f = 500; f < 510; ++f) {
        if (f != 505) m.occupy(f);
    }
    ASSERT_TRUE(m.touch(a, 500));
    EXPECT_EQ(m.piece_of(500).where.pages, (run<vpn>{vpn{500}, page_count{5}}));
    EXPECT_EQ(m.piece_of(505).target(vpn{505}), pfn{505});
}

TEST(ca_paging, a_superpage_whose_target_is_broken_goes_elsewhere_as_a_superpage) {
    machine m(8192);
    const area a = area_of(512, 4 * 512);
    const pfn first = *m.touch(a, 512, superpage_order);
    m.occupy(first.raw + 1024 + 3);
    const auto got = m.touch(a, 512 + 1024, superpage_order);
    ASSERT_TRUE(got && is_aligned(*got, superpage_order));
    EXPECT_EQ(m.touch(a, 512 + 1536, superpage_order), first + page_count{1536}) << "the rest stays where it was";
}

TEST(ca_paging, a_superpage_fault_is_refused_and_changes_no_frame_where_no_2_Mi_b_are_whole) {
    machine m(2048);
    for (const std::uint64_t f : {100U, 600U, 1100U, 1600U}) m.occupy(f);
    const area a = area_of(512, 1024);
    EXPECT_FALSE(m.touch(a, 512, superpage_order));
    EXPECT_EQ(m.frames.free_frames(), page_count{2044});
    for (std::uint64_t page = 512; page < 1536; ++page) ASSERT_TRUE(m.touch(a, page)) << "4 KiB pages instead";
    EXPECT_LE(m.runs(), 5U) << "about one per free run";
}

// ------------------------------------------------------------------------------- promises and records

TEST(ca_paging, placements_of_other_areas_avoid_promised_frames) {
    machine m(4096);
    const area a = area_of(0, 1024);
    const area b{{vpn{0}, page_count{1024}}, 2};
    for (std::uint64_t page = 0; page < 1024; ++page) {  // page by page in turn
        ASSERT_TRUE(m.touch(a, page));
        ASSERT_TRUE(m.touch(b, page));
    }
    EXPECT_EQ(m.runs(1), 1U);
    EXPECT_EQ(m.runs(2), 1U);
}

TEST(ca_paging, areas_beyond_what_the_buddy_can_promise_may_want_the_same_frames_and_each_gets_its_own) {
    machine m(64 * 512, 0, 200);
    std::vector<area> areas;
    for (std::uint64_t i = 0; i < 60; ++i) areas.push_back(area_of(100 + i * 1024, 10));  // each partly covers a child
    for (const area& a : areas) ASSERT_TRUE(m.touch(a, a.pages.first.raw));
    ASSERT_FALSE(m.frames.kept_every_promise());
    for (std::uint64_t i = 0; i < 60; ++i) {
        areas.push_back(area_of(101 + (100 + i) * 1024, 9));
        ASSERT_TRUE(m.touch(areas.back(), areas.back().pages.first.raw));
    }
    for (const area& a : areas) {
        for (std::uint64_t p = a.pages.first.raw + 1; p < a.pages.end().raw; ++p) ASSERT_TRUE(m.touch(a, p));
    }
}

TEST(ca_paging, without_record_memory_a_piece_whose_frames_are_all_taken_goes_first) {
    machine m(4096, 0, 3);
    const area oldest = area_of(0, 100);
    const area taken = area_of(1000, 5);
    const area third = area_of(2000, 100);
    ASSERT_TRUE(m.touch(oldest, 0));
    m.touch_all(taken);
    ASSERT_TRUE(m.touch(third, 2000));
    ASSERT_TRUE(m.touch(area_of(3000, 100), 3000));
    EXPECT_EQ(m.piece_count(), 3U);
    EXPECT_TRUE(m.piece_of(0).where.pages.contains(vpn{0}));
    EXPECT_FALSE(m.policy.pieces().holds(m.policy.pieces().position(1, vpn{1000}), 1, vpn{1000}));
}

TEST(ca_paging, where_no_piece_is_all_taken_the_oldest_goes_and_its_frames_are_promised_no_more) {
    machine m(4096, 0, 2);
    ASSERT_TRUE(m.touch(area_of(5000, 100), 5000));
    ASSERT_TRUE(m.touch(area_of(1000, 100), 1000));
    ASSERT_TRUE(m.touch(area_of(3000, 100), 3000));
    EXPECT_EQ(m.piece_count(), 2U);
    EXPECT_FALSE(m.policy.pieces().holds(m.policy.pieces().position(1, vpn{5000}), 1, vpn{5000}));
    EXPECT_TRUE(m.piece_of(1000).where.pages.contains(vpn{1000}));
    EXPECT_TRUE(m.piece_of(3000).where.pages.contains(vpn{3000}));
    EXPECT_EQ(m.frames.count_reserved_in(m.frames.managed()), page_count{200});
}

TEST(ca_paging, with_room_for_one_piece_every_fault_is_still_served) {
    machine m(4096, 0, 1);
    std::size_t given = 0;
    for (std::uint64_t i = 0; i < 2000; ++i)
        given += m.touch(area_of(i % 7 * 1000, 800), i % 7 * 1000 + i / 7).has_value();
    EXPECT_EQ(given, 2000U);
}

// ------------------------------------------------------------------------------- spaces and kinds of frame

TEST(ca_paging, two_spaces_with_equal_pages_share_nothing) {
    machine m(8192);
    const area a = area_of(1000, 700);
    const area b{{vpn{1000}, page_count{700}}, 2};
    m.touch_all(a);
    m.touch_all(b);
    m.unmap(a, 1000, 700);
    EXPECT_EQ(m.runs(2), 1U);
    EXPECT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.frames.free_frames(), page_count{8192 - 700});
}

TEST(ca_paging, page_tables_are_ordinary_frames) {
    machine m(1024);
    const auto table = m.policy.allocate_table();
    ASSERT_TRUE(table);
    m.policy.free_table(*table);
    EXPECT_EQ(m.frames.free_frames(), page_count{1024});
    EXPECT_EQ(m.piece_count(), 0U);
}

TEST(ca_paging, a_guest_places_guest_frames_and_its_host_places_host_frames) {
    static_assert(placement_policy<ca_paging<vpn, gfn>> && placement_policy<ca_paging<gfn, pfn>>);
    static_assert(!std::is_same_v<ca_paging<vpn, gfn>, ca_paging<gfn, pfn>>);
}

// ------------------------------------------------------------------------------- audits

struct two_pieces : machine {
    two_pieces() : machine(8192) {
        touch(area_of(1000, 100), 1000);
        touch(area_of(5000, 100), 5000);
    }
    piece<vpn, pfn>& piece_at(std::size_t i) { return ca_paging_corruption::piece_at(policy, i); }
};

TEST(ca_paging, audit_finds_pieces_out_of_order_or_sharing_a_page_I1) {
    two_pieces shared;
    shared.piece_at(0).where.pages.first = vpn{4950};
    EXPECT_EQ(shared.policy.audit().label, std::string_view("ca_paging.I1"));
    two_pieces swapped;
    swapped.piece_at(0).space = 2;
    EXPECT_EQ(swapped.policy.audit().label, std::string_view("ca_paging.I1"));
}

TEST(ca_paging, audit_finds_pieces_that_share_a_frame_or_leave_the_zone_I2) {
    two_pieces shared;
    shared.piece_at(1).where.frame = shared.piece_at(0).where.frame + page_count{99};
    EXPECT_EQ(shared.policy.audit().label, std::string_view("ca_paging.I2"));
    two_pieces foreign;
    foreign.piece_at(1).where.frame = pfn{8192 - 50};
    EXPECT_EQ(foreign.policy.audit().label, std::string_view("ca_paging.I2"));
}

TEST(ca_paging, audit_finds_an_empty_piece_and_one_that_took_more_than_it_has_I3) {
    two_pieces empty;
    empty.piece_at(0).where.pages.count = page_count{0};
    EXPECT_EQ(empty.policy.audit().label, std::string_view("ca_paging.I3"));
    two_pieces greedy;
    greedy.piece_at(1).taken = 101;
    EXPECT_EQ(greedy.policy.audit().label, std::string_view("ca_paging.I3"));
}

TEST(ca_paging, audit_finds_a_promise_that_no_piece_accounts_for_I4) {
    two_pieces m;
    m.frames.reserve({pfn{7000}, page_count{1}});
    EXPECT_EQ(m.policy.audit().label, std::string_view("ca_paging.I4"));
}

}  // namespace
}  // namespace longreach
