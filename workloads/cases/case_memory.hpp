// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_MEMORY_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_MEMORY_HPP

#include <algorithm>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "recorded_case.hpp"

// The memory of a recorded case as one run of frames, whatever zones and lists the kernel kept it in.

LONGREACH_NAMESPACE_BEGIN

/// Frames from 0 to the end of the last zone.
inline constexpr page_count case_memory{zone_spans.back().end().raw};

/// Sorts runs by frame and joins those that adjoin or overlap.
[[nodiscard]] inline std::vector<frame_run> joined(std::vector<frame_run> runs) {
    std::sort(runs.begin(), runs.end(), [](const frame_run& a, const frame_run& b) { return a.first < b.first; });
    std::vector<frame_run> result;
    for (const frame_run& next : runs) {
        if (next.empty()) continue;
        if (result.empty() || result.back().end() < next.first) {
            result.push_back(next);
        } else if (result.back().end() < next.end()) {
            result.back() = run_between(result.back().first, next.end());
        }
    }
    return result;
}

/// The maximal free runs of a recorded moment in address order: all zones, all lists.
[[nodiscard]] inline std::vector<frame_run> free_runs_of(const memory_state& state) {
    std::vector<frame_run> runs;
    for (const listed_blocks& line : state.blocks) {
        runs.push_back({line.first, page_count{line.blocks * line.size.pages().raw}});
    }
    return joined(std::move(runs));
}

/// The runs between them.
[[nodiscard]] inline std::vector<frame_run> used_runs_of(const memory_state& state) {
    std::vector<frame_run> used;
    pfn next{0};
    for (const frame_run& free : free_runs_of(state)) {
        if (next < free.first) used.push_back(run_between(next, free.first));
        next = free.end();
    }
    if (next < pfn{case_memory.raw}) used.push_back(run_between(next, pfn{case_memory.raw}));
    return used;
}

LONGREACH_NAMESPACE_END

#endif
