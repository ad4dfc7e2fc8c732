// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_UNITS_HPP
#define LONGREACH_ALLOCATOR_UNITS_HPP

#include <compare>
#include <cstdint>

#include "config.hpp"

// Points (page and frame numbers), distances (page counts), orders and offsets as different types.
//
//   compiles                                  does not compile
//   pfn + page_count -> pfn                   pfn + pfn
//   pfn - pfn        -> page_count            pfn - vpn, vpn == pfn
//   offset_between(vpn, pfn) -> offset        pfn{vpn}, pfn = 5
//   offset.apply(vpn) -> pfn                  offset.apply(pfn)
//
// Each is as large as the integer it holds, in every build; `.raw` is that integer.

LONGREACH_NAMESPACE_BEGIN

/// Bytes in a base page and in a base frame.
inline constexpr std::uint64_t page_bytes = 4096;

/// A number of pages or frames; arithmetic is modulo 2^64.
struct page_count {
    std::uint64_t raw{};

    friend constexpr auto operator<=>(const page_count&, const page_count&) = default;
    friend constexpr page_count operator+(page_count a, page_count b) noexcept { return {a.raw + b.raw}; }
    friend constexpr page_count operator-(page_count a, page_count b) noexcept { return {a.raw - b.raw}; }
    constexpr page_count& operator+=(page_count other) noexcept { return raw += other.raw, *this; }
    constexpr page_count& operator-=(page_count other) noexcept { return raw -= other.raw, *this; }
};

/// log2 of a number of base pages, 0 to 63.
struct order {
    unsigned raw{};

    friend constexpr auto operator<=>(const order&, const order&) = default;
    [[nodiscard]] constexpr page_count pages() const noexcept { return {std::uint64_t{1} << raw}; }
};

inline constexpr order base_order{0};       ///< 4 KiB
inline constexpr order superpage_order{9};  ///< 2 MiB
inline constexpr order giant_order{18};     ///< 1 GiB

/// A page or frame number in the index space that `Space` names.
template <class Space>
struct page_index {
    std::uint64_t raw{};

    constexpr page_index() = default;
    constexpr explicit page_index(std::uint64_t number) noexcept : raw(number) {}

    friend constexpr auto operator<=>(const page_index&, const page_index&) = default;
    friend constexpr page_index operator+(page_index p, page_count n) noexcept { return page_index{p.raw + n.raw}; }
    friend constexpr page_index operator-(page_index p, page_count n) noexcept { return page_index{p.raw - n.raw}; }
    friend constexpr page_count operator-(page_index a, page_index b) noexcept { return {a.raw - b.raw}; }
    constexpr page_index& operator+=(page_count n) noexcept { return raw += n.raw, *this; }
    constexpr page_index& operator-=(page_count n) noexcept { return raw -= n.raw, *this; }
};

struct virtual_space;
struct guest_space;
struct host_space;

using vpn = page_index<virtual_space>;  ///< virtual page number
using gfn = page_index<guest_space>;    ///< guest frame number: a frame to the guest, a page to the host
using pfn = page_index<host_space>;     ///< host (or native) frame number

/// page − frame of a mapping, modulo 2^64; pages of one mapping share it, whatever their leaf sizes.
template <class Page, class Frame>
struct map_offset {
    std::uint64_t raw{};

    friend constexpr bool operator==(const map_offset&, const map_offset&) = default;
    [[nodiscard]] constexpr Frame apply(Page page) const noexcept { return Frame{page.raw - raw}; }
};

template <class Page, class Frame>
[[nodiscard]] constexpr map_offset<Page, Frame> offset_between(Page page, Frame frame) noexcept {
    return {page.raw - frame.raw};
}

[[nodiscard]] constexpr std::uint64_t to_bytes(page_count n) noexcept { return n.raw * page_bytes; }
[[nodiscard]] constexpr page_count floor_pages(std::uint64_t bytes) noexcept { return {bytes / page_bytes}; }
[[nodiscard]] constexpr page_count ceil_pages(std::uint64_t bytes) noexcept {
    return {bytes / page_bytes + (bytes % page_bytes != 0)};
}

template <class Space>
[[nodiscard]] constexpr bool is_aligned(page_index<Space> p, order o) noexcept {
    return (p.raw & (o.pages().raw - 1)) == 0;
}
template <class Space>
[[nodiscard]] constexpr page_index<Space> align_down(page_index<Space> p, order o) noexcept {
    return page_index<Space>{p.raw & ~(o.pages().raw - 1)};
}
/// Wraps to 0 above the last multiple of 2^o.
template <class Space>
[[nodiscard]] constexpr page_index<Space> align_up(page_index<Space> p, order o) noexcept {
    return page_index<Space>{(p.raw + o.pages().raw - 1) & ~(o.pages().raw - 1)};
}

LONGREACH_NAMESPACE_END

#endif
