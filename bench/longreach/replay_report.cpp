// SPDX-License-Identifier: MIT
#include "replay_report.hpp"

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "table.hpp"

namespace longreach {

namespace {

using field_value = decltype(report_field::value);

field_value number_or_nothing(const std::optional<std::uint64_t>& number) {
    if (!number) return nullptr;
    return *number;
}

/// One count of the agreement with the record, where there is one.
field_value agreed(const case_result& result, std::uint64_t case_agreement::*count) {
    if (!result.agreement) return nullptr;
    return *result.agreement.*count;
}

field_value recorded(const case_result& result, std::uint64_t census::*count) {
    if (!result.recorded) return nullptr;
    return *result.recorded.*count;
}

/// `all` or `12 of 34`; `-` where nothing was asked.
std::string share(const case_result& result, std::uint64_t case_agreement::*equal, std::uint64_t of) {
    if (!result.agreement || of == 0) return "-";
    const std::uint64_t found = *result.agreement.*equal;
    return found == of ? absl::StrCat("all ", of) : absl::StrCat(found, " of ", of);
}

std::string text(const std::optional<std::uint64_t>& number) { return number ? absl::StrCat(*number) : "-"; }

/// What agrees with the record: columns of the table where any result was compared with it.
std::vector<std::string> agreement_cells(const case_result& result) {
    const case_agreement made = result.agreement.value_or(case_agreement{});
    return {share(result, &case_agreement::targets_equal, result.faults),
            share(result, &case_agreement::verdicts_equal, result.faults),
            share(result, &case_agreement::frames_equal, result.faults),
            share(result, &case_agreement::placements_equal, made.placements),
            share(result, &case_agreement::replacements_equal, made.replacements),
            share(result, &case_agreement::offsets_equal, made.offsets),
            share(result, &case_agreement::rover_equal, made.rovers),
            result.agreement ? absl::StrCat(made.inferred) : "-"};
}

std::vector<std::string> census_cells(const case_result& result) {
    return {absl::StrCat(result.found.runs), absl::StrCat(result.found.n99), text(result.ideal99), text(result.bound99),
            result.recorded ? absl::StrCat(result.recorded->n99) : "-"};
}

/// A row from its parts; `middle` is left out where nothing was compared.
std::vector<std::string> joined_row(std::vector<std::string> names, const std::vector<std::string>& middle,
                                    bool compared, const std::vector<std::string>& rest) {
    if (compared) names.insert(names.end(), middle.begin(), middle.end());
    names.insert(names.end(), rest.begin(), rest.end());
    return names;
}

/// The sum of all results that were compared with the record.
case_result sum_of(const std::vector<case_result>& results) {
    static constexpr std::uint64_t case_agreement::*counts[] = {
        &case_agreement::targets_equal, &case_agreement::verdicts_equal, &case_agreement::frames_equal,
        &case_agreement::placements,    &case_agreement::replacements,   &case_agreement::offsets,
        &case_agreement::rovers,        &case_agreement::inferred,       &case_agreement::placements_equal,
        &case_agreement::offsets_equal, &case_agreement::rover_equal,    &case_agreement::replacements_equal};
    case_result sum;
    sum.run = "together";
    for (const case_result& result : results) {
        if (!result.agreement) continue;
        if (!sum.agreement) sum.agreement.emplace();
        sum.faults += result.faults;
        for (const auto count : counts) *sum.agreement.*count += *result.agreement.*count;
    }
    return sum;
}

}

std::vector<report_field> fields_of(const case_result& result) {
    using made = case_agreement;
    return {{"case", result.run},
            {"workload", result.workload},
            {"process", result.process},
            {"rules", result.rules},
            {"faults", result.faults},
            {"targets_equal", agreed(result, &made::targets_equal)},
            {"verdicts_equal", agreed(result, &made::verdicts_equal)},
            {"frames_equal", agreed(result, &made::frames_equal)},
            {"placements_equal", agreed(result, &made::placements_equal)},
            {"replacements_equal", agreed(result, &made::replacements_equal)},
            {"offsets_equal", agreed(result, &made::offsets_equal)},
            {"rover_equal", agreed(result, &made::rover_equal)},
            {"inferred", agreed(result, &made::inferred)},
            {"runs", result.found.runs},
            {"n80", result.found.n80},
            {"n90", result.found.n90},
            {"n99", result.found.n99},
            {"ideal99", number_or_nothing(result.ideal99)},
            {"bound99", number_or_nothing(result.bound99)},
            {"recorded_runs", recorded(result, &census::runs)},
            {"recorded_n99", recorded(result, &census::n99)},
            {"placements", agreed(result, &made::placements)},
            {"replacements", agreed(result, &made::replacements)},
            {"offsets", agreed(result, &made::offsets)},
            {"rovers", agreed(result, &made::rovers)},
            {"pages", result.found.pages},
            {"superpages", result.found.superpages},
            {"recorded_pages", recorded(result, &census::pages)}};
}

void replay_report::add(const case_result& result) {
    if (format_ == report_format::table) return results_.push_back(result);
    lines_.add(fields_of(result));
}

void replay_report::finish() const {
    if (format_ != report_format::table || results_.empty()) return;
    const case_result sum = sum_of(results_);
    const bool compared = sum.agreement.has_value();
    text_table table(
        joined_row({"case", "workload", "process"},
                   {"targets", "verdicts", "frames", "placements", "re-placements", "offsets", "rover", "inferred"},
                   compared, {"runs", "n99", "ideal", "bound", "recorded"}));
    for (const case_result& result : results_) {
        table.add(joined_row({result.run, result.workload, result.process}, agreement_cells(result), compared,
                             census_cells(result)));
    }
    if (compared && results_.size() > 1) {
        table.add(joined_row({sum.run, "", ""}, agreement_cells(sum), true, std::vector<std::string>(5)));
    }
    std::fputs(table.str(3).c_str(), stdout);
    if (compared) {
        std::fputs(
            "\ntargets to rover: how many of the record's decisions came out the same; inferred: allocations outside\n"
            "the log that were taken from the record.",
            stdout);
    }
    std::fputs(
        "\nruns: stretches contiguous in page and frame; n99: fewest that hold 99 % of the pages; ideal: the same for\n"
        "the best placement known; bound: what no placement goes below; recorded: n99 of the original kernel.\n",
        stdout);
}

}
