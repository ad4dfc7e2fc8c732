// SPDX-License-Identifier: MIT
// The checker of schedules finds what is known to be wrong, and passes what is known to be right.

#include "model/interleaving.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace longreach::model {
namespace {

using atomics = checked_atomics;

constexpr exploration sequential{};
constexpr exploration buffered{.memory = memory_model::store_buffers};
constexpr exploration unfenced{.memory = memory_model::store_buffers, .heavy_fences = false};

std::string nothing_more(history) { return ""; }

// ------------------------------------------------------------------------------------------------------- counters

struct counter {
    std::uint64_t value = 0;

    void add_racily() { atomics::store(value, atomics::load(value) + 1); }
    std::uint64_t add() { return atomics::fetch_add(value, 1); }
};

outcome explore_counter(const std::vector<std::function<void(counter&)>>& threads, std::uint64_t expected) {
    return explore<counter>(sequential, threads, [expected](const counter& c, history) {
        return c.value == expected ? "" : "an increment is lost: " + std::to_string(c.value);
    });
}

TEST(interleaving, finds_the_increment_that_a_racy_counter_loses) {
    const auto add = [](counter& c) { c.add_racily(); };
    const outcome found = explore_counter({add, add}, 2);
    EXPECT_EQ(found.result, verdict::violation);
    EXPECT_NE(found.report.find("an increment is lost: 1"), std::string::npos) << found.report;
    EXPECT_NE(found.report.find("thread 1 store word 0 1"), std::string::npos) << found.report;
}

TEST(interleaving, one_thread_has_one_schedule) {
    const outcome found = explore_counter({[](counter& c) { c.add_racily(), c.add_racily(); }}, 2);
    EXPECT_EQ(found.result, verdict::holds) << found.report;
    EXPECT_EQ(found.schedules, 1U);
    EXPECT_EQ(found.states, 5U);  // before, and after each of four accesses
    EXPECT_EQ(found.endings, 1U);
}

TEST(interleaving, an_atomic_counter_ends_in_each_order_of_its_increments_once) {
    const auto add = [](counter& c) { operate({"add"}, [&] { return c.add(); }); };
    const auto add_twice = [=](counter& c) { add(c), add(c); };
    EXPECT_EQ(explore_counter({add, add}, 2).result, verdict::holds);
    const auto add_unseen = [](counter& c) { c.add(), c.add(); };
    EXPECT_EQ(explore_counter({add_unseen, add_unseen}, 4).endings, 1U);
    EXPECT_EQ(explore_counter({add, add}, 2).endings, 2U);
    EXPECT_EQ(explore_counter({add, add, add}, 3).endings, 6U);
    EXPECT_EQ(explore_counter({add_twice, add_twice}, 4).endings, 6U);        // 4! / (2! 2!)
    EXPECT_EQ(explore_counter({add_twice, add_twice, add}, 5).endings, 30U);  // 5! / (2! 2!)
}

TEST(interleaving, accesses_that_do_not_meet_end_in_one_state) {
    struct words {
        std::array<std::uint64_t, 2> of_thread{};
    };
    const auto fill = [](unsigned i) {
        return [i](words& w) {
            for (unsigned k = 0; k < 5; ++k) atomics::store(w.of_thread[i], k);
        };
    };
    const outcome found =
        explore<words>(sequential, {fill(0), fill(1)}, [](const words&, history h) { return nothing_more(h); });
    EXPECT_EQ(found.result, verdict::holds) << found.report;
    EXPECT_EQ(found.states, 36U);
    EXPECT_EQ(found.endings, 1U);
}

TEST(interleaving, every_pair_of_values_that_can_be_read_is_read) {
    struct words {
        std::uint64_t a = 0, b = 0, seen = 0;
    };
    for (const exploration& options : {sequential, buffered}) {
        std::set<std::uint64_t> seen;
        const outcome found =
            explore<words>(options,
                           {[](words& w) { atomics::store(w.a, 1), atomics::store(w.b, 1); },
                            [](words& w) {
                                const std::uint64_t b = atomics::load(w.b);
                                w.seen = b * 2 + atomics::load(w.a);
                            }},
                           [&](const words& w, history h) { return seen.insert(w.seen), nothing_more(h); });
        EXPECT_EQ(found.result, verdict::holds) << found.report;
        EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 3}));  // the stores of a thread are seen in their order
    }
}

