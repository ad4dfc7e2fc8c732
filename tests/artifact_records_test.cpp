// SPDX-License-Identifier: MIT
// What the original kernel keeps for its policy, by example: offset records and the life of the areas that have them,
// the offsets and reserved frames of files, and the text of its counters; the nasty cases E16 to E24 of the study of
// that kernel that concern them; and rules that no recorded case shows, switched off.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/workloads/artifact/artifact_areas.hpp>
#include <longreach/workloads/artifact/artifact_counters.hpp>
#include <longreach/workloads/artifact/artifact_page_cache.hpp>
#include <longreach/workloads/random.hpp>
#include <optional>
#include <string>

#include "model/artifact_machine.hpp"

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static auto& count(artifact_offsets& o) { return o.count_; }
    static auto& areas(artifact_areas& a) { return a.areas_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using namespace artifact_trial;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// ---- offset records ----

TEST(artifact_offsets_ring, E16_the_65th_record_takes_the_place_of_the_first) {
    artifact_offsets offsets;
    for (std::uint64_t i = 1; i <= 65; ++i) offsets.insert(vpn{i * 10}, {i}, artifact_rules::all());
    EXPECT_EQ(offsets.size(), 64U);
    EXPECT_EQ(offsets.lookup(vpn{15}, artifact_rules::all()).value->raw, 2U)
        << "the record below is gone: the one above";
    EXPECT_EQ(offsets.lookup(vpn{1000}, artifact_rules::all()).value->raw, 65U);
    EXPECT_EQ(offsets.audit().label, nullptr);
}

// I18: the same as a search through all records that says floor, else ceiling; among equals the lowest slot.
TEST(artifact_offsets_ring, I18_lookups_agree_with_a_plain_search) {
    random_numbers random(7);
    artifact_offsets offsets;
    for (int step = 0; step < 500; ++step) {
        offsets.insert(vpn{1 + random.below(100)}, {random.below(3)}, artifact_rules::all());
        const vpn page{random.below(110)};
        std::optional<std::size_t> floor;
        std::optional<std::size_t> ceiling;
        for (std::size_t i = 0; i < offsets.size(); ++i) {
            const vpn first = offsets[i].first;
            if (first <= page && (!floor || first > offsets[*floor].first)) floor = i;
            if (first > page && (!ceiling || first < offsets[*ceiling].first)) ceiling = i;
        }
        std::optional<std::uint64_t> expected;
        if (ceiling && offsets[*ceiling].value.raw != 0) expected = offsets[*ceiling].value.raw;
        if (floor && offsets[*floor].value.raw != 0) expected = offsets[*floor].value.raw;
        const artifact_offsets::found found = offsets.lookup(page, artifact_rules::all());
        EXPECT_EQ(found.value.has_value(), expected.has_value());
        if (found.value && expected) {
            EXPECT_EQ(found.value->raw, *expected);
        }
        EXPECT_EQ(found.ceiling.has_value(), ceiling.has_value());
    }
}

TEST(artifact_offsets_ring, I17_a_wrong_count_is_found) {
    artifact_offsets offsets;
    offsets.insert(vpn{1}, {1}, artifact_rules::all());
    corrupt::count(offsets) = 2;
    EXPECT_STREQ(offsets.audit().label, "artifact_offsets.I17");
}

// ---- the life of an area ----

struct artifact_life : ::testing::Test {
    explicit artifact_life(artifact_rules with = artifact_rules::all()) : rules(with), areas(with) {}
    artifact_offsets& at(std::uint64_t first, std::uint64_t pages, std::uint32_t space = 1) {
        return areas.find(space, {vpn{first}, page_count{pages}});
    }
    void add(std::uint64_t first, std::uint64_t pages, std::uint64_t page, std::uint64_t offset) {
        at(first, pages).insert(vpn{page}, {offset}, rules);
    }
    /// One area with two records, and a hole that parts them.
    void split() {
        add(100, 100, 100, 7);
        add(100, 100, 160, 8);
        areas.release(1, {vpn{140}, page_count{10}});
    }
    void TearDown() override { EXPECT_EQ(areas.audit().label, nullptr); }
    artifact_rules rules;
    artifact_areas areas;
};

TEST_F(artifact_life, an_area_that_grows_in_either_direction_keeps_its_records) {
    add(100, 10, 100, 7);
    EXPECT_EQ(at(100, 50).size(), 1U);
    EXPECT_EQ(at(40, 110).size(), 1U);
    EXPECT_EQ(at(40, 110).lookup(vpn{41}, rules).value->raw, 7U) << "the record above serves what grew below";
}

TEST_F(artifact_life, E20_both_parts_of_a_split_area_have_all_records_and_a_merge_keeps_the_lower_ones) {
    split();
    EXPECT_EQ(at(100, 40).size(), 2U);
    EXPECT_EQ(at(150, 50).size(), 2U);
    add(100, 40, 120, 9);
    EXPECT_EQ(at(100, 100).size(), 3U) << "the lower part's";
}

TEST_F(artifact_life, a_released_area_forgets) {
    add(100, 10, 100, 7);
    areas.release(1, {vpn{90}, page_count{30}});
    EXPECT_EQ(at(100, 10).size(), 0U);
}

TEST_F(artifact_life, E21_a_child_has_its_parents_records_and_goes_its_own_way) {
    add(100, 10, 100, 7);
    areas.fork(1, 2);
    EXPECT_EQ(at(100, 10, 2).size(), 1U);
    at(100, 10, 2).insert(vpn{105}, {8}, rules);
    EXPECT_EQ(at(100, 10, 1).size(), 1U);
}

TEST_F(artifact_life, E22_a_moved_area_keeps_records_for_where_it_was) {
    add(100, 10, 100, 7);
    areas.move(1, {vpn{100}, page_count{10}}, vpn{500});
    EXPECT_EQ(at(500, 10)[0].first, vpn{100});
    EXPECT_EQ(at(100, 10).size(), 0U);
    areas.move(1, {vpn{500}, page_count{10}}, vpn{50});
    EXPECT_EQ(at(50, 10).lookup(vpn{51}, rules).value->raw, 7U) << "now they lie above";
}

struct artifact_life_without : artifact_life {
    artifact_life_without()
        : artifact_life(without(artifact_rule::splits_copy_all)
                            .without(artifact_rule::merges_forget)
                            .without(artifact_rule::moves_keep_old_pages)
                            .without(artifact_rule::children_aim_at_parents)) {}
};

TEST_F(artifact_life_without, split_parts_have_their_own_records_and_the_one_that_holds_at_their_start) {
    split();
    EXPECT_EQ(at(100, 40).size(), 1U);
    ASSERT_EQ(at(150, 50).size(), 2U);
    EXPECT_EQ(at(150, 50).lookup(vpn{150}, rules).value->raw, 7U);
}

TEST_F(artifact_life_without, a_merge_keeps_the_records_of_both) {
    add(100, 10, 100, 7);
    add(110, 10, 110, 8);
    EXPECT_EQ(at(100, 20).size(), 2U);
}

TEST_F(artifact_life_without, records_move_with_their_pages) {
    add(100, 10, 100, 7);
    areas.move(1, {vpn{100}, page_count{10}}, vpn{500});
    EXPECT_EQ(at(500, 10)[0].first, vpn{500});
    EXPECT_EQ(at(500, 10)[0].value.raw, 407U) << "the frame is the same";
}

TEST_F(artifact_life_without, a_child_begins_without_records) {
    add(100, 10, 100, 7);
    areas.fork(1, 2);
    EXPECT_EQ(at(100, 10, 2).size(), 0U);
}

TEST(artifact_areas_audit, A1_areas_that_overlap_are_found) {
    artifact_areas areas(artifact_rules::all());
    (void)areas.find(1, {vpn{10}, page_count{10}});
    (void)areas.find(1, {vpn{30}, page_count{10}});
    corrupt::areas(areas).begin()->second.pages.count = page_count{25};
    EXPECT_STREQ(areas.audit().label, "artifact_areas.A1");
}

// ---- files ----

TEST(artifact_files, a_file_that_is_read_in_order_lies_in_one_run) {
    machine m;
    artifact_page_cache cache(m.policy);
    constexpr std::uint64_t pages = 16384;
    for (std::uint64_t i = 0; i < pages; ++i) {
        ASSERT_EQ(cache.allocate_file_page(1, i, page_count{pages}), base + page_count{i});
    }
    EXPECT_EQ(m.policy.kernel_counters().total_alloc(), 31U) << "the first superpage has no target";
    EXPECT_EQ(m.policy.audit().label, nullptr);
}

TEST(artifact_files, E24_a_file_of_just_2_MiB_gets_a_superpage_and_a_smaller_one_base_pages) {
    for (const std::uint64_t pages : {511U, 512U}) {
        machine m;
        artifact_page_cache cache(m.policy);
        ASSERT_TRUE(cache.allocate_file_page(1, 0, page_count{pages}));
        std::uint64_t reserved = 0;
        for (const listed_blocks& each : m.zones[0].dump(zone_name::normal)) {
            if (each.list == free_list::reserved) reserved += each.size.pages().raw;
        }
        EXPECT_EQ(reserved, pages == 512 ? 511 : 0);
    }
}

TEST(artifact_files, E24_a_file_that_is_read_backwards_or_from_the_middle_uses_its_reserved_frames) {
    machine m;
    artifact_page_cache cache(m.policy);
    ASSERT_TRUE(cache.allocate_file_page(1, 1024, page_count{4096}));
    const std::uint64_t offset = cache.offset(1);
    // Only frames in upper halves of the reserved blocks are recognised; the first that misses moves the file.
    std::uint64_t index = 1535;
    while (index > 1024 && cache.allocate_file_page(1, index, page_count{4096}) == pfn{index - offset}) --index;
    EXPECT_EQ(index, 1535U - 512 + 1) << "backwards every frame lies in the upper half of its block";
    EXPECT_EQ(cache.offset(1), offset);
    EXPECT_EQ(m.policy.audit().label, nullptr);
}

TEST(artifact_files_rules, one_base_page_that_misses_moves_the_whole_file) {
    const auto moves = [](artifact_rules rules) {
        machine m(64, rules);
        artifact_page_cache cache(m.policy);
        EXPECT_TRUE(cache.allocate_file_page(1, 0, page_count{4096}));
        const std::uint64_t offset = cache.offset(1);
        EXPECT_TRUE(cache.allocate_file_page(1, 700, page_count{4096}));  // no superpage was made there
        return cache.offset(1) != offset;
    };
    EXPECT_TRUE(moves(artifact_rules::all()));
    EXPECT_FALSE(moves(without(artifact_rule::any_page_moves_file)));
}

TEST(artifact_files_rules, reserved_frames_outlive_their_file) {
    const auto reserved_after_drop = [](artifact_rules rules) {
        machine m(64, rules);
        artifact_page_cache cache(m.policy);
        const std::optional<pfn> head = cache.allocate_file_page(1, 0, page_count{4096});
        m.policy.free(0, vpn{0}, *head, base_order);
        cache.drop(1);
        EXPECT_EQ(m.policy.audit().label, nullptr);
        std::uint64_t reserved = 0;
        for (const listed_blocks& each : m.zones[0].dump(zone_name::normal))
            reserved += each.list == free_list::reserved;
        return reserved;
    };
    EXPECT_EQ(reserved_after_drop(artifact_rules::all()), 9U);
    EXPECT_EQ(reserved_after_drop(without(artifact_rule::reserved_frames_leak)), 0U);
}

TEST(artifact_files_rules, a_recycled_inode_keeps_the_old_files_offset) {
    const auto offset_after_drop = [](artifact_rules rules) {
        machine m(64, rules);
        artifact_page_cache cache(m.policy);
        EXPECT_TRUE(cache.allocate_file_page(1, 0, page_count{4096}));
        cache.drop(1);
        return cache.offset(1);
    };
    EXPECT_EQ(offset_after_drop(artifact_rules::all()), std::uint64_t{0} - base.raw);
    EXPECT_EQ(offset_after_drop(without(artifact_rule::recycled_files_keep_offset)), 0U);
}

TEST(artifact_files, no_superpage_for_a_file_stops_the_original_and_is_no_memory_here) {
    machine m(1);
    m.break_first_block();
    artifact_page_cache cache(m.policy);
    EXPECT_EQ(cache.allocate_file_page(1, 0, page_count{4096}), std::nullopt);
    EXPECT_EQ(cache.crashes(), 1U);
}

// ---- counters ----

TEST(artifact_counter_text, has_the_originals_form) {
    artifact_counters counters;
    counters.attempt();
    counters.attempt();
    counters.failed(base_order, artifact_failure::occupied);
    counters.failed(superpage_order, artifact_failure::numa);
    counters.failed(base_order, artifact_failure::uncounted);
    counters.succeeded(superpage_order, artifact_success::exact);
    counters.succeeded(base_order, artifact_success::uncounted);
    EXPECT_EQ(counters.total_alloc_text(), "2\n");
    const std::string failure = counters.failure_text();
    EXPECT_THAT(failure, StartsWith("ORDER[0]\n"
                                    "\t\tINVALID_PFN:\t0\n"
                                    "\t\tEXCEED_MEMORY:\t0\n"
                                    "\t\tGUARD_PAGE:\t0\n"
                                    "\t\tOCCUPIED:\t1\n"
                                    "\t\tBUDDY_OCCUPIED:\t0\n"
                                    "\t\tWRONG_ALIGNMENT:\t0\n"
                                    "\t\tEXCEED_ZONE:\t0\n"
                                    "\t\tNOTHING_FOUND:\t0\n"
                                    "\t\tBUDDY_GUARD:\t0\n"
                                    "\t\tSUBBLOCK:\t0\n"
                                    "\t\tPAGECACHE:\t0\n"
                                    "\t\tNUMA:\t0\n"
                                    "ORDER[1]\n"));
    EXPECT_THAT(failure, HasSubstr("ORDER[10]\n"));
    EXPECT_THAT(failure.substr(failure.find("TOTAL\n")), StartsWith("TOTAL\n\t\tINVALID_PFN:\t0\n"));
    EXPECT_THAT(failure.substr(failure.find("TOTAL\n")), HasSubstr("\t\tOCCUPIED:\t1\n"));
    const std::string success = counters.success_text();
    EXPECT_THAT(success, StartsWith("ORDER[0]\n"
                                    "\t\tSUPERBLOCK:\t0\n"
                                    "\t\tSUBBLOCK:\t0\n"
                                    "\t\tEXACT:\t0\n"
                                    "\t\tRESERVED:\t0\n"
                                    "\t\tPAGECACHE:\t0\n"
                                    "\n\n"
                                    "ORDER[1]\n"));
    const std::string total = success.substr(success.find("TOTAL\n"));
    EXPECT_EQ(total,
              "TOTAL\n\t\tSUPERBLOCK:\t0\n\t\tSUBBLOCK:\t0\n\t\tEXACT:\t1\n\t\tRESERVED:\t0\n\t\tPAGECACHE:\t0\n");
}

}  // namespace
}  // namespace longreach
