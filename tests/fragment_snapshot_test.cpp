// SPDX-License-Identifier: MIT
// Fragmented memory from files: recorded free blocks, counts as in /proc/buddyinfo, our own snapshots, and what is said
// about files that are none of these.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <longreach/workloads/cases/case_memory.hpp>
#include <longreach/workloads/fragment/apply_fragmentation.hpp>
#include <longreach/workloads/fragment/fragmentation_report.hpp>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "fragment_zone.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

using longreach_tests::expect_sound;
using longreach_tests::fragment;
using longreach_tests::fragment_refusal;
using longreach_tests::scratch_directory;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using zone = simulated_zone<pfn>;

const std::string recorded = std::string(LONGREACH_SOURCE_DIR) + "/tests/groundtruth/E_2m_30_ca";

std::vector<frame_run> free_runs_in(zone& memory) {
    std::vector<frame_run> runs;
    memory.for_each_free_run([&](frame_run left) { runs.push_back(left); });
    return runs;
}

std::string bytes_of(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

/// A zone as its nodes' lines of /proc/buddyinfo.
std::string counts_text(zone& memory) {
    std::string text;
    for (unsigned node = 0; node < memory.layout().nodes; ++node) {
        const std::uint64_t first = node * memory.layout().memory.raw;
        std::array<std::uint64_t, 11> counts{};
        memory.for_each_free_run([&](frame_run left) {
            if (left.first.raw / memory.layout().memory.raw != node) return;
            for (pfn f = left.first; f < left.end();) {
                order size{10};
                while (!is_aligned(f, size) || f + size.pages() > left.end()) --size.raw;
                ++counts[size.raw];
                f += size.pages();
            }
        });
        EXPECT_LE(first, memory.layout().frames().raw);
        text += buddyinfo_line(node, "Normal", counts);
    }
    return text;
}

// ---- what is free where

TEST(fragmentation_snapshot, leaves_just_the_recorded_free_blocks_free) {
    const case_folder folder(recorded);
    const auto blocks = read_free_blocks(folder, "A2_seq1g.before.free_blocks.csv");
    ASSERT_TRUE(blocks.ok()) << blocks.status();
    zone memory(page_count{1U << 21});
    fragment(memory, "snapshot:" + recorded + "/A2_seq1g.before.free_blocks.csv.zst", 1);
    EXPECT_EQ(free_runs_in(memory), free_runs_of({*blocks, {}}));
    expect_sound(memory);
    EXPECT_GT(report_fragmentation(memory).runs, 100U);
}

TEST(fragmentation_snapshot, of_a_zone_brings_the_same_frames_back_whatever_the_seed) {
    const scratch_directory scratch;
    zone memory(zone_layout{page_count{50000}, 2});
    fragment(memory, "hog:1M:30,scatter:10", 4);
    const auto file = scratch.write("before", snapshot_text(memory.frames()));
    zone again(zone_layout{page_count{50000}, 2});
    fragment(again, "snapshot:" + file.string(), 99);
    EXPECT_EQ(free_runs_in(again), free_runs_in(memory));
    EXPECT_EQ(again.pinned().bits(), memory.pinned().bits());
    expect_sound(again);
}

TEST(fragmentation_snapshot, is_read_packed_as_well_as_plain) {
    const scratch_directory scratch;
    const auto file = scratch.write("x.csv", "nblocks,extra,start_pfn,order\n3,?,0x10,2\n1,?,0x0,3\n");
    ASSERT_EQ(longreach_tests::shell("zstd -q " + longreach_tests::as_word(file)).exit_code, 0);
    for (const std::string& name : {file.string(), file.string() + ".zst"}) {
        zone memory(page_count{64});
        EXPECT_EQ(fragment(memory, "snapshot:" + name, 1).raw, 64U - 20);
        EXPECT_EQ(free_runs_in(memory), (std::vector<frame_run>{{pfn{0}, page_count{8}}, {pfn{16}, page_count{12}}}));
    }
}

TEST(fragmentation_snapshot, leaves_frames_pinned_that_earlier_steps_took) {
    const scratch_directory scratch;
    const auto file = scratch.write("x.csv", "order,start_pfn,nblocks\n0,0x0,1000\n");
    zone memory(page_count{2000});
    fragment(memory, "scatter:50,snapshot:" + file.string() + ",scatter:5", 1);
    const page_count left = memory.frames().count_free_in({pfn{0}, page_count{1000}});
    EXPECT_EQ(left, memory.frames().free_frames());
    EXPECT_LT(left.raw, 600U);
    expect_sound(memory);
}

// ---- counts

TEST(fragmentation_snapshot, of_counts_has_just_these_counts_at_random_places) {
    const scratch_directory scratch;
    for (const char* const before : {"hog:2M:30", "hog:64K:50", "scatter:3", "scatter:60", "age:3000", "none"}) {
        zone memory(zone_layout{page_count{1U << 15}, 2});
        fragment(memory, before, 2);
        const std::string counts = counts_text(memory);
        const auto file = scratch.write("buddyinfo", counts);
        std::vector<frame_run> places;
        for (const std::uint64_t seed : {5U, 6U}) {
            zone again(zone_layout{page_count{1U << 15}, 2});
            fragment(again, "snapshot:" + file.string(), seed);
            EXPECT_EQ(counts_text(again), counts) << before;
            EXPECT_EQ(again.frames().free_frames(), memory.frames().free_frames());
            expect_sound(again);
            if (std::string_view(before) != "none") {
                EXPECT_NE(free_runs_in(again), places);
            }
            places = free_runs_in(again);
        }
    }
}

TEST(fragmentation_snapshot, of_counts_adds_the_zones_of_a_node_and_pins_nodes_without_any) {
    const scratch_directory scratch;
    const auto file = scratch.write("buddyinfo", "Node 1, zone DMA 3 0 1\r\nNode 1, zone Normal 2 5 0");
    zone memory(zone_layout{page_count{3000}, 3});
    fragment(memory, "snapshot:" + file.string(), 8);
    EXPECT_EQ(memory.frames().free_frames().raw, 5U + 10 + 4);
    EXPECT_EQ(memory.frames().count_free_in({pfn{3000}, page_count{3000}}).raw, 19U);
    const auto blocks = memory.frames().count_blocks();
    EXPECT_EQ(blocks[0], 5U);
    EXPECT_EQ(blocks[1], 5U);
    EXPECT_EQ(blocks[2], 1U);
}

TEST(fragmentation_snapshot, of_counts_of_another_machine_fits_where_memory_is_large_enough) {
    const scratch_directory scratch;
    const auto file = scratch.write(
        "buddyinfo",
        "Node 0, zone   Normal   5575   4017   2374   1563    734    615    478    641    485    390   1623\n");
    zone memory(page_count{1U << 22});
    fragment(memory, "snapshot:" + file.string(), 1);
    const auto blocks = linux_counts(memory.frames().count_blocks());
    EXPECT_EQ(blocks, (std::array<std::uint64_t, 11>{5575, 4017, 2374, 1563, 734, 615, 478, 641, 485, 390, 1623}));
    zone small(page_count{1U << 20});
    EXPECT_THAT(fragment_refusal(small, "snapshot:" + file.string()),
                EndsWith("buddyinfo: node 0: expected room for 1623 free blocks of order 10, found it for 1024"));
}

// ---- files that are not as they should be

struct bad_file {
    const char* name;
    std::string text;
    const char* message;  ///< behind the name of the file
};

void PrintTo(const bad_file& file, std::ostream* out) { *out << file.message; }

class snapshot_refusals : public testing::TestWithParam<bad_file> {};

TEST_P(snapshot_refusals, are_one_line_with_the_place_and_pin_nothing) {
    const scratch_directory scratch;
    const auto file = scratch.write(GetParam().name, GetParam().text);
    zone memory(page_count{4096});
    const std::string message = fragment_refusal(memory, "scatter:1,snapshot:" + file.string());
    EXPECT_THAT(message, StartsWith("fragmentation: step 2, \"snapshot:"));
    EXPECT_THAT(message, HasSubstr(file.string() + GetParam().message));
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    EXPECT_TRUE(memory.pinned().empty());
    EXPECT_EQ(memory.frames().free_frames().raw, 4096U);
}

const bad_file bad_files[] = {
    {"a.csv", "", ": byte 0: the file is empty"},
    {"a.csv", "order,start_pfn\n0,0x0\n", ":1: expected a column nblocks, found \"order,start_pfn\""},
    {"a.csv", "node 0, zone DMA 1\n", ":1: expected a column order, found \"node 0, zone DMA 1\""},
    {"a.csv", std::string(5000, 'x'), ":1: "},
    {"a.csv", "order,start_pfn,nblocks\n0,0x0\n", ":2: expected 3 columns, found 2"},
    {"a.csv", "order,start_pfn,nblocks\n31,0x0,1\n", ":2: order: expected a decimal number below 31, found \"31\""},
    {"a.csv", "order,start_pfn,nblocks\n0,17,1\n",
     ":2: start_pfn: expected a hexadecimal number with 0x, found \"17\""},
    {"a.csv", "order,start_pfn,nblocks\n3,0x4,1\n", ":2: start_pfn: expected a multiple of 0x8, found \"0x4\""},
    {"a.csv", "order,start_pfn,nblocks\n0,0x4,0\n", ":2: nblocks: expected at least one block, found \"0\""},
    {"a.csv", "order,start_pfn,nblocks\n30,0x0,1025\n",
     ":2: nblocks: expected blocks below frame 2^40, found \"1025\""},
    {"a.csv", "order,start_pfn,nblocks\n0,0x0,99999999999999999999\n", ":2: nblocks: expected a decimal number, found"},
    {"a.csv", "order,start_pfn,nblocks\n0,0x0,5\n1,0x4,1\n",
     ":3: start_pfn: expected frames of no other block, found some of line 2"},
    {"a.csv", "order,start_pfn,nblocks\n0,0x0,1\n2,0xffc,2\n",
     ":3: start_pfn: expected frames below 0x1000, the end of memory, found up to 0x1004"},
    {"a.zst", "order,start_pfn,nblocks\n0,0x0,1\n", ": byte 0: expected a zstd frame (28 b5 2f fd), found \"orde\""},
    {"b", "Node 0, zone DMA 1 x\n", ":1:20: expected a count of free blocks, found \"x\""},
    {"b", "Node 0, zone DMA 1\nNode 0, zone DMA 1\n", ":2:14: expected each zone once"},
    {"b", "Node 0, zone DMA 1\n\n", ":2:1: expected"},
    {"b", "Node 1, zone DMA 1\n", ": expected nodes below 1, found node 1"},
    {"b", "Node 0, zone DMA 0 0 0 0 0 0 0 0 0 0 0 0 2\n",
     ": node 0: expected room for 2 free blocks of order 12, found it for 0"},
    {"b", "Node 0, zone DMA 0 0 0 0 0 0 0 0 0 0 0 0 0 1\n",
     ": node 0: expected room for 1 free blocks of order 13, found it for 0"},
    {"b", "Node 0, zone DMA 2049 0\n", ": node 0: expected room for 2049 free blocks of order 0, found it for 20"},
};
INSTANTIATE_TEST_SUITE_P(fragmentation_snapshot, snapshot_refusals, testing::ValuesIn(bad_files));

TEST(fragmentation_snapshot, a_file_that_is_not_there_or_no_file_is_said_so) {
    const scratch_directory scratch;
    zone memory(page_count{4096});
    const auto steps = parse_fragmentation("snapshot:" + scratch.path().string() + "/lost");
    ASSERT_TRUE(steps.ok());
    const auto pinned = apply_fragmentation(*steps, memory, 1);
    EXPECT_EQ(pinned.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(pinned.status().message()), EndsWith("/lost: cannot be opened: No such file or directory"));
    EXPECT_THAT(fragment_refusal(memory, "snapshot:" + scratch.path().string()), EndsWith("expected a regular file"));
}

TEST(fragmentation_snapshot, a_packed_file_cut_anywhere_or_with_a_byte_changed_is_refused_or_read_alike) {
    const scratch_directory scratch;
    const std::string packed = bytes_of(recorded + "/A2_seq1g.before.free_blocks.csv.zst");
    ASSERT_GT(packed.size(), 100U);
    for (std::size_t i = 0; i < packed.size(); i += packed.size() / 23) {
        const auto cut = scratch.write("cut.zst", packed.substr(0, i));
        zone memory(page_count{1U << 21});
        EXPECT_THAT(fragment_refusal(memory, "snapshot:" + cut.string()), HasSubstr("cut.zst: byte "));
        std::string changed = packed;
        changed[i] = static_cast<char>(changed[i] ^ 0x55);
        const auto file = scratch.write("changed.zst", changed);
        const auto read = load_snapshot(file.string());  // a changed literal may give other numbers
        if (!read.ok()) {
            EXPECT_THAT(std::string(read.status().message()), HasSubstr("changed.zst:"));
        }
    }
}

}  // namespace
}  // namespace longreach
