// SPDX-License-Identifier: MIT
// What ca promises for the recorded programs, natively and in a virtual machine, on free and on fragmented memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/load_workload.hpp>
#include <string>
#include <vector>

namespace longreach {
namespace {

constexpr page_count four_gib{std::uint64_t{1} << 20};
constexpr unsigned seeds = 2;

struct shared_program : testing::TestWithParam<const char*> {
    static outcome run(const recording& program, policy_name policy, machine_mode mode, unsigned hog, unsigned seed) {
        experiment wanted;
        wanted.policy = policy;
        wanted.mode = mode;
        wanted.memory = four_gib;
        wanted.fragmented = hog_of(hog);
        wanted.seed = seed;
        wanted.feed = translation_feed::census;
        auto done = run_experiment<thp_kind, ca_kind>(program, wanted);
        EXPECT_TRUE(done.ok()) << done.status();
        return done.ok() ? *done : outcome{};
    }
    static recording load(const std::string& name) {
        auto loaded = load_workload(name, translation_feed::census);
        EXPECT_TRUE(loaded.ok()) << loaded.status();
        return loaded.ok() ? loaded->front() : recording{};
    }
};

constexpr const char* names[] = {"bt", "gups", "hashjoin", "liblinear", "python", "redis", "sqlite"};

TEST_P(shared_program, stays_near_the_bound_and_never_needs_more_memory_than_thp) {
    const recording program = load(GetParam());
    for (const machine_mode mode : {machine_mode::native, machine_mode::virtualized}) {
        for (const unsigned hog : {0U, 30U, 50U}) {
            for (unsigned seed = 1; seed <= seeds; ++seed) {
                SCOPED_TRACE(std::string(to_string(mode)) + " hog " + std::to_string(hog) + " seed " +
                             std::to_string(seed));
                const outcome thp = run(program, policy_name::thp, mode, hog, seed);
                const outcome ca = run(program, policy_name::ca, mode, hog, seed);
                const std::uint64_t bound =
                    mode == machine_mode::native ? ca.bound99() : ca.guest_bound99 + ca.host_bound99 - 1;
                EXPECT_LE(2 * ca.runs.n99, 3 * bound + 6) << "1.5 times the bound and 3";
                EXPECT_GE(ca.runs.n99, ca.bound99());
                EXPECT_LE(ca.runs.pages, thp.runs.pages);
                EXPECT_GE(ca.runs.superpages * thp.runs.pages, thp.runs.superpages * ca.runs.pages);
                EXPECT_LE(ca.runs.n99, thp.runs.n99);
                if (hog == 30) {
                    EXPECT_GE(thp.runs.n99, 3 * ca.runs.n99);
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(all, shared_program, testing::ValuesIn(names));

TEST(shared_programs, on_fragmented_memory_ca_needs_25_times_fewer_runs_than_thp_in_the_geometric_mean) {
    for (const machine_mode mode : {machine_mode::native, machine_mode::virtualized}) {
        double logarithms = 0;
        for (const char* const name : names) {
            const recording program = shared_program::load(name);
            const outcome thp = shared_program::run(program, policy_name::thp, mode, 30, 1);
            const outcome ca = shared_program::run(program, policy_name::ca, mode, 30, 1);
            logarithms += std::log(static_cast<double>(thp.runs.n99) / static_cast<double>(ca.runs.n99));
        }
        EXPECT_GE(std::exp(logarithms / static_cast<double>(std::size(names))), 25) << to_string(mode);
    }
}

}  // namespace
}  // namespace longreach
