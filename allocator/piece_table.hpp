// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_PIECE_TABLE_HPP
#define LONGREACH_ALLOCATOR_PIECE_TABLE_HPP

#include <cstddef>
#include <cstdint>
#include <span>

#include "config.hpp"
#include "frame_run.hpp"
#include "memory_carver.hpp"
#include "units.hpp"

// The pieces of all placements of one policy, sorted by address space and page.
//
// A sorted array: lookups are a binary search (O(1) where an earlier answer for these 2 MiB of pages still holds),
// insertion and removal move the pieces behind. Holds as many as the caller's memory has room for. Only keeps; see
// ca_paging for the meaning. Searches remember their answers, so even readers need the lock.

LONGREACH_NAMESPACE_BEGIN

/// Pages of one address space and the frames they are to get, whether touched yet or not.
template <class Page, class Frame>
struct piece {
    std::uint32_t space{};
    bool room_below{};  ///< it was last given room for growth before its pages: lends from its start, not its end
    mapping<Page, Frame> where{};
    std::uint64_t
        taken{};           ///< how many of its frames its own pages have, as far as the policy saw; after a cut a guess
    std::uint64_t used{};  ///< blocks that the policy had handed out when this one last gave one, or was made

    [[nodiscard]] constexpr Frame target(Page page) const noexcept { return where.offset().apply(page); }
};

template <class Page, class Frame>
class piece_table {
  public:
    using piece_type = piece<Page, Frame>;

    /// Hints that suit a table of this many pieces: 4 each, to a power of two, within 16 and 16,384.
    [[nodiscard]] static constexpr std::size_t hint_count(std::size_t pieces) noexcept {
        std::size_t count = 16;
        while (count < 16384 && count * 2 <= pieces * 4) count *= 2;
        return count;
    }

    /// Bytes of memory for a table of this many pieces.
    [[nodiscard]] static constexpr std::size_t required_bytes(std::size_t pieces) noexcept {
        return pieces * sizeof(piece_type) + hint_count(pieces) * sizeof(std::uint32_t) + alignof(piece_type);
    }
    /// An empty table of as many pieces as the memory, which outlives it, has room for: one at least.
    [[nodiscard]] static piece_table in(std::span<std::byte> memory) noexcept {
        std::size_t room = memory.size() / sizeof(piece_type);
        while (room > 0 && required_bytes(room) > memory.size()) --room;
        LONGREACH_CHECK(room > 0, "piece_table.memory");
        detail::memory_carver carve(memory);
        const auto pieces = carve.template take<piece_type>(room);
        return {pieces, carve.template take_zeroed<std::uint32_t>(hint_count(room))};
    }

    /// `hints` are hint_count() zeros.
    piece_table(std::span<piece_type> memory, std::span<std::uint32_t> hints) noexcept
        : pieces_(memory), hints_(hints) {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool full() const noexcept { return size_ == pieces_.size(); }
    [[nodiscard]] piece_type& operator[](std::size_t i) noexcept { return pieces_[i]; }
    [[nodiscard]] const piece_type& operator[](std::size_t i) const noexcept { return pieces_[i]; }

    /// The piece of `space` that holds `page`, or null; valid until the table changes.
    [[nodiscard, gnu::always_inline]] piece_type* find(std::uint32_t space, Page page) noexcept {
        const std::size_t hint = hints_[hint_of(space, page)];
        if (holds(hint, space, page)) return &pieces_[hint];
        return search_piece(space, page);
    }

    /// Index of the first piece of `space` that ends above `page`, or where one would be inserted.
    [[nodiscard]] std::size_t position(std::uint32_t space, Page page) const noexcept {
        std::uint32_t& hint = hints_[hint_of(space, page)];
        if (holds(hint, space, page)) return hint;
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
        hint = static_cast<std::uint32_t>(low);
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
    /// Where the hint for a page lies: neighbouring 2 MiB have neighbouring ones, and spaces begin far apart.
    [[nodiscard]] std::size_t hint_of(std::uint32_t space, Page page) const noexcept {
        return static_cast<std::size_t>((page.raw >> 9) + std::uint64_t{space} * 5153) & (hints_.size() - 1);
    }

    [[nodiscard, gnu::noinline]] piece_type* search_piece(std::uint32_t space, Page page) noexcept {
        const std::size_t i = position(space, page);
        return holds(i, space, page) ? &pieces_[i] : nullptr;
    }

    std::span<piece_type> pieces_;
    std::size_t size_ = 0;
    std::span<std::uint32_t> hints_;  ///< earlier answers, by page: tried first, and checked whenever they are
};

LONGREACH_NAMESPACE_END

#endif
