// SPDX-License-Identifier: MIT
// What a buddy promises beyond what any_buddy_test.cpp shows of both: which block each choice takes, exact runs,
// words of frames, counts of blocks, recovery. Promises and audits have files of their own.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "buddy_zone.hpp"

namespace longreach {
namespace {

using zone = buddy_zone;

TEST(buddy, a_guest_s_frames_are_another_type_with_the_same_rules) {
    const page_count count{2048};
    std::vector<std::byte> memory(guest_buddy::required_bytes(count));
    guest_buddy b({gfn{0}, count}, memory);
    EXPECT_EQ(b.allocate(superpage_order), gfn{0});
}

TEST(buddy, its_metadata_stays_within_0_17_byte_per_frame) {
    for (const unsigned gib : {1U, 8U, 1024U}) {
        const page_count frames{std::uint64_t{gib} << 18};
        EXPECT_LT(static_cast<double>(buddy::required_bytes(frames)), 0.17 * static_cast<double>(frames.raw));
    }
}

// ------------------------------------------------------------------------------- which block

TEST(buddy, the_choice_smallest_takes_the_smallest_sufficient_block) {
    zone z(0, 2048, {block_choice::smallest});
    z.take(1030, 1);
    EXPECT_EQ(z.frames.allocate(base_order), at(1031)) << "the order-0 rest beside the used frame";
    EXPECT_EQ(z.frames.allocate(base_order), at(1028)) << "then half of the order-1 rest";
    EXPECT_EQ(z.frames.allocate(order{2}), at(1024));
    EXPECT_EQ(z.frames.allocate(superpage_order), at(1536)) << "order 9 before the order 10 below it";
}

TEST(buddy, the_choice_smallest_takes_the_lowest_address_among_equal_blocks) {
    zone z(0, 4096, {block_choice::smallest});
    for (const std::uint64_t f : {4095U, 2047U, 1023U}) z.take(f, 1);
    EXPECT_EQ(z.frames.allocate(base_order), at(1022));
    EXPECT_EQ(z.frames.allocate(order{8}), at(512));
}

TEST(buddy, the_choice_smallest_prefers_the_order_that_fits_above_the_gibibyte_too) {
    const std::uint64_t gib = 1U << 18;
    zone z(0, 6 * gib, {block_choice::smallest});  // one block of order 20 and one of order 19
    EXPECT_EQ(z.frames.allocate(giant_order), at(4 * gib));
    EXPECT_EQ(z.frames.allocate(order{19}), at(0));
    EXPECT_EQ(z.frames.allocate(giant_order), at(5 * gib)) << "the order-18 rest before half of the order 19";
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, the_choice_adaptive_takes_the_smallest_block_of_what_is_half_used_and_the_lowest_of_the_rest) {
    zone z(0, 2048, {block_choice::adaptive});
    z.take(0, 100);  // 412 free
    EXPECT_EQ(z.frames.allocate(base_order), at(100)) << "of what is mostly free the lowest frame";
    z.take(512, 300);  // 212 free: 4 + 16 + 64 + 128
    EXPECT_EQ(z.frames.allocate(order{1}), at(812)) << "half of the block of four";
    EXPECT_EQ(z.frames.allocate(order{1}), at(814));
    EXPECT_EQ(z.frames.allocate(order{5}), at(832)) << "half of the block of 64";
    EXPECT_EQ(z.frames.allocate(order{8}), at(256)) << "where no half used child has one";
    EXPECT_EQ(z.frames.allocate(superpage_order), at(1024));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, a_superpage_that_was_taken_whole_is_found_again_when_it_comes_back_in_parts) {
    for (const block_choice choice : {block_choice::adaptive, block_choice::lowest, block_choice::fullest,
                                      block_choice::next_fit, block_choice::smallest}) {
        zone z(0, 2048, {choice});
        ASSERT_EQ(z.frames.allocate(superpage_order), at(0));
        z.frames.free(pfn{40}, order{3});
        EXPECT_FALSE(z.frames.audit());
        EXPECT_EQ(z.frames.allocate(order{2}), at(40));
        EXPECT_FALSE(z.frames.audit());
    }
}

TEST(buddy, single_frames_that_were_found_in_a_mostly_free_child_are_taken_rightly_when_it_is_half_used) {
    zone z(0, 374, {block_choice::adaptive});
    ASSERT_TRUE(z.frames.allocate_word());
    for (const unsigned o : {0U, 0U, 6U, 0U}) ASSERT_TRUE(z.frames.allocate(order{o}));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, single_frames_that_were_found_in_one_block_leave_its_other_parts_to_be_found) {
    zone z(0, 512, {block_choice::adaptive});
    z.take(0, 448);
    z.take(452, 60);
    EXPECT_EQ(z.frames.allocate(base_order), at(448));
    EXPECT_EQ(z.frames.allocate(base_order), at(449));
    EXPECT_TRUE(z.frames.can_allocate(base_order)) << "sees that only a block of two is left";
    EXPECT_EQ(z.frames.allocate(base_order), at(450));
    EXPECT_FALSE(z.frames.audit());
    EXPECT_EQ(z.frames.allocate(base_order), at(451));
}

TEST(buddy, the_choice_fullest_takes_from_the_superpage_with_the_fewest_free_frames) {
    zone z(0, 4096, {block_choice::fullest});
    z.take(0, 100);     // 412 free
    z.take(1024, 450);  // 62 free
    z.take(2048, 460);  // 52 free: the same power of two
    z.take(3072, 500);  // 12 free
    EXPECT_EQ(z.frames.allocate(base_order), at(3572));
    EXPECT_EQ(z.frames.allocate(order{5}), at(1504)) << "only there and above are 32 adjoin";
    EXPECT_EQ(z.frames.allocate(order{6}), at(128));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, the_choice_next_fit_goes_on_where_it_served_last) {
    zone z(0, 4096, {block_choice::next_fit});
    for (const std::uint64_t f : {0U, 1024U, 2048U}) z.take(f, 500);
    EXPECT_EQ(z.frames.allocate(order{2}), at(500));
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(z.frames.allocate(base_order));
    EXPECT_EQ(z.frames.allocate(base_order), at(1524)) << "the first superpage is full";
    z.frames.free(pfn{3}, base_order);
    EXPECT_EQ(z.frames.allocate(base_order), at(1525)) << "what is freed behind it waits for the next round";
    EXPECT_FALSE(z.frames.audit());
}

// ------------------------------------------------------------------------------- exact requests

TEST(buddy, every_free_frame_can_be_had_by_name) {
    zone z(77, 1500);
    std::vector<std::uint64_t> names(1500);
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = 77 + i;
    std::shuffle(names.begin(), names.end(), std::mt19937(9));
    for (const std::uint64_t f : names) {
        ASSERT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::ok);
        ASSERT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::occupied);
    }
    EXPECT_EQ(z.frames.free_frames(), page_count{0});
}

