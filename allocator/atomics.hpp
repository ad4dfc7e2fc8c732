// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_ATOMICS_HPP
#define LONGREACH_ALLOCATOR_ATOMICS_HPP

#include <cstdint>

#include "config.hpp"

// The accesses to shared words that the concurrent variants make, as a policy.
//
// `builtin_atomics` goes to the compiler's builtins. A kernel may pass a type of its own (an interrupt between
// processors for heavy_fence), and the tests pass one that runs two threads through every schedule.

LONGREACH_NAMESPACE_BEGIN

/// Atomics of the processor. Both fences are full ones, so this is right wherever the builtins are; a hosted
/// program or a kernel that can make the heavy one reach all processors may leave the light one to the compiler.
struct builtin_atomics {
    /// Reads a word, sequentially consistent with the read-modify-writes; what its writer wrote before is visible.
    [[nodiscard]] static std::uint64_t load(const std::uint64_t& word) noexcept {
        return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
    }
    /// Reads a word and orders nothing; for hints, and for words that only the reader writes.
    [[nodiscard]] static std::uint64_t load_relaxed(const std::uint64_t& word) noexcept {
        return __atomic_load_n(&word, __ATOMIC_RELAXED);
    }
    /// Writes a word after everything before it (release).
    static void store(std::uint64_t& word, std::uint64_t value) noexcept {
        __atomic_store_n(&word, value, __ATOMIC_RELEASE);
    }
    /// Read-modify-writes, sequentially consistent; each answers the value before.
    static std::uint64_t fetch_or(std::uint64_t& word, std::uint64_t bits) noexcept {
        return __atomic_fetch_or(&word, bits, __ATOMIC_SEQ_CST);
    }
    static std::uint64_t fetch_and(std::uint64_t& word, std::uint64_t bits) noexcept {
        return __atomic_fetch_and(&word, bits, __ATOMIC_SEQ_CST);
    }
    static std::uint64_t fetch_add(std::uint64_t& word, std::uint64_t amount) noexcept {
        return __atomic_fetch_add(&word, amount, __ATOMIC_SEQ_CST);
    }
    static std::uint64_t exchange(std::uint64_t& word, std::uint64_t value) noexcept {
        return __atomic_exchange_n(&word, value, __ATOMIC_SEQ_CST);
    }
    /// Writes `desired` where the word holds `expected`; otherwise puts what it holds into `expected`.
    static bool compare_exchange(std::uint64_t& word, std::uint64_t& expected, std::uint64_t desired) noexcept {
        return __atomic_compare_exchange_n(&word, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    /// The two sides of a handshake "I store, then I look": between one party's light fence and the other's heavy
    /// one, at least one sees the other's store. The party that runs often takes the light one.
    static void light_fence() noexcept { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    static void heavy_fence() noexcept { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    /// Called in a loop that waits for another thread's store.
    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield" ::: "memory");
#else
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
    }
};

LONGREACH_NAMESPACE_END

#endif
