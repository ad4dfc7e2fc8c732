// SPDX-License-Identifier: MIT
// The program as its users meet it: help, results on the bundled recordings, bad usage and bad input.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <longreach/workloads/load_workload.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "model/recording_text.hpp"
#include "program_run.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

namespace fs = std::filesystem;
using longreach_tests::as_word;
using longreach_tests::contents;
using longreach_tests::expect_refusal;
using longreach_tests::lines_of;
using longreach_tests::program_run;
using longreach_tests::run_program;
using longreach_tests::scratch_directory;
using longreach_tests::shell;
using testing::HasSubstr;

// ---- help and usage

TEST(program, explains_itself_and_its_commands_with_an_example) {
    const program_run overview = run_program("--help");
    EXPECT_EQ(overview.exit_code, 0);
    EXPECT_THAT(overview.out, HasSubstr("\n  compare  "));
    EXPECT_THAT(overview.out, HasSubstr("\n  inspect  "));
    EXPECT_THAT(overview.out, HasSubstr("Example:\n  longreach compare"));
    const program_run compare = run_program("compare --help");
    EXPECT_EQ(compare.exit_code, 0);
    EXPECT_THAT(compare.out, HasSubstr("Examples:\n  longreach compare"));
    for (const char* flag :
         {"workload", "policy", "mode", "memory", "hog", "seeds", "feed", "census", "format", "resume", "journal"}) {
        EXPECT_THAT(compare.out, HasSubstr(std::string("\n  --") + flag + "="));
    }
}

TEST(program, refuses_bad_usage_in_one_line) {
    expect_refusal(run_program(""), {"expected a command"});
    expect_refusal(run_program("compete"), {"unknown command \"compete\""});
    expect_refusal(run_program("compare --workloads=gups"), {"unknown flag --workloads", "--help"});
    expect_refusal(run_program("compare gups"), {"unexpected argument \"gups\""});
    expect_refusal(run_program("compare --flagfile=x"), {"unknown flag --flagfile"});
    expect_refusal(run_program("compare --memory"), {"--memory needs a value"});
    expect_refusal(run_program("compare --seeds=many"), {"longreach compare: --seeds=\"many\"", "a number from 1 to"});
    expect_refusal(run_program("compare --seeds=-1"), {"--seeds=\"-1\"", "a number from 1 to"});
    expect_refusal(run_program("compare \"$(printf -- '--seeds=1\\n2')\""), {"--seeds=\"1\\n2\""});
    expect_refusal(run_program("compare \"$(printf -- '--a\\nb=1')\""), {"unknown flag --a\\nb"});
    expect_refusal(run_program("\"$(printf 'a\\nb')\""), {"unknown command \"a\\nb\""});
}

TEST(program, refuses_values_that_make_no_sense_and_says_what_does) {
    for (const char* memory : {"0", "-1", "1M", "4X", "", "99999999999999999999G", "5T", "4GG", "0x10"}) {
        expect_refusal(run_program(std::string("compare --workload=gups --memory=") + memory),
                       {"--memory=", "expected a size of at least 2M"});
    }
    for (const char* hog : {"100", "-1", "x", "''", "30,30", "1.5"}) {
        expect_refusal(run_program(std::string("compare --workload=gups --hog=") + hog), {"--hog="});
    }
    expect_refusal(run_program("compare --policy=thp,buddy"), {"--policy=\"buddy\"", "one of thp, ca"});
    expect_refusal(run_program("compare --policy=ca,ca"), {"--policy=\"ca\"", "each choice once"});
    expect_refusal(run_program("compare --mode=nested"), {"--mode=\"nested\"", "one of native, virtual"});
    expect_refusal(run_program("compare --feed=faults"), {"--feed=\"faults\"", "accesses, misses"});
    expect_refusal(run_program("compare --census=start"), {"--census=\"start\"", "peak, end"});
    expect_refusal(run_program("compare --format=xml"), {"--format=\"xml\"", "table, json, csv"});
    expect_refusal(run_program("compare --seeds=0"), {"--seeds=\"0\"", "1 to 100000"});
    expect_refusal(run_program("compare --workload=bt --seeds=100000"), {"at most 100000 runs", "found 800000"});
}