// ------------------------------------------------------------------------------------------------------ handshakes

/// Each party stores, then looks at the other's word; at least one must see the other's store.
struct handshake {
    std::array<std::uint64_t, 2> word{};

    template <class Fence>
    std::uint64_t meet(unsigned me, Fence fence) {
        atomics::store(word[me], 1);
        fence();
        return atomics::load(word[1 - me]);
    }
};

template <class First, class Second>
outcome explore_handshake(const exploration& options, First first, Second second) {
    return explore<handshake>(
        options,
        {[=](handshake& h) { operate({"meet"}, [&] { return h.meet(0, first); }); },
         [=](handshake& h) { operate({"meet"}, [&] { return h.meet(1, second); }); }},
        [](const handshake&, history h) { return h[0].result + h[1].result == 0 ? "neither saw the other" : ""; });
}

TEST(interleaving, store_buffers_break_a_handshake_without_fences) {
    EXPECT_EQ(explore_handshake(sequential, atomics::light_fence, atomics::light_fence).result, verdict::holds);
    const outcome found = explore_handshake(buffered, atomics::light_fence, atomics::light_fence);
    EXPECT_EQ(found.result, verdict::violation);
    EXPECT_NE(found.report.find("neither saw the other"), std::string::npos) << found.report;
    EXPECT_NE(found.report.find("flush word"), std::string::npos) << found.report;
}

TEST(interleaving, a_handshake_needs_one_heavy_fence) {
    EXPECT_EQ(explore_handshake(buffered, atomics::heavy_fence, atomics::heavy_fence).result, verdict::holds);
    EXPECT_EQ(explore_handshake(buffered, atomics::light_fence, atomics::heavy_fence).result, verdict::holds);
    EXPECT_EQ(explore_handshake(unfenced, atomics::light_fence, atomics::heavy_fence).result, verdict::violation);
    EXPECT_EQ(explore_handshake(unfenced, atomics::heavy_fence, atomics::heavy_fence).result, verdict::violation);
}

TEST(interleaving, a_read_modify_write_drains_only_its_own_buffer) {
    struct words {
        handshake shake;
        std::uint64_t other = 0;
    };
    const auto explore_with = [](bool both) {
        const auto meet = [](unsigned me, bool drains) {
            return [=](words& w) {
                operate({"meet"}, [&] {
                    return w.shake.meet(me, [&] {
                        if (drains) atomics::fetch_or(w.other, 0);
                    });
                });
            };
        };
        return explore<words>(buffered, {meet(0, true), meet(1, both)}, [](const words&, history h) {
            return h[0].result + h[1].result == 0 ? "neither saw the other" : "";
        });
    };
    EXPECT_EQ(explore_with(true).result, verdict::holds);
    EXPECT_EQ(explore_with(false).result, verdict::violation);
}

// ----------------------------------------------------------------------------------------------------------- locks

/// Between entering and leaving there is an access, where others may come in if the lock lets them.
struct guarded {
    std::array<std::uint64_t, 2> flag{};
    std::uint64_t turn = 0;
    std::uint64_t lock = 0;
    std::uint64_t elsewhere = 0;
    std::uint64_t inside = 0;  // plain
    std::uint64_t entered = 0;

