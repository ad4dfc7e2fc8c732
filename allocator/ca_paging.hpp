// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CA_PAGING_HPP
#define LONGREACH_ALLOCATOR_CA_PAGING_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "buddy.hpp"
#include "config.hpp"
#include "contiguity_map.hpp"
#include "frame_run.hpp"
#include "piece_table.hpp"
#include "placement.hpp"
#include "status.hpp"
#include "units.hpp"

// Contiguity-aware paging: the first fault of an area chooses frames for all of it, later faults ask for exactly
// the frame that keeps page - frame unchanged.
//
// A placement is one piece, or several where no run is long enough. Frames of a piece are promised: the buddy
// hands them to others last. Offsets are equal modulo 2 MiB to what superpages need, so that 4 KiB and 2 MiB
// faults of one area form one run. Not thread-safe: the caller locks.
// Source: Alverti et al., Enhancing and Exploiting Contiguity for Fast Memory Virtualization, ISCA 2020; the
// promises are after Navarro et al., OSDI 2002. Where it differs from the released kernel: see README.md.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 pieces are sorted by (space, page) and share no page; I2 pieces lie inside the managed run and
/// share no frame; I3 no piece is empty or has more frames taken than it has; I4 every promised frame of the buddy
/// lies in a piece. Where the buddy could not keep every promise, the frames without one may be in two pieces: the
/// first to ask gets them, and the other is placed anew.
template <class Page, class Frame>
class ca_paging {
  public:
    using page = Page;
    using frame = Frame;
    using piece_type = piece<Page, Frame>;

    /// Bytes of memory to pass for this many pieces. More pieces than pages / 512 are never useful with 2 MiB faults.
    [[nodiscard]] static constexpr std::size_t required_bytes(std::size_t pieces) noexcept {
        return piece_table<Page, Frame>::required_bytes(pieces);
    }

    /// Places in the free runs of `clusters`, which maps `frames`; both outlive it and serve no other policy.
    ca_paging(basic_buddy<Frame>& frames, basic_contiguity_map<Frame>& clusters, std::span<std::byte> memory) noexcept
        : frames_(frames), clusters_(clusters), pieces_(piece_table<Page, Frame>::in(memory)) {}

    /// The frames that the block's placement names, else the frames of a new placement, else any block.
    /// O(log pieces) where the placement holds; a new placement looks at every cluster that is long enough.
    template <class Mapped>
    [[nodiscard, gnu::always_inline]] std::optional<Frame> allocate(const placement_request<Page>& request,
                                                                    const Mapped& mapped) noexcept;

    void free(std::uint32_t space, Page first, Frame block, order size) noexcept;
    [[nodiscard]] std::optional<Frame> allocate_table() noexcept { return allocate_anywhere(base_order); }
    /// A block for somebody without a placement: promised frames are lent only where no other block is left, by the
    /// piece whose last allocation is longest ago. Give it back to the buddy.
    [[nodiscard]] std::optional<Frame> allocate_anywhere(order size) noexcept;
    void free_table(Frame table) noexcept { frames_.free(table, base_order); }
    void release(std::uint32_t space, run<Page> pages) noexcept;
    void move(std::uint32_t space, run<Page> pages, Page to) noexcept;
    /// The child has no pieces: the frames of its parent's are taken, and its copies are placed as they come.
    void fork(std::uint32_t, std::uint32_t) noexcept {}

    [[nodiscard]] placement_counters counters() const noexcept { return counters_; }
    /// The pieces, sorted; for reports.
    [[nodiscard]] const piece_table<Page, Frame>& pieces() const noexcept { return pieces_; }

    /// Checks pieces against each other and against the buddy's promises; O(pieces^2 + frames / 64).
    violation audit() const noexcept;

  private:
    friend struct ca_paging_corruption;  // tests break invariants through it

    /// Room kept beyond a growing area: as much as it has or a 64th of the longest cluster, whichever is more, within
    /// these bounds (2 MiB to 64 MiB). Heuristic: an area that outgrows its room costs a run more, and while memory
    /// is plentiful room costs nothing.
    static constexpr page_count least_headroom{512};
    static constexpr page_count most_headroom{16384};
    static constexpr std::uint64_t plentiful = 64;

    /// Areas of more than 5/8 of free memory are not planned as a whole: many of their pages may never be touched.
    /// Heuristic: a host's area of a guest with half its memory needs a little more than half, with the host's losses.
    static constexpr std::uint64_t planned_share_numerator = 5;
    static constexpr std::uint64_t planned_share_denominator = 8;

