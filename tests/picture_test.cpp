// SPDX-License-Identifier: MIT
// The picture of physical memory that `longreach compare --picture` draws, as its users meet it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "shell.hpp"

namespace longreach {
namespace {

namespace fs = std::filesystem;
using longreach_tests::as_word;
using longreach_tests::contents;
using longreach_tests::outcome;
using longreach_tests::scratch_directory;
using longreach_tests::shell;
using testing::HasSubstr;
using testing::Not;

constexpr const char* one_combination = " --workload=bt --policy=ca --mode=native --hog=30";

/// A folder, in which the picture is the only thing that may appear.
class picture_of : public testing::Test {
  protected:
    [[nodiscard]] fs::path file() const { return scratch_.path() / "out.svg"; }
    [[nodiscard]] outcome draw(const std::string& flags) const { return draw_to(file(), flags); }
    [[nodiscard]] static outcome draw_to(const fs::path& path, const std::string& flags) {
        return shell(as_word(LONGREACH_PROGRAM) + " compare --format=json --picture=" + as_word(path) + flags);
    }
    /// Exit code 2, one line, no file.
    void expect_refusal(const outcome& ended, const std::vector<std::string>& parts) const {
        EXPECT_EQ(ended.exit_code, 2) << ended.output;
        EXPECT_EQ(std::count(ended.output.begin(), ended.output.end(), '\n'), 1) << ended.output;
        for (const std::string& part : parts) EXPECT_THAT(ended.output, HasSubstr(part));
        EXPECT_TRUE(fs::is_empty(scratch_.path()));
    }

    scratch_directory scratch_;
};

/// Where a document stops being well-formed XML, or nothing: tags that match, quoted attributes, known entities.
std::string broken_xml(const std::string& text) {
    static const std::regex tag(R"(<(/?)([A-Za-z]+)((?: +[A-Za-z:-]+="[^"<]*")*)(/?)>)");
    static const std::regex entity("&(?!(?:amp|lt|gt|quot|apos);)");
    std::vector<std::string> open;
    if (text.rfind("<?xml ", 0) != 0) return "declaration";
    std::size_t at = text.find("?>") + 2;
    bool had_root = false;
    while (at < text.size()) {
        const std::size_t next = std::min(text.find('<', at), text.size());
        const std::string data = text.substr(at, next - at);
        if (std::regex_search(data, entity)) return "entity: " + data;
        if (open.empty() && data.find_first_not_of(" \n") != std::string::npos) return "outside: " + data;
        if (next == text.size()) break;
        const std::string found = text.substr(next, text.find('>', next) - next + 1);
        std::smatch parts;
        if (!std::regex_match(found, parts, tag)) return "tag: " + found;
        if (std::regex_search(found, entity)) return "entity: " + found;
        if (parts[1].length() != 0) {
            if (open.empty() || open.back() != parts[2]) return "end: " + found;
            open.pop_back();
        } else if (parts[4].length() == 0) {
            if (open.empty() && had_root) return "second root: " + found;
            open.push_back(parts[2]);
            had_root = true;
        }
        at = next + found.size();
    }
    return open.empty() ? "" : "open: " + open.back();
}

/// Texts of the picture by line and column.
std::map<int, std::map<int, std::string>> texts_of(const std::string& svg) {
    static const std::regex text(R"re(<text x="(\d+)" y="(\d+)"[^>]*>([^<]*)</text>)re");
    std::map<int, std::map<int, std::string>> rows;
    for (std::sregex_iterator at(svg.begin(), svg.end(), text), end; at != end; ++at) {
        rows[std::stoi((*at)[2])][std::stoi((*at)[1])] = (*at)[3];
    }
    return rows;
}

std::uint64_t number_in(std::string text) {
    text.erase(std::remove(text.begin(), text.end(), ','), text.end());
    return std::stoull(text);
}

/// For each legend: the sum of its frames, and the frames that it says the memory has.
std::vector<std::pair<std::uint64_t, std::uint64_t>> legend_sums(const std::string& svg) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> sums;
    int name = -1;
    int frames = -1;
    std::uint64_t sum = 0;
    for (const auto& [y, row] : texts_of(svg)) {
        for (const auto& [x, text] : row) {
            if (text == "whose") name = x, sum = 0;
            if (text == "frames") frames = x;
        }
        if (name < 0 || row.count(name) == 0 || row.count(frames) == 0 || row.at(name) == "whose") continue;
        if (row.at(name) != "the whole memory") {
            sum += number_in(row.at(frames));
            continue;
        }
        sums.emplace_back(sum, number_in(row.at(frames)));
        name = -1;
    }
    return sums;
}

