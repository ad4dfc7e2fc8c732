// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_BUDDY_IMPL_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_BUDDY_IMPL_HPP

#include "artifact_zone.hpp"

// The ordinary allocator of the original's zone: splitting, merging, migrate types and per-CPU lists, in Linux 4.19's
// order. Included by artifact_zone.hpp.

LONGREACH_NAMESPACE_BEGIN

inline artifact_zone::artifact_zone(frame_run span, artifact_zone_options options)
    : span_(span),
      base_(align_down(span.first, top_order)),
      options_(options),
      lists_((align_up(span.end(), top_order) - base_).raw, 2 * buddy_lists + options.cpus * per_cpu_types),
      states_((align_up(span.end(), top_order) - base_).raw, state::missing),
      sizes_(states_.size()),
      reserved_heads_(states_.size()),
      pageblocks_(states_.size() >> pageblock_order.raw, migrate_type::movable),
      per_cpu_counts_(options.cpus),
      map_(base_, page_count{states_.size()}, options.rules) {
    for (pfn frame = span.first; frame < span.end(); frame += page_count{1}) states_[index(frame)] = state::before;
}

inline void artifact_zone::set_states(pfn first, order size, state to) noexcept {
    const auto from = states_.begin() + static_cast<std::ptrdiff_t>(index(first));
    std::fill_n(from, size.pages().raw, to);
}

inline void artifact_zone::make_head(pfn block, order size) noexcept {
    states_[index(block)] = state::head;
    sizes_[index(block)] = static_cast<std::uint8_t>(size.raw);
    free_frames_ += size.pages();
}

inline void artifact_zone::link_front(pfn block, order size, migrate_type type) {
    make_head(block, size);
    lists_.push_front(buddy_list(size, type), index(block));
}

inline void artifact_zone::link_back(pfn block, order size, migrate_type type) {
    make_head(block, size);
    lists_.push_back(buddy_list(size, type), index(block));
}

/// A free 4 MiB block into its list, by probing the blocks around it for one that is on the list too.
inline void artifact_zone::link_sorted(pfn block, migrate_type type) {
    make_head(block, top_order);
    const std::size_t list = buddy_list(top_order, type);
    const auto on_list = [&](pfn other) { return is_head(other, top_order) && pageblock_type(other) == type; };
    const bool exact = !started_ || !has(artifact_rule::one_sided_sorting);
    for (page_count away = top_order.pages();; away += top_order.pages()) {
        const pfn below = block - away;
        const pfn above = block + away;
        const bool lowest = exact ? below.raw > block.raw || below < base_ : !exists(below);
        const bool highest = exact ? above >= span_.end() : !exists(above);
        if (lowest && highest && !exact) ++crashes_;  // the original puts the block on the list twice
        if (lowest) return lists_.push_front(list, index(block));
        if (on_list(below)) return lists_.insert_after(index(below), index(block));
        if (highest && !exact) return lists_.push_back(list, index(block));
        if (!highest && on_list(above)) return lists_.insert_after(lists_.previous(index(above)), index(block));
    }
}

inline void artifact_zone::unlink(pfn block, order size) noexcept {
    lists_.erase(index(block));
    states_[index(block)] = state::tail;
    free_frames_ -= size.pages();
}

inline void artifact_zone::map_add(pfn block, migrate_type type) {
    if (!started_) return;
    const auto counts = [&](pfn other) { return is_head(other, top_order) && pageblock_type(other) == type; };
    map_.add(block, type, counts(block - top_order.pages()), counts(block + top_order.pages()));
}

inline void artifact_zone::map_remove(pfn block, bool move_rover) {
    if (move_rover) move_rover_off(block);
    const pfn after = block + top_order.pages();
    map_.remove(block, contains(after) ? pageblock_type(after) : pageblock_type(block));
}

/// The rover's block leaves its list: the next one on the list, or the first, is the new rover of that one's type.
inline void artifact_zone::move_rover_off(pfn block) {
    node next = lists_.next(index(block));
    if (lists_.is_end(next)) next = lists_.next(next);
    const pfn successor = frame_at(next);
    const migrate_type slot = pageblock_type(successor);
    if (map_.rover(slot) != block) return;
    if (successor == block) {
        map_.set_rover(slot, std::nullopt);
    } else {
        map_.set_rover(slot, successor);
    }
}

