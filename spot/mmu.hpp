// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_MMU_HPP
#define LONGREACH_SPOT_MMU_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "spot.hpp"
#include "tlb_hierarchy.hpp"
#include "walker.hpp"

// The way of a data access through the MMU: TLBs, and at a miss of both the predictor beside a walk.
//
// The frame handed out always comes from a walk, this one's or the one that filled the TLB; a wrong guess costs
// cycles (cost.hpp), never a wrong frame. No clock, no overlap of accesses: it counts events. Dirty bits are not
// modelled: a store may hit on what a load filled, if that allows stores. Locks are the caller's, who also says
// what changed in the tables.

LONGREACH_NAMESPACE_BEGIN

/// What the MMU counted; all since construction or forget_counts().
///
/// An access counts once, when it is translated. One that faults counts as a fault and nothing else, and changes
/// nothing; the caller serves the fault and translates the access again. So the classes of prediction sum to
/// l2_misses: correct + mispredicted + no_prediction.
struct mmu_counters {
    std::uint64_t accesses = 0;
    std::uint64_t l1_misses = 0;
    std::uint64_t l2_misses = 0;
    std::uint64_t faults = 0;                                         ///< walks that did not end ok
    std::array<std::uint64_t, prediction_classes> misses_of{};        ///< by prediction_class
    std::array<reference_counts, prediction_classes> walk_refs_of{};  ///< their walks' references, by prediction_class

    friend constexpr bool operator==(const mmu_counters&, const mmu_counters&) = default;

    [[nodiscard]] constexpr std::uint64_t misses(prediction_class c) const noexcept {
        return misses_of[static_cast<std::size_t>(c)];
    }
    [[nodiscard]] constexpr const reference_counts& references(prediction_class c) const noexcept {
        return walk_refs_of[static_cast<std::size_t>(c)];
    }
    [[nodiscard]] constexpr std::uint64_t spot_correct() const noexcept { return misses(prediction_class::correct); }
    [[nodiscard]] constexpr std::uint64_t spot_mispredicted() const noexcept {
        return misses(prediction_class::mispredicted);
    }
    [[nodiscard]] constexpr std::uint64_t spot_no_prediction() const noexcept {
        return misses(prediction_class::no_prediction);
    }
    /// References of all walks that ended ok, by kind.
    [[nodiscard]] constexpr reference_counts references() const noexcept {
        reference_counts sum = walk_refs_of[0];
        for (std::size_t c = 1; c < prediction_classes; ++c) sum += walk_refs_of[c];
        return sum;
    }
    [[nodiscard]] constexpr std::uint64_t walk_refs() const noexcept { return references().total(); }
};

/// Where an access was translated.
enum class mmu_event : std::uint8_t { first_level_hit, second_level_hit, walked };

/// The answer to an access.
template <class Frame>
struct translated {
    walk_end end = walk_end::not_mapped;  ///< ok, or the fault to serve before trying again
    gfn host_page{};                      ///< the guest frame to map or allow, where the fault is the host's
    Frame frame{};                        ///< where end is ok
    mmu_event event = mmu_event::walked;
    prediction_class prediction = prediction_class::no_prediction;  ///< where end is ok and the access walked
};

/// I1 (mmu.I1)  correct + mispredicted + no_prediction = l2_misses
/// I2 (mmu.I2)  l2_misses <= l1_misses <= accesses
/// I3 (mmu.I3)  walks of no class made fewer references than walks: the best caches leave one
template <page_walker Walker, tlb_profile Profile = broadwell_tlbs,
          class Predictor = spot<typename Walker::page, typename Walker::frame>>
class mmu {
  public:
    using page = typename Walker::page;
    using frame = typename Walker::frame;

    /// The walker is held by value; it refers to the tables, which outlive the MMU.
    explicit constexpr mmu(Walker walker) noexcept : walker_(walker) {}

