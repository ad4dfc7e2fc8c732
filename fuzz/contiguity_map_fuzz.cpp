// SPDX-License-Identifier: MIT
// Whatever happens to the frames, the contiguity map answers what looking at every frame answers.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../tests/model/zone_trial.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace longreach::model;
    const zone_script script(data, size, zone_operation::kinds);
    if (const auto told = run_script(script, true, 256)) {
        std::fprintf(stderr, "%s\n", told->c_str());
        std::abort();
    }
    return 0;
}
