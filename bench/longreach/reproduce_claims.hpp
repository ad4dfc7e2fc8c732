// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_REPRODUCE_CLAIMS_HPP
#define LONGREACH_BENCH_LONGREACH_REPRODUCE_CLAIMS_HPP

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <longreach/workloads/census.hpp>
#include <longreach/workloads/fragment/fragmentation.hpp>
#include <longreach/workloads/papers/paper_workload.hpp>
#include <longreach/workloads/policy_name.hpp>
#include <longreach/workloads/run_account.hpp>

#include "confidence.hpp"
#include "reproduce_entries.hpp"

// What the CA-paging paper and its rivals' papers claim about contiguity and its costs, as values: which runs a claim
// is about, a figure of them, and within which limits the figure has to lie. The list is in reproduce_claims.cpp;
// nothing here runs or prints anything.

namespace longreach {

/// What memory looks like before the program starts.
enum class memory_state : std::uint8_t {
    fresh,
    hog10,  ///< this share of it pinned at random in 2 MiB
    hog20,
    hog30,
    hog40,
    hog50,
    aged,      ///< after a million operations of programs that came and went
    few_runs,  ///< 14 free runs of about 9 GiB on two nodes
};

/// Sizes are divided by `scale`.
[[nodiscard]] fragmentation fragmentation_of(memory_state state, std::uint64_t scale);
/// In words, such as "fresh memory".
[[nodiscard]] std::string_view to_string(memory_state state);

/// A run that a claim is about; every seed of it.
struct claim_need {
    policy_name policy{};
    memory_state memory{};
    friend auto operator<=>(const claim_need&, const claim_need&) = default;
};

/// What is kept of a run.
struct claim_run {
    census runs{};
    run_costs costs{};
    entry_counts entries{};  ///< of `few_runs` alone
};

/// The runs of one workload with one seed.
class seed_runs {
  public:
    void add(claim_need which, const claim_run& found) { runs_[which] = found; }

    /// Null where the run did not fit or failed.
    [[nodiscard]] const claim_run* find(policy_name policy, memory_state memory) const {
        const auto found = runs_.find({policy, memory});
        return found == runs_.end() ? nullptr : &found->second;
    }
    /// Null as well. For `ideal`, the best that any policy reached on this memory, itself included.
    [[nodiscard]] std::optional<census> placed(policy_name policy, memory_state memory) const;

  private:
    std::map<claim_need, claim_run> runs_;
};

/// A number that was published.
struct published_value {
    std::string_view workload;  ///< without a divisor
    double value = 0;
    std::string_view source;
};

struct claim {
    static constexpr double any = std::numeric_limits<double>::infinity();

    std::string_view id;
    std::string_view text;                      ///< in few words, with what the figure is
    std::vector<std::string_view> workloads{};  ///< without a divisor; none is all five
    std::vector<claim_need> needs{};
    double least = -any;  ///< the figure has to be no less, in every seed
    double most = any;    ///< and no more
    std::vector<published_value> published{};
    /// The figure, where `placed` stands in the place of ca; nothing where a run is missing.
    std::optional<double> (*figure)(const seed_runs& runs, policy_name placed) = nullptr;
    /// The figures behind it, in words, for a claim that fails.
    std::string (*reason)(const seed_runs& runs) = nullptr;
    bool about_placement = false;       ///< whether the best placement known can stand in the place of ca
    double least_interleaved = 0;       ///< where less than this share of first touches interleaves, nothing is claimed
    std::string_view not_reproduced{};  ///< why there is no figure, where there is none
};

struct verdict {
    const claim* of = nullptr;
    std::string workload;           ///< empty for a claim that is not reproduced
    std::vector<double> figures{};  ///< by seed
    estimate ours{};
    double worst = 0;                    ///< of the seed that is closest to a limit, or farthest beyond it
    std::optional<bool> passed{};        ///< nothing where there are no figures
    std::optional<bool> within_reach{};  ///< of a fail about placement: whether the best placement known passes
    std::string why{};                   ///< of a fail, or where there are no figures
};

/// Every claim, in the order of the report.
[[nodiscard]] const std::vector<claim>& contiguity_claims();

/// The share of first touches, 0 to 1, that several threads make at the same time, or one thread by turns in several
/// places.
[[nodiscard]] double interleaved_share(const paper_workload& program);

/// The published value for a workload, with or without a divisor in its name.
[[nodiscard]] const published_value* published_for(const claim& of, std::string_view workload);

/// Whether a claim is about a workload.
[[nodiscard]] bool concerns(const claim& of, std::string_view workload);

/// Judges a claim for one workload by all seeds. A claim holds where it holds with every seed.
[[nodiscard]] verdict judge(const claim& of, const paper_workload& program, const std::vector<seed_runs>& seeds);

/// Such as "at most 1.25" or "8 to 34".
[[nodiscard]] std::string tolerance_text(const claim& of);

}

#endif
