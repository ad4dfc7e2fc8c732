// SPDX-License-Identifier: MIT
// Millions of random requests to every allocator that is to be exact: by one thread under several CPU numbers, and by
// threads at a time. One line each; exit code 0 where nothing was wrong, 1 where something was, 2 for bad usage, 130
// where Ctrl-C ended it before that (what was done until then is printed).

#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <absl/flags/usage.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <longreach/workloads/random.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "../bench/longreach_zones.hpp"
#include "../tests/model/zone_interface_trial.hpp"
#include "../tests/model/zone_threads_trial.hpp"

ABSL_FLAG(std::uint64_t, operations, 10'000'000, "requests to each allocator, and again by threads");
ABSL_FLAG(std::vector<std::string>, zone, {}, "the allocators, by name; all but the baselines by default");
ABSL_FLAG(std::uint64_t, seed, 1, "of the requests");
ABSL_FLAG(std::uint64_t, audit_every, 1, "requests of one thread between audits");

namespace longreach {
namespace {

using model::zone_findings;

volatile std::sig_atomic_t interrupted = 0;

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

/// How far it is, on stderr where that is a terminal.
class progress {
  public:
    progress(std::string_view name, unsigned threads, std::uint64_t all)
        : name_(name), threads_(threads), all_(all), shown_(isatty(STDERR_FILENO) == 1) {}
    void show(std::uint64_t done) const {
        if (!shown_) return;
        absl::FPrintF(stderr, "\r%-24s %u %s  %3u %%", name_, threads_, threads_ == 1 ? "thread" : "threads",
                      std::min<std::uint64_t>(done * 100 / all_, 100));
        std::fflush(stderr);
    }
    void clear() const {
        if (shown_) absl::FPrintF(stderr, "\r%*s\r", 60, "");
    }

  private:
    std::string_view name_;
    unsigned threads_;
    std::uint64_t all_;
    bool shown_;
};

struct settings {
    std::uint64_t operations;
    std::uint64_t seed;
    std::uint64_t audit_every;
};

/// All cases of one allocator, until something is wrong; prints its line.
bool stress(const longreach_zone_interface& table, unsigned threads, const settings& wanted) {
    const auto since = std::chrono::steady_clock::now();
    const progress bar(table.name, threads, wanted.operations);
    zone_findings all;
    std::uint64_t number = wanted.seed << 32;
    std::uint64_t failed = 0;
    for (; all.operations < wanted.operations && all.good() && interrupted == 0; ++number) {
        bar.show(all.operations);
        const std::uint64_t most = std::min(operations_of_a_case, wanted.operations);
        all += threads == 1 ? case_by_turns(table, number, most, wanted.audit_every)
                            : case_by_threads(table, number, most);
        failed = number;
    }
    bar.clear();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    absl::PrintF("%-24s %7u %12u %10u %9u %11u %13u %8u %11u %10u %-16s %7.1f\n", table.name, threads, all.operations,
                 all.audits, all.overlaps, all.misaligned, all.out_of_range, all.refused, all.refused_at,
                 all.refused_meanwhile, all.broken.empty() ? "good" : all.broken, seconds);
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
    const settings wanted{absl::GetFlag(FLAGS_operations), absl::GetFlag(FLAGS_seed), absl::GetFlag(FLAGS_audit_every)};
    if (wanted.operations == 0 || wanted.audit_every == 0 || wanted.seed == 0 || wanted.seed >> 31 != 0) {
        std::fputs("zone_stress: --operations and --audit_every are at least 1, --seed is 1 to 2147483647\n", stderr);
        return 2;
    }
    const auto zones = chosen_zones(absl::GetFlag(FLAGS_zone));
    if (zones.empty()) return 2;
    std::signal(SIGINT, [](int) { interrupted = 1; });

    absl::PrintF("zones of 1024 to 8192 frames; an audit after every %s of one thread, and whenever threads join\n",
                 wanted.audit_every == 1 ? "operation" : absl::StrFormat("%u operations", wanted.audit_every));
    absl::PrintF("%-24s %7s %12s %10s %9s %11s %13s %8s %11s %10s %-16s %7s\n", "allocator", "threads", "operations",
                 "audits", "overlaps", "misaligned", "out_of_range", "refused", "refused_at", "meanwhile", "audit",
                 "seconds");
    bool good = true;
    for (const longreach_zone_interface* const table : zones) {
        for (const unsigned threads : {1U, threads_at_a_time}) {
            if (interrupted == 0 && threads <= table->cpus) good = stress(*table, threads, wanted) && good;
        }
    }
    if (!good) return 1;
    if (interrupted == 0) return 0;
    std::fputs("zone_stress: interrupted\n", stderr);
    return 130;
}

}  // namespace
}  // namespace longreach

int main(int argc, char** argv) {
    absl::SetProgramUsageMessage(
        "random requests to every allocator, and what they got wrong\n\n"
        "refused and refused_at count false refusals: of an order of which a block was free, and of exact requests for "
        "free frames; meanwhile counts the former where other threads called at the same time, and is no error.");
    if (absl::ParseCommandLine(argc, argv).size() != 1) {
        std::fputs("zone_stress: expected flags only; --help lists them\n", stderr);
        return 2;
    }
    try {
        return longreach::run_program();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "zone_stress: %s\n", error.what());
        return 2;
    }
}
