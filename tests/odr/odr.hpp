// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_ODR_ODR_HPP
#define LONGREACH_TESTS_ODR_ODR_HPP

// Three translation units that include every header; each tells what it sees.

#include <cstddef>
#include <cstdint>

namespace odr {

using counter = unsigned (*)(std::uint64_t);

counter first();      ///< the address of an inline function of the library
counter second();     ///< the same, in a second unit at the same check level
counter unchecked();  ///< the same, in a unit with LONGREACH_CHECKS=0

int first_kernel(std::byte* memory, std::size_t bytes);      ///< tests/freestanding/kernel.cpp, compiled in that unit
int unchecked_kernel(std::byte* memory, std::size_t bytes);  ///< the same, in the unit with LONGREACH_CHECKS=0

bool first_checks();      ///< whether that unit evaluates the condition of a check
bool unchecked_checks();  ///< the same, in the unit with LONGREACH_CHECKS=0

}

#endif
