// SPDX-License-Identifier: MIT
// What both buddies promise, each alone: zones of any shape, broken 2 MiB before whole ones, exact requests, runs.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <vector>

#include "buddy_zone.hpp"

namespace longreach {
namespace {

template <class Zone>
class any_buddy : public testing::Test {};
using zones = testing::Types<buddy_zone, atomic_buddy_zone>;
TYPED_TEST_SUITE(any_buddy, zones);

// ------------------------------------------------------------------------------- zones of any shape

TYPED_TEST(any_buddy, every_zone_hands_out_each_of_its_frames_once_and_then_none) {
    for (const std::uint64_t first : {0U, 1U, 511U, 512U, 513U, 100000U}) {
        for (const std::uint64_t count : {1U, 2U, 511U, 512U, 513U, 1023U, 2049U}) {
            TypeParam z(first, count);
            ASSERT_EQ(z.frames.free_frames(), page_count{count});
            std::set<std::uint64_t> seen;
            for (std::uint64_t i = 0; i < count; ++i) {
                const std::optional<pfn> f = z.frames.allocate(base_order);
                ASSERT_TRUE(f && z.frames.managed().contains(*f) && seen.insert(f->raw).second);
            }
            EXPECT_FALSE(z.frames.allocate(base_order));
            EXPECT_EQ(z.frames.free_frames(), page_count{0});
            EXPECT_FALSE(z.frames.audit());
            for (const std::uint64_t f : seen) z.frames.free(pfn{f}, base_order);
            EXPECT_EQ(z.frames.free_frames(), page_count{count});
            EXPECT_FALSE(z.frames.audit());
        }
    }
}

TYPED_TEST(any_buddy, memory_of_any_alignment_is_enough) {
    using buddy_type = decltype(TypeParam::frames);
    for (std::size_t skip = 0; skip < 65; ++skip) {
        const page_count count{3000};
        std::vector<std::byte> memory(buddy_type::required_bytes(count) + skip);
        buddy_type b({pfn{511}, count}, std::span(memory).subspan(skip));
        EXPECT_TRUE(b.allocate(superpage_order));
        EXPECT_FALSE(b.audit());
    }
}

TYPED_TEST(any_buddy, blocks_above_the_superpage_are_found_up_to_order_20) {
    const std::uint64_t count = std::uint64_t{1} << 20;
    TypeParam z(count, count);  // 4 GiB, aligned to 4 GiB
    EXPECT_FALSE(z.frames.allocate(order{21}));
    EXPECT_FALSE(z.frames.allocate(order{31}));
    EXPECT_EQ(z.frames.allocate(order{20}), at(count));
    EXPECT_FALSE(z.frames.allocate(base_order));
    z.frames.free(pfn{count}, order{20});
    EXPECT_EQ(z.frames.allocate(order{10}), at(count));
    EXPECT_EQ(z.frames.allocate(giant_order), at(count + (1U << 18))) << "the first aligned GiB is broken";
    EXPECT_EQ(z.frames.allocate_at(pfn{count + (3U << 18)}, giant_order), status::ok);
    EXPECT_EQ(z.frames.allocate_at(pfn{count + (3U << 18)}, order{12}), status::occupied);
    EXPECT_FALSE(z.frames.audit());
}

TYPED_TEST(any_buddy, alignment_is_that_of_the_frame_number_not_of_the_place_in_the_zone) {
    TypeParam z(300, 1000);  // the only aligned 2 MiB block is [512, 1024)
    EXPECT_EQ(z.frames.allocate(superpage_order), at(512));
    EXPECT_FALSE(z.frames.allocate(superpage_order));
    EXPECT_EQ(z.frames.free_frames(), page_count{488});
    TypeParam high(3 * 512, 6 * 512);  // the only aligned 8 MiB block is [2048, 4096)
    EXPECT_EQ(high.frames.allocate(order{11}), at(2048));
    EXPECT_FALSE(high.frames.allocate(order{11}));
}

// ------------------------------------------------------------------------------- which block

TYPED_TEST(any_buddy, broken_superpages_serve_first_the_lowest_of_them_and_in_it_the_lowest_block) {
    TypeParam z(0, 2048);
    z.take(1030, 1);  // breaks the third 2 MiB
    EXPECT_EQ(z.frames.allocate(base_order), at(1024));
    EXPECT_EQ(z.frames.allocate(order{2}), at(1032)) << "the first free block of four frames";
    EXPECT_EQ(z.frames.allocate(order{1}), at(1026));
    EXPECT_EQ(z.frames.allocate(superpage_order), at(0));
    z.take(600, 1);
    EXPECT_EQ(z.frames.allocate(base_order), at(512)) << "now a lower one is broken";
    EXPECT_EQ(z.frames.allocate(order{8}), at(768));
    EXPECT_EQ(z.frames.allocate(order{8}), at(1280));
    EXPECT_EQ(z.frames.allocate(order{8}), at(1536)) << "no broken one has a block of order 8 any more";
    EXPECT_FALSE(z.frames.audit());
}

TYPED_TEST(any_buddy, whole_superpages_stay_whole_while_a_broken_one_can_serve) {
    TypeParam z(0, 8 * 512);
    for (int i = 0; i < 512; ++i) ASSERT_TRUE(z.frames.allocate(base_order));
    unsigned whole = 0;
    for (std::uint64_t f = 0; f < 8 * 512; f += 512) whole += z.frames.is_free(pfn{f}, superpage_order);
    EXPECT_EQ(whole, 7U);
}

TYPED_TEST(any_buddy, freeing_everything_in_any_order_makes_one_block_again) {
    TypeParam z(0, 4096);
    std::vector<pfn> taken;
    while (const auto f = z.frames.allocate(base_order)) taken.push_back(*f);
    std::shuffle(taken.begin(), taken.end(), std::mt19937(7));
    for (const pfn f : taken) z.frames.free(f, base_order);
    EXPECT_EQ(z.frames.allocate(order{12}), at(0));
}

TYPED_TEST(any_buddy, what_was_taken_as_one_block_may_be_given_back_in_parts_and_the_other_way_round) {
    TypeParam z(0, 1024);
    const auto take_one_by_one = [&z] {
        for (std::uint64_t f = 0; f < 512; ++f) ASSERT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::ok);
    };
    ASSERT_EQ(z.frames.allocate_at(pfn{0}, order{10}), status::ok);
    for (std::uint64_t f = 0; f < 512; ++f) z.frames.free(pfn{f}, base_order);
    z.frames.free(pfn{512}, superpage_order);
    EXPECT_TRUE(z.frames.is_free(pfn{0}, order{10}));
    take_one_by_one();
    z.frames.free(pfn{0}, superpage_order);
    EXPECT_TRUE(z.frames.is_free(pfn{0}, order{10}));
    take_one_by_one();
    z.frames.free_run(run_of(0, 100));
    z.frames.free_run(run_of(100, 412));
    EXPECT_TRUE(z.frames.is_free(pfn{0}, order{10}));
    EXPECT_FALSE(z.frames.audit());
}

// ------------------------------------------------------------------------------- exact requests and runs

TYPED_TEST(any_buddy, every_free_block_of_every_order_can_be_had_by_name) {
    for (unsigned o = 0; o <= 11; ++o) {
        TypeParam z(0, 4096);
        const order size{o};
        for (std::uint64_t f = 4096; f > 0; f -= size.pages().raw) {
            ASSERT_EQ(z.frames.allocate_at(pfn{f - size.pages().raw}, size), status::ok);
            ASSERT_EQ(z.frames.allocate_at(pfn{f - size.pages().raw}, size), status::occupied);
        }
        EXPECT_EQ(z.frames.free_frames(), page_count{0});
        EXPECT_FALSE(z.frames.audit());
    }
}

TYPED_TEST(any_buddy, one_used_frame_refuses_every_block_around_it_and_changes_nothing) {
    TypeParam z(0, 4096);
    ASSERT_EQ(z.frames.allocate_at(pfn{1234}, base_order), status::ok);
    for (unsigned o = 0; o <= 12; ++o) {
        EXPECT_EQ(z.frames.allocate_at(align_down(pfn{1234}, order{o}), order{o}), status::occupied);
    }
    EXPECT_EQ(z.frames.free_frames(), page_count{4095});
    EXPECT_FALSE(z.frames.audit());
}

TYPED_TEST(any_buddy, frames_outside_the_zone_are_out_of_range_and_never_free) {
    TypeParam z(1000, 100);
    for (const std::uint64_t f : {std::uint64_t{0}, std::uint64_t{999}, std::uint64_t{1100}, ~std::uint64_t{0}}) {
        EXPECT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::out_of_range);
        EXPECT_FALSE(z.frames.is_free(pfn{f}, base_order));
    }
    EXPECT_EQ(z.frames.allocate_at(pfn{992}, order{4}), status::out_of_range) << "only its second half is managed";
    EXPECT_EQ(z.frames.allocate_at(pfn{1096}, order{3}), status::out_of_range) << "only its first half is managed";
    EXPECT_EQ(z.frames.allocate_at(pfn{~std::uint64_t{0} - 511}, superpage_order), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_at(pfn{std::uint64_t{1} << 63}, order{63}), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(1000, 0)), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(1050, ~std::uint64_t{0})), status::out_of_range);
}

