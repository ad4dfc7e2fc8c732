// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_ADDRESS_SPACE_AUDIT_HPP
#define LONGREACH_PAGETABLE_VM_ADDRESS_SPACE_AUDIT_HPP

#include <cstdint>

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

/// Invariants I1, I6, I7 and I8: resident leaves against the areas, and against those who share their frames.
template <class Entries, class Object, class Table, class Sharing>
[[nodiscard]] violation audit_residents(const Entries& entries, const Object& object, const Table&,
                                        const Sharing& shared) {
    violation broken;
    object.for_each(Table::all_pages(), [&](const auto& resident) {
        if (broken) return;
        const auto* area = entries.find(resident.page);
        if (area == nullptr || !area->pages.contains(resident.pages()) ||
            (area->source.is_file() && resident.size != base_order)) {
            broken = {"address_space.I1", resident.page.raw};
            return;
        }
        const bool file = area->source.is_file();
        const bool writable = resident.attributes.allowed.write;
        if (!writable && (area->flags.shared || (!file && shared.references == nullptr))) {
            broken = {"address_space.I6", resident.page.raw};
        } else if (writable && !area->flags.shared && shared.references != nullptr &&
                   shared.references->shared(resident.frames())) {
            broken = {"address_space.I7", resident.page.raw};
        } else if (file && area->flags.shared && shared.files != nullptr &&
                   shared.files->resident(area->source.file, area->file_page(resident.page)) != resident.frame) {
            broken = {"address_space.I8", resident.page.raw};
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

/// A frame for invariant I4: held twice, by leaves whose frames nobody shares or as a table.
template <class Object, class Table, class Sharing>
[[nodiscard]] auto frame_held_twice(const Object& object, const Table& cache, const Sharing& shared) {
    using Frame = typename Table::frame;
    return first_duplicate<Frame>([&](auto&& visit) {
        object.for_each(Table::all_pages(), [&](const auto& resident) {
            if (shared.references == nullptr || !shared.references->shared(resident.frames())) {
                return visit(resident.frames());
            }
            for (page_count i{0}; i < resident.size.pages(); i += page_count{1}) {
                const run<Frame> one{resident.frame + i, page_count{1}};
                if (!shared.references->shared(one)) visit(one);
            }
        });
        cache.for_each_table([&](Frame frame, unsigned, auto, std::uint64_t) {
            visit(run<Frame>{frame, page_count{1}});
            return true;
        });
    });
}

/// The first invariant of the address space, or of one of its parts, that does not hold.
template <class Entries, class Object, class Table, class Options, class Sharing>
[[nodiscard]] violation audit_space(const Entries& entries, const Object& object, const Table& cache,
                                    const Options& options, const Sharing& shared) {
    if (const violation broken = entries.audit()) return broken;
    if (const violation broken = object.audit()) return broken;
    if (const violation broken = cache.audit()) return broken;
    if (const violation broken = audit_residents(entries, object, cache, shared)) return broken;
    if (const violation broken = audit_cache(entries, object, cache)) return broken;
    const auto twice = frame_held_twice(object, cache, shared);
    if (twice) return {"address_space.I4", twice->raw};
    const auto wrong = contiguity<Object, Table>::first_wrong(object, options.contiguity_threshold);
    if (wrong) return {"address_space.I5", wrong->raw};
    return {};
}

LONGREACH_NAMESPACE_END

#endif
