// SPDX-License-Identifier: MIT
#include <absl/flags/flag.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.hpp"
#include "interruption.hpp"
#include "progress_bar.hpp"
#include "replay_report.hpp"
#include "report.hpp"

#include <longreach/workloads/artifact/artifact_replay.hpp>
#include <longreach/workloads/cases/case_reader.hpp>
#include <longreach/workloads/cases/sound_replay.hpp>
#include <longreach/workloads/input_error.hpp>

ABSL_FLAG(std::string, rules, "artifact",
          "artifact (the original kernel's, compared with the record) or sound (those of the policy ca)");
ABSL_FLAG(std::vector<std::string>, case, {},
          "cases to replay, separated by commas: beginnings of names of runs, or RUN/WORKLOAD; all where empty");
ABSL_FLAG(bool, differences, false, "say on stderr where a replay differs from the record, a few lines for each case");

namespace longreach {

namespace {

enum class rule_set : std::uint8_t { artifact, sound };

std::string folder;  // the operand

bool begins_with(std::string_view text, std::string_view beginning) {
    return text.substr(0, beginning.size()) == beginning;
}

/// Keeps the cases that --case names; each of its words has to name one.
absl::Status choose_cases(std::vector<case_source>& cases) {
    const std::vector<std::string> words = absl::GetFlag(FLAGS_case);
    if (words.empty()) return absl::OkStatus();
    std::vector<bool> named(cases.size(), false);
    for (const std::string& word : words) {
        bool found = false;
        for (std::size_t i = 0; i < cases.size(); ++i) {
            const std::string& run = cases[i].parameters->run;
            if (word.empty() || (!begins_with(run, word) && absl::StrCat(run, "/", cases[i].workload) != word))
                continue;
            named[i] = true;
            found = true;
        }
        if (!found) return bad_flag("case", in_quotes(word), "the beginning of a run's name, or RUN/WORKLOAD");
    }
    std::vector<case_source> kept;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        if (named[i]) kept.push_back(std::move(cases[i]));
    }
    cases = std::move(kept);
    return absl::OkStatus();
}

/// Says why runs of the folder are left out, one line for each reason.
void say_skipped(const std::vector<skipped_run>& skipped) {
    std::vector<std::pair<std::string, std::size_t>> reasons;
    for (const skipped_run& each : skipped) {
        const auto known = std::find_if(reasons.begin(), reasons.end(),
                                        [&](const auto& reason) { return reason.first == each.reason; });
        if (known == reasons.end()) {
            reasons.emplace_back(each.reason, 1);
        } else {
            ++known->second;
        }
    }
    for (const auto& [reason, count] : reasons) {
        std::fprintf(stderr, "longreach replay: left out %zu: %s\n", count, printable_name(reason).c_str());
    }
}

/// Replays one case, prints what was found, and answers whether the replay's own checks held; nothing where it was
/// interrupted, which the rules `sound` look for within the case and `artifact` after it.
std::optional<bool> replay_one(const recorded_case& recorded, rule_set rules, replay_report& report) {
    bool good = true;
    const std::vector<case_result> results = rules == rule_set::artifact
                                                 ? replay_artifact(recorded)
                                                 : replay_sound(recorded, [] { return interruption() == 0; });
    if (results.empty()) return {};
    for (const case_result& result : results) {
        report.add(result);
        const std::string name = absl::StrCat(result.run, "/", result.workload, " ", result.process);
        if (!result.failure.empty()) {
            good = false;
            std::fprintf(stderr, "longreach replay: %s: broken: %s\n", name.c_str(), result.failure.c_str());
        }
        if (!absl::GetFlag(FLAGS_differences)) continue;
        for (const std::string& difference : result.differences) {
            std::fprintf(stderr, "longreach replay: %s: %s\n", name.c_str(), difference.c_str());
        }
    }
    return good;
}

int replay_all(const std::vector<case_source>& cases, rule_set rules, replay_report& report) {
    bool good = true;
    progress_bar progress(cases.size());
    const auto say_interrupted = [&](std::size_t done) {
        progress.clear();
        std::fprintf(stderr, "longreach replay: interrupted after %zu of %zu cases\n", done, cases.size());
        return exit_failed;
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
        if (interruption() != 0) return say_interrupted(i);
        progress.show(i);
        const absl::StatusOr<recorded_case> loaded = load_case(cases[i]);
        progress.clear();
        if (!loaded.ok()) {
            const absl::string_view why = loaded.status().message();
            return bad_usage(absl::StrCat("longreach replay: ", std::string(why)));
        }
        progress.show(i);
        const std::optional<bool> held = replay_one(*loaded, rules, report);
        if (!held) return say_interrupted(i);
        good = *held && good;
        progress.clear();
    }
    return good ? exit_good : exit_failed;
}

/// What the flags and the folder say, before anything is replayed.
absl::Status prepare(report_format& format, rule_set& rules, case_list& found) {
    static constexpr std::pair<const char*, rule_set> rule_sets[] = {{"artifact", rule_set::artifact},
                                                                     {"sound", rule_set::sound}};
    if (absl::Status status = read_format(format); !status.ok()) return status;
    if (absl::Status status = choose("rules", absl::GetFlag(FLAGS_rules), rule_sets, rules); !status.ok())
        return status;
    if (folder.empty()) return absl::InvalidArgumentError("expected a folder of recorded runs");
    absl::StatusOr<case_list> read = find_cases(folder);
    if (!read.ok()) return read.status();
    found = *std::move(read);
    if (absl::Status status = choose_cases(found.cases); !status.ok()) return status;
    if (!found.cases.empty()) return absl::OkStatus();
    return missing_input(folder,
                         absl::StrCat("expected cases that can be replayed, found none; the first is left out because ",
                                      found.skipped.front().reason));
}

int run_replay() {
    report_format format = report_format::table;
    rule_set rules = rule_set::artifact;
    case_list found;
    if (absl::Status status = prepare(format, rules, found); !status.ok()) {
        return bad_usage(absl::StrCat("longreach replay: ", status.message()));
    }
    note_interruptions();
    if (format == report_format::table && absl::GetFlag(FLAGS_case).empty()) say_skipped(found.skipped);
    replay_report report(format);
    const int code = replay_all(found.cases, rules, report);
    report.finish();
    return code;
}

}

const command replay_command{
    "replay",
    "replays recorded boots of the original CA-paging kernel and prints how far the decisions agree",
    "Replays recorded workloads of the original CA-paging kernel, each from its recorded free memory and fault by "
    "fault,\n"
    "under the original's rules or under ours, and prints how many decisions agree with the record and how few runs\n"
    "hold the memory. Formats of the files: tests/groundtruth/README.md.\n\n"
    "Usage: longreach replay DIR [--flag=value ...]\n\n"
    "DIR is the folder of one run, or of several; files may be packed with zstd.\n\n"
    "Examples:\n"
    "  longreach replay tests/groundtruth\n"
    "  longreach replay tests/groundtruth --rules=sound --case=E_2m,F1 --format=json\n",
    "replay.cpp",
    run_replay,
    &folder};

}
