// SPDX-License-Identifier: MIT
// The recorded cases, replayed with the original's rules: every decision equal, and the free lists at the end too; and
// each rule that a recorded case shows, switched off.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <algorithm>
#include <cstdint>
#include <longreach/workloads/artifact/artifact_page_cache.hpp>
#include <longreach/workloads/artifact/artifact_replay.hpp>
#include <longreach/workloads/cases/case_reader.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static auto& memory(artifact_replay& r) { return r.processes_.front().memory(); }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

const std::string bundle = std::string(LONGREACH_SOURCE_DIR) + "/tests/groundtruth";

const std::vector<recorded_case>& bundled_cases() {
    static const std::vector<recorded_case> cases = [] {
        absl::StatusOr<std::vector<recorded_case>> loaded = load_cases(bundle);
        if (!loaded.ok()) ADD_FAILURE() << loaded.status();
        return loaded.ok() ? *std::move(loaded) : std::vector<recorded_case>{};
    }();
    return cases;
}

const recorded_case& bundled(const std::string& run, const std::string& workload) {
    for (const recorded_case& each : bundled_cases()) {
        if (each.run == run && each.workload == workload) return each;
    }
    ADD_FAILURE() << run << "/" << workload << " is not bundled";
    static const recorded_case none;
    return none;
}

bool is_exact_kind(char kind) { return kind <= 'F' || kind == 'K'; }

/// How many of the record's decisions a replay did not repeat.
std::uint64_t differences(const case_result& result) {
    const case_agreement& a = *result.agreement;
    return (result.faults - a.targets_equal) + (result.faults - a.verdicts_equal) + (result.faults - a.frames_equal) +
           (a.placements - a.placements_equal) + (a.replacements - a.replacements_equal) +
           (a.offsets - a.offsets_equal) + (a.rovers - a.rover_equal);
}
std::uint64_t differences(const recorded_case& record, artifact_rules rules) {
    std::uint64_t sum = 0;
    for (const case_result& result : replay_artifact(record, rules)) sum += differences(result);
    return sum;
}

TEST(artifact_replay, repeats_every_decision_of_every_recorded_case) {
    std::uint64_t faults = 0;
    std::uint64_t inferred = 0;
    for (const recorded_case& record : bundled_cases()) {
        if (!record.logged) continue;
        for (const case_result& result : replay_artifact(record)) {
            SCOPED_TRACE(result.run + " " + result.workload + " " + result.process);
            EXPECT_EQ(differences(result), 0U) << ::testing::PrintToString(result.differences);
            EXPECT_EQ(result.failure, "");
            if (!is_exact_kind(record.kind)) continue;
            faults += result.faults;
            inferred += result.agreement->inferred;
        }
    }
    EXPECT_GT(faults, 17000U);
    EXPECT_LE(inferred * 1000, faults) << "allocations outside the log are at most 0.1 % of the faults";
}

TEST(artifact_replay, finds_the_runs_that_were_recorded) {
    for (const recorded_case& record : bundled_cases()) {
        if (!record.logged) continue;
        for (const case_result& result : replay_artifact(record)) {
            if (!result.recorded || result.process == "child") continue;
            SCOPED_TRACE(result.run + " " + result.workload + " " + result.process);
            EXPECT_EQ(result.found.pages, result.recorded->pages);
            EXPECT_EQ(result.found.runs, result.recorded->runs);
            EXPECT_EQ(result.found.n99, result.recorded->n99);
        }
    }
}

/// Every free movable block, list by list, each from head to tail.
std::vector<std::tuple<free_list, unsigned, std::uint64_t>> movable_blocks(const std::vector<listed_blocks>& lines,
                                                                           zone_name zone) {
    std::vector<std::tuple<free_list, unsigned, std::uint64_t>> blocks;
    for (const listed_blocks& line : lines) {
        if (line.zone != zone || line.type != migrate_type::movable) continue;
        for (std::uint64_t i = 0; i < line.blocks; ++i) {
            blocks.emplace_back(line.list, line.size.raw, line.first.raw + (i << line.size.raw));
        }
    }
    return blocks;
}

