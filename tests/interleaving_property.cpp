// SPDX-License-Identifier: MIT
// Whatever short programs the threads run, following no state twice loses no result, no end and no order.

#include "model/interleaving.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace longreach::model {
namespace {

using atomics = checked_atomics;

struct instruction {
    unsigned kind;
    unsigned word;
    std::uint64_t value;
};
using program = std::vector<instruction>;

struct world {
    std::array<std::uint64_t, 2> words{};
    std::uint64_t plain = 0;  // read and written between accesses

    /// Keeps what it read, by accesses and without, over accesses that follow.
    std::uint64_t read_all(const instruction& i) const {
        const std::uint64_t first = atomics::load(words[i.word]);
        const std::uint64_t between = plain;
        const std::uint64_t second = atomics::load(words[1 - i.word]);
        return first + 10 * between + 100 * second + 1000 * atomics::load(words[i.word]);
    }
    std::uint64_t run(const instruction& i) {
        std::uint64_t& word = words[i.word];
        std::uint64_t expected = i.value;
        switch (i.kind) {
            case 0:
                return atomics::load(word);
            case 1:
                return atomics::store(word, i.value), 0;
            case 2:
                return atomics::fetch_add(word, i.value);
            case 3:
                return atomics::exchange(word, i.value);
            case 4:
                return atomics::compare_exchange(word, expected, i.value + 1) ? 100 : expected;
            case 5:
                return atomics::store(word, i.value), atomics::load(words[1 - i.word]);
            case 6:
                return atomics::heavy_fence(), atomics::load(word);
            case 7:
                return atomics::load(word) + 10 * plain;
            default:
                return static_cast<void>(atomics::load(word)), plain = i.value, 0;
        }
    }
};

/// All that a check may look at: results, what preceded what, and the world at the end.
std::string picture(const world& w, history h, std::size_t threads) {
    std::string text;
    for (unsigned t = 0; t < threads; ++t) {
        for (std::size_t a = 0; a < h.size(); ++a) {
            if (h[a].thread != t) continue;
            text += "\n" + std::to_string(h[a].result) + " after";
            std::vector<std::size_t> before(threads, 0);
            for (std::size_t b = 0; b < h.size(); ++b) before[h[b].thread] += precedes(h, b, a);
            for (const std::size_t count : before) text += " " + std::to_string(count);
        }
    }
    return text + "\n" + std::to_string(w.words[0]) + " " + std::to_string(w.words[1]) + " " + std::to_string(w.plain);
}

std::set<std::string> pictures(const exploration& options, const std::vector<program>& programs, bool in_one) {
    std::vector<std::function<void(world&)>> threads;
    for (const program& p : programs) {
        threads.push_back([&p, in_one](world& w) {
            const auto run_all = [&] {
                std::uint64_t results = 0;
                for (const instruction& i : p) results = results * 10'000 + w.run(i);
                return results;
            };
            if (in_one) {
                operate({"run all"}, run_all);
            } else {
                for (const instruction& i : p) operate({"run", i.kind, i.value}, [&] { return w.run(i); });
            }
        });
    }
    std::set<std::string> found;
    const outcome all = explore<world>(options, threads, [&](const world& w, history h) {
        found.insert(picture(w, h, programs.size()));
        return "";
    });
    RC_ASSERT(all.result == verdict::holds);
    return found;
}

void check(memory_model memory, std::size_t threads, std::size_t longest) {
    const auto anything = rc::gen::map(
        rc::gen::tuple(rc::gen::inRange(0U, 10U), rc::gen::inRange(0U, 2U), rc::gen::inRange<std::uint64_t>(0, 3)),
        [](const std::tuple<unsigned, unsigned, std::uint64_t>& t) {
            return instruction{std::get<0>(t), std::get<1>(t), std::get<2>(t)};
        });
    std::vector<program> programs;
    for (std::size_t t = 0; t < threads; ++t) {
        const auto length = *rc::gen::inRange<std::size_t>(1, longest + 1);
        programs.push_back(*rc::gen::container<program>(length, anything));
    }
    const bool in_one = *rc::gen::arbitrary<bool>();  // else each instruction is an operation
    exploration options{.memory = memory};
    const std::set<std::string> reduced = pictures(options, programs, in_one);
    options.reduce = false;
    const std::set<std::string> whole = pictures(options, programs, in_one);
    RC_ASSERT(reduced == whole);
}

RC_GTEST_PROP(interleaving_property, reduction_loses_nothing_with_two_threads, ()) {
    check(memory_model::sequential, 2, 4);
}

RC_GTEST_PROP(interleaving_property, reduction_loses_nothing_with_three_threads, ()) {
    check(memory_model::sequential, 3, 2);
}

RC_GTEST_PROP(interleaving_property, reduction_loses_nothing_with_store_buffers, ()) {
    check(memory_model::store_buffers, 2, 3);
}

}  // namespace
}  // namespace longreach::model
