// SPDX-License-Identifier: MIT
#include "comparison_report.hpp"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include <longreach/spot/cost.hpp>

#include "confidence.hpp"
#include "table.hpp"

namespace longreach {

namespace {

/// Cycles per 1000 accesses, to the thousandth.
double per_kaccess(std::uint64_t cycles, const mmu_counters& counters) {
    return static_cast<double>(millicycles_per_kaccess(cycles, counters.accesses)) / 1000.0;
}

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// How a table names a memory: "30%" for the hog of --hog, the steps otherwise.
std::string memory_text(const fragmentation& fragmented) {
    const std::optional<unsigned> percent = hog_percent_of(fragmented);
    return percent ? absl::StrCat(*percent, "%") : to_string(fragmented);
}

decltype(report_field::value) hog_field(const fragmentation& fragmented) {
    const std::optional<unsigned> percent = hog_percent_of(fragmented);
    if (!percent) return nullptr;
    return std::uint64_t{*percent};
}

/// A column of the table: a figure of each run, and how its mean is printed.
struct table_column {
    const char* heading;
    int decimals;
    const char* unit;
    double (*figure)(const outcome&);
};

constexpr table_column table_columns[] = {
    {"pages", 0, "", [](const outcome& o) { return static_cast<double>(o.runs.pages); }},
    {"in 2M", 0, "%", [](const outcome& o) { return share(512 * o.runs.superpages, o.runs.pages); }},
    {"runs", 1, "", [](const outcome& o) { return static_cast<double>(o.runs.runs); }},
    {"n99", 1, "", [](const outcome& o) { return static_cast<double>(o.runs.n99); }},
    {"bound", 1, "", [](const outcome& o) { return static_cast<double>(o.bound99()); }},
    {"cover32", 1, "%", [](const outcome& o) { return 100 * o.runs.cover32; }},
    {"misses", 1, "", [](const outcome& o) { return 10 * share(o.translation.l2_misses, o.translation.accesses); }},
    {"right", 1, "%", [](const outcome& o) { return share(o.translation.spot_correct(), o.translation.l2_misses); }},
    {"wrong", 1, "%",
     [](const outcome& o) { return share(o.translation.spot_mispredicted(), o.translation.l2_misses); }},
    {"walks", 0, "", [](const outcome& o) { return per_kaccess(walk_cycles(o.translation), o.translation); }},
    {"SpOT", 0, "", [](const outcome& o) { return per_kaccess(spot_cycles(o.translation), o.translation); }},
};

std::vector<const comparison_row*> found_in(std::span<const comparison_row> group) {
    std::vector<const comparison_row*> found;
    for (const comparison_row& row : group) {
        if (row.end == row_end::found) found.push_back(&row);
    }
    return found;
}

bool any_does_not_fit(std::span<const comparison_row> group) {
    return std::any_of(group.begin(), group.end(),
                       [](const comparison_row& row) { return row.end == row_end::does_not_fit; });
}

estimate estimate_of_column(const std::vector<const comparison_row*>& rows, const table_column& column) {
    std::vector<double> figures;
    for (const comparison_row* const row : rows) figures.push_back(column.figure(row->found));
    return estimate_of(figures);
}

/// What stands to the left in a line of the table; says how many runs are behind it where some are missing.
std::vector<std::string> row_heading(std::span<const comparison_row> group, std::size_t found) {
    const comparison_row& first = group.front();
    const bool part = found != 0 && found < group.size();
    return {first.program->name(), std::string(to_string(first.wanted.mode)), memory_text(first.wanted.fragmented),
            absl::StrCat(std::string(to_string(first.wanted.policy)),
                         part ? absl::StrCat(" (", found, " of ", group.size(), ")") : "")};
}

text_table empty_table() {
    std::vector<std::string> heading{"workload", "machine", "memory", "policy"};
    for (const table_column& column : table_columns) heading.emplace_back(column.heading);
    return text_table(std::move(heading));
}

std::vector<std::string> mean_row(std::span<const comparison_row> group) {
    const std::vector<const comparison_row*> found = found_in(group);
    std::vector<std::string> row = row_heading(group, found.size());
    for (const table_column& column : table_columns) {
        if (found.empty()) {
            const char* const why = any_does_not_fit(group) ? "does_not_fit" : "failed";
            row.emplace_back(&column == table_columns ? why : "-");
        } else {
            row.push_back(
                absl::StrFormat("%.*f%s", column.decimals, estimate_of_column(found, column).mean, column.unit));
        }
    }
    return row;
}

std::vector<std::string> interval_row(std::span<const comparison_row> group) {
    const std::vector<const comparison_row*> found = found_in(group);
    std::vector<std::string> row = row_heading(group, found.size());
    for (const table_column& column : table_columns) {
        row.push_back(found.size() < 2 ? "-"
                                       : absl::StrFormat("%.*f%s", column.decimals + 1,
                                                         estimate_of_column(found, column).half_width, column.unit));
    }
    return row;
}

/// For each machine and hog: the geometric mean over workloads and seeds of n99(thp) / n99(ca).
std::string ratios(const std::vector<comparison_row>& rows) {
    std::map<std::tuple<const workload*, machine_mode, std::string, std::uint64_t>, std::uint64_t> thp_n99;
    for (const comparison_row& row : rows) {
        const experiment& w = row.wanted;
        if (row.end != row_end::found) continue;
        if (w.policy == policy_name::thp)
            thp_n99[{row.program, w.mode, memory_text(w.fragmented), w.seed}] = row.found.runs.n99;
    }
    std::map<std::pair<machine_mode, std::string>, std::pair<double, double>> sums;  // of logarithms, and how many
    for (const comparison_row& row : rows) {
        const experiment& w = row.wanted;
        const auto other = thp_n99.find({row.program, w.mode, memory_text(w.fragmented), w.seed});
        if (row.end != row_end::found || w.policy != policy_name::ca || other == thp_n99.end() ||
            row.found.runs.n99 == 0)
            continue;
        auto& [logarithms, count] = sums[{w.mode, memory_text(w.fragmented)}];
        logarithms += std::log(static_cast<double>(other->second) / static_cast<double>(row.found.runs.n99));
        count += 1;
    }
    std::string result;
    for (const auto& [where, sum] : sums) {
        absl::StrAppend(&result, "  ", std::string(to_string(where.first)), ", memory ", where.second, ": ",
                        absl::StrFormat("%.1f", std::exp(sum.first / sum.second)), "\n");
    }
    return result;
}

/// What names a row; the seed is `seed`.
template <class Seed>
std::vector<report_field> combination_fields(const comparison_row& row, Seed&& seed) {
    const experiment& w = row.wanted;
    return {{"workload", row.program->name()},        {"policy", std::string(to_string(w.policy))},
            {"mode", std::string(to_string(w.mode))}, {"hog", hog_field(w.fragmented)},
            {"seed", std::forward<Seed>(seed)},       {"feed", std::string(to_string(w.feed))},
            {"memory_bytes", to_bytes(w.memory)},     {"nodes", std::uint64_t{w.nodes}},
            {"fragment", to_string(w.fragmented)}};
}

/// Every number that is known of a run; names and order are stable. Described in bench/README.md.
std::vector<report_field> figures_of(const outcome& o) {
    const mmu_counters& t = o.translation;
    return {{"pages", o.runs.pages},
            {"superpages", o.runs.superpages},
            {"runs", o.runs.runs},
            {"cover32", o.runs.cover32},
            {"cover128", o.runs.cover128},
            {"n80", o.runs.n80},
            {"n90", o.runs.n90},
            {"n99", o.runs.n99},
            {"guest_bound99", o.guest_bound99},
            {"host_bound99", o.host_bound99},
            {"bound99", o.bound99()},
            {"faults", o.counters.faults},
            {"placements", o.counters.placement.placements},
            {"replacements", o.counters.placement.replacements},
            {"host_faults", o.host_counters.faults},
            {"host_placements", o.host_counters.placement.placements},
            {"host_replacements", o.host_counters.placement.replacements},
            {"accesses", t.accesses},
            {"l1_misses", t.l1_misses},
            {"l2_misses", t.l2_misses},
            {"walk_refs", t.walk_refs()},
            {"spot_correct", t.spot_correct()},
            {"spot_mispredicted", t.spot_mispredicted()},
            {"spot_no_prediction", t.spot_no_prediction()},
            {"walk_cycles_per_kaccess", per_kaccess(walk_cycles(t), t)},
            {"spot_cycles_per_kaccess", per_kaccess(spot_cycles(t), t)},
            {"bloat_pages", o.costs.bloat_pages},
            {"fault_zeroed_bytes", o.costs.fault_zeroed_bytes},
            {"fault_ns", o.costs.fault_ns},
            {"fault_ns_p50", o.costs.fault_ns_p50},
            {"fault_ns_p99", o.costs.fault_ns_p99},
            {"fault_ns_longest", o.costs.fault_ns_longest},
            {"daemon_passes", o.costs.daemon.passes},
            {"promotions", o.costs.daemon.promotions},
            {"demotions", o.costs.daemon.demotions},
            {"migrated_pages", o.costs.daemon.migrated_pages},
            {"exchanged_pages", o.costs.daemon.exchanged_pages},
            {"skipped_unmovable", o.costs.daemon.skipped_unmovable},
            {"shootdowns", o.costs.daemon.shootdowns},
            {"daemon_zeroed_bytes", o.costs.daemon.zeroed_bytes},
            {"daemon_copied_bytes", o.costs.daemon.copied_bytes},
            {"reclaimed_pages", o.costs.daemon.reclaimed_pages},
            {"settled_ns", o.costs.settled_ns},
            {"covered_ns", o.costs.covered_ns}};
}

/// The names without values.
std::vector<report_field> blank(std::vector<report_field> fields) {
    for (report_field& field : fields) field.value = nullptr;
    return fields;
}

/// A figure of figures_of().
double number_in(const report_field& figure) {
    if (const auto* const count = std::get_if<std::uint64_t>(&figure.value)) return static_cast<double>(*count);
    return std::get<double>(figure.value);
}

/// Six digits: all that an interval of a few runs can mean, and the same whatever a compiler does to the last bits.
double rounded(double width) {
    double result = 0;
    return absl::SimpleAtod(absl::StrFormat("%.6g", width), &result) ? result : width;
}

/// What ends a line: the key of those without figures.
report_field outcome_field(bool fits) {
    if (fits) return {"outcome", nullptr};
    return {"outcome", std::string("does_not_fit")};
}

void append(std::vector<report_field>& to, const std::vector<report_field>& more) {
    to.insert(to.end(), more.begin(), more.end());
}

/// The mean of each figure over some runs; null over none.
std::vector<report_field> means_of(const std::vector<std::vector<double>>& figures) {
    std::vector<report_field> fields = blank(figures_of({}));
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!figures[i].empty()) fields[i].value = estimate_of(figures[i]).mean;
    }
    return fields;
}

