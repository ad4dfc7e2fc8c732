// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_IDEAL_PLACEMENT_HPP
#define LONGREACH_WORKLOADS_CASES_IDEAL_PLACEMENT_HPP

#include <absl/container/btree_set.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../census.hpp"

// How few runs could hold a process's memory, were its final size known from the start: a lower bound that no
// placement beats, and the best placement found offline.
//
// Both look at the free runs before the first fault and at the stretches of pages that are touched at the end. Not for
// a fault's decision: an allocator does not know the future.

LONGREACH_NAMESPACE_BEGIN

/// Neighbouring pages of one process that are all touched in the end.
struct wanted_stretch {
    unsigned process = 0;
    page_run pages{};
    bool superpages = false;  ///< some are mapped by 2 MiB leaves: page and frame are equal modulo 512
};

namespace detail {

/// Runs of free frames from which an offline placement cuts pieces.
class offline_memory {
  public:
    explicit offline_memory(const std::vector<frame_run>& free) {
        for (const frame_run& run : free) give(run);
    }

    /// The frames that the head of `pages` loses at the start of a run where page and frame must be congruent.
    [[nodiscard]] static page_count padding(const frame_run& run, vpn page, bool congruent) noexcept {
        return {congruent ? (page.raw - run.first.raw) & (superpage_order.pages().raw - 1) : 0};
    }

    /// Takes the shortest run that holds all pages.
    [[nodiscard]] bool take_whole(page_run pages, bool congruent) {
        for (auto it = runs_.lower_bound({pages.count.raw, pfn{0}}); it != runs_.end(); ++it) {
            const frame_run run = run_of(*it);
            const page_count pad = padding(run, pages.first, congruent);
            if (run.count < pad + pages.count) continue;
            cut(it, {run.first + pad, pages.count});
            return true;
        }
        return false;
    }

    /// Takes as many of the first pages as one run can hold; none where nothing is free. Congruent pieces end at a
    /// 2 MiB boundary.
    [[nodiscard]] page_count take_most(page_run pages, bool congruent) {
        page_count most{0};
        auto best = runs_.end();
        for (auto it = runs_.end(); it != runs_.begin();) {
            --it;
            if (it->first <= most.raw) break;
            const page_count held = held_by(run_of(*it), pages, congruent);
            if (held > most) {
                most = held;
                best = it;
            }
        }
        if (best == runs_.end()) return most;
        const frame_run run = run_of(*best);
        cut(best, {run.first + padding(run, pages.first, congruent), most});
        return most;
    }

  private:
    using key = std::pair<std::uint64_t, pfn>;  // length, first frame
    using run_set = absl::btree_set<key>;

    [[nodiscard]] static frame_run run_of(const key& k) noexcept { return {k.second, page_count{k.first}}; }

    [[nodiscard]] static page_count held_by(const frame_run& run, page_run pages, bool congruent) noexcept {
        const page_count pad = padding(run, pages.first, congruent);
        if (run.count <= pad) return page_count{0};
        const page_count room = run.count - pad;
        if (room >= pages.count) return pages.count;
        if (!congruent) return room;
        const vpn end = align_down(pages.first + room, superpage_order);
        return end > pages.first ? end - pages.first : page_count{0};
    }

    void give(const frame_run& run) {
        if (!run.empty()) runs_.insert({run.count.raw, run.first});
    }
    void cut(run_set::iterator it, const frame_run& taken) {
        const frame_run whole = run_of(*it);
        runs_.erase(it);
        give(run_between(whole.first, taken.first));
        give(run_between(taken.end(), whole.end()));
    }

