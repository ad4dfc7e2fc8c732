// SPDX-License-Identifier: MIT
// One thread alone: an atomic_bit_tree is a set of integers, and mends summaries that promise too much.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <longreach/allocator/atomic_bit_tree.hpp>
#include <random>
#include <set>
#include <string_view>
#include <vector>

namespace longreach {
namespace {

using tree = atomic_bit_tree<>;

TEST(atomic_bit_tree, any_inserts_and_erases_leave_it_equal_to_a_set) {
    for (const std::uint64_t size : {1U, 2U, 63U, 64U, 65U, 4096U, 4097U, 5000U}) {
        std::vector<std::uint64_t> words(tree::required_words(size));
        tree t(size, words);
        std::set<std::uint64_t> model;
        std::mt19937 draw(static_cast<unsigned>(size));
        for (int k = 0; k < 3000; ++k) {
            const std::uint64_t i = draw() % size;
            if (draw() % 3 == 0) {
                t.insert(i);
                model.insert(i);
            } else {
                t.erase(i);
                model.erase(i);
            }
            const std::uint64_t from = draw() % (size + 1);
            const auto next = model.lower_bound(from);
            ASSERT_EQ(t.first(from), next == model.end() ? size : *next);
            ASSERT_EQ(t.first(), model.empty() ? size : *model.begin());
            ASSERT_EQ(t.test(i), model.count(i) == 1);
        }
        EXPECT_FALSE(t.audit());
    }
}

TEST(atomic_bit_tree, filled_it_holds_every_integer_and_cleared_none) {
    for (const std::uint64_t size : {1U, 64U, 65U, 4160U}) {
        std::vector<std::uint64_t> words(tree::required_words(size));
        tree t(size, words);
        EXPECT_EQ(t.first(), size);
        t.fill();
        EXPECT_FALSE(t.audit());
        for (std::uint64_t i = 0; i < size; ++i) ASSERT_EQ(t.first(i), i);
        EXPECT_EQ(t.first(size), size);
        t.clear();
        EXPECT_EQ(t.first(), size);
        EXPECT_FALSE(t.audit());
    }
    EXPECT_EQ(tree().first(), 0U) << "a default one is empty";
}

TEST(atomic_bit_tree, a_summary_over_an_empty_word_is_taken_down_when_a_search_meets_it) {
    std::vector<std::uint64_t> words(tree::required_words(5000));
    tree t(5000, words);
    t.insert(4999);
    words[79] = 3;  // level 1: words 0 and 1 of the leaves, which are empty
    words[81] |= 1;
    EXPECT_FALSE(t.audit()) << "too much is no violation";
    EXPECT_EQ(t.first(), 4999U);
    EXPECT_EQ(words[79], 0U);
    EXPECT_EQ(words[81], 2U);
}

TEST(atomic_bit_tree, its_audit_finds_each_broken_invariant) {
    std::array<std::uint64_t, 4> words{};  // three words of leaves and one of summary
    tree t(130, words);
    t.insert(129);
    words[3] = 0;
    EXPECT_EQ(std::string_view(t.audit().label), "atomic_bit_tree.I1");
    words[3] = 4;
    words[2] |= 4;
    EXPECT_EQ(std::string_view(t.audit().label), "atomic_bit_tree.I2");
}

}  // namespace
}  // namespace longreach
