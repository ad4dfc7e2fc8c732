// SPDX-License-Identifier: MIT
// The MMU: what it hands out is what the tables say, in every case; what it counts adds up.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/spot/mmu.hpp>
#include <longreach/spot/native_walker.hpp>
#include <longreach/spot/nested_walker.hpp>
#include <string>

#include "model/paging.hpp"

LONGREACH_NAMESPACE_BEGIN

/// Breaks what the audit promises to find.
struct corrupt {
    template <class Mmu>
    static mmu_counters& counters(Mmu& mmu) {
        return mmu.counters_;
    }
    template <class Mmu>
    static auto& tlbs(Mmu& mmu) {
        return mmu.tlbs_;
    }
    template <class Tlbs>
    static void miscount(Tlbs& tlbs) {
        ++tlbs.first_base_.entries_;
    }
    template <class Mmu>
    static void break_predictor(Mmu& mmu) {
        mmu.predictor_.sets_[0].order_of_use.matrix_ = 0;
    }
    template <class Mmu>
    static void break_walker(Mmu& mmu) {
        ++mmu.walker_.upper_.levels_[0].entries_;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using model::open_leaf;
using model::scattered_leaf;

constexpr permissions read_only{true, false, false, true};
using native = native_walker<model::native_paging::table_type>;
using native_mmu = mmu<native>;

std::string label(violation v) { return v ? v.label : ""; }

/// 1024 base pages in one run, then 1024 in another, then a superpage.
struct two_runs {
    model::native_paging paging{16};

    two_runs() {
        EXPECT_EQ(paging.map_run({vpn{0}, {1024}}, pfn{10000}, base_order, open_leaf), status::ok);
        EXPECT_EQ(paging.map_run({vpn{1024}, {1024}}, pfn{50000}, base_order, open_leaf), status::ok);
        EXPECT_EQ(paging.map(vpn{2048}, pfn{2048}, superpage_order, open_leaf), status::ok);
    }
};

template <class Mmu>
translated<pfn> load(Mmu& mmu, std::uint64_t pc, std::uint64_t page) {
    return mmu.translate(pc, vpn{page}, access_kind::load);
}

TEST(mmu, the_first_access_walks_and_the_next_hits) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    auto answer = load(mmu, 1, 5);
    EXPECT_EQ(answer.end, walk_end::ok);
    EXPECT_EQ(answer.event, mmu_event::walked);
    EXPECT_EQ(answer.prediction, prediction_class::no_prediction);
    EXPECT_EQ(answer.frame, pfn{10005});
    answer = load(mmu, 1, 5);
    EXPECT_EQ(answer.event, mmu_event::first_level_hit);
    EXPECT_EQ(answer.frame, pfn{10005});

    const mmu_counters& c = mmu.counters();
    EXPECT_EQ(c.accesses, 2U);
    EXPECT_EQ(c.l1_misses, 1U);
    EXPECT_EQ(c.l2_misses, 1U);
    EXPECT_EQ(c.walk_refs(), 4U);
    EXPECT_EQ(c.spot_no_prediction(), 1U);
    EXPECT_FALSE(mmu.audit());
}

TEST(mmu, a_hit_in_the_second_level_is_an_l1_miss_alone) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (std::uint64_t page = 0; page < 128; ++page) (void)load(mmu, 1, page);
    EXPECT_EQ(load(mmu, 1, 0).event, mmu_event::second_level_hit);
    EXPECT_EQ(mmu.counters().l1_misses, 129U);
    EXPECT_EQ(mmu.counters().l2_misses, 128U);
}

TEST(mmu, one_instruction_over_one_run_is_predicted_from_its_third_miss_on) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (std::uint64_t page = 0; page < 1000; ++page) (void)load(mmu, 1, page);
    EXPECT_EQ(mmu.counters().spot_no_prediction(), 2U);
    EXPECT_EQ(mmu.counters().spot_correct(), 998U);
    EXPECT_EQ(mmu.counters().spot_mispredicted(), 0U);
}

TEST(mmu, a_wrong_prediction_still_yields_the_walks_frame) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (std::uint64_t page = 0; page < 10; ++page) (void)load(mmu, 1, page);
    const auto answer = load(mmu, 1, 1500);  // the other run, another offset
    EXPECT_EQ(answer.prediction, prediction_class::mispredicted);
    EXPECT_EQ(answer.frame, pfn{50476});
    EXPECT_EQ(load(mmu, 1, 1500).frame, pfn{50476}) << "and the TLB holds the walk's frame";
    EXPECT_EQ(mmu.counters().spot_mispredicted(), 1U);
}

