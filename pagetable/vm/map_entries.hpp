// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_MAP_ENTRIES_HPP
#define LONGREACH_PAGETABLE_VM_MAP_ENTRIES_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "entry.hpp"

// The areas of one address space: a sorted array in the caller's memory.
//
// Neighbours that are one area by mergeable() are one entry after every call. A change moves the
// entries above it, O(entries); a lookup is a binary search. Knows neither frames nor tables. The
// caller locks.

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

/// Invariants:
///   I1  entries are not empty, sorted and disjoint
///   I2  no two neighbours are mergeable
///   I3  an anonymous entry has no file, and `user` is set exactly where something is allowed
template <class Page>
class map_entries {
  public:
    explicit map_entries(std::span<map_entry<Page>> storage) noexcept : storage_(storage) {}

    [[nodiscard]] std::span<const map_entry<Page>> all() const noexcept { return storage_.first(count_); }
    /// Whether `more` entries fit.
    [[nodiscard]] bool room_for(std::size_t more) const noexcept { return more <= storage_.size() - count_; }

    /// The entry that holds a page, or null; valid until the next change.
    [[nodiscard]] const map_entry<Page>* find(Page page) const noexcept {
        const std::size_t at = first_ending_after(page);
        return at < count_ && storage_[at].pages.first <= page ? &storage_[at] : nullptr;
    }

    /// Whether an entry holds any page of the run.
    [[nodiscard]] bool touches(run<Page> pages) const noexcept {
        const std::size_t at = first_ending_after(pages.first);
        return !pages.empty() && at < count_ && storage_[at].pages.overlaps(pages);
    }

    /// Whether entries hold every page of the run.
    [[nodiscard]] bool covers(run<Page> pages) const noexcept {
        Page next = pages.first;
        for (std::size_t at = first_ending_after(next); at < count_ && next < pages.end(); ++at) {
            if (storage_[at].pages.first > next) return false;
            next = storage_[at].pages.end();
        }
        return next >= pages.end();
    }

    /// Whether `change(map_entry&)` would make a difference to a part of an entry in the run.
    template <class Change>
    [[nodiscard]] bool changes(run<Page> pages, Change&& change) const {
        bool any = false;
        for_each(pages, [&](const map_entry<Page>& part) {
            map_entry<Page> changed = part;
            change(changed);
            any = any || changed != part;
        });
        return any;
    }

    /// The area that `page` joins if the entry above it grows down to it, merged with what then lies next to it.
    /// Nothing where the page lies in an entry, or the next one above does not grow down.
    [[nodiscard]] std::optional<map_entry<Page>> grown_down_to(Page page) const noexcept {
        const std::size_t at = first_ending_after(page);
        if (at == count_ || storage_[at].pages.first <= page) return std::nullopt;
        map_entry<Page> grown = storage_[at];
        if (!grown.flags.grows_down || grown.source.is_file()) return std::nullopt;
        grown.pages = run_between(page, grown.pages.end());
        if (at > 0 && mergeable(storage_[at - 1], grown)) {
            grown.pages = run_between(storage_[at - 1].pages.first, grown.pages.end());
        }
        return grown;
    }

    /// Entries more after every area that reaches across an end of the run is cut there.
    [[nodiscard]] std::size_t cuts(run<Page> pages) const noexcept {
        return cuts_at(pages.first) + cuts_at(pages.end());
    }

    /// Hands the part of each entry that lies in the run, in order, to `visit(const map_entry&)`.
    template <class Visit>
    void for_each(run<Page> pages, Visit&& visit) const {
        for (std::size_t at = first_ending_after(pages.first); at < count_; ++at) {
            const run<Page> shared = intersection(storage_[at].pages, pages);
            if (shared.empty()) return;
            const map_entry<Page> part = storage_[at].from(shared.first).until(shared.end());
            visit(part);
        }
    }

    /// Adds an area where none is. Needs room for one entry, merged or not.
    void insert(const map_entry<Page>& area) noexcept {
        LONGREACH_CHECK(!area.pages.empty() && !touches(area.pages), "map_entries.overlap");
        const std::size_t at = first_ending_after(area.pages.first);
        open(at, area);
        merge(at, at + 1);
    }

