// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_TABLE_HPP
#define LONGREACH_BENCH_LONGREACH_TABLE_HPP

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

// A table for people to read: text columns to the left, numbers to the right, as wide as their content.

namespace longreach {

class text_table {
  public:
    explicit text_table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }

    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

    /// The table, one line per row; the first `left_columns` columns are aligned to the left.
    [[nodiscard]] std::string str(std::size_t left_columns) const {
        std::vector<std::size_t> width(rows_.front().size(), 0);
        for (const auto& row : rows_) {
            for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
        }
        std::string result;
        for (const auto& row : rows_) {
            for (std::size_t c = 0; c < row.size(); ++c) {
                const std::string pad(width[c] - row[c].size(), ' ');
                absl::StrAppend(&result, c == 0 ? "" : "  ", c < left_columns ? "" : pad, row[c],
                                c < left_columns && c + 1 < row.size() ? pad : "");
            }
            result += '\n';
        }
        return result;
    }

  private:
    std::vector<std::vector<std::string>> rows_;
};

}

#endif
