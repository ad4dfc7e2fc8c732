// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_COLUMNS_HPP
#define LONGREACH_WORKLOADS_COLUMNS_HPP

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "../allocator/config.hpp"
#include "input_error.hpp"

// The columns of one line, separated by single spaces.
//
// The first column that is not what it should be is remembered and later ones read as zero, so that a
// line is read straight through and asked once, at its end, whether all was well.

LONGREACH_NAMESPACE_BEGIN

/// Reads one line left to right. The line outlives the reader.
class column_reader {
  public:
    explicit column_reader(std::string_view line) noexcept : next_(line.data()), end_(line.data() + line.size()) {}

    /// A decimal number below 10^18. `name` is what a message calls the column.
    [[nodiscard]] std::uint64_t decimal(const char* name) noexcept {
        const char* const start = next_;
        std::uint64_t value = 0;
        for (; next_ != end_ && *next_ >= '0' && *next_ <= '9'; ++next_) {
            if (value >= 100'000'000'000'000'000U) return reject(name, "a decimal number below 10^18", start);
            value = value * 10 + static_cast<std::uint64_t>(*next_ - '0');
        }
        return next_ != start && leave_column() ? value : reject(name, "a decimal number", start);
    }

    /// A hexadecimal number without prefix, below 2^63.
    [[nodiscard]] std::uint64_t hexadecimal(const char* name) noexcept {
        const char* const start = next_;
        std::uint64_t value = 0;
        for (; next_ != end_; ++next_) {
            const unsigned digit = hex_digit(*next_);
            if (digit > 15) break;
            if (value >> 59 != 0) return reject(name, "a hexadecimal number below 2^63", start);
            value = value << 4 | digit;
        }
        return next_ != start && leave_column() ? value : reject(name, "a hexadecimal number without prefix", start);
    }

    /// Any column that is not empty.
    [[nodiscard]] std::string_view word(const char* name) noexcept {
        const char* const start = next_;
        while (next_ != end_ && *next_ != ' ') ++next_;
        const std::string_view text(start, static_cast<std::size_t>(next_ - start));
        if (text.empty() || !leave_column()) reject(name, "a word", start);
        return text;
    }

    /// `R` (false) or `W` (true).
    [[nodiscard]] bool is_write(const char* name) noexcept {
        const char* const start = next_;
        if (next_ == end_ || (*next_ != 'R' && *next_ != 'W')) return reject(name, "R or W", start) != 0;
        const bool write = *next_++ == 'W';
        return leave_column() ? write : reject(name, "R or W", start) != 0;
    }

    /// Whether all columns were read and well formed, and nothing follows them.
    [[nodiscard]] bool good() const noexcept { return expected_ == nullptr && next_ == end_ && !more_; }

    /// What is wrong, where good() is false.
    [[nodiscard]] std::string problem() const {
        if (expected_ == nullptr) {
            if (next_ == end_) return "expected the line to end, found a space after the last column";
            return absl::StrCat("expected the line to end, found ", in_quotes(std::string_view(next_, rest())));
        }
        if (found_ == end_) return absl::StrCat(name_, ": expected ", expected_, ", found the end of the line");
        std::string_view text(found_, static_cast<std::size_t>(end_ - found_));
        text = text.substr(0, text.find(' '));
        const bool carriage_return = !text.empty() && text.back() == '\r';
        return absl::StrCat(name_, ": expected ", expected_, ", found ", in_quotes(text),
                            carriage_return ? " (lines end in a line feed alone)" : "");
    }

  private:
    [[nodiscard]] static unsigned hex_digit(char c) noexcept {
        if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
        const char lower = static_cast<char>(c | 0x20);
        return lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a') + 10 : 16;
    }

    /// Steps over the space behind a column; false where something else stands there.
    [[nodiscard]] bool leave_column() noexcept {
        more_ = next_ != end_;
        if (!more_) return true;
        return *next_++ == ' ';
    }

    std::uint64_t reject(const char* name, const char* expected, const char* at) noexcept {
        if (expected_ == nullptr) {
            name_ = name;
            expected_ = expected;
            found_ = at;
        }
        next_ = end_;
        more_ = false;
        return 0;
    }

    [[nodiscard]] std::size_t rest() const noexcept { return static_cast<std::size_t>(end_ - next_); }

    const char* next_;
    const char* end_;
    bool more_ = false;  // a space was passed, so another column has to follow
    const char* name_ = nullptr;
    const char* expected_ = nullptr;  // null while all is well
    const char* found_ = nullptr;
};

LONGREACH_NAMESPACE_END

#endif
