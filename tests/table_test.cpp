// SPDX-License-Identifier: MIT
// The page table by example, and each of its invariants broken on purpose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <longreach/pagetable/table.hpp>
#include <longreach/pagetable/table_pool.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <vector>

#include "model/list_policy.hpp"
#include "model/paging.hpp"

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    template <class Table>
    static page_count& tables(Table& t) {
        return t.tree_.tables_;
    }
    template <class Table>
    static std::uint64_t& leaves(Table& t, unsigned level) {
        return t.tree_.leaves_[level - 1];
    }
    template <class Table>
    static auto& recent(Table& t) {
        return t.tree_.recent();
    }
    template <class Pool>
    static std::uint64_t& head(Pool& p) {
        return p.head_;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using model::list_policy;
using model::native_paging;
using model::open_leaf;
using format = x86_64<4>;
using table_type = table<format, vpn, pfn, flat_memory<pfn>>;

constexpr permissions read_only = user_permissions(true, false, false);
constexpr std::uint64_t table_frames = 32;

struct fixture : testing::Test {
    std::vector<std::uint64_t> words = std::vector<std::uint64_t>(table_frames * words_per_frame, ~std::uint64_t{0});
    list_policy<vpn, pfn> source{table_frames, 1};
    flat_memory<pfn> memory{{pfn{0}, page_count{table_frames}}, words};
    table_type pages{memory};

    status map(vpn page, pfn frame, order size = base_order) { return pages.map(page, frame, size, open_leaf, source); }
    std::vector<leaf<vpn, pfn>> unmap(page_run gone) {
        std::vector<leaf<vpn, pfn>> removed;
        EXPECT_EQ(pages.unmap(gone, source, [&](const leaf<vpn, pfn>& l) { removed.push_back(l); }), status::ok);
        return removed;
    }
    [[nodiscard]] const char* broken() const { return pages.audit().label; }
    /// The word that decides about `page` at the lowest level there is.
    std::uint64_t& entry(vpn page) {
        const auto trace = pages.trace(page);
        const reference<pfn>& last = trace.references[trace.count - 1];
        return words[last.table.raw * words_per_frame + last.index];
    }
    /// The word that references the table of level 1 on the way to `page`.
    std::uint64_t& parent(vpn page) {
        const reference<pfn> step = pages.trace(page).references[2];
        return words[step.table.raw * words_per_frame + step.index];
    }
};

struct page_table : fixture {};
struct page_table_audit : fixture {};

// ---- the format ----

TEST(x86_64_format, leaves_keep_what_they_are_given) {
    for (unsigned bits = 0; bits < 64; ++bits) {
        const leaf_attributes given{{true, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0},
                                    (bits & 8) != 0,
                                    (bits & 16) != 0,
                                    (bits & 32) != 0};
        for (const unsigned level : {1U, 2U, 3U}) {
            const std::uint64_t frame = std::uint64_t{5} << 18;
            const std::uint64_t entry = format::leaf(level, frame, given);
            EXPECT_TRUE(format::is_present(entry) && format::is_leaf(entry, level));
            EXPECT_EQ(format::attributes(entry), given);
            EXPECT_EQ(format::frame_number(entry), frame);
        }
    }
}

TEST(x86_64_format, entries_match_the_manual_bit_by_bit) {
    // Present, writable, user, accessed, dirty, frame 0x12345, no execution: table 4-20.
    EXPECT_EQ(format::leaf(1, 0x12345, {{true, true, false, true}, false, true, true}), 0x8000000012345067U);
    // The same as a 2 MiB page (PS, bit 7) with the software's contiguity bit (bit 9): table 4-18.
    EXPECT_EQ(format::leaf(2, 0x12200, {{true, true, true, true}, true, false, false}), 0x0000000012200287U);
    // A reference to a table with 3 entries present: table 4-19.
    EXPECT_EQ(format::table(0x77, 3), 0x0030000000077007U);
    EXPECT_EQ(format::occupancy(format::with_occupancy(format::table(0x77, 3), 512)), 512U);
}

// ---- mapping ----

TEST_F(page_table, an_empty_table_owns_no_frame_and_a_walk_of_it_reads_nothing) {
    EXPECT_FALSE(pages.root());
    EXPECT_EQ(pages.table_count(), page_count{0});
    EXPECT_EQ(pages.walk(vpn{5}, access_kind::load).trace.count, 0U);
    EXPECT_EQ(pages.first_mapped({vpn{3}, page_count{1000}}), vpn{1003});
}

TEST_F(page_table, leaves_of_three_sizes_translate_every_page_in_them) {
    ASSERT_EQ(map(vpn{7}, pfn{1000}), status::ok);
    ASSERT_EQ(map(vpn{512}, pfn{4096}, superpage_order), status::ok);
    ASSERT_EQ(map(vpn{std::uint64_t{1} << 18}, pfn{std::uint64_t{9} << 18}, giant_order), status::ok);
    EXPECT_EQ(pages.translate(vpn{7})->frame, pfn{1000});
    EXPECT_EQ(pages.translate(vpn{512 + 300})->frame, pfn{4096 + 300});
    EXPECT_EQ(pages.translate(vpn{(std::uint64_t{1} << 18) + 12345})->frame, pfn{(std::uint64_t{9} << 18) + 12345});
    EXPECT_EQ(pages.translate(vpn{512})->size, superpage_order);
    EXPECT_FALSE(pages.translate(vpn{8}));
    EXPECT_EQ(pages.mapped_pages(), page_count{1 + 512 + (1 << 18)});
    EXPECT_EQ(pages.table_count(), page_count{4}) << "one for each level: none below the superpages";
}

TEST_F(page_table, what_is_mapped_already_is_told_apart_by_size) {
    ASSERT_EQ(map(vpn{512}, pfn{0}, superpage_order), status::ok);
    EXPECT_EQ(map(vpn{512}, pfn{512}, superpage_order), status::occupied);
    EXPECT_EQ(map(vpn{600}, pfn{1}), status::wrong_size);
    EXPECT_EQ(map(vpn{0}, pfn{0}, giant_order), status::wrong_size);
    EXPECT_EQ(map(vpn{std::uint64_t{1} << 36}, pfn{0}), status::out_of_range);
    EXPECT_EQ(pages.mapped_pages(), page_count{512});
}

TEST_F(page_table, no_frame_for_a_table_changes_nothing) {
    source.withheld_tables = table_frames - 3;
    EXPECT_EQ(map(vpn{0}, pfn{0}), status::out_of_memory) << "four tables are wanted and three are there";
    EXPECT_EQ(source.tables_held(), 0U);
    EXPECT_EQ(map(vpn{0}, pfn{0}, superpage_order), status::ok) << "a superpage needs three";
}

TEST_F(page_table, unmapping_a_page_leaves_its_neighbours_mapped) {
    for (std::uint64_t i = 10; i < 13; ++i) ASSERT_EQ(map(vpn{i}, pfn{i}), status::ok);
    EXPECT_EQ(unmap({vpn{11}, page_count{1}}).size(), 1U);
    EXPECT_TRUE(pages.translate(vpn{10}));
    EXPECT_FALSE(pages.translate(vpn{11}));
    EXPECT_TRUE(pages.translate(vpn{12}));
}

TEST_F(page_table, tables_go_back_when_their_last_page_goes) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    ASSERT_EQ(map(vpn{1}, pfn{1}), status::ok);
    ASSERT_EQ(map(vpn{std::uint64_t{1} << 30}, pfn{2}), status::ok);
    EXPECT_EQ(source.tables_held(), 7U);
    (void)unmap({vpn{0}, page_count{1}});
    EXPECT_EQ(source.tables_held(), 7U);
    (void)unmap({vpn{0}, page_count{2}});
    EXPECT_EQ(source.tables_held(), 4U);
    (void)unmap(table_type::all_pages());
    EXPECT_EQ(source.tables_held(), 0U);
    EXPECT_FALSE(pages.root());
}

