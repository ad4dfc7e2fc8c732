// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_PIECE_TABLE_HPP
#define LONGREACH_ALLOCATOR_PIECE_TABLE_HPP

#include <cstddef>
#include <cstdint>
#include <span>

#include "config.hpp"
#include "frame_run.hpp"
#include "units.hpp"

// The pieces of all placements of one policy, sorted by address space and page.
//
// A sorted array: lookups are a binary search (O(1) for the piece used last), insertion and removal move the
// pieces behind. Holds as many as the caller's memory has room for. Only keeps; see ca_paging for the meaning. Searches
// remember their last answer, so even readers need the lock.

LONGREACH_NAMESPACE_BEGIN

/// Pages of one address space and the frames they are to get, whether touched yet or not.
template <class Page, class Frame>
struct piece {
    std::uint32_t space{};
    mapping<Page, Frame> where{};
    std::uint64_t taken{};  ///< how many of its frames are in use, as far as the policy saw
    std::uint64_t born{};   ///< placements made before it

    [[nodiscard]] constexpr Frame target(Page page) const noexcept { return where.offset().apply(page); }
};

template <class Page, class Frame>
class piece_table {
  public:
    using piece_type = piece<Page, Frame>;

    explicit piece_table(std::span<piece_type> memory) noexcept : pieces_(memory) {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool full() const noexcept { return size_ == pieces_.size(); }
    [[nodiscard]] piece_type& operator[](std::size_t i) noexcept { return pieces_[i]; }
    [[nodiscard]] const piece_type& operator[](std::size_t i) const noexcept { return pieces_[i]; }

    /// Index of the first piece of `space` that ends above `page`, or where one would be inserted.
    [[nodiscard]] std::size_t position(std::uint32_t space, Page page) const noexcept {
        if (holds(last_, space, page)) return last_;
        std::size_t low = 0;
        std::size_t high = size_;
        while (low < high) {
            const std::size_t middle = low + (high - low) / 2;
            const piece_type& p = pieces_[middle];
            if (p.space < space || (p.space == space && p.where.pages.end() <= page)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        last_ = low;
        return low;
    }

    /// Whether piece i exists, is of `space` and holds `page`.
    [[nodiscard]] bool holds(std::size_t i, std::uint32_t space, Page page) const noexcept {
        return is_of(i, space) && pieces_[i].where.pages.contains(page);
    }
    [[nodiscard]] bool is_of(std::size_t i, std::uint32_t space) const noexcept {
        return i < size_ && pieces_[i].space == space;
    }

    /// Inserts before index i, which keeps the order; requires that the table is not full.
    void insert(std::size_t i, const piece_type& p) noexcept {
        LONGREACH_CHECK(!full(), "piece_table.full");
        for (std::size_t j = size_; j > i; --j) pieces_[j] = pieces_[j - 1];
        pieces_[i] = p;
        ++size_;
    }
    void erase(std::size_t i) noexcept {
        LONGREACH_CHECK(i < size_, "piece_table.index");
        --size_;
        for (std::size_t j = i; j < size_; ++j) pieces_[j] = pieces_[j + 1];
    }

  private:
    std::span<piece_type> pieces_;
    std::size_t size_ = 0;
    mutable std::size_t last_ = 0;  ///< the answer of the last search, tried first
};

LONGREACH_NAMESPACE_END

#endif
