// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_TABLE_HPP
#define LONGREACH_PAGETABLE_TABLE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "cursor.hpp"
#include "format.hpp"
#include "frame_memory.hpp"
#include "leaf.hpp"
#include "table_audit.hpp"
#include "tree.hpp"

// A radix page table: which frame is behind which page, and how a walk finds it.
//
// Tables come from the caller's source and go back to it as soon as they are empty, the root
// included, so an empty page table owns nothing. Page and Frame say which table it is: native and
// shadow map vpn to pfn, a guest maps vpn to gfn, its host gfn to pfn. It knows no areas and no
// policy (vm/ does). The caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Invariants, as audit() recounts them:
///   I1  every table lies in memory and is referenced once
///   I2  a table has at least one present entry, and the entry that references it counts them
///   I3  leaves are on levels that may hold them, at frames aligned to their size
///   I4  the counts of tables and of leaves per level are those found by a full visit
///   I5  an absent entry is zero
///   I6  an entry that references a table restricts nothing
///   I7  the tables that are remembered lead to the page that map() saw last
template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory>
class table {
  public:
    using format = Format;
    using page = Page;
    using frame = Frame;
    using leaf_type = leaf<Page, Frame>;
    using trace_type = walk_trace<Frame, Format::levels>;

    /// An empty table. `memory` reaches every frame that later sources will supply.
    explicit table(Memory memory) noexcept : tree_(memory) {}
    table(const table&) = delete;
    table& operator=(const table&) = delete;

    // ---- changes ----

    /// Maps the 2^size pages at `first` to the frames at `at`, both aligned to 2^size, by one leaf.
    /// occupied: that leaf exists; wrong_size: other leaves are in the way; out_of_memory; out_of_range.
    template <table_source<Frame> Source>
    status map(Page first, Frame at, order size, const leaf_attributes& attributes, Source& source) {
        check_leaf(first, at, size);
        if (!spans(first)) return status::out_of_range;
        const unsigned level = leaf_level<Format>(size);
        walker& place = tree_.recent();
        place.seek(first, level);
        if (Format::is_present(place.entry())) {
            return place.level() == level && place.at_leaf() ? status::occupied : status::wrong_size;
        }
        return tree_.attach(place, level, Format::leaf(level, at.raw, expressible(attributes)), source);
    }

    /// Maps a whole mapping by leaves of one size, a table at a time.
    /// occupied where any of its pages is mapped; otherwise as map().
    template <table_source<Frame> Source>
    status map_run(const mapping<Page, Frame>& wanted, order size, const leaf_attributes& attributes, Source& source) {
        const run<Page> pages = wanted.pages;
        check_leaf(pages.first, wanted.frame, size);
        LONGREACH_CHECK(is_aligned(pages.end(), size), "table.misaligned");
        if (!all_pages().contains(pages)) return status::out_of_range;
        if (first_mapped(pages) != pages.end()) return status::occupied;
        const unsigned level = leaf_level<Format>(size);
        const auto offset = wanted.offset();
        walker place = tree_.start();
        for (Page next = pages.first; next < pages.end();) {
            place.seek(next, level);
            if (place.level() == level) {
                next = tree_.fill(place, pages.end(), offset, expressible(attributes));
                continue;
            }
            const std::uint64_t entry = Format::leaf(level, offset.apply(next).raw, expressible(attributes));
            if (tree_.attach(place, level, entry, source) != status::ok) {
                (void)unmap(run_between(pages.first, next), source, [](const leaf_type&) {});
                return status::out_of_memory;
            }
            if (place.level() > Format::levels) place = tree_.start();
            next += size.pages();
        }
        return status::ok;
    }

    /// Removes every leaf of the run and hands it to `visit(const leaf&)`, which must leave this table
    /// alone. A leaf that an edge cuts is split first; out_of_memory where no table is left for that.
    template <table_source<Frame> Source, class Visit>
    status unmap(run<Page> pages, Source& source, Visit&& visit) {
        pages = inside(pages);
        if (pages.empty()) return status::ok;
        if (split_edges(std::array{pages.first, pages.end()}, source) != status::ok) return status::out_of_memory;
        walker place = tree_.start();
        for (Page next = pages.first; next < pages.end();) {
            place.seek(next);
            next = place.at_leaf() ? tree_.detach(place, pages.end(), source, visit) : place.span().end();
        }
        return status::ok;
    }

    /// Gives every leaf of the run these permissions; splits as unmap() does.
    template <table_source<Frame> Source>
    status protect(run<Page> pages, permissions allowed, Source& source) {
        pages = inside(pages);
        if (pages.empty()) return status::ok;
        if (split_edges(std::array{pages.first, pages.end()}, source) != status::ok) return status::out_of_memory;
        rewrite(pages, [&](leaf_type old) {
            old.attributes.allowed = allowed;
            return old;
        });
        return status::ok;
    }

