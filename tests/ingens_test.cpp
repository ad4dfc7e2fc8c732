// SPDX-License-Identifier: MIT
// Ingens by example: what it promotes, when, and at what cost.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/rivals/ingens.hpp>

#include "model/rival_world.hpp"

namespace longreach {
namespace {

using daemon = ingens<model::watched_space>;

constexpr std::uint64_t superpage = 512;

/// Eight 2 MiB blocks of memory and more areas of 2 MiB, the first at page 4096.
struct ingens_daemon : testing::Test {
    void TearDown() override {
        EXPECT_EQ(world.check(), "");
        EXPECT_EQ(world.watch().counted.promotions, promoter.costs().promotions);
        EXPECT_FALSE(promoter.audit());
    }
    static vpn region(std::uint64_t i) { return vpn{4096 + i * superpage}; }
    /// Resident pages of the i-th region.
    std::uint64_t resident(std::uint64_t i) {
        std::uint64_t count = 0;
        world.space().for_each_leaf({region(i), page_count{superpage}},
                                    [&](const auto& leaf) { count += leaf.size.pages().raw; });
        return count;
    }
    bool is_superpage(std::uint64_t i) {
        const auto leaf = world.space().object().find(region(i));
        return leaf && leaf->size == superpage_order;
    }
    /// One frame of most blocks is taken for good: most free memory is of no use to a superpage.
    void fragment(std::uint64_t blocks) {
        for (std::uint64_t i = 0; i < blocks; ++i) {
            ASSERT_EQ(world.pin(pfn{superpage * (i + 1) + 7}), status::ok);
        }
    }
    bool pass(daemon& by) { return by.pass(world.space(), world.frames(), page_activity::of_resident(world.space())); }

    model::rival_world world{10 * superpage, daemon::fault_path, superpage};
    daemon promoter;
};

TEST_F(ingens_daemon, faults_give_base_pages_only) {
    ASSERT_EQ(world.map({region(0), page_count{3 * superpage}}), status::ok);
    world.store_all({region(0), page_count{3 * superpage}});
    EXPECT_EQ(world.space().resident_superpages(), 0U);
    EXPECT_EQ(promoter.costs(), daemon_costs{}) << "nothing is promoted before a pass";
}

TEST_F(ingens_daemon, promotes_from_ninety_percent_on_while_memory_is_fragmented) {
    fragment(8);
    ASSERT_EQ(world.map({region(0), page_count{2 * superpage}}), status::ok);
    world.store_all({region(0), page_count{460}});
    world.store_all({region(1), page_count{461}});
    EXPECT_EQ(promoter.least_utilization(world.frames()), 461U);
    EXPECT_TRUE(pass(promoter));
    EXPECT_FALSE(is_superpage(0)) << "460 of 512 are 89.8 %";
    EXPECT_TRUE(is_superpage(1));
    daemon_costs expected;
    expected.passes = 1;
    expected.promotions = 1;
    expected.shootdowns = 1;
    expected.migrated_pages = 461;
    expected.copied_bytes = 461 * page_bytes;
    expected.zeroed_bytes = 51 * page_bytes;
    EXPECT_EQ(promoter.costs(), expected);
    EXPECT_FALSE(pass(promoter)) << "the other one is still not used enough";
    world.store_all({region(0) + page_count{460}, page_count{1}});
    EXPECT_TRUE(pass(promoter));
    EXPECT_TRUE(is_superpage(0));
}

TEST_F(ingens_daemon, promotes_any_region_while_the_fragmentation_index_is_below_a_half) {
    fragment(4);
    ASSERT_EQ(world.map({region(0), page_count{superpage}}), status::ok);
    ASSERT_EQ(world.store(region(0)), status::ok);
    EXPECT_EQ(promoter.least_utilization(world.frames()), 1U);
    EXPECT_TRUE(pass(promoter));
    EXPECT_TRUE(is_superpage(0));
    EXPECT_EQ(promoter.costs().zeroed_bytes, 511 * page_bytes);
}

TEST_F(ingens_daemon, leaves_out_regions_that_no_area_holds_alone) {
    ASSERT_EQ(world.map({region(0) + page_count{1}, page_count{superpage}}), status::ok);
    world.store_all({region(0) + page_count{1}, page_count{superpage}});
    EXPECT_FALSE(pass(promoter));
}

TEST_F(ingens_daemon, goes_on_in_address_order_where_the_budget_ended) {
    daemon slow({.pages_per_pass = page_count{superpage}});
    ASSERT_EQ(world.map({region(0), page_count{3 * superpage}}), status::ok);
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(world.store(region(i)), status::ok);
    for (std::uint64_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(pass(slow));
        EXPECT_TRUE(is_superpage(i));
        EXPECT_EQ(slow.costs().promotions, i + 1);
    }
    EXPECT_FALSE(pass(slow));
    ASSERT_EQ(world.discard({region(0), page_count{superpage}}), status::ok);
    ASSERT_EQ(world.store(region(0)), status::ok);
    EXPECT_TRUE(pass(slow)) << "after the last region it begins again";
    promoter = slow;
}

TEST_F(ingens_daemon, changes_nothing_where_no_block_is_free) {
    fragment(9);
    ASSERT_EQ(world.pin(pfn{superpage * 10}), status::ok);
    ASSERT_EQ(world.map({region(0), page_count{superpage}}), status::ok);
    world.store_all({region(0), page_count{superpage}});
    EXPECT_FALSE(pass(promoter));
    EXPECT_EQ(resident(0), superpage);
    EXPECT_EQ(promoter.costs().skipped_unmovable, 0U);
}

TEST_F(ingens_daemon, leaves_alone_what_a_fork_shares) {
    ASSERT_EQ(world.map({region(0), page_count{superpage}}), status::ok);
    world.store_all({region(0), page_count{superpage}});
    ASSERT_EQ(world.fork(), status::ok);
    EXPECT_FALSE(pass(promoter));
    EXPECT_EQ(promoter.costs().skipped_unmovable, superpage);
}

// Of the paper's claims: less memory than superpages at fault, more than base pages (its Redis case after deletes).
TEST_F(ingens_daemon, bloats_less_than_superpages_at_fault_and_more_than_base_pages) {
    model::rival_world at_fault(10 * superpage, superpage_use::always, superpage);
    for (std::uint64_t i = 0; i < 8; ++i) ASSERT_EQ(world.pin(pfn{superpage * (i + 1) + 7}), status::ok);
    std::uint64_t touched = 0;
    for (model::rival_world* each : {&world, &at_fault}) {
        ASSERT_EQ(each->map({region(0), page_count{4 * superpage}}), status::ok);
        touched = 0;
        for (const auto& [i, used] : {std::pair{0, 60}, {1, 300}, {2, 470}, {3, 500}}) {
            each->store_all({region(static_cast<std::uint64_t>(i)), page_count{static_cast<std::uint64_t>(used)}});
            touched += static_cast<std::uint64_t>(used);
        }
    }
    EXPECT_TRUE(pass(promoter));
    EXPECT_GT(at_fault.space().resident_pages().raw, world.space().resident_pages().raw);
    EXPECT_GT(world.space().resident_pages().raw, touched);
}

}  // namespace
}  // namespace longreach
