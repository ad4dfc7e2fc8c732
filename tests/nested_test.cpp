// SPDX-License-Identifier: MIT
// The nested walk: how many references it makes, which, and what it answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <longreach/pagetable/nested.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <ostream>
#include <tuple>
#include <vector>

#include "model/paging.hpp"

namespace longreach {
namespace {

using model::guest_paging;
using model::host_paging;
using model::open_leaf;

template <class Guest, class Host>
concept nestable = requires(Guest& guest, Host& host) {
    nested_walk<Guest, Host>(guest, host);
};

using guest_table = guest_paging::table_type;
using host_table = host_paging::table_type;
using native_table = model::native_paging::table_type;
static_assert(nestable<guest_table, host_table>);
static_assert(!nestable<host_table, guest_table>, "the dimensions in the wrong order must not compile");
static_assert(!nestable<native_table, host_table> && !nestable<guest_table, native_table>);
static_assert(!nestable<guest_table, guest_table> && !nestable<host_table, host_table>);

constexpr vpn somewhere{(std::uint64_t{3} << 18) + (5 << 9) + 7};

/// A guest that maps `somewhere` by one leaf, in a host that maps all of it, tables included, by leaves of one size.
template <class GuestFormat, class HostFormat>
struct machine {
    model::paging<vpn, gfn, GuestFormat> guest{64};
    model::paging<gfn, pfn, HostFormat> host{600};

