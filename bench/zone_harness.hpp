// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_ZONE_HARNESS_HPP
#define LONGREACH_BENCH_ZONE_HARNESS_HPP

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "zone_interface.h"

// What the workloads on zones share: a zone with an owner, a stopwatch, shuffled numbers, and the contiguity of what is
// left free, which is computed from what the harness itself was given and not from what the allocator says.

namespace longreach::bench {

/// Processor time of the calling thread, in nanoseconds.
[[nodiscard]] inline double thread_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Adds up the calling thread's processor time between start and stop; Google Benchmark's own clocks run along.
class stopwatch {
  public:
    explicit stopwatch(benchmark::State& state) : state_(state) { state_.PauseTiming(); }
    ~stopwatch() { state_.ResumeTiming(); }
    stopwatch(const stopwatch&) = delete;
    stopwatch& operator=(const stopwatch&) = delete;

    void start() {
        state_.ResumeTiming();
        since_ = thread_nanoseconds();
    }
    void stop() {
        nanoseconds_ += thread_nanoseconds() - since_;
        state_.PauseTiming();
    }
    /// Runs `work` between start and stop.
    template <class Work>
    void time(Work&& work) {
        start();
        work();
        stop();
    }
    /// Adds time that was measured elsewhere, such as on other threads.
    void add(double nanoseconds) { nanoseconds_ += nanoseconds; }
    [[nodiscard]] double nanoseconds() const { return nanoseconds_; }

  private:
    benchmark::State& state_;
    double since_ = 0;
    double nanoseconds_ = 0;
};

/// A zone made through a table, unmade at the end; every call goes through the table's pointers.
class owned_zone {
  public:
    owned_zone(const longreach_zone_interface& table, std::uint64_t frames, unsigned cpus = 1)
        : table_(table), zone_(table.create(frames, cpus)) {
        if (zone_ == nullptr) throw std::bad_alloc();
    }
    ~owned_zone() { table_.destroy(zone_); }
    owned_zone(const owned_zone&) = delete;
    owned_zone& operator=(const owned_zone&) = delete;

    std::uint64_t allocate(unsigned order, unsigned cpu = 0) { return table_.allocate(zone_, cpu, order); }
    void release(std::uint64_t frame, unsigned order, unsigned cpu = 0) { table_.release(zone_, cpu, frame, order); }
    bool allocate_at(std::uint64_t frame, unsigned order, unsigned cpu = 0) {
        return table_.allocate_at(zone_, cpu, frame, order) != 0;
    }
    [[nodiscard]] std::size_t metadata_bytes() const { return table_.metadata_bytes(zone_); }
    [[nodiscard]] void* zone() { return zone_; }

  private:
    const longreach_zone_interface& table_;
    void* zone_;
};

/// Whether blocks of different orders can be in use at a time.
[[nodiscard]] inline bool mixes_orders(const longreach_zone_interface& table) {
    owned_zone probe(table, 4096);
    return probe.allocate(0) != LONGREACH_NO_FRAME && probe.allocate(1) != LONGREACH_NO_FRAME;
}

template <class T>
void shuffle(std::vector<T>& items, random_numbers& random) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

/// The multiples of `step` below `count * step`, shuffled.
[[nodiscard]] inline std::vector<std::uint64_t> shuffled_multiples(std::uint64_t count, std::uint64_t step) {
    std::vector<std::uint64_t> numbers(count);
    for (std::uint64_t i = 0; i < count; ++i) numbers[i] = i * step;
    random_numbers random(1);
    shuffle(numbers, random);
    return numbers;
}

/// How contiguous the frames are that the harness does not hold.
class contiguity {
  public:
    explicit contiguity(std::uint64_t frames) : used_(frames) {}

    void hold(std::uint64_t frame, unsigned order) {
        const std::uint64_t count = std::uint64_t{1} << order;
        if (frame >= used_.size() || used_.size() - frame < count) {
            throw std::logic_error("frame " + std::to_string(frame) + " is no frame of the zone");
        }
        const std::uint64_t end = frame + count;
        for (std::uint64_t f = frame; f < end; ++f) {
            if (used_[f]) throw std::logic_error("frame " + std::to_string(f) + " was handed out twice");
            used_[f] = true;
        }
    }

    /// Counters of what hold() left: used_percent, free_2MiB_percent (free aligned 2 MiB blocks, of as many as the free
    /// frames could make), runs (maximal free ones), longest_run (frames).
    void report(benchmark::UserCounters& counters) const {
        constexpr std::uint64_t superpage = 512;
        std::uint64_t used = 0;
        std::uint64_t runs = 0;
        std::uint64_t longest = 0;
        std::uint64_t run = 0;
        std::uint64_t whole = 0;
        for (std::uint64_t f = 0; f < used_.size(); ++f) {
            used += used_[f];
            run = used_[f] ? 0 : run + 1;
            runs += run == 1;
            longest = std::max(longest, run);
            whole += f % superpage == superpage - 1 && run >= superpage;
        }
        const std::uint64_t possible = (used_.size() - used) / superpage;
        counters["used_percent"] = percent(used, used_.size());
        counters["free_2MiB_percent"] = percent(whole, possible);
        counters["runs"] = static_cast<double>(runs);
        counters["longest_run"] = static_cast<double>(longest);
    }

  private:
    static double percent(std::uint64_t part, std::uint64_t whole) {
        return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
    }

    std::vector<bool> used_;
};

}  // namespace longreach::bench

#endif
