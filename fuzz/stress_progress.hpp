// SPDX-License-Identifier: MIT
#ifndef LONGREACH_FUZZ_STRESS_PROGRESS_HPP
#define LONGREACH_FUZZ_STRESS_PROGRESS_HPP

#include <absl/strings/str_format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

// What the programs that do millions of random operations share: Ctrl-C, how far they are, and what they exit with.
//
// Exit code 0 where nothing was wrong, 1 where something was, 2 for bad usage, 130 where Ctrl-C ended it before that.

namespace longreach {

inline volatile std::sig_atomic_t stress_interrupted = 0;

[[nodiscard]] inline bool interrupted() { return stress_interrupted != 0; }

/// How far it is, on stderr where that is a terminal; and how long it took.
class stress_progress {
  public:
    stress_progress(std::string name, std::uint64_t all)
        : name_(std::move(name)), all_(all), shown_(isatty(STDERR_FILENO) == 1) {}
    void show(std::uint64_t done) const {
        if (!shown_) return;
        absl::FPrintF(stderr, "\r%-34s  %3u %%", name_, std::min<std::uint64_t>(done * 100 / all_, 100));
        std::fflush(stderr);
    }
    void clear() const {
        if (shown_) absl::FPrintF(stderr, "\r%*s\r", 60, "");
    }
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - since_).count();
    }

  private:
    std::string name_;
    std::uint64_t all_;
    bool shown_;
    std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
};

/// What every case of a run depends on.
struct stress_settings {
    std::uint64_t operations = 0;
    std::uint64_t seed = 0;
    std::uint64_t audit_every = 0;

    [[nodiscard]] bool good() const { return operations != 0 && audit_every != 0 && seed != 0 && seed >> 31 == 0; }
    /// Number of the first case; a seed has 2^32.
    [[nodiscard]] std::uint64_t first_case() const { return seed << 32; }
    [[nodiscard]] std::string audits() const {
        return audit_every == 1 ? "operation" : absl::StrFormat("%u operations", audit_every);
    }
};

/// The exit code; says on stderr what ended the program early.
[[nodiscard]] inline int stress_outcome(const char* program, bool good) {
    if (!good) return 1;
    if (!interrupted()) return 0;
    std::fprintf(stderr, "%s: interrupted\n", program);
    return 130;
}

/// Runs the program, which answers its exit code, with Ctrl-C noted and exceptions told in one line.
template <class Program>
[[nodiscard]] int run_stress(const char* name, int positional, Program&& program) {
    if (positional != 1) {
        std::fprintf(stderr, "%s: expected flags only; --help lists them\n", name);
        return 2;
    }
    std::signal(SIGINT, [](int) { stress_interrupted = 1; });
    try {
        return program();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 2;
    }
}

/// What to say where settings are not good().
inline constexpr const char* stress_usage = "--operations and --audit_every are at least 1, --seed is 1 to 2147483647";

}  // namespace longreach

#endif