TEST_F(picture_of, one_run_is_a_document_that_names_the_run_and_adds_up) {
    const outcome ended = draw(one_combination);
    ASSERT_EQ(ended.exit_code, 0) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("\"workload\":\"bt\""));
    const std::string svg = contents(file());
    EXPECT_EQ(broken_xml(svg), "");
    EXPECT_THAT(svg, HasSubstr("bt, ca, native, hog 30 %, seed 1, memory 4 GiB"));
    for (const char* word :
         {"n80", "n90", "n99", "bound99", "cover32", "cover128", "free", "pinned by the hog", "page tables", "heap",
          "libc.so.6", "the whole memory", "at the end of the run", "first moment of most mapped pages"}) {
        EXPECT_THAT(svg, HasSubstr(word));
    }
    for (const char* foreign : {"<script", "href", "in use otherwise"}) EXPECT_THAT(svg, Not(HasSubstr(foreign)));
    EXPECT_THAT(legend_sums(svg), testing::ElementsAre(std::pair(1048576U, 1048576U)));
    EXPECT_LT(svg.size(), 1'000'000U);
}

TEST_F(picture_of, a_run_is_explained_by_the_help_text) {
    const outcome ended = shell(as_word(LONGREACH_PROGRAM) + " compare --help");
    EXPECT_THAT(ended.output, HasSubstr("\n  --picture="));
    EXPECT_THAT(ended.output, HasSubstr("--picture=redis.svg"));
}

TEST_F(picture_of, a_virtual_machine_shows_the_guest_and_the_host) {
    ASSERT_EQ(draw(" --workload=bt --policy=thp --mode=virtual --hog=0 --memory=1G --census=end").exit_code, 0);
    const std::string svg = contents(file());
    EXPECT_EQ(broken_xml(svg), "");
    EXPECT_THAT(svg, HasSubstr("The guest's memory at the end of the run: 1 GiB"));
    EXPECT_THAT(svg, HasSubstr("The host's memory at the end of the run: 2 GiB"));
    EXPECT_THAT(svg, HasSubstr("At the end of the run: pages"));
    EXPECT_THAT(legend_sums(svg), testing::ElementsAre(std::pair(262144U, 262144U), std::pair(524288U, 524288U)));
}

TEST_F(picture_of, memory_of_any_size_adds_up_and_stays_small) {
    for (const char* memory : {"200M", "201M", "5G", "1T"}) {
        for (const char* policy : {"thp", "ca"}) {
            const std::string flags = std::string(" --workload=bt --mode=native --hog=10 --policy=") + policy;
            ASSERT_EQ(draw(flags + " --memory=" + memory).exit_code, 0);
            const std::string svg = contents(file());
            EXPECT_EQ(broken_xml(svg), "");
            const auto sums = legend_sums(svg);
            ASSERT_EQ(sums.size(), 1U);
            EXPECT_EQ(sums[0].first, sums[0].second);
            EXPECT_LT(svg.size(), 1'000'000U);
        }
    }
}

TEST_F(picture_of, the_same_run_has_the_same_bytes) {
    ASSERT_EQ(draw(one_combination).exit_code, 0);
    const std::string first = contents(file());
    ASSERT_EQ(draw(one_combination).exit_code, 0);
    EXPECT_TRUE(contents(file()) == first);
    EXPECT_EQ(std::distance(fs::directory_iterator(scratch_.path()), fs::directory_iterator()), 1);
}

TEST_F(picture_of, more_than_one_run_is_refused_and_says_how_many_there_are) {
    expect_refusal(draw(" --workload=bt"), {"--picture=", "found 8 (1 workloads x 2 policies x 2 modes x 2 hogs x 1",
                                            "narrow them, e.g. --workload=bt --policy=ca"});
    expect_refusal(draw(std::string(one_combination) + " --seeds=3"), {"found 3 "});
}

TEST_F(picture_of, a_run_is_refused_before_it_starts_where_the_file_cannot_be_written) {
    const fs::path& folder = scratch_.path();
    for (const fs::path& path : {folder / "none/out.svg", folder, folder / "", fs::path("/dev/null")}) {
        expect_refusal(draw_to(path, " --workload=no-such-workload"), {"--picture=", "expected a file"});
    }
}

