// SPDX-License-Identifier: MIT
#include <longreach/workloads/experiment_run.hpp>

#include "run_policy.hpp"

namespace longreach {

absl::StatusOr<outcome> run_natively(const workload& program, const experiment& wanted) {
    return run_experiment<eager_kind, ingens_kind, hawkeye_kind, ranger_kind, ideal_kind>(program, wanted);
}

}
