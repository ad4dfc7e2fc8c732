// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CA_PAGING_IMPL_HPP
#define LONGREACH_ALLOCATOR_CA_PAGING_IMPL_HPP

#include "ca_paging.hpp"

// The faults of ca_paging and the upkeep of its pieces; ca_paging.hpp includes it. How a new place is chosen is in
// ca_placement_impl.hpp.

LONGREACH_NAMESPACE_BEGIN

template <class Page, class Frame>
template <class Mapped>
inline std::optional<Frame> ca_paging<Page, Frame>::allocate(const placement_request<Page>& request,
                                                             const Mapped& mapped) noexcept {
    const std::uint64_t found = request.size == base_order ? allocate_sized(request, base_order, mapped)
                                                           : allocate_sized(request, request.size, mapped);
    if (found != no_frame) return std::optional<Frame>{std::in_place, found};  // gcc 12 keeps this form in registers
    return std::optional<Frame>{};
}

/// allocate() for a size that is constant where it matters.
template <class Page, class Frame>
template <class Mapped>
inline std::uint64_t ca_paging<Page, Frame>::allocate_sized(const placement_request<Page>& request, order size,
                                                            const Mapped& mapped) noexcept {
    LONGREACH_CHECK(is_aligned(request.page, size), "ca_paging.misaligned");
    LONGREACH_CHECK(request.area.contains(request.page), "ca_paging.outside_area");
    piece_type* const p = pieces_.find(request.space, request.page);
    const bool placed = p != nullptr && p->where.pages.end() - request.page >= size.pages();
    if (placed) {
        const std::uint64_t found = take_target(*p, request.page, size);
        if (found != no_frame) {
            ++counters_.target_hits;
            return found;
        }
    }
    return allocate_missed(request, mapped, placed);
}

/// A block for the fault where its placement, if it has one, could not supply it.
template <class Page, class Frame>
template <class Mapped>
std::uint64_t ca_paging<Page, Frame>::allocate_missed(placement_request<Page> request, const Mapped& mapped,
                                                      bool placed) noexcept {
    const run<Page> block{request.page, request.size.pages()};
    LONGREACH_CHECK(request.area.contains(block), "ca_paging.outside_area");
    const std::size_t i = pieces_.position(request.space, request.page);
    run<Page> gap{};
    if (!frames_.can_allocate(request.size)) return no_frame;  // before any place is given up
    if (placed) {
        ++counters_.target_refusals;
        gap = lost_part(pieces_[i], request, mapped);
        cut(request.space, gap, mapped.first_mapped(block) != block.end());  // copied
    } else {
        cut(request.space, block, true);  // pieces that hold a part of it only
        gap = gap_around(request, mapped);
    }
    const std::uint64_t before = counters_.placements;
    if (place(wish_for(request, gap, placed))) {
        if (placed) {
            counters_.replacements += counters_.placements - before;
            counters_.placements = before;
        }
        piece_type& p = pieces_[pieces_.position(request.space, request.page)];
        const std::uint64_t found = take_target(p, request.page, request.size);
        if (found != no_frame) return found;
    }
    const std::optional<Frame> any = allocate_anywhere(request.size);
    if (!any) return no_frame;
    ++counters_.ordinary;
    return any->raw;
}

/// Takes the frames that the piece names for the block, if they are free and lie as the leaf needs: the first one's
/// number, or no_frame.
template <class Page, class Frame>
inline std::uint64_t ca_paging<Page, Frame>::take_target(piece_type& p, Page first, order size) noexcept {
    const Frame target = p.target(first);
    if (!is_aligned(target, size) || frames_.allocate_at(target, size) != status::ok) return no_frame;
    const std::uint64_t taken = p.taken + size.pages().raw;
    // what a forked copy was the last to free was not counted, and may be here again
    p.taken = taken < p.where.pages.count.raw ? taken : p.where.pages.count.raw;
    p.used = ++clock_;
    return target.raw;
}

/// From the refused block on, the pages of its piece that are not mapped and whose frames are in use.
template <class Page, class Frame>
template <class Mapped>
run<Page> ca_paging<Page, Frame>::lost_part(const piece_type& p, const placement_request<Page>& request,
                                            const Mapped& mapped) const noexcept {
    run<Page> lost{request.page, request.size.pages()};
    while (true) {
        const run<Page> next{lost.end(), request.size.pages()};
        const Frame target = p.target(next.first);
        if (!p.where.pages.contains(next) || mapped.first_mapped(next) != next.end()) return lost;
        if (!is_aligned(target, request.size) || frames_.is_free(target, request.size)) return lost;
        lost.count += next.count;
    }
}

