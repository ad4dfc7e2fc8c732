// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_FRAGMENTATION_REPORT_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_FRAGMENTATION_REPORT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "../../allocator/bits.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../buddyinfo.hpp"
#include "../zone.hpp"
#include "memory_image.hpp"

// How fragmented the free memory of a zone is, in the few numbers that reports print. Promised frames are free.
// No state; the zone's caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Shares are in thousandths, rounded down; `unusable` ones are 1000 and `in_runs` ones 0 where nothing is free.
struct fragmentation_report {
    page_count memory{};  ///< of all nodes
    page_count free{};
    page_count pinned{};     ///< with the nodes' records
    std::uint64_t runs = 0;  ///< maximal free runs
    page_count longest_run{};
    int unusable_2m = 1000;  ///< the unusable free space index of 2 MiB
    int unusable_1g = 1000;
    int in_runs_2m = 0;  ///< share of free memory in runs of at least 2 MiB, aligned or not
    int in_runs_1g = 0;

    friend bool operator==(const fragmentation_report&, const fragmentation_report&) = default;
};

/// The share of a zone's free memory in blocks too small for 2^`size` frames, in thousandths. O(frames / 64).
template <class Frame>
[[nodiscard]] int unusable_index(simulated_zone<Frame>& zone, order size) {
    const auto blocks = zone.frames().count_blocks();
    return unusable_index(blocks, size.raw);
}

/// Free frames in runs of at least `least` frames. O(frames / 64) and the number of runs.
template <class Frame>
[[nodiscard]] page_count free_in_runs(simulated_zone<Frame>& zone, page_count least) {
    std::uint64_t sum = 0;
    frames_in_use(zone.frames()).complement().for_each_run([&](std::uint64_t, std::uint64_t count) {
        if (count >= least.raw) sum += count;
    });
    return page_count{sum};
}

/// O(frames / 64) and the number of runs.
template <class Frame>
[[nodiscard]] fragmentation_report report_fragmentation(simulated_zone<Frame>& zone) {
    fragmentation_report report{zone.layout().frames(), zone.frames().free_frames(), zone.pinned().count()};
    std::uint64_t in_2m = 0;
    std::uint64_t in_1g = 0;
    frames_in_use(zone.frames()).complement().for_each_run([&](std::uint64_t, std::uint64_t count) {
        ++report.runs;
        report.longest_run = std::max(report.longest_run, page_count{count});
        if (count >= superpage_order.pages().raw) in_2m += count;
        if (count >= giant_order.pages().raw) in_1g += count;
    });
    const auto blocks = zone.frames().count_blocks();
    report.unusable_2m = unusable_index(blocks, superpage_order.raw);
    report.unusable_1g = unusable_index(blocks, giant_order.raw);
    if (report.free.raw != 0) {
        report.in_runs_2m = static_cast<int>(in_2m * 1000 / report.free.raw);
        report.in_runs_1g = static_cast<int>(in_1g * 1000 / report.free.raw);
    }
    return report;
}

LONGREACH_NAMESPACE_END

#endif
