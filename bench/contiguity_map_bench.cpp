// SPDX-License-Identifier: MIT
// The contiguity map over 8 GiB with scattered holes: what a change costs, what a question costs.
//
// Counters: metadata_per_frame (bytes), clusters (maximal free runs), longest (frames).

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <random>
#include <vector>

namespace {

using namespace longreach;

struct zone {
    /// Of every 64 blocks of this order about `used` are in use, at random.
    zone(std::uint64_t frame_count, order hole, unsigned used)
        : memory(buddy::required_bytes({frame_count})),
          map_memory(contiguity_map::required_bytes({frame_count})),
          frames({pfn{0}, {frame_count}}, memory),
          clusters(frames, map_memory) {
        for (std::uint64_t f = 0; f < frame_count; f += hole.pages().raw) {
            if (random() % 64 < used) benchmark::DoNotOptimize(frames.allocate_at(pfn{f}, hole));
        }
        clusters.refresh();
    }

    void report(benchmark::State& state) {
        std::uint64_t count = 0;
        pfn from{0};
        while (const std::optional<frame_run> next = clusters.next(from, page_count{1})) {
            ++count;
            from = next->end();
        }
        const std::optional<frame_run> longest = clusters.longest();
        state.counters["metadata_per_frame"] =
            static_cast<double>(map_memory.size()) / static_cast<double>(frames.managed().count.raw);
        state.counters["clusters"] = static_cast<double>(count);
        state.counters["longest"] = static_cast<double>(longest ? longest->count.raw : 0);
    }

    std::vector<std::byte> memory;
    std::vector<std::byte> map_memory;
    buddy frames;
    contiguity_map clusters;
    std::mt19937_64 random{1};
};

constexpr std::uint64_t gib = std::uint64_t{1} << 18;

/// A frame changes hands and the map hears of it at once.
void BM_update(benchmark::State& state, std::uint64_t frames, order hole) {
    zone z(frames, hole, 16);
    std::vector<pfn> targets(4096);
    for (pfn& f : targets) f = pfn{z.random() % frames};
    std::size_t i = 0;
    for (auto _ : state) {
        const pfn f = targets[i++ % targets.size()];
        if (z.frames.is_free(f, base_order)) {
            benchmark::DoNotOptimize(z.frames.allocate_at(f, base_order));
        } else {
            z.frames.free(f, base_order);
        }
        z.clusters.refresh();
    }
    z.report(state);
}

void BM_next(benchmark::State& state, std::uint64_t frames, order hole, std::uint64_t least) {
    zone z(frames, hole, 16);
    std::vector<pfn> starts(4096);
    for (pfn& f : starts) f = pfn{z.random() % frames};
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(z.clusters.next(starts[i++ % starts.size()], page_count{least}));
    z.report(state);
}

void BM_longest(benchmark::State& state, std::uint64_t frames, order hole) {
    zone z(frames, hole, 16);
    for (auto _ : state) benchmark::DoNotOptimize(z.clusters.longest());
    z.report(state);
}

void BM_around(benchmark::State& state, std::uint64_t frames, order hole) {
    zone z(frames, hole, 1);
    std::vector<pfn> places(4096);
    for (pfn& f : places) f = pfn{z.random() % frames};
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(z.clusters.around(places[i++ % places.size()]));
    z.report(state);
}

BENCHMARK_CAPTURE(BM_update, 8GiB_4KiB_holes, 8 * gib, base_order);
BENCHMARK_CAPTURE(BM_update, 8GiB_2MiB_holes, 8 * gib, superpage_order);
BENCHMARK_CAPTURE(BM_update, 1TiB_2MiB_holes, 1024 * gib, superpage_order);
BENCHMARK_CAPTURE(BM_next, 8GiB_4KiB_holes_least_64KiB, 8 * gib, base_order, 16);
BENCHMARK_CAPTURE(BM_next, 8GiB_2MiB_holes_least_16MiB, 8 * gib, superpage_order, 4096);
BENCHMARK_CAPTURE(BM_next, 1TiB_2MiB_holes_least_64MiB, 1024 * gib, superpage_order, 16384);
BENCHMARK_CAPTURE(BM_longest, 8GiB_4KiB_holes, 8 * gib, base_order);
BENCHMARK_CAPTURE(BM_longest, 8GiB_2MiB_holes, 8 * gib, superpage_order);
BENCHMARK_CAPTURE(BM_longest, 1TiB_2MiB_holes, 1024 * gib, superpage_order);
BENCHMARK_CAPTURE(BM_around, 8GiB_2MiB_holes, 8 * gib, superpage_order);

}  // namespace
