// SPDX-License-Identifier: MIT
// Whatever programs and daemons do in turn, every page keeps its content, every frame has one owner, costs equal a
// recount, and no daemon does what its paper forbids.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <ostream>

#include "model/rival_trial.hpp"

namespace longreach {
namespace {

using model::rival_step;

struct nothing {};  // the trial holds the model

template <class Trial>
struct operate : rc::state::Command<nothing, Trial> {
    operate() {
        step.kind = *rc::gen::weightedElement<rival_step::kind_type>({{6, rival_step::map},
                                                                      {1, rival_step::unmap},
                                                                      {9, rival_step::store},
                                                                      {2, rival_step::discard},
                                                                      {3, rival_step::pin},
                                                                      {1, rival_step::unpin},
                                                                      {1, rival_step::fork},
                                                                      {5, rival_step::heat},
                                                                      {5, rival_step::pass},
                                                                      {2, rival_step::settle}});
        step.who = *rc::gen::inRange<std::uint8_t>(0, 2);
        step.what = *rc::gen::arbitrary<std::uint8_t>();
        step.place = *rc::gen::inRange<std::uint16_t>(0, 3072);
        step.count = *rc::gen::inRange<std::uint16_t>(0, 1100);
    }
    void run(const nothing&, Trial& trial) const override {
        if (const auto told = trial.perform(step)) RC_FAIL(*told);
    }
    void show(std::ostream& out) const override { out << step; }

    rival_step step;
};

template <class Subject>
void keep_the_promises() {
    using trial_type = model::rival_trial<Subject>;
    trial_type trial(*rc::gen::arbitrary<std::uint8_t>());
    rc::state::check(nothing{}, trial, rc::state::gen::execOneOfWithArgs<operate<trial_type>>());
}

RC_GTEST_PROP(rival_property, ingens_promotes_by_its_threshold_and_loses_nothing, ()) {
    keep_the_promises<model::ingens_subject>();
}

RC_GTEST_PROP(rival_property, hawkeye_promotes_hottest_first_gives_back_only_zeros_and_loses_nothing, ()) {
    keep_the_promises<model::hawkeye_subject>();
}

RC_GTEST_PROP(rival_property, ranger_ends_leaves_what_has_arrived_and_loses_nothing, ()) {
    keep_the_promises<model::ranger_subject>();
}

}  // namespace
}  // namespace longreach
