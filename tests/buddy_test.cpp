// SPDX-License-Identifier: MIT
// What a buddy promises: exact requests, broken 2 MiB before whole ones, soft promises, recovery, any zone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a buddy to break what its audit must notice.
struct buddy_corruption {
    static block_layer& lower(buddy& b) { return b.lower_; }
    static block_layer& upper(buddy& b) { return b.upper_; }
    static std::uint64_t& free(buddy& b) { return b.free_; }
    static std::uint64_t& reserved_free(buddy& b) { return b.reserved_free_; }
    static bit_tree& promised(buddy& b) { return b.promised_; }
    static unsigned& queued(buddy& b) { return b.queued_; }
    static std::uint32_t& queue(buddy& b, unsigned i) { return b.queue_[i]; }
    static std::uint64_t& ready_frames(buddy& b) { return b.ready_frames_; }
    static std::uint64_t& ready_child(buddy& b) { return b.ready_child_; }
    static bit_tree& by_order(buddy& b, unsigned k) { return b.lower_.loose_[k]; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

struct zone {
    zone(std::uint64_t first, std::uint64_t count, buddy_options options = {block_choice::lowest})
        : memory(buddy::required_bytes(page_count{count}, options)),
          frames({pfn{first}, page_count{count}}, memory, options) {}

    void take(std::uint64_t first, std::uint64_t count) {
        ASSERT_EQ(frames.allocate_run_at({pfn{first}, page_count{count}}), status::ok);
    }

    std::vector<std::byte> memory;
    buddy frames;
};

frame_run run_of(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }
std::optional<pfn> at(std::uint64_t frame) { return pfn{frame}; }

// ------------------------------------------------------------------------------- zones of any shape

TEST(buddy, every_zone_hands_out_each_of_its_frames_once_and_then_none) {
    for (const std::uint64_t first : {0U, 1U, 511U, 512U, 513U, 100000U}) {
        for (const std::uint64_t count : {1U, 2U, 511U, 512U, 513U, 1023U, 2049U}) {
            zone z(first, count);
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

TEST(buddy, memory_of_any_alignment_is_enough) {
    for (std::size_t skip = 0; skip < 65; ++skip) {
        const page_count count{3000};
        std::vector<std::byte> memory(buddy::required_bytes(count) + skip);
        buddy b({pfn{511}, count}, std::span(memory).subspan(skip));
        EXPECT_TRUE(b.allocate(superpage_order));
        EXPECT_FALSE(b.audit());
    }
}

TEST(buddy, a_guest_s_frames_are_another_type_with_the_same_rules) {
    const page_count count{2048};
    std::vector<std::byte> memory(guest_buddy::required_bytes(count));
    guest_buddy b({gfn{0}, count}, memory);
    EXPECT_EQ(b.allocate(superpage_order), gfn{0});
}

TEST(buddy, blocks_above_the_superpage_are_found_up_to_order_20) {
    const std::uint64_t count = std::uint64_t{1} << 20;
    zone z(count, count);  // 4 GiB, aligned to 4 GiB
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

TEST(buddy, alignment_is_that_of_the_frame_number_not_of_the_place_in_the_zone) {
    zone z(300, 1000);  // the only aligned 2 MiB block is [512, 1024)
    EXPECT_EQ(z.frames.allocate(superpage_order), at(512));
    EXPECT_FALSE(z.frames.allocate(superpage_order));
    EXPECT_EQ(z.frames.free_frames(), page_count{488});
}

TEST(buddy, its_metadata_stays_within_0_17_byte_per_frame) {
    for (const unsigned gib : {1U, 8U, 1024U}) {
        const page_count frames{std::uint64_t{gib} << 18};
        EXPECT_LT(static_cast<double>(buddy::required_bytes(frames)), 0.17 * static_cast<double>(frames.raw));
    }
}

// ------------------------------------------------------------------------------- which block

TEST(buddy, broken_superpages_serve_first_the_lowest_of_them_and_in_it_the_lowest_block) {
    zone z(0, 2048);
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

TEST(buddy, whole_superpages_stay_whole_while_a_broken_one_can_serve) {
    zone z(0, 8 * 512);
    for (int i = 0; i < 512; ++i) ASSERT_TRUE(z.frames.allocate(base_order));
    unsigned whole = 0;
    for (std::uint64_t f = 0; f < 8 * 512; f += 512) whole += z.frames.is_free(pfn{f}, superpage_order);
    EXPECT_EQ(whole, 7U);
}

TEST(buddy, freeing_everything_in_any_order_makes_one_block_again) {
    zone z(0, 4096);
    std::vector<pfn> taken;
    while (const auto f = z.frames.allocate(base_order)) taken.push_back(*f);
    std::shuffle(taken.begin(), taken.end(), std::mt19937(7));
    for (const pfn f : taken) z.frames.free(f, base_order);
    EXPECT_EQ(z.frames.allocate(order{12}), at(0));
}

TEST(buddy, what_was_taken_as_one_block_may_be_given_back_in_parts_and_the_other_way_round) {
    zone z(0, 1024);
    ASSERT_EQ(z.frames.allocate_at(pfn{0}, order{10}), status::ok);
    for (std::uint64_t f = 0; f < 512; ++f) z.frames.free(pfn{f}, base_order);
    z.frames.free(pfn{512}, superpage_order);
    EXPECT_TRUE(z.frames.is_free(pfn{0}, order{10}));
    for (std::uint64_t f = 0; f < 512; ++f) ASSERT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::ok);
    z.frames.free(pfn{0}, superpage_order);
    EXPECT_TRUE(z.frames.is_free(pfn{0}, order{10}));
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

TEST(buddy, every_free_block_of_every_order_can_be_had_by_name) {
    for (unsigned o = 0; o <= 11; ++o) {
        zone z(0, 4096);
        const order size{o};
        for (std::uint64_t f = 4096; f > 0; f -= size.pages().raw) {
            ASSERT_EQ(z.frames.allocate_at(pfn{f - size.pages().raw}, size), status::ok);
        }
        EXPECT_EQ(z.frames.free_frames(), page_count{0});
        EXPECT_FALSE(z.frames.audit());
    }
}

TEST(buddy, one_used_frame_refuses_every_block_around_it_and_changes_nothing) {
    zone z(0, 4096);
    ASSERT_EQ(z.frames.allocate_at(pfn{1234}, base_order), status::ok);
    for (unsigned o = 0; o <= 12; ++o) {
        EXPECT_EQ(z.frames.allocate_at(align_down(pfn{1234}, order{o}), order{o}), status::occupied);
    }
    EXPECT_EQ(z.frames.free_frames(), page_count{4095});
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, frames_outside_the_zone_are_out_of_range_and_never_free) {
    zone z(1000, 100);
    for (const std::uint64_t f : {std::uint64_t{0}, std::uint64_t{999}, std::uint64_t{1100}, ~std::uint64_t{0}}) {
        EXPECT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::out_of_range);
        EXPECT_FALSE(z.frames.is_free(pfn{f}, base_order));
    }
    EXPECT_EQ(z.frames.allocate_at(pfn{992}, order{4}), status::out_of_range) << "only its second half is managed";
    EXPECT_EQ(z.frames.allocate_at(pfn{1096}, order{3}), status::out_of_range) << "only its first half is managed";
}

TEST(buddy, a_block_that_ends_beyond_the_last_index_is_out_of_range) {
    zone z(0, 4096);
    EXPECT_EQ(z.frames.allocate_at(pfn{~std::uint64_t{0} - 511}, superpage_order), status::out_of_range);
    EXPECT_EQ(z.frames.allocate_at(pfn{std::uint64_t{1} << 63}, order{63}), status::out_of_range);
    EXPECT_FALSE(z.frames.is_free(pfn{std::uint64_t{1} << 63}, order{63}));
}

// ------------------------------------------------------------------------------- runs

TEST(buddy, a_run_of_any_length_is_taken_where_a_block_or_a_run_is_free) {
    zone z(0, 4096);
    EXPECT_EQ(z.frames.allocate_run(page_count{5}), run_of(0, 5)) << "the rest of its block stays free";
    EXPECT_EQ(z.frames.allocate(base_order), at(5));
    EXPECT_EQ(z.frames.allocate_run(page_count{600}), run_of(1024, 600)) << "the first free block of 1024 frames";
    EXPECT_EQ(z.frames.allocate_run(page_count{3000}), std::nullopt);
    EXPECT_EQ(z.frames.allocate_run(page_count{2400}), run_of(1624, 2400)) << "no block of 4096, but so many adjoin";
    EXPECT_EQ(z.frames.allocate_run(page_count{1018}), run_of(6, 1018));
    EXPECT_EQ(z.frames.allocate_run(page_count{72}), run_of(4024, 72));
    EXPECT_EQ(z.frames.free_frames(), page_count{0});
    EXPECT_EQ(z.frames.allocate_run(page_count{1}), std::nullopt);
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, a_run_is_lent_only_where_unreserved_frames_do_not_suffice) {
    zone z(0, 2048);
    z.frames.reserve(run_of(100, 1000));
    EXPECT_EQ(z.frames.allocate_run(page_count{900}), run_of(1100, 900));
    EXPECT_EQ(z.frames.allocate_run(page_count{900}), run_of(0, 900));
    EXPECT_EQ(z.frames.allocate_run(page_count{2049}), std::nullopt);
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{48});
    EXPECT_FALSE(z.frames.audit());
}

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

TEST(buddy, no_word_is_lent) {
    zone z(0, 1024);
    z.frames.reserve(run_of(0, 1024));
    EXPECT_FALSE(z.frames.allocate_word());
    EXPECT_TRUE(z.frames.can_allocate(superpage_order));
}

// ------------------------------------------------------------------------------- counting blocks

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

// ------------------------------------------------------------------------------- soft promises

TEST(buddy, ordinary_allocation_avoids_promised_frames_until_nothing_else_is_left) {
    zone z(0, 1024);
    z.frames.reserve(run_of(100, 700));
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{324});
    for (int i = 0; i < 324; ++i) {
        const auto f = z.frames.allocate(base_order);
        ASSERT_TRUE(f && !run_of(100, 700).contains(*f));
    }
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{0});
    EXPECT_EQ(z.frames.free_frames(), page_count{700});
    for (int i = 0; i < 700; ++i) {
        const auto f = z.frames.allocate(base_order);
        ASSERT_TRUE(f && run_of(100, 700).contains(*f)) << "memory is short: promises are lent";
    }
    EXPECT_FALSE(z.frames.allocate(base_order));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, a_larger_unreserved_block_is_broken_before_a_promise) {
    zone z(0, 2048);
    z.frames.reserve(run_of(0, 1));  // its neighbours are small open blocks
    EXPECT_EQ(z.frames.allocate(superpage_order), at(512));
    z.frames.reserve(run_of(1, 511));
    EXPECT_EQ(z.frames.allocate(base_order), at(1024));
}

TEST(buddy, an_exact_request_takes_promised_frames) {
    zone z(0, 1024);
    z.frames.reserve(run_of(0, 1024));
    EXPECT_EQ(z.frames.allocate_at(pfn{512}, superpage_order), status::ok);
    EXPECT_EQ(z.frames.allocate_at(pfn{5}, base_order), status::ok);
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, promised_blocks_of_every_size_come_and_go_without_a_trace_for_others) {
    for (const block_choice choice : {block_choice::lowest, block_choice::adaptive, block_choice::smallest}) {
        zone z(0, 4 * 512, {choice});
        std::vector<std::byte> memory(contiguity_map::required_bytes(page_count{4 * 512}));
        contiguity_map clusters(z.frames, memory);
        z.frames.reserve(run_of(0, 512 + 128 + 3));  // a whole child, and the start of one
        const std::optional<run<pfn>> longest = clusters.longest();
        const page_count unreserved = z.frames.unreserved_frames();
        for (unsigned k = 0; k <= child_order; ++k) {
            const order size{k};
            for (const std::uint64_t first : {0U, 512U}) {
                const std::uint64_t end = first == 0 ? 512 : 512 + 128 + 3;
                for (std::uint64_t f = first; f + size.pages().raw <= end; f += size.pages().raw) {
                    ASSERT_EQ(z.frames.allocate_at(pfn{f}, size), status::ok);
                    ASSERT_EQ(z.frames.allocate_at(pfn{f}, size), status::occupied);
                    ASSERT_EQ(z.frames.unreserved_frames(), unreserved);
                }
                ASSERT_FALSE(z.frames.audit()) << z.frames.audit().label;
                ASSERT_EQ(clusters.longest()->first, longest->first);
                for (std::uint64_t f = first; f + size.pages().raw <= end; f += size.pages().raw) {
                    z.frames.free(pfn{f}, size);
                }
            }
            ASSERT_EQ(z.frames.free_frames(), page_count{4 * 512});
            ASSERT_FALSE(z.frames.audit()) << z.frames.audit().label;
            ASSERT_FALSE(clusters.audit()) << clusters.audit().label;
        }
        ASSERT_EQ(z.frames.allocate_at(pfn{512 + 128}, order{2}), status::ok);  // three promised frames and another
        ASSERT_EQ(z.frames.unreserved_frames(), unreserved - page_count{1});
        ASSERT_FALSE(z.frames.audit()) << z.frames.audit().label;
        z.frames.free(pfn{512 + 128}, order{2});
        ASSERT_FALSE(z.frames.audit()) << z.frames.audit().label;
    }
}

TEST(buddy, a_lent_frame_that_comes_back_is_promised_again) {
    zone z(0, 512);
    z.frames.reserve(run_of(0, 512));
    const auto lent = z.frames.allocate(base_order);
    ASSERT_TRUE(lent);
    z.frames.free(*lent, base_order);
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{0});
    z.frames.unreserve(run_of(0, 512));
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{512});
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, promises_of_any_shape_are_counted_frame_by_frame_and_taken_back_in_parts) {
    zone z(300, 3000);
    z.frames.reserve(run_of(0, 1000));  // what is not managed is ignored
    EXPECT_EQ(z.frames.count_reserved_in(z.frames.managed()), page_count{700});
    z.frames.reserve(run_of(900, 1500));
    EXPECT_EQ(z.frames.count_reserved_in(z.frames.managed()), page_count{2100}) << "overlapping promises are one";
    z.frames.unreserve(run_of(600, 1));
    z.frames.unreserve(run_of(2390, 2000));
    EXPECT_EQ(z.frames.count_reserved_in(run_of(500, 200)), page_count{199});
    EXPECT_EQ(z.frames.count_reserved_in(z.frames.managed()), page_count{2089});
    EXPECT_TRUE(z.frames.kept_every_promise());
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, a_large_block_is_lent_where_only_promises_are_left) {
    zone z(0, 4096);
    z.frames.reserve(run_of(10, 4080));
    EXPECT_EQ(z.frames.allocate(order{11}), at(0));
    EXPECT_EQ(z.frames.allocate(superpage_order), at(2048));
    EXPECT_EQ(z.frames.allocate(order{10}), at(3072));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, without_exact_promises_only_whole_superpages_are_promised) {
    zone z(0, 8 * 512, {block_choice::lowest, false});
    z.frames.reserve(run_of(100, 2000));
    EXPECT_EQ(z.frames.count_reserved_in(z.frames.managed()), page_count{1536}) << "not the two ends";
    EXPECT_FALSE(z.frames.kept_every_promise());
    EXPECT_EQ(z.frames.allocate(superpage_order), at(0));
    z.frames.unreserve(run_of(600, 1));
    EXPECT_EQ(z.frames.count_reserved_in(z.frames.managed()), page_count{1024}) << "a promise without a part is none";
    z.frames.unreserve(run_of(0, 4096));
    EXPECT_EQ(z.frames.unreserved_frames(), z.frames.free_frames());
    EXPECT_FALSE(z.frames.audit());
    const buddy_options rounded{block_choice::lowest, false};
    EXPECT_LT(buddy::required_bytes(page_count{1U << 20}, rounded), buddy::required_bytes(page_count{1U << 20}));
}

TEST(buddy, without_masks_promises_shrink_to_whole_superpages_and_it_says_so) {
    zone z(0, 200 * 512);
    for (std::uint64_t child = 0; child < 200; ++child) z.frames.reserve(run_of(child * 512 + 5, 3));
    EXPECT_FALSE(z.frames.kept_every_promise());
    const page_count kept = z.frames.count_reserved_in(z.frames.managed());
    EXPECT_LT(kept, page_count{600});
    EXPECT_FALSE(z.frames.audit());
    z.frames.reserve(run_of(0, 200 * 512));
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{0});
    for (std::uint64_t child = 0; child < 200; ++child) z.frames.unreserve(run_of(child * 512 + 5, 3));
    EXPECT_GE(z.frames.unreserved_frames(), page_count{600}) << "a promise that cannot be kept exactly is given up";
    EXPECT_FALSE(z.frames.audit());
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

// ------------------------------------------------------------------------------- audits

TEST(buddy, audit_finds_a_free_frame_outside_the_zone_I1) {
    zone z(0, 1000);
    buddy_corruption::lower(z.frames).words(1)[7] |= std::uint64_t{1} << 63;
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I1"));
    EXPECT_EQ(z.frames.audit().where, 512U);
}

TEST(buddy, audit_finds_a_whole_child_that_is_no_unit_and_a_unit_that_is_not_whole_I2) {
    zone missing(0, 1024);
    buddy_corruption::upper(missing.frames).clear(0, 1, 0);
    EXPECT_EQ(missing.frames.audit().label, std::string_view("buddy.I2"));
    EXPECT_EQ(missing.frames.audit().where, 512U);
    zone broken(0, 500);
    ASSERT_TRUE(buddy_corruption::upper(broken.frames).set(0, 0, 0));
    EXPECT_EQ(broken.frames.audit().label, std::string_view("buddy.I2"));
    zone promised(0, 1024);
    promised.frames.reserve(run_of(512, 512));
    ASSERT_TRUE(buddy_corruption::upper(promised.frames).set(0, 1, 0));
    EXPECT_EQ(promised.frames.audit().label, std::string_view("buddy.I2"));
}

TEST(buddy, audit_finds_an_order_without_its_mark_in_both_layers_I3) {
    zone below(0, 500);  // 256 + 128 + 64 + 32 + 16 + 4
    buddy_corruption::lower(below.frames).unmark(0, 1U << 8);
    EXPECT_EQ(below.frames.audit().label, std::string_view("buddy.I3"));
    zone above(0, 2048);
    buddy_corruption::upper(above.frames).unmark(0, 1U << 2);
    EXPECT_EQ(above.frames.audit().label, std::string_view("buddy.I3"));
    zone snug(0, 500, {block_choice::smallest});
    buddy_corruption::lower(snug.frames).unmark(0, 1U << 5);
    EXPECT_EQ(snug.frames.audit().label, std::string_view("buddy.I3"));
}

TEST(buddy, audit_finds_zone_counts_that_differ_from_the_recount_I4) {
    zone z(0, 2048);
    --buddy_corruption::free(z.frames);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I4"));
    ++buddy_corruption::free(z.frames);
    ++buddy_corruption::reserved_free(z.frames);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I4"));
}

TEST(buddy, audit_finds_a_child_with_promises_that_the_set_lacks_I5) {
    zone z(0, 2048);
    z.frames.reserve(run_of(0, 10));
    buddy_corruption::promised(z.frames).erase(0);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I5"));
}

TEST(buddy, audit_finds_a_queue_that_differs_from_what_children_say_I6) {
    zone z(0, 2048);
    std::vector<std::byte> tree_memory(cluster_tree::required_bytes(z.frames.children()));
    cluster_tree tree(z.frames.children(), tree_memory);
    z.frames.attach(&tree);
    z.take(513, 1);
    ASSERT_FALSE(z.frames.audit());
    buddy_corruption::queue(z.frames, 0) = 2;
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I6"));
    buddy_corruption::queue(z.frames, 0) = 1;
    buddy_corruption::queued(z.frames) = 0;
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I6"));
    buddy_corruption::queued(z.frames) = 1;
    z.frames.attach(nullptr);
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, at_most_64_changed_children_wait_for_the_tree) {
    zone z(0, 200 * 512);
    std::vector<std::byte> tree_memory(cluster_tree::required_bytes(200));
    cluster_tree tree(200, tree_memory);
    z.frames.attach(&tree);
    EXPECT_EQ(tree.longest(), 200U * 512);
    for (std::uint64_t child = 0; child < 200; ++child) {
        z.take(child * 512, 1);
        ASSERT_LT(buddy_corruption::queued(z.frames), 64U);
        z.take(child * 512 + 2, 1);
    }
    z.frames.settle();
    EXPECT_EQ(buddy_corruption::queued(z.frames), 0U);
    EXPECT_EQ(tree.longest(), 509U);
    EXPECT_FALSE(tree.audit([&z](std::uint64_t child) { return z.frames.unreserved(child); }));
    z.take(7, 100);
    z.frames.attach(nullptr);
    z.take(517, 100);
    EXPECT_EQ(buddy_corruption::queued(z.frames), 0U) << "nobody waits";
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, audit_finds_a_unit_that_is_no_child_of_the_zone_I2) {
    zone z(0, 2048);
    block_layer& upper = buddy_corruption::upper(z.frames);
    ASSERT_TRUE(upper.set(0, 100, 0));
    upper.note_given(0, 100, 0);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I2"));
}

TEST(buddy, audit_finds_a_child_that_is_queued_twice_I6) {
    zone z(0, 4096);
    std::vector<std::byte> memory(cluster_tree::required_bytes(z.frames.children()));
    cluster_tree tree(z.frames.children(), memory);
    z.frames.attach(&tree);
    z.take(0, 1);
    z.take(512, 1);
    ASSERT_FALSE(z.frames.audit());
    buddy_corruption::queue(z.frames, 1) = buddy_corruption::queue(z.frames, 0);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I6"));
    z.frames.attach(nullptr);
}

TEST(buddy, audit_finds_ready_frames_of_a_whole_or_promised_child_I7) {
    zone whole(0, 2048, {block_choice::adaptive});
    buddy_corruption::ready_frames(whole.frames) = 1;
    EXPECT_EQ(whole.frames.audit().label, std::string_view("buddy.I7"));
    zone promised(0, 2048, {block_choice::adaptive});
    promised.frames.reserve(run_of(0, 8));
    buddy_corruption::ready_frames(promised.frames) = 1;
    EXPECT_EQ(promised.frames.audit().label, std::string_view("buddy.I7"));
    buddy_corruption::ready_child(promised.frames) = 99;
    EXPECT_EQ(promised.frames.audit().label, std::string_view("buddy.I7"));
}

TEST(buddy, unreserved_requests_are_not_lent_promised_frames) {
    zone z(0, 1024);
    z.frames.reserve(run_of(0, 1024));
    EXPECT_FALSE(z.frames.allocate_unreserved(base_order));
    EXPECT_TRUE(z.frames.allocate(base_order));
    z.frames.unreserve(run_of(512, 512));
    EXPECT_EQ(z.frames.allocate_unreserved(superpage_order), at(512));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy, audit_looks_into_its_layers_trees_and_promises) {
    zone layers(0, 2048);
    layers.take(0, 1);
    buddy_corruption::by_order(layers.frames, 3).insert(63);
    EXPECT_EQ(layers.frames.audit().label, std::string_view("bit_tree.I2"));
    zone headers(0, 2000);
    --buddy_corruption::lower(headers.frames).header(3).free;
    EXPECT_EQ(headers.frames.audit().label, std::string_view("block_layer.I1"));
    zone units(0, 2000);
    units.take(0, 512);
    buddy_corruption::upper(units.frames).header(0).free = 1;
    EXPECT_EQ(units.frames.audit().label, std::string_view("block_layer.I1"));
    zone promised(0, 2048);
    buddy_corruption::promised(promised.frames).insert(63);
    EXPECT_EQ(promised.frames.audit().label, std::string_view("bit_tree.I2"));
    zone promises(0, 2048);
    promises.frames.reserve(run_of(0, 10));
    promises.frames.reserve(run_of(1024, 10));
    buddy_corruption::lower(promises.frames).header(0).promised = 3;
    EXPECT_EQ(promises.frames.audit().label, std::string_view("reserved_frames.I1"));
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

}  // namespace
}  // namespace longreach
