// SPDX-License-Identifier: MIT
// How fast recordings are read: lines per second for each kind of file, and whole recordings with their check.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <longreach/workloads/load_workload.hpp>
#include <longreach/workloads/stream.hpp>
#include <string>

namespace {

using namespace longreach;

template <class Value>
Value wanted(absl::StatusOr<Value> value) {
    if (value.ok()) return *std::move(value);
    std::fprintf(stderr, "%s\n", std::string(value.status().message()).c_str());
    std::exit(2);
}

std::uint64_t lines_in(const recording& from) {
    return from.vmas.size() + from.faults.size() + from.upgrades.size() + from.misses.size() + from.accesses.size();
}

/// One file of the bundled gups: decompressed and cut into lines, no more.
void BM_lines(benchmark::State& state) {
    const workload_source source = wanted(find_workloads("gups")).front();
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
    for (auto _ : state) {
        zstd_lines reader = wanted(open_lines(source, recording_kind::accesses));
        while (const auto line = reader.next()) {
            ++lines;
            bytes += line->size() + 1;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(lines));
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(BM_lines)->Name("BM_lines/accesses")->Unit(benchmark::kMillisecond);

template <absl::Status (*read)(zstd_lines&, recording&), recording_kind kind>
void BM_read(benchmark::State& state) {
    const workload_source source = wanted(find_workloads("gups")).front();
    std::uint64_t lines = 0;
    for (auto _ : state) {
        recording into;
        zstd_lines reader = wanted(open_lines(source, kind));
        if (!read(reader, into).ok()) std::exit(2);
        lines += lines_in(into);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(lines));
}
BENCHMARK(BM_read<&read_faults, recording_kind::faults>)->Name("BM_read/faults")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_read<&read_misses, recording_kind::misses>)->Name("BM_read/misses")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_read<&read_accesses, recording_kind::accesses>)->Name("BM_read/accesses")->Unit(benchmark::kMillisecond);

/// Everything that comes before the first simulated event.
void BM_load(benchmark::State& state, const char* name) {
    std::uint64_t lines = 0;
    std::uint64_t peak = 0;
    for (auto _ : state) {
        for (const recording& one : wanted(load_workload(name, translation_feed::accesses))) {
            lines += lines_in(one);
            peak = one.footprint.peak_pages;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(lines));
    state.counters["peak_pages"] = static_cast<double>(peak);
}
BENCHMARK_CAPTURE(BM_load, gups, "gups")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_load, sqlite, "sqlite")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_load, recorded, "recorded")->Unit(benchmark::kMillisecond);

void BM_check(benchmark::State& state) {
    recording gups = wanted(load_workload("gups", translation_feed::accesses)).front();
    for (auto _ : state) {
        if (!check_recording(gups).ok()) std::exit(2);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * static_cast<std::int64_t>(lines_in(gups))));
}
BENCHMARK(BM_check)->Name("BM_check/gups")->Unit(benchmark::kMillisecond);

void BM_stream(benchmark::State& state) {
    const recording gups = wanted(load_workload("gups", translation_feed::accesses)).front();
    std::uint64_t events = 0;
    for (auto _ : state) {
        recorded_stream stream(gups, translation_feed::accesses);
        while (const auto event = stream.next()) {
            benchmark::DoNotOptimize(event->index());
            ++events;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(events));
}
BENCHMARK(BM_stream)->Name("BM_stream/gups")->Unit(benchmark::kMillisecond);

}
