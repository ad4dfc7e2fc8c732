// SPDX-License-Identifier: MIT
// Whatever happens to the frames, the map finds the clusters that looking at every frame finds.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/zone_command.hpp"

namespace longreach {
namespace {

RC_GTEST_PROP(contiguity_map_property, any_sequence_of_operations_leaves_its_answers_equal_to_the_model_s, ()) {
    model::check_zone<true>();
}

}  // namespace
}  // namespace longreach