/// How many runs the means are of, and how far they can be trusted; null where one run says nothing about that.
std::vector<report_field> intervals_of(const std::vector<std::vector<double>>& figures) {
    std::vector<report_field> fields{{"seeds", std::uint64_t{figures.front().size()}}};
    const std::vector<report_field> names = figures_of({});
    for (std::size_t i = 0; i < names.size(); ++i) {
        fields.push_back({absl::StrCat(names[i].name, "_ci95"), nullptr});
        if (figures[i].size() > 1) fields.back().value = rounded(estimate_of(figures[i]).half_width);
    }
    return fields;
}

/// By figure, the values of all runs of the group that have some.
std::vector<std::vector<double>> figures_by_name(std::span<const comparison_row> group) {
    std::vector<std::vector<double>> values(figures_of({}).size());
    for (const comparison_row* const row : found_in(group)) {
        const std::vector<report_field> figures = figures_of(row->found);
        for (std::size_t i = 0; i < values.size(); ++i) values[i].push_back(number_in(figures[i]));
    }
    return values;
}

}

std::vector<comparison_report::row_group> comparison_report::groups() const {
    std::vector<row_group> result;
    const row_group all(rows_);
    for (std::size_t i = 0; i < all.size(); i += seeds_) result.push_back(all.subspan(i, seeds_));
    return result;
}

