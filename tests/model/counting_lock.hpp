// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_COUNTING_LOCK_HPP
#define LONGREACH_TESTS_MODEL_COUNTING_LOCK_HPP

// A lock for tests that run in one thread.

namespace longreach::model {

/// Counts how often it is taken, and finds it taken twice.
struct counting_lock {
    unsigned taken = 0;
    bool held = false;

    void lock() noexcept {
        if (held) __builtin_trap();
        held = true;
        ++taken;
    }
    void unlock() noexcept { held = false; }
};

}  // namespace longreach::model

#endif
