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
#include "frame_references.hpp"
#include "map_entries.hpp"
#include "memory_object.hpp"
#include "page_cache.hpp"

// An address space: areas, the frames their pages have, and a page table that is only a cache.
//
// Anonymous memory takes 2 MiB where the area holds a whole aligned region with no page resident, advice allows it
// and the policy has a block, else 4 KiB. Which frame it is, only the policy decides. With frame_references a space
// can be forked: both then hold the same frames, and the first store to a private page copies it. With a page cache,
// mappings of a file share its frames; without one, file pages belong to the mapping and share nothing.
// The caller locks (locked_space.hpp). Shape: BSD's vm_map over vm_object (McKusick et al., FreeBSD, chapter 6).

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

/// What address_space::collapse() did; the counts are 0 where it failed.
struct [[nodiscard]] collapse_result {
    status outcome = status::not_mapped;
    page_count copied{};  ///< pages that were resident
    page_count zeroed{};  ///< pages that became resident
};

/// Invariants, beside those of the entries, the object and the table:
///   I1  every resident leaf lies in one area, and 2 MiB leaves in anonymous ones
///   I2  every leaf of the page table is resident, with the same size, frame and contiguity bit
///   I3  a leaf of the page table allows what its area and its object both allow
///   I4  a frame that nobody shares is held once, by a resident leaf or as a table
///   I5  the contiguity bits equal a recount
///   I6  only private pages lack `write` in the object, and without references those of files only
///   I7  a private leaf that has `write` in the object shares no frame
///   I8  a page of a shared mapping of a cached file has the frame that the cache has
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory, placement_policy Policy>
class address_space {
  public:
    static_assert(has_leaves_of<Format>(superpage_order), "2 MiB must be a leaf of the format");
    using table_type = table<Format, Page, Frame, Memory>;
    using object_type = memory_object<Format, Page, Frame>;
    using entry_type = map_entry<Page>;
    using leaf_type = leaf<Page, Frame>;
    using cache_type = page_cache<Format, Page, Frame, Policy>;

    /// What the spaces of one memory have in common; all outlive them. `references` are needed to fork and for `files`.
    struct sharing {
        frame_references<Frame>* references = nullptr;
        cache_type* files = nullptr;
    };

    /// An empty space. `entries` and `object_words` (object_type::required_words) are the caller's
    /// memory, `memory` reaches the frames that the policy gives out for tables; all must outlive it.
    address_space(const space_options& options, Memory memory, Policy& policy, std::span<entry_type> entries,
                  std::span<std::uint64_t> object_words, const sharing& shared = {}) noexcept
        : options_(options),
          policy_(&policy),
          shared_(shared),
          entries_(entries),
          object_(object_words),
          table_(memory) {
        LONGREACH_CHECK(
            options.contiguity_threshold.raw >= 1 && options.contiguity_threshold <= superpage_order.pages(),
            "address_space.threshold");
        LONGREACH_CHECK(shared.files == nullptr || &shared.files->references() == shared.references,
                        "address_space.references");
        check_number();
    }
    address_space(const address_space&) = delete;
    address_space& operator=(const address_space&) = delete;

    // ---- areas: out_of_memory also where the entries have no place for what is cut, map() and move() one more ----

    /// Makes the run an area; what was mapped there goes first. Growing a heap is mapping the run
    /// after it. out_of_range beyond what the format numbers.
    status map(run<Page> pages, permissions allowed, const backing& source, const area_flags& flags);

    /// Gives up what is resident in the run and removes it from the areas; holes are no error, nor is what
    /// the format does not number.
    status unmap(run<Page> pages);

    /// Changes the protection of the run, and nothing where all of it has it already; not_mapped where it has a hole.
    status protect(run<Page> pages, permissions allowed) {
        return alter(pages, [allowed](entry_type& part) { part.allowed = user(allowed); });
    }

    /// Changes what is advised of superpages in the run, as protect() does. What is resident keeps its size, but
    /// for a superpage that the edge of an area now cuts.
    status advise(run<Page> pages, superpage_advice advice) {
        return alter(pages, [advice](entry_type& part) { part.flags.superpages = advice; });
    }

    /// Moves the area `from`, a part of one entry, to `to`; resident pages keep their frames, and
    /// superpages stay whole where both places are congruent. Pages that `to` lacks go, those it has
    /// more are new; what was mapped at `to` goes. The two overlap only where both start at one page.
    status move(run<Page> from, run<Page> to);

