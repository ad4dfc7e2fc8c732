// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_X86_64_HPP
#define LONGREACH_PAGETABLE_X86_64_HPP

#include <cstdint>

#include "../allocator/bits.hpp"
#include "format.hpp"

// The paging entries of x86-64, four-level and five-level.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3A, section 4.5:
// tables 4-14 (PML5E), 4-15 (PML4E), 4-16 and 4-17 (PDPTE), 4-18 and 4-19 (PDE), 4-20 (PTE).
// Page numbers run from 0: the canonical upper half of the address space is the upper half of the
// range. Memory types, protection keys and global pages are not used; their bits stay clear.

LONGREACH_NAMESPACE_BEGIN

/// 4 KiB, 2 MiB and 1 GiB leaves at levels 1, 2 and 3; 9 bits of the page number per level.
template <unsigned Levels>
requires(Levels == 4 || Levels == 5) struct x86_64 {
    static constexpr unsigned levels = Levels;
    static constexpr unsigned index_bits = 9;
    static constexpr unsigned frame_bits = 40;  // physical addresses of 52 bits (section 4.1.4, MAXPHYADDR)
    static constexpr unsigned largest_leaf_level = 3;

    static constexpr std::uint64_t present_bit = 1U << 0;
    static constexpr std::uint64_t write_bit = 1U << 1;       // R/W, in every entry
    static constexpr std::uint64_t user_bit = 1U << 2;        // U/S, in every entry
    static constexpr std::uint64_t accessed_bit = 1U << 5;    // in every entry (section 4.8)
    static constexpr std::uint64_t dirty_bit = 1U << 6;       // in leaves (section 4.8)
    static constexpr std::uint64_t page_size_bit = 1U << 7;   // PS: the entry of level 2 or 3 is a leaf
    static constexpr std::uint64_t contiguous_bit = 1U << 9;  // ignored by hardware in leaves (tables 4-16, 4-18, 4-20)
    static constexpr unsigned occupancy_shift = 52;           // bits 61:52, ignored in entries that reference tables
    static constexpr std::uint64_t occupancy_mask = low_mask(10) << occupancy_shift;
    static constexpr std::uint64_t execute_disable_bit = std::uint64_t{1} << 63;  // XD, in every entry
    static constexpr unsigned frame_shift = 12;
    static constexpr std::uint64_t frame_mask = low_mask(frame_bits) << frame_shift;

    [[nodiscard]] static constexpr bool is_present(std::uint64_t entry) noexcept { return (entry & present_bit) != 0; }

    [[nodiscard]] static constexpr bool is_leaf(std::uint64_t entry, unsigned level) noexcept {
        return level == 1 || (entry & page_size_bit) != 0;
    }

    [[nodiscard]] static constexpr std::uint64_t frame_number(std::uint64_t entry) noexcept {
        return (entry & frame_mask) >> frame_shift;
    }

    [[nodiscard]] static constexpr std::uint64_t leaf(unsigned level, std::uint64_t frame_number,
                                                      const leaf_attributes& attributes) noexcept {
        return (frame_number << frame_shift) | present_bit | (level > 1 ? page_size_bit : 0) |
               (attributes.allowed.write ? write_bit : 0) | (attributes.allowed.user ? user_bit : 0) |
               (attributes.allowed.execute ? 0 : execute_disable_bit) | (attributes.contiguous ? contiguous_bit : 0) |
               (attributes.accessed ? accessed_bit : 0) | (attributes.dirty ? dirty_bit : 0);
    }

    [[nodiscard]] static constexpr leaf_attributes attributes(std::uint64_t entry) noexcept {
        return {.allowed = {.read = true,
                            .write = (entry & write_bit) != 0,
                            .execute = (entry & execute_disable_bit) == 0,
                            .user = (entry & user_bit) != 0},
                .contiguous = (entry & contiguous_bit) != 0,
                .accessed = (entry & accessed_bit) != 0,
                .dirty = (entry & dirty_bit) != 0};
    }

    /// A present leaf is readable (section 4.6.1); without U/S it is so for the kernel alone.
    [[nodiscard]] static constexpr permissions expressible(permissions wanted) noexcept {
        return {true, wanted.write, wanted.execute, wanted.user};
    }

    [[nodiscard]] static constexpr std::uint64_t table(std::uint64_t frame_number, unsigned count) noexcept {
        return with_occupancy((frame_number << frame_shift) | present_bit | write_bit | user_bit, count);
    }

    [[nodiscard]] static constexpr unsigned occupancy(std::uint64_t entry) noexcept {
        return static_cast<unsigned>((entry & occupancy_mask) >> occupancy_shift);
    }

    [[nodiscard]] static constexpr std::uint64_t with_occupancy(std::uint64_t entry, unsigned count) noexcept {
        return (entry & ~occupancy_mask) | (std::uint64_t{count} << occupancy_shift);
    }

    [[nodiscard]] static constexpr std::uint64_t touched(std::uint64_t entry, unsigned level, bool store) noexcept {
        return entry | accessed_bit | (store && is_leaf(entry, level) ? dirty_bit : 0);
    }
};

static_assert(page_table_format<x86_64<4>> && page_table_format<x86_64<5>>);

LONGREACH_NAMESPACE_END

#endif
