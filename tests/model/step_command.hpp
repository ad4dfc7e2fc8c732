// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_STEP_COMMAND_HPP
#define LONGREACH_TESTS_MODEL_STEP_COMMAND_HPP

#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <ostream>
#include <string>

// A RapidCheck command around a printable step: draws one with `Draw{}()`, takes it with `difference(sut, model,
// step)`.

namespace longreach::model {

template <class Model, class Sut, class Step, class Draw>
struct step_command : rc::state::Command<Model, Sut> {
    Step step = Draw{}();

    void apply(Model& model) const override {  // the model moves on whatever the other answers
        Sut scratch;
        (void)difference(scratch, model, step);
    }
    void run(const Model& before, Sut& sut) const override {
        Model model = before;
        const std::string found = difference(sut, model, step);
        if (!found.empty()) RC_FAIL(found);
    }
    void show(std::ostream& out) const override { out << step; }
};

/// Checks that long sequences of steps find no difference.
template <class Model, class Sut, class Step, class Draw>
void check_steps(const Model& initial) {
    Sut sut;
    rc::state::check(initial, sut, rc::state::gen::execOneOfWithArgs<step_command<Model, Sut, Step, Draw>>());
}

}  // namespace longreach::model

#endif