    /// Gives up what is resident in the run; the areas stay, and the next touch maps anew.
    status discard(run<Page> pages);

    /// Gives up every page of a mapping of the file from `first` of the file on, copies included: what a file that is
    /// cut short asks of each space before page_cache::resize().
    void forget_file(std::uint32_t file, std::uint64_t first);

    // ---- pages ----

    /// Makes an access by user mode possible: afterwards the table maps the page and allows `kind`. `alone` goes to
    /// the policy: false where another fault of the area is being served at the same time.
    fault_result<Frame> fault(Page page, access_kind kind, bool alone = true) {
        const touch wanted{page, kind, alone};
        const entry_type* area = entries_.find(page);
        if (area == nullptr) return extend_down(wanted);
        if (!area->allowed.allows(kind)) return failed(status::forbidden);
        const std::optional<leaf_type> resident = object_.find(page);
        if (!resident) return first_touch(*area, wanted);
        if (kind == access_kind::store && !resident->attributes.allowed.write) {
            return store_to_held(*area, *resident, wanted);
        }
        return refill(*area, *resident, page);
    }

    /// Maps what is resident in the run, as far as tables last: out_of_memory where one was missing. For systems that
    /// copy page tables when they fork.
    status fill_table(run<Page> pages);

    /// Forgets the page table; what it knew of accessed and dirty pages goes to the object first.
    void drop_table();

    // ---- migration, for daemons: frames come from the caller, who took them from the policy's memory, and old ones go
    // ---- back through the policy; TLBs are the caller's. Refusals: not_mapped where no frame is; wrong_size where a
    // ---- leaf has another size, or frames are not aligned to it; occupied where a fork or a page cache shares frames

    /// Copies what is resident of the 2 MiB at `first` to the taken, aligned frames at `block`, fills the rest with
    /// zeros, and makes all of it one superpage: anonymous base pages, one at least. Accessed and dirty are those of
    /// any of them; the table has the superpage if it had any of them. not_mapped also where the 2 MiB do not lie in
    /// one area; forbidden in areas of files and where superpages are unwanted. On failure nothing changes, and the
    /// block stays the caller's. O(512 lookups).
    collapse_result collapse(Page first, Frame block);

    /// Makes the superpage that holds `page` 512 base pages with the same frames, shared or not; discard() can then
    /// give up some. out_of_memory where a table is missing. O(512).
    status split(Page page);

    /// Moves the leaf that holds `page`, of either size, to the taken frames from `to` on, none of which is its own.
    /// On failure nothing changes, and these stay the caller's. O(contiguity threshold) lookups, for a superpage that
    /// others may share O(512).
    status relocate(Page page, Frame to);

    /// Swaps the frames of the leaves, of one size, that hold the two pages; no frame is needed. Costs twice
    /// relocate().
    status exchange(Page a, Page b) { return swap_frames(a, *this, b); }
    /// The same for leaves of two spaces that have the same policy and references.
    friend status exchange(address_space& one, Page a, address_space& other, Page b) {
        return one.swap_frames(a, other, b);
    }

    // ---- the life of a space; TLBs are the caller's ----

    /// Makes this empty space a child of `parent`, which has the same policy, references, page cache and threshold,
    /// and another number: the same areas, and the same frames, to which neither can store in private areas before a
    /// fault. The child's page table is empty. out_of_memory where entries, object or counts have no room. O(pages of
    /// the parent).
    status fork_of(address_space& parent);

    /// exec(): all areas and pages go, tables included, and the space has a number that the policy does not know yet,
    /// or keeps its own.
    void exec(std::uint32_t number) {
        exit();
        options_.number = number;
        check_number();
    }
    /// exit(): all areas and pages go, tables included; counters stay.
    void exit();

    // ---- questions ----
    [[nodiscard]] const table_type& tables() const noexcept { return table_; }
    /// For walks; only the space may map and unmap.
    [[nodiscard]] table_type& tables() noexcept { return table_; }
    [[nodiscard]] const object_type& object() const noexcept { return object_; }
    [[nodiscard]] std::span<const entry_type> entries() const noexcept { return entries_.all(); }
    [[nodiscard]] const entry_type* find(Page page) const noexcept { return entries_.find(page); }
    [[nodiscard]] bool has_area_in(run<Page> pages) const noexcept { return entries_.touches(pages); }
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

