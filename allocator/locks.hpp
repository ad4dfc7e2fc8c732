// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_LOCKS_HPP
#define LONGREACH_ALLOCATOR_LOCKS_HPP

#include <concepts>
#include <cstdint>

#include "atomics.hpp"
#include "config.hpp"

// What the concurrent variants ask of a lock, the one that does nothing, and a simple one that spins.

LONGREACH_NAMESPACE_BEGIN

/// lock() returns once nobody else holds the lock; unlock() is called by its holder. A kernel passes its own.
template <class T>
concept lockable = requires(T lock) {
    lock.lock();
    lock.unlock();
};

/// For a caller that is alone, or locks outside.
struct no_lock {
    void lock() noexcept {}
    void unlock() noexcept {}
};

/// Test and test-and-set: unfair, one word. Not for interrupt handlers that may find their own processor holding it.
template <class Atomics = builtin_atomics>
class spin_lock {
  public:
    void lock() noexcept {
        while (Atomics::exchange(held_, 1) != 0) {
            while (Atomics::load(held_) != 0) Atomics::pause();
        }
    }
    void unlock() noexcept { Atomics::store(held_, 0); }

  private:
    std::uint64_t held_ = 0;
};

/// Holds a lock for the length of a block.
template <lockable Lock>
class lock_guard {
  public:
    explicit lock_guard(Lock& lock) noexcept : lock_(lock) { lock_.lock(); }
    ~lock_guard() { lock_.unlock(); }
    lock_guard(const lock_guard&) = delete;
    lock_guard& operator=(const lock_guard&) = delete;

  private:
    Lock& lock_;
};

LONGREACH_NAMESPACE_END

#endif
