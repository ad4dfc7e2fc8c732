// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_SOUND_REPLAY_HPP
#define LONGREACH_WORKLOADS_CASES_SOUND_REPLAY_HPP

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../../allocator/ca_paging.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/placement.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../census.hpp"
#include "../zone.hpp"
#include "case_census.hpp"
#include "case_memory.hpp"
#include "case_result.hpp"
#include "ideal_placement.hpp"
#include "recorded_case.hpp"
#include "replayed_process.hpp"

// Replays a recorded case under the rules of ca_paging: the same free memory, the same faults in the same order and
// of the same sizes, but frames of its own choice.
//
// All zones are one memory, and a frame that the kernel kept on a per-CPU list is free. A process without CA paging
// takes any block, 2 MiB where one is free. Every touched 2 MiB of a process takes one frame for a page table. Not
// for the original's own rules, which are in artifact/.

LONGREACH_NAMESPACE_BEGIN

class sound_replay {
  public:
    explicit sound_replay(const recorded_case& recorded)
        : recorded_(recorded),
          zone_(case_memory, block_choice::adaptive),
          pieces_(ca_paging<vpn, pfn>::required_bytes(case_memory.raw / 512 + 4096)),
          policy_(zone_.frames(), zone_.clusters(), pieces_.bytes()),
          processes_(recorded.processes.size()),
          ended_(recorded.processes.size()),
          tables_(recorded.processes.size()) {
        const std::vector<frame_run> used = used_runs_of(recorded.start);
        std::size_t culprit = 0;
        if (zone_.frames().allocate_runs_at(used, culprit) != status::ok) failure_ = "recorded free blocks overlap";
        free_at_start_ = zone_.frames().free_frames();
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            const bool superpages = recorded.processes[i].superpages;
            const replayed_process like = superpages ? areas_at_start(recorded, i) : replayed_process{};
            for (const mapping<vpn, pfn>& part : recorded.processes[i].before) processes_[i].add_foreign(part, like);
            for (const auto& [page, present] : processes_[i].leaves()) tables_[i][region_of(vpn{page})] = std::nullopt;
        }
    }

    /// Performs all steps; false where a check failed on the way, or where `keep_going`, which is asked every now and
    /// then, said no.
    bool run(std::function<bool()> keep_going = {}) {
        keep_going_ = std::move(keep_going);
        std::uint64_t performed = 0;
        for (const case_step& step : recorded_.steps) {
            if (!failure_.empty() || !goes_on()) return false;
            perform(step);
            if (++performed % steps_between_audits == 0) check();
        }
        check();
        return failure_.empty() && !stopped_;
    }
    /// Whether `keep_going` said no.
    [[nodiscard]] bool stopped() const noexcept { return stopped_; }

    /// What an audit or a check found broken; empty for nothing.
    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

    /// How the areas of a process that count lie, at the end or when it ended.
    [[nodiscard]] census count(std::size_t number) const {
        std::vector<mapping<vpn, pfn>> mapped;
        std::uint64_t superpages = 0;
        const std::vector<page_run>& counted = recorded_.processes[number].counted;
        for (const auto& [first, mapped_leaf] : process(number).leaves()) {
            const page_run pages{vpn{first}, mapped_leaf.size.pages()};
            mapped.push_back({pages, mapped_leaf.frame});
            const auto touches = [&](const page_run& area) { return area.overlaps(pages); };
            if (mapped_leaf.size == superpage_order && std::any_of(counted.begin(), counted.end(), touches))
                ++superpages;
        }
        return census_of_areas(counted, mapped, superpages);
    }

    /// Touches that found no frame at all.
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
    [[nodiscard]] placement_counters counters() const noexcept { return policy_.counters(); }
    /// A process's memory at the end, or when it ended.
    [[nodiscard]] const replayed_process& process(std::size_t number) const {
        return ended_[number] ? *ended_[number] : processes_[number];
    }
    [[nodiscard]] const buddy& frames() noexcept { return zone_.frames(); }

  private:
    using leaf = replayed_process::leaf;

    static constexpr std::uint64_t steps_between_audits = 16384;
    static constexpr std::uint64_t moves_between_questions = 256;  ///< steps and touched 2 MiB: some milliseconds

    [[nodiscard]] static std::uint64_t region_of(vpn page) noexcept { return page.raw >> superpage_order.raw; }

    [[nodiscard]] bool goes_on() {
        if (keep_going_ && !stopped_ && ++moves_ % moves_between_questions == 0) stopped_ = !keep_going_();
        return !stopped_;
    }

    void perform(const case_step& step) {
        replayed_process& p = processes_[step.process];
        switch (step.what) {
            case case_step::kind::fault:
                return replay(recorded_.faults[step.fault]);
            case case_step::kind::map:
                return p.map({step.pages, step.grows_up, step.grows_down, step.separate});
            case case_step::kind::unmap:
                return unmap(step.process, step.pages);
            case case_step::kind::fork:
                return fork(p, step.child);
            case case_step::kind::exit:
                ended_[step.process] = p;
                return unmap(step.process, {vpn{0}, page_count{std::uint64_t{1} << 52}});
            case case_step::kind::plain_touch:
                return touch(step.process, step.pages);
        }
    }

    [[nodiscard]] placement_request<vpn> request_for(unsigned process, vpn page, order size, page_run area) const {
        const replayed_process::area* known = processes_[process].find_area(page);
        const bool up = known != nullptr && known->grows_up;
        const bool down = known != nullptr && known->grows_down;
        return {process, page, size, area, up, down};
    }

    /// A fault of the log. The kernel repeats one that got nothing, in the next line.
    void replay(const case_fault& fault) {
        if (!fault.got) return;
        const placement_request<vpn> request =
            request_for(fault.process, fault.page, fault.size, recorded_.areas[fault.area].pages);
        if (!serve(request)) touch_base_pages(request, {fault.page, fault.size.pages()});
    }

    /// Touches pages one after the other as a program does, 2 MiB at once where area and memory allow it.
    void touch(unsigned process, page_run pages) {
        const replayed_process& p = processes_[process];
        const bool superpages = recorded_.processes[process].superpages;
        for (vpn page = pages.first; page < pages.end() && goes_on();) {
            const replayed_process::area* known = p.find_area(page);
            const page_run region{align_down(page, superpage_order), superpage_order.pages()};
            placement_request<vpn> request =
                request_for(process, region.first, superpage_order, known != nullptr ? known->pages : pages);
            const bool fits = superpages && request.area.contains(region) &&
                              (p.first_mapped(region) == region.end() || copies_superpage(process, page));
            const page_run part = intersection(region, pages);
            if (!fits || !serve(request)) touch_base_pages(request, part);
            page = part.end();
        }
    }
    void touch_base_pages(placement_request<vpn> request, page_run pages) {
        request.size = base_order;
        for (request.page = pages.first; request.page < pages.end(); request.page += page_count{1}) {
            const auto old = processes_[request.space].leaf_from(request.page);
            const bool mapped = processes_[request.space].first_mapped({request.page, page_count{1}}) == request.page;
            if (mapped && !is_shared(request.page, *old)) continue;
            if (!serve(request)) ++refused_;
        }
    }

    /// Gives the block a frame, and its 2 MiB a table; false, and nothing has changed, where there is none. Pages that
    /// are mapped already get another frame: they are copied.
    [[nodiscard]] bool serve(const placement_request<vpn>& request) {
        const unsigned process = request.space;
        const bool ca = recorded_.processes[process].ca;
        const std::optional<pfn> block =
            ca ? policy_.allocate(request, processes_[process]) : policy_.allocate_anywhere(request.size);
        if (!block) return false;
        if (tables_[process].count(region_of(request.page)) == 0) {
            const std::optional<pfn> table = policy_.allocate_table();
            if (!table) {
                give_back(process, request.page, {*block, request.size});
                return false;
            }
            tables_[process][region_of(request.page)] = table;
        }
        discard(process, {request.page, request.size.pages()});
        processes_[process].add(request.page, {*block, request.size});
        return true;
    }

    /// Takes the pages' frames away.
    void discard(unsigned process, page_run pages) {
        for (const vpn edge : {pages.first, pages.end()}) processes_[process].split_at(edge);
        processes_[process].remove(pages, [&](vpn page, const leaf& gone) { give_back(process, page, gone); });
    }

    void unmap(unsigned process, page_run pages) {
        discard(process, pages);
        processes_[process].unmap(pages);
        if (recorded_.processes[process].ca) policy_.release(process, pages);
        auto& tables = tables_[process];
        for (auto it = tables.lower_bound(region_of(pages.first)); it != tables.end();) {
            const page_run region{vpn{it->first << superpage_order.raw}, superpage_order.pages()};
            if (region.first >= pages.end()) break;
            if (processes_[process].first_mapped(region) != region.end()) {
                ++it;
                continue;
            }
            if (it->second) policy_.free_table(*it->second);
            it = tables.erase(it);
        }
    }

    /// The child shares its parent's frames until one of them writes.
    void fork(const replayed_process& parent, unsigned child) {
        processes_[child].become_copy_of(parent);
        for (const auto& [page, shared] : parent.leaves()) {
            tables_[child][region_of(vpn{page})] = std::nullopt;
            for (std::uint64_t i = 0; i < shared.size.pages().raw; ++i) ++others_[shared.frame.raw + i];
        }
        for (auto& [region, table] : tables_[child]) table = policy_.allocate_table();
    }
    /// Whether another process has the frame of the page, which the leaf holds.
    [[nodiscard]] bool is_shared(vpn page, const replayed_process::leaf_map::value_type& mapped) const {
        return others_.contains((mapped.second.frame + (page - vpn{mapped.first})).raw);
    }
    /// Whether a write to the page copies a whole 2 MiB leaf.
    [[nodiscard]] bool copies_superpage(unsigned process, vpn page) const {
        const auto found = processes_[process].leaf_from(page);
        return found->second.size == superpage_order && is_shared(page, *found);
    }

    /// A process gives a leaf up; frames that no other has are free.
    void give_back(unsigned process, vpn page, const leaf& gone) {
        if (others_.empty()) return gone.foreign ? void() : free(process, page, gone.frame, gone.size);
        for (page_count i{0}; i < gone.size.pages(); i += page_count{1}) {
            const auto shared = others_.find((gone.frame + i).raw);
            if (shared == others_.end()) {
                if (!gone.foreign) free(process, page + i, gone.frame + i, base_order);
            } else if (--shared->second == 0) {
                others_.erase(shared);
            }
        }
    }
    void free(unsigned process, vpn page, pfn block, order size) {
        if (recorded_.processes[process].ca) return policy_.free(process, page, block, size);
        zone_.frames().free(block, size);
    }

    /// The audits, and that every frame that left the free memory is held by a page or as a table, exactly once.
    void check() {
        if (!failure_.empty()) return;
        if (const violation broken = policy_.audit()) {
            failure_ = absl::StrCat("audit: ", broken.label, " at ", broken.where);
            return;
        }
        std::vector<frame_run> held;
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            for (const auto& [page, mapped] : processes_[i].leaves()) {
                if (!mapped.foreign) held.push_back({mapped.frame, mapped.size.pages()});
            }
            for (const auto& [region, table] : tables_[i]) {
                if (table) held.push_back({*table, page_count{1}});
            }
        }
        std::sort(held.begin(), held.end(), [](const frame_run& a, const frame_run& b) { return a.first < b.first; });
        page_count frames{};
        pfn end{0};
        for (const frame_run& run : held) {
            if (run.first < end && others_.empty()) failure_ = absl::StrCat("two owners of frame ", run.first.raw);
            if (zone_.frames().count_free_in(run).raw != 0)
                failure_ = absl::StrCat("a used frame is free in ", run.first.raw);
            frames += run.end() <= end ? page_count{0} : run.end() - std::max(run.first, end);
            end = std::max(end, run.end());
        }
        if (zone_.frames().free_frames() + frames != free_at_start_) failure_ = "frames were lost or made";
    }

    const recorded_case& recorded_;
    simulated_zone<pfn> zone_;
    lazy_memory pieces_;
    ca_paging<vpn, pfn> policy_;
    std::vector<replayed_process> processes_;
    std::vector<std::optional<replayed_process>> ended_;  ///< as they were when they exited
    /// By process and number of the 2 MiB region; nothing where the table is older than the log, or could not be had.
    std::vector<absl::btree_map<std::uint64_t, std::optional<pfn>>> tables_;
    absl::flat_hash_map<std::uint64_t, unsigned> others_;  ///< by shared frame: how many processes have it, less one
    page_count free_at_start_{};
    std::uint64_t refused_ = 0;
    std::function<bool()> keep_going_;
    std::uint64_t moves_ = 0;
    bool stopped_ = false;
    std::string failure_;
};

