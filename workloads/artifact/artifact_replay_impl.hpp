// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_REPLAY_IMPL_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_REPLAY_IMPL_HPP

#include "artifact_replay.hpp"

// The start, the inferences and the results of a replay. Included by artifact_replay.hpp.

LONGREACH_NAMESPACE_BEGIN

inline std::vector<artifact_zone> artifact_replay::start_zones(const recorded_case& record, artifact_rules rules) {
    unsigned cpus = 1;
    for (const listed_blocks& line : record.start.blocks) cpus = std::max(cpus, line.cpu + 1);
    std::vector<artifact_zone> zones;
    for (const zone_name name : {zone_name::normal, zone_name::dma32}) {
        const auto at = static_cast<std::size_t>(name);
        artifact_zone_options options;
        options.rules = rules;
        options.cpus = cpus;
        options.managed = recorded_managed[at];
        options.low = recorded_watermarks(name).low;
        options.least = recorded_watermarks(name).least;
        artifact_zone& zone = zones.emplace_back(zone_spans[at], options);
        for (const listed_blocks& line : record.start.blocks) {
            if (line.zone == name) zone.append(line);
        }
        zone.finish_start(record.start.rover[at]);
    }
    return zones;
}

/// An area that is new to the record is new here; one with pages from before the log began has an offset, which its
/// first fault in the log shows, with the start of the record above.
inline void artifact_replay::learn(const case_fault& fault, page_run area) {
    if (is_first_of_area(fault)) return policy_.release(fault.process, area);
    if (!fault.target || !fault.wanted || policy_.records(fault.process, area).size() != 0) return;
    const bool present = processes_[fault.process].memory().first_mapped(area) != area.end();
    const bool copied = copies_.count(fault.process) != 0 && !rules_.has(artifact_rule::children_aim_at_parents);
    if (!present || copied) return;
    const bool below = *fault.wanted == area.end() - fault.page || fault.wanted->raw == 0;
    const vpn first = below ? fault.page : fault.page + *fault.wanted;
    policy_.learn(fault.process, area, first, offset_between(fault.page, *fault.target));
    comparisons_[fault.process].note(fault, "offset of an area that was placed before the log began");
}

/// A free target that the record found in use was taken in between. Of frames in use since before the start nothing is
/// known: refused without a count they are slabs, refused for a sibling they have no reference count of their own.
inline void artifact_replay::infer_target(const case_fault& fault) {
    const std::optional<pfn> wanted = wanted_frame(fault);
    if (!wanted || !fault.success_kind.empty() || fault.got == wanted) return;
    for (artifact_zone& zone : zones_) {
        if (!zone.contains(*wanted)) continue;
        if (fault.fail_reasons == "OCCUPIED" && zone.withdraw(*wanted)) inferred("target in use", *wanted);
        if (fault.fail_reasons.empty() && zone.mark_slab(*wanted)) inferred("slab at the target", *wanted);
        if (fault.fail_reasons == "BUDDY_OCCUPIED" && zone.mark_unreferenced(*wanted)) {
            inferred("target inside a block", *wanted);
        }
    }
}

/// Heads of the per-CPU list that the record does not know any more were taken in between, by the end of the list at
/// most once.
inline void artifact_replay::prepare_ordinary(artifact_zone& zone, order size) {
    if (current_ == nullptr || size != base_order || !current_->got || !zone.contains(*current_->got)) return;
    zone.refill_per_cpu(migrate_type::movable);
    if (withdraw_heads(zone, *current_->got)) return;
    if (ordinary_frames_given()) {
        if (zone.hand_next(*current_->got)) inferred("ordinary frame", *current_->got);
        return;
    }
    artifact_zone emptied = zone;
    for (const pfn frame : emptied.per_cpu_frames(0, migrate_type::movable)) (void)emptied.withdraw(frame);
    emptied.refill_per_cpu(migrate_type::movable);
    const std::vector<pfn> next = emptied.per_cpu_frames(0, migrate_type::movable);
    if (std::find(next.begin(), next.end(), *current_->got) == next.end()) return;
    for (const pfn frame : zone.per_cpu_frames(0, migrate_type::movable)) {
        (void)zone.withdraw(frame);
        inferred("per-CPU frame gone", frame);
    }
    zone.refill_per_cpu(migrate_type::movable);
    (void)withdraw_heads(zone, *current_->got);
}

