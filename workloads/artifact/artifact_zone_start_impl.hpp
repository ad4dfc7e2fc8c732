// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_START_IMPL_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_START_IMPL_HPP

#include "artifact_zone.hpp"

// How the original's zone begins, and what can be asked of it. Included by artifact_zone.hpp.

LONGREACH_NAMESPACE_BEGIN

// ---- the start ----

inline void artifact_zone::add_hole(frame_run frames) noexcept {
    const frame_run inside = intersection(frames, span_);
    for (pfn frame = inside.first; frame < inside.end(); frame += page_count{1}) states_[index(frame)] = state::missing;
}

inline void artifact_zone::append(const listed_blocks& line) {
    for (std::uint64_t i = 0; i < line.blocks; ++i) {
        const pfn block = line.first + page_count{i << line.size.raw};
        if (line.size >= pageblock_order || line.type != migrate_type::movable) set_pageblock_type(block, line.type);
        switch (line.list) {
            case free_list::zone:
                set_states(block, line.size, state::tail);
                link_back(block, line.size, line.type);
                reported_free_ += static_cast<std::int64_t>(line.size.pages().raw);
                break;
            case free_list::per_cpu:
                states_[index(block)] = state::per_cpu;
                lists_.push_back(per_cpu_list(line.cpu, line.type), index(block));
                ++per_cpu_counts_[line.cpu];
                break;
            case free_list::reserved:
                set_states(block, line.size, state::reserved);
                sizes_[index(block)] = static_cast<std::uint8_t>(line.size.raw);
                reserved_heads_[index(block)] = true;
                lists_.push_back(reserved_list(line.size, line.type), index(block));
                break;
        }
    }
}

inline void artifact_zone::donate(frame_run frames) {
    frames = intersection(frames, span_);
    while (!frames.empty()) {
        order size = top_order;
        while (!is_aligned(frames.first, size) || size.pages() > frames.count) --size.raw;
        free_to_buddy(frames.first, size, pageblock_type(frames.first));
        frames = {frames.first + size.pages(), frames.count - size.pages()};
    }
}

inline void artifact_zone::finish_boot() {
    build_map();
    for (std::size_t t = 0; t < migrate_types; ++t) {
        const auto type = static_cast<migrate_type>(t);
        if (lists_.empty(buddy_list(top_order, type))) map_.start_empty(type);
    }
}

/// All types but movable had no block at boot.
inline void artifact_zone::finish_start(std::optional<pfn> rover) {
    build_map();
    for (std::size_t t = 0; t < migrate_types; ++t) {
        const auto type = static_cast<migrate_type>(t);
        if (type != migrate_type::movable && lists_.empty(buddy_list(top_order, type))) map_.start_empty(type);
    }
    if (rover) map_.set_rover(migrate_type::movable, rover);
}

inline void artifact_zone::build_map() {
    started_ = true;
    for (std::size_t t = 0; t < migrate_types; ++t) {
        const auto type = static_cast<migrate_type>(t);
        std::vector<pfn> blocks;
        const std::size_t list = buddy_list(top_order, type);
        for (node n = lists_.first(list); !lists_.is_end(n); n = lists_.next(n)) blocks.push_back(frame_at(n));
        std::sort(blocks.begin(), blocks.end());
        std::optional<pfn> last;
        for (const pfn block : blocks) {
            map_.add(block, type, last && *last + top_order.pages() == block, false);
            last = block;
        }
    }
}

// ---- questions ----

inline bool artifact_zone::is_free(pfn frame) const noexcept {
    if (!exists(frame)) return false;
    return state_at(frame) > state::used_movable;
}

inline bool artifact_zone::in_buddy(pfn frame) const noexcept {
    if (!exists(frame)) return false;
    return state_at(frame) == state::head || state_at(frame) == state::tail;
}

inline std::optional<pfn> artifact_zone::block_behind(pfn block) const noexcept {
    if (!is_head(block, top_order)) return std::nullopt;
    node next = lists_.next(index(block));
    if (lists_.is_end(next)) next = lists_.next(next);
    return frame_at(next);
}

inline std::vector<pfn> artifact_zone::per_cpu_frames(unsigned cpu, migrate_type type) const {
    std::vector<pfn> frames;
    const std::size_t list = per_cpu_list(cpu, type);
    for (node n = lists_.first(list); !lists_.is_end(n); n = lists_.next(n)) frames.push_back(frame_at(n));
    return frames;
}

inline std::optional<unsigned> artifact_zone::per_cpu_owner(pfn frame) const noexcept {
    node n = index(frame);
    while (!lists_.is_end(n)) n = lists_.next(n);
    for (unsigned cpu = 0; cpu < options_.cpus; ++cpu) {
        for (std::size_t type = 0; type < per_cpu_types; ++type) {
            if (n == lists_.end(per_cpu_list(cpu, static_cast<migrate_type>(type)))) return cpu;
        }
    }
    return std::nullopt;
}

inline std::vector<listed_blocks> artifact_zone::dump(zone_name name) const {
    std::vector<listed_blocks> lines;
    const auto add = [&](std::size_t list, order size, migrate_type type, free_list where, unsigned cpu) {
        for (node n = lists_.first(list); !lists_.is_end(n); n = lists_.next(n)) {
            lines.push_back({name, size, type, where, cpu, frame_at(n), 1});
        }
    };
    for (order size = base_order; size <= top_order; ++size.raw) {
        for (std::size_t t = 0; t < migrate_types; ++t) {
            const auto type = static_cast<migrate_type>(t);
            add(buddy_list(size, type), size, type, free_list::zone, 0);
        }
    }
    for (unsigned cpu = 0; cpu < options_.cpus; ++cpu) {
        for (std::size_t t = 0; t < per_cpu_types; ++t) {
            const auto type = static_cast<migrate_type>(t);
            add(per_cpu_list(cpu, type), base_order, type, free_list::per_cpu, cpu);
        }
    }
    for (order size = base_order; size <= top_order; ++size.raw) {
        for (std::size_t t = 0; t < migrate_types; ++t) {
            const auto type = static_cast<migrate_type>(t);
            add(reserved_list(size, type), size, type, free_list::reserved, 0);
        }
    }
    return lines;
}

LONGREACH_NAMESPACE_END

#endif
