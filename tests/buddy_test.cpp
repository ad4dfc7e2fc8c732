// SPDX-License-Identifier: MIT
// What a buddy promises: exact requests, the smallest sufficient block lowest first, soft promises, any zone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <longreach/allocator/buddy.hpp>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a buddy to break what its audit must notice.
struct buddy_corruption {
    static child_words& words(buddy& b, std::uint64_t child) { return b.words_[child]; }
    static std::uint16_t& free_in(buddy& b, std::uint64_t child) { return b.headers_[child].free; }
    static std::uint16_t& orders(buddy& b, std::uint64_t child) { return b.headers_[child].orders; }
    static std::uint64_t& free(buddy& b) { return b.free_; }
    static std::uint64_t& unreserved(buddy& b) { return b.unreserved_; }
    static bit_tree& by_order(buddy& b, unsigned k) { return b.by_order_[k]; }
    static bit_tree& promised(buddy& b) { return b.promised_; }
    static superblock_index& superblocks(buddy& b) { return b.superblocks_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

struct zone {
    zone(std::uint64_t first, std::uint64_t count)
        : memory(buddy::required_bytes(page_count{count})), frames({pfn{first}, page_count{count}}, memory) {}
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

TEST(buddy, takes_the_smallest_sufficient_block) {
    zone z(0, 2048);
    ASSERT_EQ(z.frames.allocate_at(pfn{1030}, base_order), status::ok);  // breaks the third 2 MiB
    EXPECT_EQ(z.frames.allocate(base_order), at(1031)) << "the order-0 rest beside the used frame";
    EXPECT_EQ(z.frames.allocate(base_order), at(1028)) << "then half of the order-1 rest";
    EXPECT_EQ(z.frames.allocate(order{2}), at(1024));
    EXPECT_EQ(z.frames.allocate(superpage_order), at(1536)) << "order 9 before the order 10 below it";
}

TEST(buddy, takes_the_lowest_address_among_equal_blocks) {
    zone z(0, 4096);
    for (const std::uint64_t f : {4095U, 2047U, 1023U}) ASSERT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::ok);
    EXPECT_EQ(z.frames.allocate(base_order), at(1022));
    EXPECT_EQ(z.frames.allocate(order{8}), at(512));
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
}

TEST(buddy_death, too_little_memory_and_an_empty_zone_are_refused) {
    std::vector<std::byte> memory(buddy::required_bytes(page_count{1024}));
    EXPECT_DEATH(buddy({pfn{0}, page_count{1024}}, std::span(memory).first(memory.size() - 1)), "");
    EXPECT_DEATH(buddy({pfn{0}, page_count{0}}, memory), "");
}

// ------------------------------------------------------------------------------- audits

TEST(buddy, audit_finds_a_free_count_that_differs_from_the_bits_I1) {
    zone z(0, 2048);
    buddy_corruption::free_in(z.frames, 2) = 511;
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I1"));
    EXPECT_EQ(z.frames.audit().where, 1024U);
}

TEST(buddy, audit_finds_a_free_frame_outside_the_zone_I2) {
    zone z(0, 1000);
    buddy_corruption::words(z.frames, 1)[7] |= std::uint64_t{1} << 63;
    ++buddy_corruption::free_in(z.frames, 1);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I2"));
}

TEST(buddy, audit_finds_a_whole_child_that_is_not_indexed_and_a_broken_one_that_is_I3) {
    zone missing(0, 512);
    buddy_corruption::superblocks(missing.frames).erase({0, child_order}, child_order);
    EXPECT_EQ(missing.frames.audit().label, std::string_view("buddy.I3"));
    zone extra(0, 500);
    buddy_corruption::superblocks(extra.frames).insert({0, child_order});
    EXPECT_EQ(extra.frames.audit().label, std::string_view("buddy.I3"));
}

TEST(buddy, audit_finds_an_order_without_its_mark_and_a_mark_without_its_tree_I4) {
    zone unmarked(0, 500);  // 256 + 128 + 64 + 32 + 16 + 4
    buddy_corruption::orders(unmarked.frames, 0) = 0;
    EXPECT_EQ(unmarked.frames.audit().label, std::string_view("buddy.I4"));
    zone untreed(0, 500);
    buddy_corruption::by_order(untreed.frames, 8).erase(0);
    EXPECT_EQ(untreed.frames.audit().label, std::string_view("buddy.I4"));
}

TEST(buddy, audit_finds_zone_counts_that_differ_from_the_recount_I5) {
    zone z(0, 2048);
    --buddy_corruption::free(z.frames);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I5"));
    ++buddy_corruption::free(z.frames);
    ++buddy_corruption::unreserved(z.frames);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I5"));
}

TEST(buddy, audit_finds_a_child_with_promises_that_the_set_lacks_I6) {
    zone z(0, 2048);
    z.frames.reserve(run_of(0, 10));
    buddy_corruption::promised(z.frames).erase(0);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I6"));
}

TEST(buddy, audit_looks_into_its_trees) {
    zone z(0, 2048);
    buddy_corruption::by_order(z.frames, 3).insert(63);
    EXPECT_EQ(z.frames.audit().label, std::string_view("bit_tree.I2"));
}

}  // namespace
}  // namespace longreach
