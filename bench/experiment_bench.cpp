// SPDX-License-Identifier: MIT
// Whole recorded programs on simulated machines, from the first fault to the census.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/load_workload.hpp>
#include <map>
#include <string>
#include <utility>

namespace longreach {
namespace {

const recording& program(const std::string& name) {
    static std::map<std::string, recording> loaded;
    auto found = loaded.find(name);
    if (found == loaded.end()) {
        auto recordings = load_workload(name, translation_feed::accesses);
        if (!recordings.ok()) {
            std::fprintf(stderr, "%s\n", recordings.status().ToString().c_str());
            std::exit(2);
        }
        found = loaded.emplace(name, std::move((*recordings)[0])).first;
    }
    return found->second;
}

void run(benchmark::State& state, const std::string& name, policy_name policy, machine_mode mode, unsigned hog) {
    experiment wanted;
    wanted.policy = policy;
    wanted.mode = mode;
    wanted.memory = floor_pages(std::uint64_t{4} << 30);
    wanted.fragmented = hog_of(hog);
    const recording& from = program(name);
    outcome last;
    for (auto _ : state) {
        auto found = run_experiment<thp_kind, ca_kind>(from, wanted);
        if (!found.ok()) return state.SkipWithError("out of memory");
        last = *found;
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(last.counters.faults + last.translation.accesses) *
                            static_cast<std::int64_t>(state.iterations()));
    state.counters["faults"] = static_cast<double>(last.counters.faults);
    state.counters["n99"] = static_cast<double>(last.runs.n99);
    state.counters["bound99"] = static_cast<double>(last.bound99());
    state.counters["refs_per_walk"] = static_cast<double>(last.translation.walk_refs()) /
                                      static_cast<double>(std::max<std::uint64_t>(last.translation.l2_misses, 1));
}

void register_all() {
    for (const std::string& name : bundled_workloads()) {
        for (const policy_name policy : {policy_name::thp, policy_name::ca}) {
            for (const machine_mode mode : {machine_mode::native, machine_mode::virtualized}) {
                const std::string title = "BM_experiment/" + name + "/" + std::string(to_string(policy)) + "/" +
                                          std::string(to_string(mode)) + "/hog30";
                benchmark::RegisterBenchmark(title.c_str(), [=](benchmark::State& state) {
                    run(state, name, policy, mode, 30);
                })->Unit(benchmark::kMillisecond);
            }
        }
    }
}

[[maybe_unused]] const bool registered = (register_all(), true);

}
}
