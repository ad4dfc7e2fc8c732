// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_LOAD_WORKLOAD_HPP
#define LONGREACH_WORKLOADS_LOAD_WORKLOAD_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "input_error.hpp"
#include "recording.hpp"
#include "recording_header.hpp"
#include "recording_reader.hpp"
#include "recording_totals.hpp"
#include "stream.hpp"
#include "workload_source.hpp"
#include "zstd_lines.hpp"

// From a workload's name or path to a recording that is known to be sound.

LONGREACH_NAMESPACE_BEGIN

/// Opens one file of a workload, on disk or in the bundle.
[[nodiscard]] inline absl::StatusOr<zstd_lines> open_lines(const workload_source& source, recording_kind kind,
                                                           line_limits limits = {}) {
    const std::string& file = source.file(kind);
    if (!source.bundled) return zstd_lines::open(file, limits);
    for (const embedded_file& embedded : embedded_recordings()) {
        if (file != embedded.name) continue;
        const std::span<const unsigned char> bytes(embedded.begin, embedded.end);
        const bool plain = kind == recording_kind::totals;
        return zstd_lines::over(file, bytes, plain ? line_encoding::plain : line_encoding::zstd, limits);
    }
    return missing_input(file, "not in the bundle");
}

/// Good where the recording has what the feed translates.
[[nodiscard]] inline absl::Status require_feed(const recording& from, const workload_source& source,
                                               translation_feed feed) {
    if (feed == translation_feed::census) return absl::OkStatus();
    const recording_kind kind = feed == translation_feed::accesses ? recording_kind::accesses : recording_kind::misses;
    const record_source& records = feed == translation_feed::accesses ? from.access_source : from.miss_source;
    if (!records.present()) {
        return missing_input(source.place(), absl::StrCat("expected ", source.expected_file(kind), ", which the feed ",
                                                          form_of(kind).name, " needs"));
    }
    const recorded_window* const window = window_of(from, feed);
    if (window == nullptr || window->count == 0) {
        return bad_input(
            records.file,
            absl::StrCat("expected records in ", feed == translation_feed::accesses ? "the window steady" : "a window",
                         ", which the feed ", form_of(kind).name, " needs, found none"));
    }
    return absl::OkStatus();
}

/// Reads every file that the workload has, checks that they fit together, and measures the footprint.
///
/// `vmas` and `faults` have to be there, and what the feed translates; other files may be missing. An error is one
/// line that names the file and the place. About 5 million lines per second on one core.
[[nodiscard]] inline absl::StatusOr<recording> load_recording(const workload_source& source, translation_feed feed) {
    using reader = absl::Status (*)(zstd_lines&, recording&);
    constexpr std::pair<recording_kind, reader> readers[] = {
        {recording_kind::vmas, &read_vmas},         {recording_kind::faults, &read_faults},
        {recording_kind::upgrades, &read_upgrades}, {recording_kind::misses, &read_misses},
        {recording_kind::accesses, &read_accesses}, {recording_kind::totals, &read_totals},
    };
    recording into;
    for (const auto& [kind, read] : readers) {
        if (source.file(kind).empty()) {
            if (kind != recording_kind::vmas && kind != recording_kind::faults) continue;
            return missing_input(
                source.place(), absl::StrCat("expected ", source.expected_file(kind), ", which every recording needs"));
        }
        absl::StatusOr<zstd_lines> lines = open_lines(source, kind);
        if (!lines.ok()) return lines.status();
        if (absl::Status status = read(*lines, into); !status.ok()) return status;
    }
    if (absl::Status status = check_recording(into); !status.ok()) return status;
    if (absl::Status status = require_feed(into, source, feed); !status.ok()) return status;
    return into;
}

/// Loads what a name, folder or file stands for (find_workloads()), in the order of the names.
[[nodiscard]] inline absl::StatusOr<std::vector<recording>> load_workload(const std::string& name_or_path,
                                                                          translation_feed feed) {
    absl::StatusOr<std::vector<workload_source>> sources = find_workloads(name_or_path);
    if (!sources.ok()) return sources.status();
    std::vector<recording> recordings;
    for (const workload_source& source : *sources) {
        absl::StatusOr<recording> loaded = load_recording(source, feed);
        if (!loaded.ok()) return loaded.status();
        recordings.push_back(*std::move(loaded));
    }
    return recordings;
}

LONGREACH_NAMESPACE_END

#endif
