// SPDX-License-Identifier: MIT
// What is said about recorded cases whose files are not as they should be: one line with the place. And what looks like
// that, and is none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <longreach/workloads/cases/case_reader.hpp>
#include <string>
#include <vector>

#include "bundled_cases.hpp"
#include "model/case_text.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

using longreach_tests::bundle;
using model::small_case;
using testing::HasSubstr;
using testing::Not;

TEST(case_reader, reads_the_small_case_that_the_refusals_are_made_from) {
    const absl::StatusOr<recorded_case> read = small_case().load();
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->faults.size(), 6U);  // one superpage, a folded line of four, one page
    EXPECT_EQ(read->faults[3].page, vpn{0x100000202});
    EXPECT_EQ(read->faults[3].target, pfn{0x105602});
    EXPECT_EQ(read->faults[3].wanted, page_count{3});
    EXPECT_EQ(read->faults[3].got, pfn{0x1f9002});
    EXPECT_EQ(read->faults[3].seq, 3U);
    EXPECT_EQ(read->faults[5].target, std::nullopt);
    EXPECT_EQ(read->start.rover[1], pfn{0x105400});
    EXPECT_EQ(read->start.rover[0], std::nullopt);  // the original prints a frame far beyond memory
}

struct refusal {
    const char* file;
    const char* from;  ///< text that is replaced
    const char* to;
    const char* message;  ///< what the one line holds
};

class case_refusals : public testing::TestWithParam<refusal> {};

TEST_P(case_refusals, are_one_line_with_the_place) {
    const refusal& wanted = GetParam();
    small_case files;
    files.replace(wanted.file, wanted.from, wanted.to);
    const absl::StatusOr<recorded_case> read = files.load();
    ASSERT_FALSE(read.ok()) << wanted.message;
    const std::string message(read.status().message());
    EXPECT_THAT(message, HasSubstr(wanted.message));
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    EXPECT_THAT(message, HasSubstr(std::string("run/") + wanted.file));
}

