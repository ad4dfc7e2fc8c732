// SPDX-License-Identifier: MIT
// Whatever is allocated, asked for, freed and promised, a buddy answers as the model does and holds the same frames.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/zone_command.hpp"

namespace longreach {
namespace {

RC_GTEST_PROP(buddy_property, any_sequence_of_operations_leaves_it_equal_to_the_model, ()) { model::check_zone(false); }

}  // namespace
}  // namespace longreach
