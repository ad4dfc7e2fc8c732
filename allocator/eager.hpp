// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_EAGER_HPP
#define LONGREACH_ALLOCATOR_EAGER_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bits.hpp"
#include "buddy.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "piece_table.hpp"
#include "placement.hpp"
#include "status.hpp"
#include "units.hpp"

// Eager paging, a rival: the first request of an area takes frames for all of it, in the largest blocks there are.
//
// A program that touches its whole area at once when it maps it sees what the paper describes; one that does not
// sees the same frames, of which those for untouched pages are held meanwhile. Memory that cannot hold all of an area
// gives it nothing. Not thread-safe: the caller locks.
// Source: Karakostas et al., Redundant Memory Mappings for Fast Access to Large Memories, ISCA 2015.

LONGREACH_NAMESPACE_BEGIN

/// A piece is a run of pages without frames yet and the frames that are held for them.
/// Invariants: I1 pieces are sorted by (space, page), not empty, share no page, and none continues another in page and
/// frame; I2 they lie in the managed run and share no frame; I3 none of their frames is free; I4 held() is their sum.
template <class Page, class Frame>
class eager {
  public:
    using page = Page;
    using frame = Frame;
    using piece_type = piece<Page, Frame>;

    /// Bytes of memory to pass for this many pieces. An area needs as many at a time as the blocks it got do not
    /// adjoin, and one more for every page that is touched between untouched ones.
    [[nodiscard]] static constexpr std::size_t required_bytes(std::size_t pieces) noexcept {
        return piece_table<Page, Frame>::required_bytes(pieces);
    }

    /// Takes its blocks from `frames`, which outlives it, as does the memory.
    eager(basic_buddy<Frame>& frames, std::span<std::byte> memory) noexcept
        : frames_(frames), pieces_(piece_table<Page, Frame>::in(memory)) {}

    /// The frames held for the pages. Where none are, it first takes frames for all pages around the fault, as far as
    /// the area goes, that have none; nothing, and no change, where memory is too small for that. A page that is to be
    /// copied gets any block. A superpage gets nothing where page and frame are not congruent: base pages do. Where the
    /// pieces have no room left, later requests bring what is missing then, and this one gets any block.
    /// O(log pieces); a request that takes blocks, their number and O(log area) questions to `mapped`.
    template <class Mapped>
    [[nodiscard]] std::optional<Frame> allocate(const placement_request<Page>& request, const Mapped& mapped) noexcept {
        const run<Page> block{request.page, request.size.pages()};
        LONGREACH_CHECK(is_aligned(request.page, request.size), "eager.misaligned");
        LONGREACH_CHECK(request.area.contains(block), "eager.outside_area");
        if (holds(request.space, block)) return hand_out(request);
        if (mapped.first_mapped(block) != block.end()) return allocate_anywhere(request.size);
        run<Page> gap{request.page, page_count{0}};
        const placement_counters before = counters_;
        const Page missing = first_unplaced(request.space, block);
        if (missing != block.end()) {
            gap = gap_around(request, missing, mapped);
            if (frames_.free_frames() < gap.count) return std::nullopt;
            take_all(request.space, gap);
        }
        if (holds(request.space, block)) {
            if (const std::optional<Frame> found = hand_out(request)) return found;
        } else if (request.size == base_order) {
            return allocate_anywhere(base_order);  // the pieces are full
        }
        cut(request.space, gap, [this](run<Frame> frames) { frames_.free_run(frames); });
        counters_ = before;
        ++counters_.target_refusals;
        return std::nullopt;
    }

    void free(std::uint32_t, Page, Frame block, order size) noexcept { frames_.free(block, size); }
    [[nodiscard]] std::optional<Frame> allocate_table() noexcept { return frames_.allocate(base_order); }
    void free_table(Frame table) noexcept { frames_.free(table, base_order); }
    /// What is held for the pages goes back to the buddy.
    void release(std::uint32_t space, run<Page> pages) noexcept {
        cut(space, pages, [this](run<Frame> frames) { frames_.free_run(frames); });
    }
    /// What is held for the pages is held for those at `to` from now on.
    void move(std::uint32_t space, run<Page> pages, Page to) noexcept;
    /// Nothing is held for the child: its own requests take frames for what its parent had not touched.
    void fork(std::uint32_t, std::uint32_t) noexcept {}

    [[nodiscard]] placement_counters counters() const noexcept { return counters_; }
    /// Frames that are taken for pages without a frame yet.
    [[nodiscard]] page_count held() const noexcept { return held_; }
    /// The pieces, sorted; for reports.
    [[nodiscard]] const piece_table<Page, Frame>& pieces() const noexcept { return pieces_; }