    /// Hands every run of frames that resident leaves hold to `visit(run<Frame>)`, for frame_references::audit_holders.
    template <class Visit>
    void for_each_hold(Visit&& visit) const {
        object_.for_each(table_type::all_pages(), [&](const leaf_type& held) { visit(held.frames()); });
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

    [[nodiscard]] violation audit() const { return audit_space(entries_, object_, table_, options_, shared_); }

  private:
    friend struct corrupt;

    /// What a fault was asked.
    struct touch {
        Page page{};
        access_kind kind{};
        bool alone = true;
    };

    void check_number() const noexcept {
        LONGREACH_CHECK(shared_.files == nullptr || !shared_.files->has_space(options_.number), "address_space.number");
    }
    static permissions user(permissions wanted) noexcept {
        return user_permissions(wanted.read, wanted.write, wanted.execute);
    }
    static bool in_range(run<Page> pages) noexcept { return table_type::all_pages().contains(pages); }

    contiguity<object_type, table_type> marks() noexcept { return {object_, table_, options_.contiguity_threshold}; }

    // areas: space_areas_impl.hpp
    template <std::size_t Count>
    status separate(const std::array<Page, Count>& edges);
    template <class Change>
    status alter(run<Page> pages, Change&& change);
    void refresh(run<Page> pages);
    void evict(run<Page> pages);
    void give_back(const leaf_type& gone);
    void release(run<Page> pages);
    status resize(const entry_type& area, run<Page> from, run<Page> to);
    void transfer(run<Page> from, Page to);
    void place_moved(leaf_type moved, Page to, const std::optional<leaf_type>& cached);
    void fold(const leaf_type& cached);

    // faults: space_faults_impl.hpp
    static fault_result<Frame> failed(status why) noexcept { return {why, fault_kind::none, {}, {}}; }
    static fault_result<Frame> done(fault_kind kind, const leaf_type& resident, Page page) noexcept {
        return {status::ok, kind, resident.size, resident.frame + (page - resident.page)};
    }
    static leaf_attributes in_table(const entry_type& area, const leaf_type& resident) noexcept {
        leaf_attributes attributes = resident.attributes;
        attributes.allowed = intersection(area.allowed, attributes.allowed);
        return attributes;
    }
    placement_request<Page> request(const entry_type& area, Page page, order size, bool alone) const noexcept {
        return {options_.number, page, size, area.pages, area.flags.grows_up, area.flags.grows_down, alone};
    }
    bool takes_superpages(const entry_type& area) const noexcept;
    bool sole_holder(const entry_type& area, run<Frame> frames) const noexcept;
    fault_result<Frame> refill(const entry_type& area, const leaf_type& resident, Page page);
    fault_result<Frame> extend_down(const touch& wanted);
    fault_result<Frame> first_touch(const entry_type& area, const touch& wanted);
    fault_result<Frame> touch_file(const entry_type& area, const touch& wanted);
    std::optional<leaf_type> place(const entry_type& area, Page first, order size, const touch& wanted);
    bool install(const entry_type& area, leaf_type& made);
    fault_result<Frame> store_to_held(const entry_type& area, const leaf_type& held, const touch& wanted);
    fault_result<Frame> reuse(const entry_type& area, leaf_type held, Page page);
    fault_result<Frame> copy(const entry_type& area, const leaf_type& original, const touch& wanted);
    bool replace(const entry_type& area, const leaf_type& made);

    // migration: space_migration_impl.hpp
    bool shares(run<Frame> frames) const noexcept {
        return shared_.references != nullptr && shared_.references->shared(frames);
    }
    status may_collapse(run<Page> region, Frame block) const;
    leaf_type gather(run<Page> region, Frame block) const;
    void repoint(const leaf_type& held, Frame to);
    status swap_frames(Page a, address_space& other, Page b);

    space_options options_;
    Policy* policy_;
    sharing shared_;
    map_entries<Page> entries_;
    object_type object_;
    table_type table_;
    fault_counters counters_{};
};

LONGREACH_NAMESPACE_END

#include "space_areas_impl.hpp"
#include "space_faults_impl.hpp"
#include "space_life_impl.hpp"
#include "space_migration_impl.hpp"

#endif
