// SPDX-License-Identifier: MIT
// What each policy does to a whole program: the recorded programs, the papers' workloads made small, and a few mapping
// calls by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/load_workload.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace longreach {
namespace {

using testing::HasSubstr;

constexpr vpn heap{std::uint64_t{1} << 27};
constexpr fault_latency_model model;

template <class Kind>
class every_kind : public testing::Test {};
struct kind_names {
    template <class Kind>
    static std::string GetName(int) {
        return std::string(to_string(Kind::name));
    }
};
using kinds = testing::Types<base4k_kind, thp_kind, ca_kind, random_kind, eager_kind, ingens_kind, hawkeye_kind,
                             ranger_kind, ideal_kind>;
TYPED_TEST_SUITE(every_kind, kinds, kind_names);

template <class Kind>
class kind_with_daemon : public testing::Test {};
using daemon_kinds = testing::Types<ingens_kind, hawkeye_kind, ranger_kind>;
TYPED_TEST_SUITE(kind_with_daemon, daemon_kinds, kind_names);

vma_event map_of(vpn first, std::uint64_t count, bool writable = true) {
    vma_event event;
    event.kind = vma_kind::mmap;
    event.pages = {first, page_count{count}};
    event.flags = vma_event::map_private;
    event.backing = vma_backing::anonymous;
    event.protection = vma_protection{writable, writable, false};
    return event;
}

machine_options options_of(std::uint64_t frames, fragmentation fragmented = {}) {
    machine_options options;
    options.memory = page_count{frames};
    options.fragmented = std::move(fragmented);
    options.seed = 1;
    options.areas = 4096;
    options.stretches = 16384;
    return options;
}

paper_workload paper(const char* name) {
    const auto found = find_paper_workloads(name);
    EXPECT_TRUE(found.ok()) << found.status();
    return found->front();
}

experiment with(policy_name policy, std::uint64_t mib, const fragmentation& fragmented = {}, std::uint64_t seed = 1) {
    experiment wanted;
    wanted.policy = policy;
    wanted.memory = page_count{mib << 8};
    wanted.fragmented = fragmented;
    wanted.seed = seed;
    wanted.feed = translation_feed::census;
    return wanted;
}

absl::StatusOr<outcome> run(const workload& program, const experiment& wanted) {
    return run_experiment<base4k_kind, thp_kind, ca_kind, random_kind, eager_kind, ingens_kind, hawkeye_kind,
                          ranger_kind, ideal_kind>(program, wanted);
}

outcome outcome_of(const workload& program, const experiment& wanted) {
    absl::StatusOr<outcome> found = run(program, wanted);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *std::move(found) : outcome{};
}

/// Plays a workload on a machine, and audits it now and then and at the end; the first thing that is wrong.
template <class Machine>
std::string play(Machine& machine, const paper_workload& program, unsigned audit_every) {
    paper_stream stream(program, 1);
    std::uint64_t count = 0;
    while (const auto event = stream.next()) {
        const bool maps = std::holds_alternative<vma_event>(*event);
        const status done = maps ? machine.apply(std::get<vma_event>(*event))
                                 : machine.touch(std::get<touch_run>(*event).pages, std::get<touch_run>(*event).kind);
        if (done != status::ok) return "event " + std::to_string(count) + " was refused";
        if (++count % audit_every != 0) continue;
        if (const violation broken = machine.audit()) return broken.label;
    }
    machine.settle();
    const violation broken = machine.audit();
    return broken ? broken.label : "";
}

// ---- every kind

TYPED_TEST(every_kind, keeps_its_invariants_and_every_frame_one_owner_through_a_whole_program) {
    for (const char* name : {"xsbench120g/4096", "pagerank78g/4096"}) {
        SCOPED_TRACE(name);
        const paper_workload program = paper(name);
        fragmentation both = hog_of(20);
        both.steps.push_back(scatter_step{1});
        machine_options options = options_of(std::uint64_t{512} << 8, both);
        options.coverage = [&](vpn first) { return program.coverage(first); };
        native_machine<TypeParam> machine(options);
        ASSERT_TRUE(machine.started().ok()) << machine.started();
        EXPECT_EQ(play(machine, program, 97), "");
        const frame_map map = machine.frame_maps().front();  // traps on a frame with two owners
        const run_costs costs = machine.costs();
        EXPECT_EQ(map.total(frame_use::area).frames, machine.resident_pages());
        EXPECT_EQ(machine.resident_pages() + map.total(frame_use::other).frames,
                  machine.touched_pages() + costs.bloat_pages)
            << "only what a policy holds for untouched pages is neither mapped nor free";
    }
}

TYPED_TEST(every_kind, counts_the_papers_workloads_at_the_moment_of_most_touched_pages) {
    for (const paper_workload& program : paper_workloads(2048)) {
        SCOPED_TRACE(program.name());
        const outcome found = outcome_of(program, with(TypeParam::name, 1024));
        EXPECT_GE(found.runs.pages, program.peak_pages());
        EXPECT_LE(found.runs.pages, program.peak_pages() + found.costs.bloat_pages);
        EXPECT_GE(found.runs.n99, found.bound99());
        EXPECT_GT(found.costs.fault_ns, 0U);
        EXPECT_LE(found.costs.fault_ns_p50, found.costs.fault_ns_p99);
        EXPECT_LE(found.costs.fault_ns_p99, found.costs.fault_ns_longest);
    }
}

TYPED_TEST(every_kind, runs_the_seven_recorded_programs_under_a_hog) {
    const auto programs = load_workload("recorded", translation_feed::census);
    ASSERT_TRUE(programs.ok()) << programs.status();
    ASSERT_EQ(programs->size(), 7U);
    for (const recording& program : *programs) {
        SCOPED_TRACE(program.name);
        experiment wanted = with(TypeParam::name, 4096, hog_of(30));
        wanted.with_frame_maps = true;
        const outcome found = outcome_of(program, wanted);
        EXPECT_GE(found.runs.pages, program.footprint.peak_pages);
        EXPECT_GE(found.runs.n99, found.bound99());
        EXPECT_LE(found.runs.n80, found.runs.n90);
        EXPECT_LE(found.runs.n90, found.runs.n99);
        ASSERT_EQ(found.frame_maps.size(), 1U);
        EXPECT_EQ(found.frame_maps[0].total(frame_use::pinned).frames, (std::uint64_t{2048} * 30 / 100) * 512);
    }
}

TYPED_TEST(every_kind, gives_the_same_outcome_again) {
    const paper_workload program = paper("svm29g/2048");
    const auto figures = [&](std::uint64_t seed) {
        const outcome found = outcome_of(program, with(TypeParam::name, 256, hog_of(30), seed));
        return std::tuple(found.runs.runs, found.runs.n80, found.runs.n99, found.costs.fault_ns,
                          found.costs.daemon.migrated_pages, found.costs.bloat_pages);
    };
    EXPECT_EQ(figures(3), figures(3));
}

// ---- one kind each

TEST(base4k, never_has_a_superpage_nor_bloat) {
    const paper_workload program = paper("xsbench120g/1024");
    const outcome found = outcome_of(program, with(policy_name::base4k, 512));
    EXPECT_EQ(found.runs.superpages, 0U);
    EXPECT_EQ(found.costs.bloat_pages, 0U);
    EXPECT_EQ(found.runs.pages, program.peak_pages());
    EXPECT_EQ(found.costs.fault_ns_longest, model.fault_ns(base_order));
}

TEST(ca, maps_the_pages_that_thp_maps_with_the_same_faults) {
    for (const unsigned hog : {0U, 30U, 50U}) {
        for (const paper_workload& program : paper_workloads(2048)) {
            SCOPED_TRACE(program.name() + " hog " + std::to_string(hog));
            const outcome thp = outcome_of(program, with(policy_name::thp, 1024, hog_of(hog)));
            const outcome ca = outcome_of(program, with(policy_name::ca, 1024, hog_of(hog)));
            EXPECT_EQ(ca.runs.pages, thp.runs.pages);
            EXPECT_EQ(ca.runs.superpages, thp.runs.superpages);
            EXPECT_EQ(ca.costs.bloat_pages, thp.costs.bloat_pages);
            EXPECT_EQ(ca.costs.fault_ns, thp.costs.fault_ns);
            EXPECT_LE(ca.runs.n99, thp.runs.n99);
        }
    }
}

TEST(eager, has_a_mapping_resident_when_the_call_returns_in_one_long_fault) {
    native_machine<eager_kind> machine(options_of(16384));
    ASSERT_EQ(machine.apply(map_of(heap, 2048 + 10)), status::ok);
    EXPECT_EQ(machine.resident_pages(), 2058U);
    EXPECT_EQ(machine.touched_pages(), 0U);
    EXPECT_EQ(machine.count().superpages, 4U);
    EXPECT_LE(machine.count().runs, 3U) << "4 MiB, 8 KiB and 32 KiB blocks at most";
    run_costs costs = machine.costs();
    const std::uint64_t call = model.base_fault_ns + 4 * model.zero_superpage_ns + 10 * model.zero_base_ns;
    EXPECT_EQ(costs.fault_ns, call);
    EXPECT_EQ(costs.fault_ns_longest, call);
    EXPECT_EQ(costs.fault_zeroed_bytes, 2058 * page_bytes);
    EXPECT_EQ(costs.bloat_pages, 2058U);
    ASSERT_EQ(machine.touch({heap, page_count{700}}, access_kind::store), status::ok);
    costs = machine.costs();
    EXPECT_EQ(costs.fault_ns, call) << "nothing faults";
    EXPECT_EQ(costs.bloat_pages, 1358U);
    EXPECT_FALSE(machine.audit());
}

TEST(eager, maps_neither_files_nor_what_the_program_may_not_store_to_before_they_are_touched) {
    native_machine<eager_kind> machine(options_of(16384));
    vma_event file = map_of(heap, 600);
    file.backing = vma_backing::file;
    ASSERT_EQ(machine.apply(file), status::ok);
    ASSERT_EQ(machine.apply(map_of(heap + page_count{4096}, 600, false)), status::ok);
    EXPECT_EQ(machine.resident_pages(), 0U);
    EXPECT_EQ(machine.costs().fault_ns, 0U);
    ASSERT_EQ(machine.touch(heap, access_kind::load), status::ok);
    EXPECT_EQ(machine.resident_pages(), 1U);
    EXPECT_EQ(machine.costs().bloat_pages, 599U) << "frames that the first fault took for the rest of the file";
    EXPECT_FALSE(machine.audit());
}

TEST(eager, maps_what_a_heap_or_a_moved_area_gains) {
    native_machine<eager_kind> machine(options_of(16384));
    vma_event grow = map_of(heap, 100);
    grow.kind = vma_kind::brk_grow;
    ASSERT_EQ(machine.apply(grow), status::ok);
    EXPECT_EQ(machine.resident_pages(), 100U);
    vma_event move = map_of(heap + page_count{8192}, 300);
    move.kind = vma_kind::mremap;
    move.moved_from = {heap, page_count{100}};
    move.protection.reset();
    ASSERT_EQ(machine.touch(heap, access_kind::store), status::ok);
    ASSERT_EQ(machine.apply(move), status::ok);
    EXPECT_EQ(machine.resident_pages(), 300U);
    EXPECT_EQ(machine.touched_pages(), 1U);
    EXPECT_FALSE(machine.audit());
}

// A mapping of which a part may only be read grows in place.
TEST(eager, maps_what_a_call_gains_beside_pages_that_may_only_be_read) {
    native_machine<eager_kind> machine(options_of(16384));
    ASSERT_EQ(machine.apply(map_of(heap, 100)), status::ok);
    vma_event protect = map_of(heap + page_count{50}, 10);
    protect.kind = vma_kind::mprotect;
    protect.protection = vma_protection{true, false, false};
    ASSERT_EQ(machine.apply(protect), status::ok);
    vma_event grow = map_of(heap, 300);
    grow.kind = vma_kind::mremap;
    grow.moved_from = {heap, page_count{100}};
    grow.protection.reset();
    ASSERT_EQ(machine.apply(grow), status::ok);
    EXPECT_EQ(machine.resident_pages(), 300U);
    EXPECT_FALSE(machine.audit());
}

TEST(eager, does_not_fit_where_memory_holds_what_is_touched_but_not_what_is_mapped) {
    // The sort's space of PageRank is mapped and never touched.
    const paper_workload program = paper("pagerank78g/1024");
    const std::uint64_t mib = (program.peak_pages() >> 8) * 21 / 20 + 8;
    ASSERT_LT(mib << 8, program.total_pages());
    const outcome held = outcome_of(program, with(policy_name::base4k, mib));
    EXPECT_EQ(held.runs.pages, program.peak_pages());
    const absl::StatusOr<outcome> eager = run(program, with(policy_name::eager, mib));
    ASSERT_FALSE(eager.ok());
    EXPECT_EQ(eager.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(eager.status().message()), HasSubstr("pagerank78g/1024 at page"));
    EXPECT_THAT(std::string(eager.status().message()), HasSubstr("no frame left in the machine"));
}

TEST(eager, is_counted_when_most_pages_are_touched_and_so_bloat_is_what_stays_untouched) {
    const paper_workload program = paper("hashjoin102g/1024");
    const outcome found = outcome_of(program, with(policy_name::eager, 512));
    EXPECT_GE(found.runs.pages, program.peak_pages());
    EXPECT_LE(found.runs.pages, program.total_pages());
    const std::uint64_t guard_pages = program.threads() - 1;  // mapped with their stacks, then protected
    EXPECT_LE(found.costs.bloat_pages, program.total_pages() - program.peak_pages() + guard_pages);
    EXPECT_GT(found.costs.bloat_pages, 0U);
}

// ---- daemons

TYPED_TEST(kind_with_daemon, finds_an_end_and_then_changes_nothing_more) {
    const paper_workload program = paper("hashjoin102g/1024");
    native_machine<TypeParam> machine(options_of(std::uint64_t{256} << 8, hog_of(30)));
    ASSERT_TRUE(machine.started().ok());
    ASSERT_EQ(play(machine, program, 1000), "");
    const run_costs settled = machine.costs();
    EXPECT_GT(settled.daemon.passes, 0U);
    EXPECT_LT(settled.daemon.passes, 1000U);
    const census before = machine.count();
    machine.settle();
    const run_costs again = machine.costs();
    EXPECT_EQ(again.daemon.passes, settled.daemon.passes + 1) << "one pass that finds nothing";
    EXPECT_EQ(again.settled_ns, settled.settled_ns);
    EXPECT_EQ(again.daemon.migrated_pages, settled.daemon.migrated_pages);
    EXPECT_EQ(machine.count().runs, before.runs);
}

TYPED_TEST(kind_with_daemon, runs_natively_only) {
    experiment wanted = with(TypeParam::name, 512);
    wanted.mode = machine_mode::virtualized;
    const absl::StatusOr<outcome> found = run(paper("svm29g/1024"), wanted);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.status().code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(found.status().message()), HasSubstr("runs natively only"));
}

