// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_PAPERS_PAPER_PLAN_HPP
#define LONGREACH_WORKLOADS_PAPERS_PAPER_PLAN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../pagetable/format.hpp"
#include "../recording.hpp"
#include "area_book.hpp"

// What a program maps and touches, step by step, written as calls that read like the program: allocate, fill, free.
//
// A plan is a few hundred steps however large the arrays are; paper_stream.hpp turns it into events. Sizes are given at
// full size in bytes and divided here. Addresses are those of Linux on x86-64 without randomization: maps go downwards
// into the highest gap that fits. One thread builds a plan, any number may read it.

LONGREACH_NAMESPACE_BEGIN

/// What one thread touches in a phase. The first strip leads: it is filled turn by turn, and of the others the same
/// share is filled in the same turn.
struct touch_lane {
    std::vector<page_run> strips{};
    access_kind kind = access_kind::store;
    std::uint64_t first_turn = 0;      ///< the first turn of the leading strip that is this lane's
    std::uint64_t turn_stride = 1;     ///< every so many turns are this lane's
    page_run scattered{};              ///< touched page by page, in random order, while the strips are filled
    std::uint64_t draws_per_page = 0;  ///< random places in `scattered` used per page of the leading strip
};

/// What threads touch at the same time. Turns end at page numbers that are multiples of `turn`, a power of two.
struct touch_phase {
    std::vector<touch_lane> lanes{};
    std::uint64_t turn = 512;
    bool threaded = true;  ///< each lane is a thread; otherwise all are work of the first, in any order
};

using paper_step = std::variant<vma_event, touch_phase>;

/// Memory that a program asked for, and its size in bytes before dividing.
struct paper_array {
    page_run pages{};
    std::uint64_t bytes = 0;  ///< a page or more, where slices are wanted

    /// The pages of the bytes [from, to), counted at full size; slices that meet share no page.
    [[nodiscard]] page_run slice(std::uint64_t from, std::uint64_t to) const {
        return run_between(page_at(from), page_at(to));
    }

  private:
    [[nodiscard]] vpn page_at(std::uint64_t offset) const {
        return pages.first + page_count{offset / page_bytes * pages.count.raw / (bytes / page_bytes)};
    }
};

/// How many of 512 neighbouring pages the program touches within a second of its steady phase.
struct page_heat {
    page_run pages{};
    unsigned per_region = 0;  ///< 0 to 512
};

class paper_plan {
  public:
    /// A plan whose arrays are `divisor` times smaller than the program's.
    explicit paper_plan(std::uint64_t divisor) : divisor_(divisor) {}

    // ---- memory ----

    /// A malloc() so large that it is a mapping of its own; `per_region` says how hot it is (page_heat).
    paper_array allocate(std::uint64_t bytes, unsigned per_region) {
        constexpr std::uint64_t malloc_header = 16;
        const page_count count = ceil_pages(bytes / divisor_ + malloc_header);
        const paper_array made{{areas_.highest_gap(count), count}, bytes};
        map(vma_kind::mmap, made.pages, vma_backing::anonymous, read_write);
        heat(made.pages, per_region);
        return made;
    }
    /// A free() of what allocate() gave.
    void release(const paper_array& gone) {
        vma_event event;
        event.kind = vma_kind::munmap;
        event.pages = gone.pages;
        areas_.remove(gone.pages);
        const auto lost = std::remove_if(resident_.begin(), resident_.end(), [&](page_run held) {
            if (!gone.pages.contains(held)) return false;
            resident_pages_ -= held.count.raw;
            return true;
        });
        resident_.erase(lost, resident_.end());
        steps_.emplace_back(event);
    }
    /// An array of fixed size at a fixed place, there from the start.
    paper_array place(vpn first, std::uint64_t bytes) {
        const paper_array made{{first, ceil_pages(bytes / divisor_)}, bytes};
        map(vma_kind::init, made.pages, vma_backing::anonymous, read_write);
        return made;
    }
    /// Small memory, which dividing leaves as it is, in the highest gap.
    page_run map_below(page_count count, vma_backing backing, vma_protection allowed, std::string_view file = {}) {
        const page_run pages{areas_.highest_gap(count), count};
        map(vma_kind::init, pages, backing, allowed, 0, file);
        return pages;
    }
    /// A mapping at a given place, of private memory with these MAP_ bits beside; `file` names what file backing maps.
    void map(vma_kind kind, page_run pages, vma_backing backing, vma_protection allowed, std::uint32_t more_flags = 0,
             std::string_view file = {}) {
        vma_event event;
        event.kind = kind;
        event.pages = pages;
        event.flags = vma_event::map_private | more_flags;
        event.backing = backing;
        event.protection = allowed;
        if (backing == vma_backing::file) {
            event.file = number_of(file);
            event.file_page = file_pages_[event.file];
            file_pages_[event.file] += pages.count.raw;
        }
        const bool merges = backing == vma_backing::anonymous && more_flags == 0;
        if (kind != vma_kind::brk_first) areas_.add({pages, allowed, merges});
        steps_.emplace_back(event);
    }
    /// Stacks of 8 MiB with a guard page for `count` threads, each of which touches the uppermost `touched` pages.
    void start_threads(unsigned count, std::uint64_t touched) {
        constexpr page_count stack{2048};
        touch_phase phase;
        for (unsigned thread = 0; thread < count; ++thread) {
            // Linux keeps stacks apart from arrays by a flag; here a page between the two does.
            const page_count asked = thread == 0 ? stack + page_count{1} : stack;
            const page_run pages{areas_.highest_gap(asked), stack};
            map(vma_kind::mmap, pages, vma_backing::anonymous, read_write);
            forbid({pages.first, page_count{1}});
            phase.lanes.push_back({{run_between(pages.end() - page_count{touched}, pages.end())}});
        }
        phase.lanes.insert(phase.lanes.begin(), touch_lane{});  // the first thread has its stack
        touch(std::move(phase));
    }

