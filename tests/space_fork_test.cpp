// SPDX-License-Identifier: MIT
// Spaces that fork: what parent and child share, and how the first store to it copies, by 4 KiB and by 2 MiB.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>

#include "family_of_spaces.hpp"

namespace longreach {
namespace {

struct forks_of_a_space : life_of_a_space {};

// ---- fork, and copies of 4 KiB ----

TEST_F(forks_of_a_space, a_child_has_the_areas_and_frames_of_its_parent_and_no_table) {
    map(pages(100, 20));
    map(pages(200, 20), ro);
    for (std::uint64_t page = 100; page < 110; ++page) ASSERT_EQ(store(parent, page).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    EXPECT_TRUE(
        std::equal(parent.entries().begin(), parent.entries().end(), child.entries().begin(), child.entries().end()));
    EXPECT_EQ(child.resident_pages(), page_count{10});
    EXPECT_EQ(child.tables().table_count(), page_count{0}) << "the table is a cache";
    EXPECT_EQ(policy.frames_held(), 10U);
    EXPECT_EQ(load(child, 105).kind, fault_kind::refill);
    EXPECT_EQ(child.translate(vpn{105})->frame, frame(parent, 105));
    EXPECT_FALSE(can_store(parent, 105)) << "the parent waits to copy as well";
    EXPECT_FALSE(can_store(child, 105));
}

TEST_F(forks_of_a_space, the_first_store_of_either_copies_and_the_last_holder_writes_in_place) {
    map(pages(100, 20));
    ASSERT_EQ(store(parent, 100).outcome, status::ok);
    ASSERT_EQ(store(parent, 101).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    const pfn shared = frame(parent, 100);
    const auto copied = store(child, 100);
    EXPECT_EQ(copied.kind, fault_kind::copy);
    EXPECT_NE(copied.frame, shared);
    EXPECT_EQ(policy.last_request.space, 2U);
    EXPECT_TRUE(can_store(child, 100));
    EXPECT_FALSE(can_store(parent, 100)) << "it has not asked yet";
    const auto reused = store(parent, 100);
    EXPECT_EQ(reused.kind, fault_kind::reuse);
    EXPECT_EQ(reused.frame, shared);
    EXPECT_TRUE(can_store(parent, 100));
    EXPECT_EQ(store(parent, 101).kind, fault_kind::copy) << "the parent may be the first, too";
    EXPECT_EQ(policy.frames_held(), 4U);
}

TEST_F(forks_of_a_space, a_loaded_page_stays_shared_until_it_is_stored_to) {
    map(pages(100, 20));
    ASSERT_EQ(store(parent, 100).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    EXPECT_EQ(load(child, 100).kind, fault_kind::refill);
    EXPECT_EQ(load(child, 100).kind, fault_kind::none);
    EXPECT_EQ(store(child, 100).kind, fault_kind::copy);
    EXPECT_EQ(store(child, 100).kind, fault_kind::none);
}

TEST_F(forks_of_a_space, three_generations_share_a_frame_until_one_is_left) {
    map(pages(100, 20));
    ASSERT_EQ(store(parent, 100).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    ASSERT_EQ(grandchild.fork_of(child), status::ok);
    EXPECT_EQ(family.references().further_holders(frame(parent, 100)), 2U);
    EXPECT_EQ(store(child, 100).kind, fault_kind::copy);
    EXPECT_EQ(store(parent, 100).kind, fault_kind::copy);
    EXPECT_EQ(store(grandchild, 100).kind, fault_kind::reuse);
}

TEST_F(forks_of_a_space, what_one_unmaps_discards_or_protects_the_other_keeps) {
    map(pages(100, 30));
    for (std::uint64_t page = 100; page < 130; ++page) ASSERT_EQ(store(parent, page).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    ASSERT_EQ(parent.unmap(pages(100, 10)), status::ok);
    ASSERT_EQ(child.discard(pages(110, 10)), status::ok);
    ASSERT_EQ(child.protect(pages(120, 5), ro), status::ok);
    EXPECT_EQ(policy.frames_held(), 30U);
    EXPECT_EQ(store(child, 105).kind, fault_kind::reuse);
    EXPECT_EQ(store(child, 115).kind, fault_kind::first_touch);
    EXPECT_EQ(store(child, 122).outcome, status::forbidden);
    ASSERT_EQ(child.protect(pages(120, 5), rw), status::ok);
    EXPECT_EQ(store(child, 122).kind, fault_kind::copy) << "a protection given back does not end the sharing";
}

TEST_F(forks_of_a_space, a_shared_anonymous_area_is_stored_to_by_both) {
    map(pages(100, 20), rw, {.shared = true});
    const pfn first = store(parent, 100).frame;
    ASSERT_EQ(child.fork_of(parent), status::ok);
    EXPECT_EQ(store(child, 100).kind, fault_kind::refill);
    EXPECT_EQ(store(child, 100).frame, first);
    EXPECT_TRUE(can_store(parent, 100));
}

TEST_F(forks_of_a_space, a_fork_without_room_changes_nothing) {
    space_type& few_areas = family.add({.number = 4}, model::company::files, {1, page_count{64}});
    space_type& few_tables = family.add({.number = 5}, model::company::files, {64, page_count{3}});
    map(pages(100, 20));
    map(pages(600, 20), ro);
    ASSERT_EQ(store(parent, 100).outcome, status::ok);
    EXPECT_EQ(few_areas.fork_of(parent), status::out_of_memory);
    EXPECT_EQ(few_tables.fork_of(parent), status::out_of_memory);
    const frame_run held{frame(parent, 100), page_count{1}};
    while (family.references().share(held) == status::ok) continue;
    ASSERT_EQ(parent.map(pages(50, 1), rw, {}, {.grows_up = true}), status::ok);
    ASSERT_EQ(store(parent, 50).outcome, status::ok) << "a page before the one whose count is full";
    EXPECT_EQ(child.fork_of(parent), status::out_of_memory);
    EXPECT_TRUE(child.entries().empty());
    EXPECT_EQ(family.references().further_holders(frame(parent, 50)), 0U);
    EXPECT_TRUE(can_store(parent, 50));
    while (family.references().further_holders(held.first) != 0) family.references().drop(held, [](frame_run) {});
}

TEST_F(forks_of_a_space, a_copy_without_a_frame_or_a_table_changes_nothing) {
    map(pages(100, 20));
    ASSERT_EQ(store(parent, 100).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    policy.refuse_up_to_order = 9;
    EXPECT_EQ(store(child, 100).outcome, status::out_of_memory);
    policy.refuse_up_to_order = -1;
    policy.withheld_tables = model::list_world::most_tables - policy.tables_held() - 2;
    EXPECT_EQ(store(child, 100).outcome, status::out_of_memory) << "its table is empty and needs four";
    EXPECT_EQ(policy.frames_held(), 1U);
    EXPECT_EQ(child.faults(), fault_counters{});
    policy.withheld_tables = 0;
    EXPECT_EQ(store(child, 100).kind, fault_kind::copy);
}

TEST_F(forks_of_a_space, a_table_can_be_filled_at_once_as_far_as_memory_lasts) {
    map(pages(0, 1024));
    ASSERT_EQ(store(parent, 0).outcome, status::ok);
    map(pages(2000, 20));
    ASSERT_EQ(store(parent, 2000).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    ASSERT_EQ(child.fill_table(pages(0, 100)), status::ok) << "the superpage that begins there";
    EXPECT_TRUE(child.translate(vpn{500}));
    EXPECT_FALSE(child.translate(vpn{2000}));
    policy.withheld_tables = model::list_world::most_tables - policy.tables_held();
    EXPECT_EQ(child.fill_table(pages(0, 4096)), status::out_of_memory) << "2000 needs a table of level 1";
    policy.withheld_tables = 0;
    ASSERT_EQ(child.fill_table(pages(0, 4096)), status::ok);
    EXPECT_TRUE(child.translate(vpn{2000}));
    EXPECT_EQ(child.faults().refills, 2U);
}

TEST_F(forks_of_a_space, a_file_page_without_a_cache_stands_for_the_file_and_is_copied_even_by_its_only_holder) {
    space_type& plain_fork = family.add({.number = 7}, model::company::forks);
    ASSERT_EQ(plain_fork.map(pages(0, 10), rw, backing::of_file(1, 0), plain), status::ok);
    ASSERT_EQ(load(plain_fork, 0).kind, fault_kind::first_touch);
    EXPECT_EQ(store(plain_fork, 0).kind, fault_kind::copy);
    plain_fork.exit();
}

// ---- copies of 2 MiB ----

struct superpages_of_a_family : life_of_a_space {
    void SetUp() override {
        map(pages(512, 1024));
        ASSERT_EQ(store(parent, 600).size, superpage_order);
        ASSERT_EQ(child.fork_of(parent), status::ok);
        ASSERT_EQ(parent.resident_superpages() + child.resident_superpages(), 2U);
    }
};

TEST_F(superpages_of_a_family, a_superpage_is_copied_whole_and_then_reused_whole) {
    const pfn before = frame(parent, 512);
    const auto copied = store(child, 600);
    EXPECT_EQ(copied.kind, fault_kind::copy);
    EXPECT_EQ(copied.size, superpage_order);
    EXPECT_EQ(copied.frame, frame(child, 512) + page_count{88});
    EXPECT_NE(frame(child, 512), before);
    EXPECT_EQ(store(parent, 700).kind, fault_kind::reuse);
    EXPECT_EQ(frame(parent, 512), before);
    EXPECT_EQ(parent.resident_superpages() + child.resident_superpages(), 2U);
    EXPECT_EQ(policy.frames_held(), 1024U);
}

TEST_F(superpages_of_a_family, without_a_block_one_page_is_copied_and_the_others_stay_shared) {
    policy.refuse_superpages = true;
    const auto copied = store(child, 600);
    EXPECT_EQ(copied.kind, fault_kind::copy);
    EXPECT_EQ(copied.size, base_order);
    EXPECT_EQ(child.resident_superpages(), 0U);
    EXPECT_EQ(child.faults().demotions, 1U);
    EXPECT_EQ(parent.resident_superpages(), 1U) << "the parent keeps its superpage";
    EXPECT_EQ(policy.frames_held(), 513U);
    EXPECT_EQ(load(child, 601).kind, fault_kind::refill) << "only the copied page is in the child's table";
    const auto kept = store(parent, 600);
    EXPECT_EQ(kept.kind, fault_kind::reuse) << "page 600 is the parent's alone, and so it is split there";
    EXPECT_EQ(kept.size, base_order);
    EXPECT_EQ(store(parent, 601).kind, fault_kind::copy);
}

TEST_F(superpages_of_a_family, a_superpage_of_which_a_part_is_shared_is_copied_whole_and_frees_the_rest) {
    ASSERT_EQ(child.unmap(pages(512, 500)), status::ok);
    EXPECT_EQ(policy.frames_held(), 512U);
    const auto copied = store(parent, 1023);
    EXPECT_EQ(copied.kind, fault_kind::copy);
    EXPECT_EQ(copied.size, superpage_order);
    EXPECT_EQ(policy.frames_held(), 512U + 12U) << "500 frames went back, the child holds twelve";
    EXPECT_EQ(store(child, 1023).kind, fault_kind::reuse);
}

TEST_F(superpages_of_a_family, advice_against_superpages_copies_single_pages) {
    ASSERT_EQ(child.advise(pages(512, 1024), superpage_advice::unwanted), status::ok);
    EXPECT_EQ(child.resident_superpages(), 1U) << "advice alone splits nothing";
    EXPECT_EQ(store(child, 600).size, base_order);
}

TEST_F(superpages_of_a_family, splits_moves_and_discards_of_one_leave_the_counts_right) {
    ASSERT_EQ(child.protect(pages(600, 5), ro), status::ok);
    ASSERT_EQ(child.move(pages(700, 100), pages(5000, 100)), status::ok);
    ASSERT_EQ(child.discard(pages(800, 50)), status::ok);
    EXPECT_EQ(family.audit().label, nullptr);
    EXPECT_EQ(child.translate(vpn{5000}).has_value(), false) << "not cached before, not cached now";
    EXPECT_EQ(frame(child, 5000), frame(parent, 700));
    ASSERT_EQ(parent.unmap(pages(512, 512)), status::ok);
    EXPECT_EQ(policy.frames_held(), 462U);
    EXPECT_EQ(store(child, 5000).kind, fault_kind::reuse);
}

TEST_F(superpages_of_a_family, a_split_without_memory_changes_nothing) {
    policy.refuse_superpages = true;
    ASSERT_EQ(load(child, 600).kind, fault_kind::refill);
    policy.withheld_tables = model::list_world::most_tables;
    EXPECT_EQ(store(child, 600).outcome, status::out_of_memory) << "its table cannot be split";
    EXPECT_EQ(child.resident_superpages(), 1U);
    EXPECT_EQ(policy.frames_held(), 512U);
    policy.withheld_tables = 0;
    policy.refuse_up_to_order = 9;
    EXPECT_EQ(store(child, 600).outcome, status::out_of_memory);
    EXPECT_EQ(child.resident_superpages(), 1U);
    EXPECT_EQ(child.faults().demotions, 0U);
}

TEST_F(superpages_of_a_family, an_object_without_memory_for_the_split_copies_nothing) {
    space_type& poor = family.add({.number = 6}, model::company::files, {64, page_count{3}});
    ASSERT_EQ(poor.fork_of(parent), status::ok) << "three tables hold a superpage";
    policy.refuse_superpages = true;
    EXPECT_EQ(store(poor, 600).outcome, status::out_of_memory);
    EXPECT_EQ(poor.resident_superpages(), 1U);
    EXPECT_EQ(policy.frames_held(), 512U);
    poor.exit();
}

}  // namespace
}  // namespace longreach
