// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_PAPERS_AREA_BOOK_HPP
#define LONGREACH_WORKLOADS_PAPERS_AREA_BOOK_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../recording.hpp"

// The areas of a program while its plan is written: where the next mapping goes, and how many areas there are at most.
//
// live_mappings.hpp knows what may be done at a page; this knows gaps and counts, for tens of areas. One thread.

LONGREACH_NAMESPACE_BEGIN

struct booked_area {
    page_run pages{};
    vma_protection allowed{};
    bool merges = false;  ///< anonymous, and may become one area with a neighbour of equal protection

    [[nodiscard]] bool accessible() const noexcept { return allowed.read || allowed.write || allowed.execute; }
};

/// I1: areas are in order, disjoint and not empty. I2: neighbours that touch and may be one are one.
class area_book {
  public:
    /// Mappings without a given place lie below this page: the top of the mmap region without randomization.
    static constexpr vpn map_top{0x7ffff7fff};

    /// Where Linux puts a mapping of so many pages: at the end of the highest gap that is large enough.
    [[nodiscard]] vpn highest_gap(page_count count) const {
        vpn end = map_top;
        for (auto area = areas_.rbegin(); area != areas_.rend(); ++area) {
            if (area->pages.first >= map_top) continue;
            if (area->pages.end() + count <= end) break;
            end = area->pages.first;
        }
        LONGREACH_CHECK(end.raw > count.raw, "area_book.space");
        return end - count;
    }

    /// Adds an area where nothing is mapped.
    void add(booked_area made) {
        const auto after = std::find_if(areas_.begin(), areas_.end(),
                                        [&](const booked_area& a) { return a.pages.first >= made.pages.first; });
        auto place = areas_.insert(after, made);
        if (place + 1 != areas_.end() && joins(*place, *(place + 1))) {
            place->pages.count += (place + 1)->pages.count;
            areas_.erase(place + 1);
        }
        if (place != areas_.begin() && joins(*(place - 1), *place)) {
            (place - 1)->pages.count += place->pages.count;
            areas_.erase(place);
        }
        most_areas_ = std::max(most_areas_, areas_.size());
        std::uint64_t pages = 0;
        for (const booked_area& area : areas_) pages += area.accessible() ? area.pages.count.raw : 0;
        most_pages_ = std::max(most_pages_, pages);
    }

    /// Removes pages, or parts of areas.
    void remove(page_run gone) {
        std::vector<booked_area> kept;
        for (const booked_area& area : areas_) {
            booked_area part = area;
            part.pages = run_between(area.pages.first, std::min(area.pages.end(), gone.first));
            if (!part.pages.empty()) kept.push_back(part);
            part.pages = run_between(std::max(area.pages.first, gone.end()), area.pages.end());
            if (!part.pages.empty()) kept.push_back(part);
        }
        areas_ = std::move(kept);
        most_areas_ = std::max(most_areas_, areas_.size());
    }

    [[nodiscard]] const std::vector<booked_area>& all() const noexcept { return areas_; }
    /// Most areas at one time.
    [[nodiscard]] std::size_t most_areas() const noexcept { return most_areas_; }
    /// Most pages at one time in areas that allow anything.
    [[nodiscard]] std::uint64_t most_pages() const noexcept { return most_pages_; }

    /// Recounts from the ground. O(areas).
    [[nodiscard]] violation audit() const {
        for (std::size_t i = 0; i < areas_.size(); ++i) {
            if (areas_[i].pages.empty()) return {"area_book.I1", areas_[i].pages.first.raw};
            if (i == 0) continue;
            if (areas_[i].pages.first < areas_[i - 1].pages.end()) {
                return {"area_book.I1", areas_[i].pages.first.raw};
            }
            if (joins(areas_[i - 1], areas_[i])) return {"area_book.I2", areas_[i].pages.first.raw};
        }
        return {};
    }

  private:
    friend struct corrupt_area_book;

    [[nodiscard]] static bool joins(const booked_area& below, const booked_area& above) noexcept {
        return below.merges && above.merges && below.allowed == above.allowed && below.pages.end() == above.pages.first;
    }

    std::vector<booked_area> areas_{};
    std::size_t most_areas_ = 0;
    std::uint64_t most_pages_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
