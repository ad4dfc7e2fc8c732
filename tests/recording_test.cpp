// SPDX-License-Identifier: MIT
// Reading recordings: what is read, what is refused, and that every refusal names the file and the place.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <longreach/workloads/load_workload.hpp>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/recording_text.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

using longreach_tests::scratch_directory;
using texts = std::map<std::string, std::string>;

constexpr std::string_view vmas_header =
    "# longreach-trace v0 kind=vmas workload=tiny columns=seq,event,start,length,prot,flags,backing,aux\n";
constexpr std::string_view faults_header = "# longreach-trace v0 kind=faults workload=tiny columns=seq,page,pc,rw\n";
constexpr std::string_view upgrades_header = "# longreach-trace v0 kind=upgrades workload=tiny columns=seq,page,pc\n";
constexpr std::string_view misses_header = "# longreach-trace v0 kind=misses workload=tiny columns=seq,pc,va,rw\n";
constexpr std::string_view accesses_header =
    "# longreach-trace v0 kind=accesses workload=tiny columns=seq,pc,va,rw,size\n";
constexpr std::string_view totals_header = "# longreach-trace v0 kind=totals workload=tiny columns=name,value\n";

/// A small recording that is sound: one program page, one library page, a stack of four.
texts tiny() {
    const auto join = [](std::string_view header, std::string_view lines) {
        return std::string(header) + std::string(lines);
    };
    return {
        {"tiny.vmas", join(vmas_header,
                           "0 init 400000 4096 r-x 2 file:tiny off=0\n"
                           "0 init 600000 8192 rw- 2 file:tiny off=1000\n"
                           "0 init 7ff000000000 16384 rw- 22 anon off=0\n"
                           "5 brk 700000 0 rw- 22 anon first\n"
                           "5 brk 700000 8192 rw- 22 anon grow\n")},
        {"tiny.faults", join(faults_header,
                             "0 7ff000003000 400010 W\n"
                             "1 600000 400014 R\n"
                             "7 700000 400020 W\n"
                             "8 701000 400024 R\n")},
        {"tiny.upgrades", join(upgrades_header, "2 600000 400018\n")},
        {"tiny.misses", join(misses_header,
                             "# window steady from_seq=7 to_seq=10 (complete)\n"
                             "7 400020 700010 W\n"
                             "8 400024 701000 R\n")},
        {"tiny.accesses", join(accesses_header,
                               "# window startup seq=0..2; window steady seq=7..9\n"
                               "# window startup\n"
                               "0 400010 7ff000003ff8 W 8\n"
                               "1 400014 600008 R 4\n"
                               "2 400018 600008 W 4\n"
                               "# window steady\n"
                               "7 400020 700010 W 1\n"
                               "8 400024 700ffc R 8\n"
                               "9 400028 700010 R 16\n")},
        {"tiny.totals.txt",
         join(totals_header,
              "accesses 10\nreads 6\nwrites 4\nfaults 4\nrefaults 0\ndistinct_pages 4\nmoved_pages 0\n"
              "read_then_written 1\nstartup_window_accesses 3\nsteady_from_seq 7\n"
              "miss_window_from_seq 7\nmiss_window_to_seq 10\nmiss_window_misses 2\n"
              "miss_window_pages 2\nmiss_window_pcs 2\nthreads 1\n")},
    };
}

/// Replaces the one occurrence of `from`.
std::string with(std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(text.find(from, at + 1), std::string::npos) << from << " occurs twice";
    return text.replace(at, from.size(), to);
}

/// The error of loading a folder with these files, without the folder's name; empty where it loads.
std::string error_of(const texts& files, translation_feed feed = translation_feed::accesses) {
    const scratch_directory folder;
    for (const auto& [name, text] : files) folder.write(name, text);
    const auto loaded = load_workload(folder.path().string(), feed);
    if (loaded.ok()) return "";
    std::string message(loaded.status().message());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    const std::string place = folder.path().string();
    EXPECT_EQ(message.substr(0, place.size()), place) << message;
    message.erase(0, place.size());
    if (!message.empty() && message.front() == '/') message.erase(0, 1);
    return message;
}

/// The error after one replacement in one file.
std::string error_with(const std::string& file, std::string_view from, std::string_view to,
                       translation_feed feed = translation_feed::accesses) {
    texts files = tiny();
    files[file] = with(files[file], from, to);
    return error_of(files, feed);
}

