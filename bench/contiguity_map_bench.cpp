// SPDX-License-Identifier: MIT
// The contiguity map over zones of which every second 4 MiB unit, drawn at random, is in use: what a change costs it
// and what a question costs.
//
// BM_change flips one unit of the buddy. The same few units again and again: `alone` without a map, `queued` with one
// that only notes the change. Random units: `alone_random` without, `followed` with a map, which takes up 64 changed
// children at a time. The map's share is queued - alone, and followed - alone_random. Questions find the map up to
// date, except in BM_change_then_*, with one change of a random unit before each. Counters: bytes_per_frame (of the
// map), with_buddy (of both), clusters (maximal free runs), longest (frames).

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <longreach/allocator/contiguity_map.hpp>
#include <longreach/workloads/random.hpp>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <vector>

namespace {

using namespace longreach;

constexpr order unit{10};  // 4 MiB
constexpr std::uint64_t gib = std::uint64_t{1} << 18;
constexpr std::size_t places = 1 << 16;

/// Memory that is not touched before it is used.
class raw_memory {
  public:
    explicit raw_memory(std::size_t size) : size_(size), start_(static_cast<std::byte*>(std::malloc(size))) {
        if (start_ == nullptr) throw std::bad_alloc();
    }
    [[nodiscard]] std::span<std::byte> bytes() const { return {start_.get(), size_}; }

  private:
    struct release {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::size_t size_;
    std::unique_ptr<std::byte, release> start_;
};

struct half_used_zone {
    explicit half_used_zone(std::uint64_t frame_count)
        : memory(buddy::required_bytes({frame_count})),
          map_memory(contiguity_map::required_bytes({frame_count})),
          frames({pfn{0}, {frame_count}}, memory.bytes()) {
        random_numbers random(1);
        for (std::uint64_t f = 0; f < frame_count; f += unit.pages().raw) {
            if (random.below(2) == 0) benchmark::DoNotOptimize(frames.allocate_at(pfn{f}, unit));
        }
        for (pfn& f : at) f = align_down(pfn{random.below(frame_count)}, unit);
        for (page_count& size : sizes) size.raw = std::array<std::uint64_t, 3>{2, 8, 24}[random.below(3)] << unit.raw;
        clusters.emplace(frames, map_memory.bytes());
    }

    void flip(pfn f) {
        if (frames.is_free(f, unit)) {
            benchmark::DoNotOptimize(frames.allocate_at(f, unit));
        } else {
            frames.free(f, unit);
        }
    }

    void report(benchmark::State& state) {
        if (!clusters) clusters.emplace(frames, map_memory.bytes());
        std::uint64_t count = 0;
        clusters->for_each([&count](frame_run) { ++count; });
        const double all = static_cast<double>(frames.managed().count.raw);
        state.counters["bytes_per_frame"] = static_cast<double>(map_memory.bytes().size()) / all;
        state.counters["with_buddy"] = static_cast<double>(map_memory.bytes().size() + memory.bytes().size()) / all;
        state.counters["clusters"] = static_cast<double>(count);
        const std::optional<frame_run> longest = clusters->longest();
        state.counters["longest"] = static_cast<double>(longest ? longest->count.raw : 0);
    }

