// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RECORDING_TOTALS_HPP
#define LONGREACH_WORKLOADS_RECORDING_TOTALS_HPP

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "input_error.hpp"
#include "recording.hpp"
#include "recording_check.hpp"

// Whether the totals of a recording are those of its lines.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

using expected_total = std::pair<std::string_view, std::uint64_t>;

/// What the totals have to be as far as the lines tell, by name.
[[nodiscard]] inline std::vector<expected_total> totals_of_lines(const recording& from) {
    std::vector<expected_total> expected{
        {"faults", from.faults.size()},
        {"distinct_pages", from.footprint.distinct_pages},
        {"refaults", from.footprint.refaults},
        {"moved_pages", from.footprint.moved_pages},
    };
    if (from.upgrade_source.present()) expected.emplace_back("read_then_written", from.upgrades.size());
    if (from.startup.has_value()) expected.emplace_back("startup_window_accesses", from.startup->count);
    if (from.steady.has_value() && from.steady->count != 0) {
        expected.emplace_back("steady_from_seq", from.steady->from_seq);
    }
    if (from.miss_window.has_value()) {
        absl::flat_hash_set<std::uint64_t> pages;
        absl::flat_hash_set<std::uint64_t> sites;
        for (const recorded_miss& miss : from.misses) {
            pages.insert(miss.va / page_bytes);
            sites.insert(miss.site.pc);
        }
        expected.emplace_back("miss_window_from_seq", from.miss_window->from_seq);
        expected.emplace_back("miss_window_to_seq", from.miss_window->to_seq);
        expected.emplace_back("miss_window_misses", from.misses.size());
        expected.emplace_back("miss_window_pages", pages.size());
        expected.emplace_back("miss_window_pcs", sites.size());
    }
    return expected;
}

/// The accesses of which the lines tell: one more than the highest sequence number of an access.
[[nodiscard]] inline std::uint64_t accesses_of_lines(const recording& from) {
    std::uint64_t end = 0;
    const auto reach = [&](const auto& records) {
        if (!records.empty() && records.back().seq >= end) end = records.back().seq + 1;
    };
    reach(from.faults);
    reach(from.upgrades);
    reach(from.misses);
    reach(from.accesses);
    return end;
}

}

/// Compares totals, where the recording has them, with lines and footprint.
[[nodiscard]] inline absl::Status check_totals(const recording& from) {
    const auto& values = from.totals.values;
    const auto wrong = [&](std::size_t index, std::string_view wanted) {
        return bad_input_at_line(
            from.total_source.file, from.total_source.line_of(index),
            absl::StrCat(values[index].first, ": expected ", std::string(wanted), ", found ", values[index].second));
    };
    const std::vector<detail::expected_total> expected = detail::totals_of_lines(from);
    const std::uint64_t least = detail::accesses_of_lines(from);
    for (std::size_t i = 0; i < values.size(); ++i) {
        for (const auto& [name, value] : expected) {
            if (values[i].first == name && values[i].second != value) {
                return wrong(i, absl::StrCat(value, ", as the other files say"));
            }
        }
        if (values[i].first != "accesses") continue;
        if (values[i].second < least) return wrong(i, absl::StrCat("at least ", least, ", as the other files say"));
        const std::optional<std::uint64_t> reads = from.totals.value("reads");
        const std::optional<std::uint64_t> writes = from.totals.value("writes");
        if (reads.has_value() && writes.has_value() && *reads + *writes != values[i].second) {
            return wrong(i, absl::StrCat(*reads + *writes, " (reads + writes)"));
        }
    }
    return absl::OkStatus();
}

/// Replays the recording, measures its footprint, and compares the totals. O(n log n) in its lines.
[[nodiscard]] inline absl::Status check_recording(recording& of) {
    absl::StatusOr<recorded_footprint> footprint = recording_replay(of).run_to_end();
    if (!footprint.ok()) return footprint.status();
    of.footprint = *footprint;
    return check_totals(of);
}

LONGREACH_NAMESPACE_END

#endif
