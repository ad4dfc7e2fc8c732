// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_MAP_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_MAP_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../cases/recorded_case.hpp"
#include "artifact_rules.hpp"

// The original's contiguity map: runs of free 4 MiB blocks of one zone, per migrate type, each type with a rover for
// next fit. The zone tells it which neighbours count; it knows no free lists. Not thread-safe.

LONGREACH_NAMESPACE_BEGIN

/// The original's largest buddy block, the unit of its map.
inline constexpr order top_order{10};
inline constexpr std::size_t migrate_types = 6;

/// Invariants: I2 clusters of a type share no frame and, where their blocks have one type, do not touch; I3 each starts
/// and ends on a 4 MiB boundary, is not empty and lies in the zone; I4 each block knows the type whose list its cluster
/// is on.
class artifact_map {
  public:
    /// For blocks of [first, first + count), both multiples of 4 MiB.
    artifact_map(pfn first, page_count count, artifact_rules rules)
        : first_(first), home_(count.raw >> top_order.raw, nobody), rules_(rules) {}

    /// The boot found no block of the type.
    void start_empty(migrate_type type) noexcept {
        if (!rules_.has(artifact_rule::bogus_first_range)) return;
        bogus_[index(type)] = true;
        rovers_[index(type)] = pfn{0};
    }

    /// A block of `type` became free; `left` and `right` say whether its neighbours are free and count as that type.
    void add(pfn block, migrate_type type, bool left, bool right) {
        const pfn after = block + top_order.pages();
        std::optional<pfn>& rover = rovers_[index(type)];
        if (left) {
            const std::uint8_t home = home_of(block - top_order.pages());
            auto grown = cluster_of(block - top_order.pages());
            grown->second += top_order.pages().raw;
            home_of(block) = home;
            if (!right) return;
            const auto absorbed = cluster_of(after);
            if (rover == pfn{absorbed->first}) rover = block;
            grown->second += absorbed->second;
            const std::uint64_t end = absorbed->first + absorbed->second;
            lists_[home_of(after)].erase(absorbed);
            settle(after, pfn{end}, home);
        } else if (right) {
            const std::uint8_t home = home_of(after);
            const auto extended = cluster_of(after);
            if (rover == pfn{extended->first}) rover = block;
            const std::uint64_t size = extended->second + top_order.pages().raw;
            lists_[home].erase(extended);
            lists_[home].emplace(block.raw, size);
            home_of(block) = home;
        } else {
            lists_[index(type)].emplace(block.raw, top_order.pages().raw);
            home_of(block) = static_cast<std::uint8_t>(index(type));
            if (!rover || (bogus_[index(type)] && rover == pfn{0})) rover = block;
        }
    }

    /// A block is no longer free. Where that splits its cluster, the upper part goes to the list of `tail_type`.
    void remove(pfn block, migrate_type tail_type) {
        const std::uint8_t home = home_of(block);
        const auto found = cluster_of(block);
        const pfn first{found->first};
        const pfn end{found->first + found->second};
        const pfn after = block + top_order.pages();
        home_of(block) = nobody;
        if (first == block) {
            lists_[home].erase(found);
            if (after != end) lists_[home].emplace(after.raw, (end - after).raw);
            return;
        }
        found->second = (block - first).raw;
        if (after == end) return;
        lists_[index(tail_type)].emplace(after.raw, (end - after).raw);
        settle(after, end, static_cast<std::uint8_t>(index(tail_type)));
    }

    /// Next fit: the first of `wanted` frames (a multiple of 4 MiB, not 0), or where no range has so many, the start of
    /// the longest seen; moves the rover behind them. Nothing without a range or a rover. O(ranges).
    std::optional<pfn> choose(migrate_type type, page_count wanted) {
        auto& ranges = lists_[index(type)];
        std::optional<pfn>& rover = rovers_[index(type)];
        if (ranges.empty() || !rover) return std::nullopt;
        auto start = ranges.upper_bound(rover->raw);
        if (start != ranges.begin()) --start;
        if (!frame_run{pfn{start->first}, page_count{start->second}}.contains(*rover)) rover = pfn{start->first};
        auto best = start;
        pfn candidate = *rover;
        page_count size = pfn{start->first + start->second} - *rover;
        const bool skips = rules_.has(artifact_rule::skips_range_before_rover) && start != ranges.begin();
        const auto stop = skips ? std::prev(start) : start;
        for (auto next = following(ranges, start); size < wanted && next != stop && next != start;
             next = following(ranges, next)) {
            if (next->second <= size.raw) continue;
            best = next;
            candidate = pfn{next->first};
            size = page_count{next->second};
        }
        const page_count below = *rover - pfn{start->first};
        if (size < wanted && below > size && !rules_.has(artifact_rule::ignores_frames_below_rover)) {
            best = start;
            candidate = pfn{start->first};
            size = below;
        }
        const bool wraps = std::next(best) == ranges.end();
        const pfn behind = wraps && bogus_[index(type)] ? pfn{0} : pfn{following(ranges, best)->first};
        rover = size > wanted ? candidate + wanted : behind;
        return candidate;
    }

