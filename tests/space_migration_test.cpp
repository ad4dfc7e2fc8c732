// SPDX-License-Identifier: MIT
// What daemons do to resident pages: collapse to a superpage, split it, relocate and exchange leaves, with every
// refusal; spaces stay sound (TearDown audits) and no frame is lost.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>

#include "family_of_spaces.hpp"
#include "lone_space.hpp"

namespace longreach {
namespace {

constexpr area_flags advised_against{.superpages = superpage_advice::unwanted};

/// A space whose faults take 4 KiB only, as daemons that promote later want it.
struct migration : lone_space {
    migration() : lone_space({.number = 3, .superpages = superpage_use::never}) {}

    /// Frames for the leaf of that size at `page`, as a daemon would take them.
    pfn take(std::uint64_t page, order size) {
        const auto block = policy.allocate({3, vpn{page}, size, pages(page, size.pages().raw)}, nothing_mapped<vpn>{});
        EXPECT_TRUE(block);
        return block.value_or(pfn{0});
    }
    void give(std::uint64_t page, pfn block, order size) { policy.free(3, vpn{page}, block, size); }
    leaf<vpn, pfn> held(std::uint64_t page) const { return *space.object().find(vpn{page}); }
    leaf<vpn, pfn> shown(std::uint64_t page) const { return *space.tables().find(vpn{page}); }
    static void forget_use(lone_space::space_type& s, page_run where) {
        s.tables().rewrite(where, [](leaf<vpn, pfn> old) {
            old.attributes.accessed = old.attributes.dirty = false;
            return old;
        });
    }
    void walk(std::uint64_t page, access_kind kind) {
        ASSERT_EQ(space.tables().walk(vpn{page}, kind).outcome, status::ok);
    }
};

// ---- collapse ----

TEST_F(migration, collapse_makes_one_superpage_at_the_block_and_counts_what_it_copied_and_zeroed) {
    map(pages(512, 512));
    touch(pages(512, 10));
    touch(pages(700, 1));
    const pfn old = frame(700);
    const pfn block = take(512, superpage_order);
    const auto made = space.collapse(vpn{512}, block);
    EXPECT_EQ(made.outcome, status::ok);
    EXPECT_EQ(made.copied, page_count{11});
    EXPECT_EQ(made.zeroed, page_count{501});
    EXPECT_EQ(space.resident_pages(), page_count{512});
    EXPECT_EQ(held(1000).size, superpage_order);
    EXPECT_EQ(held(1000).frame, block);
    EXPECT_EQ(shown(1000).frame, block);
    EXPECT_EQ(policy.frames_held(), 512U) << "the 11 old frames went back";
    EXPECT_NE(old, block);
    EXPECT_EQ(space.tables().table_count(), page_count{3}) << "the table of base pages went";
}

TEST_F(migration, collapse_keeps_the_rest_of_the_area_and_its_contiguity_bits_right) {
    map(pages(0, 2048));
    touch(pages(0, 2048));
    ASSERT_TRUE(contiguous(511));
    const pfn block = take(512, superpage_order);
    ASSERT_EQ(space.collapse(vpn{512}, block).outcome, status::ok);
    EXPECT_TRUE(contiguous(511));
    EXPECT_TRUE(contiguous(600));
    EXPECT_EQ(space.resident_superpages(), 1U);
}

TEST_F(migration, a_short_mapping_that_reached_into_the_superpage_loses_its_bit) {
    map(pages(500, 524));
    touch(pages(500, 40));
    ASSERT_TRUE(contiguous(500));
    ASSERT_EQ(space.collapse(vpn{512}, take(512, superpage_order)).outcome, status::ok);
    EXPECT_FALSE(contiguous(500)) << "12 pages are left of the mapping, the threshold is 32";
}

TEST_F(migration, a_superpage_is_accessed_and_dirty_if_any_of_its_pages_was_as_the_table_says) {
    map(pages(512, 1024));
    touch(pages(512, 600));
    walk(520, access_kind::load);
    ASSERT_EQ(space.collapse(vpn{512}, take(512, superpage_order)).outcome, status::ok);
    EXPECT_TRUE(shown(512).attributes.accessed);
    EXPECT_FALSE(shown(512).attributes.dirty);
    walk(1024, access_kind::store);
    space.drop_table();  // the object learns it
    touch(pages(1024, 1));
    forget_use(space, pages(1024, 512));  // a sampling daemon clears it where walks look
    ASSERT_EQ(space.collapse(vpn{1024}, take(1024, superpage_order)).outcome, status::ok);
    EXPECT_FALSE(shown(1024).attributes.accessed);
    EXPECT_FALSE(shown(1024).attributes.dirty);
}

TEST_F(migration, pages_that_the_table_forgot_stay_forgotten_and_keep_what_the_object_knew) {
    map(pages(512, 512));
    touch(pages(512, 3));
    walk(513, access_kind::store);
    space.drop_table();
    ASSERT_EQ(space.collapse(vpn{512}, take(512, superpage_order)).outcome, status::ok);
    EXPECT_FALSE(space.translate(vpn{513}));
    EXPECT_TRUE(held(513).attributes.dirty);
    EXPECT_EQ(space.fault(vpn{600}, access_kind::load).kind, fault_kind::refill);
    EXPECT_TRUE(shown(600).attributes.dirty);
}

TEST_F(migration, a_collapsed_page_allows_what_its_area_allows) {
    map(pages(512, 512));
    touch(pages(512, 3));
    ASSERT_EQ(space.protect(pages(512, 512), ro), status::ok);
    ASSERT_EQ(space.collapse(vpn{512}, take(512, superpage_order)).outcome, status::ok);
    EXPECT_FALSE(shown(512).attributes.allowed.write);
    ASSERT_EQ(space.protect(pages(512, 512), rw), status::ok);
    EXPECT_TRUE(shown(512).attributes.allowed.write);
}

TEST_F(migration, collapse_refuses_what_is_not_2_Mi_b_of_base_pages_and_changes_nothing) {
    map(pages(512, 512));
    map(pages(1024, 300));
    map(pages(1324, 300), ro);
    map(pages(2048, 512), rw, backing::of_file(1, 0));
    map(pages(2560, 512), rw, {}, advised_against);
    map(pages(3072, 512));
    map(pages(4096, 512));
    touch(pages(512, 4));
    touch(pages(1024, 4));
    touch(pages(2048, 4));
    touch(pages(2560, 4));
    touch(pages(4096, 1));
    ASSERT_EQ(space.collapse(vpn{4096}, take(4096, superpage_order)).outcome, status::ok);
    const pfn block = take(512, superpage_order);
    const auto outcome = [&](std::uint64_t page, pfn at) { return space.collapse(vpn{page}, at).outcome; };
    EXPECT_EQ(outcome(513, block), status::wrong_size) << "misaligned page";
    EXPECT_EQ(outcome(512, block + page_count{1}), status::wrong_size) << "misaligned block";
    EXPECT_EQ(outcome(1024, block), status::not_mapped) << "two areas";
    EXPECT_EQ(outcome(1536, block), status::not_mapped) << "an area and a hole";
    EXPECT_EQ(outcome(8192, block), status::not_mapped) << "no area";
    EXPECT_EQ(outcome(2048, block), status::forbidden) << "a file";
    EXPECT_EQ(outcome(2560, block), status::forbidden) << "advised against";
    EXPECT_EQ(outcome(3072, block), status::not_mapped) << "nothing resident";
    EXPECT_EQ(outcome(4096, block), status::wrong_size) << "a superpage already";
    EXPECT_EQ(space.resident_superpages(), 1U);
    EXPECT_EQ(space.resident_pages(), page_count{16 + 512});
    give(512, block, superpage_order);
}

// ---- split ----

TEST_F(migration, split_keeps_every_frame_and_what_was_used_and_single_pages_can_be_discarded_then) {
    map(pages(512, 512));
    touch(pages(512, 1));
    const pfn block = take(512, superpage_order);
    ASSERT_EQ(space.collapse(vpn{512}, block).outcome, status::ok);
    walk(512, access_kind::store);
    ASSERT_EQ(space.split(vpn{900}), status::ok);
    EXPECT_EQ(space.resident_superpages(), 0U);
    EXPECT_EQ(held(900).frame, block + page_count{388});
    EXPECT_TRUE(shown(900).attributes.dirty);
    EXPECT_TRUE(contiguous(900));
    EXPECT_EQ(space.faults().demotions, 1U);
    ASSERT_EQ(space.discard(pages(600, 100)), status::ok);
    EXPECT_EQ(space.resident_pages(), page_count{412});
    EXPECT_EQ(policy.frames_held(), 412U) << "bloat went back";
}

TEST_F(migration, split_refuses_what_is_no_superpage_or_lacks_a_table_and_changes_nothing) {
    map(pages(512, 1024));
    touch(pages(512, 1));
    touch(pages(1024, 1));
    ASSERT_EQ(space.collapse(vpn{512}, take(512, superpage_order)).outcome, status::ok);
    EXPECT_EQ(space.split(vpn{1024}), status::wrong_size);
    EXPECT_EQ(space.split(vpn{1025}), status::not_mapped);
    EXPECT_EQ(space.split(vpn{9999}), status::not_mapped);
    policy.withheld_tables = table_frames;
    EXPECT_EQ(space.split(vpn{512}), status::out_of_memory);
    EXPECT_EQ(space.resident_superpages(), 1U);
    policy.withheld_tables = 0;
    EXPECT_EQ(space.split(vpn{512}), status::ok);
}

// ---- relocate ----

TEST_F(migration, relocate_moves_a_base_page_with_its_bits_and_gives_the_old_frame_back) {
    map(pages(0, 100));
    touch(pages(0, 100));
    walk(40, access_kind::store);
    const pfn old = frame(40);
    const pfn to = take(40, base_order);
    ASSERT_EQ(space.relocate(vpn{40}, to), status::ok);
    EXPECT_EQ(held(40).frame, to);
    EXPECT_EQ(shown(40).frame, to);
    EXPECT_TRUE(shown(40).attributes.dirty);
    EXPECT_FALSE(contiguous(40)) << "it lies alone now";
    EXPECT_TRUE(contiguous(39));
    EXPECT_TRUE(contiguous(41));
    EXPECT_EQ(policy.frames_held(), 100U);
    policy.aim(old.raw - table_frames);
    EXPECT_EQ(take(40, base_order), old) << "the old frame is free";
    ASSERT_EQ(space.relocate(vpn{40}, old), status::ok);
    EXPECT_TRUE(contiguous(40)) << "and back, it closes the gap";
}

TEST_F(migration, relocate_moves_a_superpage_whole) {
    map(pages(512, 512));
    touch(pages(512, 1));
    ASSERT_EQ(space.collapse(vpn{512}, take(512, superpage_order)).outcome, status::ok);
    const pfn to = take(512, superpage_order);
    ASSERT_EQ(space.relocate(vpn{777}, to), status::ok);
    EXPECT_EQ(held(512).frame, to);
    EXPECT_EQ(shown(1023).frame, to);
    EXPECT_EQ(policy.frames_held(), 512U);
}

TEST_F(migration, relocate_works_on_pages_that_the_table_forgot_and_on_private_pages_of_files_without_a_cache) {
    map(pages(0, 4));
    map(pages(8, 4), rw, backing::of_file(1, 0));
    touch(pages(0, 4));
    touch(pages(8, 4), access_kind::load);
    space.drop_table();
    ASSERT_EQ(space.relocate(vpn{0}, take(0, base_order)), status::ok);
    const pfn to = take(8, base_order);
    ASSERT_EQ(space.relocate(vpn{8}, to), status::ok);
    EXPECT_FALSE(space.translate(vpn{8}));
    EXPECT_EQ(space.fault(vpn{8}, access_kind::load).frame, to);
    EXPECT_FALSE(shown(8).attributes.allowed.write) << "it still stands for the file's page";
}

TEST_F(migration, relocate_refuses_absent_pages_and_misaligned_frames) {
    map(pages(512, 1024));
    touch(pages(512, 1));
    ASSERT_EQ(space.collapse(vpn{512}, take(512, superpage_order)).outcome, status::ok);
    const pfn to = take(512, superpage_order);
    EXPECT_EQ(space.relocate(vpn{1024}, to), status::not_mapped);
    EXPECT_EQ(space.relocate(vpn{512}, to + page_count{1}), status::wrong_size);
    EXPECT_NE(held(512).frame, to);
    give(512, to, superpage_order);
}

using migration_death = migration;
TEST_F(migration_death, a_leaf_is_not_relocated_to_its_own_frames) {
    map(pages(0, 1));
    touch(pages(0, 1));
    EXPECT_DEATH((void)space.relocate(vpn{0}, frame(0)), "");
}

// ---- exchange ----

TEST_F(migration, exchange_swaps_frames_while_every_page_keeps_its_bits) {
    map(pages(0, 100));
    touch(pages(0, 64));
    walk(10, access_kind::store);
    const pfn ten = frame(10);
    const pfn twenty = frame(20);
    ASSERT_EQ(space.exchange(vpn{10}, vpn{20}), status::ok);
    policy.exchanged(ten, twenty, base_order);
    EXPECT_EQ(held(10).frame, twenty);
    EXPECT_EQ(shown(20).frame, ten);
    EXPECT_TRUE(shown(10).attributes.dirty);
    EXPECT_FALSE(shown(20).attributes.dirty);
    EXPECT_FALSE(contiguous(0)) << "10 pages before the first";
    EXPECT_FALSE(contiguous(15));
    EXPECT_TRUE(contiguous(21)) << "43 pages behind the second";
    ASSERT_EQ(space.exchange(vpn{20}, vpn{10}), status::ok);
    policy.exchanged(ten, twenty, base_order);
    EXPECT_TRUE(contiguous(15));
}

TEST_F(migration, exchange_of_neighbours_and_of_a_page_with_itself_leaves_the_bits_right) {
    map(pages(0, 100));
    touch(pages(0, 33));
    const pfn one = frame(15);
    ASSERT_EQ(space.exchange(vpn{15}, vpn{16}), status::ok);
    policy.exchanged(one, one + page_count{1}, base_order);
    EXPECT_FALSE(space.audit());
    EXPECT_FALSE(contiguous(0));
    const pfn before = frame(15);
    ASSERT_EQ(space.exchange(vpn{15}, vpn{15}), status::ok);
    EXPECT_EQ(frame(15), before);
}

TEST_F(migration, exchange_of_superpages_and_refusals) {
    map(pages(512, 2048));
    for (const std::uint64_t first : {512U, 1024U}) {
        touch(pages(first, 1));
        ASSERT_EQ(space.collapse(vpn{first}, take(first, superpage_order)).outcome, status::ok);
    }
    touch(pages(1536, 1));
    const pfn one = held(512).frame;
    const pfn two = held(1024).frame;
    ASSERT_EQ(space.exchange(vpn{600}, vpn{1500}), status::ok);
    policy.exchanged(one, two, superpage_order);
    EXPECT_EQ(held(512).frame, two);
    EXPECT_EQ(shown(1024).frame, one);
    EXPECT_EQ(space.exchange(vpn{512}, vpn{1536}), status::wrong_size);
    EXPECT_EQ(space.exchange(vpn{1536}, vpn{512}), status::wrong_size);
    EXPECT_EQ(space.exchange(vpn{512}, vpn{1600}), status::not_mapped);
    EXPECT_EQ(space.exchange(vpn{1600}, vpn{512}), status::not_mapped);
    EXPECT_EQ(held(512).frame, two);
}

// ---- frames that others hold ----

struct shared_migration : life_of_a_space {
    /// Frames for a leaf of `space`; nothing is expected to take them.
    pfn take(std::uint64_t page, order size) {
        const auto block = policy.allocate({1, vpn{page}, size, pages(page, size.pages().raw)}, nothing_mapped<vpn>{});
        EXPECT_TRUE(block);
        return block.value_or(pfn{0});
    }
    void give(std::uint64_t page, pfn block, order size) { policy.free(1, vpn{page}, block, size); }
};

TEST_F(shared_migration, frames_that_a_fork_shares_are_not_moved_until_the_other_holder_is_gone) {
    map(pages(0, 10));
    map(pages(512, 512), rw, advised_against);
    map(pages(1024, 512));
    for (std::uint64_t page = 0; page < 10; ++page) (void)store(parent, page);
    (void)store(parent, 512);
    ASSERT_EQ(parent.advise(pages(512, 512), superpage_advice::none), status::ok);
    (void)store(parent, 1024);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    const pfn to = take(0, base_order);
    const pfn block = take(512, superpage_order);
    EXPECT_EQ(parent.relocate(vpn{3}, to), status::occupied);
    EXPECT_EQ(child.relocate(vpn{3}, to), status::occupied);
    EXPECT_EQ(parent.relocate(vpn{1024}, block), status::occupied);
    EXPECT_EQ(parent.exchange(vpn{3}, vpn{4}), status::occupied);
    EXPECT_EQ(parent.collapse(vpn{512}, block).outcome, status::occupied);
    EXPECT_EQ(parent.split(vpn{1024}), status::ok) << "splitting needs no frame";
    EXPECT_FALSE(family.audit());
    child.exit();
    ASSERT_EQ(parent.relocate(vpn{3}, to), status::ok);
    EXPECT_FALSE(can_store(parent, 3)) << "its write bit still waits for the first store";
    EXPECT_EQ(store(parent, 3).kind, fault_kind::reuse);
    ASSERT_EQ(parent.collapse(vpn{512}, block).outcome, status::ok);
    EXPECT_TRUE(can_store(parent, 512)) << "the copy is nobody else's";
}

TEST_F(shared_migration, pages_of_a_cached_file_are_not_moved_but_their_copies_are) {
    ASSERT_EQ(family.cache().open(1, page_count{100}), status::ok);
    ASSERT_EQ(parent.map(pages(0, 10), rw, backing::of_file(1, 0), plain), status::ok);
    (void)load(parent, 0);
    (void)store(parent, 1);
    const pfn to = take(1, base_order);
    EXPECT_EQ(parent.relocate(vpn{0}, to), status::occupied);
    EXPECT_EQ(parent.exchange(vpn{1}, vpn{0}), status::occupied);
    EXPECT_EQ(parent.relocate(vpn{1}, to), status::ok);
    EXPECT_EQ(frame(parent, 1), to);
    parent.exit();
    EXPECT_EQ(family.cache().close(1), status::ok);
}

TEST_F(shared_migration, two_spaces_exchange_frames) {
    map(pages(0, 40));
    ASSERT_EQ(child.map(pages(100, 40), rw, {}, plain), status::ok);
    for (std::uint64_t page = 0; page < 40; ++page) (void)store(parent, page);
    for (std::uint64_t page = 100; page < 140; ++page) (void)store(child, page);
    const pfn one = frame(parent, 20);
    const pfn two = frame(child, 120);
    ASSERT_EQ(exchange(parent, vpn{20}, child, vpn{120}), status::ok);
    policy.exchanged(one, two, base_order);
    EXPECT_EQ(frame(parent, 20), two);
    EXPECT_EQ(frame(child, 120), one);
    EXPECT_EQ(exchange(parent, vpn{20}, child, vpn{20}), status::not_mapped);
}

}  // namespace
}  // namespace longreach
