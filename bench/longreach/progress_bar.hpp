// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_PROGRESS_BAR_HPP
#define LONGREACH_BENCH_LONGREACH_PROGRESS_BAR_HPP

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <string>

// How far a long job is.

namespace longreach {

/// A bar on stderr where that is a terminal, nothing elsewhere.
class progress_bar {
  public:
    explicit progress_bar(std::size_t steps) : steps_(steps), shown_(isatty(STDERR_FILENO) == 1) {}
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;
    ~progress_bar() { clear(); }

    void show(std::size_t done) const {
        if (!shown_) return;
        constexpr std::size_t width = 40;
        const std::size_t filled = done * width / steps_;
        std::fprintf(stderr, "\r[%s%s] %zu of %zu", std::string(filled, '#').c_str(),
                     std::string(width - filled, '.').c_str(), done, steps_);
    }
    void clear() const {
        if (shown_) std::fprintf(stderr, "\r%*s\r", 72, "");
    }

  private:
    std::size_t steps_;
    bool shown_;
};

}

#endif
