// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_MEMORY_OBJECT_HPP
#define LONGREACH_PAGETABLE_VM_MEMORY_OBJECT_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../format.hpp"
#include "../frame_memory.hpp"
#include "../leaf.hpp"
#include "../table.hpp"
#include "../table_pool.hpp"

// The resident pages of an address space: the truth that its page table is a cache of.
//
// A radix tree in the caller's memory, numbered by page of the address space, so that splitting and
// merging areas moves nothing. A resident leaf's permissions are the most that any area may give it:
// without `write` the first store copies it, or finds that nobody else holds it. Its other attributes are
// what the page table showed when the page was last taken out of it. The page cache keeps the pages of its
// files in one too. The caller locks.

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

/// Invariants, beside those of the tree and its pool:
///   I1  the pool has given out as many tables as the tree has
template <page_table_format Format, class Page, class Frame>
class memory_object {
  public:
    using leaf_type = leaf<Page, Frame>;

    /// Words that hold `resident` pages in up to `stretches` stretches of touched pages, however these
    /// lie. An area that is touched here and there is many stretches: one page in every 512 needs a
    /// table (512 words) for each.
    [[nodiscard]] static constexpr std::size_t required_words(page_count resident, std::size_t stretches) noexcept {
        return table_pool<Frame>::required_words(most_tables(resident, stretches + 1));
    }

    explicit memory_object(std::span<std::uint64_t> words) noexcept : pool_(words), tree_(pool_.memory()) {}
    memory_object(const memory_object&) = delete;
    memory_object& operator=(const memory_object&) = delete;

    // ---- questions ----

    [[nodiscard]] std::optional<leaf_type> find(Page page) const noexcept { return tree_.find(page); }
    /// The first resident page of the run, or its end.
    [[nodiscard]] Page first_mapped(run<Page> pages) const noexcept { return tree_.first_mapped(pages); }
    template <class Visit>
    void for_each(run<Page> pages, Visit&& visit) const {
        tree_.for_each(pages, visit);
    }
    [[nodiscard]] page_count resident_pages() const noexcept { return tree_.mapped_pages(); }
    [[nodiscard]] std::uint64_t leaf_count(order size) const noexcept { return tree_.leaf_count(size); }

    /// Whether add() has the memory it may need for a leaf at `page`.
    [[nodiscard]] bool room_to_add(Page page, order size) const noexcept {
        return tree_.missing_tables(page, size) <= pool_.free_tables().raw;
    }
    /// Whether split_edges() has.
    template <std::size_t Count>
    [[nodiscard]] bool room_to_split(const std::array<Page, Count>& edges) const noexcept {
        return tree_.tables_to_split(edges) <= pool_.free_tables().raw;
    }
    /// Whether what is resident in `from` can move to the free pages at `to`, leaf by leaf from the
    /// first on, after split_edges(edges), which include the ends of `from`. O(leaves in the run).
    template <std::size_t Count>
    [[nodiscard]] bool room_to_move(run<Page> from, Page to, const std::array<Page, Count>& edges) const noexcept {
        table_balance balance{tree_, from, {to, from.count}};
        tree_.for_each(from, [&](const leaf_type& resident) { balance.move(resident); });
        return tree_.tables_to_split(edges) + balance.peak() <= pool_.free_tables().raw;
    }

    /// Whether an empty object has the memory for all that another one holds.
    [[nodiscard]] bool room_to_copy(const memory_object& other) const noexcept {
        return other.tree_.table_count() <= pool_.free_tables();
    }

    // ---- changes; the caller asked for room before ----