/// Takes what lies before `frame` on the per-CPU list; false where it is not on the list.
inline bool artifact_replay::withdraw_heads(artifact_zone& zone, pfn frame) {
    const std::vector<pfn> list = zone.per_cpu_frames(0, migrate_type::movable);
    const auto found = std::find(list.begin(), list.end(), frame);
    if (found == list.end()) return false;
    for (auto gone = list.begin(); gone != found; ++gone) {
        (void)zone.withdraw(*gone);
        inferred("per-CPU frame gone", *gone);
    }
    return true;
}

/// Where the recorded rover stands one block further than ours, the rover's block was taken in between: for kernel
/// objects, the only other use of whole blocks.
inline void artifact_replay::infer_rover(const case_fault& fault) {
    artifact_zone& zone = zones_.front();
    const std::optional<pfn> rover = zone.rover();
    if (!rover || !fault.rover_after || fault.rover_after == rover) return;
    if (zone.block_behind(*rover) != fault.rover_after) return;
    artifact_zone taken = zone;
    constexpr order largest_slab{3};
    if (taken.allocate(largest_slab, migrate_type::unmovable) && taken.rover() == fault.rover_after) {
        (void)zone.allocate(largest_slab, migrate_type::unmovable);
        inferred("block of the rover gone", *rover);
    }
}

/// What an audit finds, and whether a frame that was given out is free or given out twice.
inline std::string artifact_replay::failure() const {
    if (const violation broken = policy_.audit()) return absl::StrFormat("%s at 0x%x", broken.label, broken.where);
    std::vector<frame_run> owned;
    for (const artifact_process& process : processes_) {
        for (const auto& [page, leaf] : process.memory().leaves()) {
            if (!leaf.foreign) owned.push_back({leaf.frame, leaf.size.pages()});
        }
    }
    std::sort(owned.begin(), owned.end(), [](const frame_run& a, const frame_run& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < owned.size(); ++i) {
        if (i > 0 && owned[i - 1].end() > owned[i].first) {
            return absl::StrFormat("artifact_replay.I20 at 0x%x", owned[i].first.raw);
        }
        for (const artifact_zone& zone : zones_) {
            for (pfn frame = owned[i].first; frame < owned[i].end(); frame += page_count{1}) {
                if (zone.is_free(frame)) return absl::StrFormat("artifact_replay.I9 at 0x%x", frame.raw);
            }
        }
    }
    return {};
}

inline census artifact_replay::take_census_of(const std::vector<page_run>& areas, const replayed_process& memory) {
    std::vector<mapping<vpn, pfn>> mapped;
    std::uint64_t superpages = 0;
    for (const auto& [page, leaf] : memory.leaves()) {
        mapped.push_back({{vpn{page}, leaf.size.pages()}, leaf.frame});
        const auto holds = [&](const page_run& area) { return area.contains(mapped.back().pages); };
        superpages += leaf.size == superpage_order && std::any_of(areas.begin(), areas.end(), holds);
    }
    return census_of_areas(areas, mapped, superpages);
}

inline std::vector<case_result> artifact_replay::results() const {
    std::vector<case_result> results;
    const std::string broken = failure();
    for (std::size_t p = 0; p < processes_.size(); ++p) {
        const case_process& process = record_.processes[p];
        case_result result = result_of(record_, p, "artifact");
        if (record_.logged) result.agreement = agreements_[p];
        result.found = take_census_of(process.counted, ends_[p] ? *ends_[p] : processes_[p].memory());
        result.differences = comparisons_[p].lines();
        if (policy_.livelocks() != 0) {
            result.differences.push_back(absl::StrFormat(
                "%d faults without a 2 MiB block: the original tries again for ever", policy_.livelocks()));
        }
        if (denied_ != 0) result.differences.push_back(absl::StrFormat("%d touches without memory", denied_));
        result.failure = broken;
        results.push_back(std::move(result));
    }
    return results;
}

LONGREACH_NAMESPACE_END

#endif
