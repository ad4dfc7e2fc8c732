// SPDX-License-Identifier: MIT
// Counts of free blocks in the form of /proc/buddyinfo: what is read, what is refused and where, and the indices of
// Linux on cases worked out by hand or printed by a kernel.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/workloads/buddyinfo.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "shell.hpp"

namespace longreach {
namespace {

using longreach_tests::scratch_directory;
using counts = std::vector<std::uint64_t>;
using zones = std::vector<zone_free_blocks>;

constexpr std::string_view printed_by_linux =
    "Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 \n"
    "Node 0, zone    DMA32      1      2      4      2      5      4      3      3      4      2    752 \n"
    "Node 0, zone   Normal   5575   4017   2374   1563    734    615    478    641    485    390   1623 \n"
    "Node 1, zone   Normal 426212 143208  42644  13656   1167      0      0      0      0      0      0 \n";

zones read(std::string_view text) {
    auto found = parse_buddyinfo("file", text);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *std::move(found) : zones();
}

std::string refusal(std::string_view text) {
    const auto found = parse_buddyinfo("file", text);
    EXPECT_EQ(found.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(found.status().message());
}

/// `count` counts of zero, each with a space before it.
std::string zeros(std::size_t count) {
    std::string text;
    while (count-- != 0) text += " 0";
    return text;
}

// ---- reading and printing

TEST(buddyinfo, reads_what_linux_prints) {
    const zones found = read(printed_by_linux);
    ASSERT_EQ(found.size(), 4U);
    EXPECT_EQ(found[0], (zone_free_blocks{0, "DMA", {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3}}));
    EXPECT_EQ(found[1], (zone_free_blocks{0, "DMA32", {1, 2, 4, 2, 5, 4, 3, 3, 4, 2, 752}}));
    EXPECT_EQ(found[3], (zone_free_blocks{1, "Normal", {426212, 143208, 42644, 13656, 1167, 0, 0, 0, 0, 0, 0}}));
}

TEST(buddyinfo, prints_byte_for_byte_what_linux_prints) {
    std::string text;
    for (const zone_free_blocks& each : read(printed_by_linux)) text += buddyinfo_line(each);
    EXPECT_EQ(text, printed_by_linux);
}

TEST(buddyinfo, prints_wide_values_in_full) {
    const counts blocks{12345678, 0};
    EXPECT_EQ(buddyinfo_line(1023, "Highmem2", blocks), "Node 1023, zone Highmem2 12345678      0 \n");
}

TEST(buddyinfo, takes_spaces_and_line_ends_as_they_come) {
    const zones plain{{0, "DMA", {1, 2}}, {0, "Normal", {3, 4}}};
    EXPECT_EQ(read("Node 0, zone DMA 1 2\nNode 0, zone Normal 3 4"), plain);
    EXPECT_EQ(read("Node 0, zone DMA 1 2\r\nNode 0, zone Normal 3 4 \r\n"), plain);
    EXPECT_EQ(read("Node   0,   zone   DMA   1   2   \nNode 00, zone Normal 03 0004\n"), plain);
}

TEST(buddyinfo, takes_any_number_of_orders_up_to_64_and_the_zone_names_of_linux) {
    EXPECT_EQ(read("Node 0, zone DMA 7\n"), (zones{{0, "DMA", {7}}}));
    EXPECT_EQ(read("Node 0, zone DMA" + zeros(64)), (zones{{0, "DMA", counts(64)}}));
    for (const char* name : {"DMA", "DMA32", "Normal", "HighMem", "Movable", "Device"}) {
        EXPECT_EQ(read("Node 2147483647, zone " + std::string(name) + " 1")[0].zone, name);
    }
}

// ---- refusals

TEST(buddyinfo, says_where_a_line_is_wrong_and_what_was_expected) {
    const std::string zone = "Node 0, zone DMA";
    EXPECT_EQ(refusal(""), "file:1:1: expected \"Node\", found the end of the file");
    EXPECT_EQ(refusal("\n"), "file:1:1: expected \"Node\", found the end of the line");
    EXPECT_EQ(refusal("node 0"), "file:1:1: expected \"Node\", found \"node\"");
    EXPECT_EQ(refusal(" " + zone), "file:1:1: expected \"Node\", found a space");
    EXPECT_EQ(refusal("Node0, zone DMA 1"), "file:1:5: expected a space, found \"0,\"");
    EXPECT_EQ(refusal("Node -1, zone DMA 1"), "file:1:6: expected a node number below 2^31, found \"-1,\"");
    EXPECT_EQ(refusal("Node 2147483648, zone DMA 1"),
              "file:1:6: expected a node number below 2^31, found \"2147483648,\"");
    EXPECT_EQ(refusal("Node 0 zone DMA 1"), "file:1:7: expected \",\", found a space");
    EXPECT_EQ(refusal("Node 0, zine DMA 1"), "file:1:9: expected \"zone\", found \"zine\"");
    EXPECT_EQ(refusal("Node 0, zone 1 2 3"),
              "file:1:14: expected a zone name of at most 8 letters and digits, first a letter, found \"1\"");
    EXPECT_EQ(refusal("Node 0, zone Unmovable 2 3"),
              "file:1:14: expected a zone name of at most 8 letters and digits, first a letter, found \"Unmovable\"");
    EXPECT_EQ(refusal(zone), "file:1:17: expected a count of free blocks, found the end of the file");
    EXPECT_EQ(refusal(zone + " \n"), "file:1:18: expected a count of free blocks, found the end of the line");
    EXPECT_EQ(refusal(zone + " 1 x"), "file:1:20: expected a count of free blocks, found \"x\"");
    EXPECT_EQ(refusal(zone + " 1 -2"), "file:1:20: expected a count of free blocks, found \"-2\"");
    EXPECT_EQ(refusal(zone + " 1 2.5"), "file:1:20: expected a count of free blocks, found \"2.5\"");
    EXPECT_EQ(refusal(zone + " 1\t2"), "file:1:18: expected a count of free blocks, found \"1\\t2\"");
    EXPECT_EQ(refusal(zone + " 1\n\n"), "file:2:1: expected \"Node\", found the end of the line");
}

TEST(buddyinfo, wants_as_many_counts_in_every_line_and_each_zone_once) {
    const std::string first = "Node 0, zone DMA 1 2\n";
    EXPECT_EQ(refusal(first + "Node 0, zone Normal 1\n"),
              "file:2:22: expected 2 counts as in line 1, found the end of the line");
    EXPECT_EQ(refusal(first + "Node 0, zone Normal 1 2 3\n"),
              "file:2:25: expected the line to end after 2 counts as in line 1, found \"3\"");
    EXPECT_EQ(refusal("Node 0, zone DMA" + zeros(65)),
              "file:1:146: expected the line to end after 64 counts, the most there can be, found \"0\"");
    EXPECT_EQ(refusal(first + "Node 1, zone DMA 1 2\nNode 0, zone    DMA 1 2\n"),
              "file:3:17: expected each zone once, found node 0, zone DMA as in line 1");
}

TEST(buddyinfo, refuses_more_frames_than_an_address_reaches) {
    const std::string zone = "Node 0, zone DMA ";
    const std::string all = " (fewer than 2^48 free frames in all), found ";
    EXPECT_EQ(read(zone + "281474976710655")[0].blocks[0], buddyinfo_frames_end - 1);
    EXPECT_EQ(refusal(zone + "281474976710656"),
              "file:1:18: expected at most 281474976710655 free blocks of order 0" + all + "\"281474976710656\"");
    EXPECT_EQ(refusal(zone + "1 140737488355328"),
              "file:1:20: expected at most 140737488355327 free blocks of order 1" + all + "\"140737488355328\"");
    EXPECT_EQ(refusal(zone + "99999999999999999999"),  // above 2^64
              "file:1:18: expected at most 281474976710655 free blocks of order 0" + all + "\"99999999999999999999\"");
    EXPECT_EQ(refusal(zone + "281474976710655\nNode 1, zone DMA 1\n"),
              "file:2:18: expected at most 0 free blocks of order 0" + all + "\"1\"");
    EXPECT_EQ(refusal("Node 0, zone DMA" + zeros(63) + " 1"),
              "file:1:144: expected at most 0 free blocks of order 63" + all + "\"1\"");
}

TEST(buddyinfo, errors_stay_one_short_printable_line_whatever_the_bytes) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string junk(3, static_cast<char>(byte));
        for (const std::string& text : {junk, "Node 0, zone DMA 1 " + junk + " 2", std::string(100'000, junk[0])}) {
            const auto found = parse_buddyinfo("file", text);
            if (found.ok()) continue;  // digits and spaces
            EXPECT_LT(found.status().message().size(), 400U);
            for (const char c : found.status().message()) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << byte;
        }
    }
    EXPECT_EQ(refusal(std::string_view("Node 0, zone DMA 1 \0 2", 22)),
              "file:1:20: expected a count of free blocks, found \"\\x00\"");
}

TEST(buddyinfo, reads_no_more_than_the_longest_text) {
    const std::string line = "Node 0, zone DMA 1";
    const std::string longest = line + std::string(most_buddyinfo_bytes - line.size() - 1, ' ') + "\n";
    EXPECT_EQ(read(longest).size(), 1U);
    EXPECT_EQ(refusal(longest + "\n"), "file:1:4194304: expected the end of the file, found more than 4194304 bytes");
    EXPECT_EQ(refusal(line + std::string(most_buddyinfo_bytes, ' ')),
              "file:1:4194305: expected the end of the file, found more than 4194304 bytes");
    EXPECT_EQ(refusal(std::string(most_buddyinfo_bytes + 1, 'N')),
              "file:1:1: expected \"Node\", found more than 4194304 bytes");
}

// ---- files

TEST(buddyinfo, loads_a_file_and_names_it_in_errors) {
    const scratch_directory scratch;
    const std::string good = scratch.write("good", printed_by_linux).string();
    const auto found = load_buddyinfo(good);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, read(printed_by_linux));
    const std::string bad = scratch.write("bad\n", "Node x").string();
    EXPECT_EQ(load_buddyinfo(bad).status().message(),
              bad.substr(0, bad.size() - 1) + "\\n:1:6: expected a node number below 2^31, found \"x\"");
}

TEST(buddyinfo, says_which_file_cannot_be_read) {
    const scratch_directory scratch;
    const std::string missing = (scratch.path() / "missing").string();
    const absl::Status no_file = load_buddyinfo(missing).status();
    EXPECT_EQ(no_file.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(no_file.message(), missing + ": cannot be opened: No such file or directory");
    const absl::Status folder = load_buddyinfo(scratch.path().string()).status();
    EXPECT_EQ(folder.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(folder.message(), scratch.path().string() + ": cannot be read: Is a directory");
}

// ---- what counts say

std::vector<int> fragmentation(const counts& blocks) {
    std::vector<int> indices;
    for (std::size_t order = 0; order < blocks.size(); ++order) indices.push_back(fragmentation_index(blocks, order));
    return indices;
}
std::vector<int> unusable(const counts& blocks) {
    std::vector<int> indices;
    for (std::size_t order = 0; order < blocks.size(); ++order) indices.push_back(unusable_index(blocks, order));
    return indices;
}

TEST(buddyinfo, indices_are_those_a_kernel_printed) {
    // R. M. Harris, "mm, compaction: correct the bounds of __fragmentation_index()", 2018: buddyinfo and extfrag_index
    // of one machine. The kernel printed negative values as 0.-500.
    EXPECT_EQ(fragmentation({1983, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
              (std::vector<int>{-1000, 500, 750, 875, 937, 969, 984, 992, 996, 998, 999}));
    EXPECT_EQ(fragmentation({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
              (std::vector<int>{-1000, -500, -250, -125, -62, -31, -15, -7, -3, -1, 0}));
}

TEST(buddyinfo, indices_of_a_case_worked_out_by_hand) {
    // 10 * 1 + 5 * 2 = 20 free frames in 15 blocks. Order 2: 1000 - (1000 + 20000 / 4) / 15 = 600; order 3:
    // 1000 - (1000 + 20000 / 8) / 15 = 1000 - 233. Half of the frames lie in blocks below order 1.
    EXPECT_EQ(fragmentation({10, 5, 0, 0}), (std::vector<int>{-1000, -1000, 600, 767}));
    EXPECT_EQ(unusable({10, 5, 0, 0}), (std::vector<int>{0, 500, 1000, 1000}));
    // 1 + 4 + 24 = 29 frames: 1/29 below order 1 and 2, 5/29 below order 3.
    EXPECT_EQ(unusable({1, 0, 1, 3}), (std::vector<int>{0, 34, 34, 172}));
    EXPECT_EQ(fragmentation({1, 0, 1, 3}), (std::vector<int>(4, -1000)));
}

TEST(buddyinfo, without_free_memory_nothing_is_scattered_and_all_is_unusable) {
    EXPECT_EQ(fragmentation({0, 0, 0}), (std::vector<int>{0, 0, 0}));
    EXPECT_EQ(unusable({0, 0, 0}), (std::vector<int>{1000, 1000, 1000}));
    EXPECT_EQ(largest_proven_run(counts{0, 0, 0}), 0U);
    EXPECT_EQ(free_frames_from(counts{0, 0, 0}, 0), 0U);
}

TEST(buddyinfo, the_largest_counts_do_not_overflow) {
    counts blocks(64);
    blocks[0] = buddyinfo_frames_end - 1;
    EXPECT_EQ(fragmentation_index(blocks, 1), 500);
    EXPECT_EQ(fragmentation_index(blocks, 63), 1000);
    EXPECT_EQ(unusable_index(blocks, 63), 1000);
    blocks[0] = 0;
    blocks[47] = 1;
    EXPECT_EQ(fragmentation_index(blocks, 47), -1000);
    EXPECT_EQ(fragmentation_index(blocks, 48), -500);
    EXPECT_EQ(largest_proven_run(blocks), std::uint64_t{1} << 47);
}

TEST(buddyinfo, the_largest_run_is_one_block_however_many_there_are) {
    EXPECT_EQ(largest_proven_run(counts{0, 0, 752}), 4U);
    EXPECT_EQ(largest_proven_run(counts{9, 1, 0}), 2U);
    EXPECT_EQ(free_frames_from(counts{9, 1, 2}, 0), 19U);
    EXPECT_EQ(free_frames_from(counts{9, 1, 2}, 1), 10U);
}

}
}
