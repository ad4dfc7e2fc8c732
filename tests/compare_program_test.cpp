// SPDX-License-Identifier: MIT
// A comparison that is interrupted, killed and gone on with; its journal; the lines of all seeds together.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../bench/longreach/fingerprint.hpp"
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
using longreach_tests::run_program_in;
using longreach_tests::scratch_directory;
using longreach_tests::shell;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t seeds = 10;
constexpr std::size_t runs = 4 * seeds;
constexpr const char* long_comparison = "compare --workload=bt --mode=native --hog=0,30 --policy=thp,ca --seeds=10";

std::vector<std::string> lines_in(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

/// What the long comparison prints when nobody interrupts it.
const std::string& whole_output(const std::string& format) {
    static std::map<std::string, std::string> outputs;
    std::string& output = outputs[format];
    if (output.empty()) output = run_program(std::string(long_comparison) + " --format=" + format).out;
    return output;
}

class interrupted_comparison : public testing::Test {
  protected:
    [[nodiscard]] fs::path journal() const { return scratch_.path() / "journal"; }
    [[nodiscard]] std::string arguments(const std::string& format) const {
        return std::string(long_comparison) + " --format=" + format + " --journal=" + as_word(journal());
    }
    [[nodiscard]] program_run resume(const std::string& format = "json") const {
        return run_program(arguments(format) + " --resume");
    }

    /// Runs the comparison and sends the signal when its journal holds `rows` rows. Where the machine was too busy to
    /// send it before the end, tries again.
    [[nodiscard]] program_run end_at(std::size_t rows, const std::string& signal, const std::string& format,
                                     const std::string& more = "") const {
        const fs::path out = scratch_.path() / "out";
        const fs::path err = scratch_.path() / "err";
        const std::string before = more.empty() ? "" : contents(journal());
        const std::string lines = "$(cat " + as_word(journal()) + " 2>/dev/null | wc -l)";
        for (int tries = 0; tries < 50; ++tries) {
            fs::remove(journal());
            if (!more.empty()) (void)scratch_.write("journal", before);
            const auto ended =
                shell(as_word(LONGREACH_PROGRAM) + " " + arguments(format) + more + " >" + as_word(out) + " 2>" +
                      as_word(err) + " & job=$!; while kill -0 $job && [ " + lines + " -le " + std::to_string(rows) +
                      " ]; do sleep 0.001; done; kill -" + signal + " $job; wait $job");
            if (ended.exit_code != 0) return {ended.exit_code, contents(out), contents(err)};
        }
        ADD_FAILURE() << "the comparison was always faster";
        return {};
    }
    /// A journal that holds at least so many rows, by killing; its lines.
    std::vector<std::string> make_journal(std::size_t rows) const {
        EXPECT_EQ(end_at(rows, "KILL", "json").exit_code, 128 + 9);
        std::vector<std::string> lines = lines_in(contents(journal()));
        EXPECT_GT(lines.size(), rows);
        return lines;
    }
    [[nodiscard]] std::string nothing_to_resume() const {
        return "longreach compare: " + journal().string() + ": nothing to go on from; starts from the beginning\n";
    }
    void write_journal(const std::vector<std::string>& lines) const {
        std::string text;
        for (const std::string& line : lines) text += line + "\n";
        (void)scratch_.write("journal", text);
    }

    scratch_directory scratch_;
};

/// Whether the run gave just what one gives that nobody interrupts.
void expect_whole_output(const program_run& run, const std::string& format, const std::string& err = "") {
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.err, err);
    EXPECT_TRUE(run.out == whole_output(format)) << format << " ends with " << run.out.substr(run.out.size() / 20 * 19);
}

/// Whether the text is the beginning of what the comparison prints.
void expect_first_lines(const std::string& text, const std::string& format) {
    EXPECT_TRUE(whole_output(format).rfind(text, 0) == 0) << text;
}

/// A line of a journal with the checksum that belongs to it.
std::string with_checksum(const std::string& text) {
    fingerprint sum;
    sum.add(std::string_view(text));
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sum.value()));
    return text + " " + digits;
}

