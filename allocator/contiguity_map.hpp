// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CONTIGUITY_MAP_HPP
#define LONGREACH_ALLOCATOR_CONTIGUITY_MAP_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "buddy.hpp"
#include "cluster_tree.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "status.hpp"
#include "units.hpp"

// The maximal runs of free, unreserved frames (clusters) of one buddy, frame-exact.
//
// A cluster_tree over the buddy's children. The buddy queues the children that change, 64 at most, and a question first
// brings those up to date: allocations and frees cost the map a few stores, and no question waits for long. Not
// for finding blocks. Not thread-safe: the caller locks.
// Source of the idea: the contiguity map of CA paging (ISCA 2020), a sorted list of 4 MiB blocks there.

LONGREACH_NAMESPACE_BEGIN

template <class Frame>
class basic_contiguity_map {
  public:
    /// Clusters of a size class that best_fit looks at.
    static constexpr unsigned best_fit_effort = 64;

    /// Bytes of memory to pass for a buddy of this many frames: about 0.06 per frame.
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames) noexcept {
        return cluster_tree::required_bytes(frames.raw / child_frames + 2);
    }

    /// A map of `frames`, less than 16 TiB, which outlives it and has no other map; `memory` holds required_bytes().
    basic_contiguity_map(basic_buddy<Frame>& frames, std::span<std::byte> memory) noexcept
        : frames_(frames), tree_(frames.children(), memory), rover_(frames.managed().first) {
        frames.attach(&tree_);
    }
    ~basic_contiguity_map() { frames_.attach(nullptr); }
    basic_contiguity_map(const basic_contiguity_map&) = delete;
    basic_contiguity_map& operator=(const basic_contiguity_map&) = delete;

    /// Brings the map up to date with the buddy; questions call it. O(log children) for each of at most 64 children.
    void refresh() noexcept { frames_.settle(); }

    /// The longest cluster, the lowest address among equals; nothing where no frame is free. O(log children).
    [[nodiscard]] std::optional<run<Frame>> longest() noexcept {
        refresh();
        const std::uint64_t length = tree_.longest();
        if (length == 0) return {};
        return next_from(0, length);
    }

    /// Worst fit: the longest cluster if it has `least` (1 or more) frames.
    [[nodiscard]] std::optional<run<Frame>> worst_fit(page_count least) noexcept {
        const std::optional<run<Frame>> found = longest();
        if (!found || found->count < least) return {};
        return found;
    }

    /// The first cluster of at least `least` (1 or more) frames among the free frames at and after `from`: where
    /// `from` lies inside a cluster, only the rest of it counts. O(log children).
    [[nodiscard]] std::optional<run<Frame>> next(Frame from, page_count least) noexcept {
        refresh();
        return next_from(from < frames_.base() ? 0 : (from - frames_.base()).raw, least.raw);
    }

    /// First fit: the lowest cluster of at least `least` (1 or more) frames. O(log children).
    [[nodiscard]] std::optional<run<Frame>> first_fit(page_count least) noexcept { return next(frames_.base(), least); }

    /// Next fit: as next() from the rover on, then from the start of the zone. The rover moves to the frame `least`
    /// frames behind the start of what is found, so that the next answer begins where this one's user ends. O(log
    /// children).
    [[nodiscard]] std::optional<run<Frame>> next_fit(page_count least) noexcept {
        std::optional<run<Frame>> found = next(rover_, least);
        if (!found) found = first_fit(least);
        if (found) rover_ = found->first + least;
        return found;
    }
    /// Where next_fit looks first.
    [[nodiscard]] Frame rover() const noexcept { return rover_; }
    void set_rover(Frame rover) noexcept { rover_ = rover; }

    /// What a user of best_fit needs: `count` (1 or more) frames, the first of them equal to `residue` modulo
    /// `modulus`, a power of two.
    struct fit {
        page_count count{};
        std::uint64_t modulus = 1;
        std::uint64_t residue = 0;
    };

    /// Best fit: the first frame of a place in the shortest cluster that has one, the lowest address among equals. Of
    /// every size class the first 64 clusters are looked at, and for less than 4 MiB the first 64 clusters of the zone,
    /// so in badly scattered memory a good cluster is found rather than the best. O(log children).
    [[nodiscard]] std::optional<Frame> best_fit(fit wanted) noexcept;
    [[nodiscard]] std::optional<Frame> best_fit(page_count least) noexcept { return best_fit(fit{least}); }

    /// The cluster that holds a frame; nothing where the frame is not free, reserved, or not managed. O(log children).
    [[nodiscard]] std::optional<run<Frame>> around(Frame f) noexcept {
        refresh();
        if (!frames_.managed().contains(f)) return {};
        const std::uint64_t position = (f - frames_.base()).raw;
        const child_words words = frames_.unreserved(position / child_frames);
        if (!is_free_block(words, position % child_frames, 0)) return {};
        return run_of({tree_.start_of_run(position, words), tree_.end_of_run(position, words)});
    }

    /// Visits all clusters in address order: `visit(run<Frame>)`; the zone must not change meanwhile.
    template <class Visit>
    void for_each(Visit visit) noexcept {
        refresh();
        for (std::uint64_t from = 0;;) {
            const std::optional<run<Frame>> cluster = next_from(from, 1);
            if (!cluster) return;
            visit(*cluster);
            from = (cluster->end() - frames_.base()).raw;
        }
    }

    /// Recounts the whole tree, after refresh(); O(frames). Labels: contiguity_map.I1, I2, cluster_bins.I1 to I3.
    violation audit() const noexcept {
        return tree_.audit([this](std::uint64_t child) { return frames_.unreserved(child); });
    }

  private:
    friend struct contiguity_map_corruption;  // tests break invariants through it

    [[nodiscard]] run<Frame> run_of(cluster_tree::stretch s) const noexcept {
        return {frames_.base() + page_count{s.first}, page_count{s.end - s.first}};
    }
    [[nodiscard]] std::optional<run<Frame>> next_from(std::uint64_t from, std::uint64_t least) const noexcept {
        LONGREACH_CHECK(least > 0, "contiguity_map.least");
        const auto words_of = [this](std::uint64_t child) { return frames_.unreserved(child); };
        const cluster_tree::stretch found =
            least > cluster_tree::ragged ? tree_.next_large(from, least, words_of) : tree_.next(from, least, words_of);
        if (found.first == found.end) return {};
        return run_of(found);
    }

    /// The best place seen so far.
    struct best_place {
        Frame first{};
        std::uint64_t length = ~std::uint64_t{0};
    };
    void consider(run<Frame> cluster, const fit& wanted, best_place& best) const noexcept;

    basic_buddy<Frame>& frames_;
    cluster_tree tree_;
    Frame rover_;
};

