// SPDX-License-Identifier: MIT
// What a record proves of allocations that it does not have, by records made by hand; where a replay begins without a
// rover; and its invariants broken on purpose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/workloads/artifact/artifact_replay.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/case_differences.hpp"

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static auto& memory(artifact_replay& r) { return r.processes_.front().memory(); }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

constexpr vpn page_0{0x100000000};
constexpr pfn free_0{0x110000};
constexpr page_count superpage = superpage_order.pages();

/// One process with one area of 16 superpages; zone Normal has 40 free blocks of 4 MiB from free_0, where the rover is,
/// 64 unmovable frames for page tables, and two movable frames at the heads of its per-CPU lists.
recorded_case made_by_hand() {
    recorded_case record;
    record.run = "A9_by_hand";
    record.kind = 'A';
    record.logged = true;
    const auto add = [&](order size, migrate_type type, free_list list, pfn first, std::uint64_t blocks) {
        record.start.blocks.push_back({zone_name::normal, size, type, list, 0, first, blocks});
    };
    add(top_order, migrate_type::movable, free_list::zone, free_0, 40);
    add(order{7}, migrate_type::movable, free_list::zone, pfn{0x106000}, 1);
    add(base_order, migrate_type::movable, free_list::per_cpu, pfn{0x105000}, 2);
    add(base_order, migrate_type::unmovable, free_list::per_cpu, pfn{0x10a000}, 64);
    record.start.rover[static_cast<std::size_t>(zone_name::normal)] = free_0;
    record.areas.push_back({0, {page_0, page_count{16 * superpage.raw}}});
    record.processes.emplace_back().name = "main";
    return record;
}

/// The next fault of the area, on its next page or superpage; its first one wishes for nothing.
case_fault& add_fault(recorded_case& record, order size, pfn got, std::string_view failure, std::string_view success,
                      page_count behind = page_count{0}) {
    const bool first = record.faults.empty();
    case_fault fault;
    fault.seq = record.faults.size();
    fault.size = size;
    fault.page = first ? page_0 + behind : record.faults.back().page + size.pages();
    fault.target = free_0 + (fault.page - page_0);
    if (!first || behind.raw != 0) fault.wanted = record.areas[0].pages.end() - fault.page;
    fault.may_place = true;
    fault.got = got;
    fault.rover_after = free_0 + record.areas[0].pages.count;
    fault.fail_reasons = failure;
    fault.success_kind = success;
    record.steps.emplace_back().fault = record.faults.size();
    record.faults.push_back(fault);
    return record.faults.back();
}

/// The first superpages of the area, each at its target.
void add_superpages(recorded_case& record, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        add_fault(record, superpage_order, free_0 + page_count{i * superpage.raw}, "",
                  i % 2 == 0 ? "SUPERBLOCK" : "EXACT");
    }
}

/// A replay's differences and inferences, and what it says of them.
struct outcome {
    std::uint64_t differences;
    std::uint64_t inferred;
    std::vector<std::string> lines;
};
outcome replayed(const recorded_case& record) {
    const case_result result = replay_artifact(record).front();
    EXPECT_EQ(result.failure, "");
    return {model::differences(result), result.agreement->inferred, result.differences};
}

/// A replay agrees with the record once it takes one thing from it, which this line names.
void expect_inference(const recorded_case& record, const std::string& line) {
    const outcome found = replayed(record);
    EXPECT_EQ(found.differences, 0U) << ::testing::PrintToString(found.lines);
    EXPECT_EQ(found.inferred, 1U);
    EXPECT_THAT(found.lines, ::testing::Contains(::testing::HasSubstr(line)));
}
/// A replay takes nothing from the record, and differs from it so often.
void expect_differences(const recorded_case& record, std::uint64_t count) {
    EXPECT_EQ(replayed(record).differences, count);
    EXPECT_EQ(replayed(record).inferred, 0U);
}

TEST(artifact_inference, a_record_that_agrees_proves_nothing) {
    recorded_case record = made_by_hand();
    add_superpages(record, 16);
    const outcome found = replayed(record);
    EXPECT_EQ(found.differences, 0U) << ::testing::PrintToString(found.lines);
    EXPECT_EQ(found.inferred, 0U);
}

// The 16th superpage leaves the rover's block as the lowest that is free: kernel objects that need one take that one.
TEST(artifact_inference, a_rover_one_block_further_than_here_proves_that_its_block_was_taken) {
    recorded_case record = made_by_hand();
    add_superpages(record, 16);
    *record.faults.back().rover_after += top_order.pages();
    expect_inference(record, "block of the rover gone 0x112000");
}

TEST(artifact_inference, a_rover_that_nothing_explains_is_a_difference) {
    recorded_case early = made_by_hand();  // lower blocks are free: kernel objects would have taken one of them
    add_superpages(early, 8);
    *early.faults.back().rover_after += top_order.pages();
    recorded_case far = made_by_hand();  // two blocks further
    add_superpages(far, 16);
    *far.faults.back().rover_after += page_count{2 * top_order.pages().raw};
    for (const recorded_case& record : {early, far}) expect_differences(record, 1);
}

