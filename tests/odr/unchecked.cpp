// SPDX-License-Identifier: MIT
#define LONGREACH_CHECKS 0

#include "every_header.hpp"
#include "odr.hpp"

#define kernel_main kernel_main_unchecked
#include "../freestanding/kernel.cpp"

odr::counter odr::unchecked() { return longreach::count_ones; }

bool odr::unchecked_checks() {
    bool evaluated = false;
    LONGREACH_CHECK((evaluated = true), "odr.holds");
    return evaluated;
}

int odr::unchecked_kernel(std::byte* memory, std::size_t bytes) { return kernel_main_unchecked(memory, bytes); }
