// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_LIVE_MAPPINGS_HPP
#define LONGREACH_WORKLOADS_LIVE_MAPPINGS_HPP

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "recording.hpp"

// Which pages are mapped, and what may be done there: enough to hold a recording against, no more.
//
// It is not an address space: it knows no frames and no tables (see pagetable/vm/). Not for several threads.

LONGREACH_NAMESPACE_BEGIN

/// What a check of a recording asks of a mapping.
struct mapping_rules {
    vma_protection protection{};
    bool private_file = false;  ///< a first store copies the file's page

    friend bool operator==(const mapping_rules&, const mapping_rules&) = default;
    /// Loads are allowed unless all is forbidden, as on x86, where a page that can be written or run can be read.
    [[nodiscard]] bool allows(bool store) const noexcept {
        return store ? protection.write : protection.read || protection.write || protection.execute;
    }
};

/// A set of disjoint page ranges with rules. All costs: O(log ranges), times the ranges that a call changes.
///
/// I1: no range is empty, and none reaches into the next. I2: neighbours that touch have different rules.
class live_mappings {
  public:
    /// The rules at a page; nothing where it is not mapped.
    [[nodiscard]] std::optional<mapping_rules> find(vpn page) const {
        if (recent_.pages.contains(page)) return recent_.rules;
        auto after = ranges_.upper_bound(page.raw);
        if (after == ranges_.begin()) return std::nullopt;
        --after;
        if (page.raw >= after->second.end) return std::nullopt;
        recent_ = {run_between(vpn{after->first}, vpn{after->second.end}), after->second.rules};
        return recent_.rules;
    }

    /// The first page of `pages` that is mapped; the end of `pages` where none is.
    [[nodiscard]] vpn first_mapped(page_run pages) const {
        if (find(pages.first).has_value()) return pages.first;
        const auto next = ranges_.lower_bound(pages.first.raw);
        if (next == ranges_.end() || next->first >= pages.end().raw) return pages.end();
        return vpn{next->first};
    }

    /// The first page of `pages` that is not mapped; the end of `pages` where all are.
    [[nodiscard]] vpn first_unmapped(page_run pages) const {
        vpn page = pages.first;
        while (page < pages.end() && find(page).has_value()) page = recent_.pages.end();
        return page < pages.end() ? page : pages.end();
    }

    /// Maps the pages, in place of whatever was mapped there.
    void map(page_run pages, mapping_rules rules) {
        if (pages.empty()) return;
        unmap(pages);
        std::uint64_t first = pages.first.raw;
        std::uint64_t end = pages.end().raw;
        auto next = ranges_.lower_bound(first);
        if (next != ranges_.end() && next->first == end && next->second.rules == rules) {
            end = next->second.end;
            next = ranges_.erase(next);
        }
        if (next != ranges_.begin()) {
            const auto before = std::prev(next);
            if (before->second.end == first && before->second.rules == rules) {
                before->second.end = end;
                return;
            }
        }
        ranges_.emplace_hint(next, first, range{end, rules});
    }

    /// Unmaps the pages; some or all may be unmapped already.
    void unmap(page_run pages) {
        recent_ = {};
        if (pages.empty()) return;
        split(pages.first);
        split(pages.end());
        ranges_.erase(ranges_.lower_bound(pages.first.raw), ranges_.lower_bound(pages.end().raw));
    }

    /// Changes the protection of pages that are all mapped.
    void protect(page_run pages, vma_protection protection) {
        vpn page = pages.first;
        while (page < pages.end()) {
            const std::optional<mapping_rules> rules = find(page);
            if (!rules.has_value()) return;
            const vpn end = recent_.pages.end() < pages.end() ? recent_.pages.end() : pages.end();
            map(run_between(page, end), {protection, rules->private_file});
            page = end;
        }
    }

    /// Recounts from the ground. O(ranges).
    [[nodiscard]] violation audit() const {
        std::uint64_t end = 0;
        const mapping_rules* before = nullptr;
        for (const auto& [first, entry] : ranges_) {
            if (entry.end <= first || first < end) return {"live_mappings.I1", first};
            if (before != nullptr && first == end && *before == entry.rules) return {"live_mappings.I2", first};
            end = entry.end;
            before = &entry.rules;
        }
        return {};
    }

  private:
    friend struct live_mappings_breaker;
    struct range {
        std::uint64_t end = 0;
        mapping_rules rules{};
    };
    struct answer {
        page_run pages{};
        mapping_rules rules{};
    };

    /// Makes a range that holds `page` and begins before it end there, and another begin.
    void split(vpn page) {
        auto holder = ranges_.lower_bound(page.raw);
        if (holder == ranges_.begin()) return;
        --holder;
        if (holder->second.end <= page.raw) return;
        const range upper = holder->second;
        holder->second.end = page.raw;
        ranges_.emplace(page.raw, upper);
    }

    std::map<std::uint64_t, range> ranges_;  // by first page
    mutable answer recent_{};                // the range that find() met last
};

LONGREACH_NAMESPACE_END

#endif