// ---- interruption

TEST_F(interrupted_comparison, control_c_ends_it_soon_with_130_and_resuming_gives_the_same_bytes) {
    for (const auto& [format, rows] :
         std::vector<std::pair<std::string, std::size_t>>{{"json", 0}, {"json", 25}, {"csv", 30}, {"table", 12}}) {
        const program_run run = end_at(rows, "INT", format);
        EXPECT_EQ(run.exit_code, 130);
        EXPECT_TRUE(std::regex_match(run.err, std::regex("longreach compare: interrupted after \\d+ of 40 "
                                                         "combinations; .*--resume\n")))
            << run.err;
        expect_first_lines(run.out, format);
        ASSERT_TRUE(fs::exists(journal()));
        expect_whole_output(resume(format), format);
        EXPECT_FALSE(fs::exists(journal())) << "the journal is gone at the end";
    }
}

TEST_F(interrupted_comparison, killed_it_loses_at_most_what_was_under_way_and_resuming_gives_the_same_bytes) {
    for (const auto& [format, rows] :
         std::vector<std::pair<std::string, std::size_t>>{{"json", 1}, {"json", 30}, {"csv", 15}, {"table", 22}}) {
        const program_run run = end_at(rows, "KILL", format);
        EXPECT_EQ(run.exit_code, 128 + 9);
        expect_first_lines(run.out, format);
        const std::size_t kept = lines_in(contents(journal())).size() - 1;
        EXPECT_GE(kept, rows);
        const std::size_t printed = lines_in(run.out).size() - (format == "csv" && !run.out.empty() ? 1 : 0);
        EXPECT_GE(kept, printed) << "what was printed was kept before";
        expect_whole_output(resume(format), format);
        EXPECT_FALSE(fs::exists(journal()));
    }
}

TEST_F(interrupted_comparison, a_resumed_one_can_be_interrupted_again_and_runs_nothing_twice) {
    EXPECT_EQ(end_at(5, "KILL", "json").exit_code, 137);
    const std::string first = contents(journal());
    EXPECT_EQ(end_at(12, "INT", "json", " --resume").exit_code, 130);
    const std::string second = contents(journal());
    EXPECT_THAT(second, StartsWith(first.substr(0, first.rfind('\n'))));
    EXPECT_EQ(end_at(25, "TERM", "json", " --resume").exit_code, 143);
    EXPECT_THAT(contents(journal()), StartsWith(second.substr(0, second.rfind('\n'))));
    std::vector<int> rows;
    const std::vector<std::string> lines = lines_in(contents(journal()));
    for (std::size_t i = 1; i < lines.size(); ++i) rows.push_back(std::stoi(lines[i]));
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(std::unique(rows.begin(), rows.end()), rows.end());
    expect_whole_output(resume(), "json");
}

TEST_F(interrupted_comparison, can_be_resumed_in_another_format) {
    (void)make_journal(15);
    expect_whole_output(resume("csv"), "csv");
}

TEST_F(interrupted_comparison, rows_that_are_there_are_taken_from_the_journal) {
    std::vector<std::string> lines = make_journal(10);
    // One row is made to say that it does not fit, which running it again would not say.
    const std::string number = lines[1].substr(0, lines[1].find(' '));
    lines[1] = with_checksum(number + " does_not_fit a reason\\tof \\\"one's\\\" own");
    write_journal(lines);
    const program_run run = resume();
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.err, "longreach compare: a reason\tof \"one's\" own\n");
    const auto printed = lines_of(run);
    const nlohmann::json& row = printed[std::stoul(number)];
    EXPECT_EQ(row["outcome"], "does_not_fit");
    EXPECT_TRUE(row["n99"].is_null());
    // Its group has a seed less, and says so.
    const nlohmann::json& group = printed[runs + std::stoul(number) / seeds];
    EXPECT_EQ(group["seed"], "all");
    EXPECT_EQ(group["policy"], row["policy"]);
    EXPECT_EQ(group["seeds"], seeds - 1);
    EXPECT_EQ(group["outcome"], "does_not_fit");
    EXPECT_TRUE(group["n99"].is_number());
    EXPECT_TRUE(group["n99_ci95"].is_number());
    write_journal(lines);
    EXPECT_THAT(resume("table").out, HasSubstr(" (9 of 10)"));
}

