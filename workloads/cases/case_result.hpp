// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_RESULT_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_RESULT_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../../allocator/config.hpp"
#include "../census.hpp"

// What a replay of a recorded case found for one process: how far it agrees with the record, and how contiguous the
// process's memory is at the end. `longreach replay` prints one line for each; bench/README.md describes its keys.

LONGREACH_NAMESPACE_BEGIN

/// How many of the record's decisions the replay repeated. Each `x_equal` is at most `x`; targets, verdicts and frames
/// are asked once per fault.
struct case_agreement {
    std::uint64_t targets_equal = 0;   ///< the frame that the offset predicts
    std::uint64_t verdicts_equal = 0;  ///< whether that frame was had, and which counters moved
    std::uint64_t frames_equal = 0;    ///< the frame that the page got
    std::uint64_t placements = 0;      ///< first placements of areas
    std::uint64_t placements_equal = 0;
    std::uint64_t replacements = 0;  ///< placements after a refused target
    std::uint64_t replacements_equal = 0;
    std::uint64_t offsets = 0;  ///< offset records made
    std::uint64_t offsets_equal = 0;
    std::uint64_t rovers = 0;  ///< faults after which the record says where the rover stands
    std::uint64_t rover_equal = 0;
    std::uint64_t inferred = 0;  ///< allocations outside the log that were taken from the record
};

/// One process of one recorded case under one set of rules.
struct case_result {
    std::string run;       ///< of the case
    std::string workload;  ///< of the case
    std::string process;   ///< "main", "peer" or "child"
    std::string rules;     ///< "artifact" or "sound"
    std::uint64_t faults = 0;
    std::optional<case_agreement> agreement;  ///< nothing without a log, and under rules that decide otherwise
    census found;                             ///< of the counted areas, at the end
    std::optional<std::uint64_t> ideal99;     ///< n99 of the best placement known
    std::optional<std::uint64_t> bound99;     ///< n99 that no placement goes below
    std::optional<census> recorded;           ///< the same areas in the record; without superpages
    std::vector<std::string> differences;     ///< the first few deviations from the record, one line each, by name
    std::string failure;  ///< what an audit or a check of the replay found broken; empty for nothing
};

LONGREACH_NAMESPACE_END

#endif
