// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_FRAME_MEMORY_HPP
#define LONGREACH_PAGETABLE_FRAME_MEMORY_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/units.hpp"

// How a table reaches its own frames, and where it gets them from; nothing else touches memory.
//
// Frames stay numbers to the library. A kernel with a linear map of its memory gives flat_memory
// that map; a simulator gives it a lazily committed mapping of the same size, so that only frames
// which hold tables cost anything. The caller locks.

LONGREACH_NAMESPACE_BEGIN

/// A cheap, copyable handle to the words of frames that hold tables.
template <class M, class Frame>
concept frame_memory = std::copyable<M> &&
    requires(M memory, const M& constant, Frame frame, unsigned index, std::uint64_t word) {
    // The word at `index` (0 to 511) of a frame.
    { constant.read(frame, index) } -> std::same_as<std::uint64_t>;
    // Replaces that word.
    memory.write(frame, index, word);
    // Makes all words of a frame zero; called once when the frame becomes a table.
    memory.clear(frame);
    // Whether the frame can be reached at all; audits ask before they follow an entry.
    { constant.holds(frame) } -> std::same_as<bool>;
};

/// Where tables come from: a placement_policy, a table_pool, or the caller's own.
template <class S, class Frame>
concept table_source = requires(S source, Frame frame) {
    // Takes a frame for a table, with any content.
    { source.allocate_table() } -> std::same_as<std::optional<Frame>>;
    // Gives it back.
    source.free_table(frame);
};

/// Takes `count` frames for tables into `frames`, or none.
template <class Frames, class Source>
[[nodiscard]] bool take_tables(Frames& frames, unsigned count, Source& source) {
    for (unsigned taken = 0; taken < count; ++taken) {
        const auto fresh = source.allocate_table();
        if (!fresh) {
            while (taken > 0) source.free_table(frames[--taken]);
            return false;
        }
        frames[taken] = *fresh;
    }
    return true;
}

/// 64-bit words in a frame.
inline constexpr unsigned words_per_frame = page_bytes / sizeof(std::uint64_t);

/// The frames of one run, one after the other in the caller's memory.
template <class Frame>
class flat_memory {
  public:
    [[nodiscard]] static constexpr std::size_t required_bytes(page_count frames) noexcept {
        return static_cast<std::size_t>(to_bytes(frames));
    }

    /// `words` holds required_bytes(managed.count), which the caller keeps alive.
    flat_memory(run<Frame> managed, std::span<std::uint64_t> words) noexcept : managed_(managed), words_(words.data()) {
        LONGREACH_CHECK(words.size() >= managed.count.raw * words_per_frame, "flat_memory.too_small");
    }

    [[nodiscard]] std::uint64_t read(Frame frame, unsigned index) const noexcept { return *word(frame, index); }
    void write(Frame frame, unsigned index, std::uint64_t value) noexcept { *word(frame, index) = value; }
    void clear(Frame frame) noexcept {
        std::uint64_t* first = word(frame, 0);
        for (unsigned i = 0; i < words_per_frame; ++i) first[i] = 0;
    }
    [[nodiscard]] bool holds(Frame frame) const noexcept { return managed_.contains(frame); }

  private:
    [[nodiscard]] std::uint64_t* word(Frame frame, unsigned index) const noexcept {
        LONGREACH_CHECK(managed_.contains(frame), "flat_memory.foreign_frame");
        return words_ + (frame - managed_.first).raw * words_per_frame + index;
    }

    run<Frame> managed_;
    std::uint64_t* words_;
};

static_assert(frame_memory<flat_memory<pfn>, pfn> && frame_memory<flat_memory<gfn>, gfn>);

LONGREACH_NAMESPACE_END

#endif
