// SPDX-License-Identifier: MIT
// Drives SpOT and its model with the same misses: four bytes each, at most 10^5.

#include <cstddef>
#include <cstdint>

#include "../tests/model/spot_model.hpp"
#include "compare_steps.hpp"

namespace {

using namespace longreach;
using model::spot_step;

constexpr std::size_t step_bytes = 4;

spot_step decode(const std::uint8_t* bytes) {
    constexpr std::uint64_t offsets[] = {0, 5, 700, ~std::uint64_t{0} - 40};
    spot_step step;
    step.flush = bytes[0] == 0xff;
    step.pc = std::uint64_t{bytes[1]} << ((bytes[0] & 3) * 8);
    step.page = std::uint64_t{bytes[2]} * 257;
    step.frame = step.page - offsets[bytes[3] & 3];
    step.kind = (bytes[3] & 4) != 0 ? access_kind::store : access_kind::load;
    step.contiguous = (bytes[3] & 0x18) != 0;
    step.writable = (bytes[3] & 0x60) != 0;
    return step;
}

template <spot_geometry Geometry, class Index>
void compare(const std::uint8_t* data, std::size_t size) {
    spot<vpn, pfn, Geometry, Index> subject;
    model::spot_model<vpn, pfn, Index> expected(Geometry);
    compare_steps<step_bytes>(subject, expected, data, size, decode, name_of(Geometry));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    switch (data[0] % 4) {
        case 0:
            compare<published_spot, low_bits_index>(data + 1, size - 1);
            break;
        case 1:
            compare<published_spot, folded_index>(data + 1, size - 1);
            break;
        case 2:
            compare<spot_geometry{1, 3, 2}, low_bits_index>(data + 1, size - 1);
            break;
        default:
            compare<spot_geometry{4, 1, 8}, folded_index>(data + 1, size - 1);
            break;
    }
    return 0;
}
