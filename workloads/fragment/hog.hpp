// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_HOG_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_HOG_HPP

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../allocator/child.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../random.hpp"
#include "fragmentation.hpp"
#include "memory_image.hpp"
#include "random_subset.hpp"

// Takes a share of memory in aligned pieces of one size, down to single frames: the hog and the scatter. No state.
// Source of the hog: Alverti et al., CA paging (ISCA 2020), whose evaluation pins memory at random before a program.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// Pieces of 2 MiB and more: the first of a shuffled list, as every published figure with a hog was drawn.
inline void take_large_pieces(memory_image& memory, const unit_set& pieces, order size, std::uint64_t count,
                              random_numbers& random) {
    std::vector<std::uint64_t> list;
    list.reserve(static_cast<std::size_t>(pieces.count()));
    pieces.for_each([&](std::uint64_t piece) { list.push_back(piece); });
    random.shuffle(std::span<std::uint64_t>(list));
    for (const std::uint64_t piece : std::span(list).first(static_cast<std::size_t>(count))) {
        memory.taken.insert(piece << size.raw, size.pages().raw);
    }
}

/// Smaller ones, of which there may be 2^27: as bits.
inline void take_small_pieces(memory_image& memory, const unit_set& pieces, order size, std::uint64_t count,
                              random_numbers& random) {
    memory.taken |= random_subset(pieces, count, random).units(size.raw, memory.frames());
}

}

/// Takes `percent` of the pieces of 2^size frames that the memory has, rounded down, among those wholly free.
/// Refused where fewer are free.
[[nodiscard]] inline absl::Status take_pieces(memory_image& memory, order size, unsigned percent,
                                              random_numbers& random) {
    const std::uint64_t count = memory.kept.complement().blocks(size.raw).count() * percent / 100;
    const unit_set pieces = memory.taken.complement().blocks(size.raw);
    const std::uint64_t free = pieces.count();
    if (count > free) {
        return absl::InvalidArgumentError(
            absl::StrCat("expected ", count, " free pieces of ", size_text(size), ", found ", free));
    }
    if (size.raw < child_order) {
        detail::take_small_pieces(memory, pieces, size, count, random);
    } else {
        detail::take_large_pieces(memory, pieces, size, count, random);
    }
    return absl::OkStatus();
}

[[nodiscard]] inline absl::Status take(memory_image& memory, const hog_step& step, random_numbers& random) {
    return take_pieces(memory, step.size, step.percent, random);
}
[[nodiscard]] inline absl::Status take(memory_image& memory, const scatter_step& step, random_numbers& random) {
    return take_pieces(memory, base_order, step.percent, random);
}

LONGREACH_NAMESPACE_END

#endif
