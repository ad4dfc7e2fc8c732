// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CONTIGUITY_TEXT_HPP
#define LONGREACH_WORKLOADS_CONTIGUITY_TEXT_HPP

#include <absl/strings/str_format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "../allocator/config.hpp"
#include "../allocator/contiguity_map.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/units.hpp"

// A contiguity map in the form of the original kernel's /proc/capaging_contiguity_map.
//
//   Node 0, zone   Normal [0x100000--0x140400](1028MB), [0x140800--0x140c00](4MB),
//   Next fit rover: 0x140400
//
// Frame numbers in hexadecimal, ends exclusive, sizes in whole MiB rounded down. The original knows free 4 MiB blocks
// only, so a run with ragged ends is shorter there and one without a whole block is missing; ours are exact to the
// frame. Neither shows promised frames: here because they are in no cluster, there because nothing is promised.
// Source: the kernel released with CA paging (ISCA 2020), mm/vmstat.c. No state; the map's caller locks.

LONGREACH_NAMESPACE_BEGIN

/// The block that the original counts in: 4 MiB, the largest of Linux 4.19.
inline constexpr order contiguity_unit{10};

/// Which runs are shown.
struct contiguity_view {
    page_count least = contiguity_unit.pages();  ///< of at least so many frames, 1 or more
    bool whole_units = false;                    ///< rounded inwards to 4 MiB blocks first, as the original's are
};

/// The map's two lines and an empty one; the first names nothing where no run is shown.
/// `clusters` is a basic_contiguity_map, or anything else that hands its runs to a visitor and has a rover.
template <class Clusters>
[[nodiscard]] std::string contiguity_text(Clusters&& clusters, std::uint32_t node, std::string_view zone,
                                          contiguity_view view = {}) {
    std::string text = absl::StrFormat("Node %d, zone %8s ", node, zone);
    clusters.for_each([&](auto shown) {
        if (view.whole_units) {
            shown = run_between(align_up(shown.first, contiguity_unit), align_down(shown.end(), contiguity_unit));
        }
        if (shown.empty() || shown.count < view.least) return;
        absl::StrAppendFormat(&text, "[0x%x--0x%x](%dMB), ", shown.first.raw, shown.end().raw,
                              to_bytes(shown.count) >> 20);
    });
    absl::StrAppendFormat(&text, "\nNext fit rover: 0x%x\n\n", clusters.rover().raw);
    return text;
}

LONGREACH_NAMESPACE_END

#endif
