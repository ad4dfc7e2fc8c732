// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_BASELINE_TEXTBOOK_BUDDY_HPP
#define LONGREACH_BENCH_BASELINE_TEXTBOOK_BUDDY_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <longreach/allocator/status.hpp>
#include <vector>

#include "../zone_of.hpp"

// The binary buddy system as textbooks have it: a list of free blocks per order, split on demand, merged when freed.
//
// Nine bytes per frame beside the frames, none in them: a byte that marks the head of a free block with its order, and
// two 32-bit links. Lists are last in, first out; a mask of the orders that have blocks makes the search one
// instruction. Source: Knuth, The Art of Computer Programming vol. 1, 2.5, algorithms R and S; requests by address
// after them, by walking up the enclosing orders. Left out: any placement policy, checks of the caller, locks.

namespace longreach::baseline {

/// Zones of up to 2^32 - 2 frames.
///
/// I1 a mark is an order up to max_order, on an aligned block inside the zone that no other free block overlaps.
/// I2 the list of each order holds the blocks marked with it, once each, linked both ways.
/// I3 no two free blocks are the halves of a larger one. I4 the mask has the orders with blocks.
/// I5 the count of free frames is that of the marked blocks.
class textbook_buddy {
  public:
    static constexpr unsigned max_order = 18;

    textbook_buddy(std::uint64_t frames, unsigned /*cpus*/) : frames_(frames), marks_(frames), links_(frames) {
        heads_.fill(none);
        std::uint64_t block = frames;
        for (unsigned k = 0; k < max_order; ++k) {  // from the end, so that the lowest block heads each list
            if ((frames >> k & 1) == 0) continue;
            block -= size(k);
            push(block, k);
        }
        while (block != 0) push(block -= size(max_order), max_order);
        free_ = frames;
    }

    std::uint64_t allocate(unsigned /*cpu*/, unsigned order) {
        const std::uint32_t sufficient = nonempty_ >> order;
        if (sufficient == 0) return LONGREACH_NO_FRAME;
        unsigned k = order + static_cast<unsigned>(std::countr_zero(sufficient));
        const std::uint64_t block = heads_[k];
        remove(block, k);
        while (k > order) {
            --k;
            push(block + size(k), k);
        }
        free_ -= size(order);
        return block;
    }

    /// Never refuses a block that is free: free halves are always merged, so one free block encloses it.
    bool allocate_at(unsigned /*cpu*/, std::uint64_t frame, unsigned order) {
        if (frame >= frames_) return false;
        for (unsigned k = order; k <= max_order; ++k) {
            const std::uint64_t block = frame & ~(size(k) - 1);
            if (marks_[block] != k + 1) continue;
            take_inside(block, k, frame, order);
            return true;
        }
        return false;
    }

    void free(unsigned /*cpu*/, std::uint64_t frame, unsigned order) {
        free_ += size(order);
        unsigned k = order;
        for (; k < max_order; ++k) {
            const std::uint64_t other = frame ^ size(k);
            if (other >= frames_ || marks_[other] != k + 1) break;
            remove(other, k);
            frame &= ~size(k);
        }
        push(frame, k);
    }

    [[nodiscard]] std::size_t metadata_bytes() const {
        return sizeof *this + marks_.size() * sizeof marks_[0] + links_.size() * sizeof links_[0];
    }

    [[nodiscard]] violation audit() const {
        if (const violation found = audit_marks()) return found;
        return audit_lists();
    }

  private:
    friend struct baseline_corruption;  // tests break invariants through it

    struct link {
        std::uint32_t next;
        std::uint32_t previous;
    };
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

    static constexpr std::uint64_t size(unsigned order) { return std::uint64_t{1} << order; }

    void push(std::uint64_t frame, unsigned k) {
        const auto block = static_cast<std::uint32_t>(frame);
        const std::uint32_t after = heads_[k];
        links_[block] = {after, none};
        if (after != none) links_[after].previous = block;
        heads_[k] = block;
        marks_[block] = static_cast<std::uint8_t>(k + 1);
        nonempty_ |= std::uint32_t{1} << k;
    }

    void remove(std::uint64_t block, unsigned k) {
        const link l = links_[block];
        if (l.next != none) links_[l.next].previous = l.previous;
        if (l.previous != none) {
            links_[l.previous].next = l.next;
        } else {
            heads_[k] = l.next;
            if (l.next == none) nonempty_ &= ~(std::uint32_t{1} << k);
        }
        marks_[block] = 0;
    }

    /// Takes [frame, frame + 2^order) out of the free block of order k around it and frees the other halves.
    void take_inside(std::uint64_t block, unsigned k, std::uint64_t frame, unsigned order) {
        remove(block, k);
        while (k > order) {
            --k;
            const bool upper = (frame & size(k)) != 0;
            push(upper ? block : block + size(k), k);
            if (upper) block += size(k);
        }
        free_ -= size(order);
    }

    violation audit_marks() const {
        std::uint64_t end = 0;  // of the last free block
        std::uint64_t total = 0;
        for (std::uint64_t f = 0; f < frames_; ++f) {
            if (marks_[f] == 0) continue;
            const unsigned k = marks_[f] - 1U;
            if (k > max_order || f % size(k) != 0 || f + size(k) > frames_ || f < end) return {"textbook.I1", f};
            end = f + size(k);
            total += size(k);
            const std::uint64_t other = f ^ size(k);
            if (k < max_order && other < frames_ && marks_[other] == marks_[f]) return {"textbook.I3", f};
        }
        if (total != free_) return {"textbook.I5", free_};
        return {};
    }

    violation audit_lists() const {
        std::uint64_t marked = 0;
        for (const std::uint8_t mark : marks_) marked += mark != 0;
        std::uint64_t listed = 0;
        for (unsigned k = 0; k <= max_order; ++k) {
            std::uint32_t previous = none;
            for (std::uint32_t block = heads_[k]; block != none; block = links_[block].next) {
                if (block >= frames_ || marks_[block] != k + 1 || links_[block].previous != previous ||
                    ++listed > marked)
                    return {"textbook.I2", block};
                previous = block;
            }
            if ((nonempty_ >> k & 1) != (heads_[k] != none)) return {"textbook.I4", k};
        }
        if (listed != marked) return {"textbook.I2", listed};
        return {};
    }

    std::uint64_t frames_;
    std::vector<std::uint8_t> marks_;  ///< order + 1 at the head of a free block, else 0
    std::vector<link> links_;          ///< of heads of free blocks
    std::array<std::uint32_t, max_order + 1> heads_{};
    std::uint32_t nonempty_ = 0;
    std::uint64_t free_ = 0;
};

inline constexpr longreach_zone_interface textbook_buddy_zone = bench::zone_of<textbook_buddy>("textbook_buddy", 1);

}  // namespace longreach::baseline

#endif
