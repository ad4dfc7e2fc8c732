// SPDX-License-Identifier: MIT
// Any sequence of calls leaves the TLB in step with per-set lists, for several geometries.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>

#include "model/step_command.hpp"
#include "model/tlb_model.hpp"

namespace longreach {
namespace {

using model::tlb_step;

/// Few pages, so that sets overflow; three sizes, so that leaves overlap.
struct draw_step {
    tlb_step operator()() const {
        tlb_step step;
        step.what = *rc::gen::weightedElement<tlb_step::call>({{6, tlb_step::call::lookup},
                                                               {2, tlb_step::call::peek},
                                                               {8, tlb_step::call::fill},
                                                               {2, tlb_step::call::invalidate},
                                                               {1, tlb_step::call::flush}});
        step.size = *rc::gen::element(base_order, base_order, superpage_order, giant_order);
        const auto position = *rc::gen::inRange<std::uint64_t>(0, 24);
        step.page = (position << step.size.raw) + *rc::gen::inRange<std::uint64_t>(0, step.size.pages().raw);
        step.frame = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 40);
        step.count = *rc::gen::element<std::uint64_t>(0, 1, 2, 30, 600, std::uint64_t{1} << 20);
        step.writable = *rc::gen::arbitrary<bool>();
        step.kind = *rc::gen::element(access_kind::load, access_kind::store);
        return step;
    }
};

template <tlb_geometry Geometry>
void stays_in_step() {
    using model_type = model::tlb_model<vpn, pfn>;
    model::check_steps<model_type, tlb<vpn, pfn, Geometry>, tlb_step, draw_step>(model_type(Geometry));
}

RC_GTEST_PROP(tlb_property, one_set_of_three_ways_stays_in_step, ()) { stays_in_step<tlb_geometry{1, 3}>(); }
RC_GTEST_PROP(tlb_property, four_sets_of_two_ways_stay_in_step, ()) { stays_in_step<tlb_geometry{4, 2}>(); }
RC_GTEST_PROP(tlb_property, two_sets_of_eight_ways_stay_in_step, ()) { stays_in_step<tlb_geometry{2, 8}>(); }
RC_GTEST_PROP(tlb_property, direct_mapped_sets_stay_in_step, ()) { stays_in_step<tlb_geometry{8, 1}>(); }
RC_GTEST_PROP(tlb_property, no_sets_stay_in_step, ()) { stays_in_step<tlb_geometry{}>(); }

}  // namespace
}  // namespace longreach
