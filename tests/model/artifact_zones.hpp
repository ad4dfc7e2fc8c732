// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ARTIFACT_ZONES_HPP
#define LONGREACH_TESTS_MODEL_ARTIFACT_ZONES_HPP

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <longreach/workloads/artifact/artifact_zone.hpp>
#include <vector>

// Zones of the original kernel in the states that tests start from, and what there is to see of them. A block is 4 MiB,
// the one size that the kernel's map knows.

namespace longreach::artifact_trial {

inline constexpr pfn base{0x100000};
inline constexpr page_count top = top_order.pages();
inline constexpr page_count superpage = superpage_order.pages();

/// All deviations of the original but one.
constexpr artifact_rules without(artifact_rule rule) { return artifact_rules::all().without(rule); }

/// The n-th block.
constexpr pfn block(std::uint64_t n) { return base + page_count{n * top.raw}; }
constexpr frame_run blocks(std::uint64_t first, std::uint64_t count) {
    return {block(first), page_count{count * top.raw}};
}

inline artifact_zone_options with(artifact_rules rules) {
    artifact_zone_options options;
    options.rules = rules;
    return options;
}

/// Per-CPU lists that take so many frames at once, and give them back at that length.
inline artifact_zone_options in_batches(unsigned batch, unsigned high = artifact_zone_options{}.high) {
    artifact_zone_options options;
    options.batch = batch;
    options.high = high;
    return options;
}

/// A zone, all free.
inline artifact_zone free_zone(frame_run span, const artifact_zone_options& options) {
    artifact_zone zone(span, options);
    zone.donate(span);
    zone.finish_boot();
    return zone;
}
/// One of so many blocks.
inline artifact_zone free_zone(std::uint64_t count, artifact_rules rules = artifact_rules::all()) {
    return free_zone(blocks(0, count), with(rules));
}

/// The same, of which only these blocks are free.
inline artifact_zone zone_with(std::uint64_t count, const std::vector<std::uint64_t>& free,
                               artifact_rules rules = artifact_rules::all()) {
    artifact_zone zone(blocks(0, count), with(rules));
    for (const std::uint64_t n : free) zone.donate(blocks(n, 1));
    zone.finish_boot();
    return zone;
}

/// One free piece of memory, as the record of a start has it.
inline listed_blocks piece(order size, migrate_type type, pfn first, free_list list = free_list::zone) {
    return {zone_name::normal, size, type, list, 0, first, 1};
}
/// A zone of which only these pieces are free.
inline artifact_zone zone_of(frame_run span, const artifact_zone_options& options,
                             std::initializer_list<listed_blocks> pieces) {
    artifact_zone zone(span, options);
    for (const listed_blocks& each : pieces) zone.append(each);
    zone.finish_boot();
    return zone;
}

/// Both superpages of a block leave.
inline void take_block(artifact_zone& zone, std::uint64_t n) {
    ASSERT_TRUE(zone.take(block(n), superpage_order).taken);
    ASSERT_TRUE(zone.take(block(n) + superpage, superpage_order).taken);
}

/// First frames of a buddy list, head to tail.
inline std::vector<pfn> listed(const artifact_zone& zone, order size, migrate_type type = migrate_type::movable,
                               free_list list = free_list::zone) {
    std::vector<pfn> frames;
    for (const listed_blocks& each : zone.dump(zone_name::normal)) {
        if (each.list == list && each.size == size && each.type == type) frames.push_back(each.first);
    }
    return frames;
}

/// The runs of free blocks of the map, in its order.
inline std::vector<frame_run> clusters(const artifact_zone& zone) {
    std::vector<frame_run> runs;
    zone.map().for_each(migrate_type::movable, [&](frame_run r) { runs.push_back(r); });
    return runs;
}

/// Frames on the first processor's lists, of every type.
inline page_count per_cpu_frames(const artifact_zone& zone) {
    std::size_t frames = 0;
    for (std::size_t t = 0; t < 3; ++t) frames += zone.per_cpu_frames(0, static_cast<migrate_type>(t)).size();
    return page_count{frames};
}

inline void expect_sound(const artifact_zone& zone) { EXPECT_EQ(zone.audit().label, nullptr) << zone.audit().label; }

}

#endif
