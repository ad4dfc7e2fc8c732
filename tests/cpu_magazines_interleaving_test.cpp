// SPDX-License-Identifier: MIT
// Every schedule of a few calls on small zones behind magazines and behind a lock: requests are linearizable and exact,
// no frame is handed out twice or lost, every call ends; and without its fence the handshake fails.

#include "model/interleaving.hpp"

#define LONGREACH_PANIC(label) ::longreach::model::fail_schedule(label)

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/cpu_magazines.hpp>
#include <longreach/allocator/locked_buddy.hpp>
#include <longreach/allocator/locks.hpp>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "model/zone_history.hpp"

namespace longreach::model {
namespace {

const exploration sequential = explored_with(memory_model::sequential);
const exploration buffered = explored_with(memory_model::store_buffers);
constexpr exploration unfenced{.memory = memory_model::store_buffers, .heavy_fences = false};

using lock_type = spin_lock<checked_atomics>;
using magazines = cpu_magazines<pfn, lock_type, checked_atomics>;

constexpr unsigned most_cpus = 3;

/// The calls of one processor, as the record wants them.
struct processor {
    magazines& all;
    unsigned cpu;

    std::optional<pfn> allocate(order o) { return all.allocate(cpu, o); }
    status allocate_at(pfn f, order o) { return all.allocate_at(f, o); }
    std::optional<frame_run> allocate_run(page_count n) { return all.allocate_run(n); }
    status allocate_run_at(frame_run r) { return all.allocate_run_at(r); }
    void free(pfn f, order o) { all.free(cpu, f, o); }
    void free_run(frame_run r) { all.free_run(r); }
};

/// A zone in which all frames are free but those in `taken`, and what each magazine holds before the threads start.
template <std::uint64_t Frames>
struct magazine_world {
    explicit magazine_world(const free_frames& taken, unsigned warm)
        : zone({pfn{0}, page_count{Frames}}, zone_memory, {block_choice::lowest, false}),
          all(zone, lock, most_cpus, magazine_memory) {
        for (std::uint64_t f = 0; f < Frames; ++f) {
            if (taken[f]) (void)zone.allocate_at(pfn{f}, base_order);
        }
        for (unsigned cpu = 0; cpu < warm; ++cpu) {  // a frame goes and comes: the rest of its word stays
            if (const auto f = all.allocate(cpu, base_order)) all.free(cpu, *f, base_order);
        }
    }
    /// What is free when all threads have ended, magazines included.
    free_frames free() {
        all.drain();
        free_frames set;
        for (std::uint64_t f = 0; f < Frames; ++f) set[f] = zone.is_free(pfn{f}, base_order);
        return set;
    }

