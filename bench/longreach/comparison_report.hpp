// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_COMPARISON_REPORT_HPP
#define LONGREACH_BENCH_LONGREACH_COMPARISON_REPORT_HPP

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "report.hpp"

// Prints the rows of a comparison: for people a table of means over the seeds, for programs a line per row; with
// several seeds then, for both, the 95 % intervals of the means.

namespace longreach {

class comparison_report {
  public:
    /// Rows come in groups that differ in the seed alone, `seeds` of them.
    comparison_report(report_format format, std::uint64_t seeds) : format_(format), seeds_(seeds), lines_(format) {}

    /// Takes the next row; JSON and CSV are printed at once. Of a row that failed nothing is printed.
    void add(const comparison_row& row);
    /// Prints what waits for all rows: the table, and the lines of all seeds together.
    void finish();

  private:
    using row_group = std::span<const comparison_row>;

    [[nodiscard]] std::vector<row_group> groups() const;
    void add_all_seeds(row_group group);
    void print_tables() const;

    report_format format_;
    std::uint64_t seeds_;
    std::vector<comparison_row> rows_;
    report_lines lines_;
};

}

#endif
