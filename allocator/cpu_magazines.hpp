// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CPU_MAGAZINES_HPP
#define LONGREACH_ALLOCATOR_CPU_MAGAZINES_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "atomics.hpp"
#include "buddy.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "locks.hpp"
#include "memory_carver.hpp"
#include "status.hpp"
#include "units.hpp"

// A buddy behind a lock, with one 64-frame word per processor from which single frames come and go without the lock.
//
// A magazine is a word of the zone and the frames of it that are ready: base and mask, no list. It takes what the buddy
// would serve next from one word, and gets back only frames of that word, so frames are packed as the buddy packs them
// and no scattered ones pile up. Requests stay exact: a bit per word says whether a magazine may hold frames of it, and
// allocate_at takes them from there; larger requests that fail empty the magazines and try again. The caller passes the
// processor's number and makes sure that no two calls with one number run at a time (threads pinned, or preemption
// off). A frame that is given back twice, once to the zone and once to a magazine, goes unnoticed until audit().
// Frames in magazines are promised to nobody.
//
// Source of the handshake: Dekker's algorithm with an asymmetric fence, as in Dice, Huang and Yang, "Asymmetric Dekker
// Synchronization" (2001): a processor marks itself busy, light fence, looks whether its magazine is claimed; who wants
// another's magazine holds the lock, claims it, heavy fence, waits until it is not busy.

LONGREACH_NAMESPACE_BEGIN

/// Invariants, while no call runs: I1 a frame in a magazine is not free in the zone and in no other magazine; I2 the
/// word of every magazine is marked as held (others may still be); I3 no magazine is busy or claimed.
template <class Frame, lockable Lock, class Atomics = builtin_atomics>
class cpu_magazines {
  public:
    using frame = Frame;

