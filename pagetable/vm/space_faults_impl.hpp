// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_SPACE_FAULTS_IMPL_HPP
#define LONGREACH_PAGETABLE_VM_SPACE_FAULTS_IMPL_HPP

#include <array>
#include <cstdint>
#include <optional>

#include "address_space.hpp"
// What an address space does at a fault; address_space.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

/// Whether faults of the area may take 2 MiB.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
bool address_space<Format, Page, Frame, Memory, Policy>::takes_superpages(const entry_type& area) const noexcept {
    if (area.source.is_file() || area.flags.superpages == superpage_advice::unwanted) return false;
    if (options_.superpages == superpage_use::always) return true;
    return options_.superpages == superpage_use::advised && area.flags.superpages == superpage_advice::wanted;
}

/// Whether a private page may be stored to where it is. A file page that belongs to its mapping may not: it stands
/// for the file's.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
bool address_space<Format, Page, Frame, Memory, Policy>::sole_holder(const entry_type& area,
                                                                     run<Frame> frames) const noexcept {
    if (shared_.references == nullptr || (area.source.is_file() && shared_.files == nullptr)) return false;
    return !shared_.references->shared(frames);
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
fault_result<Frame> address_space<Format, Page, Frame, Memory, Policy>::refill(const entry_type& area,
                                                                               const leaf_type& resident, Page page) {
    if (table_.find(page)) return done(fault_kind::none, resident, page);
    const leaf_attributes attributes = in_table(area, resident);
    if (table_.map(resident.page, resident.frame, resident.size, attributes, *policy_) != status::ok) {
        return failed(status::out_of_memory);
    }
    ++counters_.refills;
    return done(fault_kind::refill, resident, page);
}

/// A fault outside every area: a stack may grow down to it.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
fault_result<Frame> address_space<Format, Page, Frame, Memory, Policy>::extend_down(const touch& wanted) {
    if (options_.stack_limit.raw == 0) return {};
    const std::optional<entry_type> grown = entries_.grown_down_to(wanted.page);
    if (!grown || grown->pages.end() - wanted.page > options_.stack_limit) return {};
    if (!grown->allowed.allows(wanted.kind)) return failed(status::forbidden);
    const fault_result<Frame> result = first_touch(*grown, wanted);
    if (result.outcome != status::ok) return result;
    entries_.grow_down(wanted.page);
    ++counters_.extensions;
    return result;
}

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
fault_result<Frame> address_space<Format, Page, Frame, Memory, Policy>::first_touch(const entry_type& area,
                                                                                    const touch& wanted) {
    if (area.source.is_file() && shared_.files != nullptr) return touch_file(area, wanted);
    const run<Page> region{align_down(wanted.page, superpage_order), superpage_order.pages()};
    if (takes_superpages(area) && area.pages.contains(region) && object_.first_mapped(region) == region.end()) {
        if (const auto placed = place(area, region.first, superpage_order, wanted)) {
            ++counters_.superpages;
            return done(fault_kind::first_touch, *placed, wanted.page);
        }
    }
    if (const auto placed = place(area, wanted.page, base_order, wanted)) {
        return done(fault_kind::first_touch, *placed, wanted.page);
    }
    return failed(status::out_of_memory);
}

/// First touch of a cached file's page: the cache's frame, or a copy of it where it is stored to and private.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
fault_result<Frame> address_space<Format, Page, Frame, Memory, Policy>::touch_file(const entry_type& area,
                                                                                   const touch& wanted) {
    const cached_page<Frame> found = shared_.files->fetch(area.source.file, area.file_page(wanted.page));
    if (found.outcome != status::ok) return failed(found.outcome);
    if (wanted.kind == access_kind::store && !area.flags.shared) {
        const auto copied = place(area, wanted.page, base_order, wanted);
        return copied ? done(fault_kind::first_touch, *copied, wanted.page) : failed(status::out_of_memory);
    }
    if (!object_.room_to_add(wanted.page, base_order)) return failed(status::out_of_memory);
    leaf_type made{wanted.page, found.frame, base_order, {all_permissions}};
    made.attributes.allowed.write = area.flags.shared;
    if (shared_.references->share(made.frames()) != status::ok) return failed(status::out_of_memory);
    if (!install(area, made)) {
        shared_.references->drop(made.frames(), [](run<Frame>) {});
        return failed(status::out_of_memory);
    }
    ++counters_.file_pages;
    return done(fault_kind::file_page, made, wanted.page);
}

/// Gives absent pages their first frames, or changes nothing.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
auto address_space<Format, Page, Frame, Memory, Policy>::place(const entry_type& area, Page first, order size,
                                                               const touch& wanted) -> std::optional<leaf_type> {
    if (!object_.room_to_add(first, size)) return std::nullopt;
    const std::optional<Frame> frame = policy_->allocate(request(area, first, size, wanted.alone), object_);
    if (!frame) return std::nullopt;
    leaf_type made{first, *frame, size, {all_permissions}};
    made.attributes.allowed.write = !area.source.is_file() || area.flags.shared || wanted.kind == access_kind::store;
    if (!install(area, made)) {
        policy_->free(options_.number, first, *frame, size);
        return std::nullopt;
    }
    ++counters_.first_touches;
    return made;
}

/// Maps absent pages and makes them resident, where the object has room; false, and nothing changed, without a table.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
bool address_space<Format, Page, Frame, Memory, Policy>::install(const entry_type& area, leaf_type& made) {
    made.attributes.contiguous = marks().reaches(made);
    if (table_.map(made.page, made.frame, made.size, in_table(area, made), *policy_) != status::ok) return false;
    object_.add(made);
    if (made.attributes.contiguous) marks().spread(made);
    return true;
}

/// The first store to a resident page that others hold or held, or that stands for a file's.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
fault_result<Frame> address_space<Format, Page, Frame, Memory, Policy>::store_to_held(const entry_type& area,
                                                                                      const leaf_type& held,
                                                                                      const touch& wanted) {
    if (sole_holder(area, held.frames())) return reuse(area, held, wanted.page);
    if (held.size == base_order) return copy(area, held, wanted);
    if (takes_superpages(area)) {
        const fault_result<Frame> copied = copy(area, held, wanted);
        if (copied.outcome == status::ok) return copied;
    }
    leaf_type part = held;
    part.page = wanted.page;
    part.frame = held.frame + (wanted.page - held.page);
    part.size = base_order;
    return sole_holder(area, part.frames()) ? reuse(area, part, wanted.page) : copy(area, part, wanted);
}

/// Lets a leaf, or a page of a larger one, be stored to where it is, or changes nothing.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
fault_result<Frame> address_space<Format, Page, Frame, Memory, Policy>::reuse(const entry_type& area, leaf_type held,
                                                                              Page page) {
    held.attributes.allowed = all_permissions;
    if (!replace(area, held)) return failed(status::out_of_memory);
    ++counters_.reuses;
    return done(fault_kind::reuse, held, page);
}

/// Gives a leaf, or a page of a larger one, frames of its own, or changes nothing.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
fault_result<Frame> address_space<Format, Page, Frame, Memory, Policy>::copy(const entry_type& area,
                                                                             const leaf_type& original,
                                                                             const touch& wanted) {
    const auto asked = request(area, original.page, original.size, wanted.alone);
    const std::optional<Frame> frame = policy_->allocate(asked, object_);
    if (!frame) return failed(status::out_of_memory);
    const leaf_type made{original.page, *frame, original.size, {all_permissions}};
    if (!replace(area, made)) {
        policy_->free(options_.number, made.page, made.frame, made.size);
        return failed(status::out_of_memory);
    }
    give_back(original);
    ++counters_.copies;
    return done(fault_kind::copy, made, wanted.page);
}

/// Puts `made` where its pages, alone or in a larger leaf, are resident, and maps it; or changes nothing.
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
bool address_space<Format, Page, Frame, Memory, Policy>::replace(const entry_type& area, const leaf_type& made) {
    const std::array edges{made.page, made.pages().end()};
    if (!object_.room_to_split(edges)) return false;
    if (table_.find(made.page)) {
        if (separate(edges) != status::ok) return false;
    } else {
        if (table_.map(made.page, made.frame, made.size, in_table(area, made), *policy_) != status::ok) return false;
        const status split = separate(edges);  // needs no table where nothing is mapped
        LONGREACH_CHECK(split == status::ok, "address_space.replace");
    }
    const auto become = [&](leaf_type old) {
        if (old.frame != made.frame) old.attributes = made.attributes;
        old.frame = made.frame;
        old.attributes.allowed = made.attributes.allowed;
        return old;
    };
    object_.rewrite(made.pages(), become);
    table_.rewrite(made.pages(), [&](const leaf_type& old) {
        leaf_type shown = become(old);
        shown.attributes = in_table(area, shown);
        return shown;
    });
    marks().recount(made.page);
    marks().recount(made.pages().end());
    return true;
}

LONGREACH_NAMESPACE_END

#endif
