// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_SOURCES_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_SOURCES_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../input_error.hpp"
#include "case_folder.hpp"
#include "script.hpp"
#include "script_walk.hpp"

// Which cases a folder of recorded boots holds, from names of files and from params.txt alone, and why others are left
// out: CA paging was off, there is no fault log although the run ended, or the script needs what cannot be foretold.

LONGREACH_NAMESPACE_BEGIN

/// A workload that can be replayed, not yet read.
struct case_source {
    case_folder folder;  ///< of the run
    case_folder twin;    ///< of the same boot without CA paging; may have no file
    std::string workload;
    bool logged = false;
    std::shared_ptr<const run_parameters> parameters;
};

/// A run, or one of its workloads, that cannot be replayed.
struct skipped_run {
    std::string run;
    std::string workload;  ///< empty for the whole run
    std::string reason;    ///< a short clause, e.g. "it has no fault log"
};

/// What a folder holds, in the order of the names.
struct case_list {
    std::vector<case_source> cases;
    std::vector<skipped_run> skipped;
};

namespace detail {

/// What a walk tells before anything is read: the processes, and under which name each was shown last.
struct script_outline {
    std::vector<std::string> processes;
    std::map<unsigned, std::string> last_snapshot;
    bool begins = false;     ///< the main process is shown as "before"
    bool uses_heap = false;  ///< of a C library, so that the script does not name all memory
};

[[nodiscard]] inline absl::StatusOr<script_outline> outline_of(const run_parameters& parameters, const script& text) {
    script_outline outline;
    script_walk walk(parameters, text);
    absl::Status status = walk.run([&](script_event&& event) {
        if (event.what == script_event::kind::snapshot) {
            outline.last_snapshot[event.process] = event.name;
            outline.begins = outline.begins || (event.process == main_process && event.name == "before");
        }
        return absl::OkStatus();
    });
    if (!status.ok()) return status;
    for (const script_operation& operation : text.operations) {
        if (operation.verb == script_verb::heap || operation.verb == script_verb::allocate) outline.uses_heap = true;
    }
    outline.processes = walk.names();
    return outline;
}

/// The folder of the same boot without CA paging: its name ends in `_def` instead of `_ca`.
[[nodiscard]] inline case_folder default_twin(const case_folder& folder) {
    if (folder.in_memory()) return {};
    std::error_code unknown;  // then the path is empty, and no file is found
    std::string plain = std::filesystem::absolute(folder.path(), unknown).lexically_normal().string();
    while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
    const std::string ending = "_ca";
    const bool named =
        plain.size() > ending.size() && plain.compare(plain.size() - ending.size(), ending.size(), ending) == 0;
    if (!named) return {};
    return case_folder(plain.substr(0, plain.size() - ending.size()) + "_def");
}

}

/// Adds the cases of one run, which holds params.txt.
[[nodiscard]] inline absl::Status find_run_cases(const case_folder& folder, case_list& into) {
    absl::StatusOr<zstd_lines> lines = folder.open("params.txt");
    if (!lines.ok()) return lines.status();
    absl::StatusOr<run_parameters> read = read_parameters(*std::move(lines));
    if (!read.ok()) return read.status();
    const auto parameters = std::make_shared<const run_parameters>(*std::move(read));
    if (!parameters->ca) {
        into.skipped.push_back({parameters->run, "", "CA paging was off"});
        return absl::OkStatus();
    }
    for (const std::string& workload : parameters->workloads) {
        const auto skip = [&](std::string reason) {
            into.skipped.push_back({parameters->run, workload, std::move(reason)});
        };
        const script* const text = parameters->find(workload);
        if (text == nullptr) {
            return bad_input(parameters->file, absl::StrCat("expected the script of the workload ", workload));
        }
        const bool logged = folder.has(workload + ".faults.csv");
        const absl::StatusOr<detail::script_outline> outline = detail::outline_of(*parameters, *text);
        if (!outline.ok()) {
            if (!absl::IsUnimplemented(outline.status())) return outline.status();
            skip(std::string(outline.status().message()));
        } else if (!outline->begins) {
            skip("its script shows no state before");
        } else if (logged) {
            into.cases.push_back({folder, detail::default_twin(folder), workload, true, parameters});
        } else if (folder.has(workload + ".after.runs.csv")) {
            skip("it has no fault log");
        } else if (outline->uses_heap) {
            skip("it has no fault log, and its script does not name all memory");
        } else {
            into.cases.push_back({folder, detail::default_twin(folder), workload, false, parameters});
        }
    }
    return absl::OkStatus();
}

namespace detail {

[[nodiscard]] inline absl::Status find_cases_below(const std::string& folder, unsigned depth, case_list& into) {
    const case_folder run(folder);
    if (run.has("params.txt")) return find_run_cases(run, into);
    if (depth == 0) return absl::OkStatus();
    std::vector<std::string> folders;
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        std::error_code unknown;
        if (entry->is_directory(unknown)) folders.push_back(entry->path().string());
    }
    if (failed) return missing_input(folder, absl::StrCat("cannot be read: ", failed.message()));
    std::sort(folders.begin(), folders.end());
    for (const std::string& each : folders) {
        if (absl::Status status = find_cases_below(each, depth - 1, into); !status.ok()) return status;
    }
    return absl::OkStatus();
}

}

/// Finds the cases in a folder: of one run (it holds params.txt), or of runs up to three levels below.
[[nodiscard]] inline absl::StatusOr<case_list> find_cases(const std::string& path) {
    std::error_code unknown;
    if (!std::filesystem::is_directory(path, unknown)) {
        return missing_input(path, "expected a folder of recorded runs");
    }
    case_list found;
    if (absl::Status status = detail::find_cases_below(path, 3, found); !status.ok()) return status;
    if (found.cases.empty() && found.skipped.empty()) {
        return missing_input(path, "expected recorded runs (folders with params.txt), found none");
    }
    return found;
}

LONGREACH_NAMESPACE_END

#endif
