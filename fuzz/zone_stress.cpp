// SPDX-License-Identifier: MIT
// Millions of random requests to every allocator that is to be exact: by one thread under several CPU numbers, and by
// threads at a time. One line each, also after Ctrl-C of what was done until then; exit codes as in
// stress_progress.hpp.

#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <absl/flags/usage.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <longreach/workloads/random.hpp>
#include <string>
#include <vector>

#include "../bench/longreach_zones.hpp"
#include "../tests/model/zone_interface_trial.hpp"
#include "../tests/model/zone_threads_trial.hpp"
#include "stress_progress.hpp"

ABSL_FLAG(std::uint64_t, operations, 10'000'000, "requests to each allocator, and again by threads");
ABSL_FLAG(std::vector<std::string>, zone, {}, "the allocators, by name; all but the baselines by default");
ABSL_FLAG(std::uint64_t, seed, 1, "of the requests");
ABSL_FLAG(std::uint64_t, audit_every, 1, "requests of one thread between audits");

namespace longreach {
namespace {

using model::zone_findings;

constexpr unsigned threads_at_a_time = 2;
constexpr std::uint64_t operations_of_a_case = 20'000;
constexpr std::uint64_t operations_between_joins = 2'500;

/// Zones of 1,024 frames every other time, of up to 8,192 otherwise.
std::uint64_t frames_of(std::uint64_t number, random_numbers& random) {
    return number % 2 == 0 ? 1024 : 1024 + random.below(7169);
}

/// One zone from its start to its end, called by one thread.
zone_findings case_by_turns(const longreach_zone_interface& table, std::uint64_t number, std::uint64_t operations,
                            std::uint64_t audit_every) {
    random_numbers random(number);
    const std::uint64_t frames = frames_of(number, random);
    const auto cpus = static_cast<unsigned>(1 + random.below(std::min(table.cpus, 4U)));
    model::zone_interface_trial trial(table, frames, cpus, audit_every);
    for (std::uint64_t i = 0; i < operations && trial.findings().good(); ++i) trial.step(random);
    if (trial.findings().good()) trial.finish();
    return trial.findings();
}

/// One zone from its start to its end, called by threads, who stop for an audit now and then.
zone_findings case_by_threads(const longreach_zone_interface& table, std::uint64_t number, std::uint64_t operations) {
    random_numbers random(number);
    model::zone_threads_trial trial(table, frames_of(number, random), threads_at_a_time, number);
    for (std::uint64_t done = 0; done < operations && trial.findings().good();
         done += threads_at_a_time * operations_between_joins) {
        trial.run(operations_between_joins);
    }
    if (trial.findings().good()) trial.finish();
    return trial.findings();
}

/// All cases of one allocator, until something is wrong; prints its line.
bool stress(const longreach_zone_interface& table, unsigned threads, const stress_settings& wanted) {
    const stress_progress bar(absl::StrFormat("%-24s %u %s", table.name, threads, threads == 1 ? "thread" : "threads"),
                              wanted.operations);
    zone_findings all;
    std::uint64_t number = wanted.first_case();
    std::uint64_t failed = 0;
    for (; all.operations < wanted.operations && all.good() && !interrupted(); ++number) {
        bar.show(all.operations);
        const std::uint64_t most = std::min(operations_of_a_case, wanted.operations);
        all += threads == 1 ? case_by_turns(table, number, most, wanted.audit_every)
                            : case_by_threads(table, number, most);
        failed = number;
    }
    bar.clear();
    absl::PrintF("%-24s %7u %12u %10u %9u %11u %13u %8u %11u %10u %-16s %7.1f\n", table.name, threads, all.operations,
                 all.audits, all.overlaps, all.misaligned, all.out_of_range, all.refused, all.refused_at,
                 all.refused_meanwhile, all.broken.empty() ? "good" : all.broken, bar.seconds());
    if (!all.good()) absl::PrintF("  in the case %u of seed %u\n", failed & 0xffffffff, wanted.seed);
    std::fflush(stdout);
    return all.good();
}

/// The allocators of these names, or all but the baselines; empty, and a line on stderr, where one is unknown.
std::vector<const longreach_zone_interface*> chosen_zones(const std::vector<std::string>& names) {
    std::vector<const longreach_zone_interface*> chosen;
    for (const longreach_zone_interface* const table : names.empty() ? bench::fuzzed_zones() : bench::all_zones()) {
        if (names.empty() || std::find(names.begin(), names.end(), table->name) != names.end()) chosen.push_back(table);
    }
    if (names.empty() || chosen.size() == names.size()) return chosen;
    const auto print_name = [](std::string* out, const longreach_zone_interface* table) { out->append(table->name); };
    absl::FPrintF(stderr, "zone_stress: --zone: expected names, each once, out of %s\n",
                  absl::StrJoin(bench::all_zones(), ", ", print_name));
    return {};
}

int run_program() {
    const stress_settings wanted{absl::GetFlag(FLAGS_operations), absl::GetFlag(FLAGS_seed),
                                 absl::GetFlag(FLAGS_audit_every)};
    if (!wanted.good()) {
        std::fprintf(stderr, "zone_stress: %s\n", stress_usage);
        return 2;
    }
    const auto zones = chosen_zones(absl::GetFlag(FLAGS_zone));
    if (zones.empty()) return 2;

    absl::PrintF("zones of 1024 to 8192 frames; an audit after every %s of one thread, and whenever threads join\n",
                 wanted.audits());
    absl::PrintF("%-24s %7s %12s %10s %9s %11s %13s %8s %11s %10s %-16s %7s\n", "allocator", "threads", "operations",
                 "audits", "overlaps", "misaligned", "out_of_range", "refused", "refused_at", "meanwhile", "audit",
                 "seconds");
    bool good = true;
    for (const longreach_zone_interface* const table : zones) {
        for (const unsigned threads : {1U, threads_at_a_time}) {
            if (!interrupted() && threads <= table->cpus) good = stress(*table, threads, wanted) && good;
        }
    }
    return stress_outcome("zone_stress", good);
}

}  // namespace
}  // namespace longreach

int main(int argc, char** argv) {
    absl::SetProgramUsageMessage(
        "random requests to every allocator, and what they got wrong\n\n"
        "refused and refused_at count false refusals: of an order of which a block was free, and of exact requests for "
        "free frames; meanwhile counts the former where other threads called at the same time, and is no error.");
    const auto positional = static_cast<int>(absl::ParseCommandLine(argc, argv).size());
    return longreach::run_stress("zone_stress", positional, longreach::run_program);
}
