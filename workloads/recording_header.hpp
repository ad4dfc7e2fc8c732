// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RECORDING_HEADER_HPP
#define LONGREACH_WORKLOADS_RECORDING_HEADER_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "../allocator/config.hpp"
#include "columns.hpp"
#include "input_error.hpp"
#include "recording.hpp"
#include "zstd_lines.hpp"

// The first line of a recording's file, and the comment lines that name windows.
//
//   # longreach-trace v0 kind=faults workload=gups columns=seq,page,pc,rw command="gups 25 100"
//   # window steady from_seq=118433030 to_seq=118843165

LONGREACH_NAMESPACE_BEGIN

/// The files of a recording.
enum class recording_kind : std::uint8_t { vmas, faults, upgrades, misses, accesses, totals };

/// A kind's name in headers and file names, and its columns.
struct recording_form {
    recording_kind kind;
    const char* name;
    const char* columns;
};
inline constexpr std::array<recording_form, 6> recording_forms{{
    {recording_kind::vmas, "vmas", "seq,event,start,length,prot,flags,backing,aux"},
    {recording_kind::faults, "faults", "seq,page,pc,rw"},
    {recording_kind::upgrades, "upgrades", "seq,page,pc"},
    {recording_kind::misses, "misses", "seq,pc,va,rw"},
    {recording_kind::accesses, "accesses", "seq,pc,va,rw,size"},
    {recording_kind::totals, "totals", "name,value"},
}};
[[nodiscard]] constexpr const recording_form& form_of(recording_kind kind) noexcept {
    return recording_forms[static_cast<std::size_t>(kind)];
}

/// What a header says beyond the kind.
struct recording_header {
    std::string workload;
    std::string command;  ///< without its quotation marks; empty where the header has none
};

namespace detail {

/// Cuts the first word off `text`.
[[nodiscard]] inline std::string_view take_word(std::string_view& text) noexcept {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
    return word;
}

/// The text after `key` where the word begins with it.
[[nodiscard]] inline std::optional<std::string_view> value_of(std::string_view word, std::string_view key) noexcept {
    if (word.substr(0, key.size()) != key) return std::nullopt;
    return word.substr(key.size());
}

/// Names are 1 to 64 letters, digits, dots, dashes and underscores, the first no dot.
[[nodiscard]] inline bool is_workload_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 64 || name.front() == '.') return false;
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_') return false;
    }
    return true;
}

/// The window of `# window NAME from_seq=A to_seq=B`, nothing for any other comment; text may follow.
[[nodiscard]] inline absl::StatusOr<std::optional<recorded_window>> parse_miss_window(std::string_view comment) {
    const std::optional<std::string_view> described = value_of(comment, "# window ");
    if (!described.has_value()) return std::optional<recorded_window>();
    std::string_view text = *described;
    const std::string_view name = take_word(text);
    const std::string_view from_word = take_word(text);
    const std::string_view to_word = take_word(text);
    const std::optional<std::string_view> from = value_of(from_word, "from_seq=");
    const std::optional<std::string_view> to = value_of(to_word, "to_seq=");
    if (from.has_value() && to.has_value()) {
        column_reader from_column(*from);
        column_reader to_column(*to);
        const std::uint64_t first = from_column.decimal("from_seq");
        const std::uint64_t end = to_column.decimal("to_seq");
        if (from_column.good() && to_column.good() && first <= end) {
            return std::optional<recorded_window>(recorded_window{std::string(name), first, end, 0, 0});
        }
    }
    return absl::InvalidArgumentError(
        absl::StrCat("expected \"# window NAME from_seq=A to_seq=B\" with A <= B, found ", in_quotes(comment)));
}

}

/// Reads the first line and holds it against the kind of file that is expected.
[[nodiscard]] inline absl::StatusOr<recording_header> read_header(zstd_lines& lines, recording_kind kind) {
    const recording_form& form = form_of(kind);
    const std::optional<std::string_view> line = lines.next();
    if (!line.has_value() && !lines.status().ok()) return lines.status();
    const std::string wanted = absl::StrCat("expected the header \"# longreach-trace v0 kind=", form.name,
                                            " workload=NAME columns=", form.columns, "\", found ");
    if (!line.has_value()) return lines.error_here(absl::StrCat(wanted, "no line"));
    if (!line->empty() && line->back() == '\r') {
        return lines.error_here("expected lines that end in a line feed alone, found a carriage return before it");
    }
    std::optional<std::string_view> text = detail::value_of(*line, "# longreach-trace ");
    if (!text.has_value()) return lines.error_here(absl::StrCat(wanted, in_quotes(*line)));
    if (const std::string_view version = detail::take_word(*text); version != "v0") {
        return lines.error_here(absl::StrCat("expected version v0, found ", in_quotes(version)));
    }
    if (const std::string_view word = detail::take_word(*text); detail::value_of(word, "kind=") != form.name) {
        return lines.error_here(absl::StrCat("expected kind=", form.name, ", found ", in_quotes(word)));
    }
    recording_header header;
    const std::string_view named = detail::take_word(*text);
    const std::optional<std::string_view> workload = detail::value_of(named, "workload=");
    if (!workload.has_value() || !detail::is_workload_name(*workload)) {
        return lines.error_here(absl::StrCat(
            "expected workload=NAME, a name of 1 to 64 letters, digits, dots, dashes and underscores, found ",
            in_quotes(named)));
    }
    header.workload = std::string(*workload);
    if (const std::string_view word = detail::take_word(*text); detail::value_of(word, "columns=") != form.columns) {
        return lines.error_here(absl::StrCat("expected columns=", form.columns, ", found ", in_quotes(word)));
    }
    if (text->empty()) return header;
    const std::optional<std::string_view> command = detail::value_of(*text, "command=\"");
    if (!command.has_value() || command->empty() || command->back() != '"') {
        return lines.error_here(
            absl::StrCat("expected command=\"...\" or the end of the line, found ", in_quotes(*text)));
    }
    header.command = std::string(command->substr(0, command->size() - 1));
    return header;
}

LONGREACH_NAMESPACE_END

#endif
