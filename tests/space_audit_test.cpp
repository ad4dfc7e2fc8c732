// SPDX-License-Identifier: MIT
// The audit of an address space: each invariant broken on purpose, of a space alone and of one that shares.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>

#include "family_of_spaces.hpp"
#include "lone_space.hpp"

namespace longreach {
namespace {

struct space_audit : lone_space {
    space_audit() { expect_sound = false; }
};
struct family_audit : life_of_a_space {
    family_audit() { expect_sound = false; }
};

/// Changes the leaf of a page in the object and in the table alike.
template <class Space, class Change>
void change_leaf(Space& space, std::uint64_t page, Change change) {
    const auto changed = [&](auto held) {
        change(held);
        return held;
    };
    corrupt::object(space).rewrite(pages(page, 1), changed);
    corrupt::table(space).rewrite(pages(page, 1), changed);
}

// ---- a space alone ----

TEST_F(space_audit, entries_I1_an_empty_or_overlapping_area_is_found) {
    map(pages(0, 10));
    map(pages(20, 10));
    owned.entries[1].pages = pages(5, 10);
    EXPECT_STREQ(space.audit().label, "map_entries.I1");
    owned.entries[1].pages = pages(20, 0);
    EXPECT_STREQ(space.audit().label, "map_entries.I1");
}

TEST_F(space_audit, entries_I2_areas_that_should_be_one_are_found) {
    map(pages(0, 10));
    map(pages(10, 10), ro);
    owned.entries[1].allowed = rw;
    EXPECT_STREQ(space.audit().label, "map_entries.I2");
}

TEST_F(space_audit, entries_I3_an_area_that_contradicts_itself_is_found) {
    map(pages(0, 10));
    owned.entries[0].allowed.user = false;
    EXPECT_STREQ(space.audit().label, "map_entries.I3");
    owned.entries[0].allowed.user = true;
    owned.entries[0].source.file = 4;
    EXPECT_STREQ(space.audit().label, "map_entries.I3");
}

TEST_F(space_audit, object_I1_a_table_that_the_pool_gave_out_and_no_page_uses_is_found) {
    map(pages(0, 10));
    touch(pages(5, 1));
    ASSERT_TRUE(corrupt::pool(corrupt::object(space)).allocate_table());
    EXPECT_STREQ(space.audit().label, "memory_object.I1");
}

TEST_F(space_audit, I1_a_resident_page_outside_every_area_is_found) {
    map(pages(0, 10));
    touch(pages(5, 5));
    owned.entries[0].pages = pages(0, 8);
    EXPECT_STREQ(space.audit().label, "address_space.I1");
}

TEST_F(space_audit, I2_a_table_leaf_that_is_not_resident_is_found) {
    map(pages(0, 10));
    touch(pages(5, 1));
    ASSERT_EQ(corrupt::table(space).map(vpn{6}, pfn{9}, base_order, {rw}, policy), status::ok);
    EXPECT_STREQ(space.audit().label, "address_space.I2");
}

TEST_F(space_audit, I2_a_table_leaf_with_another_frame_is_found) {
    map(pages(0, 10));
    touch(pages(5, 1));
    corrupt::table(space).rewrite(pages(5, 1), [](leaf<vpn, pfn> l) {
        l.frame += page_count{1};
        return l;
    });
    EXPECT_STREQ(space.audit().label, "address_space.I2");
}

TEST_F(space_audit, I3_a_table_leaf_that_allows_too_much_is_found) {
    map(pages(0, 10), ro);
    touch(pages(5, 1), access_kind::load);
    ASSERT_EQ(corrupt::table(space).protect(pages(5, 1), rw, policy), status::ok);
    EXPECT_STREQ(space.audit().label, "address_space.I3");
}

TEST_F(space_audit, I4_a_frame_that_is_held_twice_is_found) {
    map(pages(0, 100));
    touch(pages(5, 1));
    touch(pages(50, 1));
    const pfn shared = frame(5);
    change_leaf(space, 50, [&](auto& held) { held.frame = shared; });
    EXPECT_STREQ(space.audit().label, "address_space.I4");
}

TEST_F(space_audit, I5_a_wrong_contiguity_bit_is_found) {
    map(pages(0, 100));
    touch(pages(5, 1));
    change_leaf(space, 5, [](auto& held) { held.attributes.contiguous = true; });
    EXPECT_STREQ(space.audit().label, "address_space.I5");
}

TEST_F(space_audit, I6_an_anonymous_page_that_waits_to_be_copied_is_found) {
    map(pages(0, 100), ro);
    touch(pages(5, 1), access_kind::load);
    corrupt::object(space).rewrite(pages(5, 1), [](leaf<vpn, pfn> l) {
        l.attributes.allowed.write = false;
        return l;
    });
    EXPECT_STREQ(space.audit().label, "address_space.I6");
}

// ---- a space that shares ----

TEST_F(family_audit, I4_a_frame_twice_in_a_space_that_counts_one_holder_is_found) {
    map(pages(0, 10));
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    ASSERT_EQ(store(parent, 2).outcome, status::ok);
    const pfn same = frame(parent, 1);
    change_leaf(parent, 2, [&](auto& held) { held.frame = same; });
    EXPECT_STREQ(parent.audit().label, "address_space.I4");
}

TEST_F(family_audit, I6_a_shared_area_with_a_page_that_waits_to_be_copied_is_found) {
    map(pages(0, 10), rw, {.shared = true});
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    change_leaf(parent, 1, [](auto& held) { held.attributes.allowed.write = false; });
    EXPECT_STREQ(parent.audit().label, "address_space.I6");
}

TEST_F(family_audit, I7_a_private_page_that_can_be_stored_to_while_others_hold_it_is_found) {
    map(pages(0, 10));
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    ASSERT_EQ(child.fork_of(parent), status::ok);
    change_leaf(parent, 1, [](auto& held) { held.attributes.allowed.write = true; });
    EXPECT_STREQ(parent.audit().label, "address_space.I7");
}

TEST_F(family_audit, I8_a_shared_file_page_with_another_frame_than_the_cache_is_found) {
    ASSERT_EQ(family.cache().open(0, page_count{10}), status::ok);
    ASSERT_EQ(parent.map(pages(0, 10), rw, backing::of_file(0, 0), {.shared = true}), status::ok);
    ASSERT_EQ(store(parent, 1).outcome, status::ok);
    const pfn other = *family.cache().resident(0, 2);
    change_leaf(parent, 1, [&](auto& held) { held.frame = other; });
    EXPECT_STREQ(parent.audit().label, "address_space.I8");
}

}  // namespace
}  // namespace longreach
