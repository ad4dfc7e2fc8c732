// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CA_PAGING_IMPL_HPP
#define LONGREACH_ALLOCATOR_CA_PAGING_IMPL_HPP

#include "ca_paging.hpp"

// The faults of ca_paging and the upkeep of its pieces; ca_paging.hpp includes it. How a new place is chosen is in
// ca_placement_impl.hpp.

LONGREACH_NAMESPACE_BEGIN

template <class Page, class Frame>
auto ca_paging<Page, Frame>::carve_pieces(std::span<std::byte> memory) noexcept -> std::span<piece_type> {
    const std::size_t alignment = alignof(piece_type);
    const std::size_t room = memory.size() < alignment ? 0 : (memory.size() - alignment) / sizeof(piece_type);
    LONGREACH_CHECK(room > 0, "ca_paging.memory");
    return detail::memory_carver(memory).template take<piece_type>(room);
}

template <class Page, class Frame>
template <class Mapped>
std::optional<Frame> ca_paging<Page, Frame>::allocate(const placement_request<Page>& request,
                                                      const Mapped& mapped) noexcept {
    const run<Page> block{request.page, request.size.pages()};
    LONGREACH_CHECK(is_aligned(request.page, request.size), "ca_paging.misaligned");
    LONGREACH_CHECK(request.area.contains(block), "ca_paging.outside_area");
    const std::size_t i = pieces_.position(request.space, request.page);
    const bool placed = pieces_.holds(i, request.space, request.page) && pieces_[i].where.pages.contains(block);
    run<Page> gap{};
    if (placed) {
        if (const std::optional<Frame> hit = take_target(i, request)) {
            ++counters_.target_hits;
            return hit;
        }
    }
    if (!frames_.can_allocate(request.size)) return {};  // before any place is given up
    if (placed) {
        ++counters_.target_refusals;
        gap = lost_part(pieces_[i], request, mapped);
        cut(request.space, gap);
    } else {
        cut(request.space, block);  // pieces that end inside it hold none of its pages
        gap = gap_around(request, mapped);
    }
    const std::uint64_t before = counters_.placements;
    if (place(wish_for(request, gap, placed))) {
        if (placed) {
            counters_.replacements += counters_.placements - before;
            counters_.placements = before;
        }
        const std::optional<Frame> found = take_target(pieces_.position(request.space, request.page), request);
        if (found) return found;
    }
    const std::optional<Frame> any = frames_.allocate(request.size);
    if (any) ++counters_.ordinary;
    return any;
}

/// The frames that piece i names for the block, if they are free and lie as the leaf needs.
template <class Page, class Frame>
std::optional<Frame> ca_paging<Page, Frame>::take_target(std::size_t i,
                                                         const placement_request<Page>& request) noexcept {
    const Frame target = pieces_[i].target(request.page);
    if (!is_aligned(target, request.size)) return {};
    if (frames_.allocate_at(target, request.size) != status::ok) return {};
    piece_type& p = pieces_[i];
    const std::uint64_t taken = p.taken + request.size.pages().raw;
    // cut() counts frames lent to others as taken, and they may have come back since
    p.taken = taken < p.where.pages.count.raw ? taken : p.where.pages.count.raw;
    return target;
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

/// The pages of the area around the fault that no piece holds, without mapped pages where that is cheap to say.
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
    if (mapped.first_mapped(run_between(first, request.page)) != request.page) first = request.page;
    end = mapped.first_mapped(run_between(block_end, end));
    return run_between(first, end);
}

