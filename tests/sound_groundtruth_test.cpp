// SPDX-License-Identifier: MIT
// The rules of ca_paging, from the same free memory and for the same faults as the original kernel, need hardly more
// runs than the best placement known, and never more than the original did.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/cases/sound_replay.hpp>
#include <map>
#include <string>
#include <vector>

#include "bundled_cases.hpp"

namespace longreach {
namespace {

/// A bundled case with what a replay found.
struct replayed_case {
    const recorded_case& record;
    std::vector<case_result> results;
};

const std::vector<replayed_case>& replayed() {
    static const std::vector<replayed_case> all = [] {
        std::vector<replayed_case> made;
        for (const recorded_case& each : longreach_tests::bundled_cases()) made.push_back({each, replay_sound(each)});
        return made;
    }();
    return all;
}

TEST(sound_groundtruth, every_replay_keeps_account_of_all_frames) {
    EXPECT_GE(replayed().size(), 39U);
    for (const auto& [record, results] : replayed()) {
        for (const case_result& result : results) EXPECT_EQ(result.failure, "") << record.run << ' ' << record.workload;
    }
}

TEST(sound_groundtruth, processes_with_ca_need_hardly_more_runs_than_the_best_placement_known) {
    for (const auto& [record, results] : replayed()) {
        std::uint64_t found = 0;
        std::uint64_t ideal = 0;
        bool all_ca = true;
        for (std::size_t i = 0; i < results.size(); ++i) {
            SCOPED_TRACE(record.run + ' ' + record.workload + ' ' + results[i].process);
            ASSERT_TRUE(results[i].ideal99.has_value());
            ASSERT_TRUE(results[i].bound99.has_value());
            EXPECT_LE(*results[i].bound99, *results[i].ideal99);
            found += results[i].found.n99;
            ideal += *results[i].ideal99;
            all_ca = all_ca && record.processes[i].ca;
            EXPECT_LE(results[i].found.n99, *results[i].ideal99 * 105 / 100 + 1);
        }
        if (results.size() == 2 && all_ca) {
            EXPECT_LE(found * 100, ideal * 105 + 200) << record.run;
        }
    }
}

TEST(sound_groundtruth, nothing_needs_more_runs_than_with_the_original) {
    std::uint64_t compared = 0;
    for (const auto& [record, results] : replayed()) {
        for (const case_result& result : results) {
            if (!result.recorded) continue;
            ++compared;
            EXPECT_LE(result.found.n99, result.recorded->n99) << record.run << ' ' << record.workload;
            EXPECT_EQ(result.found.pages, result.recorded->pages) << record.run << ' ' << record.workload;
        }
    }
    EXPECT_GE(compared, 39U);
}

/// What the original is worst at: 4 KiB faults, growing heaps, malloc, odd areas, a neighbour without CA paging, and
/// memory in pieces.
TEST(sound_groundtruth, where_the_original_fails_there_are_few_runs) {
    const std::map<std::string, std::uint64_t> most = {
        {"H2_rand_thpoff_ca/H2_rand_thpoff", 1},
        {"H3_rr_thpoff_ca/H3_rr_thpoff", 4},
        {"G2_malloc64k_ca/G2_malloc64k", 2},
        {"G3_malloc1m_ca/G3_malloc1m", 4},
        {"G4_brk_steps_ca/G4_brk_steps", 2},
        {"C5_rr3_odd_ca/C5_rr3_odd", 3},
        {"F1_2g_hog16m_30_ca/F_2g_rand2m", 18},
        {"E_2m_30_ca/A2_seq1g", 43},
        {"E_2m_30_ca/C1_rr4_2m", 43},
        {"L1_churn_ca/L1_churn", 14},
    };
    std::size_t seen = 0;
    for (const auto& [record, results] : replayed()) {
        const auto limit = most.find(record.run + '/' + record.workload);
        if (limit == most.end()) continue;
        ++seen;
        EXPECT_LE(results[0].found.n99, limit->second) << limit->first;
    }
    EXPECT_EQ(seen, most.size());
}

TEST(sound_groundtruth, where_the_original_hangs_the_program_gets_all_that_there_is) {
    bool seen = false;
    for (const auto& [record, results] : replayed()) {
        if (record.run != "X1_no2m_blocks_ca") continue;
        seen = true;
        EXPECT_LE(results[0].found.n99, 130U);
        EXPECT_EQ(results[0].found.superpages, 78U);
        EXPECT_EQ(results[0].found.pages, 65536U);
    }
    EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace longreach
