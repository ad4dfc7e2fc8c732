// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_CENSUS_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_CENSUS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../census.hpp"
#include "case_result.hpp"
#include "recorded_case.hpp"

// How contiguous the areas of a recorded process are, in the record and after a replay.

LONGREACH_NAMESPACE_BEGIN

/// Counts the mapped pages that lie in the areas; both are in rising order, a run does not reach across areas.
[[nodiscard]] inline census census_of_areas(const std::vector<page_run>& areas,
                                            const std::vector<mapping<vpn, pfn>>& mapped,
                                            std::uint64_t superpages = 0) {
    run_counter count;
    for (const page_run& area : areas) {
        count.next_entry();
        auto next = std::partition_point(mapped.begin(), mapped.end(),
                                         [&](const mapping<vpn, pfn>& m) { return m.pages.end() <= area.first; });
        for (; next != mapped.end() && next->pages.first < area.end(); ++next) {
            const page_run part = intersection(next->pages, area);
            count.add(part.first.raw, next->offset().apply(part.first).raw, part.count.raw);
        }
    }
    return take_census(std::move(count.runs), std::move(count.stretches), superpages);
}

/// What the record holds of a process at the end; nothing where it holds nothing.
[[nodiscard]] inline std::optional<census> recorded_census(const case_process& process) {
    if (process.after.empty()) return std::nullopt;
    return census_of_areas(process.counted, process.after);
}

/// The result of process number `i` as far as the record alone decides it: its names, its faults and what it recorded.
[[nodiscard]] inline case_result result_of(const recorded_case& record, std::size_t i, std::string rules) {
    const case_process& process = record.processes[i];
    const auto is_of_process = [&](const case_fault& fault) { return fault.process == i; };
    case_result result;
    result.run = record.run;
    result.workload = record.workload;
    result.process = process.name;
    result.rules = std::move(rules);
    result.faults =
        static_cast<std::uint64_t>(std::count_if(record.faults.begin(), record.faults.end(), is_of_process));
    result.recorded = recorded_census(process);
    return result;
}

LONGREACH_NAMESPACE_END

#endif
