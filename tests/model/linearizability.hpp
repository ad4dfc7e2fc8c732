// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_LINEARIZABILITY_HPP
#define LONGREACH_TESTS_MODEL_LINEARIZABILITY_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

// Whether what several threads saw could have happened one operation at a time, each at some moment between its
// invocation and its response (Herlihy and Wing, Linearizability, 1990). Tries every order; for a few operations.

namespace longreach::model {

/// An operation and its arguments.
struct call {
    const char* name;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
};

/// An operation that a thread made. Times are steps of the schedule: the operation's first access and its last.
struct record {
    unsigned thread = 0;
    call what{""};
    std::uint64_t invoked = 0;
    std::uint64_t responded = 0;
    std::uint64_t result = 0;
    bool finished = false;
};

/// The operations of one schedule; those of one thread in their order.
using history = std::span<const record>;

/// Whether `history[a]` had ended before `history[b]` began.
inline bool precedes(history h, std::size_t a, std::size_t b) {
    return h[a].thread == h[b].thread ? a < b : h[a].responded < h[b].invoked;
}

namespace detail {

template <class Specification>
bool linearizable_from(const Specification& state, history h, std::uint64_t placed) {
    if (placed == (std::uint64_t{1} << h.size()) - 1) return true;
    for (std::size_t next = 0; next < h.size(); ++next) {
        if ((placed >> next & 1) != 0) continue;
        bool may_be_next = true;
        for (std::size_t other = 0; other < h.size(); ++other) {
            may_be_next = may_be_next && ((placed >> other & 1) != 0 || !precedes(h, other, next));
        }
        if (!may_be_next) continue;
        Specification after = state;
        if (after.apply(h[next].what, h[next].result) &&
            linearizable_from(after, h, placed | std::uint64_t{1} << next)) {
            return true;
        }
    }
    return false;
}

}  // namespace detail

/// Whether some order of the operations, true to what preceded what, is one that the specification allows.
/// `bool Specification::apply(const call&, std::uint64_t result)` says whether the result is allowed in this state
/// and moves to the next one; it is copied for each trial. At most 63 operations, all finished.
template <class Specification>
bool linearizable(const Specification& initial, history h) {
    return detail::linearizable_from(initial, h, 0);
}

inline std::string describe(history h) {
    std::string text;
    for (const record& r : h) {
        text += "  thread " + std::to_string(r.thread) + ": " + r.what.name + "(" + std::to_string(r.what.first) +
                ", " + std::to_string(r.what.second) + ") ";
        text += r.finished ? "= " + std::to_string(r.result) + ", steps " + std::to_string(r.invoked) + " to " +
                                 std::to_string(r.responded)
                           : std::string("unfinished");
        text += "\n";
    }
    return text;
}

}  // namespace longreach::model

#endif
