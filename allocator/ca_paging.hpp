// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CA_PAGING_HPP
#define LONGREACH_ALLOCATOR_CA_PAGING_HPP

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>

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
        return pieces * sizeof(piece_type) + alignof(piece_type);
    }

    /// Places in the free runs of `clusters`, which maps `frames`; both outlive it and serve no other policy.
    ca_paging(basic_buddy<Frame>& frames, basic_contiguity_map<Frame>& clusters, std::span<std::byte> memory) noexcept
        : frames_(frames), clusters_(clusters), pieces_(carve_pieces(memory)) {}

    /// The frames that the block's placement names, else the frames of a new placement, else any block.
    /// O(log pieces) where the placement holds; a new placement looks at every cluster that is long enough.
    template <class Mapped>
    [[nodiscard]] std::optional<Frame> allocate(const placement_request<Page>& request, const Mapped& mapped) noexcept;

    void free(std::uint32_t space, Page first, Frame block, order size) noexcept;
    [[nodiscard]] std::optional<Frame> allocate_table() noexcept { return frames_.allocate(base_order); }
    void free_table(Frame table) noexcept { frames_.free(table, base_order); }
    void release(std::uint32_t space, run<Page> pages) noexcept;
    void move(std::uint32_t space, run<Page> pages, Page to) noexcept;

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

    /// Where a stretch of pages goes: everything that place() and its parts need to know.
    struct wish {
        std::uint32_t space;
        run<Page> gap;         ///< pages without a place, `block` among them
        run<Page> block;       ///< the pages of the fault
        page_count area;       ///< pages of the whole area
        page_count above;      ///< headroom wanted after the gap
        page_count below;      ///< headroom wanted before the gap
        bool superpages;       ///< the gap holds an aligned 2 MiB stretch, or may come to
        bool continues_below;  ///< the area has a piece that lies below the gap
        bool continues_above;  ///< the area has a piece that lies above the gap
        bool seen_growing;     ///< the gap is where the area grows, and the area has a piece next to it
    };

    [[nodiscard]] static std::span<piece_type> carve_pieces(std::span<std::byte> memory) noexcept;

    template <class Mapped>
    [[nodiscard]] run<Page> lost_part(const piece_type& p, const placement_request<Page>& request,
                                      const Mapped& mapped) const noexcept;
    template <class Mapped>
    [[nodiscard]] run<Page> gap_around(const placement_request<Page>& request, const Mapped& mapped) const noexcept;
    [[nodiscard]] wish wish_for(const placement_request<Page>& request, run<Page> gap, bool replacing) noexcept;

    [[nodiscard]] bool place(const wish& w) noexcept;
    [[nodiscard]] bool extend_neighbour(const wish& w) noexcept;
    [[nodiscard]] bool place_whole(const wish& w) noexcept;
    [[nodiscard]] bool place_in_pieces(const wish& w) noexcept;
    [[nodiscard]] bool place_anchored(const wish& w) noexcept;

    [[nodiscard]] std::optional<Frame> best_fit(run<Page> pages, std::uint64_t modulus) noexcept;
    [[nodiscard]] std::optional<Frame> take_target(std::size_t i, const placement_request<Page>& request) noexcept;
    void add_piece(std::uint32_t space, mapping<Page, Frame> where, std::uint64_t taken) noexcept;
    void drop_piece(std::size_t i) noexcept;
    void cut(std::uint32_t space, run<Page> pages) noexcept;
    void make_room() noexcept;

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
    std::uint64_t born_ = 0;
    placement_counters counters_;
};

static_assert(placement_policy<ca_paging<vpn, pfn>>);

LONGREACH_NAMESPACE_END

#include "ca_paging_impl.hpp"

#endif
