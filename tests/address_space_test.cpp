// SPDX-License-Identifier: MIT
// Address spaces by example: their areas, faults and moves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lone_space.hpp"
#include "model/address_space_trial.hpp"

namespace longreach {
namespace {

constexpr permissions none = user_permissions(false, false, false);
constexpr area_flags heap{.grows_up = true};

struct areas_of_a_space : lone_space {};
struct faults_of_a_space : lone_space {};
struct moves_of_a_space : lone_space {};
struct small_space : lone_space {
    small_space() : lone_space({.number = 3, .superpages = superpage_use::never}, 4) {}
};
/// Its object holds 1024 pages in one stretch.
struct space_with_little_object_memory : lone_space {
    space_with_little_object_memory() : lone_space({.number = 3}, 64, page_count{1024}, 1) {}
};

// ---- areas ----

TEST_F(areas_of_a_space, neighbouring_anonymous_areas_are_one_entry) {
    map(pages(100, 10));
    map(pages(120, 10));
    map(pages(110, 10));
    EXPECT_THAT(areas(), testing::ElementsAre(pages(100, 30)));
}

TEST_F(areas_of_a_space, a_heap_grows_by_mapping_the_run_after_it) {
    map(pages(100, 10), rw, {}, heap);
    touch(pages(100, 10));
    for (std::uint64_t end = 110; end < 200; end += 33) map(pages(end, 33), rw, {}, heap);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(100, 109)));
    EXPECT_EQ(space.fault(vpn{150}, access_kind::store).outcome, status::ok);
    EXPECT_EQ(policy.last_request.area, pages(100, 109)) << "the policy hears of the merged area";
    EXPECT_TRUE(policy.last_request.grows_up);
    EXPECT_EQ(policy.last_request.space, 3U);
}

TEST_F(areas_of_a_space, a_stack_grows_downward_as_one_entry) {
    map(pages(1024, 512), rw, {}, stack);
    map(pages(768, 256), rw, {}, stack);
    map(pages(512, 256), rw, {}, stack);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(512, 1024)));
    EXPECT_EQ(space.fault(vpn{700}, access_kind::store).size, superpage_order) << "the region was mapped in two steps";
    EXPECT_EQ(policy.last_request.area, pages(512, 1024));
    EXPECT_TRUE(policy.last_request.grows_down);
    ASSERT_EQ(space.protect(pages(1100, 10), ro), status::ok);
    ASSERT_EQ(space.protect(pages(1100, 10), rw), status::ok);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(512, 1024)));
}

TEST_F(areas_of_a_space, protection_flags_and_files_keep_neighbours_apart) {
    map(pages(100, 10));
    map(pages(110, 10), ro);
    map(pages(120, 10), ro, {}, heap);
    map(pages(130, 10), ro, {}, stack);
    map(pages(140, 10), ro, backing::of_file(1, 0));
    map(pages(150, 10), ro, backing::of_file(1, 10));
    EXPECT_EQ(areas().size(), 6U);
}

TEST_F(areas_of_a_space, a_hole_splits_and_mapping_it_again_merges) {
    map(pages(100, 30));
    ASSERT_EQ(space.unmap(pages(110, 5)), status::ok);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(100, 10), pages(115, 15)));
    map(pages(110, 5));
    EXPECT_THAT(areas(), testing::ElementsAre(pages(100, 30)));
}

TEST_F(areas_of_a_space, protection_splits_and_giving_it_back_merges) {
    map(pages(100, 30));
    ASSERT_EQ(space.protect(pages(110, 5), ro), status::ok);
    EXPECT_EQ(areas().size(), 3U);
    ASSERT_EQ(space.protect(pages(110, 5), rw), status::ok);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(100, 30)));
    EXPECT_EQ(space.protect(pages(120, 30), ro), status::not_mapped);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(100, 30)));
}

TEST_F(areas_of_a_space, protecting_what_is_protected_so_already_changes_nothing) {
    map(pages(0, 1024));
    map(pages(2000, 30), ro, backing::of_file(1, 0));
    touch(pages(0, 1));
    ASSERT_EQ(space.protect(pages(10, 1), rw), status::ok);
    ASSERT_EQ(space.protect(pages(2010, 5), ro), status::ok);
    EXPECT_EQ(space.resident_superpages(), 1U);
    EXPECT_EQ(space.faults().demotions, 0U);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(0, 1024), pages(2000, 30)));
}

TEST_F(areas_of_a_space, the_parts_of_a_file_area_keep_their_places_in_the_file) {
    map(pages(100, 30), ro, backing::of_file(7, 1000));
    ASSERT_EQ(space.unmap(pages(110, 5)), status::ok);
    EXPECT_EQ(space.find(vpn{115})->source, backing::of_file(7, 1015));
}

