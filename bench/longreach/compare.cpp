// SPDX-License-Identifier: MIT
#include <absl/flags/flag.h>
#include <absl/status/status.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "comparison.hpp"
#include "comparison_identity.hpp"
#include "comparison_journal.hpp"
#include "comparison_report.hpp"
#include "interruption.hpp"
#include "output_file.hpp"
#include "picture.hpp"
#include "run_policy.hpp"

#include <longreach/workloads/fragment/fragmentation_text.hpp>
#include <longreach/workloads/input_error.hpp>
#include <longreach/workloads/load_workload.hpp>

ABSL_FLAG(std::vector<std::string>, workload, {"recorded"},
          "programs to run, separated by commas: names of bundled recordings, `recorded` for all of those,\n"
          "folders, any one file of a recording, or full-size streams by name, `papers` for all of those, and /N\n"
          "behind such a name to divide their sizes by N");
ABSL_FLAG(std::vector<std::string>, policy, (std::vector<std::string>{"thp", "ca"}),
          "allocation policies to compare: thp, ca, base4k, random, eager, ingens, hawkeye, ranger, ideal, or all;\n"
          "the last five run natively only");
ABSL_FLAG(std::vector<std::string>, mode, (std::vector<std::string>{"native", "virtual"}),
          "machines to run on: native, virtual");
ABSL_FLAG(std::string, memory, "4G",
          "memory of each node of the native machine or the guest, e.g. 512M, 4G; a host has twice as much as all");
ABSL_FLAG(std::string, nodes, "1",
          "nodes of the native machine or the guest, 1 to 8; no run crosses from one to the next");
ABSL_FLAG(std::vector<std::string>, hog, (std::vector<std::string>{"0", "30"}),
          "shares of each memory, in percent, to pin at random in 2 MiB pieces before the start");
ABSL_FLAG(std::string, fragment, "",
          "instead of --hog: what each memory looks like before the start, as steps such as\n"
          "hog:64K:10,scatter:5, unusable:2M:0.5, age:1000000, runs:14:9G or snapshot:FILE; several separated by ;");
ABSL_FLAG(std::string, seeds, "1", "number of seeds, from 1 on, for each combination");
ABSL_FLAG(std::string, feed, "accesses",
          "what to translate: accesses (the steady window, through TLBs) or misses (recorded misses, straight to\n"
          "walker and predictor)");
ABSL_FLAG(std::string, census, "peak",
          "when to count runs: peak (first moment of most mapped pages; of most touched ones under eager and policies\n"
          "with a daemon, which then settles) or end");
ABSL_FLAG(bool, resume, false,
          "go on with the same comparison where an earlier run was interrupted or killed, and print what that one "
          "would\nhave printed");

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
ABSL_FLAG(
    longreach::output_name, journal, {},
    "file that keeps finished combinations for --resume while the comparison runs, and is deleted at its end; by\n"
    "default one of this comparison's own in $XDG_STATE_HOME/longreach or ~/.local/state/longreach");

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

/// Nodes of at most 4 TiB together; several are larger than what each keeps for itself.
absl::Status read_nodes(comparison& into) {
    const std::string nodes = absl::GetFlag(FLAGS_nodes);
    if (!absl::SimpleAtoi(nodes, &into.nodes) || into.nodes == 0 || into.nodes > 8) {
        return bad_flag("nodes", in_quotes(nodes), "a number from 1 to 8");
    }
    if (into.nodes > 1 && into.memory <= zone_layout::node_records) {
        return bad_flag("memory", in_quotes(absl::GetFlag(FLAGS_memory)), "more than 2M for each of several nodes");
    }
    if (into.memory.raw * into.nodes > floor_pages(std::uint64_t{1} << 42).raw) {
        return bad_flag("nodes", in_quotes(nodes), "nodes of at most 4T of memory together");
    }
    return absl::OkStatus();
}

absl::Status read_hog(const std::vector<std::string>& words, std::vector<fragmentation>& into) {
    for (const std::string& word : words) {
        std::uint32_t percent = 0;
        if (!absl::SimpleAtoi(word, &percent) || percent > 99) {
            return bad_flag("hog", in_quotes(word), "percentages from 0 to 99, separated by commas");
        }
        const fragmentation hog = hog_of(percent);
        if (std::find(into.begin(), into.end(), hog) != into.end())
            return bad_flag("hog", in_quotes(word), "each share once");
        into.push_back(hog);
    }
    return into.empty() ? bad_flag("hog", "", "at least one percentage") : absl::OkStatus();
}

