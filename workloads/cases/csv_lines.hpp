// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CSV_LINES_HPP
#define LONGREACH_WORKLOADS_CASES_CSV_LINES_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../input_error.hpp"
#include "../zstd_lines.hpp"

// Comma-separated text whose first line names the columns. Columns are found by name, in any order; others are passed
// over. Cells hold no commas and no quotation marks.
//
// The first cell of a line that is not what it should be is remembered and later ones read as zero, so that a line is
// read straight through and asked once, at its end, whether all was well.

LONGREACH_NAMESPACE_BEGIN

/// A number without sign, in base 10 or 16, below 2^63; nothing where the text is anything else.
[[nodiscard]] inline std::optional<std::uint64_t> parse_digits(std::string_view text, unsigned base) {
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        const char lower = static_cast<char>(c | 0x20);
        unsigned digit = base;
        if (c >= '0' && c <= '9') {
            digit = static_cast<unsigned>(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            digit = static_cast<unsigned>(lower - 'a') + 10;
        }
        if (digit >= base || value > ((std::uint64_t{1} << 63) - 1 - digit) / base) return std::nullopt;
        value = value * base + digit;
    }
    return value;
}

/// Reads rows front to back. Cells are named by their place in the list of columns that was asked for.
class csv_lines {
  public:
    /// Reads the first line; each of `columns` has to be in it once, unless its name begins with `?`.
    [[nodiscard]] static absl::StatusOr<csv_lines> begin(zstd_lines lines, std::initializer_list<const char*> columns) {
        csv_lines result(std::move(lines), columns);
        const std::optional<std::string_view> heading = result.lines_.next();
        if (!heading) {
            if (!result.lines_.status().ok()) return result.lines_.status();
            return result.lines_.error_here("expected the names of the columns, found the end of the file");
        }
        result.split(*heading);
        for (const std::string& name : result.names_) {
            std::optional<std::size_t> place;
            for (std::size_t i = 0; i < result.cells_.size(); ++i) {
                if (result.cells_[i] != name) continue;
                if (place) return result.lines_.error_here(absl::StrCat("expected one column ", name, ", found two"));
                place = i;
            }
            if (!place && result.is_optional_[result.places_.size()]) {
                place = missing;
            }
            if (!place) {
                return result.lines_.error_here(
                    absl::StrCat("expected a column ", name, ", found ", in_quotes(*heading)));
            }
            result.places_.push_back(*place);
        }
        result.width_ = result.cells_.size();
        return result;
    }

    /// Steps to the next row; false at the end and at an error, which status() tells apart.
    [[nodiscard]] bool next() {
        if (!status_.ok()) return false;
        const std::optional<std::string_view> line = lines_.next();
        if (!line) {
            status_ = lines_.status();
            return false;
        }
        split(*line);
        if (cells_.size() == width_) return true;
        status_ = lines_.error_here(absl::StrCat("expected ", width_, " columns, found ", cells_.size()));
        return false;
    }

    /// Whether the file has a column that it need not have.
    [[nodiscard]] bool has(std::size_t column) const { return places_[column] != missing; }
    /// The cell in the column that was asked for as number `column`, valid until the next row.
    [[nodiscard]] std::string_view text(std::size_t column) const { return cells_[places_[column]]; }

    [[nodiscard]] std::uint64_t decimal(std::size_t column, std::uint64_t limit = std::uint64_t{1} << 62) {
        return number(column, text(column), 10, limit, "a decimal number");
    }
    /// With the prefix 0x.
    [[nodiscard]] std::uint64_t hexadecimal(std::size_t column, std::uint64_t limit = std::uint64_t{1} << 62) {
        const std::string_view cell = text(column);
        const bool prefixed = cell.substr(0, 2) == "0x";
        return number(column, prefixed ? cell.substr(2) : std::string_view(), 16, limit,
                      "a hexadecimal number with 0x");
    }
    /// The place of the cell in a list of words.
    template <class Value>
    [[nodiscard]] Value one_of(std::size_t column, std::initializer_list<std::pair<const char*, Value>> words) {
        std::string known;
        for (const auto& [word, value] : words) {
            if (text(column) == word) return value;
            absl::StrAppend(&known, known.empty() ? "" : ", ", word);
        }
        reject(column, absl::StrCat("one of ", known));
        return Value{};
    }

    /// Remembers that a cell is wrong, unless another was before.
    void reject(std::size_t column, std::string_view expected) {
        if (!status_.ok()) return;
        status_ = lines_.error_here(
            absl::StrCat(names_[column], ": expected ", std::string(expected), ", found ", in_quotes(text(column))));
    }
    /// Remembers that a row is wrong, unless a cell was before.
    void reject_row(std::string_view what) {
        if (status_.ok()) status_ = lines_.error_here(what);
    }

    /// Good until a line was wrong.
    [[nodiscard]] const absl::Status& status() const noexcept { return status_; }
    [[nodiscard]] std::uint64_t line_number() const noexcept { return lines_.line_number(); }
    [[nodiscard]] const std::string& name() const noexcept { return lines_.name(); }

  private:
    csv_lines(zstd_lines lines, std::initializer_list<const char*> columns) : lines_(std::move(lines)) {
        for (const char* const column : columns) {
            is_optional_.push_back(*column == '?');
            names_.emplace_back(column + (*column == '?' ? 1 : 0));
        }
    }

    void split(std::string_view line) {
        cells_.clear();
        while (true) {
            const std::size_t comma = line.find(',');
            cells_.push_back(line.substr(0, comma));
            if (comma == std::string_view::npos) return;
            line.remove_prefix(comma + 1);
        }
    }

    [[nodiscard]] std::uint64_t number(std::size_t column, std::string_view digits, unsigned base, std::uint64_t limit,
                                       const char* expected) {
        const std::optional<std::uint64_t> value = parse_digits(digits, base);
        if (value && *value < limit) return *value;
        reject(column, value ? absl::StrCat(expected, " below ", base == 16 ? "0x" : "",
                                            base == 16 ? absl::StrCat(absl::Hex(limit)) : absl::StrCat(limit))
                             : std::string(expected));
        return 0;
    }

    static constexpr std::size_t missing = static_cast<std::size_t>(-1);

    zstd_lines lines_;
    std::vector<bool> is_optional_;
    std::vector<std::string> names_;       // columns that were asked for
    std::vector<std::size_t> places_;      // where each is in a row
    std::vector<std::string_view> cells_;  // of the row
    std::size_t width_ = 0;
    absl::Status status_;
};

LONGREACH_NAMESPACE_END

#endif