TEST(mmu, a_fault_counts_as_aFault_and_nothing_else) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    (void)load(mmu, 1, 5);
    mmu_counters before = mmu.counters();
    EXPECT_EQ(load(mmu, 1, 4000).end, walk_end::not_mapped);
    EXPECT_EQ(mmu.counters().faults, 1U);
    before.faults = 1;
    EXPECT_EQ(mmu.counters(), before);

    ASSERT_EQ(tables.paging.map(vpn{4000}, pfn{7}, base_order, open_leaf), status::ok);
    EXPECT_EQ(load(mmu, 1, 4000).frame, pfn{7}) << "a page that was not there needs no invalidation";
    EXPECT_EQ(mmu.counters().accesses, 2U);
    EXPECT_EQ(mmu.counters().l2_misses, 2U);
    EXPECT_FALSE(mmu.audit());
}

TEST(mmu, a_store_to_aRead_only_page_is_forbidden_even_when_aLoad_filled_the_tlb) {
    model::native_paging paging(8);
    ASSERT_EQ(paging.map(vpn{1}, pfn{1}, base_order, {read_only, true}), status::ok);
    native_mmu mmu(native(paging.tables()));
    EXPECT_EQ(load(mmu, 1, 1).end, walk_end::ok);
    EXPECT_EQ(mmu.translate(1, vpn{1}, access_kind::store).end, walk_end::forbidden);
    EXPECT_EQ(load(mmu, 1, 1).event, mmu_event::first_level_hit);

    // More rights need no invalidation: the store misses, walks, and replaces the entry.
    ASSERT_EQ(paging.protect({vpn{1}, {1}}, all_permissions), status::ok);
    EXPECT_EQ(mmu.translate(1, vpn{1}, access_kind::store).event, mmu_event::walked);
    EXPECT_EQ(mmu.translate(1, vpn{1}, access_kind::store).event, mmu_event::first_level_hit);
    EXPECT_FALSE(mmu.audit());
}

TEST(mmu, invalidated_pages_are_walked_anew_and_others_are_not) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (const std::uint64_t page : {1U, 2U}) (void)load(mmu, 1, page);
    ASSERT_EQ(tables.paging.unmap({vpn{1}, {1}}), status::ok);
    mmu.invalidate({vpn{1}, {1}});
    EXPECT_EQ(load(mmu, 1, 1).end, walk_end::not_mapped);
    EXPECT_EQ(load(mmu, 1, 2).event, mmu_event::first_level_hit);
    ASSERT_EQ(tables.paging.map(vpn{1}, pfn{99}, base_order, scattered_leaf), status::ok);
    EXPECT_EQ(load(mmu, 1, 1).frame, pfn{99});
}

TEST(mmu, a_flush_forgets_translations_and_offsets_and_keeps_the_counts) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (std::uint64_t page = 0; page < 10; ++page) (void)load(mmu, 1, page);
    mmu.flush();
    EXPECT_EQ(mmu.counters().accesses, 10U);
    EXPECT_EQ(mmu.predictor().entries(), 0U);
    EXPECT_EQ(load(mmu, 1, 9).event, mmu_event::walked);
    mmu.forget_counts();
    EXPECT_EQ(mmu.counters(), mmu_counters{});
    EXPECT_EQ(load(mmu, 1, 9).event, mmu_event::first_level_hit);
}

TEST(mmu, a_change_of_the_host_forgets_translations_and_keeps_offsets) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (std::uint64_t page = 0; page < 10; ++page) (void)load(mmu, 1, page);
    mmu.invalidate_all();
    const auto answer = load(mmu, 1, 9);
    EXPECT_EQ(answer.event, mmu_event::walked);
    EXPECT_EQ(answer.prediction, prediction_class::correct);
}

TEST(mmu, a_feed_of_misses_goes_past_the_tlbs) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(mmu.miss(1, vpn{3}, access_kind::load).frame, pfn{10003});
    }
    EXPECT_EQ(mmu.counters().accesses, 5U);
    EXPECT_EQ(mmu.counters().l1_misses, 5U);
    EXPECT_EQ(mmu.counters().l2_misses, 5U);
    EXPECT_EQ(mmu.counters().spot_correct(), 3U);
    EXPECT_EQ(mmu.counters().walk_refs(), 20U);
    EXPECT_EQ(mmu.miss(1, vpn{4000}, access_kind::load).end, walk_end::not_mapped);
    EXPECT_EQ(mmu.counters().accesses, 5U);
    EXPECT_EQ(mmu.counters().faults, 1U);
    // The feed filled no TLB: the same page through them misses both.
    EXPECT_EQ(mmu.translate(1, vpn{3}, access_kind::load).event, mmu_event::walked);
    EXPECT_FALSE(mmu.audit());
}

