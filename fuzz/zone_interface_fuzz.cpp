// SPDX-License-Identifier: MIT
// Whatever is asked of any variant of the allocator through the table of the benches, frames are handed out once,
// blocks lie where they must, nothing free is refused, and every invariant holds.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "../bench/longreach_zones.hpp"
#include "../tests/model/zone_interface_trial.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace longreach;
    const auto variants = bench::fuzzed_zones();
    model::byte_numbers numbers(data, size);
    const longreach_zone_interface& table = *variants[numbers.below(variants.size())];
    const std::uint64_t frames = 1024 + numbers.below(7169);
    const auto cpus = static_cast<unsigned>(1 + numbers.below(std::min(table.cpus, 4U)));
    model::zone_interface_trial trial(table, frames, cpus);
    for (unsigned i = 0; i < 256 && !numbers.empty() && trial.findings().good(); ++i) trial.step(numbers);
    trial.release_all();
    if (!trial.findings().good()) {
        std::cerr << table.name << ", " << frames << " frames, " << cpus << " CPUs: " << trial.findings() << '\n';
        std::abort();
    }
    return 0;
}