TEST(virtual_machines, refuse_what_maps_at_once_or_places_offline_and_take_what_works_in_faults) {
    const paper_workload program = paper("svm29g/4096");
    for (const auto& [name, policy] : policy_names) {
        SCOPED_TRACE(name);
        experiment wanted = with(policy, 256);
        wanted.mode = machine_mode::virtualized;
        const absl::StatusOr<outcome> found = run(program, wanted);
        const bool in_faults = policy == policy_name::base4k || policy == policy_name::thp ||
                               policy == policy_name::ca || policy == policy_name::random;
        EXPECT_EQ(found.ok(), in_faults) << found.status();
        EXPECT_EQ(found.status().code(), in_faults ? absl::StatusCode::kOk : absl::StatusCode::kUnimplemented);
    }
}

TEST(experiment_kinds, a_policy_that_is_not_compiled_in_is_unimplemented) {
    const absl::StatusOr<outcome> found =
        run_experiment<thp_kind>(paper("svm29g/4096"), with(policy_name::ranger, 256));
    EXPECT_EQ(found.status().code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(found.status().message()), HasSubstr("ranger"));
}

TEST(ranger, ends_with_at_most_twice_the_runs_of_ca_later_and_with_migrations) {
    for (const unsigned hog : {0U, 30U, 50U}) {
        for (const paper_workload& program : paper_workloads(1024)) {
            SCOPED_TRACE(program.name() + " hog " + std::to_string(hog));
            const outcome ca = outcome_of(program, with(policy_name::ca, 1024, hog_of(hog)));
            const outcome ranger = outcome_of(program, with(policy_name::ranger, 1024, hog_of(hog)));
            EXPECT_LE(ranger.runs.n99, 2 * ca.runs.n99);
            EXPECT_EQ(ranger.runs.pages, ca.runs.pages);
            const daemon_costs& costs = ranger.costs.daemon;
            EXPECT_GT(costs.migrated_pages + costs.exchanged_pages, 0U);
            EXPECT_GT(ranger.costs.settled_ns, 0U);
            EXPECT_GT(ranger.costs.covered_ns + (ranger.runs.cover128 >= 0.9 ? 1 : 0), 0U);
            EXPECT_EQ(ca.costs.daemon, daemon_costs{});
            EXPECT_EQ(ca.costs.settled_ns, 0U);
        }
    }
}

