// SPDX-License-Identifier: MIT
#include "reproduce_report.hpp"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>

#include "table.hpp"

namespace longreach {

namespace {

using field_value = decltype(report_field::value);

/// Six digits: the same whatever a compiler does to the last bits.
double rounded(double figure) {
    double result = 0;
    return absl::SimpleAtod(absl::StrFormat("%.6g", figure), &result) ? result : figure;
}

const char* outcome_text(const verdict& found) { return !found.passed ? "-" : *found.passed ? "pass" : "fail"; }

std::string figure_text(double figure) { return absl::StrFormat("%.4g", figure); }

std::vector<std::string> table_row(const verdict& found) {
    const published_value* const published = published_for(*found.of, found.workload);
    const bool known = !found.figures.empty();
    return {std::string(found.of->id),
            std::string(found.of->text),
            found.workload,
            published == nullptr ? "-" : figure_text(published->value),
            known ? figure_text(found.ours.mean) : "-",
            found.figures.size() > 1 ? figure_text(found.ours.half_width) : "-",
            known ? figure_text(found.worst) : "-",
            tolerance_text(*found.of),
            outcome_text(found)};
}

void print_table(const std::vector<verdict>& verdicts) {
    text_table table({"claim", "what", "workload", "published", "ours", "+-", "worst", "tolerance", "outcome"});
    for (const verdict& each : verdicts) table.add(table_row(each));
    std::fputs(table.str(3).c_str(), stdout);
    const auto count = [&](const char* outcome) {
        return std::count_if(verdicts.begin(), verdicts.end(),
                             [&](const verdict& each) { return std::string(outcome_text(each)) == outcome; });
    };
    const auto out_of_reach =
        std::count_if(verdicts.begin(), verdicts.end(), [](const verdict& each) { return each.within_reach == false; });
    std::printf("\n%d pass, %d fail, %d of these out of reach of the best placement known; %d without outcome.\n",
                static_cast<int>(count("pass")), static_cast<int>(count("fail")), static_cast<int>(out_of_reach),
                static_cast<int>(count("-")));
    std::fputs(
        "ours: mean over the seeds, +-: its 95 % interval by Student's t, worst: the seed closest to a limit or "
        "farthest\n"
        "beyond it. A claim passes where every seed is within the tolerance.\n",
        stdout);
    for (const verdict& each : verdicts) {
        if (each.why.empty()) continue;
        std::printf("\n%s %s: %s", std::string(each.of->id).c_str(), each.workload.c_str(), each.why.c_str());
    }
    std::fputc('\n', stdout);
}

}

std::vector<report_field> fields_of(const verdict& found) {
    const bool known = !found.figures.empty();
    std::vector<report_field> fields{{"claim", std::string(found.of->id)},
                                     {"what", std::string(found.of->text)},
                                     {"workload", nullptr},
                                     {"published", nullptr},
                                     {"source", nullptr},
                                     {"ours", nullptr},
                                     {"ours_ci95", nullptr},
                                     {"worst", nullptr},
                                     {"seeds", std::uint64_t{found.figures.size()}},
                                     {"tolerance", nullptr},
                                     {"outcome", nullptr},
                                     {"within_reach", nullptr},
                                     {"why", nullptr}};
    const auto set = [&](std::string_view name, field_value value) {
        std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == name; })->value =
            std::move(value);
    };
    if (!found.workload.empty()) set("workload", found.workload);
    if (const published_value* const published = published_for(*found.of, found.workload)) {
        set("published", rounded(published->value));
        set("source", std::string(published->source));
    }
    if (known) {
        set("ours", rounded(found.ours.mean));
        set("worst", rounded(found.worst));
    }
    if (found.figures.size() > 1) set("ours_ci95", rounded(found.ours.half_width));
    if (found.of->figure != nullptr) set("tolerance", tolerance_text(*found.of));
    if (found.passed) set("outcome", std::string(*found.passed ? "pass" : "fail"));
    if (found.within_reach) set("within_reach", std::string(*found.within_reach ? "yes" : "no"));
    if (!found.why.empty()) set("why", found.why);
    return fields;
}

void print_verdicts(const std::vector<verdict>& verdicts, report_format format) {
    if (format == report_format::table) return print_table(verdicts);
    report_lines lines(format);
    for (const verdict& each : verdicts) lines.add(fields_of(each));
}

}
