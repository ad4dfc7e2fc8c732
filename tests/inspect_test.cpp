// SPDX-License-Identifier: MIT
// `longreach inspect` as its users meet it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "program_run.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

namespace fs = std::filesystem;
using longreach_tests::as_word;
using longreach_tests::expect_refusal;
using longreach_tests::lines_of;
using longreach_tests::program_run;
using longreach_tests::run_program;
using longreach_tests::scratch_directory;
using testing::HasSubstr;

/// Two zones of four orders: 20 frames in 15 blocks, and 8 blocks of 8 frames.
constexpr std::string_view two_zones =
    "Node 0, zone      DMA     10      5      0      0 \n"
    "Node 1, zone   Normal      0      0      0      8 \n";

class inspect : public testing::Test {
  protected:
    [[nodiscard]] program_run with(std::string_view text, const std::string& flags = "") const {
        return run_program("inspect --buddyinfo=" + as_word(scratch_.write("saved", text)) + " " + flags);
    }
    /// The refusal of a text: the line on stderr without the folder.
    [[nodiscard]] std::string refusal(std::string_view text) const {
        const program_run run = with(text);
        const std::string folder = scratch_.path().string() + "/";
        expect_refusal(run, {folder});
        return run.err.rfind(folder, 0) == 0 ? run.err.substr(folder.size()) : run.err;
    }

    scratch_directory scratch_;
};

TEST_F(inspect, explains_itself_with_examples_and_what_counts_cannot_prove) {
    const program_run help = run_program("inspect --help");
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  longreach inspect --buddyinfo=/proc/buddyinfo\n"));
    EXPECT_THAT(help.out, HasSubstr("may or may not adjoin"));
    for (const char* flag : {"buddyinfo", "format", "page"}) {
        EXPECT_THAT(help.out, HasSubstr(std::string("\n  --") + flag + "="));
    }
}

TEST_F(inspect, prints_a_line_for_each_zone_and_order_and_for_all_zones) {
    const program_run run = with(two_zones, "--format=json");
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.err, "");
    const auto lines = lines_of(run);
    ASSERT_EQ(lines.size(), 3U * 4);
    EXPECT_EQ(run.out.substr(0, run.out.find('\n')),
              "{\"node\":0,\"zone\":\"DMA\",\"order\":0,\"page_bytes\":4096,\"free_blocks\":10,\"free_bytes\":40960,"
              "\"unusable_index\":0.0,\"fragmentation_index\":-1.0,\"zone_free_bytes\":81920,"
              "\"zone_largest_run_bytes\":8192}");
    EXPECT_EQ(lines[2]["order"], 2);
    EXPECT_EQ(lines[2]["unusable_index"], 1.0);
    EXPECT_EQ(lines[2]["fragmentation_index"], 0.6);
    EXPECT_EQ(lines[3]["fragmentation_index"], 0.767);
    EXPECT_EQ(lines[7]["node"], 1);
    EXPECT_EQ(lines[7]["free_bytes"], 8 * 8 * 4096);
    EXPECT_EQ(lines[7]["zone_largest_run_bytes"], 8 * 4096);
    for (std::size_t order = 0; order < 4; ++order) {
        const nlohmann::json& all = lines[8 + order];
        EXPECT_EQ(all["node"], -1);
        EXPECT_EQ(all["zone"], "all");
        EXPECT_EQ(all["order"], order);
        EXPECT_EQ(all["zone_free_bytes"], (20 + 64) * 4096);
        EXPECT_EQ(all["fragmentation_index"], -1.0);
    }
    EXPECT_EQ(lines[9]["unusable_index"], 0.119);  // 10 of 84 frames
}

TEST_F(inspect, prints_the_same_numbers_as_csv) {
    const auto lines = lines_of(with(two_zones, "--format=json"));
    std::istringstream csv(with(two_zones, "--format=csv").out);
    std::string row;
    ASSERT_TRUE(std::getline(csv, row));
    EXPECT_EQ(row,
              "node,zone,order,page_bytes,free_blocks,free_bytes,unusable_index,fragmentation_index,zone_free_bytes,"
              "zone_largest_run_bytes");
    std::istringstream heading(row);
    std::vector<std::string> names;
    for (std::string name; std::getline(heading, name, ',');) names.push_back(name);
    for (const nlohmann::json& line : lines) {
        std::string wanted;
        for (const std::string& name : names) {
            const nlohmann::json& value = line[name];
            wanted += (wanted.empty() ? "" : ",") + (value.is_string() ? value.get<std::string>() : value.dump());
        }
        ASSERT_TRUE(std::getline(csv, row));
        EXPECT_EQ(row, wanted);
    }
    EXPECT_FALSE(std::getline(csv, row));
}

TEST_F(inspect, prints_tables_for_people) {
    const program_run run = with(two_zones);
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.out, HasSubstr("Free memory in blocks of\n"
                                   "node  zone     4K   8K  16K   32K  free  largest run\n"
                                   "0     DMA     40K  40K    0     0   80K           8K\n"
                                   "1     Normal    0    0    0  256K  256K          32K\n"
                                   "all   all     40K  40K    0  256K  336K          32K\n"));
    EXPECT_THAT(run.out, HasSubstr("0     DMA     0.000  0.500  1.000  1.000\n"));
    EXPECT_THAT(run.out, HasSubstr("0     DMA      -   -  0.600  0.767\n"));
    EXPECT_THAT(run.out, HasSubstr("1     Normal   -   -      -      -\n"));
    EXPECT_THAT(run.out, HasSubstr("which counts cannot prove"));
}

