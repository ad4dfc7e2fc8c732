// SPDX-License-Identifier: MIT
// Zones, machines and experiments, example by example.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/recording_totals.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace longreach {
namespace {

using testing::HasSubstr;

constexpr vpn heap{std::uint64_t{1} << 27};

vma_event map_anonymous(std::uint64_t seq, vpn first, std::uint64_t count) {
    vma_event event;
    event.seq = seq;
    event.kind = vma_kind::mmap;
    event.pages = {first, page_count{count}};
    event.flags = vma_event::map_private;
    event.backing = vma_backing::anonymous;
    event.protection = vma_protection{true, true, false};
    return event;
}

vma_event map_file(std::uint64_t seq, vpn first, std::uint64_t count) {
    vma_event event = map_anonymous(seq, first, count);
    event.backing = vma_backing::file;
    return event;
}

vma_event unmap(std::uint64_t seq, vpn first, std::uint64_t count) {
    vma_event event;
    event.seq = seq;
    event.kind = vma_kind::munmap;
    event.pages = {first, page_count{count}};
    return event;
}

machine_options small_machine(std::uint64_t frames = 8192, unsigned hog = 0, std::uint64_t seed = 1) {
    return {page_count{frames}, hog_of(hog), seed, 64, 64};
}

// ---- the zone

TEST(zone, the_hog_pins_its_share_in_whole_aligned_superpages) {
    simulated_zone<pfn> zone(page_count{100 * 512});
    zone.pin(30, 5);
    EXPECT_EQ(zone.frames().free_frames().raw, 70U * 512);
    for (const std::uint64_t length : zone.free_runs()) EXPECT_EQ(length % 512, 0U);
    EXPECT_FALSE(zone.frames().audit());
}

TEST(zone, the_hog_is_drawn_by_the_seed) {
    const auto runs = [](std::uint64_t seed) {
        simulated_zone<pfn> zone(page_count{200 * 512});
        zone.pin(50, seed);
        return zone.free_runs();
    };
    EXPECT_EQ(runs(4), runs(4));
    EXPECT_NE(runs(4), runs(5));
}

TEST(zone, free_runs_hold_every_free_frame_longest_first) {
    simulated_zone<pfn> zone(page_count{64 * 512 + 100});
    zone.pin(40, 1);
    const std::vector<std::uint64_t> runs = zone.free_runs();
    EXPECT_TRUE(std::is_sorted(runs.rbegin(), runs.rend()));
    EXPECT_EQ(std::accumulate(runs.begin(), runs.end(), std::uint64_t{0}), zone.frames().free_frames().raw);
}

// ---- native and virtual machines

template <class Machine>
class any_machine : public testing::Test {};
using machines = testing::Types<native_machine<thp_kind>, native_machine<ca_kind>, virtual_machine<thp_kind>,
                                virtual_machine<ca_kind>>;
TYPED_TEST_SUITE(any_machine, machines);

TYPED_TEST(any_machine, a_touch_outside_every_area_is_refused) {
    TypeParam machine(small_machine());
    EXPECT_EQ(machine.touch(heap, access_kind::load), status::not_mapped);
    EXPECT_EQ(machine.resident_pages(), 0U);
}

TYPED_TEST(any_machine, an_aligned_anonymous_area_gets_a_superpage_and_a_file_base_pages) {
    TypeParam machine(small_machine());
    ASSERT_EQ(machine.apply(map_anonymous(0, heap, 1024)), status::ok);
    ASSERT_EQ(machine.apply(map_file(0, heap + page_count{4096}, 1024)), status::ok);
    ASSERT_EQ(machine.touch(heap, access_kind::load), status::ok);
    EXPECT_EQ(machine.resident_pages(), 512U);
    ASSERT_EQ(machine.touch(heap + page_count{4096}, access_kind::load), status::ok);
    EXPECT_EQ(machine.resident_pages(), 513U);
    EXPECT_EQ(machine.count().superpages, 1U);
    EXPECT_EQ(machine.counters().faults, 2U);
    EXPECT_FALSE(machine.audit());
}

TYPED_TEST(any_machine, the_first_store_to_a_loaded_file_page_takes_another_frame) {
    TypeParam machine(small_machine());
    ASSERT_EQ(machine.apply(map_file(0, heap, 4)), status::ok);
    ASSERT_EQ(machine.touch(heap, access_kind::load), status::ok);
    ASSERT_EQ(machine.touch(heap, access_kind::store), status::ok);
    EXPECT_EQ(machine.counters().faults, 2U);
    ASSERT_EQ(machine.touch(heap, access_kind::store), status::ok);
    EXPECT_EQ(machine.counters().faults, 2U);
    EXPECT_EQ(machine.resident_pages(), 1U);
}

TYPED_TEST(any_machine, a_fault_that_finds_no_frame_says_so_and_keeps_what_is_mapped) {
    TypeParam machine(small_machine(1024));
    ASSERT_EQ(machine.apply(map_anonymous(0, heap, 4096)), status::ok);
    std::uint64_t served = 0;
    status last = status::ok;
    for (vpn page = heap; page < heap + page_count{4096}; page += page_count{1}) {
        last = machine.touch(page, access_kind::store);
        if (last != status::ok) break;
        ++served;
    }
    EXPECT_EQ(last, status::out_of_memory);
    EXPECT_GT(served, 900U);
    EXPECT_EQ(machine.touch(heap, access_kind::store), status::ok);
    EXPECT_FALSE(machine.host_exhausted());
    EXPECT_FALSE(machine.audit());
}

TYPED_TEST(any_machine, translation_meets_what_was_unmapped_as_a_fault) {
    TypeParam machine(small_machine());
    ASSERT_EQ(machine.apply(map_anonymous(0, heap, 8)), status::ok);
    machine.begin_translation();
    ASSERT_EQ(machine.translate(0x400000, heap, access_kind::store, true), status::ok);
    ASSERT_EQ(machine.translate(0x400000, heap, access_kind::store, true), status::ok);
    EXPECT_EQ(machine.translation().l1_misses, 1U);
    ASSERT_EQ(machine.apply(unmap(1, heap, 8)), status::ok);
    EXPECT_EQ(machine.translate(0x400000, heap, access_kind::store, true), status::not_mapped);
    EXPECT_EQ(machine.translation().accesses, 2U);
}

TYPED_TEST(any_machine, fed_misses_pass_no_tlb) {
    TypeParam machine(small_machine());
    ASSERT_EQ(machine.apply(map_anonymous(0, heap, 8)), status::ok);
    machine.begin_translation();
    for (int i = 0; i < 5; ++i) ASSERT_EQ(machine.translate(0x400000, heap, access_kind::load, false), status::ok);
    EXPECT_EQ(machine.translation().accesses, 5U);
    EXPECT_EQ(machine.translation().l1_misses, 5U);
    EXPECT_EQ(machine.translation().l2_misses, 5U);
}

TEST(virtual_machine, the_host_backs_what_the_guest_touches_and_nothing_else) {
    virtual_machine<thp_kind> machine(small_machine(16384, 50));
    EXPECT_EQ(machine.host_counters().faults, 0U);
    ASSERT_EQ(machine.apply(map_anonymous(0, heap, 1024)), status::ok);
    ASSERT_EQ(machine.touch(heap, access_kind::store), status::ok);
    // A guest superpage is one host superpage; the guest's four tables lie in one other.
    EXPECT_EQ(machine.host_counters().faults, 2U);
}

TEST(virtual_machine, runs_are_counted_from_guest_page_to_host_frame) {
    virtual_machine<ca_kind> machine(small_machine(65536, 0));
    ASSERT_EQ(machine.apply(map_anonymous(0, heap, 16384)), status::ok);
    for (std::uint64_t i = 0; i < 16384; i += 512) {
        ASSERT_EQ(machine.touch(heap + page_count{(i * 7) % 16384}, access_kind::store), status::ok);
    }
    const census counted = machine.count();
    EXPECT_EQ(counted.pages, 16384U);
    EXPECT_EQ(counted.runs, 1U);
    EXPECT_EQ(counted.stretches99, 1U);
}

// ---- experiments

/// A program that maps 3 MiB, touches it, gives most of it up and touches a little more.
recording rise_and_fall() {
    recording program;
    program.name = "rise_and_fall";
    program.vma_source.file = "vmas";
    program.fault_source.file = "faults";
    program.vmas = {map_file(0, heap, 768), unmap(2000, heap + page_count{8}, 760),
                    map_file(3000, heap + page_count{4096}, 8)};
    for (std::uint64_t i = 0; i < 768; ++i) {
        program.faults.push_back({i, heap + page_count{i}, access_site(0x400000, true)});
    }
    for (std::uint64_t i = 0; i < 8; ++i) {
        program.faults.push_back({3000 + i, heap + page_count{4096 + i}, access_site(0x400000, true)});
    }
    EXPECT_TRUE(check_recording(program).ok());
    return program;
}

experiment on(std::uint64_t frames, census_moment moment = census_moment::peak) {
    experiment wanted;
    wanted.memory = page_count{frames};
    wanted.feed = translation_feed::census;
    wanted.moment = moment;
    return wanted;
}

TEST(experiment, the_census_is_taken_at_the_peak_or_at_the_end) {
    const recording program = rise_and_fall();
    const absl::StatusOr<outcome> peak = run_experiment<thp_kind, ca_kind>(program, on(4096));
    const absl::StatusOr<outcome> end = run_experiment<thp_kind, ca_kind>(program, on(4096, census_moment::end));
    ASSERT_TRUE(peak.ok() && end.ok());
    EXPECT_EQ(peak->runs.pages, 768U);
    EXPECT_EQ(end->runs.pages, 16U);
    EXPECT_EQ(peak->counters.faults, 776U);
    EXPECT_EQ(end->counters.faults, 776U);
}

TEST(experiment, the_bound_is_the_larger_of_stretches_and_free_runs) {
    const recording program = rise_and_fall();
    experiment wanted = on(4096);
    const absl::StatusOr<outcome> fresh = run_experiment<thp_kind, ca_kind>(program, wanted);
    ASSERT_TRUE(fresh.ok());
    EXPECT_EQ(fresh->bound99(), 1U);
    EXPECT_EQ(fresh->host_bound99, 0U);
    // Half of eight 2 MiB pieces pinned: 768 pages need at least two of the free ones, or one run of them.
    wanted.fragmented = hog_of(50);
    wanted.mode = machine_mode::virtualized;
    const absl::StatusOr<outcome> hogged = run_experiment<thp_kind, ca_kind>(program, wanted);
    ASSERT_TRUE(hogged.ok());
    simulated_zone<gfn> guest(page_count{4096});
    guest.pin(50, 2);
    EXPECT_EQ(hogged->guest_bound99, fewest_runs(guest.free_runs(), 768, 99));
    simulated_zone<pfn> host(page_count{8192});
    host.pin(50, 3);
    EXPECT_EQ(hogged->host_bound99, fewest_runs(host.free_runs(), 768, 99));
    EXPECT_GE(hogged->runs.n99, hogged->bound99());
}

TEST(experiment, the_need_is_what_the_peak_takes_on_base_pages) {
    const recording program = rise_and_fall();
    experiment wanted = on(4096);
    wanted.fragmented = hog_of(30);
    const memory_need need = need_of(program, wanted);
    EXPECT_EQ(need.needed, 768U + 2 + 1 + 1 + 1);  // pages, and the tables of levels 1 to 4
    EXPECT_EQ(need.left, 4096U - 2 * 512);
}

TEST(experiment, a_memory_that_is_too_small_is_said_in_one_line) {
    const recording program = rise_and_fall();
    for (const machine_mode mode : {machine_mode::native, machine_mode::virtualized}) {
        experiment wanted = on(512);
        wanted.mode = mode;
        const absl::StatusOr<outcome> found = run_experiment<thp_kind, ca_kind>(program, wanted);
        ASSERT_FALSE(found.ok());
        EXPECT_EQ(found.status().code(), absl::StatusCode::kResourceExhausted);
        const std::string message(found.status().message());
        EXPECT_THAT(message, HasSubstr("rise_and_fall at access"));
        EXPECT_THAT(message, HasSubstr("needs at least 773 frames on base pages"));
        EXPECT_THAT(message, HasSubstr(mode == machine_mode::native ? "in the machine" : "in the guest"));
        EXPECT_EQ(message.find('\n'), std::string::npos);
    }
}

}
}