void comparison_report::add(const comparison_row& row) {
    rows_.push_back(row);
    rows_.back().found.frame_maps.clear();
    if (row.end == row_end::failed) return;
    const bool found = row.end == row_end::found;
    std::vector<report_field> fields = combination_fields(row, row.wanted.seed);
    append(fields, found ? figures_of(row.found) : blank(figures_of({})));
    if (format_ == report_format::csv || !found) fields.push_back(outcome_field(found));
    if (format_ == report_format::csv && seeds_ > 1) append(fields, blank(intervals_of(figures_by_name({}))));
    lines_.add(fields);
}

void comparison_report::add_all_seeds(row_group group) {
    const std::vector<std::vector<double>> figures = figures_by_name(group);
    std::vector<report_field> fields = combination_fields(group.front(), std::string("all"));
    append(fields, means_of(figures));
    const bool fits = !any_does_not_fit(group);
    if (format_ == report_format::csv || !fits) fields.push_back(outcome_field(fits));
    append(fields, intervals_of(figures));
    lines_.add(fields);
}

void comparison_report::finish() {
    if (rows_.empty()) return;
    if (format_ == report_format::table) return print_tables();
    if (seeds_ == 1) return;
    for (const row_group group : groups()) add_all_seeds(group);
}

void comparison_report::print_tables() const {
    text_table means = empty_table();
    text_table intervals = empty_table();
    for (const row_group group : groups()) {
        means.add(mean_row(group));
        intervals.add(interval_row(group));
    }
    std::fputs(means.str(4).c_str(), stdout);
    std::fputs(
        "\nruns: stretches contiguous in page and frame; n99: fewest that hold 99 % of the pages; bound: fewest any\n"
        "placement could need; cover32: share of pages in the 32 longest runs. misses: of both TLBs per 1000 "
        "accesses;\n"
        "right, wrong: predictions by SpOT, in % of those misses. walks, SpOT: cycles per 1000 accesses without and\n"
        "with SpOT, by a linear model: walks fully exposed, right predictions free. It bounds what prediction can\n"
        "hide and proves no speed-up. Figures are means over the seeds.\n",
        stdout);
    if (const std::string found = ratios(rows_); !found.empty()) {
        std::printf("\nn99 of thp over n99 of ca, geometric mean over workloads and seeds:\n%s", found.c_str());
    }
    if (seeds_ == 1) return;
    std::printf("\n95 %% intervals of the means over %s seeds, in each direction, by Student's t:\n%s",
                absl::StrCat(seeds_).c_str(), intervals.str(4).c_str());
}

}
