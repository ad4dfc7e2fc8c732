// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_REPLAYED_PROCESS_HPP
#define LONGREACH_WORKLOADS_CASES_REPLAYED_PROCESS_HPP

#include <absl/container/btree_map.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "recorded_case.hpp"

// The memory of one process of a replayed case: its areas, and which frame every page has.
//
// A plain record, which knows neither where frames come from nor whose they are. A recorded fault has the size that the
// kernel chose, so no address space decides here.

LONGREACH_NAMESPACE_BEGIN

class replayed_process {
  public:
    struct leaf {
        pfn frame{};
        order size{};
        bool foreign = false;  ///< present before the log: nobody knows whose the frame is, so it is never given back
    };
    struct area {
        page_run pages{};
        bool grows_up = false;
        bool grows_down = false;
        bool separate = false;  ///< joins no neighbour
    };
    using leaf_map = absl::btree_map<std::uint64_t, leaf>;  ///< by first page

    [[nodiscard]] const leaf_map& leaves() const noexcept { return leaves_; }
    [[nodiscard]] const std::vector<area>& areas() const noexcept { return areas_; }

    /// The first leaf that ends above `page`.
    [[nodiscard]] leaf_map::const_iterator leaf_from(vpn page) const {
        const auto next = leaves_.upper_bound(page.raw);
        if (next == leaves_.begin()) return next;
        const auto before = std::prev(next);
        return before->first + before->second.size.pages().raw > page.raw ? before : next;
    }

    /// The first mapped page in `pages`, or their end; what a placement policy asks.
    [[nodiscard]] vpn first_mapped(page_run pages) const {
        if (pages.empty()) return pages.end();
        const auto next = leaf_from(pages.first);
        if (next == leaves_.end() || vpn{next->first} >= pages.end()) return pages.end();
        return std::max(vpn{next->first}, pages.first);
    }

    /// Adds a leaf where no page is mapped.
    void add(vpn page, const leaf& added) { leaves_[page.raw] = added; }

    /// Adds pages that were present before the log, as the kernel maps them: whole aligned 2 MiB of pages and frames
    /// within one area of `like` are one leaf, all others base pages.
    void add_foreign(const mapping<vpn, pfn>& present, const replayed_process& like) {
        for (vpn page = present.pages.first; page < present.pages.end();) {
            const page_run region{page, superpage_order.pages()};
            const pfn frame = present.offset().apply(page);
            const area* const around = like.find_area(page);
            const bool whole = is_aligned(page, superpage_order) && is_aligned(frame, superpage_order) &&
                               present.pages.contains(region) && around != nullptr && around->pages.contains(region);
            const leaf added{frame, whole ? superpage_order : base_order, true};
            add(page, added);
            page += added.size.pages();
        }
    }

    /// Takes the leaves of the pages away, each handed to `visit(page, leaf)`; none may reach across an end.
    template <class Visit>
    void remove(page_run pages, Visit&& visit) {
        auto next = leaves_.lower_bound(pages.first.raw);
        const auto end = leaves_.lower_bound(pages.end().raw);
        for (auto it = next; it != end; ++it) visit(vpn{it->first}, it->second);
        leaves_.erase(next, end);
    }

    /// Replaces the 2 MiB leaf that reaches across `edge`, if one does, by base pages.
    void split_at(vpn edge) {
        const auto found = leaf_from(edge);
        if (found == leaves_.end() || vpn{found->first} >= edge) return;
        const auto [first, whole] = *found;
        for (std::uint64_t i = 0; i < whole.size.pages().raw; ++i) {
            leaves_[first + i] = {whole.frame + page_count{i}, base_order, whole.foreign};
        }
    }

    /// The area of a page; where areas overlap, the newest.
    [[nodiscard]] const area* find_area(vpn page) const {
        const auto holds = [&](const area& a) { return a.pages.contains(page); };
        const auto found = std::find_if(areas_.rbegin(), areas_.rend(), holds);
        return found == areas_.rend() ? nullptr : &*found;
    }

    /// Adds an area; it becomes one with those that adjoin or overlap it, grow alike and are not kept separate.
    void map(area added) {
        std::vector<area> apart;
        for (const area& a : areas_) {
            const bool touches = added.pages.first <= a.pages.end() && a.pages.first <= added.pages.end();
            const bool alike = a.grows_up == added.grows_up && a.grows_down == added.grows_down;
            if (!touches || !alike || a.separate || added.separate) {
                apart.push_back(a);
            } else {
                added.pages =
                    run_between(std::min(a.pages.first, added.pages.first), std::max(a.pages.end(), added.pages.end()));
            }
        }
        areas_ = std::move(apart);
        areas_.push_back(added);
    }

    /// Takes pages out of the areas.
    void unmap(page_run pages) {
        std::vector<area> left;
        for (const area& a : areas_) {
            if (!a.pages.overlaps(pages)) {
                left.push_back(a);
                continue;
            }
            area part = a;
            part.pages = run_between(a.pages.first, pages.first);
            if (a.pages.first < pages.first) left.push_back(part);
            part.pages = run_between(pages.end(), a.pages.end());
            if (pages.end() < a.pages.end()) left.push_back(part);
        }
        areas_ = std::move(left);
    }

    /// A child begins with its parent's areas and pages.
    void become_copy_of(const replayed_process& parent) {
        leaves_ = parent.leaves_;
        areas_ = parent.areas_;
    }

  private:
    leaf_map leaves_;
    std::vector<area> areas_;
};

/// The areas of a case's process before anybody touches a page.
[[nodiscard]] inline replayed_process areas_at_start(const recorded_case& recorded, std::size_t process) {
    replayed_process start;
    for (const case_step& step : recorded.steps) {
        const bool maps = step.what == case_step::kind::map;
        if (!maps && step.what != case_step::kind::unmap) break;
        if (step.process != process) continue;
        if (maps) {
            start.map({step.pages, step.grows_up, step.grows_down, step.separate});
        } else {
            start.unmap(step.pages);
        }
    }
    return start;
}

LONGREACH_NAMESPACE_END

#endif
