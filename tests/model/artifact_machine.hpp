// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ARTIFACT_MACHINE_HPP
#define LONGREACH_TESTS_MODEL_ARTIFACT_MACHINE_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/workloads/artifact/artifact_policy.hpp>
#include <vector>

#include "artifact_zones.hpp"

// The original kernel's policy on free memory, for tests of what it decides.

namespace longreach::artifact_trial {

/// One zone, all free, and the policy on it.
struct machine {
    explicit machine(std::uint64_t count = 64, artifact_rules rules = artifact_rules::all(), pfn first = base)
        : zones{free_zone({first, page_count{count * top.raw}}, with(rules))}, policy(zones, rules) {}

    artifact_decision fault(vpn page, page_run area, order size = superpage_order, std::uint32_t space = 1,
                            bool alone = true) {
        return policy.decide({space, align_down(page, size), size, area, false, false, alone});
    }
    std::size_t records(page_run area, std::uint32_t space = 1) { return policy.records(space, area).size(); }

    /// Leaves no whole superpage in the first block.
    void break_first_block() {
        for (const page_count half : {page_count{0}, superpage}) {
            ASSERT_TRUE(zones[0].withdraw(base + half + page_count{1}));
        }
    }

    std::vector<artifact_zone> zones;
    artifact_policy policy;
};

}

#endif
