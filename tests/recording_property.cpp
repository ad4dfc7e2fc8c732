// SPDX-License-Identifier: MIT
// Recordings drawn at random: writing and reading one gives it back, and the replay needs what the pages say.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <longreach/workloads/recording_totals.hpp>
#include <optional>
#include <string>

#include "model/recording_generator.hpp"
#include "model/recording_text.hpp"
#include "model/replay_model.hpp"

namespace longreach {
namespace {

using model::recording_generator;

/// The records without what is known of the files they came from.
recording without_sources(recording of) {
    of.vma_source = of.fault_source = of.upgrade_source = of.miss_source = of.access_source = of.total_source = {};
    return of;
}

RC_GTEST_PROP(recording, what_is_written_is_read_back, (std::uint64_t seed, bool packed)) {
    const recording drawn = recording_generator(seed).draw(200);
    const auto read = model::read_texts(model::texts_of(drawn), packed ? line_encoding::zstd : line_encoding::plain);
    if (!read.ok()) RC_FAIL(std::string(read.status().message()));
    RC_ASSERT(without_sources(*read) == without_sources(drawn));
    RC_ASSERT(read->vma_source.line_of(0) == 2U);
}

RC_GTEST_PROP(recording, a_sound_recording_passes_and_needs_what_its_pages_need, (std::uint64_t seed)) {
    recording_generator generator(seed);
    recording drawn = generator.draw(300);
    const absl::Status status = check_recording(drawn);
    if (!status.ok()) RC_FAIL(std::string(status.message()));
    RC_ASSERT(drawn.footprint == generator.needs());
    RC_ASSERT(drawn.faults.size() + drawn.footprint.moved_pages ==
              drawn.footprint.distinct_pages + drawn.footprint.refaults);
}

RC_GTEST_PROP(recording, a_damaged_recording_is_refused_exactly_when_the_pages_refuse_it, (std::uint64_t seed)) {
    recording_generator generator(seed);
    recording drawn = generator.draw(300);
    random_numbers random(seed + 1);
    const auto drop = [&](auto& records) {
        if (records.empty()) return;
        records.erase(records.begin() + static_cast<std::ptrdiff_t>(random.below(records.size())));
    };
    switch (random.below(5)) {
        case 0:
            drop(drawn.vmas);
            break;
        case 1:
            drop(drawn.faults);
            break;
        case 2:
            drop(drawn.upgrades);
            break;
        case 3:
            if (!drawn.vmas.empty()) drawn.vmas[random.below(drawn.vmas.size())].pages.first += page_count{1};
            break;
        default:
            if (!drawn.faults.empty()) drawn.faults[random.below(drawn.faults.size())].site.write ^= 1U;
    }
    const std::optional<recorded_footprint> needs = model::replay_model::replay(drawn);
    const absl::Status status = check_recording(drawn);
    RC_ASSERT(status.ok() == needs.has_value());
    if (needs.has_value()) RC_ASSERT(drawn.footprint == *needs);
    if (!status.ok()) RC_ASSERT(std::string(status.message()).find(':') != std::string::npos);
}

}
}
