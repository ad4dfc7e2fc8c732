// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_WALK_CACHE_HPP
#define LONGREACH_SPOT_WALK_CACHE_HPP

#include <array>
#include <cstddef>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "../pagetable/format.hpp"
#include "tlb.hpp"
#include "walker.hpp"

// What saves references of a walk: caches of upper table entries, and a TLB for guest frames.
//
// They only decide which references a walk would have made; what a walk answers always comes from the
// tables, so a forgotten invalidation costs accuracy of the count, never a wrong frame. Locks are the caller's.
// Sources: Barr et al., ISCA 2010 (paging-structure caches); Bhargava et al., ASPLOS 2008 (nested TLB).

LONGREACH_NAMESPACE_BEGIN

/// Shapes of a walker's caches; no sets is no cache.
struct walk_profile {
    tlb_geometry upper{};       ///< per level above the leaf, of the guest's or the only table
    tlb_geometry host_upper{};  ///< per level above the leaf, of the host's table
    tlb_geometry nested{};      ///< nested TLB: guest frame to host frame, by host leaf
};

/// Every cache off: a walk makes every reference, natively one per level, in two dimensions g * h + g + h.
inline constexpr walk_profile no_walk_caches{};

/// 32 entries, 4 ways per upper level in each dimension: public configuration of Virtuoso (config/mmu_configs/
/// mmu_virt.cfg). Nested TLB of 16 entries: this model's choice of size; 8 ways, the most an exact order holds.
inline constexpr walk_profile default_walk_caches{{8, 4}, {8, 4}, {2, 8}};

/// Caches of one table's upper entries, one array per level, by the part of the page number that leads to the entry.
///
/// An entry of level l that is cached names the table of level l - 1, so the walk starts there; in two dimensions it
/// names that table's host frame, so the host's walk for it falls away as well. Audit: "tlb.I1" to "tlb.I4".
template <page_table_format Format, class Point, tlb_geometry Geometry>
class walk_cache {
  public:
    static constexpr bool enabled = Geometry.sets != 0;

    /// The level of the first entry that a walk for `page` reads, whose leaf lies at `leaf_level`: the root's where
    /// nothing is cached. Changes nothing.
    [[nodiscard]] constexpr unsigned first_level(Point page, unsigned leaf_level) const noexcept {
        if constexpr (enabled) {
            for (unsigned level = leaf_level + 1; level <= Format::levels; ++level) {
                if (levels_[level - 2].peek(page, level_order<Format>(level))) return level - 1;
            }
        }
        return Format::levels;
    }

    /// A walk began at `first_level`: the entry that named its first table, if one was cached, and the upper entries
    /// that it read become the newest of their sets.
    constexpr void fill(Point page, unsigned first_level, unsigned leaf_level) noexcept {
        if constexpr (enabled) {
            for (unsigned level = leaf_level + 1; level <= Format::levels && level <= first_level + 1; ++level) {
                const order span = level_order<Format>(level);
                levels_[level - 2].fill({align_down(page, span), Point{}, span, {all_permissions}});
            }
        }
    }

    constexpr void invalidate(run<Point> pages) noexcept {
        for (auto& cache : levels_) cache.invalidate(pages);
    }

    constexpr void flush() noexcept {
        for (auto& cache : levels_) cache.flush();
    }

    /// How many entries are in use, of all levels.
    [[nodiscard]] constexpr unsigned entries() const noexcept {
        unsigned used = 0;
        for (const auto& cache : levels_) used += cache.entries();
        return used;
    }

    [[nodiscard]] constexpr violation audit() const noexcept {
        for (const auto& cache : levels_) {
            if (const violation v = cache.audit()) return v;
        }
        return {};
    }

  private:
    friend struct corrupt;

    // The tables are only counted, never followed: the frame of an entry stays 0.
    using level_cache = tlb<Point, Point, Geometry>;

    std::array<level_cache, Format::levels - 1> levels_{};  // by level - 2
};

LONGREACH_NAMESPACE_END

#endif