TEST(program, names_the_workloads_there_are_when_it_does_not_know_one) {
    expect_refusal(run_program("compare --workload=gupz"),
                   {"gupz", "bt, gups, hashjoin, liblinear, python, redis, sqlite"});
    expect_refusal(run_program("compare --workload=gups,gups"), {"--workload=\"gups\"", "each workload once"});
}

// ---- what does not fit

/// The combination stands in its place, with its keys and no figures.
void expect_does_not_fit(const nlohmann::json& line) {
    EXPECT_EQ(line["outcome"], "does_not_fit");
    for (const char* key : {"pages", "runs", "cover32", "n99", "spot_cycles_per_kaccess"}) {
        EXPECT_TRUE(line.contains(key) && line[key].is_null()) << key;
    }
}

TEST(program, a_memory_that_cannot_hold_a_run_is_a_result_and_the_others_run) {
    const program_run none = run_program("compare --workload=gups --memory=128M --hog=0 --format=json");
    EXPECT_EQ(none.exit_code, 0);
    EXPECT_THAT(none.err, HasSubstr("gups needs at least 65"));
    EXPECT_THAT(none.err, HasSubstr("MiB"));
    EXPECT_EQ(std::count(none.err.begin(), none.err.end(), '\n'), 1) << "once for all four: " << none.err;
    ASSERT_EQ(lines_of(none).size(), 4U);
    for (const nlohmann::json& line : lines_of(none)) expect_does_not_fit(line);

    const std::string some = "compare --workload=gups --memory=300M --hog=0,50 --policy=ca --mode=native --format=";
    const program_run run = run_program(some + "json");
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.err, HasSubstr("hog 50 %"));
    const auto lines = lines_of(run);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_FALSE(lines[0].contains("outcome"));
    EXPECT_GT(lines[0]["n99"], 0);
    EXPECT_EQ(lines[1]["hog"], 50);
    expect_does_not_fit(lines[1]);
    EXPECT_THAT(run_program(some + "csv").out, HasSubstr(",does_not_fit\n"));
    EXPECT_THAT(run_program(some + "table").out, HasSubstr("50%     ca      does_not_fit      - "));
}

TEST(program, a_run_in_which_a_fault_finds_no_frame_does_not_fit_and_says_where) {
    // Base pages would just fit; 2 MiB pages take a little more than there is.
    const auto recordings = load_workload("liblinear", translation_feed::census);
    ASSERT_TRUE(recordings.ok());
    const std::uint64_t frames = (*recordings)[0].footprint.frames() + 8;
    const std::string arguments = "compare --workload=liblinear --hog=0 --policy=thp --mode=native --memory=" +
                                  std::to_string(frames * page_bytes);
    const program_run run = run_program(arguments + " --format=json");
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.err, HasSubstr("liblinear thp native hog 0 % seed 1"));
    EXPECT_THAT(run.err, HasSubstr("no frame left in the machine; the run needs at least"));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1);
    ASSERT_EQ(lines_of(run).size(), 1U);
    expect_does_not_fit(lines_of(run)[0]);
    // There is nothing to draw.
    const scratch_directory scratch;
    EXPECT_EQ(run_program(arguments + " --picture=" + as_word(scratch.path() / "out.svg")).exit_code, 1);
    EXPECT_TRUE(fs::is_empty(scratch.path()));
}

// ---- results

