// SPDX-License-Identifier: MIT
#include <absl/flags/flag.h>
#include <absl/status/status.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "comparison.hpp"
#include "comparison_report.hpp"
#include "output_file.hpp"
#include "picture.hpp"

#include <longreach/workloads/input_error.hpp>
#include <longreach/workloads/load_workload.hpp>

ABSL_FLAG(std::vector<std::string>, workload, {"recorded"},
          "recordings to run, separated by commas: names of bundled ones, `recorded` for all of those,\n"
          "folders, or any one file of a recording");
ABSL_FLAG(std::vector<std::string>, policy, (std::vector<std::string>{"thp", "ca"}),
          "allocation policies to compare: thp, ca");
ABSL_FLAG(std::vector<std::string>, mode, (std::vector<std::string>{"native", "virtual"}),
          "machines to run on: native, virtual");
ABSL_FLAG(std::string, memory, "4G",
          "memory of the native machine or the guest, e.g. 512M, 4G; a host has twice as much");
ABSL_FLAG(std::vector<std::string>, hog, (std::vector<std::string>{"0", "30"}),
          "shares of each memory, in percent, to pin at random in 2 MiB pieces before the start");
ABSL_FLAG(std::string, seeds, "1", "number of seeds, from 1 on, for each combination");
ABSL_FLAG(std::string, feed, "accesses",
          "what to translate: accesses (the steady window, through TLBs) or misses (recorded misses, straight to\n"
          "walker and predictor)");
ABSL_FLAG(std::string, census, "peak", "when to count runs: peak (first moment of most mapped pages) or end");
namespace longreach {

/// A file to write, or none; no file has an empty name.
struct output_name {
    std::string path;
};

bool AbslParseFlag(absl::string_view text, output_name* into, std::string* error) {
    into->path = std::string(text.data(), text.size());
    if (text.empty()) *error = "expected a file, such as redis.svg";
    return !text.empty();
}

std::string AbslUnparseFlag(const output_name& name) { return name.path; }

}

ABSL_FLAG(longreach::output_name, picture, {},
          "file for a picture (SVG) of physical memory at the end of the run; the other flags have to name one\n"
          "combination of workload, policy, mode, hog and seed");

