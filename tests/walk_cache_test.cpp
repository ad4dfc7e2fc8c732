// SPDX-License-Identifier: MIT
// Walks and what shortens them: the references of every pair of leaf sizes, upper entries, nested TLB.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <longreach/pagetable/nested.hpp>
#include <longreach/spot/native_walker.hpp>
#include <longreach/spot/nested_walker.hpp>
#include <longreach/spot/walk_cache.hpp>
#include <string>
#include <type_traits>

#include "model/paging.hpp"

LONGREACH_NAMESPACE_BEGIN

/// Breaks what the audits promise to find.
struct corrupt {
    template <class Tlb>
    static void miscount(Tlb& tlb) {
        ++tlb.entries_;
    }
    template <class Cache>
    static auto& level(Cache& cache, std::size_t index) {
        return cache.levels_[index];
    }
    template <class Walker>
    static auto& upper(Walker& walker) {
        return walker.upper_;
    }
    template <class Walker>
    static auto& host_upper(Walker& walker) {
        return walker.host_upper_;
    }
    template <class Walker>
    static auto& nested(Walker& walker) {
        return walker.nested_;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using model::open_leaf;

constexpr std::array sizes{base_order, superpage_order, giant_order};
constexpr gfn guest_data{std::uint64_t{8} << 18};  // guest frames of the data; its tables lie from frame 0 on
constexpr pfn host_data{std::uint64_t{64} << 18};

std::string label(violation v) { return v ? v.label : ""; }

/// A guest that maps one leaf, in a host that maps the guest's tables and that leaf.
template <class Format = x86_64<4>>
struct virtual_machine {
    model::paging<vpn, gfn, Format> guest{16};
    model::paging<gfn, pfn, Format> host{64};

    virtual_machine(order guest_size, order host_size, vpn page = vpn{0}, permissions guest_allows = all_permissions,
                    permissions host_allows = all_permissions) {
        EXPECT_EQ(guest.map(page, guest_data, guest_size, {guest_allows, true}), status::ok);
        const std::uint64_t tables = host_size == base_order ? 16 : host_size.pages().raw;
        EXPECT_EQ(host.map_run({gfn{0}, {tables}}, host_data, host_size, open_leaf), status::ok);
        const std::uint64_t data = host_size == base_order ? 1 : host_size.pages().raw;
        EXPECT_EQ(host.map_run({guest_data, {data}}, host_data + giant_order.pages(), host_size, {host_allows, true}),
                  status::ok);
    }
    using guest_table = typename model::paging<vpn, gfn, Format>::table_type;
    using host_table = typename model::paging<gfn, pfn, Format>::table_type;
    template <walk_profile Profile = no_walk_caches>
    using walker = nested_walker<guest_table, host_table, Profile>;
};

template <class Walker>
std::uint64_t references(Walker& walker, typename Walker::page page, access_kind kind = access_kind::load) {
    const auto answer = walker.walk(page, kind);
    EXPECT_EQ(answer.end, walk_end::ok);
    EXPECT_FALSE(walker.audit());
    return answer.references.total();
}

// ---------------------------------------------------------------------------------- every cache off

TEST(walkReferences, natively_there_is_one_per_level) {
    const std::array<std::uint64_t, 3> expected{4, 3, 2};
    for (std::size_t i = 0; i < 3; ++i) {
        model::native_paging native(8);
        ASSERT_EQ(native.map(vpn{0}, host_data, sizes[i], open_leaf), status::ok);
        native_walker walker(native.tables());
        EXPECT_EQ(references(walker, vpn{0}), expected[i]);
        EXPECT_EQ(references(walker, vpn{0}), expected[i]) << "nothing was remembered";
        EXPECT_EQ(walker.cached_entries(), 0U);
    }
}

TEST(walkReferences, nested_walks_make_exactly_gTimes_hPlus_gPlus_hFor_all_nine_pairs) {
    const std::array<std::array<std::uint64_t, 3>, 3> expected{{{24, 19, 14}, {19, 15, 11}, {14, 11, 8}}};
    for (std::size_t g = 0; g < 3; ++g) {
        for (std::size_t h = 0; h < 3; ++h) {
            virtual_machine machine(sizes[g], sizes[h]);
            virtual_machine<>::walker<> walker(machine.guest.tables(), machine.host.tables());
            EXPECT_EQ(references(walker, vpn{0}), expected[g][h]) << g << " in " << h;
            EXPECT_EQ(references(walker, vpn{0}), expected[g][h]) << "nothing was remembered";

            nested_walk plain(machine.guest.tables(), machine.host.tables());
            const nested_result other = plain.walk(vpn{0}, access_kind::load);
            EXPECT_EQ(other.references, expected[g][h]) << "the table floor's own walk agrees";
        }
    }
}

TEST(walkReferences, five_levels_in_five_make35) {
    virtual_machine<x86_64<5>> machine(base_order, base_order);
    virtual_machine<x86_64<5>>::walker<> walker(machine.guest.tables(), machine.host.tables());
    EXPECT_EQ(references(walker, vpn{0}), 35U);
}

TEST(walkReferences, are_counted_by_kind) {
    virtual_machine machine(base_order, superpage_order);
    virtual_machine<>::walker<> walker(machine.guest.tables(), machine.host.tables());
    const reference_counts counts = walker.walk(vpn{0}, access_kind::load).references;
    EXPECT_EQ(counts[reference_kind::upper], 3U);
    EXPECT_EQ(counts[reference_kind::leaf], 1U);
    EXPECT_EQ(counts[reference_kind::host_upper], 5U * 2);
    EXPECT_EQ(counts[reference_kind::host_leaf_of_table], 4U);
    EXPECT_EQ(counts[reference_kind::host_leaf_of_data], 1U);
}

// ------------------------------------------------------------------------------------- what they say

TEST(nestedWalker, the_leaf_is_the_smaller_one_at_the_composed_frame) {
    for (const order g : sizes) {
        for (const order h : sizes) {
            virtual_machine machine(g, h);
            virtual_machine<>::walker<> walker(machine.guest.tables(), machine.host.tables());
            const auto answer = walker.walk(vpn{0}, access_kind::store);
            ASSERT_EQ(answer.end, walk_end::ok);
            EXPECT_EQ(answer.entry.size, g < h ? g : h);
            EXPECT_EQ(answer.entry.page, vpn{0});
            EXPECT_EQ(answer.entry.frame, host_data + giant_order.pages());
            EXPECT_TRUE(answer.entry.attributes.contiguous);
        }
    }
}

TEST(nestedWalker, swapped_dimensions_do_not_compile) {
    using machine = virtual_machine<>;
    const auto accepts = []<class G, class H>(G*, H*) {
        return requires { typename nested_walker<G, H>; };
    };
    EXPECT_TRUE(accepts(static_cast<machine::guest_table*>(nullptr), static_cast<machine::host_table*>(nullptr)));
    EXPECT_FALSE(accepts(static_cast<machine::host_table*>(nullptr), static_cast<machine::guest_table*>(nullptr)));
}

TEST(nestedWalker, faults_name_the_dimension_and_the_guest_frame) {
    virtual_machine machine(base_order, base_order);
    virtual_machine<>::walker<default_walk_caches> walker(machine.guest.tables(), machine.host.tables());
    EXPECT_EQ(walker.walk(vpn{1}, access_kind::load).end, walk_end::not_mapped);

    ASSERT_EQ(machine.host.unmap({guest_data, {1}}), status::ok);
    auto answer = walker.walk(vpn{0}, access_kind::load);
    EXPECT_EQ(answer.end, walk_end::host_not_mapped);
    EXPECT_EQ(answer.host_page, guest_data);

    const auto guest_tables = machine.guest.tables().trace(vpn{0});
    ASSERT_EQ(machine.host.unmap({guest_tables.references[1].table, {1}}), status::ok);
    answer = walker.walk(vpn{0}, access_kind::load);
    EXPECT_EQ(answer.end, walk_end::host_not_mapped);
    EXPECT_EQ(answer.host_page, guest_tables.references[1].table);
    EXPECT_EQ(walker.cached_entries(), 0U) << "walks that fault leave no trace";
}

TEST(nestedWalker, both_dimensions_have_to_allow_the_access) {
    constexpr permissions read_only{true, false, false, true};
    virtual_machine guest_refuses(base_order, base_order, vpn{0}, read_only);
    virtual_machine<>::walker<> first(guest_refuses.guest.tables(), guest_refuses.host.tables());
    EXPECT_EQ(first.walk(vpn{0}, access_kind::store).end, walk_end::forbidden);
    EXPECT_EQ(first.walk(vpn{0}, access_kind::load).end, walk_end::ok);

    virtual_machine host_refuses(base_order, base_order, vpn{0}, all_permissions, read_only);
    virtual_machine<>::walker<> second(host_refuses.guest.tables(), host_refuses.host.tables());
    const auto answer = second.walk(vpn{0}, access_kind::store);
    EXPECT_EQ(answer.end, walk_end::host_forbidden);
    EXPECT_EQ(answer.host_page, guest_data);
    EXPECT_EQ(second.walk(vpn{0}, access_kind::load).entry.attributes.allowed, read_only);
}

TEST(nestedWalker, a_guest_table_that_the_host_maps_read_only_ends_the_walk_as_in_the_table_floor) {
    virtual_machine machine(base_order, base_order);
    const gfn table = machine.guest.tables().trace(vpn{0}).references[2].table;
    ASSERT_EQ(machine.host.protect({table, {1}}, user_permissions(true, false, false)), status::ok);
    virtual_machine<>::walker<> walker(machine.guest.tables(), machine.host.tables());
    const auto answer = walker.walk(vpn{0}, access_kind::load);
    EXPECT_EQ(answer.end, walk_end::host_forbidden) << "reading a guest's table is a store to the host";
    EXPECT_EQ(answer.host_page, table);

    nested_walk plain(machine.guest.tables(), machine.host.tables());
    const nested_result other = plain.walk(vpn{0}, access_kind::load);
    EXPECT_EQ(other.outcome, status::forbidden);
    EXPECT_EQ(other.missing, table);
}

// -------------------------------------------------------------------------------------- caches on

using cached_native = native_walker<model::native_paging::table_type, default_walk_caches>;

TEST(walkCache, a_second_walk_in_the_same_table_reads_the_leaf_alone) {
    model::native_paging native(8);
    ASSERT_EQ(native.map_run({vpn{0}, {1024}}, host_data, base_order, open_leaf), status::ok);
    cached_native walker(native.tables());
    EXPECT_EQ(references(walker, vpn{0}), 4U);
    EXPECT_EQ(references(walker, vpn{1}), 1U);
    EXPECT_EQ(references(walker, vpn{512}), 2U) << "another leaf table below the same level-2 table";
    EXPECT_EQ(references(walker, vpn{513}), 1U);
    EXPECT_EQ(walker.cached_entries(), 4U);
}

TEST(walkCache, only_upper_entries_are_cached) {
    model::native_paging native(8);
    ASSERT_EQ(native.map(vpn{0}, host_data, superpage_order, open_leaf), status::ok);
    cached_native walker(native.tables());
    EXPECT_EQ(references(walker, vpn{0}), 3U);
    EXPECT_EQ(references(walker, vpn{0}), 1U);
    EXPECT_EQ(walker.cached_entries(), 2U);
}

TEST(walkCache, the_entry_used_longest_ago_goes) {
    // Two ways in one set: the level-2 entries of three 2 MiB regions fight for them.
    constexpr walk_profile tiny{{1, 2}, {}, {}};
    model::native_paging native(8);
    ASSERT_EQ(native.map_run({vpn{0}, {4 * 512}}, host_data, base_order, open_leaf), status::ok);
    native_walker<model::native_paging::table_type, tiny> walker(native.tables());
    EXPECT_EQ(references(walker, vpn{0}), 4U);
    EXPECT_EQ(references(walker, vpn{512}), 2U);
    EXPECT_EQ(references(walker, vpn{1}), 1U) << "a hit makes it the newest";
    EXPECT_EQ(references(walker, vpn{1024}), 2U);
    EXPECT_EQ(references(walker, vpn{2}), 1U);
    EXPECT_EQ(references(walker, vpn{513}), 2U) << "this one went";
}

TEST(walkCache, a_change_of_the_tables_drops_every_upper_entry) {
    model::native_paging native(8);
    ASSERT_EQ(native.map_run({vpn{0}, {1024}}, host_data, base_order, open_leaf), status::ok);
    cached_native walker(native.tables());
    (void)references(walker, vpn{0});
    ASSERT_EQ(native.unmap({vpn{512}, {512}}), status::ok);
    walker.invalidate({vpn{512}, {512}});
    EXPECT_EQ(references(walker, vpn{0}), 4U);
    walker.flush();
    EXPECT_EQ(references(walker, vpn{0}), 4U);
    ASSERT_EQ(native.unmap({vpn{0}, {512}}), status::ok);
    walker.invalidate({vpn{0}, {512}});
    EXPECT_EQ(walker.walk(vpn{0}, access_kind::load).end, walk_end::not_mapped);
}

TEST(walkCache, a_forgotten_invalidation_never_yields_aWrong_frame) {
    model::native_paging native(8);
    ASSERT_EQ(native.map_run({vpn{0}, {512}}, host_data, base_order, open_leaf), status::ok);
    cached_native walker(native.tables());
    (void)references(walker, vpn{0});
    ASSERT_EQ(native.unmap({vpn{0}, {512}}), status::ok);
    ASSERT_EQ(native.map(vpn{0}, pfn{512}, superpage_order, open_leaf), status::ok);
    EXPECT_EQ(walker.walk(vpn{7}, access_kind::load).entry.frame, pfn{512});
}

TEST(walkCache, a_repeated_nested_walk_reads_the_guests_leaf_alone) {
    virtual_machine machine(base_order, base_order);
    virtual_machine<>::walker<default_walk_caches> walker(machine.guest.tables(), machine.host.tables());
    EXPECT_LT(references(walker, vpn{0}), 24U) << "the walk's own host walks share upper entries";
    EXPECT_EQ(references(walker, vpn{0}), 1U) << "guest upper entries and the nested TLB know the rest";
}

TEST(walkCache, without_aNested_tlb_the_data_costs_aHost_leaf) {
    constexpr walk_profile upper_only{{8, 4}, {8, 4}, {}};
    virtual_machine machine(base_order, base_order);
    virtual_machine<>::walker<upper_only> walker(machine.guest.tables(), machine.host.tables());
    (void)references(walker, vpn{0});
    EXPECT_EQ(references(walker, vpn{0}), 2U) << "one guest leaf and one host leaf";
}

TEST(walkCache, a_nested_tlb_alone_saves_host_walks_and_no_guest_entry) {
    constexpr walk_profile nested_only{{}, {}, {2, 8}};
    virtual_machine machine(base_order, base_order);
    virtual_machine<>::walker<nested_only> walker(machine.guest.tables(), machine.host.tables());
    EXPECT_EQ(references(walker, vpn{0}), 24U) << "five different guest frames";
    EXPECT_EQ(references(walker, vpn{0}), 4U);
}

TEST(walkCache, the_guests_invalidation_keeps_what_is_known_of_the_host) {
    virtual_machine machine(base_order, base_order);
    virtual_machine<>::walker<default_walk_caches> walker(machine.guest.tables(), machine.host.tables());
    (void)references(walker, vpn{0});
    walker.invalidate({vpn{0}, {1}});
    EXPECT_EQ(references(walker, vpn{0}), 4U) << "four guest entries, no host walk";
    walker.flush();
    EXPECT_EQ(walker.cached_entries(), 0U);
}

// ----------------------------------------------------------------------------------------- audits

TEST(walkCache, the_audit_of_aWalker_looks_into_each_of_its_caches) {
    model::native_paging native(8);
    cached_native one(native.tables());
    corrupt::miscount(corrupt::level(corrupt::upper(one), 2));
    EXPECT_EQ(label(one.audit()), "tlb.I3");

    virtual_machine machine(base_order, base_order);
    const virtual_machine<>::walker<default_walk_caches> fresh(machine.guest.tables(), machine.host.tables());
    EXPECT_FALSE(fresh.audit());
    auto upper = fresh, host_upper = fresh, nested = fresh;
    corrupt::miscount(corrupt::level(corrupt::upper(upper), 0));
    EXPECT_EQ(label(upper.audit()), "tlb.I3");
    corrupt::miscount(corrupt::level(corrupt::host_upper(host_upper), 1));
    EXPECT_EQ(label(host_upper.audit()), "tlb.I3");
    corrupt::miscount(corrupt::nested(nested));
    EXPECT_EQ(label(nested.audit()), "tlb.I3");
}

}  // namespace
}  // namespace longreach
