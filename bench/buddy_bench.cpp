// SPDX-License-Identifier: MIT
// The frame allocator in 8 GiB: bulk, exact and hot requests, and what random frees leave to be found again.
//
// Counters: metadata_per_frame (bytes), superpages (whole 2 MiB blocks free at the end), free_frames.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <optional>
#include <random>
#include <vector>

namespace {

using namespace longreach;

constexpr page_count frames_of_8g{std::uint64_t{2} << 20};

struct zone {
    zone() : memory(buddy::required_bytes(frames_of_8g)), frames({pfn{0}, frames_of_8g}, memory) {}

    void report(benchmark::State& state) const {
        std::uint64_t whole = 0;
        for (pfn f{0}; f < pfn{frames_of_8g.raw}; f += superpage_order.pages())
            whole += frames.is_free(f, superpage_order);
        state.counters["metadata_per_frame"] =
            static_cast<double>(memory.size()) / static_cast<double>(frames_of_8g.raw);
        state.counters["superpages"] = static_cast<double>(whole);
        state.counters["free_frames"] = static_cast<double>(frames.free_frames().raw);
    }

    std::vector<std::byte> memory;
    buddy frames;
};

std::vector<std::uint64_t> shuffled(std::uint64_t count, std::uint64_t step) {
    std::vector<std::uint64_t> numbers(count);
    for (std::uint64_t i = 0; i < count; ++i) numbers[i] = i * step;
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937_64(1));
    return numbers;
}

/// One operation on every block of the zone per iteration.
void per_block(benchmark::State& state, std::uint64_t blocks) {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(blocks));
}

void BM_allocate_all(benchmark::State& state, order size) {
    zone z;
    const std::uint64_t blocks = frames_of_8g.raw >> size.raw;
    for (auto _ : state) {
        for (std::uint64_t i = 0; i < blocks; ++i) benchmark::DoNotOptimize(z.frames.allocate(size));
        state.PauseTiming();
        for (std::uint64_t i = 0; i < blocks; ++i) z.frames.free(pfn{i << size.raw}, size);
        state.ResumeTiming();
    }
    per_block(state, blocks);
    z.report(state);
}

void BM_free_all(benchmark::State& state, order size, bool random) {
    zone z;
    const std::uint64_t blocks = frames_of_8g.raw >> size.raw;
    std::vector<std::uint64_t> names = shuffled(blocks, size.pages().raw);
    if (!random) std::sort(names.begin(), names.end());
    for (auto _ : state) {
        state.PauseTiming();
        for (std::uint64_t i = 0; i < blocks; ++i) benchmark::DoNotOptimize(z.frames.allocate(size));
        state.ResumeTiming();
        for (const std::uint64_t f : names) z.frames.free(pfn{f}, size);
    }
    per_block(state, blocks);
    z.report(state);
}

void BM_allocate_at(benchmark::State& state, order size, bool random) {
    zone z;
    const std::uint64_t blocks = frames_of_8g.raw >> size.raw;
    std::vector<std::uint64_t> names = shuffled(blocks, size.pages().raw);
    if (!random) std::sort(names.begin(), names.end());
    for (auto _ : state) {
        for (const std::uint64_t f : names) benchmark::DoNotOptimize(z.frames.allocate_at(pfn{f}, size));
        state.PauseTiming();
        for (const std::uint64_t f : names) z.frames.free(pfn{f}, size);
        state.ResumeTiming();
    }
    per_block(state, blocks);
    z.report(state);
}

/// Exact requests for frames that are in use.
void BM_allocate_at_busy(benchmark::State& state) {
    zone z;
    const std::vector<std::uint64_t> names = shuffled(frames_of_8g.raw, 1);
    while (z.frames.allocate(superpage_order)) continue;
    std::size_t i = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(z.frames.allocate_at(pfn{names[i]}, base_order));
        i = (i + 1) % names.size();
    }
    z.report(state);
}

