// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_REPRODUCE_REPORT_HPP
#define LONGREACH_BENCH_LONGREACH_REPRODUCE_REPORT_HPP

#include <vector>

#include "report.hpp"
#include "reproduce_claims.hpp"

// Prints verdicts: for people a table and what explains each fail, for programs a line per verdict.

namespace longreach {

/// Names and order are stable. Described in bench/README.md.
[[nodiscard]] std::vector<report_field> fields_of(const verdict& found);

void print_verdicts(const std::vector<verdict>& verdicts, report_format format);

}

#endif