TEST(recording, a_sound_one_is_read_with_all_that_it_says) {
    const scratch_directory folder;
    for (const auto& [name, text] : tiny()) {
        const bool totals = name.ends_with(".txt");
        folder.write(totals ? name : name + ".zst", totals ? text : model::compressed(text));
    }
    const auto loaded = load_workload(folder.path().string(), translation_feed::accesses);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    ASSERT_EQ(loaded->size(), 1U);
    const recording& tiny = loaded->front();
    EXPECT_EQ(tiny.name, "tiny");
    ASSERT_EQ(tiny.vmas.size(), 5U);
    EXPECT_EQ(tiny.vmas[1].pages, (page_run{vpn{0x600}, page_count{2}}));
    EXPECT_EQ(tiny.vmas[1].file_page, 1U);
    EXPECT_EQ(tiny.vmas[1].backing, vma_backing::file);
    EXPECT_EQ(tiny.files[tiny.vmas[1].file], "tiny");
    EXPECT_TRUE(tiny.vmas[1].is_private());
    EXPECT_EQ(tiny.vmas[4].kind, vma_kind::brk_grow);
    EXPECT_EQ(tiny.faults[1], (page_fault{1, vpn{0x600}, access_site(0x400014, false)}));
    EXPECT_EQ(tiny.misses[0], (recorded_miss{7, 0x700010, access_site(0x400020, true)}));
    EXPECT_EQ(tiny.accesses[5], (recorded_access{9, 0x700010, access_site(0x400028, false, 16)}));
    EXPECT_EQ(*tiny.startup, (recorded_window{"startup", 0, 3, 0, 3}));
    EXPECT_EQ(*tiny.steady, (recorded_window{"steady", 7, 10, 3, 3}));
    EXPECT_EQ(*tiny.miss_window, (recorded_window{"steady", 7, 10, 0, 2}));
    EXPECT_EQ(tiny.totals.value("threads"), 1U);
    EXPECT_EQ(tiny.footprint.peak_pages, 4U);
    EXPECT_EQ(tiny.footprint.peak_seq, 8U);
    EXPECT_EQ(tiny.footprint.table_frames, 1U + 2 + 2 + 2);
    EXPECT_EQ(tiny.footprint.file_copies, 1U);
    EXPECT_EQ(tiny.access_source.line_of(0), 4U);
    EXPECT_EQ(tiny.access_source.line_of(3), 8U);
}

TEST(recording, plain_files_do_as_well_as_compressed_ones) { EXPECT_EQ(error_of(tiny()), ""); }

TEST(recording, files_that_the_feed_does_not_need_may_be_missing) {
    texts files = tiny();
    files.erase("tiny.upgrades");
    files.erase("tiny.totals.txt");
    files.erase("tiny.misses");
    EXPECT_EQ(error_of(files, translation_feed::accesses), "");
    EXPECT_EQ(error_of(files, translation_feed::misses), ": expected tiny.misses.zst, which the feed misses needs");
    files = tiny();
    files.erase("tiny.accesses");
    EXPECT_EQ(error_of(files, translation_feed::misses), "");
    EXPECT_EQ(error_of(files, translation_feed::census), "");
    EXPECT_EQ(error_of(files, translation_feed::accesses),
              ": expected tiny.accesses.zst, which the feed accesses needs");
    for (const char* needed : {"tiny.vmas", "tiny.faults"}) {
        files = tiny();
        files.erase(needed);
        EXPECT_EQ(error_of(files), std::string(": expected ") + needed + ".zst, which every recording needs");
    }
}

TEST(recording, a_feed_without_records_is_an_error) {
    texts files = tiny();
    files["tiny.accesses"].resize(files["tiny.accesses"].find("# window steady\n"));
    files["tiny.totals.txt"] = with(files["tiny.totals.txt"], "steady_from_seq 7\n", "");
    EXPECT_EQ(error_of(files),
              "tiny.accesses: expected records in the window steady, which the feed accesses needs, found none");
    files = tiny();
    files["tiny.misses"].resize(files["tiny.misses"].find("7 400020"));
    files.erase("tiny.totals.txt");
    EXPECT_EQ(error_of(files, translation_feed::misses),
              "tiny.misses: expected records in a window, which the feed misses needs, found none");
}

// ---- storage ------------------------------------------------------------------------------------

TEST(recording_refuses, empty_files) {
    for (const auto& [name, text] : tiny()) {
        texts files = tiny();
        files[name] = "";
        EXPECT_EQ(error_of(files), name + ": byte 0: the file is empty");
    }
}

TEST(recording_refuses, truncated_damaged_and_foreign_zstd_files) {
    for (const char* name : {"tiny.vmas", "tiny.faults", "tiny.upgrades", "tiny.misses", "tiny.accesses"}) {
        texts files = tiny();
        const std::string packed = model::compressed(files[name]);
        files.erase(name);
        const std::string file = std::string(name) + ".zst";
        const std::string half = packed.substr(0, packed.size() / 2);
        files[file] = half;
        EXPECT_EQ(error_of(files),
                  file + ": byte " + std::to_string(half.size()) + ": the file ends inside a zstd frame");
        files[file] = packed;
        files[file][packed.size() / 2] = static_cast<char>(files[file][packed.size() / 2] ^ 0x10);
        EXPECT_EQ(error_of(files).find(file), 0U);
        files[file] = packed + "x";
        EXPECT_NE(error_of(files), "");
        files[file] = std::string("\x7f") + "ELF and what follows";
        EXPECT_EQ(error_of(files), file + ": byte 0: expected a zstd frame (28 b5 2f fd), found \"\\x7f\\x45LF\"");
    }
}

