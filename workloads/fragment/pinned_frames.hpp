// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_PINNED_FRAMES_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_PINNED_FRAMES_HPP

#include <cstdint>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "unit_set.hpp"

// The frames of a zone that are taken for good: whoever moves frames asks here which ones stay where they are.
//
// One bit per frame, however scattered; nothing where nothing is pinned. Numbers from 0. The zone's caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: those of its bits, and I1 `count` is the number of bits.
template <class Frame>
class pinned_frames {
  public:
    /// O(1).
    [[nodiscard]] page_count count() const noexcept { return {count_}; }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] bool contains(Frame frame) const noexcept { return bits_.contains(frame.raw); }

    /// Hands every maximal run of pinned frames, in address order, to `visit(run<Frame>)`. O(frames / 64).
    template <class Visit>
    void for_each_run(Visit&& visit) const {
        bits_.for_each_run([&](std::uint64_t first, std::uint64_t count) {
            visit(run<Frame>{Frame{first}, page_count{count}});
        });
    }
    /// The same as bits.
    [[nodiscard]] const unit_set& bits() const noexcept { return bits_; }

    /// Adds frames of a zone of as many frames as those before; no frame twice.
    void add(const unit_set& frames) {
        if (bits_.size() == 0) bits_ = unit_set(frames.size());
        LONGREACH_CHECK(frames.size() == bits_.size() || frames.size() == 0, "pinned_frames.size");
        if (frames.size() == 0) return;
        bits_ |= frames;
        const std::uint64_t before = count_;
        count_ = bits_.count();
        LONGREACH_CHECK(count_ - before == frames.count(), "pinned_frames.twice");
    }

    [[nodiscard]] violation audit() const noexcept {
        if (const violation broken = bits_.audit()) return broken;
        if (count_ != bits_.count()) return {"pinned_frames.I1", count_};
        return {};
    }

  private:
    friend struct pinned_frames_corruption;  // tests break invariants through it

    unit_set bits_;
    std::uint64_t count_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
