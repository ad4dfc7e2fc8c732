// SPDX-License-Identifier: MIT
// Translation Ranger by example: where it wants pages, how it gets them there, and what it leaves alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/workloads/rivals/ranger.hpp>
#include <longreach/workloads/zone.hpp>
#include <span>
#include <vector>

#include "model/rival_world.hpp"

namespace longreach {
namespace {

using daemon = ranger<model::watched_space>;

constexpr std::uint64_t superpage = 512;

struct ranger_daemon : testing::Test {
    void TearDown() override {
        EXPECT_EQ(world.check(), "");
        EXPECT_FALSE(by.audit());
        daemon_costs told = by.costs();
        told.passes = told.skipped_unmovable = 0;
        EXPECT_EQ(told, world.watch().counted);
    }
    static page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{4096 + first}, page_count{count}}; }
    void map(page_run where, std::size_t which = 0) { ASSERT_EQ(world.map(where, which), status::ok); }
    bool pass() {
        world.watch().changes.clear();
        return by.pass(world.space(), world.frames(), page_activity::of_resident(world.space()));
    }
    bool pass_over_both() {
        const auto both = world.both();
        return by.pass(std::span<model::watched_space* const>(both), world.frames());
    }
    void settle() {
        for (unsigned i = 0; pass(); ++i) ASSERT_LT(i, 50U) << "passes do not end";
    }
    std::size_t runs(std::size_t which = 0) {
        std::size_t count = 0;
        world.space(which).for_each_mapping(model::watched_space::table_type::all_pages(),
                                            [&](const auto&) { ++count; });
        return count;
    }
    pfn frame(std::uint64_t page) { return world.space().translate(vpn{4096 + page})->frame; }

    model::rival_world world{12 * superpage, daemon::fault_path, 0};
    daemon by;
};

struct ranger_over_base_pages : ranger_daemon {
    void map_base(page_run where) {
        map(where);
        ASSERT_EQ(world.space().advise(where, superpage_advice::unwanted), status::ok);
    }
};

TEST_F(ranger_daemon, brings_areas_that_were_touched_in_turn_into_one_run_each) {
    map(pages(0, 4 * superpage));
    map(pages(8 * superpage, 4 * superpage));
    for (std::uint64_t i = 0; i < 4; ++i) {
        ASSERT_EQ(world.store(vpn{4096 + i * superpage}), status::ok);
        ASSERT_EQ(world.store(vpn{4096 + (8 + i) * superpage}), status::ok);
    }
    ASSERT_GT(runs(), 2U);
    EXPECT_TRUE(pass());
    EXPECT_EQ(runs(), 2U);
    EXPECT_EQ(world.space().resident_superpages(), 8U) << "superpages stay superpages";
    EXPECT_GT(by.costs().migrated_pages + by.costs().exchanged_pages, 0U);
    EXPECT_FALSE(pass());
    EXPECT_EQ(by.costs().passes, 2U);
}

TEST_F(ranger_over_base_pages, exchanges_in_place_where_no_frame_is_free) {
    map_base(pages(0, 400));
    map_base(pages(600, 400));
    for (std::uint64_t i = 0; i < 400; ++i) {
        ASSERT_EQ(world.store(vpn{4096 + i}), status::ok);
        ASSERT_EQ(world.store(vpn{4096 + 600 + i}), status::ok);
    }
    while (const auto rest = world.frames().allocate(base_order)) world.watch().pinned.insert(rest->raw);
    ASSERT_EQ(runs(), 800U);
    settle();
    EXPECT_EQ(by.costs().migrated_pages, 0U);
    EXPECT_GT(by.costs().exchanged_pages, 0U);
    EXPECT_LE(runs(), 4U) << "two areas, and what tables and others cut";
}

TEST_F(ranger_daemon, begins_a_new_range_behind_frames_that_cannot_move) {
    for (const std::uint64_t block : {3U, 6U, 9U}) ASSERT_EQ(world.pin(pfn{block * superpage + 100}), status::ok);
    map(pages(0, 8 * superpage));
    for (std::uint64_t i = 8; i > 0; --i) ASSERT_EQ(world.store(vpn{4096 + (i - 1) * superpage}), status::ok);
    settle();
    EXPECT_EQ(runs(), 4U) << "four stretches of two or three free blocks";
    EXPECT_EQ(by.anchors().size(), 4U);
    EXPECT_EQ(by.costs().skipped_unmovable, 0U);
}

TEST_F(ranger_daemon, leaves_a_leaf_whose_wanted_frames_somebody_took_and_ends) {
    map(pages(0, 4 * superpage));
    ASSERT_EQ(world.store(vpn{4096}), status::ok);
    settle();
    ASSERT_EQ(by.anchors().size(), 1U);
    const pfn next = by.anchors()[0].frame + page_count{superpage};
    ASSERT_EQ(world.pin(next + page_count{5}), status::ok);
    ASSERT_EQ(world.store(vpn{4096 + superpage}), status::ok);
    EXPECT_FALSE(pass());
    EXPECT_EQ(by.costs().skipped_unmovable, superpage);
    EXPECT_NE(frame(superpage), next);
}