    run_set runs_;
};

/// In which order an offline placement serves stretches, and whether it prefers the run that fits best.
struct offline_rule {
    bool longest_stretch_first = true;
    bool best_fit = true;
};

/// The pieces of a placement of all stretches, by process; shorter than the stretches where memory does not suffice.
[[nodiscard]] inline std::vector<std::vector<std::uint64_t>> place_offline(std::vector<wanted_stretch> stretches,
                                                                           const std::vector<frame_run>& free,
                                                                           std::size_t processes, offline_rule rule) {
    std::vector<std::vector<std::uint64_t>> pieces(processes);
    offline_memory memory(free);
    const auto later = [&](const wanted_stretch& a, const wanted_stretch& b) {
        return rule.longest_stretch_first ? a.pages.count < b.pages.count : b.pages.count < a.pages.count;
    };
    std::make_heap(stretches.begin(), stretches.end(), later);
    while (!stretches.empty()) {
        std::pop_heap(stretches.begin(), stretches.end(), later);
        wanted_stretch next = stretches.back();
        stretches.pop_back();
        page_count placed{0};
        if (rule.best_fit && memory.take_whole(next.pages, next.superpages)) placed = next.pages.count;
        if (placed.raw == 0) placed = memory.take_most(next.pages, next.superpages);
        if (placed.raw == 0 && next.superpages) {  // base pages, where no 2 MiB are left
            next.superpages = false;
            placed = memory.take_most(next.pages, false);
        }
        if (placed.raw == 0) continue;
        pieces[next.process].push_back(placed.raw);
        next.pages = run_between(next.pages.first + placed, next.pages.end());
        if (next.pages.empty()) continue;
        stretches.push_back(next);
        std::push_heap(stretches.begin(), stretches.end(), later);
    }
    return pieces;
}

/// The fewest pieces that can hold `wanted` units of stretches in runs, lengths of both in one unit, by search over
/// all ways to group them: a group of s stretches and r runs needs s + r - 1 pieces and holds the lesser of its two
/// sums. Nothing where even all of them hold less. O(3^(stretches + runs)).
[[nodiscard]] inline std::optional<std::uint64_t> fewest_pieces(const std::vector<std::uint64_t>& stretches,
                                                                const std::vector<std::uint64_t>& runs,
                                                                std::uint64_t wanted) {
    const std::size_t nodes = stretches.size() + runs.size();
    const std::size_t sets = std::size_t{1} << nodes;
    std::vector<std::uint64_t> held(sets, 0);  // by the group of exactly these
    for (std::size_t set = 1; set < sets; ++set) {
        std::uint64_t demand = 0;
        std::uint64_t supply = 0;
        for (std::size_t i = 0; i < nodes; ++i) {
            if ((set >> i & 1) == 0) continue;
            if (i < stretches.size()) {
                demand += stretches[i];
            } else {
                supply += runs[i - stretches.size()];
            }
        }
        held[set] = std::min(demand, supply);
    }
    // most[set][k]: what k pieces hold within the set; groups are added by their lowest member
    std::vector<std::vector<std::uint64_t>> most(sets, std::vector<std::uint64_t>(nodes + 1, 0));
    for (std::size_t set = 1; set < sets; ++set) {
        const std::size_t lowest = set & (~set + 1);
        const std::size_t rest = set ^ lowest;
        most[set] = most[rest];
        for (std::size_t others = rest; others != 0; others = (others - 1) & rest) {
            const std::size_t group = others | lowest;
            if (held[group] == 0) continue;
            const std::size_t pieces = static_cast<std::size_t>(std::popcount(group)) - 1;
            const std::vector<std::uint64_t>& beside = most[set ^ group];
            for (std::size_t k = 0; k + pieces <= nodes; ++k) {
                most[set][k + pieces] = std::max(most[set][k + pieces], beside[k] + held[group]);
            }
        }
    }
    for (std::size_t k = 0; k <= nodes; ++k) {
        if (most[sets - 1][k] >= wanted) return k;
    }
    return {};
}

}  // namespace detail

/// Lengths of runs in whole aligned 2 MiB, longest first; with base pages, as they are.
[[nodiscard]] inline std::vector<std::uint64_t> lengths_of(const std::vector<frame_run>& runs, order unit) {
    std::vector<std::uint64_t> lengths;
    for (const frame_run& run : runs) {
        const pfn first = align_up(run.first, unit);
        const pfn end = align_down(run.end(), unit);
        if (first < end) lengths.push_back((end - first).raw);
    }
    std::sort(lengths.begin(), lengths.end(), std::greater<>());
    return lengths;
}

/// What no placement of one process's stretches, by their lengths, goes below: the largest of the fewest free runs, the
/// fewest free runs of aligned 2 MiB for what is in 2 MiB leaves, and the fewest stretches, each until `percent` of all
/// pages are held. `superpages` counts the 2 MiB leaves; `free` includes frames that pages had from the start.
[[nodiscard]] inline std::uint64_t fewest_possible_runs(std::vector<std::uint64_t> stretches, std::uint64_t superpages,
                                                        const std::vector<frame_run>& free, unsigned percent = 99) {
    std::sort(stretches.begin(), stretches.end(), std::greater<>());
    const std::uint64_t pages = std::accumulate(stretches.begin(), stretches.end(), std::uint64_t{0});
    std::uint64_t bound =
        std::max(fewest_runs(stretches, pages, percent), fewest_runs(lengths_of(free, base_order), pages, percent));
    // Of the pages that may be left out, all may be superpages.
    const std::uint64_t in_superpages = superpages * superpage_order.pages().raw;
    const std::uint64_t in_base_pages = pages - in_superpages;
    const std::uint64_t needed = (pages * percent + 99) / 100;
    if (needed > in_base_pages) {
        std::uint64_t held = 0;
        std::uint64_t runs = 0;
        for (const std::uint64_t length : lengths_of(free, superpage_order)) {
            if (held >= needed - in_base_pages) break;
            held += length;
            ++runs;
        }
        bound = std::max(bound, runs);
    }
    return bound;
}

