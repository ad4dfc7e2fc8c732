// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_CA_MACHINE_HPP
#define LONGREACH_TESTS_CA_MACHINE_HPP

#include <cstdint>

#include "model/placement_machine.hpp"

// The words of the tests of CA paging: a machine, areas that stay as they are, heaps and stacks.

namespace longreach {

using model::area;
using model::area_of;
using machine = model::placement_machine;

/// An area that may grow at its end.
inline area heap_of(std::uint64_t first, std::uint64_t count) {
    area heap = area_of(first, count);
    heap.grows_up = true;
    return heap;
}

/// An area that may grow at its start.
inline area stack_of(std::uint64_t first, std::uint64_t count) {
    area stack = area_of(first, count);
    stack.grows_down = true;
    return stack;
}

}  // namespace longreach

#endif
