// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_INTERRUPTION_HPP
#define LONGREACH_BENCH_LONGREACH_INTERRUPTION_HPP

// Long jobs that end in good order when a user presses ^C.

namespace longreach {

/// From now on the first SIGINT or SIGTERM is only noted; the second ends the program at once.
void note_interruptions() noexcept;

/// The signal that was noted; 0 where there was none.
[[nodiscard]] int interruption() noexcept;

}

#endif
