// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_STEPS_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_STEPS_HPP

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../input_error.hpp"
#include "case_files.hpp"
#include "page_sets.hpp"
#include "recorded_case.hpp"
#include "script_walk.hpp"

// Merges the fault log of a case with what its scripts did into one sequence of steps.
//
// The script tells which page is touched next; if it is not present, the log has a fault for it further on, and all
// faults up to that one come first. So maps, unmaps, forks and exits find their places between the faults. Faults on
// pages that no script names (stack, heap, the program itself) stay where the log has them. Areas of the log that are
// larger than what is mapped were mapped just before their first fault.

LONGREACH_NAMESPACE_BEGIN

/// Takes the events of a script_walk and appends to the steps of a case, whose other parts are complete.
class case_step_builder {
  public:
    /// `entries` are those of the main process when the log begins; `log` and `script` are what messages call files.
    case_step_builder(recorded_case& into, std::vector<recorded_entry> entries, std::string log, std::string script)
        : into_(&into),
          entries_(std::move(entries)),
          log_(std::move(log)),
          script_(std::move(script)),
          processes_(into.processes.size()) {
        for (std::size_t i = 0; i < into.faults.size(); ++i) {
            const case_fault& fault = into.faults[i];
            by_page_.push_back({fault.process, fault.page.raw, fault.size.raw, i});
        }
        std::sort(by_page_.begin(), by_page_.end());
        for (const recorded_entry& entry : entries_) {
            if (entry.name == "[heap]") heap_ = entry.pages.first;
        }
    }

    /// Takes the next event.
    [[nodiscard]] absl::Status take(const script_event& event) {
        process_state& process = processes_[event.process];
        switch (event.what) {
            case script_event::kind::map:
                process.named.add(event.pages);
                map(event.process, event.pages);
                break;
            case script_event::kind::unmap:
                unmap(event);
                break;
            case script_event::kind::touch:
                return touch(event);
            case script_event::kind::read:
                read(event);
                break;
            case script_event::kind::fork:
                fork(event);
                break;
            case script_event::kind::exit:
                exit(event.process);
                break;
            case script_event::kind::superpages:
                process.superpages = event.on;
                break;
            case script_event::kind::snapshot:
                if (event.process == main_process && event.name == "before") begin();
                break;
            case script_event::kind::unforeseen:
                process.racing = process.racing || event.threads;
                break;
        }
        return absl::OkStatus();
    }

    /// Takes what the log holds behind the last event, and says which areas each process counts.
    void finish() {
        emit_until(into_->faults.size());
        for (std::size_t i = 0; i < processes_.size(); ++i) into_->processes[i].counted = processes_[i].named.runs();
    }

  private:
    struct process_state {
        page_run_set mapped;
        page_run_set named;  // mapped by a script
        page_bits present;
        bool superpages = true;
        bool racing = false;         // of two faults on one page, the log may hold neither
        bool copy_on_write = false;  // a forked copy: faults on superpages are in no log
        bool touched = false;
    };
    struct logged_page {
        unsigned process;
        std::uint64_t page;
        unsigned size;
        std::size_t fault;
        friend bool operator<(const logged_page& a, const logged_page& b) {
            return std::tie(a.process, a.page, a.size, a.fault) < std::tie(b.process, b.page, b.size, b.fault);
        }
    };

    case_step& add(case_step::kind what, unsigned process) {
        case_step step;
        step.what = what;
        step.process = process;
        into_->steps.push_back(step);
        return into_->steps.back();
    }

    /// The pages are an area, or part of one; those that were not mapped become a step. Beside an area that is not in
    /// `pages`, they are an area of their own; what adjoins the heap is of a file.
    void map(unsigned process, page_run pages, bool separate = false) {
        page_run_set& mapped = processes_[process].mapped;
        const bool below = mapped.contains(pages.first);
        const bool above = mapped.contains(pages.end() - page_count{1});
        const bool heap = heap_ && pages.contains(*heap_);
        const bool beside =
            !below && !above && (mapped.contains(pages.first - page_count{1}) || mapped.contains(pages.end()));
        constexpr vpn chosen_by_kernel{0x7f0000000};
        for (const page_run added : mapped.add(pages)) {
            case_step& step = add(case_step::kind::map, process);
            step.pages = added;
            step.grows_up = heap || (below && added.end() == pages.end());
            step.separate = separate || (beside && !heap);
            step.grows_down = added.first >= chosen_by_kernel || (above && added.first == pages.first);
        }
    }

    void unmap(const script_event& event) {
        process_state& process = processes_[event.process];
        process.mapped.remove(event.pages);
        process.named.remove(event.pages);
        process.present.remove(event.pages);
        add(case_step::kind::unmap, event.process).pages = event.pages;
    }

    void begin() {
        begun_ = true;
        settle_superpages(main_process);
        processes_[main_process].present.clear();
        for (const mapping<vpn, pfn>& found : into_->processes[main_process].before) {
            processes_[main_process].present.add(found.pages);
        }
        for (const recorded_entry& entry : entries_) {
            if (entry.private_writable) map(main_process, entry.pages, entry.name.substr(0, 1) == "/");
        }
    }

    void fork(const script_event& event) {
        process_state& child = processes_[event.child];
        const process_state& parent = processes_[event.process];
        child.mapped = parent.mapped;
        child.named = parent.named;
        child.superpages = parent.superpages;
        child.copy_on_write = true;
        add(case_step::kind::fork, event.process).child = event.child;
    }

