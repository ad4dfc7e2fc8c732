// SPDX-License-Identifier: MIT
// Every schedule of a few calls on small atomic zones: exact requests are linearizable, no frame is handed out twice or
// lost, the hints are right in the end, and every call ends.

#include "model/interleaving.hpp"

#define LONGREACH_PANIC(label) ::longreach::model::fail_schedule(label)

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <longreach/allocator/atomic_bit_tree.hpp>
#include <longreach/allocator/atomic_buddy.hpp>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "model/zone_history.hpp"

namespace longreach::model {
namespace {

const exploration sequential = explored_with(memory_model::sequential);
const exploration buffered = explored_with(memory_model::store_buffers);

// ------------------------------------------------------------------------------------------------------------- zones

using zone = basic_atomic_buddy<pfn, checked_atomics>;

template <std::uint64_t Frames>
struct world {
    /// All frames are free but those in `taken`; marks say what there is now, or with `old_marks` what there was.
    world(const free_frames& taken, bool old_marks) : frames({pfn{0}, page_count{Frames}}, memory) {
        for (std::uint64_t f = 0; f < Frames; ++f) {
            if (taken[f]) (void)frames.allocate_at(pfn{f}, base_order);
        }
        if (!old_marks) frames.recover();
    }
    free_frames free() const {
        free_frames set;
        for (std::uint64_t f = 0; f < Frames; ++f) set[f] = frames.is_free(pfn{f}, base_order);
        return set;
    }

