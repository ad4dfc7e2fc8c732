// SPDX-License-Identifier: MIT
// Any sequence of operations leaves address spaces equal to the model, page by page: the first three bytes are the
// policy, the options and how much memory there is, then 8 bytes are one operation.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "../tests/model/address_space_trial.hpp"

namespace {

using longreach::model::space_operation;
using longreach::model::trial_setting;

constexpr std::size_t most_operations = 100;
constexpr std::size_t header = 3;

std::uint16_t word(const std::uint8_t* bytes) { return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8); }

space_operation decode(const std::uint8_t* bytes) {
    return {static_cast<space_operation::kind_type>(bytes[0] % space_operation::kinds),
            bytes[1],
            word(bytes + 2),
            word(bytes + 4),
            word(bytes + 6),
            static_cast<std::uint8_t>(bytes[0] / space_operation::kinds)};
}

trial_setting setting_of(const std::uint8_t* bytes) {
    static constexpr std::array<std::uint64_t, 4> thresholds{32, 1, 3, 512};
    trial_setting setting;
    setting.options.number = 7;
    setting.options.superpages = static_cast<longreach::superpage_use>(bytes[0] / 4U % 3U);
    setting.options.contiguity_threshold = longreach::page_count{thresholds[bytes[0] / 16U % 4U]};
    setting.options.stack_limit = longreach::page_count{bytes[0] / 64U % 2U * 600U};
    setting.entries = 8 + bytes[1] % 16U * 2;
    setting.little_object_memory = bytes[1] >= 128;
    setting.together = static_cast<longreach::model::company>(2U - bytes[2] % 3U);
    return setting;
}

template <class World>
void run(const std::uint8_t* data, std::size_t size, std::uint64_t frames) {
    World world(frames);
    longreach::model::basic_space_trial<World> trial(world, setting_of(data));
    const std::uint8_t* operations = data + header;
    const std::size_t count = (size - header) / 8 < most_operations ? (size - header) / 8 : most_operations;
    for (std::size_t i = 0; i <= count; ++i) {
        const auto told = i == count ? trial.finish() : trial.perform(decode(operations + 8 * i));
        if (!told) continue;
        for (std::size_t j = 0; j <= i && j < count; ++j) std::cerr << decode(operations + 8 * j) << ",\n";
        std::cerr << *told << '\n';
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < header) return 0;
    switch (data[0] % 4U) {
        case 0:
            run<longreach::model::thp_world>(data, size, 1024);
            break;
        case 1:
            run<longreach::model::ca_world>(data, size, 2048);
            break;
        default:
            run<longreach::model::list_world>(data, size, 6144);
    }
    return 0;
}