/// --fragment where it is given, --hog otherwise.
absl::Status read_fragmentations(std::vector<fragmentation>& into) {
    const std::string steps = absl::GetFlag(FLAGS_fragment);
    if (steps.empty()) return read_hog(absl::GetFlag(FLAGS_hog), into);
    for (const auto& each : absl::StrSplit(steps, ';')) {
        const absl::StatusOr<fragmentation> read = parse_fragmentation(std::string(each));
        if (!read.ok()) return absl::InvalidArgumentError(absl::StrCat("--fragment: ", read.status().message()));
        if (std::find(into.begin(), into.end(), *read) != into.end()) {
            return bad_flag("fragment", in_quotes(std::string(each)), "each fragmentation once");
        }
        into.push_back(*read);
    }
    return absl::OkStatus();
}

/// Policies by name, `all` for all; the ideal is moved to the end, because it takes up what the others reach.
absl::Status read_policies(std::vector<policy_name>& into) {
    const std::vector<std::string> words = absl::GetFlag(FLAGS_policy);
    if (words == std::vector<std::string>{"all"}) {
        for (const auto& [name, policy] : policy_names) into.push_back(policy);
    } else if (absl::Status status = choose_all("policy", words, policy_names, into); !status.ok()) {
        return status;
    }
    std::stable_partition(into.begin(), into.end(), [](policy_name policy) { return policy != policy_name::ideal; });
    return absl::OkStatus();
}

/// Whether every policy can run on every machine that is wanted.
absl::Status check_modes(const comparison& wanted) {
    const bool all_native = std::all_of(wanted.modes.begin(), wanted.modes.end(),
                                        [](machine_mode mode) { return mode == machine_mode::native; });
    for (const policy_name policy : wanted.policies) {
        if (all_native || can_run_virtual(policy)) continue;
        return bad_flag("policy", in_quotes(to_string(policy)),
                        "thp, ca, base4k or random in virtual machines; add --mode=native for the others");
    }
    return absl::OkStatus();
}

/// The programs that a name stands for.
absl::Status load_programs(const std::string& name, translation_feed feed, std::vector<workload>& into) {
    absl::StatusOr<std::vector<paper_workload>> papers = find_paper_workloads(name);
    if (papers.ok()) {
        for (paper_workload& paper : *papers) into.emplace_back(std::move(paper));
        return absl::OkStatus();
    }
    if (!absl::IsNotFound(papers.status())) return papers.status();
    absl::StatusOr<std::vector<recording>> loaded = load_workload(name, feed);
    if (!loaded.ok()) return loaded.status();
    for (recording& program : *loaded) into.emplace_back(std::move(program));
    return absl::OkStatus();
}

/// Rows are kept until all of them are printed.
constexpr std::uint64_t most_runs = 100'000;

/// Everything that the flags say, or what is wrong with them; loads the workloads last, because that takes longest.
absl::Status read_comparison(comparison& into, report_format& format) {
    static constexpr std::pair<const char*, machine_mode> modes[] = {{"native", machine_mode::native},
                                                                     {"virtual", machine_mode::virtualized}};
    static constexpr std::pair<const char*, translation_feed> feeds[] = {{"accesses", translation_feed::accesses},
                                                                         {"misses", translation_feed::misses}};
    static constexpr std::pair<const char*, census_moment> moments[] = {{"peak", census_moment::peak},
                                                                        {"end", census_moment::end}};
    absl::Status status = read_policies(into.policies);
    if (status.ok()) status = choose_all("mode", absl::GetFlag(FLAGS_mode), modes, into.modes);
    if (status.ok()) status = check_modes(into);
    if (status.ok()) status = read_memory(absl::GetFlag(FLAGS_memory), into.memory);
    if (status.ok()) status = read_nodes(into);
    if (status.ok()) status = read_fragmentations(into.fragmentations);
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
        std::vector<workload> loaded;
        if (absl::Status loading = load_programs(name, into.feed, loaded); !loading.ok()) return loading;
        for (workload& program : loaded) {
            if (!seen.insert(program.name()).second) {
                return bad_flag("workload", in_quotes(name),
                                absl::StrCat("each workload once, found ", printable_name(program.name()), " again"));
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
                                 " modes x ", wanted.fragmentations.size(), " hogs x ", wanted.seeds,
                                 " seeds); narrow them, e.g. --workload=", printable_name(wanted.programs[0].name()),
                                 " --policy=ca --mode=native --hog=30 --seeds=1"));
}

/// Whether no flag asks for a journal beside a picture.
absl::Status check_no_journal() {
    if (!absl::GetFlag(FLAGS_resume) && absl::GetFlag(FLAGS_journal).path.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "--picture: expected neither --resume nor --journal beside it: a journal keeps "
        "no picture");
}

