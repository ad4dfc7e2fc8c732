// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_LEAF_INDEX_HPP
#define LONGREACH_WORKLOADS_RIVALS_LEAF_INDEX_HPP

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"

// The resident leaves of some address spaces by page and by frame: what a kernel's reverse map answers.
//
// A snapshot that follows the moves of the one who took it. About 40 bytes for a leaf. One thread.

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants
namespace detail {

/// Invariants: I1 a leaf has the slot of its frames, or one place beside them, and nobody else has it.
template <class Space>
class leaf_index {
  public:
    using page = typename Space::table_type::page;
    using frame = typename Space::table_type::frame;
    using number = std::uint32_t;  ///< of a leaf: by space, then page

    struct entry {
        page first{};
        frame at{};
        order size{};
        std::uint32_t space = 0;  ///< index of its space among those given

        [[nodiscard]] run<page> pages() const noexcept { return {first, size.pages()}; }
        [[nodiscard]] run<frame> frames() const noexcept { return {at, size.pages()}; }
    };

    /// O(leaves log leaves).
    explicit leaf_index(std::span<Space* const> spaces) {
        for (std::uint32_t s = 0; s < spaces.size(); ++s) {
            spaces[s]->for_each_leaf(Space::table_type::all_pages(), [&](const auto& leaf) {
                leaves_.push_back({leaf.page, leaf.frame, leaf.size, s});
            });
        }
        slots_.reserve(leaves_.size());
        for (number i = 0; i < leaves_.size(); ++i) slots_.push_back({leaves_[i].at, i, leaves_[i].size});
        std::sort(slots_.begin(), slots_.end(), [](const slot& a, const slot& b) { return a.at < b.at; });
        disown_shared();
    }

    [[nodiscard]] std::span<const entry> leaves() const noexcept { return leaves_; }

    /// The first leaf of the space that ends above `p`, or what comes after its last. O(log leaves).
    [[nodiscard]] number first_at(std::uint32_t space, page p) const {
        const auto found = std::partition_point(leaves_.begin(), leaves_.end(), [&](const entry& e) {
            return e.space < space || (e.space == space && e.pages().end() <= p);
        });
        return static_cast<number>(found - leaves_.begin());
    }

    /// The leaf that alone holds the frame, as far as these spaces know. O(log leaves).
    [[nodiscard]] std::optional<number> holder(frame f) const {
        if (const slot* s = slot_around(f); s != nullptr && s->owner != nobody) return s->owner;
        if (beside_.empty()) return std::nullopt;
        if (const auto found = beside_.find(f.raw); found != beside_.end()) return found->second;
        const auto found = beside_.find(align_down(f, superpage_order).raw);
        if (found == beside_.end() || leaves_[found->second].size != superpage_order) return std::nullopt;
        return found->second;
    }

    /// The leaf, and nobody else, holds the frames from `to` on.
    void move(number leaf, frame to) {
        leave(leaf);
        settle(leaf, to);
    }
    void swap(number a, number b) {
        const frame of_a = leaves_[a].at;
        const frame of_b = leaves_[b].at;
        leave(a);
        leave(b);
        settle(a, of_b);
        settle(b, of_a);
    }

    /// Hands every run of frames that one leaf held alone at the start to `visit(run)`, in address order.
    template <class Visit>
    void for_each_movable(Visit&& visit) const {
        for (const slot& s : slots_) {
            if (s.owner != nobody) visit(run<frame>{s.at, s.size.pages()});
        }
    }

    [[nodiscard]] violation audit() const {
        std::size_t held = 0;
        for (number i = 0; i < leaves_.size(); ++i) {
            const std::optional<number> found = holder(leaves_[i].at);
            if (found && *found != i) return {"leaf_index.I1", leaves_[i].at.raw};
            if (found) ++held;
        }
        const auto owned = std::count_if(slots_.begin(), slots_.end(), [](const slot& s) { return s.owner != nobody; });
        if (held != static_cast<std::size_t>(owned) + beside_.size()) return {"leaf_index.I1", held};
        return {};
    }

  private:
    friend struct longreach::corrupt;

    static constexpr number nobody = ~number{0};

    struct slot {
        frame at{};
        number owner = nobody;  ///< the leaf that has just these frames now
        order size{};
    };

    /// Frames that several leaves hold cannot move: nobody has their slots.
    void disown_shared() {
        std::size_t widest = 0;  // of the slots before: the one that ends highest
        const auto end_of = [this](std::size_t i) { return slots_[i].at + slots_[i].size.pages(); };
        for (std::size_t i = 1; i < slots_.size(); ++i) {
            if (slots_[i].at < end_of(widest)) slots_[i].owner = slots_[widest].owner = nobody;
            if (end_of(i) > end_of(widest)) widest = i;
        }
    }

    [[nodiscard]] const slot* slot_around(frame f) const {
        const auto after =
            std::upper_bound(slots_.begin(), slots_.end(), f, [](frame x, const slot& s) { return x < s.at; });
        if (after == slots_.begin()) return nullptr;
        const slot& s = *(after - 1);
        return run<frame>{s.at, s.size.pages()}.contains(f) ? &s : nullptr;
    }
    [[nodiscard]] slot* slot_at(frame f, order size) {
        slot* const s = const_cast<slot*>(slot_around(f));
        return s != nullptr && s->at == f && s->size == size ? s : nullptr;
    }
    void leave(number leaf) {
        const entry& e = leaves_[leaf];
        if (slot* const s = slot_at(e.at, e.size); s != nullptr && s->owner == leaf) {
            s->owner = nobody;
        } else {
            beside_.erase(e.at.raw);
        }
    }
    void settle(number leaf, frame to) {
        leaves_[leaf].at = to;
        if (slot* const s = slot_at(to, leaves_[leaf].size); s != nullptr && s->owner == nobody) {
            s->owner = leaf;
        } else {
            beside_[to.raw] = leaf;
        }
    }

    std::vector<entry> leaves_;  ///< by space, then page
    std::vector<slot> slots_;    ///< what leaves held at the start, by frame
    /// Leaves that have frames which no leaf of their size had at the start.
    absl::flat_hash_map<std::uint64_t, number> beside_;
};

}
LONGREACH_NAMESPACE_END

#endif
