// SPDX-License-Identifier: MIT
// The page cache by example, alone and under mappings, and each of its invariants broken on purpose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "family_of_spaces.hpp"

namespace longreach {
namespace {

constexpr area_flags shared{.shared = true};
constexpr area_flags not_shared{};

struct cached_files : family_of_spaces {
    cached_files() {
        EXPECT_EQ(cache.open(5, page_count{1000}), status::ok);
        EXPECT_EQ(cache.open(6, page_count{40}), status::ok);
    }
    void TearDown() override {
        if (!expect_sound) return;
        EXPECT_EQ(family.audit().label, nullptr) << family.audit().where;
        family.exit_all();
        for (const std::uint32_t file : {5U, 6U}) {
            EXPECT_EQ(cache.close(file), status::ok);
        }
        family_of_spaces::TearDown();
    }
    /// The resident pages of a file.
    std::vector<std::uint64_t> resident(std::uint32_t file) {
        std::vector<std::uint64_t> result;
        for (std::uint64_t page = 0; page < 1000; ++page) {
            if (cache.resident(file, page)) result.push_back(page);
        }
        return result;
    }

    family_type::cache_type& cache = family.cache();
    space_type& one = family.add({.number = 1});
    space_type& two = family.add({.number = 2});
};

// ---- files and reading ----

TEST_F(cached_files, read_ahead_starts_with_four_pages_and_doubles_up_to_32_while_reading_goes_on) {
    std::vector<std::size_t> windows;
    for (std::uint64_t page = 100; page < 230; ++page) {
        const std::size_t before = resident(5).size();
        ASSERT_EQ(cache.fetch(5, page).outcome, status::ok);
        if (resident(5).size() != before) windows.push_back(resident(5).size() - before);
    }
    EXPECT_THAT(windows, testing::ElementsAre(4, 8, 16, 32, 32, 32, 32));
    EXPECT_EQ(cache.counters().windows, 7U);
    EXPECT_EQ(cache.counters().pages, 156U);
}

TEST_F(cached_files, a_jump_begins_with_a_short_window_and_the_end_of_the_file_ends_it) {
    ASSERT_EQ(cache.fetch(6, 0).outcome, status::ok);
    ASSERT_EQ(cache.fetch(6, 4).outcome, status::ok);
    ASSERT_EQ(cache.fetch(6, 38).outcome, status::ok);
    EXPECT_THAT(resident(6), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 38, 39));
    EXPECT_EQ(cache.fetch(6, 40).outcome, status::out_of_range);
    EXPECT_EQ(cache.fetch(7, 0).outcome, status::out_of_range) << "no such file";
}

TEST_F(cached_files, a_file_that_is_read_backwards_gets_each_page_once) {
    for (std::uint64_t page = 40; page-- > 0;) ASSERT_EQ(cache.fetch(6, page).outcome, status::ok);
    EXPECT_EQ(cache.resident_pages(), page_count{40});
    EXPECT_EQ(cache.counters().pages, 40U);
}

TEST_F(cached_files, the_policy_is_asked_in_the_name_of_the_file_with_the_whole_file_as_the_area) {
    ASSERT_EQ(cache.fetch(6, 7).outcome, status::ok);
    EXPECT_EQ(policy.last_request.space, 101U);
    EXPECT_EQ(policy.last_request.area, pages(0, 40));
    EXPECT_EQ(policy.last_request.page, vpn{10}) << "the last of four";
    EXPECT_EQ(policy.last_request.size, base_order);
}

TEST_F(cached_files, reading_without_mapping_makes_pages_resident_and_dropping_gives_them_back) {
    ASSERT_EQ(cache.read(5, pages(990, 100)), status::ok) << "what lies beyond the end is no error";
    EXPECT_EQ(policy.frames_held(), 10U);
    EXPECT_EQ(cache.drop(5, pages(0, 995)), page_count{5});
    EXPECT_EQ(cache.drop(5, pages(0, 5000)), page_count{5});
    EXPECT_EQ(policy.frames_held(), 0U);
    EXPECT_EQ(cache.drop(9, pages(0, 5)), page_count{0});
}

TEST_F(cached_files, eviction_goes_round_and_passes_over_mapped_pages) {
    ASSERT_EQ(cache.read(5, pages(0, 4)), status::ok);
    ASSERT_EQ(cache.read(6, pages(0, 4)), status::ok);
    ASSERT_EQ(one.map(pages(0, 10), rw, backing::of_file(5, 0), shared), status::ok);
    ASSERT_EQ(load(one, 2).outcome, status::ok);
    EXPECT_EQ(cache.evict(page_count{2}), page_count{2});
    EXPECT_THAT(resident(5), testing::ElementsAre(2, 3));
    ASSERT_EQ(cache.read(5, pages(0, 1)), status::ok);
    EXPECT_EQ(cache.evict(page_count{5}), page_count{5});
    EXPECT_THAT(resident(5), testing::ElementsAre(0, 1, 2)) << "these were passed before";
    EXPECT_THAT(resident(6), testing::IsEmpty());
    EXPECT_EQ(cache.evict(page_count{100}), page_count{2});
    EXPECT_THAT(resident(5), testing::ElementsAre(2));
}

TEST_F(cached_files, where_memory_runs_short_the_page_asked_for_comes_first_and_nothing_is_lost) {
    model::list_world small(6);
    family_type poor(small);
    ASSERT_EQ(poor.cache().open(1, page_count{100}), status::ok);
    ASSERT_EQ(poor.cache().fetch(1, 50).outcome, status::ok);
    ASSERT_EQ(poor.cache().fetch(1, 54).outcome, status::ok) << "two frames are left of a window of eight";
    EXPECT_EQ(poor.cache().resident_pages(), page_count{6});
    EXPECT_EQ(poor.cache().fetch(1, 60).outcome, status::out_of_memory);
    EXPECT_EQ(poor.audit().label, nullptr);
    EXPECT_EQ(poor.cache().evict(page_count{1}), page_count{1});
    EXPECT_EQ(poor.cache().fetch(1, 60).outcome, status::ok);
    EXPECT_EQ(poor.cache().close(1), status::ok);
    EXPECT_EQ(poor.policy().frames_held(), 0U);
}

TEST_F(cached_files, a_cache_whose_records_are_full_refuses_until_pages_are_evicted) {
    std::vector<std::uint64_t> words(table_pool<pfn>::required_words(page_count{4}));  // one table of each level
    std::vector<cached_file> files(1);
    family_type::cache_type little({}, policy, family.references(), files, words);
    ASSERT_EQ(little.open(1, page_count{2000}), status::ok);
    ASSERT_EQ(little.read(1, pages(0, 512)), status::ok) << "read-ahead stops where records do";
    EXPECT_EQ(little.resident_pages(), page_count{512});
    EXPECT_EQ(little.fetch(1, 512).outcome, status::out_of_memory);
    EXPECT_EQ(policy.frames_held(), 512U);
    EXPECT_EQ(little.evict(page_count{600}), page_count{512});
    EXPECT_EQ(little.fetch(1, 512).outcome, status::ok);
    EXPECT_EQ(little.audit().label, nullptr);
    EXPECT_EQ(little.close(1), status::ok);
}

TEST_F(cached_files, a_number_is_open_once_and_its_place_serves_the_next_file) {
    EXPECT_EQ(cache.open(5, page_count{1}), status::occupied);
    EXPECT_EQ(cache.open(7, page_count{1} + family_type::cache_type::most_pages), status::out_of_range);
    ASSERT_EQ(cache.open(7, page_count{10}), status::ok);
    EXPECT_EQ(cache.open(8, page_count{10}), status::out_of_memory);
    ASSERT_EQ(cache.read(7, pages(0, 10)), status::ok);
    ASSERT_EQ(cache.close(7), status::ok);
    EXPECT_EQ(policy.released_pages, 10U) << "the policy forgets the file";
    EXPECT_EQ(cache.close(7), status::not_mapped);
    ASSERT_EQ(cache.open(8, page_count{20}), status::ok);
    EXPECT_THAT(resident(8), testing::IsEmpty());
    EXPECT_EQ(cache.close(8), status::ok);
}

TEST_F(cached_files, a_file_shrinks_only_when_nobody_maps_what_goes) {
    ASSERT_EQ(one.map(pages(0, 100), rw, backing::of_file(5, 20), not_shared), status::ok);
    ASSERT_EQ(load(one, 10).outcome, status::ok);   // page 30 of the file, read ahead to 33
    ASSERT_EQ(store(one, 50).outcome, status::ok);  // page 70, which the area has a copy of
    EXPECT_EQ(cache.resize(5, page_count{30}), status::occupied);
    EXPECT_EQ(cache.resident_pages(), page_count{8});
    one.forget_file(5, 30);
    EXPECT_EQ(one.resident_pages(), page_count{0}) << "copies go too";
    ASSERT_EQ(cache.resize(5, page_count{30}), status::ok);
    EXPECT_EQ(cache.resident_pages(), page_count{0});
    EXPECT_EQ(load(one, 10).outcome, status::out_of_range) << "the area reaches beyond the end";
    ASSERT_EQ(cache.resize(5, page_count{31}), status::ok);
    EXPECT_EQ(load(one, 10).outcome, status::ok);
}

// ---- mappings ----

TEST_F(cached_files, shared_mappings_of_all_spaces_have_one_frame_and_store_through) {
    ASSERT_EQ(one.map(pages(0, 40), rw, backing::of_file(6, 0), shared), status::ok);
    ASSERT_EQ(two.map(pages(500, 20), rw, backing::of_file(6, 10), shared), status::ok);
    ASSERT_EQ(one.map(pages(100, 40), rw, backing::of_file(6, 0), shared), status::ok);
    const auto first = load(one, 12);
    EXPECT_EQ(first.kind, fault_kind::file_page);
    EXPECT_EQ(store(two, 502).frame, first.frame);
    EXPECT_EQ(store(one, 112).frame, first.frame) << "twice in one space";
    EXPECT_EQ(store(one, 12).kind, fault_kind::none) << "the first load allowed stores already";
    EXPECT_EQ(family.references().further_holders(first.frame), 3U);
    EXPECT_EQ(one.faults().file_pages, 2U);
    EXPECT_EQ(one.faults().first_touches, 0U) << "the frames are the file's";
    ASSERT_EQ(one.unmap(pages(0, 40)), status::ok);
    EXPECT_EQ(family.references().further_holders(first.frame), 2U);
}

TEST_F(cached_files, a_private_mapping_copies_at_the_first_store_and_leaves_the_file_alone) {
    ASSERT_EQ(one.map(pages(0, 40), rw, backing::of_file(6, 0), not_shared), status::ok);
    ASSERT_EQ(two.map(pages(0, 40), rw, backing::of_file(6, 0), shared), status::ok);
    const pfn loaded = load(one, 5).frame;
    EXPECT_EQ(one.tables().walk(vpn{5}, access_kind::store).outcome, status::forbidden);
    const auto stored = store(one, 5);
    EXPECT_EQ(stored.kind, fault_kind::copy);
    EXPECT_NE(stored.frame, loaded);
    EXPECT_EQ(cache.resident(6, 5), loaded);
    EXPECT_EQ(store(two, 5).frame, loaded);
    const auto at_once = store(one, 20);
    EXPECT_EQ(at_once.kind, fault_kind::first_touch) << "read ahead, then copied at once";
    EXPECT_NE(cache.resident(6, 20), at_once.frame);
    EXPECT_TRUE(cache.resident(6, 20));
    EXPECT_EQ(policy.last_request.space, 1U) << "a copy is placed for its area";
}

TEST_F(cached_files, a_page_beyond_the_end_or_of_no_file_cannot_be_touched) {
    ASSERT_EQ(one.map(pages(0, 50), rw, backing::of_file(6, 0), not_shared), status::ok);
    ASSERT_EQ(one.map(pages(100, 50), rw, backing::of_file(77, 0), not_shared), status::ok);
    EXPECT_EQ(load(one, 39).outcome, status::ok);
    EXPECT_EQ(load(one, 40).outcome, status::out_of_range);
    EXPECT_EQ(store(one, 100).outcome, status::out_of_range);
}

TEST_F(cached_files, a_mapping_without_memory_for_its_table_or_copy_leaves_the_page_in_the_cache) {
    ASSERT_EQ(one.map(pages(0, 40), rw, backing::of_file(6, 0), not_shared), status::ok);
    policy.withheld_tables = model::list_world::most_tables - 2;
    EXPECT_EQ(load(one, 3).outcome, status::out_of_memory);
    EXPECT_EQ(store(one, 3).outcome, status::out_of_memory);
    EXPECT_EQ(one.resident_pages(), page_count{0});
    EXPECT_EQ(cache.resident_pages(), page_count{4});
    EXPECT_EQ(family.references().further_holds(), 0U);
    EXPECT_EQ(policy.frames_held(), 4U);
    policy.withheld_tables = 0;
    EXPECT_EQ(load(one, 3).outcome, status::ok);
}

TEST_F(cached_files, a_page_with_as_many_holders_as_can_be_counted_is_not_mapped_once_more_but_copied) {
    ASSERT_EQ(one.map(pages(0, 40), rw, backing::of_file(6, 0), not_shared), status::ok);
    const frame_run held{cache.fetch(6, 3).frame, page_count{1}};
    while (family.references().share(held) == status::ok) continue;
    EXPECT_EQ(load(one, 3).outcome, status::out_of_memory);
    EXPECT_EQ(one.resident_pages(), page_count{0});
    EXPECT_EQ(policy.tables_held(), 0U);
    EXPECT_EQ(store(one, 3).kind, fault_kind::first_touch) << "a copy is nobody else's";
    while (family.references().further_holders(held.first) != 0) family.references().drop(held, [](frame_run) {});
}

TEST_F(cached_files, moved_and_discarded_mappings_find_the_same_pages_again) {
    ASSERT_EQ(one.map(pages(0, 40), rw, backing::of_file(6, 0), shared), status::ok);
    const pfn frame = load(one, 25).frame;
    ASSERT_EQ(one.move(pages(20, 10), pages(700, 10)), status::ok);
    EXPECT_EQ(one.translate(vpn{705})->frame, frame);
    ASSERT_EQ(one.discard(pages(700, 10)), status::ok);
    EXPECT_EQ(family.references().further_holders(frame), 0U);
    EXPECT_EQ(load(one, 705).frame, frame);
}

TEST_F(cached_files, a_fork_maps_the_pages_of_files_once_more) {
    ASSERT_EQ(one.map(pages(0, 20), rw, backing::of_file(6, 0), shared), status::ok);
    ASSERT_EQ(one.map(pages(20, 20), rw, backing::of_file(6, 20), not_shared), status::ok);
    const pfn through = store(one, 1).frame;
    const pfn loaded = load(one, 21).frame;
    const pfn own = store(one, 22).frame;
    ASSERT_EQ(two.fork_of(one), status::ok);
    EXPECT_EQ(store(two, 1).frame, through) << "stored to through the child as well";
    EXPECT_EQ(two.tables().walk(vpn{1}, access_kind::store).outcome, status::ok);
    EXPECT_EQ(store(two, 21).kind, fault_kind::copy);
    EXPECT_EQ(family.references().further_holders(loaded), 1U) << "the cache and the parent are left";
    EXPECT_EQ(store(one, 22).kind, fault_kind::copy);
    EXPECT_EQ(store(two, 22).frame, own) << "the child holds it alone now";
    EXPECT_EQ(two.faults().reuses, 1U);
}

TEST_F(cached_files, a_space_that_has_the_number_of_a_file_or_of_its_parent_ends_the_program) {
    EXPECT_FALSE(cache.has_space(99));
    EXPECT_TRUE(cache.has_space(100));
    EXPECT_TRUE(cache.has_space(102)) << "the third file, not open yet";
    EXPECT_FALSE(cache.has_space(103));
    EXPECT_DEATH(family.add({.number = 101}), "");
    EXPECT_DEATH(one.exec(100), "");
    two.exec(one.options().number);
    EXPECT_DEATH((void)two.fork_of(one), "");
}

// ---- audits ----

TEST_F(cached_files, I1_a_page_beyond_the_end_of_its_file_is_found) {
    expect_sound = false;
    ASSERT_EQ(cache.read(6, pages(30, 10)), status::ok);
    corrupt::file(cache, 1).size = page_count{35};
    EXPECT_STREQ(cache.audit().label, "page_cache.I1");
}

TEST_F(cached_files, I2_a_wrong_number_of_resident_pages_is_found) {
    expect_sound = false;
    ASSERT_EQ(cache.read(6, pages(30, 10)), status::ok);
    corrupt::file(cache, 1).resident = page_count{9};
    EXPECT_STREQ(cache.audit().label, "page_cache.I2");
}

TEST_F(cached_files, I3_files_of_one_number_and_pages_of_a_closed_file_are_found) {
    expect_sound = false;
    corrupt::file(cache, 1).number = 5;
    EXPECT_STREQ(cache.audit().label, "page_cache.I3");
    corrupt::file(cache, 1).number = 6;
    ASSERT_EQ(cache.read(6, pages(30, 10)), status::ok);
    corrupt::file(cache, 1).open = false;
    EXPECT_STREQ(cache.audit().label, "page_cache.I3");
}

TEST_F(cached_files, I4_a_frame_behind_two_pages_is_found) {
    expect_sound = false;
    ASSERT_EQ(cache.read(6, pages(0, 4)), status::ok);
    ASSERT_EQ(cache.read(5, pages(0, 4)), status::ok);
    const pfn frame = *cache.resident(5, 2);
    corrupt::object(cache).rewrite({vpn{family_type::cache_type::most_pages.raw + 1}, page_count{1}}, [&](auto held) {
        held.frame = frame;
        return held;
    });
    EXPECT_STREQ(cache.audit().label, "page_cache.I4");
}

}  // namespace
}  // namespace longreach
