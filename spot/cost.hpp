// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_COST_HPP
#define LONGREACH_SPOT_COST_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "../allocator/config.hpp"
#include "mmu.hpp"
#include "walker.hpp"

// Cycles from counts: the linear model of Alverti et al., ISCA 2020, and of the RMM and direct-segment papers.
//
// Every constant of the model stands here with its source. The model's limits, to be printed beside its numbers:
// walks are fully exposed (no overlap with other work or with each other), a correct prediction hides all of its
// walk, and wasted bandwidth and cache pollution cost nothing. It bounds what prediction can hide; it proves no
// speed-up. Integers only, so the same on every machine.

LONGREACH_NAMESPACE_BEGIN

/// Cycles of each event.
struct cost_constants {
    /// One memory reference of a walk, by reference_kind.
    ///
    /// Upper entries, and the host leaves of the few frames that hold guest tables, are reused by every walk and lie
    /// in the second-level cache: 12 cycles, measured on Ivy Bridge (7-cpu.com/cpu/IvyBridge.html), the core line of
    /// Broadwell. Leaves are as many as the footprint has pages and lie in the last-level cache: 45 cycles, between
    /// the 40 and 46 measured on a Xeon server part (7-cpu.com/cpu/Westmere.html). Leaves that fall out to memory
    /// (footprints of hundreds of gigabytes on 4 KiB pages) cost more than this.
    std::array<std::uint64_t, reference_kinds> reference_cycles{12, 45, 12, 12, 45};
    /// Throwing away what ran on a wrong prediction. Source: Alverti et al., ISCA 2020, performance model; the length
    /// of a branch misprediction's flush.
    std::uint64_t flush_cycles = 20;
    /// A hit in the second-level TLB. Source: Intel 64 and IA-32 Architectures Optimization Reference Manual, 248966,
    /// penalty of a first-level DTLB miss that hits the STLB. Not part of the walk and SpOT figures: both have it.
    std::uint64_t second_level_tlb_cycles = 7;
};

inline constexpr cost_constants published_costs{};

/// Cycles of these references, one after the other.
[[nodiscard]] constexpr std::uint64_t cycles_of(const reference_counts& references,
                                                const cost_constants& costs = published_costs) noexcept {
    std::uint64_t cycles = 0;
    for (std::size_t kind = 0; kind < reference_kinds; ++kind) {
        cycles += references.of_kind[kind] * costs.reference_cycles[kind];
    }
    return cycles;
}

/// Cycles the accesses waited for walks, had nothing been predicted: every walk, whole.
[[nodiscard]] constexpr std::uint64_t walk_cycles(const mmu_counters& counters,
                                                  const cost_constants& costs = published_costs) noexcept {
    return cycles_of(counters.references(), costs);
}

/// Cycles the accesses waited with the predictor: nothing where it was right, the walk where it was silent, the walk
/// and a flush where it was wrong.
[[nodiscard]] constexpr std::uint64_t spot_cycles(const mmu_counters& counters,
                                                  const cost_constants& costs = published_costs) noexcept {
    return cycles_of(counters.references(prediction_class::no_prediction), costs) +
           cycles_of(counters.references(prediction_class::mispredicted), costs) +
           counters.spot_mispredicted() * costs.flush_cycles;
}

/// Cycles in second-level TLB hits, the same with and without a predictor.
[[nodiscard]] constexpr std::uint64_t second_level_tlb_cycles(const mmu_counters& counters,
                                                              const cost_constants& costs = published_costs) noexcept {
    return (counters.l1_misses - counters.l2_misses) * costs.second_level_tlb_cycles;
}

/// Thousandths of a cycle per 1000 accesses, rounded down; 0 where there was no access. Exact up to 2^44 accesses.
[[nodiscard]] constexpr std::uint64_t millicycles_per_kaccess(std::uint64_t cycles, std::uint64_t accesses) noexcept {
    if (accesses == 0) return 0;
    constexpr std::uint64_t scale = 1'000'000;
    return cycles / accesses * scale + cycles % accesses * scale / accesses;
}

LONGREACH_NAMESPACE_END

#endif
