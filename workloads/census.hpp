// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CENSUS_HPP
#define LONGREACH_WORKLOADS_CENSUS_HPP

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "../allocator/config.hpp"

// How contiguous mapped memory is: its runs, and how few of them hold most of it.
//
// A run is a stretch of mapped pages that is contiguous in page and in frame within one map entry; under
// virtualization, in guest page and host frame. Lengths are in base pages. Nothing here looks at a machine.
// Definitions: Alverti et al., ISCA 2020, and its page-collect tool.

LONGREACH_NAMESPACE_BEGIN

/// Fewest runs, largest first, that hold at least `percent` (0 to 100) of `pages`; all of them where they hold less.
/// `longest_first` is sorted, longest first.
[[nodiscard]] inline std::uint64_t fewest_runs(const std::vector<std::uint64_t>& longest_first, std::uint64_t pages,
                                               unsigned percent) {
    std::uint64_t held = 0;
    std::uint64_t used = 0;
    for (const std::uint64_t length : longest_first) {
        if (held * 100 >= pages * percent) break;
        held += length;
        ++used;
    }
    return used;
}

/// Pages in the `count` longest runs.
[[nodiscard]] inline std::uint64_t pages_in_longest(const std::vector<std::uint64_t>& longest_first,
                                                    std::size_t count) {
    const auto end = longest_first.begin() + static_cast<std::ptrdiff_t>(std::min(count, longest_first.size()));
    return std::accumulate(longest_first.begin(), end, std::uint64_t{0});
}

/// A program's mapped memory at one moment.
struct census {
    std::uint64_t pages = 0;       ///< mapped base pages; a superpage counts 512
    std::uint64_t superpages = 0;  ///< 2 MiB leaves, of the guest's table under virtualization
    std::uint64_t runs = 0;
    std::uint64_t stretches99 = 0;  ///< fewest stretches of mapped pages that hold 99 %: a bound for any placement
    std::uint64_t n80 = 0;          ///< fewest runs that hold 80 % of the pages
    std::uint64_t n90 = 0;
    std::uint64_t n99 = 0;
    double cover32 = 0;   ///< share of the pages in the 32 longest runs, 0 to 1
    double cover128 = 0;  ///< the same for 128
};

/// Counts run and stretch lengths, each in any order, that hold the same pages.
[[nodiscard]] inline census take_census(std::vector<std::uint64_t> runs, std::vector<std::uint64_t> stretches,
                                        std::uint64_t superpages) {
    std::sort(runs.begin(), runs.end(), std::greater<>());
    std::sort(stretches.begin(), stretches.end(), std::greater<>());
    census result;
    result.pages = std::accumulate(runs.begin(), runs.end(), std::uint64_t{0});
    result.superpages = superpages;
    result.runs = runs.size();
    result.stretches99 = fewest_runs(stretches, result.pages, 99);
    result.n80 = fewest_runs(runs, result.pages, 80);
    result.n90 = fewest_runs(runs, result.pages, 90);
    result.n99 = fewest_runs(runs, result.pages, 99);
    if (result.pages != 0) {
        result.cover32 = static_cast<double>(pages_in_longest(runs, 32)) / static_cast<double>(result.pages);
        result.cover128 = static_cast<double>(pages_in_longest(runs, 128)) / static_cast<double>(result.pages);
    }
    return result;
}

/// Joins neighbouring parts of mappings into runs and stretches, fed in page order.
///
///   run_counter count;
///   for each entry { count.next_entry(); for each part { count.add(page, frame, length); } }
class run_counter {
  public:
    /// Runs and stretches do not reach across entries.
    void next_entry() noexcept { in_entry_ = false; }

    /// Pages [page, page + length) of the entry lie in frames [frame, frame + length).
    void add(std::uint64_t page, std::uint64_t frame, std::uint64_t length) {
        const bool joins = in_entry_ && page == page_end_;
        if (joins && frame == frame_end_) {
            runs.back() += length;
        } else {
            runs.push_back(length);
        }
        if (joins) {
            stretches.back() += length;
        } else {
            stretches.push_back(length);
        }
        in_entry_ = true;
        page_end_ = page + length;
        frame_end_ = frame + length;
    }

    std::vector<std::uint64_t> runs;
    std::vector<std::uint64_t> stretches;

  private:
    bool in_entry_ = false;
    std::uint64_t page_end_ = 0;
    std::uint64_t frame_end_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
