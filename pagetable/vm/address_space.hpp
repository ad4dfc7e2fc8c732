// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_ADDRESS_SPACE_HPP
#define LONGREACH_PAGETABLE_VM_ADDRESS_SPACE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/placement.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../format.hpp"
#include "../frame_memory.hpp"
#include "../leaf.hpp"
#include "../table.hpp"
#include "address_space_audit.hpp"
#include "contiguity.hpp"
#include "entry.hpp"
#include "fault.hpp"
#include "map_entries.hpp"
#include "memory_object.hpp"

// An address space: areas, the frames their pages have, and a page table that is only a cache.
//
// Anonymous memory takes 2 MiB where the area holds a whole aligned region with no page resident
// and the policy has a block, else 4 KiB. File pages are 4 KiB and belong to the mapping: there is
// no page cache, so two mappings of a file share nothing; the first store to a private page that was
// loaded before takes a new frame and frees the old. There is no fork yet. Which frame it is, only the policy decides.
// The caller locks. Shape: BSD's vm_map over vm_object (McKusick et al., FreeBSD, chapter 6).

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

/// Invariants, beside those of the entries, the object and the table:
///   I1  every resident leaf lies in one area, and 2 MiB leaves in anonymous ones
///   I2  every leaf of the page table is resident, with the same size, frame and contiguity bit
///   I3  a leaf of the page table allows what its area and its object both allow
///   I4  a frame is held once, by a resident leaf or as a table
///   I5  the contiguity bits equal a recount
///   I6  only private file pages lack `write` in the object
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
class address_space {
  public:
    static_assert(has_leaves_of<Format>(superpage_order), "2 MiB must be a leaf of the format");
    using table_type = table<Format, Page, Frame, Memory>;
    using object_type = memory_object<Format, Page, Frame>;
    using entry_type = map_entry<Page>;
    using leaf_type = leaf<Page, Frame>;

    /// An empty space. `entries` and `object_words` (object_type::required_words) are the caller's
    /// memory, `memory` reaches the frames that the policy gives out for tables; all must outlive it.
    address_space(const space_options& options, Memory memory, Policy& policy, std::span<entry_type> entries,
                  std::span<std::uint64_t> object_words) noexcept
        : options_(options), policy_(&policy), entries_(entries), object_(object_words), table_(memory) {
        LONGREACH_CHECK(
            options.contiguity_threshold.raw >= 1 && options.contiguity_threshold <= superpage_order.pages(),
            "address_space.threshold");
    }
    address_space(const address_space&) = delete;
    address_space& operator=(const address_space&) = delete;

    // ---- areas: out_of_memory also where the entries have no place for what is cut, map() and move() one more ----

    /// Makes the run an area; what was mapped there goes first. Growing a heap is mapping the run
    /// after it. out_of_range beyond what the format numbers.
    status map(run<Page> pages, permissions allowed, const backing& source, const area_flags& flags) {
        if (pages.empty()) return status::ok;
        if (!in_range(pages)) return status::out_of_range;
        if (!entries_.room_for(entries_.cuts(pages) + 1)) return status::out_of_memory;
        if (unmap(pages) != status::ok) return status::out_of_memory;
        entries_.insert({pages, user(allowed), source, flags});
        return status::ok;
    }

    /// Frees what is resident in the run and removes it from the areas; holes are no error, nor is what
    /// the format does not number.
    status unmap(run<Page> pages) {
        pages = table_type::inside(pages);
        if (!entries_.touches(pages)) return status::ok;
        if (!entries_.room_for(entries_.cuts(pages))) return status::out_of_memory;
        if (separate(std::array{pages.first, pages.end()}) != status::ok) return status::out_of_memory;
        evict(pages);
        release(pages);
        return status::ok;
    }