TEST(ingens, faults_in_base_pages_and_promotes_behind_them) {
    const paper_workload program = paper("svm29g/1024");
    const outcome found = outcome_of(program, with(policy_name::ingens, 512));
    EXPECT_EQ(found.costs.fault_ns_longest, model.fault_ns(base_order)) << "no fault takes 2 MiB";
    EXPECT_GT(found.runs.superpages, 0U);
    EXPECT_LE(found.runs.superpages, found.costs.daemon.promotions) << "what is freed breaks some up";
}

TEST(hawkeye, serves_faults_from_frames_that_it_zeroed_before) {
    // Faults of 2 MiB take half a millisecond each; the first pass comes after 30 s of them.
    const paper_workload program = paper("bt167g");
    experiment wanted = with(policy_name::hawkeye, 256 << 10);
    const outcome hawkeye = outcome_of(program, wanted);
    wanted.policy = policy_name::thp;
    const outcome thp = outcome_of(program, wanted);
    EXPECT_LT(hawkeye.costs.fault_ns, thp.costs.fault_ns);
    EXPECT_LT(hawkeye.costs.fault_zeroed_bytes, thp.costs.fault_zeroed_bytes);
    EXPECT_GT(hawkeye.costs.daemon.zeroed_bytes, 0U);
}