constexpr refusal refusals[] = {
    {"params.txt", "run=A1_small_ca", "run=../x", ":1: run: expected a name, found \"../x\""},
    {"params.txt", "mode=ca", "mode=\xff", ":2: mode: expected ca or def, found \"\\xff\""},
    {"params.txt", "workloads=W", "workloads=W,W", ":3: workloads: expected each name once"},
    {"params.txt", "workloads=W", "workloads=V", ": expected the script of the workload V"},
    {"params.txt", "workloads=W", "workloads=", ": expected workloads=NAMES"},
    {"params.txt", "flags=", "flags", ":4: expected name=value"},
    {"params.txt", "map A", "mop A", ":6: expected an operation such as map or touch, found \"mop\""},
    {"params.txt", "map A 0x205000", "map A", ":6: expected more words behind \"map\""},
    {"params.txt", "0x205000", "99999999999999999999", ":6: expected a number below 2^40"},
    {"params.txt", "0x205000", "512G", ":6: expected 1 to 4194304 pages within 64 GiB"},
    {"params.txt", "0x205000", "0", ":6: expected 1 to 4194304 pages within 64 GiB"},
    {"params.txt", "touch A seq", "touch A seq 1", ":9: expected the line to end, found \"1\""},
    {"params.txt", "touch A seq", "touch A sideways", ":9: expected seq, rev, seq2m, rand, rand2m or read"},
    {"params.txt", "touch A seq", "touch A rand", ":9: expected a seed behind the pattern"},
    {"params.txt", "touch A seq", "touch B seq", ":9: expected a VMA of this script, found \"B\""},
    {"params.txt", "touch A seq", "part A 4K 8M", ":9: expected a part of the VMA's 2117632 bytes"},
    {"params.txt", "touch A seq", "rr 0 A", ":9: expected chunks of whole pages"},
    {"params.txt", "touch A seq", "churn 1 99999999", ":9: expected at most 65536 steps"},
    {"params.txt", "touch A seq", "churn 1 65536", ":9: expected at most 8388608 touched pages in all"},
    {"params.txt", "touch A seq", "threads A 65 same", ":9: expected 1 to 64 threads"},
    {"params.txt", "touch A seq", "peer x", ":9: expected a script of this file, found \"x\""},
    {"params.txt", "snap after", "snap ../x", ":10: expected a name, found \"../x\""},
    {"params.txt", "run=A1_small_ca", "", "expected run=NAME"},
    {"W.before.free_blocks.csv", "zone,order", "zone,size", ":1: expected a column order, found \"zone,size,"},
    {"W.before.free_blocks.csv", "zone,order", "zone,zone,order", ":1: expected one column zone, found two"},
    {"W.before.free_blocks.csv", "Normal,10", "HighMem,10", ":3: zone: expected one of DMA32, Normal"},
    {"W.before.free_blocks.csv", "Normal,10", "Normal,11", ":3: order: expected a decimal number below 11"},
    {"W.before.free_blocks.csv", "Normal,10", "Normal,-1", ":3: order: expected a decimal number, found \"-1\""},
    {"W.before.free_blocks.csv", "0x105400,4", "0x105401,4", ":3: start_pfn: expected a multiple of 0x400"},
    {"W.before.free_blocks.csv", "0x105400,4", "0x105400,1048576", ":3: start_pfn: expected blocks inside their zone"},
    {"W.before.free_blocks.csv", "0x105400,4", "0x105400,0", ":3: nblocks: expected at least one block"},
    {"W.before.free_blocks.csv", "0x105400,4", "0x105400", ":3: expected 6 columns, found 5"},
    {"W.before.free_blocks.csv", "0x105400,4", "0x1fffffffffffffffff,4",
     ":3: start_pfn: expected a hexadecimal number"},
    {"W.before.free_blocks.csv", "0x1f9000", "0x105408",
     ":4: start_pfn: expected frames of no other block, found some of line 3"},
    {"W.before.free_blocks.csv", "pcp0", "pcp", ":5: list: expected buddy, reserved or pcp with a number below 64"},
    {"W.before.contiguity_map.csv", "0x105400,ROVER", "0x1,ROVER", ":3: start_pfn: expected a frame of the zone"},
    {"W.before.runs.csv", "0x4c9,0x1f8000", "0x4c9,0x0", ":2: pfn: expected frames of one zone, found \"0x0\""},
    {"W.before.runs.csv", "0x4cc,", "0x4c9,", ":3: va_page: expected a page behind those of the line before"},
    {"W.before.maps.txt", "004c9000-", "004c9001-", ":1: expected a range of page addresses"},
    {"W.before.maps.txt", "004cc000-0051d000", "004cb000-0051d000", ":2: expected a range behind"},
    {"W.after.runs.csv", ",512", ",many", ":2: npages: expected a decimal number, found \"many\""},
    {"W.fault_vmas.csv", "0,0,0x100000000000", "1,0,0x100000000000", ":2: vma: expected the number 0"},
    {"W.fault_vmas.csv", "0x100000205000", "0x100000000000", ":2: vm_end: expected a multiple of 4096 above"},
    {"W.faults.csv", "0,0,9,0x100000000", "0,0,8,0x100000000", ":2: order: expected 0 or 9"},
    {"W.faults.csv", "0,0,9,0x100000000", "0,0,9,0x100000001", ":2: va_page: expected a multiple of 0x200"},
    {"W.faults.csv", "0,0,9,0x100000000", "0,0,9,0x100000400", ":2: va_page: expected pages of the area"},
    {"W.faults.csv", "0,0,9,0x100000000,0", "0,0,9,0x100000000,7", ":2: vma: expected a decimal number below 1"},
    {"W.faults.csv", "0,0,9", "0,1,9", ":2: vma: expected an area of process 1"},
    {"W.faults.csv", "1,0,0,0x100000200", "0,0,0,0x100000200", ":3: seq: expected a number above 0"},
    {"W.faults.csv", "0x105600,5,", "0x105600,2,",
     ":3: want_pages: expected at least as many pages as the line stands for"},
    {"W.faults.csv", "EXACT,4", "EXACT,0", ":3: repeat: expected 1, or more"},
    {"W.faults.csv", "EXACT,4", "EXACT,99999999", ":3: repeat: expected a decimal number below"},
    {"W.faults.csv", "EXACT,4", "exact!,4", ":3: success_kind: expected names of counters or -"},
    {"W.faults.csv", "0x1f9000", "0x1fffff", ":3: got_pfn: expected frames of one zone"},
    {"W.faults.csv", "0x105400,0x115400", "0x105401,0x115400", ":2: got_pfn: expected a multiple of 0x200"},
    {"W.faults.csv", "5,0,0,0x100000204", "5,0,0,0x100000203",
     ": expected a fault of the main process on page 0x100000204, which run/params.txt:9 touches"},
};

INSTANTIATE_TEST_SUITE_P(all, case_refusals, testing::ValuesIn(refusals));

