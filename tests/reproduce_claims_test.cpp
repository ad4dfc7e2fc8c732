// SPDX-License-Identifier: MIT
// Claims about contiguity on outcomes made by hand: each passes and fails where it should. What entries hold 99 %.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "../bench/longreach/reproduce_claims.hpp"

namespace longreach {
namespace {

using testing::HasSubstr;

const claim& claim_of(std::string_view id) {
    for (const claim& one : contiguity_claims()) {
        if (one.id == id) return one;
    }
    ADD_FAILURE() << id;
    return contiguity_claims().front();
}

const paper_workload& program_of(std::string_view name) {
    static const std::vector<paper_workload> all = paper_workloads(4096);
    for (const paper_workload& one : all) {
        if (std::string_view(one.name()).substr(0, name.size()) == name) return one;
    }
    ADD_FAILURE() << name;
    return all.front();
}

claim_run run_with(std::uint64_t n99, double cover = 1, std::uint64_t pages = 1000) {
    claim_run run;
    run.runs.n99 = n99;
    run.runs.cover32 = cover;
    run.runs.cover128 = cover;
    run.runs.pages = pages;
    run.costs.fault_ns_p99 = 1000;
    run.entries = {20, 18, 400};
    return run;
}

/// Outcomes with which every claim passes.
seed_runs good_runs() {
    seed_runs runs;
    for (const memory_state memory :
         {memory_state::fresh, memory_state::hog10, memory_state::hog20, memory_state::hog30, memory_state::hog40,
          memory_state::hog50, memory_state::aged}) {
        const bool fresh = memory == memory_state::fresh;
        runs.add({policy_name::ca, memory}, run_with(10));
        runs.add({policy_name::ideal, memory}, run_with(9));
        runs.add({policy_name::thp, memory}, run_with(200, 0.5));
        claim_run eager = run_with(fresh ? 20 : 100, 0.6, 1200);
        eager.costs.fault_ns_p99 = 30'000;
        runs.add({policy_name::eager, memory}, eager);
        claim_run ranger = run_with(12);
        ranger.costs.daemon.migrated_pages = 5;
        ranger.costs.covered_ns = 7'000'000'000;
        runs.add({policy_name::ranger, memory}, ranger);
    }
    runs.add({policy_name::ca, memory_state::few_runs}, run_with(20));
    runs.add({policy_name::ideal, memory_state::few_runs}, run_with(17));
    return runs;
}

std::string program_for(const claim& one) {
    return one.workloads.empty() ? "pagerank78g" : std::string(one.workloads.front());
}

/// A claim, and one run that breaks it.
struct breaking {
    std::string_view id;
    claim_need which{};
    claim_run instead{};
};

std::vector<breaking> all_breakings() {
    using enum memory_state;
    constexpr policy_name ca = policy_name::ca, thp = policy_name::thp, eager = policy_name::eager,
                          ranger = policy_name::ranger;
    claim_run many_offsets = run_with(20), few_anchors = run_with(20), slow = run_with(10), idle_ranger = run_with(12);
    many_offsets.entries.offsets99 = 21;
    few_anchors.entries.anchors99 = 199;
    slow.costs.fault_ns_p99 = 1101;
    idle_ranger.costs.covered_ns = 1;
    claim_run quick_eager = run_with(20);
    quick_eager.costs.fault_ns_p99 = 19'999;
    return {{"A1", {ca, few_runs}, run_with(35)},
            {"A1-offsets", {ca, few_runs}, many_offsets},
            {"A2", {ca, fresh}, run_with(10, 0.98)},
            {"A3", {ca, few_runs}, few_anchors},
            {"A4", {thp, fresh}, run_with(99)},
            {"A4-aged", {thp, aged}, run_with(99)},
            {"A5-fresh", {eager, fresh}, run_with(31)},
            {"A5-hog", {eager, hog50}, run_with(29, 0.86)},
            {"A6", {ca, hog50}, run_with(10, 0.64)},
            {"A7", {ca, aged}, run_with(28)},
            {"A7-cover", {ca, aged}, run_with(10, 0.94)},
            {"A8", {ca, hog30}, run_with(10, 1, 1001)},
            {"A8-eager", {eager, fresh}, run_with(20, 1, 999)},
            {"A8-sparse", {eager, fresh}, run_with(20, 1, 1040)},
            {"A9", {ca, fresh}, slow},
            {"A9-eager", {eager, fresh}, quick_eager},
            {"A10", {ranger, fresh}, run_with(21)},
            {"A10-later", {ranger, fresh}, idle_ranger},
            {"A10-moves", {ranger, fresh}, idle_ranger},
            {"B1", {ca, fresh}, run_with(14)},
            {"B2", {ca, aged}, run_with(14)},
            {"B3", {eager, hog20}, run_with(9)}};
}

/// Every claim with a figure passes on good outcomes and fails when one seed of three is worse than it allows.
TEST(contiguity_claims, each_passes_and_fails) {
    std::size_t with_figure = 0;
    for (const claim& one : contiguity_claims()) with_figure += one.figure != nullptr ? 1 : 0;
    EXPECT_EQ(with_figure, all_breakings().size());
    for (const breaking& each : all_breakings()) {
        const claim& one = claim_of(each.id);
        const paper_workload& program = program_of(program_for(one));
        std::vector<seed_runs> seeds(3, good_runs());
        const verdict good = judge(one, program, seeds);
        EXPECT_EQ(good.passed, true) << each.id << " " << good.worst << " " << good.why;
        EXPECT_EQ(good.why, "");
        EXPECT_EQ(good.figures.size(), 3U);
        seeds[1].add(each.which, each.instead);
        const verdict bad = judge(one, program, seeds);
        EXPECT_EQ(bad.passed, false) << each.id << " " << bad.worst;
        EXPECT_EQ(bad.worst, bad.figures[1]) << each.id;
        EXPECT_THAT(bad.why, HasSubstr("of first touches interleave")) << each.id;
    }
}

/// Every run that a claim says it needs is needed: without it there is no figure and no outcome.
TEST(contiguity_claims, say_what_they_need) {
    for (const claim& one : contiguity_claims()) {
        if (one.figure == nullptr) continue;
        seed_runs runs;
        const seed_runs good = good_runs();
        for (const claim_need need : one.needs) {
            const claim_run* const found = good.find(need.policy, need.memory);
            if (found != nullptr) runs.add(need, *found);
        }
        EXPECT_EQ(judge(one, program_of(program_for(one)), {runs}).passed, true) << one.id;
        const verdict none = judge(one, program_of(program_for(one)), {seed_runs{}});
        EXPECT_EQ(none.passed, std::nullopt);
        EXPECT_THAT(none.why, HasSubstr("does not fit"));
    }
}

/// A fail says whether the best placement known would pass: the best of all policies, not of `ideal` alone.
TEST(contiguity_claims, tell_what_is_out_of_reach) {
    seed_runs runs = good_runs();
    runs.add({policy_name::thp, memory_state::fresh}, run_with(95));
    EXPECT_EQ(judge(claim_of("A4"), program_of("xsbench"), {runs}).within_reach, true);
    runs.add({policy_name::thp, memory_state::fresh}, run_with(6));
    const verdict hopeless = judge(claim_of("A4"), program_of("xsbench"), {runs});
    EXPECT_EQ(hopeless.within_reach, false);
    EXPECT_THAT(hopeless.why, HasSubstr("on fresh memory n99 is 6 with thp"));
    EXPECT_EQ(runs.placed(policy_name::ideal, memory_state::fresh)->n99, 6U);
}

/// Where threads and areas do not interleave nothing is claimed of aged memory, and the ratio is still there.
TEST(contiguity_claims, claim_nothing_of_aged_memory_touched_in_order) {
    const verdict found = judge(claim_of("A4-aged"), program_of("xsbench"), {good_runs()});
    EXPECT_EQ(found.passed, std::nullopt);
    EXPECT_EQ(found.ours.mean, 20);
    EXPECT_LT(interleaved_share(program_of("xsbench")), 0.01);
    for (const char* name : {"svm", "pagerank", "hashjoin", "bt"}) {
        EXPECT_GT(interleaved_share(program_of(name)), 0.25) << name;
    }
}

/// Ranges of one offset share an entry; an anchor is aligned, and what reaches over takes small entries.
TEST(entry_counts, by_hand) {
    const entry_counts found = count_entries({{vpn{0}, 1000, 100}, {vpn{200}, 1200, 100}, {vpn{512}, 4096, 1 << 18}});
    EXPECT_EQ(found.ranges99, 1U);
    EXPECT_EQ(found.offsets99, 1U);
    const entry_counts equal = count_entries({{vpn{0}, 1000, 100}, {vpn{200}, 1200, 100}});
    EXPECT_EQ(equal.ranges99, 2U);
    EXPECT_EQ(equal.offsets99, 1U);
    // 2^12 pages from page 1 on: no anchor of 2^12 fits, 511 pages and one remain at the ends.
    EXPECT_EQ(count_entries({{vpn{4096}, 0, 4096}}).anchors99, 1U);
    EXPECT_GT(count_entries({{vpn{4097}, 0, 4096}}).anchors99, 400U);
}

}
}
