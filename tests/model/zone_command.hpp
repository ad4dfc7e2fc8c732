// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_COMMAND_HPP
#define LONGREACH_TESTS_MODEL_ZONE_COMMAND_HPP

#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <cstdint>
#include <ostream>

#include "zone_trial.hpp"

// The operations of zone_trial as RapidCheck commands, for the properties of the buddy and of the contiguity map.

namespace longreach::model {

/// One drawn operation; `WithMap` asks the contiguity map as well.
template <bool WithMap>
struct zone_command : rc::state::Command<zone_state, zone_under_test> {
    explicit zone_command(const zone_state& state) {
        const std::uint64_t frames = state.frames.managed().count.raw;
        op.kind = static_cast<zone_operation::kind_type>(
            *rc::gen::inRange(0U, WithMap ? zone_operation::kinds : zone_operation::kinds_of_buddy));
        op.size = *rc::gen::weightedOneOf<unsigned>(
            {{3, rc::gen::just(0U)}, {3, rc::gen::inRange(0U, 10U)}, {1, rc::gen::inRange(9U, 14U)}});
        op.position = *rc::gen::inRange<std::uint64_t>(0, frames + 8);
        op.count = *rc::gen::inRange<std::uint64_t>(1, frames + 1);
    }

    void checkPreconditions(const zone_state& state) const override { RC_PRE(state.possible(op)); }
    void apply(zone_state& state) const override { (void)state.perform(op); }
    void run(const zone_state& before, zone_under_test& zone) const override {
        zone_state expected = before;
        const auto told = model::perform(op, expected, zone, WithMap);
        if (told) RC_FAIL(*told);
        if (const auto wrong = zone.frame_difference(expected.frames)) RC_FAIL(*wrong);
    }
    void show(std::ostream& out) const override { out << op; }

    zone_operation op;
};

/// Runs drawn operations on a drawn zone, comparing with the model after each.
template <bool WithMap>
void check_zone() {
    const frame_run managed{pfn{*rc::gen::inRange<std::uint64_t>(0, 1200)},
                            page_count{*rc::gen::inRange<std::uint64_t>(1, 2800)}};
    zone_under_test zone(managed);
    const auto operations = *rc::gen::scale(
        3.0, rc::state::gen::commands(zone_state(managed), rc::state::gen::execOneOfWithArgs<zone_command<WithMap>>()));
    rc::state::runAll(operations, zone_state(managed), zone);
}

}  // namespace longreach::model

#endif
