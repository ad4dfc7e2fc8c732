// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_REPLAY_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_REPLAY_HPP

#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../cases/case_census.hpp"
#include "../cases/case_result.hpp"
#include "../cases/recorded_case.hpp"
#include "artifact_comparison.hpp"
#include "artifact_policy.hpp"
#include "artifact_process.hpp"
#include "artifact_rules.hpp"
#include "artifact_zone.hpp"

// Replays a recorded case with the original's rules, from its recorded free memory, and compares every decision.
//
// Given are areas, faulting pages, maps, unmaps, forks and the touches that are in no log. Frames of page tables follow
// a rule. Other allocations outside the log are inferred only where the record proves them, each counted and named.

LONGREACH_NAMESPACE_BEGIN

/// Frames that the boot left to each zone of the recorded machine, to within some hundreds: no record has the number.
/// Its span less what no record ever shows free or mapped: of DMA32 the firmware's part, the kernel and 64 MiB of
/// bounce buffers, of Normal the descriptors of all frames.
inline constexpr std::array<page_count, zone_count> recorded_managed{page_count{500'400}, page_count{1'023'900}};

/// Free frames that Linux 4.19 keeps in a zone.
struct zone_watermarks {
    page_count low{0};    ///< where another zone has more
    page_count least{0};  ///< in any case
};
/// Of a request that looks in `normal` first. Superpages want two free pageblocks in each zone, and one for each pair
/// of migrate types (mm/khugepaged.c); the zones share that by their size, the low mark is a quarter or 1/1000 of the
/// zone higher, and DMA32 keeps 1/256 of Normal's size more from such a request (mm/page_alloc.c). An exhausted zone
/// Normal was recorded to keep between 18690 and 19200.
[[nodiscard]] constexpr zone_watermarks recorded_watermarks(zone_name zone) noexcept {
    constexpr std::uint64_t types = 3;
    constexpr std::uint64_t shared = top_order.pages().raw * zone_count * (2 + types * types);
    const std::uint64_t normal = recorded_managed[static_cast<std::size_t>(zone_name::normal)].raw;
    const std::uint64_t all = normal + recorded_managed[static_cast<std::size_t>(zone_name::dma32)].raw;
    const std::uint64_t own = recorded_managed[static_cast<std::size_t>(zone)].raw;
    const std::uint64_t least = shared * own / all;
    const std::uint64_t more = least / 4 > own / 1000 ? least / 4 : own / 1000;
    const std::uint64_t kept = zone == zone_name::dma32 ? normal / 256 : 0;
    return {page_count{least + more + kept}, page_count{least + kept}};
}

/// Invariants of the end, beside those of the policy: I9 no frame that a process was given is free; I20 no frame was
/// given twice.
class artifact_replay {
  public:
    artifact_replay(const recorded_case& record, artifact_rules rules, std::size_t most_differences)
        : record_(record),
          rules_(rules),
          zones_(start_zones(record, rules)),
          policy_(zones_, record.logged ? rules : rules.without(artifact_rule::retries_forever)),
          comparisons_(record.processes.size(), artifact_comparison(most_differences)),
          agreements_(record.processes.size()),
          ends_(record.processes.size()) {
        policy_.before_ordinary([this](artifact_zone& zone, order size) { prepare_ordinary(zone, size); });
        processes_.reserve(record.processes.size());
        for (const case_process& process : record.processes) {
            const auto number = static_cast<std::uint32_t>(processes_.size());
            processes_.emplace_back(policy_, number);
            if (!process.ca) policy_.set_plain(number);
            for (const mapping<vpn, pfn>& there : process.before) {
                const auto holds = [&](const page_run& area) { return area.contains(there.pages); };
                const bool own = std::any_of(process.counted.begin(), process.counted.end(), holds);
                processes_.back().assume(there, own && process.superpages);
            }
        }
    }
    artifact_replay(const artifact_replay&) = delete;
    artifact_replay& operator=(const artifact_replay&) = delete;

    void run() {
        for (const case_step& step : record_.steps) take(step);
    }

    /// One for each process that the log or a script knows.
    [[nodiscard]] std::vector<case_result> results() const;

    [[nodiscard]] const artifact_policy& policy() const noexcept { return policy_; }
    [[nodiscard]] const artifact_process& process(std::size_t number) const noexcept { return processes_[number]; }

  private:
    friend struct corrupt;

    /// Where the stack ends on x86-64 without randomisation.
    static constexpr vpn stack_end{0x7ffffffff};

    static std::vector<artifact_zone> start_zones(const recorded_case& record, artifact_rules rules);

    void take(const case_step& step) {
        artifact_process& process = processes_[step.process];
        switch (step.what) {
            case case_step::kind::fault:
                serve(record_.faults[step.fault]);
                break;
            case case_step::kind::map:
                process.map({step.pages, step.grows_up, step.grows_down});
                break;
            case case_step::kind::unmap:
                process.unmap(step.pages);
                break;
            case case_step::kind::fork:
                processes_[step.child].become_copy_of(process);
                copies_.insert(step.child);
                policy_.fork(step.process, step.child);
                break;
            case case_step::kind::exit:
                ends_[step.process] = process.memory();
                process.exit();
                break;
            case case_step::kind::plain_touch:
                for (vpn page = step.pages.first; page < step.pages.end(); page += page_count{1}) {
                    denied_ += !process.touch(page, record_.processes[step.process].superpages);
                }
                break;
        }
    }

    void serve(const case_fault& fault) {
        const page_run area = record_.areas[fault.area].pages;
        current_ = &fault;
        learn(fault, area);
        processes_[fault.process].prepare_tables(fault.page, fault.size);
        infer_target(fault);
        const bool stack = area.end() == stack_end;
        const artifact_decision made =
            policy_.decide({fault.process, fault.page, fault.size, area, false, stack, fault.may_place || stack});
        infer_rover(fault);
        comparisons_[fault.process].compare(fault, area, made, zones_.front().rover(), agreements_[fault.process]);
        if (made.got) processes_[fault.process].install(fault.page, *made.got, fault.size);
        current_ = nullptr;
    }

    void learn(const case_fault& fault, page_run area);
    void infer_target(const case_fault& fault);
    void infer_rover(const case_fault& fault);
    bool withdraw_heads(artifact_zone& zone, pfn frame);
    void prepare_ordinary(artifact_zone& zone, order size);
    void inferred(std::string_view what, pfn frame) {
        ++agreements_[current_->process].inferred;
        comparisons_[current_->process].note(*current_, absl::StrFormat("inferred: %s 0x%x", what, frame.raw));
    }
    /// Kinds of case where the ordinary allocator supplies most frames: those are taken from the record.
    [[nodiscard]] bool ordinary_frames_given() const noexcept { return record_.kind > 'F' && record_.kind != 'K'; }
    [[nodiscard]] std::string failure() const;
    [[nodiscard]] static census take_census_of(const std::vector<page_run>& areas, const replayed_process& memory);

    const recorded_case& record_;
    artifact_rules rules_;
    std::vector<artifact_zone> zones_;
    artifact_policy policy_;
    std::vector<artifact_process> processes_;
    std::vector<artifact_comparison> comparisons_;
    std::vector<case_agreement> agreements_;
    std::vector<std::optional<replayed_process>> ends_;  ///< what processes had when they ended
    std::set<std::uint32_t> copies_;                     ///< processes that began as a fork of another
    const case_fault* current_ = nullptr;
    std::uint64_t denied_ = 0;
};

/// Replays the case; one result per process.
[[nodiscard]] inline std::vector<case_result> replay_artifact(const recorded_case& record,
                                                              artifact_rules rules = artifact_rules::all(),
                                                              std::size_t most_differences = 8) {
    artifact_replay replay(record, rules, most_differences);
    replay.run();
    return replay.results();
}

LONGREACH_NAMESPACE_END

#include "artifact_replay_impl.hpp"

#endif