TEST_F(page_table, a_run_is_mapped_as_its_pages_one_by_one_would_be) {
    const mapping<vpn, pfn> wanted{{vpn{300}, page_count{1500}}, pfn{77}};
    ASSERT_EQ(pages.map_run(wanted, base_order, open_leaf, source), status::ok);
    EXPECT_EQ(pages.mapped_pages(), page_count{1500});
    EXPECT_EQ(pages.translate(vpn{1799})->frame, pfn{77 + 1499});
    EXPECT_EQ(broken(), nullptr);
    EXPECT_EQ(pages.map_run({{vpn{1799}, page_count{5}}, pfn{0}}, base_order, open_leaf, source), status::occupied);
}

TEST_F(page_table, runs_that_end_beyond_the_last_index_are_refused_or_clipped) {
    const std::uint64_t wrapping = ~std::uint64_t{0} - 511;
    EXPECT_EQ(pages.map_run({{vpn{1024}, page_count{wrapping}}, pfn{0}}, base_order, open_leaf, source),
              status::out_of_range);
    ASSERT_EQ(map(vpn{0}, pfn{0}, superpage_order), status::ok);
    ASSERT_EQ(map(vpn{2048}, pfn{512}), status::ok);
    EXPECT_EQ(pages.first_mapped({vpn{1024}, page_count{wrapping}}), vpn{2048});
    ASSERT_EQ(pages.protect({vpn{1024}, page_count{wrapping}}, read_only, source), status::ok);
    EXPECT_FALSE(pages.translate(vpn{2048})->attributes.allowed.write);
    EXPECT_EQ(unmap({vpn{1024}, page_count{wrapping}}).size(), 1U);
    EXPECT_EQ(pages.leaf_count(superpage_order), 1U) << "what lies below the run is not cut";
    EXPECT_EQ(broken(), nullptr);
}

