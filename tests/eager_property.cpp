// SPDX-License-Identifier: MIT
// Whatever two address spaces do, eager takes the largest blocks for all that lacks frames around a fault, or nothing,
// and every page gets the frame that is held for it.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/eager_placement_watch.hpp"
#include "model/placement_commands.hpp"

namespace longreach {
namespace {

RC_GTEST_PROP(eager_property, every_page_gets_what_is_held_for_it_in_the_largest_blocks_that_were_free, ()) {
    model::keep_every_promise<model::eager_placement_watch>();
}

}  // namespace
}  // namespace longreach
