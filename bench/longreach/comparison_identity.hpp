// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_COMPARISON_IDENTITY_HPP
#define LONGREACH_BENCH_LONGREACH_COMPARISON_IDENTITY_HPP

#include <cstdint>
#include <string_view>

#include "comparison.hpp"

// Which comparison a journal belongs to.

namespace longreach {

/// A fingerprint of everything that decides the rows: the flags as they were given, what the workloads hold, and this
/// very build of the program, since another may count otherwise.
[[nodiscard]] std::uint64_t identity_of(const comparison& wanted, std::string_view flags);

}

#endif