    /// Splits leaves until none reaches across any of the edges; all or nothing.
    template <std::size_t Count, table_source<Frame> Source>
    status split_edges(const std::array<Page, Count>& edges, Source& source) {
        const unsigned wanted = tables_to_split(edges);
        if (wanted == 0) return status::ok;
        std::array<Frame, Count * Format::levels> fresh;
        if (!take_tables(fresh, wanted, source)) return status::out_of_memory;
        unsigned used = 0;
        for (const Page edge : edges) used = tree_.split_at(edge, fresh, used);
        LONGREACH_CHECK(used == wanted, "table.split_count");
        return status::ok;
    }

    /// Gives every leaf that touches the run the frame and attributes of `change(const leaf&)`, a leaf
    /// of the same page and size.
    template <class Change>
    void rewrite(run<Page> pages, Change&& change) {
        visit_leaves(pages, [&](const walker& place) {
            const leaf_type made = change(place.here());
            check_leaf(made.page, made.frame, made.size);
            const std::uint64_t entry = Format::leaf(place.level(), made.frame.raw, expressible(made.attributes));
            if (entry != place.entry()) tree_.write(place, entry);
        });
    }

    // ---- questions ----

    /// The leaf that maps a page; changes nothing.
    [[nodiscard]] std::optional<leaf_type> find(Page wanted) const noexcept {
        const decision found = descend(wanted, [](const reference<Frame>&, std::uint64_t) {});
        if (!found.mapped()) return std::nullopt;
        return leaf_type{align_down(wanted, found.size()), found.first(), found.size(), found.attributes()};
    }

    /// Where a page is mapped; changes nothing.
    [[nodiscard]] std::optional<translation<Frame>> translate(Page wanted) const noexcept {
        const decision found = descend(wanted, [](const reference<Frame>&, std::uint64_t) {});
        if (!found.mapped()) return std::nullopt;
        return translation<Frame>{found.frame_of(wanted), found.size(), found.attributes()};
    }

    /// What a walk would read; changes nothing. An empty table has no root and costs no reference.
    [[nodiscard]] trace_type trace(Page wanted) const noexcept {
        trace_type result;
        const decision found = descend(
            wanted, [&](const reference<Frame>& step, std::uint64_t) { result.references[result.count++] = step; });
        if (found.mapped()) result.found = translation<Frame>{found.frame_of(wanted), found.size(), found.attributes()};
        return result;
    }

    /// The walk of an access by user mode. Where the leaf allows it, every entry on the way becomes
    /// accessed, and the leaf dirty on a store; otherwise nothing changes.
    walk_result<Frame, Format::levels> walk(Page wanted, access_kind kind) noexcept {
        walk_result<Frame, Format::levels> result;
        trace_type& trace = result.trace;
        const bool store = kind == access_kind::store;
        bool marked = true;  // every entry on the way says already what this walk would mark
        decision found = descend(wanted, [&](const reference<Frame>& step, std::uint64_t entry) {
            trace.references[trace.count++] = step;
            marked = marked && Format::touched(entry, step.level, store) == entry;
        });
        if (!found.mapped()) return result;
        const bool allowed = found.attributes().allowed.allows(kind);
        result.outcome = allowed ? status::ok : status::forbidden;
        if (allowed && !marked) {
            for (unsigned i = 0; i < trace.count; ++i) tree_.touch(trace.references[i], store);
            found.entry = Format::touched(found.entry, found.level, store);
        }
        trace.found = translation<Frame>{found.frame_of(wanted), found.size(), found.attributes()};
        return result;
    }

    /// The first mapped page of the run, or its end; skips what upper levels show to be absent.
    [[nodiscard]] Page first_mapped(run<Page> pages) const noexcept {
        const run<Page> possible = inside(pages);
        walker place = tree_.start();
        for (Page next = possible.first; next < possible.end(); next = place.span().end()) {
            place.seek(next);
            if (place.at_leaf()) return next;
        }
        return pages.end();
    }

    /// Hands every leaf that touches the run, whole and in order, to `visit(const leaf&)`.
    template <class Visit>
    void for_each(run<Page> pages, Visit&& visit) const {
        visit_leaves(pages, [&](const walker& place) {
            const leaf_type found = place.here();
            visit(found);
        });
    }

    /// Hands every table, upper ones first, to `visit(Frame, level, first page, entry that references it)`,
    /// which answers whether to go below it.
    template <class Visit>
    void for_each_table(Visit&& visit) const {
        visit_tables<Format, Page, Frame>(tree_.memory(), tree_.root_entry(), visit);
    }

    /// Tables that map() would need for a leaf of that size at `first`, where none is in the way.
    [[nodiscard]] unsigned missing_tables(Page first, order size) const noexcept {
        const unsigned level = leaf_level<Format>(size);
        walker place = tree_.start();
        place.seek(first, level);
        return place.level() - level;
    }

    /// Tables that split_edges() would need.
    template <std::size_t Count>
    [[nodiscard]] unsigned tables_to_split(const std::array<Page, Count>& edges) const noexcept {
        unsigned count = 0;
        for (std::size_t i = 0; i < Count; ++i) {
            const page_count cut = leaf_cut_by(edges[i]);
            for (unsigned level = 2; level_order<Format>(level).pages() <= cut; ++level) {
                bool needed = !is_aligned(edges[i], level_order<Format>(level));
                for (std::size_t j = 0; j < i && needed; ++j) needed = !split_together(edges[j], edges[i], level);
                count += needed ? 1 : 0;
            }
        }
        return count;
    }

