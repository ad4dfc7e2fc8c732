// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_SPIN_LOCK_HPP
#define LONGREACH_BENCH_SPIN_LOCK_HPP

#include <atomic>
#include <thread>

// A test-and-test-and-set lock for std::lock_guard: what a kernel puts around a zone that does not lock itself.
//
// Yields after a while, because here, unlike in a kernel, the holder may have been taken off its processor.

namespace longreach::bench {

class spin_lock {
  public:
    void lock() noexcept {
        for (unsigned spins = 0; taken_.exchange(true, std::memory_order_acquire);) {
            while (taken_.load(std::memory_order_relaxed)) {
                if (++spins % 1024 == 0) std::this_thread::yield();
            }
        }
    }
    void unlock() noexcept { taken_.store(false, std::memory_order_release); }

  private:
    std::atomic<bool> taken_{false};
};

}  // namespace longreach::bench

#endif
