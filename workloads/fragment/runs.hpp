// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_RUNS_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_RUNS_HPP

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../random.hpp"
#include "fragmentation.hpp"
#include "memory_image.hpp"

// Leaves so many free runs of about one size and takes everything else: memory that has room, in few large places.
//
// Lengths are drawn in pairs, one as much above the size as the other is below, at most a quarter; so their sum is
// exact. Runs lie inside what is free, never in two nodes, and do not adjoin. No state.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// A free stretch of the memory and the runs that are to lie in it, in order.
struct run_place {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::vector<std::uint64_t> lengths{};
    std::uint64_t used = 0;  ///< frames of the runs and of one frame between two

    /// Room for one more run, beside the frame before it.
    [[nodiscard]] std::uint64_t room() const noexcept {
        const std::uint64_t need = used + (lengths.empty() ? 0 : 1);
        return count > need ? count - need : 0;
    }
    void add(std::uint64_t length) {
        used += length + (lengths.empty() ? 0 : 1);
        lengths.push_back(length);
    }
};

[[nodiscard]] inline std::vector<std::uint64_t> draw_lengths(const runs_step& step, random_numbers& random) {
    std::vector<std::uint64_t> lengths(static_cast<std::size_t>(step.count), step.size.raw);
    for (std::size_t i = 0; i + 1 < lengths.size(); i += 2) {
        const std::uint64_t apart = random.below(step.size.raw / 4 + 1);
        lengths[i] += apart;
        lengths[i + 1] -= apart;
    }
    return lengths;
}

/// Gives every run a place, more likely a longer one; false where a run finds none. A run looks in 64 places at random
/// before it looks in all of them.
[[nodiscard]] inline bool place_runs(std::vector<run_place>& places, const std::vector<std::uint64_t>& lengths,
                                     random_numbers& random) {
    std::vector<std::uint64_t> ends;  // frames of the places up to and with each
    for (run_place& place : places) {
        place.lengths.clear();
        place.used = 0;
        ends.push_back((ends.empty() ? 0 : ends.back()) + place.count);
    }
    for (const std::uint64_t length : lengths) {
        const auto has_room = [length](const run_place& place) { return place.room() >= length; };
        auto found = places.end();
        for (unsigned i = 0; i < 64 && found == places.end(); ++i) {
            const auto drawn = std::upper_bound(ends.begin(), ends.end(), random.below(ends.back())) - ends.begin();
            if (has_room(places[static_cast<std::size_t>(drawn)])) found = places.begin() + drawn;
        }
        if (found == places.end()) found = std::find_if(places.begin(), places.end(), has_room);
        if (found == places.end()) return false;
        found->add(length);
    }
    return true;
}

/// Frees the runs of a place that is taken, with what is left over spread at random before, between and behind them.
inline void free_runs_in(memory_image& memory, const run_place& place, random_numbers& random) {
    std::vector<std::uint64_t> cuts;
    for (std::size_t i = 0; i < place.lengths.size(); ++i) cuts.push_back(random.below(place.count - place.used + 1));
    std::sort(cuts.begin(), cuts.end());
    std::uint64_t before = place.first;  // the runs so far, with a frame behind each
    for (std::size_t i = 0; i < place.lengths.size(); ++i) {
        memory.taken.erase(before + cuts[i], place.lengths[i]);
        before += place.lengths[i] + 1;
    }
}

}

/// Refused where the free stretches have no room for so many, or where 16 draws found none.
[[nodiscard]] inline absl::Status take(memory_image& memory, const runs_step& step, random_numbers& random) {
    std::vector<detail::run_place> places;
    std::uint64_t fitting = 0;  // runs of the exact size
    memory.taken.complement().for_each_run([&](std::uint64_t first, std::uint64_t count) {
        if (count < step.size.raw - step.size.raw / 4) return;
        fitting += (count + 1) / (step.size.raw + 1);
        places.push_back({first, count});
    });
    constexpr unsigned attempts = 16;  // each with other lengths, in other places
    for (unsigned attempt = 0; attempt < attempts && fitting >= step.count; ++attempt) {
        if (!detail::place_runs(places, detail::draw_lengths(step, random), random)) continue;
        memory.taken = unit_set(memory.frames(), true);
        for (const detail::run_place& place : places) detail::free_runs_in(memory, place, random);
        return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("expected room for ", step.count, " free runs of ",
                                                   size_text(step.size), ", found it for ",
                                                   std::min(fitting, step.count - 1)));
}

LONGREACH_NAMESPACE_END

#endif
