// SPDX-License-Identifier: MIT
// HawkEye by example: in which order it promotes, what it gives back, and what it zeroes ahead.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/rivals/hawkeye.hpp>
#include <map>
#include <vector>

#include "model/rival_world.hpp"

namespace longreach {
namespace {

using daemon = hawkeye<model::watched_space>;
using model::watched_change;

constexpr std::uint64_t superpage = 512;

static_assert(daemon::bucket_of(0) == 0 && daemon::bucket_of(49) == 0 && daemon::bucket_of(50) == 1);
static_assert(daemon::bucket_of(449) == 8 && daemon::bucket_of(450) == 9 && daemon::bucket_of(512) == 9);

struct hawkeye_daemon : testing::Test {
    explicit hawkeye_daemon(superpage_use faults = daemon::asynchronous_fault_path) : world(16 * superpage, faults, 0) {
        EXPECT_EQ(world.map({region(0), page_count{14 * superpage}}), status::ok);
    }
    void TearDown() override { EXPECT_EQ(world.check(), ""); }

    static vpn region(std::uint64_t i) { return vpn{4096 + i * superpage}; }
    bool is_superpage(std::uint64_t i) {
        const auto leaf = world.space().object().find(region(i));
        return leaf && leaf->size == superpage_order;
    }
    /// A pass; the regions that it promoted, in order.
    std::vector<std::uint64_t> promoted_by(daemon& by) {
        world.watch().changes.clear();
        const page_activity activity([this](vpn first) { return heat[(first - region(0)).raw / superpage]; },
                                     [this](vpn page) { return world.was_stored(0, page); });
        (void)by.pass(world.space(), world.frames(), activity);
        EXPECT_EQ(by.audit().label, nullptr);
        std::vector<std::uint64_t> order;
        for (const watched_change& c : world.watch().changes) {
            if (c.kind == watched_change::collapsed) order.push_back((c.pages.first - region(0)).raw / superpage);
        }
        return order;
    }