/// A placement of several processes by its n99 (or another share) for each.
using runs_by_process = std::vector<std::uint64_t>;

/// The best placement found: best fit decreasing, longest run first, and in small cases every way there is. For
/// several processes the sum over them counts. `fixed` are runs that pages had from the start.
class ideal_placement {
  public:
    /// With more stretches and useful runs than this together, groups are not searched.
    static constexpr std::size_t most_searched = 12;

    ideal_placement(std::vector<wanted_stretch> stretches, std::vector<frame_run> free,
                    std::vector<std::vector<std::uint64_t>> fixed, unsigned percent = 99)
        : stretches_(std::move(stretches)), free_(std::move(free)), fixed_(std::move(fixed)), percent_(percent) {
        for (const bool longest_stretch_first : {true, false}) {
            for (const bool best_fit : {true, false}) {
                consider(detail::place_offline(stretches_, free_, fixed_.size(), {longest_stretch_first, best_fit}));
            }
        }
        if (fixed_.size() == 1) search_all();
    }

    /// Takes a placement that some policy reached into account, by its n99 for each process. Among placements of equal
    /// sums it becomes the best, so that each process is compared with what it can have beside the others.
    void consider_runs(const runs_by_process& found) {
        if (best_.empty() || total(found) <= total(best_)) best_ = found;
    }

    [[nodiscard]] const runs_by_process& runs() const noexcept { return best_; }
    /// The pieces, by process, of the best placement that was found by fitting; nothing where memory did not suffice.
    [[nodiscard]] const std::vector<std::vector<std::uint64_t>>& pieces() const noexcept { return pieces_; }

  private:
    [[nodiscard]] static std::uint64_t total(const runs_by_process& runs) {
        return std::accumulate(runs.begin(), runs.end(), std::uint64_t{0});
    }

    void consider(std::vector<std::vector<std::uint64_t>> pieces) {
        runs_by_process found;
        for (std::size_t i = 0; i < fixed_.size(); ++i) {
            std::uint64_t pages = std::accumulate(fixed_[i].begin(), fixed_[i].end(), std::uint64_t{0});
            for (const wanted_stretch& s : stretches_) pages += s.process == i ? s.pages.count.raw : 0;
            pieces[i].insert(pieces[i].end(), fixed_[i].begin(), fixed_[i].end());
            std::sort(pieces[i].begin(), pieces[i].end(), std::greater<>());
            const std::uint64_t placed = std::accumulate(pieces[i].begin(), pieces[i].end(), std::uint64_t{0});
            if (placed * 100 < pages * percent_) return;  // memory did not suffice
            found.push_back(fewest_runs(pieces[i], pages, percent_));
        }
        if (!best_.empty() && total(found) >= total(best_)) return;
        best_ = found;
        pieces_ = std::move(pieces);
    }

    /// Searches where all stretches are base pages or all are whole 2 MiB, no run is fixed, and they are few.
    void search_all() {
        if (best_.empty() || !fixed_[0].empty()) return;
        const bool superpages = !stretches_.empty() && stretches_.front().superpages;
        const order unit = superpages ? superpage_order : base_order;
        std::vector<std::uint64_t> lengths;
        std::uint64_t pages = 0;
        for (const wanted_stretch& s : stretches_) {
            if (s.superpages != superpages || !is_aligned(s.pages.first, unit) || !is_aligned(s.pages.end(), unit))
                return;
            lengths.push_back(s.pages.count.raw);
            pages += s.pages.count.raw;
        }
        std::vector<std::uint64_t> runs = lengths_of(free_, unit);
        if (runs.size() > best_[0]) runs.resize(best_[0]);  // a placement of so few pieces uses the longest
        if (lengths.size() + runs.size() > most_searched) return;
        const auto found = detail::fewest_pieces(lengths, runs, (pages * percent_ + 99) / 100);
        if (found) consider_runs({*found});
    }

    std::vector<wanted_stretch> stretches_;
    std::vector<frame_run> free_;
    std::vector<std::vector<std::uint64_t>> fixed_;
    unsigned percent_;
    runs_by_process best_;
    std::vector<std::vector<std::uint64_t>> pieces_;
};

LONGREACH_NAMESPACE_END

#endif
