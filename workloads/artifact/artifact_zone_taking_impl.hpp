// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_TAKING_IMPL_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_TAKING_IMPL_HPP

#include "artifact_zone.hpp"

// What CA paging added to the original's zone: named frames, next-fit placement, reserved frames. Included by
// artifact_zone.hpp.

LONGREACH_NAMESPACE_BEGIN

// ---- named frames ----

inline artifact_taking artifact_zone::take(pfn target, order size) {
    const auto refused = [](artifact_failure why) { return artifact_taking{false, {}, why}; };
    const auto taken = [](artifact_success how) { return artifact_taking{true, how, {}}; };
    const state found_there = state_at(target);
    if (found_there == state::slab) return refused(artifact_failure::uncounted);
    if (in_use(found_there)) return refused(artifact_failure::occupied);
    if (found_there == state::per_cpu) {
        if (size != base_order) return refused(artifact_failure::uncounted);
        take_from_per_cpu(target);
        take_frames(target, size, migrate_type::movable);
        return taken(artifact_success::uncounted);
    }
    const bool spared = size < superpage_order && has(artifact_rule::small_pages_spare_blocks);
    const order limit = spared ? superpage_order : size < superpage_order ? top_order : order{top_order.raw + 1};
    artifact_failure why{};
    const auto heads = [this](pfn block, order of) { return is_head(block, of); };
    std::optional<order> found = order{sizes_[index(target)]};
    if (found_there != state::head) found = containing_block(target, size, limit, heads, why);
    if (!found) return refused(why);
    if (*found < size) return refused(artifact_failure::subblock);
    if (*found > limit) return refused(artifact_failure::uncounted);
    carve(align_down(target, *found), *found, target, size);
    take_frames(target, size, migrate_type::movable);
    reported_free_ -= static_cast<std::int64_t>(size.pages().raw);
    return taken(*found == size ? artifact_success::exact : artifact_success::superblock);
}

inline void artifact_zone::take_from_per_cpu(pfn frame) {
    const unsigned owner = *per_cpu_owner(frame);
    lists_.erase(index(frame));
    --per_cpu_counts_[has(artifact_rule::miscounts_per_cpu) ? cpu_ : owner];
    if (has(artifact_rule::drifting_free_count)) --reported_free_;
}

/// The size of the block around `target`, which is in nobody's use and heads no block itself; else why there is none.
/// `is_head(frame, size)` says which blocks count.
template <class IsHead>
std::optional<order> artifact_zone::containing_block(pfn target, order size, order limit, IsHead&& is_head,
                                                     artifact_failure& why) const noexcept {
    why = artifact_failure::nothing_found;
    if (!has(artifact_rule::climbs_upper_halves)) {
        for (order at = size; at <= limit; ++at.raw) {
            if (is_head(align_down(target, at), at)) return at;
        }
        return std::nullopt;
    }
    // Each step asks whether the sibling heads a block of just the next size: that is the block around the target only
    // where the sibling is the lower half.
    pfn base = target;
    for (order at = size; at < limit; ++at.raw) {
        const pfn sibling{base.raw ^ at.pages().raw};
        const order next{at.raw + 1};
        if (is_head(sibling, next)) return next;
        if (!contains(sibling)) {
            why = artifact_failure::exceed_zone;
            return std::nullopt;
        }
        if (in_use(state_at(sibling))) {
            why = artifact_failure::buddy_occupied;
            return std::nullopt;
        }
        base = align_down(base, next);
    }
    return std::nullopt;
}

/// Takes 2^size frames at `target` out of a free block; what is left becomes free blocks, one of each size.
inline void artifact_zone::carve(pfn block, order from, pfn target, order size) {
    if (from == top_order) map_remove(block, true);
    unlink(block, from);
    if (block == target) return expand(target, size, from, migrate_type::movable);
    while (block != target) {
        --from.raw;
        const pfn upper = block + from.pages();
        if (target < upper) {
            link_back(upper, from, pageblock_type(upper));
        } else {
            link_back(block, from, pageblock_type(block));
            block = upper;
        }
    }
    expand(target, size, from, migrate_type::movable);
}

inline bool artifact_zone::withdraw(pfn frame) {
    if (!contains(frame)) return false;
    if (state_at(frame) == state::per_cpu) {
        const unsigned owner = *per_cpu_owner(frame);
        lists_.erase(index(frame));
        --per_cpu_counts_[owner];
        take_frames(frame, base_order, migrate_type::movable);
        return true;
    }
    for (order at = base_order; at <= top_order; ++at.raw) {
        const pfn block = align_down(frame, at);
        if (!is_head(block, at)) continue;
        carve(block, at, frame, base_order);
        take_frames(frame, base_order, migrate_type::movable);
        --reported_free_;
        return true;
    }
    return false;
}

