// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_LOCKED_BUDDY_HPP
#define LONGREACH_ALLOCATOR_LOCKED_BUDDY_HPP

#include <optional>

#include "buddy.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "locks.hpp"
#include "status.hpp"
#include "units.hpp"

// A buddy behind a caller's lock: any thread may call, one at a time gets in.
//
// Answers are those of the buddy, so exact requests stay exact. The lock is the caller's so that several zones, or a
// zone and its contiguity map, can share one.

LONGREACH_NAMESPACE_BEGIN

template <class Frame, lockable Lock>
class locked_buddy {
  public:
    using frame = Frame;

    /// Both outlive it.
    locked_buddy(basic_buddy<Frame>& frames, Lock& lock) noexcept : frames_(frames), lock_(lock) {}

    /// Constant, so it needs no lock.
    [[nodiscard]] run<Frame> managed() const noexcept { return frames_.managed(); }

    [[nodiscard]] std::optional<Frame> allocate(order o) noexcept {
        const lock_guard<Lock> guard(lock_);
        return frames_.allocate(o);
    }
    status allocate_at(Frame want, order o) noexcept {
        const lock_guard<Lock> guard(lock_);
        return frames_.allocate_at(want, o);
    }
    [[nodiscard]] std::optional<run<Frame>> allocate_run(page_count count) noexcept {
        const lock_guard<Lock> guard(lock_);
        return frames_.allocate_run(count);
    }
    status allocate_run_at(run<Frame> frames) noexcept {
        const lock_guard<Lock> guard(lock_);
        return frames_.allocate_run_at(frames);
    }
    void free(Frame block, order o) noexcept {
        const lock_guard<Lock> guard(lock_);
        frames_.free(block, o);
    }
    void free_run(run<Frame> frames) noexcept {
        const lock_guard<Lock> guard(lock_);
        frames_.free_run(frames);
    }
    [[nodiscard]] page_count free_frames() noexcept {
        const lock_guard<Lock> guard(lock_);
        return frames_.free_frames();
    }
    violation audit() noexcept {
        const lock_guard<Lock> guard(lock_);
        return frames_.audit();
    }

    /// Several steps as one: `steps(basic_buddy<Frame>&)` runs while the lock is held.
    template <class Steps>
    auto together(Steps steps) noexcept {
        const lock_guard<Lock> guard(lock_);
        return steps(frames_);
    }

  private:
    basic_buddy<Frame>& frames_;
    Lock& lock_;
};

LONGREACH_NAMESPACE_END

#endif
