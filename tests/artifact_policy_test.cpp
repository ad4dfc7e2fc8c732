// SPDX-License-Identifier: MIT
// The original kernel's policy by example: targets, placements, forks, and what a process gives back; the nasty cases
// E13 to E25 of the study of that kernel that a fault shows; and rules that no recorded case shows, switched off.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/artifact/artifact_policy.hpp>
#include <longreach/workloads/artifact/artifact_process.hpp>
#include <optional>
#include <vector>

#include "model/artifact_machine.hpp"

namespace longreach {
namespace {

using namespace artifact_trial;
using ::testing::ElementsAre;

constexpr vpn start{0x7f0000};
constexpr pfn far_base{0x8000};

constexpr map_offset<vpn, pfn> offset_of(vpn page, pfn frame) { return offset_between(page, frame); }
constexpr page_run area_of(std::uint64_t superpages) { return {start, page_count{superpages * superpage.raw}}; }
constexpr vpn nth(std::uint64_t n) { return start + page_count{n * superpage.raw}; }

/// A near zone and a far one, of four free blocks each.
std::vector<artifact_zone> two_zones(const artifact_zone_options& options) {
    std::vector<artifact_zone> zones;
    for (const pfn first : {base, far_base}) {
        zones.push_back(free_zone({first, page_count{4 * top.raw}}, options));
    }
    return zones;
}

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
        m.break_first_block();
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
    std::vector<artifact_zone> zones = two_zones(options);
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
    offsets.insert(vpn{0}, {7}, artifact_rules::all());
    offsets.insert(vpn{100}, {9}, artifact_rules::all());
    EXPECT_EQ(offsets.lookup(vpn{200}, artifact_rules::all()).value, std::nullopt);
    EXPECT_EQ(offsets.lookup(vpn{200}, without(artifact_rule::page_zero_ends_records)).value->raw, 9U);
}

TEST(artifact_policy_rules, E17_of_two_records_for_one_page_the_older_wins_and_every_fault_places_anew) {
    const auto records_after = [](artifact_rules rules) {
        machine m(64, rules);
        const page_run area = area_of(2);
        // Each time the page is dropped, its frames are lost, and the page is touched again.
        for (int i = 0; i < 6; ++i) EXPECT_TRUE(m.fault(start, area).got);
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
        std::vector<artifact_zone> zones = two_zones(with(rules));
        artifact_policy policy(zones, rules);
        const page_run area = area_of(16);  // larger than either zone
        policy.learn(1, area, start, offset_of(start, far_base));
        const artifact_decision made = policy.decide({1, start, superpage_order, area, false, false});
        return made.success.has_value() && made.failures.empty();
    };
    EXPECT_TRUE(zone_tried(artifact_rules::all()));
    EXPECT_FALSE(zone_tried(without(artifact_rule::large_process_spills)));
}

// ---- forks ----

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
    const page_count after = m.zones[0].free_frames() + per_cpu_frames(m.zones[0]);
    EXPECT_EQ(after, before);
    EXPECT_EQ(after, m.zones[0].span().count);
}

}  // namespace
}  // namespace longreach
