// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_ZONE_CHURN_HPP
#define LONGREACH_BENCH_ZONE_CHURN_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <vector>

#include "zone_harness.hpp"

// Churn of mixed orders as a script drawn before the clock runs, so that every zone does the same work and the harness
// costs little: each step allocates into a slot or releases what the slot holds.
//
// Orders 0 to 9 come with probability 1/2, 1/4, ... 1/512, 1/512, so every order holds about as many frames as any
// other (5.5 frames on average). Churn releases a live block drawn at random, whatever its order, then allocates a
// block of an order drawn anew, or none where that would exceed the occupancy.

namespace longreach::bench {

struct churn_step {
    std::uint32_t slot;
    std::uint8_t order;
    bool release;
};

class churn_script {
  public:
    static constexpr unsigned largest_order = 9;

    /// Fills up to `occupancy` frames, then makes `steps` more steps.
    churn_script(std::uint64_t occupancy, std::uint64_t steps, std::uint64_t seed)
        : occupancy_(occupancy), random_(seed) {
        for (unsigned order = draw_order(); fits(order); order = draw_order()) fill_.push_back(allocation(order));
        while (churn_.size() < steps) {
            churn_.push_back(random_release());
            const unsigned order = draw_order();
            if (churn_.size() < steps && fits(order)) churn_.push_back(allocation(order));
        }
    }

    [[nodiscard]] const std::vector<churn_step>& fill() const { return fill_; }
    [[nodiscard]] const std::vector<churn_step>& churn() const { return churn_; }
    /// What holds a block at the end.
    [[nodiscard]] const std::vector<churn_step>& live() const { return live_; }
    [[nodiscard]] std::size_t slots() const { return slots_; }

  private:
    unsigned draw_order() {
        const std::uint64_t bits = random_.next() | std::uint64_t{1} << largest_order;
        return static_cast<unsigned>(std::countr_zero(bits));
    }

    [[nodiscard]] bool fits(unsigned order) const { return used_ + (std::uint64_t{1} << order) <= occupancy_; }

    churn_step allocation(unsigned order) {
        std::uint32_t slot = slots_;
        if (idle_.empty()) {
            ++slots_;
        } else {
            slot = idle_.back();
            idle_.pop_back();
        }
        used_ += std::uint64_t{1} << order;
        live_.push_back({slot, static_cast<std::uint8_t>(order), false});
        return live_.back();
    }

    churn_step random_release() {
        churn_step& victim = live_[random_.below(live_.size())];
        const churn_step step{victim.slot, victim.order, true};
        used_ -= std::uint64_t{1} << victim.order;
        idle_.push_back(victim.slot);
        victim = live_.back();
        live_.pop_back();
        return step;
    }

    std::uint64_t occupancy_;
    random_numbers random_;
    std::uint64_t used_ = 0;
    std::uint32_t slots_ = 0;
    std::vector<churn_step> fill_;
    std::vector<churn_step> churn_;
    std::vector<churn_step> live_;
    std::vector<std::uint32_t> idle_;
};

/// Plays steps on a zone. A refused allocation leaves its slot empty, and releasing an empty slot does nothing.
template <class Zone>
void play(Zone& zone, const std::vector<churn_step>& steps, std::vector<std::uint64_t>& slots, unsigned cpu = 0) {
    for (const churn_step step : steps) {
        std::uint64_t& slot = slots[step.slot];
        if (!step.release) {
            slot = zone.allocate(step.order, cpu);
        } else if (slot != LONGREACH_NO_FRAME) {
            zone.release(slot, step.order, cpu);
        }
    }
}

/// Counters of what a script left behind, and how many of its live blocks were refused.
inline void report_churn(const churn_script& script, const std::vector<std::uint64_t>& slots, std::uint64_t frames,
                         benchmark::UserCounters& counters) {
    contiguity left(frames);
    std::uint64_t refused = 0;
    for (const churn_step& block : script.live()) {
        if (slots[block.slot] == LONGREACH_NO_FRAME) {
            ++refused;
        } else {
            left.hold(slots[block.slot], block.order);
        }
    }
    left.report(counters);
    counters["refused"] = static_cast<double>(refused);
}

}  // namespace longreach::bench

#endif
