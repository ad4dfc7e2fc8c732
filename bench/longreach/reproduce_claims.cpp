// SPDX-License-Identifier: MIT
#include "reproduce_claims.hpp"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>

namespace longreach {

namespace {

using figure_or_nothing = std::optional<double>;

constexpr std::array<memory_state, 6> hog_levels{memory_state::fresh, memory_state::hog10, memory_state::hog20,
                                                 memory_state::hog30, memory_state::hog40, memory_state::hog50};
/// Where the best placement is known.
constexpr std::array<memory_state, 3> ideal_states{memory_state::fresh, memory_state::hog50, memory_state::aged};

constexpr std::string_view artifact = "the artifact's published run";

double ratio_of(std::uint64_t above, std::uint64_t below) {
    return static_cast<double>(above) / static_cast<double>(std::max<std::uint64_t>(below, 1));
}

/// `policies` on each of `states`.
template <class States>
std::vector<claim_need> needs_on(const States& states, std::initializer_list<policy_name> policies) {
    std::vector<claim_need> needs;
    for (const memory_state state : states) {
        for (const policy_name policy : policies) needs.push_back({policy, state});
    }
    return needs;
}
std::vector<claim_need> needs_on(memory_state state, std::initializer_list<policy_name> policies) {
    return needs_on(std::array{state}, policies);
}

/// Where a figure of several memories is largest.
struct worst_memory {
    double figure = 0;
    memory_state memory{};
};

/// The largest of `figure(memory)`; nothing where one is missing.
template <class States, class Figure>
std::optional<worst_memory> largest_of(const States& states, Figure&& figure) {
    std::optional<worst_memory> worst;
    for (const memory_state memory : states) {
        const figure_or_nothing here = figure(memory);
        if (!here) return std::nullopt;
        if (!worst || *here > worst->figure) worst = worst_memory{*here, memory};
    }
    return worst;
}

figure_or_nothing figure_in(const std::optional<worst_memory>& worst) {
    if (!worst) return std::nullopt;
    return worst->figure;
}

/// n99 of two policies on one memory, the first over the second.
figure_or_nothing n99_ratio(const seed_runs& runs, policy_name above, policy_name below, memory_state memory) {
    const std::optional<census> a = runs.placed(above, memory);
    const std::optional<census> b = runs.placed(below, memory);
    if (!a || !b) return std::nullopt;
    return ratio_of(a->n99, b->n99);
}

std::string n99_text(const seed_runs& runs, memory_state memory, std::initializer_list<policy_name> policies) {
    std::string text = absl::StrCat("on ", std::string(to_string(memory)), " n99 is ");
    bool first = true;
    for (const policy_name policy : policies) {
        const std::optional<census> found = runs.placed(policy, memory);
        if (!found) continue;
        absl::StrAppend(&text, first ? "" : ", ", found->n99, " with ", std::string(to_string(policy)));
        first = false;
    }
    return text;
}

std::string cover128_text(const seed_runs& runs, memory_state memory, std::initializer_list<policy_name> policies) {
    std::string text = absl::StrCat("on ", std::string(to_string(memory)), " 128 runs hold ");
    bool first = true;
    for (const policy_name policy : policies) {
        const std::optional<census> found = runs.placed(policy, memory);
        if (!found) continue;
        absl::StrAppend(&text, first ? "" : ", ", absl::StrFormat("%.1f", 100 * found->cover128), " % with ",
                        std::string(to_string(policy)));
        first = false;
    }
    return text;
}

// ---- figures ----

figure_or_nothing few_runs_n99(const seed_runs& runs, policy_name placed) {
    const std::optional<census> found = runs.placed(placed, memory_state::few_runs);
    if (!found) return std::nullopt;
    return static_cast<double>(found->n99);
}

const entry_counts* entries_of(const seed_runs& runs) {
    const claim_run* const found = runs.find(policy_name::ca, memory_state::few_runs);
    return found == nullptr ? nullptr : &found->entries;
}

figure_or_nothing offsets_to_ranges(const seed_runs& runs, policy_name) {
    const entry_counts* const found = entries_of(runs);
    if (found == nullptr) return std::nullopt;
    return ratio_of(found->offsets99, found->ranges99);
}

figure_or_nothing anchors_to_ranges(const seed_runs& runs, policy_name) {
    const entry_counts* const found = entries_of(runs);
    if (found == nullptr) return std::nullopt;
    return ratio_of(found->anchors99, found->ranges99);
}

std::string entries_text(const seed_runs& runs) {
    const entry_counts* const found = entries_of(runs);
    if (found == nullptr) return "";
    return absl::StrCat(found->ranges99, " ranges, ", found->offsets99, " offsets and ", found->anchors99,
                        " anchors hold 99 %");
}

figure_or_nothing fresh_cover32(const seed_runs& runs, policy_name placed) {
    const std::optional<census> found = runs.placed(placed, memory_state::fresh);
    if (!found) return std::nullopt;
    return 100 * found->cover32;
}

template <memory_state Memory>
figure_or_nothing thp_to_placed(const seed_runs& runs, policy_name placed) {
    return n99_ratio(runs, policy_name::thp, placed, Memory);
}

template <memory_state Memory>
std::string three_n99(const seed_runs& runs) {
    return n99_text(runs, Memory, {policy_name::thp, policy_name::eager, policy_name::ca, policy_name::ideal});
}

figure_or_nothing eager_or_placed(const seed_runs& runs, policy_name placed) {
    const figure_or_nothing ratio = n99_ratio(runs, policy_name::eager, placed, memory_state::fresh);
    if (!ratio || *ratio == 0) return std::nullopt;
    return std::max(*ratio, 1 / *ratio);
}

/// How far eager is behind at hog 50, in multiples of what is claimed: three times the runs, or 15 points of coverage.
figure_or_nothing eager_behind(const seed_runs& runs, policy_name placed) {
    const figure_or_nothing ratio = n99_ratio(runs, policy_name::eager, placed, memory_state::hog50);
    const std::optional<census> eager = runs.placed(policy_name::eager, memory_state::hog50);
    const std::optional<census> other = runs.placed(placed, memory_state::hog50);
    if (!ratio) return std::nullopt;
    return std::max(*ratio / 3, 100 * (other->cover128 - eager->cover128) / 15);
}

std::string eager_behind_text(const seed_runs& runs) {
    return absl::StrCat(
        n99_text(runs, memory_state::hog50, {policy_name::eager, policy_name::ca, policy_name::ideal}), "; ",
        cover128_text(runs, memory_state::hog50, {policy_name::eager, policy_name::ca, policy_name::ideal}));
}

figure_or_nothing cover128_drop(const seed_runs& runs, policy_name placed) {
    const std::optional<census> fresh = runs.placed(placed, memory_state::fresh);
    const std::optional<census> hog = runs.placed(placed, memory_state::hog50);
    if (!fresh || !hog) return std::nullopt;
    return 100 * (fresh->cover128 - hog->cover128);
}

std::string cover128_drop_text(const seed_runs& runs) {
    return cover128_text(runs, memory_state::hog50, {policy_name::ca, policy_name::ideal});
}

std::optional<worst_memory> most_above_ideal(const seed_runs& runs, policy_name placed) {
    return largest_of(ideal_states,
                      [&](memory_state memory) { return n99_ratio(runs, placed, policy_name::ideal, memory); });
}

figure_or_nothing above_ideal(const seed_runs& runs, policy_name placed) {
    return figure_in(most_above_ideal(runs, placed));
}

std::string above_ideal_text(const seed_runs& runs) {
    const auto worst = most_above_ideal(runs, policy_name::ca);
    return worst ? n99_text(runs, worst->memory, {policy_name::ca, policy_name::ideal}) : "";
}

std::optional<worst_memory> most_below_ideal(const seed_runs& runs, policy_name placed) {
    return largest_of(ideal_states, [&](memory_state memory) -> figure_or_nothing {
        const std::optional<census> ideal = runs.placed(policy_name::ideal, memory);
        const std::optional<census> other = runs.placed(placed, memory);
        if (!ideal || !other) return std::nullopt;
        return 100 * (ideal->cover128 - other->cover128);
    });
}

figure_or_nothing below_ideal(const seed_runs& runs, policy_name placed) {
    return figure_in(most_below_ideal(runs, placed));
}

std::string below_ideal_text(const seed_runs& runs) {
    const auto worst = most_below_ideal(runs, policy_name::ca);
    return worst ? cover128_text(runs, worst->memory, {policy_name::ca, policy_name::ideal}) : "";
}

/// n99 - 2 over the ideal's, which is at most 1.25 where n99 is at most 1.25 times the ideal's and 2.
template <memory_state Memory>
figure_or_nothing close_to_ideal(const seed_runs& runs, policy_name placed) {
    const std::optional<census> ideal = runs.placed(policy_name::ideal, Memory);
    const std::optional<census> other = runs.placed(placed, Memory);
    if (!ideal || !other) return std::nullopt;
    return (static_cast<double>(other->n99) - 2) / static_cast<double>(std::max<std::uint64_t>(ideal->n99, 1));
}

std::optional<worst_memory> most_of_eager(const seed_runs& runs, policy_name placed) {
    return largest_of(hog_levels,
                      [&](memory_state memory) { return n99_ratio(runs, placed, policy_name::eager, memory); });
}

figure_or_nothing of_eager(const seed_runs& runs, policy_name placed) { return figure_in(most_of_eager(runs, placed)); }

std::string of_eager_text(const seed_runs& runs) {
    const auto worst = most_of_eager(runs, policy_name::ca);
    return worst ? n99_text(runs, worst->memory, {policy_name::ca, policy_name::eager}) : "";
}

std::optional<worst_memory> most_pages_apart(const seed_runs& runs) {
    return largest_of(hog_levels, [&](memory_state memory) -> figure_or_nothing {
        const claim_run* const ca = runs.find(policy_name::ca, memory);
        const claim_run* const thp = runs.find(policy_name::thp, memory);
        if (ca == nullptr || thp == nullptr) return std::nullopt;
        const auto [fewer, more] = std::minmax(ca->runs.pages, thp->runs.pages);
        return static_cast<double>(more - fewer);
    });
}

figure_or_nothing pages_apart(const seed_runs& runs, policy_name) { return figure_in(most_pages_apart(runs)); }

std::string pages_text(const seed_runs& runs, memory_state memory, std::initializer_list<policy_name> policies) {
    std::string text = absl::StrCat("on ", std::string(to_string(memory)));
    bool first = true;
    for (const policy_name policy : policies) {
        const claim_run* const found = runs.find(policy, memory);
        if (found == nullptr) continue;
        absl::StrAppend(&text, first ? " " : ", ", std::string(to_string(policy)), " holds ", found->runs.pages,
                        " pages");
        first = false;
    }
    return text;
}

std::string pages_apart_text(const seed_runs& runs) {
    const auto worst = most_pages_apart(runs);
    return worst ? pages_text(runs, worst->memory, {policy_name::ca, policy_name::thp}) : "";
}

figure_or_nothing eager_bloat(const seed_runs& runs, policy_name) {
    const claim_run* const eager = runs.find(policy_name::eager, memory_state::fresh);
    const claim_run* const thp = runs.find(policy_name::thp, memory_state::fresh);
    if (eager == nullptr || thp == nullptr) return std::nullopt;
    return 100 * (ratio_of(eager->runs.pages, thp->runs.pages) - 1);
}

std::string eager_bloat_text(const seed_runs& runs) {
    return pages_text(runs, memory_state::fresh, {policy_name::eager, policy_name::thp});
}

template <policy_name Policy>
figure_or_nothing p99_to_thp(const seed_runs& runs, policy_name) {
    const claim_run* const found = runs.find(Policy, memory_state::fresh);
    const claim_run* const thp = runs.find(policy_name::thp, memory_state::fresh);
    if (found == nullptr || thp == nullptr) return std::nullopt;
    return ratio_of(found->costs.fault_ns_p99, thp->costs.fault_ns_p99);
}

template <policy_name Policy>
std::string p99_text(const seed_runs& runs) {
    std::string text;
    for (const policy_name policy : {Policy, policy_name::thp}) {
        const claim_run* const found = runs.find(policy, memory_state::fresh);
        if (found == nullptr) return "";
        absl::StrAppend(
            &text, text.empty() ? "" : "; ", std::string(to_string(policy)),
            absl::StrFormat(": p99 %.3f ms, longest %.3f ms", static_cast<double>(found->costs.fault_ns_p99) / 1e6,
                            static_cast<double>(found->costs.fault_ns_longest) / 1e6));
    }
    return text;
}

figure_or_nothing ranger_n99(const seed_runs& runs, policy_name placed) {
    return n99_ratio(runs, policy_name::ranger, placed, memory_state::fresh);
}

std::string ranger_text(const seed_runs& runs) {
    const claim_run* const ranger = runs.find(policy_name::ranger, memory_state::fresh);
    if (ranger == nullptr) return "";
    const daemon_costs& daemon = ranger->costs.daemon;
    return absl::StrCat(n99_text(runs, memory_state::fresh, {policy_name::thp, policy_name::ranger, policy_name::ca}),
                        "; ", daemon.passes, " passes migrated ", daemon.migrated_pages, " pages and exchanged ",
                        daemon.exchanged_pages,
                        ranger->costs.covered_ns == 0 ? "; 128 runs held 90 % at its first pass already" : "");
}

figure_or_nothing ranger_delay(const seed_runs& runs, policy_name) {
    const claim_run* const ranger = runs.find(policy_name::ranger, memory_state::fresh);
    if (ranger == nullptr) return std::nullopt;
    return static_cast<double>(ranger->costs.covered_ns) / 1e9;
}

std::uint64_t moved_pages(const claim_run& run) {
    return run.costs.daemon.migrated_pages + run.costs.daemon.exchanged_pages;
}

figure_or_nothing ranger_moves(const seed_runs& runs, policy_name) {
    const claim_run* const ranger = runs.find(policy_name::ranger, memory_state::fresh);
    const claim_run* const ca = runs.find(policy_name::ca, memory_state::fresh);
    if (ranger == nullptr || ca == nullptr) return std::nullopt;
    return static_cast<double>(moved_pages(*ranger)) - static_cast<double>(moved_pages(*ca));
}

// ---- the list ----

std::vector<claim> make_claims() {
    using enum memory_state;
    constexpr policy_name thp = policy_name::thp, ca = policy_name::ca, eager = policy_name::eager,
                          ranger = policy_name::ranger, ideal = policy_name::ideal;
    std::vector<claim> all;
    const auto add = [&all](claim next) { all.push_back(std::move(next)); };
    add({"A1",
         "few long free runs: n99 of ca",
         {"xsbench120g"},
         needs_on(few_runs, {ca, ideal}),
         8,
         34,
         {{"xsbench120g", 17, artifact}},
         few_runs_n99,
         three_n99<few_runs>,
         true});
    add({"A1-offsets",
         "few long free runs: offsets for 99 % over ranges",
         {"xsbench120g"},
         needs_on(few_runs, {ca}),
         0,
         1,
         {{"xsbench120g", 16.0 / 17, artifact}},
         offsets_to_ranges,
         entries_text});
    add({"A2",
         "fresh: % that 32 runs of ca hold",
         {},
         needs_on(fresh, {ca, ideal}),
         99,
         claim::any,
         {{"xsbench120g", 100, artifact}},
         fresh_cover32,
         three_n99<fresh>,
         true});
    add({"A3",
         "few long free runs: anchors for 99 % over ranges",
         {"xsbench120g"},
         needs_on(few_runs, {ca}),
         10,
         claim::any,
         {{"xsbench120g", 1060.0 / 17, artifact}},
         anchors_to_ranges,
         entries_text});
    add({"A4",
         "fresh: n99 of thp over ca",
         {},
         needs_on(fresh, {thp, ca, ideal}),
         10,
         claim::any,
         {},
         thp_to_placed<fresh>,
         three_n99<fresh>,
         true});
    claim old_memory{"A4-aged",
                     "aged, where touches interleave: n99 of thp over ca",
                     {},
                     needs_on(aged, {thp, ca, ideal}),
                     10,
                     claim::any,
                     {},
                     thp_to_placed<aged>,
                     three_n99<aged>,
                     true};
    old_memory.least_interleaved = 0.25;
    add(old_memory);
    add({"A5-fresh",
         "fresh: n99 of eager and ca, the larger over the smaller",
         {},
         needs_on(fresh, {eager, ca, ideal}),
         0,
         3,
         {},
         eager_or_placed,
         three_n99<fresh>});
    add({"A5-hog",
         "hog 50: eager behind ca, in multiples of 3 x n99 or 15 points of cover128",
         {},
         needs_on(hog50, {eager, ca, ideal}),
         1,
         claim::any,
         {},
         eager_behind,
         eager_behind_text,
         true});
    add({"A6",
         "hog 0 to 50: points of cover128 that ca loses",
         {},
         needs_on(std::array{fresh, hog50}, {ca, ideal}),
         -claim::any,
         35,
         {},
         cover128_drop,
         cover128_drop_text,
         true});
    add({"A7",
         "fresh, hog 50, aged: most n99 of ca over ideal",
         {},
         needs_on(ideal_states, {ca, ideal}),
         0,
         3,
         {},
         above_ideal,
         above_ideal_text,
         true});
    add({"A7-cover",
         "fresh, hog 50, aged: most points of cover128 of ca below ideal",
         {},
         needs_on(ideal_states, {ca, ideal}),
         -claim::any,
         5,
         {},
         below_ideal,
         below_ideal_text,
         true});
    add({"A8",
         "hog 0 to 50: most pages that ca and thp differ in",
         {},
         needs_on(hog_levels, {ca, thp}),
         0,
         0,
         {},
         pages_apart,
         pages_apart_text});
    add({"A8-eager",
         "fresh: % of pages that eager holds above thp",
         {},
         needs_on(fresh, {eager, thp}),
         0,
         claim::any,
         {},
         eager_bloat,
         eager_bloat_text});
    add({"A8-sparse",
         "fresh: the same where much is never touched",
         {"hashjoin102g"},
         needs_on(fresh, {eager, thp}),
         5,
         claim::any,
         {},
         eager_bloat,
         eager_bloat_text});
    add({"A9",
         "fresh: p99 of fault times, ca over thp",
         {},
         needs_on(fresh, {ca, thp}),
         0,
         1.1,
         {},
         p99_to_thp<ca>,
         p99_text<ca>});
    add({"A9-eager",
         "fresh: p99 of call and fault times, eager over thp",
         {},
         needs_on(fresh, {eager, thp}),
         20,
         claim::any,
         {},
         p99_to_thp<eager>,
         p99_text<eager>});
    add({"A10",
         "fresh: n99 of ranger at its end over ca",
         {},
         needs_on(fresh, {ranger, ca, thp}),
         0,
         2,
         {},
         ranger_n99,
         ranger_text});
    add({"A10-later",
         "fresh: seconds until 128 runs of ranger hold 90 % for good",
         {},
         needs_on(fresh, {ranger, ca, thp}),
         0.001,
         claim::any,
         {},
         ranger_delay,
         ranger_text});
    add({"A10-moves",
         "fresh: pages that ranger moves beyond those of ca, which are none",
         {},
         needs_on(fresh, {ranger, ca, thp}),
         1,
         claim::any,
         {},
         ranger_moves,
         ranger_text});
    claim longer_lived{"A11", "after five jobs: points of free memory in runs above 1 GiB, ca above thp"};
    longer_lived.not_reproduced = "an experiment ends with its program; none runs jobs in one memory one after another";
    add(longer_lived);
    claim two_dimensions{"A12", "nested: cover128 at most that of guest and of host; one ca of two far behind"};
    two_dimensions.not_reproduced =
        "under virtualization runs are counted in two dimensions only, and guest and host have one policy";
    add(two_dimensions);
    add({"B1",
         "fresh: n99 of ca less 2 over ideal",
         {},
         needs_on(fresh, {ca, ideal}),
         -claim::any,
         1.25,
         {},
         close_to_ideal<fresh>,
         three_n99<fresh>,
         true});
    add({"B2",
         "aged: n99 of ca less 2 over ideal",
         {},
         needs_on(aged, {ca, ideal}),
         -claim::any,
         1.25,
         {},
         close_to_ideal<aged>,
         three_n99<aged>,
         true});
    add({"B3",
         "hog 0 to 50: most n99 of ca over eager",
         {},
         needs_on(hog_levels, {ca, eager}),
         0,
         1,
         {},
         of_eager,
         of_eager_text});
    return all;
}

std::string_view without_divisor(std::string_view workload) { return workload.substr(0, workload.find('/')); }

bool within(const claim& of, double figure) { return figure >= of.least && figure <= of.most; }

/// How far inside the limits a figure is; negative beyond them.
double margin(const claim& of, double figure) { return std::min(figure - of.least, of.most - figure); }

/// What the best placement known would make of the claim with the seed that fails.
void say_within_reach(const claim& of, const seed_runs& worst, verdict& into) {
    if (!of.about_placement || !worst.find(policy_name::ideal, of.needs.front().memory)) return;
    const std::optional<double> best = of.figure(worst, policy_name::ideal);
    if (!best) return;
    into.within_reach = within(of, *best);
    into.why = *into.within_reach
                   ? absl::StrCat("the best placement known reaches ", absl::StrFormat("%.4g", *best), ": ")
                   : absl::StrCat("no placement known does better than ", absl::StrFormat("%.4g", *best), ": ");
}

}

fragmentation fragmentation_of(memory_state state, std::uint64_t scale) {
    switch (state) {
        case memory_state::fresh:
            return {};
        case memory_state::hog10:
            return hog_of(10);
        case memory_state::hog20:
            return hog_of(20);
        case memory_state::hog30:
            return hog_of(30);
        case memory_state::hog40:
            return hog_of(40);
        case memory_state::hog50:
            return hog_of(50);
        case memory_state::aged:
            return {{age_step{1'000'000, age_step::default_percent}}};
        case memory_state::few_runs:
            return {{runs_step{14, page_count{(std::uint64_t{9} << 18) / scale}}}};
    }
    return {};
}

std::string_view to_string(memory_state state) {
    switch (state) {
        case memory_state::fresh:
            return "fresh memory";
        case memory_state::hog10:
            return "hog 10";
        case memory_state::hog20:
            return "hog 20";
        case memory_state::hog30:
            return "hog 30";
        case memory_state::hog40:
            return "hog 40";
        case memory_state::hog50:
            return "hog 50";
        case memory_state::aged:
            return "aged memory";
        case memory_state::few_runs:
            return "few long runs";
    }
    return "";
}

std::optional<census> seed_runs::placed(policy_name policy, memory_state memory) const {
    const claim_run* const own = find(policy, memory);
    if (own == nullptr) return std::nullopt;
    census best = own->runs;
    if (policy != policy_name::ideal) return best;
    for (const auto& [which, found] : runs_) {
        if (which.memory != memory) continue;
        best.n99 = std::min(best.n99, found.runs.n99);
        best.cover32 = std::max(best.cover32, found.runs.cover32);
        best.cover128 = std::max(best.cover128, found.runs.cover128);
    }
    return best;
}

const std::vector<claim>& contiguity_claims() {
    static const std::vector<claim> all = make_claims();
    return all;
}

double interleaved_share(const paper_workload& program) {
    std::uint64_t all = 0;
    std::uint64_t interleaved = 0;
    for (const paper_step& step : program.plan().steps()) {
        const auto* const phase = std::get_if<touch_phase>(&step);
        if (phase == nullptr) continue;
        std::uint64_t pages = 0;
        bool several = phase->threaded && phase->lanes.size() > 1;
        for (const touch_lane& lane : phase->lanes) {
            several = several || lane.strips.size() > 1 || lane.scattered.count.raw != 0;
            if (lane.first_turn != 0) continue;  // lanes that take turns share their strips
            for (const page_run strip : lane.strips) pages += strip.count.raw;
            pages += lane.scattered.count.raw;
        }
        all += pages;
        if (several) interleaved += pages;
    }
    return all == 0 ? 0.0 : static_cast<double>(interleaved) / static_cast<double>(all);
}

const published_value* published_for(const claim& of, std::string_view workload) {
    for (const published_value& value : of.published) {
        if (value.workload == without_divisor(workload)) return &value;
    }
    return nullptr;
}

bool concerns(const claim& of, std::string_view workload) {
    if (of.figure == nullptr) return false;
    return of.workloads.empty() ||
           std::find(of.workloads.begin(), of.workloads.end(), without_divisor(workload)) != of.workloads.end();
}

verdict judge(const claim& of, const paper_workload& program, const std::vector<seed_runs>& seeds) {
    verdict result;
    result.of = &of;
    if (of.figure == nullptr) {
        result.why = absl::StrCat("not reproduced: ", std::string(of.not_reproduced));
        return result;
    }
    result.workload = program.name();
    const seed_runs* worst = nullptr;
    for (const seed_runs& runs : seeds) {
        const std::optional<double> figure = of.figure(runs, policy_name::ca);
        if (!figure) {
            result.why = "no figure: a run that the claim needs does not fit into the memory";
            return result;
        }
        if (worst == nullptr || margin(of, *figure) < margin(of, result.worst)) {
            worst = &runs;
            result.worst = *figure;
        }
        result.figures.push_back(*figure);
    }
    if (worst == nullptr) return result;
    result.ours = estimate_of(result.figures);
    const double interleaved = interleaved_share(program);
    const std::string touches = absl::StrFormat("%.0f %% of first touches interleave", 100 * interleaved);
    if (interleaved < of.least_interleaved) {
        result.why = absl::StrCat("not claimed here: ", touches);
        return result;
    }
    result.passed = within(of, result.worst);
    if (*result.passed) return result;
    say_within_reach(of, *worst, result);
    absl::StrAppend(&result.why, of.reason(*worst), "; ", touches);
    return result;
}

std::string tolerance_text(const claim& of) {
    if (of.figure == nullptr) return "";
    const bool has_least = of.least != -claim::any && !(of.least == 0 && of.most != claim::any);
    const bool has_most = of.most != claim::any;
    if (of.least == of.most) return absl::StrFormat("exactly %g", of.most);
    if (has_least && has_most) return absl::StrFormat("%g to %g", of.least, of.most);
    return has_least ? absl::StrFormat("at least %g", of.least) : absl::StrFormat("at most %g", of.most);
}

}
