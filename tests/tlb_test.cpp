// SPDX-License-Identifier: MIT
// The TLBs: placement in sets, true LRU, permissions, invalidation, and how the two levels work together.

#include <gtest/gtest.h>

#include <cstdint>
#include <list>
#include <longreach/spot/recency.hpp>
#include <longreach/spot/tlb.hpp>
#include <longreach/spot/tlb_hierarchy.hpp>
#include <string>
#include <utility>

LONGREACH_NAMESPACE_BEGIN

/// Breaks what the audits promise to find.
struct corrupt {
    template <unsigned Ways>
    static void set_matrix(recency<Ways>& order, std::uint64_t matrix) {
        order.matrix_ = matrix;
    }
    template <class Tlb>
    static void swap_sets(Tlb& tlb, std::size_t a, std::size_t b) {
        std::swap(tlb.sets_[a], tlb.sets_[b]);
    }
    template <class Tlb>
    static void copy_way(Tlb& tlb, std::size_t set, std::size_t from, std::size_t to) {
        tlb.sets_[set].tags[to] = tlb.sets_[set].tags[from];
        tlb.sets_[set].payload[to] = tlb.sets_[set].payload[from];
        ++tlb.entries_;
    }
    template <class Tlb>
    static void break_recency(Tlb& tlb, std::size_t set) {
        tlb.sets_[set].order_of_use.matrix_ = 0;
    }
    template <class Tlb>
    static void miscount(Tlb& tlb) {
        ++tlb.entries_;
    }
    template <class Tlb>
    static void shift_frame(Tlb& tlb, std::size_t set, std::size_t way) {
        tlb.sets_[set].payload[way].frame += page_count{1};
    }
    template <class Hierarchy>
    static auto& second_giant(Hierarchy& tlbs) {
        return tlbs.second_giant_;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

constexpr permissions read_only{true, false, false, true};

leaf<vpn, pfn> leaf_of(std::uint64_t page, std::uint64_t frame, order size = base_order,
                       permissions allowed = all_permissions) {
    return {vpn{page}, pfn{frame}, size, {allowed}};
}

std::string label(violation v) { return v ? v.label : ""; }

// ------------------------------------------------------------------------------------------ recency

template <unsigned Ways>
void follow_a_list() {
    recency<Ways> order;
    std::list<unsigned> oldest_first;
    for (unsigned way = 0; way < Ways; ++way) oldest_first.push_back(way);
    std::uint64_t state = 12345;
    for (int step = 0; step < 2000; ++step) {
        ASSERT_EQ(order.oldest(), oldest_first.front());
        ASSERT_TRUE(order.is_order());
        state = state * 6364136223846793005U + 1442695040888963407U;
        const std::uint64_t among = ((state >> 20) & low_mask(Ways)) | (std::uint64_t{1} << ((state >> 40) % Ways));
        unsigned expected = Ways;
        for (const unsigned way : oldest_first) {
            if (((among >> way) & 1) != 0) {
                expected = way;
                break;
            }
        }
        ASSERT_EQ(order.oldest_of(among), expected);
        const auto used = static_cast<unsigned>((state >> 33) % Ways);
        order.touch(used);
        oldest_first.remove(used);
        oldest_first.push_back(used);
        unsigned rank = 0;
        for (const unsigned way : oldest_first) ASSERT_EQ(order.age_rank(way), rank++);
    }
}

TEST(recency, the_bit_matrix_is_the_order_of_use_for_every_number_of_ways) {
    follow_a_list<1>();
    follow_a_list<2>();
    follow_a_list<3>();
    follow_a_list<4>();
    follow_a_list<5>();
    follow_a_list<6>();
    follow_a_list<7>();
    follow_a_list<8>();
}

TEST(recency, a_matrix_that_is_no_order_is_recognised) {
    recency<4> order;
    for (const std::uint64_t matrix : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{0x01020408}}) {
        corrupt::set_matrix(order, matrix);
        EXPECT_FALSE(order.is_order()) << matrix;
    }
}

// ---------------------------------------------------------------------------------------------- tlb

using small_tlb = tlb<vpn, pfn, tlb_geometry{4, 2}>;

TEST(tlb, an_empty_one_hits_nothing) {
    small_tlb tlb;
    EXPECT_FALSE(tlb.lookup(vpn{0}, base_order, access_kind::load));
    EXPECT_EQ(tlb.entries(), 0U);
    EXPECT_FALSE(tlb.audit());
}

TEST(tlb, one_without_sets_keeps_nothing) {
    tlb<vpn, pfn, tlb_geometry{}> none;
    none.fill(leaf_of(1, 2));
    EXPECT_FALSE(none.lookup(vpn{1}, base_order, access_kind::load));
    EXPECT_FALSE(none.peek(vpn{1}, base_order));
    EXPECT_EQ(none.invalidate({vpn{0}, {8}}), 0U);
    none.flush();
    EXPECT_FALSE(none.audit());
}

TEST(tlb, a_filled_leaf_is_found_by_each_of_its_pages_and_no_other) {
    small_tlb tlb;
    const auto superpage = leaf_of(1024, 5120, superpage_order);
    tlb.fill(superpage);
    EXPECT_EQ(tlb.lookup(vpn{1024}, superpage_order, access_kind::load), superpage);
    EXPECT_EQ(tlb.lookup(vpn{1535}, superpage_order, access_kind::load), superpage);
    EXPECT_FALSE(tlb.lookup(vpn{1536}, superpage_order, access_kind::load));
    EXPECT_FALSE(tlb.lookup(vpn{1023}, superpage_order, access_kind::load));
    EXPECT_FALSE(tlb.lookup(vpn{1024}, base_order, access_kind::load)) << "another size is another entry";
}

TEST(tlb, leaves_of_different_sizes_share_aSet_without_being_confused) {
    small_tlb tlb;
    tlb.fill(leaf_of(2, 7));
    tlb.fill(leaf_of(2 << 9, 2 << 9, superpage_order));
    EXPECT_EQ(tlb.lookup(vpn{2}, base_order, access_kind::load)->frame, pfn{7});
    EXPECT_EQ(tlb.lookup(vpn{2 << 9}, superpage_order, access_kind::load)->frame, pfn{2 << 9});
    EXPECT_EQ(tlb.entries(), 2U);
}

TEST(tlb, a_full_set_loses_the_leaf_used_longest_ago) {
    small_tlb tlb;
    tlb.fill(leaf_of(0, 100));
    tlb.fill(leaf_of(4, 104));
    ASSERT_TRUE(tlb.lookup(vpn{0}, base_order, access_kind::load));
    tlb.fill(leaf_of(8, 108));
    EXPECT_TRUE(tlb.peek(vpn{0}, base_order));
    EXPECT_FALSE(tlb.peek(vpn{4}, base_order));
    EXPECT_TRUE(tlb.peek(vpn{8}, base_order));
    EXPECT_EQ(tlb.entries(), 2U);
}

TEST(tlb, other_sets_are_left_alone) {
    small_tlb tlb;
    for (std::uint64_t page = 0; page < 8; ++page) tlb.fill(leaf_of(page, page));
    tlb.fill(leaf_of(8, 8));
    for (const std::uint64_t page : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
        EXPECT_TRUE(tlb.peek(vpn{page}, base_order));
    }
    EXPECT_FALSE(tlb.peek(vpn{0}, base_order));
}

TEST(tlb, peeking_does_not_make_aLeaf_newer) {
    small_tlb tlb;
    tlb.fill(leaf_of(0, 0));
    tlb.fill(leaf_of(4, 4));
    ASSERT_TRUE(tlb.peek(vpn{0}, base_order));
    tlb.fill(leaf_of(8, 8));
    EXPECT_FALSE(tlb.peek(vpn{0}, base_order));
}

TEST(tlb, a_leaf_that_does_not_allow_the_access_is_aMiss_and_keeps_its_age) {
    small_tlb tlb;
    tlb.fill(leaf_of(0, 0, base_order, read_only));
    tlb.fill(leaf_of(4, 4));
    EXPECT_FALSE(tlb.lookup(vpn{0}, base_order, access_kind::store));
    tlb.fill(leaf_of(8, 8));
    EXPECT_FALSE(tlb.peek(vpn{0}, base_order)) << "the refused store did not count as a use";
}

TEST(tlb, filling_the_same_leaf_again_replaces_what_it_says) {
    small_tlb tlb;
    tlb.fill(leaf_of(0, 10, base_order, read_only));
    tlb.fill(leaf_of(0, 11));
    EXPECT_EQ(tlb.entries(), 1U);
    EXPECT_EQ(tlb.lookup(vpn{0}, base_order, access_kind::store)->frame, pfn{11});
}

TEST(tlb, invalidating_aRun_drops_every_leaf_it_touches) {
    small_tlb tlb;
    tlb.fill(leaf_of(511, 511));
    tlb.fill(leaf_of(512, 512, superpage_order));
    tlb.fill(leaf_of(1025, 1025));
    EXPECT_EQ(tlb.invalidate({vpn{1023}, {2}}), 1U) << "one page of the superpage is enough";
    EXPECT_TRUE(tlb.peek(vpn{511}, base_order));
    EXPECT_FALSE(tlb.peek(vpn{512}, superpage_order));
    EXPECT_TRUE(tlb.peek(vpn{1025}, base_order));
    EXPECT_EQ(tlb.invalidate({vpn{1025}, {0}}), 0U);
    EXPECT_EQ(tlb.entries(), 2U);
    tlb.flush();
    EXPECT_EQ(tlb.entries(), 0U);
    EXPECT_FALSE(tlb.audit());
}

TEST(tlb, a_freed_way_is_used_before_any_leaf_is_lost) {
    small_tlb tlb;
    tlb.fill(leaf_of(0, 0));
    tlb.fill(leaf_of(4, 4));
    tlb.invalidate({vpn{4}, {1}});
    tlb.fill(leaf_of(8, 8));
    EXPECT_TRUE(tlb.peek(vpn{0}, base_order));
    EXPECT_TRUE(tlb.peek(vpn{8}, base_order));
}

TEST(tlb, the_largest_page_and_frame_numbers_fit) {
    small_tlb tlb;
    const std::uint64_t last = small_tlb::page_limit - 1;
    tlb.fill(leaf_of(last, ~std::uint64_t{0}));
    EXPECT_EQ(tlb.lookup(vpn{last}, base_order, access_kind::load)->frame, pfn{~std::uint64_t{0}});
    const std::uint64_t giant = small_tlb::page_limit - giant_order.pages().raw;
    tlb.fill(leaf_of(giant, giant, giant_order));
    EXPECT_EQ(tlb.lookup(vpn{last}, giant_order, access_kind::load)->page, vpn{giant});
    EXPECT_FALSE(tlb.audit());
}

TEST(tlb, the_audit_finds_aLeaf_in_another_set) {
    small_tlb tlb;
    tlb.fill(leaf_of(1, 1));
    corrupt::swap_sets(tlb, 1, 2);
    EXPECT_EQ(label(tlb.audit()), "tlb.I1");
}

TEST(tlb, the_audit_finds_aLeaf_in_two_ways) {
    small_tlb tlb;
    tlb.fill(leaf_of(1, 1));
    corrupt::copy_way(tlb, 1, 0, 1);
    EXPECT_EQ(label(tlb.audit()), "tlb.I1");
}

TEST(tlb, the_audit_finds_aBroken_order_of_use) {
    small_tlb tlb;
    corrupt::break_recency(tlb, 3);
    EXPECT_EQ(label(tlb.audit()), "tlb.I2");
    EXPECT_EQ(tlb.audit().where, 3U);
}

TEST(tlb, the_audit_finds_aMiscount) {
    small_tlb tlb;
    tlb.fill(leaf_of(1, 1));
    corrupt::miscount(tlb);
    EXPECT_EQ(label(tlb.audit()), "tlb.I3");
}

TEST(tlb, the_audit_finds_aMisaligned_frame) {
    small_tlb tlb;
    tlb.fill(leaf_of(512, 512, superpage_order));
    corrupt::shift_frame(tlb, 1, 0);
    EXPECT_EQ(label(tlb.audit()), "tlb.I4");
}

#if LONGREACH_CHECKS
TEST(tlbDeathTest, misaligned_and_unnameable_leaves_are_the_callers_error) {
    small_tlb tlb;
    EXPECT_DEATH(tlb.fill(leaf_of(1, 512, superpage_order)), "");
    EXPECT_DEATH(tlb.fill(leaf_of(512, 1, superpage_order)), "");
    EXPECT_DEATH((void)tlb.lookup(vpn{small_tlb::page_limit}, base_order, access_kind::load), "");
}
#endif

// ---------------------------------------------------------------------------------------- hierarchy

using broadwell = tlb_hierarchy<vpn, pfn>;

template <class Hierarchy>
tlb_level access(Hierarchy& tlbs, std::uint64_t page, const leaf<vpn, pfn>& behind) {
    const auto found = tlbs.lookup(vpn{page}, access_kind::load);
    if (found.level == tlb_level::none) {
        tlbs.fill(vpn{page}, behind);
    } else {
        EXPECT_EQ(frame_of(found.entry, vpn{page}), frame_of(behind, vpn{page}));
    }
    return found.level;
}

TEST(hierarchy, the_broadwell_profile_has_the_published_sizes) {
    static_assert(broadwell_tlbs.first_base.entries() == 64 && broadwell_tlbs.first_base.ways == 4);
    static_assert(broadwell_tlbs.first_superpage.entries() == 32 && broadwell_tlbs.first_superpage.ways == 4);
    static_assert(broadwell_tlbs.first_giant.entries() == 4 && broadwell_tlbs.first_giant.sets == 1);
    static_assert(broadwell_tlbs.second.entries() == 1536 && broadwell_tlbs.second.ways == 6);
    static_assert(broadwell_tlbs.second_giant.entries() == 16);
    EXPECT_FALSE(broadwell{}.audit());
}

TEST(hierarchy, a_walk_fills_both_levels_and_aHit_in_the_second_fills_the_first) {
    broadwell tlbs;
    EXPECT_EQ(access(tlbs, 0, leaf_of(0, 9)), tlb_level::none);
    EXPECT_EQ(access(tlbs, 0, leaf_of(0, 9)), tlb_level::first);
    // 16 sets: four more pages of set 0 push page 0 out of the first level alone.
    for (const std::uint64_t page : {16U, 32U, 48U, 64U}) access(tlbs, page, leaf_of(page, page));
    EXPECT_EQ(access(tlbs, 0, leaf_of(0, 9)), tlb_level::second);
    EXPECT_EQ(access(tlbs, 0, leaf_of(0, 9)), tlb_level::first);
}

TEST(hierarchy, what_the_second_level_loses_stays_in_the_first) {
    broadwell tlbs;
    access(tlbs, 0, leaf_of(0, 0));
    // Keeps page 0 hot in the first level, which hides its uses from the second, and fills the second level's set 0.
    for (std::uint64_t i = 1; i <= 6; ++i) {
        access(tlbs, 256 * i, leaf_of(256 * i, 0));
        EXPECT_EQ(access(tlbs, 0, leaf_of(0, 0)), tlb_level::first);
    }
    for (const std::uint64_t page : {16U, 32U, 48U, 64U}) access(tlbs, page, leaf_of(page, page));
    EXPECT_EQ(access(tlbs, 0, leaf_of(0, 0)), tlb_level::none) << "the second level lost it while the first had it";
}

TEST(hierarchy, superpages_lie_beside_base_pages_in_the_second_level) {
    broadwell tlbs;
    for (std::uint64_t i = 0; i < 300; ++i) access(tlbs, i * 512, leaf_of(i * 512, i * 512, superpage_order));
    unsigned second = 0;
    for (std::uint64_t i = 0; i < 300; ++i) {
        second += access(tlbs, i * 512 + 7, leaf_of(i * 512, i * 512, superpage_order)) == tlb_level::second ? 1 : 0;
    }
    EXPECT_EQ(second, 300U) << "300 superpages: too many for the first level's 32 entries, few for 1536";
    EXPECT_FALSE(tlbs.audit());
}

TEST(hierarchy, giant_pages_have_entries_of_their_own) {
    broadwell tlbs;
    const std::uint64_t giant = giant_order.pages().raw;
    for (std::uint64_t i = 0; i < 16; ++i) access(tlbs, i * giant, leaf_of(i * giant, 0, giant_order));
    for (std::uint64_t i = 0; i < 16; ++i) {
        EXPECT_NE(access(tlbs, i * giant + 99, leaf_of(i * giant, 0, giant_order)), tlb_level::none);
    }
}

TEST(hierarchy, a_level_without_aSize_holds_larger_leaves_in_pieces) {
    tlb_hierarchy<vpn, pfn, reference_filter> tlbs;
    const auto superpage = leaf_of(512, 2048, superpage_order);
    EXPECT_EQ(access(tlbs, 513, superpage), tlb_level::none);
    EXPECT_EQ(access(tlbs, 513, superpage), tlb_level::first);
    EXPECT_EQ(access(tlbs, 514, superpage), tlb_level::none) << "each base page is an entry of its own";
    EXPECT_EQ(tlbs.lookup(vpn{513}, access_kind::load).entry, leaf_of(513, 2049));
}

TEST(hierarchy, without_tlbs_every_access_misses) {
    tlb_hierarchy<vpn, pfn, no_tlbs> tlbs;
    EXPECT_EQ(access(tlbs, 1, leaf_of(1, 1)), tlb_level::none);
    EXPECT_EQ(access(tlbs, 1, leaf_of(1, 1)), tlb_level::none);
}

TEST(hierarchy, invalidating_reaches_both_levels_and_every_size) {
    broadwell tlbs;
    const std::uint64_t giant = giant_order.pages().raw;
    access(tlbs, 5, leaf_of(5, 5));
    access(tlbs, 512, leaf_of(512, 512, superpage_order));
    access(tlbs, giant, leaf_of(giant, 0, giant_order));
    tlbs.invalidate({vpn{5}, {1}});
    tlbs.invalidate({vpn{600}, {1}});
    tlbs.invalidate({vpn{2 * giant - 1}, {1}});
    for (const std::uint64_t page : {std::uint64_t{5}, std::uint64_t{512}, giant}) {
        EXPECT_EQ(tlbs.lookup(vpn{page}, access_kind::load).level, tlb_level::none);
    }
    access(tlbs, 5, leaf_of(5, 5));
    tlbs.flush();
    EXPECT_EQ(tlbs.lookup(vpn{5}, access_kind::load).level, tlb_level::none);
}

TEST(hierarchy, its_audit_looks_into_every_array) {
    broadwell tlbs;
    corrupt::miscount(corrupt::second_giant(tlbs));
    EXPECT_EQ(label(tlbs.audit()), "tlb.I3");
}

}  // namespace
}  // namespace longreach
