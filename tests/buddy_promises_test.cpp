// SPDX-License-Identifier: MIT
// The soft promises of a buddy: who avoids promised frames, when they are lent, how exactly they are kept.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <vector>

#include "buddy_zone.hpp"

namespace longreach {
namespace {

using zone = buddy_zone;

TEST(buddy_promises, ordinary_allocation_avoids_promised_frames_until_nothing_else_is_left) {
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

TEST(buddy_promises, a_larger_unreserved_block_is_broken_before_a_promise) {
    zone z(0, 2048);
    z.frames.reserve(run_of(0, 1));  // its neighbours are small open blocks
    EXPECT_EQ(z.frames.allocate(superpage_order), at(512));
    z.frames.reserve(run_of(1, 511));
    EXPECT_EQ(z.frames.allocate(base_order), at(1024));
}

TEST(buddy_promises, an_exact_request_takes_promised_frames) {
    zone z(0, 1024);
    z.frames.reserve(run_of(0, 1024));
    EXPECT_EQ(z.frames.allocate_at(pfn{512}, superpage_order), status::ok);
    EXPECT_EQ(z.frames.allocate_at(pfn{5}, base_order), status::ok);
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy_promises, promised_blocks_of_every_size_come_and_go_without_a_trace_for_others) {
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

TEST(buddy_promises, a_lent_frame_that_comes_back_is_promised_again) {
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

TEST(buddy_promises, promises_of_any_shape_are_counted_frame_by_frame_and_taken_back_in_parts) {
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

TEST(buddy_promises, a_large_block_is_lent_where_only_promises_are_left) {
    zone z(0, 4096);
    z.frames.reserve(run_of(10, 4080));
    EXPECT_EQ(z.frames.allocate(order{11}), at(0));
    EXPECT_EQ(z.frames.allocate(superpage_order), at(2048));
    EXPECT_EQ(z.frames.allocate(order{10}), at(3072));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy_promises, without_exact_promises_only_whole_superpages_are_promised) {
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

TEST(buddy_promises, without_masks_promises_shrink_to_whole_superpages_and_it_says_so) {
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

TEST(buddy_promises, unreserved_requests_are_not_lent_promised_frames) {
    zone z(0, 1024);
    z.frames.reserve(run_of(0, 1024));
    EXPECT_FALSE(z.frames.allocate_unreserved(base_order));
    EXPECT_TRUE(z.frames.allocate(base_order));
    z.frames.unreserve(run_of(512, 512));
    EXPECT_EQ(z.frames.allocate_unreserved(superpage_order), at(512));
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy_promises, a_run_is_lent_only_where_unreserved_frames_do_not_suffice) {
    zone z(0, 2048);
    z.frames.reserve(run_of(100, 1000));
    EXPECT_EQ(z.frames.allocate_run(page_count{900}), run_of(1100, 900));
    EXPECT_EQ(z.frames.allocate_run(page_count{900}), run_of(0, 900));
    EXPECT_EQ(z.frames.allocate_run(page_count{2049}), std::nullopt);
    EXPECT_EQ(z.frames.unreserved_frames(), page_count{48});
    EXPECT_FALSE(z.frames.audit());
}

TEST(buddy_promises, no_word_is_lent) {
    zone z(0, 1024);
    z.frames.reserve(run_of(0, 1024));
    EXPECT_FALSE(z.frames.allocate_word());
    EXPECT_TRUE(z.frames.can_allocate(superpage_order));
}

}  // namespace
}  // namespace longreach
