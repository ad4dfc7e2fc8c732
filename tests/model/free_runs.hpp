// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_FREE_RUNS_HPP
#define LONGREACH_TESTS_MODEL_FREE_RUNS_HPP

#include <cstdint>
#include <iterator>
#include <longreach/allocator/frame_run.hpp>
#include <longreach/allocator/units.hpp>
#include <map>
#include <optional>
#include <vector>

// The free frames of a large zone as a map from the start of each maximal run to its end: for zones of millions of
// frames in which few runs are used.

namespace longreach::model {

class free_runs {
  public:
    explicit free_runs(frame_run managed) : managed_(managed), free_(managed.count.raw) {
        runs_[managed.first] = managed.end();
    }

    frame_run managed() const { return managed_; }
    std::uint64_t free_frames() const { return free_; }

    bool is_free(frame_run frames) const {
        const auto after = runs_.upper_bound(frames.first);
        return after != runs_.begin() && std::prev(after)->second >= frames.end();
    }

    /// Takes free frames.
    void take(frame_run frames) {
        const auto holder = std::prev(runs_.upper_bound(frames.first));
        const frame_run whole = run_between(holder->first, holder->second);
        runs_.erase(holder);
        if (whole.first < frames.first) runs_[whole.first] = frames.first;
        if (frames.end() < whole.end()) runs_[frames.end()] = whole.end();
        free_ -= frames.count.raw;
    }

    /// Gives back frames that were taken.
    void give(frame_run frames) {
        pfn first = frames.first;
        pfn end = frames.end();
        auto after = runs_.lower_bound(end);
        if (after != runs_.end() && after->first == end) {
            end = after->second;
            after = runs_.erase(after);
        }
        if (after != runs_.begin() && std::prev(after)->second == first) {
            first = std::prev(after)->first;
            runs_.erase(std::prev(after));
        }
        runs_[first] = end;
        free_ += frames.count.raw;
    }

    /// The lowest free block of this order.
    std::optional<pfn> lowest(order o) const {
        for (const auto& [first, end] : runs_) {
            const pfn block = align_up(first, o);
            if (run_between(first, end).contains(frame_run{block, o.pages()})) return block;
        }
        return std::nullopt;
    }

    std::vector<frame_run> clusters() const {
        std::vector<frame_run> all;
        for (const auto& [first, end] : runs_) all.push_back(run_between(first, end));
        return all;
    }

  private:
    frame_run managed_;
    std::uint64_t free_;
    std::map<pfn, pfn> runs_;
};

}  // namespace longreach::model

#endif
