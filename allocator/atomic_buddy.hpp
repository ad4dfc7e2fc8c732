// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_ATOMIC_BUDDY_HPP
#define LONGREACH_ALLOCATOR_ATOMIC_BUDDY_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "atomic_bit_tree.hpp"
#include "atomics.hpp"
#include "bits.hpp"
#include "child.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "memory_carver.hpp"
#include "status.hpp"
#include "units.hpp"

// A frame allocator that any thread calls at any time, without a lock around the zone.
//
// One bit per frame is the truth, as in the buddy. What lies in one 64-frame word is taken by one compare-exchange and
// given back by one fetch-or. Larger blocks and runs are taken word by word while the 512-frame children they lie in
// are locked, lowest first; such a call never waits for calls on single words, but those that were refused wait for it:
// an exact request answers `occupied` only from a look that no call on several words has overlapped. Marks that say
// which child has which order are hints and may promise too much. All threads search from the lowest child: for many
// short-lived single frames put cpu_magazines in front of a locked buddy. No promises, no contiguity map.
// Source of the idea of bits as the only truth: LLFree (USENIX ATC 2023); of exact requests: CA paging (ISCA 2020).

LONGREACH_NAMESPACE_BEGIN

/// Invariants, while no call runs, by child unless said otherwise:
/// I1 no bit outside the managed run is set. I2 a child that is wholly free is marked as whole, any other with every
/// order of which it has a free block. I3 a marked child is in the set of that mark. I4 no child is locked.
template <class Frame, class Atomics = builtin_atomics>
class basic_atomic_buddy {
  public:
    using frame = Frame;

    static constexpr order max_order{30};  ///< 4 TiB