    alignas(64) std::array<std::byte, zone::required_bytes(page_count{Frames})> memory{};
    zone frames;
};

using bodies = std::vector<std::function<void(zone&)>>;

template <std::uint64_t Frames>
outcome explore_zone(const exploration& options, const free_frames& taken, const bodies& calls,
                     bool old_marks = false) {
    std::vector<std::function<void(world<Frames>&)>> threads;
    for (const auto& body : calls) threads.push_back([&body](world<Frames>& w) { body(w.frames); });
    const free_frames before = frames_of(0, Frames) & ~taken;
    return explore<world<Frames>>(
        options, threads,
        [&](const world<Frames>& w, history h) {
            if (const violation broken = w.frames.audit()) return std::string(broken.label);
            return judge(before, w.free(), h, true);
        },
        [&](void* place) { return ::new (place) world<Frames>(taken, old_marks); });
}

template <std::uint64_t Frames>
void expect_right(const free_frames& taken, const bodies& calls) {
    for (const exploration& options : {sequential, buffered}) {
        const outcome found = explore_zone<Frames>(options, taken, calls);
        EXPECT_TRUE(holds(found)) << found.report;
    }
    if (taken.none()) return;
    const outcome found = explore_zone<Frames>(sequential, taken, calls, true);
    EXPECT_TRUE(holds(found)) << found.report;
}

/// Cases with many schedules: left out unless LONGREACH_STRESS is set.
template <std::uint64_t Frames>
void expect_right_at_length(const free_frames& taken, const bodies& calls) {
    if (std::getenv("LONGREACH_STRESS") != nullptr) expect_right<Frames>(taken, calls);
}

TEST(atomic_buddy_interleaving, one_free_frame_goes_to_whoever_asks_first_with_or_without_its_name) {
    const auto any = [](zone& z) { record_allocate(z, 0); };
    const auto named = [](zone& z) { record_allocate_at(z, 5, 0); };
    const free_frames taken = frames_of(0, 128) & ~frames_of(5, 1);
    expect_right<128>(taken, {any, named});
    expect_right<128>(taken, {named, named});
    expect_right<128>(taken, {any, any});
    expect_right<128>(taken, {any, any, named});
}

TEST(atomic_buddy_interleaving, a_frame_that_is_given_back_can_be_had_at_once) {
    const free_frames taken = frames_of(0, 128);
    const auto give = [](zone& z) { record_free(z, 5, 0); };
    const auto named_twice = [](zone& z) { record_allocate_at(z, 5, 0), record_allocate_at(z, 5, 0); };
    const auto any_twice = [](zone& z) { record_allocate(z, 0), record_allocate(z, 0); };
    expect_right<128>(taken, {give, named_twice});
    expect_right<128>(taken, {give, any_twice});
    expect_right_at_length<128>(taken, {give, any_twice, named_twice});
}

TEST(atomic_buddy_interleaving, frames_come_and_go) {
    const auto take_and_give = [](zone& z) {
        if (const auto f = record_allocate(z, 0)) record_free(z, f->raw, 0);
        if (const auto f = record_allocate(z, 0)) record_free(z, f->raw, 0);
    };
    expect_right_at_length<128>(frames_of(0, 127), {take_and_give, take_and_give});
    expect_right<128>(frames_of(0, 126), {take_and_give, take_and_give});
}

TEST(atomic_buddy_interleaving, halves_that_are_given_back_at_once_are_found_as_one_block) {
    const auto give = [](std::uint64_t f, unsigned k) { return [=](zone& z) { record_free(z, f, k); }; };
    const auto take = [](unsigned k) { return [=](zone& z) { record_allocate(z, k); }; };
    expect_right<128>(frames_of(0, 128), {give(8, 0), give(9, 0)});
    expect_right<128>(frames_of(0, 128), {give(8, 0), give(9, 0), take(1)});
    expect_right<128>(frames_of(0, 128), {give(0, 6), give(64, 6)});
    expect_right<128>(frames_of(0, 128), {give(0, 5), give(32, 5), take(6)});
    expect_right<128>(frames_of(0, 1) | frames_of(127, 1), {give(0, 0), give(127, 0)});
    expect_right<512>(frames_of(0, 1) | frames_of(511, 1), {give(0, 0), give(511, 0)});
}

TEST(atomic_buddy_interleaving, a_block_of_several_words_that_is_rolled_back_was_never_taken) {
    const auto block_at = [](zone& z) { record_allocate_at(z, 0, 7); };
    const auto block = [](zone& z) { record_allocate(z, 7); };
    const auto named = [](std::uint64_t f) { return [f](zone& z) { record_allocate_at(z, f, 0); }; };
    const auto seen = [](std::uint64_t f, unsigned k) { return [=](zone& z) { record_is_free(z, f, k); }; };
    for (const auto& claim : bodies{block_at, block}) {
        EXPECT_TRUE(holds(explore_zone<128>(sequential, {}, {claim, named(127), seen(0, 0)})));
        expect_right_at_length<128>({}, {claim, named(127), seen(0, 6)});
    }
    expect_right<128>({}, {block_at, named(0)});
    expect_right<128>({}, {block_at, named(127)});
    expect_right<128>({}, {block, named(127)});
    expect_right_at_length<128>({}, {block_at, named(127), named(0)});
    EXPECT_TRUE(holds(explore_zone<128>(sequential, {}, {block_at, named(127), named(0)})));
    expect_right_at_length<128>({}, {block, named(127), named(0)});
    expect_right_at_length<128>({}, {block_at, block_at, named(127)});
}

TEST(atomic_buddy_interleaving, a_block_of_several_words_is_given_back_as_one) {
    const auto give = [](zone& z) { record_free(z, 0, 7); };
    const auto give_run = [](zone& z) { record_free_run(z, 60, 8); };
    const auto first_then_last = [](zone& z) { record_allocate_at(z, 63, 0), record_allocate_at(z, 64, 0); };
    const auto last_then_first = [](zone& z) { record_allocate_at(z, 64, 0), record_allocate_at(z, 63, 0); };
    const auto block = [](zone& z) { record_allocate_at(z, 0, 7); };
    for (const std::function<void(zone&)>& take : bodies{first_then_last, last_then_first}) {
        expect_right<128>(frames_of(0, 128), {give, take});
        expect_right<128>(frames_of(0, 128), {give_run, take});
    }
    expect_right<128>(frames_of(0, 128), {give, block});
}

TEST(atomic_buddy_interleaving, runs_across_words_are_taken_wholly_or_not_at_all) {
    const auto run_at = [](std::uint64_t f, std::uint64_t n) {
        return [=](zone& z) { record_allocate_run_at(z, f, n); };
    };
    const auto run = [](zone& z) { record_allocate_run(z, 3); };
    expect_right<128>({}, {run_at(60, 8), run_at(66, 8)});
    expect_right_at_length<128>({}, {run_at(60, 8), run_at(66, 2), run_at(61, 1)});
    expect_right<128>(frames_of(0, 62) | frames_of(66, 62), {run, run_at(65, 1)});
    expect_right<128>(frames_of(0, 62) | frames_of(66, 62), {run, run});
}

TEST(atomic_buddy_interleaving, a_superpage_is_whole_or_not_there) {
    const auto superpage = [](zone& z) { record_allocate(z, 9); };
    const auto superpage_at = [](zone& z) { record_allocate_at(z, 0, 9); };
    const auto any = [](zone& z) { record_allocate(z, 0); };
    const auto any_and_back = [](zone& z) {
        if (const auto f = record_allocate(z, 0)) record_free(z, f->raw, 0);
    };
    const auto named = [](zone& z) { record_allocate_at(z, 511, 0); };
    EXPECT_TRUE(holds(explore_zone<512>(sequential, {}, {superpage_at, named})));
    EXPECT_TRUE(holds(explore_zone<512>(sequential, {}, {superpage, superpage})));
    expect_right_at_length<512>({}, {superpage, any});
    expect_right_at_length<512>({}, {superpage, any_and_back});
    expect_right_at_length<512>({}, {superpage_at, named});
    expect_right_at_length<512>({}, {superpage_at, any_and_back});
    expect_right_at_length<512>({}, {superpage, superpage});
}

TEST(atomic_buddy_interleaving, what_breaks_a_whole_superpage_marks_all_that_is_left) {
    const auto give = [](zone& z) { record_free(z, 0, 0); };
    const auto any = [](zone& z) { record_allocate(z, 0); };
    const auto named = [](zone& z) { record_allocate_at(z, 300, 0); };
    expect_right<512>(frames_of(0, 1), {give, any});
    expect_right<512>(frames_of(0, 1), {give, named});
    expect_right<512>({}, {any, any});
    expect_right<512>({}, {any, named});
    expect_right<512>(frames_of(0, 1), {give, [](zone& z) { record_allocate(z, 8); }});
}

TEST(atomic_buddy_interleaving, runs_across_superpages_lock_them_in_one_order) {
    const free_frames taken = frames_of(0, 1024);
    const free_frames some = taken & ~frames_of(508, 8);
    const auto run_at = [](std::uint64_t f, std::uint64_t n) {
        return [=](zone& z) { record_allocate_run_at(z, f, n); };
    };
    const auto run = [](zone& z) { record_allocate_run(z, 5); };
    const auto give = [](zone& z) { record_free_run(z, 508, 8); };
    const auto last_then_first = [](zone& z) { record_allocate_at(z, 512, 0), record_allocate_at(z, 511, 0); };
    const auto first_then_last = [](zone& z) { record_allocate_at(z, 511, 0), record_allocate_at(z, 512, 0); };
    expect_right<1024>(some, {run_at(510, 4), run_at(511, 3)});
    expect_right<1024>(some, {run_at(510, 4), run_at(514, 1)});
    expect_right<1024>(some, {run_at(510, 4), run_at(508, 2)});
    expect_right<1024>(some, {run, run_at(511, 1)});
    expect_right<1024>(taken, {give, first_then_last});
    expect_right<1024>(taken, {give, last_then_first});
    expect_right<1024>(taken, {give, run_at(510, 4)});
}

TEST(atomic_buddy_interleaving, a_block_above_the_superpage_is_taken_beside_a_frame_of_it) {
    const auto giant = [](zone& z) { record_allocate_at(z, 0, 10); };
    const auto named = [](zone& z) { record_allocate_at(z, 1023, 0); };
    expect_right_at_length<1024>({}, {giant, named});
}

// ---------------------------------------------------------------------------------------------------- sets of children

using tree = atomic_bit_tree<checked_atomics>;

template <std::uint64_t Size>
struct grove {
    explicit grove(const std::vector<std::uint64_t>& members) : set(Size, words) {
        for (const std::uint64_t i : members) set.insert(i);
    }