    alignas(64)
        std::array<std::byte, buddy::required_bytes(page_count{Frames}, {block_choice::lowest, false})> zone_memory{};
    alignas(64) std::array<std::byte, magazines::required_bytes(page_count{Frames}, most_cpus)> magazine_memory{};
    buddy zone;
    lock_type lock;
    magazines all;
};

using bodies = std::vector<std::function<void(processor&)>>;
constexpr std::uint64_t frames = 128;
using world = magazine_world<frames>;

/// Body i runs on processor i; the first `warm` processors have a magazine from the start.
outcome explore_magazines(const exploration& options, const free_frames& taken, unsigned warm, const bodies& calls) {
    std::vector<std::function<void(world&)>> threads;
    for (unsigned cpu = 0; cpu < calls.size(); ++cpu) {
        threads.push_back([body = calls[cpu], cpu](world& w) {
            processor p{w.all, cpu};
            body(p);
        });
    }
    const free_frames before = frames_of(0, frames) & ~taken;
    return explore<world>(
        options, threads,
        [&](const world& ended, history h) {
            world& w = const_cast<world&>(ended);  // the next schedule starts with a new one
            if (const violation broken = w.all.audit()) return std::string(broken.label);
            return judge(before, w.free(), h, false);
        },
        [&](void* place) { return ::new (place) world(taken, warm); });
}

void expect_right(const free_frames& taken, unsigned warm, const bodies& calls) {
    ASSERT_LE(calls.size(), most_cpus);
    for (const exploration& options : {sequential, buffered}) {
        const outcome found = explore_magazines(options, taken, warm, calls);
        EXPECT_TRUE(holds(found)) << found.report;
    }
}

constexpr auto take = [](processor& p) { record_allocate(p, 0); };
constexpr auto take_twice = [](processor& p) { record_allocate(p, 0), record_allocate(p, 0); };
constexpr auto take_and_give = [](processor& p) {
    if (const auto f = record_allocate(p, 0)) record_free(p, f->raw, 0);
};
auto named(std::uint64_t f, unsigned k) {
    return [=](processor& p) { record_allocate_at(p, f, k); };
}

free_frames all_but(std::uint64_t first, std::uint64_t count) {
    return frames_of(0, frames) & ~frames_of(first, count);
}

// --------------------------------------------------------------------------------------------------------- handshake

TEST(cpu_magazines_interleaving, a_frame_in_a_magazine_goes_to_its_processor_or_to_whoever_names_it) {
    expect_right(all_but(5, 1), 1, {take, named(5, 0)});
    expect_right(all_but(4, 2), 1, {take, named(5, 0)});
    expect_right(all_but(4, 2), 1, {take_twice, named(5, 0)});
    expect_right(all_but(4, 2), 1, {take_and_give, named(4, 1)});
}

TEST(cpu_magazines_interleaving, a_frame_on_its_way_back_into_a_magazine_is_free_to_whoever_names_it) {
    const auto give_and_take = [](processor& p) { record_free(p, 6, 0), record_allocate(p, 0); };
    const auto named_twice = [](processor& p) { record_allocate_at(p, 6, 0), record_allocate_at(p, 6, 0); };
    expect_right(all_but(4, 1), 1, {[](processor& p) { record_free(p, 6, 0); }, named_twice});
    expect_right(all_but(4, 1), 1, {give_and_take, named(6, 0)});
}

TEST(cpu_magazines_interleaving, without_the_fence_a_frame_is_handed_out_twice) {
    const outcome found = explore_magazines(unfenced, all_but(4, 2), 1, {take, named(4, 0)});
    EXPECT_EQ(found.result, verdict::violation);
    EXPECT_NE(found.report.find("not linearizable"), std::string::npos) << found.report;
}

// ------------------------------------------------------------------------------------------------- refill, take back

TEST(cpu_magazines_interleaving, two_processors_fill_their_magazines) {
    expect_right(all_but(4, 1), 0, {take, take});
    expect_right(all_but(4, 2), 0, {take, take});
    expect_right(all_but(63, 2), 0, {take, take});
    expect_right(all_but(4, 2), 0, {take_and_give, take_and_give});
}

TEST(cpu_magazines_interleaving, a_refill_races_with_a_request_that_empties_magazines) {
    expect_right(all_but(4, 2), 0, {take, named(4, 1)});
    expect_right(all_but(4, 2), 0, {take, named(5, 0)});
    expect_right(all_but(4, 2), 0, {take, [](processor& p) { record_allocate(p, 1); }});
    expect_right(all_but(62, 4), 1, {take, [](processor& p) { record_allocate_run(p, 3); }});
}

TEST(cpu_magazines_interleaving, the_last_frame_is_found_in_the_other_magazine) {
    expect_right(all_but(4, 1), 1, {take, take});
    expect_right(all_but(4, 1), 1, {take_and_give, take});
    expect_right(all_but(4, 2), 1, {take, take_twice});
}

TEST(cpu_magazines_interleaving, two_magazines_at_one_word_keep_their_frames_apart) {
    // Processor 0 has frame 4 and its word; what processor 1 gives back there it then takes as its own magazine.
    const auto give_then_take = [](processor& p) { record_free(p, 7, 0), record_allocate(p, 0); };
    expect_right(all_but(4, 1), 1, {take_and_give, give_then_take});
    expect_right(all_but(4, 1), 1, {[](processor& p) { record_free(p, 9, 0); }, give_then_take});
}

TEST(cpu_magazines_interleaving, three_processors_share_two_frames) {
    expect_right(all_but(4, 2), 1, {take, take, named(5, 0)});
    if (std::getenv("LONGREACH_STRESS") == nullptr) return;
    expect_right(all_but(4, 2), 1, {take_and_give, take, named(5, 0)});
    expect_right(all_but(4, 2), 1, {take_and_give, take_and_give, named(4, 1)});
}

// -------------------------------------------------------------------------------------------------------------- lock

TEST(locked_buddy_interleaving, calls_happen_one_after_the_other) {
    using zone = locked_buddy<pfn, lock_type>;
    struct locked_world {
        explicit locked_world(const free_frames& taken)
            : frames({pfn{0}, page_count{128}}, memory, {block_choice::lowest, false}), all(frames, lock) {
            for (std::uint64_t f = 0; f < 128; ++f) {
                if (taken[f]) (void)frames.allocate_at(pfn{f}, base_order);
            }
        }
        alignas(
            64) std::array<std::byte, buddy::required_bytes(page_count{128}, {block_choice::lowest, false})> memory{};
        buddy frames;
        lock_type lock;
        zone all;
    };
    const free_frames taken = all_but(4, 2);
    const auto body = [](locked_world& w) {
        record_allocate_at(w.all, 5, 0);
        if (const auto f = record_allocate(w.all, 0)) record_free(w.all, f->raw, 0);
    };
    for (const exploration& options : {sequential, buffered}) {
        const outcome found = explore<locked_world>(
            options, {body, body},
            [&](const locked_world& w, history h) {
                if (const violation broken = w.frames.audit()) return std::string(broken.label);
                free_frames after;
                for (std::uint64_t f = 0; f < 128; ++f) after[f] = w.frames.is_free(pfn{f}, base_order);
                return judge(frames_of(4, 2), after, h, false);
            },
            [&](void* place) { return ::new (place) locked_world(taken); });
        EXPECT_TRUE(holds(found)) << found.report;
    }
}

}  // namespace
}  // namespace longreach::model