TEST_F(page_table, a_run_that_runs_out_of_tables_leaves_nothing_behind) {
    source.withheld_tables = table_frames - 5;
    const mapping<vpn, pfn> wanted{{vpn{300}, page_count{1500}}, pfn{77}};
    EXPECT_EQ(pages.map_run(wanted, base_order, open_leaf, source), status::out_of_memory);
    EXPECT_EQ(source.tables_held(), 0U);
    EXPECT_EQ(broken(), nullptr);
}

// ---- splitting ----

TEST_F(page_table, a_part_taken_from_a_giant_leaf_splits_only_what_it_cuts) {
    ASSERT_EQ(map(vpn{0}, pfn{0}, giant_order), status::ok);
    (void)pages.walk(vpn{9}, access_kind::store);
    EXPECT_EQ(unmap({vpn{700}, page_count{1}}).size(), 1U);
    EXPECT_EQ(pages.leaf_count(giant_order), 0U);
    EXPECT_EQ(pages.leaf_count(superpage_order), 511U);
    EXPECT_EQ(pages.leaf_count(base_order), 511U);
    EXPECT_EQ(pages.translate(vpn{701})->frame, pfn{701});
    EXPECT_TRUE(pages.translate(vpn{100000})->attributes.dirty) << "the parts inherit what the whole was";
    EXPECT_EQ(broken(), nullptr);
}

TEST_F(page_table, a_split_that_finds_no_frame_changes_nothing) {
    ASSERT_EQ(map(vpn{0}, pfn{0}, giant_order), status::ok);
    source.withheld_tables = table_frames - 3;
    EXPECT_EQ(pages.unmap({vpn{700}, page_count{1}}, source, [](const leaf<vpn, pfn>&) {}), status::out_of_memory)
        << "two tables are needed and one is there";
    EXPECT_EQ(pages.protect({vpn{700}, page_count{1}}, read_only, source), status::out_of_memory);
    EXPECT_EQ(pages.leaf_count(giant_order), 1U);
    EXPECT_TRUE(pages.translate(vpn{700})->attributes.allowed.write);
    source.withheld_tables = table_frames - 4;
    EXPECT_EQ(pages.protect({vpn{700}, page_count{1}}, read_only, source), status::ok);
    EXPECT_FALSE(pages.translate(vpn{700})->attributes.allowed.write);
    EXPECT_TRUE(pages.translate(vpn{701})->attributes.allowed.write);
}

TEST_F(page_table, two_edges_in_one_leaf_share_the_tables_that_they_both_need) {
    ASSERT_EQ(map(vpn{0}, pfn{0}, giant_order), status::ok);
    EXPECT_EQ(pages.tables_to_split(std::array{vpn{700}, vpn{900}}), 2U);
    EXPECT_EQ(pages.tables_to_split(std::array{vpn{700}, vpn{1900}}), 3U);
    EXPECT_EQ(pages.tables_to_split(std::array{vpn{512}, vpn{1024}}), 1U);
    EXPECT_EQ(pages.tables_to_split(std::array{vpn{0}, vpn{1 << 18}}), 0U);
}

// ---- questions ----

