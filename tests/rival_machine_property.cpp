// SPDX-License-Identifier: MIT
// Programs drawn at random under every policy: what is touched stays mapped, every invariant holds after each step,
// daemons find an end, and policies differ in what they promise and in nothing else.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/recording_totals.hpp>
#include <map>
#include <string>
#include <vector>

#include "model/machine_trial.hpp"
#include "model/recording_generator.hpp"

namespace longreach {
namespace {

using model::machine_step;
using model::machine_trial;

rc::Gen<machine_step> steps() {
    return rc::gen::map(rc::gen::tuple(rc::gen::inRange(0U, machine_step::kinds), rc::gen::inRange(0, 64),
                                       rc::gen::inRange(0, 5), rc::gen::inRange(0, 64), rc::gen::arbitrary<bool>()),
                        [](const auto& drawn) {
                            const auto& [kind, page, size, to, writable] = drawn;
                            constexpr std::uint64_t counts[] = {1, 3, 40, 600, 1500};
                            return model::make_step(kind, static_cast<std::uint64_t>(page) * 37, counts[size],
                                                    static_cast<std::uint64_t>(to) * 31, writable);
                        });
}

/// Steps, after some of which the daemon works until it finds nothing more; frames have one owner throughout.
template <class Kind>
void run_steps() {
    machine_trial<native_machine<Kind>> trial;
    for (const machine_step& step : *rc::gen::resize(30, rc::gen::container<std::vector<machine_step>>(steps()))) {
        if (const std::string found = trial.step(step); !found.empty()) RC_FAIL(found);
        auto& machine = trial.machine();
        if (step.count % 2 == 0) {
            machine.settle();
            const violation broken = machine.audit();
            if (broken) RC_FAIL(broken.label);
        }
        const frame_map map = machine.frame_maps().front();
        RC_ASSERT(map.total(frame_use::area).frames == machine.resident_pages());
        RC_ASSERT(machine.resident_pages() + map.total(frame_use::other).frames ==
                  machine.touched_pages() + machine.costs().bloat_pages);
    }
}

RC_GTEST_PROP(rival_machine, base4k_keeps_what_is_touched, ()) { run_steps<base4k_kind>(); }
RC_GTEST_PROP(rival_machine, random_keeps_what_is_touched, ()) { run_steps<random_kind>(); }
RC_GTEST_PROP(rival_machine, eager_keeps_what_is_touched, ()) { run_steps<eager_kind>(); }
RC_GTEST_PROP(rival_machine, ingens_keeps_what_is_touched, ()) { run_steps<ingens_kind>(); }
RC_GTEST_PROP(rival_machine, hawkeye_keeps_what_is_touched, ()) { run_steps<hawkeye_kind>(); }
RC_GTEST_PROP(rival_machine, ranger_keeps_what_is_touched, ()) { run_steps<ranger_kind>(); }
RC_GTEST_PROP(rival_machine, ideal_keeps_what_is_touched, ()) { run_steps<ideal_kind>(); }

fragmentation any_fragmentation() {
    fragmentation result = hog_of(*rc::gen::element(0U, 10U, 30U, 50U));
    if (*rc::gen::arbitrary<bool>()) result.steps.push_back(scatter_step{*rc::gen::element(1U, 5U, 20U)});
    return result;
}

/// All policies run any recording in any memory that is large enough, each with what it promises.
RC_GTEST_PROP(rival_machine, policies_keep_their_promises_for_any_recording, (std::uint64_t seed)) {
    const recording drawn = [&] {
        recording made = model::recording_generator(seed).draw(200);
        const absl::Status sound = check_recording(made);
        RC_ASSERT(sound.ok());
        return made;
    }();
    experiment wanted;
    wanted.memory = page_count{16384};
    wanted.fragmented = any_fragmentation();
    wanted.seed = seed % 100;
    wanted.feed = translation_feed::census;
    std::map<policy_name, outcome> found;
    for (const auto& [name, policy] : policy_names) {
        wanted.policy = policy;
        absl::StatusOr<outcome> one = run_experiment<base4k_kind, thp_kind, ca_kind, random_kind, eager_kind,
                                                     ingens_kind, hawkeye_kind, ranger_kind, ideal_kind>(drawn, wanted);
        if (!one.ok()) RC_FAIL(std::string(name) + ": " + std::string(one.status().message()));
        RC_ASSERT(one->runs.n99 >= one->bound99());
        RC_ASSERT(one->runs.n80 <= one->runs.n90);
        RC_ASSERT(one->runs.n90 <= one->runs.n99);
        RC_ASSERT(one->runs.pages >= drawn.footprint.peak_pages);
        found[policy] = *std::move(one);
    }
    const outcome& thp = found[policy_name::thp];
    RC_ASSERT(found[policy_name::base4k].runs.superpages == 0U);
    RC_ASSERT(found[policy_name::base4k].runs.pages == drawn.footprint.peak_pages);
    RC_ASSERT(found[policy_name::base4k].costs.bloat_pages == 0U);
    for (const policy_name same : {policy_name::ca, policy_name::ideal}) {
        RC_ASSERT(found[same].runs.pages == thp.runs.pages);
        RC_ASSERT(found[same].counters.faults == thp.counters.faults);
        RC_ASSERT(found[same].costs.fault_ns == thp.costs.fault_ns);
    }
}

}
}
