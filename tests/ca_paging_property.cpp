// SPDX-License-Identifier: MIT
// Whatever two address spaces do, ca_paging gives every frame to one owner, gives as long as there is something to
// give, and obeys its pieces.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <ostream>

#include "model/placement_trial.hpp"

namespace longreach {
namespace {

using model::placement_operation;
using model::placement_setting;
using model::placement_trial;

/// The trial holds the model: which frames a fault may get depends on those that earlier faults did get.
struct nothing {};

struct operate : rc::state::Command<nothing, placement_trial> {
    operate() {
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

    void apply(nothing&) const override {}
    void run(const nothing&, placement_trial& trial) const override {
        if (const auto told = trial.perform(op)) RC_FAIL(*told);
    }
    void show(std::ostream& out) const override { out << op; }

    placement_operation op;
};

RC_GTEST_PROP(ca_paging_property, every_frame_has_one_owner_and_every_piece_is_obeyed, ()) {
    placement_setting setting;
    setting.managed = {
        pfn{*rc::gen::inRange<std::uint64_t>(0, 1200)},
        page_count{*rc::gen::weightedOneOf<std::uint64_t>(
            {{1, rc::gen::inRange<std::uint64_t>(1, 1000)}, {3, rc::gen::inRange<std::uint64_t>(1000, 6000)}})}};
    setting.pieces = *rc::gen::inRange<std::size_t>(1, 40);
    setting.pinned_eighths = *rc::gen::element(0U, 0U, 1U, 3U, 7U);
    setting.pinned_order = order{*rc::gen::element(0U, 4U, 9U, 9U)};
    setting.seed = *rc::gen::arbitrary<std::uint64_t>();
    placement_trial trial(setting);
    const auto operations =
        *rc::gen::scale(40.0, rc::state::gen::commands(nothing{}, rc::state::gen::execOneOfWithArgs<operate>()));
    rc::state::runAll(operations, nothing{}, trial);
    if (const auto told = trial.frame_difference()) RC_FAIL(*told);
}

}  // namespace
}  // namespace longreach
