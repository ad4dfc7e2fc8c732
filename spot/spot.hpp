// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_SPOT_HPP
#define LONGREACH_SPOT_SPOT_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "../allocator/bits.hpp"
#include "../allocator/config.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "recency.hpp"
#include "walker.hpp"

// SpOT: guesses, at a miss of the last TLB, the frame from the offset that the same instruction met last time.
//
// A table of offsets by program counter with two-bit confidence. Entries hold no bounds: one serves every page of a
// mapping, whatever its leaf sizes, which is right as often as memory is contiguous. A guess is never an answer:
// the walk runs beside it and decides. Not for instruction fetches. Locks are the caller's.
// Source: Alverti et al., ISCA 2020; counters and replacement as its public port to Virtuoso cites them.

LONGREACH_NAMESPACE_BEGIN

/// The shape of the predictor; `sets` a power of two, `ways` 1 to 8.
struct spot_geometry {
    unsigned sets = 8;
    unsigned ways = 4;
    /// 0 never ages, as published: a set whose entries are all confident refuses newcomers for ever. n > 0: each n-th
    /// refusal in a set takes one from the counter of the way used longest ago. Heuristic; bench: BM_spot_ageing.
    unsigned age_after = 0;
};

/// 32 entries, 4 ways. Source: Alverti et al., ISCA 2020, page 8 (as cited in Virtuoso's spot_engine).
inline constexpr spot_geometry published_spot{};

/// The published index: the lowest bits of the program counter.
struct low_bits_index {
    [[nodiscard]] static constexpr std::uint64_t set_of(std::uint64_t pc, unsigned set_bits) noexcept {
        return pc & low_mask(set_bits);
    }
};

/// Folds the whole program counter into the set by exclusive or, so that aligned instructions spread over all sets
/// (of 32 instructions that lie 4 bytes apart low bits place 8, the fold all: BM_spot_folded).
struct folded_index {
    [[nodiscard]] static constexpr std::uint64_t set_of(std::uint64_t pc, unsigned set_bits) noexcept {
        if (set_bits == 0) return 0;
        std::uint64_t folded = 0;
        for (std::uint64_t left = pc; left != 0; left >>= set_bits) folded ^= left;
        return folded & low_mask(set_bits);
    }
};

/// What became of a miss of the last TLB; every such miss is exactly one of these.
enum class prediction_class : std::uint8_t {
    correct,       ///< a frame was predicted and the walk found it
    mispredicted,  ///< a frame was predicted and the walk found another
    no_prediction  ///< none was: no entry, no confidence, or the entry does not allow the access
};
inline constexpr std::size_t prediction_classes = 3;

/// The class of a miss, from what predict() said and the frame the walk found.
template <class Frame>
[[nodiscard]] constexpr prediction_class classify(const std::optional<Frame>& predicted, Frame walked) noexcept {
    if (!predicted) return prediction_class::no_prediction;
    return *predicted == walked ? prediction_class::correct : prediction_class::mispredicted;
}

/// I1 (spot.I1)  an entry lies in the set its program counter names, in one way only
/// I2 (spot.I2)  the recency of a set is an order of its ways
/// I3 (spot.I3)  counters are 0 to 3
/// I4 (spot.I4)  refusals since the last ageing stay below `age_after`, and are 0 where nothing ages
/// The tag kept is the whole program counter; hardware would keep what the set does not say.
template <class Page, class Frame, spot_geometry Geometry = published_spot, class Index = low_bits_index>
class spot {
    static_assert(is_power_of_two(Geometry.sets) && Geometry.ways >= 1 && Geometry.ways <= 8);

  public:
    using leaf_type = leaf<Page, Frame>;

    static constexpr unsigned initial_confidence = 1;
    static constexpr unsigned highest_confidence = 3;

    /// The frame that the instruction at `pc` is expected to find behind `page`; none without an entry whose counter
    /// is above 1 and whose permissions allow the access. Changes nothing.
    [[nodiscard]] constexpr std::optional<Frame> predict(std::uint64_t pc, Page page, access_kind kind) const noexcept {
        const set& s = sets_[set_of(pc)];
        const unsigned way = way_of(s, pc);
        if (way == no_way) return std::nullopt;
        const entry& e = s.entries[way];
        if (e.counter <= initial_confidence || !e.allowed.allows(kind)) return std::nullopt;
        return e.offset.apply(page);
    }

