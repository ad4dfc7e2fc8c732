// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_BUDDY_ZONE_HPP
#define LONGREACH_TESTS_BUDDY_ZONE_HPP

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/atomic_buddy.hpp>
#include <longreach/allocator/buddy.hpp>
#include <optional>
#include <vector>

// Zones of both buddies with the memory of their metadata, and short words for frames and runs.

namespace longreach {

template <class Buddy>
struct zone_of {
    template <class... Options>
    zone_of(std::uint64_t first, std::uint64_t count, const Options&... options)
        : memory(Buddy::required_bytes(page_count{count}, options...)),
          frames({pfn{first}, page_count{count}}, memory, options...) {}

    void take(std::uint64_t first, std::uint64_t count) {
        ASSERT_EQ(frames.allocate_run_at({pfn{first}, page_count{count}}), status::ok);
    }

    std::vector<std::byte> memory;
    Buddy frames;
};

/// It takes the lowest sufficient block where nothing else is said.
struct buddy_zone : zone_of<buddy> {
    buddy_zone(std::uint64_t first, std::uint64_t count, const buddy_options& options = {block_choice::lowest})
        : zone_of(first, count, options) {}
};

using atomic_buddy_zone = zone_of<atomic_buddy>;

inline frame_run run_of(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }
inline std::optional<pfn> at(std::uint64_t frame) { return pfn{frame}; }

}  // namespace longreach

#endif