/// Reads the flags and makes sure, before anything runs, that all that they ask for can be had.
absl::Status prepare(comparison& wanted, report_format& format, std::string& picture) {
    picture = absl::GetFlag(FLAGS_picture).path;
    if (absl::Status status = picture.empty() ? absl::OkStatus() : check_output(picture); !status.ok()) {
        return absl::InvalidArgumentError(absl::StrCat("--picture=", status.message()));
    }
    if (absl::Status status = read_comparison(wanted, format); !status.ok()) return status;
    if (picture.empty()) return absl::OkStatus();
    wanted.with_frame_maps = true;
    if (absl::Status status = check_picture(picture, wanted); !status.ok()) return status;
    if (absl::Status status = check_no_journal(); !status.ok()) return status;
    return check_memory(wanted);
}

/// The journal that the flags ask for, or the default one; null where that cannot be had and nobody asked for it.
absl::StatusOr<std::unique_ptr<comparison_journal>> open_journal(const comparison& wanted) {
    static constexpr std::string_view without_effect[] = {"journal", "picture", "resume"};
    const journal_subject subject{identity_of(wanted, flag_values(compare_command, without_effect)),
                                  static_cast<std::size_t>(wanted.combinations())};
    const bool resume = absl::GetFlag(FLAGS_resume);
    const std::string named = absl::GetFlag(FLAGS_journal).path;
    const absl::StatusOr<std::string> path = named.empty() ? default_journal(subject) : named;
    absl::Status status = path.status();
    if (status.ok()) {
        auto journal = comparison_journal::open(*path, subject, resume);
        if (journal.ok() && resume && (*journal)->size() == 0) {
            std::fprintf(stderr, "longreach compare: %s: nothing to go on from; starts from the beginning\n",
                         printable_name(*path).c_str());
        }
        if (journal.ok()) return journal;
        status = journal.status();
    }
    if (resume || !named.empty()) return status;
    const std::string why(status.message());
    std::fprintf(stderr, "longreach compare: goes on without a journal: %s\n", why.c_str());
    return nullptr;
}

/// Runs the comparison, prints it, and draws the picture that is wanted.
int run_and_print(const comparison& wanted, report_format format, const std::string& picture,
                  comparison_journal* journal) {
    comparison_report report(format, wanted.seeds);
    absl::Status drawn;
    bool has_drawn = picture.empty();
    const bool all_good = run_comparison(wanted, journal, [&](const comparison_row& row) {
        if (!picture.empty() && row.end == row_end::found) {
            drawn = write_output(picture, picture_of(row));
            has_drawn = true;
        }
        report.add(row);
    });
    report.finish();
    if (!drawn.ok()) return bad_usage(absl::StrCat("longreach compare: --picture=", drawn.message()));
    // What did not reach its reader can be had again without running it again.
    const bool arrived = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    if (journal != nullptr && all_good && arrived) journal->remove();
    if (journal != nullptr && !all_good) {
        std::fputs("longreach compare: the same command with --resume runs what failed again, and only that\n", stderr);
    }
    return all_good && has_drawn ? exit_good : exit_failed;
}

int run_compare() {
    comparison wanted;
    report_format format = report_format::table;
    std::string picture;
    if (absl::Status status = prepare(wanted, format, picture); !status.ok()) {
        return bad_usage(absl::StrCat("longreach compare: ", status.message()));
    }
    if (!picture.empty()) {
        note_interruptions();
        return run_and_print(wanted, format, picture, nullptr);
    }
    const auto journal = open_journal(wanted);
    if (!journal.ok()) return bad_usage(absl::StrCat("longreach compare: ", journal.status().message()));
    note_interruptions();
    return run_and_print(wanted, format, picture, journal->get());
}

}

const command compare_command{
    "compare", "runs programs under several policies and prints contiguity, translation costs and fault times",
    "Runs recorded programs and full-size streams on simulated machines, once per policy, machine, hog and seed, and "
    "prints how few runs\n"
    "their memory needs and what translating their accesses costs with and without the SpOT predictor.\n\n"
    "Usage: longreach compare [--flag=value ...]\n\n"
    "Examples:\n"
    "  longreach compare\n"
    "  longreach compare --workload=redis,python --hog=0,30,50 --seeds=5\n"
    "  longreach compare --workload=path/to/recording --policy=ca --mode=virtual --format=json\n"
    "  longreach compare --hog=0,10,20,30,40,50 --seeds=5 --format=csv --resume\n"
    "  longreach compare --workload=papers --memory=256G --nodes=2 --mode=native --policy=all --fragment=age:1000000\n"
    "  longreach compare --workload=redis --policy=ca --mode=native --hog=30 --picture=redis.svg\n",
    "compare.cpp", run_compare};

}
