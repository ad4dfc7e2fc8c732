// SPDX-License-Identifier: MIT
// Whatever happens to the frames, the contiguity map answers what looking at every frame answers.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../tests/model/zone_script.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace longreach::model;
    zone_script script(data, size, true);
    if (const auto told = perform_all(script.setting(), script.operations(256), true)) {
        std::fprintf(stderr, "%s\n", told->c_str());
        std::abort();
    }
    return 0;
}