TEST_F(ranger_daemon, moves_base_pages_out_of_the_way_of_a_superpage) {
    map(pages(0, 3 * superpage));
    map(pages(5000, 20));
    world.store_all(pages(5019, 1));  // with its tables, which could not move
    ASSERT_EQ(world.store(vpn{4096}), status::ok);
    settle();
    const pfn wanted = by.anchors().front().frame + page_count{superpage};
    std::vector<pfn> held;  // everything but ten frames of the wanted block, which ten base pages get
    while (const auto any = world.frames().allocate(base_order)) held.push_back(*any);
    for (std::uint64_t i = 0; i < 10; ++i) world.frames().free(wanted + page_count{7 * i}, base_order);
    world.store_all(pages(5000, 10));
    for (const pfn f : held) {
        if (f < wanted || f >= wanted + page_count{superpage} || (f - wanted).raw % 7 != 0 || (f - wanted).raw >= 70) {
            world.frames().free(f, base_order);
        }
    }
    ASSERT_EQ(world.space().translate(vpn{4096 + 5000})->frame, wanted);
    ASSERT_EQ(world.store(vpn{4096 + superpage}), status::ok);
    ASSERT_EQ(world.space().resident_superpages(), 2U);
    EXPECT_TRUE(pass());
    EXPECT_EQ(frame(superpage), wanted);
    EXPECT_GE(by.costs().migrated_pages, superpage + 10);
    EXPECT_FALSE(pass());
}

TEST_F(ranger_daemon, moves_a_superpage_out_of_the_way_of_base_pages) {
    map(pages(0, 600));
    ASSERT_EQ(world.store(vpn{4096}), status::ok);
    settle();
    const pfn behind = by.anchors()[0].frame + page_count{superpage};
    map(pages(4 * superpage, superpage));
    ASSERT_EQ(world.frames().allocate_at(behind, superpage_order), status::ok);
    std::vector<pfn> blocks;
    while (const auto any = world.frames().allocate(superpage_order)) blocks.push_back(*any);
    world.frames().free(behind, superpage_order);
    ASSERT_EQ(world.store(vpn{4096 + 4 * superpage}), status::ok);
    ASSERT_EQ(frame(4 * superpage), behind);
    for (const pfn block : blocks) world.frames().free(block, superpage_order);
    world.store_all(pages(superpage, 88));  // the area's end is no whole superpage
    settle();
    EXPECT_EQ(frame(superpage), behind);
    EXPECT_EQ(runs(), 2U);
}

TEST_F(ranger_daemon, leaves_alone_what_a_fork_shares_and_ends) {
    map(pages(0, 4 * superpage));
    for (std::uint64_t i = 4; i > 0; --i) ASSERT_EQ(world.store(vpn{4096 + (i - 1) * superpage}), status::ok);
    ASSERT_EQ(world.fork(), status::ok);
    EXPECT_FALSE(pass()) << "the frames may not be left";
    EXPECT_FALSE(pass_over_both());
    EXPECT_EQ(by.costs().migrated_pages, 0U);
}

TEST_F(ranger_daemon, a_pass_ends_with_its_budget_and_the_next_goes_on) {
    by = daemon({.pages_per_pass = page_count{superpage}});
    map(pages(0, 4 * superpage));
    map(pages(8 * superpage, 4 * superpage));
    for (std::uint64_t i = 4; i > 0; --i) {
        ASSERT_EQ(world.store(vpn{4096 + (i - 1) * superpage}), status::ok);
        ASSERT_EQ(world.store(vpn{4096 + (7 + i) * superpage}), status::ok);
    }
    std::uint64_t passes = 0;
    while (pass()) {
        ++passes;
        EXPECT_LE(world.watch().changes.size(), 2U) << "a superpage, and the one that it swapped with";
    }
    EXPECT_GE(passes, 4U);
    EXPECT_EQ(runs(), 2U);
}

TEST_F(ranger_daemon, an_area_that_grows_goes_on_behind_its_anchor) {
    map(pages(0, 2 * superpage));
    world.store_all(pages(0, 2 * superpage), superpage);
    settle();
    map(pages(2 * superpage, 3 * superpage));
    world.store_all(pages(2 * superpage, 3 * superpage), superpage);
    settle();
    EXPECT_EQ(runs(), 1U);
    EXPECT_EQ(by.anchors().size(), 2U);
    EXPECT_EQ(by.anchors()[0].frames().end(), by.anchors()[1].frame);
}

TEST_F(ranger_daemon, forgets_the_anchor_of_an_area_that_is_gone) {
    map(pages(0, 2 * superpage));
    world.store_all(pages(0, 2 * superpage), superpage);
    settle();
    ASSERT_EQ(by.anchors().size(), 1U);
    ASSERT_EQ(world.unmap(pages(0, 2 * superpage)), status::ok);
    EXPECT_FALSE(pass());
    EXPECT_TRUE(by.anchors().empty());
}

