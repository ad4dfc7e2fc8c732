// SPDX-License-Identifier: MIT
// SpOT: confidence, the contiguity filter, permissions, replacement and ageing, each rule by itself.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/spot/spot.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>

LONGREACH_NAMESPACE_BEGIN

/// Breaks what the audit promises to find.
struct corrupt {
    template <class Spot>
    static void swap_sets(Spot& spot, std::size_t a, std::size_t b) {
        std::swap(spot.sets_[a], spot.sets_[b]);
    }
    template <class Spot>
    static void copy_way(Spot& spot, std::size_t set, std::size_t from, std::size_t to) {
        spot.sets_[set].entries[to] = spot.sets_[set].entries[from];
        spot.sets_[set].used |= 1U << to;
    }
    template <class Spot>
    static void break_recency(Spot& spot, std::size_t set) {
        spot.sets_[set].order_of_use.matrix_ = 0x0101;
    }
    template <class Spot>
    static void set_counter(Spot& spot, std::size_t set, std::size_t way, std::uint8_t value) {
        spot.sets_[set].entries[way].counter = value;
    }
    template <class Spot>
    static void set_refusals(Spot& spot, std::size_t set, std::uint32_t value) {
        spot.sets_[set].refusals = value;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using predictor = spot<vpn, pfn>;
constexpr permissions read_only{true, false, false, true};

/// A leaf of `page` whose frame lies `distance` below it.
leaf<vpn, pfn> walked(std::uint64_t page, std::uint64_t distance, bool contiguous = true,
                      permissions allowed = all_permissions) {
    return {vpn{page}, pfn{page - distance}, base_order, {allowed, contiguous}};
}

template <class Spot>
std::optional<pfn> load(const Spot& spot, std::uint64_t pc, std::uint64_t page) {
    return spot.predict(pc, vpn{page}, access_kind::load);
}

std::string label(violation v) { return v ? v.label : ""; }

TEST(spot, the_published_table_has32_entries_in8_sets_of4) {
    static_assert(published_spot.sets == 8 && published_spot.ways == 4 && published_spot.age_after == 0);
    predictor spot;
    for (std::uint64_t pc = 0; pc < 100; ++pc) spot.train(pc, walked(pc, 5));
    EXPECT_EQ(spot.entries(), 32U);
    EXPECT_FALSE(spot.audit());
}

TEST(spot, an_unknown_instruction_gets_no_prediction) { EXPECT_FALSE(load(predictor{}, 1, 1)); }

TEST(spot, the_second_equal_offset_earns_the_prediction) {
    predictor spot;
    spot.train(8, walked(1000, 400));
    EXPECT_FALSE(load(spot, 8, 2000)) << "counter 1";
    spot.train(8, walked(1001, 400));
    EXPECT_EQ(load(spot, 8, 2000), pfn{1600}) << "counter 2; any page, as entries have no bounds";
}

TEST(spot, offsets_are_modular) {
    predictor spot;
    const std::uint64_t distance = 10 - (std::uint64_t{1} << 40);  // the frame lies above the page
    spot.train(0, walked(10, distance));
    spot.train(0, walked(11, distance));
    EXPECT_EQ(load(spot, 0, 12), pfn{12 - distance});
}

TEST(spot, one_offset_serves_leaves_of_every_size) {
    predictor spot;
    spot.train(0, {vpn{512}, pfn{1024}, superpage_order, {all_permissions, true}});
    spot.train(0, {vpn{1030}, pfn{1542}, base_order, {all_permissions, true}});
    EXPECT_EQ(load(spot, 0, 700), pfn{1212});
}

TEST(spot, confidence_saturates_at3_and_two_mismatches_silence_it) {
    predictor spot;
    for (int i = 0; i < 10; ++i) spot.train(0, walked(0x1000, 16));
    spot.train(0, walked(0x1000, 99));
    EXPECT_TRUE(load(spot, 0, 0x1000)) << "counter 2";
    spot.train(0, walked(0x1000, 99));
    EXPECT_FALSE(load(spot, 0, 0x1000)) << "counter 1";
    spot.train(0, walked(0x1000, 16));
    EXPECT_EQ(load(spot, 0, 0x1000), pfn{0x1000 - 16}) << "the old offset was kept at counter 1";
}

TEST(spot, the_offset_changes_only_when_confidence_is_gone) {
    predictor spot;
    spot.train(0, walked(100, 16));  // counter 1
    spot.train(0, walked(100, 50));  // 0, so the new offset comes in at 1
    spot.train(0, walked(100, 50));
    EXPECT_EQ(load(spot, 0, 100), pfn{50});
}

TEST(spot, a_leaf_without_the_contiguity_bit_neither_enters_nor_replaces) {
    predictor spot;
    spot.train(0, walked(100, 16, false));
    EXPECT_EQ(spot.entries(), 0U);
    spot.train(0, walked(100, 16));
    spot.train(0, walked(100, 50, false));  // counter 0, and the old offset stays
    spot.train(0, walked(100, 50, false));  // still 0
    spot.train(0, walked(100, 16));         // 1
    spot.train(0, walked(100, 16));         // 2
    EXPECT_EQ(load(spot, 0, 100), pfn{84});
}

TEST(spot, a_match_needs_no_contiguity_bit) {
    predictor spot;
    spot.train(0, walked(100, 16));
    spot.train(0, walked(101, 16, false));
    EXPECT_TRUE(load(spot, 0, 100));
}

TEST(spot, an_entry_that_does_not_allow_the_access_predicts_nothing) {
    predictor spot;
    spot.train(0, walked(100, 16, true, read_only));
    spot.train(0, walked(100, 16, true, read_only));
    EXPECT_TRUE(spot.predict(0, vpn{100}, access_kind::load));
    EXPECT_FALSE(spot.predict(0, vpn{100}, access_kind::store));
    spot.train(0, walked(101, 16));
    EXPECT_TRUE(spot.predict(0, vpn{100}, access_kind::store)) << "a match takes over the leaf's permissions";
}

TEST(spot, a_full_confident_set_refuses_newcomers_for_ever) {
    predictor spot;
    for (std::uint64_t i = 0; i < 4; ++i) spot.train(8 * i, walked(100, 16));
    for (int i = 0; i < 100; ++i) spot.train(8 * 9, walked(100, 16));
    EXPECT_EQ(spot.entries(), 4U);
    EXPECT_FALSE(load(spot, 8 * 9, 100));
    EXPECT_FALSE(spot.audit());
}

TEST(spot, the_victim_is_the_oldest_way_without_confidence) {
    predictor spot;
    for (std::uint64_t i = 0; i < 4; ++i) spot.train(8 * i, walked(100, 16));
    spot.train(8 * 2, walked(100, 50, false));  // counters of ways 2 and 1 fall to 0, way 1 last
    spot.train(8 * 1, walked(100, 50, false));
    spot.train(8 * 9, walked(100, 7));
    spot.train(8 * 9, walked(100, 7));
    EXPECT_EQ(load(spot, 8 * 9, 100), pfn{93});
    spot.train(8 * 1, walked(100, 16));
    spot.train(8 * 1, walked(100, 16));
    EXPECT_TRUE(load(spot, 8 * 1, 100)) << "way 1 was newer and is still there";
    spot.train(8 * 2, walked(100, 16));
    spot.train(8 * 2, walked(100, 16));
    EXPECT_FALSE(load(spot, 8 * 2, 100)) << "way 2 was the victim, and the set is full again";
}

TEST(spot, ageing_lets_aNewcomer_into_aDead_set) {
    spot<vpn, pfn, spot_geometry{8, 4, 8}> spot;
    for (std::uint64_t i = 0; i < 4; ++i) {
        for (int n = 0; n < 5; ++n) spot.train(8 * i, walked(100, 16));
    }
    // The oldest way's counter is 3: three ageings of 8 refusals each, then the next fill gets in.
    for (int i = 0; i < 24; ++i) spot.train(8 * 9, walked(100, 7));
    EXPECT_FALSE(spot.audit());
    spot.train(8 * 9, walked(100, 7));
    spot.train(8 * 9, walked(100, 7));
    EXPECT_EQ(load(spot, 8 * 9, 100), pfn{93});
    EXPECT_FALSE(load(spot, 0, 100)) << "the oldest way went";
    EXPECT_TRUE(load(spot, 8, 100));
}

TEST(spot, low_bits_crowd_aligned_instructions_into_few_sets_and_the_fold_does_not) {
    std::set<std::uint64_t> low, folded;
    for (std::uint64_t i = 0; i < 32; ++i) {
        low.insert(low_bits_index::set_of(0x401000 + 8 * i, 3));
        folded.insert(folded_index::set_of(0x401000 + 8 * i, 3));
    }
    EXPECT_EQ(low.size(), 1U);
    EXPECT_EQ(folded.size(), 8U);

    spot<vpn, pfn, published_spot, folded_index> spread;
    predictor crowded;
    for (std::uint64_t i = 0; i < 32; ++i) {
        spread.train(0x401000 + 8 * i, walked(100, 16));
        crowded.train(0x401000 + 8 * i, walked(100, 16));
    }
    EXPECT_EQ(crowded.entries(), 4U);
    EXPECT_EQ(spread.entries(), 32U);
    EXPECT_FALSE(spread.audit());
}

TEST(spot, one_set_is_aFully_associative_table) {
    spot<vpn, pfn, spot_geometry{1, 8}, folded_index> spot;
    for (std::uint64_t pc = 0; pc < 8; ++pc) spot.train(pc * 3, walked(100, 16));
    EXPECT_EQ(spot.entries(), 8U);
    EXPECT_FALSE(spot.audit());
}

TEST(spot, flushing_forgets_everything) {
    predictor spot;
    spot.train(0, walked(100, 16));
    spot.train(0, walked(100, 16));
    spot.flush();
    EXPECT_EQ(spot.entries(), 0U);
    EXPECT_FALSE(load(spot, 0, 100));
}

TEST(spot, every_miss_has_one_class) {
    EXPECT_EQ(classify<pfn>(std::nullopt, pfn{1}), prediction_class::no_prediction);
    EXPECT_EQ(classify<pfn>(pfn{1}, pfn{1}), prediction_class::correct);
    EXPECT_EQ(classify<pfn>(pfn{2}, pfn{1}), prediction_class::mispredicted);
}

TEST(spot, the_audit_finds_an_entry_in_another_set) {
    predictor spot;
    spot.train(1, walked(100, 16));
    corrupt::swap_sets(spot, 1, 2);
    EXPECT_EQ(label(spot.audit()), "spot.I1");
}

TEST(spot, the_audit_finds_an_instruction_in_two_ways) {
    predictor spot;
    spot.train(1, walked(100, 16));
    corrupt::copy_way(spot, 1, 0, 2);
    EXPECT_EQ(label(spot.audit()), "spot.I1");
}

TEST(spot, the_audit_finds_aBroken_order_of_use) {
    predictor spot;
    corrupt::break_recency(spot, 7);
    EXPECT_EQ(label(spot.audit()), "spot.I2");
}

TEST(spot, the_audit_finds_aCounter_beyond_two_bits) {
    predictor spot;
    spot.train(1, walked(100, 16));
    corrupt::set_counter(spot, 1, 0, 4);
    EXPECT_EQ(label(spot.audit()), "spot.I3");
}

TEST(spot, the_audit_finds_refusals_that_should_have_aged) {
    predictor never;
    corrupt::set_refusals(never, 0, 1);
    EXPECT_EQ(label(never.audit()), "spot.I4");
    spot<vpn, pfn, spot_geometry{8, 4, 8}> ageing;
    corrupt::set_refusals(ageing, 0, 8);
    EXPECT_EQ(label(ageing.audit()), "spot.I4");
    corrupt::set_refusals(ageing, 0, 7);
    EXPECT_FALSE(ageing.audit());
}

}  // namespace
}  // namespace longreach