TEST(buddy, a_block_that_ends_beyond_the_last_index_is_out_of_range) {
    zone z(0, 4096);
    EXPECT_EQ(z.frames.allocate_at(pfn{~std::uint64_t{0} - 511}, superpage_order), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_at(pfn{std::uint64_t{1} << 63}, order{63}), status::out_of_range);
    EXPECT_FALSE(z.frames.is_free(pfn{std::uint64_t{1} << 63}, order{63}));
}

// ------------------------------------------------------------------------------- runs and words

TEST(buddy, an_exact_run_is_taken_wholly_or_not_at_all) {
    zone z(100, 5000);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(100, 5000)), status::ok);
    EXPECT_EQ(z.frames.free_frames(), page_count{0});
    z.frames.free_run(run_of(100, 5000));
    z.take(3333, 1);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(200, 3134)), status::occupied);
    EXPECT_EQ(z.frames.free_frames(), page_count{4999});
    EXPECT_EQ(z.frames.allocate_run_at(run_of(200, 3133)), status::ok);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(99, 2)), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(5099, 2)), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(300, 0)), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_run_at(run_of(150, ~std::uint64_t{0})), status::out_of_range);
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, runs_kept_from_the_zone_may_come_in_any_order_and_adjoin) {
    zone z(1000, 4000);
    const std::vector<frame_run> kept{run_of(4000, 100), run_of(1000, 24), run_of(1024, 512), run_of(1536, 3),
                                      run_of(4999, 1)};
    std::size_t culprit = 99;
    EXPECT_EQ(z.frames.allocate_runs_at(kept, culprit), status::ok);
    EXPECT_EQ(z.frames.free_frames(), page_count{4000 - 640});
    EXPECT_FALSE(z.frames.audit());
    EXPECT_EQ(z.frames.allocate_runs_at({}, culprit), status::ok);
}