/// The pages of the area around the fault that no piece holds, without mapped pages where that is cheap to say. A page
/// that is copied is mapped itself, and its neighbours will be copied too.
template <class Page, class Frame>
template <class Mapped>
run<Page> ca_paging<Page, Frame>::gap_around(const placement_request<Page>& request,
                                             const Mapped& mapped) const noexcept {
    const Page block_end = request.page + request.size.pages();
    const std::size_t i = pieces_.position(request.space, request.page);
    Page first = request.area.first;
    Page end = request.area.end();
    if (i > 0 && pieces_.is_of(i - 1, request.space) && pieces_[i - 1].where.pages.end() > first) {
        first = pieces_[i - 1].where.pages.end();
    }
    if (pieces_.is_of(i, request.space) && pieces_[i].where.pages.first < end) end = pieces_[i].where.pages.first;
    if (mapped.first_mapped(run_between(request.page, block_end)) != block_end) return run_between(first, end);
    if (mapped.first_mapped(run_between(first, request.page)) != request.page) first = request.page;
    end = mapped.first_mapped(run_between(block_end, end));
    return run_between(first, end);
}

/// Promised frames are lent last, by the piece that gave none for the longest time; the frame stays promised, so it
/// returns to its piece when the borrower frees it before the piece's page is touched.
template <class Page, class Frame>
std::optional<Frame> ca_paging<Page, Frame>::allocate_anywhere(order size) noexcept {
    if (const std::optional<Frame> open = frames_.allocate_unreserved(size)) return open;
    const std::optional<Frame> lent = find_lent(size);
    if (!lent) return frames_.allocate(size);  // a block of several pieces, or of frames that lost their promise
    const status taken = frames_.allocate_at(*lent, size);
    LONGREACH_CHECK(taken == status::ok, "ca_paging.lent");
    return lent;
}

/// The free block of the piece that gave none for the longest time among those that have one: the block that its pages
/// will want last, at the end or, where its room for growth lies below, at the start. O(pieces), and
/// O(frames / 64) for every piece that was used earlier than those looked at before it.
template <class Page, class Frame>
std::optional<Frame> ca_paging<Page, Frame>::find_lent(order size) const noexcept {
    if (size > superpage_order) return {};  // no piece promises larger blocks as such
    std::optional<Frame> best;
    std::uint64_t used = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const piece_type& p = pieces_[i];
        if (best && p.used >= used) continue;
        const run<Frame> all = p.where.frames();
        const std::optional<Frame> f =
            p.room_below ? frames_.find_first_free(all, size) : frames_.find_last_free(all, size);
        if (f) {
            best = f;
            used = p.used;
        }
    }
    return best;
}

template <class Page, class Frame>
void ca_paging<Page, Frame>::free(std::uint32_t space, Page first, Frame block, order size) noexcept {
    frames_.free(block, size);
    const std::size_t i = pieces_.position(space, first);
    if (!pieces_.holds(i, space, first) || pieces_[i].target(first) != block) return;
    piece_type& p = pieces_[i];
    p.taken -= size.pages().raw < p.taken ? size.pages().raw : p.taken;
}

/// Gives up the places of pages that are gone. A piece that adjoins them and was never used goes too: it was kept for
/// growth, or, where an untouched rest of the area stays behind, its next fault places that rest anew.
template <class Page, class Frame>
void ca_paging<Page, Frame>::release(std::uint32_t space, run<Page> pages) noexcept {
    if (pages.empty()) return;
    cut(space, pages, true);
    std::size_t i = pieces_.position(space, pages.first);
    if (pieces_.is_of(i, space) && pieces_[i].where.pages.first == pages.end() && pieces_[i].taken == 0) drop_piece(i);
    if (i > 0 && pieces_.is_of(i - 1, space) && pieces_[i - 1].where.pages.end() == pages.first &&
        pieces_[i - 1].taken == 0) {
        drop_piece(i - 1);
    }
}

/// Pieces go along where page and frame stay equal modulo 2 MiB; other places are given up, and so is what was kept
/// for growth at the old one.
template <class Page, class Frame>
void ca_paging<Page, Frame>::move(std::uint32_t space, run<Page> pages, Page to) noexcept {
    LONGREACH_CHECK(!pages.overlaps({to, pages.count}), "ca_paging.move_overlaps");
    cut(space, {to, pages.count}, true);
    const page_count shift = to - pages.first;
    while (true) {
        const std::size_t i = pieces_.position(space, pages.first);
        if (!pieces_.is_of(i, space) || pieces_[i].where.pages.first >= pages.end()) return release(space, pages);
        const run<Page> part = intersection(pieces_[i].where.pages, pages);
        const mapping<Page, Frame> moved{{part.first + shift, part.count}, pieces_[i].target(part.first)};
        const bool room_below = pieces_[i].room_below;
        const std::uint64_t taken = cut(space, part, true);
        if (shift.raw % superpage_order.pages().raw == 0) add_piece(space, moved, taken, room_below);
    }
}

