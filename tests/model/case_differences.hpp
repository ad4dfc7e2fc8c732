// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_CASE_DIFFERENCES_HPP
#define LONGREACH_TESTS_MODEL_CASE_DIFFERENCES_HPP

#include <cstdint>
#include <longreach/workloads/cases/case_result.hpp>

// One number for how far a replay is from its record, for tests that ask for none.

namespace longreach::model {

/// How many of the record's decisions a replay with agreement counts did not repeat.
inline std::uint64_t differences(const case_result& result) {
    const case_agreement& a = *result.agreement;
    return (result.faults - a.targets_equal) + (result.faults - a.verdicts_equal) + (result.faults - a.frames_equal) +
           (a.placements - a.placements_equal) + (a.replacements - a.replacements_equal) +
           (a.offsets - a.offsets_equal) + (a.rovers - a.rover_equal);
}

}

#endif