TEST(recording_refuses, a_file_that_is_a_folder) {
    const scratch_directory folder;
    for (const auto& [name, text] : tiny()) folder.write(name, text);
    std::filesystem::remove(folder.path() / "tiny.faults");
    std::filesystem::create_directory(folder.path() / "tiny.faults");
    const auto loaded = load_workload(folder.path().string(), translation_feed::accesses);
    EXPECT_NE(std::string(loaded.status().message()).find("expected tiny.faults.zst"), std::string::npos);
}

TEST(recording_refuses, zero_bytes_and_carriage_returns) {
    texts files = tiny();
    files["tiny.faults"].insert(files["tiny.faults"].find("1 600000"), 1, '\0');
    EXPECT_EQ(error_of(files), "tiny.faults:3: a zero byte at column 1");
    EXPECT_EQ(error_with("tiny.faults", "1 600000 400014 R\n", "1 600000 400014 R\r\n"),
              "tiny.faults:3: rw: expected R or W, found \"R\\r\" (lines end in a line feed alone)");
    files = tiny();
    std::string& text = files["tiny.vmas"];
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.insert(at, 1, '\r');
    EXPECT_EQ(error_of(files),
              "tiny.vmas:1: expected lines that end in a line feed alone, found a carriage return before it");
}

// ---- headers ------------------------------------------------------------------------------------

TEST(recording_refuses, headers_of_another_format_version_kind_or_column_order) {
    EXPECT_EQ(error_with("tiny.faults", "# longreach-trace v0", "# other-trace v0"),
              "tiny.faults:1: expected the header \"# longreach-trace v0 kind=faults workload=NAME "
              "columns=seq,page,pc,rw\", found \"# other-trace v0 kind=faults workload=tiny colum...\"");
    EXPECT_EQ(error_with("tiny.faults", "v0", "v1"), "tiny.faults:1: expected version v0, found \"v1\"");
    EXPECT_EQ(error_with("tiny.faults", "kind=faults", "kind=vmas"),
              "tiny.faults:1: expected kind=faults, found \"kind=vmas\"");
    EXPECT_EQ(error_with("tiny.faults", "seq,page,pc,rw", "seq,pc,page,rw"),
              "tiny.faults:1: expected columns=seq,page,pc,rw, found \"columns=seq,pc,page,rw\"");
    EXPECT_EQ(error_with("tiny.faults", "workload=tiny", "workload="),
              "tiny.faults:1: expected workload=NAME, a name of 1 to 64 letters, digits, dots, dashes and underscores, "
              "found \"workload=\"");
    EXPECT_EQ(error_with("tiny.faults", "workload=tiny", "workload=other"),
              "tiny.faults:1: expected workload=tiny as in the other files, found other");
    EXPECT_EQ(error_with("tiny.faults", "pc,rw\n", "pc,rw command=\"unfinished\n"),
              "tiny.faults:1: expected command=\"...\" or the end of the line, found \"command=\\\"unfinished\"");
    EXPECT_EQ(error_with("tiny.faults", faults_header, ""),
              "tiny.faults:1: expected the header \"# longreach-trace v0 kind=faults workload=NAME "
              "columns=seq,page,pc,rw\", found \"0 7ff000003000 400010 W\"");
    texts files = tiny();
    files["tiny.faults"] = "\n";
    EXPECT_NE(error_of(files).find("tiny.faults:1: expected the header"), std::string::npos);
    files.erase("tiny.faults");
    files["tiny.faults.zst"] = model::compressed("");
    EXPECT_NE(error_of(files).find("columns=seq,page,pc,rw\", found no line"), std::string::npos);
    files["tiny.faults.zst"] = model::compressed(tiny()["tiny.accesses"]);
    EXPECT_EQ(error_of(files), "tiny.faults.zst:1: expected kind=faults, found \"kind=accesses\"");
}

// ---- columns ------------------------------------------------------------------------------------

struct wrong_line {
    const char* file;
    const char* from;
    const char* to;
    const char* error;
};

class recording_refuses_line : public testing::TestWithParam<wrong_line> {};

TEST_P(recording_refuses_line, with_its_file_line_and_reason) {
    const wrong_line& wrong = GetParam();
    EXPECT_EQ(error_with(wrong.file, wrong.from, wrong.to), wrong.error);
}

