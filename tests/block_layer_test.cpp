// SPDX-License-Identifier: MIT
// A layer names a child that has a block wherever one has, by each choice, and its marks err in one direction only.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/allocator/block_layer.hpp>
#include <random>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a layer to break what its audit must notice.
struct buddy_corruption {
    static bit_tree& loose(block_layer& layer, unsigned k) { return layer.loose_[k]; }
    static bit_tree& snug(block_layer& layer, unsigned k) { return layer.snug_[k]; }
    static unsigned& loose_used(block_layer& layer) { return layer.loose_used_; }
    static bit_tree& by_fill(block_layer& layer, unsigned k) { return layer.by_fill_[k]; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

struct owned_layer {
    owned_layer(std::uint64_t children, block_choice choice)
        : words(children),
          headers(children),
          tree_words(block_layer::required_words(children, choice)),
          layer(words, headers, tree_words, choice) {
        for (std::uint64_t child = 0; child < children; ++child) layer.recount(child);
    }

    void give(std::uint64_t child, unsigned position, unsigned k) {
        ASSERT_TRUE(layer.set(child, position, k));
        layer.note_given(child, position, k);
    }
    void take(std::uint64_t child, unsigned position, unsigned k) {
        layer.clear(child, position, k);
        layer.note_taken(child, k, block_place::unknown, view());
    }

    /// Every unit may be given away, and there is no layer above.
    struct open_view {
        const block_layer& layer;
        static bool any(std::uint64_t) { return false; }
        const child_words& words(std::uint64_t child) const { return layer.words(child); }
        static bool is_kept(std::uint64_t) { return false; }
        static bool is_lowest_kept(std::uint64_t) { return false; }
    };
    open_view view() const { return {layer}; }
    std::uint64_t search(unsigned k) { return layer.search(k, view()).child; }

    std::vector<child_words> words;
    std::vector<child_header> headers;
    std::vector<std::uint64_t> tree_words;
    block_layer layer;
};

constexpr block_choice choices[] = {block_choice::adaptive, block_choice::lowest, block_choice::fullest,
                                    block_choice::next_fit, block_choice::smallest};

TEST(block_layer, nothing_is_found_in_an_empty_layer) {
    for (const block_choice choice : choices) {
        owned_layer l(70, choice);
        for (unsigned k = 0; k < child_order; ++k) EXPECT_EQ(l.search(k), block_layer::none);
        EXPECT_FALSE(l.layer.audit());
    }
}

TEST(block_layer, the_lowest_child_is_chosen) {
    owned_layer l(200, block_choice::lowest);
    l.give(150, 8, 3);
    l.give(7, 1, 0);
    EXPECT_EQ(l.search(0), 7U);
    EXPECT_EQ(l.layer.lowest(0), 7U);
    EXPECT_EQ(l.search(3), 150U);
    EXPECT_EQ(l.layer.search(3, l.view()).position, 8U);
    EXPECT_EQ(l.search(4), block_layer::none);
}

TEST(block_layer, the_fullest_child_is_chosen_to_a_power_of_two) {
    owned_layer l(200, block_choice::fullest);
    l.give(3, 0, 7);    // 128 free
    l.give(90, 0, 5);   // 32
    l.give(90, 64, 4);  // 48
    l.give(120, 0, 5);  // 32: the same class
    EXPECT_EQ(l.search(0), 90U);
    EXPECT_EQ(l.search(6), 3U);
    EXPECT_EQ(l.layer.lowest(0), block_layer::none) << "another choice";
    l.give(90, 128, 4);  // 64
    EXPECT_EQ(l.search(0), 120U);
    EXPECT_FALSE(l.layer.audit());
}

TEST(block_layer, next_fit_stays_where_it_served_and_goes_round) {
    owned_layer l(200, block_choice::next_fit);
    for (const std::uint64_t child : {10U, 20U, 30U}) l.give(child, 0, 1);
    EXPECT_EQ(l.search(0), 10U);
    EXPECT_EQ(l.search(0), 10U);
    l.take(10, 0, 1);
    EXPECT_EQ(l.search(0), 20U);
    l.take(20, 0, 1);
    l.give(10, 0, 1);
    EXPECT_EQ(l.search(0), 30U);
    l.take(30, 0, 1);
    EXPECT_EQ(l.search(0), 10U);
}

TEST(block_layer, giving_units_that_are_free_already_changes_nothing) {
    owned_layer l(2, block_choice::fullest);
    l.give(1, 64, 6);
    const child_words before = l.words[1];
    EXPECT_FALSE(l.layer.set(1, 64, 0));
    EXPECT_FALSE(l.layer.set(1, 0, 7));
    EXPECT_FALSE(l.layer.set_word(1, 1, 6, 2));
    EXPECT_EQ(l.words[1], before);
    EXPECT_FALSE(l.layer.audit());
}

TEST(block_layer, a_child_that_is_half_used_serves_its_smallest_block_and_before_the_others) {
    owned_layer l(200, block_choice::adaptive);
    l.give(3, 0, 8);
    l.give(3, 256, 7);  // 384 units: loose
    l.give(150, 64, 6);
    l.give(150, 8, 2);
    l.give(150, 0, 0);
    l.take(150, 0, 0);  // 68 units: snug once one is taken
    EXPECT_FALSE(l.layer.is_snug(3));
    EXPECT_TRUE(l.layer.is_snug(150));
    block_place place = l.layer.search(0, l.view());
    EXPECT_EQ(place.child, 150U);
    EXPECT_EQ(place.position, 8U);
    EXPECT_EQ(place.from, 2U);
    EXPECT_EQ(l.search(3), 150U);
    EXPECT_EQ(l.search(7), 3U);
    EXPECT_EQ(l.layer.lowest(0), block_layer::none) << "not while a snug child has something";
    l.take(3, 0, 8);  // 128 left
    EXPECT_TRUE(l.layer.is_snug(3));
    EXPECT_EQ(l.layer.search(6, l.view()).child, 150U);
    l.give(3, 0, 8);
    EXPECT_FALSE(l.layer.is_snug(3));
    EXPECT_FALSE(l.layer.audit());
}

TEST(block_layer, ready_units_are_in_no_larger_maximal_block_than_the_place) {
    const std::uint64_t word = 0xff0f'0000'0000'0305U;  // orders 0, 0, 1, 2 and 3
    EXPECT_EQ(block_layer::ready_units(word, {0, 0, 0}), 5U);
    EXPECT_EQ(block_layer::ready_units(word, {0, 8, 1}), 0x305U);
    EXPECT_EQ(block_layer::ready_units(word, {0, 48, 2}), 0x000f'0000'0000'0305U);
    EXPECT_EQ(block_layer::ready_units(word, {0, 56, 3}), word);
    EXPECT_EQ(block_layer::ready_units(word, {0, 0}), word) << "of a loose child all";
}

TEST(block_layer, under_random_use_every_child_with_a_block_is_found) {
    for (const block_choice choice : choices) {
        owned_layer l(70, choice);
        std::mt19937_64 random(static_cast<unsigned>(choice));
        for (int i = 0; i < 20000; ++i) {
            const std::uint64_t child = random() % (i % 2 == 0 ? 2 : 70);
            const unsigned k = static_cast<unsigned>(random() % child_order);
            const unsigned position = static_cast<unsigned>(random() % child_frames) >> k << k;
            const block_place place = l.layer.search(k, l.view());
            switch (random() % 4) {
                case 0:
                    if (is_free_block(l.words[child], position, k)) l.take(child, position, k);
                    break;
                case 1:
                    if (place.child == block_layer::none) break;
                    ASSERT_TRUE(is_free_block(l.words[place.child], place.position, k));
                    l.layer.clear(place.child, place.position, k);
                    l.layer.note_taken(place.child, k, place.from, l.view());
                    break;
                default:
                    if (l.headers[child].free == child_frames - (1U << k)) break;  // whole ones belong elsewhere
                    if (l.layer.set(child, position, k)) l.layer.note_given(child, position, k);
                    break;
            }
            unsigned present = 0;
            for (const child_words& words : l.words) {
                present = orders_present(words) > present ? orders_present(words) : present;
            }
            for (unsigned o = 0; o < child_order; ++o) {
                ASSERT_EQ(l.search(o) != block_layer::none, o < present) << "order " << o << " at step " << i;
            }
            if (i % 16 == 0) {
                ASSERT_FALSE(l.layer.audit());
            }
        }
    }
}

TEST(block_layer, the_first_unit_is_taken_and_an_emptied_child_is_no_longer_marked) {
    owned_layer l(2, block_choice::lowest);
    l.give(1, 130, 1);
    EXPECT_EQ(l.layer.clear_first(1), 130U);
    l.layer.note_taken(1, 0, block_place::unknown, l.view());
    EXPECT_EQ(l.layer.clear_first(1), 131U);
    l.layer.note_taken(1, 0, block_place::unknown, l.view());
    EXPECT_EQ(l.headers[1].orders, 0U);
    EXPECT_EQ(l.search(0), block_layer::none);
    EXPECT_FALSE(l.layer.audit());
}

TEST(block_layer, a_forgotten_layer_is_counted_again_from_its_bits) {
    owned_layer l(70, block_choice::fullest);
    l.give(69, 0, 6);
    l.give(4, 17, 0);
    l.layer.forget();
    for (std::uint64_t child = 0; child < 70; ++child) {
        l.headers[child] = {77, 3, 5, 9, 3};
        l.layer.recount(child);
        l.layer.index(child, l.words[child]);
    }
    EXPECT_FALSE(l.layer.audit());
    EXPECT_EQ(l.search(0), 4U);
    EXPECT_EQ(l.search(6), 69U);
}

TEST(block_layer, a_whole_child_starts_with_all_its_units_and_no_mark) {
    owned_layer l(3, block_choice::fullest);
    for (std::uint64_t& word : l.words[1]) word = ~std::uint64_t{0};
    l.layer.start_whole(1);
    EXPECT_EQ(l.headers[1].free, child_frames);
    EXPECT_EQ(l.search(0), block_layer::none);
    EXPECT_FALSE(l.layer.audit());
    l.layer.fill(1, false);
    EXPECT_EQ(l.headers[1].free, 0U);
    EXPECT_FALSE(l.layer.audit());
}

TEST(block_layer, audit_finds_a_free_count_or_a_set_of_words_that_differs_from_the_bits_I1) {
    owned_layer l(4, block_choice::lowest);
    l.give(2, 0, 3);
    --l.headers[2].free;
    EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I1"));
    EXPECT_EQ(l.layer.audit().where, 2U);
    ++l.headers[2].free;
    l.headers[2].nonzero = 2;
    EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I1"));
}

TEST(block_layer, audit_finds_a_mark_without_its_tree_and_a_tree_without_its_mark_I2) {
    for (const block_choice choice : {block_choice::lowest, block_choice::smallest}) {
        owned_layer l(4, choice);
        l.give(2, 0, 3);
        l.headers[2].orders = static_cast<std::uint16_t>(l.headers[2].orders ^ 8);
        EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I2"));
        l.headers[2].orders = 1U << child_order;
        EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I2"));
        EXPECT_EQ(l.layer.audit().where, 2U);
    }
    owned_layer l(4, block_choice::adaptive);
    buddy_corruption::snug(l.layer, 5).insert(1);
    EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I2"));
    buddy_corruption::snug(l.layer, 5).erase(1);
    buddy_corruption::loose_used(l.layer) = 4;
    EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I2"));
    EXPECT_EQ(l.layer.audit().where, 2U);
}

TEST(block_layer, audit_finds_a_child_that_is_filed_under_another_fill_I3) {
    owned_layer l(4, block_choice::fullest);
    l.give(2, 0, 3);
    buddy_corruption::by_fill(l.layer, 4).insert(2);
    EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I3"));
    buddy_corruption::by_fill(l.layer, 4).erase(2);
    buddy_corruption::by_fill(l.layer, 3).erase(2);
    EXPECT_EQ(l.layer.audit().label, std::string_view("block_layer.I3"));
}

TEST(block_layer, audit_looks_into_its_trees) {
    owned_layer l(70, block_choice::fullest);
    buddy_corruption::loose(l.layer, 3).insert(127);
    buddy_corruption::loose_used(l.layer) = 8;
    EXPECT_EQ(l.layer.audit().label, std::string_view("bit_tree.I2"));
    buddy_corruption::loose(l.layer, 3).erase(127);
    buddy_corruption::loose_used(l.layer) = 0;
    buddy_corruption::by_fill(l.layer, 3).insert(127);
    EXPECT_EQ(l.layer.audit().label, std::string_view("bit_tree.I2"));
}

}  // namespace
}  // namespace longreach
