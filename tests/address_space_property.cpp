// SPDX-License-Identifier: MIT
// Whatever is mapped, moved, protected, touched and refused, an address space holds the areas and frames of the model.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <ostream>

#include "model/address_space_trial.hpp"

namespace longreach {
namespace {

using model::address_space_trial;
using model::space_operation;

struct nothing {};  // the trial holds the model

struct operate : rc::state::Command<nothing, address_space_trial> {
    operate() {
        op.kind = *rc::gen::weightedElement<space_operation::kind_type>({{6, space_operation::map},
                                                                         {2, space_operation::unmap},
                                                                         {3, space_operation::protect},
                                                                         {3, space_operation::move},
                                                                         {2, space_operation::discard},
                                                                         {5, space_operation::touch},
                                                                         {8, space_operation::sweep},
                                                                         {1, space_operation::drop},
                                                                         {1, space_operation::aim},
                                                                         {1, space_operation::refuse}});
        op.what = *rc::gen::arbitrary<std::uint8_t>();
        op.place = *rc::gen::inRange<std::uint16_t>(0, 4096);
        op.count = *rc::gen::inRange<std::uint16_t>(0, 1400);
        op.other = *rc::gen::arbitrary<std::uint16_t>();
    }
    void run(const nothing&, address_space_trial& trial) const override {
        if (const auto told = trial.perform(op)) RC_FAIL(*told);
    }
    void show(std::ostream& out) const override { out << op; }

    space_operation op;
};

RC_GTEST_PROP(address_space_property, any_sequence_of_operations_leaves_it_equal_to_the_model,
              (bool superpages, bool little_object_memory)) {
    space_options options;
    options.superpages = superpages;
    options.contiguity_threshold = page_count{*rc::gen::element<std::uint64_t>(1, 2, 32, 100, 512)};
    address_space_trial trial(options, 24, little_object_memory);
    rc::state::check(nothing{}, trial, rc::state::gen::execOneOfWithArgs<operate>());
}

}  // namespace
}  // namespace longreach
