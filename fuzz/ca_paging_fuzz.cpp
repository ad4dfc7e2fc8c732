// SPDX-License-Identifier: MIT
// Faults, frees, growth, moves and page tables of two address spaces: ca_paging never hands a frame out twice, never
// refuses one that is free, and obeys its pieces.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../tests/model/ca_placement_watch.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace longreach::model;
    if (const auto told = run_script<ca_placement_watch>(placement_script(data, size), 256)) {
        std::fprintf(stderr, "%s\n", told->c_str());
        std::abort();
    }
    return 0;
}
