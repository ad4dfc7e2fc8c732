// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_REPORT_HPP
#define LONGREACH_BENCH_LONGREACH_REPORT_HPP

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <longreach/workloads/input_error.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// What subcommands have in common: flags that are a choice among words, --format, and results printed for programs.

namespace longreach {

enum class report_format : std::uint8_t { table, json, csv };

/// A flag's value that makes no sense: one line that says what was expected.
[[nodiscard]] inline absl::Status bad_flag(std::string_view name, std::string_view value, std::string_view expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", std::string(name), "=", std::string(value), ": expected ", std::string(expected)));
}

/// The choice that a word names, among `choices`.
template <class Choice, std::size_t Count>
[[nodiscard]] absl::Status choose(std::string_view flag, const std::string& word,
                                  const std::pair<const char*, Choice> (&choices)[Count], Choice& into) {
    std::string known;
    for (const auto& [name, choice] : choices) {
        if (word == name) {
            into = choice;
            return absl::OkStatus();
        }
        absl::StrAppend(&known, known.empty() ? "" : ", ", name);
    }
    return bad_flag(flag, in_quotes(word), absl::StrCat("one of ", known));
}

/// What --format says.
[[nodiscard]] absl::Status read_format(report_format& into);

/// A named value of a result, or nothing (JSON's null, an empty cell of CSV). Names are stable and described in
/// bench/README.md.
struct report_field {
    std::string name;
    std::variant<std::string, std::int64_t, std::uint64_t, double, std::nullptr_t> value;
};

/// Prints results at once: JSON, one object per line, or CSV, with the names in the first line.
class report_lines {
  public:
    explicit report_lines(report_format format) : format_(format) {}

    /// Prints the next result; all have the same names in the same order. Nothing is printed for a table.
    void add(const std::vector<report_field>& fields);

  private:
    report_format format_;
    bool headed_ = false;
};

}

#endif