constexpr wrong_line wrong_columns[] = {
    {"tiny.faults", "1 600000 400014 R", "1 60000g 400014 R",
     "tiny.faults:3: page: expected a hexadecimal number without prefix, found \"60000g\""},
    {"tiny.faults", "1 600000 400014 R", "1 0x600000 400014 R",
     "tiny.faults:3: page: expected a hexadecimal number without prefix, found \"0x600000\""},
    {"tiny.faults", "1 600000 400014 R", "1 -600000 400014 R",
     "tiny.faults:3: page: expected a hexadecimal number without prefix, found \"-600000\""},
    {"tiny.faults", "1 600000 400014 R", "1f 600000 400014 R",
     "tiny.faults:3: seq: expected a decimal number, found \"1f\""},
    {"tiny.faults", "1 600000 400014 R", "99999999999999999999 600000 400014 R",
     "tiny.faults:3: seq: expected a decimal number below 10^18, found \"99999999999999999999\""},
    {"tiny.faults", "1 600000 400014 R", "1 99999999999999999000 400014 R",
     "tiny.faults:3: page: expected a hexadecimal number below 2^63, found \"99999999999999999000\""},
    {"tiny.faults", "1 600000 400014 R", "1 600000 400014",
     "tiny.faults:3: rw: expected R or W, found the end of the line"},
    {"tiny.faults", "1 600000 400014 R", "1 600000",
     "tiny.faults:3: pc: expected a hexadecimal number without prefix, found the end of the line"},
    {"tiny.faults", "1 600000 400014 R", "",
     "tiny.faults:3: seq: expected a decimal number, found the end of the line"},
    {"tiny.faults", "1 600000 400014 R", "1 600000 400014 X", "tiny.faults:3: rw: expected R or W, found \"X\""},
    {"tiny.faults", "1 600000 400014 R", "1 600000 400014 RW", "tiny.faults:3: rw: expected R or W, found \"RW\""},
    {"tiny.faults", "1 600000 400014 R", "1 600000 400014 R extra",
     "tiny.faults:3: expected the line to end, found \"extra\""},
    {"tiny.faults", "1 600000 400014 R", "1 600000 400014 R ",
     "tiny.faults:3: expected the line to end, found a space after the last column"},
    {"tiny.faults", "1 600000 400014 R", "1  600000 400014 R",
     "tiny.faults:3: page: expected a hexadecimal number without prefix, found \"\""},
    {"tiny.faults", "1 600000 400014 R", "1\t600000 400014 R",
     "tiny.faults:3: seq: expected a decimal number, found \"1\\t600000\""},
    {"tiny.upgrades", "2 600000 400018", "2 600000 400018 W", "tiny.upgrades:2: expected the line to end, found \"W\""},
    {"tiny.misses", "8 400024 701000 R", "8 400024 70100z R",
     "tiny.misses:4: va: expected a hexadecimal number without prefix, found \"70100z\""},
    {"tiny.accesses", "1 400014 600008 R 4", "1 400014 600008 R four",
     "tiny.accesses:5: size: expected a decimal number, found \"four\""},
    {"tiny.accesses", "1 400014 600008 R 4", "1 400014 600008 R",
     "tiny.accesses:5: size: expected a decimal number, found the end of the line"},
    {"tiny.totals.txt", "threads 1", "threads one",
     "tiny.totals.txt:17: value: expected a decimal number, found \"one\""},
    {"tiny.totals.txt", "threads 1", "faults 4",
     "tiny.totals.txt:17: name: expected each name once, found \"faults\" again"},
};
INSTANTIATE_TEST_SUITE_P(columns, recording_refuses_line, testing::ValuesIn(wrong_columns));

