// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_EXPERIMENT_HPP
#define LONGREACH_WORKLOADS_EXPERIMENT_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/units.hpp"
#include "../spot/cost.hpp"
#include "census.hpp"
#include "frame_map.hpp"
#include "machine.hpp"
#include "native_machine.hpp"
#include "recording.hpp"
#include "stream.hpp"
#include "virtual_machine.hpp"

// One recorded program on one machine under one policy: from the recording to every number that is reported.
//
// Deterministic: the same experiment gives the same outcome on every machine and compiler. What each number means:
// bench/README.md.

LONGREACH_NAMESPACE_BEGIN

enum class policy_name : std::uint8_t { thp, ca };
enum class machine_mode : std::uint8_t { native, virtualized };
/// When runs are counted: at the first moment of most mapped pages, or at the end of the recording.
enum class census_moment : std::uint8_t { peak, end };

[[nodiscard]] constexpr std::string_view to_string(policy_name policy) noexcept {
    return policy == policy_name::thp ? "thp" : "ca";
}
[[nodiscard]] constexpr std::string_view to_string(machine_mode mode) noexcept {
    return mode == machine_mode::native ? "native" : "virtual";
}

struct experiment {
    policy_name policy = policy_name::ca;
    machine_mode mode = machine_mode::native;
    page_count memory{};       ///< of the native machine or the guest; a host has twice as much
    unsigned hog_percent = 0;  ///< 0 to 100
    std::uint64_t seed = 1;
    translation_feed feed = translation_feed::accesses;
    census_moment moment = census_moment::peak;
    bool with_frame_maps = false;  ///< whether the outcome says who has which frame at the end
};

struct outcome {
    census runs{};
    std::uint64_t guest_bound99 = 0;  ///< fewest runs any placement could need for 99 % in the guest or natively
    std::uint64_t host_bound99 = 0;   ///< the same for the host; 0 natively
    machine_counters counters{};      ///< of the guest or natively, over the whole recording
    machine_counters host_counters{};
    mmu_counters translation{};
    std::vector<frame_map> frame_maps{};  ///< at the end, where wanted: of the machine, or of the guest and the host

    [[nodiscard]] std::uint64_t bound99() const noexcept { return std::max(guest_bound99, host_bound99); }
};

/// Frames that the run needs at least on base pages, and what a memory of that size leaves for it.
struct memory_need {
    std::uint64_t needed = 0;  ///< pages at the peak and the tables that map them
    std::uint64_t left = 0;    ///< frames that the hog does not pin
};

/// What the guest, or the native machine, needs and has.
[[nodiscard]] inline memory_need need_of(const recording& program, const experiment& wanted) {
    const std::uint64_t blocks = wanted.memory.raw / superpage_order.pages().raw;
    const std::uint64_t pinned = blocks * wanted.hog_percent / 100 * superpage_order.pages().raw;
    return {program.footprint.frames(), wanted.memory.raw - pinned};
}

namespace detail {

template <simulated_machine Machine>
class experiment_run {
  public:
    experiment_run(const recording& program, const experiment& wanted)
        : program_(program), wanted_(wanted), machine_(options_for(program, wanted)) {}

    [[nodiscard]] absl::StatusOr<outcome> run() {
        const std::vector<std::uint64_t> free_runs = machine_.free_runs();
        const std::vector<std::uint64_t> host_free_runs = machine_.host_free_runs();
        recorded_stream stream(program_, wanted_.feed);
        while (const auto event = stream.next()) {
            const status done = std::visit([this](const auto* record) { return this->happen(*record); }, *event);
            if (done != status::ok) return failure(done, seq_of(*event));
        }
        consider_census();
        if (wanted_.moment == census_moment::end) result_.runs = machine_.count();
        result_.guest_bound99 = std::max(result_.runs.stretches99, fewest_runs(free_runs, result_.runs.pages, 99));
        result_.host_bound99 = fewest_runs(host_free_runs, result_.runs.pages, 99);
        result_.counters = machine_.counters();
        result_.host_counters = machine_.host_counters();
        result_.translation = machine_.translation();
        if (wanted_.with_frame_maps) result_.frame_maps = machine_.frame_maps();
        return std::move(result_);
    }

  private:
    [[nodiscard]] static machine_options options_for(const recording& program, const experiment& wanted) {
        // Each event splits at most two entries, and each touched page lies in a stretch that ends somewhere.
        return {wanted.memory, wanted.hog_percent, wanted.seed, 3 * program.vmas.size() + 64,
                static_cast<std::size_t>(program.footprint.most_table_frames) + 3 * program.vmas.size() + 64};
    }

    status happen(const vma_event& event) {
        consider_census();
        return machine_.apply(event);
    }
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

    /// Mapped pages only grow by faults, so the peak is seen by whatever comes next.
    void consider_census() {
        if (wanted_.moment != census_moment::peak || machine_.resident_pages() <= result_.runs.pages) return;
        result_.runs = machine_.count();
    }

    [[nodiscard]] absl::Status failure(status why, std::uint64_t seq) {
        const std::string place = absl::StrCat(program_.name, " at access ", seq);
        if (why != status::out_of_memory) {
            return absl::InternalError(absl::StrCat(place, ": the address space answered ", static_cast<int>(why),
                                                    " to an event of the recording"));
        }
        const memory_need need = need_of(program_, wanted_);
        const std::string hog = wanted_.hog_percent == 0 ? "" : absl::StrCat(", of which the hog leaves ", need.left);
        return absl::ResourceExhaustedError(absl::StrCat(
            place, ": no frame left in the ",
            machine_.host_exhausted()              ? "host"
            : wanted_.mode == machine_mode::native ? "machine"
                                                   : "guest",
            "; the run needs at least ", need.needed,
            " frames on base pages, and more where it takes superpages; the memory has ", wanted_.memory.raw, hog));
    }

    const recording& program_;
    experiment wanted_;
    Machine machine_;
    outcome result_;
    bool translating_ = false;
};

}

/// Runs the whole recording. ResourceExhausted, with one line that says what was needed, where a fault finds no frame.
[[nodiscard]] inline absl::StatusOr<outcome> run_experiment(const recording& program, const experiment& wanted) {
    const bool native = wanted.mode == machine_mode::native;
    if (wanted.policy == policy_name::thp) {
        if (native) return detail::experiment_run<native_machine<thp_kind>>(program, wanted).run();
        return detail::experiment_run<virtual_machine<thp_kind>>(program, wanted).run();
    }
    if (native) return detail::experiment_run<native_machine<ca_kind>>(program, wanted).run();
    return detail::experiment_run<virtual_machine<ca_kind>>(program, wanted).run();
}

LONGREACH_NAMESPACE_END

#endif