TEST(ideal, counts_a_placement_of_the_pages_that_thp_maps) {
    for (const paper_workload& program : paper_workloads(2048)) {
        SCOPED_TRACE(program.name());
        const outcome thp = outcome_of(program, with(policy_name::thp, 1024, hog_of(40)));
        const outcome ideal = outcome_of(program, with(policy_name::ideal, 1024, hog_of(40)));
        EXPECT_EQ(ideal.runs.pages, thp.runs.pages);
        EXPECT_EQ(ideal.counters.faults, thp.counters.faults);
        EXPECT_EQ(ideal.costs.fault_ns, thp.costs.fault_ns);
        EXPECT_LE(ideal.runs.n99, thp.runs.n99);
    }
}

TEST(random_policy, needs_more_runs_than_thp_on_free_memory) {
    const paper_workload program = paper("svm29g/1024");
    const outcome thp = outcome_of(program, with(policy_name::thp, 512));
    const outcome random = outcome_of(program, with(policy_name::random, 512));
    EXPECT_LE(random.runs.pages, thp.runs.pages) << "base pages break the blocks that superpages need";
    EXPECT_GT(random.runs.n99, thp.runs.n99);
}

// ---- memory that cannot be had

TEST(fragmentation_of_an_experiment, that_cannot_be_done_is_an_error_that_names_the_step_and_no_lack_of_frames) {
    const paper_workload program = paper("svm29g/4096");
    fragmentation impossible;
    impossible.steps.push_back(unusable_step{base_order, 500});
    fragmentation missing;
    missing.steps.push_back(snapshot_step{"/there/is/no/such/file"});
    fragmentation too_much = hog_of(70);
    too_much.steps.push_back(hog_step{superpage_order, 60});
    for (const auto& [steps, says, code] :
         {std::tuple(impossible, "unusable:4K:0.5", absl::StatusCode::kInvalidArgument),
          std::tuple(missing, "snapshot:/there/is/no/such/file", absl::StatusCode::kNotFound),
          std::tuple(too_much, "hog:2M:60", absl::StatusCode::kInvalidArgument)}) {
        for (const machine_mode mode : {machine_mode::native, machine_mode::virtualized}) {
            SCOPED_TRACE(says);
            experiment wanted = with(policy_name::ca, 256, steps);
            wanted.mode = mode;
            const absl::StatusOr<outcome> found = run(program, wanted);
            ASSERT_FALSE(found.ok());
            EXPECT_EQ(found.status().code(), code) << found.status();
            EXPECT_THAT(std::string(found.status().message()), HasSubstr(says));
        }
    }
}

