// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_AUDIT_IMPL_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_AUDIT_IMPL_HPP

#include "artifact_zone.hpp"

// Checks of the original's zone, from the ground. Included by artifact_zone.hpp.

LONGREACH_NAMESPACE_BEGIN

inline violation artifact_zone::audit() const {
    std::uint64_t on_lists = 0;
    std::uint64_t reserved = 0;
    for (order size = base_order; size <= top_order; ++size.raw) {
        for (std::size_t t = 0; t < migrate_types; ++t) {
            const auto type = static_cast<migrate_type>(t);
            if (const violation v = audit_list(buddy_list(size, type), size, state::head, on_lists)) return v;
            if (const violation v = audit_list(reserved_list(size, type), size, state::reserved, reserved)) return v;
        }
    }
    std::uint64_t per_cpu = 0;
    std::int64_t counted = 0;
    for (unsigned cpu = 0; cpu < options_.cpus; ++cpu) {
        counted += per_cpu_counts_[cpu];
        for (std::size_t t = 0; t < per_cpu_types; ++t) {
            const std::size_t list = per_cpu_list(cpu, static_cast<migrate_type>(t));
            if (const violation v = audit_list(list, base_order, state::per_cpu, per_cpu)) return v;
        }
    }
    if (on_lists != free_frames_.raw) return {"artifact_zone.I8", free_frames_.raw};
    if (counted != static_cast<std::int64_t>(per_cpu)) return {"artifact_zone.I8", per_cpu};
    std::array<std::uint64_t, 4> states{};  // free, per-CPU, reserved, others
    for (const state each : states_) {
        const bool free = each == state::head || each == state::tail;
        ++states[free ? 0 : each == state::per_cpu ? 1 : each == state::reserved ? 2 : 3];
    }
    if (states[0] != on_lists || states[1] != per_cpu || states[2] != reserved) return {"artifact_zone.I9", on_lists};
    if (const violation v = audit_free_blocks()) return v;
    return audit_map();
}

/// The frames of a list have the list's state and size and are linked both ways; adds them up.
inline violation artifact_zone::audit_list(std::size_t list, order size, state head, std::uint64_t& frames) const {
    for (node n = lists_.first(list); !lists_.is_end(n); n = lists_.next(n)) {
        const bool sized = head == state::per_cpu || sizes_[n] == size.raw;
        const bool linked = lists_.previous(lists_.next(n)) == n && lists_.next(lists_.previous(n)) == n;
        if (states_[n] != head || !sized || !linked) return {"artifact_zone.I28", frame_at(n).raw};
        frames += size.pages().raw;
        if (frames > states_.size()) return {"artifact_zone.I28", frame_at(n).raw};
    }
    return {};
}

inline violation artifact_zone::audit_free_blocks() const {
    for (pfn frame = span_.first; frame < span_.end();) {
        if (state_at(frame) != state::head) {
            if (state_at(frame) == state::tail) return {"artifact_zone.I7", frame.raw};
            frame += page_count{1};
            continue;
        }
        const order size{sizes_[index(frame)]};
        const pfn end = frame + size.pages();
        if (size > top_order || !is_aligned(frame, size) || end > span_.end()) return {"artifact_zone.I7", frame.raw};
        if (size < top_order && is_head(pfn{frame.raw ^ size.pages().raw}, size)) {
            return {"artifact_zone.I7", frame.raw};
        }
        for (frame += page_count{1}; frame < end; frame += page_count{1}) {
            if (state_at(frame) != state::tail) return {"artifact_zone.I7", frame.raw};
        }
    }
    return {};
}

inline violation artifact_zone::audit_map() const {
    if (!started_) return {};
    if (const violation v = map_.audit()) return v;
    std::uint64_t blocks = 0;
    std::uint64_t mapped = 0;
    for (std::size_t t = 0; t < migrate_types; ++t) mapped += map_.blocks(static_cast<migrate_type>(t));
    for (pfn block = base_; block < span_.end(); block += top_order.pages()) {
        const bool free = is_head(block, top_order);
        blocks += free;
        if (free != map_.knows(block)) return {"artifact_zone.I4", block.raw};
    }
    if (blocks != mapped) return {"artifact_zone.I1", blocks};
    const std::optional<pfn> rover = map_.rover(migrate_type::movable);
    if (rover && !contains(*rover) && rover != pfn{0}) return {"artifact_zone.I6", rover->raw};
    if (!rover && map_.first_range(migrate_type::movable)) return {"artifact_zone.I6", 0};
    return {};
}

LONGREACH_NAMESPACE_END

#endif