TEST_F(areas_of_a_space, mapping_over_live_pages_unmaps_them_first) {
    map(pages(0, 1024));
    touch(pages(0, 1));
    touch(pages(700, 1));
    map(pages(600, 200), ro);
    EXPECT_EQ(space.resident_pages(), page_count{1024 - 200});
    EXPECT_EQ(policy.released_pages, 200U);
    EXPECT_FALSE(space.translate(vpn{700}));
    EXPECT_TRUE(space.translate(vpn{800}));
}

TEST_F(areas_of_a_space, pages_beyond_the_format_are_out_of_range) {
    EXPECT_EQ(space.map(pages((std::uint64_t{1} << 36) - 1, 2), rw, {}, plain), status::out_of_range);
    EXPECT_EQ(space.fault(vpn{std::uint64_t{1} << 40}, access_kind::load).outcome, status::not_mapped);
}

TEST_F(areas_of_a_space, runs_that_end_beyond_the_last_index_break_nothing) {
    const page_run wrapped = pages(50, ~std::uint64_t{0} - 20);
    map(pages(0, 600));
    touch(pages(0, 600));
    EXPECT_EQ(space.map(wrapped, rw, {}, plain), status::out_of_range);
    EXPECT_EQ(space.protect(wrapped, ro), status::not_mapped);
    EXPECT_EQ(space.move(pages(0, 600), wrapped), status::out_of_range);
    EXPECT_EQ(space.move(wrapped, pages(2000, 5)), status::not_mapped);
    EXPECT_EQ(space.resident_superpages(), 1U);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(0, 600)));
    EXPECT_EQ(space.discard(pages(550, ~std::uint64_t{0})), status::ok);
    EXPECT_EQ(space.resident_pages(), page_count{550});
    EXPECT_EQ(space.unmap(wrapped), status::ok);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(0, 50)));
    EXPECT_EQ(space.unmap(pages(~std::uint64_t{0}, 10)), status::ok) << "nothing lies there";
}

TEST_F(small_space, full_entries_change_nothing) {
    for (std::uint64_t i = 0; i < 4; ++i) map(pages(100 * i, 10));
    touch(pages(100, 10));
    EXPECT_EQ(space.map(pages(500, 1), rw, {}, plain), status::out_of_memory);
    EXPECT_EQ(space.unmap(pages(102, 2)), status::out_of_memory);
    EXPECT_EQ(space.protect(pages(102, 2), ro), status::out_of_memory);
    EXPECT_EQ(space.move(pages(102, 2), pages(900, 2)), status::out_of_memory);
    EXPECT_EQ(space.resident_pages(), page_count{10});
    EXPECT_EQ(space.unmap(pages(100, 10)), status::ok) << "nothing is cut";
}

// ---- faults ----

TEST_F(faults_of_a_space, an_aligned_region_takes_one_superpage) {
    map(pages(100, 2000));
    const auto first = space.fault(vpn{100}, access_kind::load);
    EXPECT_EQ(first.size, base_order) << "the area does not hold the region of page 100";
    EXPECT_EQ(first.kind, fault_kind::first_touch);
    const auto second = space.fault(vpn{900}, access_kind::load);
    EXPECT_EQ(second.size, superpage_order);
    EXPECT_EQ(second.frame, frame(512) + page_count{900 - 512});
    EXPECT_EQ(space.resident_pages(), page_count{513});
    EXPECT_EQ(space.faults().superpages, 1U);
}

TEST_F(faults_of_a_space, a_region_with_a_page_resident_takes_base_pages) {
    map(pages(0, 600));
    policy.refuse_superpages = true;
    touch(pages(5, 1));
    policy.refuse_superpages = false;
    EXPECT_EQ(space.fault(vpn{6}, access_kind::store).size, base_order);
}

TEST_F(faults_of_a_space, files_take_base_pages_only) {
    map(pages(0, 1024), rw, backing::of_file(1, 0), {.shared = true});
    EXPECT_EQ(space.fault(vpn{6}, access_kind::store).size, base_order);
}

TEST_F(faults_of_a_space, without_an_area_or_its_permission_nothing_happens) {
    map(pages(0, 10), ro);
    map(pages(20, 10), none);
    EXPECT_EQ(space.fault(vpn{10}, access_kind::load).outcome, status::not_mapped);
    EXPECT_EQ(space.fault(vpn{9}, access_kind::store).outcome, status::forbidden);
    EXPECT_EQ(space.fault(vpn{9}, access_kind::fetch).outcome, status::forbidden);
    EXPECT_EQ(space.fault(vpn{20}, access_kind::load).outcome, status::forbidden);
    EXPECT_EQ(space.resident_pages(), page_count{0});
}

