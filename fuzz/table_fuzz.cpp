// SPDX-License-Identifier: MIT
// Any sequence of operations leaves a page table equal to the model, leaf by leaf; 8 bytes are one operation.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "../tests/model/table_model.hpp"

namespace {

constexpr std::size_t most_operations = 200;

std::uint16_t word(const std::uint8_t* bytes) { return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8); }

longreach::model::table_operation decode(const std::uint8_t* bytes) {
    using longreach::model::table_operation;
    return {static_cast<table_operation::kind_type>(bytes[0] % table_operation::kinds), bytes[1], word(bytes + 2),
            word(bytes + 4), word(bytes + 6)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    longreach::model::table_trial trial;
    const std::size_t operations = size / 8 < most_operations ? size / 8 : most_operations;
    for (std::size_t i = 0; i < operations; ++i) {
        if (const auto told = trial.perform(decode(data + 8 * i))) {
            for (std::size_t j = 0; j <= i; ++j) std::cerr << decode(data + 8 * j) << ",\n";
            std::cerr << *told << '\n';
            std::abort();
        }
    }
    return 0;
}
