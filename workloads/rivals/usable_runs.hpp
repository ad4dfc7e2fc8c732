// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_USABLE_RUNS_HPP
#define LONGREACH_WORKLOADS_RIVALS_USABLE_RUNS_HPP

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "../../allocator/bits.hpp"
#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"

// Runs of frames that a plan may still give to pages: by address, and by length.

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants
namespace detail {

/// Hands every maximal run of free frames, promised ones included, to `visit(run)`, in address order. O(frames / 64).
template <class Frame, class Visit>
void for_each_free_run(const basic_buddy<Frame>& frames, Visit&& visit) {
    const run<Frame> managed = frames.managed();
    run<Frame> open{managed.first, page_count{0}};
    for (Frame word{managed.first.raw & ~std::uint64_t{63}}; word < managed.end(); word += page_count{64}) {
        const std::uint64_t free = frames.free_in_word(word);
        if (free == ~std::uint64_t{0} && open.end() == word) {
            open.count += page_count{64};
            continue;
        }
        for (std::uint64_t left = free; left != 0;) {
            const unsigned at = lowest_one(left);
            const Frame first = word + page_count{at};
            const std::uint64_t shifted = ~(left >> at);
            const unsigned length = shifted == 0 ? 64 : lowest_one(shifted);
            if (open.end() != first) {
                if (!open.empty()) visit(open);
                open = {first, page_count{0}};
            }
            open.count += page_count{length};
            left &= at + length == 64 ? 0 : ~std::uint64_t{0} << (at + length);
        }
    }
    if (!open.empty()) visit(open);
}

/// Invariants: I1 runs are disjoint and none is shorter than the least. I2 both orders hold the same runs.
template <class Frame>
class usable_runs {
  public:
    /// Runs shorter than `least` (1 or more) are not kept.
    explicit usable_runs(page_count least) : least_(least) {}

    [[nodiscard]] bool empty() const noexcept { return by_length_.empty(); }
    /// Frames of all runs.
    [[nodiscard]] page_count total() const noexcept { return total_; }

    /// Adds frames, which lie in no run.
    void add(run<Frame> frames) {
        if (frames.count < least_) return;
        by_address_.emplace(frames.first.raw, frames.count.raw);
        by_length_.emplace(frames.count.raw, frames.first.raw);
        total_ += frames.count;
    }

    /// The longest one, the lowest address among equals; requires one.
    [[nodiscard]] run<Frame> longest() const {
        const std::uint64_t length = by_length_.rbegin()->first;
        return {Frame{by_length_.lower_bound({length, 0})->second}, page_count{length}};
    }

    /// Where `count` frames fit whose first is equal to `residue` modulo `modulus`, a power of two: in the shortest run
    /// that holds them, as low in it as may be; after 64 that miss by their alignment, in one that cannot. O(log runs).
    [[nodiscard]] std::optional<Frame> best_fit(page_count count, std::uint64_t modulus, std::uint64_t residue) const {
        auto at = by_length_.lower_bound({count.raw, 0});
        for (unsigned misses = 0; at != by_length_.end(); ++misses, ++at) {
            if (misses == 64) at = by_length_.lower_bound({count.raw + modulus - 1, 0});
            if (at == by_length_.end()) break;
            const std::uint64_t pad = (residue - at->second) & (modulus - 1);
            if (at->first - count.raw >= pad) return Frame{at->second + pad};
        }
        return std::nullopt;
    }

    /// Whether all of these frames lie in one run.
    [[nodiscard]] bool contains(run<Frame> frames) const {
        const auto found = around(frames.first);
        return found != by_address_.end() && run_at(found).contains(frames);
    }

    /// Takes frames that lie in one run out of it.
    void take(run<Frame> frames) {
        const auto found = around(frames.first);
        LONGREACH_CHECK(found != by_address_.end() && run_at(found).contains(frames), "usable_runs.take");
        const run<Frame> whole = run_at(found);
        by_address_.erase(found);
        by_length_.erase({whole.count.raw, whole.first.raw});
        total_ -= whole.count;
        add(run_between(whole.first, frames.first));
        add(run_between(frames.end(), whole.end()));
    }

    [[nodiscard]] violation audit() const {
        std::uint64_t end = 0;
        std::uint64_t sum = 0;
        for (const auto& [first, count] : by_address_) {
            if (count < least_.raw || first < end) return {"usable_runs.I1", first};
            if (by_length_.count({count, first}) == 0) return {"usable_runs.I2", first};
            end = first + count;
            sum += count;
        }
        if (by_length_.size() != by_address_.size() || sum != total_.raw) return {"usable_runs.I2", sum};
        return {};
    }

  private:
    friend struct longreach::corrupt;
    using address_map = absl::btree_map<std::uint64_t, std::uint64_t>;

    [[nodiscard]] typename address_map::const_iterator around(Frame f) const {
        auto after = by_address_.upper_bound(f.raw);
        if (after == by_address_.begin()) return by_address_.end();
        --after;
        return run_at(after).contains(f) ? after : by_address_.end();
    }
    [[nodiscard]] static run<Frame> run_at(typename address_map::const_iterator at) {
        return {Frame{at->first}, page_count{at->second}};
    }

    page_count least_;
    page_count total_{};
    address_map by_address_;                                              ///< length by first frame
    absl::btree_set<std::pair<std::uint64_t, std::uint64_t>> by_length_;  ///< length and first frame
};

}
LONGREACH_NAMESPACE_END

#endif
