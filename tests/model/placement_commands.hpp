// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_PLACEMENT_COMMANDS_HPP
#define LONGREACH_TESTS_MODEL_PLACEMENT_COMMANDS_HPP

#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <cstddef>
#include <cstdint>
#include <ostream>

#include "placement_trial.hpp"

// Any operations on any memory for a placement_trial, as RapidCheck generates and shrinks them.

namespace longreach::model {

/// The trial holds the model: which frames a fault may get depends on those that earlier faults did get.
struct no_model {};

template <class Trial>
struct placement_command : rc::state::Command<no_model, Trial> {
    placement_command() {
        using kind = placement_operation::kind_type;
        op.kind = *rc::gen::weightedElement<kind>({{6, kind::fault},
                                                   {4, kind::fault_superpage},
                                                   {2, kind::unmap},
                                                   {1, kind::release},
                                                   {2, kind::grow},
                                                   {1, kind::move},
                                                   {1, kind::table},
                                                   {1, kind::free_table},
                                                   {2, kind::lose}});
        op.area = *rc::gen::inRange(0U, placement_operation::areas);
        op.position = *rc::gen::inRange<std::uint64_t>(0, 4096);
        op.count = *rc::gen::inRange<std::uint64_t>(1, 1024);
    }

    void apply(no_model&) const override {}
    void run(const no_model&, Trial& trial) const override {
        if (const auto told = trial.perform(op)) RC_FAIL(*told);
    }
    void show(std::ostream& out) const override { out << op; }

    placement_operation op;
};

/// Any memory of at most 6000 frames.
inline placement_setting any_placement_setting() {
    placement_setting setting;
    setting.managed = {
        pfn{*rc::gen::inRange<std::uint64_t>(0, 1200)},
        page_count{*rc::gen::weightedOneOf<std::uint64_t>(
            {{1, rc::gen::inRange<std::uint64_t>(1, 1000)}, {3, rc::gen::inRange<std::uint64_t>(1000, 6000)}})}};
    setting.pieces = *rc::gen::inRange<std::size_t>(1, 40);
    setting.pinned_eighths = *rc::gen::element(0U, 0U, 1U, 3U, 7U);
    setting.pinned_order = order{*rc::gen::element(0U, 4U, 9U, 9U)};
    setting.seed = *rc::gen::arbitrary<std::uint64_t>();
    return setting;
}

/// Whatever two address spaces do, the policy keeps what its watch knows of its promises.
template <class Watch>
void keep_every_promise() {
    using trial_type = placement_trial<Watch>;
    trial_type trial(any_placement_setting());
    const auto operations = *rc::gen::scale(
        40.0, rc::state::gen::commands(no_model{}, rc::state::gen::execOneOfWithArgs<placement_command<trial_type>>()));
    rc::state::runAll(operations, no_model{}, trial);
    if (const auto told = trial.frame_difference()) RC_FAIL(*told);
}

}  // namespace longreach::model

#endif
