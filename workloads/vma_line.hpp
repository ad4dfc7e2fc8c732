// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_VMA_LINE_HPP
#define LONGREACH_WORKLOADS_VMA_LINE_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../allocator/config.hpp"
#include "columns.hpp"
#include "input_error.hpp"
#include "recording.hpp"
#include "recording_header.hpp"

// One line of `vmas`: seq event start length prot flags backing aux.
//
// Errors are the message alone; the caller knows the file and the line.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// Three characters of `rwx-`, or `-` alone for a protection that does not apply.
[[nodiscard]] inline absl::StatusOr<std::optional<vma_protection>> parse_protection(std::string_view text) {
    if (text == "-") return std::optional<vma_protection>();
    const auto is = [&](std::size_t at, char letter) { return text[at] == letter || text[at] == '-'; };
    if (text.size() != 3 || !is(0, 'r') || !is(1, 'w') || !is(2, 'x')) {
        return absl::InvalidArgumentError(
            absl::StrCat("prot: expected r or -, w or -, x or -, found ", in_quotes(text)));
    }
    return std::optional<vma_protection>(vma_protection{text[0] == 'r', text[1] == 'w', text[2] == 'x'});
}

/// The pages of a range of whole pages; `column` is what messages call its start.
[[nodiscard]] inline absl::StatusOr<page_run> parse_range(const char* column, std::uint64_t start,
                                                          std::uint64_t length) {
    if (start % page_bytes != 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(column, ": expected a multiple of 4096, found ", absl::Hex(start)));
    }
    if (length % page_bytes != 0) {
        return absl::InvalidArgumentError(absl::StrCat("length: expected a multiple of 4096, found ", length));
    }
    if (start >= address_limit || length > address_limit - start) {
        return absl::InvalidArgumentError(absl::StrCat(column, ": expected a range that ends at most at ",
                                                       absl::Hex(address_limit), ", found ", absl::Hex(start), " + ",
                                                       length));
    }
    return page_run{vpn{start / page_bytes}, page_count{length / page_bytes}};
}

/// Reads `from=OLDSTART+OLDLENGTH`, hexadecimal and decimal.
[[nodiscard]] inline absl::StatusOr<page_run> parse_moved_from(std::string_view aux) {
    const std::optional<std::string_view> text = value_of(aux, "from=");
    const std::size_t plus = text.has_value() ? text->find('+') : std::string_view::npos;
    if (plus != std::string_view::npos) {
        column_reader start(text->substr(0, plus));
        column_reader length(text->substr(plus + 1));
        const std::uint64_t first = start.hexadecimal("from");
        const std::uint64_t bytes = length.decimal("from");
        if (start.good() && length.good()) return parse_range("from", first, bytes);
    }
    return absl::InvalidArgumentError(
        absl::StrCat("aux: expected from=START+LENGTH, hexadecimal and decimal, found ", in_quotes(aux)));
}

