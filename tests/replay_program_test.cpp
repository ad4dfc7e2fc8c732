// SPDX-License-Identifier: MIT
// `longreach replay` as its users meet it: recorded cases, keys, filters, interruption, bad usage and bad input.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "bundled_cases.hpp"
#include "model/case_text.hpp"
#include "program_run.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

namespace fs = std::filesystem;
using longreach_tests::as_word;
using longreach_tests::bundle;
using longreach_tests::contents;
using longreach_tests::expect_refusal;
using longreach_tests::lines_of;
using longreach_tests::program_run;
using longreach_tests::run_program;
using longreach_tests::scratch_directory;
using longreach_tests::shell;
using testing::HasSubstr;
using testing::Not;

program_run replay(const std::string& flags) { return run_program("replay " + as_word(bundle) + " " + flags); }

/// One object for each case, workload and process.
std::string place_of(const nlohmann::json& line) {
    return line["case"].get<std::string>() + "/" + line["workload"].get<std::string>() + " " +
           line["process"].get<std::string>();
}

TEST(replay_program, explains_itself) {
    EXPECT_THAT(run_program("--help").out, HasSubstr("\n  replay  "));
    const program_run help = run_program("replay --help");
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: longreach replay DIR"));
    for (const char* const flag : {"rules", "format", "case", "differences"}) {
        EXPECT_THAT(help.out, HasSubstr(std::string("\n  --") + flag + "="));
    }
}

TEST(replay_program, refuses_bad_usage_in_one_line) {
    expect_refusal(run_program("replay"), {"expected a folder of recorded runs"});
    expect_refusal(run_program("replay a b"), {"unexpected argument \"b\""});
    expect_refusal(run_program("replay ''"), {"unexpected argument \"\""});
    expect_refusal(run_program("replay -x"), {"unexpected argument \"-x\""});
    expect_refusal(run_program("compare x"), {"unexpected argument \"x\""});
    expect_refusal(run_program("replay /nowhere/at/all"), {"/nowhere/at/all: expected a folder of recorded runs"});
    expect_refusal(replay("--rules=thp"), {"--rules=\"thp\": expected one of artifact, sound"});
    expect_refusal(replay("--format=xml"), {"--format=\"xml\": expected one of table, json, csv"});
    expect_refusal(replay("--case=Z9"), {"--case=\"Z9\": expected the beginning of a run's name"});
    expect_refusal(replay("--case=A1,"), {"--case=\"\""});
    expect_refusal(replay("--workload=gups"), {"unknown flag --workload"});
}

TEST(replay_program, gives_every_decision_of_the_original_kernel_again) {
    const program_run run = replay("--rules=artifact --format=json");
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.err, "");
    std::uint64_t faults = 0;
    std::uint64_t inferred = 0;
    std::set<std::string> places;
    for (const nlohmann::json& line : lines_of(run)) {
        const std::string place = place_of(line);
        EXPECT_TRUE(places.insert(place).second) << place;
        EXPECT_EQ(line["rules"], "artifact");
        if (line["targets_equal"].is_null()) continue;  // no log, or a process without CA paging beside one with it
        const bool exact = std::string("ABCDEFK").find(place.front()) != std::string::npos;
        const auto agrees = [&](const char* equal, const char* of) {
            const std::uint64_t found = line[equal];
            const std::uint64_t all = line[of];
            EXPECT_TRUE(exact ? found == all : found * 100 >= all * 99) << place << ' ' << equal << ' ' << found;
        };
        for (const char* const equal : {"targets_equal", "verdicts_equal"}) agrees(equal, "faults");
        if (exact) agrees("frames_equal", "faults");
        agrees("placements_equal", "placements");
        agrees("replacements_equal", "replacements");
        agrees("offsets_equal", "offsets");
        if (exact) agrees("rover_equal", "rovers");
        if (exact) {
            faults += line["faults"].get<std::uint64_t>();
            inferred += line["inferred"].get<std::uint64_t>();
            EXPECT_EQ(line["runs"], line["recorded_runs"]) << place;
            EXPECT_EQ(line["n99"], line["recorded_n99"]) << place;
        }
    }
    EXPECT_EQ(places.size(), 46U);
    EXPECT_GT(faults, 17'000U);
    EXPECT_LE(inferred * 1000, faults);
}

