// SPDX-License-Identifier: MIT
// The word algebra on 512 frames says what counting frame by frame says.

#include <gtest/gtest.h>

#include <longreach/allocator/child.hpp>
#include <random>

namespace longreach {
namespace {

bool is_set(const child_words& words, unsigned f) { return (words[f / 64] >> (f % 64) & 1) != 0; }

bool slow_free_block(const child_words& words, unsigned position, unsigned k) {
    for (unsigned f = position; f < position + (1U << k); ++f) {
        if (!is_set(words, f)) return false;
    }
    return true;
}

unsigned slow_maximal_block(const child_words& words, unsigned k) {
    for (unsigned position = 0; position < child_frames; position += 1U << k) {
        const unsigned parent = position & ~((2U << k) - 1);
        if (slow_free_block(words, position, k) && !slow_free_block(words, parent, k + 1)) return position;
    }
    return child_frames;
}

unsigned slow_block(const child_words& words, unsigned k) {
    for (unsigned position = 0; position < child_frames; position += 1U << k) {
        if (slow_free_block(words, position, k)) return position;
    }
    return child_frames;
}

unsigned slow_count_maximal(const child_words& words, unsigned k) {
    unsigned total = 0;
    for (unsigned position = 0; position < child_frames; position += 1U << k) {
        const unsigned parent = position & ~((2U << k) - 1);
        total += slow_free_block(words, position, k) && !slow_free_block(words, parent, k + 1);
    }
    return total;
}

/// The first frame from `from` to `end` that is free, or not; `end` where there is none.
unsigned slow_first(const child_words& words, unsigned from, unsigned end, bool free) {
    while (from < end && is_set(words, from) != free) ++from;
    return from;
}

/// Children of very different density, with long and short runs.
child_words random_child(std::mt19937_64& random) {
    child_words words{};
    const unsigned steps = 1 + static_cast<unsigned>(random() % 40);
    for (unsigned i = 0; i < steps; ++i) {
        const unsigned k = static_cast<unsigned>(random() % 10);
        const unsigned position = static_cast<unsigned>(random() % child_frames) >> k << k;
        const bool set = random() % 3 != 0;
        for (unsigned w = 0; w < 8; ++w) {
            const std::uint64_t mask = word_mask(w, position, position + (1U << k));
            words[w] = set ? words[w] | mask : words[w] & ~mask;
        }
    }
    return words;
}

TEST(child, agrees_with_counting_frame_by_frame_on_random_children) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 1500; ++i) {
        const child_words words = random_child(random);
        unsigned count = 0;
        for (unsigned f = 0; f < child_frames; ++f) count += is_set(words, f);
        ASSERT_EQ(count_free(words), count);

        unsigned orders = 0;
        for (unsigned k = 0; k < child_order; ++k) {
            const unsigned expected = slow_maximal_block(words, k);
            ASSERT_EQ(find_maximal_block(words, k), expected) << "order " << k;
            orders |= static_cast<unsigned>(expected != child_frames) << k;
        }
        ASSERT_EQ(maximal_orders(words), orders);

        for (unsigned k = 0; k <= child_order; ++k) {
            const unsigned position = static_cast<unsigned>(random() % child_frames) >> k << k;
            const bool free = slow_free_block(words, position, k);
            ASSERT_EQ(is_free_block(words, position, k), free);
            if (!free) continue;
            unsigned around = k;
            while (around < child_order && slow_free_block(words, position & ~((2U << around) - 1), around + 1)) {
                ++around;
            }
            ASSERT_EQ(enclosing_order(words, position, k), around);
        }
    }
}

TEST(child, finds_and_counts_in_parts_of_a_child_as_a_walk_over_its_frames_does) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 1500; ++i) {
        const child_words words = random_child(random);
        unsigned present = 0;
        for (unsigned k = 0; k < child_order; ++k) {
            const unsigned expected = slow_block(words, k);
            ASSERT_EQ(find_block(words, k), expected) << "order " << k;
            ASSERT_EQ(count_maximal_blocks(words, k), slow_count_maximal(words, k)) << "order " << k;
            if (expected != child_frames) present = k + 1;
        }
        ASSERT_EQ(orders_present(words), present);
        const unsigned from = static_cast<unsigned>(random() % child_frames);
        const unsigned end = from + static_cast<unsigned>(random() % (child_frames + 1 - from));
        ASSERT_EQ(next_free(words, from), slow_first(words, from, child_frames, true));
        ASSERT_EQ(next_used(words, from), slow_first(words, from, child_frames, false));
        unsigned count = 0;
        unsigned after_used = 0;
        for (unsigned f = 0; f < end; ++f) {
            if (f >= from) count += is_set(words, f);
            if (!is_set(words, f)) after_used = f + 1;
        }
        ASSERT_EQ(count_free_between(words, from, end), count);
        ASSERT_EQ(after_last_used(words, end), after_used);
    }
}

TEST(child, nothing_lies_beyond_its_end) {
    child_words all{};
    EXPECT_EQ(next_free(all, child_frames), child_frames);
    EXPECT_EQ(next_free(all, 0), child_frames);
    EXPECT_EQ(after_last_used(all, child_frames), child_frames);
    for (auto& word : all) word = ~std::uint64_t{0};
    EXPECT_EQ(next_used(all, 0), child_frames);
    EXPECT_EQ(next_used(all, child_frames), child_frames);
    EXPECT_EQ(after_last_used(all, child_frames), 0U);
    EXPECT_EQ(orders_present(all), child_order);
    EXPECT_EQ(count_free_between(all, 0, child_frames), child_frames);
}

TEST(child, a_wholly_free_child_has_no_block_below_its_own_order) {
    child_words all{};
    for (auto& word : all) word = ~std::uint64_t{0};
    EXPECT_EQ(maximal_orders(all), 0U);
    EXPECT_EQ(full_words(all), 255U);
    EXPECT_EQ(enclosing_order(all, 511, 0), child_order);
    EXPECT_EQ(maximal_orders(child_words{}), 0U);
    EXPECT_EQ(find_maximal_block(child_words{}, 0), child_frames);
}

TEST(child, one_used_frame_leaves_one_block_of_every_order) {
    for (unsigned used = 0; used < child_frames; ++used) {
        child_words words{};
        for (auto& word : words) word = ~std::uint64_t{0};
        words[used / 64] &= ~(std::uint64_t{1} << (used % 64));
        ASSERT_EQ(maximal_orders(words), 511U);
        for (unsigned k = 0; k < child_order; ++k) ASSERT_EQ(find_maximal_block(words, k), (used >> k ^ 1U) << k);
    }
}

TEST(child, a_mask_covers_exactly_its_part_of_the_word) {
    for (const auto& [first, end] :
         {std::pair{0U, 512U}, {0U, 0U}, {63U, 65U}, {64U, 128U}, {100U, 101U}, {511U, 512U}}) {
        for (unsigned f = 0; f < child_frames; ++f) {
            const bool in = (word_mask(f / 64, first, end) >> (f % 64) & 1) != 0;
            ASSERT_EQ(in, f >= first && f < end) << f << " of " << first << " to " << end;
        }
    }
}

}  // namespace
}  // namespace longreach