TEST_F(page_table, a_walk_marks_what_it_used_and_translating_marks_nothing) {
    ASSERT_EQ(map(vpn{5}, pfn{6}), status::ok);
    EXPECT_FALSE(pages.translate(vpn{5})->attributes.accessed);
    EXPECT_EQ(pages.walk(vpn{5}, access_kind::load).outcome, status::ok);
    EXPECT_TRUE(pages.translate(vpn{5})->attributes.accessed);
    EXPECT_FALSE(pages.translate(vpn{5})->attributes.dirty);
    EXPECT_EQ(pages.walk(vpn{5}, access_kind::store).outcome, status::ok);
    EXPECT_TRUE(pages.translate(vpn{5})->attributes.dirty);
    EXPECT_NE(parent(vpn{5}) & format::accessed_bit, 0U) << "upper levels are marked as well";
    EXPECT_EQ(broken(), nullptr);
}

TEST_F(page_table, a_forbidden_walk_marks_nothing) {
    ASSERT_EQ(pages.map(vpn{5}, pfn{6}, base_order, {read_only}, source), status::ok);
    const auto told = pages.walk(vpn{5}, access_kind::store);
    EXPECT_EQ(told.outcome, status::forbidden);
    EXPECT_EQ(told.trace.count, 4U);
    EXPECT_FALSE(pages.translate(vpn{5})->attributes.accessed);
    EXPECT_EQ(pages.walk(vpn{5}, access_kind::fetch).outcome, status::forbidden);
}

TEST_F(page_table, a_trace_names_each_entry_from_the_root_down) {
    ASSERT_EQ(map(vpn{(std::uint64_t{2} << 27) + (3 << 18) + (4 << 9) + 5}, pfn{6}), status::ok);
    const auto trace = pages.trace(vpn{(std::uint64_t{2} << 27) + (3 << 18) + (4 << 9) + 5});
    ASSERT_EQ(trace.count, 4U);
    EXPECT_EQ(trace.references[0].table, *pages.root());
    for (unsigned i = 0; i < 4; ++i) {
        EXPECT_EQ(trace.references[i].level, 4 - i);
        EXPECT_EQ(trace.references[i].index, i + 2);
    }
}

TEST_F(page_table, the_first_mapped_page_is_found_across_absent_subtrees) {
    ASSERT_EQ(map(vpn{std::uint64_t{1} << 35}, pfn{0}, superpage_order), status::ok);
    EXPECT_EQ(pages.first_mapped(table_type::all_pages()), vpn{std::uint64_t{1} << 35});
    EXPECT_EQ(pages.first_mapped({vpn{(std::uint64_t{1} << 35) + 9}, page_count{5}}),
              vpn{(std::uint64_t{1} << 35) + 9});
    EXPECT_EQ(pages.first_mapped({vpn{5}, page_count{9}}), vpn{14});
}

TEST_F(page_table, the_memory_of_a_dense_mapping_is_8_bytes_and_a_little_per_page) {
    std::vector<std::uint64_t> room(table_pool<pfn>::required_words(page_count{600}));
    table_pool<pfn> pool(room);
    table_type dense(pool.memory());
    ASSERT_EQ(dense.map_run({{vpn{0}, page_count{1 << 18}}, pfn{0}}, base_order, open_leaf, pool), status::ok);
    const double bytes =
        static_cast<double>(to_bytes(dense.table_count())) / static_cast<double>(dense.mapped_pages().raw);
    EXPECT_LT(bytes, 8.1);
}

TEST_F(page_table, what_map_remembers_goes_with_the_tables_that_are_freed) {
    for (const vpn far : {vpn{1}, vpn{512}, vpn{1 << 18}, vpn{1 << 27}}) {  // the lowest table they share: level 1 to 4
        for (const vpn first : {vpn{0}, far}) {
            ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
            ASSERT_EQ(map(far, pfn{512}), status::ok);
            ASSERT_EQ(unmap({first, page_count{1}}).size(), 1U);
            ASSERT_FALSE(pages.audit()) << pages.audit().label;
            ASSERT_EQ(map(first, pfn{1024}), status::ok) << "by tables that are there";
            EXPECT_EQ(pages.find(first)->frame, pfn{1024});
            ASSERT_FALSE(pages.audit()) << pages.audit().label;
            ASSERT_EQ(unmap(table_type::all_pages()).size(), 2U);
            ASSERT_FALSE(pages.audit()) << pages.audit().label;
        }
    }
    ASSERT_EQ(map(vpn{0}, pfn{0}, superpage_order), status::ok) << "where the last page was in a table";
}

