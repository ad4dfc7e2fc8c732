// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_AREAS_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_AREAS_HPP

#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "artifact_offsets.hpp"
#include "artifact_rules.hpp"

// The areas (VMAs) that the original has offsets for, followed through their life: what an area is now is told with
// every fault, and how it came to be so follows from where its parts were before. Not thread-safe.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I17 each ring is sound; A1 areas of a space are not empty and share no page.
class artifact_areas {
  public:
    explicit artifact_areas(artifact_rules rules) : rules_(rules) {}

    /// The offsets of an area that is now `pages`. Where it grew, they are those it had; where it was split, both parts
    /// have all; where it absorbed others, it keeps those of the lowest. O(areas that it overlaps x log areas).
    artifact_offsets& find(std::uint32_t space, page_run pages) {
        const auto same = areas_.find({space, pages.first.raw});
        if (same != areas_.end() && same->second.pages == pages) return same->second.offsets;
        std::vector<area> parts = cut_out(space, pages);
        area survivor{pages, {}};
        if (!parts.empty()) survivor.offsets = std::move(parts.front().offsets);
        if (!rules_.has(artifact_rule::merges_forget)) {
            for (std::size_t i = 1; i < parts.size(); ++i) {
                const artifact_offsets& absorbed = parts[i].offsets;
                for (std::size_t j = 0; j < absorbed.size(); ++j) {
                    survivor.offsets.insert(absorbed[j].first, absorbed[j].value, rules_);
                }
            }
        }
        return areas_.insert_or_assign(key{space, pages.first.raw}, std::move(survivor)).first->second.offsets;
    }

    /// The pages left the space.
    void release(std::uint32_t space, page_run pages) { (void)cut_out(space, pages); }

    /// The pages now live at `to`.
    void move(std::uint32_t space, page_run pages, vpn to) {
        std::vector<area> moved = cut_out(space, pages);
        release(space, {to, pages.count});
        for (area& part : moved) {
            const page_count shift = to - pages.first;
            part.pages.first += shift;
            if (!rules_.has(artifact_rule::moves_keep_old_pages)) {
                part.offsets.revise([&](artifact_offsets::record& each) {
                    each = {each.first + shift, {each.value.raw + shift.raw}};
                    return true;
                });
            }
            areas_.insert_or_assign(key{space, part.pages.first.raw}, std::move(part));
        }
    }

    /// `child` begins with what its parent has.
    void fork(std::uint32_t parent, std::uint32_t child) {
        if (!rules_.has(artifact_rule::children_aim_at_parents)) return;
        std::vector<area> copies;
        for (auto next = first_of(parent); next != areas_.end() && next->first.first == parent; ++next) {
            copies.push_back(next->second);
        }
        for (area& copy : copies) areas_.insert_or_assign(key{child, copy.pages.first.raw}, std::move(copy));
    }

    /// Pages of the space's areas that had a fault.
    [[nodiscard]] page_count pages(std::uint32_t space) const {
        page_count sum{0};
        for (auto next = first_of(space); next != areas_.end() && next->first.first == space; ++next) {
            sum += next->second.pages.count;
        }
        return sum;
    }

    violation audit() const {
        const area* before = nullptr;
        std::uint32_t space_before = 0;
        for (const auto& [where, each] : areas_) {
            const bool apart =
                before == nullptr || space_before != where.first || before->pages.end() <= each.pages.first;
            if (each.pages.empty() || each.pages.first.raw != where.second || !apart) {
                return {"artifact_areas.A1", where.second};
            }
            if (const violation broken = each.offsets.audit()) return broken;
            before = &each;
            space_before = where.first;
        }
        return {};
    }

  private:
    friend struct corrupt;
    struct area {
        page_run pages{};
        artifact_offsets offsets{};
    };
    using key = std::pair<std::uint32_t, std::uint64_t>;  // space, first page
    using area_map = std::map<key, area>;

    [[nodiscard]] area_map::const_iterator first_of(std::uint32_t space) const {
        return areas_.lower_bound({space, 0});
    }

    /// Removes the pages from the areas of the space, and returns what was removed, in order; what is left outside
    /// stays, with all its records.
    std::vector<area> cut_out(std::uint32_t space, page_run pages) {
        auto next = areas_.lower_bound({space, pages.first.raw});
        if (next != areas_.begin()) {
            const auto before = std::prev(next);
            if (before->first.first == space && before->second.pages.end() > pages.first) next = before;
        }
        std::vector<area> overlapping;
        while (next != areas_.end() && next->first.first == space && next->second.pages.first < pages.end()) {
            overlapping.push_back(std::move(next->second));
            next = areas_.erase(next);
        }
        std::vector<area> inside;
        for (area& whole : overlapping) {
            keep_part(space, whole, run_between(whole.pages.first, pages.first));
            keep_part(space, whole, run_between(pages.end(), whole.pages.end()));
            inside.push_back(part_of(whole, intersection(whole.pages, pages)));
        }
        return inside;
    }

    void keep_part(std::uint32_t space, const area& whole, page_run pages) {
        if (!pages.empty()) areas_.insert_or_assign(key{space, pages.first.raw}, part_of(whole, pages));
    }

    [[nodiscard]] area part_of(const area& whole, page_run pages) const {
        area part{pages, whole.offsets};
        if (pages == whole.pages || rules_.has(artifact_rule::splits_copy_all)) return part;
        const artifact_offsets::found at_start = whole.offsets.lookup(pages.first, rules_);
        part.offsets.revise([&](const artifact_offsets::record& each) { return pages.contains(each.first); });
        if (at_start.value && part.offsets.lookup(pages.first, rules_).value != at_start.value) {
            part.offsets.insert(pages.first, *at_start.value, rules_);
        }
        return part;
    }

    artifact_rules rules_;
    area_map areas_;
};

LONGREACH_NAMESPACE_END

#endif
