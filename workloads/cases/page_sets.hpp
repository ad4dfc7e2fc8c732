// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_PAGE_SETS_HPP
#define LONGREACH_WORKLOADS_CASES_PAGE_SETS_HPP

#include <absl/container/btree_map.h>

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <iterator>
#include <map>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"

// Sets of pages of one process: as few runs (what is mapped), and page by page (what is present).

LONGREACH_NAMESPACE_BEGIN

/// Pages as disjoint runs that do not touch. Operations cost a search and the runs that they meet.
class page_run_set {
  public:
    /// Adds pages; answers those that were not in the set, in rising order.
    std::vector<page_run> add(page_run pages) {
        if (pages.empty() || contains(pages)) return {};
        std::vector<page_run> added;
        vpn first = pages.first;
        vpn end = pages.end();
        vpn next = pages.first;
        auto run = runs_.upper_bound(pages.first);
        if (run != runs_.begin() && std::prev(run)->second >= pages.first) --run;
        while (run != runs_.end() && run->first <= pages.end()) {
            if (run->first > next) added.push_back(run_between(next, run->first));
            next = std::max(next, run->second);
            first = std::min(first, run->first);
            end = std::max(end, run->second);
            run = runs_.erase(run);
        }
        if (next < pages.end()) added.push_back(run_between(next, pages.end()));
        runs_.emplace(first, end);
        return added;
    }

    void remove(page_run pages) {
        if (pages.empty()) return;
        auto run = runs_.upper_bound(pages.first);
        if (run != runs_.begin()) --run;
        while (run != runs_.end() && run->first < pages.end()) {
            const page_run found = run_between(run->first, run->second);
            if (!found.overlaps(pages)) {
                ++run;
                continue;
            }
            run = runs_.erase(run);
            if (found.first < pages.first) runs_.emplace(found.first, pages.first);
            if (found.end() > pages.end()) run = runs_.emplace(pages.end(), found.end()).first;
        }
    }

    [[nodiscard]] bool contains(vpn page) const { return contains(page_run{page, page_count{1}}); }
    [[nodiscard]] bool contains(page_run pages) const {
        const auto run = runs_.upper_bound(pages.first);
        return run != runs_.begin() && std::prev(run)->second >= pages.end();
    }

    [[nodiscard]] std::vector<page_run> runs() const {
        std::vector<page_run> result;
        for (const auto& [first, end] : runs_) result.push_back(run_between(first, end));
        return result;
    }

  private:
    std::map<vpn, vpn> runs_;  // first page to end
};

/// Pages one by one; 80 bytes for each 2 MiB with a page in it.
class page_bits {
  public:
    void add(page_run pages) {
        for (vpn page = pages.first; page < pages.end(); page += page_count{1}) {
            bits_[page.raw >> superpage_order.raw].set(page.raw % per_word);
        }
    }
    /// Costs no more than the pages that are in the set, however many `pages` are.
    void remove(page_run pages) {
        auto next = bits_.lower_bound(pages.first.raw >> superpage_order.raw);
        while (next != bits_.end()) {
            const page_run region{vpn{next->first << superpage_order.raw}, superpage_order.pages()};
            if (region.first >= pages.end()) break;
            const page_run gone = intersection(region, pages);
            for (vpn page = gone.first; page < gone.end(); page += page_count{1})
                next->second.reset(page.raw % per_word);
            next = next->second.none() ? bits_.erase(next) : std::next(next);
        }
    }
    [[nodiscard]] bool contains(vpn page) const {
        const auto found = bits_.find(page.raw >> superpage_order.raw);
        return found != bits_.end() && found->second.test(page.raw % per_word);
    }
    void clear() { bits_.clear(); }

  private:
    static constexpr std::uint64_t per_word = std::uint64_t{1} << superpage_order.raw;
    absl::btree_map<std::uint64_t, std::bitset<per_word>> bits_;  // by number of the 2 MiB
};

LONGREACH_NAMESPACE_END

#endif
