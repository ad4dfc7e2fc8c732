// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_PICTURE_HPP
#define LONGREACH_BENCH_LONGREACH_PICTURE_HPP

#include <string>

#include "comparison.hpp"

// One run as a picture: physical memory at its end, with a legend and the figures. What it shows: bench/README.md.

namespace longreach {

/// SVG 1.1 that needs nothing beside it. The run was made with frame maps. Same row, same bytes.
[[nodiscard]] std::string picture_of(const comparison_row& row);

}

#endif