    void add(const leaf_type& resident) noexcept {
        const status added = tree_.map(resident.page, resident.frame, resident.size, resident.attributes, pool_);
        LONGREACH_CHECK(added == status::ok, "memory_object.add");
    }
    /// Removes every leaf of the run, which cuts none, and hands it to `visit`.
    template <class Visit>
    void remove(run<Page> pages, Visit&& visit) noexcept {
        const status removed = tree_.unmap(pages, pool_, visit);
        LONGREACH_CHECK(removed == status::ok, "memory_object.remove");
    }
    template <std::size_t Count>
    void split_edges(const std::array<Page, Count>& edges) noexcept {
        const status split = tree_.split_edges(edges, pool_);
        LONGREACH_CHECK(split == status::ok, "memory_object.split");
    }
    /// Gives every leaf that touches the run the frame and attributes that `change` answers.
    template <class Change>
    void rewrite(run<Page> pages, Change&& change) noexcept {
        tree_.rewrite(pages, change);
    }

    [[nodiscard]] violation audit() const {
        if (const violation broken = pool_.audit()) return broken;
        if (const violation broken = tree_.audit()) return broken;
        const page_count given = pool_.given_tables();
        return given == tree_.table_count() ? violation{} : violation{"memory_object.I1", given.raw};
    }

  private:
    friend struct corrupt;

    using tree_type = table<Format, Page, Frame, flat_memory<Frame>>;

    /// Tables that a move of leaves, one after the other, takes less those that it has given back by then.
    /// A table that is there before costs nothing: either it stays, or it goes first and is made anew.
    struct table_balance {
        const tree_type& tree;
        run<Page> from;
        run<Page> to;
        std::int64_t now = 0;
        std::int64_t most = 0;
        std::array<run<Page>, Format::levels> leaving{};  // by level - 1: pages of the source's table in hand
        std::array<Page, Format::levels> made{};          // by level - 1: end of the target's last table

        void move(const leaf_type& resident) noexcept {
            const run<Page> part = intersection(resident.pages(), from);
            const run<Page> place{to.first + (part.first - from.first), part.count};
            const bool uncut = part == resident.pages();
            const unsigned old_level = uncut ? leaf_level<Format>(resident.size) : 1;
            const unsigned new_level = uncut && is_aligned(place.first, resident.size) ? old_level : 1;
            for (unsigned level = old_level; level <= Format::levels; ++level) leave(part.first, level);
            settle();  // a table goes with its last leaf, before that leaf is added
            for (unsigned level = new_level; level <= Format::levels; ++level) reach(place, level);
        }
        /// The most that are needed at one time, after every leaf was moved.
        [[nodiscard]] std::uint64_t peak() noexcept {
            for (const run<Page>& table : leaving) now -= empties(table) ? 1 : 0;
            settle();
            return static_cast<std::uint64_t>(most);
        }

      private:
        void settle() noexcept { most = now > most ? now : most; }
        void leave(Page page, unsigned level) noexcept {
            run<Page>& table = leaving[level - 1];
            if (table.contains(page)) return;
            now -= empties(table) ? 1 : 0;
            const order span = level_order<Format>(level + 1);
            table = {align_down(page, span), span.pages()};
        }
        void reach(run<Page> place, unsigned level) noexcept {
            const order span = level_order<Format>(level + 1);
            Page& end = made[level - 1];
            Page next = align_down(place.first, span);
            for (next = next < end ? end : next; next < place.end(); next = end) {
                now += tree.missing_tables(next, level_order<Format>(level)) != 0 ? 1 : 0;
                end = next + span.pages();
            }
        }
        /// Whether a table of the source goes with the leaves of `from`.
        [[nodiscard]] bool empties(run<Page> table) const noexcept {
            const run<Page> below = run_between(table.first, from.first);
            const run<Page> above = run_between(from.end(), table.end());
            return !table.empty() && !table.overlaps(to) && tree.first_mapped(below) == below.end() &&
                   tree.first_mapped(above) == above.end();
        }
    };

    static constexpr page_count most_tables(page_count pages, std::size_t stretches) noexcept {
        std::uint64_t sum = 0;
        std::uint64_t below = pages.raw;
        for (unsigned level = 1; level <= Format::levels; ++level) {
            below = (below >> Format::index_bits) + 2 * stretches;
            sum += below;
        }
        return {sum};
    }

    table_pool<Frame> pool_;
    tree_type tree_;
};

LONGREACH_NAMESPACE_END

#endif
