// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_SPARSE_FRAME_MEMORY_HPP
#define LONGREACH_WORKLOADS_SPARSE_FRAME_MEMORY_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "../pagetable/frame_memory.hpp"

// The words of table frames of a simulated memory of up to 2^31 frames (8 TiB).
//
// A frame costs 4 KiB here from its first clear() or write() on, frames without tables cost nothing, and the
// directory costs 8 bytes per 4096 frames of the memory and 32 KiB per such group that holds a table.
// Handles share one store, which keeps every frame until it is destroyed. Not for several threads.

LONGREACH_NAMESPACE_BEGIN

/// Owns the words; tables take a sparse_frame_memory of it.
///
/// I1: the frames counted are those that have words.
template <class Frame>
class sparse_frames {
  public:
    static constexpr page_count most_frames{std::uint64_t{1} << 31};

    /// Frames of `managed`, at most 2^31.
    explicit sparse_frames(run<Frame> managed)
        : managed_(managed), groups_(static_cast<std::size_t>((managed.count.raw + group_frames - 1) / group_frames)) {
        LONGREACH_CHECK(managed.count <= most_frames, "sparse_frames.too_many");
    }

    [[nodiscard]] std::uint64_t read(Frame frame, unsigned index) const noexcept {
        const words* const found = find(frame);
        return found == nullptr ? 0 : (*found)[index];
    }
    void write(Frame frame, unsigned index, std::uint64_t word) { make(frame)[index] = word; }
    void clear(Frame frame) { make(frame).fill(0); }
    [[nodiscard]] bool holds(Frame frame) const noexcept { return managed_.contains(frame); }

    /// Frames that cost memory.
    [[nodiscard]] page_count frames() const noexcept { return page_count{frames_}; }
    [[nodiscard]] run<Frame> managed() const noexcept { return managed_; }

    /// Recounts from the ground. O(frames managed / 4096 + 4096 per group in use).
    [[nodiscard]] violation audit() const noexcept {
        std::uint64_t counted = 0;
        for (const auto& in : groups_) {
            if (in == nullptr) continue;
            for (const auto& frame : *in) counted += frame != nullptr ? 1U : 0U;
        }
        return counted == frames_ ? violation{} : violation{"sparse_frames.I1", counted};
    }

  private:
    friend struct sparse_frames_breaker;
    static constexpr std::uint64_t group_frames = 4096;
    using words = std::array<std::uint64_t, words_per_frame>;
    using group = std::array<std::unique_ptr<words>, group_frames>;

    [[nodiscard]] std::uint64_t index_of(Frame frame) const noexcept {
        LONGREACH_CHECK(managed_.contains(frame), "sparse_frames.foreign_frame");
        return (frame - managed_.first).raw;
    }

    [[nodiscard]] const words* find(Frame frame) const noexcept {
        const std::uint64_t index = index_of(frame);
        const auto& in = groups_[static_cast<std::size_t>(index / group_frames)];
        return in == nullptr ? nullptr : (*in)[static_cast<std::size_t>(index % group_frames)].get();
    }

    [[nodiscard]] words& make(Frame frame) {
        const std::uint64_t index = index_of(frame);
        auto& in = groups_[static_cast<std::size_t>(index / group_frames)];
        if (in == nullptr) in = std::make_unique<group>();
        auto& place = (*in)[static_cast<std::size_t>(index % group_frames)];
        if (place == nullptr) {
            place = std::make_unique<words>();
            ++frames_;
        }
        return *place;
    }

    run<Frame> managed_;
    std::vector<std::unique_ptr<group>> groups_;
    std::uint64_t frames_ = 0;
};

/// The handle that tables copy; the store outlives it. Models frame_memory.
template <class Frame>
class sparse_frame_memory {
  public:
    explicit sparse_frame_memory(sparse_frames<Frame>& store) noexcept : store_(&store) {}

    [[nodiscard]] std::uint64_t read(Frame frame, unsigned index) const noexcept { return store_->read(frame, index); }
    void write(Frame frame, unsigned index, std::uint64_t word) { store_->write(frame, index, word); }
    void clear(Frame frame) { store_->clear(frame); }
    [[nodiscard]] bool holds(Frame frame) const noexcept { return store_->holds(frame); }

  private:
    sparse_frames<Frame>* store_;
};

static_assert(frame_memory<sparse_frame_memory<pfn>, pfn> && frame_memory<sparse_frame_memory<gfn>, gfn>);

LONGREACH_NAMESPACE_END

#endif
