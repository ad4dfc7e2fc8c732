// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_MAPPED_ZONE_HPP
#define LONGREACH_TESTS_MODEL_MAPPED_ZONE_HPP

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <vector>

// A zone of any start and size, its contiguity map, and the memory of both, for tests that lay out what is free.

namespace longreach::model {

struct mapped_zone {
    mapped_zone(std::uint64_t first, std::uint64_t count)
        : memory(buddy::required_bytes(page_count{count})),
          map_memory(contiguity_map::required_bytes(page_count{count})),
          frames({pfn{first}, page_count{count}}, memory),
          clusters(frames, map_memory) {}

    void take(std::uint64_t frame, order size = base_order) {
        ASSERT_EQ(frames.allocate_at(pfn{frame}, size), status::ok);
    }
    void give(std::uint64_t frame, order size = base_order) { frames.free(pfn{frame}, size); }
    /// Takes everything but these runs, which are in address order.
    void leave(const std::vector<frame_run>& runs) {
        pfn from = frames.managed().first;
        for (const frame_run& r : runs) {
            if (from < r.first) {
                ASSERT_EQ(frames.allocate_run_at(run_between(from, r.first)), status::ok);
            }
            from = r.end();
        }
        if (from < frames.managed().end()) {
            ASSERT_EQ(frames.allocate_run_at(run_between(from, frames.managed().end())), status::ok);
        }
    }
    /// All clusters, in address order.
    std::vector<frame_run> all_clusters() {
        std::vector<frame_run> all;
        clusters.for_each([&all](frame_run cluster) { all.push_back(cluster); });
        return all;
    }

    std::vector<std::byte> memory;
    std::vector<std::byte> map_memory;
    buddy frames;
    contiguity_map clusters;
};

}  // namespace longreach::model

#endif
