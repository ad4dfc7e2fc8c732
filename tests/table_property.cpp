// SPDX-License-Identifier: MIT
// Whatever is mapped, cut, protected and walked, a page table holds the leaves that the model holds, in no table too
// many.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <ostream>

#include "model/table_model.hpp"

namespace longreach {
namespace {

using model::table_operation;
using model::table_trial;

struct nothing {};  // the trial holds the model

struct operate : rc::state::Command<nothing, table_trial> {
    operate() {
        op.kind = static_cast<table_operation::kind_type>(*rc::gen::inRange(0, int{table_operation::kinds}));
        op.size = *rc::gen::inRange<std::uint8_t>(0, 15);
        op.place = *rc::gen::arbitrary<std::uint16_t>();
        op.count = *rc::gen::inRange<std::uint16_t>(0, 1400);
        op.frame = *rc::gen::arbitrary<std::uint16_t>();
    }
    void run(const nothing&, table_trial& trial) const override {
        if (const auto told = trial.perform(op)) RC_FAIL(*told);
    }
    void show(std::ostream& out) const override { out << op; }

    table_operation op;
};

RC_GTEST_PROP(table_property, any_sequence_of_operations_leaves_it_equal_to_the_model, ()) {
    table_trial trial;
    rc::state::check(nothing{}, trial, rc::state::gen::execOneOfWithArgs<operate>());
}

}  // namespace
}  // namespace longreach
