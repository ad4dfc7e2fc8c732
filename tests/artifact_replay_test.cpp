// SPDX-License-Identifier: MIT
// The recorded cases, replayed with the original's rules: every decision equal, and the free lists at the end too; and
// each rule that a recorded case shows, switched off.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <cstdint>
#include <longreach/workloads/artifact/artifact_page_cache.hpp>
#include <longreach/workloads/artifact/artifact_replay.hpp>
#include <longreach/workloads/cases/case_reader.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bundled_cases.hpp"
#include "model/case_differences.hpp"

namespace longreach {
namespace {

using longreach_tests::bundle;
using longreach_tests::bundled;
using longreach_tests::bundled_cases;
using model::differences;

bool is_exact_kind(char kind) { return kind <= 'F' || kind == 'K'; }

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