TYPED_TEST(any_buddy, a_run_of_any_length_is_taken_where_a_block_or_a_run_is_free) {
    TypeParam z(0, 4096);
    EXPECT_EQ(z.frames.allocate_run(page_count{5}), run_of(0, 5)) << "the rest of its block stays free";
    EXPECT_EQ(z.frames.allocate(base_order), at(5));
    EXPECT_EQ(z.frames.allocate_run(page_count{600}), run_of(1024, 600)) << "the first free block of 1024 frames";
    EXPECT_EQ(z.frames.allocate_run(page_count{3000}), std::nullopt);
    EXPECT_EQ(z.frames.allocate_run(page_count{2400}), run_of(1624, 2400)) << "no block of 4096, but so many adjoin";
    EXPECT_EQ(z.frames.allocate_run(page_count{1018}), run_of(6, 1018));
    EXPECT_EQ(z.frames.allocate_run(page_count{72}), run_of(4024, 72));
    EXPECT_EQ(z.frames.free_frames(), page_count{0});
    EXPECT_EQ(z.frames.allocate_run(page_count{1}), std::nullopt);
    EXPECT_EQ(z.frames.allocate_run(page_count{5000}), std::nullopt);
    EXPECT_FALSE(z.frames.audit());
}

}  // namespace
}  // namespace longreach
