// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_COMPARISON_HPP
#define LONGREACH_BENCH_LONGREACH_COMPARISON_HPP

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <vector>

#include <longreach/workloads/experiment.hpp>

// The main job: every combination of workload, machine, hog, policy and seed, each run once.

namespace longreach {

struct comparison {
    std::vector<recording> programs;
    std::vector<machine_mode> modes;
    std::vector<unsigned> hogs;
    std::vector<policy_name> policies;
    std::uint64_t seeds = 1;  ///< seeds 1 to this
    page_count memory{};
    translation_feed feed = translation_feed::accesses;
    census_moment moment = census_moment::peak;
    bool with_frame_maps = false;  ///< whether each row says who has which frame at the end

    [[nodiscard]] std::uint64_t combinations() const noexcept {
        return programs.size() * modes.size() * hogs.size() * policies.size() * seeds;
    }
};

/// One combination and what became of it.
struct comparison_row {
    const recording* program = nullptr;
    experiment wanted{};
    outcome found{};
};

/// Whether every workload fits into every memory on base pages; if not, one line that says what it needs.
[[nodiscard]] absl::Status check_memory(const comparison& wanted);

/// Runs all combinations on all cores and hands the rows to `take` in their order: workload, mode, hog, policy,
/// seed. Shows progress on a terminal. False where a combination failed, which stderr says in one line each.
[[nodiscard]] bool run_comparison(const comparison& wanted, const std::function<void(const comparison_row&)>& take);

}

#endif