    /// Bytes of memory to pass: 64 per processor and a bit per 64 frames.
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames, unsigned cpus) noexcept {
        return 64 + cpus * sizeof(magazine) + word_count(frames) * sizeof(std::uint64_t);
    }

    /// Empty magazines for processors 0 to cpus - 1 of a zone that only they use from now on; `memory` holds
    /// required_bytes(frames.managed().count, cpus). All outlive it.
    cpu_magazines(basic_buddy<Frame>& frames, Lock& lock, unsigned cpus, std::span<std::byte> memory) noexcept
        : frames_(frames), lock_(lock) {
        carve(cpus, memory);
        for (magazine& m : magazines_) m = {};
    }

    /// The same over memory in which magazines of the same zone and alignment were left, when the zone itself was
    /// recovered: gives back to it the frames that they say are theirs.
    [[nodiscard]] static cpu_magazines recovered(basic_buddy<Frame>& frames, Lock& lock, unsigned cpus,
                                                 std::span<std::byte> memory) noexcept {
        return cpu_magazines(frames, lock, cpus, memory, left_behind{});
    }
    cpu_magazines(const cpu_magazines&) = delete;
    cpu_magazines& operator=(const cpu_magazines&) = delete;

    [[nodiscard]] run<Frame> managed() const noexcept { return frames_.managed(); }

    [[nodiscard]] unsigned cpus() const noexcept { return static_cast<unsigned>(magazines_.size()); }

    /// Takes a free block of 2^o frames; nothing where no block is free, magazines included. A single frame comes from
    /// the processor's magazine without the lock, 63 times out of 64 where memory is not scattered.
    [[nodiscard, gnu::always_inline]] std::optional<Frame> allocate(unsigned cpu, order o) noexcept {
        const std::uint64_t found = o.raw == 0 ? allocate_frame(cpu) : allocate_block(o);
        if (found != no_frame) return std::optional<Frame>{std::in_place, found};
        return std::optional<Frame>{};
    }

    /// As basic_buddy::allocate_at, exact: frames in magazines are free. Where a magazine is at a word of the block,
    /// the answer costs a heavy fence; its frames leave it only where that makes the block free.
    status allocate_at(Frame want, order o) noexcept {
        const lock_guard<Lock> guard(lock_);
        const status taken = frames_.allocate_at(want, o);
        if (taken != status::occupied || !take_back_for({want, o.pages()})) return taken;
        return frames_.allocate_at(want, o);
    }

    /// As basic_buddy::allocate_run_at, exact.
    status allocate_run_at(run<Frame> frames) noexcept {
        const lock_guard<Lock> guard(lock_);
        const status taken = frames_.allocate_run_at(frames);
        if (taken != status::occupied || !take_back_for(frames)) return taken;
        return frames_.allocate_run_at(frames);
    }

    /// As basic_buddy::allocate_run; where it fails, once more with empty magazines.
    [[nodiscard]] std::optional<run<Frame>> allocate_run(page_count count) noexcept {
        const lock_guard<Lock> guard(lock_);
        std::optional<run<Frame>> found = frames_.allocate_run(count);
        if (!found && take_back_all()) found = frames_.allocate_run(count);
        return found;
    }

    /// Gives back 2^o frames; a frame of the word that the processor's magazine is at goes there without the lock.
    void free(unsigned cpu, Frame block, order o) noexcept {
        LONGREACH_CHECK(frames_.managed().contains(run<Frame>{block, o.pages()}), "buddy.foreign_frame");
        if (o.raw == 0 && put(cpu, block)) return;
        const lock_guard<Lock> guard(lock_);
        frames_.free(block, o);
    }

    void free_run(run<Frame> frames) noexcept {
        const lock_guard<Lock> guard(lock_);
        frames_.free_run(frames);
    }

    /// Gives what all magazines hold back to the zone, e.g. before its free runs are looked at.
    void drain() noexcept {
        const lock_guard<Lock> guard(lock_);
        (void)take_back_all();
    }

    /// Several steps on the zone as one, with empty magazines: `steps(basic_buddy<Frame>&)` runs under the lock. For
    /// promises, and for questions to a contiguity map. O(processors) and a heavy fence more than the steps.
    template <class Steps>
    auto together(Steps steps) noexcept {
        const lock_guard<Lock> guard(lock_);
        (void)take_back_all();
        return steps(frames_);
    }

    /// Free frames of the zone and its magazines.
    [[nodiscard]] page_count free_frames() noexcept {
        const lock_guard<Lock> guard(lock_);
        page_count total = frames_.free_frames();
        for (const magazine& m : magazines_) total += page_count{count_ones(Atomics::load(m.frames))};
        return total;
    }

    /// While no other call runs; O(frames).
    violation audit() noexcept;

  private:
    friend struct cpu_magazines_corruption;  // tests break invariants through it

    static constexpr std::uint64_t no_frame = ~std::uint64_t{0};
    static constexpr std::uint64_t no_word = ~std::uint64_t{0};

    /// Written by its processor between enter() and leave(), or by the holder of the lock while it is claimed.
    struct alignas(64) magazine {
        std::uint64_t frames = 0;      ///< bit i: frame word * 64 + i is ready
        std::uint64_t word = no_word;  ///< number of the 64-frame word
        std::uint64_t busy = 0;        ///< its processor is inside
        std::uint64_t claimed = 0;     ///< the holder of the lock wants it
    };

    struct left_behind {};

    cpu_magazines(basic_buddy<Frame>& frames, Lock& lock, unsigned cpus, std::span<std::byte> memory,
                  left_behind) noexcept
        : frames_(frames), lock_(lock) {
        carve(cpus, memory);
        for (magazine& m : magazines_) {
            if (m.word != no_word && is_inside(m.word)) {
                const Frame first{m.word * 64};
                frames_.free_word({first, m.frames & ~frames_.free_in_word(first)});
            }
            m = {};
        }
    }

    void carve(unsigned cpus, std::span<std::byte> memory) noexcept {
        detail::memory_carver carver(memory);
        magazines_ = carver.template take<magazine>(cpus, 64);
        held_ = carver.template take_zeroed<std::uint64_t>(word_count(frames_.managed().count));
    }

    /// Whether a word overlaps the zone.
    [[nodiscard]] bool is_inside(std::uint64_t word) const noexcept {
        return word >= frames_.managed().first.raw / 64 && word <= (frames_.managed().end().raw - 1) / 64;
    }

    [[nodiscard]] static constexpr std::size_t word_count(page_count frames) noexcept {
        return static_cast<std::size_t>(frames.raw / 4096 + 2);
    }

    /// The bit of a word in held_.
    [[nodiscard]] std::uint64_t bit_of(std::uint64_t word) const noexcept { return word - frames_.base().raw / 64; }
    [[nodiscard]] bool is_held(std::uint64_t word) const noexcept {
        return (held_[bit_of(word) / 64] >> (bit_of(word) % 64) & 1) != 0;
    }

    /// Lets a processor into its own magazine.
    void enter(magazine& m) noexcept {
        for (;;) {
            Atomics::store(m.busy, 1);
            Atomics::light_fence();
            if (Atomics::load(m.claimed) == 0) return;
            Atomics::store(m.busy, 0);
            while (Atomics::load(m.claimed) != 0) Atomics::pause();
        }
    }
    void leave(magazine& m) noexcept { Atomics::store(m.busy, 0); }

    [[nodiscard, gnu::always_inline]] std::uint64_t allocate_frame(unsigned cpu) noexcept {
        LONGREACH_CHECK(cpu < magazines_.size(), "cpu_magazines.cpu");
        magazine& m = magazines_[cpu];
        enter(m);
        const std::uint64_t frames = Atomics::load_relaxed(m.frames);
        if (frames != 0) {
            const std::uint64_t first = Atomics::load_relaxed(m.word) * 64;
            Atomics::store(m.frames, frames & (frames - 1));
            leave(m);
            return first + lowest_one(frames);
        }
        leave(m);
        return refill(cpu);
    }

    [[nodiscard, gnu::always_inline]] bool put(unsigned cpu, Frame f) noexcept {
        LONGREACH_CHECK(cpu < magazines_.size(), "cpu_magazines.cpu");
        magazine& m = magazines_[cpu];
        enter(m);
        const bool mine = Atomics::load_relaxed(m.word) == f.raw / 64;
        if (mine) {
            const std::uint64_t frames = Atomics::load_relaxed(m.frames);
            const std::uint64_t bit = std::uint64_t{1} << (f.raw % 64);
            LONGREACH_CHECK((frames & bit) == 0, "buddy.double_free");
            Atomics::store(m.frames, frames | bit);
        }
        leave(m);
        return mine;
    }

    [[nodiscard, gnu::noinline]] std::uint64_t refill(unsigned cpu) noexcept;
    [[nodiscard, gnu::noinline]] std::uint64_t allocate_block(order o) noexcept;
    bool take_back_for(run<Frame> frames) noexcept;
    bool take_back_all() noexcept;
    [[nodiscard]] bool claim(std::uint64_t first, std::uint64_t last) noexcept;
    bool settle_claims(bool empty) noexcept;
    [[nodiscard]] bool covers(run<Frame> frames) const noexcept;
    bool any_held(std::uint64_t first, std::uint64_t last, bool none) noexcept;
    void move_to(magazine& m, std::uint64_t word, std::uint64_t frames) noexcept;

    basic_buddy<Frame>& frames_;
    Lock& lock_;
    std::span<magazine> magazines_{};
    std::span<std::uint64_t> held_{};  ///< bit i: a magazine may be at the zone's word i; under the lock
};