    /// O(pieces^2 + frames / 64).
    violation audit() const noexcept;

  private:
    friend struct eager_corruption;  // tests break invariants through it

    [[nodiscard]] bool holds(std::uint32_t space, run<Page> block) noexcept {
        const piece_type* const p = pieces_.find(space, block.first);
        return p != nullptr && p->where.pages.contains(block);
    }

    /// The held block of the request, if it lies as the leaf needs.
    [[nodiscard]] std::optional<Frame> hand_out(const placement_request<Page>& request) noexcept {
        const Frame target = pieces_.find(request.space, request.page)->target(request.page);
        if (!is_aligned(target, request.size)) {
            return std::nullopt;
        }
        cut(request.space, {request.page, request.size.pages()}, [](run<Frame>) {});
        ++counters_.target_hits;
        return target;
    }

    [[nodiscard]] std::optional<Frame> allocate_anywhere(order size) noexcept {
        const std::optional<Frame> any = frames_.allocate(size);
        if (any) ++counters_.ordinary;
        return any;
    }

    [[nodiscard]] Page first_unplaced(std::uint32_t space, run<Page> block) noexcept;
    template <class Mapped>
    [[nodiscard]] run<Page> gap_around(const placement_request<Page>& request, Page from,
                                       const Mapped& mapped) const noexcept;
    void take_all(std::uint32_t space, run<Page> gap) noexcept;
    [[nodiscard]] bool add(std::uint32_t space, mapping<Page, Frame> where) noexcept;
    template <class Gone>
    void cut(std::uint32_t space, run<Page> pages, Gone&& gone) noexcept;

    [[nodiscard]] static constexpr bool continues(const mapping<Page, Frame>& below,
                                                  const mapping<Page, Frame>& above) noexcept {
        return below.pages.end() == above.pages.first && below.frames().end() == above.frame;
    }

    basic_buddy<Frame>& frames_;
    piece_table<Page, Frame> pieces_;
    page_count held_{};
    placement_counters counters_;
};

/// The first page of the block that nothing is held for, or its end.
template <class Page, class Frame>
Page eager<Page, Frame>::first_unplaced(std::uint32_t space, run<Page> block) noexcept {
    Page next = block.first;
    while (next < block.end()) {
        const piece_type* const p = pieces_.find(space, next);
        if (p == nullptr) return next;
        next = p->where.pages.end();
    }
    return block.end();
}

/// The pages of the area around `from`, which has neither, that have no frame and for which none is held.
template <class Page, class Frame>
template <class Mapped>
run<Page> eager<Page, Frame>::gap_around(const placement_request<Page>& request, Page from,
                                         const Mapped& mapped) const noexcept {
    const std::size_t i = pieces_.position(request.space, from);
    Page first = request.area.first;
    Page end = request.area.end();
    if (i > 0 && pieces_.is_of(i - 1, request.space) && pieces_[i - 1].where.pages.end() > first) {
        first = pieces_[i - 1].where.pages.end();
    }
    if (pieces_.is_of(i, request.space) && pieces_[i].where.pages.first < end) end = pieces_[i].where.pages.first;
    end = mapped.first_mapped(run_between(from, end));
    // The last mapped page below lies in [first, high) as long as these hold one; halve until none is left.
    for (Page high = from; mapped.first_mapped(run_between(first, high)) != high;) {
        const Page middle = first + page_count{(high - first).raw / 2};
        const Page found = mapped.first_mapped(run_between(middle, high));
        if (found != high) {
            first = found + page_count{1};
        } else {
            high = middle;
        }
    }
    return run_between(first, end);
}

/// Takes blocks for the pages, which memory can hold, from the first on: the largest that fits, and so on, as far as
/// the pieces have room.
template <class Page, class Frame>
void eager<Page, Frame>::take_all(std::uint32_t space, run<Page> gap) noexcept {
    order most = basic_buddy<Frame>::max_order;
    while (!gap.empty() && !pieces_.full()) {
        const order fitting{floor_log2(gap.count.raw)};
        const order wanted = fitting < most ? fitting : most;
        const std::optional<Frame> block = frames_.allocate(wanted);
        if (!block) {
            LONGREACH_CHECK(wanted.raw > 0, "eager.lost_frames");
            most = order{wanted.raw - 1};  // memory only shrinks meanwhile
            continue;
        }
        const bool added = add(space, {{gap.first, wanted.pages()}, *block});
        LONGREACH_CHECK(added, "eager.full");
        gap = run_between(gap.first + wanted.pages(), gap.end());
    }
}

