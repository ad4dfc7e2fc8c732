// SPDX-License-Identifier: MIT
#include "comparison_report.hpp"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <tuple>
#include <utility>

#include "table.hpp"

namespace longreach {

namespace {

/// Cycles per 1000 accesses, to the thousandth.
double per_kaccess(std::uint64_t cycles, const mmu_counters& counters) {
    return static_cast<double>(millicycles_per_kaccess(cycles, counters.accesses)) / 1000.0;
}

/// Mean of one number over the rows of a group.
template <class Value>
double mean(const std::vector<const comparison_row*>& group, Value&& value) {
    double sum = 0;
    for (const comparison_row* row : group) sum += static_cast<double>(value(row->found));
    return sum / static_cast<double>(group.size());
}

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::vector<std::string> table_row(const std::vector<const comparison_row*>& group, std::uint64_t seeds) {
    const std::string part = group.size() < seeds ? absl::StrCat(" (", group.size(), " of ", seeds, ")") : "";
    const comparison_row& first = *group.front();
    const auto misses = [](const outcome& o) { return o.translation.l2_misses; };
    return {
        first.program->name,
        std::string(to_string(first.wanted.mode)),
        absl::StrCat(first.wanted.hog_percent, "%"),
        std::string(to_string(first.wanted.policy)),
        absl::StrFormat("%.0f", mean(group, [](const outcome& o) { return o.runs.pages; })),
        absl::StrFormat("%.0f%%",
                        mean(group, [](const outcome& o) { return share(512 * o.runs.superpages, o.runs.pages); })),
        absl::StrFormat("%.1f", mean(group, [](const outcome& o) { return o.runs.runs; })),
        absl::StrFormat("%.1f", mean(group, [](const outcome& o) { return o.runs.n99; })),
        absl::StrFormat("%.1f", mean(group, [](const outcome& o) { return o.bound99(); })),
        absl::StrFormat("%.1f%%", mean(group, [](const outcome& o) { return 100 * o.runs.cover32; })),
        absl::StrFormat("%.1f",
                        mean(group, [&](const outcome& o) { return 10 * share(misses(o), o.translation.accesses); })),
        absl::StrFormat("%.1f%%",
                        mean(group, [&](const outcome& o) { return share(o.translation.spot_correct(), misses(o)); })),
        absl::StrFormat(
            "%.1f%%",
            mean(group, [&](const outcome& o) { return share(o.translation.spot_mispredicted(), misses(o)); })),
        absl::StrFormat(
            "%.0f",
            mean(group, [](const outcome& o) { return per_kaccess(walk_cycles(o.translation), o.translation); })),
        absl::StrFormat("%.0f", mean(group, [](const outcome& o) {
                            return per_kaccess(spot_cycles(o.translation), o.translation);
                        }))};
}

/// For each machine and hog: the geometric mean over workloads and seeds of n99(thp) / n99(ca).
std::string ratios(const std::vector<comparison_row>& rows) {
    std::map<std::tuple<const recording*, machine_mode, unsigned, std::uint64_t>, std::uint64_t> thp_n99;
    for (const comparison_row& row : rows) {
        const experiment& w = row.wanted;
        if (w.policy == policy_name::thp) thp_n99[{row.program, w.mode, w.hog_percent, w.seed}] = row.found.runs.n99;
    }
    std::map<std::pair<machine_mode, unsigned>, std::pair<double, double>> sums;  // of logarithms, and how many
    for (const comparison_row& row : rows) {
        const experiment& w = row.wanted;
        const auto other = thp_n99.find({row.program, w.mode, w.hog_percent, w.seed});
        if (w.policy != policy_name::ca || other == thp_n99.end() || row.found.runs.n99 == 0) continue;
        auto& [logarithms, count] = sums[{w.mode, w.hog_percent}];
        logarithms += std::log(static_cast<double>(other->second) / static_cast<double>(row.found.runs.n99));
        count += 1;
    }
    std::string result;
    for (const auto& [where, sum] : sums) {
        absl::StrAppend(&result, "  ", std::string(to_string(where.first)), ", hog ", where.second,
                        "%: ", absl::StrFormat("%.1f", std::exp(sum.first / sum.second)), "\n");
    }
    return result;
}

}

std::vector<report_field> fields_of(const comparison_row& row) {
    const experiment& w = row.wanted;
    const outcome& o = row.found;
    const mmu_counters& t = o.translation;
    const reference_counts refs = t.references();
    return {{"workload", row.program->name},
            {"policy", std::string(to_string(w.policy))},
            {"mode", std::string(to_string(w.mode))},
            {"hog", std::uint64_t{w.hog_percent}},
            {"seed", w.seed},
            {"feed", std::string(to_string(w.feed))},
            {"memory_bytes", to_bytes(w.memory)},
            {"pages", o.runs.pages},
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
            {"walk_refs", refs.total()},
            {"spot_correct", t.spot_correct()},
            {"spot_mispredicted", t.spot_mispredicted()},
            {"spot_no_prediction", t.spot_no_prediction()},
            {"walk_cycles_per_kaccess", per_kaccess(walk_cycles(t), t)},
            {"spot_cycles_per_kaccess", per_kaccess(spot_cycles(t), t)}};
}

void comparison_report::add(const comparison_row& row) {
    if (format_ == report_format::table) return rows_.push_back(row);
    lines_.add(fields_of(row));
}

void comparison_report::finish() const {
    if (format_ != report_format::table || rows_.empty()) return;
    text_table table({"workload", "machine", "hog", "policy", "pages", "in 2M", "runs", "n99", "bound", "cover32",
                      "misses", "right", "wrong", "walks", "SpOT"});
    for (std::size_t i = 0; i < rows_.size();) {
        std::vector<const comparison_row*> group;
        const experiment& first = rows_[i].wanted;
        const recording* const program = rows_[i].program;
        for (; i < rows_.size(); ++i) {
            const experiment& w = rows_[i].wanted;
            if (rows_[i].program != program || w.mode != first.mode || w.hog_percent != first.hog_percent ||
                w.policy != first.policy) {
                break;
            }
            group.push_back(&rows_[i]);
        }
        table.add(table_row(group, seeds_));
    }
    std::fputs(table.str(4).c_str(), stdout);
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
}

}