// ------------------------------------------------------------------------------------ under the lock

/// Points a magazine at another word; under the lock, and by its processor or with the magazine claimed.
template <class Frame, lockable Lock, class Atomics>
void cpu_magazines<Frame, Lock, Atomics>::move_to(magazine& m, std::uint64_t word, std::uint64_t frames) noexcept {
    Atomics::store(m.word, word);
    Atomics::store(m.frames, frames);
    if (word != no_word) held_[bit_of(word) / 64] |= std::uint64_t{1} << (bit_of(word) % 64);
}

/// The first frame of a new word; the rest of it becomes the magazine. Promised frames are lent one by one, last.
template <class Frame, lockable Lock, class Atomics>
std::uint64_t cpu_magazines<Frame, Lock, Atomics>::refill(unsigned cpu) noexcept {
    const lock_guard<Lock> guard(lock_);
    std::optional<frame_word<Frame>> word = frames_.allocate_word();
    if (!word && take_back_all()) word = frames_.allocate_word();
    if (word) {
        move_to(magazines_[cpu], word->first.raw / 64, word->frames & (word->frames - 1));
        return word->first.raw + lowest_one(word->frames);
    }
    const std::optional<Frame> lent = frames_.allocate(base_order);
    return lent ? lent->raw : no_frame;
}

template <class Frame, lockable Lock, class Atomics>
std::uint64_t cpu_magazines<Frame, Lock, Atomics>::allocate_block(order o) noexcept {
    const lock_guard<Lock> guard(lock_);
    std::optional<Frame> found = frames_.allocate_unreserved(o);
    if (!found && take_back_all()) found = frames_.allocate_unreserved(o);
    if (!found) found = frames_.allocate(o);
    return found ? found->raw : no_frame;
}

/// Stops the processors whose magazines are at words `first` to `last`; whether there is one. One fence serves all.
template <class Frame, lockable Lock, class Atomics>
bool cpu_magazines<Frame, Lock, Atomics>::claim(std::uint64_t first, std::uint64_t last) noexcept {
    bool any = false;
    for (magazine& m : magazines_) {
        const std::uint64_t word = Atomics::load_relaxed(m.word);  // moves only under the lock
        if (word == no_word || word < first || word > last) continue;
        Atomics::store(m.claimed, 1);
        any = true;
    }
    if (!any) return false;
    Atomics::heavy_fence();
    for (const magazine& m : magazines_) {
        while (Atomics::load_relaxed(m.claimed) != 0 && Atomics::load(m.busy) != 0) Atomics::pause();
    }
    return true;
}

