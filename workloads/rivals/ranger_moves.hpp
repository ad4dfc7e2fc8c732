// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_RANGER_MOVES_HPP
#define LONGREACH_WORKLOADS_RIVALS_RANGER_MOVES_HPP

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "daemon_costs.hpp"
#include "leaf_index.hpp"
#include "ranger_plan.hpp"

// How Translation Ranger brings a leaf to the frames that its anchor wants.

LONGREACH_NAMESPACE_BEGIN
namespace detail {

/// Moves the leaves of an index; made for one pass. Whoever is in the way of a leaf has not reached frames that an
/// anchor wants for it, since anchors share no frame: so what reached its frames stays there.
template <class Space>
class ranger_moves {
  public:
    using page = typename Space::table_type::page;
    using frame = typename Space::table_type::frame;
    using anchors = anchor_set<page, frame>;
    using number = typename leaf_index<Space>::number;

    ranger_moves(std::span<Space* const> spaces, leaf_index<Space>& leaves, basic_buddy<frame>& frames,
                 const anchors& wanted, daemon_costs& costs)
        : spaces_(spaces), leaves_(leaves), frames_(frames), anchors_(wanted), costs_(costs) {}

    /// The frame that an anchor wants for a leaf; nothing where none holds all of it, or at an offset that its size
    /// cannot have.
    [[nodiscard]] std::optional<frame> wanted(number leaf) const {
        const auto& e = leaves_.leaves()[leaf];
        const auto* anchor = anchors_.find(spaces_[e.space]->options().number, e.first);
        if (anchor == nullptr || !anchor->pages.contains(e.pages())) return std::nullopt;
        const frame at = anchor->frame + (e.first - anchor->pages.first);
        if (!is_aligned(at, e.size)) return std::nullopt;
        return std::optional<frame>{at};
    }

    /// Brings a leaf to frames that are not its own, or leaves it where it is and counts it as skipped.
    void bring(number leaf, frame to) {
        const order size = leaves_.leaves()[leaf].size;
        if (move_to_free(leaf, to) || swap_places(leaf, to)) return;
        const bool taken = can_move(leaf) && (size == base_order ? displace_superpage(to) : clear_block(to));
        if (!taken || !move_to_taken(leaf, to)) costs_.skipped_unmovable += size.pages().raw;
    }

  private:
    bool move_to_free(number leaf, frame to) {
        if (frames_.allocate_at(to, leaves_.leaves()[leaf].size) != status::ok) return false;
        return move_to_taken(leaf, to);
    }

    /// Moves a leaf to frames that were taken for it; where that fails they are given back.
    bool move_to_taken(number leaf, frame to) {
        const auto& e = leaves_.leaves()[leaf];
        if (spaces_[e.space]->relocate(e.first, to) != status::ok) {
            frames_.free(to, e.size);
            return false;
        }
        leaves_.move(leaf, to);
        ++costs_.shootdowns;
        costs_.migrated_pages += e.size.pages().raw;
        costs_.copied_bytes += to_bytes(e.size.pages());
        return true;
    }

    /// Swaps a leaf with the one of its size that has just the wanted frames.
    bool swap_places(number leaf, frame to) {
        const std::optional<number> there = leaves_.holder(to);
        if (!there) return false;
        const auto& a = leaves_.leaves()[leaf];
        const auto& b = leaves_.leaves()[*there];
        if (b.size != a.size || b.at != to) return false;
        if (exchange(*spaces_[a.space], a.first, *spaces_[b.space], b.first) != status::ok) return false;
        leaves_.swap(leaf, *there);
        costs_.shootdowns += 2;
        costs_.exchanged_pages += 2 * a.size.pages().raw;
        costs_.copied_bytes += 2 * to_bytes(a.size.pages());
        return true;
    }

    /// Whether a leaf may leave its frames at all; nothing changes.
    [[nodiscard]] bool can_move(number leaf) {
        const auto& e = leaves_.leaves()[leaf];
        return spaces_[e.space]->exchange(e.first, e.first) == status::ok;
    }

    /// Moves the superpage that holds the frame away, and takes the frame.
    bool displace_superpage(frame wanted_frame) {
        const std::optional<number> there = leaves_.holder(wanted_frame);
        if (!there || leaves_.leaves()[*there].size != superpage_order) return false;
        return evict(*there) && frames_.allocate_at(wanted_frame, base_order) == status::ok;
    }

    /// Moves a leaf away: to its own wanted frames where these are free, else to any.
    bool evict(number leaf) {
        if (const auto home = wanted(leaf); home && move_to_free(leaf, *home)) return true;
        const std::optional<frame> any = frames_.allocate(leaves_.leaves()[leaf].size);
        return any && move_to_taken(leaf, *any);
    }

    /// Takes the 2 MiB at `block`, moving the base pages in it away; nothing changes where that cannot be done.
    bool clear_block(frame block) {
        const run<frame> all{block, superpage_order.pages()};
        const std::optional<std::vector<number>> held = movable_pages_in(all);
        if (!held || held->size() > (frames_.free_frames() - (all.count - page_count{held->size()})).raw) return false;
        for (frame f = all.first; f < all.end(); f += page_count{1}) {  // free ones first: nothing is to move into them
            if (leaves_.holder(f)) continue;
            const status taken = frames_.allocate_at(f, base_order);
            LONGREACH_CHECK(taken == status::ok, "ranger_moves.free_frame");
        }
        for (const number there : *held) {
            const frame left = leaves_.leaves()[there].at;
            const bool gone = evict(there) && frames_.allocate_at(left, base_order) == status::ok;
            LONGREACH_CHECK(gone, "ranger_moves.evict");
        }
        return true;
    }

    /// The base pages in the block; nothing where a frame of it is in use by what cannot move, or by a superpage.
    [[nodiscard]] std::optional<std::vector<number>> movable_pages_in(run<frame> block) {
        if (!frames_.managed().contains(block)) return std::nullopt;
        std::vector<number> found;
        for (frame f = block.first; f < block.end(); f += page_count{1}) {
            if (frames_.is_free(f, base_order)) continue;
            const std::optional<number> there = leaves_.holder(f);
            if (!there || leaves_.leaves()[*there].size != base_order || !can_move(*there)) return std::nullopt;
            found.push_back(*there);
        }
        return std::optional<std::vector<number>>{std::move(found)};
    }

    std::span<Space* const> spaces_;
    leaf_index<Space>& leaves_;
    basic_buddy<frame>& frames_;
    const anchors& anchors_;
    daemon_costs& costs_;
};

}
LONGREACH_NAMESPACE_END

#endif
