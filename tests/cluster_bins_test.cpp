// SPDX-License-Identifier: MIT
// Runs of whole children lie in the class of their length, and nothing else does.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/allocator/cluster_bins.hpp>
#include <random>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into the bins to break what their audit must notice.
struct contiguity_map_corruption {
    static bit_tree& bin(cluster_bins& bins, unsigned size_class) { return bins.bins_[size_class]; }
    static bit_tree& broken(cluster_bins& bins) { return bins.broken_; }
    static std::uint64_t& used(cluster_bins& bins) { return bins.used_[0]; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

struct owned_bins {
    explicit owned_bins(std::uint64_t children)
        : words(cluster_bins::required_words(children), ~std::uint64_t{0}), whole(children), bins(children, words) {}

    void set(std::uint64_t child, bool value) {
        bins.set_whole(child, value);
        whole[child] = value;
    }
    violation audit() const {
        return bins.audit([this](std::uint64_t child) { return whole[child] != 0; });
    }

    std::vector<std::uint64_t> words;
    std::vector<unsigned char> whole;
    cluster_bins bins;
};

TEST(cluster_bins, classes_grow_with_the_length_and_the_shortest_of_each_bounds_it_from_below) {
    unsigned before = 0;
    for (std::uint64_t length = 1; length < 5000; ++length) {
        const unsigned here = cluster_bins::class_of(length);
        ASSERT_TRUE(here == before || here == before + 1) << length;
        ASSERT_LE(cluster_bins::shortest(here), length);
        ASSERT_GT(cluster_bins::shortest(here + 1) + (here + 1 == cluster_bins::exact_classes), length);
        if (length <= cluster_bins::exact_classes) {
            ASSERT_EQ(cluster_bins::shortest(here), length);
        }
        before = here;
    }
    EXPECT_EQ(cluster_bins::class_of((std::uint64_t{1} << 24) - 1), cluster_bins::max_classes - 1);
}

TEST(cluster_bins, at_first_no_child_is_whole) {
    for (const std::uint64_t children : {1U, 2U, 64U, 65U, 1000U}) {
        const owned_bins b(children);
        EXPECT_EQ(b.bins.next_class(0), b.bins.classes());
        for (std::uint64_t child = 0; child < children; ++child) ASSERT_FALSE(b.bins.is_whole(child));
        for (std::uint64_t word = 0; word < (children + 63) / 64; ++word) ASSERT_EQ(b.bins.whole_word(word), 0U);
        EXPECT_FALSE(b.audit());
    }
}

TEST(cluster_bins, a_child_between_two_runs_joins_them_and_cuts_them_again) {
    owned_bins b(100);
    for (std::uint64_t child = 10; child < 40; ++child) {
        if (child != 20) b.set(child, true);
    }
    EXPECT_EQ(b.bins.next_run(cluster_bins::class_of(10), 0), 10U);
    EXPECT_EQ(b.bins.next_run(cluster_bins::class_of(19), 0), 21U);
    b.set(20, true);
    EXPECT_EQ(b.bins.next_run(cluster_bins::class_of(30), 0), 10U);
    EXPECT_EQ(b.bins.next_class(0), cluster_bins::class_of(30));
    EXPECT_EQ(b.bins.end_of_run(10), 40U);
    b.set(39, false);
    EXPECT_EQ(b.bins.end_of_run(25), 39U);
    EXPECT_FALSE(b.audit());
}

TEST(cluster_bins, runs_of_a_class_are_found_in_address_order) {
    owned_bins b(300);
    for (const std::uint64_t child : {5U, 64U, 200U, 299U}) b.set(child, true);
    std::vector<std::uint64_t> found;
    for (std::uint64_t i = b.bins.next_run(0, 0); i != 300; i = b.bins.next_run(0, i + 1)) found.push_back(i);
    EXPECT_EQ(found, (std::vector<std::uint64_t>{5, 64, 200, 299}));
    EXPECT_EQ(b.bins.whole_word(4), std::uint64_t{1} << 43) << "nothing is whole beyond the last child";
}

TEST(cluster_bins, under_random_use_every_run_is_in_its_class) {
    for (const std::uint64_t children : {1U, 3U, 64U, 500U}) {
        owned_bins b(children);
        std::mt19937_64 random(children);
        for (int i = 0; i < 4000; ++i) {
            const std::uint64_t child = random() % children;
            const bool value = random() % 16 < (i / 500 % 2 == 0 ? 15U : 2U);
            if ((b.whole[child] != 0) == value) continue;
            b.set(child, value);
            ASSERT_FALSE(b.audit());
            ASSERT_EQ(b.bins.is_whole(child), value);
            ASSERT_EQ(b.bins.whole_word(child / 64) >> (child % 64) & 1, value ? 1U : 0U);
        }
    }
}

TEST(cluster_bins, audit_finds_a_whole_child_among_the_broken_ones_I1) {
    owned_bins b(100);
    b.set(7, true);
    b.whole[8] = 1;
    EXPECT_EQ(b.audit().label, std::string_view("cluster_bins.I1"));
    EXPECT_EQ(b.audit().where, 8U);
    b.whole[8] = 0;
    contiguity_map_corruption::broken(b.bins).erase(50);
    EXPECT_EQ(b.audit().label, std::string_view("cluster_bins.I1"));
}

TEST(cluster_bins, audit_finds_a_run_that_is_in_no_class_and_a_member_that_begins_no_run_I2) {
    owned_bins missing(100);
    missing.set(7, true);
    contiguity_map_corruption::bin(missing.bins, 0).erase(7);
    EXPECT_EQ(missing.audit().label, std::string_view("cluster_bins.I2"));
    EXPECT_EQ(missing.audit().where, 7U);
    owned_bins extra(100);
    extra.set(7, true);
    contiguity_map_corruption::bin(extra.bins, 0).insert(50);
    EXPECT_EQ(extra.audit().label, std::string_view("cluster_bins.I2"));
}

TEST(cluster_bins, audit_finds_a_class_that_is_wrongly_said_to_be_in_use_or_not_I3) {
    owned_bins b(100);
    b.set(7, true);
    contiguity_map_corruption::used(b.bins) = 0;
    EXPECT_EQ(b.audit().label, std::string_view("cluster_bins.I3"));
    contiguity_map_corruption::used(b.bins) = 3;
    EXPECT_EQ(b.audit().label, std::string_view("cluster_bins.I3"));
    EXPECT_EQ(b.audit().where, 1U);
}

}  // namespace
}  // namespace longreach
