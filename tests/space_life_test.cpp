// SPDX-License-Identifier: MIT
// The life of an address space by example: fork, copies, advice, stacks, exec and exit; and the invariants of sharing
// broken on purpose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/pagetable/vm/program_break.hpp>
#include <vector>

#include "model/space_family.hpp"

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    template <class Space>
    static auto& object(Space& s) {
        return s.object_;
    }
    template <class Space>
    static auto& table(Space& s) {
        return s.table_;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using family_type = model::space_family<model::list_world>;
using space_type = family_type::space_type;

constexpr permissions rw = user_permissions(true, true, false);
constexpr permissions ro = user_permissions(true, false, false);
constexpr area_flags plain{};
constexpr area_flags stack{.grows_down = true};

constexpr page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

struct life_of_a_space : testing::Test {
    void TearDown() override {
        if (!expect_sound) return;
        EXPECT_EQ(family.audit().label, nullptr) << family.audit().where;
        for (space_type* const space : {&parent, &child, &grandchild}) space->exit();
        EXPECT_EQ(policy.frames_held() + policy.tables_held(), 0U) << "nothing is lost";
        EXPECT_EQ(family.references().further_holds(), 0U);
        EXPECT_EQ(family.audit().label, nullptr);
    }

    void map(page_run where, permissions allowed = rw, area_flags flags = plain) {
        ASSERT_EQ(parent.map(where, allowed, {}, flags), status::ok);
    }
    static fault_result<pfn> load(space_type& space, std::uint64_t page) {
        return space.fault(vpn{page}, access_kind::load);
    }
    static fault_result<pfn> store(space_type& space, std::uint64_t page) {
        return space.fault(vpn{page}, access_kind::store);
    }
    static bool can_store(space_type& space, std::uint64_t page) {
        return space.tables().walk(vpn{page}, access_kind::store).outcome == status::ok;
    }
    static pfn frame(const space_type& space, std::uint64_t page) {
        const auto held = *space.object().find(vpn{page});
        return held.frame + (vpn{page} - held.page);
    }

    model::list_world world{16384};
    family_type family{world};
    model::list_world::policy_type& policy = family.policy();
    const space_options stacks{.number = 1, .stack_limit = page_count{2048}};
    space_type& parent = family.add(stacks);
    space_type& child = family.add({.number = 2});
    space_type& grandchild = family.add({.number = 3});
    bool expect_sound = true;
};

// ---- fork, and copies of 4 KiB ----

TEST_F(life_of_a_space, a_child_has_the_areas_and_frames_of_its_parent_and_no_table) {
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

TEST_F(life_of_a_space, the_first_store_of_either_copies_and_the_last_holder_writes_in_place) {
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

TEST_F(life_of_a_space, a_loaded_page_stays_shared_until_it_is_stored_to) {
    map(pages(100, 20));
    ASSERT_EQ(store(parent, 100).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    EXPECT_EQ(load(child, 100).kind, fault_kind::refill);
    EXPECT_EQ(load(child, 100).kind, fault_kind::none);
    EXPECT_EQ(store(child, 100).kind, fault_kind::copy);
    EXPECT_EQ(store(child, 100).kind, fault_kind::none);
}

TEST_F(life_of_a_space, three_generations_share_a_frame_until_one_is_left) {
    map(pages(100, 20));
    ASSERT_EQ(store(parent, 100).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    ASSERT_EQ(grandchild.fork_of(child), status::ok);
    EXPECT_EQ(family.references().further_holders(frame(parent, 100)), 2U);
    EXPECT_EQ(store(child, 100).kind, fault_kind::copy);
    EXPECT_EQ(store(parent, 100).kind, fault_kind::copy);
    EXPECT_EQ(store(grandchild, 100).kind, fault_kind::reuse);
}

TEST_F(life_of_a_space, what_one_unmaps_discards_or_protects_the_other_keeps) {
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

TEST_F(life_of_a_space, a_shared_anonymous_area_is_stored_to_by_both) {
    map(pages(100, 20), rw, {.shared = true});
    const pfn first = store(parent, 100).frame;
    ASSERT_EQ(child.fork_of(parent), status::ok);
    EXPECT_EQ(store(child, 100).kind, fault_kind::refill);
    EXPECT_EQ(store(child, 100).frame, first);
    EXPECT_TRUE(can_store(parent, 100));
}

TEST_F(life_of_a_space, a_fork_without_room_changes_nothing) {
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

TEST_F(life_of_a_space, a_copy_without_a_frame_or_a_table_changes_nothing) {
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

TEST_F(life_of_a_space, a_table_can_be_filled_at_once_as_far_as_memory_lasts) {
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

// ---- advice ----

TEST_F(life_of_a_space, advice_splits_areas_and_merges_them_again) {
    map(pages(0, 3000));
    ASSERT_EQ(parent.advise(pages(1000, 500), superpage_advice::unwanted), status::ok);
    EXPECT_EQ(parent.entries().size(), 3U);
    ASSERT_EQ(parent.advise(pages(1000, 500), superpage_advice::unwanted), status::ok) << "once more changes nothing";
    ASSERT_EQ(parent.advise(pages(1000, 500), superpage_advice::none), status::ok);
    EXPECT_EQ(parent.entries().size(), 1U);
    EXPECT_EQ(parent.advise(pages(2999, 5), superpage_advice::wanted), status::not_mapped);
}

TEST_F(life_of_a_space, always_takes_superpages_but_where_they_are_unwanted) {
    map(pages(0, 2048));
    ASSERT_EQ(parent.advise(pages(512, 512), superpage_advice::unwanted), status::ok);
    EXPECT_EQ(store(parent, 0).size, superpage_order);
    EXPECT_EQ(store(parent, 600).size, base_order);
    EXPECT_EQ(store(parent, 1100).size, superpage_order);
}

TEST_F(life_of_a_space, advised_takes_them_only_where_they_are_wanted_and_never_takes_none) {
    space_type& careful = family.add({.number = 7, .superpages = superpage_use::advised});
    space_type& strict = family.add({.number = 8, .superpages = superpage_use::never});
    for (space_type* const space : {&careful, &strict}) {
        ASSERT_EQ(space->map(pages(0, 2048), rw, {}, plain), status::ok);
        ASSERT_EQ(space->advise(pages(512, 512), superpage_advice::wanted), status::ok);
    }
    EXPECT_EQ(store(careful, 0).size, base_order);
    EXPECT_EQ(store(careful, 600).size, superpage_order);
    EXPECT_EQ(store(strict, 600).size, base_order);
    careful.exit();
    strict.exit();
}

// ---- stacks ----

TEST_F(life_of_a_space, a_fault_below_a_stack_extends_it_up_to_its_limit) {
    map(pages(10000, 10), rw, stack);
    EXPECT_EQ(store(parent, 9995).kind, fault_kind::first_touch);
    EXPECT_EQ(parent.find(vpn{9995})->pages, pages(9995, 15));
    EXPECT_EQ(policy.last_request.area, pages(9995, 15)) << "the policy hears of the area as it becomes";
    EXPECT_EQ(parent.faults().extensions, 1U);
    EXPECT_EQ(store(parent, 10010 - 2049).outcome, status::not_mapped) << "one page beyond the limit of 2048";
    EXPECT_EQ(store(parent, 10010 - 2048).outcome, status::ok);
    EXPECT_EQ(parent.entries().size(), 1U);
}

TEST_F(life_of_a_space, only_a_stack_whose_protection_allows_it_grows_and_only_with_a_frame) {
    map(pages(10000, 10), ro, stack);
    map(pages(20000, 10));
    EXPECT_EQ(store(parent, 9999).outcome, status::forbidden);
    EXPECT_EQ(store(parent, 19999).outcome, status::not_mapped);
    policy.refuse_up_to_order = 9;
    EXPECT_EQ(load(parent, 9999).outcome, status::out_of_memory);
    EXPECT_EQ(parent.find(vpn{9999}), nullptr) << "nothing is half done";
    policy.refuse_up_to_order = -1;
    EXPECT_EQ(load(child, 9999).outcome, status::not_mapped);
}

TEST_F(life_of_a_space, a_stack_that_reaches_another_of_its_kind_becomes_one_with_it) {
    map(pages(9000, 10), rw, stack);
    map(pages(9020, 10), rw, stack);
    ASSERT_EQ(store(parent, 9010).outcome, status::ok);
    EXPECT_EQ(parent.find(vpn{9000})->pages, pages(9000, 30));
    EXPECT_EQ(policy.last_request.area, pages(9000, 30));
}

TEST_F(life_of_a_space, the_policy_hears_of_every_frame_whether_other_faults_of_the_area_are_being_served) {
    map(pages(10000, 10), rw, stack);
    for (const bool alone : {false, true}) {
        policy.last_request.alone = !alone;
        const std::uint64_t top = alone ? 9990 : 10000;
        ASSERT_EQ(parent.fault(vpn{top - 2}, access_kind::store, alone).kind, fault_kind::first_touch);
        EXPECT_EQ(policy.last_request.alone, alone) << "of one that extends the area";
        policy.last_request.alone = !alone;
        ASSERT_EQ(parent.fault(vpn{top - 1}, access_kind::store, alone).kind, fault_kind::first_touch);
        EXPECT_EQ(policy.last_request.alone, alone);
        child.exit();
        ASSERT_EQ(child.fork_of(parent), status::ok);
        policy.last_request.alone = !alone;
        ASSERT_EQ(parent.fault(vpn{top - 1}, access_kind::store, alone).kind, fault_kind::copy);
        EXPECT_EQ(policy.last_request.alone, alone) << "of a copy";
    }
}

// ---- exec and exit ----

TEST_F(life_of_a_space, exec_leaves_nothing_and_goes_on_under_another_number) {
    map(pages(0, 2000));
    ASSERT_EQ(store(parent, 0).outcome, status::ok);
    ASSERT_EQ(store(parent, 1999).outcome, status::ok);
    parent.exec(9);
    EXPECT_EQ(policy.frames_held() + policy.tables_held(), 0U);
    EXPECT_EQ(policy.released_pages, 2000U + space_type::table_type::all_pages().count.raw)
        << "first the area, then the whole space";
    EXPECT_TRUE(parent.entries().empty());
    map(pages(0, 10));
    ASSERT_EQ(store(parent, 0).outcome, status::ok);
    EXPECT_EQ(policy.last_request.space, 9U);
}

TEST_F(life_of_a_space, a_child_that_ends_leaves_its_parent_all_it_had) {
    map(pages(0, 1024));
    ASSERT_EQ(store(parent, 0).size, superpage_order);
    ASSERT_EQ(store(parent, 600).size, superpage_order);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    ASSERT_EQ(store(child, 0).kind, fault_kind::copy);
    child.exit();
    EXPECT_EQ(policy.frames_held(), 1024U);
    EXPECT_EQ(store(parent, 0).kind, fault_kind::reuse);
    EXPECT_EQ(store(parent, 600).kind, fault_kind::reuse);
    EXPECT_EQ(parent.resident_superpages(), 2U);
}

TEST_F(life_of_a_space, a_parent_that_ends_leaves_its_child_all_it_had) {
    map(pages(0, 1024));
    ASSERT_EQ(store(parent, 0).size, superpage_order);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    parent.exec(4);
    EXPECT_EQ(policy.frames_held(), 512U);
    EXPECT_EQ(store(child, 0).kind, fault_kind::reuse);
}

// ---- a space that shares nothing ----

TEST_F(life_of_a_space, a_file_page_without_a_cache_stands_for_the_file_and_is_copied_even_by_its_only_holder) {
    space_type& plain_fork = family.add({.number = 7}, model::company::forks);
    ASSERT_EQ(plain_fork.map(pages(0, 10), rw, backing::of_file(1, 0), plain), status::ok);
    ASSERT_EQ(load(plain_fork, 0).kind, fault_kind::first_touch);
    EXPECT_EQ(store(plain_fork, 0).kind, fault_kind::copy);
    plain_fork.exit();
}

// ---- audits ----

TEST_F(life_of_a_space, I4_a_frame_twice_in_a_space_that_counts_one_holder_is_found) {
    expect_sound = false;
    map(pages(0, 10));
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    ASSERT_EQ(store(parent, 2).outcome, status::ok);
    const pfn same = frame(parent, 1);
    const auto change = [&](auto held) {
        held.frame = same;
        return held;
    };
    corrupt::object(parent).rewrite(pages(2, 1), change);
    corrupt::table(parent).rewrite(pages(2, 1), change);
    EXPECT_STREQ(parent.audit().label, "address_space.I4");
}

TEST_F(life_of_a_space, I6_a_shared_area_with_a_page_that_waits_to_be_copied_is_found) {
    expect_sound = false;
    map(pages(0, 10), rw, {.shared = true});
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    const auto change = [](auto held) {
        held.attributes.allowed.write = false;
        return held;
    };
    corrupt::object(parent).rewrite(pages(1, 1), change);
    corrupt::table(parent).rewrite(pages(1, 1), change);
    EXPECT_STREQ(parent.audit().label, "address_space.I6");
}

TEST_F(life_of_a_space, I7_a_private_page_that_can_be_stored_to_while_others_hold_it_is_found) {
    expect_sound = false;
    map(pages(0, 10));
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    const auto change = [](auto held) {
        held.attributes.allowed.write = true;
        return held;
    };
    corrupt::object(parent).rewrite(pages(1, 1), change);
    corrupt::table(parent).rewrite(pages(1, 1), change);
    EXPECT_STREQ(parent.audit().label, "address_space.I7");
}

TEST_F(life_of_a_space, I8_a_shared_file_page_with_another_frame_than_the_cache_is_found) {
    expect_sound = false;
    ASSERT_EQ(family.cache().open(0, page_count{10}), status::ok);
    ASSERT_EQ(parent.map(pages(0, 10), rw, backing::of_file(0, 0), {.shared = true}), status::ok);
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    const pfn other = *family.cache().resident(0, 2);
    const auto change = [&](auto held) {
        held.frame = other;
        return held;
    };
    corrupt::object(parent).rewrite(pages(1, 1), change);
    corrupt::table(parent).rewrite(pages(1, 1), change);
    EXPECT_STREQ(parent.audit().label, "address_space.I8");
}

// ---- the heap of brk() ----

struct heap : life_of_a_space {
    program_break<space_type> top{parent, vpn{1000}, page_count{5000}};
};

TEST_F(heap, grows_and_shrinks_as_one_area) {
    for (unsigned i = 0; i < 20; ++i) ASSERT_EQ(top.grow(page_count{33}), status::ok);
    EXPECT_EQ(top.pages(), pages(1000, 660));
    EXPECT_EQ(parent.entries().size(), 1U);
    ASSERT_EQ(store(parent, 1600).outcome, status::ok);
    EXPECT_TRUE(policy.last_request.grows_up);
    ASSERT_EQ(top.shrink(page_count{160}), status::ok);
    EXPECT_EQ(top.end(), vpn{1500});
    EXPECT_EQ(parent.find(vpn{1600}), nullptr);
    ASSERT_EQ(top.set(vpn{1000}), status::ok);
    EXPECT_TRUE(parent.entries().empty());
}

TEST_F(heap, stays_between_its_start_and_its_limit) {
    EXPECT_EQ(top.set(vpn{999}), status::out_of_range);
    EXPECT_EQ(top.grow(page_count{5001}), status::out_of_range);
    EXPECT_EQ(top.grow(page_count{~std::uint64_t{0}}), status::out_of_range);
    ASSERT_EQ(top.grow(page_count{5000}), status::ok);
    EXPECT_EQ(top.shrink(page_count{5001}), status::out_of_range);
    EXPECT_EQ(top.end(), vpn{6000});
}

TEST_F(heap, does_not_grow_over_another_area_nor_without_memory) {
    map(pages(1100, 10));
    ASSERT_EQ(top.grow(page_count{100}), status::ok);
    EXPECT_EQ(top.grow(page_count{1}), status::occupied);
    EXPECT_EQ(top.end(), vpn{1100});
    EXPECT_NE(parent.find(vpn{1100}), nullptr);
    space_type& full = family.add({.number = 8}, model::company::files, {1, page_count{64}});
    ASSERT_EQ(full.map(pages(0, 10), ro, {}, plain), status::ok);
    program_break<space_type> other(full, vpn{1000}, page_count{5000});
    EXPECT_EQ(other.grow(page_count{1}), status::out_of_memory);
    EXPECT_EQ(other.end(), vpn{1000});
    full.exit();
}

TEST_F(heap, of_a_child_goes_its_own_way) {
    ASSERT_EQ(top.grow(page_count{100}), status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    program_break<space_type> childs(child, top);
    ASSERT_EQ(childs.grow(page_count{50}), status::ok);
    EXPECT_EQ(childs.pages(), pages(1000, 150));
    EXPECT_EQ(top.pages(), pages(1000, 100));
    EXPECT_EQ(parent.find(vpn{1120}), nullptr);
}

}  // namespace
}  // namespace longreach
