// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_TREE_HPP
#define LONGREACH_PAGETABLE_TREE_HPP

#include <array>
#include <cstdint>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "cursor.hpp"
#include "format.hpp"
#include "frame_memory.hpp"
#include "leaf.hpp"

// The tree of tables under a page table, and the few ways in which it changes shape.
//
// attach, fill, detach and split keep the counts, the occupancy of every table, and the rule that
// an empty table is given back at once. What a change means is table.hpp's business, which is the
// only user. The caller locks.

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory>
class tree {
  public:
    using walker = cursor<Format, Page, Frame, Memory>;
    using leaf_type = leaf<Page, Frame>;

    explicit tree(Memory memory) noexcept : memory_(memory) {}
    tree(const tree&) = delete;
    tree& operator=(const tree&) = delete;

    /// A cursor that stands above the root.
    [[nodiscard]] walker start() const noexcept { return {memory_, root_entry_}; }
    /// A cursor that stays where its user left it, so that a step to a neighbouring page is short; a change that takes
    /// a table away sends it back above the root.
    [[nodiscard]] walker& recent() noexcept { return recent_; }
    [[nodiscard]] const walker& recent() const noexcept { return recent_; }
    [[nodiscard]] const Memory& memory() const noexcept { return memory_; }
    [[nodiscard]] std::uint64_t root_entry() const noexcept { return root_entry_; }
    [[nodiscard]] page_count tables() const noexcept { return tables_; }
    [[nodiscard]] std::uint64_t leaves(unsigned level) const noexcept { return leaves_[level - 1]; }

    /// Replaces the entry at `place` by one of the same kind.
    void write(const walker& place, std::uint64_t entry) noexcept {
        memory_.write(place.table(), place.index(), entry);
    }

    /// Marks an entry as used by a walk.
    void touch(const reference<Frame>& step, bool store) noexcept {
        const std::uint64_t entry = memory_.read(step.table, step.index);
        const std::uint64_t touched = Format::touched(entry, step.level, store);
        if (touched != entry) memory_.write(step.table, step.index, touched);
    }

    /// Puts a leaf of `level` below the absent entry at `place`, with the tables between them.
    template <class Source>
    status attach(const walker& place, unsigned level, std::uint64_t entry, Source& source) {
        if (place.level() != level) return attach_chain(place, level, entry, source);
        hang(place, entry);
        ++leaves_[level - 1];
        return status::ok;
    }

    /// Fills absent entries of the table at `place` with leaves, up to `end`; answers the first page not filled.
    Page fill(const walker& place, Page end, map_offset<Page, Frame> offset, const leaf_attributes& attributes) {
        const unsigned level = place.level();
        const page_count step = level_order<Format>(level).pages();
        Page next = place.page();
        unsigned added = 0;
        for (unsigned index = place.index(); index < entries && next < end; ++index, ++added, next += step) {
            memory_.write(place.table(), index, Format::leaf(level, offset.apply(next).raw, attributes));
        }
        leaves_[level - 1] += added;
        change_parent(place, level, [&](std::uint64_t parent) {
            return Format::with_occupancy(parent, Format::occupancy(parent) + added);
        });
        return next;
    }

    /// Removes neighbouring leaves from `place` on, as far as its table and `end` go, and hands each
    /// to `visit`; tables that are empty then go back. Answers the first page not looked at.
    template <class Source, class Visit>
    Page detach(walker& place, Page end, Source& source, Visit& visit) {
        const Frame within = place.table();
        const unsigned level = place.level();
        const order size = level_order<Format>(level);
        Page next = place.span().first;
        unsigned removed = 0;
        for (unsigned index = place.index(); index < entries && next < end; ++index, ++removed, next += size.pages()) {
            const std::uint64_t entry = memory_.read(within, index);
            if (!Format::is_present(entry) || !Format::is_leaf(entry, level)) break;
            memory_.write(within, index, 0);
            const leaf_type gone{next, Frame{Format::frame_number(entry)}, size, Format::attributes(entry)};
            visit(gone);
        }
        leaves_[level - 1] -= removed;
        forget(place, removed, source);
        return next;
    }

