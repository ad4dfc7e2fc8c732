// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_RANGER_HPP
#define LONGREACH_WORKLOADS_RIVALS_RANGER_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../../pagetable/vm/fault.hpp"
#include "daemon_costs.hpp"
#include "leaf_index.hpp"
#include "page_activity.hpp"
#include "ranger_moves.hpp"
#include "ranger_plan.hpp"
#include "region_promotion.hpp"

// Translation Ranger: faults are served as they come, and a daemon moves pages until areas lie in few runs.
//
// An area gets an anchor, a page and the frame wanted for it, and every pass walks the resident leaves in address order
// and brings each to the frame at the anchor's offset: by migration where that is free, by exchange where a leaf of
// the same size has it. What cannot move is left where it is. Differences: see allocator/README.md. One thread.
// Source: Yan, Lustig, Nellans, Bhattacharjee, Translation Ranger: Operating System Support for Contiguity-Aware TLBs,
// ISCA 2019; the kernel released with it, mm/mem_defrag.c.

LONGREACH_NAMESPACE_BEGIN

struct ranger_options {
    /// Base pages that a pass copies, or a leaf's displacement more. The released kernel sets no such limit.
    page_count pages_per_pass{5 * daemon_pages_per_second.raw};
    page_count least_run{32};                   ///< shorter runs of frames get no anchor (the threshold of SpOT's bit)
    std::uint64_t interval_ns = 5'000'000'000;  ///< between passes (the paper's 5 s)
};

/// Invariants, beside those of its anchors:
///   I1  what was copied is what migrations and exchanges account for
///   I2  no leaf is promoted, demoted, zeroed or given back, and pages are exchanged in pairs
template <class Space>
class ranger {
  public:
    using page = typename Space::table_type::page;
    using frame = typename Space::table_type::frame;
    using anchor = range_anchor<page, frame>;

    /// What faults of the spaces may take.
    static constexpr superpage_use fault_path = superpage_use::always;

    explicit ranger(const ranger_options& options = {}) : options_(options) {
        LONGREACH_CHECK(options.least_run.raw >= 1, "ranger.least_run");
    }

    /// Walks the leaves of all spaces once, from where the last pass ended, until the budget is used up; whether any
    /// moved. The spaces have the same policy, over `frames`, and different numbers; one pass knows all that are to be
    /// movable. A leaf that reached its wanted frames is not moved again while its area lives, so passes over spaces
    /// that do not change end in one that moves nothing. O(leaves log leaves + frames / 64), and what moves.
    bool pass(std::span<Space* const> spaces, basic_buddy<frame>& frames) {
        ++costs_.passes;
        anchors_.remove_if([&](const anchor& a) { return !is_alive(spaces, a); });
        detail::leaf_index<Space> leaves(spaces);
        anchors_.add(detail::anchor_planner<Space>(spaces, leaves, frames, anchors_, options_.least_run).plan());
        const daemon_costs before = costs_;
        detail::ranger_moves<Space> moves(spaces, leaves, frames, anchors_, costs_);
        const auto count = static_cast<std::uint32_t>(leaves.leaves().size());
        std::uint32_t next = count == 0 ? 0 : cursor_in(spaces, leaves) % count;
        std::uint32_t left = count;
        for (; left != 0 && copied_pages(before) < options_.pages_per_pass.raw; --left) {
            const auto wanted = moves.wanted(next);
            if (wanted && *wanted != leaves.leaves()[next].at) moves.bring(next, *wanted);
            next = next + 1 == count ? 0 : next + 1;
        }
        if (count != 0) cursor_ = {spaces[leaves.leaves()[next].space]->options().number, leaves.leaves()[next].first};
        return costs_.migrated_pages + costs_.exchanged_pages != before.migrated_pages + before.exchanged_pages;
    }

    /// The same for a space alone, in the form that all daemons have.
    bool pass(Space& space, basic_buddy<frame>& frames, const basic_page_activity<page>&) {
        Space* const only = &space;
        return pass(std::span<Space* const>(&only, 1), frames);
    }

    [[nodiscard]] std::uint64_t interval_ns() const noexcept { return options_.interval_ns; }
    [[nodiscard]] const daemon_costs& costs() const noexcept { return costs_; }
    /// By space and page.
    [[nodiscard]] std::span<const anchor> anchors() const noexcept { return anchors_.all(); }

    /// O(anchors log anchors). Labels: ranger.I1, I2, anchor_set.I1, I2.
    [[nodiscard]] violation audit() const {
        if (costs_.copied_bytes != to_bytes({costs_.migrated_pages + costs_.exchanged_pages})) {
            return {"ranger.I1", costs_.copied_bytes};
        }
        if (costs_.promotions + costs_.demotions + costs_.zeroed_bytes + costs_.reclaimed_pages != 0 ||
            costs_.exchanged_pages % 2 != 0) {
            return {"ranger.I2", costs_.exchanged_pages};
        }
        return anchors_.audit();
    }

  private:
    friend struct corrupt;

    [[nodiscard]] static std::optional<std::uint32_t> index_of(std::span<Space* const> spaces, std::uint32_t number) {
        for (std::uint32_t s = 0; s < spaces.size(); ++s) {
            if (spaces[s]->options().number == number) return std::optional<std::uint32_t>{s};
        }
        return std::nullopt;
    }

    /// Whether any area still holds pages of the anchor.
    [[nodiscard]] static bool is_alive(std::span<Space* const> spaces, const anchor& a) {
        const auto s = index_of(spaces, a.space);
        return s && spaces[*s]->has_area_in(a.pages);
    }

    /// The leaf with which the pass begins.
    [[nodiscard]] std::uint32_t cursor_in(std::span<Space* const> spaces,
                                          const detail::leaf_index<Space>& leaves) const {
        const auto s = index_of(spaces, cursor_.first);
        return s ? leaves.first_at(*s, cursor_.second) : 0;
    }

    [[nodiscard]] std::uint64_t copied_pages(const daemon_costs& before) const noexcept {
        return costs_.migrated_pages + costs_.exchanged_pages - before.migrated_pages - before.exchanged_pages;
    }

    ranger_options options_;
    detail::anchor_set<page, frame> anchors_;
    std::pair<std::uint32_t, page> cursor_{};  ///< space number and page with which the next pass begins
    daemon_costs costs_{};
};

LONGREACH_NAMESPACE_END

#endif
