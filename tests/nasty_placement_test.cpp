// SPDX-License-Identifier: MIT
// The situations in which the kernel released with CA paging goes wrong, labelled as in nasty_map_test.cpp: here those
// of placements, their records and their targets.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "model/placement_machine.hpp"

namespace longreach {
namespace {

using model::area;
using model::area_of;
using machine = model::placement_machine;

/// Whether the page's frame keeps the offset that `page` has to `frame`.
pfn on_offset(vpn page, pfn frame, std::uint64_t other) { return frame + (vpn{other} - page); }

// That kernel refuses about one of eight such faults, and all where the memory was never used: free 4 MiB blocks serve
// no 4 KiB fault there.
TEST(nasty_placement, E10_4_Ki_b_faults_in_any_order_in_one_superpage_all_get_their_target) {
    for (const std::uint64_t left_free : {512U, 1024U, 2048U}) {
        for (unsigned seed = 0; seed < 8; ++seed) {
            machine m(4096);
            m.leave({{pfn{2048}, page_count{left_free}}});
            const area a = area_of(7 * 512, 512);
            std::vector<std::uint64_t> pages(512);
            std::iota(pages.begin(), pages.end(), 7U * 512);
            std::shuffle(pages.begin(), pages.end(), std::mt19937(seed));
            const std::optional<pfn> first = m.touch(a, pages[0]);
            ASSERT_TRUE(first);
            for (const std::uint64_t page : pages) {
                if (page == pages[0]) continue;
                ASSERT_EQ(m.touch(a, page), on_offset(vpn{pages[0]}, *first, page));
            }
            EXPECT_EQ(m.runs(), 1U);
            EXPECT_EQ(m.policy.counters().target_refusals, 0U);
        }
    }
}

// There the target of a page below the first record wraps, or names a frame of another zone.
TEST(nasty_placement, E14_a_stack_that_grows_below_the_zone_s_first_frame_gets_every_other_frame_first) {
    machine m(4 * 512, 1000);
    m.leave({{pfn{1000}, page_count{700}}, {pfn{2100}, page_count{900}}});
    area stack{{vpn{90000}, page_count{0}}, 1, false, true};
    for (std::uint64_t given = 0; given < 1600; ++given) {
        stack.pages = {stack.pages.first - page_count{1}, stack.pages.count + page_count{1}};
        const std::optional<pfn> got = m.touch(stack, stack.pages.first.raw);
        ASSERT_TRUE(got && m.frames.managed().contains(*got)) << given;
    }
    EXPECT_EQ(m.frames.free_frames(), page_count{0});
}

// That kernel keeps 64 records to an area in a ring: the 65th replacement takes the place of a record in use.
TEST(nasty_placement, E16_the_hundredth_lost_target_of_an_area_leaves_the_others_where_they_are) {
    constexpr std::uint64_t superpages = 100;
    machine m(5 * superpages * 512, 0, 8 * superpages);
    const area a = area_of(512, superpages * 512);
    std::vector<pfn> got;
    for (std::uint64_t n = 1; n <= superpages; ++n) {
        if (n >
            1) {  // somebody takes a frame of what would be the target, and of what the last place could run on into
            const pfn target = m.piece_of(n * 512).target(vpn{n * 512});
            for (const pfn lost : {target, got.back() + page_count{512}}) {
                if (m.frames.is_free(lost, base_order)) m.occupy(lost.raw);
            }
        }
        const std::optional<pfn> frame = m.touch(a, n * 512, superpage_order);
        ASSERT_TRUE(frame);
        got.push_back(*frame);
    }
    EXPECT_GT(m.policy.counters().replacements, 64U);
    for (std::uint64_t n = 1; n <= superpages; ++n) m.drop(a, n * 512, 512);
    for (std::uint64_t n = superpages; n >= 1; --n) {
        ASSERT_EQ(m.touch(a, n * 512, superpage_order), got[n - 1]) << "the record of superpage " << n << " was lost";
    }
}

// Offset 0 means "no record" there: an area whose frames are numbered like its pages is placed anew by every fault, and
// a record at page 0 hides all that come after it.
TEST(nasty_placement, E18_an_area_may_lie_at_page_0_and_page_and_frame_may_be_equal) {
    for (const std::uint64_t first : {0U, 512U, 5U * 512}) {
        machine m(4096, first);
        const area a = area_of(first, 1024);
        for (std::uint64_t page = first + 1023; page + 1 > first; --page) {
            ASSERT_EQ(m.touch(a, page), pfn{page}) << "identity";
            if (page == 0) break;
        }
        EXPECT_EQ(m.policy.counters().placements, 1U);
        EXPECT_EQ(m.policy.counters().target_refusals, 0U);
    }
}

TEST(nasty_placement, E18_pages_below_their_frames_have_an_offset_like_any_other) {
    machine m(4096, std::uint64_t{1} << 40);
    const area low = area_of(0, 700);
    const area high = {{vpn{(std::uint64_t{1} << 45) + 5}, page_count{700}}, 2};
    m.touch_all(low);
    m.touch_all(high);
    EXPECT_EQ(m.runs(1), 1U);
    EXPECT_EQ(m.runs(2), 1U);
    EXPECT_EQ(m.policy.counters().placements, 2U);
}

// There the fault that is not the first in flight aims at the frame of its own page's number and never places; a first
// fault that races with another leaves the area without a place.
TEST(nasty_placement, E19_threads_that_fault_under_one_lock_in_any_order_share_one_placement) {
    machine m(8192);
    const area a = area_of(1000, 4000);
    std::mutex lock;
    const auto fault = [&](std::uint64_t thread) {
        for (std::uint64_t page = 1000 + thread; page < 5000; page += 4) {
            const std::lock_guard<std::mutex> guard(lock);
            const placement_request<vpn> request{1, vpn{page}, base_order, a.pages};
            EXPECT_TRUE(m.policy.allocate(request, nothing_mapped<vpn>{}));
        }
    };
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < 4; ++i) threads.emplace_back(fault, i);
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(m.policy.counters().placements, 1U);
    EXPECT_EQ(m.policy.counters().target_refusals, 0U);
    EXPECT_EQ(m.policy.counters().ordinary, 0U);
    EXPECT_EQ(m.piece_of(1000).taken, 4000U);
    EXPECT_FALSE(m.policy.audit());
}

// There the moved rover is all that keeps two areas apart: once the walk wraps, each is given what the other was to
// get.
TEST(nasty_placement, E25_two_areas_that_fault_in_turn_share_scattered_memory_until_nothing_is_left) {
    machine m(32 * 512, 0, 200);
    m.occupy_superpages({8, 13, 18, 23});  // free: 8, 4, 4, 4 and 8 superpages
    const area a = area_of(512, 14 * 512);
    const area b{{vpn{1000 * 512}, page_count{14 * 512}}, 2};
    for (std::uint64_t n = 0; n < 14; ++n) {
        ASSERT_TRUE(m.touch(a, (1 + n) * 512, superpage_order));
        ASSERT_TRUE(m.touch(b, (1000 + n) * 512, superpage_order));
    }
    EXPECT_LE(m.runs(1) + m.runs(2), 7U) << "two areas in five runs: no more than one cut each";
    EXPECT_EQ(m.frames.free_frames(), page_count{0});
    const area more = {{vpn{5000 * 512}, page_count{512}}, 2};
    EXPECT_FALSE(m.touch(more, 5000 * 512, superpage_order));
    EXPECT_FALSE(m.touch(more, 5000 * 512));
    m.unmap(a, 512, 3 * 512);
    EXPECT_TRUE(m.touch(more, 5000 * 512, superpage_order)) << "what was freed serves again";
}

}  // namespace
}  // namespace longreach
