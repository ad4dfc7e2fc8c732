// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_WALKER_HPP
#define LONGREACH_SPOT_WALKER_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/units.hpp"
#include "../pagetable/leaf.hpp"

// What the MMU asks of a page walker, and what it gets: a leaf, the memory references, or who refused.
//
// The MMU knows no table: native_walker.hpp and nested_walker.hpp satisfy the concept over the tables
// of pagetable/, tests satisfy it with a map.

LONGREACH_NAMESPACE_BEGIN

// In two dimensions the leaf that hardware caches is the smaller of the guest's and the host's, with what both allow
// and the contiguity bit only where both have it.

/// The offset that all pages of the leaf share.
template <class Page, class Frame>
[[nodiscard]] constexpr map_offset<Page, Frame> offset_of(const leaf<Page, Frame>& l) noexcept {
    return offset_between(l.page, l.frame);
}

/// The frame of one of the leaf's pages.
template <class Page, class Frame>
[[nodiscard]] constexpr Frame frame_of(const leaf<Page, Frame>& l, Page page) noexcept {
    return offset_of(l).apply(page);
}

/// The block of 2^size pages around `page`, cut out of the leaf. Requires size <= l.size.
template <class Page, class Frame>
[[nodiscard]] constexpr leaf<Page, Frame> piece_of(const leaf<Page, Frame>& l, Page page, order size) noexcept {
    const Page first = align_down(page, size);
    return {first, frame_of(l, first), size, l.attributes};
}

/// What a memory reference of a walk reads; the cost model prices each kind.
enum class reference_kind : std::uint8_t {
    upper,               ///< entry above the leaf, of the guest's table or the only one
    leaf,                ///< leaf entry of the guest's table or the only one
    host_upper,          ///< host entry above the host's leaf
    host_leaf_of_table,  ///< host leaf entry that maps a guest table
    host_leaf_of_data    ///< host leaf entry that maps the data
};
inline constexpr std::size_t reference_kinds = 5;

/// Memory references by kind.
struct reference_counts {
    std::array<std::uint64_t, reference_kinds> of_kind{};

    friend constexpr bool operator==(const reference_counts&, const reference_counts&) = default;
    [[nodiscard]] constexpr std::uint64_t& operator[](reference_kind kind) noexcept {
        return of_kind[static_cast<std::size_t>(kind)];
    }
    [[nodiscard]] constexpr std::uint64_t operator[](reference_kind kind) const noexcept {
        return of_kind[static_cast<std::size_t>(kind)];
    }
    constexpr reference_counts& operator+=(const reference_counts& other) noexcept {
        for (std::size_t kind = 0; kind < reference_kinds; ++kind) of_kind[kind] += other.of_kind[kind];
        return *this;
    }
    [[nodiscard]] constexpr std::uint64_t total() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : of_kind) sum += count;
        return sum;
    }
};

/// How a walk ended.
enum class walk_end : std::uint8_t {
    ok,
    not_mapped,       ///< the guest's (or only) table has no leaf for the page
    forbidden,        ///< it has one that does not allow the access
    host_not_mapped,  ///< the host maps no frame behind a guest frame the walk needs
    host_forbidden    ///< it does, and does not allow the access
};

/// The answer of a walk. `entry` and `references` count only where it ended ok: a walk that ends in a fault is
/// walked again after the fault is served, and its time belongs to the fault.
template <class Page, class Frame>
struct walk_answer {
    walk_end end = walk_end::not_mapped;
    gfn host_page{};  ///< the guest frame meant by host_not_mapped and host_forbidden: of a guest table or of the data
    leaf<Page, Frame> entry{};
    reference_counts references{};
};

/// A page walker over whatever maps W::page to W::frame.
template <class W>
concept page_walker = requires(W walker, const W& constant, typename W::page page, run<typename W::page> pages,
                               access_kind kind) {
    // The leaf that translates `page` for an access of this kind. A walk that does not end ok changes nothing.
    { walker.walk(page, kind) } -> std::same_as<walk_answer<typename W::page, typename W::frame>>;
    // Forgets what the walker keeps of these pages (walk caches); the tables have changed there.
    walker.invalidate(pages);
    // Forgets everything it keeps.
    walker.flush();
    // The first broken invariant of what it keeps.
    { constant.audit() } -> std::same_as<violation>;
};

LONGREACH_NAMESPACE_END

#endif