TEST_F(inspect, rounds_sizes_into_the_next_unit) {
    const program_run run = with("Node 0, zone DMA 262143 0");
    EXPECT_THAT(run.out, HasSubstr("0     DMA   1.0G   0  1.0G           4K\n"));
}

TEST_F(inspect, prints_negative_indices_with_their_sign_in_front) {
    EXPECT_THAT(with("Node 0, zone DMA 1 0 0").out, HasSubstr("0     DMA    -  -0.500  -0.250\n"));
}

TEST_F(inspect, counts_in_frames_of_other_sizes) {
    EXPECT_EQ(lines_of(with(two_zones, "--page=16K --format=json"))[0]["free_bytes"], 10 * 16384);
    EXPECT_EQ(lines_of(with(two_zones, "--page=64K --format=json"))[0]["page_bytes"], 65536);
    const auto most = lines_of(with("Node 0, zone DMA 281474976710655", "--page=64K --format=json"));
    EXPECT_EQ(most[0]["free_bytes"], 281474976710655U * 65536);
    std::string orders = "Node 0, zone DMA";
    for (int i = 0; i < 64; ++i) orders += " 0";
    const program_run widest = with(orders, "--page=64K");
    EXPECT_EQ(widest.exit_code, 0);
    EXPECT_THAT(widest.out, HasSubstr("512Z"));  // 2^(16 + 63)
}

TEST_F(inspect, reads_stdin_pipes_and_the_live_file) {
    const fs::path saved = scratch_.write("saved", two_zones);
    const std::string wanted = with(two_zones, "--format=csv").out;
    EXPECT_EQ(run_program("inspect --buddyinfo=- --format=csv <" + as_word(saved)).out, wanted);
    const auto piped = longreach_tests::shell("cat " + as_word(saved) + " | " + as_word(LONGREACH_PROGRAM) +
                                              " inspect --buddyinfo=/dev/stdin --format=csv");
    EXPECT_EQ(piped.output, wanted);
    if (fs::exists("/proc/buddyinfo")) {
        EXPECT_EQ(run_program("inspect --buddyinfo=/proc/buddyinfo").exit_code, 0);
    }
}

TEST_F(inspect, takes_windows_line_ends_and_a_last_line_without_one) {
    const std::string wanted = with("Node 0, zone DMA 1 2\nNode 0, zone Normal 3 4\n").out;
    EXPECT_EQ(with("Node 0, zone DMA 1 2\r\nNode 0, zone Normal 3 4").out, wanted);
}

TEST_F(inspect, refuses_bad_usage_in_one_line) {
    expect_refusal(run_program("inspect"), {"longreach inspect: --buddyinfo=: expected a file"});
    expect_refusal(run_program("inspect --buddyinfo=x --page=8K"), {"--page=\"8K\": expected one of 4K, 16K, 64K"});
    expect_refusal(run_program("inspect --buddyinfo=x --format=xml"), {"--format=\"xml\"", "table, json, csv"});
    expect_refusal(run_program("inspect --buddyinfo=x --hog=3"), {"unknown flag --hog"});
    expect_refusal(run_program("compare --buddyinfo=x"), {"unknown flag --buddyinfo"});
}

TEST_F(inspect, names_a_file_that_cannot_be_read) {
    expect_refusal(run_program("inspect --buddyinfo=" + as_word(scratch_.path() / "missing")),
                   {"missing: cannot be opened: No such file"});
    expect_refusal(run_program("inspect --buddyinfo=" + as_word(scratch_.path())), {"cannot be read: Is a directory"});
}

TEST_F(inspect, names_line_and_column_of_what_is_wrong) {
    EXPECT_EQ(refusal(""), "saved:1:1: expected \"Node\", found the end of the file\n");
    EXPECT_EQ(refusal("MemTotal: 1 kB\n"), "saved:1:1: expected \"Node\", found \"MemTotal:\"\n");
    EXPECT_EQ(refusal("Node 0, zone DMA 1 2\nNode 0, zone Normal 1 x\n"),
              "saved:2:23: expected a count of free blocks, found \"x\"\n");
    EXPECT_EQ(refusal("Node 0, zone DMA 1 2\nNode 0, zone Normal 1\n"),
              "saved:2:22: expected 2 counts as in line 1, found the end of the line\n");
    EXPECT_EQ(refusal(std::string_view("Node 0, zone DMA 1 \0\x1b[31m\n", 26)),
              "saved:1:20: expected a count of free blocks, found \"\\x00\\x1b[31m\"\n");
    EXPECT_THAT(refusal("Node 0, zone DMA " + std::string(3'000'000, '9')),
                HasSubstr("saved:1:18: expected at most 281474976710655 free blocks of order 0"));
}

TEST_F(inspect, stops_reading_a_file_without_end) {
    if (!fs::exists("/dev/zero")) GTEST_SKIP();
    expect_refusal(run_program("inspect --buddyinfo=/dev/zero"),
                   {"/dev/zero:1:1: expected \"Node\", found more than 4194304 bytes"});
}

}
}
