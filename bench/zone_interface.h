/* SPDX-License-Identifier: MIT */
#ifndef LONGREACH_BENCH_ZONE_INTERFACE_H
#define LONGREACH_BENCH_ZONE_INTERFACE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A frame allocator as the suite sees it: one zone of the frames 0 to frames - 1, behind plain C functions.
 *
 * Every allocator of the suite, this library's and the baselines, is timed and fuzzed through this table, so all do
 * identical work at identical overhead, and an allocator in any language joins by filling one in.
 * A block of order k is 2^k frames and begins at a multiple of 2^k.
 */
#ifdef __cplusplus
extern "C" {
#endif

#define LONGREACH_NO_FRAME UINT64_MAX

struct longreach_zone_interface {
    const char* name;     /* as printed: lower case, no spaces */
    unsigned max_order;   /* the largest order that allocate and free take */
    unsigned cpus;        /* how many threads may call at a time, each with its own number; 1 where not thread-safe */

    /* A zone of `frames` free frames for CPU numbers 0 to cpus - 1, its metadata touched; null where memory is short. */
    void* (*create)(uint64_t frames, unsigned cpus);
    void (*destroy)(void* zone);

    /*
     * The first frame of a free block that is the caller's from now on, or LONGREACH_NO_FRAME. A zone that cannot hold
     * blocks of different orders at a time refuses those that differ; the suite finds that out and spares it mixed work.
     */
    uint64_t (*allocate)(void* zone, unsigned cpu, unsigned order);
    /* Gives back a block, or an aligned part of one that was allocated at a larger order. */
    void (*release)(void* zone, unsigned cpu, uint64_t frame, unsigned order);
    /* 1 where exactly this block is the caller's from now on, 0 where it is not; null where there is no such call. */
    int (*allocate_at)(void* zone, unsigned cpu, uint64_t frame, unsigned order);

    /* Bytes of metadata that the zone holds. */
    size_t (*metadata_bytes)(const void* zone);
    /* The label of the first broken invariant, or null; the pointer itself may be null. Not during other calls. */
    const char* (*audit)(void* zone);
};

#ifdef __cplusplus
}
#endif

#endif
