// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_SPACE_AREAS_IMPL_HPP
#define LONGREACH_PAGETABLE_VM_SPACE_AREAS_IMPL_HPP

#include <array>
#include <cstddef>
#include <optional>

#include "address_space.hpp"
// How areas of an address space change; address_space.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::map(run<Page> pages, permissions allowed,
                                                               const backing& source, const area_flags& flags) {
    if (pages.empty()) return status::ok;
    if (!in_range(pages)) return status::out_of_range;
    if (!entries_.room_for(entries_.cuts(pages) + 1)) return status::out_of_memory;
    if (unmap(pages) != status::ok) return status::out_of_memory;
    entries_.insert({pages, user(allowed), source, flags});
    return status::ok;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::unmap(run<Page> pages) {
    pages = table_type::inside(pages);
    if (!entries_.touches(pages)) return status::ok;
    if (!entries_.room_for(entries_.cuts(pages))) return status::out_of_memory;
    if (separate(std::array{pages.first, pages.end()}) != status::ok) return status::out_of_memory;
    evict(pages);
    release(pages);
    return status::ok;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::move(run<Page> from, run<Page> to) {
    const entry_type* area = entries_.find(from.first);
    if (from.empty() || area == nullptr || !area->pages.contains(from)) return status::not_mapped;
    if (!in_range(to)) return status::out_of_range;
    const entry_type moved = area->from(from.first);
    if (to.empty()) return unmap(from);
    if (from.first == to.first) return resize(moved, from, to);
    LONGREACH_CHECK(!from.overlaps(to), "address_space.move_overlaps");
    const run<Page> kept{from.first, from.count < to.count ? from.count : to.count};
    if (!entries_.room_for(entries_.cuts(from) + entries_.cuts(to) + 1)) return status::out_of_memory;
    const std::array edges{from.first, kept.end(), from.end(), to.first, to.end()};
    if (!object_.room_to_move(kept, to.first, edges)) return status::out_of_memory;
    if (separate(edges) != status::ok) return status::out_of_memory;
    const run<Page> rest = run_between(kept.end(), from.end());
    evict(to);
    release(to);
    evict(rest);
    release(rest);
    transfer(kept, to.first);
    entries_.remove(kept);
    entries_.insert({to, moved.allowed, moved.source, moved.flags});
    policy_->move(options_.number, kept, to.first);
    return status::ok;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::discard(run<Page> pages) {
    pages = table_type::inside(pages);
    if (pages.empty()) return status::ok;
    if (separate(std::array{pages.first, pages.end()}) != status::ok) return status::out_of_memory;
    evict(pages);
    return status::ok;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::forget_file(std::uint32_t file, std::uint64_t first) {
    for (const entry_type& area : entries_.all()) {
        if (!area.source.is_file() || area.source.file != file) continue;
        const std::uint64_t before = first > area.source.first_page ? first - area.source.first_page : 0;
        if (before < area.pages.count.raw) evict(run_between(area.pages.first + page_count{before}, area.pages.end()));
    }
}

/// Splits superpages until none reaches across an edge, in object and table alike; all or nothing.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
template <std::size_t Count>
status address_space<Format, Page, Frame, Memory, Policy>::separate(const std::array<Page, Count>& edges) {
    if (!object_.room_to_split(edges)) return status::out_of_memory;
    if (table_.split_edges(edges, *policy_) != status::ok) return status::out_of_memory;
    const std::uint64_t before = resident_superpages();
    object_.split_edges(edges);
    counters_.demotions += before - resident_superpages();
    return status::ok;
}

/// Changes the parts of entries that lie in the run by `change(entry_type&)`: protection and flags, not pages.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
template <class Change>
status address_space<Format, Page, Frame, Memory, Policy>::alter(run<Page> pages, Change&& change) {
    if (pages.empty()) return status::ok;
    if (!in_range(pages) || !entries_.covers(pages)) return status::not_mapped;
    if (!entries_.changes(pages, change)) return status::ok;
    if (!entries_.room_for(entries_.cuts(pages))) return status::out_of_memory;
    if (separate(std::array{pages.first, pages.end()}) != status::ok) return status::out_of_memory;
    entries_.change(pages, change);
    refresh(pages);
    return status::ok;
}

/// Makes the page table allow what areas and object now allow.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::refresh(run<Page> pages) {
    entries_.for_each(pages, [&](const entry_type& part) {
        table_.rewrite(part.pages, [&](leaf_type cached) {
            cached.attributes.allowed = intersection(part.allowed, object_.find(cached.page)->attributes.allowed);
            return cached;
        });
    });
}

/// Unmaps and gives up what is resident in a run that cuts no leaf.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::evict(run<Page> pages) {
    const page_count before = resident_pages();
    (void)table_.unmap(pages, *policy_, [](const leaf_type&) {});
    object_.remove(pages, [&](const leaf_type& gone) { give_back(gone); });
    if (before == resident_pages()) return;
    marks().recount(pages.first);
    marks().recount(pages.end());
}

/// Frees the frames of a leaf that is no longer mapped, but for those that others hold.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::give_back(const leaf_type& gone) {
    if (shared_.references == nullptr) return policy_->free(options_.number, gone.page, gone.frame, gone.size);
    shared_.references->drop(gone.frames(), [&](run<Frame> last) {
        const order size = last == gone.frames() ? gone.size : base_order;
        for (Frame frame = last.first; frame < last.end(); frame += size.pages()) {
            policy_->free(options_.number, gone.page + (frame - gone.frame), frame, size);
        }
    });
}

/// Takes a run without resident pages out of the areas.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::release(run<Page> pages) {
    entries_.for_each(pages, [&](const entry_type& part) { policy_->release(options_.number, part.pages); });
    entries_.remove(pages);
}