inline bool artifact_zone::hand_next(pfn frame) {
    if (!withdraw(frame) && !mark(frame, state::used)) return false;
    states_[index(frame)] = state::per_cpu;
    lists_.push_front(per_cpu_list(cpu_, migrate_type::movable), index(frame));
    ++per_cpu_counts_[cpu_];
    return true;
}

inline bool artifact_zone::mark(pfn frame, state as) noexcept {
    if (!contains(frame) || state_at(frame) != state::before) return false;
    states_[index(frame)] = as;
    return true;
}

inline bool artifact_zone::mark_slab(pfn frame) { return mark(frame, state::slab); }

inline bool artifact_zone::mark_unreferenced(pfn frame) { return mark(frame, state::unreferenced); }

// ---- placement ----

inline std::optional<pfn> artifact_zone::choose(page_count wanted) {
    constexpr migrate_type movable = migrate_type::movable;
    if (wanted.raw == 0) return std::nullopt;
    wanted = align_up(pfn{wanted.raw}, top_order) - pfn{0};
    if (lists_.empty(buddy_list(top_order, movable))) return std::nullopt;
    const std::optional<pfn> rover = map_.rover(movable);
    const bool free_head = rover && contains(*rover) && state_at(*rover) == state::head;
    // What the original takes for sound and is not in the map stops it; so does the range that never was.
    const bool trusted = free_head && has(artifact_rule::trusts_small_rover);
    const bool bogus = rover == pfn{0} && !contains(*rover);
    const bool known = free_head && sizes_[index(*rover)] == top_order.raw;
    crashes_ += (trusted && !known) || bogus;
    if (!known) map_.set_rover(movable, map_.first_range(movable));
    return map_.choose(movable, wanted);
}

inline std::optional<pfn> artifact_zone::place(page_count wanted, order size) {
    const std::optional<pfn> chosen = choose(wanted);
    if (!chosen) return std::nullopt;
    map_remove(*chosen, false);
    unlink(*chosen, top_order);
    expand(*chosen, size, top_order, migrate_type::movable);
    take_frames(*chosen, size, migrate_type::movable);
    if (!has(artifact_rule::drifting_free_count)) {
        reported_free_ -= static_cast<std::int64_t>(size.pages().raw);
    }
    return chosen;
}

// ---- frames reserved for the page cache ----

inline void artifact_zone::link_reserved(pfn block, order size) {
    set_states(block, size, state::reserved);
    sizes_[index(block)] = static_cast<std::uint8_t>(size.raw);
    reserved_heads_[index(block)] = true;
    lists_.push_front(reserved_list(size, migrate_type::movable), index(block));
}

inline void artifact_zone::reserve_tail(pfn block, order size) {
    for (order part = base_order; part < size; ++part.raw) link_reserved(block + part.pages(), part);
}

inline artifact_taking artifact_zone::take_reserved(pfn target) {
    const state found_there = state_at(target);
    if (found_there == state::slab) return {false, {}, artifact_failure::uncounted};
    if (in_use(found_there)) return {false, {}, artifact_failure::occupied};
    const auto heads = [this](pfn block, order of) {
        return contains(block) && reserved_heads_[index(block)] && sizes_[index(block)] == of.raw;
    };
    artifact_failure why{};
    std::optional<order> found;
    if (found_there == state::reserved && reserved_heads_[index(target)]) {
        found = order{sizes_[index(target)]};
    } else {
        found = containing_block(target, base_order, top_order, heads, why);
    }
    if (!found) return {false, {}, why};
    pfn block = align_down(target, *found);
    lists_.erase(index(block));
    reserved_heads_[index(block)] = false;
    for (order half = *found; half > base_order;) {
        --half.raw;
        const pfn upper = block + half.pages();
        link_reserved(target < upper ? upper : block, half);
        if (target >= upper) block = upper;
    }
    take_frames(target, base_order, migrate_type::movable);
    return {true, artifact_success::reserved, {}};
}

inline void artifact_zone::release_reserved(frame_run frames) {
    frames = intersection(frames, span_);
    for (pfn frame = frames.first; frame < frames.end(); frame += page_count{1}) {
        if (!reserved_heads_[index(frame)]) continue;
        (void)take_reserved(frame);
        free_to_buddy(frame, base_order, pageblock_type(frame));
    }
}

LONGREACH_NAMESPACE_END

#endif
