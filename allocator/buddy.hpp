// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BUDDY_HPP
#define LONGREACH_ALLOCATOR_BUDDY_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>

#include "bit_tree.hpp"
#include "child.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "reserved_frames.hpp"
#include "status.hpp"
#include "superblock_index.hpp"
#include "units.hpp"

// The frame allocator: one bit per frame is the truth, everything else is an index that finds blocks quickly.
//
// Frames are numbers and never dereferenced; no list runs through them, so free memory is never touched.
// Blocks of orders 0 to 8 are found through one bit_tree per order over 512-frame children, larger ones
// through the superblock index. Reserved frames are promised to a placement: ordinary allocations take
// them only when nothing else is left. Not thread-safe: the caller locks.
// Source of the idea of bits instead of lists: LLFree (USENIX ATC 2023); of exact requests: CA paging (ISCA 2020).

LONGREACH_NAMESPACE_BEGIN

/// Invariants, by child unless said otherwise:
/// I1 the free count equals the set bits. I2 no bit outside the managed run is set.
/// I3 a child that is wholly free and wholly unreserved is in the superblock index; no other is.
/// I4 every order with a maximal free unreserved block is marked, and marks equal the trees.
/// I5 the zone's counts of free and of free unreserved frames equal the recount.
/// I6 the set of children with promises equals the promises.
template <class Frame>
class basic_buddy {
  public:
    using frame = Frame;

    static constexpr order max_order{superblock_index::max_order};

