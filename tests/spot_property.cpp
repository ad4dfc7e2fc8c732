// SPDX-License-Identifier: MIT
// Any sequence of misses leaves SpOT in step with its description, published and with each option.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>

#include "model/spot_model.hpp"
#include "model/step_command.hpp"

namespace longreach {
namespace {

using model::spot_step;

/// Few instructions and offsets, so that entries gain and lose confidence and sets overflow.
struct draw_step {
    spot_step operator()() const {
        spot_step step;
        step.flush = *rc::gen::weightedElement<bool>({{200, false}, {1, true}});
        step.pc = *rc::gen::inRange<std::uint64_t>(0, 8) * *rc::gen::element<std::uint64_t>(1, 8, 64);
        step.page = *rc::gen::inRange<std::uint64_t>(0, 1 << 20);
        step.frame = step.page - *rc::gen::element<std::uint64_t>(0, 5, 5, 5, 700, ~std::uint64_t{0} - 40);
        step.kind = *rc::gen::element(access_kind::load, access_kind::store);
        step.contiguous = *rc::gen::weightedElement<bool>({{4, true}, {1, false}});
        step.writable = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
        return step;
    }
};

template <spot_geometry Geometry, class Index>
void stays_in_step() {
    using model_type = model::spot_model<vpn, pfn, Index>;
    model::check_steps<model_type, spot<vpn, pfn, Geometry, Index>, spot_step, draw_step>(model_type(Geometry));
}

RC_GTEST_PROP(spot_property, the_published_table_stays_in_step, ()) { stays_in_step<published_spot, low_bits_index>(); }
RC_GTEST_PROP(spot_property, a_folded_index_stays_in_step, ()) {
    stays_in_step<spot_geometry{2, 2, 0}, folded_index>();
}
RC_GTEST_PROP(spot_property, an_ageing_table_stays_in_step, ()) {
    stays_in_step<spot_geometry{1, 3, 2}, low_bits_index>();
}
RC_GTEST_PROP(spot_property, a_direct_mapped_table_stays_in_step, ()) {
    stays_in_step<spot_geometry{8, 1, 3}, low_bits_index>();
}

}  // namespace
}  // namespace longreach