    /// Changes the protection of the run, and nothing where it has it already; not_mapped where it has a hole.
    status protect(run<Page> pages, permissions allowed) {
        if (pages.empty()) return status::ok;
        if (!in_range(pages) || !entries_.covers(pages)) return status::not_mapped;
        if (entries_.allow(pages, user(allowed))) return status::ok;
        if (!entries_.room_for(entries_.cuts(pages))) return status::out_of_memory;
        if (separate(std::array{pages.first, pages.end()}) != status::ok) return status::out_of_memory;
        entries_.protect(pages, user(allowed));
        table_.rewrite(pages, [&](leaf_type cached) {
            cached.attributes.allowed = intersection(user(allowed), object_.find(cached.page)->attributes.allowed);
            return cached;
        });
        return status::ok;
    }

    /// Moves the area `from`, a part of one entry, to `to`; resident pages keep their frames, and
    /// superpages stay whole where both places are congruent. Pages that `to` lacks go, those it has
    /// more are new; what was mapped at `to` goes. The two overlap only where both start at one page.
    status move(run<Page> from, run<Page> to) {
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

    /// Frees what is resident in the run; the areas stay, and the next touch allocates anew.
    status discard(run<Page> pages) {
        pages = table_type::inside(pages);
        if (pages.empty()) return status::ok;
        if (separate(std::array{pages.first, pages.end()}) != status::ok) return status::out_of_memory;
        evict(pages);
        return status::ok;
    }

    // ---- pages ----

    /// Makes an access by user mode possible: afterwards the table maps the page and allows `kind`.
    fault_result<Frame> fault(Page page, access_kind kind) {
        const entry_type* area = entries_.find(page);
        if (area == nullptr) return {};
        if (!area->allowed.allows(kind)) return {status::forbidden, fault_kind::none, {}, {}};
        const std::optional<leaf_type> resident = object_.find(page);
        if (!resident) return first_touch(*area, page, kind);
        if (kind == access_kind::store && !resident->attributes.allowed.write) return copy(*area, *resident);
        return refill(*area, *resident, page);
    }

    /// Forgets the page table; what it knew of accessed and dirty pages goes to the object first.
    void drop_table() {
        table_.for_each(table_type::all_pages(), [&](const leaf_type& cached) { fold(cached); });
        (void)table_.unmap(table_type::all_pages(), *policy_, [](const leaf_type&) {});
    }

    // ---- questions ----

    [[nodiscard]] const table_type& tables() const noexcept { return table_; }
    /// For walks; only the space may map and unmap.
    [[nodiscard]] table_type& tables() noexcept { return table_; }
    [[nodiscard]] const object_type& object() const noexcept { return object_; }
    [[nodiscard]] std::span<const entry_type> entries() const noexcept { return entries_.all(); }
    [[nodiscard]] const entry_type* find(Page page) const noexcept { return entries_.find(page); }
    [[nodiscard]] std::optional<translation<Frame>> translate(Page page) const noexcept {
        return table_.translate(page);
    }
    [[nodiscard]] page_count resident_pages() const noexcept { return object_.resident_pages(); }
    [[nodiscard]] std::uint64_t resident_superpages() const noexcept { return object_.leaf_count(superpage_order); }
    [[nodiscard]] const fault_counters& faults() const noexcept { return counters_; }
    [[nodiscard]] const space_options& options() const noexcept { return options_; }

    /// Hands every resident leaf that touches the run, whole and in order, to `visit(const leaf&)`.
    template <class Visit>
    void for_each_leaf(run<Page> pages, Visit&& visit) const {
        object_.for_each(pages, visit);
    }

    /// Hands every stretch of the run that is contiguous in page and frame to `visit(const mapping&)`.
    template <class Visit>
    void for_each_mapping(run<Page> pages, Visit&& visit) const {
        pages = table_type::inside(pages);
        mapping<Page, Frame> open;
        object_.for_each(pages, [&](const leaf_type& found) {
            const run<Page> part = intersection(found.pages(), pages);
            const Frame first = found.frame + (part.first - found.page);
            if (!open.pages.empty() && open.pages.end() == part.first && open.frames().end() == first) {
                open.pages.count += part.count;
                return;
            }
            if (!open.pages.empty()) visit(open);
            open = {part, first};
        });
        if (!open.pages.empty()) visit(open);
    }

    [[nodiscard]] violation audit() const { return audit_space(entries_, object_, table_, options_); }

  private:
    friend struct corrupt;

    static permissions user(permissions wanted) noexcept {
        return user_permissions(wanted.read, wanted.write, wanted.execute);
    }
    static bool in_range(run<Page> pages) noexcept { return table_type::all_pages().contains(pages); }

    contiguity<object_type, table_type> marks() noexcept { return {object_, table_, options_.contiguity_threshold}; }

    /// Splits superpages until none reaches across an edge, in object and table alike; all or nothing.
    template <std::size_t Count>
    status separate(const std::array<Page, Count>& edges) {
        if (!object_.room_to_split(edges)) return status::out_of_memory;
        if (table_.split_edges(edges, *policy_) != status::ok) return status::out_of_memory;
        const std::uint64_t before = resident_superpages();
        object_.split_edges(edges);
        counters_.demotions += before - resident_superpages();
        return status::ok;
    }

    /// Unmaps and frees what is resident in a run that cuts no leaf.
    void evict(run<Page> pages) {
        const page_count before = resident_pages();
        (void)table_.unmap(pages, *policy_, [](const leaf_type&) {});
        object_.remove(
            pages, [&](const leaf_type& gone) { policy_->free(options_.number, gone.page, gone.frame, gone.size); });
        if (before == resident_pages()) return;
        marks().recount(pages.first);
        marks().recount(pages.end());
    }

    /// Takes a run without resident pages out of the areas.
    void release(run<Page> pages) {
        entries_.for_each(pages, [&](const entry_type& part) { policy_->release(options_.number, part.pages); });
        entries_.remove(pages);
    }

    /// move() to the same start: `area` shrinks from `from` to `to`, or is extended.
    status resize(const entry_type& area, run<Page> from, run<Page> to) {
        if (to.count <= from.count) return unmap(run_between(to.end(), from.end()));
        backing source = area.source;
        if (source.is_file()) source.first_page += from.count.raw;
        return map(run_between(from.end(), to.end()), area.allowed, source, area.flags);
    }

    /// Moves resident leaves to the free pages at `to`. The table follows as far as frames for it last.
    void transfer(run<Page> from, Page to) {
        for (Page next = from.first; (next = object_.first_mapped(run_between(next, from.end()))) != from.end();) {
            if (const std::optional<leaf_type> cached = table_.find(next)) fold(*cached);
            const leaf_type whole = *object_.find(next);
            object_.remove(whole.pages(), [](const leaf_type&) {});
            const std::optional<leaf_type> cached = table_.find(next);
            (void)table_.unmap(whole.pages(), *policy_, [](const leaf_type&) {});
            place_moved(whole, to + (whole.page - from.first), cached);
        }
        for (const Page edge : {from.first, from.end(), to, to + from.count}) marks().recount(edge);
    }

    /// Adds a moved leaf at its new page: whole where that is congruent, else as base pages.
    void place_moved(leaf_type moved, Page to, const std::optional<leaf_type>& cached) {
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
    void fold(const leaf_type& cached) {
        object_.rewrite(cached.pages(), [&](leaf_type resident) {
            resident.attributes.accessed = resident.attributes.accessed || cached.attributes.accessed;
            resident.attributes.dirty = resident.attributes.dirty || cached.attributes.dirty;
            return resident;
        });
    }

    static leaf_attributes in_table(const entry_type& area, const leaf_type& resident) noexcept {
        leaf_attributes attributes = resident.attributes;
        attributes.allowed = intersection(area.allowed, attributes.allowed);
        return attributes;
    }

    static fault_result<Frame> done(fault_kind kind, const leaf_type& resident, Page page) noexcept {
        return {status::ok, kind, resident.size, resident.frame + (page - resident.page)};
    }

    fault_result<Frame> refill(const entry_type& area, const leaf_type& resident, Page page) {
        if (table_.find(page)) return done(fault_kind::none, resident, page);
        const leaf_attributes attributes = in_table(area, resident);
        if (table_.map(resident.page, resident.frame, resident.size, attributes, *policy_) != status::ok) {
            return {status::out_of_memory, fault_kind::none, {}, {}};
        }
        ++counters_.refills;
        return done(fault_kind::refill, resident, page);
    }

    fault_result<Frame> first_touch(const entry_type& area, Page page, access_kind kind) {
        const run<Page> region{align_down(page, superpage_order), superpage_order.pages()};
        if (options_.superpages && !area.source.is_file() && area.pages.contains(region) &&
            object_.first_mapped(region) == region.end()) {
            if (const auto placed = place(area, region.first, superpage_order, kind)) {
                ++counters_.superpages;
                return done(fault_kind::first_touch, *placed, page);
            }
        }
        if (const auto placed = place(area, page, base_order, kind)) {
            return done(fault_kind::first_touch, *placed, page);
        }
        return {status::out_of_memory, fault_kind::none, {}, {}};
    }

    /// Gives absent pages their first frames, or changes nothing.
    std::optional<leaf_type> place(const entry_type& area, Page first, order size, access_kind kind) {
        if (!object_.room_to_add(first, size)) return std::nullopt;
        const std::optional<Frame> frame = policy_->allocate(request(area, first, size), object_);
        if (!frame) return std::nullopt;
        leaf_type made{first, *frame, size, {}};
        made.attributes.allowed = all_permissions;
        made.attributes.allowed.write = !area.source.is_file() || area.flags.shared || kind == access_kind::store;
        made.attributes.contiguous = marks().reaches(made);
        if (table_.map(first, *frame, size, in_table(area, made), *policy_) != status::ok) {
            policy_->free(options_.number, first, *frame, size);
            return std::nullopt;
        }
        object_.add(made);
        if (made.attributes.contiguous) marks().spread(made);
        ++counters_.first_touches;
        return made;
    }

    /// Gives a private file page a frame of its own, or changes nothing.
    fault_result<Frame> copy(const entry_type& area, const leaf_type& original) {
        const fault_result<Frame> failed{status::out_of_memory, fault_kind::none, {}, {}};
        const std::optional<Frame> frame = policy_->allocate(request(area, original.page, base_order), object_);
        if (!frame) return failed;
        leaf_type made{original.page, *frame, base_order, {all_permissions}};
        const bool cached = table_.find(original.page).has_value();
        if (!cached && table_.map(made.page, made.frame, base_order, in_table(area, made), *policy_) != status::ok) {
            policy_->free(options_.number, made.page, made.frame, base_order);
            return failed;
        }
        table_.rewrite(made.pages(), [&](leaf_type) {
            leaf_type replaced = made;
            replaced.attributes = in_table(area, made);
            return replaced;
        });
        object_.rewrite(made.pages(), [&](const leaf_type&) { return made; });
        marks().recount(made.page);
        marks().recount(made.pages().end());
        policy_->free(options_.number, original.page, original.frame, base_order);
        ++counters_.copies;
        return done(fault_kind::copy, made, made.page);
    }

    placement_request<Page> request(const entry_type& area, Page page, order size) const noexcept {
        return {options_.number, page, size, area.pages, area.flags.grows_up, area.flags.grows_down};
    }

    space_options options_;
    Policy* policy_;
    map_entries<Page> entries_;
    object_type object_;
    table_type table_;
    fault_counters counters_{};
};

LONGREACH_NAMESPACE_END

#endif
