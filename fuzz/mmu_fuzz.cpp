// SPDX-License-Identifier: MIT
// Changes tables and translates accesses, natively or in a virtual machine, against maps: six bytes each, at most 10^5.

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "../tests/model/mmu_model.hpp"
#include "compare_steps.hpp"

namespace {

using namespace longreach;
using model::mmu_step;

constexpr std::size_t step_bytes = 6;

mmu_step decode(const std::uint8_t* bytes) {
    constexpr mmu_step::call calls[] = {
        mmu_step::call::map,          mmu_step::call::map,        mmu_step::call::unmap,    mmu_step::call::protect,
        mmu_step::call::host_map,     mmu_step::call::host_map,   mmu_step::call::host_map, mmu_step::call::host_unmap,
        mmu_step::call::host_protect, mmu_step::call::invalidate, mmu_step::call::flush};
    constexpr std::uint64_t counts[] = {0, 1, 3, 511, 512, 513, 1024, 5000};
    constexpr std::uint64_t offsets[] = {1024, 2048, 1029, 1024};
    constexpr std::uint64_t host_offsets[] = {0, 512, std::uint64_t{1} << 18, 77};
    mmu_step step;
    const unsigned selector = bytes[0] % 32;
    step.what = selector < std::size(calls) ? calls[selector] : mmu_step::call::access;
    step.writable = (bytes[0] & 0x60) != 0;
    step.contiguous = (bytes[0] & 0x80) == 0;
    step.page = std::uint64_t{bytes[1] % 6U} * 512 + bytes[2] * ((bytes[1] & 0x80) != 0 ? 2U : 1U);
    step.size = (bytes[3] & 3) == 3 ? superpage_order : base_order;
    step.count = counts[(bytes[3] >> 2) & 7];
    step.kind = (bytes[3] & 0x20) != 0 ? access_kind::store : access_kind::load;
    step.past_tlbs = (bytes[3] & 0xc0) == 0xc0;
    step.frame = step.page + offsets[bytes[4] & 3];
    if (step.what == mmu_step::call::host_map || step.what == mmu_step::call::host_unmap ||
        step.what == mmu_step::call::host_protect) {
        step.page += 1024;
        step.frame = step.page + host_offsets[bytes[4] & 3];
    }
    step.pc = bytes[5];
    return step;
}

template <class Subject>
void compare(bool is_virtual, const std::uint8_t* data, std::size_t size) {
    Subject subject;
    model::mmu_model expected{is_virtual};
    compare_steps<step_bytes>(subject, expected, data, size, decode, is_virtual ? "virtual" : "native");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    if (data[0] % 2 == 0) {
        compare<model::native_subject>(false, data + 1, size - 1);
    } else {
        compare<model::virtual_subject>(true, data + 1, size - 1);
    }
    return 0;
}