// ---- the journal

TEST_F(interrupted_comparison, a_torn_last_line_is_run_again) {
    const std::vector<std::string> lines = make_journal(12);
    std::string text;
    for (std::size_t i = 0; i < 8; ++i) text += lines[i] + "\n";
    const std::string last = lines[8] + "\n";
    for (const std::size_t kept : {std::size_t{1}, last.size() / 2, last.size() - 1}) {
        (void)scratch_.write("journal", text + last.substr(0, kept));
        expect_whole_output(resume(), "json");
    }
    std::string damaged = last;
    damaged[last.size() / 2] = '\0';
    (void)scratch_.write("journal", text + damaged);
    expect_whole_output(resume(), "json");
    // After it, lines are appended to whole ones.
    (void)scratch_.write("journal", text + last.substr(0, last.size() / 2));
    EXPECT_EQ(end_at(20, "KILL", "json", " --resume").exit_code, 137);
    expect_whole_output(resume(), "json");
}

TEST_F(interrupted_comparison, a_torn_first_line_is_a_journal_with_nothing_in_it) {
    const std::string first = make_journal(3)[0];
    for (const std::size_t kept : {std::size_t{0}, std::size_t{5}, first.size() / 2, first.size()}) {
        (void)scratch_.write("journal", first.substr(0, kept));
        expect_whole_output(resume(), "json", nothing_to_resume());
    }
}

TEST_F(interrupted_comparison, a_damaged_line_is_refused_with_its_number_and_left_alone) {
    const std::vector<std::string> good = make_journal(12);
    const auto expect_refused = [&](std::vector<std::string> lines, const std::string& place,
                                    const std::string& expected) {
        write_journal(lines);
        const std::string before = contents(journal());
        expect_refusal(resume(), {"longreach compare: ", "journal:" + place + ": expected ", expected});
        EXPECT_EQ(contents(journal()), before);
    };
    for (const std::size_t line : {std::size_t{0}, std::size_t{1}, std::size_t{6}}) {
        std::vector<std::string> lines = good;
        lines[line].back() = lines[line].back() == '0' ? '1' : '0';
        expect_refused(lines, std::to_string(line + 1), "a line that fits its checksum");
    }
    std::vector<std::string> lines = good;
    lines.insert(lines.begin() + 3, lines[1]);
    expect_refused(lines, "4", "each combination once");
    lines = good;
    lines[2] = with_checksum("40 does_not_fit x");
    expect_refused(lines, "3", "a combination of this comparison");
    lines = good;
    lines[2] = with_checksum("3 found 1 2 3");
    expect_refused(lines, "3", "a line that fits its checksum");
    lines = good;
    lines[2] = "";
    expect_refused(lines, "3", "a line that fits its checksum");
}

TEST_F(interrupted_comparison, the_journal_of_another_comparison_is_refused) {
    (void)make_journal(5);
    const std::string before = contents(journal());
    for (const char* other :
         {" --seeds=16", " --census=end", " --memory=8G", " --policy=ca,thp", " --workload=sqlite"}) {
        expect_refusal(run_program(arguments("json") + " --resume" + other),
                       {"journal:1: expected the journal of this comparison", "another"});
    }
    EXPECT_EQ(contents(journal()), before);
}

TEST_F(interrupted_comparison, the_journal_of_other_workloads_under_the_same_name_is_refused) {
    const auto recorded = [](const char* name) { return fs::path(LONGREACH_SOURCE_DIR) / "workloads/recorded" / name; };
    const fs::path link = scratch_.path() / "program";
    const std::string flags = "compare --mode=native --seeds=40 --format=json --workload=" + as_word(link) +
                              " --journal=" + as_word(journal());
    fs::create_directory_symlink(recorded("bt"), link);
    EXPECT_EQ(run_program(flags + " >/dev/full").exit_code, 2);
    ASSERT_TRUE(fs::exists(journal())) << "results that were not printed are kept";
    fs::remove(link);
    fs::create_directory_symlink(recorded("gups"), link);
    expect_refusal(run_program(flags + " --resume"), {"journal:1: expected the journal of this comparison"});
}

