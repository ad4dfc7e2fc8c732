// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BUDDY_HPP
#define LONGREACH_ALLOCATOR_BUDDY_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "block_layer.hpp"
#include "child.hpp"
#include "cluster_tree.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "reserved_frames.hpp"
#include "status.hpp"
#include "units.hpp"

// The frame allocator: one bit per frame is the truth, everything else is an index that finds blocks quickly.
//
// Frames are numbers and never dereferenced; no list runs through them, so free memory is never touched. Two layers
// find blocks: the lower one blocks of orders 0 to 8 in broken 2 MiB children, the upper one whole children. A broken
// child serves before a whole one. Reserved frames are promised to a placement: ordinary allocations take them only
// when nothing else is left. Not thread-safe: the caller locks, or locked_buddy, cpu_magazines or atomic_buddy do.
// Source of the idea of bits instead of lists: LLFree (USENIX ATC 2023); of exact requests: CA paging (ISCA 2020).

LONGREACH_NAMESPACE_BEGIN

struct buddy_options {
    block_choice choice = block_choice::adaptive;
    /// Keep promises to the frame: 0.016 byte per frame more. Without, a promise is rounded to whole 2 MiB.
    bool exact_promises = true;
};

/// Free frames of one 64-frame word, taken all at once: bit i is frame first + i.
template <class Frame>
struct frame_word {
    Frame first{};
    std::uint64_t frames{};
};

/// Invariants, by child unless said otherwise: I1 no bit outside the managed run is set. I2 the units of the upper
/// layer are the children that are wholly free and wholly unreserved. I3 every order of which another child has a
/// free unreserved block is marked, in both layers. I4 the zone's counts of free frames and of free reserved ones
/// equal the recount. I5 the set of children with promises equals the promises. I6 the queue holds exactly the
/// children marked as queued, each once. I7 a frame that is ready to be handed out lies in no whole child and is not
/// promised.
template <class Frame>
class basic_buddy {
  public:
    using frame = Frame;

    static constexpr order max_order{30};  ///< 4 TiB

