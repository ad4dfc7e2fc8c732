// SPDX-License-Identifier: MIT
// Whatever happens to the frames, the map finds the clusters that looking at every frame finds.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <ostream>

#include "model/zone_trial.hpp"

namespace longreach {
namespace {

using model::zone_operation;
using model::zone_state;
using model::zone_under_test;

struct operate : rc::state::Command<zone_state, zone_under_test> {
    explicit operate(const zone_state& state) {
        const std::uint64_t frames = state.frames.managed().count.raw;
        op.kind = static_cast<zone_operation::kind_type>(*rc::gen::inRange(0U, zone_operation::kinds));
        op.size = *rc::gen::weightedOneOf<unsigned>(
            {{3, rc::gen::just(0U)}, {3, rc::gen::inRange(0U, 10U)}, {1, rc::gen::inRange(9U, 14U)}});
        op.position = *rc::gen::inRange<std::uint64_t>(0, frames + 8);
        op.count = *rc::gen::inRange<std::uint64_t>(1, frames + 1);
    }

    void checkPreconditions(const zone_state& state) const override { RC_PRE(state.possible(op)); }
    void apply(zone_state& state) const override { (void)state.perform(op); }
    void run(const zone_state& before, zone_under_test& zone) const override {
        zone_state expected = before;
        const auto told = model::perform(op, expected, zone, true);
        if (told) RC_FAIL(*told);
        if (const auto wrong = zone.frame_difference(expected.frames)) RC_FAIL(*wrong);
    }
    void show(std::ostream& out) const override { out << op; }

    zone_operation op;
};

RC_GTEST_PROP(contiguity_map_property, any_sequence_of_operations_leaves_its_answers_equal_to_the_model_s, ()) {
    const frame_run managed{pfn{*rc::gen::inRange<std::uint64_t>(0, 1200)},
                            page_count{*rc::gen::inRange<std::uint64_t>(1, 2800)}};
    zone_under_test zone(managed);
    const auto operations = *rc::gen::scale(
        3.0, rc::state::gen::commands(zone_state(managed), rc::state::gen::execOneOfWithArgs<operate>()));
    rc::state::runAll(operations, zone_state(managed), zone);
}

}  // namespace
}  // namespace longreach
