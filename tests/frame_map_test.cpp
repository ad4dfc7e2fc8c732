// SPDX-License-Identifier: MIT
// Who has which frame: every frame once, as zone, hog, tables and census count them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/load_workload.hpp>
#include <vector>

namespace longreach {
namespace {

constexpr vpn heap{std::uint64_t{1} << 27};
constexpr vpn program{std::uint64_t{1} << 20};

vma_event map_area(vpn first, std::uint64_t count, vma_backing backing) {
    vma_event event;
    event.kind = vma_kind::mmap;
    event.pages = {first, page_count{count}};
    event.flags = vma_event::map_private;
    event.backing = backing;
    event.protection = vma_protection{true, true, false};
    return event;
}

vma_event unmap(vpn first, std::uint64_t count) {
    vma_event event;
    event.kind = vma_kind::munmap;
    event.pages = {first, page_count{count}};
    return event;
}

/// Every frame once and in order, and no two neighbours that are one run.
void expect_complete(const frame_map& map, std::uint64_t frames) {
    EXPECT_EQ(map.frames, frames);
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < map.runs.size(); ++i) {
        const owned_frames& each = map.runs[i];
        ASSERT_EQ(each.first, next);
        ASSERT_GT(each.count, 0U);
        next = each.end();
        EXPECT_FALSE(i != 0 && map.runs[i - 1].goes_on_with(each)) << each.first;
        if (each.use == frame_use::area) {
            ASSERT_LT(each.area, map.areas.size());
            EXPECT_TRUE(map.areas[each.area].pages.contains(page_run{each.page, page_count{each.count}}));
        }
    }
    EXPECT_EQ(next, frames);
    EXPECT_EQ(map.total(frame_use::other).frames, 0U);
}

/// A program with a sparse heap, a file and a hole.
template <class Machine>
void run_program(Machine& machine) {
    ASSERT_EQ(machine.apply(map_area(heap, 4096, vma_backing::anonymous)), status::ok);
    ASSERT_EQ(machine.apply(map_area(program, 64, vma_backing::file)), status::ok);
    for (std::uint64_t i = 0; i < 2048; i += 100) {
        ASSERT_EQ(machine.touch(heap + page_count{i}, access_kind::store), status::ok);
        ASSERT_EQ(machine.touch(program + page_count{i / 100}, access_kind::load), status::ok);
    }
    ASSERT_EQ(machine.apply(unmap(heap + page_count{700}, 300)), status::ok);
}

template <class Machine>
class frames_of : public testing::Test {};
using machines = testing::Types<native_machine<thp_kind>, native_machine<ca_kind>, virtual_machine<thp_kind>,
                                virtual_machine<ca_kind>>;
TYPED_TEST_SUITE(frames_of, machines);

TYPED_TEST(frames_of, a_machine_on_which_nothing_ran_are_free_or_pinned) {
    TypeParam machine({page_count{32 * 512 + 100}, hog_of(25), 3, 64, 64});
    const std::vector<frame_map> maps = machine.frame_maps();
    expect_complete(maps.front(), 32 * 512 + 100);
    EXPECT_EQ(maps.front().total(frame_use::pinned).frames, 8U * 512);
    EXPECT_EQ(maps.front().total(frame_use::free).frames, 24U * 512 + 100);
    EXPECT_TRUE(maps.front().areas.empty());
}

TYPED_TEST(frames_of, a_machine_belong_to_what_zone_hog_and_census_say) {
    TypeParam machine({page_count{32 * 512}, hog_of(25), 3, 64, 64});
    run_program(machine);
    const std::vector<frame_map> maps = machine.frame_maps();
    const frame_map& map = maps.front();
    expect_complete(map, 32 * 512);
    std::uint64_t free = 0;
    for (const std::uint64_t length : machine.free_runs()) free += length;
    EXPECT_EQ(map.total(frame_use::free).frames, free);
    EXPECT_EQ(map.total(frame_use::pinned).frames, 8U * 512);
    EXPECT_EQ(map.total(frame_use::area).frames, machine.resident_pages());
    EXPECT_GE(map.total(frame_use::table).frames, 4U);
    EXPECT_EQ(maps.back().total(frame_use::area).frames, machine.count().pages);
    EXPECT_EQ(maps.back().total(frame_use::area).runs, machine.count().runs);
    ASSERT_EQ(map.areas.size(), 3U);
    const std::vector<frame_total> areas = map.area_totals();
    EXPECT_TRUE(map.areas[0].source.is_file());
    EXPECT_EQ(areas[0].frames, 21U);
    EXPECT_EQ(areas[0].frames + areas[1].frames + areas[2].frames, machine.resident_pages());
}

TYPED_TEST(frames_of, a_host_belong_to_those_of_the_guest_frames_that_they_back) {
    TypeParam machine({page_count{32 * 512}, hog_of(25), 3, 64, 64});
    run_program(machine);
    const std::vector<frame_map> maps = machine.frame_maps();
    if (maps.size() == 1) {
        EXPECT_EQ(machine.host_free_runs().size(), 0U);
        return;
    }
    const frame_map& guest = maps[0];
    const frame_map& host = maps[1];
    expect_complete(host, 64 * 512);
    EXPECT_EQ(host.areas, guest.areas);
    EXPECT_EQ(host.total(frame_use::guest_table).frames, guest.total(frame_use::table).frames);
    EXPECT_EQ(host.total(frame_use::pinned).frames, 16U * 512);
    for (std::size_t i = 0; i < guest.areas.size(); ++i) {
        EXPECT_EQ(host.area_totals()[i].frames, guest.area_totals()[i].frames);
    }
    std::uint64_t free = 0;
    for (const std::uint64_t length : machine.host_free_runs()) free += length;
    EXPECT_EQ(host.total(frame_use::free).frames, free);
    EXPECT_GT(host.total(frame_use::idle).frames, 0U);  // the guest freed 300 pages, which stay mapped in the host
}

TEST(frame_map, free_frames_that_the_policy_reserves_are_told_from_others) {
    native_machine<ca_kind> machine({page_count{32 * 512}, {}, 1, 64, 64});
    run_program(machine);
    const frame_map map = machine.frame_maps().front();
    std::uint64_t taken = 0;
    for (const frame_use use : {frame_use::area, frame_use::table}) taken += map.total(use).frames;
    EXPECT_EQ(map.total(frame_use::free).frames + map.total(frame_use::reserved).frames, 32U * 512 - taken);
    EXPECT_GT(map.total(frame_use::reserved).frames, 0U);
}

TEST(frame_map, frames_that_nobody_claims_are_in_use_otherwise) {
    simulated_zone<pfn> zone(page_count{1024});
    ASSERT_TRUE(zone.frames().allocate(order{3}));
    const frame_map map = detail::frame_map_of(zone, {{64, 960, frame_use::free}}, {});
    EXPECT_EQ(map.total(frame_use::other), (frame_total{8, 1}));
    EXPECT_EQ(map.total(frame_use::reserved), (frame_total{56, 1}));
    EXPECT_EQ(map.total(frame_use::free), (frame_total{960, 1}));
}

TEST(frame_map, a_frame_found_twice_is_a_broken_machine) {
    simulated_zone<pfn> zone(page_count{1024});
    EXPECT_DEATH((void)detail::frame_map_of(zone, {{0, 64, frame_use::free}, {63, 1, frame_use::table}}, {}), "");
    EXPECT_DEATH((void)detail::frame_map_of(zone, {{1000, 25, frame_use::free}}, {}), "");
}

TEST(frame_map, runs_join_only_where_page_and_frame_go_on) {
    const owned_frames first{10, 4, frame_use::area, 1, vpn{100}};
    EXPECT_TRUE(first.goes_on_with({14, 2, frame_use::area, 1, vpn{104}}));
    EXPECT_FALSE(first.goes_on_with({14, 2, frame_use::area, 1, vpn{105}}));
    EXPECT_FALSE(first.goes_on_with({14, 2, frame_use::area, 2, vpn{104}}));
    EXPECT_FALSE(first.goes_on_with({15, 2, frame_use::area, 1, vpn{104}}));
    EXPECT_FALSE(first.goes_on_with({14, 2, frame_use::free}));
    EXPECT_TRUE((owned_frames{0, 1, frame_use::free}.goes_on_with({1, 1, frame_use::free})));
}

TEST(experiment, hands_out_frame_maps_only_where_they_are_wanted) {
    const auto recordings = load_workload("sqlite", translation_feed::census);
    ASSERT_TRUE(recordings.ok());
    experiment wanted;
    wanted.mode = machine_mode::virtualized;
    wanted.memory = page_count{std::uint64_t{1} << 17};
    wanted.fragmented = hog_of(30);
    wanted.feed = translation_feed::census;
    wanted.moment = census_moment::end;
    const auto without = run_experiment<thp_kind, ca_kind>((*recordings)[0], wanted);
    wanted.with_frame_maps = true;
    const auto with = run_experiment<thp_kind, ca_kind>((*recordings)[0], wanted);
    ASSERT_TRUE(without.ok() && with.ok());
    EXPECT_TRUE(without->frame_maps.empty());
    ASSERT_EQ(with->frame_maps.size(), 2U);
    EXPECT_EQ(with->frame_maps[1].total(frame_use::area), (frame_total{with->runs.pages, with->runs.runs}));
    EXPECT_EQ(with->runs.runs, without->runs.runs);
}

}
}