    /// Bytes of memory to pass for this many frames, whatever their alignment: about 0.16 per frame.
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames) noexcept {
        const std::uint64_t n = frames.raw / child_frames + 2;
        return alignof(std::max_align_t) + 64 + n * sizeof(child_words) +
               reserved_frames::mask_count(n) * sizeof(child_words) +
               (tree_words(n) * (child_order + 2) + superblock_index::required_words(n)) * sizeof(std::uint64_t) +
               n * (sizeof(child_header) + sizeof(std::uint16_t)) + 64;
    }

    /// A zone whose frames are all free; `memory` holds required_bytes(managed.count) and outlives it.
    basic_buddy(run<Frame> managed, std::span<std::byte> memory) noexcept;

    [[nodiscard]] run<Frame> managed() const noexcept { return managed_; }
    [[nodiscard]] page_count free_frames() const noexcept { return {free_}; }
    /// Free frames that no placement has been promised.
    [[nodiscard]] page_count unreserved_frames() const noexcept { return {unreserved_}; }

    /// Takes the smallest free block of at least 2^o frames, the lowest address among equals, and gives the rest
    /// of it back; reserved frames only where no unreserved block suffices. Nothing where no block does.
    /// O(log64 frames) while unreserved blocks last, else O(children).
    [[nodiscard]] std::optional<Frame> allocate(order o) noexcept {
        if (const std::optional<Frame> found = find_unreserved(o)) {
            take(*found, o);
            return found;
        }
        if (const std::optional<Frame> lent = find_reserved(o)) {
            take(*lent, o);
            return lent;
        }
        return {};
    }

    /// Whether allocate(o) would find a block, reserved or not; its cost.
    [[nodiscard]] bool can_allocate(order o) noexcept {
        return find_unreserved(o).has_value() || find_reserved(o).has_value();
    }

    /// Takes exactly the block of 2^o frames at `want`, reserved or not, or says `occupied` (some frame is in use)
    /// or `out_of_range` (some frame is not managed). Exact: a free block is never refused. `want` is aligned to 2^o.
    status allocate_at(Frame want, order o) noexcept {
        LONGREACH_CHECK(is_aligned(want, o), "buddy.misaligned");
        if (!managed_.contains(run<Frame>{want, o.pages()})) return status::out_of_range;
        if (!is_free(want, o)) return status::occupied;
        take(want, o);
        return status::ok;
    }

    /// Gives back 2^o frames that were taken, by whatever calls; `block` is aligned to 2^o.
    void free(Frame block, order o) noexcept;

    /// Whether all 2^o frames at `block`, aligned to 2^o, are managed and free.
    [[nodiscard]] bool is_free(Frame block, order o) const noexcept;

    /// Promises the free and used frames of a run to a placement; overlapping promises are one promise.
    void reserve(run<Frame> frames) noexcept { promise(frames, true); }
    /// Takes a promise back; frames of the run that were not promised stay so.
    void unreserve(run<Frame> frames) noexcept { promise(frames, false); }

    /// Whether every promise was kept frame by frame so far; false once one needed a mask and none was left.
    [[nodiscard]] bool kept_every_promise() const noexcept { return kept_every_promise_; }

    /// Free frames of a managed run, reserved ones included; O(run / 64).
    [[nodiscard]] page_count count_free_in(run<Frame> frames) const noexcept;

    /// Promised frames of a managed run, free or not; O(run / 64).
    [[nodiscard]] page_count count_reserved_in(run<Frame> frames) const noexcept;

    // What a contiguity map reads. Children are numbered from 0; child 0 begins at base().

    [[nodiscard]] std::uint64_t children() const noexcept { return child_count_; }
    /// First frame of child 0: the zone's first frame, rounded down to 512.
    [[nodiscard]] Frame base() const noexcept { return base_; }
    /// The free unreserved frames of a child.
    [[nodiscard]] child_words unreserved(std::uint64_t child) const noexcept {
        child_words words = words_[child];
        if (!promises_.any(child)) return words;
        const child_words promised = promises_.words(child);
        for (unsigned i = 0; i < words.size(); ++i) words[i] &= ~promised[i];
        return words;
    }
    /// A child whose unreserved frames changed since it was last named here, or children() where there is none.
    [[nodiscard]] std::uint64_t take_changed() noexcept {
        const std::uint64_t child = changed_.first();
        if (child != child_count_) changed_.erase(child);
        return child;
    }

    /// Recounts everything from the bits; O(frames).
    violation audit() const noexcept;

  private:
    friend struct buddy_corruption;  // tests break invariants through it

    struct child_header {
        std::uint16_t free;    ///< free frames, 0 to 512
        std::uint16_t orders;  ///< bit k: a maximal unreserved free block of order k may be here; 0 to 8
    };

    static constexpr std::size_t tree_words(std::uint64_t n) noexcept { return bit_tree::required_words(n); }

    [[nodiscard]] std::uint64_t child_of(Frame f) const noexcept { return (f - base_).raw / child_frames; }
    [[nodiscard]] unsigned position_of(Frame f) const noexcept { return static_cast<unsigned>(f.raw % child_frames); }
    [[nodiscard]] Frame frame_at(std::uint64_t child, unsigned position) const noexcept {
        return base_ + page_count{child * child_frames + position};
    }
    [[nodiscard]] std::uint64_t absolute(std::uint64_t child) const noexcept {
        return base_.raw / child_frames + child;
    }
    /// Whether the child is one block for the superblock index.
    [[nodiscard]] bool is_whole(std::uint64_t child) const noexcept {
        return headers_[child].free == child_frames && !promises_.any(child);
    }

    template <class Words>
    [[nodiscard]] page_count count_in(run<Frame> frames, Words words_of) const noexcept;
    [[nodiscard]] std::optional<Frame> find_unreserved(order o) noexcept;
    [[nodiscard]] std::optional<Frame> find_reserved(order o) const noexcept;
    void take(Frame block, order o) noexcept;
    void take_part(std::uint64_t child, unsigned position, unsigned k) noexcept;
    void give_part(std::uint64_t child, unsigned position, unsigned k) noexcept;
    void promise(run<Frame> frames, bool wanted) noexcept;
    void promise_part(std::uint64_t child, unsigned first, unsigned end, bool wanted) noexcept;

    /// Replaces the order marks of a child.
    void mark(std::uint64_t child, unsigned orders) noexcept {
        for (unsigned changed = headers_[child].orders ^ orders; changed != 0; changed &= changed - 1) {
            const unsigned k = trailing_zeros(changed);
            if ((orders >> k & 1) != 0) {
                by_order_[k].insert(child);
            } else {
                by_order_[k].erase(child);
            }
        }
        headers_[child].orders = static_cast<std::uint16_t>(orders);
    }

    run<Frame> managed_;
    Frame base_;
    std::uint64_t child_count_;
    std::uint64_t free_;
    std::uint64_t unreserved_;
    std::span<child_words> words_;
    std::span<child_header> headers_;
    std::array<bit_tree, child_order> by_order_{};  ///< children marked with order k
    bit_tree changed_{};
    bit_tree promised_{};  ///< children with any promise
    superblock_index superblocks_{};
    reserved_frames promises_{};
    bool kept_every_promise_ = true;
};

using buddy = basic_buddy<pfn>;
using guest_buddy = basic_buddy<gfn>;

LONGREACH_NAMESPACE_END

#include "buddy_impl.hpp"

#endif