TEST(replay_program, prints_the_keys_that_programs_rely_on_in_their_order) {
    const std::vector<std::string> expected{"case",
                                            "workload",
                                            "process",
                                            "rules",
                                            "faults",
                                            "targets_equal",
                                            "verdicts_equal",
                                            "frames_equal",
                                            "placements_equal",
                                            "replacements_equal",
                                            "offsets_equal",
                                            "rover_equal",
                                            "inferred",
                                            "runs",
                                            "n80",
                                            "n90",
                                            "n99",
                                            "ideal99",
                                            "bound99",
                                            "recorded_runs",
                                            "recorded_n99",
                                            "placements",
                                            "replacements",
                                            "offsets",
                                            "rovers",
                                            "pages",
                                            "superpages",
                                            "recorded_pages"};
    for (const char* const rules : {"artifact", "sound"}) {
        const std::string flags = std::string("--case=C5 --rules=") + rules;
        const program_run run = replay(flags + " --format=json");
        ASSERT_EQ(run.exit_code, 0) << run.err;
        std::vector<std::string> keys;
        const auto line = nlohmann::ordered_json::parse(run.out);
        for (const auto& [key, value] : line.items()) keys.push_back(key);
        EXPECT_EQ(keys, expected);
        EXPECT_EQ(line["faults"], 820);
        EXPECT_EQ(line["recorded_n99"], 6);
        EXPECT_EQ(line["pages"], line["recorded_pages"]);

        const program_run table = replay(flags + " --format=csv");
        std::istringstream rows(table.out);
        std::string heading;
        std::string row;
        std::getline(rows, heading);
        std::getline(rows, row);
        std::string joined;
        for (const std::string& key : expected) joined += (joined.empty() ? "" : ",") + key;
        EXPECT_EQ(heading, joined);
        EXPECT_EQ(std::count(row.begin(), row.end(), ','), std::count(heading.begin(), heading.end(), ','));
    }
    const auto sound = nlohmann::json::parse(replay("--case=C5 --rules=sound --format=json").out);
    EXPECT_TRUE(sound["targets_equal"].is_null());  // these rules decide for themselves
    EXPECT_LE(sound["bound99"], sound["ideal99"]);
    EXPECT_THAT(replay("--case=C5 --rules=sound --format=csv").out, HasSubstr(",sound,820,,,,,,,,,"));
}

TEST(replay_program, replays_the_cases_that_are_asked_for) {
    const auto cases = [](const std::string& flag) {
        std::multiset<std::string> found;
        const program_run run = replay(flag + " --format=json");
        EXPECT_EQ(run.exit_code, 0) << run.err;
        for (const nlohmann::json& line : lines_of(run)) found.insert(place_of(line));
        return found;
    };
    EXPECT_EQ(cases("--case=K"), (std::multiset<std::string>{"K1_churn_ca/K1_churn main"}));
    EXPECT_EQ(cases("--case=E_2m_30_ca/C1_rr4_2m,E_2m_30_ca"),
              (std::multiset<std::string>{"E_2m_30_ca/A2_seq1g main", "E_2m_30_ca/C1_rr4_2m main"}));
    EXPECT_EQ(cases("--case=E_2m_30_ca/C1_rr4_2m").size(), 1U);
    EXPECT_EQ(cases("--case=D").size(), 4U);  // two processes each
}

