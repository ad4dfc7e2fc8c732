// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_MAP_DRAWING_HPP
#define LONGREACH_BENCH_LONGREACH_MAP_DRAWING_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "map_grid.hpp"
#include "svg.hpp"

// Draws one memory: a strip of the whole where lines are folded, and the lines.

namespace longreach {

/// Names of the owner classes, as legend and tooltips say them.
using class_names = std::vector<std::string>;

/// The style sheet rules and patterns of the owner classes: class k is drawn with the CSS class `c<k>`.
[[nodiscard]] std::string class_styles();

/// Bytes in the largest unit that makes at most four digits, with decimals only where it is not whole.
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);
/// A number with a comma every three digits.
[[nodiscard]] std::string grouped(std::uint64_t number);

inline constexpr std::uint64_t map_width = 1024;  ///< pixels of a line

/// Draws with the upper left corner of the lines' labels at `at`; answers the height used.
std::uint64_t draw_map(svg_page& page, svg_page::point at, const frame_map& map, const classifier& classes,
                       const class_names& names, const map_scale& scale);

inline constexpr std::uint64_t label_width = 84;  ///< pixels left of a line, for its address

}

#endif