/// Fills in the event's kind and what `aux` says.
[[nodiscard]] inline absl::Status parse_event(std::string_view name, std::string_view aux, vma_event& event) {
    const auto unexpected = [&](const char* wanted) {
        return absl::InvalidArgumentError(absl::StrCat("aux: expected ", wanted, ", found ", in_quotes(aux)));
    };
    if (name == "init" || name == "mmap") {
        event.kind = name == "init" ? vma_kind::init : vma_kind::mmap;
        if (aux == "-") return absl::OkStatus();
        const std::optional<std::string_view> text = value_of(aux, "off=");
        column_reader column(text.value_or(""));
        const std::uint64_t offset = column.hexadecimal("off");
        if (!column.good()) return unexpected("off= and a hexadecimal number, or -");
        if (offset % page_bytes != 0) return unexpected("off= and a multiple of 4096");
        event.file_page = offset / page_bytes;
        return absl::OkStatus();
    }
    if (name == "munmap" || name == "mprotect") {
        event.kind = name == "munmap" ? vma_kind::munmap : vma_kind::mprotect;
        return aux == "-" ? absl::OkStatus() : unexpected("-");
    }
    if (name == "brk") {
        if (aux != "first" && aux != "grow" && aux != "shrink") return unexpected("first, grow or shrink");
        event.kind = aux == "first" ? vma_kind::brk_first : aux == "grow" ? vma_kind::brk_grow : vma_kind::brk_shrink;
        return absl::OkStatus();
    }
    if (name == "mremap") {
        event.kind = vma_kind::mremap;
        absl::StatusOr<page_run> from = parse_moved_from(aux);
        if (!from.ok()) return from.status();
        event.moved_from = *from;
        return absl::OkStatus();
    }
    if (name == "madvise") {
        constexpr std::uint64_t dontneed = 4;
        const std::optional<std::string_view> text = value_of(aux, "advice=");
        column_reader column(text.value_or(""));
        const std::uint64_t advice = column.decimal("advice");
        if (!column.good() || advice > 0xffff'ffffU) return unexpected("advice= and a decimal number");
        event.advice = static_cast<std::uint32_t>(advice);
        event.kind = advice == dontneed ? vma_kind::empty : vma_kind::advice;
        return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("event: expected init, mmap, munmap, mprotect, brk, mremap or madvise, found ", in_quotes(name)));
}

/// `anon`, `file:NAME` or `-`; a file's name is looked up in `files`, or added to it.
[[nodiscard]] inline absl::Status parse_backing(std::string_view text, std::vector<std::string>& files,
                                                vma_event& event) {
    if (text == "-") return absl::OkStatus();
    if (text == "anon") {
        event.backing = vma_backing::anonymous;
        return absl::OkStatus();
    }
    const std::optional<std::string_view> name = value_of(text, "file:");
    if (!name.has_value() || name->empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("backing: expected anon, file:NAME or -, found ", in_quotes(text)));
    }
    event.backing = vma_backing::file;
    // The newest names are the likeliest: a loader maps one library after the other.
    std::size_t index = files.size();
    while (index != 0 && files[index - 1] != *name) --index;
    if (index == 0) {
        if (files.size() == 65536) return absl::InvalidArgumentError("backing: expected at most 65536 files");
        files.emplace_back(*name);
        index = files.size();
    }
    event.file = static_cast<std::uint32_t>(index - 1);
    return absl::OkStatus();
}

/// What an event of this kind must have, beyond columns that are well formed each.
[[nodiscard]] inline absl::Status check_event(const vma_event& event) {
    const auto wrong = [](const char* what) { return absl::InvalidArgumentError(what); };
    const bool makes = event.kind == vma_kind::init || event.kind == vma_kind::mmap;
    const bool protects = makes || event.kind == vma_kind::mprotect || event.kind == vma_kind::brk_grow;
    if (protects && !event.protection.has_value()) return wrong("prot: expected three characters of rwx-, found \"-\"");
    if (makes && event.backing == vma_backing::none) return wrong("backing: expected anon or file:NAME, found \"-\"");
    if (event.kind == vma_kind::brk_first) {
        return event.pages.empty() ? absl::OkStatus() : wrong("length: expected 0 for the initial break");
    }
    if (event.pages.empty() && event.kind != vma_kind::advice && event.kind != vma_kind::empty) {
        return wrong("length: expected at least 4096, found 0");
    }
    return absl::OkStatus();
}

/// Reads a whole line; names of files go to `files`.
[[nodiscard]] inline absl::StatusOr<vma_event> parse_vma(std::string_view line, std::vector<std::string>& files) {
    column_reader columns(line);
    vma_event event;
    event.seq = columns.decimal("seq");
    const std::string_view name = columns.word("event");
    const std::uint64_t start = columns.hexadecimal("start");
    const std::uint64_t length = columns.decimal("length");
    const std::string_view protection = columns.word("prot");
    const std::uint64_t flags = columns.hexadecimal("flags");
    const std::string_view backing = columns.word("backing");
    const std::string_view aux = columns.word("aux");
    if (!columns.good()) return absl::InvalidArgumentError(columns.problem());
    if (absl::Status status = parse_event(name, aux, event); !status.ok()) return status;
    absl::StatusOr<page_run> pages = parse_range("start", start, length);
    if (!pages.ok()) return pages.status();
    event.pages = *pages;
    absl::StatusOr<std::optional<vma_protection>> parsed = parse_protection(protection);
    if (!parsed.ok()) return parsed.status();
    event.protection = *parsed;
    if (flags > 0xffff'ffffU) return absl::InvalidArgumentError("flags: expected at most 8 hexadecimal digits");
    event.flags = static_cast<std::uint32_t>(flags);
    if (absl::Status status = parse_backing(backing, files, event); !status.ok()) return status;
    if (absl::Status status = check_event(event); !status.ok()) return status;
    return event;
}

}

LONGREACH_NAMESPACE_END

#endif
