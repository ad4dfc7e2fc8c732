// SPDX-License-Identifier: MIT
// `longreach reproduce` on a small scale, and what it refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "program_run.hpp"

namespace longreach {
namespace {

using longreach_tests::expect_refusal;
using longreach_tests::lines_of;
using longreach_tests::program_run;
using longreach_tests::run_program;
using testing::HasSubstr;

/// One line per claim and workload; the exit code is 1 exactly where a fail is not out of reach.
TEST(reproduce_program, prints_a_line_for_each_claim_and_workload) {
    const program_run run = run_program("reproduce contiguity --scale=1024 --seeds=2 --format=json");
    bool failed = false;
    std::size_t of_xsbench = 0;
    for (const auto& line : lines_of(run)) {
        if (line["outcome"] == "fail") {
            EXPECT_FALSE(line["why"].is_null()) << line;
            failed = failed || line["within_reach"] != "no";
        }
        if (line["workload"].is_null()) {
            EXPECT_THAT(line["why"].get<std::string>(), HasSubstr("not reproduced: "));
        }
        of_xsbench += line["workload"] == "xsbench120g/1024" ? 1U : 0U;
        if (line["claim"] == "A8") {
            EXPECT_EQ(line["ours"], 0.0) << line;
        }
        if (line["claim"] == "A1") {
            EXPECT_EQ(line["published"], 17.0);
        }
    }
    EXPECT_EQ(of_xsbench, 21U);
    EXPECT_EQ(run.exit_code, failed ? 1 : 0) << run.err;
}

/// --claims runs and prints only what it names, a claim with its parts; the table explains every fail.
TEST(reproduce_program, judges_the_claims_that_are_named) {
    const auto lines = lines_of(run_program("reproduce contiguity --scale=1024 --seeds=1 --claims=A1 --format=json"));
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0]["claim"], "A1");
    EXPECT_EQ(lines[1]["claim"], "A1-offsets");
    const program_run table = run_program("reproduce contiguity --scale=1024 --seeds=1 --claims=A11");
    EXPECT_EQ(table.exit_code, 0);
    EXPECT_THAT(table.out, HasSubstr("not reproduced: "));
}

TEST(reproduce_program, refuses_what_makes_no_sense) {
    expect_refusal(run_program("reproduce"), {"expected what to reproduce: contiguity"});
    expect_refusal(run_program("reproduce speed"), {"expected contiguity, found"});
    expect_refusal(run_program("reproduce contiguity --claims=A99"), {"--claims=", "A99", "some of A1"});
    expect_refusal(run_program("reproduce contiguity --claims=A1,"), {"--claims=", "some of A1"});
    expect_refusal(run_program("reproduce contiguity --scale=0"), {"--scale=", "a number from 1 to 4096"});
    expect_refusal(run_program("reproduce contiguity --seeds=x"), {"--seeds=", "a number from 1 to 1000"});
    expect_refusal(run_program("reproduce contiguity --memory=4G"), {"unknown flag --memory"});
}

}
}