constexpr wrong_line wrong_values[] = {
    {"tiny.faults", "1 600000 400014 R", "1 600001 400014 R",
     "tiny.faults:3: page: expected a multiple of 4096, found 600001"},
    {"tiny.faults", "1 600000 400014 R", "1 800000000000 400014 R",
     "tiny.faults:3: page: expected an address below 800000000000, found 800000000000 + 4096"},
    {"tiny.faults", "1 600000 400014 R", "1 600000 7fffffffffffffff R",
     "tiny.faults:3: pc: expected an address below 800000000000, found 7fffffffffffffff"},
    {"tiny.faults", "7 700000 400020 W", "0 700000 400020 W",
     "tiny.faults:4: seq: expected a number not below 1 of the line before, found 0"},
    {"tiny.vmas", "5 brk 700000 8192", "4 brk 700000 8192",
     "tiny.vmas:6: seq: expected a number not below 5 of the line before, found 4"},
    {"tiny.misses", "8 400024 701000 R", "6 400024 701000 R",
     "tiny.misses:4: seq: expected a number not below 7 of the line before, found 6"},
    {"tiny.misses", "8 400024 701000 R", "10 400024 701000 R",
     "tiny.misses:4: seq: expected one of the window 7 to below 10, found 10"},
    {"tiny.misses", "# window steady from_seq=7 to_seq=10 (complete)\n", "",
     "tiny.misses:2: expected \"# window NAME from_seq=A to_seq=B\" before the records"},
    {"tiny.misses", "# window steady from_seq=7 to_seq=10 (complete)", "# window steady from_seq=7",
     "tiny.misses:2: expected \"# window NAME from_seq=A to_seq=B\" with A <= B, found \"# window steady from_seq=7\""},
    {"tiny.misses", "(complete)\n", "\n# window steady from_seq=7 to_seq=10\n",
     "tiny.misses:3: expected one window, found a second"},
    {"tiny.accesses", "1 400014 600008 R 4", "0 400014 600008 R 4",
     "tiny.accesses:5: seq: expected a number above 0 of the line before, found 0"},
    {"tiny.accesses", "1 400014 600008 R 4", "1 400014 600008 R 0",
     "tiny.accesses:5: size: expected 1 to 4096, found 0"},
    {"tiny.accesses", "1 400014 600008 R 4", "1 400014 600008 R 4097",
     "tiny.accesses:5: size: expected 1 to 4096, found 4097"},
    {"tiny.accesses", "1 400014 600008 R 4", "1 400014 7fffffffffff R 4",
     "tiny.accesses:5: va: expected an address below 800000000000, found 7fffffffffff + 4"},
    {"tiny.accesses", "# window startup\n", "",
     "tiny.accesses:3: expected \"# window startup\" or \"# window steady\" before the records"},
    {"tiny.accesses", "# window steady\n", "# window other\n",
     "tiny.accesses:7: expected window startup or steady, found \"other\""},
    {"tiny.accesses", "# window steady\n", "# window startup\n", "tiny.accesses:7: this window was listed before"},
};
INSTANTIATE_TEST_SUITE_P(values, recording_refuses_line, testing::ValuesIn(wrong_values));

constexpr wrong_line wrong_vmas[] = {
    {"tiny.vmas", "0 init 400000 4096", "0 exec 400000 4096",
     "tiny.vmas:2: event: expected init, mmap, munmap, mprotect, brk, mremap or madvise, found \"exec\""},
    {"tiny.vmas", "0 init 400000 4096", "0 init 400800 4096",
     "tiny.vmas:2: start: expected a multiple of 4096, found 400800"},
    {"tiny.vmas", "0 init 400000 4096", "0 init 400000 4095",
     "tiny.vmas:2: length: expected a multiple of 4096, found 4095"},
    {"tiny.vmas", "0 init 400000 4096", "0 init 400000 0", "tiny.vmas:2: length: expected at least 4096, found 0"},
    {"tiny.vmas", "0 init 400000 4096", "0 init 7ffffffff000 8192",
     "tiny.vmas:2: start: expected a range that ends at most at 800000000000, found 7ffffffff000 + 8192"},
    {"tiny.vmas", "0 init 400000 4096", "0 init 400000 999999999999995904",
     "tiny.vmas:2: start: expected a range that ends at most at 800000000000, found 400000 + 999999999999995904"},
    {"tiny.vmas", "0 init 400000 4096", "0 init ffffffff81000000 4096",
     "tiny.vmas:2: start: expected a hexadecimal number below 2^63, found \"ffffffff81000000\""},
    {"tiny.vmas", "400000 4096 r-x 2", "400000 4096 xwr 2",
     "tiny.vmas:2: prot: expected r or -, w or -, x or -, found \"xwr\""},
    {"tiny.vmas", "400000 4096 r-x 2", "400000 4096 r-xp 2",
     "tiny.vmas:2: prot: expected r or -, w or -, x or -, found \"r-xp\""},
    {"tiny.vmas", "400000 4096 r-x 2", "400000 4096 - 2",
     "tiny.vmas:2: prot: expected three characters of rwx-, found \"-\""},
    {"tiny.vmas", "400000 4096 r-x 2", "400000 4096 r-x MAP",
     "tiny.vmas:2: flags: expected a hexadecimal number without prefix, found \"MAP\""},
    {"tiny.vmas", "400000 4096 r-x 2", "400000 4096 r-x 100000000",
     "tiny.vmas:2: flags: expected at most 8 hexadecimal digits"},
    {"tiny.vmas", "file:tiny off=0", "disk off=0",
     "tiny.vmas:2: backing: expected anon, file:NAME or -, found \"disk\""},
    {"tiny.vmas", "file:tiny off=0", "file: off=0",
     "tiny.vmas:2: backing: expected anon, file:NAME or -, found \"file:\""},
    {"tiny.vmas", "file:tiny off=0", "- off=0", "tiny.vmas:2: backing: expected anon or file:NAME, found \"-\""},
    {"tiny.vmas", "file:tiny off=0",
     "file:tiny off=", "tiny.vmas:2: aux: expected off= and a hexadecimal number, or -, found \"off=\""},
    {"tiny.vmas", "file:tiny off=0", "file:tiny off=10",
     "tiny.vmas:2: aux: expected off= and a multiple of 4096, found \"off=10\""},
    {"tiny.vmas", "file:tiny off=0", "file:tiny", "tiny.vmas:2: aux: expected a word, found the end of the line"},
    {"tiny.vmas", "anon first", "anon second", "tiny.vmas:5: aux: expected first, grow or shrink, found \"second\""},
    {"tiny.vmas", "brk 700000 0 rw-", "brk 700000 4096 rw-", "tiny.vmas:5: length: expected 0 for the initial break"},
};
INSTANTIATE_TEST_SUITE_P(vmas, recording_refuses_line, testing::ValuesIn(wrong_vmas));

