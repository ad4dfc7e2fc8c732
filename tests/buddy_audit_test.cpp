// SPDX-License-Identifier: MIT
// The audit of a buddy: each of its invariants broken on purpose, and the queue of children that wait for the tree.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/cluster_tree.hpp>
#include <string_view>
#include <vector>

#include "buddy_zone.hpp"

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

using zone = buddy_zone;

/// Children whose free frames changed wait in the zone's queue for this tree.
struct zone_with_tree : zone {
    explicit zone_with_tree(std::uint64_t count)
        : zone(0, count),
          tree_memory(cluster_tree::required_bytes(frames.children())),
          tree(frames.children(), tree_memory) {
        frames.attach(&tree);
    }

    std::vector<std::byte> tree_memory;
    cluster_tree tree;
};

TEST(buddy_audit, audit_finds_a_free_frame_outside_the_zone_I1) {
    zone z(0, 1000);
    buddy_corruption::lower(z.frames).words(1)[7] |= std::uint64_t{1} << 63;
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I1"));
    EXPECT_EQ(z.frames.audit().where, 512U);
}

TEST(buddy_audit, audit_finds_a_whole_child_that_is_no_unit_and_a_unit_that_is_not_whole_I2) {
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

TEST(buddy_audit, audit_finds_a_unit_that_is_no_child_of_the_zone_I2) {
    zone z(0, 2048);
    block_layer& upper = buddy_corruption::upper(z.frames);
    ASSERT_TRUE(upper.set(0, 100, 0));
    upper.note_given(0, 100, 0);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I2"));
}

TEST(buddy_audit, audit_finds_an_order_without_its_mark_in_both_layers_I3) {
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

TEST(buddy_audit, audit_finds_zone_counts_that_differ_from_the_recount_I4) {
    zone z(0, 2048);
    --buddy_corruption::free(z.frames);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I4"));
    ++buddy_corruption::free(z.frames);
    ++buddy_corruption::reserved_free(z.frames);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I4"));
}

TEST(buddy_audit, audit_finds_a_child_with_promises_that_the_set_lacks_I5) {
    zone z(0, 2048);
    z.frames.reserve(run_of(0, 10));
    buddy_corruption::promised(z.frames).erase(0);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I5"));
}

TEST(buddy_audit, audit_finds_a_queue_that_differs_from_what_children_say_I6) {
    zone_with_tree z(2048);
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

TEST(buddy_audit, audit_finds_a_child_that_is_queued_twice_I6) {
    zone_with_tree z(4096);
    z.take(0, 1);
    z.take(512, 1);
    ASSERT_FALSE(z.frames.audit());
    buddy_corruption::queue(z.frames, 1) = buddy_corruption::queue(z.frames, 0);
    EXPECT_EQ(z.frames.audit().label, std::string_view("buddy.I6"));
    z.frames.attach(nullptr);
}

TEST(buddy_audit, audit_finds_ready_frames_of_a_whole_or_promised_child_I7) {
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

TEST(buddy_audit, audit_looks_into_its_layers_trees_and_promises) {
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

TEST(buddy_audit, at_most_64_changed_children_wait_for_the_tree) {
    zone_with_tree z(200 * 512);
    EXPECT_EQ(z.tree.longest(), 200U * 512);
    for (std::uint64_t child = 0; child < 200; ++child) {
        z.take(child * 512, 1);
        ASSERT_LT(buddy_corruption::queued(z.frames), 64U);
        z.take(child * 512 + 2, 1);
    }
    z.frames.settle();
    EXPECT_EQ(buddy_corruption::queued(z.frames), 0U);
    EXPECT_EQ(z.tree.longest(), 509U);
    EXPECT_FALSE(z.tree.audit([&z](std::uint64_t child) { return z.frames.unreserved(child); }));
    z.take(7, 100);
    z.frames.attach(nullptr);
    z.take(517, 100);
    EXPECT_EQ(buddy_corruption::queued(z.frames), 0U) << "nobody waits";
    EXPECT_FALSE(z.frames.audit());
}

}  // namespace
}  // namespace longreach
