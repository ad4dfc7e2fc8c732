// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RECORDING_READER_HPP
#define LONGREACH_WORKLOADS_RECORDING_READER_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "../allocator/config.hpp"
#include "columns.hpp"
#include "recording.hpp"
#include "recording_header.hpp"
#include "vma_line.hpp"
#include "zstd_lines.hpp"

// The files of a recording, read line by line into a `recording`.
//
// Each function reads one file to its end and appends its records; it finds everything that is wrong
// with a line by itself or beside its neighbours (form, ranges, order). Whether the files fit together
// is the question of recording_check.hpp. After an error the recording holds what was read so far.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// Walks the lines of one file after its header: keeps line numbers of comments and the order of `seq`.
class record_lines {
  public:
    record_lines(zstd_lines& lines, record_source& source) : lines_(&lines), source_(&source) {}

    /// Reads the header; the workload's name has to agree with what other files said.
    [[nodiscard]] absl::Status begin(recording_kind kind, recording& into) {
        absl::StatusOr<recording_header> header = read_header(*lines_, kind);
        if (!header.ok()) return header.status();
        if (into.name.empty()) {
            into.name = header->workload;
            into.command = header->command;
        } else if (into.name != header->workload) {
            return lines_->error_here(
                absl::StrCat("expected workload=", into.name, " as in the other files, found ", header->workload));
        }
        source_->file = lines_->name();
        source_->comments.assign(1, 1);
        return absl::OkStatus();
    }

    /// The next line that is a record; comments go to `on_comment(text)`, which returns a Status.
    template <class OnComment>
    [[nodiscard]] std::optional<std::string_view> next(OnComment on_comment) {
        while (std::optional<std::string_view> line = lines_->next()) {
            if (line->empty() || line->front() != '#') return line;
            if (source_->comments.size() == most_comments) {
                failure_ = lines_->error_here(absl::StrCat("expected at most ", most_comments, " comment lines"));
                return std::nullopt;
            }
            source_->comments.push_back(lines_->line_number());
            failure_ = on_comment(*line);
            if (!failure_.ok()) return std::nullopt;
        }
        failure_ = lines_->status();
        return std::nullopt;
    }
    [[nodiscard]] std::optional<std::string_view> next() {
        return next([](std::string_view) { return absl::OkStatus(); });
    }
    /// Why next() returned nothing: good at the end of the file.
    [[nodiscard]] const absl::Status& failure() const noexcept { return failure_; }

    /// Accepts `seq` unless it lies before (with `strictly`: at or before) that of the line before.
    [[nodiscard]] absl::Status in_order(std::uint64_t seq, bool strictly = false) {
        if (seq < at_least_) {
            const std::uint64_t before = strictly ? at_least_ - 1 : at_least_;
            return lines_->error_here(absl::StrCat("seq: expected a number ", strictly ? "above " : "not below ",
                                                   before, " of the line before, found ", seq));
        }
        at_least_ = strictly ? seq + 1 : seq;
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status error(std::string_view what) const { return lines_->error_here(what); }

  private:
    static constexpr std::size_t most_comments = 100'000;  ///< of one file; each costs memory

    zstd_lines* lines_;
    record_source* source_;
    absl::Status failure_;
    std::uint64_t at_least_ = 0;
};

/// What is wrong with an address that the program used, or nothing.
[[nodiscard]] inline std::optional<std::string> address_problem(const char* column, std::uint64_t address,
                                                                std::uint64_t bytes) {
    if (address < address_limit && bytes <= address_limit - address) return std::nullopt;
    return absl::StrCat(column, ": expected an address below ", absl::Hex(address_limit), ", found ",
                        absl::Hex(address), bytes > 1 ? absl::StrCat(" + ", bytes) : "");
}

/// What is wrong with a page's address, or nothing.
[[nodiscard]] inline std::optional<std::string> page_problem(const char* column, std::uint64_t address) {
    if (address % page_bytes == 0) return address_problem(column, address, page_bytes);
    return absl::StrCat(column, ": expected a multiple of 4096, found ", absl::Hex(address));
}

/// Reads `faults` (with_kind) or `upgrades` (without: they are all stores).
template <class Record>
[[nodiscard]] absl::Status read_touches(zstd_lines& lines, recording& into, recording_kind kind, bool with_kind,
                                        std::vector<Record>& records, record_source& source) {
    record_lines rows(lines, source);
    if (absl::Status status = rows.begin(kind, into); !status.ok()) return status;
    while (const std::optional<std::string_view> line = rows.next()) {
        column_reader columns(*line);
        const std::uint64_t seq = columns.decimal("seq");
        const std::uint64_t page = columns.hexadecimal("page");
        const std::uint64_t pc = columns.hexadecimal("pc");
        const bool write = with_kind ? columns.is_write("rw") : true;
        if (!columns.good()) return rows.error(columns.problem());
        if (const auto problem = page_problem("page", page)) return rows.error(*problem);
        if (const auto problem = address_problem("pc", pc, 1)) return rows.error(*problem);
        if (absl::Status status = rows.in_order(seq); !status.ok()) return status;
        records.push_back({seq, vpn{page / page_bytes}, access_site(pc, write)});
    }
    return rows.failure();
}

}