TEST(buddy, one_run_at_fault_is_named_and_none_is_taken) {
    struct fault {
        frame_run run;
        status told;
    };
    const fault faults[] = {{run_of(1200, 10), status::occupied},    {run_of(1209, 500), status::occupied},
                            {run_of(1150, 51), status::occupied},    {run_of(1500, 1), status::occupied},
                            {run_of(999, 10), status::out_of_range}, {run_of(4999, 2), status::out_of_range},
                            {run_of(2000, 0), status::out_of_range}, {run_of(7000, 5), status::out_of_range}};
    for (const fault& f : faults) {
        zone z(1000, 4000);
        z.take(1500, 1);
        z.frames.reserve(run_of(1100, 300));
        const std::vector<frame_run> runs{run_of(3000, 1100), run_of(1200, 10), f.run, run_of(1300, 10)};
        std::size_t culprit = 99;
        EXPECT_EQ(z.frames.allocate_runs_at(runs, culprit), f.told);
        EXPECT_EQ(culprit, 2U);
        EXPECT_EQ(z.frames.free_frames(), page_count{3999});
        EXPECT_EQ(z.frames.unreserved_frames(), page_count{3699});
        EXPECT_EQ(z.frames.count_free_in(z.frames.managed()), page_count{3999});
        EXPECT_FALSE(z.frames.audit());
    }
}

TEST(buddy, a_word_holds_what_is_free_and_unreserved_beside_the_frame_that_would_be_served) {
    zone z(1000, 4000);
    z.take(1003, 2);
    z.frames.reserve(run_of(1006, 3));
    const auto word = z.frames.allocate_word();
    ASSERT_TRUE(word);
    EXPECT_EQ(word->first, pfn{960});
    EXPECT_EQ(word->frames, std::uint64_t{0xfffe27} << 40);
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{4000 - 2 - 3 - 19});
    z.frames.free_word({word->first, std::uint64_t{1} << 40});
    EXPECT_EQ(z.frames.allocate(base_order), at(1000));
    z.frames.free_word({word->first, 0});
    z.frames.free_word({word->first, std::uint64_t{0xfffe26} << 40});
    EXPECT_EQ(z.frames.free_frames(), page_count{3997});
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, words_empty_a_zone_and_fill_it_again) {
    zone z(77, 2000);
    std::vector<frame_word<pfn>> words;
    while (const auto word = z.frames.allocate_word()) words.push_back(*word);
    EXPECT_EQ(z.frames.free_frames(), page_count{0});
    EXPECT_EQ(words.size(), 32U);
    for (const auto& word : words) z.frames.free_word(word);
    EXPECT_EQ(z.frames.free_frames(), page_count{2000});
    EXPECT_EQ(z.frames.allocate(order{10}), at(1024)) << "whole superpages again";
    EXPECT_FALSE(z.frames.audit());
}

// ------------------------------------------------------------------------------- counting and finding blocks

TEST(buddy, free_blocks_are_counted_by_the_order_of_the_largest_they_are_part_of) {
    zone z(3, 2045 + 512);  // 1 + 4 + 8 + … + 1024, then 512
    auto counts = z.frames.count_blocks();
    EXPECT_EQ(counts[0], 1U);
    EXPECT_EQ(counts[1], 0U);
    for (unsigned k = 2; k <= 10; ++k) EXPECT_EQ(counts[k], k == 9 ? 2U : 1U) << k;
    EXPECT_EQ(counts[11], 0U);
    z.frames.reserve(run_of(0, 700));
    EXPECT_EQ(z.frames.count_blocks(), counts) << "promised frames are free";
    z.take(1024, 1);
    counts = z.frames.count_blocks();
    EXPECT_EQ(counts[0], 2U);
    EXPECT_EQ(counts[10], 0U);
    EXPECT_EQ(counts[9], 3U);
}

TEST(buddy, blocks_are_counted_up_to_4_tib) {
    const std::uint64_t most = std::uint64_t{1} << 30;
    zone z(most - 512, 2 * most + 1024);
    const auto counts = z.frames.count_blocks();
    EXPECT_EQ(counts[30], 2U);
    EXPECT_EQ(counts[9], 2U);
    EXPECT_EQ(z.frames.allocate(buddy::max_order), at(most));
    EXPECT_EQ(z.frames.allocate(buddy::max_order), at(2 * most));
    EXPECT_FALSE(z.frames.allocate(buddy::max_order));
    z.frames.free(pfn{most}, buddy::max_order);
    EXPECT_EQ(z.frames.allocate_run(page_count{most - 1}), run_of(most, most - 1));
}