    /// Translates an access of the instruction at `pc`. Anything but walk_end::ok leaves all but the fault count as
    /// it was.
    constexpr translated<frame> translate(std::uint64_t pc, page p, access_kind kind) noexcept {
        const auto found = tlbs_.lookup(p, kind);
        if (found.level == tlb_level::none) return walk(pc, p, kind, true);
        ++counters_.accesses;
        const bool first = found.level == tlb_level::first;
        if (!first) ++counters_.l1_misses;
        return {walk_end::ok, gfn{}, frame_of(found.entry, p),
                first ? mmu_event::first_level_hit : mmu_event::second_level_hit};
    }

    /// Takes the access as a miss of both TLBs, which it neither asks nor fills: for streams of recorded misses.
    constexpr translated<frame> miss(std::uint64_t pc, page p, access_kind kind) noexcept {
        return walk(pc, p, kind, false);
    }

    /// The tables changed for these pages: unmapped, remapped, or fewer rights. The predictor keeps its offsets, which
    /// are only ever guesses. More rights need no call.
    constexpr void invalidate(run<page> pages) noexcept {
        tlbs_.invalidate(pages);
        walker_.invalidate(pages);
    }

    /// The host's table changed: any page may be concerned. The predictor keeps its offsets.
    constexpr void invalidate_all() noexcept {
        tlbs_.flush();
        walker_.flush();
    }

    /// Another address space: empties TLBs, walk caches and predictor; keeps the counts.
    constexpr void flush() noexcept {
        invalidate_all();
        predictor_.flush();
    }

    constexpr void forget_counts() noexcept { counters_ = {}; }

    [[nodiscard]] constexpr const mmu_counters& counters() const noexcept { return counters_; }
    [[nodiscard]] constexpr const Predictor& predictor() const noexcept { return predictor_; }
    [[nodiscard]] constexpr const tlb_hierarchy<page, frame, Profile>& tlbs() const noexcept { return tlbs_; }
    [[nodiscard]] constexpr const Walker& walker() const noexcept { return walker_; }

    /// The first broken invariant of the counts, the TLBs, the predictor or the walker's caches.
    [[nodiscard]] constexpr violation audit() const noexcept {
        const mmu_counters& c = counters_;
        if (c.spot_correct() + c.spot_mispredicted() + c.spot_no_prediction() != c.l2_misses) {
            return {"mmu.I1", c.l2_misses};
        }
        if (c.l2_misses > c.l1_misses || c.l1_misses > c.accesses) {
            return {"mmu.I2", c.l1_misses};
        }
        for (std::size_t k = 0; k < prediction_classes; ++k) {
            if (c.walk_refs_of[k].total() < c.misses_of[k]) {
                return {"mmu.I3", k};
            }
        }
        if (const violation v = tlbs_.audit()) return v;
        if (const violation v = predictor_.audit()) return v;
        return walker_.audit();
    }

  private:
    friend struct corrupt;

    constexpr translated<frame> walk(std::uint64_t pc, page p, access_kind kind, bool through_tlbs) noexcept {
        const std::optional<frame> predicted = predictor_.predict(pc, p, kind);
        const walk_answer<page, frame> walked = walker_.walk(p, kind);
        if (walked.end != walk_end::ok) {
            ++counters_.faults;
            return {walked.end, walked.host_page};
        }
        const frame verified = frame_of(walked.entry, p);
        const prediction_class outcome = classify(predicted, verified);
        predictor_.train(pc, walked.entry);
        if (through_tlbs) tlbs_.fill(p, walked.entry);
        ++counters_.accesses;
        ++counters_.l1_misses;
        ++counters_.l2_misses;
        ++counters_.misses_of[static_cast<std::size_t>(outcome)];
        counters_.walk_refs_of[static_cast<std::size_t>(outcome)] += walked.references;
        return {walk_end::ok, gfn{}, verified, mmu_event::walked, outcome};
    }

    Walker walker_;
    tlb_hierarchy<page, frame, Profile> tlbs_{};
    Predictor predictor_{};
    mmu_counters counters_{};
};

LONGREACH_NAMESPACE_END

#endif