/// Reads `W.vmas`.
[[nodiscard]] inline absl::Status read_vmas(zstd_lines& lines, recording& into) {
    detail::record_lines rows(lines, into.vma_source);
    if (absl::Status status = rows.begin(recording_kind::vmas, into); !status.ok()) return status;
    while (const std::optional<std::string_view> line = rows.next()) {
        absl::StatusOr<vma_event> event = detail::parse_vma(*line, into.files);
        if (!event.ok()) return rows.error(std::string(event.status().message()));
        if (absl::Status status = rows.in_order(event->seq); !status.ok()) return status;
        into.vmas.push_back(*event);
    }
    return rows.failure();
}

/// Reads `W.faults`.
[[nodiscard]] inline absl::Status read_faults(zstd_lines& lines, recording& into) {
    return detail::read_touches(lines, into, recording_kind::faults, true, into.faults, into.fault_source);
}

/// Reads `W.upgrades`.
[[nodiscard]] inline absl::Status read_upgrades(zstd_lines& lines, recording& into) {
    return detail::read_touches(lines, into, recording_kind::upgrades, false, into.upgrades, into.upgrade_source);
}

/// Reads `W.misses`. One comment line `# window NAME from_seq=A to_seq=B` stands before the first record.
[[nodiscard]] inline absl::Status read_misses(zstd_lines& lines, recording& into) {
    detail::record_lines rows(lines, into.miss_source);
    if (absl::Status status = rows.begin(recording_kind::misses, into); !status.ok()) return status;
    std::optional<recorded_window>& window = into.miss_window;
    const auto on_comment = [&](std::string_view comment) -> absl::Status {
        absl::StatusOr<std::optional<recorded_window>> found = detail::parse_miss_window(comment);
        if (!found.ok()) return rows.error(std::string(found.status().message()));
        if (!found->has_value()) return absl::OkStatus();
        if (window.has_value()) return rows.error("expected one window, found a second");
        window = **found;
        return absl::OkStatus();
    };
    while (const std::optional<std::string_view> line = rows.next(on_comment)) {
        column_reader columns(*line);
        const std::uint64_t seq = columns.decimal("seq");
        const std::uint64_t pc = columns.hexadecimal("pc");
        const std::uint64_t va = columns.hexadecimal("va");
        const bool write = columns.is_write("rw");
        if (!columns.good()) return rows.error(columns.problem());
        if (!window.has_value()) return rows.error("expected \"# window NAME from_seq=A to_seq=B\" before the records");
        if (const auto problem = detail::address_problem("pc", pc, 1)) return rows.error(*problem);
        if (const auto problem = detail::address_problem("va", va, 1)) return rows.error(*problem);
        if (absl::Status status = rows.in_order(seq); !status.ok()) return status;
        if (seq < window->from_seq || seq >= window->to_seq) {
            return rows.error(absl::StrCat("seq: expected one of the window ", window->from_seq, " to below ",
                                           window->to_seq, ", found ", seq));
        }
        into.misses.push_back({seq, va, access_site(pc, write)});
    }
    if (rows.failure().ok() && !window.has_value()) {
        return rows.error("expected \"# window NAME from_seq=A to_seq=B\", found the end of the file");
    }
    if (window.has_value()) window->count = into.misses.size();
    return rows.failure();
}

