// SPDX-License-Identifier: MIT
// What an atomic_buddy promises to a thread that is alone: exact requests, any zone, broken 2 MiB before whole ones.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/atomic_buddy.hpp>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a zone to break what its audit must notice.
struct atomic_buddy_corruption {
    static std::uint64_t& word(atomic_buddy& b, std::uint64_t child, unsigned i) { return b.words_[child][i]; }
    static std::uint64_t& header(atomic_buddy& b, std::uint64_t child) { return b.headers_[child]; }
    static atomic_bit_tree<>& marked(atomic_buddy& b, unsigned k) { return b.marked_[k]; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

struct zone {
    zone(std::uint64_t first, std::uint64_t count)
        : memory(atomic_buddy::required_bytes(page_count{count})), frames({pfn{first}, page_count{count}}, memory) {}

    void take(std::uint64_t first, std::uint64_t count) {
        ASSERT_EQ(frames.allocate_run_at({pfn{first}, page_count{count}}), status::ok);
    }

    std::vector<std::byte> memory;
    atomic_buddy frames;
};

frame_run run_of(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }
std::optional<pfn> at(std::uint64_t frame) { return pfn{frame}; }

// ------------------------------------------------------------------------------- zones of any shape

TEST(atomic_buddy, every_zone_hands_out_each_of_its_frames_once_and_then_none) {
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

TEST(atomic_buddy, memory_of_any_alignment_is_enough) {
    for (std::size_t skip = 0; skip < 65; ++skip) {
        const page_count count{3000};
        std::vector<std::byte> memory(atomic_buddy::required_bytes(count) + skip);
        atomic_buddy b({pfn{511}, count}, std::span(memory).subspan(skip));
        EXPECT_TRUE(b.allocate(superpage_order));
        EXPECT_FALSE(b.audit());
    }
}

TEST(atomic_buddy, its_metadata_stays_within_0_15_byte_per_frame) {
    for (const unsigned gib : {1U, 8U, 1024U}) {
        const page_count frames{std::uint64_t{gib} << 18};
        EXPECT_LT(static_cast<double>(atomic_buddy::required_bytes(frames)), 0.15 * static_cast<double>(frames.raw));
    }
}

TEST(atomic_buddy, a_guest_s_frames_are_another_type_with_the_same_rules) {
    std::vector<std::byte> memory(guest_atomic_buddy::required_bytes(page_count{2048}));
    guest_atomic_buddy b({gfn{0}, page_count{2048}}, memory);
    EXPECT_EQ(b.allocate(superpage_order), gfn{0});
}

TEST(atomic_buddy, blocks_above_the_superpage_are_found_up_to_order_20) {
    const std::uint64_t count = std::uint64_t{1} << 20;
    zone z(count, count);
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

TEST(atomic_buddy, alignment_is_that_of_the_frame_number_not_of_the_place_in_the_zone) {
    zone z(300, 1000);  // the only aligned 2 MiB block is [512, 1024)
    EXPECT_EQ(z.frames.allocate(superpage_order), at(512));
    EXPECT_FALSE(z.frames.allocate(superpage_order));
    zone high(3 * 512, 6 * 512);  // the only aligned 8 MiB block is [2048, 4096)
    EXPECT_EQ(high.frames.allocate(order{11}), at(2048));
    EXPECT_FALSE(high.frames.allocate(order{11}));
}

// ------------------------------------------------------------------------------- which block

TEST(atomic_buddy, broken_superpages_serve_first_the_lowest_of_them_and_in_it_the_lowest_block) {
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

TEST(atomic_buddy, whole_superpages_stay_whole_while_a_broken_one_can_serve) {
    zone z(0, 8 * 512);
    for (int i = 0; i < 512; ++i) ASSERT_TRUE(z.frames.allocate(base_order));
    unsigned whole = 0;
    for (std::uint64_t f = 0; f < 8 * 512; f += 512) whole += z.frames.is_free(pfn{f}, superpage_order);
    EXPECT_EQ(whole, 7U);
}

TEST(atomic_buddy, superpages_that_became_whole_again_wait_until_no_broken_one_is_left) {
    zone z(0, 4 * 512);
    z.take(0, 1);
    z.take(512, 1);
    z.take(1536, 1);
    z.frames.free(pfn{0}, base_order);
    z.frames.free(pfn{512}, base_order);  // both still have their marks
    EXPECT_EQ(z.frames.allocate(base_order), at(1537)) << "the only broken one; its first frame is in use";
    z.take(1538, 510);
    EXPECT_EQ(z.frames.allocate(base_order), at(0));
    EXPECT_FALSE(z.frames.audit());
}

TEST(atomic_buddy, freeing_everything_in_any_order_makes_one_block_again) {
    zone z(0, 4096);
    std::vector<pfn> taken;
    while (const auto f = z.frames.allocate(base_order)) taken.push_back(*f);
    std::shuffle(taken.begin(), taken.end(), std::mt19937(7));
    for (const pfn f : taken) z.frames.free(f, base_order);
    EXPECT_EQ(z.frames.allocate(order{12}), at(0));
}

TEST(atomic_buddy, what_was_taken_as_one_block_may_be_given_back_in_parts_and_the_other_way_round) {
    zone z(0, 1024);
    ASSERT_EQ(z.frames.allocate_at(pfn{0}, order{10}), status::ok);
    for (std::uint64_t f = 0; f < 512; ++f) z.frames.free(pfn{f}, base_order);
    z.frames.free(pfn{512}, superpage_order);
    EXPECT_TRUE(z.frames.is_free(pfn{0}, order{10}));
    for (std::uint64_t f = 0; f < 512; ++f) ASSERT_EQ(z.frames.allocate_at(pfn{f}, base_order), status::ok);
    z.frames.free_run(run_of(0, 100));
    z.frames.free_run(run_of(100, 412));
    EXPECT_TRUE(z.frames.is_free(pfn{0}, order{10}));
    EXPECT_FALSE(z.frames.audit());
}

// ------------------------------------------------------------------------------- exact requests

TEST(atomic_buddy, every_free_block_of_every_order_can_be_had_by_name) {
    for (unsigned o = 0; o <= 11; ++o) {
        zone z(0, 4096);
        const order size{o};
        for (std::uint64_t f = 4096; f > 0; f -= size.pages().raw) {
            ASSERT_EQ(z.frames.allocate_at(pfn{f - size.pages().raw}, size), status::ok);
            ASSERT_EQ(z.frames.allocate_at(pfn{f - size.pages().raw}, size), status::occupied);
        }
        EXPECT_EQ(z.frames.free_frames(), page_count{0});
        EXPECT_FALSE(z.frames.audit());
    }
}

TEST(atomic_buddy, one_used_frame_refuses_every_block_around_it_and_changes_nothing) {
    zone z(0, 4096);
    ASSERT_EQ(z.frames.allocate_at(pfn{1234}, base_order), status::ok);
    for (unsigned o = 0; o <= 12; ++o) {
        EXPECT_EQ(z.frames.allocate_at(align_down(pfn{1234}, order{o}), order{o}), status::occupied);
    }
    EXPECT_EQ(z.frames.free_frames(), page_count{4095});
    EXPECT_FALSE(z.frames.audit());
}

TEST(atomic_buddy, frames_outside_the_zone_are_out_of_range_and_never_free) {
    zone z(1000, 100);
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

TEST(atomic_buddy, a_run_of_any_length_is_taken_where_a_block_or_a_run_is_free) {
    zone z(0, 4096);
    EXPECT_EQ(z.frames.allocate_run(page_count{5}), run_of(0, 5)) << "the rest of its block stays free";
    EXPECT_EQ(z.frames.allocate(base_order), at(5));
    EXPECT_EQ(z.frames.allocate_run(page_count{600}), run_of(1024, 600)) << "the first free block of 1024 frames";
    EXPECT_EQ(z.frames.allocate_run(page_count{3000}), std::nullopt);
    EXPECT_EQ(z.frames.allocate_run(page_count{2400}), run_of(1624, 2400)) << "no block of 4096, but so many adjoin";
    EXPECT_EQ(z.frames.allocate_run(page_count{1018}), run_of(6, 1018));
    EXPECT_EQ(z.frames.allocate_run(page_count{72}), run_of(4024, 72));
    EXPECT_EQ(z.frames.allocate_run(page_count{1}), std::nullopt);
    EXPECT_EQ(z.frames.allocate_run(page_count{5000}), std::nullopt);
    EXPECT_FALSE(z.frames.audit());
}

// ------------------------------------------------------------------------------- recovery, audit

TEST(atomic_buddy, everything_but_the_bits_is_rebuilt_from_them) {
    const frame_run managed = run_of(300, 3000);
    std::vector<std::byte> memory(atomic_buddy::required_bytes(managed.count));
    {
        atomic_buddy b(managed, memory);
        ASSERT_EQ(b.allocate_run_at(run_of(700, 900)), status::ok);
        atomic_buddy_corruption::header(b, 1) = 0;
        atomic_buddy_corruption::word(b, 0, 0) = ~std::uint64_t{0};  // not managed
        atomic_buddy_corruption::marked(b, 9).fill();
        b.recover();
        EXPECT_FALSE(b.audit());
    }
    auto b = atomic_buddy::recovered(managed, memory);
    EXPECT_EQ(b.free_frames(), page_count{2100});
    EXPECT_FALSE(b.is_free(pfn{1000}, base_order));
    EXPECT_EQ(b.allocate(superpage_order), at(2048));
    EXPECT_FALSE(b.audit());
}

TEST(atomic_buddy, its_audit_finds_each_broken_invariant) {
    using corruption = atomic_buddy_corruption;
    const auto label_after = [](auto damage) {
        zone z(100, 3000);
        z.take(600, 1);
        damage(z.frames);
        const violation broken = z.frames.audit();
        return std::string_view(broken ? broken.label : "none");
    };
    EXPECT_EQ(label_after([](atomic_buddy&) {}), "none");
    EXPECT_EQ(label_after([](atomic_buddy& b) { corruption::word(b, 0, 1) |= 1; }), "atomic_buddy.I1");
    EXPECT_EQ(label_after([](atomic_buddy& b) { corruption::word(b, 6, 1) |= 1; }), "atomic_buddy.I1");
    EXPECT_EQ(label_after([](atomic_buddy& b) { corruption::header(b, 1) &= ~std::uint64_t{8}; }), "atomic_buddy.I2");
    EXPECT_EQ(label_after([](atomic_buddy& b) { corruption::header(b, 2) = 0; }), "atomic_buddy.I2");
    EXPECT_EQ(label_after([](atomic_buddy& b) { corruption::marked(b, 3).erase(1); }), "atomic_buddy.I3");
    EXPECT_EQ(label_after([](atomic_buddy& b) { corruption::header(b, 2) += std::uint64_t{1} << 16; }),
              "atomic_buddy.I4");
    EXPECT_EQ(label_after([](atomic_buddy& b) { corruption::marked(b, 9).insert(63); }), "atomic_bit_tree.I2");
}

TEST(atomic_buddy, what_callers_must_not_do_ends_the_program) {
    zone z(0, 1024);
    z.take(0, 100);
    z.frames.free(pfn{5}, base_order);
    EXPECT_DEATH(z.frames.free(pfn{5}, base_order), "");
    EXPECT_DEATH(z.frames.free_run(run_of(0, 100)), "");
    EXPECT_DEATH(z.frames.free(pfn{512}, superpage_order), "");
    EXPECT_DEATH(z.frames.free(pfn{1024}, base_order), "");
    EXPECT_DEATH(z.frames.free(pfn{1}, order{1}), "");
    EXPECT_DEATH((void)z.frames.allocate_at(pfn{1}, order{1}), "");
    EXPECT_DEATH((void)z.frames.allocate_run(page_count{0}), "");
}

}  // namespace
}  // namespace longreach
