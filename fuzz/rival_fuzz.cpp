// SPDX-License-Identifier: MIT
// Whatever programs and a daemon do in turn, pages keep their contents, frames have one owner, costs equal a recount
// and the promises of the daemon's paper hold: the first two bytes are the daemon and its setting, then 6 bytes are one
// step.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "../tests/model/rival_trial.hpp"

namespace {

using longreach::model::rival_step;

constexpr std::size_t most_steps = 100;
constexpr std::size_t header = 2;
constexpr std::size_t step_bytes = 6;

rival_step decode(const std::uint8_t* bytes) {
    return {static_cast<rival_step::kind_type>(bytes[0] % rival_step::kinds),
            static_cast<std::uint8_t>(bytes[0] / rival_step::kinds), bytes[1],
            static_cast<std::uint16_t>(bytes[2] | bytes[3] << 8), static_cast<std::uint16_t>(bytes[4] | bytes[5] << 8)};
}

template <class Subject>
void run(const std::uint8_t* data, std::size_t size) {
    longreach::model::rival_trial<Subject> trial(data[1]);
    const std::uint8_t* steps = data + header;
    const std::size_t given = (size - header) / step_bytes;
    const std::size_t count = given < most_steps ? given : most_steps;
    for (std::size_t i = 0; i < count; ++i) {
        const auto told = trial.perform(decode(steps + step_bytes * i));
        if (!told) continue;
        for (std::size_t j = 0; j <= i; ++j) std::cerr << decode(steps + step_bytes * j) << ",\n";
        std::cerr << *told << '\n';
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < header) return 0;
    switch (data[0] % 3U) {
        case 0:
            run<longreach::model::ingens_subject>(data, size);
            break;
        case 1:
            run<longreach::model::hawkeye_subject>(data, size);
            break;
        default:
            run<longreach::model::ranger_subject>(data, size);
    }
    return 0;
}
