// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_APPLY_EVENT_HPP
#define LONGREACH_WORKLOADS_APPLY_EVENT_HPP

#include <cstdint>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../pagetable/format.hpp"
#include "../pagetable/vm/entry.hpp"
#include "recording.hpp"

// Does to an address space what a recorded mapping event did to the program's.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// As on x86, where a page that can be written or run can be read.
[[nodiscard]] inline permissions permissions_of(vma_protection p) noexcept {
    return user_permissions(p.read || p.write || p.execute, p.write, p.execute);
}

[[nodiscard]] inline status first_failure(status a, status b) noexcept { return a != status::ok ? a : b; }

/// The new range gets the pages of the old one, area by area, and the rights of its first area or the event's.
template <class Space>
status apply_move(Space& space, const vma_event& event) {
    const page_run from = event.moved_from;
    const page_run to = event.pages;
    if (space.find(from.first) == nullptr) return status::not_mapped;
    const map_entry<vpn> first = space.find(from.first)->from(from.first);
    const permissions allowed = event.protection ? permissions_of(*event.protection) : first.allowed;
    backing beyond = first.source;
    if (beyond.is_file()) beyond.first_page += from.count.raw;
    const page_run added = run_between(to.first + from.count, to.end());
    const page_run lost = run_between(from.first + to.count, from.end());
    if (from.first == to.first) {
        return first_failure(space.unmap(lost), space.map(added, allowed, beyond, first.flags));
    }
    status outcome = space.unmap(to);
    const bool keeps_old = (event.flags & vma_event::mremap_keeps_old) != 0;
    const vpn end = from.end() < from.first + to.count ? from.end() : from.first + to.count;
    for (vpn page = from.first; page < end && outcome == status::ok;) {
        if (space.find(page) == nullptr) return status::not_mapped;
        map_entry<vpn> area = space.find(page)->from(page);
        if (area.pages.end() > end) area = area.until(end);
        const vpn place = to.first + (page - from.first);
        outcome = space.move(area.pages, {place, area.pages.count});
        if (outcome == status::ok && keeps_old) outcome = space.map(area.pages, area.allowed, area.source, area.flags);
        page = area.pages.end();
    }
    outcome = first_failure(outcome, keeps_old ? space.discard(lost) : space.unmap(lost));
    outcome = first_failure(outcome, space.map(added, allowed, beyond, first.flags));
    return first_failure(outcome, space.protect(to, allowed));
}

}

/// Pages that vanish or change their rights are handed to `changed(page_run)` afterwards, for TLBs. `not_mapped` where
/// the event speaks of pages that the space does not have, `out_of_memory` where a table or record had no room.
template <class Space, class Changed>
status apply_event(Space& space, const vma_event& event, Changed&& changed) {
    const bool file = event.backing == vma_backing::file;
    const backing source = file ? backing::of_file(event.file, event.file_page) : backing::anonymous();
    area_flags flags;
    flags.shared = !event.is_private();
    flags.grows_down = (event.flags & vma_event::map_grows_down) != 0;
    flags.grows_up = !file && !flags.grows_down;
    status outcome = status::ok;
    switch (event.kind) {
        case vma_kind::init:
        case vma_kind::mmap:
        case vma_kind::brk_grow:
            outcome = space.map(event.pages, detail::permissions_of(event.protection.value_or(vma_protection{})),
                                source, flags);
            break;
        case vma_kind::munmap:
        case vma_kind::brk_shrink:
            outcome = space.unmap(event.pages);
            break;
        case vma_kind::mprotect:
            outcome = space.protect(event.pages, detail::permissions_of(event.protection.value_or(vma_protection{})));
            break;
        case vma_kind::mremap:
            outcome = detail::apply_move(space, event);
            changed(event.moved_from);
            break;
        case vma_kind::empty:
            outcome = space.discard(event.pages);
            break;
        case vma_kind::brk_first:
        case vma_kind::advice:
            return status::ok;
    }
    changed(event.pages);
    return outcome;
}

LONGREACH_NAMESPACE_END

#endif
