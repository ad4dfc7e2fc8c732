// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_FAULT_HPP
#define LONGREACH_PAGETABLE_VM_FAULT_HPP

#include <cstdint>

#include "../../allocator/config.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"

// What an address space is told at its start, and what its faults answer and count.

LONGREACH_NAMESPACE_BEGIN

/// Where faults may take 2 MiB at once (Linux: /sys/kernel/mm/transparent_hugepage/enabled).
enum class superpage_use : std::uint8_t {
    always,   ///< in every anonymous area but those advised against it
    advised,  ///< in those only that were advised to
    never,
};

/// Chosen once for an address space.
struct space_options {
    std::uint32_t number = 0;  ///< tells spaces of one policy apart, and from the files of a page cache
    superpage_use superpages = superpage_use::always;
    page_count contiguity_threshold{32};  ///< pages of a mapping that carries the bit, 1 to 512 (SpOT: 32)
    page_count stack_limit{0};            ///< pages to which faults below it extend an area that grows down; 0: none do
};

/// What a fault did.
enum class fault_kind : std::uint8_t {
    none,         ///< nothing: the page was mapped already, or the fault failed
    refill,       ///< the page was resident and only missing in the table
    first_touch,  ///< the page got its first frame
    copy,         ///< a store to a private page that others hold, or to a file page: it got another frame
    reuse,        ///< a store to a page that others held once: it may be stored to from now on
    file_page,    ///< a page of a file was mapped that the page cache holds
};

template <class Frame>
struct fault_result {
    status outcome = status::not_mapped;  ///< ok, not_mapped (no area), forbidden, out_of_memory,
                                          ///< out_of_range (beyond the end of a cached file)
    fault_kind kind = fault_kind::none;
    order size{};   ///< of the leaf that maps the page now
    Frame frame{};  ///< of exactly the page
};

/// Counted since construction.
struct fault_counters {
    std::uint64_t first_touches = 0;  ///< that took a frame, all sizes
    std::uint64_t superpages = 0;     ///< first touches that took 2 MiB
    std::uint64_t copies = 0;         ///< all sizes
    std::uint64_t refills = 0;
    std::uint64_t demotions = 0;  ///< superpages split because a part of them changed
    std::uint64_t reuses = 0;
    std::uint64_t file_pages = 0;
    std::uint64_t extensions = 0;  ///< faults below an area that extended it

    friend constexpr bool operator==(const fault_counters&, const fault_counters&) = default;
};

LONGREACH_NAMESPACE_END

#endif