TEST(artifact_inference, a_frame_from_the_middle_of_the_per_cpu_list_proves_that_those_before_it_were_taken) {
    recorded_case record = made_by_hand();
    add_fault(record, base_order, pfn{0x105001}, "", "");
    add_fault(record, base_order, pfn{0x106000}, "NOTHING_FOUND", "");
    expect_inference(record, "per-CPU frame gone 0x105000");
}

TEST(artifact_inference, a_frame_of_the_next_batch_proves_that_the_per_cpu_list_ran_out) {
    recorded_case record = made_by_hand();
    add_fault(record, base_order, pfn{0x105000}, "", "");
    add_fault(record, base_order, pfn{0x106000}, "NOTHING_FOUND", "");
    expect_inference(record, "per-CPU frame gone 0x105001");
}

TEST(artifact_inference, a_frame_that_no_list_would_give_is_a_difference) {
    recorded_case record = made_by_hand();
    add_fault(record, base_order, pfn{0x104000}, "", "");
    expect_differences(record, 1);
}

TEST(artifact_inference, a_free_target_that_was_found_in_use_was_taken_and_what_follows_is_decided_here) {
    recorded_case record = made_by_hand();
    add_superpages(record, 3);
    const pfn placed_anew = free_0 + page_count{16 * superpage.raw};
    add_fault(record, superpage_order, placed_anew, "OCCUPIED", "").rover_after =
        placed_anew + page_count{14 * superpage.raw};
    expect_inference(record, "target in use 0x110600");
    record.faults.back().got = placed_anew + superpage;
    EXPECT_EQ(replayed(record).differences, 3U) << "frame, re-placement and offset record";
}

// The area is longer than the range that it got: a target behind the range has been in use since before the start.
TEST(artifact_inference, a_refused_target_of_which_nothing_is_known_is_a_slab_or_inside_a_larger_block) {
    for (const std::string_view why : {"", "BUDDY_OCCUPIED"}) {
        recorded_case record = made_by_hand();
        record.areas[0].pages.count = page_count{82 * superpage.raw};
        add_fault(record, superpage_order, free_0, "", "SUPERBLOCK").rover_after = free_0 + top_order.pages();
        case_fault& behind = add_fault(record, superpage_order, free_0 + top_order.pages(), why, "");
        behind.page = page_0 + page_count{80 * superpage.raw};
        behind.target = free_0 + page_count{80 * superpage.raw};
        behind.wanted = page_count{2 * superpage.raw};
        behind.rover_after = free_0 + page_count{2 * top_order.pages().raw};
        expect_inference(record, why.empty() ? "slab at the target 0x11a000" : "inside a block 0x11a000");
    }
}

// Without pages from before, an area's offset cannot be older than the log: it is decided here.
TEST(artifact_inference, an_offset_is_learned_only_for_an_area_with_pages_from_before_the_log) {
    recorded_case record = made_by_hand();
    record.start.rover[static_cast<std::size_t>(zone_name::normal)] = free_0 + page_count{8 * top_order.pages().raw};
    add_fault(record, superpage_order, free_0 + superpage, "", "SUPERBLOCK", superpage);
    EXPECT_NE(replayed(record).differences, 0U);
    record.processes[0].before.push_back({{page_0, page_count{1}}, pfn{0x107000}});
    EXPECT_EQ(replayed(record).differences, 0U) << ::testing::PrintToString(replayed(record).lines);
}

TEST(artifact_replay_audit, I9_a_given_frame_that_is_free_is_found) {
    const recorded_case record = made_by_hand();
    artifact_replay replay(record, artifact_rules::all(), 0);
    corrupt::memory(replay).add(page_0, {free_0, base_order, false});
    EXPECT_THAT(replay.results().front().failure, ::testing::StartsWith("artifact_replay.I9"));
}

TEST(artifact_replay_audit, I20_a_frame_that_was_given_twice_is_found) {
    recorded_case record = made_by_hand();
    add_superpages(record, 1);
    artifact_replay replay(record, artifact_rules::all(), 0);
    replay.run();
    corrupt::memory(replay).add(page_0 + superpage, {free_0 + page_count{1}, base_order, false});
    EXPECT_THAT(replay.results().front().failure, ::testing::StartsWith("artifact_replay.I20"));
}

// A zone that has no block at the start has no rover either, until a block is free again.
TEST(artifact_replay, a_start_without_a_rover_has_none) {
    artifact_zone zone({free_0, page_count{4 * top_order.pages().raw}});
    zone.finish_start(std::nullopt);
    EXPECT_EQ(zone.rover(), std::nullopt);
    zone.donate({free_0 + top_order.pages(), top_order.pages()});
    EXPECT_EQ(zone.rover(), free_0 + top_order.pages());
    EXPECT_EQ(zone.choose(top_order.pages()), free_0 + top_order.pages());
    EXPECT_EQ(zone.rover(), free_0 + top_order.pages()) << "the first range again, not one that never was";
    EXPECT_EQ(zone.audit().label, nullptr);
}

}  // namespace
}  // namespace longreach