TEST(fragmentation_of_an_experiment, that_leaves_too_little_makes_the_program_not_fit) {
    fragmentation scattered;
    scattered.steps.push_back(scatter_step{90});
    const absl::StatusOr<outcome> found = run(paper("svm29g/1024"), with(policy_name::ca, 64, scattered));
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(found.status().message()), HasSubstr("of which 1639 were free at the start"));
}

TEST(memory_need_of_nodes_and_hogs, is_what_a_machine_finds_free) {
    const paper_workload program = paper("svm29g/4096");
    for (const unsigned nodes : {1U, 2U, 3U, 5U}) {
        for (const std::uint64_t memory : {4096U, 4096U + 512, 5000U, 262'144U + 700U}) {
            for (const unsigned size : {0U, 4U, 9U, 11U, 18U}) {
                for (const unsigned percent : {0U, 1U, 37U, 100U}) {
                    experiment wanted = with(policy_name::thp, 0);
                    wanted.memory = page_count{memory};
                    wanted.nodes = nodes;
                    wanted.fragmented.steps = {hog_step{order{size}, percent}};
                    simulated_zone<pfn> zone(zone_layout{wanted.memory, nodes});
                    ASSERT_TRUE(apply_fragmentation(wanted.fragmented, zone, 2).ok());
                    EXPECT_EQ(need_of(program, wanted).left, zone.frames().free_frames().raw)
                        << nodes << " nodes of " << memory << " hog of order " << size << ", " << percent << " %";
                }
            }
        }
    }
}

TEST(memory_need_of_nodes_and_hogs, without_a_hog_is_all_but_the_records_of_the_nodes) {
    experiment wanted = with(policy_name::thp, 64);
    wanted.nodes = 3;
    EXPECT_EQ(need_of(paper("svm29g/4096"), wanted).left, 3 * (std::uint64_t{64} << 8) - 2 * 512);
}

}
}
