// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_BASELINE_ID_STACK_HPP
#define LONGREACH_BENCH_BASELINE_ID_STACK_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/status.hpp>
#include <vector>

#include "../zone_of.hpp"

// The two ends of the scale: a stack of block numbers, the least an allocator can do, and one that does nothing, which
// leaves what the harness itself costs.
//
// Source: the free list of Knuth, The Art of Computer Programming vol. 1, 2.2.3, as an array. Left out of the stack:
// blocks of two orders at a time, parts of blocks, requests by address, checks of the caller. Neither locks.

namespace longreach::baseline {

/// A stack of free blocks, all of one order: of order 0 at first, of another once an allocation asks for it while every
/// block is free. With any block in use, a request of another order is refused. Whole blocks are given back.
///
/// I1 every number on the stack is that of a block inside the zone. I2 none is there twice.
class id_stack {
  public:
    static constexpr unsigned max_order = 18;

    id_stack(std::uint64_t frames, unsigned /*cpus*/) : frames_(frames), ids_(frames) { refill(0); }

    std::uint64_t allocate(unsigned /*cpu*/, unsigned order) {
        if (order != order_ && !refill(order)) return LONGREACH_NO_FRAME;
        if (top_ == 0) return LONGREACH_NO_FRAME;
        return ids_[--top_];
    }

    void free(unsigned /*cpu*/, std::uint64_t frame, unsigned /*order*/) { ids_[top_++] = frame; }

    [[nodiscard]] std::size_t metadata_bytes() const { return sizeof *this + ids_.size() * sizeof ids_[0]; }

    [[nodiscard]] violation audit() const {
        std::vector<bool> seen(frames_ >> order_);
        for (std::uint64_t i = 0; i < top_; ++i) {
            const std::uint64_t block = ids_[i] >> order_;
            if (block >= seen.size() || block << order_ != ids_[i]) return {"id_stack.I1", ids_[i]};
            if (seen[block]) return {"id_stack.I2", ids_[i]};
            seen[block] = true;
        }
        return {};
    }

  private:
    friend struct baseline_corruption;  // tests break invariants through it

    /// Fills the stack with the blocks of `order`, the lowest on top; false where a block is in use.
    bool refill(unsigned order) {
        if (top_ != frames_ >> order_ && order_ != none) return false;
        order_ = order;
        top_ = frames_ >> order;
        for (std::uint64_t i = 0; i < top_; ++i) ids_[i] = (top_ - 1 - i) << order;
        return true;
    }

    static constexpr unsigned none = 63;

    std::uint64_t frames_;
    std::vector<std::uint64_t> ids_;
    std::uint64_t top_ = 0;
    unsigned order_ = none;
};

/// Hands out one frame number after the other and keeps no record: not an allocator, but the harness without one.
class null_allocator {
  public:
    static constexpr unsigned max_order = 18;

    null_allocator(std::uint64_t frames, unsigned /*cpus*/) : frames_(frames) {}

    std::uint64_t allocate(unsigned /*cpu*/, unsigned order) {
        const std::uint64_t frame = next_;
        next_ += std::uint64_t{1} << order;
        if (next_ >= frames_) next_ = 0;
        return frame;
    }
    void free(unsigned /*cpu*/, std::uint64_t /*frame*/, unsigned /*order*/) {}
    bool allocate_at(unsigned /*cpu*/, std::uint64_t /*frame*/, unsigned /*order*/) { return true; }
    [[nodiscard]] std::size_t metadata_bytes() const { return 0; }
    /// Nothing is kept, so nothing can break.
    [[nodiscard]] violation audit() const { return {}; }

  private:
    std::uint64_t frames_;
    std::uint64_t next_ = 0;
};

inline constexpr longreach_zone_interface id_stack_zone = bench::zone_of<id_stack>("id_stack", 1);
inline constexpr longreach_zone_interface null_zone = bench::zone_of<null_allocator>("null", 1);

}  // namespace longreach::baseline

#endif
