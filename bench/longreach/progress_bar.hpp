// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_PROGRESS_BAR_HPP
#define LONGREACH_BENCH_LONGREACH_PROGRESS_BAR_HPP

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

// How far a long job is, and how long the rest takes if it goes on like this.

namespace longreach {

/// Seconds for `missing` steps where `made` took `elapsed` seconds, rounded up; nothing before the first is made.
[[nodiscard]] inline std::optional<std::uint64_t> seconds_left(double elapsed, std::size_t made, std::size_t missing) {
    if (made == 0) return std::nullopt;
    return static_cast<std::uint64_t>(elapsed * static_cast<double>(missing) / static_cast<double>(made)) + 1;
}

/// Such as `[##########..............................] 10 of 40, 1:05 left`; `steps` is at least 1.
[[nodiscard]] inline std::string progress_text(std::size_t done, std::size_t steps,
                                               std::optional<std::uint64_t> seconds) {
    constexpr std::size_t width = 40;
    const std::size_t filled = done * width / steps;
    std::string text =
        absl::StrCat("[", std::string(filled, '#'), std::string(width - filled, '.'), "] ", done, " of ", steps);
    if (!seconds) return text;
    const std::uint64_t minutes = *seconds / 60;
    if (minutes < 60) return absl::StrCat(text, absl::StrFormat(", %d:%02d left", minutes, *seconds % 60));
    return absl::StrCat(text, absl::StrFormat(", %d:%02d:%02d left", minutes / 60, minutes % 60, *seconds % 60));
}

/// A bar on stderr where that is a terminal, nothing elsewhere.
class progress_bar {
  public:
    /// `before` of the steps were made in an earlier run, which says nothing about the time that the others take.
    explicit progress_bar(std::size_t steps, std::size_t before = 0)
        : steps_(steps), before_(before), shown_(isatty(STDERR_FILENO) == 1) {}
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;
    ~progress_bar() { clear(); }

    /// `done` steps are made, those of an earlier run included. Cheap where nothing changes.
    void show(std::size_t done) {
        if (!shown_) return;
        const std::chrono::duration<double> elapsed = clock::now() - start_;
        std::string text = progress_text(done, steps_, seconds_left(elapsed.count(), done - before_, steps_ - done));
        if (text == text_) return;
        const std::size_t rest = std::max(text.size(), text_.size()) - text.size();
        std::fprintf(stderr, "\r%s%s", text.c_str(), std::string(rest, ' ').c_str());
        text_ = std::move(text);
    }
    void clear() {
        if (!text_.empty()) std::fprintf(stderr, "\r%s\r", std::string(text_.size(), ' ').c_str());
        text_.clear();
    }

  private:
    using clock = std::chrono::steady_clock;

    std::size_t steps_;
    std::size_t before_;
    bool shown_;
    clock::time_point start_ = clock::now();
    std::string text_;
};

}

#endif
