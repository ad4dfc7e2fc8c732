// SPDX-License-Identifier: MIT
// Any sequence of allocations, exact requests, frees and promises leaves a buddy equal to the model, frame by frame.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../tests/model/zone_script.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace longreach::model;
    zone_script script(data, size, false);
    if (const auto told = perform_all(script.setting(), script.operations(256), false)) {
        std::fprintf(stderr, "%s\n", told->c_str());
        std::abort();
    }
    return 0;
}
