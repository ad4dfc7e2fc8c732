// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_BACKGROUND_HPP
#define LONGREACH_WORKLOADS_BACKGROUND_HPP

#include <cstdint>
#include <functional>
#include <utility>

#include "../allocator/config.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "census.hpp"
#include "policy_kinds.hpp"
#include "rivals/page_activity.hpp"
#include "run_account.hpp"

// When a machine's daemon works: after every interval of time that the program spent in faults, and at the end until it
// finds nothing more to do.
//
// Only faults take time here, which is short for a daemon: a program that computes leaves it more. So a run's end has
// two counts, as the daemon left it when the program was done, and settled; experiment.hpp counts the second.

LONGREACH_NAMESPACE_BEGIN

/// Of a machine without a daemon.
struct idle_background {
    explicit idle_background(const std::function<unsigned(vpn)>&) {}
};

/// A daemon and its clock, beside one address space.
template <class Daemon, class Space>
class background {
  public:
    /// After so many passes a daemon that still changes something is stopped.
    static constexpr unsigned most_settling_passes = 4096;

    explicit background(std::function<unsigned(vpn)> coverage) : coverage_(std::move(coverage)) {}

    /// Passes that are due; whether one changed something. `count()` takes a census.
    template <class Frames, class Count>
    bool catch_up(Space& space, Frames& frames, run_account& account, Count&& count) {
        bool changed = false;
        while (account.now_ns() >= next_ns_) {
            changed = pass(space, frames, account) || changed;
            look(next_ns_, count);
            next_ns_ += daemon_.interval_ns();
        }
        return changed;
    }

    /// Passes until one changes nothing; whether any did.
    template <class Frames, class Count>
    bool settle(Space& space, Frames& frames, run_account& account, Count&& count) {
        bool changed = false;
        for (unsigned passes = 0; passes < most_settling_passes; ++passes) {
            if (!pass(space, frames, account)) break;
            changed = true;
            settled_ns_ += daemon_.interval_ns();
            look(account.now_ns() + settled_ns_, count);
        }
        return changed;
    }

    void add_to(run_costs& costs) const {
        costs.daemon = daemon_.costs();
        costs.settled_ns = settled_ns_;
        costs.covered_ns = covered_ns_;
    }

    [[nodiscard]] violation audit() const { return daemon_.audit(); }

  private:
    template <class Frames>
    bool pass(Space& space, Frames& frames, run_account& account) {
        const page_activity activity(
            [&](vpn first) { return coverage_ ? coverage_(first) : account.pages().resident_around(first); },
            [&](vpn page) { return account.pages().find(page).resident; });
        const bool changed = daemon_.pass(space, frames, activity);
        if constexpr (requires { daemon_.zeroed_frames(); }) account.zeroed_ahead(daemon_.zeroed_frames());
        return changed;
    }

    /// Only for daemons that make runs: a census of base pages costs more than their pass.
    template <class Count>
    void look([[maybe_unused]] std::uint64_t now_ns, [[maybe_unused]] Count&& count) {
        if constexpr (requires { daemon_.anchors(); }) {
            const census seen = count();
            if (seen.pages != 0 && seen.cover128 < 0.9) covered_ns_ = now_ns + daemon_.interval_ns();
        }
    }

    Daemon daemon_{};
    std::function<unsigned(vpn)> coverage_;
    std::uint64_t next_ns_ = daemon_.interval_ns();
    std::uint64_t settled_ns_ = 0;
    std::uint64_t covered_ns_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
