// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_FAULT_HPP
#define LONGREACH_PAGETABLE_VM_FAULT_HPP

#include <cstdint>

#include "../../allocator/config.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"

// What an address space is told at its start, and what its faults answer and count.

LONGREACH_NAMESPACE_BEGIN

/// Chosen once for an address space.
struct space_options {
    std::uint32_t number = 0;             ///< tells spaces of one policy apart
    bool superpages = true;               ///< whether faults may take 2 MiB at once
    page_count contiguity_threshold{32};  ///< pages of a mapping that carries the bit, 1 to 512 (SpOT: 32)
};

/// What a fault did.
enum class fault_kind : std::uint8_t {
    none,         ///< nothing: the page was mapped already, or the fault failed
    refill,       ///< the page was resident and only missing in the table
    first_touch,  ///< the page got its first frame
    copy,         ///< the first store to a private file page that was loaded before: it got another frame
};

template <class Frame>
struct fault_result {
    status outcome = status::not_mapped;  ///< ok, not_mapped (no area), forbidden, out_of_memory
    fault_kind kind = fault_kind::none;
    order size{};   ///< of the leaf that maps the page now
    Frame frame{};  ///< of exactly the page
};

/// Counted since construction.
struct fault_counters {
    std::uint64_t first_touches = 0;  ///< all sizes
    std::uint64_t superpages = 0;     ///< first touches that took 2 MiB
    std::uint64_t copies = 0;
    std::uint64_t refills = 0;
    std::uint64_t demotions = 0;  ///< superpages split because a part of them changed

    friend constexpr bool operator==(const fault_counters&, const fault_counters&) = default;
};

LONGREACH_NAMESPACE_END

#endif