namespace longreach {

namespace {

/// Several choices, none twice, at least one.
template <class Choice, std::size_t Count>
absl::Status choose_all(std::string_view flag, const std::vector<std::string>& words,
                        const std::pair<const char*, Choice> (&choices)[Count], std::vector<Choice>& into) {
    for (const std::string& word : words) {
        Choice choice{};
        if (absl::Status status = choose(flag, word, choices, choice); !status.ok()) return status;
        if (std::find(into.begin(), into.end(), choice) != into.end()) {
            return bad_flag(flag, in_quotes(word), "each choice once");
        }
        into.push_back(choice);
    }
    return into.empty() ? bad_flag(flag, "", "at least one choice") : absl::OkStatus();
}

/// Bytes from a number with an optional K, M, G or T (powers of 1024), optionally followed by B or iB.
absl::Status read_memory(std::string_view value, page_count& into) {
    const char* const expected = "a size of at least 2M and at most 4T, such as 512M or 4G";
    std::size_t digits = 0;
    while (digits < value.size() && value[digits] >= '0' && value[digits] <= '9') ++digits;
    std::uint64_t number = 0;
    if (digits == 0 || digits > 15 || !absl::SimpleAtoi(std::string(value.substr(0, digits)), &number)) {
        return bad_flag("memory", in_quotes(value), expected);
    }
    std::string_view unit = value.substr(digits);
    for (const std::string_view ending : {"iB", "B"}) {
        if (unit.size() > 1 && unit.substr(1) == ending) unit = unit.substr(0, 1);
    }
    static constexpr std::string_view units = "KMGT";
    unsigned shift = 0;
    if (!unit.empty()) {
        const std::size_t place = unit.size() == 1 ? units.find(unit[0]) : std::string_view::npos;
        if (place == std::string_view::npos) return bad_flag("memory", in_quotes(value), expected);
        shift = 10 * (static_cast<unsigned>(place) + 1);
    }
    const std::uint64_t most = std::uint64_t{1} << 42;
    if (number > most >> shift || number << shift < std::uint64_t{1} << 21) {
        return bad_flag("memory", in_quotes(value), expected);
    }
    into = floor_pages(number << shift);
    return absl::OkStatus();
}

absl::Status read_hog(const std::vector<std::string>& words, std::vector<unsigned>& into) {
    for (const std::string& word : words) {
        std::uint32_t percent = 0;
        if (!absl::SimpleAtoi(word, &percent) || percent > 99) {
            return bad_flag("hog", in_quotes(word), "percentages from 0 to 99, separated by commas");
        }
        if (std::find(into.begin(), into.end(), percent) != into.end())
            return bad_flag("hog", in_quotes(word), "each share once");
        into.push_back(percent);
    }
    return into.empty() ? bad_flag("hog", "", "at least one percentage") : absl::OkStatus();
}

/// Rows are kept until all of them are printed.
constexpr std::uint64_t most_runs = 100'000;

/// Everything that the flags say, or what is wrong with them; loads the workloads last, because that takes longest.
absl::Status read_comparison(comparison& into, report_format& format) {
    static constexpr std::pair<const char*, policy_name> policies[] = {{"thp", policy_name::thp},
                                                                       {"ca", policy_name::ca}};
    static constexpr std::pair<const char*, machine_mode> modes[] = {{"native", machine_mode::native},
                                                                     {"virtual", machine_mode::virtualized}};
    static constexpr std::pair<const char*, translation_feed> feeds[] = {{"accesses", translation_feed::accesses},
                                                                         {"misses", translation_feed::misses}};
    static constexpr std::pair<const char*, census_moment> moments[] = {{"peak", census_moment::peak},
                                                                        {"end", census_moment::end}};
    absl::Status status = choose_all("policy", absl::GetFlag(FLAGS_policy), policies, into.policies);
    if (status.ok()) status = choose_all("mode", absl::GetFlag(FLAGS_mode), modes, into.modes);
    if (status.ok()) status = read_memory(absl::GetFlag(FLAGS_memory), into.memory);
    if (status.ok()) status = read_hog(absl::GetFlag(FLAGS_hog), into.hogs);
    if (status.ok()) status = choose("feed", absl::GetFlag(FLAGS_feed), feeds, into.feed);
    if (status.ok()) status = choose("census", absl::GetFlag(FLAGS_census), moments, into.moment);
    if (status.ok()) status = read_format(format);
    if (!status.ok()) return status;
    const std::string seeds = absl::GetFlag(FLAGS_seeds);
    if (!absl::SimpleAtoi(seeds, &into.seeds) || into.seeds == 0 || into.seeds > most_runs) {
        return bad_flag("seeds", in_quotes(seeds), absl::StrCat("a number from 1 to ", most_runs));
    }
    const std::vector<std::string> names = absl::GetFlag(FLAGS_workload);
    if (names.empty()) return bad_flag("workload", "", "at least one name, folder or file");
    std::set<std::string> seen;
    for (const std::string& name : names) {
        absl::StatusOr<std::vector<recording>> loaded = load_workload(name, into.feed);
        if (!loaded.ok()) return loaded.status();
        for (recording& program : *loaded) {
            if (!seen.insert(program.name).second) {
                return bad_flag("workload", in_quotes(name),
                                absl::StrCat("each workload once, found ", printable_name(program.name), " again"));
            }
            into.programs.push_back(std::move(program));
        }
    }
    const std::uint64_t runs = into.combinations();
    if (runs > most_runs) {
        return bad_flag("seeds", in_quotes(seeds),
                        absl::StrCat("at most ", most_runs, " runs in one comparison, found ", runs));
    }
    return absl::OkStatus();
}

/// Whether the picture has one thing to show; if not, how many there are and how to name one.
absl::Status check_picture(const std::string& picture, const comparison& wanted) {
    const std::uint64_t found = wanted.combinations();
    if (picture.empty() || found == 1) return absl::OkStatus();
    return bad_flag("picture", printable_name(picture),
                    absl::StrCat("flags that name one combination, found ", found, " (", wanted.programs.size(),
                                 " workloads x ", wanted.policies.size(), " policies x ", wanted.modes.size(),
                                 " modes x ", wanted.hogs.size(), " hogs x ", wanted.seeds,
                                 " seeds); narrow them, e.g. --workload=", printable_name(wanted.programs[0].name),
                                 " --policy=ca --mode=native --hog=30 --seeds=1"));
}

/// Reads the flags and makes sure, before anything runs, that all that they ask for can be had.
absl::Status prepare(comparison& wanted, report_format& format, std::string& picture) {
    picture = absl::GetFlag(FLAGS_picture).path;
    if (absl::Status status = picture.empty() ? absl::OkStatus() : check_output(picture); !status.ok()) {
        return absl::InvalidArgumentError(absl::StrCat("--picture=", status.message()));
    }
    if (absl::Status status = read_comparison(wanted, format); !status.ok()) return status;
    wanted.with_frame_maps = !picture.empty();
    if (absl::Status status = check_picture(picture, wanted); !status.ok()) return status;
    return check_memory(wanted);
}

int run_compare() {
    comparison wanted;
    report_format format = report_format::table;
    std::string picture;
    if (absl::Status status = prepare(wanted, format, picture); !status.ok()) {
        return bad_usage(absl::StrCat("longreach compare: ", status.message()));
    }
    comparison_report report(format, wanted.seeds);
    absl::Status drawn;
    const bool all_good = run_comparison(wanted, [&](const comparison_row& row) {
        if (!picture.empty()) drawn = write_output(picture, picture_of(row));
        report.add(row);
    });
    report.finish();
    if (!drawn.ok()) return bad_usage(absl::StrCat("longreach compare: --picture=", drawn.message()));
    return all_good ? exit_good : exit_failed;
}

}

const command compare_command{
    "compare", "runs recorded programs under several policies and prints contiguity and translation costs",
    "Runs recorded programs on simulated machines, once per policy, machine, hog and seed, and prints how few runs\n"
    "their memory needs and what translating their accesses costs with and without the SpOT predictor.\n\n"
    "Usage: longreach compare [--flag=value ...]\n\n"
    "Examples:\n"
    "  longreach compare\n"
    "  longreach compare --workload=redis,python --hog=0,30,50 --seeds=5\n"
    "  longreach compare --workload=path/to/recording --policy=ca --mode=virtual --format=json\n"
    "  longreach compare --workload=redis --policy=ca --mode=native --hog=30 --picture=redis.svg\n",
    "compare.cpp", run_compare};

}