/// Lines put behind those of tiny.vmas, whose last line is the sixth.
constexpr std::pair<const char*, const char*> more_vmas[] = {
    {"9 munmap 700000 4096 - 0 - now", "tiny.vmas:7: aux: expected -, found \"now\""},
    {"9 mprotect 700000 4096 - 0 - -", "tiny.vmas:7: prot: expected three characters of rwx-, found \"-\""},
    {"9 mprotect 700000 12288 r-- 0 - -", "tiny.vmas:7: address 702000 lies outside every VMA"},
    {"9 mremap 800000 4096 rw- 1 - -",
     "tiny.vmas:7: aux: expected from=START+LENGTH, hexadecimal and decimal, found \"-\""},
    {"9 mremap 800000 4096 rw- 1 - from=700000",
     "tiny.vmas:7: aux: expected from=START+LENGTH, hexadecimal and decimal, found \"from=700000\""},
    {"9 mremap 800000 4096 rw- 1 - from=700001+4096", "tiny.vmas:7: from: expected a multiple of 4096, found 700001"},
    {"9 mremap 800000 4096 rw- 1 - from=900000+4096",
     "tiny.vmas:7: aux: expected a mapped range, found nothing at 900000"},
    {"9 mremap 701000 8192 rw- 3 - from=700000+8192",
     "tiny.vmas:7: start: expected a new range apart from the old one"},
    {"9 mremap 600000 4096 rw- 1 - from=700000+4096",
     "tiny.vmas:7: expected free pages (without MREMAP_FIXED), found a mapping at 600000"},
    {"9 madvise 700000 4096 - 0 - dontneed",
     "tiny.vmas:7: aux: expected advice= and a decimal number, found \"dontneed\""},
    {"9 mmap 700000 4096 rw- 22 anon -",
     "tiny.vmas:7: expected free pages (without MAP_FIXED), found a mapping at 700000"},
    {"9 brk 601000 4096 rw- 22 anon grow",
     "tiny.vmas:7: expected free pages (without MAP_FIXED), found a mapping at 601000"},
};

TEST(recording_refuses, events_that_cannot_happen) {
    for (const auto& [line, error] : more_vmas) {
        texts files = tiny();
        files["tiny.vmas"] += std::string(line) + "\n";
        EXPECT_EQ(error_of(files), error) << line;
    }
}

// ---- how the files fit together -----------------------------------------------------------------

