// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_MEMBARRIER_ATOMICS_HPP
#define LONGREACH_BENCH_MEMBARRIER_ATOMICS_HPP

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <longreach/allocator/atomics.hpp>

// Atomics of a Linux process whose heavy fence reaches every processor that runs one of its threads, so the light one
// need only hold back the compiler. Source: membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED, Linux 4.14.

namespace longreach::bench {

struct membarrier_atomics : builtin_atomics {
    /// Whether the kernel offers it; call once before the first fence.
    [[nodiscard]] static bool prepare() noexcept {
        return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    }
    static void light_fence() noexcept { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
    static void heavy_fence() noexcept {
        const long done = ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
        LONGREACH_CHECK(done == 0, "membarrier_atomics.prepare");
    }
};

}  // namespace longreach::bench

#endif
