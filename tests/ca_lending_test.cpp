// SPDX-License-Identifier: MIT
// What CA paging lends where memory is short: frames promised to areas, to page tables and others. Who lends which
// frame, what becomes of it when it comes back, and what is lent of the room that areas have for growth.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <optional>
#include <vector>

#include "ca_machine.hpp"

namespace longreach {
namespace {

// ------------------------------------------------------------------------------- when, and to whom it returns

TEST(ca_lending, ordinary_allocations_avoid_promised_frames_until_memory_is_short) {
    machine m(4096);
    const area a = area_of(0, 1024);
    const pfn first = *m.touch(a, 0);
    const frame_run promised{first, page_count{1024}};
    for (std::uint64_t i = 0; i < 4096 - 1024; ++i) {
        const auto table = m.policy.allocate_table();
        ASSERT_TRUE(table && !promised.contains(*table));
    }
    const auto lent = m.policy.allocate_table();
    ASSERT_TRUE(lent && promised.contains(*lent));
}

TEST(ca_lending, nothing_is_lent_while_a_frame_is_left_that_nobody_was_promised) {
    machine m(4096);
    ASSERT_TRUE(m.touch(area_of(0, 2048), 0));
    const frame_run promised = m.piece_of(0).where.frames();
    for (int i = 0; i < 2048; ++i) {
        const auto got = m.policy.allocate_table();
        ASSERT_TRUE(got);
        ASSERT_FALSE(promised.contains(*got));
    }
    EXPECT_TRUE(promised.contains(*m.policy.allocate_table()));
}

TEST(ca_lending, a_lent_frame_that_is_freed_is_promised_again_and_given_to_its_page) {
    machine m(1024);
    const area a = area_of(0, 512);
    ASSERT_EQ(m.touch(a, 0), pfn{0});
    std::vector<pfn> tables;
    for (int i = 0; i < 513; ++i) tables.push_back(*m.policy.allocate_table());
    const pfn lent = tables.back();
    ASSERT_LT(lent, pfn{512});
    m.policy.free_table(lent);
    EXPECT_EQ(m.frames.unreserved_frames(), page_count{0});
    EXPECT_EQ(m.touch(a, lent.raw), lent);
}

TEST(ca_lending, a_frame_lent_while_its_piece_was_cut_may_come_back_and_be_taken) {
    machine m(10);
    const area a = area_of(0, 10);
    for (std::uint64_t page = 0; page < 9; ++page) ASSERT_EQ(m.touch(a, page), pfn{page});
    const auto table = m.policy.allocate_table();
    ASSERT_EQ(table, pfn{9});
    m.unmap(a, 0, 1);  // the piece of nine frames that stays holds the lent one
    EXPECT_EQ(m.piece_of(9).taken, 8U) << "the lent frame is not its own";
    m.policy.free_table(*table);
    EXPECT_EQ(m.touch(a, 9), pfn{9});
    EXPECT_LE(m.piece_of(9).taken, 9U);
}

TEST(ca_lending, blocks_larger_than_a_superpage_are_had_from_promised_memory_too) {
    machine m(4096);
    ASSERT_TRUE(m.touch(area_of(0, 4096), 0));
    EXPECT_EQ(m.frames.unreserved_frames(), page_count{0});
    EXPECT_TRUE(m.policy.allocate_anywhere(order{10}).has_value());
}

// ------------------------------------------------------------------------------- who lends

/// Three areas of 1024 pages fill a memory of 3072 frames; only their first pages are touched, in this order.
struct lenders : machine {
    lenders() : machine(3072) {
        for (const std::uint64_t first : {2048U, 0U, 4096U}) touch(area_of(first, 1024), first);
    }
    const piece<vpn, pfn>& lender_of(pfn frame) const {
        for (const std::uint64_t page : {0U, 2048U, 4096U}) {
            if (piece_of(page).where.frames().contains(frame)) return piece_of(page);
        }
        return piece_of(0);
    }
    /// The page that the lent frame was promised to.
    vpn page_of(pfn lent) const {
        const mapping<vpn, pfn>& lender = lender_of(lent).where;
        return lender.pages.first + (lent - lender.frame);
    }
};

TEST(ca_lending, promised_frames_are_lent_by_the_piece_whose_last_allocation_is_longest_ago) {
    lenders m;
    ASSERT_EQ(m.frames.unreserved_frames(), page_count{0});
    EXPECT_EQ(m.lender_of(*m.policy.allocate_table()).where.pages.first, vpn{2048});
    ASSERT_TRUE(m.touch(area_of(2048, 1024), 2049));
    EXPECT_EQ(m.lender_of(*m.policy.allocate_anywhere(superpage_order)).where.pages.first, vpn{0}) << "not 2048";
    EXPECT_EQ(m.lender_of(*m.policy.allocate_table()).where.pages.first, vpn{0});
    ASSERT_TRUE(m.touch(area_of(0, 1024), 100));
    EXPECT_EQ(m.lender_of(*m.policy.allocate_table()).where.pages.first, vpn{4096});
    EXPECT_FALSE(m.policy.audit());
}

TEST(ca_lending, a_lent_frame_that_comes_back_is_promised_as_before) {
    lenders m;
    const page_count promised = m.frames.count_reserved_in(m.frames.managed());
    const pfn lent = *m.policy.allocate_table();
    m.policy.free_table(lent);
    EXPECT_EQ(m.frames.count_reserved_in(m.frames.managed()), promised);
    EXPECT_EQ(m.frames.unreserved_frames(), page_count{0});
    const vpn page = m.page_of(lent);
    EXPECT_EQ(m.touch(area_of(2048, 1024), page.raw), lent) << "and its page gets it";
    EXPECT_EQ(m.policy.counters().target_refusals, 0U);
}

TEST(ca_lending, a_lent_frame_in_use_stays_with_its_borrower_and_only_its_page_goes_elsewhere) {
    lenders m;
    const pfn lent = *m.policy.allocate_table();
    const vpn page = m.page_of(lent);
    const auto got = m.touch(area_of(2048, 1024), page.raw);
    ASSERT_TRUE(got);
    EXPECT_NE(*got, lent);
    EXPECT_FALSE(m.frames.is_free(lent, base_order));
    EXPECT_EQ(m.touch(area_of(2048, 1024), page.raw - 2), lent - page_count{2});
}

// ------------------------------------------------------------------------------- which frames

/// Takes what is promised to nobody.
void use_up_the_rest(machine& m) {
    while (m.frames.allocate_unreserved(base_order)) {
    }
}

TEST(ca_lending, a_piece_lends_what_its_pages_will_want_last) {
    for (const std::uint64_t count : {std::uint64_t{400}, std::uint64_t{1024}}) {
        machine m(2048);
        const area a = area_of(0, count);
        for (std::uint64_t page = 0; page < count / 2 + 1; ++page) ASSERT_TRUE(m.touch(a, page));
        const frame_run all = m.piece_of(0).where.frames();
        use_up_the_rest(m);
        for (std::uint64_t n = 1; n <= 6; ++n) EXPECT_EQ(m.policy.allocate_table(), all.end() - page_count{n});
        for (std::uint64_t page = count / 2 + 1; page < count / 2 + 21; ++page) ASSERT_TRUE(m.touch(a, page));
        EXPECT_EQ(m.runs(), 1U);
    }
}

TEST(ca_lending, a_stack_lends_from_its_room_below_and_grows_on_in_one_run) {
    machine m(2048);
    const area stack = stack_of(99900, 100);
    for (std::uint64_t page = 99999; page >= 99950; --page) ASSERT_TRUE(m.touch(stack, page));
    const pfn lowest = m.piece_of(99999).where.frame;
    use_up_the_rest(m);
    EXPECT_EQ(m.policy.allocate_table(), lowest);
    for (std::uint64_t page = 99949; page >= 99930; --page) ASSERT_TRUE(m.touch(stack, page));
    EXPECT_EQ(m.runs(), 1U);
}

TEST(ca_lending, copying_one_page_leaves_the_pages_before_it_counted) {
    machine m(2048);
    const area a = area_of(0, 1024);
    for (std::uint64_t page = 0; page < 10; ++page) ASSERT_TRUE(m.touch(a, page));
    const frame_run all = m.piece_of(0).where.frames();
    use_up_the_rest(m);
    std::optional<pfn> outside;
    while (const std::optional<pfn> lent = m.policy.allocate_table()) outside = lent;
    ASSERT_TRUE(outside && all.contains(*outside));
    m.policy.free_table(all.end() - page_count{1});
    ASSERT_TRUE(m.touch(a, 9)) << "a copy, to the only frame that is left";
    EXPECT_EQ(m.piece_of(0).taken, 9U);
}

// ------------------------------------------------------------------------------- room for growth

/// An area that may grow, whose first pages are touched; then every frame that is left is borrowed as a page table.
struct lent_room : machine {
    lent_room(std::uint64_t frames_count, const area& growing, std::uint64_t touched)
        : machine(frames_count), grown(growing) {
        for (std::uint64_t i = 0; i < touched; ++i) EXPECT_TRUE(touch(grown, grown.pages.first.raw + i));
        while (const auto table = policy.allocate_table()) lent.push_back(*table);
    }
    lent_room(std::uint64_t frames_count, const area& growing)
        : lent_room(frames_count, growing, growing.pages.count.raw) {}