TEST_F(interrupted_comparison, without_resume_it_starts_afresh) {
    std::vector<std::string> lines = make_journal(3);
    lines[1] = with_checksum("0 does_not_fit anything");
    write_journal(lines);
    expect_whole_output(run_program(arguments("json")), "json");
    EXPECT_FALSE(fs::exists(journal()));
}

TEST_F(interrupted_comparison, a_file_that_is_no_journal_is_never_changed) {
    for (const std::string text : {"workload,policy\n", "x", "longreach-journey v1\n"}) {
        (void)scratch_.write("journal", text);
        for (const char* more : {"", " --resume"}) {
            expect_refusal(run_program(arguments("json") + more),
                           {"journal:1: expected a journal of longreach compare"});
            EXPECT_EQ(contents(journal()), text);
        }
    }
}

TEST_F(interrupted_comparison, two_runs_on_one_journal_are_refused) {
    (void)make_journal(5);
    const std::string before = contents(journal());
    const int file = open(journal().c_str(), O_RDONLY);
    ASSERT_EQ(flock(file, LOCK_EX), 0);
    for (const char* more : {"", " --resume"}) {
        expect_refusal(run_program(arguments("json") + more), {"another run is using it"});
    }
    close(file);
    EXPECT_EQ(contents(journal()), before);
    EXPECT_EQ(resume().exit_code, 0);
}

TEST_F(interrupted_comparison, says_that_there_is_nothing_to_resume_and_starts_from_the_beginning) {
    expect_whole_output(resume(), "json", nothing_to_resume());
}

TEST_F(interrupted_comparison, a_place_where_no_journal_can_be_kept_is_refused) {
    const auto with = [](const std::string& place) {
        return run_program(std::string(long_comparison) + " --journal=" + place);
    };
    (void)scratch_.write("file", "");
    expect_refusal(with(as_word(scratch_.path() / "file/journal")), {"expected a file in which a journal can be kept"});
    expect_refusal(with(as_word(scratch_.path() / "nowhere/journal")), {"No such file or directory"});
    expect_refusal(with(as_word(scratch_.path())), {"directory"});
    expect_refusal(with("/dev/null"), {"it is no regular file"});
    expect_refusal(with("''"), {"--journal=", "expected a file"});
    const std::string out = as_word(scratch_.path() / "out");
    EXPECT_EQ(run_program(std::string(long_comparison) + " --journal=" + out + " >" + out).exit_code, 2);
    EXPECT_EQ(contents(scratch_.path() / "out"), "");
}

TEST_F(interrupted_comparison, a_journal_that_cannot_grow_is_given_up_and_the_run_goes_on) {
    const auto ended = shell("ulimit -f 4; " + as_word(LONGREACH_PROGRAM) + " " + arguments("json") + " 2>" +
                             as_word(scratch_.path() / "err") + " | cat");
    EXPECT_TRUE(ended.output == whole_output("json"));
    const std::string err = contents(scratch_.path() / "err");
    EXPECT_THAT(err, HasSubstr("from here on nothing is kept"));
    EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 1) << err;
}

TEST_F(interrupted_comparison, results_that_cannot_be_written_are_kept) {
    if (!fs::exists("/dev/full")) GTEST_SKIP();
    EXPECT_EQ(run_program(arguments("json") + " >/dev/full").exit_code, 2);
    EXPECT_EQ(lines_in(contents(journal())).size(), runs + 1);
    expect_whole_output(resume(), "json");
}

// ---- the default place

