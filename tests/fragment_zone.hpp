// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_FRAGMENT_ZONE_HPP
#define LONGREACH_TESTS_FRAGMENT_ZONE_HPP

// For tests of fragmented memory: steps by their text, and what every zone is like after them.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/fragment/apply_fragmentation.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace longreach_tests {

/// Does what the text says, which has to be possible; answers how many frames were pinned.
template <class Zone>
longreach::page_count fragment(Zone& zone, std::string_view text, std::uint64_t seed) {
    const auto steps = longreach::parse_fragmentation(text);
    EXPECT_TRUE(steps.ok()) << steps.status();
    if (!steps.ok()) return {};
    const auto pinned = longreach::apply_fragmentation(*steps, zone, seed);
    EXPECT_TRUE(pinned.ok()) << text << " " << pinned.status();
    return pinned.ok() ? *pinned : longreach::page_count{};
}

/// Why steps that can be read cannot be done.
template <class Zone>
std::string fragment_refusal(Zone& zone, std::string_view text, std::uint64_t seed = 1) {
    const auto steps = longreach::parse_fragmentation(text);
    EXPECT_TRUE(steps.ok()) << steps.status();
    if (!steps.ok()) return {};
    const auto pinned = longreach::apply_fragmentation(*steps, zone, seed);
    EXPECT_FALSE(pinned.ok()) << text;
    return std::string(pinned.status().message());
}

inline std::vector<longreach::frame_run> pinned_runs(const longreach::simulated_zone<longreach::pfn>& zone) {
    std::vector<longreach::frame_run> runs;
    zone.pinned().for_each_run([&](longreach::frame_run taken) { runs.push_back(taken); });
    return runs;
}

/// Nothing is broken, and every frame is either free or pinned; no free run reaches from one node into the next.
template <class Zone>
void expect_sound(Zone& zone) {
    zone.clusters().refresh();
    EXPECT_FALSE(zone.frames().audit());
    EXPECT_FALSE(zone.clusters().audit());
    EXPECT_FALSE(zone.pinned().audit());
    EXPECT_EQ(zone.pinned().count() + zone.frames().free_frames(), zone.layout().frames());
    longreach::page_count pinned{};
    zone.pinned().for_each_run([&](auto taken) {
        pinned += taken.count;
        EXPECT_EQ(zone.frames().count_free_in(taken).raw, 0U);
    });
    EXPECT_EQ(pinned, zone.pinned().count());
    zone.for_each_free_run([&](auto left) {
        EXPECT_EQ(left.first.raw / zone.layout().memory.raw, (left.end().raw - 1) / zone.layout().memory.raw);
    });
}

}  // namespace longreach_tests

#endif
