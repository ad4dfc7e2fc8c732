// SPDX-License-Identifier: MIT
// Whatever is mapped, changed, guessed and kept: an access gets what the tables say, natively and in a virtual machine.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>

#include "model/mmu_model.hpp"
#include "model/step_command.hpp"

namespace longreach {
namespace {

using model::mmu_step;

/// Four superpages' worth of pages, three instructions, few offsets, so that predictions happen and fail.
template <bool Virtual>
struct draw_step {
    mmu_step operator()() const {
        mmu_step step;
        step.what = *rc::gen::weightedElement<mmu_step::call>({{12, mmu_step::call::access},
                                                               {4, mmu_step::call::map},
                                                               {1, mmu_step::call::unmap},
                                                               {1, mmu_step::call::protect},
                                                               {Virtual ? 4 : 0, mmu_step::call::host_map},
                                                               {Virtual ? 1 : 0, mmu_step::call::host_unmap},
                                                               {Virtual ? 1 : 0, mmu_step::call::host_protect},
                                                               {1, mmu_step::call::invalidate},
                                                               {1, mmu_step::call::flush}});
        step.page = *rc::gen::inRange<std::uint64_t>(0, 4) * 512 + *rc::gen::inRange<std::uint64_t>(0, 6);
        step.size = *rc::gen::element(base_order, base_order, superpage_order);
        step.frame = step.page + *rc::gen::element<std::uint64_t>(1024, 1024, 2048, 1029);
        step.count = *rc::gen::element<std::uint64_t>(1, 3, 512, 2000);
        if (step.what == mmu_step::call::host_map || step.what == mmu_step::call::host_unmap ||
            step.what == mmu_step::call::host_protect) {
            step.page += 1024;
            step.frame = step.page + *rc::gen::element<std::uint64_t>(0, 1 << 18, 512);
        }
        step.pc = *rc::gen::element<std::uint64_t>(0, 8, 3);
        step.writable = *rc::gen::weightedElement<bool>({{4, true}, {1, false}});
        step.contiguous = *rc::gen::weightedElement<bool>({{4, true}, {1, false}});
        step.past_tlbs = *rc::gen::weightedElement<bool>({{3, false}, {1, true}});
        step.kind = *rc::gen::element(access_kind::load, access_kind::store);
        return step;
    }
};

RC_GTEST_PROP(mmu_property, native_accesses_get_what_the_table_says, ()) {
    model::check_steps<model::mmu_model, model::native_subject, mmu_step, draw_step<false>>({false});
}
RC_GTEST_PROP(mmu_property, virtual_accesses_get_what_both_tables_say, ()) {
    model::check_steps<model::mmu_model, model::virtual_subject, mmu_step, draw_step<true>>({true});
}

}  // namespace
}  // namespace longreach
