// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_PLACEMENT_HPP
#define LONGREACH_ALLOCATOR_PLACEMENT_HPP

#include <concepts>
#include <cstdint>
#include <optional>

#include "config.hpp"
#include "frame_run.hpp"
#include "status.hpp"
#include "units.hpp"

// What a placement policy is: the party that a page fault asks for a frame.
//
// A policy keeps what it remembers by address space and page, not inside map entries: splitting,
// merging and moving areas then needs no help from it, and entries need no room for it.

LONGREACH_NAMESPACE_BEGIN

/// What an address space asks of a policy when a page faults.
template <class Page>
struct placement_request {
    std::uint32_t space{};    ///< number of the address space, unique among those a policy serves
    Page page{};              ///< first page wanted, aligned to 2^size
    order size{};             ///< base_order or superpage_order
    run<Page> area{};         ///< the whole area (merged map entry) that holds the page, as it is now
    bool grows_up = false;    ///< the area may later be extended at its end (heaps, anonymous maps)
    bool grows_down = false;  ///< the area may later be extended at its start (stacks)
    bool alone = true;        ///< no other fault of the area is being served at the same time
};

/// What a policy did; all values count since construction.
struct placement_counters {
    std::uint64_t placements = 0;       ///< places chosen for pages that had none
    std::uint64_t replacements = 0;     ///< places chosen anew because frames of the first were lost
    std::uint64_t target_hits = 0;      ///< blocks given exactly where an earlier placement wanted them
    std::uint64_t target_refusals = 0;  ///< wanted blocks that were not free, or lay wrong for their size
    std::uint64_t ordinary = 0;         ///< blocks taken wherever the buddy had one
};

/// Answers which pages are mapped already; this one says none, for callers that keep no table.
template <class Page>
struct nothing_mapped {
    /// The first mapped page in `pages`, or the end of `pages` where none is.
    [[nodiscard]] constexpr Page first_mapped(run<Page> pages) const noexcept { return pages.end(); }
};

/// A policy that names and takes the frames behind pages.
template <class P>
concept placement_policy = requires(P policy, const P& constant, const placement_request<typename P::page>& request,
                                    const nothing_mapped<typename P::page>& mapped, std::uint32_t space,
                                    typename P::page page, run<typename P::page> pages, typename P::frame frame,
                                    order size) {
    // Takes 2^size free frames, aligned to 2^size, for the fault; nothing changes where no such block is left.
    // `mapped` is anything that answers first_mapped() for the fault's address space; the page itself may be mapped
    // already, when it is to be copied to another frame.
    { policy.allocate(request, mapped) } -> std::same_as<std::optional<typename P::frame>>;
    // Gives back the frames behind `page` of `space`, which are no longer mapped. allocate() supplied them, but for
    // those that a daemon brought when it moved the page; after a fork they are the last holder's, and after an
    // exchange they may be another page's, so the space and page need not be those that asked.
    policy.free(space, page, frame, size);
    // Takes a frame for a page table: an ordinary order-0 allocation.
    { policy.allocate_table() } -> std::same_as<std::optional<typename P::frame>>;
    // Gives back a frame of a page table.
    policy.free_table(frame);
    // The pages, which need not all have lain in an area, leave the address space for good; their frames were freed
    // before, but for those that others still hold.
    policy.release(space, pages);
    // The pages now live at `page`, with the frames they had (mremap).
    policy.move(space, pages, page);
    // The second space, new to the policy, has become a copy of the first: same areas, same frames (fork).
    policy.fork(space, space);
    { constant.counters() } -> std::same_as<placement_counters>;
    { constant.audit() } -> std::same_as<violation>;
};

LONGREACH_NAMESPACE_END

#endif
