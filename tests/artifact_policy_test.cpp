// SPDX-License-Identifier: MIT
// The original kernel's policy by example: targets, placements, offset records, the life of areas, files, and the text
// of its counters; the nasty cases E14 to E26 of the study of that kernel; each rule that no recorded case shows,
// switched off.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/artifact/artifact_page_cache.hpp>
#include <longreach/workloads/artifact/artifact_policy.hpp>
#include <longreach/workloads/artifact/artifact_process.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static auto& count(artifact_offsets& o) { return o.count_; }
    static auto& areas(artifact_areas& a) { return a.areas_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr pfn base{0x100000};
constexpr vpn start{0x7f0000};
constexpr page_count superpage = superpage_order.pages();
constexpr page_count top = top_order.pages();
constexpr map_offset<vpn, pfn> offset_of(vpn page, pfn frame) { return offset_between(page, frame); }

/// One zone, all free, and the policy on it.
struct machine {
    explicit machine(std::uint64_t blocks = 64, artifact_rules with = artifact_rules::all(), pfn first = base)
        : zones(make(blocks, with, first)), policy(zones, with) {}

    static std::vector<artifact_zone> make(std::uint64_t blocks, artifact_rules with, pfn first) {
        artifact_zone_options options;
        options.rules = with;
        std::vector<artifact_zone> made;
        made.emplace_back(frame_run{first, page_count{blocks * top.raw}}, options);
        made.back().donate(made.back().span());
        made.back().finish_boot();
        return made;
    }

    artifact_decision fault(vpn page, page_run area, order size = superpage_order, std::uint32_t space = 1,
                            bool alone = true) {
        return policy.decide({space, align_down(page, size), size, area, false, false, alone});
    }
    std::size_t records(page_run area, std::uint32_t space = 1) { return policy.records(space, area).size(); }

    std::vector<artifact_zone> zones;
    artifact_policy policy;
};

constexpr page_run area_of(std::uint64_t superpages) { return {start, page_count{superpages * superpage.raw}}; }
constexpr vpn nth(std::uint64_t n) { return start + page_count{n * superpage.raw}; }

artifact_rules without(artifact_rule rule) { return artifact_rules::all().without(rule); }

// ---- targets and placements ----

TEST(artifact_policy, a_first_fault_places_the_whole_area_and_later_faults_follow_it_in_any_order) {
    machine m;
    const page_run area = area_of(16);
    const artifact_decision first = m.fault(nth(9), area);
    EXPECT_EQ(first.placed, base);
    EXPECT_EQ(first.wanted, std::nullopt) << "not initialised";
    EXPECT_EQ(first.got, base + page_count{9 * superpage.raw});
    EXPECT_EQ(m.zones[0].rover(), base + area.count);
    for (const std::uint64_t n : {0U, 15U, 3U, 4U, 14U, 1U}) {
        const artifact_decision made = m.fault(nth(n), area);
        EXPECT_EQ(made.got, base + page_count{n * superpage.raw});
        EXPECT_TRUE(made.made.empty());
    }
    EXPECT_EQ(m.policy.audit().label, nullptr);
}

TEST(artifact_policy, an_occupied_target_is_placed_anew_with_what_is_left_of_the_area) {
    machine m;
    const page_run area = area_of(8);
    ASSERT_TRUE(m.fault(nth(0), area).got);
    const pfn in_the_way = base + page_count{3 * superpage.raw};
    ASSERT_TRUE(m.zones[0].take(in_the_way, superpage_order).taken);
    const artifact_decision made = m.fault(nth(3), area);
    EXPECT_EQ(made.target, in_the_way);
    EXPECT_THAT(made.failures, ElementsAre(artifact_failure::occupied));
    EXPECT_TRUE(made.replaced);
    EXPECT_EQ(made.wanted, page_count{5 * superpage.raw});
    EXPECT_EQ(made.got, base + page_count{8 * superpage.raw}) << "behind the rover";
    ASSERT_EQ(made.made.size(), 1U);
    EXPECT_EQ(made.made[0].first, nth(3));
    EXPECT_EQ(m.fault(nth(4), area).got, *made.got + superpage);
    EXPECT_EQ(m.fault(nth(2), area).got, base + page_count{2 * superpage.raw}) << "below, the first record holds";
}

TEST(artifact_policy, the_wish_of_a_re_placement_ends_at_the_next_record) {
    machine m;
    const page_run area = area_of(8);
    ASSERT_TRUE(m.fault(nth(0), area).got);
    for (const std::uint64_t n : {2U, 5U}) {
        ASSERT_TRUE(m.zones[0].take(base + page_count{n * superpage.raw}, superpage_order).taken);
    }
    ASSERT_TRUE(m.fault(nth(5), area).replaced);
    EXPECT_EQ(m.fault(nth(2), area).wanted, page_count{3 * superpage.raw});
}

TEST(artifact_policy, small_faults_on_pristine_memory_miss_and_still_move_the_rover) {
    machine m;
    const page_run area{start, page_count{16}};
    const artifact_decision made = m.fault(start, area, base_order);
    EXPECT_EQ(made.target, base);
    EXPECT_EQ(made.failures.size(), 1U);
    EXPECT_FALSE(made.replaced);
    EXPECT_EQ(made.made.size(), 1U) << "that of the placement";
    EXPECT_EQ(m.zones[0].rover(), base + top);
    EXPECT_EQ(made.got, base) << "an ordinary frame, which happens to be the first of the zone";
}

TEST(artifact_policy, E14_a_target_below_frame_0_is_no_target) {
    machine m;
    const page_run area{vpn{0x1000}, page_count{1024}};
    m.policy.learn(1, area, vpn{0x1200}, offset_of(vpn{0x1200}, pfn{0x100}));
    const artifact_decision made = m.fault(vpn{0x1000}, area, base_order);
    EXPECT_EQ(made.target, std::nullopt);
    EXPECT_TRUE(made.got);
    EXPECT_EQ(m.policy.kernel_counters().total_alloc(), 0U);
}

TEST(artifact_policy, E13_a_target_in_another_zone_is_refused_by_the_zone_that_is_tried) {
    machine m(60);
    const page_run area = area_of(4);
    m.policy.learn(1, area, start,
                   offset_of(start, base + m.zones[0].span().count));  // just behind, of a valid section
    const artifact_decision made = m.fault(start, area);
    EXPECT_THAT(made.failures, ElementsAre(artifact_failure::numa));
    EXPECT_TRUE(made.replaced);
}

TEST(artifact_policy, E15_areas_that_hold_no_whole_superpage_still_move_the_rover_by_4_MiB) {
    for (const std::uint64_t pages : {1U, 511U, 512U, 513U, 1023U, 1024U}) {
        machine m;
        ASSERT_TRUE(m.fault(start, {start, page_count{pages}}, base_order).got);
        EXPECT_EQ(m.zones[0].rover(), base + top);
    }
}

TEST(artifact_policy, E15_an_unaligned_area_has_two_offsets_and_three_records) {
    const page_run area{start + page_count{100}, page_count{16 * superpage.raw}};
    machine m;
    std::vector<pfn> got;
    for (std::uint64_t n = 1; n < 16; ++n) got.push_back(*m.fault(nth(n), area).got);
    for (std::size_t i = 1; i < got.size(); ++i) EXPECT_EQ(got[i], got[i - 1] + superpage);
    EXPECT_EQ(m.records(area), 3U) << "the first two are of one page, and the older keeps winning";
    EXPECT_NE(offset_of(nth(1), got[0]), m.policy.records(1, area)[0].value);
}

TEST(artifact_policy, E15_without_the_rule_an_unaligned_area_has_one_offset_and_one_record) {
    const page_run area{start + page_count{100}, page_count{16 * superpage.raw}};
    machine m(64, without(artifact_rule::unaligned_offsets));
    for (std::uint64_t n = 1; n < 16; ++n) {
        EXPECT_EQ(m.fault(nth(n), area).got, base + page_count{n * superpage.raw});
    }
    EXPECT_EQ(m.records(area), 1U);
}

TEST(artifact_policy, E25_areas_whose_demand_exceeds_every_range_fill_the_memory_and_end_cleanly) {
    machine m(8, without(artifact_rule::retries_forever));
    const page_run one{start, page_count{12 * superpage.raw}};
    const page_run two{start + page_count{1 << 20}, page_count{12 * superpage.raw}};
    std::uint64_t served = 0;
    for (std::uint64_t n = 0; n < 12; ++n) {
        for (const page_run area : {one, two}) {
            served += m.fault(area.first + page_count{n * superpage.raw}, area).got.has_value();
            ASSERT_EQ(m.policy.audit().label, nullptr);
        }
    }
    EXPECT_EQ(served, 16U) << "all there is";
    EXPECT_EQ(m.zones[0].free_frames(), page_count{0});
    EXPECT_EQ(m.policy.livelocks(), 8U);
}

TEST(artifact_policy, E23_a_fault_without_a_superpage_hangs_its_process_or_is_left_to_base_pages) {
    for (const bool hangs : {true, false}) {
        machine m(1, hangs ? artifact_rules::all() : without(artifact_rule::retries_forever));
        ASSERT_TRUE(m.zones[0].withdraw(base + page_count{1}));
        ASSERT_TRUE(m.zones[0].withdraw(base + page_count{513}));
        EXPECT_EQ(m.fault(start, area_of(1)).got, std::nullopt);
        EXPECT_EQ(m.policy.livelocks(), 1U);
        EXPECT_EQ(m.policy.is_hung(1), hangs);
        EXPECT_EQ(m.fault(start, area_of(1), base_order).got.has_value(), !hangs);
        EXPECT_TRUE(m.fault(start, area_of(1), base_order, 2).got) << "other processes go on";
        m.policy.release(1, area_of(1));
        EXPECT_FALSE(m.policy.is_hung(1));
    }
}

TEST(artifact_policy, a_zone_below_its_low_watermark_is_passed_over_while_another_has_room) {
    artifact_zone_options options;
    options.low = page_count{3000};
    options.least = page_count{1000};
    std::vector<artifact_zone> zones;
    for (const pfn first : {base, pfn{0x8000}}) {
        zones.emplace_back(frame_run{first, page_count{4 * top.raw}}, options);
        zones.back().donate(zones.back().span());
        zones.back().finish_boot();
    }
    artifact_policy policy(zones, artifact_rules::all());
    std::vector<std::size_t> zone_of;
    while (const std::optional<pfn> got = policy.allocate_ordinary(superpage_order, migrate_type::movable)) {
        zone_of.push_back(zones[0].contains(*got) ? 0 : 1);
    }
    EXPECT_THAT(zone_of, ElementsAre(0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1)) << "low first, then down to the least";
}

// ---- rules, switched off one by one ----

// The area is longer than every range, and the fault lies beyond what was placed: what is placed for it is enough for
// the rest of the area, or the longest range.
TEST(artifact_policy_rules, a_first_fault_whose_target_is_refused_wants_everything) {
    const auto got = [](artifact_rules rules) {
        machine m(60, rules);
        for (const std::uint64_t broken : {4U, 9U}) {  // ranges of 4, 4 and 50 blocks
            EXPECT_TRUE(m.zones[0].take(base + page_count{broken * top.raw}, superpage_order).taken);
        }
        const artifact_decision made = m.fault(nth(105), area_of(112));
        EXPECT_EQ(made.placed, base + page_count{10 * top.raw});
        EXPECT_THAT(made.failures, ElementsAre(artifact_failure::numa));
        return made.got;
    };
    EXPECT_EQ(got(artifact_rules::all()), base + page_count{10 * top.raw});
    EXPECT_EQ(got(without(artifact_rule::boundless_first_wish)), base);
}

TEST(artifact_policy_rules, offset_0_is_taken_for_none) {
    const auto target = [](artifact_rules rules) {
        machine m(64, rules);
        const page_run area{vpn{base.raw}, page_count{8 * superpage.raw}};  // page and frame are equal
        m.policy.learn(1, area, area.first, {});
        m.policy.learn(1, area, area.first + page_count{4 * superpage.raw}, {5 * superpage.raw});
        return m.fault(area.first + superpage, area).target;
    };
    EXPECT_EQ(target(artifact_rules::all()), std::nullopt) << "the record above is used, and points below the zone";
    EXPECT_EQ(target(without(artifact_rule::zero_offset_is_none)), base + superpage);
}

TEST(artifact_policy_rules, a_record_for_page_0_hides_those_behind_it) {
    artifact_offsets offsets;
    for (const artifact_rules rules : {artifact_rules::all()}) {
        offsets.insert(vpn{0}, {7}, rules);
        offsets.insert(vpn{100}, {9}, rules);
    }
    EXPECT_EQ(offsets.lookup(vpn{200}, artifact_rules::all()).value, std::nullopt);
    EXPECT_EQ(offsets.lookup(vpn{200}, without(artifact_rule::page_zero_ends_records)).value->raw, 9U);
}

TEST(artifact_policy_rules, E17_of_two_records_for_one_page_the_older_wins_and_every_fault_places_anew) {
    const auto records_after = [](artifact_rules rules) {
        machine m(64, rules);
        const page_run area = area_of(2);
        pfn got = *m.fault(start, area).got;
        for (int i = 0; i < 5; ++i) {
            // The page is dropped, its frames are lost, and the page is touched again.
            got = *m.fault(start, area).got;
        }
        (void)got;
        return m.records(area);
    };
    EXPECT_EQ(records_after(artifact_rules::all()), 6U);
    EXPECT_EQ(records_after(without(artifact_rule::older_record_wins)), 1U);
}

TEST(artifact_policy_rules, a_small_fault_that_misses_leaves_no_record) {
    const auto misses = [](artifact_rules rules) {
        machine m(64, rules);
        EXPECT_TRUE(m.policy.allocate_ordinary(superpage_order, migrate_type::movable));  // breaks the first block
        const page_run area{start, page_count{256}};
        std::uint64_t hits = 0;
        for (std::uint64_t i = 0; i < 256; ++i)
            hits += m.fault(start + page_count{i}, area, base_order).success.has_value();
        return 256 - hits;
    };
    EXPECT_EQ(misses(artifact_rules::all()), 256U);
    EXPECT_EQ(misses(without(artifact_rule::small_faults_leave_no_record)), 2U) << "the first page has two records";
}

TEST(artifact_policy_rules, E19_a_latecomer_aims_at_the_frame_of_its_own_pages_number) {
    machine m(64, artifact_rules::all(), pfn{0x7f0000});  // where such a frame exists
    const page_run area = area_of(4);
    const artifact_decision made = m.fault(nth(1), area, superpage_order, 1, false);
    EXPECT_EQ(made.target, pfn{nth(1).raw});
    EXPECT_EQ(made.wanted, page_count{0});
    EXPECT_TRUE(made.made.empty());
    machine right(64, without(artifact_rule::latecomers_miss), pfn{0x7f0000 + 1024});
    EXPECT_EQ(right.fault(nth(1), area, superpage_order, 1, false).placed, pfn{0x7f0000 + 1024});
}

TEST(artifact_policy_rules, a_stack_never_takes_part) {
    const auto placed = [](artifact_rules rules) {
        machine m(64, rules);
        return m.policy.decide({1, start, superpage_order, area_of(4), false, true}).placed.has_value();
    };
    EXPECT_FALSE(placed(artifact_rules::all()));
    EXPECT_TRUE(placed(without(artifact_rule::stacks_stay_out)));
}

TEST(artifact_policy_rules, a_frame_of_a_far_zone_is_taken_in_a_near_ones_turn_by_a_large_process) {
    const auto zone_tried = [](artifact_rules rules) {
        artifact_zone_options options;
        options.rules = rules;
        std::vector<artifact_zone> zones;
        for (const pfn first : {base, pfn{0x8000}}) {
            zones.emplace_back(frame_run{first, page_count{4 * top.raw}}, options);
            zones.back().donate(zones.back().span());
            zones.back().finish_boot();
        }
        artifact_policy policy(zones, rules);
        const page_run area = area_of(16);  // larger than either zone
        policy.learn(1, area, start, offset_of(start, pfn{0x8000}));
        const artifact_decision made = policy.decide({1, start, superpage_order, area, false, false});
        return made.success.has_value() && made.failures.empty();
    };
    EXPECT_TRUE(zone_tried(artifact_rules::all()));
    EXPECT_FALSE(zone_tried(without(artifact_rule::large_process_spills)));
}

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
    std::uint64_t seed = 7;
    const auto draw = [&](std::uint64_t below) {
        return (seed = seed * 6364136223846793005U + 1442695040888963407U) >> 33U % below;
    };
    artifact_offsets offsets;
    for (int step = 0; step < 500; ++step) {
        offsets.insert(vpn{1 + draw(1) % 100}, {draw(1) % 3}, artifact_rules::all());
        const vpn page{draw(1) % 110};
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
    add(100, 100, 100, 7);
    add(100, 100, 160, 8);
    areas.release(1, {vpn{140}, page_count{10}});
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
    add(100, 100, 100, 7);
    add(100, 100, 160, 8);
    areas.release(1, {vpn{140}, page_count{10}});
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

TEST(artifact_policy, E21_copies_of_a_childs_pages_aim_at_frames_in_use) {
    machine m;
    const page_run area{start, page_count{2 * superpage.raw}};
    ASSERT_TRUE(m.fault(start, area).got);
    m.policy.fork(1, 2);
    const artifact_decision made = m.fault(start + page_count{5}, area, base_order, 2);
    EXPECT_EQ(made.target, base + page_count{5});
    EXPECT_THAT(made.failures, ElementsAre(artifact_failure::occupied));
}

/// Answers that everything is mapped.
struct all_mapped {
    [[nodiscard]] vpn first_mapped(page_run pages) const noexcept { return pages.first; }
};

TEST(artifact_policy, E21_superpages_are_copied_without_a_target) {
    machine m;
    const placement_request<vpn> request{1, start, superpage_order, area_of(4), false, false};
    ASSERT_EQ(m.policy.allocate(request, nothing_mapped<vpn>{}), base);
    const std::uint64_t attempts = m.policy.kernel_counters().total_alloc();
    EXPECT_EQ(m.policy.allocate(request, all_mapped{}), base + superpage);
    EXPECT_EQ(m.policy.kernel_counters().total_alloc(), attempts);
}

// ---- processes ----

TEST(artifact_process_memory, what_a_process_took_is_free_again_when_it_ends) {
    machine m;
    const page_count before = m.zones[0].free_frames();
    artifact_process process(m.policy, 1);
    process.map({{start, page_count{10 * superpage.raw + 37}}});
    for (std::uint64_t page = 0; page < 10 * superpage.raw + 37; ++page) {
        ASSERT_TRUE(process.touch(start + page_count{page}, true));
    }
    process.unmap({start + page_count{700}, page_count{1500}});
    ASSERT_EQ(m.policy.audit().label, nullptr);
    process.exit();
    ASSERT_EQ(m.policy.audit().label, nullptr);
    std::uint64_t per_cpu = 0;
    for (std::size_t t = 0; t < 3; ++t) per_cpu += m.zones[0].per_cpu_frames(0, static_cast<migrate_type>(t)).size();
    EXPECT_EQ(m.zones[0].free_frames().raw + per_cpu, before.raw);
    EXPECT_EQ(m.zones[0].free_frames().raw + per_cpu, m.zones[0].span().count.raw);
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
    ASSERT_TRUE(m.zones[0].withdraw(base + page_count{1}));
    ASSERT_TRUE(m.zones[0].withdraw(base + page_count{513}));
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