    /// What is left of the log of a process that ends comes before its end.
    void exit(unsigned process) {
        for (std::size_t i = into_->faults.size(); i > next_; --i) {
            if (into_->faults[i - 1].process != process) continue;
            emit_until(i);
            break;
        }
        add(case_step::kind::exit, process);
    }

    /// The next fault of the log on a page, or nothing.
    [[nodiscard]] std::optional<std::size_t> logged(unsigned process, vpn page) const {
        std::optional<std::size_t> first;
        for (const order size : {base_order, superpage_order}) {
            const logged_page wanted{process, align_down(page, size).raw, size.raw, next_};
            const auto found = std::lower_bound(by_page_.begin(), by_page_.end(), wanted);
            if (found == by_page_.end() || found->process != wanted.process || found->page != wanted.page ||
                found->size != wanted.size) {
                continue;
            }
            if (!first || found->fault < *first) first = found->fault;
        }
        return first;
    }

    [[nodiscard]] absl::Status touch(const script_event& event) {
        process_state& process = processes_[event.process];
        if (begun_ && !process.touched) settle_superpages(event.process);
        bool in_place = false;
        for (const page_run& run : event.touched) {
            for (vpn page = run.first; page < run.end(); page += page_count{1}) {
                if (process.present.contains(page)) continue;
                if (!begun_) {
                    process.present.add({page, page_count{1}});
                    continue;
                }
                if (serve(event.process, page)) continue;
                const bool complete = into_->logged && !process.copy_on_write && !process.racing;
                if (complete && into_->processes[event.process].ca) {
                    return bad_input(log_,
                                     absl::StrCat("expected a fault of the ", into_->processes[event.process].name,
                                                  " process on page 0x", absl::Hex(page.raw), ", which ", script_, ":",
                                                  event.line, " touches"));
                }
                if (!in_place) wait_for_frame(event.process, page);
                in_place = true;
                add_touch(event.process, page);
            }
        }
        return absl::OkStatus();
    }

    /// A process keeps the setting with which it first touches memory.
    void settle_superpages(unsigned process) {
        processes_[process].touched = true;
        if (!processes_[process].superpages) into_->processes[process].superpages = false;
    }

    /// Pages that were only read have a fault in the log, or the kernel lent them its page of zeros.
    void read(const script_event& event) {
        for (const page_run& run : event.touched) {
            for (vpn page = run.first; begun_ && page < run.end(); page += page_count{1}) {
                if (!processes_[event.process].present.contains(page)) static_cast<void>(serve(event.process, page));
            }
        }
    }

    /// Takes the log up to the fault that made the page present; false where it has none.
    [[nodiscard]] bool serve(unsigned process, vpn page) {
        while (!processes_[process].present.contains(page)) {
            const std::optional<std::size_t> fault = logged(process, page);
            if (!fault) return false;
            emit_until(*fault + 1);
        }
        return true;
    }

    void add_touch(unsigned process, vpn page) {
        processes_[process].present.add({page, page_count{1}});
        if (!into_->steps.empty()) {
            case_step& last = into_->steps.back();
            if (last.what == case_step::kind::plain_touch && last.process == process && last.pages.end() == page) {
                last.pages.count += page_count{1};
                return;
            }
        }
        add(case_step::kind::plain_touch, process).pages = {page, page_count{1}};
    }

    /// A fault that is in no log took a frame; those faults come first that still saw the frame's block whole: their
    /// target lay in it, and a base page is never cut from a block of the largest order.
    void wait_for_frame(unsigned process, vpn page) {
        const std::vector<mapping<vpn, pfn>>& after = into_->processes[process].after;
        auto found = std::upper_bound(after.begin(), after.end(), page,
                                      [](vpn p, const mapping<vpn, pfn>& m) { return p < m.pages.first; });
        if (found == after.begin() || !std::prev(found)->pages.contains(page)) return;
        --found;
        constexpr order largest{10};
        const pfn block = align_down(found->offset().apply(page), largest);
        constexpr std::size_t furthest = 4096;  // a process that starts has some dozens of faults of its own
        const std::size_t end = std::min(into_->faults.size(), next_ + furthest);
        std::size_t until = next_;
        for (std::size_t i = next_; i < end && !named(into_->faults[i]); ++i) {
            const case_fault& fault = into_->faults[i];
            const bool whole = fault.fail_reasons == "NOTHING_FOUND" && fault.size == base_order;
            if (whole && fault.target && align_down(*fault.target, largest) == block) until = i + 1;
        }
        emit_until(until);
    }

    /// Whether the fault is on a page that a script mapped.
    [[nodiscard]] bool named(const case_fault& fault) const {
        return processes_[fault.process].named.contains(fault.page);
    }

    void emit_until(std::size_t end) {
        for (; next_ < end; ++next_) {
            const case_fault& fault = into_->faults[next_];
            map(fault.process, into_->areas[fault.area].pages);
            add(case_step::kind::fault, fault.process).fault = next_;
            if (fault.got) processes_[fault.process].present.add({fault.page, fault.size.pages()});
        }
    }

    recorded_case* into_;
    std::vector<recorded_entry> entries_;
    std::string log_;
    std::string script_;
    std::vector<process_state> processes_;
    std::vector<logged_page> by_page_;
    std::optional<vpn> heap_;
    std::size_t next_ = 0;  // fault of the log
    bool begun_ = false;
};

LONGREACH_NAMESPACE_END

#endif