    /// Learns what the walk found for the miss of `pc`.
    ///
    /// The same offset: counter + 1 up to 3, and the permissions of this leaf. Another: counter - 1 down to 0, and if
    /// it is 0 then and the leaf carries the contiguity bit, the new offset at counter 1. No entry and the bit is set:
    /// a free way, else the way used longest ago among those with counter 0, else none.
    constexpr void train(std::uint64_t pc, const leaf_type& walked) noexcept {
        set& s = sets_[set_of(pc)];
        const unsigned way = way_of(s, pc);
        if (way == no_way) {
            if (walked.attributes.contiguous) enter(s, pc, walked);
            return;
        }
        s.order_of_use.touch(way);
        entry& e = s.entries[way];
        if (e.offset == offset_of(walked)) {
            if (e.counter < highest_confidence) ++e.counter;
            e.allowed = walked.attributes.allowed;
            return;
        }
        if (e.counter > 0) --e.counter;
        if (e.counter == 0 && walked.attributes.contiguous) e = first_guess(pc, walked);
    }

    /// Forgets everything, as at a switch of address spaces.
    constexpr void flush() noexcept { sets_ = {}; }

    /// How many entries are in use.
    [[nodiscard]] constexpr unsigned entries() const noexcept {
        unsigned used = 0;
        for (const set& s : sets_) used += count_ones(s.used);
        return used;
    }

    /// The first broken invariant, at the index of its set.
    [[nodiscard]] constexpr violation audit() const noexcept {
        for (std::size_t index = 0; index < Geometry.sets; ++index) {
            const set& s = sets_[index];
            for (unsigned way = 0; way < Geometry.ways; ++way) {
                if (((s.used >> way) & 1) == 0) continue;
                const entry& e = s.entries[way];
                if (set_of(e.pc) != index || way_of(s, e.pc) != way) {
                    return {"spot.I1", index};
                }
                if (e.counter > highest_confidence) {
                    return {"spot.I3", index};
                }
            }
            if (!s.order_of_use.is_order()) {
                return {"spot.I2", index};
            }
            if (s.refusals != 0 && s.refusals >= Geometry.age_after) {
                return {"spot.I4", index};
            }
        }
        return {};
    }

  private:
    friend struct corrupt;

    struct entry {
        std::uint64_t pc = 0;
        map_offset<Page, Frame> offset{};
        permissions allowed{};
        std::uint8_t counter = 0;
    };
    struct set {
        std::array<entry, Geometry.ways> entries{};
        recency<Geometry.ways> order_of_use{};
        std::uint32_t used = 0;      ///< bit w: way w holds an entry
        std::uint32_t refusals = 0;  ///< fills refused since the last ageing
    };

    static constexpr unsigned no_way = 8;

    [[nodiscard]] static constexpr std::size_t set_of(std::uint64_t pc) noexcept {
        return static_cast<std::size_t>(Index::set_of(pc, floor_log2(Geometry.sets)));
    }
    /// The lowest way that holds the instruction, or no_way. Looks at all ways, as which one matches is past
    /// predicting.
    [[nodiscard]] static constexpr unsigned way_of(const set& s, std::uint64_t pc) noexcept {
        std::uint32_t ways = 0;
        for (unsigned way = 0; way < Geometry.ways; ++way) ways |= (s.entries[way].pc == pc ? 1U : 0U) << way;
        return trailing_zeros((ways & s.used) | (1U << no_way));
    }
    [[nodiscard]] static constexpr entry first_guess(std::uint64_t pc, const leaf_type& walked) noexcept {
        return {pc, offset_of(walked), walked.attributes.allowed, initial_confidence};
    }

    static constexpr void enter(set& s, std::uint64_t pc, const leaf_type& walked) noexcept {
        const auto free = static_cast<std::uint32_t>(low_mask(Geometry.ways)) & ~s.used;
        std::uint64_t candidates = free;
        if (free == 0) {
            for (unsigned way = 0; way < Geometry.ways; ++way) {
                if (s.entries[way].counter == 0) {
                    candidates |= std::uint64_t{1} << way;
                }
            }
        }
        if (candidates == 0) return refuse(s);
        const unsigned way = free != 0 ? trailing_zeros(free) : s.order_of_use.oldest_of(candidates);
        s.entries[way] = first_guess(pc, walked);
        s.used |= std::uint32_t{1} << way;
        s.order_of_use.touch(way);
    }

    static constexpr void refuse(set& s) noexcept {
        if (Geometry.age_after == 0 || ++s.refusals < Geometry.age_after) return;
        s.refusals = 0;
        --s.entries[s.order_of_use.oldest()].counter;  // above 0, as the set has just refused
    }

    std::array<set, Geometry.sets> sets_{};
};

/// A predictor that never says anything: the MMU without SpOT.
template <class Page, class Frame>
struct no_predictor {
    [[nodiscard]] constexpr std::optional<Frame> predict(std::uint64_t, Page, access_kind) const noexcept {
        return std::nullopt;
    }
    constexpr void train(std::uint64_t, const leaf<Page, Frame>&) noexcept {}
    constexpr void flush() noexcept {}
    [[nodiscard]] constexpr violation audit() const noexcept { return {}; }
};

LONGREACH_NAMESPACE_END

#endif
