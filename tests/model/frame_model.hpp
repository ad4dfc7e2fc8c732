// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_FRAME_MODEL_HPP
#define LONGREACH_TESTS_MODEL_FRAME_MODEL_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/frame_run.hpp>
#include <longreach/allocator/status.hpp>
#include <longreach/allocator/units.hpp>
#include <optional>
#include <vector>

// A zone of frames as one would draw it: one free flag and one promised flag per frame, every question answered by
// looking at all of them. It fixes what basic_buddy and basic_contiguity_map must answer, not how.

namespace longreach::model {

class frame_model {
  public:
    explicit frame_model(frame_run managed)
        : managed_(managed), free_(managed.count.raw, 1), promised_(managed.count.raw, 0) {}

    frame_run managed() const { return managed_; }
    bool is_free(pfn f) const { return managed_.contains(f) && free_[index(f)] != 0; }
    bool is_promised(pfn f) const { return managed_.contains(f) && promised_[index(f)] != 0; }
    bool is_open(pfn f) const { return is_free(f) && !is_promised(f); }

    bool is_free(pfn block, order o) const {
        return all_of(block, o, [this](pfn f) { return is_free(f); });
    }

    std::uint64_t free_frames() const {
        std::uint64_t total = 0;
        for (const unsigned char f : free_) total += f;
        return total;
    }
    std::uint64_t open_frames() const {
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < free_.size(); ++i) total += free_[i] != 0 && promised_[i] == 0;
        return total;
    }

    /// The smallest sufficient block of open frames, the lowest among equals; else what promises must lend.
    std::optional<pfn> allocate(order o) {
        std::optional<pfn> found = smallest_block(o, 63, managed_, [this](pfn f) { return is_open(f); });
        if (!found) found = lent_block(o);
        if (found) set_free({*found, o.pages()}, false);
        return found;
    }

    status allocate_at(pfn want, order o) {
        for (std::uint64_t i = 0; i < o.pages().raw; ++i) {
            if (!managed_.contains(pfn{want.raw + i})) return status::out_of_range;
        }
        if (!is_free(want, o)) return status::occupied;
        set_free({want, o.pages()}, false);
        return status::ok;
    }

    void set_free(frame_run frames, bool value) {
        for (pfn f = frames.first; f != frames.end(); f += page_count{1}) free_[index(f)] = value;
    }
    void set_promised(frame_run frames, bool value) {
        for (pfn f = frames.first; f != frames.end(); f += page_count{1}) {
            if (managed_.contains(f)) promised_[index(f)] = value;
        }
    }

    // What a contiguity map answers: clusters are maximal runs of open frames.

    std::optional<frame_run> around(pfn f) const {
        if (!is_open(f)) return std::nullopt;
        pfn first = f;
        pfn end = f;
        while (is_open(first - page_count{1})) first -= page_count{1};
        while (is_open(end)) end += page_count{1};
        return run_between(first, end);
    }

    /// Where `from` lies inside a cluster, only the rest of it counts.
    std::optional<frame_run> next(pfn from, page_count least) const {
        pfn f = from < managed_.first ? managed_.first : from;
        while (f < managed_.end()) {
            pfn end = f;
            while (is_open(end)) end += page_count{1};
            if (end - f >= least) return run_between(f, end);
            f = end + page_count{1};
        }
        return std::nullopt;
    }

    std::optional<frame_run> longest() const {
        std::optional<frame_run> best;
        for (pfn f = managed_.first; const std::optional<frame_run> cluster = next(f, page_count{1});) {
            if (!best || cluster->count > best->count) best = cluster;
            f = cluster->end();
        }
        return best;
    }

  private:
    std::size_t index(pfn f) const { return static_cast<std::size_t>((f - managed_.first).raw); }

    template <class Predicate>
    bool all_of(pfn block, order o, Predicate holds) const {
        if (o.pages() > managed_.count) return false;
        for (std::uint64_t i = 0; i < o.pages().raw; ++i) {
            if (!holds(block + page_count{i})) return false;
        }
        return true;
    }

    /// The first maximal block of the smallest order from o to `most` in `within`. Maximal: the block twice as
    /// large around it does not hold throughout.
    template <class Predicate>
    std::optional<pfn> smallest_block(order o, unsigned most, frame_run within, Predicate holds) const {
        for (order k = o; k.raw <= most && k.raw < 63 && k.pages() <= within.count; ++k.raw) {
            for (pfn f = align_up(within.first, k); within.contains(frame_run{f, k.pages()}); f += k.pages()) {
                if (!all_of(f, k, holds)) continue;
                const order twice{k.raw + 1};
                if (k.raw == most || !all_of(align_down(f, twice), twice, holds)) return f;
            }
        }
        return std::nullopt;
    }

    /// Up to 2 MiB: the first 2 MiB of the zone with a promise that has a block, and there the smallest. Above: the
    /// lowest block.
    std::optional<pfn> lent_block(order o) const {
        const auto holds = [this](pfn f) { return is_free(f); };
        if (o > superpage_order) return lowest_block(o);
        for (pfn child = align_down(managed_.first, superpage_order); child < managed_.end();
             child += superpage_order.pages()) {
            const frame_run here = intersection(frame_run{child, superpage_order.pages()}, managed_);
            bool any = false;
            for (pfn f = here.first; f != here.end(); f += page_count{1}) any = any || is_promised(f);
            if (!any) continue;
            if (const auto found = smallest_block(o, superpage_order.raw, here, holds)) return found;
        }
        return std::nullopt;
    }
    std::optional<pfn> lowest_block(order o) const {
        if (o.pages() > managed_.count) return std::nullopt;
        for (pfn f = align_up(managed_.first, o); managed_.contains(frame_run{f, o.pages()}); f += o.pages()) {
            if (is_free(f, o)) return f;
        }
        return std::nullopt;
    }

    frame_run managed_;
    std::vector<unsigned char> free_;  // bytes: a sanitized std::vector<bool> is slow
    std::vector<unsigned char> promised_;
};

}  // namespace longreach::model

#endif
