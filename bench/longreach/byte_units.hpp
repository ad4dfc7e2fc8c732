// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_BYTE_UNITS_HPP
#define LONGREACH_BENCH_LONGREACH_BYTE_UNITS_HPP

#include <cstddef>
#include <cstdint>

// In which unit to print bytes.

namespace longreach {

/// The power of 1024, at most `last`: the largest of which there is one, after rounding to a tenth.
[[nodiscard]] constexpr std::size_t byte_unit(std::uint64_t bytes, std::size_t last) noexcept {
    std::size_t unit = 0;
    for (auto size = static_cast<double>(bytes); size >= 1023.95 && unit != last; size /= 1024) ++unit;
    return unit;
}

}

#endif