    model::rival_world world;
    std::map<std::uint64_t, unsigned> heat;  ///< coverage of a sample, by region
};

struct hawkeye_after_superpage_faults : hawkeye_daemon {
    hawkeye_after_superpage_faults() : hawkeye_daemon(daemon::fault_path) {}
};

TEST_F(hawkeye_daemon, promotes_the_hottest_first) {
    daemon by;
    heat = {{0, 60}, {1, 500}, {2, 10}, {3, 300}, {4, 0}};
    for (std::uint64_t i = 0; i < 5; ++i) world.store_all({region(i), page_count{100}});
    EXPECT_EQ(promoted_by(by), (std::vector<std::uint64_t>{1, 3, 0, 2})) << "what is never accessed is not promoted";
    EXPECT_EQ(by.costs().promotions, 4U);
    EXPECT_EQ(by.costs().copied_bytes, 4 * 100 * page_bytes);
}

TEST_F(hawkeye_daemon, spends_a_small_budget_on_the_hottest) {
    daemon by({.pages_per_pass = page_count{superpage}});
    heat = {{0, 60}, {1, 100}, {2, 510}};
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(world.store(region(i)), status::ok);
    EXPECT_EQ(promoted_by(by), (std::vector<std::uint64_t>{2}));
    heat = {{0, 400}, {1, 100}};
    EXPECT_EQ(promoted_by(by), (std::vector<std::uint64_t>{0})) << "60 and 400 make 230, which is above 100";
    EXPECT_EQ(promoted_by(by), (std::vector<std::uint64_t>{1}));
    EXPECT_TRUE(promoted_by(by).empty());
}

TEST_F(hawkeye_daemon, a_sample_counts_half_of_the_average) {
    daemon by({.pages_per_pass = page_count{0}});
    heat = {{0, 512}};
    ASSERT_EQ(world.store(region(0)), status::ok);
    (void)promoted_by(by);
    ASSERT_EQ(by.access_map().size(), 1U);
    EXPECT_EQ(by.access_map()[0].bucket, 9U);
    heat = {{0, 0}};
    (void)promoted_by(by);
    EXPECT_EQ(by.access_map()[0].average, 256U * 64);
    EXPECT_EQ(by.access_map()[0].bucket, 5U);
}

TEST_F(hawkeye_daemon, within_a_bucket_what_rose_last_goes_first_and_what_fell_goes_last) {
    daemon by({.pages_per_pass = page_count{0}});
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(world.store(region(i)), status::ok);
    heat = {{0, 220}, {1, 120}, {2, 512}};
    (void)promoted_by(by);
    heat = {{0, 220}, {1, 300}, {2, 0}};  // averages 220, 210 and 256
    (void)promoted_by(by);
    heat = {{0, 220}, {1, 230}, {2, 170}};  // 220, 220 and 213: one bucket
    daemon now(by);
    (void)promoted_by(now);
    for (const auto& known : now.access_map()) EXPECT_EQ(known.bucket, 4U);
    const auto& map = now.access_map();
    EXPECT_GT(map[1].rank, map[0].rank) << "it rose in the second pass";
    EXPECT_GT(map[0].rank, map[2].rank) << "it fell in the third";
}

// Of the paper's claims: the order matters, not the number of promotions.
TEST_F(hawkeye_daemon, gains_half_of_all_with_at_most_half_the_promotions_of_address_order) {
    for (std::uint64_t i = 0; i < 12; ++i) {
        ASSERT_EQ(world.store(region(i)), status::ok);
        heat[i] = i < 8 ? 20 : 500;  // the hot regions lie at high addresses
    }
    const auto promotions_to_half = [this](const std::vector<std::uint64_t>& order) {
        std::uint64_t gained = 0;
        std::uint64_t count = 0;
        for (const std::uint64_t i : order) {
            if (gained * 2 >= 8 * 20 + 4 * 500) break;
            gained += heat[i];
            ++count;
        }
        return count;
    };
    std::vector<std::uint64_t> by_address(12);
    for (std::uint64_t i = 0; i < 12; ++i) by_address[i] = i;
    daemon by({.short_percent = 101});
    const auto hottest_first = promoted_by(by);
    ASSERT_EQ(hottest_first.size(), 12U);
    EXPECT_LE(2 * promotions_to_half(hottest_first), promotions_to_half(by_address));
}

TEST_F(hawkeye_daemon, leaves_alone_what_a_fork_shares) {
    daemon by;
    heat = {{0, 500}};
    world.store_all({region(0), page_count{superpage}});
    ASSERT_EQ(world.fork(), status::ok);
    EXPECT_TRUE(promoted_by(by).empty());
    EXPECT_EQ(by.costs().skipped_unmovable, superpage);
}

TEST_F(hawkeye_after_superpage_faults, gives_back_pages_of_zeros_and_only_these_when_memory_is_short) {
    daemon by;
    for (std::uint64_t i = 0; i < 14; ++i) {
        heat[i] = 500;
        world.store_all({region(i), page_count{superpage}}, i < 13 ? 4 : 1);
    }
    ASSERT_EQ(world.space().resident_superpages(), 14U);
    EXPECT_TRUE(promoted_by(by).empty());
    // 14 of 16 blocks and four tables are 87 %; every broken one gives 384 pages back until less than 70 % are in use.
    EXPECT_EQ(by.costs().demotions, 4U);
    EXPECT_EQ(by.costs().reclaimed_pages, 4 * 384U);
    EXPECT_EQ(by.costs().shootdowns, 4 * (1 + 128U)) << "the pages of zeros lie in 128 stretches";
    EXPECT_FALSE(is_superpage(0));
    EXPECT_TRUE(is_superpage(4)) << "memory is no longer short";
    EXPECT_EQ(world.space().resident_pages().raw, 14 * superpage - 4 * 384);
}

TEST_F(hawkeye_after_superpage_faults, does_not_bring_back_what_it_gave_back) {
    daemon by;
    for (std::uint64_t i = 0; i < 14; ++i) {
        heat[i] = 500;
        world.store_all({region(i), page_count{superpage}}, 4);
    }
    (void)promoted_by(by);
    ASSERT_EQ(by.costs().demotions, 4U);
    EXPECT_TRUE(promoted_by(by).empty());
    ASSERT_EQ(world.store(region(0) + page_count{1}), status::ok);
    EXPECT_EQ(promoted_by(by), (std::vector<std::uint64_t>{0})) << "the program uses more of it than before";
}

TEST_F(hawkeye_after_superpage_faults, breaks_nothing_up_while_memory_is_not_short_or_few_pages_are_zeros) {
    daemon by;
    for (std::uint64_t i = 0; i < 13; ++i) ASSERT_EQ(world.store(region(i)), status::ok);
    (void)promoted_by(by);
    EXPECT_EQ(by.costs().demotions, 0U) << "81 % are in use";
    for (std::uint64_t i = 0; i < 14; ++i) world.store_all({region(i), page_count{257}});
    (void)promoted_by(by);
    EXPECT_EQ(by.costs().demotions, 0U) << "255 pages of each are zeros";
}

TEST_F(hawkeye_after_superpage_faults, zeroes_free_frames_ahead_of_faults) {
    daemon by({.zeroed_ahead_per_pass = page_count{1000}});
    ASSERT_EQ(world.store(region(0)), status::ok);
    (void)promoted_by(by);
    EXPECT_EQ(by.zeroed_in_fault_bytes(), superpage * page_bytes) << "nothing was zeroed before the first fault";
    EXPECT_EQ(by.costs().zeroed_bytes, 1000 * page_bytes);
    ASSERT_EQ(world.store(region(1)), status::ok);
    (void)promoted_by(by);
    EXPECT_EQ(by.zeroed_in_fault_bytes(), superpage * page_bytes) << "the second found frames zeroed ahead";
    EXPECT_EQ(by.zeroed_frames().raw, 1000 - superpage + 1000);
    for (unsigned i = 0; i < 20; ++i) (void)promoted_by(by);
    EXPECT_EQ(by.zeroed_frames(), world.frames().free_frames()) << "more than is free cannot be zeroed";
}

}  // namespace
}  // namespace longreach
