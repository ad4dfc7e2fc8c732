// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_REPLAY_REPORT_HPP
#define LONGREACH_BENCH_LONGREACH_REPLAY_REPORT_HPP

#include <longreach/workloads/cases/case_result.hpp>
#include <vector>

#include "report.hpp"

// Prints what replays found: for people a table with a sum below, for programs a line per case, workload and process.

namespace longreach {

/// Everything that is known of a result; names and order are stable. Described in bench/README.md.
[[nodiscard]] std::vector<report_field> fields_of(const case_result& result);

class replay_report {
  public:
    explicit replay_report(report_format format) : format_(format), lines_(format) {}

    /// Takes the next result; JSON and CSV are printed at once.
    void add(const case_result& result);
    /// Prints what waits for all results: the table.
    void finish() const;

  private:
    report_format format_;
    std::vector<case_result> results_;
    report_lines lines_;
};

}

#endif
