// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_ZONE_WORKLOADS_HPP
#define LONGREACH_BENCH_ZONE_WORKLOADS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <longreach/workloads/random.hpp>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "zone_churn.hpp"
#include "zone_harness.hpp"
#include "zone_interface.h"

// What one thread does to a zone of 8 GiB. Every zone is made afresh for every repetition, outside the timing; every
// frame number that a zone answers is stored, as a caller would. Orders 0 and 9 are 4 KiB and 2 MiB.

namespace longreach::bench {

inline constexpr std::uint64_t frames_of_8g = std::uint64_t{1} << 21;

inline constexpr std::uint64_t nearly_all = frames_of_8g * 9 / 10;

/// What the workloads draw and fill once for all repetitions and zones.
struct workspace {
    static constexpr std::uint64_t churn_steps = std::uint64_t{1} << 20;

    std::vector<std::uint64_t> blocks = std::vector<std::uint64_t>(frames_of_8g);
    std::vector<std::uint64_t> shuffled_frames = shuffled_multiples(frames_of_8g, 1);
    std::vector<std::uint64_t> shuffled_superpages = shuffled_multiples(frames_of_8g >> 9, 512);
    churn_script half_full{frames_of_8g / 2, churn_steps, 1};
    churn_script nearly_full{nearly_all, churn_steps, 1};
};

/// One repetition of one workload on one zone.
struct trial {
    const longreach_zone_interface& table;
    workspace& shared;
    stopwatch& watch;
    benchmark::UserCounters& counters;
    std::uint64_t operations;