TEST_F(faults_of_a_space, the_first_store_to_a_loaded_private_file_page_takes_a_new_frame) {
    map(pages(0, 10), rw, backing::of_file(1, 0));
    ASSERT_EQ(space.fault(vpn{4}, access_kind::load).kind, fault_kind::first_touch);
    const pfn loaded = frame(4);
    EXPECT_EQ(space.tables().walk(vpn{4}, access_kind::store).outcome, status::forbidden);
    const auto stored = space.fault(vpn{4}, access_kind::store);
    EXPECT_EQ(stored.kind, fault_kind::copy);
    EXPECT_NE(stored.frame, loaded);
    EXPECT_EQ(space.tables().walk(vpn{4}, access_kind::store).outcome, status::ok);
    EXPECT_EQ(policy.frames_held(), 1U) << "the old frame went back";
    EXPECT_EQ(space.fault(vpn{5}, access_kind::store).kind, fault_kind::first_touch);
    EXPECT_EQ(space.tables().walk(vpn{5}, access_kind::store).outcome, status::ok) << "stored to at once: no copy";
}

TEST_F(faults_of_a_space, a_shared_file_page_is_stored_to_in_place) {
    map(pages(0, 10), rw, backing::of_file(1, 0), {.shared = true});
    touch(pages(4, 1), access_kind::load);
    EXPECT_EQ(space.fault(vpn{4}, access_kind::store).kind, fault_kind::none);
}

TEST_F(faults_of_a_space, no_frame_for_the_page_or_for_a_table_changes_nothing) {
    map(pages(0, 1000));
    policy.withheld_tables = table_frames - 3;
    policy.refuse_superpages = true;
    EXPECT_EQ(space.fault(vpn{3}, access_kind::store).outcome, status::out_of_memory);
    policy.withheld_tables = 0;
    policy.refuse_up_to_order = 9;
    EXPECT_EQ(space.fault(vpn{3}, access_kind::store).outcome, status::out_of_memory);
    EXPECT_EQ(policy.frames_held() + policy.tables_held(), 0U);
    EXPECT_EQ(space.faults().first_touches, 0U);
}

TEST_F(faults_of_a_space, discarded_pages_are_touched_anew) {
    map(pages(0, 512));
    touch(pages(0, 512));
    EXPECT_EQ(space.faults().first_touches, 1U);
    ASSERT_EQ(space.discard(pages(10, 20)), status::ok);
    EXPECT_EQ(space.resident_pages(), page_count{492});
    EXPECT_EQ(space.resident_superpages(), 0U) << "a part of the superpage went";
    EXPECT_EQ(space.faults().demotions, 1U);
    EXPECT_EQ(space.fault(vpn{10}, access_kind::load).kind, fault_kind::first_touch);
    EXPECT_EQ(policy.released_pages, 0U) << "the area stays";
}

TEST_F(faults_of_a_space, unmapping_a_part_of_a_superpage_frees_that_part_only) {
    map(pages(0, 512));
    touch(pages(0, 1));
    ASSERT_EQ(space.unmap(pages(100, 5)), status::ok);
    EXPECT_EQ(policy.frames_held(), 507U);
    EXPECT_EQ(space.translate(vpn{99})->size, base_order);
    ASSERT_EQ(space.unmap(pages(0, 512)), status::ok);
    EXPECT_EQ(policy.frames_held() + policy.tables_held(), 0U);
}

TEST_F(faults_of_a_space, a_split_that_finds_no_table_changes_nothing) {
    map(pages(0, 512));
    touch(pages(0, 1));
    policy.withheld_tables = table_frames;
    EXPECT_EQ(space.unmap(pages(100, 5)), status::out_of_memory);
    EXPECT_EQ(space.protect(pages(100, 5), ro), status::out_of_memory);
    EXPECT_EQ(space.discard(pages(100, 5)), status::out_of_memory);
    EXPECT_EQ(space.move(pages(100, 5), pages(2000, 5)), status::out_of_memory);
    EXPECT_EQ(space.resident_superpages(), 1U);
    EXPECT_EQ(space.entries().size(), 1U);
}

// ---- moves ----

TEST_F(moves_of_a_space, pages_take_their_frames_along) {
    map(pages(100, 20));
    touch(pages(105, 5));
    (void)space.tables().walk(vpn{106}, access_kind::store);
    const pfn was = frame(106);
    ASSERT_EQ(space.move(pages(100, 20), pages(1000, 40)), status::ok);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(1000, 40)));
    EXPECT_EQ(space.translate(vpn{1006})->frame, was);
    EXPECT_TRUE(space.translate(vpn{1006})->attributes.dirty);
    EXPECT_FALSE(space.translate(vpn{106}));
    EXPECT_EQ(space.resident_pages(), page_count{5});
}