template <class Page, class Frame>
void ca_paging<Page, Frame>::add_piece(std::uint32_t space, mapping<Page, Frame> where, std::uint64_t taken,
                                       bool room_below) noexcept {
    if (pieces_.full()) make_room();
    pieces_.insert(pieces_.position(space, where.pages.first), {space, room_below, where, taken, clock_});
    frames_.reserve(where.frames());
}

template <class Page, class Frame>
void ca_paging<Page, Frame>::drop_piece(std::size_t i) noexcept {
    frames_.unreserve(pieces_[i].where.frames());
    pieces_.erase(i);
}

/// Forgets a piece whose frames were all taken, which no fault is expected to ask for; where there is none, the one
/// that gave nothing for the longest time.
template <class Page, class Frame>
void ca_paging<Page, Frame>::make_room() noexcept {
    std::size_t unused = 0;
    if (forget_used_up(unused)) return;
    std::size_t victim = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        if (pieces_[i].used < pieces_[victim].used) victim = i;
    }
    drop_piece(victim);
}

/// Forgets a piece whose frames were all taken, if there is one; `position` stays at the piece where it was.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::forget_used_up(std::size_t& position) noexcept {
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        if (pieces_[i].taken != pieces_[i].where.pages.count.raw) continue;
        drop_piece(i);
        if (i < position) --position;
        return true;
    }
    return false;
}

/// Takes pages out of the pieces that hold them and their frames out of the buddy's promises. Answers how
/// many of the frames taken so far are theirs, 0 unless `may_have_frames`. That is a guess: a piece only knows how many
/// of its frames its own pages took, and the buddy how many are in use, lent ones too. The taken ones are looked for on
/// the side away from the room for growth first, then in the pages, then in the room, where lent ones are. Where there
/// is no place in the table for both sides, a piece that is used up goes; where there is none, the upper side.
template <class Page, class Frame>
std::uint64_t ca_paging<Page, Frame>::cut(std::uint32_t space, run<Page> pages, bool may_have_frames) noexcept {
    std::uint64_t had = 0;
    if (pages.empty()) return had;
    std::size_t i = pieces_.position(space, pages.first);
    while (pieces_.is_of(i, space) && pieces_[i].where.pages.first < pages.end()) {
        const piece_type whole = pieces_[i];
        drop_piece(i);
        const run<Page> parts[] = {run_between(whole.where.pages.first, pages.first),
                                   intersection(whole.where.pages, pages),
                                   run_between(pages.end(), whole.where.pages.end())};
        std::uint64_t taken[] = {0, 0, 0};
        std::uint64_t rest = whole.taken;
        for (const std::size_t n : {whole.room_below ? 2U : 0U, 1U, whole.room_below ? 0U : 2U}) {
            if (parts[n].empty() || (n == 1 && !may_have_frames)) continue;
            const std::uint64_t used = used_in({whole.target(parts[n].first), parts[n].count});
            taken[n] = used < rest ? used : rest;
            rest -= taken[n];
        }
        had += taken[1];
        for (const std::size_t n : {0U, 2U}) {
            if (parts[n].empty() || (pieces_.full() && !forget_used_up(i))) continue;
            const mapping<Page, Frame> kept{parts[n], whole.target(parts[n].first)};
            pieces_.insert(i++, {space, whole.room_below, kept, taken[n], whole.used});
            frames_.reserve(kept.frames());
        }
    }
    return had;
}

template <class Page, class Frame>
violation ca_paging<Page, Frame>::audit() const noexcept {
    page_count promised{};
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const piece_type& p = pieces_[i];
        const std::uint64_t where = p.where.pages.first.raw;
        if (p.where.pages.empty() || p.taken > p.where.pages.count.raw) return {"ca_paging.I3", where};
        if (!frames_.managed().contains(p.where.frames())) return {"ca_paging.I2", where};
        if (i > 0) {
            const piece_type& before = pieces_[i - 1];
            const bool sorted =
                before.space < p.space || (before.space == p.space && before.where.pages.end() <= p.where.pages.first);
            if (!sorted) return {"ca_paging.I1", where};
        }
        for (std::size_t j = 0; j < i; ++j) {
            const bool shared = pieces_[j].where.frames().overlaps(p.where.frames());
            if (shared && frames_.kept_every_promise()) return {"ca_paging.I2", where};
        }
        promised += frames_.count_reserved_in(p.where.frames());
    }
    const page_count all = frames_.count_reserved_in(frames_.managed());  // `promised` counts a shared frame twice
    if (promised < all || (promised > all && frames_.kept_every_promise())) return {"ca_paging.I4", promised.raw};
    if (const violation broken = frames_.audit()) return broken;
    clusters_.refresh();
    return clusters_.audit();
}

LONGREACH_NAMESPACE_END

#include "ca_placement_impl.hpp"

#endif