    /// Whether this is the harness alone, whose answers mean nothing.
    [[nodiscard]] bool is_null() const { return std::string_view(table.name) == "null"; }
    void expect(bool condition, const char* what) const {
        if (!condition && !is_null()) throw std::runtime_error(what);
    }
};

struct zone_workload {
    std::string name;
    std::string geometry;
    std::uint64_t operations;  ///< that its stopwatch covers
    std::function<bool(const longreach_zone_interface&)> suits;
    std::function<void(trial&)> run;
    bool once = false;  ///< one repetition is enough: what it reports hardly depends on time
};

/// Whether none of these was refused.
[[nodiscard]] inline bool all_given(const std::vector<std::uint64_t>& blocks) {
    return std::find(blocks.begin(), blocks.end(), LONGREACH_NO_FRAME) == blocks.end();
}

enum class arrangement { lifo, fifo, random };

/// Blocks of the zone, and rounds that make the smaller number of larger blocks measurable.
[[nodiscard]] constexpr std::uint64_t blocks_of(unsigned order) { return frames_of_8g >> order; }
[[nodiscard]] constexpr unsigned rounds_of(unsigned order) { return order == 0 ? 1 : 32; }

inline void allocate_all(owned_zone& zone, unsigned order, std::vector<std::uint64_t>& blocks) {
    for (std::uint64_t i = 0; i < blocks_of(order); ++i) blocks[i] = zone.allocate(order);
}

inline void release_all(owned_zone& zone, unsigned order, arrangement how, const workspace& shared) {
    const std::uint64_t count = blocks_of(order);
    const std::vector<std::uint64_t>& random = order == 0 ? shared.shuffled_frames : shared.shuffled_superpages;
    switch (how) {
        case arrangement::lifo:
            for (std::uint64_t i = count; i > 0; --i) zone.release(shared.blocks[i - 1], order);
            break;
        case arrangement::fifo:
            for (std::uint64_t i = 0; i < count; ++i) zone.release(shared.blocks[i], order);
            break;
        case arrangement::random:  // the zone is full, so every block is there to be released
            for (std::uint64_t i = 0; i < count; ++i) zone.release(random[i], order);
            break;
    }
}

/// Every block of a free zone.
inline void bulk_allocate(trial& t, unsigned order) {
    owned_zone zone(t.table, frames_of_8g);
    for (unsigned round = 0; round < rounds_of(order); ++round) {
        if (round != 0) release_all(zone, order, arrangement::lifo, t.shared);
        t.watch.time([&] { allocate_all(zone, order, t.shared.blocks); });
        t.expect(t.shared.blocks[blocks_of(order) - 1] != LONGREACH_NO_FRAME, "a free block was refused");
    }
}

/// Every block of a full zone, in reverse, in the order of allocation, or in random order.
inline void bulk_free(trial& t, unsigned order, arrangement how) {
    owned_zone zone(t.table, frames_of_8g);
    for (unsigned round = 0; round < rounds_of(order); ++round) {
        allocate_all(zone, order, t.shared.blocks);
        t.expect(t.shared.blocks[blocks_of(order) - 1] != LONGREACH_NO_FRAME, "a free block was refused");
        t.watch.time([&] { release_all(zone, order, how, t.shared); });
    }
}

/// A full zone loses half of its frames at random; they are taken again.
inline void refill_after_random_free(trial& t) {
    owned_zone zone(t.table, frames_of_8g);
    allocate_all(zone, 0, t.shared.blocks);
    for (std::uint64_t i = 0; i < frames_of_8g / 2; ++i) zone.release(t.shared.shuffled_frames[i], 0);
    t.watch.time([&] {
        for (std::uint64_t i = 0; i < frames_of_8g / 2; ++i) t.shared.blocks[i] = zone.allocate(0);
    });
    t.expect(t.shared.blocks[frames_of_8g / 2 - 1] != LONGREACH_NO_FRAME, "a free frame was refused");
}

/// One block taken and given back again and again, beside one block that stays in use, so that nothing has to be split
/// and merged all the way up each time.
inline void hot_pair(trial& t, unsigned order, std::uint64_t pairs) {
    owned_zone zone(t.table, frames_of_8g);
    t.expect(zone.allocate(order) != LONGREACH_NO_FRAME, "a free block was refused");
    std::array<std::uint64_t, 512> last{};
    t.watch.time([&] {
        for (std::uint64_t i = 0; i < pairs; ++i) {
            const std::uint64_t block = zone.allocate(order);
            last[i % last.size()] = block;
            if (block == LONGREACH_NO_FRAME) break;
            zone.release(block, order);
        }
    });
    t.expect(std::find(last.begin(), last.end(), LONGREACH_NO_FRAME) == last.end(), "a free block was refused");
}

/// Blocks of mixed orders come and go while a part of the zone stays in use.
inline void churn(trial& t, const churn_script& script) {
    owned_zone zone(t.table, frames_of_8g);
    std::vector<std::uint64_t> slots(script.slots(), LONGREACH_NO_FRAME);
    play(zone, script.fill(), slots);
    t.watch.time([&] { play(zone, script.churn(), slots); });
    if (!t.is_null()) report_churn(script, slots, frames_of_8g, t.counters);
}

inline constexpr unsigned churn_seeds = 8;

/// Churn at 90 % with eight seeds. What one script leaves free varies by some per cent with its seed, whatever the
/// allocator: the contiguity here is the mean and the least of the eight.
inline void churn_of_seeds(trial& t) {
    double sum = 0;
    double least = 100;
    double refused = 0;
    for (unsigned seed = 1; seed <= churn_seeds; ++seed) {
        churn(t, churn_script(nearly_all, workspace::churn_steps, seed));
        sum += t.counters["free_2MiB_percent"];
        least = std::min<double>(least, t.counters["free_2MiB_percent"]);
        refused += t.counters["refused"];
    }
    t.counters.clear();
    t.counters["mean_free_2MiB_percent"] = sum / churn_seeds;
    t.counters["least_free_2MiB_percent"] = least;
    t.counters["refused"] = refused;
}

/// Every block of a free zone by its address, in ascending or random order.
inline void allocate_at(trial& t, unsigned order, arrangement how) {
    owned_zone zone(t.table, frames_of_8g);
    const std::vector<std::uint64_t>& random = order == 0 ? t.shared.shuffled_frames : t.shared.shuffled_superpages;
    for (unsigned round = 0; round < rounds_of(order); ++round) {
        for (std::uint64_t i = 0; i < blocks_of(order); ++i) {
            if (round != 0) zone.release(random[i], order);
            t.shared.blocks[i] = how == arrangement::random ? random[i] : i << order;
        }
        std::uint64_t taken = 0;
        t.watch.time([&] {
            for (std::uint64_t i = 0; i < blocks_of(order); ++i) taken += zone.allocate_at(t.shared.blocks[i], order);
        });
        t.expect(taken == blocks_of(order), "a free block was refused by its address");
    }
}

/// Every frame of a full zone by its address, in random order; all are refused.
inline void allocate_at_busy(trial& t) {
    owned_zone zone(t.table, frames_of_8g);
    allocate_all(zone, 0, t.shared.blocks);
    std::uint64_t taken = 0;
    t.watch.time([&] {
        for (const std::uint64_t frame : t.shared.shuffled_frames) taken += zone.allocate_at(frame, 0);
    });
    t.expect(taken == 0, "a frame in use was handed out by its address");
}

inline constexpr unsigned healing_batches = 64;
inline constexpr std::uint64_t healing_live = frames_of_8g * 30 / 100;

/// Filled to 95 % frame by frame, freed at random to 30 %, then 64 times an eighth of what is in use, drawn at random,
/// is given back and as much taken: how much contiguity comes back.
inline void heal(trial& t) {
    owned_zone zone(t.table, frames_of_8g);
    random_numbers random(1);
    std::vector<std::uint64_t> live(frames_of_8g * 95 / 100);
    for (std::uint64_t& frame : live) frame = zone.allocate(0);
    t.expect(all_given(live), "a free frame was refused");
    shuffle(live, random);
    while (live.size() > healing_live) {
        zone.release(live.back(), 0);
        live.pop_back();
    }
    const std::size_t part = live.size() / 8;
    for (unsigned batch = 0; batch < healing_batches; ++batch) {
        for (std::size_t i = 0; i < part; ++i) std::swap(live[i], live[i + random.below(live.size() - i)]);
        t.watch.start();
        for (std::size_t i = 0; i < part; ++i) zone.release(live[i], 0);
        for (std::size_t i = 0; i < part; ++i) live[i] = zone.allocate(0);
        t.watch.stop();
        t.expect(all_given(live), "a free frame was refused");
    }
    if (t.is_null()) return;
    contiguity left(frames_of_8g);
    for (const std::uint64_t frame : live) left.hold(frame, 0);
    left.report(t.counters);
    if (!mixes_orders(t.table)) return;
    std::uint64_t obtainable = 0;
    while (zone.allocate(9) != LONGREACH_NO_FRAME) ++obtainable;
    t.counters["obtainable_2MiB"] = static_cast<double>(obtainable);
    t.counters["possible_2MiB"] = static_cast<double>((frames_of_8g - live.size()) / 512);
}

/// The zone's creation, its memory included; and its metadata, for as many CPUs as it can have.
inline void create(trial& t) {
    t.watch.start();
    void* zone = t.table.create(frames_of_8g, 1);
    t.watch.stop();
    if (zone == nullptr) throw std::bad_alloc();
    t.table.destroy(zone);
    const owned_zone widest(t.table, frames_of_8g, t.table.cpus);
    t.counters["bytes_per_frame"] = static_cast<double>(widest.metadata_bytes()) / static_cast<double>(frames_of_8g);
}

/// Every workload of one thread.
[[nodiscard]] inline std::vector<zone_workload> single_thread_workloads() {
    const auto any = [](const longreach_zone_interface&) { return true; };
    const auto exact = [](const longreach_zone_interface& z) { return z.allocate_at != nullptr; };
    const auto mixed = [](const longreach_zone_interface& z) { return mixes_orders(z); };
    constexpr std::uint64_t pairs = std::uint64_t{1} << 20;

    std::vector<zone_workload> all;
    all.push_back({"create", "8GiB", 1, any, create});
    for (const unsigned order : {0U, 9U}) {
        const std::string geometry = order == 0 ? "8GiB_4KiB" : "8GiB_2MiB";
        const std::uint64_t blocks = blocks_of(order) * rounds_of(order);
        const auto free_as = [order](arrangement how) { return [=](trial& t) { bulk_free(t, order, how); }; };
        const auto at_as = [order](arrangement how) { return [=](trial& t) { allocate_at(t, order, how); }; };
        all.push_back({"bulk_allocate", geometry, blocks, any, [order](trial& t) { bulk_allocate(t, order); }});
        all.push_back({"bulk_free_lifo", geometry, blocks, any, free_as(arrangement::lifo)});
        all.push_back({"bulk_free_fifo", geometry, blocks, any, free_as(arrangement::fifo)});
        all.push_back({"bulk_free_random", geometry, blocks, any, free_as(arrangement::random)});
        all.push_back({"hot_pair", geometry, pairs, any, [=](trial& t) { hot_pair(t, order, pairs); }});
        all.push_back({"allocate_at_random", geometry, blocks, exact, at_as(arrangement::random)});
        if (order == 0) {
            all.push_back({"allocate_at_sequential", geometry, blocks, exact, at_as(arrangement::fifo)});
            all.push_back({"allocate_at_busy", geometry, blocks, exact, allocate_at_busy});
            all.push_back({"refill_after_random_free", geometry, blocks / 2, any, refill_after_random_free});
        }
    }
    all.push_back(
        {"churn_50", "8GiB_mixed", workspace::churn_steps, mixed, [](trial& t) { churn(t, t.shared.half_full); }});
    all.push_back(
        {"churn_90", "8GiB_mixed", workspace::churn_steps, mixed, [](trial& t) { churn(t, t.shared.nearly_full); }});
    all.push_back({"churn_90_seeds", "8GiB_mixed", workspace::churn_steps * churn_seeds, mixed, churn_of_seeds, true});
    all.push_back({"heal", "8GiB_4KiB", healing_live / 8 * 2 * healing_batches, any, heal, true});
    return all;
}

}  // namespace longreach::bench

#endif
