// SPDX-License-Identifier: MIT
// What an atomic_buddy promises to a thread that is alone, beyond what any_buddy_test.cpp shows of both buddies.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/atomic_buddy.hpp>
#include <string_view>
#include <vector>

#include "buddy_zone.hpp"

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

using zone = atomic_buddy_zone;

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