TEST(program, prints_every_promised_number_on_every_line) {
    const program_run run = run_program("compare --workload=bt --seeds=2 --hog=30 --format=json");
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.err, "");
    const auto lines = lines_of(run);
    ASSERT_EQ(lines.size(), 8U + 4U) << "a line per run, then one per pair of seeds";
    for (const nlohmann::json& line : lines) {
        for (const char* key : {"workload",
                                "policy",
                                "mode",
                                "hog",
                                "seed",
                                "feed",
                                "memory_bytes",
                                "pages",
                                "superpages",
                                "runs",
                                "cover32",
                                "cover128",
                                "n80",
                                "n90",
                                "n99",
                                "guest_bound99",
                                "host_bound99",
                                "bound99",
                                "faults",
                                "placements",
                                "replacements",
                                "host_faults",
                                "host_placements",
                                "host_replacements",
                                "accesses",
                                "l1_misses",
                                "l2_misses",
                                "walk_refs",
                                "spot_correct",
                                "spot_mispredicted",
                                "spot_no_prediction",
                                "walk_cycles_per_kaccess",
                                "spot_cycles_per_kaccess"}) {
            EXPECT_TRUE(line.contains(key)) << key;
        }
        EXPECT_EQ(line["memory_bytes"], std::uint64_t{4} << 30);
        EXPECT_EQ(line["host_faults"] != 0, line["mode"] == "virtual");
    }
}

TEST(program, prints_the_same_numbers_as_csv) {
    const std::string arguments = "compare --workload=bt --mode=native --policy=ca --hog=0,30 --format=";
    const auto lines = lines_of(run_program(arguments + "json"));
    std::istringstream csv(run_program(arguments + "csv").out);
    std::string heading;
    std::getline(csv, heading);
    EXPECT_EQ(heading.rfind("workload,policy,mode,", 0), 0U);
    for (const nlohmann::json& line : lines) {
        std::string row;
        ASSERT_TRUE(std::getline(csv, row));
        EXPECT_EQ(row.rfind("bt,ca,native,", 0), 0U);
        EXPECT_THAT(row, HasSubstr("," + line["walk_cycles_per_kaccess"].dump() + ","));
        EXPECT_EQ(std::count(row.begin(), row.end(), ','), std::count(heading.begin(), heading.end(), ','));
    }
}

TEST(program, prints_a_table_with_its_legend_and_the_limits_of_the_model) {
    const program_run run = run_program("compare --workload=bt");
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.out, HasSubstr("workload  machine  memory  policy"));
    EXPECT_THAT(run.out, HasSubstr("proves no speed-up"));
    EXPECT_THAT(run.out, HasSubstr("n99 of thp over n99 of ca"));
}

TEST(program, the_largest_memory_runs_on_both_machines) {
    EXPECT_EQ(run_program("compare --workload=bt --hog=0 --policy=ca --memory=4T").exit_code, 0);
}

TEST(program, fed_misses_are_all_misses) {
    const auto lines = lines_of(run_program("compare --workload=redis --feed=misses --hog=0 --format=json"));
    ASSERT_EQ(lines.size(), 4U);
    for (const nlohmann::json& line : lines) {
        EXPECT_EQ(line["accesses"], 100000);
        EXPECT_EQ(line["l1_misses"], line["accesses"]);
        EXPECT_EQ(line["l2_misses"], line["accesses"]);
    }
}

TEST(program, a_recording_of_ones_own_gives_what_the_bundled_one_gives) {
    const fs::path folder = fs::path(LONGREACH_SOURCE_DIR) / "workloads/recorded/bt";
    const std::string rest = " --hog=30 --format=json";
    const program_run bundled = run_program("compare --workload=bt" + rest);
    EXPECT_EQ(run_program("compare --workload=" + as_word(folder) + rest).out, bundled.out);
    EXPECT_EQ(run_program("compare --workload=" + as_word(folder / "bt.faults.zst") + rest).out, bundled.out);
}

