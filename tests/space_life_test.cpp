// SPDX-License-Identifier: MIT
// The life of an address space by example: advice, stacks, exec and exit, and the heap of brk().

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/vm/program_break.hpp>

#include "family_of_spaces.hpp"

namespace longreach {
namespace {

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