TEST(replay_program, prints_a_table_for_people_with_a_sum_and_says_what_was_left_out) {
    const program_run run = replay("--case=A,C5");
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr("case "));
    EXPECT_THAT(run.out, HasSubstr("\ntogether "));
    EXPECT_THAT(run.out, HasSubstr("all 820"));
    EXPECT_THAT(replay("--case=A,C5 --rules=sound").out, Not(HasSubstr("targets")));
    const scratch_directory scratch;
    const fs::path left = scratch.path() / "J1_file_ca";
    fs::create_directory(left);
    std::ofstream(left / "params.txt") << "run=J1_file_ca\nmode=ca\nworkloads=W\n--- script W\nsnap before\n";
    std::ofstream(left / "W.after.runs.csv") << "va_page,pfn,npages\n";
    fs::create_directory_symlink(bundle + "/A1_seq256_ca", scratch.path() / "A1");
    const program_run both = run_program("replay " + as_word(scratch.path()));
    EXPECT_EQ(both.exit_code, 0);
    EXPECT_THAT(both.err, HasSubstr("left out 1: it has no fault log"));
    expect_refusal(run_program("replay " + as_word(left)),
                   {"expected cases that can be replayed, found none", "it has no fault log"});
}

TEST(replay_program, names_the_place_of_bad_input_and_keeps_what_was_done_before) {
    const scratch_directory scratch;
    fs::create_directory_symlink(bundle + "/A1_seq256_ca", scratch.path() / "A1");
    const fs::path broken = scratch.path() / "B1";
    fs::copy(bundle + "/B1_rand4k_ca", broken);
    fs::remove(broken / "B1_rand4k.faults.csv.zst");
    std::ofstream(broken / "B1_rand4k.faults.csv") << "va_page\n";
    const program_run run = run_program("replay " + as_word(scratch.path()) + " --format=json");
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr("B1_rand4k.faults.csv:1: expected a column proc"));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1);
    EXPECT_EQ(lines_of(run).size(), 1U);
}

TEST(replay_program, ends_after_the_case_at_hand_when_it_is_interrupted) {
    const scratch_directory scratch;
    const fs::path many = scratch.path() / "many";
    fs::create_directory(many);
    for (const char* const name : {"a", "b", "c", "d", "e", "f"}) fs::create_directory_symlink(bundle, many / name);
    const fs::path out = scratch.path() / "out";
    const auto ended =
        shell(as_word(LONGREACH_PROGRAM) + " replay " + as_word(many) + " --format=json >" + as_word(out) +
              " & job=$!; while [ ! -s " + as_word(out) + " ]; do sleep 0.01; done; kill -INT $job; wait $job");
    EXPECT_EQ(ended.exit_code, 1);
    EXPECT_THAT(ended.output, HasSubstr("longreach replay: interrupted after "));
    std::istringstream text(contents(out));
    std::size_t lines = 0;
    for (std::string line; std::getline(text, line); ++lines) {
        EXPECT_TRUE(nlohmann::json::parse(line, nullptr, false).is_object());
    }
    EXPECT_GE(lines, 1U);
    EXPECT_LT(lines, 6 * 46U);
}

TEST(replay_program, says_where_a_replay_differs_when_asked) {
    // A log that says of its first fault that it found nothing, where it was served.
    const scratch_directory scratch;
    const fs::path changed = scratch.path() / "A1";
    fs::copy(bundle + "/A1_seq256_ca", changed);
    const fs::path log = changed / "A1_seq256.faults.csv";
    model::unpack((changed / "A1_seq256.faults.csv.zst").string(), log.string());
    fs::remove(changed / "A1_seq256.faults.csv.zst");
    std::string text = contents(log);
    text.replace(text.find("-,SUPERBLOCK"), 12, "OCCUPIED,-");
    std::ofstream(log) << text;
    const program_run run = run_program("replay " + as_word(changed) + " --format=json --differences");
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(lines_of(run).at(0)["verdicts_equal"], 127);
    EXPECT_THAT(run.err, HasSubstr("A1_seq256_ca/A1_seq256 main: "));
}

}
}