/// move() to the same start: `area` shrinks from `from` to `to`, or is extended.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::resize(const entry_type& area, run<Page> from,
                                                                  run<Page> to) {
    if (to.count <= from.count) return unmap(run_between(to.end(), from.end()));
    backing source = area.source;
    if (source.is_file()) source.first_page += from.count.raw;
    return map(run_between(from.end(), to.end()), area.allowed, source, area.flags);
}

/// Moves resident leaves to the free pages at `to`. The table follows as far as frames for it last.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::transfer(run<Page> from, Page to) {
    for (Page next = from.first; (next = object_.first_mapped(run_between(next, from.end()))) != from.end();) {
        const std::optional<leaf_type> cached = table_.find(next);
        if (cached) fold(*cached);
        const leaf_type whole = *object_.find(next);
        object_.remove(whole.pages(), [](const leaf_type&) {});
        (void)table_.unmap(whole.pages(), *policy_, [](const leaf_type&) {});
        place_moved(whole, to + (whole.page - from.first), cached);
    }
    for (const Page edge : {from.first, from.end(), to, to + from.count}) marks().recount(edge);
}

/// Adds a moved leaf at its new page: whole where that is congruent, else as base pages.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::place_moved(leaf_type moved, Page to,
                                                                     const std::optional<leaf_type>& cached) {
    const bool whole = is_aligned(to, moved.size);
    if (!whole) ++counters_.demotions;
    const page_count pieces = whole ? page_count{1} : moved.size.pages();
    if (!whole) moved.size = base_order;
    for (page_count i{0}; i < pieces; i += page_count{1}) {
        leaf_type piece = moved;
        piece.page = to + i;
        piece.frame = moved.frame + i;
        object_.add(piece);
        if (!cached) continue;
        leaf_attributes attributes = piece.attributes;
        attributes.allowed = cached->attributes.allowed;
        (void)table_.map(piece.page, piece.frame, piece.size, attributes, *policy_);
    }
}

/// Takes a cached leaf's accessed and dirty bits over into the object.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::fold(const leaf_type& cached) {
    object_.rewrite(cached.pages(), [&](leaf_type resident) {
        resident.attributes.accessed = resident.attributes.accessed || cached.attributes.accessed;
        resident.attributes.dirty = resident.attributes.dirty || cached.attributes.dirty;
        return resident;
    });
}

LONGREACH_NAMESPACE_END

#endif
