// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_INTERLEAVING_HPP
#define LONGREACH_TESTS_MODEL_INTERLEAVING_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "interleaver.hpp"

// Runs a few operations of two to four threads through every schedule of their accesses to shared words.
//
// The world is one object that holds all the threads share, memory included, and points at most into itself. Threads
// share words through checked_atomics, and read such a word in no other way; other bytes they touch under mutual
// exclusion only, since between two accesses a thread is not interrupted. Bodies are deterministic, remember nothing
// from one schedule to the next, and own no heap memory: an abandoned schedule runs no destructors.

namespace longreach::model {

/// An Atomics policy whose accesses are scheduling points; outside of a thread they are plain.
struct checked_atomics {
    [[nodiscard]] static std::uint64_t load(const std::uint64_t& word) {
        return make(access_kind::load, const_cast<std::uint64_t&>(word), 0);
    }
    [[nodiscard]] static std::uint64_t load_relaxed(const std::uint64_t& word) { return load(word); }
    static void store(std::uint64_t& word, std::uint64_t value) { make(access_kind::store, word, value); }
    static std::uint64_t fetch_or(std::uint64_t& word, std::uint64_t bits) {
        return make(access_kind::fetch_or, word, bits);
    }
    static std::uint64_t fetch_and(std::uint64_t& word, std::uint64_t bits) {
        return make(access_kind::fetch_and, word, bits);
    }
    static std::uint64_t fetch_add(std::uint64_t& word, std::uint64_t amount) {
        return make(access_kind::fetch_add, word, amount);
    }
    static std::uint64_t exchange(std::uint64_t& word, std::uint64_t value) {
        return make(access_kind::exchange, word, value);
    }
    static bool compare_exchange(std::uint64_t& word, std::uint64_t& expected, std::uint64_t desired) {
        const std::uint64_t before = make(access_kind::compare_exchange, word, desired, expected);
        return before == std::exchange(expected, before);
    }
    /// Holds back the compiler only.
    static void light_fence() {}
    /// Waits until the stores of all threads are seen.
    static void heavy_fence() {
        if (interleaver* const i = interleaver::inside()) i->fence();
    }
    static void pause() {
        if (interleaver* const i = interleaver::inside()) i->pause();
    }

  private:
    static std::uint64_t make(access_kind kind, std::uint64_t& word, std::uint64_t value, std::uint64_t expected = 0) {
        const access a{kind, &word, value, expected};
        if (interleaver* const i = interleaver::inside()) return i->make(a);
        const std::uint64_t before = word;
        if (kind != access_kind::load) word = value_after(a, before);
        return before;
    }
};

/// Ends the schedule as a violation; to be called in a thread. Serves as a panic of the tested code.
[[noreturn]] inline void fail_schedule(const char* message) {
    if (interleaver* const i = interleaver::inside()) i->fail(message);
    std::abort();
}

/// In a thread: nothing if it is so, otherwise a violation.
inline void require(bool is_so, const char* message) {
    if (!is_so) fail_schedule(message);
}

/// The result of an operation that has none to give.
inline constexpr std::uint64_t no_result = ~std::uint64_t{0};

/// A result as a record keeps it: numbers, enumerations, points (their number), or an optional of one.
template <class Result>
constexpr std::uint64_t recorded(const Result& r) {
    if constexpr (requires { r.raw; }) {
        return static_cast<std::uint64_t>(r.raw);
    } else if constexpr (requires { r.has_value(); }) {
        return r.has_value() ? recorded(*r) : no_result;
    } else {
        return static_cast<std::uint64_t>(r);
    }
}

/// Makes `operation()` an operation on record, and answers what it answers. In a thread; operations do not nest.
template <class Operation>
auto operate(const call& what, Operation operation) {
    interleaver& i = *interleaver::inside();
    i.begin(what);
    if constexpr (std::is_void_v<decltype(operation())>) {
        operation();
        i.end(0);
    } else {
        const auto result = operation();
        i.end(recorded(result));
        return result;
    }
}

/// Explores every schedule of the threads. `check` looks at each end state and answers what is wrong, or nothing.
/// `build` makes the world at the address it gets, where all bytes are zero; by default World's default constructor.
template <class World>
outcome explore(
    const exploration& options, const std::vector<std::function<void(World&)>>& threads,
    const std::type_identity_t<std::function<std::string(const World&, history)>>& check,
    const std::function<World*(void*)>& build = [](void* place) { return ::new (place) World; }) {
    static_assert(std::is_trivially_destructible_v<World>, "the world owns nothing outside of itself");
    constexpr std::size_t alignment = alignof(World) > 64 ? alignof(World) : 64;
    constexpr std::size_t bytes = (sizeof(World) + 7) / 8 * 8;
    const auto release = [](void* place) { ::operator delete (place, std::align_val_t{alignment}); };
    const std::unique_ptr<void, decltype(release)> place(::operator new (bytes, std::align_val_t{alignment}), release);
    World* world = nullptr;
    std::vector<std::function<void()>> bodies;
    for (const auto& body : threads) bodies.push_back([&world, &body] { body(*world); });
    return interleaver(
               options, {static_cast<std::byte*>(place.get()), bytes}, [&] { world = build(place.get()); },
               std::move(bodies), [&](history h) { return check(*world, h); })
        .run();
}

}  // namespace longreach::model

#endif