TEST(artifact_replay, ends_with_the_recorded_free_lists_in_their_order) {
    for (const recorded_case& record : bundled_cases()) {
        if (!record.logged || record.kind == 'I') continue;  // a child's start and end use frames that are in no log
        SCOPED_TRACE(record.run + " " + record.workload);
        artifact_replay replay(record, artifact_rules::all(), 0);
        replay.run();
        for (const zone_name name : {zone_name::normal, zone_name::dma32}) {
            const artifact_zone& zone = replay.policy().zones()[name == zone_name::normal ? 0 : 1];
            EXPECT_TRUE(movable_blocks(zone.dump(name), name) == movable_blocks(record.end.blocks, name));
        }
    }
}

/// What the counters of the recorded boots gained, as "ORDER:NAME=COUNT ORDER:NAME=COUNT".
struct recorded_counts {
    const char* run;
    const char* workload;
    std::uint64_t attempts;
    std::string_view failures;
    std::string_view successes;
};

template <class Counted, class Names>
std::string counts_text(const Names& names, Counted&& counted) {
    std::vector<std::string> words;
    for (const order size : {base_order, superpage_order}) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            const std::uint64_t count = counted(size, i);
            if (count != 0) words.push_back(absl::StrFormat("%d:%s=%d", size.raw, names[i], count));
        }
    }
    return absl::StrJoin(words, " ");
}

std::string failures_text(const artifact_counters& counters) {
    return counts_text(artifact_failure_names, [&](order size, std::size_t i) {
        return counters.failures(size, static_cast<artifact_failure>(i));
    });
}
std::string successes_text(const artifact_counters& counters) {
    return counts_text(artifact_success_names, [&](order size, std::size_t i) {
        return counters.successes(size, static_cast<artifact_success>(i));
    });
}

struct artifact_counters_recorded : ::testing::TestWithParam<recorded_counts> {};

TEST_P(artifact_counters_recorded, are_the_kernels) {
    artifact_replay replay(bundled(GetParam().run, GetParam().workload), artifact_rules::all(), 0);
    replay.run();
    const artifact_counters& counters = replay.policy().kernel_counters();
    EXPECT_EQ(counters.total_alloc(), GetParam().attempts);
    EXPECT_EQ(failures_text(counters), GetParam().failures);
    EXPECT_EQ(successes_text(counters), GetParam().successes);
}

INSTANTIATE_TEST_SUITE_P(
    by_record, artifact_counters_recorded,
    ::testing::Values(
        recorded_counts{"A1_seq256_ca", "A1_seq256", 128, "", "9:SUPERBLOCK=64 9:EXACT=64"},
        recorded_counts{"A3_unaligned_ca", "A3_seq256_unaligned", 639, "0:NOTHING_FOUND=510",
                        "9:SUPERBLOCK=64 9:EXACT=63"},
        recorded_counts{"C5_rr3_odd_ca", "C5_rr3_odd", 820, "0:NOTHING_FOUND=508 9:OCCUPIED=1",
                        "0:SUPERBLOCK=136 0:EXACT=134 9:SUPERBLOCK=22 9:EXACT=17"},
        recorded_counts{"D1_two_ca", "D1_two", 559, "0:NOTHING_FOUND=46", "9:SUPERBLOCK=256 9:EXACT=256"},
        recorded_counts{"D3_plain_main_ca_peer_ca", "D1_two", 303, "0:OCCUPIED=19 0:NOTHING_FOUND=28 9:OCCUPIED=255",
                        "9:SUPERBLOCK=1"},
        recorded_counts{"E_2m_50_ca", "C1_rr4_2m", 512, "9:OCCUPIED=171", "9:SUPERBLOCK=62 9:EXACT=279"},
        recorded_counts{"E_4m_30_ca", "A2_seq1g", 512, "9:OCCUPIED=28 9:SUBBLOCK=1", "9:SUPERBLOCK=227 9:EXACT=256"},
        recorded_counts{"F1_2g_hog16m_30_ca", "F_2g_rand2m", 1024, "9:OCCUPIED=450 9:SUBBLOCK=1",
                        "9:SUPERBLOCK=354 9:EXACT=219"},
        recorded_counts{"F2_4500m_ca", "F2_4500m", 2250, "9:OCCUPIED=1", "9:SUPERBLOCK=1124 9:EXACT=1125"},
        recorded_counts{"G2_malloc64k_ca", "G2_malloc64k", 32776,
                        "0:OCCUPIED=2 0:BUDDY_OCCUPIED=3181 0:NOTHING_FOUND=9904", "0:SUPERBLOCK=10197 0:EXACT=9232"},
        recorded_counts{"G4_brk_steps_ca", "G4_brk_steps", 20500, "0:NOTHING_FOUND=10611",
                        "0:SUPERBLOCK=4925 0:EXACT=4924 9:SUPERBLOCK=11 9:EXACT=9"},
        recorded_counts{"H2_rand_thpoff_ca", "H2_rand_thpoff", 8192,
                        "0:OCCUPIED=2117 0:BUDDY_OCCUPIED=132 0:NOTHING_FOUND=5729", "0:SUPERBLOCK=183 0:EXACT=3"},
        recorded_counts{"K1_churn_ca", "K1_churn", 2414, "9:OCCUPIED=2", "9:SUPERBLOCK=1204 9:EXACT=1207"},
        recorded_counts{"L1_churn_ca", "L1_churn", 2414, "0:NOTHING_FOUND=742",
                        "0:SUPERBLOCK=148 0:EXACT=138 9:SUPERBLOCK=707 9:EXACT=660"}));

