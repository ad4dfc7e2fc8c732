// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_SPACE_LIFE_IMPL_HPP
#define LONGREACH_PAGETABLE_VM_SPACE_LIFE_IMPL_HPP

#include <optional>

#include "address_space.hpp"
// Fork, exit, and the page table as a cache; address_space.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::fill_table(run<Page> pages) {
    status outcome = status::ok;
    object_.for_each(pages, [&](const leaf_type& resident) {
        if (outcome != status::ok) return;
        outcome = refill(*entries_.find(resident.page), resident, resident.page).outcome;
    });
    return outcome;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::drop_table() {
    table_.for_each(table_type::all_pages(), [&](const leaf_type& cached) { fold(cached); });
    (void)table_.unmap(table_type::all_pages(), *policy_, [](const leaf_type&) {});
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
status address_space<Format, Page, Frame, Memory, Policy>::fork_of(address_space& parent) {
    frame_references<Frame>* const counts = shared_.references;
    LONGREACH_CHECK(entries_.all().empty() && counts != nullptr && &parent != this, "address_space.fork");
    LONGREACH_CHECK(parent.shared_.references == counts && parent.shared_.files == shared_.files &&
                        parent.policy_ == policy_ && parent.options_.number != options_.number &&
                        parent.options_.contiguity_threshold == options_.contiguity_threshold,
                    "address_space.fork_of_stranger");
    if (!entries_.room_for(parent.entries_.all().size()) || !object_.room_to_copy(parent.object_)) {
        return status::out_of_memory;
    }
    std::optional<Page> full;  // the first leaf with a frame that cannot have one holder more
    parent.object_.for_each(table_type::all_pages(), [&](const leaf_type& held) {
        if (!full && counts->share(held.frames()) != status::ok) full = held.page;
    });
    if (full) {
        parent.object_.for_each(run_between(Page{0}, *full),
                                [&](const leaf_type& held) { counts->drop(held.frames(), [](run<Frame>) {}); });
        return status::out_of_memory;
    }
    entries_.copy(parent.entries_);
    entries_.for_each(table_type::all_pages(), [&](const entry_type& area) {
        parent.object_.rewrite(area.pages, [&](leaf_type held) {
            held.attributes.allowed.write = held.attributes.allowed.write && area.flags.shared;
            return held;
        });
    });
    parent.refresh(table_type::all_pages());
    parent.object_.for_each(table_type::all_pages(), [&](leaf_type held) {
        held.attributes.accessed = false;
        held.attributes.dirty = false;
        object_.add(held);
    });
    policy_->fork(parent.options_.number, options_.number);
    return status::ok;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
void address_space<Format, Page, Frame, Memory, Policy>::exit() {
    const status gone = unmap(table_type::all_pages());
    LONGREACH_CHECK(gone == status::ok, "address_space.exit");
    policy_->release(options_.number, table_type::all_pages());  // with what it keeps beside areas for their growth
}

LONGREACH_NAMESPACE_END

#endif
