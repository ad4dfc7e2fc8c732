// SPDX-License-Identifier: MIT
// Programs drawn at random on every machine: what they touch is mapped, nothing else is, and every invariant of
// allocator, tables, policy and MMU holds after each step.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <longreach/workloads/experiment_run.hpp>
#include <longreach/workloads/recording_totals.hpp>
#include <vector>

#include "model/machine_trial.hpp"
#include "model/recording_generator.hpp"

namespace longreach {
namespace {

using model::machine_step;
using model::machine_trial;

/// Places near each other, and often a whole superpage.
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

template <class Machine>
void run_steps(const std::vector<machine_step>& drawn) {
    machine_trial<Machine> trial;
    for (const machine_step& step : drawn) {
        if (const std::string found = trial.step(step); !found.empty()) RC_FAIL(found);
    }
}

std::vector<machine_step> draw() {
    return *rc::gen::resize(40, rc::gen::container<std::vector<machine_step>>(steps()));
}

RC_GTEST_PROP(machine, a_native_machine_under_thp_maps_what_is_touched, ()) {
    run_steps<native_machine<thp_kind>>(draw());
}
RC_GTEST_PROP(machine, a_native_machine_under_ca_maps_what_is_touched, ()) {
    run_steps<native_machine<ca_kind>>(draw());
}
RC_GTEST_PROP(machine, a_virtual_machine_under_thp_maps_what_is_touched, ()) {
    run_steps<virtual_machine<thp_kind>>(draw());
}
RC_GTEST_PROP(machine, a_virtual_machine_under_ca_maps_what_is_touched, ()) {
    run_steps<virtual_machine<ca_kind>>(draw());
}

/// Both policies, on both machines, map the same pages of any recording, and lose no prediction.
RC_GTEST_PROP(machine, policies_differ_in_frames_and_never_in_pages, (std::uint64_t seed)) {
    recording drawn = model::recording_generator(seed).draw(200);
    const absl::Status sound = check_recording(drawn);
    if (!sound.ok()) RC_FAIL(std::string(sound.message()));
    for (const machine_mode mode : {machine_mode::native, machine_mode::virtualized}) {
        experiment wanted;
        wanted.memory = page_count{8192};
        wanted.fragmented = hog_of(30);
        wanted.mode = mode;
        wanted.policy = policy_name::thp;
        const absl::StatusOr<outcome> thp = run_experiment<thp_kind, ca_kind>(drawn, wanted);
        wanted.policy = policy_name::ca;
        const absl::StatusOr<outcome> ca = run_experiment<thp_kind, ca_kind>(drawn, wanted);
        if (!thp.ok()) RC_FAIL(std::string(thp.status().message()));
        if (!ca.ok()) RC_FAIL(std::string(ca.status().message()));
        RC_ASSERT(thp->runs.pages == ca->runs.pages);
        RC_ASSERT(thp->runs.superpages == ca->runs.superpages);
        RC_ASSERT(thp->counters.faults == ca->counters.faults);
        if (mode == machine_mode::native) RC_ASSERT(ca->runs.n99 >= ca->bound99());
        const mmu_counters& t = ca->translation;
        RC_ASSERT(t.spot_correct() + t.spot_mispredicted() + t.spot_no_prediction() == t.l2_misses);
    }
}

}
}
