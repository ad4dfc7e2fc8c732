// SPDX-License-Identifier: MIT
// Whatever happens to the frames, the map finds the clusters that looking at every frame finds.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>

#include "model/large_zone_trial.hpp"
#include "model/zone_command.hpp"

namespace longreach {
namespace {

RC_GTEST_PROP(contiguity_map_property, any_sequence_of_operations_leaves_its_answers_equal_to_the_model_s, ()) {
    model::check_zone(true);
}

RC_GTEST_PROP(contiguity_map_property, in_thousands_of_superpages_every_search_finds_what_a_list_of_runs_finds, ()) {
    const model::large_setting setting = *rc::gen::resize(
        rc::kNominalSize,
        rc::gen::build<model::large_setting>(
            rc::gen::set(&model::large_setting::first, rc::gen::inRange<std::uint64_t>(0, 300000)),
            rc::gen::set(&model::large_setting::superpages,
                         rc::gen::weightedOneOf<std::uint64_t>({{3, rc::gen::inRange<std::uint64_t>(1, 400)},
                                                                {1, rc::gen::inRange<std::uint64_t>(400, 5000)}})),
            rc::gen::set(&model::large_setting::operations, rc::gen::inRange<std::uint64_t>(1, 400)),
            rc::gen::set(&model::large_setting::seed, rc::gen::inRange<std::uint64_t>(0, 1U << 30))));
    if (const auto told = model::large_zone_trial(setting).run()) RC_FAIL(*told);
}

}  // namespace
}  // namespace longreach