    /// Takes the run out of every area. Needs room for cuts(pages).
    void remove(run<Page> pages) noexcept {
        if (pages.empty()) return;
        cut(pages.first);
        cut(pages.end());
        const std::size_t first = first_ending_after(pages.first);
        std::size_t end = first;
        while (end < count_ && storage_[end].pages.first < pages.end()) ++end;
        close(first, end);
    }

    /// Lets `change(map_entry&)` alter protection or flags of all that lies in the run. Needs room for cuts(pages).
    template <class Change>
    void change(run<Page> pages, Change&& change) noexcept {
        cut(pages.first);
        cut(pages.end());
        const std::size_t first = first_ending_after(pages.first);
        std::size_t end = first;
        for (; end < count_ && storage_[end].pages.first < pages.end(); ++end) change(storage_[end]);
        merge(first, end);
    }

    /// Makes true what grown_down_to() answered for this page.
    void grow_down(Page page) noexcept {
        const std::size_t at = first_ending_after(page);
        storage_[at].pages = run_between(page, storage_[at].pages.end());
        merge(at, at + 1);
    }

    /// Takes over all entries of another space; there must be none, and room for them.
    void copy(const map_entries& other) noexcept {
        LONGREACH_CHECK(count_ == 0 && room_for(other.count_), "map_entries.copy");
        for (; count_ < other.count_; ++count_) storage_[count_] = other.storage_[count_];
    }

    [[nodiscard]] violation audit() const {
        for (std::size_t at = 0; at < count_; ++at) {
            const map_entry<Page>& area = storage_[at];
            if (area.pages.empty() || area.pages.end() < area.pages.first) return {"map_entries.I1", at};
            const permissions plain = user_permissions(area.allowed.read, area.allowed.write, area.allowed.execute);
            if (area.allowed != plain || (!area.source.is_file() && area.source != backing::anonymous())) {
                return {"map_entries.I3", at};
            }
            if (at == 0) continue;
            if (storage_[at - 1].pages.end() > area.pages.first) return {"map_entries.I1", at};
            if (mergeable(storage_[at - 1], area)) return {"map_entries.I2", at};
        }
        return {};
    }

  private:
    friend struct corrupt;

    /// Index of the first entry that ends above `page`.
    [[nodiscard]] std::size_t first_ending_after(Page page) const noexcept {
        std::size_t low = 0;
        std::size_t high = count_;
        while (low < high) {
            const std::size_t middle = low + (high - low) / 2;
            if (storage_[middle].pages.end() > page) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    [[nodiscard]] std::size_t cuts_at(Page page) const noexcept {
        const map_entry<Page>* area = find(page);
        return area != nullptr && area->pages.first != page ? 1 : 0;
    }

    /// Puts `area` at index `at` and moves the rest up.
    void open(std::size_t at, const map_entry<Page>& area) noexcept {
        LONGREACH_CHECK(room_for(1), "map_entries.full");
        for (std::size_t i = count_; i > at; --i) storage_[i] = storage_[i - 1];
        storage_[at] = area;
        ++count_;
    }

    /// Takes out the entries from `first` up to `end` and moves the rest down.
    void close(std::size_t first, std::size_t end) noexcept {
        if (first == end) return;
        for (std::size_t i = end; i < count_; ++i) storage_[first + i - end] = storage_[i];
        count_ -= end - first;
    }

    /// Makes `page` the start of an entry if it lies inside one.
    void cut(Page page) noexcept {
        const std::size_t at = first_ending_after(page);
        if (at == count_ || storage_[at].pages.first >= page) return;
        const map_entry<Page> whole = storage_[at];
        storage_[at] = whole.until(page);
        open(at + 1, whole.from(page));
    }

    /// Merges what is mergeable among the entries from `first` up to `end` and their two neighbours.
    void merge(std::size_t first, std::size_t end) noexcept {
        std::size_t last = first == 0 ? 0 : first - 1;  // the entry that the next ones may be merged into
        const std::size_t stop = end < count_ ? end + 1 : count_;
        for (std::size_t i = last + 1; i < stop; ++i) {
            if (mergeable(storage_[last], storage_[i])) {
                storage_[last].pages.count += storage_[i].pages.count;
            } else {
                storage_[++last] = storage_[i];
            }
        }
        if (last + 1 < stop) close(last + 1, stop);
    }

    std::span<map_entry<Page>> storage_;
    std::size_t count_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
