// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_INPUT_ERROR_HPP
#define LONGREACH_WORKLOADS_INPUT_ERROR_HPP

#include <absl/status/status.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "../allocator/config.hpp"

// What is said about bad input: one line that names the file, the place in it, and what was expected.
//
//   buddyinfo:2:21: expected a count of free blocks, found "-5"
//   gups/gups.faults.zst:17: page: expected a hexadecimal address, found "40zz"
//   gups/gups.faults.zst: byte 8192: the zstd frame is cut off
//
// The messages hold no line feed and no unprintable byte, whatever the input held.

LONGREACH_NAMESPACE_BEGIN

/// The text in quotation marks, unprintable bytes escaped, cut after about 48 characters.
[[nodiscard]] inline std::string in_quotes(std::string_view text) {
    constexpr std::size_t longest = 48;
    const bool cut = text.size() > longest;
    const std::string kept(text.substr(0, longest));
    return absl::StrCat("\"", absl::CHexEscape(kept), cut ? "...\"" : "\"");
}

/// A file or folder name as it stands in a message: control characters escaped, UTF-8 kept, nothing cut.
[[nodiscard]] inline std::string printable_name(std::string_view name) {
    return absl::Utf8SafeCHexEscape(std::string(name));
}

/// Something is wrong with the file as a whole.
[[nodiscard]] inline absl::Status bad_input(std::string_view file, std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(printable_name(file), ": ", std::string(what)));
}

/// Something is wrong in one line; lines count from 1, after decompression.
[[nodiscard]] inline absl::Status bad_input_at_line(std::string_view file, std::uint64_t line, std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(printable_name(file), ":", line, ": ", std::string(what)));
}

/// Something is wrong at one place of a line; columns are bytes and count from 1.
[[nodiscard]] inline absl::Status bad_input_at_column(std::string_view file, std::uint64_t line, std::uint64_t column,
                                                      std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(printable_name(file), ":", line, ":", column, ": ", std::string(what)));
}

/// Something is wrong with the bytes of the file as stored; offsets count from 0.
[[nodiscard]] inline absl::Status bad_input_at_byte(std::string_view file, std::uint64_t byte, std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(printable_name(file), ": byte ", byte, ": ", std::string(what)));
}

/// A file, folder or name that was asked for does not exist.
[[nodiscard]] inline absl::Status missing_input(std::string_view name, std::string_view what) {
    return absl::NotFoundError(absl::StrCat(printable_name(name), ": ", std::string(what)));
}

LONGREACH_NAMESPACE_END

#endif