TEST_F(ranger_daemon, swaps_frames_with_another_space_that_the_pass_knows_and_only_then) {
    map(pages(0, 5 * superpage), 0);
    map(pages(0, 5 * superpage), 1);
    for (std::uint64_t i = 0; i < 5; ++i) {
        ASSERT_EQ(world.store(vpn{4096 + i * superpage}, 0), status::ok);
        ASSERT_EQ(world.store(vpn{4096 + i * superpage}, 1), status::ok);
    }
    const std::size_t before = runs(1);
    settle();
    EXPECT_EQ(runs(1), before) << "a space that the pass does not know cannot move";
    by = daemon();
    world.watch().counted = {};
    while (pass_over_both()) {
    }
    EXPECT_LE(runs(0) + runs(1), 3U);
}

/// Runs that cover 99 % of what is resident.
template <class Space>
std::size_t runs_for_99_percent(const Space& space) {
    std::vector<std::uint64_t> lengths;
    std::uint64_t all = 0;
    for (const auto& area : space.entries()) {
        space.for_each_mapping(area.pages, [&](const auto& part) { lengths.push_back(part.pages.count.raw); });
    }
    std::sort(lengths.rbegin(), lengths.rend());
    for (const std::uint64_t length : lengths) all += length;
    std::size_t count = 0;
    for (std::uint64_t covered = 0; covered * 100 < all * 99; ++count) covered += lengths[count];
    return count;
}

/// A 16 GiB machine with a hog, on which eight areas of 1 GiB are touched in turn, 2 MiB of each at a time. `Policy` is
/// made from the zone and what else it needs.
template <class Policy>
struct interleaved_machine {
    using space_type = address_space<x86_64<4>, vpn, pfn, sparse_frame_memory<pfn>, Policy>;
    static constexpr page_count area{1 << 18};

    template <class... More>
    explicit interleaved_machine(simulated_zone<pfn>& memory, More&&... more)
        : zone(memory),
          policy(zone.frames(), more...),
          tables(zone.frames().managed()),
          owned({}, sparse_frame_memory<pfn>(tables), policy, 100,
                space_type::object_type::required_words(zone.frames().managed().count, 1000)) {
        for (std::uint64_t i = 0; i < 8; ++i) {
            EXPECT_EQ(space.map({start(i), area}, user_permissions(true, true, false), {}, {}), status::ok);
        }
        for (std::uint64_t page = 0; page < area.raw; page += superpage) {
            for (std::uint64_t i = 0; i < 8; ++i) {
                EXPECT_EQ(space.fault(start(i) + page_count{page}, access_kind::store).outcome, status::ok);
            }
        }
    }
    static vpn start(std::uint64_t i) { return vpn{(i + 1) * 2 * area.raw}; }

    simulated_zone<pfn>& zone;
    Policy policy;
    sparse_frames<pfn> tables;
    model::owned_space<space_type> owned;
    space_type& space = owned.space;
};

// Of the papers' claims: at the end as few runs as contiguity-aware paging, but later, and not for nothing.
TEST(ranger_on_a_machine, ends_with_at_most_twice_the_runs_of_ca_paging_and_pays_for_it) {
    for (const unsigned hog : {0U, 10U, 30U, 50U}) {
        simulated_zone<pfn> zone_of_ca(page_count{std::uint64_t{16} << 18});
        simulated_zone<pfn> zone(page_count{std::uint64_t{16} << 18});
        for (simulated_zone<pfn>* each : {&zone_of_ca, &zone}) each->pin(hog, 1);
        std::vector<std::byte> pieces(ca_paging<vpn, pfn>::required_bytes(8192));
        interleaved_machine<ca_paging<vpn, pfn>> exact(zone_of_ca, zone_of_ca.clusters(), pieces);
        interleaved_machine<thp<vpn, pfn>> plain(zone);
        auto& space = plain.space;
        const std::size_t wanted = runs_for_99_percent(exact.space);
        EXPECT_GT(runs_for_99_percent(space), 2 * wanted) << "hog " << hog;
        ranger<interleaved_machine<thp<vpn, pfn>>::space_type> by;
        const auto activity = page_activity::of_resident(space);
        for (unsigned passes = 0; by.pass(space, zone.frames(), activity); ++passes) ASSERT_LT(passes, 100U);
        EXPECT_LE(runs_for_99_percent(space), 2 * wanted) << "hog " << hog;
        EXPECT_GT(by.costs().migrated_pages + by.costs().exchanged_pages, 0U);
        EXPECT_FALSE(by.audit());
        EXPECT_FALSE(space.audit());
        EXPECT_FALSE(zone.frames().audit());
    }
}

}  // namespace
}  // namespace longreach
