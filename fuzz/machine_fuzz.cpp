// SPDX-License-Identifier: MIT
// Programs made of bytes on every machine. The first byte chooses machine, memory and hog; then five bytes a step.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "../tests/model/machine_trial.hpp"

namespace {

using namespace longreach;

template <class Machine>
void run_bytes(unsigned setting, std::span<const std::uint8_t> bytes) {
    const page_count memory{(setting & 1) != 0 ? 1024U : 4096U};
    model::machine_trial<Machine> trial(memory, (setting & 2) != 0 ? 60 : 0);
    std::vector<model::machine_step> taken;
    for (std::size_t i = 0; i + 5 <= bytes.size() && taken.size() < 64; i += 5) {
        constexpr std::uint64_t counts[] = {1, 2, 9, 64, 511, 512, 700, 2048};
        const model::machine_step step =
            model::make_step(bytes[i] & 0x0f, bytes[i + 1] * 8U + (bytes[i + 2] & 7U), counts[bytes[i + 2] >> 5],
                             bytes[i + 3] * 8U + (bytes[i + 4] & 7U), (bytes[i] & 0x80) == 0);
        taken.push_back(step);
        const bool last = i + 10 > bytes.size() || taken.size() == 64;
        const std::string found = trial.step(step, last || taken.size() % 4 == 0);
        if (found.empty()) continue;
        for (const model::machine_step& each : taken) std::cerr << each << '\n';
        std::cerr << "broken: " << found << '\n';
        std::abort();
    }
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::span<const std::uint8_t> steps(data + 1, size - 1);
    const unsigned setting = data[0] >> 2;
    switch (data[0] & 3) {
        case 0:
            run_bytes<native_machine<thp_kind>>(setting, steps);
            break;
        case 1:
            run_bytes<native_machine<ca_kind>>(setting, steps);
            break;
        case 2:
            run_bytes<virtual_machine<thp_kind>>(setting, steps);
            break;
        default:
            run_bytes<virtual_machine<ca_kind>>(setting, steps);
    }
    return 0;
}
