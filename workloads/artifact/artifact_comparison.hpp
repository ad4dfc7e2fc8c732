// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_COMPARISON_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_COMPARISON_HPP

#include <absl/strings/str_format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../cases/case_result.hpp"
#include "../cases/recorded_case.hpp"
#include "artifact_counters.hpp"
#include "artifact_policy.hpp"

// Compares what the replay decided for a fault with what the record says of it, and names the differences.

LONGREACH_NAMESPACE_BEGIN

/// The frame that a fault asks for: a superpage's target is rounded up.
[[nodiscard]] inline std::optional<pfn> wanted_frame(const case_fault& fault) {
    if (!fault.target) return std::nullopt;
    return align_up(*fault.target, fault.size);
}

/// What counts as the first fault of an area: nothing was initialised yet.
[[nodiscard]] inline bool is_first_of_area(const case_fault& fault) { return fault.may_place && !fault.wanted; }

class artifact_comparison {
  public:
    /// Keeps at most so many lines of each kind.
    explicit artifact_comparison(std::size_t most_lines) : most_lines_(most_lines) {}

    /// `rover` is that of the first zone, after the fault.
    void compare(const case_fault& fault, page_run area, const artifact_decision& made, std::optional<pfn> rover,
                 case_agreement& agree) {
        fault_ = &fault;
        equal(agree.targets_equal, "target", frame_text(fault.target), frame_text(made.target));
        equal(agree.verdicts_equal, "verdict", verdict_text(fault.fail_reasons, fault.success_kind),
              verdict_text(failure_text(made), success_text(made)));
        equal(agree.frames_equal, "frame", frame_text(fault.got), frame_text(made.got));
        compare_placements(area, made, agree);
        ++agree.rovers;
        const std::optional<pfn> recorded = fault.rover_after == pfn{0} ? std::nullopt : fault.rover_after;
        equal(agree.rover_equal, "rover", frame_text(recorded), frame_text(rover));
    }

    /// Adds what the record proved about a fault.
    void note(const case_fault& fault, std::string_view what) { add(notes_, fault, what); }
    /// Differences first, notes behind them.
    [[nodiscard]] std::vector<std::string> lines() const {
        std::vector<std::string> all = differences_;
        all.insert(all.end(), notes_.begin(), notes_.end());
        return all;
    }

  private:
    void compare_placements(page_run area, const artifact_decision& made, case_agreement& agree) {
        const case_fault& fault = *fault_;
        std::vector<artifact_offsets::record> recorded;
        if (is_first_of_area(fault) && fault.target) {
            ++agree.placements;
            equal(agree.placements_equal, "placement", frame_text(*fault.target - (fault.page - area.first)),
                  frame_text(made.placed));
            recorded.push_back({fault.page, offset_between(fault.page, *fault.target)});
        }
        const bool large = fault.size == superpage_order && fault.may_place && fault.got;
        if (large && fault.target && fault.got != wanted_frame(fault)) {
            ++agree.replacements;
            equal(agree.replacements_equal, "re-placement", frame_text(fault.got),
                  made.success ? "the target" : frame_text(made.got));
        }
        if (large && fault.got != fault.target) {
            recorded.push_back({fault.page, offset_between(fault.page, *fault.got)});
        }
        const bool invisible = is_first_of_area(fault) && !fault.target;  // the record does not say what was placed
        const std::size_t count = std::max(recorded.size(), invisible ? recorded.size() : made.made.size());
        for (std::size_t i = 0; i < count; ++i) {
            ++agree.offsets;
            equal(agree.offsets_equal, "offset record", record_text(recorded, i), record_text(made.made, i));
        }
    }

    void equal(std::uint64_t& count, std::string_view what, const std::string& recorded, const std::string& replayed) {
        if (recorded == replayed) {
            ++count;
        } else {
            add(differences_, *fault_, absl::StrFormat("%s: recorded %s, replayed %s", what, recorded, replayed));
        }
    }

    void add(std::vector<std::string>& lines, const case_fault& fault, std::string_view what) const {
        if (lines.size() == most_lines_) return;
        lines.push_back(absl::StrFormat("fault %d, page 0x%x: %s", fault.seq, fault.page.raw, what));
    }

    static std::string frame_text(std::optional<pfn> frame) {
        return frame ? absl::StrFormat("0x%x", frame->raw) : "none";
    }
    static std::string record_text(const std::vector<artifact_offsets::record>& records, std::size_t i) {
        if (i >= records.size()) return "none";
        return absl::StrFormat("0x%x from page 0x%x", records[i].value.raw, records[i].first.raw);
    }
    static std::string verdict_text(const std::string& failures, const std::string& success) {
        if (failures.empty() && success.empty()) return "uncounted";
        return failures.empty() ? success : success.empty() ? failures : failures + " then " + success;
    }
    static std::string failure_text(const artifact_decision& made) {
        std::string text;
        for (std::size_t i = 0; i < artifact_failure_names.size(); ++i) {
            const auto why = static_cast<artifact_failure>(i);
            if (std::find(made.failures.begin(), made.failures.end(), why) == made.failures.end()) continue;
            if (!text.empty()) text += ' ';
            text += artifact_failure_names[i];
        }
        return text;
    }
    static std::string success_text(const artifact_decision& made) {
        if (!made.success || *made.success == artifact_success::uncounted) return {};
        return std::string(artifact_success_names[static_cast<std::size_t>(*made.success)]);
    }

    std::size_t most_lines_;
    std::vector<std::string> differences_;
    std::vector<std::string> notes_;
    const case_fault* fault_ = nullptr;
};

LONGREACH_NAMESPACE_END

#endif
