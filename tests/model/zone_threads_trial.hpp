// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_THREADS_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_ZONE_THREADS_TRIAL_HPP

#include <atomic>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <thread>
#include <vector>

#include "../../bench/zone_interface.h"
#include "zone_findings.hpp"
#include "zone_request.hpp"

// Threads that ask one allocator at a time, each with a CPU number of its own, against a shared word per frame.
//
// A thread enters its name into the words of the frames it gets, and finds there whether another one has them. A
// refusal is false where some block was free from before the call until after it: its frames were given back earlier,
// by a common clock, and once every call that ran meanwhile has ended nobody has taken one since.

namespace longreach::model {

class zone_threads_trial {
  public:
    zone_threads_trial(const longreach_zone_interface& table, std::uint64_t frames, unsigned threads,
                       std::uint64_t seed)
        : zone_(table, frames, threads), owners_(frames), workers_(threads) {
        const unsigned largest = largest_order(table);
        for (unsigned i = 0; i < threads; ++i) {
            workers_[i].user = zone_user(frames, largest, table.allocate_at != nullptr);
            workers_[i].random = random_numbers(seed * threads + i);
        }
    }

    /// What all threads together did so far; not while they run.
    [[nodiscard]] zone_findings findings() const {
        zone_findings all = findings_;
        for (const worker& w : workers_) all += w.findings;
        return all;
    }

    /// So many operations by each thread, then an audit.
    void run(std::uint64_t operations) {
        std::atomic<unsigned> waiting{static_cast<unsigned>(workers_.size())};
        std::vector<std::thread> threads;
        for (unsigned cpu = 0; cpu < workers_.size(); ++cpu) {
            threads.emplace_back([&, cpu] {
                --waiting;
                while (waiting != 0) std::this_thread::yield();
                worker& self = workers_[cpu];
                for (std::uint64_t i = 0; i < operations; ++i) perform(cpu, self.user.draw(self.random));
            });
        }
        for (std::thread& t : threads) t.join();
        zone_.audit(findings_);
    }

    /// One operation by the thread of this CPU number, or by the only one that runs.
    void perform(unsigned cpu, const zone_request& request) {
        worker& self = workers_[cpu];
        const zone_block block = request.block;
        const std::uint64_t since = ++clock_;
        ++self.calls;
        const std::uint64_t others = calls_of_others(cpu);
        switch (request.kind) {
            case zone_request::allocate: {
                const std::uint64_t got = zone_.allocate(cpu, block.order);
                if (got != LONGREACH_NO_FRAME) take(cpu, {got, block.order});
                const bool alone = others != running && others == calls_of_others(cpu);
                ++self.calls;
                if (got == LONGREACH_NO_FRAME && had_free(cpu, block.order, since)) {
                    ++(alone ? self.findings.refused : self.findings.refused_meanwhile);
                }
                break;
            }
            case zone_request::allocate_at: {
                const bool granted = zone_.allocate_at(cpu, block.frame, block.order);
                if (granted) take(cpu, block);
                ++self.calls;
                if (!granted && fits(block)) {
                    wait_for_others(cpu);
                    self.findings.refused_at += was_free(block, since);
                }
                break;
            }
            case zone_request::release:
                release(cpu, block);
                ++self.calls;
                break;
        }
        ++self.findings.operations;
    }

    /// One thread gives everything back, takes every frame and gives those back: finds frames that were lost.
    void finish() {
        release_all();
        for (std::uint64_t f = 0; f < owners_.size(); ++f) perform(0, {zone_request::allocate, {}});
        release_all();
        zone_.audit(findings_);
    }

  private:
    struct alignas(64) worker {
        std::atomic<std::uint64_t> calls{0};  ///< odd while one runs
        zone_user user{0, 0, false};
        random_numbers random{0};
        zone_findings findings{};
    };

    static constexpr std::uint64_t running = ~std::uint64_t{0};