    raw_memory memory;
    raw_memory map_memory;
    buddy frames;
    std::optional<contiguity_map> clusters;
    std::vector<pfn> at = std::vector<pfn>(places);
    std::vector<page_count> sizes = std::vector<page_count>(places);  // of questions: 2, 8 or 24 units
};

/// Zones are made once, as making one of 8 TiB takes seconds.
half_used_zone& zone_of(std::uint64_t frame_count) {
    static std::map<std::uint64_t, std::unique_ptr<half_used_zone>> zones;
    std::unique_ptr<half_used_zone>& zone = zones[frame_count];
    if (!zone) zone = std::make_unique<half_used_zone>(frame_count);
    return *zone;
}

enum class follow { alone, alone_random, queued, followed };

void BM_change(benchmark::State& state, std::uint64_t frames, follow how) {
    half_used_zone& zone = zone_of(frames);
    if (how == follow::alone || how == follow::alone_random) zone.clusters.reset();
    const std::size_t mask = how == follow::alone_random || how == follow::followed ? places - 1 : 15;
    std::size_t i = 0;
    for (auto _ : state) zone.flip(zone.at[i++ & mask]);
    zone.report(state);
}

void BM_change_then_next(benchmark::State& state, std::uint64_t frames, std::uint64_t units) {
    half_used_zone& zone = zone_of(frames);
    std::size_t i = 0;
    for (auto _ : state) {
        zone.flip(zone.at[i & (places - 1)]);
        benchmark::DoNotOptimize(zone.clusters->next(zone.at[++i & (places - 1)], page_count{units << unit.raw}));
    }
    zone.report(state);
}

/// A change, then a question for 2, 8 or 24 units, drawn at random.
template <class Question>
void change_then(benchmark::State& state, std::uint64_t frames, Question ask) {
    half_used_zone& zone = zone_of(frames);
    std::size_t i = 0;
    for (auto _ : state) {
        zone.flip(zone.at[i & (places - 1)]);
        benchmark::DoNotOptimize(ask(*zone.clusters, zone.sizes[i++ & (places - 1)]));
    }
    zone.report(state);
}

void BM_change_then_best(benchmark::State& state, std::uint64_t frames) {
    change_then(state, frames, [](contiguity_map& map, page_count size) { return map.best_fit(size); });
}

void BM_change_then_worst(benchmark::State& state, std::uint64_t frames) {
    change_then(state, frames, [](contiguity_map& map, page_count size) { return map.worst_fit(size); });
}

void BM_change_then_next_fit(benchmark::State& state, std::uint64_t frames) {
    change_then(state, frames, [](contiguity_map& map, page_count size) { return map.next_fit(size); });
}

void BM_next_fit(benchmark::State& state, std::uint64_t frames, std::uint64_t units) {
    half_used_zone& zone = zone_of(frames);
    zone.clusters->refresh();
    std::size_t i = 0;
    for (auto _ : state) {
        zone.clusters->set_rover(zone.at[i++ & (places - 1)]);
        benchmark::DoNotOptimize(zone.clusters->next_fit(page_count{units << unit.raw}));
    }
    zone.report(state);
}

void BM_best_fit(benchmark::State& state, std::uint64_t frames, std::uint64_t units) {
    half_used_zone& zone = zone_of(frames);
    zone.clusters->refresh();
    for (auto _ : state) benchmark::DoNotOptimize(zone.clusters->best_fit(page_count{units << unit.raw}));
    zone.report(state);
}

void BM_worst_fit(benchmark::State& state, std::uint64_t frames, std::uint64_t units) {
    half_used_zone& zone = zone_of(frames);
    zone.clusters->refresh();
    for (auto _ : state) benchmark::DoNotOptimize(zone.clusters->worst_fit(page_count{units << unit.raw}));
    zone.report(state);
}

void BM_around(benchmark::State& state, std::uint64_t frames) {
    half_used_zone& zone = zone_of(frames);
    zone.clusters->refresh();
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(zone.clusters->around(zone.at[i++ & (places - 1)]));
    zone.report(state);
}

// Runs of 2, 8 and 24 units: common, rare (one start in 256), and longer than any.
#define LONGREACH_MAP_BENCHES(geometry, frames)                                          \
    BENCHMARK_CAPTURE(BM_change, geometry##_alone, frames, follow::alone);               \
    BENCHMARK_CAPTURE(BM_change, geometry##_alone_random, frames, follow::alone_random); \
    BENCHMARK_CAPTURE(BM_change, geometry##_queued, frames, follow::queued);             \
    BENCHMARK_CAPTURE(BM_change, geometry##_followed, frames, follow::followed);         \
    BENCHMARK_CAPTURE(BM_change_then_next, geometry##_2_units, frames, 2);               \
    BENCHMARK_CAPTURE(BM_change_then_best, geometry##_mixed, frames);                    \
    BENCHMARK_CAPTURE(BM_change_then_worst, geometry##_mixed, frames);                   \
    BENCHMARK_CAPTURE(BM_change_then_next_fit, geometry##_mixed, frames);                \
    BENCHMARK_CAPTURE(BM_next_fit, geometry##_2_units, frames, 2);                       \
    BENCHMARK_CAPTURE(BM_next_fit, geometry##_8_units, frames, 8);                       \
    BENCHMARK_CAPTURE(BM_next_fit, geometry##_24_units, frames, 24);                     \
    BENCHMARK_CAPTURE(BM_best_fit, geometry##_2_units, frames, 2);                       \
    BENCHMARK_CAPTURE(BM_best_fit, geometry##_8_units, frames, 8);                       \
    BENCHMARK_CAPTURE(BM_worst_fit, geometry##_2_units, frames, 2);                      \
    BENCHMARK_CAPTURE(BM_around, geometry, frames)

LONGREACH_MAP_BENCHES(8GiB, 8 * gib);
LONGREACH_MAP_BENCHES(1TiB, 1024 * gib);
LONGREACH_MAP_BENCHES(8TiB, 8192 * gib);

}  // namespace