    /// The root's frame; none while nothing is mapped.
    [[nodiscard]] std::optional<Frame> root() const noexcept {
        if (!Format::is_present(tree_.root_entry())) return std::nullopt;
        return Frame{Format::frame_number(tree_.root_entry())};
    }
    [[nodiscard]] page_count table_count() const noexcept { return tree_.tables(); }
    /// Leaves of that order.
    [[nodiscard]] std::uint64_t leaf_count(order size) const noexcept { return tree_.leaves(leaf_level<Format>(size)); }
    /// Base pages mapped, by leaves of any size.
    [[nodiscard]] page_count mapped_pages() const noexcept {
        std::uint64_t sum = 0;
        for (unsigned level = 1; level <= Format::levels; ++level) {
            sum += tree_.leaves(level) << level_order<Format>(level).raw;
        }
        return {sum};
    }
    /// The pages that the format can number.
    [[nodiscard]] static constexpr run<Page> all_pages() noexcept { return {Page{}, spanned_pages<Format>()}; }
    /// What the format can number of a run, which may end beyond the last index.
    [[nodiscard]] static constexpr run<Page> inside(run<Page> pages) noexcept {
        constexpr page_count all = spanned_pages<Format>();
        if (pages.first.raw >= all.raw) return {pages.first, page_count{0}};
        const page_count above{all.raw - pages.first.raw};
        return {pages.first, pages.count < above ? pages.count : above};
    }
    [[nodiscard]] const Memory& memory() const noexcept { return tree_.memory(); }
    [[nodiscard]] violation audit() const {
        if (const violation broken = audit_table(*this)) return broken;
        const walker& recent = tree_.recent();
        return recent.is_current(tree_.root_entry()) ? violation{} : violation{"table.I7", recent.page().raw};
    }

  private:
    friend struct corrupt;
    using walker = cursor<Format, Page, Frame, Memory>;

    static void check_leaf([[maybe_unused]] Page first, [[maybe_unused]] Frame at, [[maybe_unused]] order size) {
        LONGREACH_CHECK(has_leaves_of<Format>(size), "table.no_such_leaf");
        LONGREACH_CHECK(is_aligned(first, size) && is_aligned(at, size), "table.misaligned");
        LONGREACH_CHECK(at.raw >> Format::frame_bits == 0, "table.frame_too_large");
    }

    static leaf_attributes expressible(leaf_attributes attributes) noexcept {
        attributes.allowed = Format::expressible(attributes.allowed);
        return attributes;
    }

    static bool spans(Page wanted) noexcept { return wanted.raw < spanned_pages<Format>().raw; }

    /// The entry that decides about a page, and its level; no level where there is no root.
    struct decision {
        std::uint64_t entry = 0;
        unsigned level = 0;

        [[nodiscard]] bool mapped() const noexcept { return Format::is_present(entry); }
        [[nodiscard]] order size() const noexcept { return level_order<Format>(level); }
        [[nodiscard]] Frame first() const noexcept { return Frame{Format::frame_number(entry)}; }
        [[nodiscard]] Frame frame_of(Page wanted) const noexcept {
            return first() + page_count{wanted.raw & (size().pages().raw - 1)};
        }
        [[nodiscard]] leaf_attributes attributes() const noexcept { return Format::attributes(entry); }
    };

    /// Reads from the root down to the entry that decides, and shows each to `visit(reference, entry)`.
    template <class Visit>
    decision descend(Page wanted, Visit&& visit) const noexcept {
        std::uint64_t entry = tree_.root_entry();
        if (!Format::is_present(entry) || !spans(wanted)) return {};
        for (unsigned level = Format::levels;; --level) {
            const Frame at{Format::frame_number(entry)};
            const unsigned index = entry_index<Format>(wanted, level);
            entry = tree_.memory().read(at, index);
            visit(reference<Frame>{at, index, level}, entry);
            if (!Format::is_present(entry) || Format::is_leaf(entry, level)) return {entry, level};
        }
    }

    /// Pages of the leaf that reaches across `edge`, or 0.
    page_count leaf_cut_by(Page edge) const noexcept {
        const std::optional<leaf_type> found = find(edge);
        return found && found->page != edge ? found->size.pages() : page_count{0};
    }

    /// Whether splitting at one edge already makes the table of `level` - 1 that the other one needs.
    static bool split_together(Page one, Page other, unsigned level) noexcept {
        const order size = level_order<Format>(level);
        return !is_aligned(one, size) && align_down(one, size) == align_down(other, size);
    }

    template <class Visit>
    void visit_leaves(run<Page> pages, Visit&& visit) const {
        pages = inside(pages);
        walker place = tree_.start();
        for (Page next = pages.first; next < pages.end();) {
            place.seek(next);
            const bool found = place.at_leaf();
            if (found) visit(place);
            next = found ? place.span().end() : place.absent_end(pages.end());
        }
    }

    tree<Format, Page, Frame, Memory> tree_;
};

LONGREACH_NAMESPACE_END

#endif