/// Reads `W.accesses`: the window `startup`, `steady`, or both, each after a comment line that is
/// exactly `# window NAME`; comments with more words only inform.
[[nodiscard]] inline absl::Status read_accesses(zstd_lines& lines, recording& into) {
    detail::record_lines rows(lines, into.access_source);
    if (absl::Status status = rows.begin(recording_kind::accesses, into); !status.ok()) return status;
    std::optional<recorded_window>* window = nullptr;
    const auto on_comment = [&](std::string_view comment) -> absl::Status {
        const std::string_view name = detail::value_of(comment, "# window ").value_or("");
        if (name.empty() || name.find(' ') != std::string_view::npos) return absl::OkStatus();
        std::optional<recorded_window>* const named = name == "startup"  ? &into.startup
                                                      : name == "steady" ? &into.steady
                                                                         : nullptr;
        if (named == nullptr)
            return rows.error(absl::StrCat("expected window startup or steady, found ", in_quotes(name)));
        if (named->has_value()) return rows.error("this window was listed before");
        window = named;
        *window = recorded_window{std::string(name), 0, 0, into.accesses.size(), 0};
        return absl::OkStatus();
    };
    while (const std::optional<std::string_view> line = rows.next(on_comment)) {
        column_reader columns(*line);
        const std::uint64_t seq = columns.decimal("seq");
        const std::uint64_t pc = columns.hexadecimal("pc");
        const std::uint64_t va = columns.hexadecimal("va");
        const bool write = columns.is_write("rw");
        const std::uint64_t size = columns.decimal("size");
        if (!columns.good()) return rows.error(columns.problem());
        if (window == nullptr)
            return rows.error("expected \"# window startup\" or \"# window steady\" before the records");
        if (size == 0 || size > page_bytes) return rows.error(absl::StrCat("size: expected 1 to 4096, found ", size));
        if (const auto problem = detail::address_problem("pc", pc, 1)) return rows.error(*problem);
        if (const auto problem = detail::address_problem("va", va, size)) return rows.error(*problem);
        if (absl::Status status = rows.in_order(seq, true); !status.ok()) return status;
        if ((*window)->count == 0) (*window)->from_seq = seq;
        (*window)->to_seq = seq + 1;
        ++(*window)->count;
        into.accesses.push_back({seq, va, access_site(pc, write, size)});
    }
    return rows.failure();
}

/// Reads `W.totals`.
[[nodiscard]] inline absl::Status read_totals(zstd_lines& lines, recording& into) {
    detail::record_lines rows(lines, into.total_source);
    if (absl::Status status = rows.begin(recording_kind::totals, into); !status.ok()) return status;
    while (const std::optional<std::string_view> line = rows.next()) {
        column_reader columns(*line);
        std::string name(columns.word("name"));
        const std::uint64_t value = columns.decimal("value");
        if (!columns.good()) return rows.error(columns.problem());
        if (into.totals.value(name).has_value()) {
            return rows.error(absl::StrCat("name: expected each name once, found ", in_quotes(name), " again"));
        }
        if (into.totals.values.size() == 1000) return rows.error("expected at most 1000 names");
        into.totals.values.emplace_back(std::move(name), value);
    }
    return rows.failure();
}

LONGREACH_NAMESPACE_END

#endif
