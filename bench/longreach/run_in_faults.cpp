// SPDX-License-Identifier: MIT
#include <longreach/workloads/experiment_run.hpp>

#include "run_policy.hpp"

namespace longreach {

absl::StatusOr<outcome> run_in_faults(const workload& program, const experiment& wanted) {
    return run_experiment<thp_kind, ca_kind, base4k_kind, random_kind>(program, wanted);
}

bool can_run_virtual(policy_name policy) {
    return policy == policy_name::thp || policy == policy_name::ca || policy == policy_name::base4k ||
           policy == policy_name::random;
}

absl::StatusOr<outcome> run_policy(const workload& program, const experiment& wanted) {
    return can_run_virtual(wanted.policy) ? run_in_faults(program, wanted) : run_natively(program, wanted);
}

}