/// The comparison that the README opens with, on everything bundled: what must hold of every line.
TEST(program, ca_needs_far_fewer_runs_than_thp_and_maps_the_same_pages) {
    const std::string arguments = "compare --hog=0,30 --format=json";
    const program_run run = run_program(arguments);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run_program(arguments).out, run.out) << "the same command twice gives the same bytes";
    const auto lines = lines_of(run);
    ASSERT_EQ(lines.size(), 7U * 2 * 2 * 2);
    std::map<std::tuple<std::string, std::string, int>, std::map<std::string, nlohmann::json>> pairs;
    for (const nlohmann::json& line : lines) {
        EXPECT_EQ(line["spot_correct"].get<std::uint64_t>() + line["spot_mispredicted"].get<std::uint64_t>() +
                      line["spot_no_prediction"].get<std::uint64_t>(),
                  line["l2_misses"].get<std::uint64_t>());
        if (line["mode"] == "native") {
            EXPECT_GE(line["n99"].get<std::uint64_t>(), line["bound99"].get<std::uint64_t>());
        }
        pairs[{line["mode"], line["workload"], line["hog"]}][line["policy"]] = line;
    }
    std::map<std::string, std::vector<double>> ratios;
    for (auto& [where, policies] : pairs) {
        const nlohmann::json& thp = policies["thp"];
        const nlohmann::json& ca = policies["ca"];
        EXPECT_EQ(thp["pages"], ca["pages"]) << std::get<1>(where);
        EXPECT_EQ(thp["superpages"], ca["superpages"]) << std::get<1>(where);
        EXPECT_LE(ca["n99"].get<int>(), thp["n99"].get<int>()) << std::get<1>(where);
        if (std::get<2>(where) != 30) continue;
        ratios[std::get<0>(where)].push_back(thp["n99"].get<double>() / ca["n99"].get<double>());
        EXPECT_GE(ratios[std::get<0>(where)].back(), 2.0) << std::get<1>(where);
    }
    for (const auto& [mode, values] : ratios) {
        double logarithms = 0;
        for (const double value : values) logarithms += std::log(value);
        EXPECT_GE(std::exp(logarithms / static_cast<double>(values.size())), 15.0) << mode;
    }
}

// ---- bad input

class bad_recording : public testing::Test {
  protected:
    bad_recording() {
        const fs::path bundled = fs::path(LONGREACH_SOURCE_DIR) / "workloads/recorded/bt";
        fs::create_directory(folder());
        for (const auto& file : fs::directory_iterator(bundled)) fs::copy(file, folder() / file.path().filename());
    }

    [[nodiscard]] fs::path folder() const { return scratch_.path() / "bt"; }
    [[nodiscard]] program_run compare() const {
        return run_program("compare --mode=native --hog=0 --workload=" + as_word(folder()));
    }
    [[nodiscard]] std::string text_of(const std::string& file) const {
        auto lines = zstd_lines::open((folder() / file).string());
        EXPECT_TRUE(lines.ok());
        std::string text;
        while (const auto line = lines->next()) text.append(*line).append("\n");
        EXPECT_TRUE(lines->status().ok());
        return text;
    }
    /// Replaces a file by the compressed form of a text.
    void replace(const std::string& file, const std::string& text) const {
        (void)scratch_.write("bt/" + file, model::compressed(text));
    }
    /// A text with line `number` (from 1) replaced.
    static std::string with_line(const std::string& text, std::size_t number, const std::string& line) {
        std::size_t start = 0;
        while (--number > 0) start = text.find('\n', start) + 1;
        return text.substr(0, start) + line + text.substr(text.find('\n', start));
    }

    scratch_directory scratch_;
};

TEST_F(bad_recording, an_untouched_copy_runs) { EXPECT_EQ(compare().exit_code, 0); }

TEST_F(bad_recording, an_empty_file) {
    (void)scratch_.write("bt/bt.faults.zst", "");
    expect_refusal(compare(), {"bt.faults.zst: ", "empty"});
}

