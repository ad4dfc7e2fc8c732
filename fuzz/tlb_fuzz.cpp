// SPDX-License-Identifier: MIT
// Drives a TLB and its model with the same calls: six bytes each, at most 10^5.

#include <cstddef>
#include <cstdint>

#include "../tests/model/tlb_model.hpp"
#include "compare_steps.hpp"

namespace {

using namespace longreach;
using model::tlb_step;

constexpr std::size_t step_bytes = 6;

tlb_step decode(const std::uint8_t* bytes) {
    constexpr order sizes[] = {base_order, superpage_order, giant_order, base_order};
    constexpr std::uint64_t counts[] = {0, 1, 2, 7, 512, 1000, std::uint64_t{1} << 18, std::uint64_t{1} << 30};
    tlb_step step;
    const unsigned selector = bytes[0] % 32;
    step.what = selector < 12   ? tlb_step::call::lookup
                : selector < 14 ? tlb_step::call::peek
                : selector < 28 ? tlb_step::call::fill
                : selector < 31 ? tlb_step::call::invalidate
                                : tlb_step::call::flush;
    step.kind = (bytes[0] & 0x20) != 0 ? access_kind::store : access_kind::load;
    step.writable = (bytes[0] & 0x40) != 0;
    step.size = sizes[bytes[1] & 3];
    step.count = counts[(bytes[1] >> 2) & 7];
    step.page = (std::uint64_t{bytes[2]} << step.size.raw) + bytes[3];
    if ((bytes[1] & 0x20) != 0) {
        step.page = (tlb<vpn, pfn, tlb_geometry{1, 1}>::page_limit - 1) - step.page;
    }
    step.frame = std::uint64_t{bytes[4]} << (bytes[5] % 48);
    return step;
}

template <tlb_geometry Geometry>
void compare(const std::uint8_t* data, std::size_t size) {
    tlb<vpn, pfn, Geometry> subject;
    model::tlb_model<vpn, pfn> expected(Geometry);
    compare_steps<step_bytes>(subject, expected, data, size, decode, name_of(Geometry));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    switch (data[0] % 4) {
        case 0:
            compare<tlb_geometry{4, 2}>(data + 1, size - 1);
            break;
        case 1:
            compare<tlb_geometry{1, 8}>(data + 1, size - 1);
            break;
        case 2:
            compare<tlb_geometry{16, 4}>(data + 1, size - 1);
            break;
        default:
            compare<tlb_geometry{2, 6}>(data + 1, size - 1);
            break;
    }
    return 0;
}
