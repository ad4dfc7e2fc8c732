// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_ZONE_THREADS_HPP
#define LONGREACH_BENCH_ZONE_THREADS_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
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
// other zones lock themselves. The time is processor time of the threads, per operation; the counter wall_ns is
// their wall-clock time, added up over the threads, per operation.

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

/// Runs `prepare(cpu)`, and once all have, `work(cpu)` on that many threads; counts the time of the work, added up over
/// them. Throws what one of them threw.
template <class Prepare, class Work>
void time_threads(trial& t, unsigned threads, Prepare prepare, Work work) {
    using clock = std::chrono::steady_clock;
    std::vector<double> taken(threads);
    std::vector<double> passed(threads);
    std::vector<std::exception_ptr> thrown(threads);
    std::atomic<unsigned> ready{0};
    std::vector<std::thread> running;
    for (unsigned cpu = 0; cpu < threads; ++cpu) {
        running.emplace_back([&, cpu] {
            const auto keep_thrown = [&](auto& part) {
                try {
                    part(cpu);
                } catch (...) {
                    thrown[cpu] = std::current_exception();
                }
            };
            keep_thrown(prepare);
            ++ready;
            while (ready != threads) std::this_thread::yield();
            if (thrown[cpu]) return;
            const clock::time_point begun = clock::now();
            const double since = thread_nanoseconds();
            keep_thrown(work);
            taken[cpu] = thread_nanoseconds() - since;
            passed[cpu] = std::chrono::duration<double, std::nano>(clock::now() - begun).count();
        });
    }
    for (std::thread& each : running) each.join();
    for (const std::exception_ptr& each : thrown) {
        if (each) std::rethrow_exception(each);
    }
    t.watch.add(std::accumulate(taken.begin(), taken.end(), 0.0));
    t.counters["wall_ns"] = std::accumulate(passed.begin(), passed.end(), 0.0) / static_cast<double>(t.operations);
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
        for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
            if (*frame != LONGREACH_NO_FRAME) zone.release(*frame, 0, cpu);
        }
    };
    time_threads(t, threads, take_and_give, take_and_give);
    for (const std::vector<std::uint64_t>& frames : taken) t.expect(all_given(frames), "a free frame was refused");
}

inline void threads_hot_pair(trial& t, unsigned threads, std::uint64_t pairs) {
    shared_zone zone(t.table, threads);
    const auto keep_one = [&](unsigned cpu) {
        t.expect(zone.allocate(0, cpu) != LONGREACH_NO_FRAME, "a free frame was refused");
    };
    time_threads(t, threads, keep_one, [&](unsigned cpu) {
        for (std::uint64_t i = 0; i < pairs; ++i) {
            const std::uint64_t frame = zone.allocate(0, cpu);
            t.expect(frame != LONGREACH_NO_FRAME, "a free frame was refused");
            zone.release(frame, 0, cpu);
        }
    });
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
    time_threads(
        t, threads, [&](unsigned cpu) { play(zone, scripts[cpu].fill(), slots[cpu], cpu); },
        [&](unsigned cpu) { play(zone, scripts[cpu].churn(), slots[cpu], cpu); });
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
