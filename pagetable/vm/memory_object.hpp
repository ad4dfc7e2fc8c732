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
// without `write` it is a file page that the first store has to copy. Its other attributes are what
// the page table showed when the page was last taken out of it. The caller locks.

LONGREACH_NAMESPACE_BEGIN

template <page_table_format Format, class Page, class Frame>
class memory_object {
  public:
    using leaf_type = leaf<Page, Frame>;

    /// Words that hold `resident` pages in up to `areas` stretches, however these lie.
    [[nodiscard]] static constexpr std::size_t required_words(page_count resident, std::size_t areas) noexcept {
        return table_pool<Frame>::required_words(most_tables(resident, areas + 1));
    }

    explicit memory_object(std::span<std::uint64_t> words) noexcept : pool_(words), tree_(pool_.memory()) {}

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
    /// Whether `count` neighbouring pages can be added anywhere, and leaves be cut at `cuts` places before.
    [[nodiscard]] bool room_to_move(page_count count, unsigned cuts) const noexcept {
        return most_tables(count, 1).raw + cuts <= pool_.free_tables().raw;
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
        return tree_.audit();
    }

  private:
    friend struct corrupt;

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
    table<Format, Page, Frame, flat_memory<Frame>> tree_;
};

LONGREACH_NAMESPACE_END

#endif
