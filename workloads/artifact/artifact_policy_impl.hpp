// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_POLICY_IMPL_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_POLICY_IMPL_HPP

#include "artifact_policy.hpp"

// Faults of the original, step by step. Included by artifact_policy.hpp.

LONGREACH_NAMESPACE_BEGIN

/// Linux knows of frames by sections of 128 MiB: any frame of a section with memory counts as one.
inline bool artifact_policy::is_valid(pfn wanted) const noexcept {
    constexpr order section{15};
    for (const artifact_zone& zone : zones_) {
        const frame_run span = zone.span();
        if (align_down(wanted, section) >= align_down(span.first, section) && wanted < align_up(span.end(), section)) {
            return true;
        }
    }
    return false;
}

inline void artifact_policy::give_back(pfn block, order size) {
    for (artifact_zone& zone : zones_) {
        if (!zone.contains(block)) continue;
        zone.free(block, size);
        return;
    }
    LONGREACH_CHECK(false, "artifact_policy.foreign_frame");
}

/// Offers the zones in turn to `use(zone)` until it is served: first those that stay above the low watermark.
template <class Use>
void artifact_policy::each_zone_with_room(order size, Use&& use) {
    for (const bool pressed : {false, true}) {
        for (artifact_zone& zone : zones_) {
            const artifact_zone_options& limits = zone.options();
            if (zone.has_room(size, pressed ? limits.least : limits.low) && use(zone)) return;
        }
    }
}

inline std::optional<pfn> artifact_policy::allocate_ordinary(order size, migrate_type type) {
    std::optional<pfn> block;
    each_zone_with_room(size, [&](artifact_zone& zone) { return (block = zone.allocate(size, type)).has_value(); });
    return block;
}

inline artifact_decision artifact_policy::decide(const placement_request<vpn>& request) {
    artifact_decision made;
    if (hung_.count(request.space) != 0) return made;
    if (plain_.count(request.space) != 0) {
        made.got = allocate_ordinary(request.size, migrate_type::movable);
        summary_.ordinary += made.got.has_value();
        return made;
    }
    bool alone = request.alone || !has(artifact_rule::latecomers_miss);
    if (request.grows_down && has(artifact_rule::stacks_stay_out)) alone = false;
    artifact_offsets& offsets = areas_.find(request.space, request.area);
    aim(request, alone, offsets, made);
    serve(request.size, areas_.pages(request.space), made);
    const bool records = request.size == superpage_order || !has(artifact_rule::small_faults_leave_no_record);
    if (alone && records && made.got && made.got != made.target) {
        made.made.push_back({request.page, offset_between(request.page, *made.got)});
        offsets.insert(request.page, made.made.back().value, rules_);
    }
    if (!made.got && request.size == superpage_order) {
        ++livelocks_;
        if (has(artifact_rule::retries_forever)) hung_.insert(request.space);
    }
    count(made);
    return made;
}

inline void artifact_policy::serve(order size, page_count process_pages, artifact_decision& made) {
    each_zone_with_room(size, [&](artifact_zone& zone) {
        try_zone(zone, size, process_pages, made);
        return made.got.has_value();
    });
}

/// What the fault aims at; a first fault places its area for that.
inline void artifact_policy::aim(const placement_request<vpn>& request, bool alone, artifact_offsets& offsets,
                                 artifact_decision& made) {
    const artifact_offsets::found known = offsets.lookup(request.page, rules_);
    map_offset<vpn, pfn> offset = known.value.value_or(map_offset<vpn, pfn>{});
    made.wanted = known.ceiling.value_or(request.area.end()) - request.page;
    if (!alone) made.wanted = page_count{0};
    if (alone && !known.value) {
        const bool unaligned = has(artifact_rule::unaligned_offsets);
        const vpn anchor = unaligned ? request.area.first : align_down(request.area.first, superpage_order);
        made.placed = zones_.front().choose(request.area.end() - anchor);
        offset = offset_between(anchor, made.placed.value_or(no_frame));
        offsets.insert(request.page, offset, rules_);
        made.made.push_back({request.page, offset});
        if (has(artifact_rule::boundless_first_wish)) made.wanted = std::nullopt;
    }
    const pfn target = offset.apply(request.page);
    if (is_valid(target) && target.raw != 0) made.target = target;
}

/// The target, else (for 2 MiB) a new place, else any frames of the zone.
inline void artifact_policy::try_zone(artifact_zone& zone, order size, page_count process_pages,
                                      artifact_decision& made) {
    if (made.target) {
        const pfn target = align_up(*made.target, size);
        artifact_zone* holder = &zone;
        if (has(artifact_rule::large_process_spills) && process_pages > zone.managed()) {
            for (artifact_zone& other : zones_) {
                if (other.contains(target)) holder = &other;
            }
        }
        counters_.attempt();
        artifact_taking taking{false, {}, artifact_failure::numa};
        if (!is_valid(*made.target)) {
            taking.why = artifact_failure::invalid_pfn;
        } else if (holder->contains(target)) {
            taking = holder->take(target, size);
        }
        if (taking.taken) {
            counters_.succeeded(size, taking.how);
            made.success = taking.how;
            made.got = target;
            return;
        }
        counters_.failed(size, taking.why);
        made.failures.push_back(taking.why);
        if (size == superpage_order || !has(artifact_rule::small_faults_leave_no_record)) {
            made.got = zone.place(made.wanted.value_or(boundless), size);
            made.replaced = made.got.has_value();
            if (made.got) return;
        }
    }
    if (before_ordinary_) before_ordinary_(zone, size);
    made.got = zone.allocate(size, migrate_type::movable);
}

inline void artifact_policy::count(const artifact_decision& made) noexcept {
    summary_.placements += made.placed.has_value();
    summary_.replacements += made.replaced;
    summary_.target_hits += made.success.has_value();
    summary_.target_refusals += made.failures.size();
    summary_.ordinary += made.got && !made.replaced && !made.success;
}

LONGREACH_NAMESPACE_END

#endif
