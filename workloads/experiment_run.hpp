// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_EXPERIMENT_RUN_HPP
#define LONGREACH_WORKLOADS_EXPERIMENT_RUN_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/units.hpp"
#include "experiment.hpp"
#include "machine.hpp"
#include "native_machine.hpp"
#include "papers/paper_stream.hpp"
#include "policy_kinds.hpp"
#include "stream.hpp"
#include "virtual_machine.hpp"
#include "workload.hpp"

// Runs an experiment: builds the machine, plays the program on it, counts.
//
// Deterministic: the same experiment gives the same outcome on every machine and compiler. A translation unit names the
// kinds that it wants, since each costs seconds to compile.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// One program on one machine.
template <simulated_machine Machine>
class experiment_run {
  public:
    experiment_run(const workload& program, const experiment& wanted)
        : program_(program), wanted_(wanted), machine_(options_for(program, wanted)) {}

    [[nodiscard]] absl::StatusOr<outcome> run() {
        if (!machine_.started().ok()) return machine_.started();
        const std::vector<std::uint64_t> free_runs = machine_.free_runs();
        const std::vector<std::uint64_t> host_free_runs = machine_.host_free_runs();
        free_ = std::accumulate(free_runs.begin(), free_runs.end(), std::uint64_t{0});
        const recording* const recorded = program_.as_recording();
        absl::Status played = recorded != nullptr ? play(*recorded) : play(*program_.as_paper());
        if (!played.ok()) return played;
        consider_census();
        if (wanted_.moment == census_moment::end) {
            machine_.settle();
            take_census();
        }
        result_.guest_bound99 = std::max(result_.runs.stretches99, fewest_runs(free_runs, result_.runs.pages, 99));
        result_.host_bound99 = fewest_runs(host_free_runs, result_.runs.pages, 99);
        result_.counters = machine_.counters();
        result_.host_counters = machine_.host_counters();
        result_.translation = machine_.translation();
        if (wanted_.with_frame_maps) result_.frame_maps = machine_.frame_maps();
        return std::move(result_);
    }

  private:
    [[nodiscard]] static machine_options options_for(const workload& program, const experiment& wanted) {
        machine_options options;
        options.memory = wanted.memory;
        options.nodes = wanted.nodes;
        options.fragmented = wanted.fragmented;
        options.seed = wanted.seed;
        if (const recording* const recorded = program.as_recording()) {
            // Each event splits at most two entries, and each touched page lies in a stretch that ends somewhere.
            options.areas = 3 * recorded->vmas.size() + 64;
            options.stretches =
                static_cast<std::size_t>(recorded->footprint.most_table_frames) + 3 * recorded->vmas.size() + 64;
        } else {
            const paper_workload& paper = *program.as_paper();
            options.areas = 3 * paper.most_areas() + 64;
            options.stretches = paper.most_regions() + 3 * paper.most_areas() + 64;
            options.coverage = [&paper](vpn first) { return paper.coverage(first); };
        }
        return options;
    }