    // ---- touching ----

    /// One thread fills the strips from front to back, all in step with the first.
    void fill(std::vector<page_run> strips) {
        touch_phase phase;
        phase.lanes.push_back({std::move(strips)});
        touch(std::move(phase));
    }
    /// As fill(), while random pages of `scattered` are touched: `draws` places for each page of the strip.
    void fill_and_scatter(page_run strip, page_run scattered, std::uint64_t draws) {
        touch_phase phase;
        phase.turn = 16;
        phase.lanes.push_back({{strip}, access_kind::store, 0, 1, scattered, draws});
        touch(std::move(phase));
    }
    /// Each thread fills its share of each strip: OpenMP's static schedule.
    void fill_in_shares(unsigned threads, const std::vector<page_run>& strips) {
        touch_phase phase;
        for (unsigned thread = 0; thread < threads; ++thread) {
            touch_lane lane;
            for (const page_run strip : strips) {
                const std::uint64_t count = strip.count.raw;
                lane.strips.push_back(run_between(strip.first + page_count{count * thread / threads},
                                                  strip.first + page_count{count * (thread + 1) / threads}));
            }
            phase.lanes.push_back(std::move(lane));
        }
        touch(std::move(phase));
    }
    /// Threads take pieces of `turn` pages of the first strip by turns, with what belongs to them: schedule(static, 1).
    void fill_by_turns(unsigned threads, std::uint64_t turn, const std::vector<page_run>& strips) {
        touch_phase phase;
        phase.turn = turn;
        for (unsigned thread = 0; thread < threads; ++thread) {
            phase.lanes.push_back({strips, access_kind::store, thread, threads});
        }
        touch(std::move(phase));
    }
    /// Each thread fills a strip of its own.
    void fill_own(const std::vector<page_run>& strips) {
        touch_phase phase;
        for (const page_run strip : strips) phase.lanes.push_back({{strip}});
        touch(std::move(phase));
    }
    /// Whatever else is touched at the same time.
    void touch(touch_phase phase) {
        for (const touch_lane& lane : phase.lanes) {
            if (lane.first_turn != 0) continue;  // the strips are those of the lane with turn 0
            for (const page_run strip : lane.strips) count(strip);
            count(lane.scattered);
        }
        steps_.emplace_back(std::move(phase));
    }

    /// From now on the pages are that hot; what was said of them before is forgotten.
    void heat(page_run pages, unsigned per_region) {
        std::vector<page_heat> kept;
        for (const page_heat& old : heats_) {
            const page_heat below{run_between(old.pages.first, std::min(old.pages.end(), pages.first)), old.per_region};
            const page_heat above{run_between(std::max(old.pages.first, pages.end()), old.pages.end()), old.per_region};
            if (!below.pages.empty()) kept.push_back(below);
            if (!above.pages.empty()) kept.push_back(above);
        }
        kept.push_back({pages, per_region});
        heats_ = std::move(kept);
    }

    // ---- the plan ----

    [[nodiscard]] const std::vector<paper_step>& steps() const noexcept { return steps_; }
    [[nodiscard]] const std::vector<page_heat>& heats() const noexcept { return heats_; }
    /// Whatever is touched at some time, in the order of the steps; a place that is used twice comes twice.
    [[nodiscard]] const std::vector<page_run>& touched() const noexcept { return touched_; }
    [[nodiscard]] const std::vector<std::string>& files() const noexcept { return files_; }
    [[nodiscard]] const area_book& areas() const noexcept { return areas_; }
    [[nodiscard]] std::uint64_t touched_pages() const noexcept { return touched_pages_; }
    [[nodiscard]] std::uint64_t peak_pages() const noexcept { return peak_pages_; }
    [[nodiscard]] std::uint64_t touched_regions() const noexcept { return touched_regions_; }

    static constexpr vma_protection read_write{true, true, false};

  private:
    void forbid(page_run pages) {
        vma_event event;
        event.kind = vma_kind::mprotect;
        event.pages = pages;
        event.protection = vma_protection{};
        areas_.remove(pages);
        areas_.add({pages, {}, true});
        steps_.emplace_back(event);
    }
    void count(page_run touched) {
        if (touched.empty()) return;
        touched_.push_back(touched);
        touched_pages_ += touched.count.raw;
        resident_pages_ += touched.count.raw;
        peak_pages_ = std::max(peak_pages_, resident_pages_);
        touched_regions_ += touched.count.raw / superpage_order.pages().raw + 2;
        resident_.push_back(touched);
    }
    std::uint32_t number_of(std::string_view file) {
        const auto found = std::find(files_.begin(), files_.end(), file);
        const auto number = static_cast<std::uint32_t>(found - files_.begin());
        if (found == files_.end()) {
            files_.emplace_back(file);
            file_pages_.push_back(0);
        }
        return number;
    }

    std::uint64_t divisor_;
    std::vector<paper_step> steps_{};
    std::vector<page_heat> heats_{};
    std::vector<std::string> files_{};
    std::vector<std::uint64_t> file_pages_{};  // of each file, the pages mapped so far
    std::vector<page_run> touched_{};
    std::vector<page_run> resident_{};  // of touched_, what is still mapped
    area_book areas_{};
    std::uint64_t touched_pages_ = 0;
    std::uint64_t resident_pages_ = 0;
    std::uint64_t peak_pages_ = 0;
    std::uint64_t touched_regions_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
