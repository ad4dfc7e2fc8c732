// SPDX-License-Identifier: MIT
// Eager paging by example: what the first request of an area takes, what later ones get, growth, release, moves and
// forks, memory and pieces that run short, superpages, and every invariant broken on purpose.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/eager.hpp>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a policy to break what its audit must notice.
struct eager_corruption {
    static piece<vpn, pfn>& piece_at(eager<vpn, pfn>& policy, std::size_t i) { return policy.pieces_[i]; }
    static page_count& held(eager<vpn, pfn>& policy) { return policy.held_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using policy_type = eager<vpn, pfn>;
static_assert(placement_policy<policy_type> && placement_policy<eager<vpn, gfn>> && placement_policy<eager<gfn, pfn>>);

constexpr page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

struct eager_machine {
    explicit eager_machine(std::uint64_t count, std::size_t pieces = 64, std::uint64_t first = 0)
        : memory(buddy::required_bytes({count})),
          piece_memory(policy_type::required_bytes(pieces)),
          frames({pfn{first}, page_count{count}}, memory),
          policy(frames, piece_memory) {}

    std::optional<pfn> touch(page_run area, std::uint64_t page, order size = base_order, std::uint32_t space = 1) {
        const auto got = policy.allocate({space, vpn{page}, size, area}, view{mapped[space]});
        for (std::uint64_t i = 0; got && i < size.pages().raw; ++i) mapped[space][page + i] = *got + page_count{i};
        const violation broken = policy.audit();
        EXPECT_EQ(broken.label, nullptr) << broken.where;
        return got;
    }
    /// Gives a page's frame back, as discarding it does.
    void drop(std::uint64_t page, std::uint32_t space = 1) {
        policy.free(space, vpn{page}, mapped[space].at(page), base_order);
        mapped[space].erase(page);
    }
    void occupy(std::uint64_t frame, order size = base_order) {
        ASSERT_EQ(frames.allocate_at(pfn{frame}, size), status::ok);
    }
    std::size_t piece_count() const { return policy.pieces().size(); }
    std::uint64_t used() const { return (frames.managed().count - frames.free_frames()).raw; }

    struct view {
        const std::map<std::uint64_t, pfn>& leaves;
        vpn first_mapped(page_run run) const {
            const auto next = leaves.lower_bound(run.first.raw);
            return next != leaves.end() && next->first < run.end().raw ? vpn{next->first} : run.end();
        }
    };

    std::vector<std::byte> memory;
    std::vector<std::byte> piece_memory;
    buddy frames;
    policy_type policy;
    std::map<std::uint32_t, std::map<std::uint64_t, pfn>> mapped;
};

// ---- the first request ----

TEST(eager, the_first_request_takes_frames_for_the_whole_area_and_hands_out_one) {
    eager_machine m(4096);
    const page_run area = pages(1000, 700);
    ASSERT_TRUE(m.touch(area, 1300));
    EXPECT_EQ(m.used(), 700U);
    EXPECT_EQ(m.policy.held(), page_count{699});
    EXPECT_EQ(m.policy.counters().placements, 1U) << "512 + 128 + 32 + 16 + 8 + 4 adjoin: one piece";
}

TEST(eager, every_later_request_gets_exactly_its_frame_in_any_order) {
    eager_machine m(4096, 256);
    const page_run area = pages(1000, 700);
    const pfn first = *m.touch(area, 1300) - page_count{300};
    for (const std::uint64_t step : {7U, 5U, 3U, 1U}) {
        for (std::uint64_t page = 1000; page < 1700; page += step) {
            if (m.mapped[1].count(page) != 0) continue;
            ASSERT_EQ(m.touch(area, page), first + page_count{page - 1000});
        }
    }
    EXPECT_EQ(m.policy.held(), page_count{0});
    EXPECT_EQ(m.piece_count(), 0U);
    EXPECT_EQ(m.policy.counters().target_hits, 700U);
    EXPECT_EQ(m.policy.counters().ordinary, 0U);
}

TEST(eager, blocks_are_the_largest_the_buddy_has_first_and_neighbours_are_one_piece) {
    eager_machine m(1U << 21);
    const page_run area = pages(0, (1U << 20) + (1U << 18) + 3);  // 4 GiB, 1 GiB, 12 KiB
    ASSERT_EQ(m.touch(area, 0), pfn{0});
    EXPECT_EQ(m.piece_count(), 1U);
    EXPECT_EQ(m.policy.pieces()[0].where.frame, pfn{1}) << "the orders 20, 18, 1 and 0 lie one behind the other";
    EXPECT_EQ(m.policy.held(), area.count - page_count{1});
}

TEST(eager, fragmented_memory_gives_pieces_of_what_is_there_largest_first) {
    eager_machine m(4096);
    for (const std::uint64_t frame : {0U, 1024U, 2048U}) m.occupy(frame, superpage_order);
    m.occupy(3072, order{10});
    m.occupy(600);
    // Free: 1536 + 512 and 2560 + 512 whole, and all but one frame of 512 + 512.
    const page_run area = pages(0, 1296);
    EXPECT_EQ(m.touch(area, 0), pfn{1536});
    EXPECT_EQ(m.touch(area, 512), pfn{2560});
    EXPECT_EQ(m.touch(area, 1024), pfn{768}) << "then 256 frames of the broken one";
    EXPECT_EQ(m.policy.pieces().size(), 4U) << "512, 512, 256 and 16";
}

// ---- failure ----

TEST(eager, memory_that_cannot_hold_the_whole_area_gives_it_nothing_and_keeps_everything) {
    eager_machine m(1024);
    m.occupy(5);
    EXPECT_FALSE(m.touch(pages(0, 1024), 0));
    EXPECT_FALSE(m.touch(pages(0, 1024), 0, superpage_order));
    EXPECT_EQ(m.used(), 1U);
    EXPECT_EQ(m.policy.held(), page_count{0});
    EXPECT_EQ(m.policy.counters().placements, 0U);
    EXPECT_TRUE(m.touch(pages(0, 1023), 0)) << "one page less fits";
    EXPECT_EQ(m.frames.free_frames(), page_count{0});
    EXPECT_FALSE(m.policy.allocate_table()) << "bloat: nobody else gets what is held";
    for (std::uint64_t page = 1; page < 1023; ++page) EXPECT_TRUE(m.touch(pages(0, 1023), page));
}

// ---- superpages ----

TEST(eager, a_congruent_superpage_is_handed_out_whole) {
    eager_machine m(4096);
    const page_run area = pages(1024, 1536);
    EXPECT_EQ(m.touch(area, 1536, superpage_order), pfn{512});
    EXPECT_EQ(m.touch(area, 1024, superpage_order), pfn{0});
    EXPECT_EQ(m.touch(area, 2048), pfn{1024}) << "and base pages beside it";
    EXPECT_EQ(m.policy.held(), page_count{511});
}

TEST(eager, page_and_frame_that_are_not_congruent_give_base_pages_only) {
    eager_machine m(4096);
    const page_run area = pages(1000, 1560);
    EXPECT_FALSE(m.touch(area, 1024, superpage_order));
    EXPECT_EQ(m.used(), 0U) << "a refusal leaves nothing behind";
    EXPECT_EQ(m.policy.counters().placements, 0U);
    EXPECT_EQ(m.policy.counters().target_refusals, 1U);
    EXPECT_EQ(m.touch(area, 1024), pfn{24});
    EXPECT_FALSE(m.touch(area, 1536, superpage_order));
    EXPECT_EQ(m.policy.held(), page_count{1559}) << "nor does one of a placed area";
}

TEST(eager, a_superpage_that_two_pieces_hold_is_refused) {
    eager_machine m(2048);
    m.occupy(0, order{8});
    m.occupy(512, order{8});
    m.occupy(1024, order{10});
    EXPECT_FALSE(m.touch(pages(0, 512), 0, superpage_order));
    EXPECT_EQ(m.policy.held(), page_count{0});
    EXPECT_EQ(m.touch(pages(0, 512), 0), pfn{256});
    EXPECT_EQ(m.touch(pages(0, 512), 256), pfn{768});
}

// ---- growth, copies ----

TEST(eager, growth_takes_frames_for_the_new_part_only) {
    eager_machine m(4096);
    ASSERT_TRUE(m.touch(pages(1000, 100), 1000));
    ASSERT_TRUE(m.touch(pages(1000, 300), 1150)) << "upwards";
    EXPECT_EQ(m.used(), 300U);
    ASSERT_TRUE(m.touch(pages(900, 400), 950)) << "downwards";
    EXPECT_EQ(m.used(), 400U);
    EXPECT_EQ(m.policy.held(), page_count{397});
}

TEST(eager, mapped_pages_around_a_new_part_are_left_alone_wherever_they_are) {
    for (const std::uint64_t below : {100U, 149U, 120U}) {
        eager_machine m(4096);
        m.occupy(2000, base_order);
        m.mapped[1] = {{below, pfn{2000}}, {160, pfn{2001}}};
        ASSERT_TRUE(m.touch(pages(100, 100), 150));
        EXPECT_EQ(m.used() - 1, 160 - below - 1) << "the pages between those that are mapped";
        EXPECT_EQ(m.policy.pieces()[0].where.pages.first, vpn{below == 149 ? 151 : below + 1});
    }
}

TEST(eager, a_page_that_is_copied_gets_any_frame_and_nothing_is_taken_for_its_area) {
    eager_machine m(4096);
    m.mapped[1][500] = pfn{4000};
    ASSERT_TRUE(m.touch(pages(0, 1000), 500));
    EXPECT_EQ(m.used(), 1U);
    EXPECT_EQ(m.policy.counters().ordinary, 1U);
}

// ---- free, release, move, fork ----

TEST(eager, discarded_pages_go_back_to_the_buddy_and_are_taken_anew_together) {
    eager_machine m(4096);
    const page_run area = pages(0, 64);
    for (std::uint64_t page = 0; page < 64; ++page) ASSERT_TRUE(m.touch(area, page));
    for (std::uint64_t page = 16; page < 32; ++page) m.drop(page);
    EXPECT_EQ(m.used(), 48U);
    ASSERT_TRUE(m.touch(area, 20));
    EXPECT_EQ(m.used(), 64U);
    EXPECT_EQ(m.policy.held(), page_count{15});
}

TEST(eager, release_gives_back_what_is_held_for_the_pages_and_no_more) {
    eager_machine m(4096);
    const page_run area = pages(1000, 100);
    const pfn first = *m.touch(area, 1000);
    m.policy.release(1, pages(1040, 20));
    m.policy.release(2, pages(1000, 100));
    EXPECT_EQ(m.used(), 80U);
    EXPECT_EQ(m.touch(pages(1000, 40), 1039), first + page_count{39});
    EXPECT_EQ(m.touch(pages(1060, 40), 1060), first + page_count{60});
    m.policy.release(1, pages(0, 1U << 20));
    EXPECT_EQ(m.policy.held(), page_count{0});
    EXPECT_EQ(m.used(), 3U) << "what was handed out stays its owner's";
}

TEST(eager, moved_pages_keep_what_is_held_for_them_at_any_distance) {
    eager_machine m(4096);
    const pfn first = *m.touch(pages(1000, 100), 1000);
    (void)m.touch(pages(5000, 40), 5000);
    m.policy.move(1, pages(1010, 50), vpn{5003});
    EXPECT_EQ(m.policy.audit().label, nullptr);
    EXPECT_EQ(m.touch(pages(5003, 50), 5003), first + page_count{10}) << "what was held there before went back";
    EXPECT_EQ(m.touch(pages(1000, 10), 1009), first + page_count{9});
    EXPECT_EQ(m.touch(pages(1060, 40), 1060), first + page_count{60});
    EXPECT_EQ(m.used(), 100U + 3U);
}

TEST(eager, a_child_has_nothing_held_and_takes_frames_for_what_it_touches_first) {
    eager_machine m(4096);
    ASSERT_TRUE(m.touch(pages(0, 100), 0));
    m.policy.fork(1, 2);
    m.mapped[2] = m.mapped[1];
    ASSERT_TRUE(m.touch(pages(0, 100), 50, base_order, 2));
    EXPECT_EQ(m.used(), 100U + 99U);
    ASSERT_TRUE(m.touch(pages(0, 100), 50));
    m.policy.release(2, pages(0, 100));
    EXPECT_EQ(m.policy.held(), page_count{98}) << "the parent's stay";
}

// ---- pieces run short ----

TEST(eager, without_room_for_more_pieces_the_rest_of_the_area_waits_for_later_requests) {
    eager_machine m(64, 2);
    for (std::uint64_t frame = 0; frame < 64; frame += 2) m.occupy(frame);
    const page_run area = pages(0, 20);
    ASSERT_TRUE(m.touch(area, 0));
    EXPECT_EQ(m.policy.held(), page_count{1}) << "two single frames, of which one was handed out";
    ASSERT_TRUE(m.touch(area, 19)) << "a page beyond them gets frames around it or any frame";
    for (std::uint64_t page = 1; page < 19; ++page) ASSERT_TRUE(m.touch(area, page));
    EXPECT_EQ(m.used(), 32U + 20U + m.policy.held().raw);
    EXPECT_EQ(m.policy.held(), page_count{0});
}

TEST(eager, a_piece_that_falls_in_two_without_room_keeps_its_longer_part) {
    eager_machine m(1024, 1);
    const page_run area = pages(0, 512);
    EXPECT_EQ(m.touch(area, 100), pfn{100});
    EXPECT_EQ(m.policy.held(), page_count{411}) << "100 pages below went back";
    EXPECT_EQ(m.used(), 412U);
    EXPECT_EQ(m.touch(area, 200), pfn{200});
    EXPECT_EQ(m.policy.held(), page_count{311});
}

TEST(eager, a_move_without_room_for_a_piece_gives_back_what_was_held_for_the_moved_pages) {
    eager_machine m(1024, 1);
    ASSERT_EQ(m.touch(pages(1000, 64), 1000), pfn{0});
    m.policy.move(1, pages(1010, 20), vpn{5000});
    EXPECT_EQ(m.policy.audit().label, nullptr);
    EXPECT_EQ(m.policy.held(), page_count{34}) << "the longer rest, behind the moved pages";
    EXPECT_EQ(m.used(), 35U);
}

// ---- audit ----

struct eager_audit : testing::Test {
    eager_audit() {
        (void)m.touch(pages(0, 64), 50);
        (void)m.touch(pages(0, 8), 5, base_order, 2);
    }
    std::string_view label() const { return m.policy.audit().label; }
    piece<vpn, pfn>& at(std::size_t i) { return eager_corruption::piece_at(m.policy, i); }
    eager_machine m{1024};
};

TEST_F(eager_audit, I1_empty_unsorted_overlapping_or_unmerged_pieces_are_found) {
    ASSERT_EQ(m.piece_count(), 4U);
    const auto whole = at(1);
    at(1).where.pages.count = page_count{0};
    EXPECT_EQ(label(), "eager.I1");
    at(1) = whole;
    at(1).where.pages.first = vpn{49};
    EXPECT_EQ(label(), "eager.I1") << "shares a page with the one before";
    at(1) = whole;
    at(1).where.pages.first = vpn{50};
    at(1).where.frame = at(0).where.frames().end();
    EXPECT_EQ(label(), "eager.I1") << "continues the one before";
    at(1) = whole;
    at(2).space = 0;
    EXPECT_EQ(label(), "eager.I1");
}

TEST_F(eager_audit, I2_frames_outside_the_zone_or_of_two_pieces_are_found) {
    const pfn frame = at(1).where.frame;
    at(1).where.frame = pfn{2000};
    EXPECT_EQ(label(), "eager.I2");
    at(1).where.frame = at(0).where.frame;
    EXPECT_EQ(label(), "eager.I2");
    at(1).where.frame = frame;
    EXPECT_FALSE(m.policy.audit());
}

TEST_F(eager_audit, I3_a_held_frame_that_is_free_is_found) {
    m.frames.free(at(1).where.frame, base_order);
    EXPECT_EQ(label(), "eager.I3");
}

TEST_F(eager_audit, I4_a_wrong_sum_is_found) {
    eager_corruption::held(m.policy) += page_count{1};
    EXPECT_EQ(label(), "eager.I4");
}

}  // namespace
}  // namespace longreach
