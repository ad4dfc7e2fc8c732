// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_VMA_CHECKS_IMPL_HPP
#define LONGREACH_TESTS_MODEL_VMA_CHECKS_IMPL_HPP

#include <longreach/workloads/census.hpp>

#include "vma_trial.hpp"

// What a vma_trial checks after its steps, and at its end; vma_trial.hpp includes it.

namespace longreach::model {

/// Every frame that spaces and files hold was given for a page, and for no page that nobody holds.
template <class Rules>
violation vma_trial<Rules>::audit_holders() {
    const auto visit_all = [&](auto&& visit) {
        for (const member& one : members_) one.space.for_each_hold(visit);
        cache_.for_each_hold(visit);
    };
    if (const violation broken = references_.audit_holders(visit_all)) return broken;
    std::vector<bool> held(managed_.count.raw, false);
    violation broken;
    page_count distinct{0};
    visit_all([&](frame_run frames) {
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) {
            if (account_.purpose(f) != frame_purpose::page) broken = {"vma.I20", f.raw};
            auto one = held[(f - managed_.first).raw];
            distinct += page_count{one ? 0U : 1U};
            one = true;
        }
    });
    if (broken) return broken;
    if (distinct != account_.count(frame_purpose::page)) return {"vma.I9", distinct.raw};
    page_count tables{0};
    for (const member& one : members_) tables += one.space.tables().table_count();
    if (tables != account_.count(frame_purpose::table)) return {"vma.I9", tables.raw};
    if (rules_.free_frames() != account_.count(frame_purpose::free)) return {"vma.I9", rules_.free_frames().raw};
    return {};
}

template <class Rules>
violation vma_trial<Rules>::audit_counters() {
    const placement_counters now = policy_.counters();
    const placement_counters before = std::exchange(counted_, now);
    const bool grown = now.placements >= before.placements && now.replacements >= before.replacements &&
                       now.target_hits >= before.target_hits && now.target_refusals >= before.target_refusals &&
                       now.ordinary >= before.ordinary;
    return grown ? violation{} : violation{"vma.I23", now.placements};
}

template <class Rules>
violation vma_trial<Rules>::audit_census(const space_type& space) const {
    run_counter counter;
    for (const auto& area : space.entries()) {
        counter.next_entry();
        space.for_each_mapping(area.pages, [&](const auto& part) {
            counter.add(part.pages.first.raw, part.frame.raw, part.pages.count.raw);
        });
    }
    const std::uint64_t stretches = counter.stretches.size();
    const census taken =
        take_census(std::move(counter.runs), std::move(counter.stretches), space.resident_superpages());
    if (taken.pages != space.resident_pages().raw || stretches > taken.runs) return {"vma.I24", taken.pages};
    const bool ordered = taken.n80 <= taken.n90 && taken.n90 <= taken.n99 && taken.n99 <= taken.runs &&
                         taken.stretches99 <= taken.n99 && taken.cover32 <= taken.cover128 && taken.cover128 <= 1.0;
    return ordered ? violation{} : violation{"vma.I25", taken.runs};
}

template <class Rules>
violation vma_trial<Rules>::audit() {
    ++counts_.audits;
    if (const violation broken = policy_.audit()) return broken;
    if (const violation broken = cache_.audit()) return broken;
    if (const violation broken = references_.audit()) return broken;
    if (const violation broken = audit_holders()) return broken;
    if (const violation broken = audit_counters()) return broken;
    concerned_[static_cast<std::size_t>(counts_.audits % processes)] = true;
    for (std::size_t i = 0; i < processes; ++i) {
        if (!concerned_[i]) continue;
        const space_type& space = members_[i].space;
        if (const violation broken = space.audit()) return broken;
        if (counts_.audits % 64 != 0) continue;
        if (const violation broken = audit_census(space)) return broken;
    }
    return {};
}

template <class Rules>
violation vma_trial<Rules>::finish() {
    last_ = "finish";
    for (member& one : members_) {
        counts_.superpages += one.space.faults().superpages;
        counts_.copies += one.space.faults().copies;
        one.space.exit();
    }
    for (std::uint32_t file = 0; file < most_files; ++file) {
        if (std::as_const(cache_).find(file) != nullptr && cache_.close(file) != status::ok) return {"vma.I22", file};
    }
    for (const auto& [first, size] : pressure_) {
        account_.give({first, size.pages()}, frame_purpose::neighbour);
        rules_.free_ordinary(first, size);
    }
    pressure_.clear();
    concerned_.fill(true);
    if (const violation broken = audit()) return broken;
    for (std::size_t i = 0; i < free_at_first_.size(); ++i) {
        const pfn f = managed_.first + page_count{i};
        if (rules_.is_free(f) != free_at_first_[i]) return {"vma.I22", f.raw};
    }
    return rules_.audit_empty();
}

}  // namespace longreach::model

#endif
