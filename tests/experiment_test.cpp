// SPDX-License-Identifier: MIT
// What the numbers of an experiment mean: a program small enough to count by hand, and the bundled recordings.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/load_workload.hpp>
#include <longreach/workloads/recording_totals.hpp>

namespace longreach {
namespace {

constexpr vpn heap{std::uint64_t{1} << 27};
constexpr std::uint64_t code = 0x400000;

vpn page_at(std::uint64_t index) { return heap + page_count{index}; }

vma_event map_file(std::uint64_t seq, std::uint64_t first, std::uint64_t count, std::uint32_t file,
                   std::uint64_t file_page) {
    vma_event event;
    event.seq = seq;
    event.kind = vma_kind::mmap;
    event.pages = {page_at(first), page_count{count}};
    event.flags = vma_event::map_private;
    event.backing = vma_backing::file;
    event.file = file;
    event.file_page = file_page;
    event.protection = vma_protection{true, true, false};
    return event;
}

vma_event unmap(std::uint64_t seq, std::uint64_t first, std::uint64_t count) {
    vma_event event;
    event.seq = seq;
    event.kind = vma_kind::munmap;
    event.pages = {page_at(first), page_count{count}};
    return event;
}

page_fault touch(std::uint64_t seq, std::uint64_t page, bool store) {
    return {seq, page_at(page), access_site(code, store)};
}

/// Eight bytes, from `offset` in the page on.
recorded_access use(std::uint64_t seq, std::uint64_t page, bool store, std::uint64_t offset = 0) {
    return {seq, page_at(page).raw * page_bytes + offset, access_site(code, store, 8)};
}

recorded_miss miss(std::uint64_t seq, std::uint64_t page, bool store) {
    return {seq, page_at(page).raw * page_bytes, access_site(code, store)};
}

/// Eight pages in a row, 0 to 3 of one private file and 4 to 7 of another, first touched in order, 2 and 6 by a load.
///
/// All eight are resident after access 7, and again after access 17; in between 2 and 6 are copied and 7 goes and
/// comes back. At the end 0 is gone.
recording eight_pages() {
    recording program;
    program.name = "eight_pages";
    program.files = {"first", "second"};
    program.vma_source.file = "vmas";
    program.fault_source.file = "faults";
    program.upgrade_source.file = "upgrades";
    program.miss_source.file = "misses";
    program.access_source.file = "accesses";
    program.vmas = {map_file(0, 0, 4, 0, 0), map_file(0, 4, 4, 1, 0), unmap(16, 7, 1), map_file(17, 7, 1, 1, 3),
                    unmap(20, 0, 1)};
    for (std::uint64_t i = 0; i < 8; ++i) program.faults.push_back(touch(i, i, i != 2 && i != 6));
    program.faults.push_back(touch(17, 7, true));
    program.upgrades = {{8, page_at(2), access_site(code, true)}, {14, page_at(6), access_site(code, true)}};
    program.misses = {miss(10, 0, false), miss(11, 0, false), miss(13, 6, false), miss(14, 6, true), miss(17, 7, true)};
    program.miss_window = recorded_window{"steady", 10, 22, 0, 5};
    program.accesses = {use(0, 0, true),
                        use(3, 3, true),                    // start-up
                        use(10, 0, false),                  // a miss on an empty MMU
                        use(11, 0, false),                  // a hit
                        use(12, 0, false, page_bytes - 4),  // a hit, and in page 1 a miss
                        use(13, 6, false),                  // a miss
                        use(14, 6, true),                   // the page was copied: a miss
                        use(15, 6, true),                   // a hit
                        use(16, 0, false),                  // a hit: page 7 alone was unmapped
                        use(17, 7, true),                   // a miss, served before it happens
                        use(18, 7, false),                  // a hit
                        use(19, 3, false),                  // a miss
                        use(21, 3, false)};                 // a hit
    program.startup = recorded_window{"startup", 0, 8, 0, 2};
    program.steady = recorded_window{"steady", 10, 22, 2, 11};
    const absl::Status sound = check_recording(program);
    EXPECT_TRUE(sound.ok()) << sound;
    return program;
}

experiment on_small_machine(policy_name policy, machine_mode mode, translation_feed feed) {
    experiment wanted;
    wanted.policy = policy;
    wanted.mode = mode;
    wanted.memory = page_count{4096};
    wanted.feed = feed;
    return wanted;
}

outcome outcome_of(const recording& program, const experiment& wanted) {
    const absl::StatusOr<outcome> found = run_experiment<thp_kind, ca_kind>(program, wanted);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *found : outcome{};
}

struct machine_case {
    policy_name policy;
    machine_mode mode;
};
constexpr machine_case all_machines[] = {{policy_name::thp, machine_mode::native},
                                         {policy_name::ca, machine_mode::native},
                                         {policy_name::thp, machine_mode::virtualized},
                                         {policy_name::ca, machine_mode::virtualized}};

std::string name_of(const machine_case& machine) {
    return std::string(to_string(machine.policy)) + ", " + std::string(to_string(machine.mode));
}

// ---- faults

TEST(experiment_faults, first_touches_and_first_stores_to_loaded_private_file_pages_take_frames) {
    const recording program = eight_pages();
    for (const machine_case& machine : all_machines) {
        SCOPED_TRACE(name_of(machine));
        for (const translation_feed feed :
             {translation_feed::census, translation_feed::accesses, translation_feed::misses}) {
            const outcome found = outcome_of(program, on_small_machine(machine.policy, machine.mode, feed));
            EXPECT_EQ(found.counters.faults, 11U);  // eight pages, page 7 again, copies of 2 and 6
        }
    }
}

TEST(experiment_faults, thp_answers_each_with_one_ordinary_block) {
    const recording program = eight_pages();
    const outcome found =
        outcome_of(program, on_small_machine(policy_name::thp, machine_mode::native, translation_feed::census));
    EXPECT_EQ(found.counters.placement.ordinary, 11U);
    EXPECT_EQ(found.counters.placement.placements, 0U);
    EXPECT_EQ(found.counters.placement.replacements, 0U);
    EXPECT_EQ(found.host_counters.faults, 0U);
}

// ---- the census
//
// thp takes the lowest frame of the smallest free block. The root table is frame 0, page 0 takes 1, its three tables
// 2 to 4, pages 1 to 7 take 5 to 11. The copy of page 2 takes 12 and leaves 6 to the copy of page 6, which leaves 10;
// page 7 leaves 11, which joins 10 to a pair, and comes back in 13, a block of one.

TEST(experiment_census, is_taken_at_the_first_of_two_equal_peaks) {
    const recording program = eight_pages();
    for (const machine_case& machine : all_machines) {
        SCOPED_TRACE(name_of(machine));
        const outcome found =
            outcome_of(program, on_small_machine(machine.policy, machine.mode, translation_feed::census));
        EXPECT_EQ(found.runs.pages, 8U);
        EXPECT_EQ(found.runs.superpages, 0U);
        // Nothing is copied yet. Under ca each file is one run; under thp runs are of 1, 3 and 4 pages.
        const std::uint64_t runs = machine.policy == policy_name::thp ? 3 : 2;
        EXPECT_EQ(found.runs.runs, runs);
        EXPECT_EQ(found.runs.n80, 2U);
        EXPECT_EQ(found.runs.n90, runs);
        EXPECT_EQ(found.runs.n99, runs);
        EXPECT_EQ(found.runs.stretches99, 2U);
        EXPECT_EQ(found.guest_bound99, 2U);
    }
}

TEST(experiment_census, at_the_end_sees_the_copies) {
    const recording program = eight_pages();
    experiment wanted = on_small_machine(policy_name::thp, machine_mode::native, translation_feed::census);
    wanted.moment = census_moment::end;
    const outcome found = outcome_of(program, wanted);
    EXPECT_EQ(found.runs.pages, 7U);
    EXPECT_EQ(found.runs.runs, 6U);         // 1, 2, 3, 4 and 5, 6, 7
    EXPECT_EQ(found.runs.stretches99, 3U);  // 1 to 3, 4 to 6, and 7, which is an area of its own since it came back
}

TEST(experiment_census, a_run_ends_with_its_area_although_pages_and_frames_go_on) {
    const recording two_areas = eight_pages();
    recording one_area = two_areas;
    one_area.vmas[0] = map_file(0, 0, 8, 0, 0);
    one_area.vmas.erase(one_area.vmas.begin() + 1);
    ASSERT_TRUE(check_recording(one_area).ok());
    for (const machine_case& machine : all_machines) {
        SCOPED_TRACE(name_of(machine));
        const experiment wanted = on_small_machine(machine.policy, machine.mode, translation_feed::census);
        const outcome joined = outcome_of(one_area, wanted);
        // The same faults in the same order find frames in a row, but for the tables of page 0 under thp.
        const std::uint64_t runs = machine.policy == policy_name::thp ? 2 : 1;
        EXPECT_EQ(joined.runs.runs, runs);
        EXPECT_EQ(joined.runs.stretches99, 1U);
        const outcome apart = outcome_of(two_areas, wanted);
        EXPECT_EQ(apart.runs.runs, runs + 1);
        EXPECT_EQ(apart.runs.stretches99, 2U);
    }
}

// ---- translation

TEST(experiment_translation, begins_empty_at_the_window_and_meets_every_fault_served) {
    const recording program = eight_pages();
    for (const machine_case& machine : all_machines) {
        SCOPED_TRACE(name_of(machine));
        const outcome found =
            outcome_of(program, on_small_machine(machine.policy, machine.mode, translation_feed::accesses));
        EXPECT_EQ(found.translation.accesses, 12U);  // eleven, one of them over a page's edge
        EXPECT_EQ(found.translation.l1_misses, 6U);  // pages 0, 1, 6, 6 as a copy, 7, 3
        EXPECT_EQ(found.translation.l2_misses, 6U);
        EXPECT_EQ(found.translation.faults, 0U);
        EXPECT_EQ(found.translation.spot_correct(), 0U);  // runs of four pages carry no contiguity bit
        EXPECT_EQ(found.translation.spot_mispredicted(), 0U);
        EXPECT_EQ(found.translation.spot_no_prediction(), 6U);
    }
}

TEST(experiment_translation, native_walks_read_three_upper_entries_when_nothing_is_cached) {
    const recording program = eight_pages();
    for (const policy_name policy : {policy_name::thp, policy_name::ca}) {
        const outcome found =
            outcome_of(program, on_small_machine(policy, machine_mode::native, translation_feed::accesses));
        const reference_counts references = found.translation.references();
        // At the start of the window, after the copy of page 6 and after the unmapping of page 7.
        EXPECT_EQ(references[reference_kind::upper], 9U);
        EXPECT_EQ(references[reference_kind::leaf], 6U);
        EXPECT_EQ(references.total(), 15U);
    }
}

TEST(experiment_translation, fed_misses_are_walked_each_at_its_time) {
    const recording program = eight_pages();
    for (const machine_case& machine : all_machines) {
        SCOPED_TRACE(name_of(machine));
        const outcome found =
            outcome_of(program, on_small_machine(machine.policy, machine.mode, translation_feed::misses));
        EXPECT_EQ(found.translation.accesses, 5U);
        EXPECT_EQ(found.translation.l1_misses, 5U);
        EXPECT_EQ(found.translation.l2_misses, 5U);
        EXPECT_EQ(found.translation.faults, 0U);
        if (machine.mode != machine_mode::native) continue;
        const reference_counts references = found.translation.references();
        EXPECT_EQ(references[reference_kind::upper], 9U);  // at the first, after the copy, after the unmapping
        EXPECT_EQ(references[reference_kind::leaf], 5U);
    }
}

TEST(experiment_translation, the_census_feed_translates_nothing) {
    const recording program = eight_pages();
    for (const machine_case& machine : all_machines) {
        const outcome found =
            outcome_of(program, on_small_machine(machine.policy, machine.mode, translation_feed::census));
        EXPECT_EQ(found.translation, mmu_counters{});
    }
}

// ---- the hog

/// A program that touches `count` pages of an anonymous area, each in a superpage of its own.
recording superpages(std::uint64_t count) {
    recording program;
    program.name = "superpages";
    program.vma_source.file = "vmas";
    program.fault_source.file = "faults";
    vma_event area = map_file(0, 0, count * 512, 0, 0);
    area.backing = vma_backing::anonymous;
    program.vmas = {area};
    for (std::uint64_t i = 0; i < count; ++i) program.faults.push_back(touch(i, i * 512, true));
    const absl::Status sound = check_recording(program);
    EXPECT_TRUE(sound.ok()) << sound;
    return program;
}

template <class Frame>
std::uint64_t bound_under_hog(std::uint64_t blocks, std::uint64_t seed, std::uint64_t pages) {
    simulated_zone<Frame> zone(page_count{blocks * 512});
    zone.pin(50, seed);
    return fewest_runs(zone.free_runs(), pages, 99);
}

TEST(experiment_hog, of_seed_s_is_drawn_from_2s_in_the_guest_and_from_2s_plus_1_in_the_host) {
    constexpr std::uint64_t blocks = 512;
    constexpr std::uint64_t touched = 200;
    const recording program = superpages(touched);
    experiment wanted;
    wanted.policy = policy_name::thp;
    wanted.memory = page_count{blocks * 512};
    wanted.fragmented = hog_of(50);
    wanted.feed = translation_feed::census;
    unsigned guests_apart = 0;
    unsigned hosts_apart = 0;
    for (const std::uint64_t seed : {1U, 2U, 3U, 7U}) {
        wanted.seed = seed;
        const std::uint64_t guest_bound = bound_under_hog<gfn>(blocks, 2 * seed, touched * 512);
        const std::uint64_t host_bound = bound_under_hog<pfn>(2 * blocks, 2 * seed + 1, touched * 512);
        guests_apart += guest_bound != bound_under_hog<gfn>(blocks, 2 * seed + 1, touched * 512) ? 1 : 0;
        hosts_apart += host_bound != bound_under_hog<pfn>(2 * blocks, 2 * seed, touched * 512) ? 1 : 0;

        wanted.mode = machine_mode::virtualized;
        const outcome inside = outcome_of(program, wanted);
        EXPECT_EQ(inside.runs.pages, touched * 512);
        EXPECT_EQ(inside.runs.superpages, touched);
        EXPECT_EQ(inside.guest_bound99, guest_bound);
        EXPECT_EQ(inside.host_bound99, host_bound);
        EXPECT_EQ(inside.bound99(), std::max(guest_bound, host_bound));

        wanted.mode = machine_mode::native;
        const outcome native = outcome_of(program, wanted);
        EXPECT_EQ(native.guest_bound99, guest_bound);
        EXPECT_EQ(native.host_bound99, 0U);
    }
    EXPECT_GE(guests_apart, 2U);  // otherwise this test could not tell one seed from the other
    EXPECT_GE(hosts_apart, 2U);
}

// ---- the bundled recordings

struct known_figures {
    const char* name;
    std::uint64_t pages;
    std::uint64_t superpages;
    std::uint64_t stretches99;
    std::uint64_t faults;
    std::uint64_t accesses;
};

/// What depends on no policy, derived from the recordings independently of the library.
constexpr known_figures bundled[] = {
    {"gups", 65607, 127, 1, 726, 100000},
    {"redis", 24603, 35, 50, 6766, 100005},
    {"bt", 42080, 81, 1, 705, 100000},
    {"python", 45631, 10, 138, 42457, 100000},
};

class bundled_recording : public testing::TestWithParam<known_figures> {};

TEST_P(bundled_recording, gives_the_figures_that_were_derived_independently) {
    const known_figures& known = GetParam();
    const absl::StatusOr<std::vector<recording>> programs = load_workload(known.name, translation_feed::accesses);
    ASSERT_TRUE(programs.ok()) << programs.status();
    ASSERT_EQ(programs->size(), 1U);
    for (const policy_name policy : {policy_name::thp, policy_name::ca}) {
        SCOPED_TRACE(to_string(policy));
        experiment wanted;
        wanted.policy = policy;
        wanted.memory = page_count{std::uint64_t{4} << 18};
        const outcome found = outcome_of(programs->front(), wanted);
        EXPECT_EQ(found.runs.pages, known.pages);
        EXPECT_EQ(found.runs.superpages, known.superpages);
        EXPECT_EQ(found.runs.stretches99, known.stretches99);
        EXPECT_EQ(found.counters.faults, known.faults);
        EXPECT_EQ(found.translation.accesses, known.accesses);
    }
}

INSTANTIATE_TEST_SUITE_P(all, bundled_recording, testing::ValuesIn(bundled),
                         [](const auto& of) { return std::string(of.param.name); });

}
}