    /// Bytes of memory to pass for this many frames, whatever their alignment: about 0.16 per frame, 0.145 without
    /// exact promises.
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames, buddy_options options = {}) noexcept {
        const std::uint64_t n = frames.raw / child_frames + 2;
        const std::uint64_t groups = n / child_frames + 2;
        const std::size_t trees = block_layer::required_words(n, options.choice) +
                                  block_layer::required_words(groups, upper_choice(options.choice)) +
                                  bit_tree::required_words(n);
        return 64 + (n + groups + mask_count(n, options)) * sizeof(child_words) + (n + groups) * sizeof(child_header) +
               trees * sizeof(std::uint64_t);
    }

    /// A zone whose frames are all free; `memory` holds required_bytes(managed.count, options) and outlives it.
    /// `managed` is not empty and ends below 2^63. O(frames / 512).
    basic_buddy(run<Frame> managed, std::span<std::byte> memory, buddy_options options = {}) noexcept
        : basic_buddy(managed, memory, options, false) {}

    /// A zone over memory in which one of the same run, options and alignment left its bits: what they say is free is
    /// free, everything else is rebuilt, promises are forgotten. O(frames / 64).
    [[nodiscard]] static basic_buddy recovered(run<Frame> managed, std::span<std::byte> memory,
                                               buddy_options options = {}) noexcept {
        return basic_buddy(managed, memory, options, true);
    }

    basic_buddy(const basic_buddy&) = delete;
    basic_buddy& operator=(const basic_buddy&) = delete;

    /// Rebuilds everything but the bits from the bits, and forgets all promises. O(frames / 64).
    void recover() noexcept;

    [[nodiscard]] run<Frame> managed() const noexcept { return managed_; }
    [[nodiscard]] page_count free_frames() const noexcept { return {free_}; }
    /// Free frames that no placement has been promised.
    [[nodiscard]] page_count unreserved_frames() const noexcept { return {free_ - reserved_free_}; }

    /// Takes a free block of 2^o frames by the zone's choice; broken 2 MiB children serve before whole ones, and
    /// reserved frames only where no unreserved block suffices. Single frames come from one 64-frame word as long as
    /// it lasts where the choice is `adaptive`. Nothing where no block is free. O(log64 frames) up to order 17 while
    /// unreserved blocks last; above, O(frames / 2^18); else O(children).
    [[nodiscard, gnu::always_inline]] std::optional<Frame> allocate(order o) noexcept {
        const std::uint64_t found = o.raw == 0 ? allocate_frame() : allocate_block(o);
        if (found != no_frame)
            return std::optional<Frame>{std::in_place, found};  // gcc 12 keeps this form in registers
        return std::optional<Frame>{};
    }

    /// The same without lending reserved frames.
    [[nodiscard]] std::optional<Frame> allocate_unreserved(order o) noexcept {
        if (reserved_free_ == 0) return allocate(o);
        const std::optional<Frame> found = find_unreserved(o);
        if (found) take(*found, o);
        return found;
    }

    /// Whether allocate(o) would find a block, reserved or not; its cost.
    [[nodiscard]] bool can_allocate(order o) noexcept {
        return find_unreserved(o).has_value() || find_reserved(o).has_value();
    }

    /// Takes exactly the block of 2^o frames at `want`, reserved or not, or says `occupied` (some frame is in use) or
    /// `out_of_range` (some frame is not managed). Exact: a free block is never refused. `want` is aligned to 2^o.
    [[gnu::always_inline]] status allocate_at(Frame want, order o) noexcept {
        LONGREACH_CHECK(is_aligned(want, o), "buddy.misaligned");
        if (!managed_.contains(run<Frame>{want, o.pages()})) return status::out_of_range;
        if (o.raw < 6) {
            const std::uint64_t child = child_of(want);
            const unsigned position = position_of(want);
            const std::uint64_t frames = block_mask(position, o.raw);
            if ((frames & ~lower_.words(child)[position / 64]) != 0) return status::occupied;
            if ((frames & ~promises_.word(child, position / 64)) == 0) {
                take_promised(child, position / 64, frames, 1U << o.raw);
            } else {
                take_part(child, position, o.raw, block_place::unknown);
            }
            return status::ok;
        }
        return allocate_large_at(want, o);
    }

    /// Takes a run of exactly `count` frames (1 or more): from a single block where one is free, else the first place
    /// where so many unreserved frames adjoin, else the first where so many free ones do. Nothing where they nowhere
    /// do. O(log64 frames), then O(frames / 64).
    [[nodiscard]] std::optional<run<Frame>> allocate_run(page_count count) noexcept;

    /// Takes exactly these frames (1 or more), reserved or not, or none of them and says why, as allocate_at does.
    /// O(count / 64).
    status allocate_run_at(run<Frame> frames) noexcept;

    /// Takes all of these runs, or none and says which one is at fault in `culprit`: `occupied` where it overlaps
    /// another one or frames in use, `out_of_range` where it is empty or not managed. For what a boot loader,
    /// firmware or holes keep from the zone; in any order, adjoining or not.
    status allocate_runs_at(std::span<const run<Frame>> runs, std::size_t& culprit) noexcept;

    /// Gives back 2^o frames that were taken, by whatever calls; `block` is aligned to 2^o.
    void free(Frame block, order o) noexcept;

    /// Gives back frames (1 or more) that were taken, by whatever calls. O(count / 64).
    void free_run(run<Frame> frames) noexcept;

    /// Takes the free unreserved frames around the one that an order-0 request would get, as far as they lie in the
    /// same aligned 64-frame word and break no larger block than that request; nothing where no unreserved frame is
    /// free. For caches above the zone; give back with free_word.
    [[nodiscard]] std::optional<frame_word<Frame>> allocate_word() noexcept;

    /// Gives back frames of one 64-frame word; `word.first` is a multiple of 64.
    void free_word(frame_word<Frame> word) noexcept;

    /// The free ones of the aligned 64-frame word at `first`, which overlaps the zone, reserved or not.
    [[nodiscard]] std::uint64_t free_in_word(Frame first) const noexcept {
        return lower_.words(child_of(first))[position_of(first) / 64];
    }

    /// Whether all 2^o frames at `block`, aligned to 2^o, are managed and free.
    [[nodiscard]] bool is_free(Frame block, order o) const noexcept {
        return managed_.contains(run<Frame>{block, o.pages()}) && is_free_inside(block, o);
    }

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

    /// How many free blocks there are of each order that are not part of a larger free block, promised or not: the
    /// columns of /proc/buddyinfo, here up to max_order. O(children).
    [[nodiscard]] std::array<std::uint64_t, max_order.raw + 1> count_blocks() const noexcept;

    /// The lowest and the highest free block of 2^o frames in a managed run (o is 9 at most), reserved or not; nothing
    /// where the run has none. O(run / 64), and O(512) in children that have as many free frames.
    [[nodiscard]] std::optional<Frame> find_first_free(run<Frame> frames, order o) const noexcept;
    [[nodiscard]] std::optional<Frame> find_last_free(run<Frame> frames, order o) const noexcept;

    // What a contiguity map reads. Children are numbered from 0; child 0 begins at base().

    [[nodiscard]] std::uint64_t children() const noexcept { return lower_.children(); }
    /// First frame of child 0: the zone's first frame, rounded down to 512.
    [[nodiscard]] Frame base() const noexcept { return base_; }
    /// The free unreserved frames of a child.
    [[nodiscard]] child_words unreserved(std::uint64_t child) const noexcept {
        child_words words = lower_.words(child);
        if (!promises_.any(child)) return words;
        const child_words promised = promises_.words(child);
        for (unsigned i = 0; i < words.size(); ++i) words[i] &= ~promised[i];
        return words;
    }
    /// Has `tree`, made for children() children, follow every change from now on; null to stop. One at a time.
    void attach(cluster_tree* tree) noexcept;
    /// Brings the attached tree up to date: at most 64 children wait.
    void settle() noexcept {
        if (queued_ == 0) return;
        tree_->update(std::span(queue_).first(queued_), [this](std::uint64_t child) {
            std::uint8_t& flags = lower_.header(child).flags;
            flags = static_cast<std::uint8_t>(flags & ~child_header::queued);
            return unreserved(child);
        });
        queued_ = 0;
    }

    /// Recounts everything from the bits; O(frames).
    violation audit() const noexcept;

  private:
    friend struct buddy_corruption;  // tests break invariants through it

    static constexpr unsigned queue_length = 64;
    static constexpr std::uint64_t no_frame = ~std::uint64_t{0};

    basic_buddy(run<Frame> managed, std::span<std::byte> memory, buddy_options options, bool keep_bits) noexcept;

    [[nodiscard]] static constexpr std::size_t mask_count(std::uint64_t n, buddy_options options) noexcept {
        return options.exact_promises ? reserved_frames::mask_count(n) : 0;
    }
    [[nodiscard]] std::uint64_t child_of(Frame f) const noexcept { return (f - base_).raw / child_frames; }
    [[nodiscard]] unsigned position_of(Frame f) const noexcept { return static_cast<unsigned>(f.raw % child_frames); }
    [[nodiscard]] Frame frame_at(std::uint64_t child, unsigned position) const noexcept {
        return base_ + page_count{child * child_frames + position};
    }
    /// The child's unit of the upper layer, whose children are aligned to 2^18 frames.
    [[nodiscard]] std::uint64_t unit_of(std::uint64_t child) const noexcept { return child + skew_; }
    [[nodiscard]] bool is_unit(std::uint64_t child) const noexcept {
        return is_free_block(upper_.words(unit_of(child) / child_frames), unit_of(child) % child_frames, 0);
    }
    [[nodiscard]] run<Frame> managed_part(std::uint64_t child) const noexcept {
        return intersection(managed_, run<Frame>{frame_at(child, 0), page_count{child_frames}});
    }

    /// The upper layer chooses by address unless the zone chooses by size.
    [[nodiscard]] static constexpr block_choice upper_choice(block_choice choice) noexcept {
        return choice == block_choice::adaptive ? block_choice::lowest : choice;
    }

    /// What the lower layer asks about its children.
    struct lower_view {
        basic_buddy& zone;
        [[nodiscard]] bool any(std::uint64_t child) const noexcept { return zone.promises_.any(child); }
        [[nodiscard]] child_words words(std::uint64_t child) const noexcept { return zone.unreserved(child); }
        [[nodiscard]] bool is_kept(std::uint64_t) const noexcept { return true; }
        [[nodiscard]] bool is_lowest_kept(std::uint64_t child) const noexcept { return zone.find_whole() == child; }
    };
    struct upper_view {
        const block_layer& layer;
        [[nodiscard]] static bool any(std::uint64_t) noexcept { return false; }
        [[nodiscard]] const child_words& words(std::uint64_t group) const noexcept { return layer.words(group); }
        [[nodiscard]] static bool is_kept(std::uint64_t) noexcept { return false; }
        [[nodiscard]] static bool is_lowest_kept(std::uint64_t) noexcept { return false; }
    };

    [[nodiscard]] static bool marks_suffice(const block_layer& layer, std::uint64_t child,
                                            const child_words& open) noexcept;
    void start() noexcept;
    void start_child(std::uint64_t child) noexcept;
    [[nodiscard]] bool is_free_inside(Frame block, order o) const noexcept;
    template <class Words>
    [[nodiscard]] page_count count_in(run<Frame> frames, Words words_of) const noexcept;
    template <class Visit>
    void for_each_part(run<Frame> frames, Visit visit) const noexcept;

    [[nodiscard]] std::uint64_t find_whole() noexcept;
    [[nodiscard]] block_place find_part(unsigned k) noexcept;
    [[nodiscard]] std::optional<Frame> find_unreserved(order o) noexcept;
    [[nodiscard]] std::optional<Frame> find_giant(order o) const noexcept;
    [[nodiscard]] std::optional<Frame> find_giant(order o, Frame from) const noexcept;
    [[nodiscard]] bool is_giant(Frame block, order o) const noexcept;
    [[nodiscard]] std::optional<Frame> find_reserved(order o) const noexcept;
    template <class Words>
    [[nodiscard]] std::optional<Frame> find_run(page_count count, Words words_of) const noexcept;

    // Frame numbers, or no_frame.
    [[nodiscard, gnu::always_inline]] std::uint64_t allocate_frame() noexcept;
    [[nodiscard, gnu::noinline]] std::uint64_t allocate_block(order o) noexcept;
    [[nodiscard, gnu::noinline]] std::uint64_t allocate_any(order o) noexcept;
    void make_ready(block_place place) noexcept;
    [[nodiscard]] std::uint64_t open_word(std::uint64_t child, unsigned i) const noexcept;
    [[gnu::noinline]] status allocate_large_at(Frame want, order o) noexcept;

    void take(Frame block, order o) noexcept;
    [[gnu::always_inline]] void take_part(std::uint64_t child, unsigned position, unsigned k, unsigned from) noexcept;
    [[gnu::always_inline]] void take_promised(std::uint64_t child, unsigned i, std::uint64_t frames,
                                              unsigned count) noexcept;
    [[gnu::noinline]] void take_rare(std::uint64_t child, unsigned position, unsigned k, unsigned from) noexcept;
    [[gnu::noinline]] void finish_taking(std::uint64_t child, unsigned k, unsigned from) noexcept;
    [[gnu::noinline]] void finish_giving(std::uint64_t child, unsigned position, unsigned k) noexcept;
    void take_word(std::uint64_t child, unsigned i, std::uint64_t frames, unsigned k, unsigned from) noexcept;
    [[gnu::noinline]] void take_children(std::uint64_t child, order o) noexcept;
    void take_units(std::uint64_t child, unsigned k) noexcept;
    [[gnu::always_inline]] void empty_whole(std::uint64_t child) noexcept;
    [[gnu::noinline]] void give_whole(std::uint64_t child) noexcept;
    [[gnu::noinline]] void give_children(std::uint64_t child, order o) noexcept;
    [[gnu::always_inline]] void give_units(std::uint64_t child, unsigned k) noexcept;
    void give_word(std::uint64_t child, unsigned i, std::uint64_t frames) noexcept;
    void index_given(std::uint64_t child) noexcept;
    [[nodiscard, gnu::noinline]] unsigned count_promised(std::uint64_t child, unsigned position,
                                                         unsigned k) const noexcept;
    [[gnu::noinline]] void index_promised(std::uint64_t child) noexcept;
    [[gnu::noinline]] void break_whole(std::uint64_t child) noexcept;
    [[gnu::noinline]] void make_whole(std::uint64_t child) noexcept;
    void promise(run<Frame> frames, bool wanted) noexcept;
    void promise_part(std::uint64_t child, unsigned first, unsigned end, bool wanted) noexcept;
    void promise_unit(std::uint64_t child) noexcept;

    /// Frames of a child that became whole, or was promised, are no more handed out one by one.
    void forget_ready(std::uint64_t child) noexcept {
        if (ready_child_ == child) ready_frames_ = 0;
    }

    [[gnu::always_inline]] void note_change(std::uint64_t child) noexcept {
        if (tree_ != nullptr) queue_change(child);
    }
    [[gnu::noinline]] void queue_change(std::uint64_t child) noexcept {
        std::uint8_t& flags = lower_.header(child).flags;
        if ((flags & child_header::queued) != 0) return;
        flags = static_cast<std::uint8_t>(flags | child_header::queued);
        queue_[queued_++] = static_cast<std::uint32_t>(child);
        if (queued_ == queue_length) settle();
    }

    run<Frame> managed_;
    Frame base_;
    std::uint64_t skew_;  ///< children between the upper layer's first unit and child 0
    std::uint64_t free_ = 0;
    std::uint64_t reserved_free_ = 0;  ///< free frames that are promised
    block_layer lower_{};              ///< units are frames
    block_layer upper_{};              ///< units are whole, unreserved children
    bit_tree promised_{};              ///< children with any promise
    reserved_frames promises_{};
    bool kept_every_promise_ = true;
    unsigned ready_index_ = 0;  ///< word of ready_child_ from which single frames come
    std::uint64_t ready_child_ = 0;
    std::uint64_t ready_frames_ = 0;  ///< those of its frames that may, where they are free
    cluster_tree* tree_ = nullptr;
    unsigned queued_ = 0;
    std::array<std::uint32_t, queue_length> queue_{};  ///< children that changed since the tree saw them
};

using buddy = basic_buddy<pfn>;
using guest_buddy = basic_buddy<gfn>;

LONGREACH_NAMESPACE_END

#include "buddy_impl.hpp"
#include "buddy_promise_impl.hpp"
#include "buddy_search_impl.hpp"

#endif
