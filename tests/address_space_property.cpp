// SPDX-License-Identifier: MIT
// Whatever is mapped, moved, protected, touched, forked, read and refused, address spaces hold the areas and frames of
// the model.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <ostream>

#include "model/address_space_trial.hpp"

namespace longreach {
namespace {

using model::company;
using model::space_operation;
using model::trial_setting;

struct nothing {};  // the trial holds the model

template <class Trial>
struct operate : rc::state::Command<nothing, Trial> {
    operate() {
        op.kind = *rc::gen::weightedElement<space_operation::kind_type>(
            {{6, space_operation::map},      {2, space_operation::unmap},   {3, space_operation::protect},
             {3, space_operation::move},     {2, space_operation::discard}, {5, space_operation::touch},
             {10, space_operation::sweep},   {1, space_operation::drop},    {1, space_operation::aim},
             {1, space_operation::refuse},   {1, space_operation::advise},  {1, space_operation::fill},
             {3, space_operation::fork},     {2, space_operation::exit},    {2, space_operation::read},
             {1, space_operation::resize},   {1, space_operation::evict},   {3, space_operation::whole},
             {3, space_operation::collapse}, {1, space_operation::split},   {3, space_operation::relocate},
             {3, space_operation::exchange}});
        op.what = *rc::gen::arbitrary<std::uint8_t>();
        op.place = *rc::gen::inRange<std::uint16_t>(0, 4096);
        op.count = *rc::gen::inRange<std::uint16_t>(0, 1400);
        op.other = *rc::gen::arbitrary<std::uint16_t>();
        op.who = *rc::gen::inRange<std::uint8_t>(0, 3);
    }
    void run(const nothing&, Trial& trial) const override {
        if (const auto told = trial.perform(op)) RC_FAIL(*told);
    }
    void show(std::ostream& out) const override { out << op; }

    space_operation op;
};

trial_setting any_setting() {
    trial_setting setting;
    setting.options.superpages = *rc::gen::weightedElement<superpage_use>(
        {{4, superpage_use::always}, {1, superpage_use::advised}, {1, superpage_use::never}});
    setting.options.contiguity_threshold = page_count{*rc::gen::element<std::uint64_t>(1, 2, 32, 100, 512)};
    setting.options.stack_limit = page_count{*rc::gen::element<std::uint64_t>(0, 600)};
    setting.little_object_memory = *rc::gen::arbitrary<bool>();
    setting.together =
        *rc::gen::weightedElement<company>({{1, company::none}, {2, company::forks}, {3, company::files}});
    return setting;
}

template <class World>
void hold_the_model(std::uint64_t frames) {
    using trial_type = model::basic_space_trial<World>;
    World world(frames);
    trial_type trial(world, any_setting());
    rc::state::check(nothing{}, trial, rc::state::gen::execOneOfWithArgs<operate<trial_type>>());
    if (const auto told = trial.finish()) RC_FAIL(*told);
}

RC_GTEST_PROP(address_space_property, any_sequence_of_operations_leaves_spaces_equal_to_the_model, ()) {
    hold_the_model<model::list_world>(6144);
}

RC_GTEST_PROP(address_space_property, with_thp_over_a_buddy, ()) {
    hold_the_model<model::thp_world>(*rc::gen::element<std::uint64_t>(1024, 4096));
}

RC_GTEST_PROP(address_space_property, with_ca_paging_over_a_buddy, ()) {
    hold_the_model<model::ca_world>(*rc::gen::element<std::uint64_t>(1024, 4096));
}

RC_GTEST_PROP(address_space_property, with_eager_over_a_buddy, ()) {
    hold_the_model<model::eager_world>(*rc::gen::element<std::uint64_t>(4096, 16384));
}

}  // namespace
}  // namespace longreach