    static constexpr std::uint64_t no_frame = ~std::uint64_t{0};

    /// Where a stretch of pages goes: everything that place() and its parts need to know.
    struct wish {
        std::uint32_t space;
        run<Page> gap;                 ///< pages without a place, `block` among them
        run<Page> block;               ///< the pages of the fault
        page_count area;               ///< pages of the whole area
        page_count room{};             ///< frames wanted beyond the gap for growth, whether pages are there or not
        page_count above{};            ///< headroom after the gap: pages that are nobody's, at most `room` rounded up
        page_count below{};            ///< headroom wanted before the gap
        bool superpages = false;       ///< the gap holds an aligned 2 MiB stretch, or may come to
        bool continues_below = false;  ///< the area has a piece that lies below the gap
        bool continues_above = false;  ///< the area has a piece that lies above the gap
        bool seen_growing = false;     ///< the gap is where the area grows, and the area has a piece next to it

        [[nodiscard]] constexpr run<Page> with_headroom() const noexcept {
            return {gap.first - below, below + gap.count + above};
        }
    };

    template <class Mapped>
    [[nodiscard]] run<Page> lost_part(const piece_type& p, const placement_request<Page>& request,
                                      const Mapped& mapped) const noexcept;
    template <class Mapped>
    [[nodiscard]] run<Page> gap_around(const placement_request<Page>& request, const Mapped& mapped) const noexcept;
    [[nodiscard]] wish wish_for(const placement_request<Page>& request, run<Page> gap, bool replacing) noexcept;

    [[nodiscard]] bool place(const wish& w) noexcept;
    [[nodiscard]] bool extend_neighbour(const wish& w) noexcept;
    [[nodiscard]] bool place_whole(const wish& w) noexcept;
    [[nodiscard]] bool place_in(const wish& w, run<Frame> cluster) noexcept;
    [[nodiscard]] bool place_in_pieces(const wish& w) noexcept;
    [[nodiscard]] bool place_anchored(const wish& w) noexcept;

    [[nodiscard]] std::optional<Frame> best_fit(run<Page> pages, std::uint64_t modulus) noexcept;
    [[nodiscard]] bool holds_superpage() noexcept;
    template <class Mapped>
    [[nodiscard, gnu::always_inline]] std::uint64_t allocate_sized(const placement_request<Page>& request, order size,
                                                                   const Mapped& mapped) noexcept;
    template <class Mapped>
    [[nodiscard, gnu::noinline]] std::uint64_t allocate_missed(placement_request<Page> request, const Mapped& mapped,
                                                               bool placed) noexcept;
    [[nodiscard, gnu::always_inline]] std::uint64_t take_target(piece_type& p, Page first, order size) noexcept;
    void add_piece(std::uint32_t space, mapping<Page, Frame> where, std::uint64_t taken = 0,
                   bool room_below = false) noexcept;
    [[nodiscard]] std::uint64_t used_in(run<Frame> frames) const noexcept {
        return (frames.count - frames_.count_free_in(frames)).raw;
    }
    void drop_piece(std::size_t i) noexcept;
    [[nodiscard]] std::optional<Frame> find_lent(order size) const noexcept;
    std::uint64_t cut(std::uint32_t space, run<Page> pages, bool may_have_frames) noexcept;
    void make_room() noexcept;
    bool forget_used_up(std::size_t& position) noexcept;

    /// Frames to leave unused at the start of a cluster so that page and frame are equal modulo `modulus`.
    [[nodiscard]] static constexpr page_count padding(Page first, Frame cluster, std::uint64_t modulus) noexcept {
        return {(first.raw - cluster.raw) & (modulus - 1)};
    }

    /// Whether the piece's offset suits the leaves that the wish may bring.
    [[nodiscard]] static constexpr bool can_hold(const piece_type& p, const wish& w) noexcept {
        return !w.superpages || padding(p.where.pages.first, p.where.frame, superpage_order.pages().raw).raw == 0;
    }

    basic_buddy<Frame>& frames_;
    basic_contiguity_map<Frame>& clusters_;
    piece_table<Page, Frame> pieces_;
    std::uint64_t clock_ = 0;  ///< blocks handed out by pieces
    placement_counters counters_;
};

static_assert(placement_policy<ca_paging<vpn, pfn>>);

LONGREACH_NAMESPACE_END

#include "ca_paging_impl.hpp"

#endif
