// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_READER_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_READER_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../input_error.hpp"
#include "case_faults.hpp"
#include "case_files.hpp"
#include "case_folder.hpp"
#include "case_sources.hpp"
#include "case_steps.hpp"
#include "recorded_case.hpp"
#include "script.hpp"
#include "script_walk.hpp"

// From a folder of recorded boots to the cases in it: find_cases() of case_sources.hpp looks at the small files,
// load_case() reads one case. Files may be packed with zstd (`.zst`), each by itself. An error is one line with file,
// line and what was expected. Formats: tests/groundtruth/README.md.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// Free memory of a boot when its init is done, where nothing better is known: the ranges of the boots that
/// tests/groundtruth/README.md describes.
[[nodiscard]] inline memory_state common_boot_memory() {
    static constexpr order top{10};
    const auto range = [](zone_name zone, std::uint64_t first, std::uint64_t end) {
        return listed_blocks{zone, top,        migrate_type::movable,   free_list::zone,
                             0,    pfn{first}, (end - first) >> top.raw};
    };
    memory_state state;
    state.blocks = {range(zone_name::dma32, 0x400, 0x1000), range(zone_name::dma32, 0x3000, 0x7bc00),
                    range(zone_name::normal, 0x104c00, 0x1f9800)};
    state.rover = {pfn{0x400}, pfn{0x104c00}};
    return state;
}

/// Reads the free memory at a snapshot.
[[nodiscard]] inline absl::StatusOr<memory_state> read_memory_state(const case_folder& folder,
                                                                    const std::string& snapshot) {
    memory_state state;
    auto blocks = read_free_blocks(folder, snapshot + ".free_blocks.csv");
    if (!blocks.ok()) return blocks.status();
    auto rovers = read_rovers(folder, snapshot + ".contiguity_map.csv");
    if (!rovers.ok()) return rovers.status();
    state.blocks = *std::move(blocks);
    state.rover = *rovers;
    return state;
}

/// Reads the state in which an unlogged case begins: that of the twin without CA paging, or that after boot.
[[nodiscard]] inline absl::Status read_unlogged_start(const case_source& source, recorded_case& into) {
    const case_folder& twin = source.twin;
    const std::string before = source.workload + ".before";
    if (twin.has(before + ".free_blocks.csv")) {
        absl::StatusOr<memory_state> state = read_memory_state(twin, before);
        if (!state.ok()) return state.status();
        into.start = *std::move(state);
        if (!twin.has(before + ".runs.csv")) return absl::OkStatus();
        auto mapped = read_mapped_pages(twin, before + ".runs.csv");
        if (!mapped.ok()) return mapped.status();
        into.processes[main_process].before = *std::move(mapped);
        return absl::OkStatus();
    }
    into.start = common_boot_memory();
    for (const case_folder* const folder : {&source.folder, &twin}) {
        if (!folder->has("boot_contiguity_map.csv")) continue;
        absl::StatusOr<memory_state> state = read_boot_memory(*folder, "boot_contiguity_map.csv");
        if (!state.ok()) return state.status();
        into.start = *std::move(state);
        break;
    }
    return absl::OkStatus();
}

/// Reads the end: free memory, and the pages of each process where they were shown last.
[[nodiscard]] inline absl::Status read_end(const case_source& source, const script_outline& outline,
                                           recorded_case& into) {
    for (const auto& [process, snapshot] : outline.last_snapshot) {
        const std::string name = absl::StrCat(source.workload, ".", snapshot);
        if (snapshot == "before" || !source.folder.has(name + ".runs.csv")) continue;
        auto mapped = read_mapped_pages(source.folder, name + ".runs.csv");
        if (!mapped.ok()) return mapped.status();
        into.processes[process].after = *std::move(mapped);
        if (process != main_process || !source.folder.has(name + ".free_blocks.csv")) continue;
        absl::StatusOr<memory_state> state = read_memory_state(source.folder, name);
        if (!state.ok()) return state.status();
        into.end = *std::move(state);
    }
    return absl::OkStatus();
}

/// Faults of one process of the log whose pages a process of the case has at the end: in the frame that the fault got,
/// and in another.
struct log_evidence {
    std::uint64_t for_it = 0;
    std::uint64_t against = 0;
    [[nodiscard]] bool is_better_than(const log_evidence& other) const noexcept {
        return for_it != other.for_it ? for_it > other.for_it : against < other.against;
    }
};
[[nodiscard]] inline log_evidence compare_log(const recorded_case& of, unsigned logged, const case_process& with) {
    log_evidence found;
    for (const case_fault& fault : of.faults) {
        if (fault.process != logged || !fault.got) continue;
        const auto mapped = std::partition_point(with.after.begin(), with.after.end(), [&](const mapping<vpn, pfn>& m) {
            return m.pages.end() <= fault.page;
        });
        if (mapped == with.after.end() || !mapped->pages.contains(fault.page)) continue;
        ++(mapped->offset().apply(fault.page) == *fault.got ? found.for_it : found.against);
    }
    return found;
}

/// Gives areas and faults the process numbers of the case in place of the log's, which count in order of appearance.
[[nodiscard]] inline absl::Status number_processes(recorded_case& into, const std::string& log) {
    unsigned logged = 0;
    for (const case_area& area : into.areas) logged = std::max(logged, area.process + 1);
    std::vector<unsigned> number_of(logged, 0);
    std::vector<bool> taken(into.processes.size(), false);
    for (unsigned i = 0; i < logged; ++i) {
        std::optional<unsigned> best;
        log_evidence most;
        for (unsigned p = 0; p < into.processes.size(); ++p) {
            if (taken[p] || !into.processes[p].ca) continue;
            const log_evidence found = compare_log(into, i, into.processes[p]);
            if (best && !found.is_better_than(most)) continue;
            best = p;
            most = found;
        }
        if (!best) return bad_input(log, absl::StrCat("expected faults of at most ", i, " processes, found more"));
        number_of[i] = *best;
        taken[*best] = true;
    }
    for (case_area& area : into.areas) area.process = number_of[area.process];
    for (case_fault& fault : into.faults) fault.process = number_of[fault.process];
    return absl::OkStatus();
}