constexpr wrong_line wrong_replays[] = {
    {"tiny.faults", "1 600000 400014 R", "1 500000 400014 R", "tiny.faults:3: address 500000 lies outside every VMA"},
    {"tiny.faults", "1 600000 400014 R", "1 400000 400014 W",
     "tiny.faults:3: the VMA of address 400000 does not allow a store"},
    {"tiny.faults", "8 701000 400024 R", "8 700000 400024 R",
     "tiny.faults:5: a second fault on page 700000, which is resident"},
    {"tiny.faults", "7 700000 400020 W", "4 700000 400020 W", "tiny.faults:4: address 700000 lies outside every VMA"},
    {"tiny.upgrades", "2 600000 400018", "2 601000 400018",
     "tiny.upgrades:2: an upgrade of page 601000, which was not touched before"},
    {"tiny.upgrades", "2 600000 400018", "2 7ff000003000 400018",
     "tiny.upgrades:2: an upgrade of page 7ff000003000, which was stored to before"},
    {"tiny.upgrades", "2 600000 400018", "2 400000 400018",
     "tiny.upgrades:2: the VMA of address 400000 does not allow a store"},
    {"tiny.misses", "8 400024 701000 R", "8 400024 900000 R", "tiny.misses:4: address 900000 lies outside every VMA"},
    {"tiny.misses", "8 400024 701000 R", "8 400024 601000 R",
     "tiny.misses:4: address 601000 is used before the fault of its page"},
    {"tiny.accesses", "1 400014 600008 R 4", "1 400014 500008 R 4",
     "tiny.accesses:5: address 500008 lies outside every VMA"},
    {"tiny.accesses", "1 400014 600008 R 4", "1 400014 600008 W 4",
     "tiny.accesses:5: address 600008 is stored to, but its page has neither a fault by a store nor an upgrade before"},
    {"tiny.accesses", "9 400028 700010 R 16", "9 400028 701ffc R 16",
     "tiny.accesses:10: address 70200b lies outside every VMA"},
    {"tiny.accesses", "9 400028 700010 R 16", "9 400028 600ffc R 16",
     "tiny.accesses:10: address 600ffc is used before the fault of its page"},
    {"tiny.totals.txt", "faults 4\nr", "faults 5\nr",
     "tiny.totals.txt:5: faults: expected 4, as the other files say, found 5"},
    {"tiny.totals.txt", "refaults 0", "refaults 1",
     "tiny.totals.txt:6: refaults: expected 0, as the other files say, found 1"},
    {"tiny.totals.txt", "accesses 10\n", "accesses 9\n",
     "tiny.totals.txt:2: accesses: expected at least 10, as the other files say, found 9"},
    {"tiny.totals.txt", "reads 6", "reads 7", "tiny.totals.txt:2: accesses: expected 11 (reads + writes), found 10"},
    {"tiny.totals.txt", "miss_window_pcs 2", "miss_window_pcs 1",
     "tiny.totals.txt:16: miss_window_pcs: expected 2, as the other files say, found 1"},
};
INSTANTIATE_TEST_SUITE_P(replays, recording_refuses_line, testing::ValuesIn(wrong_replays));

TEST(recording, mappings_may_be_replaced_moved_emptied_and_cut) {
    texts files = tiny();
    files["tiny.vmas"] +=
        "10 mmap 600000 4096 rw- 32 anon -\n"                // over a file page, which loses its page
        "12 mremap 900000 12288 - 1 - from=700000+8192\n"    // both touched pages move
        "14 mremap 900000 4096 rw- 1 - from=900000+12288\n"  // cut in place
        "14 mremap 900000 8192 rw- 1 - from=900000+4096\n"   // grown in place
        "16 madvise 7ff000000000 16384 - 0 - advice=4\n"
        "16 madvise 7ff000000000 16384 - 0 - advice=14\n"
        "18 munmap 100000 73400320 - 0 - -\n";
    files["tiny.faults"] +=
        "11 600000 400014 W\n"
        "15 901000 400014 W\n"
        "17 7ff000003000 400014 R\n";
    files.erase("tiny.totals.txt");
    const scratch_directory folder;
    for (const auto& [name, text] : files) folder.write(name, text);
    const auto loaded = load_workload(folder.path().string(), translation_feed::accesses);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    const recorded_footprint& footprint = loaded->front().footprint;
    EXPECT_EQ(footprint.moved_pages, 2U);
    EXPECT_EQ(footprint.distinct_pages, 6U);
    EXPECT_EQ(footprint.refaults, 3U);  // 600000, 901000 and 7ff000003000
    EXPECT_EQ(footprint.peak_pages, 4U);
    EXPECT_EQ(loaded->front().faults.size() + footprint.moved_pages, footprint.distinct_pages + footprint.refaults);
}

// ---- names and places ---------------------------------------------------------------------------

std::string message_of(const std::string& name, translation_feed feed = translation_feed::accesses) {
    const auto loaded = load_workload(name, feed);
    return loaded.ok() ? "" : std::string(loaded.status().message());
}

TEST(find_workloads, a_folder_any_of_its_files_and_a_folder_of_folders_name_a_workload) {
    const scratch_directory folder;
    for (const auto& [name, text] : tiny()) {
        folder.write("b/" + name, text);
        folder.write("a folder/" + name, text);
    }
    folder.write("b/notes.md", "not a recording");
    folder.write("empty/notes.md", "not a recording");
    const std::string root = folder.path().string();
    for (const char* place : {"/b", "/b/", "/b/tiny.vmas", "/b/tiny.totals.txt", "/a folder/tiny.misses"}) {
        EXPECT_EQ(message_of(root + place), "") << place;
    }
    const auto all = find_workloads(root);
    ASSERT_TRUE(all.ok());
    ASSERT_EQ(all->size(), 2U);
    EXPECT_EQ(all->at(0).folder, root + "/a folder");
    EXPECT_EQ(all->at(1).folder, root + "/b");
    EXPECT_FALSE(all->at(1).bundled);
    const auto loaded = load_workload(root, translation_feed::misses);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(loaded->size(), 2U);
}

