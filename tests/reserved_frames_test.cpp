// SPDX-License-Identifier: MIT
// Promises are exact while masks last, and cut back to whole children when they do not.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/allocator/reserved_frames.hpp>
#include <map>
#include <random>
#include <string_view>
#include <vector>

namespace longreach {
namespace {

struct owned_promises {
    explicit owned_promises(std::size_t children)
        : headers(children), masks(reserved_frames::mask_count(children)), promises(headers, masks) {}
    std::uint16_t& state(std::uint64_t child) { return headers[child].promised; }

    std::vector<child_header> headers;
    std::vector<child_words> masks;
    reserved_frames promises;
};

child_words words_of(unsigned first, unsigned end) {
    child_words words{};
    for (unsigned i = 0; i < 8; ++i) words[i] = word_mask(i, first, end);
    return words;
}
const child_words none = words_of(0, 0);
const child_words whole = words_of(0, 512);

TEST(reserved_frames, nothing_is_promised_at_first) {
    const owned_promises p(40);
    for (std::uint64_t c = 0; c < 40; ++c) {
        EXPECT_FALSE(p.promises.any(c));
        EXPECT_EQ(p.promises.words(c), none);
    }
    EXPECT_FALSE(p.promises.audit());
}

TEST(reserved_frames, a_promise_reads_back_as_it_was_made) {
    owned_promises p(40);
    for (const auto& words : {words_of(0, 1), words_of(5, 300), whole, words_of(511, 512), none}) {
        EXPECT_TRUE(p.promises.assign(7, words));
        EXPECT_EQ(p.promises.words(7), words);
        EXPECT_EQ(p.promises.any(7), words != none);
        EXPECT_FALSE(p.promises.audit());
    }
}

TEST(reserved_frames, whole_children_need_no_mask) {
    owned_promises p(1000);
    for (std::uint64_t c = 0; c < 1000; ++c) EXPECT_TRUE(p.promises.assign(c, whole));
    EXPECT_EQ(p.promises.words(999), whole);
    EXPECT_FALSE(p.promises.audit());
}

TEST(reserved_frames, without_a_mask_a_part_is_refused_and_nothing_changes) {
    owned_promises p(100);
    const std::size_t masks = reserved_frames::mask_count(100);
    ASSERT_LT(masks, 99U);
    for (std::uint64_t c = 0; c < masks; ++c) ASSERT_TRUE(p.promises.assign(c, words_of(1, 2)));
    EXPECT_FALSE(p.promises.assign(98, words_of(3, 4)));
    EXPECT_FALSE(p.promises.any(98));
    EXPECT_TRUE(p.promises.assign(98, whole));
    EXPECT_FALSE(p.promises.assign(98, words_of(3, 400)));
    EXPECT_EQ(p.promises.words(98), whole);
    EXPECT_TRUE(p.promises.assign(0, words_of(9, 10))) << "a child that has a mask keeps it";
    EXPECT_TRUE(p.promises.assign(0, none));
    EXPECT_TRUE(p.promises.assign(98, words_of(3, 400))) << "a mask given back is used again";
    EXPECT_FALSE(p.promises.audit());
}

TEST(reserved_frames, agrees_with_a_map_of_masks_under_random_use) {
    owned_promises p(64);
    std::map<std::uint64_t, child_words> expected;
    std::mt19937_64 random(3);
    for (int i = 0; i < 20000; ++i) {
        const std::uint64_t c = random() % 64;
        const unsigned first = static_cast<unsigned>(random() % 512);
        const unsigned end = first + static_cast<unsigned>(random() % (513 - first));
        const child_words words = random() % 3 == 0 ? none : random() % 4 == 0 ? whole : words_of(first, end);
        if (p.promises.assign(c, words)) expected[c] = words;
        ASSERT_EQ(p.promises.words(c), expected.contains(c) ? expected[c] : none);
        if (i % 100 == 0) {
            ASSERT_FALSE(p.promises.audit());
        }
    }
}

TEST(reserved_frames, has_as_many_masks_as_its_numbers_can_name_and_no_more) {
    EXPECT_EQ(reserved_frames::mask_count(std::uint64_t{1} << 30), 0xfffdU);
}

TEST(reserved_frames, forgotten_masks_can_all_be_used_again) {
    owned_promises p(100);
    const std::size_t masks = reserved_frames::mask_count(100);
    for (std::uint64_t c = 0; c < masks; ++c) ASSERT_TRUE(p.promises.assign(c, words_of(1, 2)));
    ASSERT_TRUE(p.promises.assign(0, none));
    for (child_header& header : p.headers) header = {};
    p.promises.forget();
    EXPECT_FALSE(p.promises.audit());
    for (std::uint64_t c = 0; c < masks; ++c)
        ASSERT_TRUE(p.promises.assign(c, words_of(static_cast<unsigned>(c) + 1, 501)));
    EXPECT_FALSE(p.promises.assign(99, words_of(1, 2)));
    EXPECT_EQ(p.promises.words(7), words_of(8, 501));
    EXPECT_FALSE(p.promises.audit());
}

TEST(reserved_frames, memory_of_masks_may_hold_anything_before) {
    owned_promises p(40);
    for (child_words& mask : p.masks) mask = words_of(17, 400);
    EXPECT_FALSE(p.promises.audit());
    EXPECT_TRUE(p.promises.assign(1, words_of(3, 4)));
    EXPECT_TRUE(p.promises.assign(1, none));
    EXPECT_TRUE(p.promises.assign(2, words_of(3, 4)));
    EXPECT_FALSE(p.promises.audit());
}

TEST(reserved_frames, without_any_mask_only_whole_children_are_promised) {
    std::vector<child_header> headers(4);
    reserved_frames promises(headers, {});
    EXPECT_TRUE(promises.assign(1, whole));
    EXPECT_FALSE(promises.assign(1, words_of(0, 100)));
    EXPECT_FALSE(promises.assign(2, words_of(0, 100)));
    EXPECT_EQ(promises.words(1), whole);
    EXPECT_TRUE(promises.assign(1, none));
    EXPECT_FALSE(promises.any(1));
    EXPECT_FALSE(promises.audit());
}

TEST(reserved_frames, audit_finds_a_mask_that_two_children_share_I1) {
    owned_promises p(40);
    ASSERT_TRUE(p.promises.assign(3, words_of(1, 2)));
    ASSERT_TRUE(p.promises.assign(9, words_of(1, 2)));
    p.state(9) = p.state(3);
    EXPECT_EQ(p.promises.audit().label, std::string_view("reserved_frames.I1"));
    EXPECT_EQ(p.promises.audit().where, 9U);
}

TEST(reserved_frames, audit_finds_a_mask_that_is_nowhere_I1) {
    owned_promises p(40);
    ASSERT_TRUE(p.promises.assign(3, words_of(1, 2)));
    p.state(3) = 0;
    EXPECT_EQ(p.promises.audit().label, std::string_view("reserved_frames.I1"));
}

TEST(reserved_frames, audit_finds_a_mask_that_is_in_use_and_free_I1) {
    owned_promises p(40);
    ASSERT_TRUE(p.promises.assign(3, words_of(1, 2)));
    ASSERT_TRUE(p.promises.assign(9, words_of(1, 2)));
    ASSERT_TRUE(p.promises.assign(9, none));  // the second mask is free again
    p.state(3) = static_cast<std::uint16_t>(p.state(3) + 1);
    p.masks[1] = words_of(1, 2);
    p.masks[1][0] = 0;  // ends the list of free masks, and is no empty promise
    p.masks[1][1] = 1;
    EXPECT_EQ(p.promises.audit().label, std::string_view("reserved_frames.I1"));
}

TEST(reserved_frames, audit_finds_a_number_that_names_no_mask_I1) {
    owned_promises p(40);
    p.state(5) = 0x7fff;
    EXPECT_EQ(p.promises.audit().label, std::string_view("reserved_frames.I1"));
}

TEST(reserved_frames, audit_finds_a_circle_of_free_masks_I1) {
    owned_promises p(40);
    for (std::uint64_t c = 0; c < 3; ++c) ASSERT_TRUE(p.promises.assign(c, words_of(1, 2)));
    for (std::uint64_t c = 0; c < 3; ++c) ASSERT_TRUE(p.promises.assign(c, none));
    ASSERT_FALSE(p.promises.audit());
    p.masks[0][0] = 3;  // the last free mask is followed by the first
    EXPECT_EQ(p.promises.audit().label, std::string_view("reserved_frames.I1"));
}

TEST(reserved_frames, audit_finds_a_mask_that_is_empty_or_full_I2) {
    for (const child_words& words : {none, whole}) {
        owned_promises p(40);
        ASSERT_TRUE(p.promises.assign(3, words_of(1, 2)));
        p.masks[0] = words;  // the first that was needed
        EXPECT_EQ(p.promises.audit().label, std::string_view("reserved_frames.I2"));
        EXPECT_EQ(p.promises.audit().where, 3U);
    }
}

}  // namespace
}  // namespace longreach
