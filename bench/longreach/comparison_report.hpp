// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_COMPARISON_REPORT_HPP
#define LONGREACH_BENCH_LONGREACH_COMPARISON_REPORT_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "report.hpp"

// Prints the rows of a comparison: for people a table of means over the seeds, for programs a line per row.

namespace longreach {

/// Everything that is known of a row; names and order are stable. Described in bench/README.md.
[[nodiscard]] std::vector<report_field> fields_of(const comparison_row& row);

class comparison_report {
  public:
    /// The table marks groups in which fewer than `seeds` runs succeeded.
    comparison_report(report_format format, std::uint64_t seeds) : format_(format), seeds_(seeds), lines_(format) {}

    /// Takes the next row; JSON and CSV are printed at once.
    void add(const comparison_row& row);
    /// Prints what waits for all rows: the table.
    void finish() const;

  private:
    report_format format_;
    std::uint64_t seeds_;
    std::vector<comparison_row> rows_;
    report_lines lines_;
};

}

#endif