/// By how much the kernel's number of free frames had moved away from its lists at the end.
struct recorded_drift {
    const char* run;
    const char* workload;
    std::int64_t frames;
};

struct artifact_drift_recorded : ::testing::TestWithParam<recorded_drift> {};

// The boots' nr_free_pages less the sum of their free blocks; none without the rule.
TEST_P(artifact_drift_recorded, is_the_kernels) {
    const auto drift = [](artifact_rules rules) {
        artifact_replay replay(bundled(GetParam().run, GetParam().workload), rules, 0);
        replay.run();
        std::int64_t sum = 0;
        for (const artifact_zone& zone : replay.policy().zones()) {
            sum += zone.reported_free() - static_cast<std::int64_t>(zone.free_frames().raw);
        }
        return sum;
    };
    EXPECT_EQ(drift(artifact_rules::all()), GetParam().frames);
    EXPECT_EQ(drift(artifact_rules::all().without(artifact_rule::drifting_free_count)), 0);
}

INSTANTIATE_TEST_SUITE_P(by_record, artifact_drift_recorded,
                         ::testing::Values(recorded_drift{"E_2m_10_ca", "A2_seq1g", 14 * 512},
                                           recorded_drift{"D3_plain_main_ca_peer_ca", "D1_two", 255 * 512},
                                           recorded_drift{"G2_malloc64k_ca", "G2_malloc64k", -228},
                                           recorded_drift{"G3_malloc1m_ca", "G3_malloc1m", -79},
                                           recorded_drift{"H2_rand_thpoff_ca", "H2_rand_thpoff", -24}));

// ---- what a record proves, by hand-made records ----

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
    return {differences(result), result.agreement->inferred, result.differences};
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
    const outcome found = replayed(record);
    EXPECT_EQ(found.differences, 0U) << ::testing::PrintToString(found.lines);
    EXPECT_EQ(found.inferred, 1U);
    EXPECT_THAT(found.lines, ::testing::Contains(::testing::HasSubstr("block of the rover gone 0x112000")));
}

TEST(artifact_inference, a_rover_that_nothing_explains_is_a_difference) {
    recorded_case early = made_by_hand();  // lower blocks are free: kernel objects would have taken one of them
    add_superpages(early, 8);
    *early.faults.back().rover_after += top_order.pages();
    recorded_case far = made_by_hand();  // two blocks further
    add_superpages(far, 16);
    *far.faults.back().rover_after += page_count{2 * top_order.pages().raw};
    for (const recorded_case& record : {early, far}) {
        EXPECT_EQ(replayed(record).differences, 1U);
        EXPECT_EQ(replayed(record).inferred, 0U);
    }
}

TEST(artifact_inference, a_frame_from_the_middle_of_the_per_cpu_list_proves_that_those_before_it_were_taken) {
    recorded_case record = made_by_hand();
    add_fault(record, base_order, pfn{0x105001}, "", "");
    add_fault(record, base_order, pfn{0x106000}, "NOTHING_FOUND", "");
    const outcome found = replayed(record);
    EXPECT_EQ(found.differences, 0U) << ::testing::PrintToString(found.lines);
    EXPECT_EQ(found.inferred, 1U);
    EXPECT_THAT(found.lines, ::testing::Contains(::testing::HasSubstr("per-CPU frame gone 0x105000")));
}

