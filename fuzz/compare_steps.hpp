// SPDX-License-Identifier: MIT
#ifndef LONGREACH_FUZZ_COMPARE_STEPS_HPP
#define LONGREACH_FUZZ_COMPARE_STEPS_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

// The loop of the fuzzers that give one part and its model the same steps, decoded from a few bytes each.

namespace longreach {

/// The longest stream of steps that one input may be.
inline constexpr std::size_t most_steps = 100'000;

/// Aborts at the first step, of `StepBytes` bytes each, at which subject and model differ; `name` tells which subject.
template <std::size_t StepBytes, class Subject, class Model, class Decode>
void compare_steps(Subject& subject, Model& expected, const std::uint8_t* data, std::size_t size, Decode&& decode,
                   std::string_view name) {
    for (std::size_t at = 0, steps = 0; at + StepBytes <= size && steps < most_steps; at += StepBytes, ++steps) {
        const auto step = decode(data + at);
        const std::string found = difference(subject, expected, step);
        if (found.empty()) continue;
        std::cerr << name << ", step " << steps << ", " << step << ": " << found << '\n';
        std::abort();
    }
}

/// "4 sets of 2 ways"
template <class Geometry>
[[nodiscard]] std::string name_of(const Geometry& geometry) {
    return std::to_string(geometry.sets) + " sets of " + std::to_string(geometry.ways) + " ways";
}

}  // namespace longreach

#endif
