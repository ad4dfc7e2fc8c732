// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_APPLY_FRAGMENTATION_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_APPLY_FRAGMENTATION_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../random.hpp"
#include "../zone.hpp"
#include "age.hpp"
#include "fragmentation.hpp"
#include "fragmentation_text.hpp"
#include "hog.hpp"
#include "memory_image.hpp"
#include "runs.hpp"
#include "snapshot.hpp"
#include "unusable.hpp"

// Does the steps of a fragmentation to a simulated zone. The steps draw from one generator, one behind the other, so
// the same seed gives the same memory on every compiler. The caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Pins what the steps take, in every node of the zone; answers how many frames that are. Which: `zone.pinned()`, with
/// those pinned before. Frames that were in use before are no step's to count or to give back.
/// A step that cannot be done is refused in one line that names it, as is a snapshot that cannot be read (NotFound
/// where there is none); then nothing changes.
template <class Frame>
[[nodiscard]] absl::StatusOr<page_count> apply_fragmentation(const fragmentation& wanted, simulated_zone<Frame>& zone,
                                                             std::uint64_t seed) {
    random_numbers random(seed);
    memory_image memory = zone.image();
    for (std::size_t i = 0; i < wanted.steps.size(); ++i) {
        const fragmentation_step& step = wanted.steps[i];
        const absl::Status done = std::visit([&](const auto& each) { return take(memory, each, random); }, step);
        if (done.ok()) continue;
        return absl::Status(done.code(),
                            bad_fragmentation(i + 1, to_string(step), std::string(done.message())).message());
    }
    const unit_set pinned = memory.pinned();
    zone.pin(pinned);
    return page_count{pinned.count()};
}

LONGREACH_NAMESPACE_END

#endif
