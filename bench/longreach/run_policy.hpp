// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_RUN_POLICY_HPP
#define LONGREACH_BENCH_LONGREACH_RUN_POLICY_HPP

#include <absl/status/statusor.h>

#include <longreach/workloads/experiment.hpp>

// All policies that the program knows, compiled apart: each costs seconds.

namespace longreach {

/// Runs one experiment under whatever policy it names. ResourceExhausted where a fault finds no frame.
[[nodiscard]] absl::StatusOr<outcome> run_policy(const workload& program, const experiment& wanted);

/// Whether the policy can run in a virtual machine.
[[nodiscard]] bool can_run_virtual(policy_name policy);

/// One half of run_policy(): the policies that do all their work in faults, in both machines.
[[nodiscard]] absl::StatusOr<outcome> run_in_faults(const workload& program, const experiment& wanted);
/// The other half: those with daemons, that map at once or place offline, natively.
[[nodiscard]] absl::StatusOr<outcome> run_natively(const workload& program, const experiment& wanted);

}

#endif
