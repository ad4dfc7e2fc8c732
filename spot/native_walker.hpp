// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_NATIVE_WALKER_HPP
#define LONGREACH_SPOT_NATIVE_WALKER_HPP

#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../pagetable/format.hpp"
#include "../pagetable/leaf.hpp"
#include "walk_cache.hpp"
#include "walker.hpp"

// Walks one table: a native or shadow table, or a guest's or host's alone.
//
// It reads the table and leaves accessed and dirty bits as they are; table::walk() sets them. Locks are the caller's.

LONGREACH_NAMESPACE_BEGIN

/// `Table` answers translate(page), as pagetable/table.hpp does, and outlives the walker. Audit: "tlb.I1" to "tlb.I4".
template <class Table, walk_profile Profile = no_walk_caches>
class native_walker {
  public:
    using page = typename Table::page;
    using frame = typename Table::frame;
    using format = typename Table::format;

    explicit constexpr native_walker(const Table& table) noexcept : table_(&table) {}

    [[nodiscard]] walk_answer<page, frame> walk(page p, access_kind kind) noexcept {
        const std::optional<translation<frame>> found = table_->translate(p);
        if (!found) {
            return {walk_end::not_mapped};
        }
        if (!found->attributes.allowed.allows(kind)) {
            return {walk_end::forbidden};
        }

        const unsigned lowest = leaf_level<format>(found->size);
        const unsigned first = upper_.first_level(p, lowest);
        upper_.fill(p, first, lowest);
        reference_counts references;
        references[reference_kind::upper] = first - lowest;
        references[reference_kind::leaf] = 1;

        const page start = align_down(p, found->size);
        return {walk_end::ok, gfn{}, {start, found->frame - (p - start), found->size, found->attributes}, references};
    }

    /// Some of these pages were mapped anew, unmapped or protected. Drops every upper entry, whatever its pages, as
    /// the processor does (Intel SDM volume 3A, section 4.10.4.1, INVLPG).
    constexpr void invalidate(run<page>) noexcept { upper_.flush(); }
    constexpr void flush() noexcept { upper_.flush(); }
    [[nodiscard]] constexpr violation audit() const noexcept { return upper_.audit(); }
    /// Upper entries that are cached.
    [[nodiscard]] constexpr unsigned cached_entries() const noexcept { return upper_.entries(); }

  private:
    friend struct corrupt;

    const Table* table_;
    walk_cache<format, page, Profile.upper> upper_{};
};

LONGREACH_NAMESPACE_END

#endif