[[nodiscard]] inline absl::Status read_log(const case_source& source, recorded_case& into) {
    const std::string before = source.workload + ".before";
    absl::StatusOr<memory_state> start = read_memory_state(source.folder, before);
    if (!start.ok()) return start.status();
    into.start = *std::move(start);
    auto mapped = read_mapped_pages(source.folder, before + ".runs.csv");
    if (!mapped.ok()) return mapped.status();
    into.processes[main_process].before = *std::move(mapped);
    auto areas = read_areas(source.folder, source.workload + ".fault_vmas.csv");
    if (!areas.ok()) return areas.status();
    into.areas = *std::move(areas);
    auto faults = read_case_faults(source.folder, source.workload + ".faults.csv", into.areas);
    if (!faults.ok()) return faults.status();
    into.faults = *std::move(faults);
    return number_processes(into, source.folder.place(source.workload + ".faults.csv"));
}

/// What index.csv counts where the memory is the heap's and malloc's: runs of pages that begin at page 0x4e0 or
/// behind, outside stack and files.
[[nodiscard]] inline std::vector<page_run> heap_areas(const std::vector<recorded_entry>& entries,
                                                      const std::vector<mapping<vpn, pfn>>& mapped) {
    constexpr vpn first_counted{0x4e0};
    std::vector<page_run> areas;
    for (const recorded_entry& entry : entries) {
        if (entry.name == "[stack]" || (!entry.name.empty() && entry.name.front() == '/')) continue;
        const vpn first = std::max(entry.pages.first, first_counted);
        const auto run = std::partition_point(mapped.begin(), mapped.end(),
                                              [&](const mapping<vpn, pfn>& m) { return m.pages.first < first; });
        if (run == mapped.end() || run->pages.first >= entry.pages.end()) continue;
        areas.push_back(run_between(run->pages.first, entry.pages.end()));
    }
    return areas;
}

[[nodiscard]] inline absl::StatusOr<std::vector<recorded_entry>> read_entries_if_there(const case_folder& folder,
                                                                                       const std::string& name) {
    if (!folder.has(name)) return std::vector<recorded_entry>{};
    return read_map_entries(folder, name);
}

/// Merges the log with the scripts.
[[nodiscard]] inline absl::Status build_steps(const case_source& source, const script& text,
                                              const script_outline& outline, recorded_case& into) {
    auto entries = read_entries_if_there(source.folder, source.workload + ".before.maps.txt");
    if (!entries.ok()) return entries.status();
    const run_parameters& parameters = *source.parameters;
    case_step_builder builder(into, *std::move(entries), source.folder.place(source.workload + ".faults.csv"),
                              parameters.file);
    script_walk walk(parameters, text);
    absl::Status status = walk.run([&](const script_event& event) { return builder.take(event); });
    if (!status.ok()) return status;
    builder.finish();
    if (!outline.uses_heap) return absl::OkStatus();
    case_process& main = into.processes[main_process];
    const std::string end = absl::StrCat(source.workload, ".", outline.last_snapshot.at(main_process));
    if (main.after.empty()) {
        return missing_input(source.folder.place(end + ".runs.csv"), "expected the pages at the end, the heap's too");
    }
    auto final_entries = read_map_entries(source.folder, end + ".maps.txt");
    if (!final_entries.ok()) return final_entries.status();
    main.counted = heap_areas(*final_entries, main.after);
    return absl::OkStatus();
}

}

/// Reads one case. About a million faults per second; memory for what the case holds.
[[nodiscard]] inline absl::StatusOr<recorded_case> load_case(const case_source& source) {
    const run_parameters& parameters = *source.parameters;
    const script& text = *parameters.find(source.workload);
    absl::StatusOr<detail::script_outline> outline = detail::outline_of(parameters, text);
    if (!outline.ok()) return outline.status();
    recorded_case into;
    into.run = parameters.run;
    into.workload = source.workload;
    into.kind = parameters.run.front();
    into.logged = source.logged;
    for (const std::string& name : outline->processes) {
        case_process process;
        process.name = name;
        process.ca = name == "peer" || !parameters.has_flag("main=plain");
        process.superpages = !parameters.has_flag("thp=never");
        into.processes.push_back(std::move(process));
    }
    absl::Status status = detail::read_end(source, *outline, into);
    if (status.ok()) {
        status = source.logged ? detail::read_log(source, into) : detail::read_unlogged_start(source, into);
    }
    if (status.ok()) status = detail::build_steps(source, text, *outline, into);
    if (!status.ok()) return status;
    return into;
}

/// Reads every case of a folder.
[[nodiscard]] inline absl::StatusOr<std::vector<recorded_case>> load_cases(const std::string& path) {
    absl::StatusOr<case_list> found = find_cases(path);
    if (!found.ok()) return found.status();
    std::vector<recorded_case> cases;
    for (const case_source& source : found->cases) {
        absl::StatusOr<recorded_case> loaded = load_case(source);
        if (!loaded.ok()) return loaded.status();
        cases.push_back(*std::move(loaded));
    }
    return cases;
}

LONGREACH_NAMESPACE_END

#endif
