// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BUDDY_PROMISE_IMPL_HPP
#define LONGREACH_ALLOCATOR_BUDDY_PROMISE_IMPL_HPP

#include "buddy.hpp"

// The members of basic_buddy that promise and check; buddy.hpp includes it.

LONGREACH_NAMESPACE_BEGIN

// --------------------------------------------------------------------------------------------- promise

template <class Frame>
void basic_buddy<Frame>::promise(run<Frame> frames, bool wanted) noexcept {
    for_each_part(intersection(frames, managed_), [&](std::uint64_t child, unsigned first, unsigned end) {
        if (wanted && end - first == child_frames && is_unit(child)) return promise_unit(child);
        promise_part(child, first, end, wanted);
    });
}

/// Promises all of a child that is one block: it has nothing to be marked with any more.
template <class Frame>
void basic_buddy<Frame>::promise_unit(std::uint64_t child) noexcept {
    take_units(child, 0);
    lower_.unmark(child, block_layer::all_orders);
    promises_.promise_all(child);
    promised_.insert(child);
    reserved_free_ += child_frames;
    note_change(child);
}

/// Changes the promise of frames [first, end) of a child. Where no mask is left, a new promise is not made and a
/// whole one is given up: promises are soft.
template <class Frame>
void basic_buddy<Frame>::promise_part(std::uint64_t child, unsigned first, unsigned end, bool wanted) noexcept {
    child_words promised = promises_.words(child);
    for (unsigned i = 0; i < promised.size(); ++i) {
        const std::uint64_t mask = word_mask(i, first, end);
        promised[i] = wanted ? promised[i] | mask : promised[i] & ~mask;
    }
    if (is_unit(child)) break_whole(child);
    forget_ready(child);
    const unsigned free = lower_.header(child).free;
    reserved_free_ -= free - count_free(unreserved(child));
    if (!promises_.assign(child, promised)) {
        kept_every_promise_ = false;
        if (!wanted) (void)promises_.assign(child, child_words{});
    }
    const child_words open = unreserved(child);
    reserved_free_ += free - count_free(open);
    if (promises_.any(child)) {
        promised_.insert(child);
    } else {
        promised_.erase(child);
    }
    if (count_free(open) == child_frames) {
        make_whole(child);
    } else {
        lower_.index(child, open);
    }
    note_change(child);
}

/// Clears the bits of `count` free frames of word i, all of them promised: neither the marks nor the map know of those.
template <class Frame>
inline void basic_buddy<Frame>::take_promised(std::uint64_t child, unsigned i, std::uint64_t frames,
                                              unsigned count) noexcept {
    lower_.clear_word(child, i, frames, count);
    free_ -= count;
    reserved_free_ -= count;
}

template <class Frame>
unsigned basic_buddy<Frame>::count_promised(std::uint64_t child, unsigned position, unsigned k) const noexcept {
    if (k < 6) return count_ones(promises_.word(child, position / 64) & block_mask(position, k));
    return count_free_between(promises_.words(child), position, position + (1U << k));
}

// ----------------------------------------------------------------------------------------------- check

/// Whether a child is marked with every order that its units `open` make it serve.
template <class Frame>
bool basic_buddy<Frame>::marks_suffice(const block_layer& layer, std::uint64_t child,
                                       const child_words& open) noexcept {
    const unsigned needed = layer.is_snug(child) ? maximal_orders(open) : (1U << orders_present(open)) - 1;
    return (needed & ~static_cast<unsigned>(layer.header(child).orders)) == 0;
}

template <class Frame>
violation basic_buddy<Frame>::audit() const noexcept {
    if (const violation broken = promises_.audit()) return broken;  // before any promise is read
    std::uint64_t free = 0;
    std::uint64_t open_frames = 0;
    std::uint64_t queued = 0;
    std::uint64_t units = 0;
    for (std::uint64_t child = 0; child < children(); ++child) {
        const std::uint64_t where = frame_at(child, 0).raw;
        const unsigned count = count_free(lower_.words(child));
        if (count_free_in(managed_part(child)).raw != count) return {"buddy.I1", where};
        const child_words open = unreserved(child);
        const unsigned open_count = count_free(open);
        const bool whole = open_count == child_frames && !promises_.any(child);
        if (is_unit(child) != whole) return {"buddy.I2", where};
        if (!whole && !marks_suffice(lower_, child, open)) return {"buddy.I3", where};
        if (promised_.test(child) != promises_.any(child)) return {"buddy.I5", where};
        free += count;
        open_frames += open_count;
        units += whole;
        queued += (lower_.header(child).flags & child_header::queued) != 0;
    }
    for (std::uint64_t group = 0; group < upper_.children(); ++group) {
        if (!marks_suffice(upper_, group, upper_.words(group))) return {"buddy.I3", group};
    }
    if (free != free_) return {"buddy.I4", free};
    if (free - open_frames != reserved_free_) return {"buddy.I4", free - open_frames};
    if (queued != queued_ || queued > queue_length) return {"buddy.I6", queued};
    for (unsigned i = 0; i < queued_; ++i) {
        if (queue_[i] >= children()) return {"buddy.I6", queue_[i]};
        if ((lower_.header(queue_[i]).flags & child_header::queued) == 0) return {"buddy.I6", queue_[i]};
        for (unsigned j = 0; j < i; ++j) {
            if (queue_[j] == queue_[i]) return {"buddy.I6", queue_[i]};
        }
    }
    if (ready_child_ >= children() || ready_index_ >= 8) return {"buddy.I7", ready_child_};
    const std::uint64_t ready = lower_.words(ready_child_)[ready_index_] & ready_frames_;
    if (ready != 0 && (is_unit(ready_child_) || (ready & ~unreserved(ready_child_)[ready_index_]) != 0)) {
        return {"buddy.I7", ready_child_};
    }
    if (const violation broken = lower_.audit()) return broken;
    if (const violation broken = upper_.audit()) return broken;
    for (std::uint64_t group = 0; group < upper_.children(); ++group) units -= upper_.header(group).free;
    if (units != 0) return {"buddy.I2", units};
    return promised_.audit();
}

LONGREACH_NAMESPACE_END

#endif