TEST_F(picture_of, a_link_stays_and_what_it_names_is_written) {
    const fs::path& folder = scratch_.path();
    (void)scratch_.write("far/there.svg", "before");
    fs::permissions(folder / "far/there.svg", fs::perms::owner_read | fs::perms::owner_write);
    fs::create_symlink("far/there.svg", folder / "second");
    fs::create_symlink("second", file());
    fs::create_symlink(folder / "far/absent.svg", folder / "dangling");
    fs::create_symlink("round", folder / "round");
    fs::create_symlink("/dev/null", folder / "null");
    ASSERT_EQ(draw(one_combination).exit_code, 0);
    ASSERT_EQ(draw_to(folder / "dangling", one_combination).exit_code, 0);
    EXPECT_EQ(broken_xml(contents(folder / "far/there.svg")), "");
    EXPECT_EQ(contents(folder / "far/absent.svg"), contents(folder / "far/there.svg"));
    EXPECT_EQ(fs::status(folder / "far/there.svg").permissions(), fs::perms::owner_read | fs::perms::owner_write);
    for (const char* link : {"out.svg", "second", "dangling"}) EXPECT_TRUE(fs::is_symlink(folder / link));
    for (const fs::path& path : {folder / "round", folder / "null", fs::path("/dev/stdout")}) {
        const outcome ended = draw_to(path, one_combination);
        EXPECT_EQ(ended.exit_code, 2) << ended.output;
        EXPECT_EQ(std::count(ended.output.begin(), ended.output.end(), '\n'), 1) << ended.output;
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder / "far"), fs::directory_iterator()), 2);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 6);
}

TEST_F(picture_of, a_file_that_takes_the_results_is_refused) {
    const fs::path results = scratch_.write("results", "");
    const std::string to_results = std::string(one_combination) + " >" + as_word(results);
    EXPECT_EQ(draw_to("/dev/stdout", to_results).exit_code, 2);
    EXPECT_EQ(draw_to(results, to_results).exit_code, 2);
    EXPECT_EQ(contents(results), "");
}

TEST_F(picture_of, an_empty_name_is_refused) { expect_refusal(draw_to("", one_combination), {"expected a file"}); }

TEST_F(picture_of, a_file_that_may_not_grow_so_large_leaves_nothing) {
    const outcome ended =
        shell("ulimit -f 1; " + as_word(LONGREACH_PROGRAM) + " compare --picture=" + as_word(file()) + one_combination);
    EXPECT_EQ(ended.exit_code, 2) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("expected a file that can be written: File too large"));
    EXPECT_TRUE(fs::is_empty(scratch_.path()));
}

TEST_F(picture_of, sizes_are_rounded_into_the_next_unit) {
    ASSERT_EQ(draw(std::string(one_combination) + " --memory=1073737728").exit_code, 0);  // a page less than 1 GiB
    EXPECT_THAT(contents(file()), HasSubstr("1.00 GiB"));
    EXPECT_THAT(contents(file()), Not(HasSubstr("1024.0")));
}

TEST_F(picture_of, a_failed_run_leaves_the_file_alone) {
    // Base pages would just fit; 2 MiB pages take a little more than there is.
    const std::string flags = " --workload=liblinear --hog=0 --policy=thp --mode=native --memory=";
    const std::string refusal = draw(flags + "2M").output;
    std::smatch needed;
    ASSERT_TRUE(std::regex_search(refusal, needed, std::regex("needs at least ([0-9]+) frames"))) << refusal;
    const std::string too_little = flags + std::to_string((number_in(needed[1]) + 8) * 4096);
    (void)scratch_.write("out.svg", "before");
    EXPECT_EQ(draw(too_little).exit_code, 1);
    EXPECT_TRUE(contents(file()) == "before");
    fs::remove(file());
    EXPECT_EQ(draw(too_little).exit_code, 1);
    EXPECT_TRUE(fs::is_empty(scratch_.path()));
}

TEST_F(picture_of, names_that_are_no_xml_are_escaped) {
    const auto header = [](const std::string& kind, const std::string& columns) {
        return "# longreach-trace v0 kind=" + kind + " workload=mine columns=" + columns + "\n";
    };
    (void)scratch_.write("mine/mine.vmas", header("vmas", "seq,event,start,length,prot,flags,backing,aux") +
                                               "0 init 400000 8192 r-x 2 file:<&\">\xff\xc3\xa9\x01\xed\xa0\x80 off=0\n"
                                               "0 mmap 7f0000000000 8192 rw- 122 anon -\n");
    (void)scratch_.write("mine/mine.faults",
                         header("faults", "seq,page,pc,rw") + "0 400000 400000 R\n1 7f0000000000 400000 W\n");
    (void)scratch_.write("mine/mine.accesses", header("accesses", "seq,pc,va,rw,size") +
                                                   "# window steady\n0 400000 400000 R 8\n1 400000 7f0000000000 W 8\n");
    const outcome ended =
        draw(" --policy=thp --mode=native --hog=0 --memory=2M --workload=" + as_word(scratch_.path() / "mine"));
    ASSERT_EQ(ended.exit_code, 0) << ended.output;
    const std::string svg = contents(file());
    EXPECT_EQ(broken_xml(svg), "");
    EXPECT_THAT(svg, HasSubstr("&lt;&amp;\"&gt;\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd"));
    EXPECT_THAT(svg, HasSubstr("stack rw-"));
    EXPECT_THAT(legend_sums(svg), testing::ElementsAre(std::pair(512U, 512U)));
}

}
}