    void be_inside() {
        require(inside++ == 0, "two are inside");
        static_cast<void>(atomics::load(elsewhere));
        --inside;
        ++entered;
    }
    void enter_by_peterson(std::uint64_t me) {
        atomics::store(flag[me], 1);
        atomics::store(turn, 1 - me);
        atomics::heavy_fence();
        while (atomics::load(flag[1 - me]) != 0 && atomics::load(turn) == 1 - me) atomics::pause();
        be_inside();
        atomics::store(flag[me], 0);
    }
    void enter_by_spinning() {
        while (atomics::exchange(lock, 1) != 0) atomics::pause();
        be_inside();
        atomics::store(lock, 0);
    }
    void enter_by_looking() {
        while (atomics::load(lock) != 0) atomics::pause();
        atomics::store(lock, 1);
        be_inside();
        atomics::store(lock, 0);
    }
};

outcome explore_guarded(const exploration& options, const std::vector<std::function<void(guarded&)>>& threads,
                        std::uint64_t entries) {
    return explore<guarded>(options, threads, [entries](const guarded& g, history) {
        return g.entered == entries ? "" : "an entry is lost";
    });
}

TEST(interleaving, petersons_lock_excludes_where_its_fence_holds) {
    const auto enter = [](unsigned me) {
        return [me](guarded& g) {
            for (int k = 0; k < 2; ++k) operate({"enter"}, [&] { g.enter_by_peterson(me); });
        };
    };
    for (const exploration& options : {sequential, buffered}) {
        const outcome found = explore_guarded(options, {enter(0), enter(1)}, 4);
        EXPECT_EQ(found.result, verdict::holds) << found.report;
    }
    const outcome found = explore_guarded(unfenced, {enter(0), enter(1)}, 4);
    EXPECT_EQ(found.result, verdict::violation);
    EXPECT_NE(found.report.find("two are inside"), std::string::npos) << found.report;
}

TEST(interleaving, a_spin_lock_excludes_and_all_come_in) {
    const auto enter = [](guarded& g) { g.enter_by_spinning(), g.enter_by_spinning(); };
    const auto enter_once = [](guarded& g) { g.enter_by_spinning(); };
    for (const exploration& options : {sequential, buffered}) {
        outcome found = explore_guarded(options, {enter, enter}, 4);
        EXPECT_EQ(found.result, verdict::holds) << found.report;
        found = explore_guarded(options, {enter_once, enter_once, enter_once}, 3);
        EXPECT_EQ(found.result, verdict::holds) << found.report;
    }
}

TEST(interleaving, a_lock_that_looks_before_it_takes_lets_two_in) {
    const auto enter = [](guarded& g) { g.enter_by_looking(); };
    EXPECT_EQ(explore_guarded(sequential, {enter, enter}, 2).result, verdict::violation);
}

TEST(interleaving, two_locks_in_opposite_orders_deadlock) {
    struct locks {
        std::array<std::uint64_t, 2> held{};
    };
    const auto take_both = [](unsigned first) {
        return [first](locks& l) {
            for (const unsigned i : {first, 1 - first}) {
                while (atomics::exchange(l.held[i], 1) != 0) atomics::pause();
            }
            atomics::store(l.held[0], 0);
            atomics::store(l.held[1], 0);
        };
    };
    const auto fine = [](const locks&, history h) { return nothing_more(h); };
    for (const exploration& options : {sequential, buffered}) {
        const outcome found = explore<locks>(options, {take_both(0), take_both(1)}, fine);
        EXPECT_EQ(found.result, verdict::deadlock);
        EXPECT_NE(found.report.find("waiting"), std::string::npos) << found.report;
        EXPECT_EQ(explore<locks>(options, {take_both(0), take_both(0)}, fine).result, verdict::holds);
    }
}

TEST(interleaving, a_wait_that_nobody_ends_is_a_deadlock) {
    struct flag {
        std::uint64_t up = 0;
    };
    const auto wait = [](flag& f) {
        while (atomics::load(f.up) == 0) atomics::pause();
    };
    const auto raise = [](flag& f) { atomics::store(f.up, 1); };
    const auto fine = [](const flag&, history h) { return nothing_more(h); };
    for (const exploration& options : {sequential, buffered}) {
        EXPECT_EQ(explore<flag>(options, {wait, wait}, fine).result, verdict::deadlock);
        EXPECT_EQ(explore<flag>(options, {wait, raise}, fine).result, verdict::holds);
    }
}

