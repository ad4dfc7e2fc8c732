// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_WORKLOAD_SOURCE_HPP
#define LONGREACH_WORKLOADS_WORKLOAD_SOURCE_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "embedded.hpp"
#include "input_error.hpp"
#include "recording_header.hpp"

// Where the files of a workload are: in the bundle, or in a folder.
//
// A file of workload W is W.KIND.zst or, not compressed, W.KIND, with KIND one of vmas, faults, upgrades,
// misses, accesses; the totals are W.totals.txt.

LONGREACH_NAMESPACE_BEGIN

/// The files of one workload.
struct workload_source {
    std::string name;                    ///< W, as the files are called
    std::string folder;                  ///< where they lie; empty in the bundle
    bool bundled = false;                ///< the files are embedded in the program
    std::array<std::string, 6> files{};  ///< by recording_kind: path, or name in the bundle; empty where missing

    [[nodiscard]] const std::string& file(recording_kind kind) const { return files[static_cast<std::size_t>(kind)]; }
    /// What messages call the place where files are looked for.
    [[nodiscard]] std::string place() const { return bundled ? absl::StrCat("bundled ", name) : folder; }
    /// The name under which a file of this kind is looked for.
    [[nodiscard]] std::string expected_file(recording_kind kind) const {
        return absl::StrCat(name, ".", form_of(kind).name, kind == recording_kind::totals ? ".txt" : ".zst");
    }
};

namespace detail {

/// A file name of a recording, taken apart.
struct recording_file_name {
    std::string workload;
    recording_kind kind{};
    bool compressed = false;
};

/// Takes W.KIND.zst, W.KIND or W.totals.txt apart; nothing for any other name.
[[nodiscard]] inline std::optional<recording_file_name> parse_file_name(std::string_view name) {
    for (const recording_form& form : recording_forms) {
        const bool totals = form.kind == recording_kind::totals;
        for (const bool compressed : {true, false}) {
            if (compressed && totals) continue;
            const std::string ending = absl::StrCat(".", form.name, compressed ? ".zst" : totals ? ".txt" : "");
            if (name.size() <= ending.size() || name.substr(name.size() - ending.size()) != ending) continue;
            return recording_file_name{std::string(name.substr(0, name.size() - ending.size())), form.kind, compressed};
        }
    }
    return std::nullopt;
}

/// Notes a file among those of its workload; a compressed one goes before one that is not.
inline void add_file(std::map<std::string, workload_source>& sources, const recording_file_name& parsed,
                     const std::string& path) {
    workload_source& source = sources[parsed.workload];
    source.name = parsed.workload;
    std::string& file = source.files[static_cast<std::size_t>(parsed.kind)];
    if (file.empty() || parsed.compressed) file = path;
}

/// The workloads whose files lie in the bundle, by name.
[[nodiscard]] inline std::map<std::string, workload_source> sources_of_bundle() {
    std::map<std::string, workload_source> sources;
    for (const embedded_file& embedded : embedded_recordings()) {
        const std::string_view path(embedded.name);
        const std::size_t slash = path.rfind('/');
        const std::string_view file = slash == std::string_view::npos ? path : path.substr(slash + 1);
        if (const auto parsed = parse_file_name(file)) add_file(sources, *parsed, std::string(path));
    }
    for (auto& [name, source] : sources) source.bundled = true;
    return sources;
}

/// The workloads whose files lie in a folder itself, by name.
[[nodiscard]] inline absl::StatusOr<std::map<std::string, workload_source>> sources_of_folder(
    const std::filesystem::path& folder) {
    std::map<std::string, workload_source> sources;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        std::error_code unreadable;
        if (entries->is_directory(unreadable)) continue;
        const std::string file = entries->path().filename().string();
        if (const auto parsed = parse_file_name(file)) add_file(sources, *parsed, entries->path().string());
    }
    if (error) return bad_input(folder.string(), absl::StrCat("the folder cannot be read: ", error.message()));
    for (auto& [name, source] : sources) source.folder = folder.string();
    return sources;
}

