// SPDX-License-Identifier: MIT
// Millions of random steps in the lives of several processes on small memories, under the rules of ca_paging, of the
// original kernel and of thp, with what must hold checked after each; vma_trial.hpp lists it. One line for each set of
// rules; exit codes as in stress_progress.hpp.

#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <absl/flags/usage.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <longreach/allocator/status.hpp>
#include <memory>
#include <string>
#include <vector>

#include "../tests/model/vma_rules.hpp"
#include "../tests/model/vma_trial.hpp"
#include "stress_progress.hpp"

ABSL_FLAG(std::uint64_t, operations, 10'000'000, "steps under each set of rules");
ABSL_FLAG(std::vector<std::string>, rules, (std::vector<std::string>{"sound", "artifact", "thp"}),
          "the sets of rules: sound (ca_paging), artifact (the original kernel), thp");
ABSL_FLAG(std::uint64_t, seed, 1, "of the steps");
ABSL_FLAG(std::uint64_t, audit_every, 1, "steps between audits");
ABSL_FLAG(std::uint64_t, first_case, 0, "number of the case to begin with, for one that was found wrong");

namespace longreach {
namespace {

constexpr std::uint64_t operations_of_a_case = 5'000;

/// What was wrong, and in which step of a case.
struct finding {
    violation broken{};
    std::uint64_t operation = 0;
    std::string during{};
};

/// One memory from its start to its end.
template <class Rules>
finding one_case(std::uint64_t number, std::uint64_t operations, std::uint64_t audit_every, model::vma_counts& counts) {
    const auto trial = std::make_unique<model::vma_trial<Rules>>(number);
    finding found;
    while (!found.broken && found.operation < operations) {
        ++found.operation;
        found.broken = trial->step();
        if (!found.broken && found.operation % audit_every == 0) found.broken = trial->audit();
    }
    if (!found.broken) found.broken = trial->finish();
    found.during = trial->last();
    counts += trial->counts();
    return found;
}

/// All cases under one set of rules, until something is wrong; prints its line.
template <class Rules>
bool stress(const std::string& name, const stress_settings& wanted, std::uint64_t first_case) {
    const stress_progress bar(name, wanted.operations);
    model::vma_counts counts;
    finding found;
    std::uint64_t number = wanted.first_case() + first_case;
    while (counts.operations < wanted.operations && !found.broken && !interrupted()) {
        bar.show(counts.operations);
        const std::uint64_t most = std::min(operations_of_a_case, wanted.operations - counts.operations);
        found = one_case<Rules>(number++, most, wanted.audit_every, counts);
    }
    bar.clear();
    absl::PrintF("%-9s %12u %10u %12u %11u %10u %9u %13u %-20s %8.1f\n", name, counts.operations, counts.audits,
                 counts.faults, counts.superpages, counts.copies, counts.forks, counts.out_of_memory,
                 found.broken ? found.broken.label : "good", bar.seconds());
    if (found.broken) {
        absl::PrintF("  at %u, after step %u (%s) of the case %u of seed %u\n", found.broken.where, found.operation,
                     found.during, number - 1 - wanted.first_case(), wanted.seed);
    }
    std::fflush(stdout);
    return !found.broken;
}

int run_program() {
    const stress_settings wanted{absl::GetFlag(FLAGS_operations), absl::GetFlag(FLAGS_seed),
                                 absl::GetFlag(FLAGS_audit_every)};
    const std::uint64_t first_case = absl::GetFlag(FLAGS_first_case);
    if (!wanted.good() || first_case >> 32 != 0) {
        std::fprintf(stderr, "vma_stress: %s, --first_case less than 4294967296\n", stress_usage);
        return 2;
    }
    const std::vector<std::string> names = absl::GetFlag(FLAGS_rules);
    const auto is_known = [](const std::string& name) {
        return name == "sound" || name == "artifact" || name == "thp";
    };
    if (names.empty() || !std::all_of(names.begin(), names.end(), is_known)) {
        std::fputs("vma_stress: --rules: expected names out of sound, artifact, thp\n", stderr);
        return 2;
    }
    absl::PrintF("memories of 1024 to 8192 frames; an audit after every %s\n", wanted.audits());
    absl::PrintF("%-9s %12s %10s %12s %11s %10s %9s %13s %-20s %8s\n", "rules", "operations", "audits", "faults",
                 "superpages", "copies", "forks", "out_of_memory", "audit", "seconds");
    bool good = true;
    for (const std::string& name : names) {
        if (interrupted()) break;
        if (name == "sound") good = stress<model::sound_rules>(name, wanted, first_case) && good;
        if (name == "artifact") good = stress<model::original_rules>(name, wanted, first_case) && good;
        if (name == "thp") good = stress<model::thp_rules>(name, wanted, first_case) && good;
    }
    return stress_outcome("vma_stress", good);
}

}  // namespace
}  // namespace longreach

int main(int argc, char** argv) {
    absl::SetProgramUsageMessage(
        "random steps in the lives of processes that share a small memory, and what went wrong\n\n"
        "out_of_memory counts the steps that found none left; under the rules of the original also those of processes "
        "that wait for a superpage for ever.");
    const auto positional = static_cast<int>(absl::ParseCommandLine(argc, argv).size());
    return longreach::run_stress("vma_stress", positional, longreach::run_program);
}