// ---------------------------------------------------------------------------------------------------------- limits

TEST(interleaving, a_limit_that_is_reached_is_told) {
    const auto add = [](counter& c) { c.add(), c.add(), c.add(); };
    const auto with = [&](std::uint64_t states, std::size_t steps) {
        exploration limited = sequential;
        limited.state_limit = states;
        limited.step_limit = steps;
        return explore<counter>(limited, {add, add}, [](const counter&, history h) { return nothing_more(h); });
    };
    const outcome all = with(1'000, 6);
    EXPECT_EQ(all.result, verdict::holds) << all.report;
    EXPECT_EQ(with(all.states, 6).result, verdict::holds);
    EXPECT_EQ(with(all.states - 1, 6).result, verdict::incomplete);
    EXPECT_EQ(with(1, 6).result, verdict::incomplete);
    EXPECT_EQ(with(1'000, 5).result, verdict::incomplete);
}

TEST(interleaving, a_loop_that_changes_words_on_each_turn_is_not_taken_for_a_wait) {
    const auto spin = [](counter& c) {
        while (atomics::fetch_add(c.value, 1) != ~std::uint64_t{0}) atomics::pause();
    };
    exploration limited = sequential;
    limited.step_limit = 50;
    const auto fine = [](const counter&, history h) { return nothing_more(h); };
    EXPECT_EQ(explore<counter>(limited, {spin}, fine).result, verdict::incomplete);
}

TEST(interleaving, a_loop_without_pause_may_go_on_as_long_as_it_can_end) {
    struct flag {
        std::uint64_t up = 0;
    };
    const auto wait = [](flag& f) {
        while (atomics::load(f.up) == 0) continue;
    };
    const auto raise = [](flag& f) { atomics::store(f.up, 1); };
    const auto leave = [](flag& f) { static_cast<void>(atomics::load(f.up)); };
    const auto fine = [](const flag&, history h) { return nothing_more(h); };
    EXPECT_EQ(explore<flag>(sequential, {wait, raise}, fine).result, verdict::holds);
    const outcome found = explore<flag>(sequential, {wait, leave}, fine);
    EXPECT_EQ(found.result, verdict::deadlock);
    EXPECT_NE(found.report.find("no schedule ends"), std::string::npos) << found.report;
}

/// A thread that has read plain bytes is another than one that read other bytes, though its accesses gave the same.
TEST(interleaving, what_a_thread_read_without_an_access_is_part_of_its_state) {
    struct words {
        std::uint64_t plain = 0, word = 0, seen = 0;
    };
    std::set<std::uint64_t> seen;
    const outcome found =
        explore<words>(sequential,
                       {[](words& w) {
                            static_cast<void>(atomics::load(w.word));
                            w.plain = 1;
                            static_cast<void>(atomics::load(w.word));
                            w.plain = 0;
                            static_cast<void>(atomics::load(w.word));
                        },
                        [](words& w) {
                            static_cast<void>(atomics::load(w.word));
                            const std::uint64_t plain = w.plain;
                            static_cast<void>(atomics::load(w.word));
                            w.seen = plain;
                        }},
                       [&](const words& w, history h) { return seen.insert(w.seen), nothing_more(h); });
    EXPECT_EQ(found.result, verdict::holds) << found.report;
    EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1}));
}

TEST(interleaving, a_word_outside_of_the_world_is_refused) {
    static std::uint64_t stray = 0;
    const outcome found = explore_counter({[](counter&) { atomics::store(stray, 1); }}, 0);
    EXPECT_EQ(found.result, verdict::violation);
    EXPECT_NE(found.report.find("outside"), std::string::npos) << found.report;
}

}  // namespace
}  // namespace longreach::model