namespace detail {

/// What an offline placement needs to know of a process.
struct process_wish {
    std::vector<std::uint64_t> lengths;     ///< of its touched stretches
    std::vector<wanted_stretch> stretches;  ///< those parts of them that the replay gave frames
    std::vector<frame_run> had;             ///< frames that its pages had before
    std::vector<std::uint64_t> fixed;       ///< lengths of the runs that these pages form
};

[[nodiscard]] inline process_wish wish_of(const recorded_case& recorded, const sound_replay& replay, unsigned process) {
    process_wish wish;
    run_counter all;
    run_counter fixed;
    const replayed_process& p = replay.process(process);
    constexpr vpn nowhere{~std::uint64_t{0}};
    for (const page_run& area : recorded.processes[process].counted) {
        all.next_entry();
        fixed.next_entry();
        vpn joins = nowhere;  // the page that would carry the last stretch on
        for (auto it = p.leaf_from(area.first); it != p.leaves().end() && vpn{it->first} < area.end(); ++it) {
            const auto& [first, mapped] = *it;
            const page_run part = intersection(area, page_run{vpn{first}, mapped.size.pages()});
            const pfn frame = mapped.frame + (part.first - vpn{first});
            all.add(part.first.raw, frame.raw, part.count.raw);
            if (mapped.foreign) {
                fixed.add(part.first.raw, frame.raw, part.count.raw);
                wish.had.push_back({frame, part.count});
                joins = nowhere;
                continue;
            }
            if (joins != part.first) wish.stretches.push_back({process, {part.first, page_count{0}}, false});
            wanted_stretch& stretch = wish.stretches.back();
            stretch.pages.count += part.count;
            stretch.superpages = stretch.superpages || mapped.size == superpage_order;
            joins = part.end();
        }
    }
    wish.lengths = std::move(all.stretches);
    wish.fixed = std::move(fixed.runs);
    return wish;
}

}  // namespace detail