TEST_F(bad_recording, a_cut_off_zstd_frame) {
    const std::string whole = contents(folder() / "bt.accesses.zst");
    (void)scratch_.write("bt/bt.accesses.zst", whole.substr(0, whole.size() / 2));
    expect_refusal(compare(), {"bt.accesses.zst: byte ", "ends inside a zstd frame"});
}

TEST_F(bad_recording, something_that_is_not_zstd) {
    (void)scratch_.write("bt/bt.vmas.zst", "# longreach-trace v0 kind=vmas\n");
    expect_refusal(compare(), {"bt.vmas.zst: byte 0"});
}

TEST_F(bad_recording, a_wrong_header) {
    replace("bt.faults.zst", with_line(text_of("bt.faults.zst"), 1, "# longreach-trace v9 kind=faults workload=bt"));
    expect_refusal(compare(), {"bt.faults.zst:1: ", "expected", "v0"});
}

TEST_F(bad_recording, the_header_of_another_kind) {
    fs::copy(folder() / "bt.upgrades.zst", folder() / "bt.faults.zst", fs::copy_options::overwrite_existing);
    expect_refusal(compare(), {"bt.faults.zst:1: ", "kind"});
}

TEST_F(bad_recording, an_address_that_is_not_hexadecimal) {
    replace("bt.faults.zst", with_line(text_of("bt.faults.zst"), 3, "10 40028zz000 40028217ad R"));
    expect_refusal(compare(), {"bt.faults.zst:3: page: expected", "40028zz000"});
}

TEST_F(bad_recording, an_access_outside_every_vma) {
    replace("bt.accesses.zst", with_line(text_of("bt.accesses.zst"), 4, "0 4002820b73 7fff00000000 W 8"));
    expect_refusal(compare(), {"bt.accesses.zst:4: ", "outside every VMA"});
}

TEST_F(bad_recording, a_decreasing_sequence_number) {
    replace("bt.faults.zst", with_line(text_of("bt.faults.zst"), 5, "1 4002836000 40028217c9 W"));
    expect_refusal(compare(), {"bt.faults.zst:5: seq: expected"});
}

TEST_F(bad_recording, a_needed_file_that_is_missing) {
    fs::remove(folder() / "bt.vmas.zst");
    expect_refusal(compare(), {"bt.vmas.zst"});
}

TEST_F(bad_recording, a_file_that_is_not_a_regular_one) {
    fs::remove(folder() / "bt.totals.txt");
    ASSERT_EQ(shell("mkfifo " + as_word(folder() / "bt.totals.txt")).exit_code, 0);
    expect_refusal(compare(), {"bt.totals.txt: expected a regular file"});
}

TEST_F(bad_recording, comments_without_end) {
    std::string text = text_of("bt.upgrades.zst");
    for (int i = 0; i < 100'000; ++i) text += "#\n";
    replace("bt.upgrades.zst", text);
    expect_refusal(compare(), {"bt.upgrades.zst:", "at most 100000 comment lines"});
}

TEST_F(bad_recording, two_workloads_in_one_folder) {
    const fs::path other = fs::path(LONGREACH_SOURCE_DIR) / "workloads/recorded/gups/gups.vmas.zst";
    fs::copy(other, folder() / "gups.vmas.zst");
    expect_refusal(compare(), {"expected the files of one workload", "bt, gups"});
    expect_refusal(run_program("compare --workload=" + as_word(scratch_.path())),
                   {"expected the files of one workload"});
}

TEST_F(bad_recording, a_folder_without_recordings) {
    fs::create_directory(scratch_.path() / "nothing");
    expect_refusal(run_program("compare --workload=" + as_word(scratch_.path() / "nothing")), {"expected a recording"});
}

TEST(program, says_when_its_results_cannot_be_written) {
    if (!fs::exists("/dev/full")) GTEST_SKIP();
    const auto ended = shell(as_word(LONGREACH_PROGRAM) + " compare --help >/dev/full");
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_THAT(ended.output, HasSubstr("could not be written"));
}

}
}
