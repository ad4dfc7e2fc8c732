// SPDX-License-Identifier: MIT
#include <absl/flags/declare.h>
#include <absl/flags/flag.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.hpp"
#include "comparison.hpp"
#include "interruption.hpp"
#include "report.hpp"
#include "reproduce_claims.hpp"
#include "reproduce_report.hpp"

#include <longreach/workloads/input_error.hpp>

ABSL_FLAG(std::vector<std::string>, claims, {},
          "claims to judge, separated by commas, e.g. A1,A4; A1 also stands for A1-offsets; all where empty");
ABSL_FLAG(std::string, scale, "1", "divides the arrays of the workloads, the memory and the long free runs, 1 to 4096");
ABSL_DECLARE_FLAG(std::string, seeds);

namespace longreach {

namespace {

std::string subject;  // the operand

struct reproduction {
    std::vector<const claim*> claims;
    std::vector<workload> programs;
    std::uint64_t seeds = 5;
    std::uint64_t scale = 1;
};

/// Whether a word names the claim, or the claim that it is part of.
bool names(std::string_view word, const claim& one) {
    return one.id == word || (one.id.substr(0, word.size()) == word && one.id.substr(word.size(), 1) == "-");
}

absl::Status read_claims(std::vector<const claim*>& into) {
    const std::vector<std::string> words = absl::GetFlag(FLAGS_claims);
    for (const std::string& word : words) {
        const auto named = [&](const claim& one) { return !word.empty() && names(word, one); };
        if (std::any_of(contiguity_claims().begin(), contiguity_claims().end(), named)) continue;
        std::string known;
        for (const claim& one : contiguity_claims()) {
            absl::StrAppend(&known, known.empty() ? "" : ", ", std::string(one.id));
        }
        return bad_flag("claims", in_quotes(word), absl::StrCat("some of ", known));
    }
    for (const claim& one : contiguity_claims()) {
        if (words.empty() ||
            std::any_of(words.begin(), words.end(), [&](const std::string& word) { return names(word, one); })) {
            into.push_back(&one);
        }
    }
    return absl::OkStatus();
}

absl::Status read_number(std::string_view flag, const std::string& value, std::uint64_t most, std::uint64_t& into) {
    if (absl::SimpleAtoi(value, &into) && into != 0 && into <= most) return absl::OkStatus();
    return bad_flag(flag, in_quotes(value), absl::StrCat("a number from 1 to ", most));
}

absl::Status prepare(reproduction& wanted, report_format& format) {
    if (subject.empty()) return absl::InvalidArgumentError("expected what to reproduce: contiguity");
    if (subject != "contiguity") {
        return absl::InvalidArgumentError(absl::StrCat("expected contiguity, found ", in_quotes(subject)));
    }
    absl::Status status = read_format(format);
    if (status.ok()) status = read_number("seeds", absl::GetFlag(FLAGS_seeds), 1000, wanted.seeds);
    if (status.ok()) status = read_number("scale", absl::GetFlag(FLAGS_scale), 4096, wanted.scale);
    if (status.ok()) status = read_claims(wanted.claims);
    if (!status.ok()) return status;
    for (paper_workload& paper : paper_workloads(wanted.scale)) wanted.programs.emplace_back(std::move(paper));
    return absl::OkStatus();
}

/// What some claim needs of a workload, each once.
std::set<claim_need> needs_of(const reproduction& wanted, const workload& program) {
    std::set<claim_need> needs;
    for (const claim* const one : wanted.claims) {
        if (concerns(*one, program.name())) needs.insert(one->needs.begin(), one->needs.end());
    }
    return needs;
}

/// Two nodes of 256 GiB, natively.
experiment experiment_of(const reproduction& wanted, claim_need need, std::uint64_t seed) {
    experiment one;
    one.policy = need.policy;
    one.memory = page_count{(std::uint64_t{256} << 18) / wanted.scale};
    one.nodes = 2;
    one.fragmented = fragmentation_of(need.memory, wanted.scale);
    one.seed = seed;
    one.with_frame_maps = need.memory == memory_state::few_runs && need.policy == policy_name::ca;
    return one;
}

/// Where the figures of a row belong.
struct row_place {
    std::size_t program = 0;
    std::size_t seed = 0;
    claim_need need{};
};

int run_claims(const reproduction& wanted, report_format format) {
    std::vector<comparison_row> rows;
    std::vector<row_place> places;
    for (std::size_t p = 0; p < wanted.programs.size(); ++p) {
        for (const claim_need need : needs_of(wanted, wanted.programs[p])) {
            for (std::uint64_t seed = 1; seed <= wanted.seeds; ++seed) {
                comparison_row row;
                row.program = &wanted.programs[p];
                row.wanted = experiment_of(wanted, need, seed);
                rows.push_back(std::move(row));
                places.push_back({p, static_cast<std::size_t>(seed - 1), need});
            }
        }
    }
    std::vector<std::vector<seed_runs>> found(wanted.programs.size(),
                                              std::vector<seed_runs>(static_cast<std::size_t>(wanted.seeds)));
    std::size_t next = 0;
    const auto take = [&](comparison_row& row) {
        const row_place& place = places[next++];
        if (row.end != row_end::found) return;
        claim_run kept{row.found.runs, row.found.costs, {}};
        if (!row.found.frame_maps.empty()) kept.entries = count_entries(ranges_of(row.found.frame_maps.front()));
        found[place.program][place.seed].add(place.need, kept);
        row.found = {};
    };
    const bool all_ran = rows.empty() || run_rows("reproduce", std::move(rows), nullptr, take);

    std::vector<verdict> verdicts;
    for (const claim* const one : wanted.claims) {
        if (one->figure == nullptr) verdicts.push_back(judge(*one, *wanted.programs.front().as_paper(), {}));
        for (std::size_t p = 0; p < wanted.programs.size(); ++p) {
            if (!concerns(*one, wanted.programs[p].name())) continue;
            verdicts.push_back(judge(*one, *wanted.programs[p].as_paper(), found[p]));
        }
    }
    print_verdicts(verdicts, format);
    const bool holds = std::none_of(verdicts.begin(), verdicts.end(), [](const verdict& each) {
        return each.passed == false && each.within_reach != false;
    });
    return all_ran && holds ? exit_good : exit_failed;
}

int run_reproduce() {
    reproduction wanted;
    report_format format = report_format::table;
    if (absl::Status status = prepare(wanted, format); !status.ok()) {
        return bad_usage(absl::StrCat("longreach reproduce: ", status.message()));
    }
    note_interruptions();
    return run_claims(wanted, format);
}

constexpr borrowed_flag from_compare[] = {{"seeds", "5"}};

}

const command reproduce_command{
    "reproduce",
    "judges what the papers claim about contiguity by the full-size workloads",
    "Runs the five full-size workloads on a machine of two nodes of 256 GiB, natively, under each policy and on each "
    "memory\n"
    "that a claim is about, and prints for each claim the published value where there is one, ours with its interval, "
    "the\n"
    "tolerance, pass or fail, and for a fail what explains it. Exit code 1 where a claim fails that the best placement "
    "known\n"
    "does not fail. Claims and their sources: bench/README.md.\n\n"
    "Usage: longreach reproduce contiguity [--flag=value ...]\n\n"
    "Examples:\n"
    "  longreach reproduce contiguity\n"
    "  longreach reproduce contiguity --claims=A1,A4 --seeds=1 --format=json\n"
    "  longreach reproduce contiguity --scale=256\n",
    "reproduce.cpp",
    run_reproduce,
    &subject,
    from_compare};

}
