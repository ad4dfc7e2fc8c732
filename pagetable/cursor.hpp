// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_CURSOR_HPP
#define LONGREACH_PAGETABLE_CURSOR_HPP

#include <array>
#include <cstdint>

#include "../allocator/bits.hpp"
#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/units.hpp"
#include "format.hpp"
#include "frame_memory.hpp"
#include "leaf.hpp"

// A place in a radix tree of tables: the one walker behind every table operation.
//
// It only reads. The tables on its way stay remembered, so a step to a neighbour costs one read;
// whoever removes a table from the tree calls rise() on the cursors that stood in it. The caller
// locks. Shape: the page cursor of the managarm kernel (arch-generic/cursor.hpp).

LONGREACH_NAMESPACE_BEGIN

template <page_table_format Format, class Page, class Frame, frame_memory<Frame> Memory>
class cursor {
  public:
    /// Stands above the root that `root_entry` references; zero means that there is none.
    cursor(const Memory& memory, std::uint64_t root_entry) noexcept : memory_(&memory), entry_(root_entry) {
        if (Format::is_present(root_entry)) {
            depth_ = Format::levels;
            path_[Format::levels - 1] = Frame{Format::frame_number(root_entry)};
        }
    }

    /// Goes to the entry that decides about `page`: a leaf, or the absent entry of highest level.
    /// Stops at `lowest` (1 by default) where a table hangs below it. Requires a page inside the tree.
    void seek(Page page, unsigned lowest = 1) noexcept {
        const unsigned shared = shared_level(page);
        unsigned level = depth_ > shared ? depth_ : shared;
        if (level < lowest) level = lowest;
        page_ = page;
        if (level > Format::levels) return;  // there is no root
        while (true) {
            entry_ = memory_->read(path_[level - 1], entry_index<Format>(page, level));
            if (level == lowest || !Format::is_present(entry_) || Format::is_leaf(entry_, level)) break;
            --level;
            path_[level - 1] = Frame{Format::frame_number(entry_)};
        }
        depth_ = level;
    }

    /// The page that was sought.
    [[nodiscard]] Page page() const noexcept { return page_; }
    /// Level of the entry; `levels` + 1 where the tree has no root.
    [[nodiscard]] unsigned level() const noexcept { return depth_; }
    [[nodiscard]] std::uint64_t entry() const noexcept { return entry_; }
    [[nodiscard]] bool at_leaf() const noexcept {
        return depth_ <= Format::levels && Format::is_present(entry_) && Format::is_leaf(entry_, depth_);
    }

    /// Frame of the table of `level` on the way, for levels from level() to the root's.
    [[nodiscard]] Frame table(unsigned level) const noexcept { return path_[level - 1]; }
    [[nodiscard]] Frame table() const noexcept { return path_[depth_ - 1]; }
    [[nodiscard]] unsigned index() const noexcept { return entry_index<Format>(page_, depth_); }

    /// The pages that the entry decides about.
    [[nodiscard]] run<Page> span() const noexcept {
        const order size = level_order<Format>(depth_);
        return {align_down(page_, size), size.pages()};
    }

    /// The page behind the absent entries from here on, as far as this table goes and not much beyond `limit`; requires
    /// an absent entry.
    [[nodiscard]] Page absent_end(Page limit) const noexcept {
        run<Page> absent = span();
        if (depth_ > Format::levels) return absent.end();
        const page_count each = absent.count;
        for (unsigned next = index() + 1; next < 1U << Format::index_bits && absent.end() < limit; ++next) {
            if (Format::is_present(memory_->read(path_[depth_ - 1], next))) break;
            absent.count += each;
        }
        return absent.end();
    }

    /// The leaf; requires at_leaf().
    [[nodiscard]] leaf<Page, Frame> here() const noexcept {
        const order size = level_order<Format>(depth_);
        return {align_down(page_, size), Frame{Format::frame_number(entry_)}, size, Format::attributes(entry_)};
    }

    /// Whether the tables on the way are still those that lead to the page that was sought, from this root on.
    [[nodiscard]] bool is_current(std::uint64_t root_entry) const noexcept {
        if (depth_ > Format::levels) return !Format::is_present(root_entry);
        std::uint64_t entry = root_entry;
        for (unsigned level = Format::levels; level >= depth_; --level) {
            if (!Format::is_present(entry) || path_[level - 1].raw != Format::frame_number(entry)) return false;
            entry = memory_->read(path_[level - 1], entry_index<Format>(page_, level));
        }
        return true;
    }

    /// Forgets the tables below `level`, and with `levels` + 1 all of them.
    void rise(unsigned level) noexcept {
        if (level > depth_) depth_ = level;
        if (depth_ > Format::levels) entry_ = 0;
    }

  private:
    /// The lowest level whose table decides about both `page` and the page sought before.
    [[nodiscard]] unsigned shared_level(Page page) const noexcept {
        const std::uint64_t difference = page.raw ^ page_.raw;
        return difference == 0 ? 1 : floor_log2(difference) / Format::index_bits + 1;
    }

    const Memory* memory_;
    std::array<Frame, Format::levels> path_{};  // tables by level - 1, valid from depth_ up
    Page page_{};
    unsigned depth_ = Format::levels + 1;  // level of entry_
    std::uint64_t entry_;
};

LONGREACH_NAMESPACE_END

#endif
