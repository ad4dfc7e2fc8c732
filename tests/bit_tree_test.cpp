// SPDX-License-Identifier: MIT
// A bit_tree finds the next member of a set as a std::set does, at every size around its word boundaries.

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <longreach/allocator/bit_tree.hpp>
#include <random>
#include <set>
#include <string_view>
#include <vector>

namespace longreach {
namespace {

struct owned_tree {
    explicit owned_tree(std::uint64_t size)
        : words(bit_tree::required_words(size), ~std::uint64_t{0}), tree(size, words) {}
    std::vector<std::uint64_t> words;
    bit_tree tree;
};

constexpr std::uint64_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097, 64 * 64 * 64 + 1};

TEST(bit_tree, begins_empty_whatever_its_memory_held) {
    for (const std::uint64_t size : sizes) {
        const owned_tree t(size);
        EXPECT_TRUE(t.tree.empty());
        EXPECT_EQ(t.tree.first(), size);
        EXPECT_EQ(t.tree.size(), size);
        EXPECT_FALSE(t.tree.audit());
    }
    EXPECT_TRUE(bit_tree{}.empty());
}

TEST(bit_tree, needs_at_most_two_hundredths_more_than_one_bit_per_integer_when_large) {
    EXPECT_EQ(bit_tree::required_words(1), 1U);
    EXPECT_EQ(bit_tree::required_words(64), 1U);
    EXPECT_EQ(bit_tree::required_words(65), 3U);
    EXPECT_LT(static_cast<double>(bit_tree::required_words(1U << 24)) * 64, 1.02 * (1U << 24));
}

TEST(bit_tree, finds_a_single_member_from_every_start) {
    for (const std::uint64_t size : sizes) {
        for (const std::uint64_t member : {std::uint64_t{0}, size / 2, size - 1}) {
            owned_tree t(size);
            t.tree.insert(member);
            EXPECT_TRUE(t.tree.test(member));
            EXPECT_EQ(t.tree.first(), member);
            EXPECT_EQ(t.tree.first(member), member);
            EXPECT_EQ(t.tree.first(member + 1), size);
            EXPECT_EQ(t.tree.first(size + 100), size) << "a start beyond the end finds nothing";
            t.tree.erase(member);
            EXPECT_TRUE(t.tree.empty());
        }
    }
}

TEST(bit_tree, finds_the_last_member_at_or_below_every_start) {
    for (const std::uint64_t size : sizes) {
        for (const std::uint64_t member : {std::uint64_t{0}, size / 2, size - 1}) {
            owned_tree t(size);
            EXPECT_EQ(t.tree.last(size - 1), size) << "there is none";
            t.tree.insert(member);
            EXPECT_EQ(t.tree.last(size - 1), member);
            EXPECT_EQ(t.tree.last(member), member);
            if (member != 0) {
                EXPECT_EQ(t.tree.last(member - 1), size);
            }
        }
    }
}

TEST(bit_tree, clear_removes_every_member_and_no_word_of_anybody_else) {
    for (const std::uint64_t size : sizes) {
        std::vector<std::uint64_t> words(bit_tree::required_words(size) + 1, ~std::uint64_t{0});
        bit_tree tree(size, words);
        for (std::uint64_t i = 0; i < size; i += 1 + i / 3) tree.insert(i);
        tree.clear();
        EXPECT_TRUE(tree.empty());
        EXPECT_EQ(tree.first(0), size);
        EXPECT_FALSE(tree.audit());
        EXPECT_EQ(words.back(), ~std::uint64_t{0});
    }
    bit_tree nothing;
    nothing.clear();
    EXPECT_TRUE(nothing.empty());
}

TEST(bit_tree, shows_64_members_at_a_time) {
    owned_tree t(200);
    for (const std::uint64_t i : {0U, 63U, 64U, 199U}) t.tree.insert(i);
    EXPECT_EQ(t.tree.word(0), std::uint64_t{1} << 63 | 1);
    EXPECT_EQ(t.tree.word(1), 1U);
    EXPECT_EQ(t.tree.word(2), 0U);
    EXPECT_EQ(t.tree.word(3), std::uint64_t{1} << 7);
}

TEST(bit_tree, inserting_twice_and_erasing_the_absent_change_nothing) {
    owned_tree t(5000);
    t.tree.insert(4999);
    t.tree.insert(4999);
    t.tree.erase(4998);
    t.tree.erase(3);
    EXPECT_EQ(t.tree.first(), 4999U);
    t.tree.erase(4999);
    EXPECT_TRUE(t.tree.empty());
    EXPECT_FALSE(t.tree.audit());
}

TEST(bit_tree, agrees_with_a_sorted_set_under_random_use) {
    for (const std::uint64_t size : sizes) {
        owned_tree t(size);
        std::set<std::uint64_t> expected;
        std::mt19937_64 random(size);
        for (int i = 0; i < 3000; ++i) {
            const std::uint64_t x = random() % size;
            if (random() % 2 == 0) {
                t.tree.insert(x);
                expected.insert(x);
            } else {
                t.tree.erase(x);
                expected.erase(x);
            }
            const std::uint64_t from = random() % size;
            const auto next = expected.lower_bound(from);
            ASSERT_EQ(t.tree.first(from), next == expected.end() ? size : *next);
            ASSERT_EQ(t.tree.first(), expected.empty() ? size : *expected.begin());
            const auto above = expected.upper_bound(from);
            ASSERT_EQ(t.tree.last(from), above == expected.begin() ? size : *std::prev(above));
            ASSERT_EQ(t.tree.test(from), expected.contains(from));
            ASSERT_EQ(t.tree.word(from / 64) >> (from % 64) & 1, expected.contains(from) ? 1U : 0U);
            ASSERT_EQ(t.tree.empty(), expected.empty());
        }
        EXPECT_FALSE(t.tree.audit());
    }
}

TEST(bit_tree, works_in_a_constant_expression) {
    constexpr auto found = [] {
        std::uint64_t words[4]{};
        bit_tree tree(130, words);
        tree.insert(129);
        return tree.first();
    }();
    static_assert(found == 129);
}

TEST(bit_tree, audit_finds_a_summary_bit_without_members_below_I1) {
    owned_tree t(65);
    t.words[2] |= 2;  // says that word 1 has a member
    EXPECT_EQ(t.tree.audit().label, std::string_view("bit_tree.I1"));
}

TEST(bit_tree, audit_finds_a_member_without_its_summary_bit_I1) {
    owned_tree t(65);
    t.words[1] |= 1;
    EXPECT_EQ(t.tree.audit().label, std::string_view("bit_tree.I1"));
    EXPECT_EQ(t.tree.audit().where, 1U);
}

TEST(bit_tree, audit_finds_a_bit_beyond_the_size_I2) {
    owned_tree t(60);
    t.words[0] |= std::uint64_t{1} << 60;
    EXPECT_EQ(t.tree.audit().label, std::string_view("bit_tree.I2"));
}

TEST(bit_tree_death, too_little_memory_is_refused) {
    std::vector<std::uint64_t> words(2);
    EXPECT_DEATH(bit_tree(65, words), "");
}

}  // namespace
}  // namespace longreach
