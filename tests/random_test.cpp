// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <map>
#include <set>
#include <span>
#include <vector>

namespace longreach {
namespace {

TEST(random_numbers, splitmix64_gives_the_published_numbers) {
    // The first outputs for seed 1234567 of the authors' splitmix64.c.
    splitmix64 numbers(1234567);
    for (const std::uint64_t expected : {6457827717110365317U, 3203168211198807973U, 9817491932198370423U,
                                         4593380528125082431U, 16408922859458223821U}) {
        EXPECT_EQ(numbers.next(), expected);
    }
}

/// xoshiro256starstar.c of the authors, word by word.
struct reference_xoshiro {
    std::uint64_t s[4];
    static std::uint64_t rotl(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
    std::uint64_t next() {
        const std::uint64_t result = rotl(s[1] * 5, 7) * 9;
        const std::uint64_t t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotl(s[3], 45);
        return result;
    }
};

TEST(random_numbers, the_generator_is_xoshiro256starstar_seeded_by_splitmix64) {
    for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
        splitmix64 words(seed);
        reference_xoshiro reference{};
        for (std::uint64_t& word : reference.s) word = words.next();
        random_numbers numbers(seed);
        for (int i = 0; i < 1000; ++i) ASSERT_EQ(numbers.next(), reference.next());
    }
}

TEST(random_numbers, the_sequence_of_a_seed_never_changes) {
    // Figures that depend on seeds stand in reports; this pins them.
    constexpr std::array<std::uint64_t, 3> first = [] {
        random_numbers numbers(42);
        return std::array<std::uint64_t, 3>{numbers.next(), numbers.next(), numbers.next()};
    }();
    EXPECT_EQ(first, (std::array<std::uint64_t, 3>{1546998764402558742U, 6990951692964543102U, 12544586762248559009U}));
}

TEST(random_numbers, a_bounded_draw_stays_below_its_bound_and_reaches_every_value) {
    random_numbers numbers(7);
    for (const std::uint64_t bound : {1U, 2U, 3U, 10U, 64U}) {
        std::set<std::uint64_t> seen;
        for (int i = 0; i < 5000; ++i) {
            const std::uint64_t drawn = numbers.below(bound);
            ASSERT_LT(drawn, bound);
            seen.insert(drawn);
        }
        EXPECT_EQ(seen.size(), bound);
    }
}

TEST(random_numbers, a_bounded_draw_has_no_bias_towards_low_values) {
    // With bound 3 * 2^62 a plain remainder would give the lowest third of the values half of all draws.
    random_numbers numbers(8);
    const std::uint64_t bound = std::uint64_t{3} << 62;
    int lowest_third = 0;
    for (int i = 0; i < 30000; ++i) lowest_third += numbers.below(bound) < bound / 3 ? 1 : 0;
    EXPECT_NEAR(lowest_third, 10000, 500);
}

TEST(random_numbers, a_shuffle_keeps_the_values_and_gives_every_order_alike) {
    random_numbers numbers(9);
    std::map<std::vector<int>, int> orders;
    for (int i = 0; i < 24000; ++i) {
        std::vector<int> values{1, 2, 3, 4};
        numbers.shuffle(std::span<int>(values));
        ++orders[values];
    }
    EXPECT_EQ(orders.size(), 24U);
    for (const auto& [order, count] : orders) EXPECT_NEAR(count, 1000, 200);
    std::vector<int> none;
    numbers.shuffle(std::span<int>(none));
}

TEST(random_numbers, a_chance_comes_true_as_often_as_it_says) {
    random_numbers numbers(10);
    int true_draws = 0;
    for (int i = 0; i < 30000; ++i) true_draws += numbers.chance(1, 3) ? 1 : 0;
    EXPECT_NEAR(true_draws, 10000, 500);
}

}
}
