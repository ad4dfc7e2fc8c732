// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_SPACE_MIGRATION_IMPL_HPP
#define LONGREACH_PAGETABLE_VM_SPACE_MIGRATION_IMPL_HPP

#include <array>
#include <optional>

#include "address_space.hpp"
// How resident pages of an address space get other frames or leaves of another size; address_space.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
collapse_result address_space<Format, Page, Frame, Memory, Policy>::collapse(Page first, Frame block) {
    const run<Page> region{first, superpage_order.pages()};
    const status allowed = may_collapse(region, block);
    if (allowed != status::ok) return {allowed, {}, {}};
    const bool cached = table_.first_mapped(region) != region.end();
    leaf_type made = gather(region, block);
    const page_count before = resident_pages();
    (void)table_.unmap(region, *policy_, [](const leaf_type&) {});
    object_.remove(region, [&](const leaf_type& gone) { give_back(gone); });
    const page_count copied = before - resident_pages();
    object_.add(made);  // in the tables that its pages had
    if (cached) {       // without a table, which only others could have taken meanwhile, it is left to refill
        (void)table_.map(made.page, made.frame, made.size, in_table(*entries_.find(first), made), *policy_);
    }
    marks().recount(region.first);
    marks().recount(region.end());
    return {status::ok, copied, superpage_order.pages() - copied};
}

/// Why the pages cannot become a superpage at `block`, or ok.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::may_collapse(run<Page> region, Frame block) const {
    if (!is_aligned(region.first, superpage_order) || !is_aligned(block, superpage_order)) return status::wrong_size;
    const entry_type* area = entries_.find(region.first);
    if (area == nullptr || !area->pages.contains(region)) return status::not_mapped;
    if (area->source.is_file() || area->flags.superpages == superpage_advice::unwanted) return status::forbidden;
    status outcome = status::not_mapped;
    object_.for_each(region, [&](const leaf_type& held) {
        if (outcome == status::not_mapped) outcome = status::ok;
        if (outcome != status::ok) return;
        if (held.size != base_order) {
            outcome = status::wrong_size;
        } else if (shares(held.frames())) {
            outcome = status::occupied;
        }
    });
    return outcome;
}

/// The superpage that the base pages of the run become at `block`.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
auto address_space<Format, Page, Frame, Memory, Policy>::gather(run<Page> region, Frame block) const -> leaf_type {
    leaf_type made{region.first, block, superpage_order, {all_permissions, true}};
    object_.for_each(region, [&](const leaf_type& held) {
        const std::optional<leaf_type> cached = table_.find(held.page);
        const leaf_attributes& known = cached ? cached->attributes : held.attributes;
        made.attributes.accessed = made.attributes.accessed || known.accessed;
        made.attributes.dirty = made.attributes.dirty || known.dirty;
    });
    return made;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::split(Page page) {
    const std::optional<leaf_type> held = object_.find(page);
    if (!held) return status::not_mapped;
    if (held->size != superpage_order) return status::wrong_size;
    return separate(std::array{held->page + page_count{1}});
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::relocate(Page page, Frame to) {
    const std::optional<leaf_type> held = object_.find(page);
    if (!held) return status::not_mapped;
    if (!is_aligned(to, held->size)) return status::wrong_size;
    if (shares(held->frames())) return status::occupied;
    LONGREACH_CHECK(to != held->frame, "address_space.relocate_to_itself");
    repoint(*held, to);
    marks().recount(held->page);
    marks().recount(held->pages().end());
    give_back(*held);
    return status::ok;
}

/// Gives a leaf other frames, in object and table; contiguity is not counted anew.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::repoint(const leaf_type& held, Frame to) {
    const auto moved = [to](leaf_type old) {
        old.frame = to;
        return old;
    };
    object_.rewrite(held.pages(), moved);
    table_.rewrite(held.pages(), moved);
}

/// exchange(), where the second page is one of `other`.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::swap_frames(Page a, address_space& other, Page b) {
    LONGREACH_CHECK(other.policy_ == policy_ && other.shared_.references == shared_.references,
                    "address_space.exchange_with_stranger");
    const std::optional<leaf_type> one = object_.find(a);
    const std::optional<leaf_type> two = other.object_.find(b);
    if (!one || !two) return status::not_mapped;
    if (one->size != two->size) return status::wrong_size;
    if (shares(one->frames()) || shares(two->frames())) return status::occupied;
    repoint(*one, two->frame);
    other.repoint(*two, one->frame);
    for (const Page edge : {one->page, one->pages().end()}) marks().recount(edge);
    for (const Page edge : {two->page, two->pages().end()}) other.marks().recount(edge);
    return status::ok;
}

LONGREACH_NAMESPACE_END

#endif
