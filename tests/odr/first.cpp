// SPDX-License-Identifier: MIT
#include "every_header.hpp"
#include "odr.hpp"

#define kernel_main kernel_main_first
#include "../freestanding/kernel.cpp"

odr::counter odr::first() { return longreach::count_ones; }

bool odr::first_checks() {
    bool evaluated = false;
    LONGREACH_CHECK((evaluated = true), "odr.holds");
    return evaluated;
}

int odr::first_kernel(std::byte* memory, std::size_t bytes) { return kernel_main_first(memory, bytes); }
