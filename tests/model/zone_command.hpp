// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_COMMAND_HPP
#define LONGREACH_TESTS_MODEL_ZONE_COMMAND_HPP

#include <rapidcheck/gtest.h>

#include <cstdint>
#include <vector>

#include "zone_trial.hpp"

// Zones and the operations of zone_trial as RapidCheck draws them, for the properties of the buddy and of the map.

namespace longreach::model {

inline zone_setting draw_zone() {
    zone_setting setting;
    setting.managed.first = pfn{*rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 1200),
                                                rc::gen::inRange<std::uint64_t>((1U << 18) - 2800, 1U << 18))};
    setting.managed.count =
        page_count{*rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(1, 2800), rc::gen::inRange<std::uint64_t>(1, 8193))};
    setting.options.choice = static_cast<block_choice>(*rc::gen::inRange(0, 5));
    setting.options.exact_promises = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
    return setting;
}

inline zone_operation draw_operation(std::uint64_t frames, bool with_map) {
    zone_operation op;
    op.kind = with_map && *rc::gen::inRange(0, 4) == 0 ? zone_operation::questions[*rc::gen::inRange(0, 8)]
                                                       : zone_operation::drawn[*rc::gen::inRange(0, 32)];
    op.size = *rc::gen::weightedOneOf<unsigned>(
        {{3, rc::gen::just(0U)}, {3, rc::gen::inRange(0U, 10U)}, {1, rc::gen::inRange(9U, 14U)}});
    op.position = *rc::gen::inRange<std::uint64_t>(0, frames + 8);
    op.count = *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(1, frames + 1),
                               rc::gen::inRange<std::uint64_t>(1, frames < 40 ? frames + 1 : 40));
    return op;
}

/// Performs drawn operations on a drawn zone, comparing with the model after each; `with_map` asks the contiguity map
/// as well.
inline void check_zone(bool with_map) {
    const zone_setting setting = *rc::gen::resize(rc::kNominalSize, rc::gen::exec(draw_zone));
    const std::uint64_t frames = setting.managed.count.raw;
    const auto draw = [=] { return draw_operation(frames, with_map); };
    const auto operations = *rc::gen::scale(
        3.0, rc::gen::container<std::vector<zone_operation>>(rc::gen::resize(rc::kNominalSize, rc::gen::exec(draw))));
    if (const auto told = perform_all(setting, operations, with_map)) RC_FAIL(*told);
}

}  // namespace longreach::model

#endif
