// SPDX-License-Identifier: MIT
// Any sequence of allocations, exact requests, frees and promises leaves a buddy equal to the model, frame by frame.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../tests/model/zone_trial.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace longreach::model;
    const zone_script script(data, size, zone_operation::kinds_of_buddy);
    if (const auto told = run_script(script, false, 256)) {
        std::fprintf(stderr, "%s\n", told->c_str());
        std::abort();
    }
    return 0;
}
