// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_PAPERS_PAPER_STREAM_HPP
#define LONGREACH_WORKLOADS_PAPERS_PAPER_STREAM_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../pagetable/format.hpp"
#include "../random.hpp"
#include "../recording.hpp"
#include "paper_workload.hpp"
#include "scattered_order.hpp"

// The mappings and first touches of a workload of the papers, made one by one while they are asked for.
//
// The seed decides which thread has the next turn and where random touches go; which pages are mapped and touched is
// the same for every seed. The stream copies what it needs of the workload. One stream serves one thread.

LONGREACH_NAMESPACE_BEGIN

/// Consecutive pages that one thread touches first, in rising order, before another thread touches anything. A run does
/// not reach beyond a multiple of 2 MiB, so one fault with a superpage can serve it.
struct touch_run {
    std::uint64_t seq = 0;  ///< pages touched before, in the whole stream
    page_run pages{};       ///< never empty
    access_kind kind = access_kind::store;
    unsigned thread = 0;  ///< from 0

    friend bool operator==(const touch_run&, const touch_run&) = default;
};

/// `seq` of a mapping event is likewise the number of pages touched before it.
using paper_event = std::variant<vma_event, touch_run>;

class paper_stream {
  public:
    paper_stream(const paper_workload& of, std::uint64_t seed) : workload_(of), random_(seed) {}

    /// The next event, or nothing at the end. O(1), and O(lanes) where a phase begins.
    [[nodiscard]] std::optional<paper_event> next() {
        while (true) {
            if (bursts_left_ != 0) return scattered_touch();
            if (!open_.empty()) return strip_touch();
            if (next_strip()) continue;
            if (!active_.empty()) {
                begin_turn();
                continue;
            }
            const std::vector<paper_step>& steps = workload_.plan().steps();
            if (step_ == steps.size()) return std::nullopt;
            const paper_step& step = steps[step_++];
            if (const auto* event = std::get_if<vma_event>(&step)) {
                vma_event now = *event;
                now.seq = seq_;
                return now;
            }
            begin_phase(std::get<touch_phase>(step));
        }
    }

  private:
    /// A lane that has turns left.
    struct active_lane {
        const touch_lane* lane = nullptr;
        unsigned thread = 0;
        std::uint64_t turn = 0;
    };

    /// The pages [from, to) of a leading strip.
    struct stretch {
        std::uint64_t from = 0;
        std::uint64_t to = 0;
    };

    void begin_phase(const touch_phase& phase) {
        turn_pages_ = phase.turn;
        unsigned thread = 0;
        for (const touch_lane& lane : phase.lanes) {
            if (!lane.scattered.empty()) {
                order_.emplace(lane.scattered.count.raw, random_.next());
                scattered_done_ = 0;
            }
            const active_lane made{&lane, phase.threaded ? thread++ : 0, lane.first_turn};
            if (!lane.strips.empty() && !part_of(made).empty()) active_.push_back(made);
        }
    }

    /// What the lane's next turn covers of its leading strip; empty when it is through.
    [[nodiscard]] page_run part_of(const active_lane& of) const {
        const page_run lead = of.lane->strips.front();
        const std::uint64_t unaligned = lead.first.raw % turn_pages_;
        const vpn start{lead.first.raw - unaligned + of.turn * turn_pages_};
        return intersection(lead, {start, page_count{turn_pages_}});
    }

    /// A thread drawn at random does its next turn.
    void begin_turn() {
        const auto drawn = static_cast<std::size_t>(active_.size() == 1 ? 0 : random_.below(active_.size()));
        active_lane& chosen = active_[drawn];
        const page_run part = part_of(chosen);
        lane_ = chosen.lane;
        thread_ = chosen.thread;
        const vpn lead = lane_->strips.front().first;
        turn_ = {(part.first - lead).raw, (part.end() - lead).raw};
        strip_ = 0;
        chosen.turn += lane_->turn_stride;
        if (part_of(chosen).empty()) {
            chosen = active_.back();
            active_.pop_back();
        }
    }

    /// Opens what the turn covers of its next strip, or of the scattered pages; false when the turn is over.
    bool next_strip() {
        if (lane_ == nullptr) return false;
        const std::uint64_t lead = lane_->strips.front().count.raw;
        if (strip_ < lane_->strips.size()) {
            const page_run strip = lane_->strips[strip_++];
            const auto at = [&](std::uint64_t place) {
                return strip.first + page_count{strip.count.raw * place / lead};
            };
            open_ = run_between(at(turn_.from), at(turn_.to));
            return true;
        }
        if (!lane_->scattered.empty()) begin_burst(turn_.to == lead);
        scattered_lane_ = std::exchange(lane_, nullptr);
        return bursts_left_ != 0;
    }

    /// How many scattered pages the draws of this turn meet for the first time: on average, each draw meets one with
    /// the share of pages that are left. The last turn touches what is left.
    void begin_burst(bool last) {
        const std::uint64_t pages = lane_->scattered.count.raw;
        const std::uint64_t left = pages - scattered_done_;
        const std::uint64_t draws = (turn_.to - turn_.from) * lane_->draws_per_page;
        const std::uint64_t met = draws >= pages ? left : (left * draws + pages - 1) / pages;
        bursts_left_ = last ? left : met;
    }

    [[nodiscard]] paper_event scattered_touch() {
        --bursts_left_;
        const vpn page = scattered_lane_->scattered.first + page_count{order_->at(scattered_done_++)};
        return made({page, page_count{1}}, scattered_lane_->kind);
    }

    [[nodiscard]] paper_event strip_touch() {
        const vpn border = align_down(open_.first, superpage_order) + superpage_order.pages();
        const page_run pages = run_between(open_.first, std::min(border, open_.end()));
        open_ = run_between(pages.end(), open_.end());
        return made(pages, lane_->kind);
    }

    [[nodiscard]] touch_run made(page_run pages, access_kind kind) {
        const touch_run touched{seq_, pages, kind, thread_};
        seq_ += pages.count.raw;
        return touched;
    }

    paper_workload workload_;
    random_numbers random_;
    std::size_t step_ = 0;   // of the plan
    std::uint64_t seq_ = 0;  // pages touched so far

    // The phase under way.
    std::uint64_t turn_pages_ = 0;
    std::vector<active_lane> active_{};
    std::optional<scattered_order> order_{};
    std::uint64_t scattered_done_ = 0;

    // The turn under way.
    const touch_lane* lane_ = nullptr;
    unsigned thread_ = 0;
    stretch turn_{};
    std::size_t strip_ = 0;
    page_run open_{};  // what is left of the strip
    const touch_lane* scattered_lane_ = nullptr;
    std::uint64_t bursts_left_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