TEST(buddy, find_last_free_answers_the_highest_free_block_inside_a_run_promised_or_not) {
    std::vector<std::byte> memory(buddy::required_bytes(page_count{2048}));
    buddy b({pfn{0}, page_count{2048}}, memory);
    EXPECT_EQ(b.find_last_free({pfn{100}, page_count{1500}}, superpage_order), pfn{1024});
    EXPECT_EQ(b.find_last_free({pfn{100}, page_count{400}}, superpage_order), std::nullopt);
    b.reserve({pfn{0}, page_count{2048}});
    ASSERT_EQ(b.allocate_at(pfn{1500}, base_order), status::ok);
    EXPECT_EQ(b.find_last_free({pfn{100}, page_count{1500}}, superpage_order), pfn{512});
    EXPECT_EQ(b.find_last_free({pfn{1500}, page_count{2}}, base_order), pfn{1501});
    EXPECT_EQ(b.find_last_free({pfn{1500}, page_count{1}}, base_order), std::nullopt);
    EXPECT_FALSE(b.audit());
}

// ------------------------------------------------------------------------------- recovery

TEST(buddy, everything_but_promises_is_recovered_from_the_bits) {
    for (const block_choice choice : {block_choice::lowest, block_choice::fullest, block_choice::next_fit}) {
        const page_count count{5000};
        const buddy_options options{choice};
        std::vector<std::byte> memory(buddy::required_bytes(count, options));
        {
            buddy lost({pfn{700}, count}, memory, options);
            ASSERT_EQ(lost.allocate_run_at(run_of(1000, 1500)), status::ok);
            lost.reserve(run_of(3000, 300));
        }
        buddy found = buddy::recovered({pfn{700}, count}, memory, options);
        EXPECT_FALSE(found.audit());
        EXPECT_EQ(found.free_frames(), page_count{3500});
        EXPECT_EQ(found.unreserved_frames(), page_count{3500});
        EXPECT_EQ(found.allocate_at(pfn{2499}, base_order), status::occupied);
        EXPECT_EQ(found.allocate(superpage_order), at(2560));
        EXPECT_EQ(found.allocate(base_order), at(choice == block_choice::fullest ? 2500 : 700));
        found.free_run(run_of(1000, 1500));
        EXPECT_FALSE(found.audit());
    }
}

TEST(buddy, a_recovered_zone_has_no_frame_beyond_its_ends) {
    const page_count count{700};
    std::vector<std::byte> memory(buddy::required_bytes(count), std::byte{0xff});
    buddy found = buddy::recovered({pfn{100}, count}, memory);
    EXPECT_EQ(found.free_frames(), count);
    EXPECT_FALSE(found.audit());
}

// ------------------------------------------------------------------------------- what a caller must not do

TEST(buddy_death, misaligned_foreign_and_double_frees_are_refused) {
    zone z(0, 1024);
    ASSERT_EQ(z.frames.allocate_at(pfn{0}, superpage_order), status::ok);
    EXPECT_DEATH(z.frames.free(pfn{1}, order{1}), "");
    EXPECT_DEATH(z.frames.free(pfn{1024}, base_order), "");
    EXPECT_DEATH(z.frames.free(pfn{512}, base_order), "");
    EXPECT_DEATH(z.frames.free(pfn{512}, superpage_order), "");
    EXPECT_DEATH((void)z.frames.allocate_at(pfn{1}, order{1}), "");
    EXPECT_DEATH(z.frames.free_run(run_of(500, 13)), "");
    EXPECT_DEATH(z.frames.free_run(run_of(1000, 25)), "");
    EXPECT_DEATH(z.frames.free_run(run_of(500, 0)), "");
    EXPECT_DEATH(z.frames.free_word({pfn{512}, 1}), "");
    EXPECT_DEATH(z.frames.free_word({pfn{1024}, 1}), "");
    EXPECT_DEATH(z.frames.free_word({pfn{1}, 1}), "");
    EXPECT_DEATH((void)z.frames.allocate_run(page_count{0}), "");
}

TEST(buddy_death, too_little_memory_and_an_empty_zone_are_refused) {
    std::vector<std::byte> memory(buddy::required_bytes(page_count{1024}));
    EXPECT_DEATH(buddy({pfn{0}, page_count{1024}}, std::span(memory).first(memory.size() - 1)), "");
    EXPECT_DEATH(buddy({pfn{0}, page_count{0}}, memory), "");
    EXPECT_DEATH(buddy({pfn{~std::uint64_t{0} - 100}, page_count{1024}}, memory), "");
}

}  // namespace
}  // namespace longreach
