// SPDX-License-Identifier: MIT
// A cluster_tree finds the runs of any children, few or thousands, as a walk over their frames does.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/cluster_tree.hpp>
#include <random>
#include <span>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a tree to break what its audit must notice.
struct contiguity_map_corruption {
    static std::uint16_t& suffix(cluster_tree& tree, std::uint64_t child) { return tree.leaves_[child].suffix; }
    static std::uint32_t& longest(cluster_tree& tree, unsigned level) { return tree.levels_[level][0].longest; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

struct owned_tree {
    explicit owned_tree(std::uint64_t children)
        : words(children), memory(cluster_tree::required_bytes(children)), tree(children, memory) {}

    bool is_free(std::uint64_t position) const {
        return (words[position / 512][position % 512 / 64] >> (position % 64) & 1) != 0;
    }
    void set(std::uint64_t first, std::uint64_t end, bool free) {
        for (std::uint64_t child = first / 512; child * 512 < end; ++child) {
            const std::uint64_t from = first > child * 512 ? first - child * 512 : 0;
            const std::uint64_t to = end - child * 512 < 512 ? end - child * 512 : 512;
            for (unsigned i = 0; i < 8; ++i) {
                const std::uint64_t mask = word_mask(i, static_cast<unsigned>(from), static_cast<unsigned>(to));
                words[child][i] = free ? words[child][i] | mask : words[child][i] & ~mask;
            }
            tree.update(child, words[child]);
        }
    }
    auto words_of() const {
        return [this](std::uint64_t child) { return words[child]; };
    }
    std::uint64_t size() const { return words.size() * 512; }

    std::vector<child_words> words;
    std::vector<std::byte> memory;
    cluster_tree tree;
};

/// What next() must answer; both ends are 0 where there is none.
cluster_tree::stretch slow_next(const owned_tree& t, std::uint64_t from, std::uint64_t least) {
    for (std::uint64_t first = from; first < t.size(); ++first) {
        std::uint64_t end = first;
        while (end < t.size() && t.is_free(end)) ++end;
        if (end - first >= least) return {first, end};
        first = end;
    }
    return {};
}

TEST(cluster_tree, hears_of_several_children_at_once_as_of_one_after_the_other) {
    std::mt19937_64 random(9);
    for (const std::uint64_t children : {1U, 3U, 64U, 65U, 200U}) {
        owned_tree t(children);
        for (int round = 0; round < 50; ++round) {
            std::vector<std::uint32_t> changed;  // neighbours and others, in no order, each once
            for (std::uint32_t child = 0; child < children; ++child) {
                if (random() % 3 == 0) continue;
                const std::uint64_t all = random() % 2 == 0 ? 0 : ~std::uint64_t{0};
                for (std::uint64_t& word : t.words[child]) word = random() % 8 == 0 ? random() : all;
                changed.push_back(child);
            }
            if (round % 2 != 0) std::shuffle(changed.begin(), changed.end(), random);
            t.tree.update(changed, t.words_of());
            ASSERT_FALSE(t.tree.audit(t.words_of())) << t.tree.audit(t.words_of()).label;
        }
    }
}

TEST(cluster_tree, at_first_nothing_is_free) {
    for (const std::uint64_t children : {1U, 2U, 3U, 64U, 65U, 129U}) {
        const owned_tree t(children);
        EXPECT_EQ(t.tree.longest(), 0U);
        const auto found = t.tree.next(0, 1, t.words_of());
        EXPECT_EQ(found.first, found.end);
        EXPECT_FALSE(t.tree.audit(t.words_of()));
    }
}

TEST(cluster_tree, a_run_across_words_of_64_children_is_seen_whole_from_everywhere) {
    owned_tree t(400);
    const std::uint64_t first = 50 * 512 + 100;
    const std::uint64_t end = 330 * 512 + 7;
    t.set(first, end, true);
    EXPECT_EQ(t.tree.longest(), end - first);
    for (const std::uint64_t from : {std::uint64_t{0}, first - 1, first, first + 1, std::uint64_t{64 * 512},
                                     std::uint64_t{128 * 512 + 5}, end - 2000}) {
        for (const std::uint64_t least : {std::uint64_t{1023}, std::uint64_t{2000}, end - first}) {
            const auto found = t.tree.next_large(from, least, t.words_of());
            const std::uint64_t begin = from < first ? first : from;
            const bool fits = end - begin >= least;
            EXPECT_EQ(found.first, fits ? begin : 0) << from << " for " << least;
            EXPECT_EQ(found.end, fits ? end : 0) << from << " for " << least;
        }
    }
    EXPECT_EQ(t.tree.start_of_run(200 * 512 + 9, t.words[200]), first);
    EXPECT_EQ(t.tree.end_of_run(200 * 512 + 9, t.words[200]), end);
    EXPECT_EQ(t.tree.around(51, 330).first, first);
    EXPECT_EQ(t.tree.around(51, 330).end, end);
}

TEST(cluster_tree, agrees_with_a_walk_over_all_frames_under_random_use) {
    for (const std::uint64_t children : {1U, 2U, 5U, 65U, 130U, 260U}) {
        owned_tree t(children);
        std::mt19937_64 random(children);
        for (int i = 0; i < 120; ++i) {
            const std::uint64_t grid = i % 3 == 0 ? 1 : i % 3 == 1 ? 512 : 512 * 64;
            const std::uint64_t first = random() % t.size() / grid * grid;
            const std::uint64_t longest = random() % 3 == 0 ? t.size() : 3000;
            const std::uint64_t end = first + 1 + random() % longest;
            t.set(first, end < t.size() ? end : t.size(), random() % 5 < 3);
            ASSERT_FALSE(t.tree.audit(t.words_of()));
            const std::uint64_t from = random() % t.size() / grid * grid;
            std::uint64_t least = 1 + random() % (random() % 2 == 0 ? 1100 : t.size());
            if (random() % 2 == 0 && t.tree.longest() != 0) least = t.tree.longest() - random() % 2;
            least += least == 0;
            const auto expected = slow_next(t, from, least);
            const auto found = t.tree.next(from, least, t.words_of());
            ASSERT_EQ(found.first, expected.first);
            ASSERT_EQ(found.end, expected.end);
            if (least <= cluster_tree::ragged) continue;
            const auto large = t.tree.next_large(from, least, t.words_of());
            ASSERT_EQ(large.first, expected.first) << children << " children, from " << from << " for " << least;
            ASSERT_EQ(large.end, expected.end);
        }
    }
}

TEST(cluster_tree, memory_of_any_alignment_is_enough) {
    for (std::size_t skip = 0; skip < 9; ++skip) {
        std::vector<std::byte> memory(cluster_tree::required_bytes(77) + skip, std::byte{0xff});
        const cluster_tree tree(77, std::span(memory).subspan(skip));
        EXPECT_EQ(tree.longest(), 0U);
        EXPECT_FALSE(tree.audit([](std::uint64_t) { return child_words{}; }));
    }
}

TEST(cluster_tree, audit_finds_a_node_that_differs_from_the_bits_or_from_the_two_below_it_I1_I2) {
    owned_tree t(10);
    t.set(700, 4000, true);
    contiguity_map_corruption::suffix(t.tree, 1) -= 1;
    EXPECT_EQ(t.tree.audit(t.words_of()).label, std::string_view("contiguity_map.I1"));
    EXPECT_EQ(t.tree.audit(t.words_of()).where, 1U);
    contiguity_map_corruption::suffix(t.tree, 1) += 1;
    ASSERT_FALSE(t.tree.audit(t.words_of()));
    contiguity_map_corruption::longest(t.tree, 4) += 1;
    EXPECT_EQ(t.tree.audit(t.words_of()).label, std::string_view("contiguity_map.I2"));
}

}  // namespace
}  // namespace longreach