// ---- audit ----

TEST_F(page_table_audit, I1_a_table_that_is_referenced_twice_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    ASSERT_EQ(map(vpn{512}, pfn{512}), status::ok);
    parent(vpn{512}) = parent(vpn{0});
    EXPECT_STREQ(broken(), "table.I1");
}

TEST_F(page_table_audit, I1_a_table_outside_memory_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    parent(vpn{0}) = format::table(table_frames, 1);
    EXPECT_STREQ(broken(), "table.I1");
}

TEST_F(page_table_audit, I2_a_wrong_occupancy_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    parent(vpn{0}) = format::with_occupancy(parent(vpn{0}), 2);
    EXPECT_STREQ(broken(), "table.I2");
}

TEST_F(page_table_audit, I2_an_empty_table_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    entry(vpn{0}) = 0;
    EXPECT_STREQ(broken(), "table.I2");
}

TEST_F(page_table_audit, I3_a_leaf_at_a_frame_that_is_not_aligned_to_it_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}, superpage_order), status::ok);
    entry(vpn{0}) = format::leaf(2, 8, {all_permissions});
    EXPECT_STREQ(broken(), "table.I3");
}

TEST_F(page_table_audit, I3_a_leaf_on_a_level_that_has_none_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    words[pages.root()->raw * words_per_frame] = format::leaf(4, 0, {all_permissions});
    EXPECT_STREQ(broken(), "table.I3");
}

TEST_F(page_table_audit, I4_wrong_counts_are_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    corrupt::tables(pages) += page_count{1};
    EXPECT_STREQ(broken(), "table.I4");
    corrupt::tables(pages) -= page_count{1};
    ++corrupt::leaves(pages, 2);
    EXPECT_STREQ(broken(), "table.I4");
}

TEST_F(page_table_audit, I5_an_absent_entry_with_something_in_it_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    entry(vpn{1}) = 0x100;
    EXPECT_STREQ(broken(), "table.I5");
}

TEST_F(page_table_audit, I6_a_reference_that_restricts_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    parent(vpn{0}) |= format::execute_disable_bit;
    EXPECT_STREQ(broken(), "table.I6");
}

TEST_F(page_table_audit, I7_a_remembered_table_that_is_not_on_the_way_any_more_is_found) {
    ASSERT_EQ(map(vpn{0}, pfn{0}), status::ok);
    ASSERT_EQ(map(vpn{512}, pfn{512}), status::ok);
    ASSERT_EQ(map(vpn{1}, pfn{1}), status::ok);
    std::swap(parent(vpn{0}), parent(vpn{512}));
    EXPECT_STREQ(broken(), "table.I7");
    std::swap(parent(vpn{0}), parent(vpn{512}));
    corrupt::recent(pages).rise(format::levels + 1);
    EXPECT_STREQ(broken(), "table.I7");
}

TEST(table_pool_audit, I1_a_broken_list_of_free_tables_is_found) {
    std::vector<std::uint64_t> room(table_pool<pfn>::required_words(page_count{3}));
    table_pool<pfn> pool(room);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool.allocate_table());
    EXPECT_FALSE(pool.allocate_table());
    pool.free_table(pfn{1});
    pool.free_table(pfn{2});
    EXPECT_EQ(pool.free_tables(), page_count{2});
    EXPECT_FALSE(pool.audit());
    room[2 * words_per_frame] = 77;
    EXPECT_STREQ(pool.audit().label, "table_pool.I1");
    room[2 * words_per_frame] = 1;
    corrupt::head(pool) = 1;
    EXPECT_STREQ(pool.audit().label, "table_pool.I1");
}

TEST(duplicates, a_frame_in_two_runs_is_found_however_far_apart_runs_are) {
    std::vector<frame_run> held{{pfn{0}, page_count{10}}, {pfn{std::uint64_t{1} << 39}, page_count{70000}}};
    const auto visit_all = [&](auto&& visit) {
        for (const frame_run& r : held) visit(r);
    };
    EXPECT_FALSE(first_duplicate<pfn>(visit_all));
    held.push_back({pfn{(std::uint64_t{1} << 39) + 69999}, page_count{1}});
    EXPECT_EQ(first_duplicate<pfn>(visit_all), pfn{(std::uint64_t{1} << 39) + 69999});
}

}  // namespace
}  // namespace longreach