TEST_F(interrupted_comparison, keeps_its_journal_in_the_state_folder_of_the_user) {
    const fs::path state = scratch_.path() / "a/state";
    const fs::path home = scratch_.path() / "home";
    const std::string program = as_word(LONGREACH_PROGRAM) + " " + long_comparison + " --format=json";
    for (const auto& [variables, folder] : std::vector<std::pair<std::string, fs::path>>{
             {"XDG_STATE_HOME=" + as_word(state), state / "longreach"},
             {"XDG_STATE_HOME=relative HOME=" + as_word(home), home / ".local/state/longreach"}}) {
        const std::string run = "env -u XDG_STATE_HOME " + variables + " " + program;
        EXPECT_EQ(shell(run + " >/dev/full 2>/dev/null").exit_code, 2);
        ASSERT_FALSE(fs::is_empty(folder));
        EXPECT_TRUE(shell(run + " --resume").output == whole_output("json"));
        EXPECT_TRUE(fs::is_empty(folder));
    }
}

TEST(compare_program, goes_on_without_a_journal_that_nobody_asked_for_and_says_so) {
    const std::string arguments = "compare --workload=bt --mode=native --hog=0 --format=json";
    const std::string expected = run_program(arguments).out;
    for (const std::string variables : {"XDG_STATE_HOME=/dev/null", "-u XDG_STATE_HOME -u HOME"}) {
        const std::string run = "env " + variables + " " + as_word(LONGREACH_PROGRAM) + " " + arguments;
        EXPECT_EQ(shell(run + " 2>/dev/null").output, expected);
        EXPECT_THAT(shell("{ " + run + "; } 2>&1 >/dev/null").output, HasSubstr("goes on without a journal: "));
        EXPECT_EQ(shell(run + " --resume").exit_code, 2);
    }
}

TEST(compare_program, a_picture_has_no_journal) {
    const scratch_directory scratch;
    const std::string arguments =
        "compare --workload=bt --mode=native --hog=0 --policy=ca --picture=" + as_word(scratch.path() / "out.svg");
    expect_refusal(run_program(arguments + " --resume"), {"--picture: expected neither --resume nor --journal"});
    expect_refusal(run_program(arguments + " --journal=" + as_word(scratch.path() / "j")), {"--picture"});
    EXPECT_EQ(run_program_in(scratch.path() / "state", arguments).exit_code, 0);
    EXPECT_FALSE(fs::exists(scratch.path() / "state"));
}

// ---- all seeds together

/// For each figure of the lines of all seeds: the mean and the interval of the lines before them.
TEST(compare_program, lines_of_all_seeds_come_last_and_hold_means_and_intervals) {
    constexpr std::size_t each = 3;
    constexpr double quantile = 4.302653;  // of Student's t, 97.5 %, 2 degrees of freedom
    const std::string arguments = "compare --workload=bt,redis --mode=native --hog=30 --seeds=3 --format=";
    const auto lines = lines_of(run_program(arguments + "json"));
    ASSERT_EQ(lines.size(), 4 * each + 4);
    std::size_t uncertain = 0;
    for (std::size_t group = 0; group < 4; ++group) {
        const nlohmann::json& all = lines[4 * each + group];
        EXPECT_EQ(all["seed"], "all");
        EXPECT_EQ(all["seeds"], each);
        EXPECT_FALSE(all.contains("outcome"));
        for (const char* key : {"workload", "policy", "mode", "hog", "feed", "memory_bytes", "nodes", "fragment"}) {
            EXPECT_EQ(all[key], lines[group * each][key]) << key;
        }
        std::size_t figures = 0;
        for (const auto& [key, value] : lines[group * each].items()) {
            if (!value.is_number() || key == "hog" || key == "seed" || key == "memory_bytes" || key == "nodes")
                continue;
            ++figures;
            double sum = 0;
            for (std::size_t i = 0; i < each; ++i) sum += lines[group * each + i][key].get<double>();
            const double mean = sum / each;
            double squares = 0;
            for (std::size_t i = 0; i < each; ++i) {
                squares += std::pow(lines[group * each + i][key].get<double>() - mean, 2);
            }
            const double half = quantile * std::sqrt(squares / (each - 1)) / std::sqrt(double{each});
            EXPECT_NEAR(all[key].get<double>(), mean, 1e-9 * (1 + mean)) << key;
            EXPECT_NEAR(all[key + "_ci95"].get<double>(), half, 1e-5 * (1e-6 + half)) << key;
            if (half > 0) ++uncertain;
        }
        EXPECT_EQ(figures, 44U);
        EXPECT_EQ(all.size(), 9 + 2 * figures + 1);
    }
    EXPECT_GT(uncertain, 10U);
}