    std::array<std::uint64_t, tree::required_words(Size)> words{};
    tree set;
};

/// Explores calls on a set; in the end its members are those of `left`, found one after the other.
template <std::uint64_t Size>
void expect_members(const std::vector<std::uint64_t>& members, const std::vector<std::function<void(tree&)>>& calls,
                    const std::set<std::vector<std::uint64_t>>& left) {
    std::vector<std::function<void(grove<Size>&)>> threads;
    for (const auto& body : calls) threads.push_back([&body](grove<Size>& g) { body(g.set); });
    for (const exploration& options : {sequential, buffered}) {
        std::set<std::vector<std::uint64_t>> seen;
        const outcome found = explore<grove<Size>>(
            options, threads,
            [&](const grove<Size>& g, history) {
                if (const violation broken = g.set.audit()) return std::string(broken.label);
                tree copy = g.set;
                std::vector<std::uint64_t> now;
                for (std::uint64_t i = copy.first(); i != Size; i = copy.first(i + 1)) now.push_back(i);
                seen.insert(now);
                return std::string();
            },
            [&](void* place) { return ::new (place) grove<Size>(members); });
        EXPECT_TRUE(holds(found)) << found.report;
        if (sees_every_schedule) {
            EXPECT_EQ(seen, left);
        }
    }
}

TEST(atomic_bit_tree_interleaving, no_member_is_lost_beside_one_that_leaves) {
    const auto insert = [](std::uint64_t i) { return [i](tree& t) { t.insert(i); }; };
    const auto erase = [](std::uint64_t i) { return [i](tree& t) { t.erase(i); }; };
    const auto first = [](tree& t) { require(t.first() != 0, "a number that was never a member"); };
    expect_members<130>({100}, {erase(100), insert(101)}, {{101}});
    expect_members<130>({100}, {erase(100), insert(101), first}, {{101}});
    expect_members<130>({100}, {erase(100), insert(2), insert(101)}, {{2, 101}});
    expect_members<130>({100, 101}, {erase(100), erase(101), insert(102)}, {{102}});
    expect_members<130>({100}, {erase(100), [](tree& t) { t.insert(101), t.erase(101), t.insert(102); }}, {{102}});
    expect_members<130>({100}, {erase(100), insert(100)}, {{}, {100}});
    expect_members<4160>({4100}, {erase(4100), insert(4101)}, {{4101}});
    expect_members<4160>({4100}, {erase(4100), insert(4101), first}, {{4101}});
    expect_members<4160>({4100}, {erase(4100), [](tree& t) { t.insert(4101), t.erase(4101), t.insert(4159); }},
                         {{4159}});
}

TEST(atomic_bit_tree_interleaving, a_member_that_stays_is_found_whatever_comes_and_goes) {
    const auto come_and_go = [](std::uint64_t i) {
        return [i](tree& t) {
            t.insert(i);
            t.erase(i);
        };
    };
    const auto search = [](tree& t) {
        const std::uint64_t i = t.first(1);
        require(i == 70 || i == 3 || i == 66, "the member that stays is missed");
    };
    expect_members<130>({70}, {come_and_go(3), search}, {{70}});
    expect_members<130>({70}, {come_and_go(66), search}, {{70}});
    expect_members<130>({70}, {come_and_go(3), come_and_go(66), search}, {{70}});
}

}  // namespace
}  // namespace longreach::model
