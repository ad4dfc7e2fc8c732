// SPDX-License-Identifier: MIT
// Whatever steps are done to whatever zone, every frame is free or pinned once, a refusal changes nothing, and the
// text of the steps says all of them.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <longreach/workloads/fragment/apply_fragmentation.hpp>
#include <longreach/workloads/fragment/fragmentation_report.hpp>
#include <string>
#include <vector>

namespace longreach {
namespace {

unsigned up_to(unsigned most) { return *rc::gen::inRange(0U, most + 1); }
order any_size(unsigned most) { return order{up_to(most)}; }

/// Adds a step that a zone of some ten thousand frames may well have room for.
void add_step(std::vector<fragmentation_step>& steps) {
    switch (up_to(4)) {
        case 0:
            steps.emplace_back(hog_step{any_size(12), up_to(100) % (1 + up_to(100))});
            break;
        case 1:
            steps.emplace_back(scatter_step{up_to(90) % (1 + up_to(90))});
            break;
        case 2:
            steps.emplace_back(unusable_step{any_size(10), up_to(1000)});
            break;
        case 3:
            steps.emplace_back(age_step{up_to(2000), up_to(90) % (1 + up_to(90))});
            break;
        default:
            steps.emplace_back(runs_step{1 + up_to(20), page_count{1 + up_to(3000) % (1 + up_to(3000))}});
    }
}

fragmentation any_steps() {
    fragmentation steps;
    for (unsigned left = up_to(4); left != 0; --left) add_step(steps.steps);
    return steps;
}

/// The frames that are free, recounted one by one.
std::vector<bool> free_frames(simulated_zone<gfn>& zone) {
    std::vector<bool> free;
    for (std::uint64_t f = 0; f < zone.layout().frames().raw; ++f) {
        free.push_back(zone.frames().is_free(gfn{f}, base_order));
    }
    return free;
}

void check_sound(simulated_zone<gfn>& zone) {
    zone.clusters().refresh();
    RC_ASSERT(!zone.frames().audit());
    RC_ASSERT(!zone.clusters().audit());
    RC_ASSERT(!zone.pinned().audit());
    const std::vector<bool> free = free_frames(zone);
    std::uint64_t pinned = 0;
    for (std::uint64_t f = 0; f < free.size(); ++f) {
        RC_ASSERT(zone.pinned().contains(gfn{f}) != free[static_cast<std::size_t>(f)]);
        pinned += zone.pinned().contains(gfn{f}) ? 1U : 0U;
    }
    RC_ASSERT(zone.pinned().count().raw == pinned);
    RC_ASSERT(zone.frames().free_frames().raw + pinned == zone.layout().frames().raw);
}

/// What the last step promises, where all were done.
void check_promise(const fragmentation_step& last, simulated_zone<gfn>& zone, std::uint64_t usable) {
    if (const auto* const target = std::get_if<unusable_step>(&last)) {
        const int found = unusable_index(zone, target->size);
        RC_ASSERT(found >= static_cast<int>(target->thousandths) - 10);
        RC_ASSERT(found <= static_cast<int>(target->thousandths) + 10);
    } else if (const auto* const runs = std::get_if<runs_step>(&last)) {
        RC_ASSERT(zone.free_runs().size() == runs->count);
        RC_ASSERT(zone.frames().free_frames().raw == runs->count * runs->size.raw);
    } else if (const auto* const scatter = std::get_if<scatter_step>(&last)) {
        RC_ASSERT(zone.pinned().count().raw >= usable * scatter->percent / 100);
    }
}

RC_GTEST_PROP(fragmentation_property, every_frame_is_free_or_pinned_once_and_a_refusal_changes_nothing, ()) {
    const unsigned nodes = 1 + up_to(2);
    const zone_layout layout{page_count{(nodes == 1 ? 1 : 513) + up_to(20000)}, nodes};
    simulated_zone<gfn> zone(layout);
    const std::uint64_t usable = zone.frames().free_frames().raw;
    const fragmentation steps = any_steps();
    const std::uint64_t seed = up_to(1000);
    RC_LOG() << to_string(steps) << " on " << nodes << " nodes of " << layout.memory.raw << ", seed " << seed << "\n";
    const auto pinned = apply_fragmentation(steps, zone, seed);
    check_sound(zone);
    RC_TAG(pinned.ok() ? "done" : "refused");
    if (!pinned.ok()) {
        RC_ASSERT(zone.frames().free_frames().raw == usable);
        return;
    }
    RC_ASSERT(usable - pinned->raw == zone.frames().free_frames().raw);
    if (!steps.steps.empty()) check_promise(steps.steps.back(), zone, usable);
    // The same again, elsewhere.
    simulated_zone<gfn> again(layout);
    RC_ASSERT(apply_fragmentation(steps, again, seed).ok());
    RC_ASSERT(again.pinned().bits() == zone.pinned().bits());
    // A second list goes on from there, and takes from what is left only.
    const std::vector<bool> before = free_frames(zone);
    if (apply_fragmentation(any_steps(), zone, seed + 1).ok()) check_sound(zone);
    const std::vector<bool> after = free_frames(zone);
    for (std::size_t f = 0; f < after.size(); ++f) RC_ASSERT(before[f] || !after[f]);
}

RC_GTEST_PROP(fragmentation_property, every_list_of_steps_is_read_back_from_its_text, ()) {
    fragmentation steps = any_steps();
    steps.steps.emplace_back(runs_step{1 + up_to(1U << 19), page_count{1 + up_to(1U << 30)}});
    steps.steps.emplace_back(snapshot_step{"some/file:" + std::to_string(up_to(9))});
    const std::string text = to_string(steps);
    const auto read = parse_fragmentation(text);
    RC_ASSERT(read.ok());
    RC_ASSERT(*read == steps);
    RC_ASSERT(to_string(*read) == text);
}

}  // namespace
}  // namespace longreach