[[nodiscard]] inline std::string names_of(const std::map<std::string, workload_source>& sources) {
    return absl::StrJoin(sources, ", ",
                         [](std::string* out, const auto& entry) { out->append(printable_name(entry.first)); });
}

[[nodiscard]] inline absl::Status several_workloads(const std::filesystem::path& folder,
                                                    const std::map<std::string, workload_source>& found) {
    return bad_input(folder.string(), absl::StrCat("expected the files of one workload, found those of ",
                                                   names_of(found), "; name a file of the one that is meant"));
}

/// The one workload of a folder, or those of its sub-folders, in the order of their names.
[[nodiscard]] inline absl::StatusOr<std::vector<workload_source>> find_in_folder(const std::filesystem::path& folder) {
    absl::StatusOr<std::map<std::string, workload_source>> here = sources_of_folder(folder);
    if (!here.ok()) return here.status();
    if (here->size() > 1) return several_workloads(folder, *here);
    if (here->size() == 1) return std::vector<workload_source>{here->begin()->second};
    std::vector<std::filesystem::path> below;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        std::error_code unreadable;
        if (entries->is_directory(unreadable)) below.push_back(entries->path());
    }
    if (error) return bad_input(folder.string(), absl::StrCat("the folder cannot be read: ", error.message()));
    std::sort(below.begin(), below.end());
    std::vector<workload_source> found;
    for (const std::filesystem::path& path : below) {
        absl::StatusOr<std::map<std::string, workload_source>> inside = sources_of_folder(path);
        if (!inside.ok()) return inside.status();
        if (inside->size() > 1) return several_workloads(path, *inside);
        for (auto& [name, source] : *inside) found.push_back(std::move(source));
    }
    if (!found.empty()) return found;
    return bad_input(folder.string(),
                     "expected a recording (W.vmas.zst, W.faults.zst, ...) here or one folder below, "
                     "found none");
}

}

/// The names of the bundled workloads, in alphabetical order.
[[nodiscard]] inline std::vector<std::string> bundled_workloads() {
    std::vector<std::string> names;
    for (const auto& [name, source] : detail::sources_of_bundle()) names.push_back(name);
    return names;
}

/// The workloads that a name stands for.
///
/// `recorded` is all that are bundled; then come the names of bundled workloads; anything else is a path: a folder with
/// the files of one workload, a folder of such folders, or any one file, which stands for its workload.
[[nodiscard]] inline absl::StatusOr<std::vector<workload_source>> find_workloads(const std::string& name_or_path) {
    std::map<std::string, workload_source> bundle = detail::sources_of_bundle();
    if (name_or_path == "recorded" && !bundle.empty()) {
        std::vector<workload_source> all;
        for (auto& [name, source] : bundle) all.push_back(std::move(source));
        return all;
    }
    if (const auto named = bundle.find(name_or_path); named != bundle.end()) {
        return std::vector<workload_source>{named->second};
    }
    const std::filesystem::path path(name_or_path);
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) {
        const bool cannot_look = status.type() == std::filesystem::file_type::none;
        return missing_input(
            name_or_path.empty() ? "the empty name" : name_or_path,
            absl::StrCat("no workload, folder or file of this name",
                         cannot_look ? absl::StrCat(" (", error.message(), ")") : "", "; workloads are ",
                         bundle.empty() ? "" : "recorded (all of them), ", detail::names_of(bundle)));
    }
    if (std::filesystem::is_directory(status)) return detail::find_in_folder(path);
    const auto parsed = detail::parse_file_name(path.filename().string());
    if (!parsed.has_value()) {
        return bad_input(name_or_path,
                         "expected a file of a recording (W.vmas.zst, W.faults.zst, W.upgrades.zst, "
                         "W.misses.zst, W.accesses.zst or W.totals.txt)");
    }
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    absl::StatusOr<std::map<std::string, workload_source>> here = detail::sources_of_folder(folder);
    if (!here.ok()) return here.status();
    return std::vector<workload_source>{(*here)[parsed->workload]};
}

LONGREACH_NAMESPACE_END

#endif