    [[nodiscard]] absl::Status play(const recording& recorded) {
        recorded_stream stream(recorded, wanted_.feed);
        while (const auto event = stream.next()) {
            const status done = std::visit([this](const auto* record) { return this->happen(*record); }, *event);
            if (done != status::ok) return failure(done, "access", seq_of(*event));
        }
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status play(const paper_workload& paper) {
        paper_stream stream(paper, wanted_.seed);
        while (const auto event = stream.next()) {
            const status done = std::visit([this](const auto& each) { return this->happen(each); }, *event);
            if (done == status::ok) continue;
            return failure(done, "page", std::visit([](const auto& each) { return each.seq; }, *event));
        }
        return absl::OkStatus();
    }

    status happen(const vma_event& event) {
        consider_census();
        return machine_.apply(event);
    }
    status happen(const touch_run& touched) { return machine_.touch(touched.pages, touched.kind); }
    status happen(const page_fault& touch) {
        return machine_.touch(touch.page, touch.site.write != 0 ? access_kind::store : access_kind::load);
    }
    status happen(const page_upgrade& upgrade) {
        consider_census();
        return machine_.touch(upgrade.page, access_kind::store);
    }
    status happen(const recorded_miss& miss) {
        begin_translation();
        const access_kind kind = miss.site.write != 0 ? access_kind::store : access_kind::load;
        return machine_.translate(miss.site.pc, vpn{miss.va / page_bytes}, kind, false);
    }
    status happen(const recorded_access& access) {
        begin_translation();
        const access_kind kind = access.site.write != 0 ? access_kind::store : access_kind::load;
        const vpn last{(access.va + std::max<std::uint64_t>(access.site.size, 1) - 1) / page_bytes};
        for (vpn page{access.va / page_bytes}; page <= last; page += page_count{1}) {
            if (const status done = machine_.translate(access.site.pc, page, kind, true); done != status::ok) {
                return done;
            }
        }
        return status::ok;
    }

    void begin_translation() {
        if (translating_) return;
        machine_.begin_translation();
        translating_ = true;
    }

    /// Mapped pages only grow by faults, so the peak is seen by whatever comes next. What a daemon, or a call that maps
    /// at once, adds and takes away would move it: there the peak is the first moment of most touched pages, and the
    /// daemon may first settle.
    void consider_census() {
        if (wanted_.moment != census_moment::peak) return;
        const std::uint64_t pages = Machine::maps_behind ? machine_.touched_pages() : machine_.resident_pages();
        if (pages <= peak_) return;
        peak_ = pages;
        if (Machine::maps_behind) {
            if (pages < program_.peak_pages()) return;
            machine_.settle();
        }
        take_census();
    }
    void take_census() {
        result_.runs = machine_.count();
        result_.costs = machine_.costs();
    }

    [[nodiscard]] absl::Status failure(status why, const char* unit, std::uint64_t seq) {
        const std::string place = absl::StrCat(program_.name(), " at ", unit, " ", seq);
        if (why != status::out_of_memory) {
            return absl::InternalError(absl::StrCat(place, ": the address space answered ", static_cast<int>(why),
                                                    " to an event of the program"));
        }
        const memory_need need = need_of(program_, wanted_);
        const std::uint64_t frames = wanted_.memory.raw * wanted_.nodes;
        const std::string left = free_ == frames ? "" : absl::StrCat(", of which ", free_, " were free at the start");
        return absl::ResourceExhaustedError(
            absl::StrCat(place, ": no frame left in the ",
                         machine_.host_exhausted()              ? "host"
                         : wanted_.mode == machine_mode::native ? "machine"
                                                                : "guest",
                         "; the run needs at least ", need.needed,
                         " frames on base pages, and more where it takes superpages; the memory has ", frames, left));
    }

    const workload& program_;
    experiment wanted_;
    Machine machine_;
    outcome result_;
    std::uint64_t free_ = 0;  ///< frames, before the program starts
    std::uint64_t peak_ = 0;
    bool translating_ = false;
};

/// Whether a kind can run in a virtual machine.
template <class Kind>
inline constexpr bool can_be_virtual =
    !Kind::maps_at_once && !Kind::places_offline && std::is_same_v<typename Kind::template daemon<void>, no_daemon>;

template <class Kind>
[[nodiscard]] absl::StatusOr<outcome> run_kind(const workload& program, const experiment& wanted) {
    if (wanted.mode == machine_mode::native) return experiment_run<native_machine<Kind>>(program, wanted).run();
    if constexpr (can_be_virtual<Kind>) {
        return experiment_run<virtual_machine<Kind>>(program, wanted).run();
    } else {
        return absl::UnimplementedError(absl::StrCat(std::string(to_string(Kind::name)), " runs natively only"));
    }
}

}

/// Runs the whole program under one of the `Kinds`. ResourceExhausted, with one line that says what was needed, where a
/// fault finds no frame; Unimplemented for a policy that is none of the kinds, or that has no virtual machine.
template <class... Kinds>
[[nodiscard]] absl::StatusOr<outcome> run_experiment(const workload& program, const experiment& wanted) {
    absl::StatusOr<outcome> found = absl::UnimplementedError(
        absl::StrCat("the policy ", std::string(to_string(wanted.policy)), " is not part of this program"));
    const bool known =
        ((Kinds::name == wanted.policy && ((found = detail::run_kind<Kinds>(program, wanted)), true)) || ...);
    (void)known;
    return found;
}

LONGREACH_NAMESPACE_END

#endif