/// Replays a case and says of every process how its memory lies, what the record has, what an offline placement reaches
/// and what none goes below. Several processes share one offline placement; each line has its process's part of it.
/// No lines where `keep_going`, which is asked every now and then, says no.
[[nodiscard]] inline std::vector<case_result> replay_sound(const recorded_case& recorded,
                                                           std::function<bool()> keep_going = {}) {
    sound_replay replay(recorded);
    (void)replay.run(std::move(keep_going));
    if (replay.stopped()) return {};
    const std::vector<frame_run> free = free_runs_of(recorded.start);
    std::vector<case_result> results;
    std::vector<wanted_stretch> stretches;
    std::vector<std::vector<std::uint64_t>> fixed;
    for (unsigned i = 0; i < recorded.processes.size(); ++i) {
        case_result result = result_of(recorded, i, "sound");
        result.found = replay.count(i);
        result.failure = replay.failure();
        detail::process_wish wish = detail::wish_of(recorded, replay, i);
        std::vector<frame_run> available = free;
        available.insert(available.end(), wish.had.begin(), wish.had.end());
        result.bound99 =
            fewest_possible_runs(std::move(wish.lengths), result.found.superpages, joined(std::move(available)));
        stretches.insert(stretches.end(), wish.stretches.begin(), wish.stretches.end());
        fixed.push_back(std::move(wish.fixed));
        results.push_back(std::move(result));
    }
    ideal_placement ideal(std::move(stretches), free, std::move(fixed));
    runs_by_process found;
    runs_by_process recorded_runs;
    for (const case_result& result : results) {
        found.push_back(result.found.n99);
        if (result.recorded) recorded_runs.push_back(result.recorded->n99);
    }
    if (recorded_runs.size() == results.size()) ideal.consider_runs(recorded_runs);
    ideal.consider_runs(found);
    for (std::size_t i = 0; i < results.size(); ++i) results[i].ideal99 = ideal.runs()[i];
    return results;
}

LONGREACH_NAMESPACE_END

#endif
