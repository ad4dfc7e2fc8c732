// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_FORMAT_HPP
#define LONGREACH_PAGETABLE_FORMAT_HPP

#include <concepts>
#include <cstdint>

#include "../allocator/config.hpp"
#include "../allocator/units.hpp"

// What an entry of a page table says, and what the walker has to know about its layout.
//
// The walker (cursor.hpp, table.hpp) knows no architecture; x86_64.hpp is the example to copy.
// Not for segment, range or hashed tables. Nothing here has state, so nothing needs a lock.

LONGREACH_NAMESPACE_BEGIN

/// What an access wants to do.
enum class access_kind : std::uint8_t { load, store, fetch };

/// What may be done through a mapping.
struct permissions {
    bool read = false;
    bool write = false;
    bool execute = false;
    bool user = false;  ///< user mode may use the mapping at all; clear in a mapping that only the kernel sees

    friend constexpr bool operator==(const permissions&, const permissions&) = default;
    /// Whether user mode may do `kind`.
    [[nodiscard]] constexpr bool allows(access_kind kind) const noexcept {
        return user && (kind == access_kind::load ? read : kind == access_kind::store ? write : execute);
    }
};

inline constexpr permissions all_permissions{true, true, true, true};

/// The permissions of a user mapping; one that allows nothing (PROT_NONE) is closed to user mode.
[[nodiscard]] constexpr permissions user_permissions(bool read, bool write, bool execute) noexcept {
    return {read, write, execute, read || write || execute};
}

/// What both allow.
[[nodiscard]] constexpr permissions intersection(permissions a, permissions b) noexcept {
    return {a.read && b.read, a.write && b.write, a.execute && b.execute, a.user && b.user};
}

/// All that a leaf says beside its frame.
struct leaf_attributes {
    permissions allowed{};
    bool contiguous = false;  ///< software: the leaf lies in a mapping of at least the threshold (SpOT's fill filter)
    bool accessed = false;    ///< used since the bit was cleared
    bool dirty = false;       ///< stored to since the bit was cleared

    friend constexpr bool operator==(const leaf_attributes&, const leaf_attributes&) = default;
};

/// The layout of a radix page table. Entries are 64-bit words, and zero is an absent entry.
template <class F>
concept page_table_format = requires(std::uint64_t entry, std::uint64_t frame_number, unsigned level, unsigned count,
                                     const leaf_attributes& attributes, permissions wanted, bool store) {
    // Number of levels; level 1 holds base pages, level `levels` is the root.
    { F::levels } -> std::convertible_to<unsigned>;
    // Bits of the page number that each level consumes; a table has 2^index_bits entries.
    { F::index_bits } -> std::convertible_to<unsigned>;
    // Bits of the largest frame number that an entry can hold.
    { F::frame_bits } -> std::convertible_to<unsigned>;
    // Levels 1 to `largest_leaf_level` may hold leaves, of order index_bits * (level - 1).
    { F::largest_leaf_level } -> std::convertible_to<unsigned>;
    // Whether the entry maps a page or references a table.
    { F::is_present(entry) } -> std::same_as<bool>;
    // Whether a present entry at that level maps a page.
    { F::is_leaf(entry, level) } -> std::same_as<bool>;
    // First frame of the page, or frame of the table, that a present entry names.
    { F::frame_number(entry) } -> std::same_as<std::uint64_t>;
    // The leaf of that level for a frame number aligned to its order.
    { F::leaf(level, frame_number, attributes) } -> std::same_as<std::uint64_t>;
    // What a leaf says; the inverse of leaf() for expressible permissions.
    { F::attributes(entry) } -> std::same_as<leaf_attributes>;
    // The least permissions that a leaf can express and that allow all of `wanted`.
    { F::expressible(wanted) } -> std::same_as<permissions>;
    // The entry that references a table with `count` present entries and restricts nothing below it.
    { F::table(frame_number, count) } -> std::same_as<std::uint64_t>;
    // Present entries of the table that the entry references, kept in bits that hardware ignores.
    { F::occupancy(entry) } -> std::same_as<unsigned>;
    // The same reference with another count, 1 to 2^index_bits.
    { F::with_occupancy(entry, count) } -> std::same_as<std::uint64_t>;
    // The entry (leaf or not) after a walk used it: accessed, and dirty if it is a leaf and `store`.
    { F::touched(entry, level, store) } -> std::same_as<std::uint64_t>;
};

/// Pages that one entry of `level` spans, as an order.
template <page_table_format Format>
[[nodiscard]] constexpr order level_order(unsigned level) noexcept {
    return {Format::index_bits * (level - 1)};
}

/// Whether the format has leaves of that order.
template <page_table_format Format>
[[nodiscard]] constexpr bool has_leaves_of(order size) noexcept {
    return size.raw % Format::index_bits == 0 && size.raw / Format::index_bits < Format::largest_leaf_level;
}

/// The level whose leaves have that order.
template <page_table_format Format>
[[nodiscard]] constexpr unsigned leaf_level(order size) noexcept {
    return size.raw / Format::index_bits + 1;
}

/// Position in its table of the entry of `level` on the way to `page`.
template <page_table_format Format, class Page>
[[nodiscard]] constexpr unsigned entry_index(Page page, unsigned level) noexcept {
    return static_cast<unsigned>(page.raw >> level_order<Format>(level).raw) & ((1U << Format::index_bits) - 1);
}

/// Pages that a whole table tree spans, from page 0.
template <page_table_format Format>
[[nodiscard]] constexpr page_count spanned_pages() noexcept {
    return {std::uint64_t{1} << (Format::levels * Format::index_bits)};
}

LONGREACH_NAMESPACE_END

#endif
