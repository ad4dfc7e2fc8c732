// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_PROGRAM_RUN_HPP
#define LONGREACH_TESTS_PROGRAM_RUN_HPP

// For tests of the program: a run of it, and what a refusal looks like. LONGREACH_PROGRAM is its path.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "shell.hpp"

namespace longreach_tests {

/// What the program wrote where, and how it ended.
struct program_run {
    int exit_code = 0;
    std::string out;
    std::string err;
};

/// Runs the program with its state in `state`.
inline program_run run_program_in(const std::filesystem::path& state, const std::string& arguments) {
    const scratch_directory scratch;
    const auto err = scratch.path() / "err";
    const auto ended = shell("XDG_STATE_HOME=" + as_word(state) + " " + as_word(LONGREACH_PROGRAM) + " " + arguments +
                             " 2>" + as_word(err));
    return {ended.exit_code, ended.output, contents(err)};
}

/// Runs the program; what it keeps for later runs is gone with this one.
inline program_run run_program(const std::string& arguments) {
    const scratch_directory state;
    return run_program_in(state.path(), arguments);
}

/// One line on stderr, nothing on stdout, exit code 2.
inline void expect_refusal(const program_run& run, const std::vector<std::string>& parts) {
    EXPECT_EQ(run.exit_code, 2) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    for (const std::string& part : parts) EXPECT_THAT(run.err, testing::HasSubstr(part));
}

/// The objects that a run printed as JSON, one per line.
inline std::vector<nlohmann::json> lines_of(const program_run& run) {
    std::vector<nlohmann::json> lines;
    std::istringstream text(run.out);
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
}

}

#endif