    machine(order guest_leaf, order host_leaf) {
        const gfn target{std::uint64_t{1} << 18};
        EXPECT_EQ(guest.map(align_down(somewhere, guest_leaf), target, guest_leaf, open_leaf), status::ok);
        // Guest frames 0 to 63 hold its tables; the leaf lies at 1 GiB.
        const page_count size = host_leaf.pages() < page_count{512} ? page_count{512} : host_leaf.pages();
        EXPECT_EQ(host.map_run({gfn{0}, size}, pfn{std::uint64_t{2} << 18}, host_leaf, open_leaf), status::ok);
        EXPECT_EQ(host.map_run({target, giant_order.pages()}, pfn{std::uint64_t{8} << 18}, host_leaf, open_leaf),
                  status::ok);
    }
};

unsigned levels_walked(unsigned levels, order leaf) { return levels - leaf.raw / 9; }

class leaf_sizes : public testing::TestWithParam<std::tuple<unsigned, unsigned>> {};

TEST_P(leaf_sizes, a_nested_walk_makes_g_h_plus_g_plus_h_references) {
    const order guest_leaf{9 * std::get<0>(GetParam())};
    const order host_leaf{9 * std::get<1>(GetParam())};
    machine<x86_64<4>, x86_64<4>> vm(guest_leaf, host_leaf);
    nested_walk walker(vm.guest.tables(), vm.host.tables());
    std::vector<nested_reference> seen;
    const nested_result result =
        walker.walk(somewhere, access_kind::store, [&](const nested_reference& r) { seen.push_back(r); });

    const unsigned expected[3][3] = {{24, 19, 14}, {19, 15, 11}, {14, 11, 8}};
    const unsigned g = levels_walked(4, guest_leaf);
    const unsigned h = levels_walked(4, host_leaf);
    EXPECT_EQ(result.references, expected[std::get<0>(GetParam())][std::get<1>(GetParam())]);
    EXPECT_EQ(result.references, g * h + g + h);
    EXPECT_EQ(seen.size(), result.references);
    ASSERT_EQ(result.outcome, status::ok);
    EXPECT_EQ(result.found->size, guest_leaf < host_leaf ? guest_leaf : host_leaf);
    const page_count inside = somewhere - align_down(somewhere, guest_leaf);
    EXPECT_EQ(result.found->frame, pfn{std::uint64_t{8} << 18} + inside);
    EXPECT_EQ(walker.translate(somewhere)->frame, result.found->frame);
}

INSTANTIATE_TEST_SUITE_P(all_nine_pairs, leaf_sizes,
                         testing::Combine(testing::Values(0U, 1U, 2U), testing::Values(0U, 1U, 2U)));

TEST(nested, five_levels_over_five_levels_make_35_references) {
    machine<x86_64<5>, x86_64<5>> vm(base_order, base_order);
    nested_walk walker(vm.guest.tables(), vm.host.tables());
    EXPECT_EQ(walker.walk(somewhere, access_kind::load).references, 35U);
    EXPECT_EQ(decltype(walker)::max_references, 35U);
}

TEST(nested, a_native_walk_makes_4_3_and_2_references) {
    for (const unsigned size : {0U, 9U, 18U}) {
        model::native_paging native(8);
        ASSERT_EQ(native.map(align_down(somewhere, order{size}), pfn{0}, order{size}, open_leaf), status::ok);
        EXPECT_EQ(native.tables().walk(somewhere, access_kind::load).trace.count, 4 - size / 9);
    }
}

TEST(nested, references_come_in_order_and_name_the_entry_that_was_read) {
    machine<x86_64<4>, x86_64<4>> vm(base_order, superpage_order);
    nested_walk walker(vm.guest.tables(), vm.host.tables());
    std::vector<nested_reference> seen;
    (void)walker.walk(somewhere, access_kind::load, [&](const nested_reference& r) { seen.push_back(r); });

    const auto guest_trace = vm.guest.tables().trace(somewhere);
    std::size_t at = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const reference<gfn>& step = guest_trace.references[i];
        const auto host_trace = vm.host.tables().trace(step.table);
        for (unsigned j = 0; j < 3; ++j, ++at) {
            EXPECT_EQ(seen[at].of, dimension::host);
            EXPECT_EQ(seen[at].level, 4 - j);
            EXPECT_EQ(seen[at].translated, step.table);
            EXPECT_EQ(seen[at].table, host_trace.references[j].table);
            EXPECT_EQ(seen[at].index, host_trace.references[j].index);
        }
        EXPECT_EQ(seen[at],
                  (nested_reference{dimension::guest, 4 - i, host_trace.found->frame, step.index, step.table}));
        ++at;
    }
    for (; at < seen.size(); ++at) EXPECT_EQ(seen[at].translated, guest_trace.found->frame);
}

TEST(nested, a_page_that_the_guest_does_not_map_is_the_guests_fault) {
    machine<x86_64<4>, x86_64<4>> vm(base_order, base_order);
    nested_walk walker(vm.guest.tables(), vm.host.tables());
    const nested_result near = walker.walk(somewhere + page_count{1}, access_kind::load);
    EXPECT_EQ(near.outcome, status::not_mapped);
    EXPECT_EQ(near.refused_by, dimension::guest);
    EXPECT_EQ(near.references, 20U) << "all four levels of the guest are read, each after a host walk";
    const vpn far{std::uint64_t{100} << 27};
    EXPECT_EQ(walker.walk(far, access_kind::load).references, 5U) << "the root already says that nothing is there";
    EXPECT_FALSE(walker.translate(far));
}

TEST(nested, a_guest_frame_that_the_host_does_not_map_is_named) {
    machine<x86_64<4>, x86_64<4>> vm(base_order, base_order);
    nested_walk walker(vm.guest.tables(), vm.host.tables());
    const gfn target = vm.guest.tables().translate(somewhere)->frame;
    ASSERT_EQ(vm.host.unmap({target, page_count{1}}), status::ok);
    const nested_result data = walker.walk(somewhere, access_kind::load);
    EXPECT_EQ(data.outcome, status::not_mapped);
    EXPECT_EQ(data.refused_by, dimension::host);
    EXPECT_EQ(data.missing, target);

    const gfn root = *vm.guest.tables().root();
    ASSERT_EQ(vm.host.unmap({root, page_count{1}}), status::ok);
    const nested_result table = walker.walk(somewhere, access_kind::load);
    EXPECT_EQ(table.refused_by, dimension::host);
    EXPECT_EQ(table.missing, root) << "the guest's own tables need host frames as well";
    EXPECT_FALSE(vm.guest.tables().translate(somewhere)->attributes.accessed)
        << "a walk that fails marks no guest page";
}

TEST(nested, permissions_are_what_both_dimensions_allow) {
    machine<x86_64<4>, x86_64<4>> vm(base_order, base_order);
    nested_walk walker(vm.guest.tables(), vm.host.tables());
    ASSERT_EQ(vm.guest.protect({somewhere, page_count{1}}, user_permissions(true, true, false)), status::ok);
    EXPECT_EQ(walker.walk(somewhere, access_kind::fetch).outcome, status::forbidden);
    EXPECT_EQ(walker.walk(somewhere, access_kind::fetch).refused_by, dimension::guest);

    const gfn target = vm.guest.tables().translate(somewhere)->frame;
    ASSERT_EQ(vm.host.protect({target, page_count{1}}, user_permissions(true, false, true)), status::ok);
    EXPECT_EQ(walker.translate(somewhere)->attributes.allowed, user_permissions(true, false, false));
    const nested_result store = walker.walk(somewhere, access_kind::store);
    EXPECT_EQ(store.outcome, status::forbidden);
    EXPECT_EQ(store.refused_by, dimension::host);
    EXPECT_EQ(store.missing, target);
}

TEST(nested, a_translation_is_contiguous_only_where_both_dimensions_are) {
    for (const bool guest : {false, true}) {
        for (const bool host : {false, true}) {
            guest_paging g(8);
            host_paging h(8);
            ASSERT_EQ(g.map(somewhere, gfn{100}, base_order, {all_permissions, guest}), status::ok);
            ASSERT_EQ(h.map(gfn{100}, pfn{9}, base_order, {all_permissions, host}), status::ok);
            nested_walk walker(g.tables(), h.tables());
            EXPECT_EQ(walker.translate(somewhere)->attributes.contiguous, guest && host);
        }
    }
}

TEST(nested, a_store_dirties_the_page_in_both_dimensions_and_the_guests_tables_in_the_host) {
    machine<x86_64<4>, x86_64<4>> vm(base_order, base_order);
    nested_walk walker(vm.guest.tables(), vm.host.tables());
    const gfn target = vm.guest.tables().translate(somewhere)->frame;
    ASSERT_EQ(walker.walk(somewhere, access_kind::load).outcome, status::ok);
    EXPECT_FALSE(vm.host.tables().translate(target)->attributes.dirty);
    EXPECT_TRUE(vm.host.tables().translate(*vm.guest.tables().root())->attributes.dirty);
    const nested_result stored = walker.walk(somewhere, access_kind::store);
    EXPECT_TRUE(stored.found->attributes.dirty);
    EXPECT_TRUE(vm.host.tables().translate(target)->attributes.dirty);
    EXPECT_TRUE(vm.guest.tables().translate(somewhere)->attributes.dirty);
}

}  // namespace
}  // namespace longreach