/// Lets claimed magazines go, with their frames or, `empty`, without; whether one lost a frame to the zone.
template <class Frame, lockable Lock, class Atomics>
bool cpu_magazines<Frame, Lock, Atomics>::settle_claims(bool empty) noexcept {
    bool any = false;
    for (magazine& m : magazines_) {
        if (Atomics::load_relaxed(m.claimed) == 0) continue;
        const std::uint64_t word = Atomics::load_relaxed(m.word);
        const frame_word<Frame> rest{Frame{word * 64}, Atomics::load_relaxed(m.frames)};
        if (empty) {
            move_to(m, no_word, 0);
            held_[bit_of(word) / 64] &= ~(std::uint64_t{1} << (bit_of(word) % 64));
        }
        Atomics::store(m.claimed, 0);
        if (!empty) continue;
        frames_.free_word(rest);
        any = any || rest.frames != 0;
    }
    return any;
}

/// Whether every frame is free in the zone or in a claimed magazine.
template <class Frame, lockable Lock, class Atomics>
bool cpu_magazines<Frame, Lock, Atomics>::covers(run<Frame> frames) const noexcept {
    const std::uint64_t last = (frames.end().raw - 1) / 64;
    for (std::uint64_t word = frames.first.raw / 64; word <= last; ++word) {
        std::uint64_t missing = ~frames_.free_in_word(Frame{word * 64});
        if (word == frames.first.raw / 64) missing &= ~low_mask(static_cast<unsigned>(frames.first.raw % 64));
        if (word == last) missing &= low_mask(static_cast<unsigned>((frames.end().raw - 1) % 64) + 1);
        for (const magazine& m : magazines_) {
            if (missing == 0) break;
            if (Atomics::load_relaxed(m.word) == word) missing &= ~Atomics::load_relaxed(m.frames);
        }
        if (missing != 0) return false;
    }
    return true;
}

/// Whether a magazine may be at one of these words; where `none` is known to be, notes that.
template <class Frame, lockable Lock, class Atomics>
bool cpu_magazines<Frame, Lock, Atomics>::any_held(std::uint64_t first, std::uint64_t last, bool none) noexcept {
    bool any = false;
    for (std::uint64_t i = bit_of(first) / 64; i <= bit_of(last) / 64; ++i) {
        std::uint64_t range = ~std::uint64_t{0};
        if (i == bit_of(first) / 64) range &= ~low_mask(static_cast<unsigned>(bit_of(first) % 64));
        if (i == bit_of(last) / 64) range &= low_mask(static_cast<unsigned>(bit_of(last) % 64) + 1);
        any = any || (held_[i] & range) != 0;
        if (none) held_[i] &= ~range;
    }
    return any;
}

/// Empties the magazines at words of these managed frames if all frames are free then; whether that is so.
/// O(count / 64), and O(processors) where a magazine may be there.
template <class Frame, lockable Lock, class Atomics>
bool cpu_magazines<Frame, Lock, Atomics>::take_back_for(run<Frame> frames) noexcept {
    const std::uint64_t first = frames.first.raw / 64;
    const std::uint64_t last = (frames.end().raw - 1) / 64;
    if (!any_held(first, last, false)) return false;
    if (!claim(first, last)) {
        any_held(first, last, true);
        return false;
    }
    const bool free = covers(frames);
    (void)settle_claims(free);
    return free;
}

/// Empties all magazines; whether one held a frame. O(processors).
template <class Frame, lockable Lock, class Atomics>
bool cpu_magazines<Frame, Lock, Atomics>::take_back_all() noexcept {
    return claim(0, no_word - 1) && settle_claims(true);
}

template <class Frame, lockable Lock, class Atomics>
violation cpu_magazines<Frame, Lock, Atomics>::audit() noexcept {
    const lock_guard<Lock> guard(lock_);
    for (std::size_t i = 0; i < magazines_.size(); ++i) {
        const magazine& m = magazines_[i];
        if (m.busy != 0 || m.claimed != 0) return {"cpu_magazines.I3", i};
        if (m.word == no_word) {
            if (m.frames != 0) return {"cpu_magazines.I1", i};
            continue;
        }
        if (!is_inside(m.word)) return {"cpu_magazines.I1", i};
        if (!is_held(m.word)) return {"cpu_magazines.I2", m.word * 64};
        for (std::size_t j = 0; j < i; ++j) {
            const bool shared = magazines_[j].word == m.word && (magazines_[j].frames & m.frames) != 0;
            if (shared) return {"cpu_magazines.I1", m.word * 64};
        }
        for (std::uint64_t rest = m.frames; rest != 0; rest &= rest - 1) {
            const Frame f{m.word * 64 + lowest_one(rest)};
            if (!frames_.managed().contains(f) || frames_.is_free(f, base_order)) return {"cpu_magazines.I1", f.raw};
        }
    }
    return frames_.audit();
}

LONGREACH_NAMESPACE_END

#endif