inline void artifact_zone::free_to_buddy(pfn block, order size, migrate_type type) {
    set_states(block, size, state::tail);
    reported_free_ += static_cast<std::int64_t>(size.pages().raw);
    while (size < top_order) {
        const pfn sibling{block.raw ^ size.pages().raw};
        if (!is_head(sibling, size)) break;
        unlink(sibling, size);
        if (sibling < block) block = sibling;
        ++size.raw;
    }
    if (size == top_order) {
        link_sorted(block, type);
        map_add(block, type);
        return;
    }
    // A block whose parent's buddy is free may soon merge twice: it goes to the tail, to be used late.
    const pfn parent = align_down(block, order{size.raw + 1});
    const pfn parents_buddy{parent.raw ^ (size.pages().raw * 2)};
    if (size.raw + 1 < top_order.raw && is_head(parents_buddy, order{size.raw + 1})) {
        link_back(block, size, type);
    } else {
        link_front(block, size, type);
    }
}

/// The upper halves of a block that was taken become free, down to size `low`.
inline void artifact_zone::expand(pfn block, order low, order high, migrate_type type) {
    while (high > low) {
        --high.raw;
        const pfn upper = block + high.pages();
        link_front(upper, high, has(artifact_rule::remainders_follow_request) ? type : pageblock_type(upper));
    }
}

inline void artifact_zone::take_frames(pfn block, order size, migrate_type type) noexcept {
    set_states(block, size, type == migrate_type::movable ? state::used_movable : state::used);
}

inline std::optional<pfn> artifact_zone::take_smallest(order size, migrate_type type) {
    for (order at = size; at <= top_order; ++at.raw) {
        const std::size_t list = buddy_list(at, type);
        if (lists_.empty(list)) continue;
        const pfn block = frame_at(lists_.first(list));
        if (at == top_order) map_remove(block, true);
        unlink(block, at);
        expand(block, size, at, type);
        return block;
    }
    return std::nullopt;
}

inline std::optional<pfn> artifact_zone::take_any(order size, migrate_type type) {
    do {
        if (const std::optional<pfn> block = take_smallest(size, type)) return block;
    } while (steal(size, type));
    return std::nullopt;
}

/// Moves a block of another migrate type to the list of `type`; false where there is none.
inline bool artifact_zone::steal(order size, migrate_type type) {
    using enum migrate_type;
    const std::array<migrate_type, 2> others = type == movable
                                                   ? std::array{reclaimable, unmovable}
                                                   : std::array{type == unmovable ? reclaimable : unmovable, movable};
    const auto other_with = [&](order at) -> std::optional<migrate_type> {
        for (const migrate_type other : others) {
            if (!lists_.empty(buddy_list(at, other))) return other;
        }
        return std::nullopt;
    };
    const auto whole = [&](order at) { return at.raw >= pageblock_order.raw / 2 || type != movable; };
    for (order at = top_order;; --at.raw) {
        if (const std::optional<migrate_type> other = other_with(at)) {
            // Movable requests that cannot have a whole pageblock take the smallest block instead.
            if (!whole(at)) {
                for (order small = size; small < at; ++small.raw) {
                    if (!other_with(small)) continue;
                    at = small;
                    break;
                }
            }
            const migrate_type from = *other_with(at);
            steal_block(frame_at(lists_.first(buddy_list(at, from))), at, type, whole(at));
            return true;
        }
        if (at == size) return false;
    }
}

inline void artifact_zone::steal_block(pfn block, order size, migrate_type type, bool whole) {
    const migrate_type before = pageblock_type(block);
    if (size == pageblock_order) {
        set_pageblock_type(block, type);
    } else if (whole) {
        page_count movable{0};
        const page_count moved = move_pageblock(block, type, movable);
        page_count alike = movable;
        if (type != migrate_type::movable) {
            alike = before == migrate_type::movable ? pageblock_order.pages() - moved - movable : page_count{0};
        }
        if (moved.raw != 0) {
            if ((moved + alike).raw * 2 >= pageblock_order.pages().raw) set_pageblock_type(block, type);
            return;
        }
    }
    if (size == top_order) map_remove(block, true);
    unlink(block, size);
    link_front(block, size, type);
    if (size == top_order) map_add(block, type);
}