using contiguity_map = basic_contiguity_map<pfn>;
using guest_contiguity_map = basic_contiguity_map<gfn>;

// ----------------------------------------------------------------------------------------- best fit

template <class Frame>
void basic_contiguity_map<Frame>::consider(run<Frame> cluster, const fit& wanted, best_place& best) const noexcept {
    const std::uint64_t pad = (wanted.residue - cluster.first.raw) & (wanted.modulus - 1);
    const std::uint64_t length = cluster.count.raw;
    if (length < pad || length - pad < wanted.count.raw) return;
    const Frame first = cluster.first + page_count{pad};
    if (length < best.length || (length == best.length && first < best.first)) best = {first, length};
}

template <class Frame>
std::optional<Frame> basic_contiguity_map<Frame>::best_fit(fit wanted) noexcept {
    refresh();
    const std::uint64_t count = wanted.count.raw;
    LONGREACH_CHECK(count > 0 && is_power_of_two(wanted.modulus), "contiguity_map.fit");
    if (tree_.longest() < count) return {};
    best_place best;
    constexpr std::uint64_t ragged = cluster_tree::ragged;
    if (count <= ragged) {
        std::uint64_t from = 0;
        for (unsigned i = 0; i < best_fit_effort && best.length != count; ++i) {
            const std::optional<run<Frame>> cluster = next_from(from, count);
            if (!cluster) break;
            consider(*cluster, wanted, best);
            from = (cluster->end() - frames_.base()).raw;
        }
        if (best.length == count) return best.first;
    }
    const cluster_bins& bins = tree_.bins();
    const std::uint64_t whole = count <= ragged ? 1 : (count - ragged + child_frames - 1) / child_frames;
    if (whole > tree_.children()) return {};
    unsigned c = bins.next_class(cluster_bins::class_of(whole));
    for (; c != bins.classes(); c = bins.next_class(c + 1)) {
        if (cluster_bins::shortest(c) * child_frames > best.length) break;
        std::uint64_t child = bins.next_run(c, 0);
        for (unsigned i = 0; i < best_fit_effort && child != tree_.children(); ++i) {
            const bool behind = frames_.base() + page_count{child * child_frames} > best.first;
            if (behind && best.length == count) break;  // another one as short would be higher
            consider(run_of(tree_.around(child, bins.end_of_run(child))), wanted, best);
            child = bins.next_run(c, child + 1);
        }
    }
    if (best.length == ~std::uint64_t{0}) {  // none that was looked at: the first that has a place wherever it begins
        const std::optional<run<Frame>> cluster = next_from(0, count + wanted.modulus - 1);
        if (!cluster) return {};
        consider(*cluster, wanted, best);
    }
    return best.first;
}

LONGREACH_NAMESPACE_END

#endif
