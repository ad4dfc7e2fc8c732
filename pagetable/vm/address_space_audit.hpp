// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_ADDRESS_SPACE_AUDIT_HPP
#define LONGREACH_PAGETABLE_VM_ADDRESS_SPACE_AUDIT_HPP

#include <cstdint>
#include <optional>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../duplicates.hpp"
#include "../format.hpp"
#include "contiguity.hpp"
#include "entry.hpp"

// The recount behind address_space::audit().

LONGREACH_NAMESPACE_BEGIN

/// Invariants I1 and I6: resident leaves against the areas.
template <class Entries, class Object, class Table>
[[nodiscard]] violation audit_residents(const Entries& entries, const Object& object, const Table&) {
    violation broken;
    object.for_each(Table::all_pages(), [&](const auto& resident) {
        if (broken) return;
        const auto* area = entries.find(resident.page);
        if (area == nullptr || !area->pages.contains(resident.pages()) ||
            (area->source.is_file() && resident.size != base_order)) {
            broken = {"address_space.I1", resident.page.raw};
        } else if (!resident.attributes.allowed.write && (!area->source.is_file() || area->flags.shared)) {
            broken = {"address_space.I6", resident.page.raw};
        }
    });
    return broken;
}

/// Invariants I2 and I3: the page table against the object and the areas.
template <class Entries, class Object, class Table>
[[nodiscard]] violation audit_cache(const Entries& entries, const Object& object, const Table& cache) {
    using Format = typename Table::format;
    violation broken;
    cache.for_each(Table::all_pages(), [&](const auto& cached) {
        if (broken) return;
        const auto resident = object.find(cached.page);
        if (!resident || resident->page != cached.page || resident->size != cached.size ||
            resident->frame != cached.frame || resident->attributes.contiguous != cached.attributes.contiguous) {
            broken = {"address_space.I2", cached.page.raw};
            return;
        }
        const auto* area = entries.find(cached.page);
        const permissions both = intersection(area->allowed, resident->attributes.allowed);
        if (cached.attributes.allowed != Format::expressible(both)) broken = {"address_space.I3", cached.page.raw};
    });
    return broken;
}

/// The first invariant of the address space, or of one of its parts, that does not hold.
template <class Entries, class Object, class Table, class Options>
[[nodiscard]] violation audit_space(const Entries& entries, const Object& object, const Table& cache,
                                    const Options& options) {
    using Frame = typename Table::frame;
    if (const violation broken = entries.audit()) return broken;
    if (const violation broken = object.audit()) return broken;
    if (const violation broken = cache.audit()) return broken;
    if (const violation broken = audit_residents(entries, object, cache)) return broken;
    if (const violation broken = audit_cache(entries, object, cache)) return broken;
    const std::optional<Frame> twice = first_duplicate<Frame>([&](auto&& visit) {
        object.for_each(Table::all_pages(), [&](const auto& resident) { visit(resident.frames()); });
        cache.for_each_table([&](Frame frame, unsigned, auto, std::uint64_t) {
            visit(run<Frame>{frame, page_count{1}});
            return true;
        });
    });
    if (twice) return {"address_space.I4", twice->raw};
    const auto wrong = contiguity<Object, Table>::first_wrong(object, options.contiguity_threshold);
    if (wrong) return {"address_space.I5", wrong->raw};
    return {};
}

LONGREACH_NAMESPACE_END

#endif
