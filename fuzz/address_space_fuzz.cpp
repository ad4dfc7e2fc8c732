// SPDX-License-Identifier: MIT
// Any sequence of operations leaves an address space equal to the model, page by page: the first byte is the
// options and how much memory there is, then 8 bytes are one operation.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "../tests/model/address_space_trial.hpp"

namespace {

using longreach::model::space_operation;

constexpr std::size_t most_operations = 100;

std::uint16_t word(const std::uint8_t* bytes) { return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8); }

space_operation decode(const std::uint8_t* bytes) {
    return {static_cast<space_operation::kind_type>(bytes[0] % space_operation::kinds), bytes[1], word(bytes + 2),
            word(bytes + 4), word(bytes + 6)};
}

longreach::space_options options_of(std::uint8_t byte) {
    static constexpr std::array<std::uint64_t, 4> thresholds{32, 1, 3, 512};
    return {7, (byte & 1U) == 0, longreach::page_count{thresholds[byte / 2U % 4U]}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    longreach::model::address_space_trial trial(options_of(data[0]), 8 + data[0] / 8U % 16U * 2, data[0] >= 128);
    const std::uint8_t* operations = data + 1;
    for (std::size_t i = 0; i < (size - 1) / 8 && i < most_operations; ++i) {
        if (const auto told = trial.perform(decode(operations + 8 * i))) {
            for (std::size_t j = 0; j <= i; ++j) std::cerr << decode(operations + 8 * j) << ",\n";
            std::cerr << *told << '\n';
            std::abort();
        }
    }
    return 0;
}
