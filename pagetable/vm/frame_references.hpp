// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_FRAME_REFERENCES_HPP
#define LONGREACH_PAGETABLE_VM_FRAME_REFERENCES_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/memory_carver.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"

// Who holds a frame how often: address spaces after a fork, and mappings of a cached file.
//
// It counts the holders beyond the first, frame by frame, so that a frame nobody shares is never looked up when it
// is mapped, and that splitting a shared superpage changes no count. Two bytes for each frame. It knows neither
// spaces nor policies, and says only who was the last. The caller locks.

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

/// Invariants:
///   I1  the sum of all counts is the number of further holds
///   I2  each frame's count is the number of its holders less one (audit_holders(), which is told all holders)
template <class Frame>
class frame_references {
  public:
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames) noexcept {
        return static_cast<std::size_t>(frames.raw) * sizeof(count_type) + alignof(count_type);
    }

    /// No frame of `managed` is shared. O(frames).
    frame_references(run<Frame> managed, std::span<std::byte> memory) noexcept
        : managed_(managed),
          counts_(detail::memory_carver(memory).template take_zeroed<count_type>(managed.count.raw)) {}
    frame_references(const frame_references&) = delete;
    frame_references& operator=(const frame_references&) = delete;

    [[nodiscard]] run<Frame> managed() const noexcept { return managed_; }
    /// Holders of one frame beyond the first.
    [[nodiscard]] std::uint64_t further_holders(Frame frame) const noexcept { return counts_[index({frame, {1}})]; }
    /// Sum over all frames.
    [[nodiscard]] std::uint64_t further_holds() const noexcept { return holds_; }

    /// Whether any frame of the run has more than one holder.
    [[nodiscard]] bool shared(run<Frame> frames) const noexcept {
        const std::size_t first = index(frames);
        for (std::size_t i = 0; i < frames.count.raw; ++i) {
            if (counts_[first + i] != 0) return true;
        }
        return false;
    }

    /// One more holder for every frame of a run that is held. out_of_memory where a frame has 65,536 already.
    status share(run<Frame> frames) noexcept {
        const std::size_t first = index(frames);
        for (std::size_t i = 0; i < frames.count.raw; ++i) {
            if (counts_[first + i] == most) return status::out_of_memory;
        }
        for (std::size_t i = 0; i < frames.count.raw; ++i) ++counts_[first + i];
        holds_ += frames.count.raw;
        return status::ok;
    }

    /// One holder less for every frame of the run; those without any go, in runs as long as possible, to
    /// `last(run<Frame>)`, which must leave this object alone.
    template <class Last>
    void drop(run<Frame> frames, Last&& last) {
        const std::size_t first = index(frames);
        for (std::size_t i = 0; i < frames.count.raw;) {
            std::size_t end = i;
            while (end < frames.count.raw && counts_[first + end] == 0) ++end;
            if (end != i) last(run<Frame>{frames.first + page_count{i}, page_count{end - i}});
            for (i = end; i < frames.count.raw && counts_[first + i] != 0; ++i) {
                --counts_[first + i];
                --holds_;
            }
        }
    }

    [[nodiscard]] violation audit() const noexcept {
        std::uint64_t sum = 0;
        for (const count_type count : counts_) sum += count;
        return sum == holds_ ? violation{} : violation{"frame_references.I1", sum};
    }

    /// Recounts from the holders: `visit_all(visit)` hands every run that anyone holds to `visit(run<Frame>)`.
    /// One pass over the holders for every 2048 frames.
    template <class VisitAll>
    [[nodiscard]] violation audit_holders(VisitAll&& visit_all) const {
        constexpr std::uint64_t window_frames = 2048;
        for (std::uint64_t from = 0; from < managed_.count.raw; from += window_frames) {
            std::array<std::uint32_t, window_frames> holders{};  // one more than a count can say
            const run<Frame> window{managed_.first + page_count{from}, page_count{window_frames}};
            visit_all([&](run<Frame> held) {
                const run<Frame> part = intersection(held, window);
                const std::uint64_t first = (part.first - window.first).raw;
                for (std::uint64_t i = 0; i < part.count.raw; ++i) ++holders[first + i];
            });
            for (std::uint64_t i = 0; i < window_frames && from + i < managed_.count.raw; ++i) {
                const std::uint32_t further = holders[i] == 0 ? 0 : holders[i] - 1;
                if (further != counts_[from + i]) return {"frame_references.I2", (window.first + page_count{i}).raw};
            }
        }
        return {};
    }

  private:
    friend struct corrupt;
    using count_type = std::uint16_t;
    static constexpr count_type most = 0xffff;

    /// Of the run's first frame.
    [[nodiscard]] std::size_t index(run<Frame> frames) const noexcept {
        LONGREACH_CHECK(managed_.contains(frames), "frame_references.foreign_frame");
        return static_cast<std::size_t>((frames.first - managed_.first).raw);
    }

    run<Frame> managed_;
    std::span<count_type> counts_;  // by frame: its holders beyond the first
    std::uint64_t holds_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