TEST_F(moves_of_a_space, superpages_stay_whole_where_both_places_are_congruent) {
    map(pages(512, 1024));
    touch(pages(512, 1024));
    ASSERT_EQ(space.move(pages(512, 1024), pages(4096, 1024)), status::ok);
    EXPECT_EQ(space.resident_superpages(), 2U);
    ASSERT_EQ(space.move(pages(4096, 512), pages(9000, 512)), status::ok);
    EXPECT_EQ(space.resident_superpages(), 1U);
    EXPECT_EQ(space.translate(vpn{9001})->size, base_order);
    EXPECT_TRUE(contiguous(9001));
    EXPECT_EQ(space.resident_pages(), page_count{1024});
}

TEST_F(moves_of_a_space, a_smaller_place_frees_the_rest_and_an_equal_start_resizes) {
    map(pages(100, 20));
    touch(pages(100, 20));
    ASSERT_EQ(space.move(pages(100, 20), pages(300, 5)), status::ok);
    EXPECT_EQ(space.resident_pages(), page_count{5});
    ASSERT_EQ(space.move(pages(300, 5), pages(300, 50)), status::ok);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(300, 50)));
    ASSERT_EQ(space.move(pages(300, 50), pages(300, 3)), status::ok);
    EXPECT_THAT(areas(), testing::ElementsAre(pages(300, 3)));
    EXPECT_EQ(space.resident_pages(), page_count{3});
}

TEST_F(moves_of_a_space, only_a_part_of_one_area_can_move) {
    map(pages(100, 20));
    map(pages(120, 20), ro);
    EXPECT_EQ(space.move(pages(110, 20), pages(300, 20)), status::not_mapped);
    EXPECT_EQ(space.move(pages(90, 20), pages(300, 20)), status::not_mapped);
}

TEST_F(space_with_little_object_memory, a_large_area_moves_whatever_its_size_if_little_of_it_is_resident) {
    map(pages(0, 1 << 20));
    ASSERT_EQ(space.move(pages(0, 1 << 20), pages(1 << 21, 1 << 20)), status::ok) << "nothing is resident";
    touch(pages((1 << 21) + 5, 1));
    ASSERT_EQ(space.move(pages(1 << 21, 1 << 20), pages((1 << 22) + 7, 1 << 20)), status::ok);
    EXPECT_EQ(space.resident_pages(), page_count{512});
    EXPECT_TRUE(space.translate(vpn{(1 << 22) + 12}));
}

TEST_F(space_with_little_object_memory, tables_that_a_move_gives_back_on_the_way_serve_it_again) {
    policy.refuse_superpages = true;
    map(pages(1, 6000));
    touch(pages(1, 6000));  // 12 tables of level 1, of 18 in all
    ASSERT_EQ(space.move(pages(1, 6000), pages(10000, 6000)), status::ok);
    EXPECT_EQ(space.resident_pages(), page_count{6000});
}

TEST_F(space_with_little_object_memory, a_move_that_needs_more_tables_than_there_are_changes_nothing) {
    policy.refuse_superpages = true;
    map(pages(0, 512 * 14));
    for (std::uint64_t i = 0; i < 14; ++i) touch(pages(512 * i + 100, 200));  // 17 tables of 18
    EXPECT_EQ(space.move(pages(100, 512 * 14 - 100), pages(512 * 40 + 500, 512 * 14 - 100)), status::out_of_memory)
        << "every table's pages part into two";
    EXPECT_EQ(space.resident_pages(), page_count{14 * 200});
    EXPECT_TRUE(space.translate(vpn{100}));
    EXPECT_THAT(areas(), testing::ElementsAre(pages(0, 512 * 14)));
}

// ---- cases that the property and the fuzzer found ----

using model::space_operation;

/// On a space that shares nothing, as it was when these cases were found.
std::optional<std::string> replay(const std::vector<space_operation>& operations) {
    model::list_world world;
    model::trial_setting setting;
    setting.options = {.number = 3, .superpages = superpage_use::never};
    setting.together = model::company::none;
    model::basic_space_trial<model::list_world> trial(world, setting);
    for (const space_operation& op : operations) {
        if (auto told = trial.perform(op)) return told;
    }
    return trial.finish();
}

TEST(found_cases, a_store_as_first_touch_of_a_private_file_page_makes_it_writable) {
    EXPECT_EQ(replay({{space_operation::map, 26, 256, 223, 0}, {space_operation::touch, 1, 256, 0, 0}}), std::nullopt);
}

TEST(found_cases, unmapping_nothing_inside_an_area_does_not_cut_it) {
    EXPECT_EQ(replay({{space_operation::map, 0, 1344, 55, 0}, {space_operation::unmap, 0, 1504, 0, 0}}), std::nullopt);
}

}  // namespace
}  // namespace longreach
