// SPDX-License-Identifier: MIT
// Whatever two address spaces do, ca_paging gives every frame to one owner, gives as long as there is something to
// give, and obeys its pieces.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/ca_placement_watch.hpp"
#include "model/placement_commands.hpp"

namespace longreach {
namespace {

RC_GTEST_PROP(ca_paging_property, every_frame_has_one_owner_and_every_piece_is_obeyed, ()) {
    model::keep_every_promise<model::ca_placement_watch>();
}

}  // namespace
}  // namespace longreach