    /// Bytes of memory to pass for this many frames, whatever their alignment: 0.144 per frame.
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames) noexcept {
        const std::uint64_t n = frames.raw / child_frames + 2;
        return 64 + n * (sizeof(child_words) + sizeof(std::uint64_t)) +
               mark_count * atomic_bit_tree<Atomics>::required_words(n) * sizeof(std::uint64_t);
    }

    /// A zone whose frames are all free; `memory` holds required_bytes(managed.count) and outlives it. `managed` is not
    /// empty and ends below 2^63. O(frames / 512).
    basic_atomic_buddy(run<Frame> managed, std::span<std::byte> memory) noexcept
        : basic_atomic_buddy(managed, memory, false) {}

    /// A zone over memory in which one of the same run and alignment left its bits: what they say is free is free,
    /// everything else is rebuilt. Frames of a call on several words that was cut short stay taken. O(frames / 64).
    [[nodiscard]] static basic_atomic_buddy recovered(run<Frame> managed, std::span<std::byte> memory) noexcept {
        return basic_atomic_buddy(managed, memory, true);
    }

    /// Rebuilds everything but the bits from the bits, while nobody else calls. O(frames / 64).
    void recover() noexcept;

    [[nodiscard]] run<Frame> managed() const noexcept { return managed_; }

    /// Free frames, each child counted at its own moment; O(frames / 64).
    [[nodiscard]] page_count free_frames() const noexcept;

    /// Takes a free block of 2^o frames: from the lowest broken child that has one, else from a whole child; in a child
    /// the lowest block. Nothing where no block is free, and perhaps while another call is under way. O(log64 frames)
    /// up to order 9, and more for each mark that promised too much, which is met once; above, O(children).
    [[nodiscard]] std::optional<Frame> allocate(order o) noexcept {
        const std::uint64_t found = allocate_number(o, o.pages());
        return found == no_frame ? std::optional<Frame>{} : std::optional<Frame>{Frame{found}};
    }

    /// Takes exactly the block of 2^o frames at `want`, or says `occupied` (some frame is in use) or `out_of_range`
    /// (some frame is not managed). Exact: the answer is true at a moment of the call. `want` is aligned to 2^o.
    status allocate_at(Frame want, order o) noexcept {
        LONGREACH_CHECK(is_aligned(want, o), "atomic_buddy.misaligned");
        return allocate_run_at({want, o.pages()});
    }

    /// Takes exactly `count` frames (1 or more) that adjoin: at the start of a block that holds them where one is
    /// free, otherwise the lowest such run. Nothing as in allocate(). O(log64 frames), then O(frames / 64).
    [[nodiscard]] std::optional<run<Frame>> allocate_run(page_count count) noexcept;

    /// Takes exactly these frames (1 or more), or none of them and says why, as allocate_at does. O(count / 64).
    status allocate_run_at(run<Frame> frames) noexcept;

    /// Gives back 2^o frames that were taken, by whatever calls; `block` is aligned to 2^o.
    void free(Frame block, order o) noexcept {
        LONGREACH_CHECK(is_aligned(block, o), "atomic_buddy.misaligned");
        free_run({block, o.pages()});
    }

    /// Gives back frames (1 or more) that were taken, by whatever calls. O(count / 64).
    void free_run(run<Frame> frames) noexcept;

    /// Whether all 2^o frames at `block`, aligned to 2^o, are managed and free; inside one child true at a moment of
    /// the call, beyond it each child was looked at in turn.
    [[nodiscard]] bool is_free(Frame block, order o) const noexcept {
        const run<Frame> frames{block, o.pages()};
        return managed_.contains(frames) && !is_taken(frames);
    }

    /// Recounts everything from the bits, while nobody else calls; O(frames).
    violation audit() const noexcept;

  private:
    friend struct atomic_buddy_corruption;  // tests break invariants through it

    static constexpr std::uint64_t no_frame = ~std::uint64_t{0};
    static constexpr std::uint64_t full_word = ~std::uint64_t{0};

    // A child's header: bits 0 to 8 mark orders of which it may have a block, bit 9 that it may be whole; from bit 16
    // on a sequence number, odd while the child is locked.
    static constexpr unsigned whole = child_order;
    static constexpr unsigned mark_count = child_order + 1;
    static constexpr std::uint64_t one_turn = std::uint64_t{1} << 16;

    basic_atomic_buddy(run<Frame> managed, std::span<std::byte> memory, bool keep_bits) noexcept;

    [[nodiscard]] std::uint64_t children() const noexcept { return words_.size(); }
    [[nodiscard]] std::uint64_t child_of(Frame f) const noexcept { return (f - base_).raw / child_frames; }
    [[nodiscard]] Frame frame_at(std::uint64_t child, unsigned position) const noexcept {
        return base_ + page_count{child * child_frames + position};
    }
    [[nodiscard]] std::uint64_t& word_of(Frame f) const noexcept {
        return words_[child_of(f)][f.raw % child_frames / 64];
    }
    [[nodiscard]] static bool is_in_one_word(run<Frame> frames) noexcept {
        return frames.count.raw <= 64 - frames.first.raw % 64;
    }
    [[nodiscard]] run<Frame> managed_part(std::uint64_t child) const noexcept {
        return intersection(managed_, run<Frame>{frame_at(child, 0), page_count{child_frames}});
    }
    [[nodiscard]] child_words look(std::uint64_t child) const noexcept;
    [[nodiscard]] bool is_whole(std::uint64_t child) const noexcept;

    void start() noexcept;
    void start_child(std::uint64_t child) noexcept;

    // Marks
    [[nodiscard]] static std::uint64_t marks_of(const child_words& words) noexcept {
        return full_words(words) == 0xff ? std::uint64_t{1} << whole : low_mask(orders_present(words));
    }
    void mark(std::uint64_t child, std::uint64_t marks) noexcept;
    void mark_all(std::uint64_t child) noexcept;
    void mark_word(std::uint64_t child, std::uint64_t word) noexcept;
    /// Whether a child has the marks of the first `count` orders; then nothing need be counted.
    [[nodiscard]] bool has_marks(std::uint64_t child, unsigned count) const noexcept {
        return (~Atomics::load(headers_[child]) & low_mask(count)) == 0;
    }
    void unmark(std::uint64_t child, unsigned k) noexcept;

    // Words
    static std::uint64_t take(std::uint64_t& word, std::uint64_t frames) noexcept;
    static void give(std::uint64_t& word, std::uint64_t frames) noexcept;
    template <class Visit>
    run<Frame> for_each_word(run<Frame> frames, Visit visit) const noexcept;

    // Locked children
    void lock(run<Frame> frames) noexcept;
    void unlock(run<Frame> frames) noexcept;
    [[nodiscard]] bool take_words(run<Frame> frames) noexcept;
    [[nodiscard]] bool is_taken(run<Frame> frames) const noexcept;
    [[nodiscard]] bool is_taken_in(std::uint64_t child, run<Frame> frames) const noexcept;

    // Searches; frame numbers, or no_frame
    [[nodiscard]] std::uint64_t allocate_number(order o, page_count count) noexcept;
    [[nodiscard]] std::uint64_t allocate_part(unsigned k, unsigned count) noexcept;
    [[nodiscard]] std::uint64_t allocate_in(std::uint64_t child, unsigned k, unsigned count) noexcept;
    [[nodiscard]] std::uint64_t allocate_children(order o, page_count count) noexcept;
    [[nodiscard]] std::optional<Frame> find_run(Frame from, page_count count) const noexcept;

    run<Frame> managed_;
    Frame base_;
    std::span<child_words> words_{};
    std::span<std::uint64_t> headers_{};
    std::array<atomic_bit_tree<Atomics>, mark_count> marked_{};  ///< by mark, the children that have it
};

using atomic_buddy = basic_atomic_buddy<pfn>;
using guest_atomic_buddy = basic_atomic_buddy<gfn>;

LONGREACH_NAMESPACE_END

#include "atomic_buddy_impl.hpp"
#include "atomic_buddy_search_impl.hpp"

#endif