    /// Splits leaves until `edge` is the start of one, into the tables from fresh[used] on;
    /// answers how many of `fresh` are used up.
    template <class Frames>
    unsigned split_at(Page edge, const Frames& fresh, unsigned used) {
        if (edge.raw >= spanned_pages<Format>().raw) return used;
        walker place = start();
        for (place.seek(edge); place.at_leaf() && place.span().first != edge; place.seek(edge)) {
            const leaf_type whole = place.here();
            const unsigned below = place.level() - 1;
            const page_count step = level_order<Format>(below).pages();
            for (unsigned i = 0; i < entries; ++i) {
                const std::uint64_t frame_number = whole.frame.raw + i * step.raw;
                memory_.write(fresh[used], i, Format::leaf(below, frame_number, whole.attributes));
            }
            write(place, Format::table(fresh[used].raw, entries));
            ++used;
            --leaves_[below];
            leaves_[below - 1] += entries;
            tables_ += page_count{1};
        }
        return used;
    }

  private:
    friend struct corrupt;
    static constexpr unsigned entries = 1U << Format::index_bits;
    static_assert(entries <= words_per_frame);

    /// attach() where tables are missing between `place` and the leaf.
    template <class Source>
    status attach_chain(const walker& place, unsigned level, std::uint64_t entry, Source& source) {
        std::array<Frame, Format::levels> fresh;
        const unsigned missing = place.level() - level;
        if (!take_tables(fresh, missing, source)) return status::out_of_memory;
        for (unsigned i = 0; i < missing; ++i) {
            memory_.clear(fresh[i]);
            memory_.write(fresh[i], entry_index<Format>(place.page(), level + i), entry);
            entry = Format::table(fresh[i].raw, 1);
        }
        tables_ += page_count{missing};
        ++leaves_[level - 1];
        if (place.level() > Format::levels) {
            root_entry_ = entry;
            recent_ = start();
        } else {
            hang(place, entry);
        }
        return status::ok;
    }

    /// Puts a present entry where an absent one is.
    void hang(const walker& place, std::uint64_t entry) noexcept {
        write(place, entry);
        change_parent(place, place.level(), [](std::uint64_t parent) {
            return Format::with_occupancy(parent, Format::occupancy(parent) + 1);
        });
    }

    /// `removed` entries of the table at `place` became absent: tables that are empty now go.
    template <class Source>
    void forget(walker& place, unsigned removed, Source& source) {
        unsigned level = place.level();
        while (level <= Format::levels) {
            unsigned left = 0;
            change_parent(place, level, [&](std::uint64_t parent) {
                left = Format::occupancy(parent) - removed;
                return left == 0 ? 0 : Format::with_occupancy(parent, left);
            });
            if (left != 0) break;
            source.free_table(place.table(level));
            tables_ -= page_count{1};
            removed = 1;
            ++level;
        }
        if (level == place.level()) return;
        place.rise(level);
        recent_ = start();
    }

    /// Replaces the entry that references the table of `level` on the way to `place`.
    template <class Change>
    void change_parent(const walker& place, unsigned level, Change&& change) {
        if (level == Format::levels) {
            root_entry_ = change(root_entry_);
            return;
        }
        const Frame above = place.table(level + 1);
        const unsigned index = entry_index<Format>(place.page(), level + 1);
        memory_.write(above, index, change(memory_.read(above, index)));
    }

    Memory memory_;
    std::uint64_t root_entry_ = 0;  // references the root, with its occupancy, as an entry would; zero: no root
    page_count tables_{};
    std::array<std::uint64_t, Format::levels> leaves_{};  // by level - 1
    walker recent_ = start();
};

LONGREACH_NAMESPACE_END

#endif
