// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_OFFLINE_MODEL_HPP
#define LONGREACH_TESTS_MODEL_OFFLINE_MODEL_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <longreach/workloads/census.hpp>
#include <vector>

// Tries every frame for every page: the fewest runs that hold a share of the pages. For a handful of pages.

namespace longreach::model {

class offline_model {
  public:
    /// Stretches by their lengths, and which frames are free.
    offline_model(std::vector<unsigned> stretches, std::vector<bool> free, unsigned percent)
        : free_(std::move(free)), percent_(percent) {
        for (const unsigned length : stretches) {
            for (unsigned i = 0; i < length; ++i) begins_.push_back(i == 0);
        }
        place(0, free_.size());
    }

    [[nodiscard]] std::uint64_t fewest() const { return best_; }

  private:
    /// Gives page `next` a frame, and then the pages behind it; `before` is the frame of the page before.
    void place(std::size_t next, std::size_t before) {
        if (next == begins_.size()) {
            std::vector<std::uint64_t> sorted = runs_;
            std::sort(sorted.begin(), sorted.end(), std::greater<>());
            best_ = std::min(best_, fewest_runs(sorted, begins_.size(), percent_));
            return;
        }
        for (std::size_t f = 0; f < free_.size(); ++f) {
            if (!free_[f]) continue;
            const bool continues = !begins_[next] && f == before + 1;
            if (!continues && runs_.size() >= begins_.size()) continue;
            free_[f] = false;
            if (continues) {
                ++runs_.back();
            } else {
                runs_.push_back(1);
            }
            place(next + 1, f);
            if (continues) {
                --runs_.back();
            } else {
                runs_.pop_back();
            }
            free_[f] = true;
        }
    }

    std::vector<bool> begins_;  // by page: whether a stretch begins there
    std::vector<bool> free_;
    unsigned percent_;
    std::vector<std::uint64_t> runs_;
    std::uint64_t best_ = ~std::uint64_t{0};
};

}  // namespace longreach::model

#endif