    [[nodiscard]] std::optional<pfn> rover(migrate_type type) const noexcept { return rovers_[index(type)]; }
    void set_rover(migrate_type type, std::optional<pfn> where) noexcept { rovers_[index(type)] = where; }

    /// The first frame of the lowest range.
    [[nodiscard]] std::optional<pfn> first_range(migrate_type type) const {
        const auto& ranges = lists_[index(type)];
        if (ranges.empty()) return std::nullopt;
        return pfn{ranges.begin()->first};
    }
    [[nodiscard]] bool knows(pfn block) const noexcept { return home_[slot(block)] != nobody; }
    [[nodiscard]] std::uint64_t blocks(migrate_type type) const {
        std::uint64_t frames = 0;
        for (const auto& [first, size] : lists_[index(type)]) frames += size;
        return frames >> top_order.raw;
    }
    /// Hands the ranges to `visit(frame_run)` in order.
    template <class Visit>
    void for_each(migrate_type type, Visit&& visit) const {
        for (const auto& [first, size] : lists_[index(type)]) visit(frame_run{pfn{first}, page_count{size}});
    }

    violation audit() const {
        for (std::size_t type = 0; type < migrate_types; ++type) {
            std::uint64_t end = 0;
            for (const auto& [first, size] : lists_[type]) {
                if (first < end) return {"artifact_map.I2", first};
                end = first + size;
                const bool inside = first >= first_.raw && slot(pfn{end}) <= home_.size();
                if (!inside || size == 0 || ((first | size) & (top_order.pages().raw - 1)) != 0) {
                    return {"artifact_map.I3", first};
                }
                for (std::uint64_t block = first; block < end; block += top_order.pages().raw) {
                    if (home_[slot(pfn{block})] != type) return {"artifact_map.I4", block};
                }
            }
        }
        return {};
    }

  private:
    friend struct corrupt;
    static constexpr std::uint8_t nobody = 0xff;
    using range_list = std::map<std::uint64_t, std::uint64_t>;  // start -> frames

    static constexpr std::size_t index(migrate_type type) noexcept { return static_cast<std::size_t>(type); }
    [[nodiscard]] std::size_t slot(pfn block) const noexcept { return (block - first_).raw >> top_order.raw; }
    [[nodiscard]] std::uint8_t& home_of(pfn block) noexcept { return home_[slot(block)]; }
    void settle(pfn from, pfn end, std::uint8_t home) noexcept {
        for (; from < end; from += top_order.pages()) home_of(from) = home;
    }
    [[nodiscard]] range_list::iterator cluster_of(pfn block) {
        LONGREACH_CHECK(home_of(block) != nobody, "artifact_map.unknown_block");
        return std::prev(lists_[home_of(block)].upper_bound(block.raw));
    }
    [[nodiscard]] static range_list::iterator following(range_list& ranges, range_list::iterator range) {
        return ++range == ranges.end() ? ranges.begin() : range;
    }

    pfn first_;
    std::vector<std::uint8_t> home_;
    std::array<range_list, migrate_types> lists_;
    std::array<std::optional<pfn>, migrate_types> rovers_;
    std::array<bool, migrate_types> bogus_{};
    artifact_rules rules_;
};

/// The part of a map that the original's /proc/capaging_contiguity_map shows, for contiguity_text().
class movable_clusters {
  public:
    explicit movable_clusters(const artifact_map& map) noexcept : map_(&map) {}
    template <class Visit>
    void for_each(Visit&& visit) const {
        map_->for_each(migrate_type::movable, visit);
    }
    /// Without a rover, the number that the original computes from a null pointer.
    [[nodiscard]] pfn rover() const noexcept { return map_->rover(migrate_type::movable).value_or(null_rover); }

  private:
    static constexpr pfn null_rover{0x5800000000};
    const artifact_map* map_;
};

LONGREACH_NAMESPACE_END

#endif
