// SPDX-License-Identifier: MIT
// Whatever one thread asks of an atomic zone, it answers as one flag per frame does.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <vector>

#include "model/atomic_zone_trial.hpp"

namespace longreach {
namespace {

model::atomic_operation draw_operation(std::uint64_t frames) {
    model::atomic_operation op;
    op.kind = static_cast<model::atomic_operation::kind_type>(
        *rc::gen::weightedOneOf<unsigned>({{12, rc::gen::inRange(0U, model::atomic_operation::kinds - 1)},
                                           {1, rc::gen::just(model::atomic_operation::kinds - 1)}}));
    op.size = *rc::gen::weightedOneOf<unsigned>(
        {{3, rc::gen::just(0U)}, {3, rc::gen::inRange(0U, 10U)}, {1, rc::gen::inRange(9U, 14U)}});
    op.position = *rc::gen::inRange<std::uint64_t>(0, frames + 8);
    op.count = *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(1, frames + 1),
                               rc::gen::inRange<std::uint64_t>(1, frames < 40 ? frames + 1 : 40));
    return op;
}

RC_GTEST_PROP(atomic_buddy_property, any_sequence_of_operations_leaves_it_equal_to_the_model, ()) {
    const frame_run managed{pfn{*rc::gen::inRange<std::uint64_t>(0, 1200)},
                            page_count{*rc::gen::inRange<std::uint64_t>(1, 2800)}};
    const auto operations = *rc::gen::scale(3.0, rc::gen::container<std::vector<model::atomic_operation>>(
                                                     rc::gen::exec([=] { return draw_operation(managed.count.raw); })));
    if (const auto wrong = model::perform_all(managed, operations)) RC_FAIL(*wrong);
}

}  // namespace
}  // namespace longreach