TEST(find_workloads, a_compressed_file_goes_before_a_plain_one) {
    const scratch_directory folder;
    for (const auto& [name, text] : tiny()) folder.write(name, text);
    folder.write("tiny.faults.zst", "");
    EXPECT_EQ(message_of(folder.path().string()),
              (folder.path() / "tiny.faults.zst").string() + ": byte 0: the file is empty");
}

TEST(find_workloads, names_that_stand_for_nothing_are_answered_with_those_that_exist) {
    const std::string message = message_of("nosuch");
    EXPECT_EQ(message.find("nosuch: no workload, folder or file of this name"), 0U) << message;
    for (const std::string& name : bundled_workloads()) EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_EQ(message_of("").find("the empty name: no workload"), 0U) << message_of("");
    EXPECT_EQ(message_of(std::string("a\nb")).find('\n'), std::string::npos);
    EXPECT_NE(message_of(std::string(5000, 'x')), "");
}

TEST(find_workloads, folders_and_files_without_a_recording_are_named) {
    const scratch_directory folder;
    const std::string root = folder.path().string();
    EXPECT_EQ(message_of(root),
              root + ": expected a recording (W.vmas.zst, W.faults.zst, ...) here or one folder below, found none");
    const std::string notes = folder.write("notes.zst", "").string();
    EXPECT_EQ(message_of(notes), notes +
                                     ": expected a file of a recording (W.vmas.zst, W.faults.zst, W.upgrades.zst, "
                                     "W.misses.zst, W.accesses.zst or W.totals.txt)");
    const std::string lonely = folder.write("lonely.faults.zst", "").string();
    EXPECT_EQ(message_of(lonely), root + ": expected lonely.vmas.zst, which every recording needs");
    folder.write("other.vmas.zst", "");
    EXPECT_EQ(
        message_of(root),
        root +
            ": expected the files of one workload, found those of lonely, other; name a file of the one that is meant");
    EXPECT_NE(message_of(root + "/missing.vmas.zst").find("missing.vmas.zst: no workload, folder or file"),
              std::string::npos);
}

// ---- the bundle ---------------------------------------------------------------------------------

TEST(bundle, the_seven_recordings_are_there_in_alphabetical_order) {
    EXPECT_EQ(bundled_workloads(),
              (std::vector<std::string>{"bt", "gups", "hashjoin", "liblinear", "python", "redis", "sqlite"}));
    const auto all = find_workloads("recorded");
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(all->size(), 7U);
}

TEST(bundle, it_takes_at_most_eight_million_bytes) {
    std::uint64_t bytes = 0;
    const std::filesystem::path folder = std::filesystem::path(LONGREACH_SOURCE_DIR) / "workloads" / "recorded";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) bytes += entry.file_size();
    }
    EXPECT_LE(bytes, 8000000U);
    EXPECT_GT(bytes, 7000000U);
}

TEST(bundle, every_recording_is_sound_whole_and_agrees_with_its_totals) {
    const auto loaded = load_workload("recorded", translation_feed::accesses);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    ASSERT_EQ(loaded->size(), 7U);
    for (const recording& one : *loaded) {
        SCOPED_TRACE(one.name);
        const auto total = [&](const char* name) { return one.totals.value(name).value_or(~std::uint64_t{0}); };
        EXPECT_EQ(total("faults") + total("moved_pages"), total("distinct_pages") + total("refaults"));
        EXPECT_EQ(one.faults.size(), total("faults"));
        EXPECT_EQ(one.upgrades.size(), total("read_then_written"));
        EXPECT_EQ(one.footprint.distinct_pages, total("distinct_pages"));
        EXPECT_EQ(one.footprint.refaults, total("refaults"));
        EXPECT_EQ(one.misses.size(), 100000U);
        EXPECT_EQ(one.misses.size(), total("miss_window_misses"));
        EXPECT_EQ(one.miss_window->to_seq, total("miss_window_to_seq"));
        EXPECT_EQ(one.accesses.size(), 200000U);
        EXPECT_EQ(one.startup->count, 100000U);
        EXPECT_EQ(one.steady->count, 100000U);
        EXPECT_EQ(one.startup->to_seq, 100000U);
        EXPECT_EQ(one.steady->from_seq, total("steady_from_seq"));
        EXPECT_EQ(one.steady->to_seq, one.steady->from_seq + 100000);
        EXPECT_LE(one.footprint.peak_pages, one.footprint.distinct_pages);
        EXPECT_LE(one.footprint.table_frames, one.footprint.most_table_frames);
        EXPECT_FALSE(one.command.empty());
    }
}

TEST(bundle, every_recording_serves_the_feed_of_misses) {
    for (const std::string& name : bundled_workloads())
        EXPECT_EQ(message_of(name, translation_feed::misses), "") << name;
}

}
}
