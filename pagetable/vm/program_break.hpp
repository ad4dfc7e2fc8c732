// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_PROGRAM_BREAK_HPP
#define LONGREACH_PAGETABLE_VM_PROGRAM_BREAK_HPP

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../format.hpp"
#include "entry.hpp"

// The heap that brk() moves: one anonymous area from a fixed start up to the break.
//
// It only remembers start, break and limit; the area is the space's, and the program may unmap parts of it. A child
// of fork() has a break of its own: program_break(child, parent's). The caller locks.

LONGREACH_NAMESPACE_BEGIN

template <class Space>
class program_break {
  public:
    using page = typename Space::table_type::page;

    /// An empty heap at `start` that may reach `limit` pages.
    program_break(Space& space, page start, page_count limit) noexcept : space_(&space), limit_{start, limit} {}
    /// The heap of a space that was forked from the other's.
    program_break(Space& child, const program_break& parent) noexcept
        : space_(&child), limit_(parent.limit_), size_(parent.size_) {}

    /// The first page after the heap.
    [[nodiscard]] page end() const noexcept { return limit_.first + size_; }
    [[nodiscard]] run<page> pages() const noexcept { return {limit_.first, size_}; }

    /// Makes the heap end at `wanted`. out_of_range before its start or beyond the limit; occupied where another area
    /// lies in the way; out_of_memory as address_space::map() and unmap().
    status set(page wanted) {
        if (wanted < limit_.first || wanted - limit_.first > limit_.count) return status::out_of_range;
        const run<page> more = run_between(end(), wanted);
        if (space_->has_area_in(more)) return status::occupied;
        const status outcome = more.empty() ? space_->unmap(run_between(wanted, end()))
                                            : space_->map(more, user_permissions(true, true, false),
                                                          backing::anonymous(), {.grows_up = true});
        if (outcome == status::ok) size_ = wanted - limit_.first;
        return outcome;
    }
    status grow(page_count more) { return set(end() + more); }
    /// out_of_range where the heap has less.
    status shrink(page_count less) { return less > size_ ? status::out_of_range : set(end() - less); }

  private:
    Space* space_;
    run<page> limit_;     // where the heap may be
    page_count size_{0};  // of the heap
};

LONGREACH_NAMESPACE_END

#endif
