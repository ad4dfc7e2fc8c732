// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_ZONE_THREADS_HPP
#define LONGREACH_BENCH_ZONE_THREADS_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "spin_lock.hpp"
#include "zone_workloads.hpp"

// What one and two threads do to a zone of 4 GiB, each thread with a CPU number and a part of the work of its own.
//
// A zone whose table names a single CPU has one spin lock of the harness around every call where two threads run; the
// other zones lock themselves. The time is processor time of the threads, per operation.

namespace longreach::bench {

inline constexpr std::uint64_t frames_of_4g = std::uint64_t{1} << 20;

/// A zone as several threads see it: with a lock around every call where it has none of its own.
class shared_zone {
  public:
    shared_zone(const longreach_zone_interface& table, unsigned threads)
        : zone_(table, frames_of_4g, std::min(threads, table.cpus)), locked_(threads > table.cpus) {}

    std::uint64_t allocate(unsigned order, unsigned cpu) {
        if (!locked_) return zone_.allocate(order, cpu);
        const std::lock_guard<spin_lock> guard(lock_);
        return zone_.allocate(order);
    }
    void release(std::uint64_t frame, unsigned order, unsigned cpu) {
        if (!locked_) return zone_.release(frame, order, cpu);
        const std::lock_guard<spin_lock> guard(lock_);
        zone_.release(frame, order);
    }

  private:
    owned_zone zone_;
    bool locked_;
    spin_lock lock_;
};

/// Runs `prepare(cpu)`, and once all have, `work(cpu)` on that many threads; the sum of the processor time of the work.
template <class Prepare, class Work>
[[nodiscard]] double nanoseconds_of(unsigned threads, Prepare prepare, Work work) {
    std::vector<double> taken(threads);
    std::atomic<unsigned> ready{0};
    std::vector<std::thread> running;
    for (unsigned cpu = 0; cpu < threads; ++cpu) {
        running.emplace_back([&, cpu] {
            prepare(cpu);
            ++ready;
            while (ready != threads) std::this_thread::yield();
            const double since = thread_nanoseconds();
            work(cpu);
            taken[cpu] = thread_nanoseconds() - since;
        });
    }
    for (std::thread& t : running) t.join();
    return std::accumulate(taken.begin(), taken.end(), 0.0);
}

/// Frames that each thread takes and gives back in bulk: a sixteenth stays free for what other CPUs keep for
/// themselves.
[[nodiscard]] constexpr std::uint64_t share_of(unsigned threads) { return frames_of_4g / 16 * 15 / threads; }

/// Each thread takes its share frame by frame, then gives it back in reverse; once before the clock runs.
inline void threads_bulk(trial& t, unsigned threads) {
    shared_zone zone(t.table, threads);
    std::vector<std::vector<std::uint64_t>> taken(threads, std::vector<std::uint64_t>(share_of(threads)));
    const auto take_and_give = [&](unsigned cpu) {
        std::vector<std::uint64_t>& frames = taken[cpu];
        for (std::uint64_t& frame : frames) frame = zone.allocate(0, cpu);
        for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) zone.release(*frame, 0, cpu);
    };
    t.watch.add(nanoseconds_of(threads, take_and_give, take_and_give));
    for (const std::vector<std::uint64_t>& frames : taken)
        t.expect(frames.back() != LONGREACH_NO_FRAME, "a free frame was refused");
}

inline void threads_hot_pair(trial& t, unsigned threads, std::uint64_t pairs) {
    shared_zone zone(t.table, threads);
    const auto keep_one = [&](unsigned cpu) {
        t.expect(zone.allocate(0, cpu) != LONGREACH_NO_FRAME, "a free frame was refused");
    };
    t.watch.add(nanoseconds_of(threads, keep_one, [&](unsigned cpu) {
        for (std::uint64_t i = 0; i < pairs; ++i) zone.release(zone.allocate(0, cpu), 0, cpu);
    }));
}

/// Churn of mixed orders at 50 %, each thread with a script of its own.
inline void threads_churn(trial& t, unsigned threads, std::uint64_t steps) {
    shared_zone zone(t.table, threads);
    std::vector<churn_script> scripts;
    std::vector<std::vector<std::uint64_t>> slots;
    for (unsigned cpu = 0; cpu < threads; ++cpu) {
        const churn_script& script = scripts.emplace_back(frames_of_4g / 2 / threads, steps, cpu + 1);
        slots.emplace_back(script.slots(), LONGREACH_NO_FRAME);
    }
    t.watch.add(nanoseconds_of(
        threads, [&](unsigned cpu) { play(zone, scripts[cpu].fill(), slots[cpu], cpu); },
        [&](unsigned cpu) { play(zone, scripts[cpu].churn(), slots[cpu], cpu); }));
}

/// Every workload of one and two threads.
[[nodiscard]] inline std::vector<zone_workload> threaded_workloads() {
    const auto any = [](const longreach_zone_interface&) { return true; };
    const auto mixed = [](const longreach_zone_interface& z) { return mixes_orders(z); };
    constexpr std::uint64_t pairs = std::uint64_t{1} << 20;
    constexpr std::uint64_t steps = std::uint64_t{1} << 20;
    std::vector<zone_workload> all;
    for (const unsigned threads : {1U, 2U}) {
        const std::string suffix = "_threads:" + std::to_string(threads);
        all.push_back({"threads_bulk", "4GiB_4KiB" + suffix, share_of(threads) * threads * 2, any,
                       [=](trial& t) { threads_bulk(t, threads); }});
        all.push_back({"threads_hot_pair", "4GiB_4KiB" + suffix, pairs * threads, any,
                       [=](trial& t) { threads_hot_pair(t, threads, pairs); }});
        all.push_back({"threads_churn_50", "4GiB_mixed" + suffix, steps * threads, mixed,
                       [=](trial& t) { threads_churn(t, threads, steps); }});
    }
    return all;
}

}  // namespace longreach::bench

#endif
