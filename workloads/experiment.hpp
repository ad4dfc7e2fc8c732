// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_EXPERIMENT_HPP
#define LONGREACH_WORKLOADS_EXPERIMENT_HPP

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/units.hpp"
#include "../spot/mmu.hpp"
#include "census.hpp"
#include "fragment/fragmentation.hpp"
#include "frame_map.hpp"
#include "machine.hpp"
#include "policy_name.hpp"
#include "run_account.hpp"
#include "stream.hpp"
#include "workload.hpp"
#include "zone.hpp"

// One program on one machine under one policy: what is wanted and every number that is reported. experiment_run.hpp
// runs it.
//
// Deterministic: the same experiment gives the same outcome on every machine and compiler. What each number means:
// bench/README.md.

LONGREACH_NAMESPACE_BEGIN

enum class machine_mode : std::uint8_t { native, virtualized };
/// When runs are counted: at the first moment of most mapped pages, or at the end of the recording.
enum class census_moment : std::uint8_t { peak, end };

[[nodiscard]] constexpr std::string_view to_string(machine_mode mode) noexcept {
    return mode == machine_mode::native ? "native" : "virtual";
}

struct experiment {
    policy_name policy = policy_name::ca;
    machine_mode mode = machine_mode::native;
    page_count memory{};         ///< of each node of the native machine or the guest; a host has twice as much in all
    fragmentation fragmented{};  ///< what each memory looks like before the program starts
    std::uint64_t seed = 1;
    translation_feed feed = translation_feed::accesses;  ///< of recordings; full-size streams have no accesses
    census_moment moment = census_moment::peak;
    bool with_frame_maps = false;  ///< whether the outcome says who has which frame at the end
    unsigned nodes = 1;            ///< of the native machine or the guest
};

struct outcome {
    census runs{};
    std::uint64_t guest_bound99 = 0;  ///< fewest runs any placement could need for 99 % in the guest or natively
    std::uint64_t host_bound99 = 0;   ///< the same for the host; 0 natively
    machine_counters counters{};      ///< of the guest or natively, over the whole recording
    machine_counters host_counters{};
    mmu_counters translation{};
    run_costs costs{};                    ///< of the guest or natively, when runs were counted
    std::vector<frame_map> frame_maps{};  ///< at the end, where wanted: of the machine, or of the guest and the host

    [[nodiscard]] std::uint64_t bound99() const noexcept { return std::max(guest_bound99, host_bound99); }
};

/// Frames that a run needs at least on base pages, and what the memory leaves for it.
struct memory_need {
    std::uint64_t needed = 0;  ///< pages at the peak and the tables that map them
    std::uint64_t left = 0;    ///< frames that are not pinned for good
};

namespace detail {

/// Aligned pieces of a memory that hold no records of a node: all that a hog may take.
[[nodiscard]] inline std::uint64_t free_pieces(const experiment& wanted, page_count piece) {
    std::uint64_t pieces = wanted.memory.raw * wanted.nodes / piece.raw;
    std::uint64_t next = 0;  // nodes that are smaller than a piece share one
    const std::uint64_t all = pieces;
    for (std::uint64_t node = 1; node < wanted.nodes; ++node) {
        const std::uint64_t records = node * wanted.memory.raw;
        const std::uint64_t first = std::max(next, records / piece.raw);
        const std::uint64_t end = std::min(all, (records + zone_layout::node_records.raw - 1) / piece.raw + 1);
        if (first >= end) continue;
        pieces -= end - first;
        next = end;
    }
    return pieces;
}

}

/// What the guest, or the native machine, needs and has. Only what hogs pin is known before: with other fragmentation
/// there may be less.
[[nodiscard]] inline memory_need need_of(const workload& program, const experiment& wanted) {
    memory_need need{program.frames(),
                     wanted.memory.raw * wanted.nodes - (wanted.nodes - 1) * zone_layout::node_records.raw};
    if (wanted.fragmented.steps.size() != 1) return need;
    if (const auto* const hog = std::get_if<hog_step>(&wanted.fragmented.steps.front())) {
        const page_count piece = hog->size.pages();
        need.left -= detail::free_pieces(wanted, piece) * hog->percent / 100 * piece.raw;
    }
    return need;
}

LONGREACH_NAMESPACE_END

#endif