TEST(case_reader, names_a_file_that_is_missing_empty_cut_off_or_garbage) {
    for (const char* const name : {"W.before.free_blocks.csv", "W.before.contiguity_map.csv", "W.before.runs.csv",
                                   "W.fault_vmas.csv", "W.faults.csv"}) {
        const std::string place = std::string("run/") + name;
        small_case missing;
        missing.remove(name);
        if (std::string(name) != "W.faults.csv") {  // without it, and without an end, it would be a case without log
            EXPECT_THAT(missing.refusal(), HasSubstr(place + ": expected this file, plain or with .zst"));
        }
        small_case empty;
        empty.text(name).clear();
        EXPECT_THAT(empty.refusal(), HasSubstr(place + ": byte 0: the file is empty"));
        small_case zero;
        zero.text(name).insert(3, 1, '\0');
        EXPECT_THAT(zero.refusal(), HasSubstr(place + ":1: a zero byte"));
        small_case packed;
        packed.text(std::string(name) + ".zst") = "not zstd";
        packed.remove(name);
        EXPECT_THAT(packed.refusal(), HasSubstr(place + ".zst: byte 0: expected a zstd frame"));
        small_case cut;
        const std::string whole = model::packed(cut.text(name));
        cut.text(std::string(name) + ".zst") = whole.substr(0, whole.size() - 3);
        cut.remove(name);
        EXPECT_THAT(cut.refusal(), HasSubstr(place + ".zst: byte "));
    }
}

TEST(case_reader, does_not_take_a_link_that_leads_nowhere_for_a_missing_file) {
    // Without the file the recorded figures would be left out, and nothing said.
    const longreach_tests::scratch_directory scratch;
    const std::filesystem::path run = scratch.path() / "run";
    std::filesystem::copy(bundle + "/A1_seq256_ca", run);
    std::filesystem::remove(run / "A1_seq256.after.runs.csv.zst");
    EXPECT_TRUE(load_cases(run.string()).ok());
    std::filesystem::create_symlink("nowhere", run / "A1_seq256.after.runs.csv.zst");
    const absl::StatusOr<std::vector<recorded_case>> read = load_cases(run.string());
    ASSERT_FALSE(read.ok());
    EXPECT_THAT(std::string(read.status().message()), HasSubstr("A1_seq256.after.runs.csv.zst: cannot be opened: "));
}

TEST(case_reader, needs_the_pages_at_the_end_to_tell_which_are_the_heaps) {
    small_case files;
    files.replace("params.txt", "touch A seq", "touch A seq\nbrk 4K");
    files.text("W.after.maps.txt") = files.text("W.before.maps.txt");
    EXPECT_EQ(files.refusal(), "it was read");
    files.remove("W.after.runs.csv");
    EXPECT_THAT(files.refusal(), HasSubstr("run/W.after.runs.csv: expected the pages at the end"));
}

TEST(case_reader, passes_over_pages_that_are_unmapped_again_and_again) {
    // 16 GiB are unmapped 10,000 times: 42 billion pages, none of which is there.
    small_case files;
    std::string again;
    for (int i = 0; i < 10'000; ++i) again += "unmap B\n";
    files.replace("params.txt", "clearlog", "map B 16G\n" + again + "clearlog");
    EXPECT_EQ(files.refusal(), "it was read");
}

TEST(case_reader, names_a_folder_that_holds_no_run) {
    const longreach_tests::scratch_directory scratch;
    const auto message = [](const std::string& path) {
        const absl::StatusOr<std::vector<recorded_case>> read = load_cases(path);
        return read.ok() ? std::string() : std::string(read.status().message());
    };
    EXPECT_THAT(message("/nowhere/at all"), HasSubstr("/nowhere/at all: expected a folder of recorded runs"));
    EXPECT_THAT(message(scratch.path().string()),
                HasSubstr("expected recorded runs (folders with params.txt), found none"));
}

TEST(case_reader, refuses_more_pages_than_the_machine_can_have) {
    small_case files;
    std::string& pages = files.text("W.before.runs.csv");
    pages = "va_page,pfn,npages\n";
    for (int i = 1; i <= 5; ++i) pages += "0x" + std::to_string(i) + "00000,0x100000,1048576\n";
    EXPECT_THAT(files.refusal(), HasSubstr("W.before.runs.csv:6: npages: expected at most 4194304 pages in all"));
}

TEST(case_reader, refuses_more_faults_than_it_keeps) {
    small_case files;
    std::string& log = files.text("W.faults.csv");
    const std::string line = ",0,0,0x100000200,0,0x0,uninit,1,0x100000,0x115400,-,-,1048500\n";
    files.replace("W.fault_vmas.csv", "0x100000205000", "0x110000205000");
    for (int i = 0; i < 5; ++i) log += std::to_string(10 + i * 2'000'000) + line;
    EXPECT_THAT(files.refusal(), HasSubstr("W.faults.csv:9: repeat: expected at most 4194304 faults in all"));
}

}
}