    void bring_back() {
        for (const pfn one : lent) policy.free_table(one);
    }
    void expect_no_promise() const {
        EXPECT_EQ(piece_count(), 0U);
        EXPECT_EQ(frames.unreserved_frames(), frames.managed().count);
    }

    area grown;
    std::vector<pfn> lent;
};

TEST(ca_lending, headroom_that_was_lent_when_its_area_went_is_promised_no_more) {
    lent_room m(1024, heap_of(0, 100), 1);
    ASSERT_EQ(m.lent.size(), 1023U);
    m.unmap(m.grown, 0, 100);
    m.bring_back();
    m.expect_no_promise();
}

TEST(ca_lending, lent_headroom_goes_though_its_area_went_in_parts_and_from_the_middle) {
    lent_room m(4096, heap_of(0, 100));
    m.unmap(m.grown, 40, 20);
    EXPECT_EQ(m.piece_of(0).taken, 40U);
    EXPECT_EQ(m.piece_of(60).taken, 40U) << "two sides: its own pages, and those beside lent frames";
    m.unmap(m.grown, 60, 40);
    m.unmap(m.grown, 0, 40);
    m.bring_back();
    m.expect_no_promise();
}

TEST(ca_lending, lent_room_below_a_stack_goes_with_it_and_its_pages_keep_their_place_until_then) {
    lent_room m(4096, stack_of(100000, 100));
    m.unmap(m.grown, 100000, 50);
    EXPECT_EQ(m.piece_of(100050).taken, 50U);
    EXPECT_EQ(m.piece_count(), 1U) << "nothing lies before it";
    m.unmap(m.grown, 100050, 50);
    m.bring_back();
    m.expect_no_promise();
}

TEST(ca_lending, lent_room_for_growth_goes_when_its_touched_area_moves_away) {
    lent_room m(4096, heap_of(512, 100));
    m.policy.move(1, m.grown.pages, vpn{512 * 50});
    m.bring_back();
    EXPECT_FALSE(m.policy.audit());
    ASSERT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.policy.pieces()[0].where.pages, (run<vpn>{vpn{512 * 50}, page_count{100}}));
    EXPECT_EQ(m.policy.pieces()[0].taken, 100U);
    EXPECT_EQ(m.frames.unreserved_frames(), m.frames.free_frames());
}

TEST(ca_lending, a_page_that_was_copied_away_is_not_counted_where_lent_frames_are) {
    lent_room m(1024, heap_of(0, 10));
    m.policy.free_table(m.lent.front());
    ASSERT_TRUE(m.touch(m.grown, 5)) << "its old frame stays with a forked copy";
    EXPECT_EQ(m.piece_of(0).taken, 5U);
    EXPECT_EQ(m.piece_of(6).taken, 4U);
}

// The part that moves has only lent frames: what stays behind keeps its place, and its pages counted.
TEST(ca_lending, a_part_without_pages_that_moves_away_leaves_the_pages_counted_where_they_are) {
    lent_room m(1024, area_of(0, 1024), 100);
    m.policy.move(1, {vpn{512}, page_count{512}}, vpn{51200});
    ASSERT_EQ(m.piece_of(0).where.pages, (run<vpn>{vpn{0}, page_count{512}}));
    EXPECT_EQ(m.piece_of(0).taken, 100U);
    EXPECT_EQ(m.piece_of(51200).taken, 0U);
}

// A forked child still holds the frames of the pages that go, so nobody frees them, and every frame of the room is
// lent.
TEST(ca_lending, room_is_promised_no_more_when_an_area_goes_whose_frames_a_child_holds) {
    lent_room m(1024, heap_of(0, 100));
    m.policy.release(1, {vpn{90}, page_count{10}});
    m.policy.release(1, {vpn{0}, page_count{90}});
    EXPECT_EQ(m.piece_count(), 0U);
}

}  // namespace
}  // namespace longreach