/// One block taken and given back, again and again, beside a half full of holes.
void BM_hot_pair(benchmark::State& state, order size) {
    zone z;
    for (const std::uint64_t f : shuffled(frames_of_8g.raw / 4, 2)) {  // every other frame of the lower half
        if (z.frames.allocate_at(pfn{f}, base_order) != status::ok) state.SkipWithError("a fresh frame was refused");
    }
    for (auto _ : state) {
        const std::optional<pfn> f = z.frames.allocate(size);
        benchmark::DoNotOptimize(f);
        if (f) z.frames.free(*f, size);
    }
    z.report(state);
}

/// A full zone loses half of its frames at random; they are taken again, lowest and smallest first.
void BM_refill_after_random_free(benchmark::State& state) {
    zone z;
    while (z.frames.allocate(superpage_order)) continue;
    const std::vector<std::uint64_t> names = shuffled(frames_of_8g.raw, 1);
    const std::uint64_t half = frames_of_8g.raw / 2;
    for (auto _ : state) {
        state.PauseTiming();
        for (std::uint64_t i = 0; i < half; ++i) z.frames.free(pfn{names[i]}, base_order);
        state.ResumeTiming();
        for (std::uint64_t i = 0; i < half; ++i) benchmark::DoNotOptimize(z.frames.allocate(base_order));
    }
    per_block(state, half);
    z.report(state);
}

/// Filled to 95 % with pages, freed to 30 % at random, then churned page by page: how many 2 MiB blocks come back.
void BM_heal_by_churn(benchmark::State& state) {
    std::uint64_t used = 0;
    std::uint64_t whole = 0;
    for (auto _ : state) {
        state.PauseTiming();
        zone z;
        std::vector<pfn> live;
        std::mt19937_64 random(1);
        for (std::uint64_t i = 0; i < frames_of_8g.raw * 95 / 100; ++i) live.push_back(*z.frames.allocate(base_order));
        std::shuffle(live.begin(), live.end(), random);
        while (live.size() > frames_of_8g.raw * 30 / 100) {
            z.frames.free(live.back(), base_order);
            live.pop_back();
        }
        state.ResumeTiming();
        for (std::uint64_t i = 0; i < 8 * frames_of_8g.raw; ++i) {
            pfn& chosen = live[random() % live.size()];
            z.frames.free(chosen, base_order);
            chosen = *z.frames.allocate(base_order);
        }
        state.PauseTiming();
        used = live.size();
        whole = 0;
        for (pfn f{0}; f < pfn{frames_of_8g.raw}; f += superpage_order.pages())
            whole += z.frames.is_free(f, superpage_order);
        state.ResumeTiming();
    }
    state.counters["superpages"] = static_cast<double>(whole);
    state.counters["superpages_possible"] = static_cast<double>((frames_of_8g.raw - used) / 512);
    per_block(state, 8 * frames_of_8g.raw);
}

BENCHMARK_CAPTURE(BM_allocate_all, 8GiB_4KiB, base_order)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_allocate_all, 8GiB_2MiB, superpage_order)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_free_all, 8GiB_4KiB_sequential, base_order, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_free_all, 8GiB_4KiB_random, base_order, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_free_all, 8GiB_2MiB_random, superpage_order, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_allocate_at, 8GiB_4KiB_sequential, base_order, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_allocate_at, 8GiB_4KiB_random, base_order, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_allocate_at, 8GiB_2MiB_random, superpage_order, true)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_allocate_at_busy)->Name("BM_allocate_at_busy/8GiB_4KiB_random");
BENCHMARK_CAPTURE(BM_hot_pair, 8GiB_4KiB, base_order);
BENCHMARK_CAPTURE(BM_hot_pair, 8GiB_2MiB, superpage_order);
BENCHMARK(BM_refill_after_random_free)->Name("BM_refill_after_random_free/8GiB_4KiB")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_heal_by_churn)->Name("BM_heal_by_churn/8GiB_4KiB")->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