TEST(mmu, superpages_reach_further_with_one_entry) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    for (std::uint64_t page = 2048; page < 2560; ++page) {
        EXPECT_EQ(load(mmu, 1, page).frame, pfn{page});
    }
    EXPECT_EQ(mmu.counters().l2_misses, 1U);
    EXPECT_EQ(mmu.counters().walk_refs(), 3U);
}

TEST(mmu, without_aPredictor_nothing_is_predicted) {
    two_runs tables;
    mmu<native, broadwell_tlbs, no_predictor<vpn, pfn>> mmu(native(tables.paging.tables()));
    for (std::uint64_t page = 0; page < 100; ++page) {
        EXPECT_EQ(load(mmu, 1, page).frame, pfn{10000 + page});
    }
    EXPECT_EQ(mmu.counters().spot_no_prediction(), 100U);
    EXPECT_FALSE(mmu.audit());
    mmu.flush();
}

TEST(mmu, scattered_memory_fills_no_entry_of_the_predictor) {
    model::native_paging paging(8);
    ASSERT_EQ(paging.map_run({vpn{0}, {512}}, pfn{0}, base_order, scattered_leaf), status::ok);
    native_mmu mmu(native(paging.tables()));
    for (std::uint64_t page = 0; page < 512; ++page) (void)load(mmu, 1, page);
    EXPECT_EQ(mmu.predictor().entries(), 0U);
    EXPECT_EQ(mmu.counters().spot_no_prediction(), 512U);
}

TEST(mmu, in_aVirtual_machine_the_predicted_offset_spans_both_dimensions) {
    model::guest_paging guest(8);
    model::host_paging host(16);
    ASSERT_EQ(guest.map_run({vpn{0}, {512}}, gfn{1024}, base_order, open_leaf), status::ok);
    ASSERT_EQ(host.map_run({gfn{0}, {8}}, pfn{0}, base_order, open_leaf), status::ok);
    ASSERT_EQ(host.map_run({gfn{1024}, {512}}, pfn{4096}, superpage_order, open_leaf), status::ok);
    using walker = nested_walker<model::guest_paging::table_type, model::host_paging::table_type>;
    mmu<walker> mmu(walker(guest.tables(), host.tables()));
    for (std::uint64_t page = 0; page < 512; ++page) {
        EXPECT_EQ(load(mmu, 1, page).frame, pfn{4096 + page});
    }
    EXPECT_EQ(mmu.counters().spot_correct(), 510U);
    EXPECT_EQ(mmu.counters().walk_refs(), 512U * (4 * 4 + 4 + 3)) << "tables on 4 KiB, data on 2 MiB";

    ASSERT_EQ(host.unmap({gfn{1024}, {512}}), status::ok);
    mmu.flush();
    const auto answer = load(mmu, 1, 3);
    EXPECT_EQ(answer.end, walk_end::host_not_mapped);
    EXPECT_EQ(answer.host_page, gfn{1027});
}

TEST(mmu, the_audit_finds_classes_that_do_not_sum_to_the_misses) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    (void)load(mmu, 1, 5);
    ++corrupt::counters(mmu).misses_of[0];
    EXPECT_EQ(label(mmu.audit()), "mmu.I1");
}

TEST(mmu, the_audit_finds_more_misses_than_accesses) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    (void)load(mmu, 1, 5);
    corrupt::counters(mmu).accesses = 0;
    EXPECT_EQ(label(mmu.audit()), "mmu.I2");
    corrupt::counters(mmu).accesses = 9;
    corrupt::counters(mmu).l1_misses = 0;
    EXPECT_EQ(label(mmu.audit()), "mmu.I2");
}

TEST(mmu, the_audit_finds_aWalk_without_references) {
    two_runs tables;
    native_mmu mmu(native(tables.paging.tables()));
    (void)load(mmu, 1, 5);
    corrupt::counters(mmu).walk_refs_of = {};
    EXPECT_EQ(label(mmu.audit()), "mmu.I3");
}

TEST(mmu, the_audit_looks_into_every_part) {
    two_runs tables;
    native_mmu one(native(tables.paging.tables()));
    corrupt::miscount(corrupt::tlbs(one));
    EXPECT_EQ(label(one.audit()), "tlb.I3");
    native_mmu two(native(tables.paging.tables()));
    corrupt::break_predictor(two);
    EXPECT_EQ(label(two.audit()), "spot.I2");
    using cached = native_walker<model::native_paging::table_type, default_walk_caches>;
    mmu<cached> three(cached(tables.paging.tables()));
    corrupt::break_walker(three);
    EXPECT_EQ(label(three.audit()), "tlb.I3");
}

}  // namespace
}  // namespace longreach