template <class Page, class Frame>
auto ca_paging<Page, Frame>::wish_for(const placement_request<Page>& request, run<Page> gap, bool replacing) noexcept
    -> wish {
    const run<Page> area = request.area;
    const Page first_superpage = align_up(area.first, superpage_order);
    wish w{request.space, gap, {request.page, request.size.pages()}, area.count, {}, {}, false, false, false, false};
    w.superpages = request.grows_up || request.grows_down ||
                   (first_superpage >= area.first && first_superpage + superpage_order.pages() <= area.end());
    const std::size_t next = pieces_.position(request.space, gap.first);
    const bool has_previous = next > 0 && pieces_.is_of(next - 1, request.space);
    const bool has_next = pieces_.is_of(next, request.space);
    w.continues_below = has_previous && pieces_[next - 1].where.pages.end() > area.first;
    w.continues_above = has_next && pieces_[next].where.pages.first < area.end();
    if (replacing) return w;

    const bool at_end = request.grows_up && gap.end() == area.end();
    const bool at_start = request.grows_down && gap.first == area.first;
    w.seen_growing = (at_end && w.continues_below) || (at_start && w.continues_above);
    const std::optional<run<Frame>> longest = clusters_.longest();
    const page_count plenty{longest ? longest->count.raw / plentiful : 0};
    page_count room = area.count < least_headroom ? least_headroom : area.count;
    room = room < plenty ? plenty : room;
    room = room > most_headroom ? most_headroom : room;
    if (at_end) {
        const Page limit = has_next ? pieces_[next].where.pages.first : Page{~std::uint64_t{0}};
        w.above = limit - gap.end() < room ? limit - gap.end() : room;
    }
    if (at_start) {
        const Page limit = has_previous ? pieces_[next - 1].where.pages.end() : Page{0};
        w.below = gap.first - limit < room ? gap.first - limit : room;
    }
    return w;
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
    cut(space, pages);
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
    cut(space, {to, pages.count});
    const page_count shift = to - pages.first;
    while (true) {
        const std::size_t i = pieces_.position(space, pages.first);
        if (!pieces_.is_of(i, space) || pieces_[i].where.pages.first >= pages.end()) return release(space, pages);
        const run<Page> part = intersection(pieces_[i].where.pages, pages);
        const mapping<Page, Frame> moved{{part.first + shift, part.count}, pieces_[i].target(part.first)};
        cut(space, part);
        if (shift.raw % superpage_order.pages().raw == 0) {
            add_piece(space, moved, (moved.pages.count - frames_.count_free_in(moved.frames())).raw);
        }
    }
}

template <class Page, class Frame>
void ca_paging<Page, Frame>::add_piece(std::uint32_t space, mapping<Page, Frame> where, std::uint64_t taken) noexcept {
    if (pieces_.full()) make_room();
    pieces_.insert(pieces_.position(space, where.pages.first), {space, where, taken, born_++});
    frames_.reserve(where.frames());
}

template <class Page, class Frame>
void ca_paging<Page, Frame>::drop_piece(std::size_t i) noexcept {
    frames_.unreserve(pieces_[i].where.frames());
    pieces_.erase(i);
}

/// Forgets a piece whose frames were all taken, which no fault is expected to ask for; where there is none, the oldest.
template <class Page, class Frame>
void ca_paging<Page, Frame>::make_room() noexcept {
    std::size_t victim = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        if (pieces_[i].taken == pieces_[i].where.pages.count.raw) return drop_piece(i);
        if (pieces_[i].born < pieces_[victim].born) victim = i;
    }
    drop_piece(victim);
}

/// Takes pages out of the pieces that hold them and their frames out of the buddy's promises. Where a piece falls
/// in two and there is no room for both parts, the upper one is given up.
template <class Page, class Frame>
void ca_paging<Page, Frame>::cut(std::uint32_t space, run<Page> pages) noexcept {
    if (pages.empty()) return;
    std::size_t i = pieces_.position(space, pages.first);
    while (pieces_.is_of(i, space) && pieces_[i].where.pages.first < pages.end()) {
        const piece_type whole = pieces_[i];
        drop_piece(i);
        const Page first = whole.where.pages.first;
        const run<Page> sides[] = {run_between(first, pages.first), run_between(pages.end(), whole.where.pages.end())};
        for (const run<Page> side : sides) {
            if (side.empty() || pieces_.full()) continue;
            const mapping<Page, Frame> kept{side, whole.target(side.first)};
            const std::uint64_t taken = (side.count - frames_.count_free_in(kept.frames())).raw;
            pieces_.insert(i++, {space, kept, taken, whole.born});
            frames_.reserve(kept.frames());
        }
    }
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
