// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_BUNDLED_CASES_HPP
#define LONGREACH_TESTS_BUNDLED_CASES_HPP

// For tests of recorded cases: those that travel with the tests, read once for each binary. LONGREACH_SOURCE_DIR is
// the checkout. Not for several threads.

#include <gtest/gtest.h>

#include <longreach/workloads/cases/case_reader.hpp>
#include <string>
#include <utility>
#include <vector>

namespace longreach_tests {

/// The folder of the recorded runs.
inline const std::string bundle = std::string(LONGREACH_SOURCE_DIR) + "/tests/groundtruth";

/// All of them; none, and a failure of the test, where they cannot be read.
inline const std::vector<longreach::recorded_case>& bundled_cases() {
    static const std::vector<longreach::recorded_case> cases = [] {
        absl::StatusOr<std::vector<longreach::recorded_case>> loaded = longreach::load_cases(bundle);
        if (!loaded.ok()) ADD_FAILURE() << loaded.status();
        return loaded.ok() ? *std::move(loaded) : std::vector<longreach::recorded_case>{};
    }();
    return cases;
}

/// The case of that run and workload; an empty one, and a failure of the test, where there is none.
inline const longreach::recorded_case& bundled(const std::string& run, const std::string& workload) {
    for (const longreach::recorded_case& each : bundled_cases()) {
        if (each.run == run && each.workload == workload) return each;
    }
    ADD_FAILURE() << run << "/" << workload << " is not bundled";
    static const longreach::recorded_case none;
    return none;
}

}

#endif
