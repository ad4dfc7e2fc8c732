// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_MAP_GRID_HPP
#define LONGREACH_BENCH_LONGREACH_MAP_GRID_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <longreach/workloads/frame_map.hpp>

// Cuts a memory into squares and lines for a picture, and says who has how much of each. Draws nothing.
//
// A square is a fixed number of frames, a line 128 squares. Lines without a frame of the program, its tables or its
// guest are folded: a memory of which the program uses little can then be shown at a scale that still shows its runs.

namespace longreach {

/// Owners that share a colour. The largest areas have two classes each, the others two together: an even number for
/// frames in long runs, and the next number for frames in short ones.
inline constexpr std::size_t most_named = 8;
enum owner_class : std::size_t {
    class_small_area = 2 * most_named,
    class_table = class_small_area + 2,
    class_guest_table,
    class_idle,
    class_other,
    class_pinned,
    class_reserved,
    class_free,
    owner_classes
};

/// Which class an owner is of: the areas with most frames in `by` have their own, in that order.
class classifier {
  public:
    /// Runs of fewer than `least_long` frames are short.
    classifier(const frame_map& by, std::uint64_t least_long);

    [[nodiscard]] std::size_t of(const owned_frames& owned) const;
    /// The areas with classes of their own: the one at i has 2 i and 2 i + 1.
    [[nodiscard]] const std::vector<std::uint32_t>& named() const noexcept { return named_; }

  private:
    std::uint64_t least_long_;
    std::vector<std::uint32_t> named_;
    std::vector<std::size_t> class_of_area_;
};

/// Frames of each class.
using class_shares = std::array<std::uint64_t, owner_classes>;

struct map_scale {
    std::uint64_t square = 1;     ///< frames in a square
    std::uint64_t columns = 128;  ///< squares in a line

    [[nodiscard]] std::uint64_t line() const noexcept { return square * columns; }
};

/// The finest scale, with squares of 2^n frames, at which none of the maps has more than 64 lines, folded ones
/// included; where there is none, the coarsest. Small memories get fewer columns.
[[nodiscard]] map_scale scale_for(const std::vector<frame_map>& maps);

/// Consecutive frames, cut into equal cells; the last may be shorter.
struct map_line {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    bool folded = false;  ///< several lines in one, which has one cell
    std::vector<class_shares> cells{};

    [[nodiscard]] std::uint64_t end() const noexcept { return first + count; }
};

/// The whole memory in order.
[[nodiscard]] std::vector<map_line> lines_of(const frame_map& map, const classifier& classes, const map_scale& scale);

/// The whole memory in one line of at most `cells` cells of `cell` frames; sets `cell`.
[[nodiscard]] map_line strip_of(const frame_map& map, const classifier& classes, std::uint64_t cells,
                                std::uint64_t& cell);

/// A square as eight bands, from the bottom: each class has its share of them, to the nearest eighth, and every
/// class in use has at least one, the largest eight first.
inline constexpr std::size_t bands_per_square = 8;
[[nodiscard]] std::array<std::size_t, bands_per_square> bands_of(const class_shares& shares);

}

#endif
