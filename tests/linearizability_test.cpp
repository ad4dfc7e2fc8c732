// SPDX-License-Identifier: MIT
// Results are held against every order that real time allows, by hand and under the checker of schedules.

#include "model/linearizability.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/interleaving.hpp"

namespace longreach::model {
namespace {

using atomics = checked_atomics;

constexpr exploration sequential{};
constexpr exploration buffered{.memory = memory_model::store_buffers};

struct specified_register {
    std::uint64_t value = 0;
    bool apply(const call& what, std::uint64_t result) {
        if (what.name == std::string("write")) {
            value = what.first;
            return true;
        }
        return result == value;
    }
};

TEST(linearizability, results_are_held_against_real_time) {
    const record write{0, {"write", 1}, 1, 4, 0, true};
    const auto read = [](std::uint64_t from, std::uint64_t to, std::uint64_t result) {
        return record{1, {"read"}, from, to, result, true};
    };
    const auto allowed = [](const std::vector<record>& h) { return linearizable(specified_register{}, h); };
    EXPECT_TRUE(allowed({write, read(2, 3, 0)}));
    EXPECT_TRUE(allowed({write, read(2, 3, 1)}));
    EXPECT_FALSE(allowed({write, read(2, 3, 2)}));
    EXPECT_FALSE(allowed({write, read(5, 6, 0)}));
    EXPECT_TRUE(allowed({write, read(2, 2, 0), read(3, 3, 1)}));
    EXPECT_FALSE(allowed({write, read(2, 2, 1), read(3, 3, 0)}));
}

/// A register in two halves: a reader may meet half a write. With a sequence number it tries again.
struct halved_register {
    std::uint64_t low = 0, high = 0, sequence = 0;

    void write(std::uint64_t v) {
        atomics::fetch_add(sequence, 1);
        atomics::store(low, v & 0xf);
        atomics::store(high, v >> 4);
        atomics::fetch_add(sequence, 1);
    }
    std::uint64_t read_carelessly() const {
        const std::uint64_t l = atomics::load(low);
        return l | atomics::load(high) << 4;
    }
    std::uint64_t read() const {
        for (;;) {
            const std::uint64_t before = atomics::load(sequence);
            const std::uint64_t value = read_carelessly();
            if (before % 2 == 0 && atomics::load(sequence) == before) return value;
            atomics::pause();
        }
    }
};

TEST(linearizability, a_register_in_halves_is_refused_and_one_with_a_sequence_number_passes) {
    const auto explore_register = [](const exploration& options, bool careful) {
        return explore<halved_register>(options,
                                        {[](halved_register& r) {
                                             for (const std::uint64_t v : {0x11U, 0x22U})
                                                 operate({"write", v}, [&] { r.write(v); });
                                         },
                                         [=](halved_register& r) {
                                             for (int k = 0; k < 2; ++k) {
                                                 operate({"read"},
                                                         [&] { return careful ? r.read() : r.read_carelessly(); });
                                             }
                                         }},
                                        [](const halved_register&, history h) {
                                            return linearizable(specified_register{}, h) ? "" : "not linearizable";
                                        });
    };
    for (const exploration& options : {sequential, buffered}) {
        const outcome found = explore_register(options, true);
        EXPECT_EQ(found.result, verdict::holds) << found.report;
        EXPECT_EQ(explore_register(options, false).result, verdict::violation);
    }
}

TEST(linearizability, a_plain_store_into_a_word_of_flags_loses_a_flag) {
    struct flags {
        std::uint64_t word = 0;
    };
    struct specified_flags {
        std::uint64_t word = 0;
        bool apply(const call& what, std::uint64_t result) {
            const bool was = (word & what.first) != 0;
            word |= what.first;
            return (result & what.first) == (was ? what.first : 0);
        }
    };
    const auto explore_flags = [](bool atomic) {
        const auto set = [=](std::uint64_t bit) {
            return [=](flags& f) {
                for (int k = 0; k < 2; ++k) {
                    operate({"set", bit}, [&] {
                        if (atomic) return atomics::fetch_or(f.word, bit);
                        const std::uint64_t before = atomics::load(f.word);
                        atomics::store(f.word, before | bit);
                        return before;
                    });
                }
            };
        };
        return explore<flags>(sequential, {set(1), set(2)}, [](const flags&, history h) {
            return linearizable(specified_flags{}, h) ? "" : "not linearizable";
        });
    };
    EXPECT_EQ(explore_flags(true).result, verdict::holds);
    EXPECT_EQ(explore_flags(false).result, verdict::violation);
}

}  // namespace
}  // namespace longreach::model
