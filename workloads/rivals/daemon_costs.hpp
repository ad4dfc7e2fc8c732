// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_DAEMON_COSTS_HPP
#define LONGREACH_WORKLOADS_RIVALS_DAEMON_COSTS_HPP

#include <cstdint>

#include "../../allocator/config.hpp"

// What a daemon did to the memory of programs, in numbers that tell what it would cost.

LONGREACH_NAMESPACE_BEGIN

/// Counted since construction. What failed and changed nothing is not in it, but for skipped_unmovable.
struct daemon_costs {
    std::uint64_t passes = 0;
    std::uint64_t promotions = 0;         ///< regions of 2 MiB that became one superpage
    std::uint64_t demotions = 0;          ///< superpages that became base pages
    std::uint64_t migrated_pages = 0;     ///< base pages that got another frame and left theirs free
    std::uint64_t exchanged_pages = 0;    ///< base pages that swapped frames, both sides counted
    std::uint64_t skipped_unmovable = 0;  ///< base pages left where they were because the wanted frames could not be
                                          ///< had, or because their own may not be left; each pass counts anew
    std::uint64_t shootdowns = 0;         ///< requests to flush TLBs: one for a promotion, a demotion, a migrated leaf
                                          ///< and a stretch of pages given back, two for an exchange
    std::uint64_t zeroed_bytes = 0;       ///< written by the daemon: missing pages of promoted regions, and free
                                          ///< frames zeroed ahead of faults
    std::uint64_t copied_bytes = 0;       ///< contents moved; an exchange moves both
    std::uint64_t reclaimed_pages = 0;    ///< base pages given back because they held zeros only

    friend constexpr bool operator==(const daemon_costs&, const daemon_costs&) = default;
};

LONGREACH_NAMESPACE_END

#endif
