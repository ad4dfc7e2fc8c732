// SPDX-License-Identifier: MIT
// Any bytes as the text of a fragmentation: steps or one line of error, never a crash; what was read is printed and
// read again, and done to small zones, which stay sound with every frame free or pinned. The first byte says which
// zone. No file is opened.

#include <absl/strings/match.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <longreach/workloads/fragment/apply_fragmentation.hpp>
#include <longreach/workloads/fragment/fragmentation_report.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace {

using namespace longreach;

void demand(bool holds, const std::string& expected) {
    if (holds) return;
    std::fprintf(stderr, "expected %s\n", expected.c_str());
    std::abort();
}

void check_message(const std::string& message) {
    for (const char c : message) demand(c >= 0x20 && c < 0x7f, "printable characters in " + message);
    demand(message.size() < 600, "a short line, found " + message);
    demand(absl::StartsWith(message, "fragmentation: step "), "the step first in " + message);
    demand(absl::StrContains(message, ": expected "), "what was expected in " + message);
}

/// Whether steps take long or open files; the input is to be small, not slow.
bool is_costly(const fragmentation& steps) {
    std::uint64_t operations = 0;
    for (const fragmentation_step& step : steps.steps) {
        if (std::get_if<snapshot_step>(&step) != nullptr) return true;
        if (const auto* const age = std::get_if<age_step>(&step)) operations += age->operations + 1000;
    }
    return operations > 20000 || steps.steps.size() > 8;
}

void check_zone(const fragmentation& steps, zone_layout layout, std::uint64_t seed) {
    simulated_zone<pfn> zone(layout);
    const page_count before = zone.frames().free_frames();
    const auto pinned = apply_fragmentation(steps, zone, seed);
    if (!pinned.ok()) {
        check_message(std::string(pinned.status().message()));
        demand(zone.frames().free_frames() == before, "a refusal to change nothing");
    } else {
        demand(zone.frames().free_frames() == before - *pinned, "as many frames pinned as said");
    }
    zone.clusters().refresh();
    demand(!zone.frames().audit() && !zone.clusters().audit() && !zone.pinned().audit(), "a sound zone");
    demand(zone.pinned().count() + zone.frames().free_frames() == layout.frames(), "each frame free or pinned");
    zone.pinned().for_each_run(
        [&](frame_run taken) { demand(zone.frames().count_free_in(taken).raw == 0, "no pinned frame free"); });
    const fragmentation_report report = report_fragmentation(zone);
    demand(report.in_runs_1g <= report.in_runs_2m && report.longest_run <= report.free, "a report that fits together");
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto steps = parse_fragmentation(text);
    if (!steps.ok()) {
        check_message(std::string(steps.status().message()));
        return 0;
    }
    const std::string printed = to_string(*steps);
    const auto again = parse_fragmentation(printed);
    demand(again.ok() && *again == *steps, "the same steps from " + printed);
    demand(to_string(*again) == printed, "one canonical text");
    if (is_costly(*steps)) return 0;
    constexpr zone_layout layouts[] = {{page_count{1}}, {page_count{4096}}, {page_count{1000}, 3}, {page_count{777}}};
    check_zone(*steps, layouts[data[0] % 4], data[0]);
    return 0;
}
