// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_ZONE_REPORT_HPP
#define LONGREACH_BENCH_ZONE_REPORT_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

// The published goals of the allocator, checked against the run that has just been made: medians over its repetitions,
// and ratios of two zones of the same run only.
//
// The floor is the id stack: its pop in bulk at order 0; for a pair, its pair of the same order.

namespace longreach::bench {

/// Everything measured, by benchmark and quantity ("ns" or a counter), one value per repetition.
class measurements {
  public:
    void add(const std::string& benchmark, const std::string& quantity, double value) {
        values_[benchmark + " " + quantity].push_back(value);
    }

    /// Marks a benchmark that did not come to its end.
    void fail(const std::string& benchmark) { add(benchmark, "failed", 1); }
    [[nodiscard]] bool failed(const std::string& benchmark) const { return any(benchmark, "failed"); }

    /// Whether some repetition had something other than 0; not where nothing was measured.
    [[nodiscard]] bool any(const std::string& benchmark, const std::string& quantity) const {
        const auto found = values_.find(benchmark + " " + quantity);
        return found != values_.end() &&
               std::any_of(found->second.begin(), found->second.end(), [](double value) { return value != 0; });
    }

    /// Not a number where nothing was measured.
    [[nodiscard]] double median(const std::string& benchmark, const std::string& quantity) const {
        const auto found = values_.find(benchmark + " " + quantity);
        if (found == values_.end()) return std::numeric_limits<double>::quiet_NaN();
        std::vector<double> sorted = found->second;
        std::sort(sorted.begin(), sorted.end());
        const std::size_t middle = sorted.size() / 2;
        return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

  private:
    std::map<std::string, std::vector<double>> values_;
};

[[nodiscard]] inline std::string benchmark_name(const std::string& workload, const std::string& zone,
                                                const std::string& geometry) {
    return "BM_" + workload + "/" + zone + "/" + geometry;
}

/// One figure of the run.
struct figure {
    const char* workload = "";
    const char* zone = "";
    const char* geometry = "";
    const char* quantity = "ns";
};

enum class bound { ratio_at_most, net_ratio_at_most, at_most, at_least };

struct goal {
    const char* text;
    figure measured;
    figure baseline;  ///< of the ratio; otherwise for comparison only, and may be missing
    bound kind;
    double limit;
};

/// The names under which the variants of this library appear in the goals.
inline constexpr const char* plain_zone = "buddy";
inline constexpr const char* magazine_zone = "buddy_magazine";

namespace detail {

inline constexpr const char* base = "8GiB_4KiB";
inline constexpr const char* super = "8GiB_2MiB";
inline constexpr const char* mixed = "8GiB_mixed";
inline constexpr const char* textbook = "textbook_buddy";
inline constexpr const char* zone_8g = "8GiB";
inline constexpr const char* metadata = "bytes_per_frame";
inline constexpr const char* exact_metadata = "exact_bytes_per_frame";
inline constexpr const char* map_metadata = "with_map_bytes_per_frame";
inline constexpr const char* free_share = "free_2MiB_percent";
inline constexpr const char* mean_free_share = "mean_free_2MiB_percent";
inline constexpr bound ratio = bound::ratio_at_most;
inline constexpr bound net = bound::net_ratio_at_most;

constexpr figure plain(const char* workload, const char* geometry, const char* quantity = "ns") {
    return {workload, plain_zone, geometry, quantity};
}
constexpr figure magazine(const char* workload, const char* geometry, const char* quantity = "ns") {
    return {workload, magazine_zone, geometry, quantity};
}
constexpr figure linux_style(const char* workload) { return {workload, "linux_buddy", base}; }

inline constexpr figure floor{"bulk_allocate", "id_stack", base};
inline constexpr figure cpu_lists{"bulk_allocate", "linux_buddy_with_cpu_lists", base};

/// The goals that this bench can check; those of the contiguity map are contiguity_map_bench's.
inline constexpr goal goals[] = {
    {"order-0 bulk allocate, magazine / floor", magazine("bulk_allocate", base), floor, ratio, 1.8},
    {"order-0 bulk allocate, magazine / Linux with CPU lists", magazine("bulk_allocate", base), cpu_lists, ratio, 0.15},
    {"order-0 bulk allocate / floor", plain("bulk_allocate", base), floor, ratio, 5},
    {"order-0 bulk allocate / Linux", plain("bulk_allocate", base), linux_style("bulk_allocate"), ratio, 0.55},
    {"order-0 refill after random free / Linux", plain("refill_after_random_free", base),
     linux_style("refill_after_random_free"), ratio, 0.06},
    {"order-0 random free / Linux", plain("bulk_free_random", base), linux_style("bulk_free_random"), ratio, 0.35},
    {"hot pair order 0, magazine / floor", magazine("hot_pair", base), {"hot_pair", "id_stack", base}, ratio, 1.9},
    {"hot pair order 9 / floor", plain("hot_pair", super), {"hot_pair", "id_stack", super}, ratio, 3.5},
    {"order-9 bulk allocate / floor", plain("bulk_allocate", super), floor, ratio, 3.8},
    {"order-9 bulk free, last in first out / floor", plain("bulk_free_lifo", super), floor, ratio, 3},
    {"mixed churn 50 %, net / textbook", plain("churn_50", mixed), {"churn_50", textbook, mixed}, net, 1},
    {"mixed churn 90 %, net / textbook", plain("churn_90", mixed), {"churn_90", textbook, mixed}, net, 0.9},
    {"allocate_at random / floor", plain("allocate_at_random", base), floor, ratio, 4},
    {"allocate_at random / Linux", plain("allocate_at_random", base), linux_style("allocate_at_random"), ratio, 0.06},
    {"allocate_at busy / floor", plain("allocate_at_busy", base), floor, ratio, 2.6},
    {"allocate_at busy / Linux", plain("allocate_at_busy", base), linux_style("allocate_at_busy"), ratio, 0.06},
    {"metadata, bytes per frame", plain("create", zone_8g, metadata), {}, bound::at_most, 0.15},
    {"metadata with magazines of 64 CPUs", magazine("create", zone_8g, metadata), {}, bound::at_most, 0.17},
    {"metadata with exact promises", plain("start", zone_8g, exact_metadata), {}, bound::at_most, 0.17},
    {"metadata with exact promises and the map", plain("start", zone_8g, map_metadata), {}, bound::at_most, 0.22},
    {"start of a 1 TiB zone, metadata touched before", plain("start", "1TiB"), {}, bound::at_most, 5e6},
    {"healing, % of possible 2 MiB", plain("heal", base, free_share), {}, bound::at_least, 96},
    {"healing, maximal runs", plain("heal", base, "runs"), {}, bound::at_most, 150},
    {"healing with magazines, % of possible 2 MiB", magazine("heal", base, free_share), {}, bound::at_least, 96},
    {"healing with magazines, maximal runs", magazine("heal", base, "runs"), {}, bound::at_most, 150},
    {"mixed churn 90 %, % of possible 2 MiB, mean of 8 seeds",
     plain("churn_90_seeds", mixed, mean_free_share),
     {"churn_90_seeds", textbook, mixed, mean_free_share},
     bound::at_least,
     92},
    {"the same with magazines",
     magazine("churn_90_seeds", mixed, mean_free_share),
     {"churn_90_seeds", textbook, mixed, mean_free_share},
     bound::at_least,
     92},
};

}  // namespace detail

/// The median of a figure; with `net`, without what the harness alone takes for the same work.
[[nodiscard]] inline double median_of(const measurements& run, const figure& f, bool net) {
    const double gross = run.median(benchmark_name(f.workload, f.zone, f.geometry), f.quantity);
    return net ? gross - run.median(benchmark_name(f.workload, "null", f.geometry), f.quantity) : gross;
}

/// Three decimals where they say something; nothing for what was not measured.
[[nodiscard]] inline std::string cell(double value) {
    char text[32] = "";
    if (!std::isnan(value)) std::snprintf(text, sizeof text, std::fabs(value) < 1000 ? "%.3f" : "%.0f", value);
    return text;
}

/// To the right of the column of this title.
[[nodiscard]] inline std::string padded(const std::string& text, const std::string& title) {
    const std::size_t width = std::max<std::size_t>(title.size(), 8) + 1;
    return std::string(width - std::min(width, text.size()), ' ') + text;
}

/// Whether a goal was met: not where its work was refused something.
[[nodiscard]] inline const char* verdict(const measurements& run, const goal& g, double judged) {
    const std::string measured = benchmark_name(g.measured.workload, g.measured.zone, g.measured.geometry);
    if (std::isnan(judged)) return "failed";
    const bool within = g.kind == bound::at_least ? judged >= g.limit : judged <= g.limit;
    return within && !run.any(measured, "refused") ? "yes" : "no";
}

[[nodiscard]] inline bool has_failed(const measurements& run, const figure& f) {
    return run.failed(benchmark_name(f.workload, f.zone, f.geometry));
}

/// A line, or none where its work was not run.
inline std::string goal_line(const measurements& run, const goal& g) {
    const bool net = g.kind == bound::net_ratio_at_most;
    const bool is_ratio = net || g.kind == bound::ratio_at_most;
    const bool at_least = g.kind == bound::at_least;
    const double measured = median_of(run, g.measured, net);
    const double baseline = median_of(run, g.baseline, net);
    const double judged = is_ratio ? measured / baseline : measured;
    if (std::isnan(judged) && !has_failed(run, g.measured) && !has_failed(run, g.baseline)) return "";
    char line[160];
    std::snprintf(line, sizeof line, "%-58s %12s %12s %8s %3s%8s  %s\n", g.text, cell(measured).c_str(),
                  cell(baseline).c_str(), is_ratio ? cell(judged).c_str() : "",
                  at_least ? ">= " : "<= ", cell(g.limit).c_str(), verdict(run, g, judged));
    return line;
}

/// A line per workload and geometry, a column per zone: median ns per operation; nothing where nothing was measured.
inline void print_medians(const measurements& run, const std::vector<std::pair<std::string, std::string>>& workloads,
                          const std::vector<std::string>& zones, std::FILE* out) {
    bool headed = false;
    for (const auto& [workload, geometry] : workloads) {
        std::string row;
        bool measured = false;
        for (const std::string& zone : zones) {
            const std::string median = cell(run.median(benchmark_name(workload, zone, geometry), "ns"));
            measured = measured || !median.empty();
            row += padded(median.empty() ? "-" : median, zone);
        }
        if (!measured) continue;
        if (!headed) {
            std::fprintf(out, "\n%-44s", "median ns per operation");
            for (const std::string& zone : zones) std::fputs(padded(zone, zone).c_str(), out);
            std::fputs("\n", out);
            headed = true;
        }
        std::fprintf(out, "%-44s%s\n", (workload + "/" + geometry).c_str(), row.c_str());
    }
}

/// A line per goal whose work was run: what was measured (median), the baseline, their ratio, the limit, and whether it
/// was met.
inline void print_goals(const measurements& run, std::FILE* out) {
    std::string lines;
    for (const goal& g : detail::goals) lines += goal_line(run, g);
    if (lines.empty()) return;
    std::fprintf(out, "\n%-58s %12s %12s %8s %11s  %s\n%s", "goal (times: median ns per operation)", "measured",
                 "baseline", "ratio", "limit", "met", lines.c_str());
}

}  // namespace longreach::bench

#endif