/// Remembers frames that were taken, as a part of the pieces beside them where these continue; false where there is no
/// room, and nothing changed.
template <class Page, class Frame>
bool eager<Page, Frame>::add(std::uint32_t space, mapping<Page, Frame> where) noexcept {
    std::size_t i = pieces_.position(space, where.pages.first);
    if (i > 0 && pieces_.is_of(i - 1, space) && continues(pieces_[i - 1].where, where)) {
        --i;
        pieces_[i].where.pages.count += where.pages.count;
    } else {
        if (pieces_.full()) return false;
        pieces_.insert(i, {.space = space, .where = where});
        ++counters_.placements;
    }
    held_ += where.pages.count;
    if (pieces_.is_of(i + 1, space) && continues(pieces_[i].where, pieces_[i + 1].where)) {
        pieces_[i].where.pages.count += pieces_[i + 1].where.pages.count;
        pieces_.erase(i + 1);
    }
    return true;
}

/// Takes pages out of the pieces, and hands their frames, run by run, to `gone(run<Frame>)`. Where a piece falls in
/// two and there is no room for both, the shorter part goes back to the buddy: its pages have nothing held for them.
template <class Page, class Frame>
template <class Gone>
void eager<Page, Frame>::cut(std::uint32_t space, run<Page> pages, Gone&& gone) noexcept {
    if (pages.empty()) return;
    std::size_t i = pieces_.position(space, pages.first);
    while (pieces_.is_of(i, space) && pieces_[i].where.pages.first < pages.end()) {
        const piece_type whole = pieces_[i];
        const run<Page> part = intersection(whole.where.pages, pages);
        mapping<Page, Frame> below{run_between(whole.where.pages.first, part.first), whole.where.frame};
        mapping<Page, Frame> above{run_between(part.end(), whole.where.pages.end()), whole.target(part.end())};
        held_ -= part.count;
        gone(run<Frame>{whole.target(part.first), part.count});
        if (!below.pages.empty() && !above.pages.empty() && pieces_.full()) {
            mapping<Page, Frame>& shorter = below.pages.count < above.pages.count ? below : above;
            held_ -= shorter.pages.count;
            frames_.free_run(shorter.frames());
            shorter.pages.count = page_count{0};
        }
        if (below.pages.empty() && above.pages.empty()) {
            pieces_.erase(i);
            continue;
        }
        pieces_[i].where = below.pages.empty() ? above : below;
        ++i;
        if (!below.pages.empty() && !above.pages.empty()) pieces_.insert(i++, {.space = space, .where = above});
    }
}

template <class Page, class Frame>
void eager<Page, Frame>::move(std::uint32_t space, run<Page> pages, Page to) noexcept {
    LONGREACH_CHECK(!pages.overlaps({to, pages.count}), "eager.move_overlaps");
    release(space, {to, pages.count});
    const placement_counters before = counters_;
    while (true) {
        const std::size_t i = pieces_.position(space, pages.first);
        if (!pieces_.is_of(i, space) || pieces_[i].where.pages.first >= pages.end()) break;
        const run<Page> part = intersection(pieces_[i].where.pages, pages);
        const mapping<Page, Frame> moved{{to + (part.first - pages.first), part.count}, pieces_[i].target(part.first)};
        cut(space, part, [](run<Frame>) {});
        if (!add(space, moved)) frames_.free_run(moved.frames());
    }
    counters_ = before;
}

template <class Page, class Frame>
violation eager<Page, Frame>::audit() const noexcept {
    page_count sum{};
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const piece_type& p = pieces_[i];
        const std::uint64_t where = p.where.pages.first.raw;
        if (p.where.pages.empty()) return {"eager.I1", where};
        if (!frames_.managed().contains(p.where.frames())) return {"eager.I2", where};
        if (i > 0) {
            const piece_type& before = pieces_[i - 1];
            const bool sorted =
                before.space < p.space || (before.space == p.space && before.where.pages.end() <= p.where.pages.first);
            if (!sorted || (before.space == p.space && continues(before.where, p.where))) return {"eager.I1", where};
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (pieces_[j].where.frames().overlaps(p.where.frames())) return {"eager.I2", where};
        }
        if (frames_.count_free_in(p.where.frames()).raw != 0) return {"eager.I3", where};
        sum += p.where.pages.count;
    }
    if (sum != held_) return {"eager.I4", sum.raw};
    return frames_.audit();
}

static_assert(placement_policy<eager<vpn, pfn>>);

LONGREACH_NAMESPACE_END

#endif
