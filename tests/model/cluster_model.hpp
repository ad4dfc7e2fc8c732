// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_CLUSTER_MODEL_HPP
#define LONGREACH_TESTS_MODEL_CLUSTER_MODEL_HPP

#include <array>
#include <cstdint>
#include <longreach/allocator/cluster_bins.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <longreach/allocator/frame_run.hpp>
#include <optional>
#include <vector>

// What a contiguity map must answer, by looking at a list of all clusters in address order.

namespace longreach::model {

class cluster_model {
  public:
    explicit cluster_model(std::vector<frame_run> clusters) : clusters_(std::move(clusters)) {}

    const std::vector<frame_run>& all() const { return clusters_; }

    /// Where `from` lies inside a cluster, only the rest of it counts.
    std::optional<frame_run> next(pfn from, page_count least) const {
        for (const frame_run cluster : clusters_) {
            if (cluster.end() <= from) continue;
            const pfn first = cluster.first < from ? from : cluster.first;
            if (cluster.end() - first >= least) return run_between(first, cluster.end());
        }
        return std::nullopt;
    }
    std::optional<frame_run> first_fit(page_count least) const { return next(pfn{0}, least); }

    /// From the rover on, then from the start; the rover moves behind what was asked for.
    std::optional<frame_run> next_fit(pfn& rover, page_count least) const {
        std::optional<frame_run> found = next(rover, least);
        if (!found) found = first_fit(least);
        if (found) rover = found->first + least;
        return found;
    }

    std::optional<frame_run> longest() const {
        std::optional<frame_run> best;
        for (const frame_run cluster : clusters_) {
            if (!best || cluster.count > best->count) best = cluster;
        }
        return best;
    }
    std::optional<frame_run> worst_fit(page_count least) const {
        const std::optional<frame_run> found = longest();
        return found && found->count >= least ? found : std::nullopt;
    }

    std::optional<frame_run> around(pfn f) const {
        for (const frame_run cluster : clusters_) {
            if (cluster.contains(f)) return cluster;
        }
        return std::nullopt;
    }

    using fit = contiguity_map::fit;

    /// The first place in a cluster, if it has one.
    static std::optional<pfn> place_in(frame_run cluster, const fit& wanted) {
        const page_count pad{(wanted.residue - cluster.first.raw) & (wanted.modulus - 1)};
        if (cluster.count < pad || cluster.count - pad < wanted.count) return std::nullopt;
        return cluster.first + pad;
    }

    /// A place in the shortest cluster that has one.
    std::optional<pfn> best_fit(const fit& wanted) const {
        std::optional<frame_run> best;
        for (const frame_run cluster : clusters_) {
            if (place_in(cluster, wanted) && (!best || cluster.count < best->count)) best = cluster;
        }
        return best ? place_in(*best, wanted) : std::nullopt;
    }

    /// Whether best_fit sees every cluster that matters: at most 64 of each size class and, for small requests, in all.
    bool best_fit_is_exact(page_count count) const {
        std::array<unsigned, cluster_bins::max_classes> in_class{};
        unsigned large_enough = 0;
        for (const frame_run cluster : clusters_) {
            large_enough += cluster.count >= count;
            const pfn first = align_up(cluster.first, superpage_order);
            const pfn end = align_down(cluster.end(), superpage_order);
            if (first >= end) continue;
            const std::uint64_t whole = (end - first).raw / child_frames;
            if (++in_class[cluster_bins::class_of(whole)] > contiguity_map::best_fit_effort) return false;
        }
        return count.raw > cluster_tree::ragged || large_enough <= contiguity_map::best_fit_effort;
    }

    /// Whether an answer of best_fit is one that its description allows.
    bool allows_best_fit(const fit& wanted, std::optional<pfn> answer) const {
        if (best_fit_is_exact(wanted.count)) return answer == best_fit(wanted);
        if (!answer) return !first_fit(wanted.count + page_count{wanted.modulus - 1});
        const std::optional<frame_run> cluster = around(*answer);
        return cluster && place_in(*cluster, wanted) == answer;
    }

  private:
    std::vector<frame_run> clusters_;
};

}  // namespace longreach::model

#endif