TEST(artifact_inference, a_frame_of_the_next_batch_proves_that_the_per_cpu_list_ran_out) {
    recorded_case record = made_by_hand();
    add_fault(record, base_order, pfn{0x105000}, "", "");
    add_fault(record, base_order, pfn{0x106000}, "NOTHING_FOUND", "");
    const outcome found = replayed(record);
    EXPECT_EQ(found.differences, 0U) << ::testing::PrintToString(found.lines);
    EXPECT_EQ(found.inferred, 1U);
    EXPECT_THAT(found.lines, ::testing::Contains(::testing::HasSubstr("per-CPU frame gone 0x105001")));
}

TEST(artifact_inference, a_frame_that_no_list_would_give_is_a_difference) {
    recorded_case record = made_by_hand();
    add_fault(record, base_order, pfn{0x104000}, "", "");
    EXPECT_EQ(replayed(record).differences, 1U);
    EXPECT_EQ(replayed(record).inferred, 0U);
}

TEST(artifact_inference, a_free_target_that_was_found_in_use_was_taken_and_what_follows_is_decided_here) {
    recorded_case record = made_by_hand();
    add_superpages(record, 3);
    const pfn placed_anew = free_0 + page_count{16 * superpage.raw};
    add_fault(record, superpage_order, placed_anew, "OCCUPIED", "").rover_after =
        placed_anew + page_count{14 * superpage.raw};
    const outcome found = replayed(record);
    EXPECT_EQ(found.differences, 0U) << ::testing::PrintToString(found.lines);
    EXPECT_EQ(found.inferred, 1U);
    EXPECT_THAT(found.lines, ::testing::Contains(::testing::HasSubstr("target in use 0x110600")));
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
        const outcome found = replayed(record);
        EXPECT_EQ(found.differences, 0U) << ::testing::PrintToString(found.lines);
        EXPECT_EQ(found.inferred, 1U);
        EXPECT_THAT(found.lines, ::testing::Contains(::testing::HasSubstr(why.empty() ? "slab at the target 0x11a000"
                                                                                      : "inside a block 0x11a000")));
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

// A run without CA paging that exhausts zone Normal left between 18690 and 19200 frames.
static_assert(recorded_watermarks(zone_name::normal).low > page_count{18690} &&
              recorded_watermarks(zone_name::normal).low < page_count{19200});
static_assert(recorded_watermarks(zone_name::normal).least < recorded_watermarks(zone_name::normal).low);

// ---- files ----

/// A boot whose workload read one file from its first page to its last; copies of the pages, where it wrote them, took
/// an ordinary frame each.
struct recorded_file {
    const char* run;
    const char* workload;
    std::uint64_t pages;
    bool copied;
    std::uint64_t attempts;
    std::string_view failures;
    std::string_view successes;
    std::size_t
        unlogged;  ///< per-CPU frames that something else used: J1 opens its file after the start, others before
};

struct artifact_files_recorded : ::testing::TestWithParam<recorded_file> {};

// Counters, free lists in their order and rover, from the recorded start; these boots have no fault log.
TEST_P(artifact_files_recorded, end_as_recorded) {
    const recorded_file& file = GetParam();
    const case_folder folder(bundle + "/" + file.run);
    const std::string name = file.workload;
    const auto blocks = read_free_blocks(folder, name + ".before.free_blocks.csv");
    const auto rovers = read_rovers(folder, name + ".before.contiguity_map.csv");
    const auto blocks_after = read_free_blocks(folder, name + ".after.free_blocks.csv");
    const auto rovers_after = read_rovers(folder, name + ".after.contiguity_map.csv");
    ASSERT_TRUE(blocks.ok() && rovers.ok() && blocks_after.ok() && rovers_after.ok());
    std::vector<artifact_zone> zones;
    for (const zone_name zone : {zone_name::normal, zone_name::dma32}) {
        zones.emplace_back(zone_spans[static_cast<std::size_t>(zone)]);
        for (const listed_blocks& line : *blocks) {
            if (line.zone == zone) zones.back().append(line);
        }
        zones.back().finish_start((*rovers)[static_cast<std::size_t>(zone)]);
    }
    artifact_policy policy(zones, artifact_rules::all());
    artifact_page_cache cache(policy);
    for (std::uint64_t i = 0; i < file.pages; ++i) {
        ASSERT_TRUE(cache.allocate_file_page(1, i, page_count{file.pages}));
        if (file.copied) {
            ASSERT_TRUE(policy.allocate_ordinary(base_order, migrate_type::movable));
        }
    }
    EXPECT_EQ(policy.kernel_counters().total_alloc(), file.attempts);
    EXPECT_EQ(failures_text(policy.kernel_counters()), file.failures);
    EXPECT_EQ(successes_text(policy.kernel_counters()), file.successes);
    EXPECT_EQ(zones[0].rover(), (*rovers_after)[static_cast<std::size_t>(zone_name::normal)]);
    for (std::size_t i = 0; i < file.unlogged; ++i) {
        ASSERT_TRUE(policy.allocate_ordinary(base_order, migrate_type::movable));
    }
    EXPECT_TRUE(movable_blocks(zones[0].dump(zone_name::normal), zone_name::normal) ==
                movable_blocks(*blocks_after, zone_name::normal));
    EXPECT_EQ(policy.audit().label, nullptr);
}

INSTANTIATE_TEST_SUITE_P(by_record, artifact_files_recorded,
                         ::testing::Values(recorded_file{"J1_read_ext2_ca", "J1_read_ext2", 16384, false, 31,
                                                         "0:OCCUPIED=1 0:BUDDY_OCCUPIED=16 0:NOTHING_FOUND=15",
                                                         "0:RESERVED=16352 9:SUPERBLOCK=15 9:EXACT=16", 2},
                                           recorded_file{"J2_private_file_ca", "J2_private_file", 16384, false, 31,
                                                         "0:OCCUPIED=1 0:BUDDY_OCCUPIED=16 0:NOTHING_FOUND=15",
                                                         "0:RESERVED=16352 9:SUPERBLOCK=15 9:EXACT=16", 0},
                                           recorded_file{"J3_private_file_w_ca", "J3_private_file_w", 4096, true, 7,
                                                         "0:OCCUPIED=8 9:OCCUPIED=7", "0:RESERVED=4088", 0}));

// ---- rules ----

struct shown_rule {
    artifact_rule rule;
    const char* run;
    const char* workload;
};

struct artifact_rules_shown : ::testing::TestWithParam<shown_rule> {};

TEST_P(artifact_rules_shown, the_named_case_tells) {
    const recorded_case& record = bundled(GetParam().run, GetParam().workload);
    const std::uint64_t without = differences(record, artifact_rules::all().without(GetParam().rule));
    EXPECT_EQ(differences(record, artifact_rules::all()), 0U);
    EXPECT_NE(without, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    by_record, artifact_rules_shown,
    ::testing::Values(shown_rule{artifact_rule::skips_range_before_rover, "E_2m_10_ca", "C1_rr4_2m"},
                      shown_rule{artifact_rule::ignores_frames_below_rover, "K1_churn_ca", "K1_churn"},
                      shown_rule{artifact_rule::climbs_upper_halves, "G2_malloc64k_ca", "G2_malloc64k"},
                      shown_rule{artifact_rule::small_pages_spare_blocks, "A3_unaligned_ca", "A3_seq256_unaligned"},
                      shown_rule{artifact_rule::large_process_spills, "F2_4500m_ca", "F2_4500m"},
                      shown_rule{artifact_rule::unaligned_offsets, "C5_rr3_odd_ca", "C5_rr3_odd"},
                      shown_rule{artifact_rule::older_record_wins, "F1_2g_hog16m_30_ca", "F_2g_rand2m"},
                      shown_rule{artifact_rule::small_faults_leave_no_record, "H1_seq_thpoff_ca", "H1_seq_thpoff"},
                      shown_rule{artifact_rule::stacks_stay_out, "D1_two_ca", "D1_two"},
                      shown_rule{artifact_rule::children_aim_at_parents, "I2_cow_4k_ca", "I2_cow_4k"}));

// What the original never ends, ends here.
TEST(artifact_replay, where_the_original_tries_again_for_ever_small_pages_are_used_and_nothing_is_lost) {
    for (const recorded_case& record : bundled_cases()) {
        if (record.logged || record.kind == 'J') continue;
        SCOPED_TRACE(record.run);
        const std::vector<case_result> results = replay_artifact(record);
        EXPECT_EQ(results[0].failure, "");
        if (record.run.substr(0, 2) == "X1") {
            EXPECT_EQ(results[0].found.superpages, 78U) << "as many as without CA paging";
            EXPECT_EQ(results[0].found.pages, 65536U);
            EXPECT_THAT(results[0].differences, ::testing::Contains(::testing::StartsWith("50 faults without")));
        }
    }
}

}  // namespace
}  // namespace longreach