    // A frame's word: the time at which it became free, or who has it, or who is about to give it back.
    static constexpr std::uint64_t named = std::uint64_t{1} << 63;
    [[nodiscard]] static constexpr std::uint64_t held_by(unsigned cpu) { return named | cpu * 2; }
    [[nodiscard]] static constexpr std::uint64_t leaving(unsigned cpu) { return named | (cpu * 2 + 1); }
    [[nodiscard]] static constexpr bool is_held(std::uint64_t word) { return word >= named && word % 2 == 0; }

    void take(unsigned cpu, zone_block b) {
        worker& self = workers_[cpu];
        const bool aligned = b.frame % frames_of(b.order) == 0;
        self.findings.misaligned += !aligned;
        self.findings.out_of_range += !fits(b);
        if (!aligned || !fits(b)) return;
        bool overlaps = false;
        for (std::uint64_t i = 0; i < frames_of(b.order); ++i) {
            overlaps = is_held(owners_[b.frame + i].exchange(held_by(cpu))) || overlaps;
        }
        self.findings.overlaps += overlaps;
        if (!overlaps) self.user.hold(b);
    }

    /// Until the allocator has them back another thread that gets one of the frames need not wonder, afterwards they
    /// are free unless one got them already.
    void release(unsigned cpu, zone_block b) {
        bool mine = true;
        for (std::uint64_t i = 0; i < frames_of(b.order); ++i) {
            mine = owners_[b.frame + i].exchange(leaving(cpu)) == held_by(cpu) && mine;
        }
        workers_[cpu].findings.overlaps += !mine;
        zone_.release(cpu, b.frame, b.order);
        const std::uint64_t now = ++clock_;
        for (std::uint64_t i = 0; i < frames_of(b.order); ++i) {
            std::uint64_t expected = leaving(cpu);
            owners_[b.frame + i].compare_exchange_strong(expected, now);
        }
    }

    /// How many calls the other threads have made, or `running` where one is under way.
    [[nodiscard]] std::uint64_t calls_of_others(unsigned cpu) const {
        std::uint64_t sum = 0;
        for (unsigned other = 0; other < workers_.size(); ++other) {
            const std::uint64_t seen = other == cpu ? 0 : workers_[other].calls.load();
            if (seen % 2 != 0) return running;
            sum += seen;
        }
        return sum;
    }

    void release_all() {
        for (unsigned cpu = 0; cpu < workers_.size(); ++cpu) {
            while (workers_[cpu].user.holds_any()) perform(cpu, workers_[cpu].user.give_back_last());
        }
    }

    /// Until the calls that others are in have ended, what they took included.
    void wait_for_others(unsigned cpu) const {
        for (unsigned other = 0; other < workers_.size(); ++other) {
            const std::uint64_t seen = workers_[other].calls;
            if (other == cpu || seen % 2 == 0) continue;
            while (workers_[other].calls == seen) std::this_thread::yield();
        }
    }

    [[nodiscard]] bool fits(zone_block b) const {
        return b.frame < owners_.size() && frames_of(b.order) <= owners_.size() - b.frame;
    }
    [[nodiscard]] bool was_free(zone_block b, std::uint64_t since) const {
        for (std::uint64_t i = 0; i < frames_of(b.order); ++i) {
            if (owners_[b.frame + i] >= since) return false;
        }
        return true;
    }
    [[nodiscard]] bool had_free(unsigned cpu, unsigned order, std::uint64_t since) const {
        wait_for_others(cpu);
        for (zone_block b{0, order}; fits(b); b.frame += frames_of(order)) {
            if (was_free(b, since)) return true;
        }
        return false;
    }

    table_zone zone_;
    std::vector<std::atomic<std::uint64_t>> owners_;
    std::vector<worker> workers_;
    std::atomic<std::uint64_t> clock_{0};
    zone_findings findings_;
};

}  // namespace longreach::model

#endif
