// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_STATUS_HPP
#define LONGREACH_ALLOCATOR_STATUS_HPP

#include <cstdint>

#include "config.hpp"

// What a call can answer, and what an audit can find.

LONGREACH_NAMESPACE_BEGIN

/// The outcome of a call that changes something; every value but `ok` means that nothing changed.
enum class [[nodiscard]] status : std::uint8_t{
    ok,
    out_of_memory,  ///< no frame, block, record or entry is left
    occupied,       ///< a wanted frame is not free, or a wanted page is mapped already
    not_mapped,     ///< no mapping (or no area) where one is needed
    wrong_size,     ///< a leaf of another size is in the way
    forbidden,      ///< the protection does not allow the access
    out_of_range,   ///< beyond what the structure manages
};

/// The first broken invariant that an `audit()` met; `label` is null where all hold.
struct [[nodiscard]] violation {
    const char* label = nullptr;  ///< e.g. "buddy.I2", as listed above the class
    std::uint64_t where = 0;      ///< the frame, page or index at which it broke

    constexpr explicit operator bool() const noexcept { return label != nullptr; }
};

LONGREACH_NAMESPACE_END

#endif
