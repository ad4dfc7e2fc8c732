// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RUN_ACCOUNT_HPP
#define LONGREACH_WORKLOADS_RUN_ACCOUNT_HPP

#include <algorithm>
#include <cstdint>
#include <utility>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "../pagetable/vm/fault.hpp"
#include "fault_latency.hpp"
#include "recording.hpp"
#include "rivals/daemon_costs.hpp"
#include "touched_pages.hpp"

// What a run costs beside the runs of its memory: how long its faults take by fault_latency.hpp, how much memory it
// holds that nobody touched, and what a daemon does for it. One thread.

LONGREACH_NAMESPACE_BEGIN

struct run_costs {
    daemon_costs daemon{};                 ///< zeros for a policy without one
    std::uint64_t bloat_pages = 0;         ///< base pages resident, or held for later, that the program never touched
    std::uint64_t fault_zeroed_bytes = 0;  ///< zeroed while the program waited
    std::uint64_t fault_ns = 0;            ///< sum over all faults; a call that maps at once is one
    std::uint64_t fault_ns_p50 = 0;
    std::uint64_t fault_ns_p99 = 0;
    std::uint64_t fault_ns_longest = 0;
    std::uint64_t settled_ns = 0;  ///< time after the last fault until the daemon found nothing more to do
    /// Time of faults and daemon after which the 128 longest runs held 90 % of the pages for good, as seen at the
    /// passes of a daemon that makes runs (ranger); 0 where they did at every pass, and for every other policy. Where
    /// they did not at the last pass that changed something either, one interval behind it.
    std::uint64_t covered_ns = 0;
};

/// The account of one address space.
class run_account {
  public:
    // ---- what the program does ----

    void touched(page_run pages) { touched_.arrive(pages); }
    [[nodiscard]] const touched_pages& pages() const noexcept { return touched_; }

    /// A mapping event: what was touched there is so no longer, or moves.
    void changed(const vma_event& event) {
        switch (event.kind) {
            case vma_kind::mremap:
                return moved(event);
            case vma_kind::init:
            case vma_kind::mmap:
            case vma_kind::munmap:
            case vma_kind::brk_grow:
            case vma_kind::brk_shrink:
            case vma_kind::empty:
                return touched_.empty(event.pages);
            case vma_kind::mprotect:
            case vma_kind::brk_first:
            case vma_kind::advice:
                return;
        }
    }

    // ---- what its faults take ----

    /// A fault that was served. A copy writes as many bytes as zeroing, but no frame can be ready for it ahead.
    template <class Frame>
    void served(const fault_result<Frame>& fault) {
        const bool ready =
            fault.kind != fault_kind::copy && (fault.kind != fault_kind::first_touch || take_zeroed(fault.size));
        latency_.add(model_.fault_ns(fault.size, ready));
    }
    /// A leaf that a mapping call brings; its time is the call's.
    void mapped_at_once(order size) {
        call_ns_ += model_.zeroing_ns(size);
        zeroed_bytes_ += to_bytes(size.pages());
    }
    /// The call has returned.
    void end_call() {
        if (call_ns_ != 0) latency_.add(model_.base_fault_ns + std::exchange(call_ns_, 0));
    }
    /// From now on so many frames are known to be zero.
    void zeroed_ahead(page_count frames) noexcept { zeroed_ = frames; }

    /// Time spent in faults so far, in nanoseconds.
    [[nodiscard]] std::uint64_t now_ns() const noexcept { return latency_.total(); }

    [[nodiscard]] run_costs costs() const {
        run_costs result;
        result.fault_zeroed_bytes = zeroed_bytes_;
        result.fault_ns = latency_.total();
        result.fault_ns_p50 = latency_.quantile(500);
        result.fault_ns_p99 = latency_.quantile(990);
        result.fault_ns_longest = latency_.longest();
        return result;
    }

  private:
    /// The beginning that both ranges share moves, the rest goes; so does what was at the new place.
    void moved(const vma_event& event) {
        const page_run from = event.moved_from;
        const page_run to = event.pages;
        const page_count kept = std::min(from.count, to.count);
        touched_.empty(run_between(from.first + kept, from.end()));
        if (from.first == to.first) return;
        touched_.empty(to);
        touched_.move({from.first, kept}, to.first);
    }

    bool take_zeroed(order size) noexcept {
        if (zeroed_ < size.pages()) {
            zeroed_bytes_ += to_bytes(size.pages());
            return false;
        }
        zeroed_ -= size.pages();
        return true;
    }

    fault_latency_model model_;
    latency_histogram latency_;
    touched_pages touched_;
    page_count zeroed_{};
    std::uint64_t zeroed_bytes_ = 0;
    std::uint64_t call_ns_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
