// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_FAULTS_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_FAULTS_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "case_files.hpp"
#include "case_folder.hpp"
#include "csv_lines.hpp"
#include "recorded_case.hpp"

// The fault log of a recorded workload: `W.fault_vmas.csv` and `W.faults.csv`, whose folded lines are unfolded here.
// Process numbers are those of the log: 0 is the first process that it saw.

LONGREACH_NAMESPACE_BEGIN

/// Reads `W.fault_vmas.csv`: areas numbered from 0.
[[nodiscard]] inline absl::StatusOr<std::vector<case_area>> read_areas(const case_folder& folder,
                                                                       const std::string& name) {
    enum : std::size_t { number, process, start, end };
    absl::StatusOr<csv_lines> rows = open_case_csv(folder, name, {"vma", "proc", "vm_start", "vm_end"});
    if (!rows.ok()) return rows.status();
    constexpr std::uint64_t limit = std::uint64_t{1} << 48;
    std::vector<case_area> areas;
    while (rows->next()) {
        if (rows->decimal(number) != areas.size()) rows->reject(number, absl::StrCat("the number ", areas.size()));
        case_area area;
        area.process = static_cast<unsigned>(rows->decimal(process, 16));
        const std::uint64_t from = rows->hexadecimal(start, limit);
        const std::uint64_t to = rows->hexadecimal(end, limit);
        if (from % page_bytes != 0) rows->reject(start, "a multiple of 4096");
        if (to % page_bytes != 0 || to <= from) rows->reject(end, "a multiple of 4096 above the start");
        area.pages = run_between(vpn{from / page_bytes}, vpn{to / page_bytes});
        if (!rows->status().ok()) break;
        detail::keep_row(*rows, areas, area);
    }
    if (!rows->status().ok()) return rows->status();
    return areas;
}

namespace detail {

enum fault_column : std::size_t {
    f_seq,
    f_proc,
    f_order,
    f_page,
    f_area,
    f_target,
    f_want,
    f_allow,
    f_got,
    f_rover,
    f_fail,
    f_success,
    f_repeat
};

/// Counters' names, or nothing for `-`.
[[nodiscard]] inline std::string read_reasons(csv_lines& rows, std::size_t column) {
    const std::string_view text = rows.text(column);
    if (text == "-") return {};
    const bool good = !text.empty() && text.size() <= 256 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ' ' || c == ':';
    });
    if (!good) rows.reject(column, "names of counters or -");
    return std::string(text);
}

/// A frame, or nothing for 0.
[[nodiscard]] inline std::optional<pfn> read_frame(csv_lines& rows, std::size_t column) {
    const std::uint64_t frame = rows.hexadecimal(column, std::uint64_t{1} << 62);
    if (frame == 0) return std::nullopt;
    return pfn{frame};
}

/// The first fault of a line and how many it stands for.
[[nodiscard]] inline std::pair<case_fault, std::uint64_t> read_fault(csv_lines& rows,
                                                                     const std::vector<case_area>& areas) {
    case_fault fault;
    if (rows.has(f_seq)) fault.seq = rows.decimal(f_seq);
    fault.process = static_cast<unsigned>(rows.decimal(f_proc, 16));
    const std::uint64_t size = rows.decimal(f_order, 10);
    if (size != 0 && size != superpage_order.raw) rows.reject(f_order, "0 or 9");
    fault.size = order{static_cast<unsigned>(size)};
    fault.page = vpn{rows.hexadecimal(f_page, std::uint64_t{1} << 36)};
    if (!is_aligned(fault.page, fault.size)) rows.reject(f_page, "a multiple of 0x200 with order 9");
    fault.area = rows.decimal(f_area, areas.size());
    fault.target = read_frame(rows, f_target);
    if (rows.text(f_want) != "uninit") fault.wanted = page_count{rows.decimal(f_want)};
    fault.may_place = rows.decimal(f_allow, 2) != 0;
    fault.got = read_frame(rows, f_got);
    fault.rover_after = read_frame(rows, f_rover);
    fault.fail_reasons = read_reasons(rows, f_fail);
    fault.success_kind = read_reasons(rows, f_success);
    const std::uint64_t repeat = rows.decimal(f_repeat, most_case_lines + 1);
    if (!rows.status().ok()) return {fault, 1};
    if (repeat == 0 || (repeat > 1 && size != 0)) rows.reject(f_repeat, "1, or more for faults of order 0");
    const page_count pages{repeat << size};
    const case_area& area = areas[fault.area];
    if (area.process != fault.process) rows.reject(f_area, absl::StrCat("an area of process ", fault.process));
    if (!area.pages.contains({fault.page, pages})) rows.reject(f_page, "pages of the area");
    if (fault.got && !zone_of({*fault.got, pages})) rows.reject(f_got, "frames of one zone");
    if (fault.got && !is_aligned(*fault.got, fault.size)) rows.reject(f_got, "a multiple of 0x200 with order 9");
    if (fault.wanted && repeat > 1 && fault.wanted->raw + 1 < repeat) {
        rows.reject(f_want, "at least as many pages as the line stands for");
    }
    if (!fault.rover_after || !zone_of({*fault.rover_after, page_count{1}})) fault.rover_after.reset();
    return {fault, repeat};
}

}

/// Reads `W.faults.csv`; faults are in rising order of `seq`, at most most_case_lines of them. Without the column `seq`
/// they are numbered from 0.
[[nodiscard]] inline absl::StatusOr<std::vector<case_fault>> read_case_faults(const case_folder& folder,
                                                                              const std::string& name,
                                                                              const std::vector<case_area>& areas) {
    absl::StatusOr<csv_lines> rows =
        open_case_csv(folder, name,
                      {"?seq", "proc", "order", "va_page", "vma", "target_pfn", "want_pages", "allow_placement",
                       "got_pfn", "rover_after", "fail_reasons", "success_kind", "repeat"});
    if (!rows.ok()) return rows.status();
    std::vector<case_fault> faults;
    while (rows->next()) {
        auto [fault, repeat] = detail::read_fault(*rows, areas);
        if (!rows->has(detail::f_seq)) {
            fault.seq = faults.size();
        } else if (!faults.empty() && fault.seq <= faults.back().seq) {
            rows->reject(detail::f_seq, absl::StrCat("a number above ", faults.back().seq));
        }
        if (repeat > most_case_lines - faults.size()) {
            rows->reject(detail::f_repeat, absl::StrCat("at most ", most_case_lines, " faults in all"));
        }
        if (!rows->status().ok()) break;
        for (std::uint64_t i = 0; i < repeat; ++i) {
            faults.push_back(fault);
            ++fault.seq;
            fault.page += page_count{1};
            if (fault.target) *fault.target += page_count{1};
            if (fault.got) *fault.got += page_count{1};
            if (fault.wanted) *fault.wanted -= page_count{1};
        }
    }
    if (!rows->status().ok()) return rows->status();
    return faults;
}

LONGREACH_NAMESPACE_END

#endif
