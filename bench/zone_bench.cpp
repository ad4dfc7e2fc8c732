// SPDX-License-Identifier: MIT
// Every zone of the suite under every workload, through one table: BM_<workload>/<zone>/<geometry>.
//
// Time is processor time of the thread per operation; zones are created outside it. By default five repetitions of
// everything except heal and churn_90_seeds, which run once, interleaved at random; Google Benchmark's flags override
// that. After its report come a table of medians and one of the goals (on stderr where the report is JSON or CSV), of
// what was run. Counters: bytes_per_frame (metadata, for as many CPUs as the zone can have); of what is free at the end
// used_percent, free_2MiB_percent (of what the free frames could make), runs, longest_run; refused (allocations);
// wall_ns (wall-clock time, added up over the threads, per operation). Two threads on a zone that does not lock itself
// go through one spin lock; the CPU column does not see their work.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <longreach/allocator/contiguity_map.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "longreach_zones.hpp"
#include "zone_report.hpp"
#include "zone_threads.hpp"
#include "zone_workloads.hpp"

namespace {

using namespace longreach::bench;

/// What outlives every benchmark; the workspace is made by the first one that runs.
struct session {
    workspace& shared() {
        if (!shared_) shared_ = std::make_unique<workspace>();
        return *shared_;
    }
    measurements run;
    std::vector<std::pair<std::string, std::string>> workloads;  ///< names and geometries

  private:
    std::unique_ptr<workspace> shared_;
};

/// One repetition: all operations are one batch, so the reported time is that of one operation.
void run_once(benchmark::State& state, session& all, const longreach_zone_interface& table, const zone_workload& work,
              const std::string& name) {
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(work.operations))) {
        try {
            double nanoseconds = 0;
            {
                stopwatch watch(state);
                trial t{table, all.shared(), watch, state.counters, work.operations};
                work.run(t);
                nanoseconds = watch.nanoseconds();
            }
            state.SetIterationTime(nanoseconds * 1e-9);
            all.run.add(name, "ns", nanoseconds / static_cast<double>(work.operations));
        } catch (const std::exception& error) {
            all.run.fail(name);
            state.SkipWithError(error.what());
            return;
        }
    }
    for (const auto& [quantity, counter] : state.counters) all.run.add(name, quantity, counter.value);
}

void add(session& all, const longreach_zone_interface& table, const zone_workload& work) {
    const std::string name = benchmark_name(work.name, table.name, work.geometry);
    benchmark::internal::Benchmark* added = benchmark::RegisterBenchmark(
        name.c_str(), [&all, &table, work, name](benchmark::State& state) { run_once(state, all, table, work, name); });
    added->Iterations(static_cast<benchmark::IterationCount>(work.operations))->UseManualTime();
    if (work.operations == 1) added->Unit(benchmark::kMicrosecond);
    if (work.once) added->Repetitions(1)->DisplayAggregatesOnly(false);
}

/// Metadata of `buddy` that keeps promises to the frame, without and with a contiguity map.
void report_metadata(std::uint64_t frames, benchmark::UserCounters& counters) {
    using namespace longreach;
    const std::size_t exact = sizeof(buddy) + buddy::required_bytes(page_count{frames});
    const std::size_t map = sizeof(contiguity_map) + contiguity_map::required_bytes(page_count{frames});
    counters["exact_bytes_per_frame"] = static_cast<double>(exact) / static_cast<double>(frames);
    counters["with_map_bytes_per_frame"] = static_cast<double>(exact + map) / static_cast<double>(frames);
}

/// Starting a zone anew in memory that it touched before, for zones that can.
void add_start(session& all, const restartable_zone& zone, std::uint64_t frames, const std::string& geometry) {
    const auto any = [](const longreach_zone_interface&) { return true; };
    add(all, *zone.table, {"start", geometry, 1, any, [&zone, frames](trial& t) {
                               owned_zone started(t.table, frames);
                               t.watch.time([&] { zone.start(started.zone()); });
                               if (zone.table == &buddy_zone_table) report_metadata(frames, t.counters);
                           }});
}

void add_all(session& all) {
    std::vector<zone_workload> workloads = single_thread_workloads();
    for (const zone_workload& work : threaded_workloads()) workloads.push_back(work);
    for (const zone_workload& work : workloads) {
        all.workloads.emplace_back(work.name, work.geometry);
        for (const longreach_zone_interface* table : all_zones()) {
            if (work.suits(*table)) add(all, *table, work);
        }
    }
    const std::vector<std::pair<std::uint64_t, std::string>> sizes{{frames_of_8g, "8GiB"},
                                                                   {std::uint64_t{1} << 28, "1TiB"}};
    for (const auto& [frames, geometry] : sizes) {
        all.workloads.emplace_back("start", geometry);
        for (const restartable_zone& zone : restartable_zones()) add_start(all, zone, frames, geometry);
    }
}

int run_program(int argc, char** argv) {
    std::vector<std::string> words{"zone_bench", "--benchmark_repetitions=5",
                                   "--benchmark_enable_random_interleaving=true",
                                   "--benchmark_display_aggregates_only=true"};
    std::FILE* tables_to = stdout;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = words.emplace_back(argv[i]);
        if (word == "--benchmark_format=json" || word == "--benchmark_format=csv") tables_to = stderr;
    }
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);

    session all;
    add_all(all);
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    std::vector<std::string> zones;
    for (const longreach_zone_interface* table : all_zones()) zones.emplace_back(table->name);
    print_medians(all.run, all.workloads, zones, tables_to);
    print_goals(all.run, tables_to);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "zone_bench: %s\n", error.what());
        return 1;
    }
}