/// Moves the free blocks of a pageblock to the lists of `to`; counts them, and frames in use that could be moved.
inline page_count artifact_zone::move_pageblock(pfn block, migrate_type to, page_count& movable) {
    const pfn first = align_down(block, pageblock_order);
    const pfn end = first + pageblock_order.pages();
    page_count moved{0};
    if (end > span_.end()) return moved;
    for (pfn frame = contains(first) ? first : block; frame < end;) {
        const state found = state_at(frame);
        if (found != state::head) {
            movable += page_count{found == state::used_movable};
            frame += page_count{1};
            continue;
        }
        const order size{sizes_[index(frame)]};
        unlink(frame, size);
        link_front(frame, size, to);
        moved += size.pages();
        frame += size.pages();
    }
    return moved;
}

inline void artifact_zone::refill_per_cpu(migrate_type type) {
    const std::size_t list = per_cpu_list(cpu_, type);
    if (!lists_.empty(list)) return;
    for (unsigned i = 0; i < options_.batch; ++i) {
        const std::optional<pfn> frame = take_any(base_order, type);
        if (!frame) return;
        states_[index(*frame)] = state::per_cpu;
        lists_.push_back(list, index(*frame));
        ++per_cpu_counts_[cpu_];
        --reported_free_;
    }
}

inline std::optional<pfn> artifact_zone::take_per_cpu(migrate_type type) {
    refill_per_cpu(type);
    const std::size_t list = per_cpu_list(cpu_, type);
    if (lists_.empty(list)) return std::nullopt;
    const node first = lists_.first(list);
    lists_.erase(first);
    --per_cpu_counts_[cpu_];
    return frame_at(first);
}

inline void artifact_zone::free_per_cpu(pfn frame, migrate_type type) {
    states_[index(frame)] = state::per_cpu;
    lists_.push_front(per_cpu_list(cpu_, type), index(frame));
    if (++per_cpu_counts_[cpu_] >= options_.high) drain_per_cpu(options_.batch);
}

/// Gives back the last frames of the own lists, in turns that grow longer while lists are empty.
inline void artifact_zone::drain_per_cpu(std::uint64_t count) {
    std::vector<std::pair<pfn, migrate_type>> drained;
    std::size_t type = 0;
    std::uint64_t turn = 0;
    while (count > 0) {
        std::size_t passed = 0;
        do {
            ++turn;
            type = (type + 1) % per_cpu_types;
            if (++passed > per_cpu_types) return;  // miscounted: the original would never end
        } while (lists_.empty(per_cpu_list(cpu_, static_cast<migrate_type>(type))));
        const std::size_t list = per_cpu_list(cpu_, static_cast<migrate_type>(type));
        if (turn == per_cpu_types) turn = count;
        do {
            const node last = lists_.last(list);
            lists_.erase(last);
            --per_cpu_counts_[cpu_];
            drained.emplace_back(frame_at(last), static_cast<migrate_type>(type));
        } while (--count > 0 && --turn > 0 && !lists_.empty(list));
    }
    for (const auto& [frame, of] : drained) free_to_buddy(frame, base_order, of);
}

inline bool artifact_zone::has_room(order size, page_count mark) const noexcept {
    const auto wanted = static_cast<std::int64_t>(size.pages().raw);
    const std::int64_t known =
        has(artifact_rule::drifting_free_count) ? reported_free_ : static_cast<std::int64_t>(free_frames_.raw);
    if (known - wanted + 1 <= static_cast<std::int64_t>(mark.raw)) return false;
    if (size == base_order) return true;
    for (order at = size; at <= top_order; ++at.raw) {
        for (std::size_t type = 0; type < per_cpu_types; ++type) {
            if (!lists_.empty(buddy_list(at, static_cast<migrate_type>(type)))) return true;
        }
    }
    return false;
}

inline std::optional<pfn> artifact_zone::allocate(order size, migrate_type type) {
    const std::optional<pfn> block = size == base_order ? take_per_cpu(type) : take_any(size, type);
    if (!block) return std::nullopt;
    if (size != base_order) reported_free_ -= static_cast<std::int64_t>(size.pages().raw);
    take_frames(*block, size, type);
    return block;
}

inline void artifact_zone::free(pfn block, order size) {
    if (size == base_order) {
        free_per_cpu(block, per_cpu_type(pageblock_type(block)));
    } else {
        free_to_buddy(block, size, pageblock_type(block));
    }
}

LONGREACH_NAMESPACE_END

#endif
