// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_COMPARISON_HPP
#define LONGREACH_BENCH_LONGREACH_COMPARISON_HPP

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include <longreach/workloads/experiment.hpp>

// The main job: every combination of workload, machine, fragmentation, policy and seed, each run once.

namespace longreach {

class comparison_journal;

struct comparison {
    std::vector<workload> programs;
    std::vector<machine_mode> modes;
    std::vector<fragmentation> fragmentations;  ///< what each memory looks like before the program starts
    std::vector<policy_name> policies;          ///< ideal, where it is among them, last
    std::uint64_t seeds = 1;                    ///< seeds 1 to this
    page_count memory{};                        ///< of each node
    unsigned nodes = 1;
    translation_feed feed = translation_feed::accesses;
    census_moment moment = census_moment::peak;
    bool with_frame_maps = false;  ///< whether each row says who has which frame at the end

    [[nodiscard]] std::uint64_t combinations() const noexcept {
        return programs.size() * modes.size() * fragmentations.size() * policies.size() * seeds;
    }
};

/// What became of a combination.
enum class row_end : std::uint8_t {
    found,
    does_not_fit,  ///< its memory does not hold the program
    failed,        ///< a defect of the program, or this computer's own memory was short
};

/// One combination and what was found.
struct comparison_row {
    const workload* program = nullptr;
    experiment wanted{};
    row_end end = row_end::failed;
    outcome found{};  ///< where `end` says so
};

/// Whether every workload fits into every memory on base pages; if not, one line that says what it needs.
[[nodiscard]] absl::Status check_memory(const comparison& wanted);

/// Runs rows on all cores, except those that the journal holds, and hands them to `take` in their order. `command` is
/// the subcommand that stderr names. Otherwise as run_comparison().
[[nodiscard]] bool run_rows(std::string_view command, std::vector<comparison_row> rows, comparison_journal* journal,
                            const std::function<void(comparison_row&)>& take);

/// Runs all combinations on all cores, except those that the journal holds, and hands the rows to `take` in their
/// order: workload, mode, fragmentation, policy, seed. The row of `ideal` says the best that any policy of the
/// comparison reached in its place, itself included. Keeps what is finished in the journal, where there is one.
///
/// Shows progress on a terminal; stderr says in one line each why something failed or does not fit. False where a
/// combination failed. The first SIGINT or SIGTERM ends the program at once, with 128 + the signal and a line that
/// says how to go on; combinations under way are lost.
[[nodiscard]] bool run_comparison(const comparison& wanted, comparison_journal* journal,
                                  const std::function<void(const comparison_row&)>& take);

}

#endif