TEST(compare_program, csv_of_several_seeds_has_one_heading_for_all_its_lines) {
    const std::string arguments = "compare --workload=gups --memory=300M --mode=native --hog=0,50 --policy=ca";
    const auto lines = lines_in(run_program(arguments + " --seeds=2 --format=csv").out);
    ASSERT_EQ(lines.size(), 1U + 4 + 2);
    for (const std::string& line : lines) {
        EXPECT_EQ(std::count(line.begin(), line.end(), ','), std::count(lines[0].begin(), lines[0].end(), ','));
    }
    EXPECT_THAT(lines[0], HasSubstr(",outcome,seeds,pages_ci95,"));
    EXPECT_THAT(lines[1], StartsWith("gups,ca,native,0,1,"));
    EXPECT_THAT(lines[5], StartsWith("gups,ca,native,0,all,"));
    EXPECT_THAT(lines[5], HasSubstr(",,2,0.0,"));
    EXPECT_THAT(lines[6], StartsWith("gups,ca,native,50,all,accesses,314572800,1,hog:2M:50,,,"));
    EXPECT_THAT(lines[6], HasSubstr(",does_not_fit,0,,,"));
    const auto one = lines_in(run_program(arguments + " --format=csv").out);
    ASSERT_EQ(one.size(), 3U);
    EXPECT_THAT(one[0], testing::EndsWith(",covered_ns,outcome"));
    EXPECT_EQ(lines[0].rfind(one[0], 0), 0U) << "with more seeds columns are added at the end";
}

TEST(compare_program, the_table_of_several_seeds_ends_with_the_intervals) {
    const std::string arguments = "compare --workload=bt --mode=native --hog=30 --policy=thp";
    const std::string one = run_program(arguments).out;
    EXPECT_THAT(one, testing::Not(HasSubstr("intervals")));
    const std::string three = run_program(arguments + " --seeds=3").out;
    EXPECT_THAT(three, HasSubstr("95 % intervals of the means over 3 seeds"));
    const std::string last = lines_in(three).back();
    EXPECT_THAT(last, StartsWith("bt        native   30%     thp "));
    const auto all = lines_of(run_program(arguments + " --seeds=3 --format=json")).back();
    char n99[32];
    std::snprintf(n99, sizeof n99, "  %.2f  ", all["n99_ci95"].get<double>());
    EXPECT_THAT(last, HasSubstr(n99));
}

// ---- the bar

TEST_F(interrupted_comparison, the_bar_counts_what_was_resumed_and_says_the_time_left) {
    if (shell("script -qec true /dev/null </dev/null").exit_code != 0) GTEST_SKIP() << "no script(1)";
    const std::size_t kept = make_journal(15).size() - 1;
    const std::string command = as_word(LONGREACH_PROGRAM) + " " + arguments("json") + " --resume >/dev/null";
    const std::string shown = shell("script -qec " + as_word(command) + " /dev/null </dev/null").output;
    std::vector<std::size_t> counts;
    static const std::regex text("\\] (\\d+) of 40(, \\d+:\\d\\d left)?");
    std::size_t with_time = 0;
    for (std::sregex_iterator at(shown.begin(), shown.end(), text), end; at != end; ++at) {
        counts.push_back(std::stoul((*at)[1]));
        if ((*at)[2].length() != 0) ++with_time;
    }
    ASSERT_FALSE(counts.empty()) << shown;
    EXPECT_GE(counts.front(), kept - 1) << "a last line that is torn does not count";
    EXPECT_TRUE(std::is_sorted(counts.begin(), counts.end()));
    EXPECT_LE(counts.back(), runs);
    EXPECT_GT(with_time, 0U);
}

}
}
