// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_LEAF_HPP
#define LONGREACH_PAGETABLE_LEAF_HPP

#include <array>
#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "format.hpp"

// What tables answer with: leaves, translations, and walks with their references.

LONGREACH_NAMESPACE_BEGIN

/// One leaf of a table.
template <class Page, class Frame>
struct leaf {
    Page page{};    ///< first page, aligned to 2^size
    Frame frame{};  ///< first frame, aligned to 2^size
    order size{};
    leaf_attributes attributes{};

    friend constexpr bool operator==(const leaf&, const leaf&) = default;
    [[nodiscard]] constexpr run<Page> pages() const noexcept { return {page, size.pages()}; }
    [[nodiscard]] constexpr run<Frame> frames() const noexcept { return {frame, size.pages()}; }
};

/// Where one page is mapped.
template <class Frame>
struct translation {
    Frame frame{};  ///< the frame of exactly the page asked for
    order size{};   ///< of the leaf that maps it; in two dimensions, of the smaller of the two leaves
    leaf_attributes attributes{};

    friend constexpr bool operator==(const translation&, const translation&) = default;
};

/// One memory access of a walk: the entry that was read.
template <class Frame>
struct reference {
    Frame table{};       ///< frame of the table
    unsigned index = 0;  ///< entry in it
    unsigned level = 0;  ///< level of the table, the root highest

    friend constexpr bool operator==(const reference&, const reference&) = default;
};

/// The way from the root to the entry that decides about a page.
template <class Frame, unsigned Levels>
struct walk_trace {
    std::array<reference<Frame>, Levels> references{};  ///< the first `count`, in order
    unsigned count = 0;
    std::optional<translation<Frame>> found{};  ///< empty where the page is not mapped
};

/// What a walk did.
template <class Frame, unsigned Levels>
struct walk_result {
    status outcome = status::not_mapped;  ///< ok, not_mapped or forbidden
    walk_trace<Frame, Levels> trace{};    ///< what it read; `found` shows the leaf as the walk leaves it
};

LONGREACH_NAMESPACE_END

#endif
