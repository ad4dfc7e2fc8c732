// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CA_PLACEMENT_IMPL_HPP
#define LONGREACH_ALLOCATOR_CA_PLACEMENT_IMPL_HPP

#include "ca_paging.hpp"

// How ca_paging chooses where a stretch of pages goes, from the best outcome to the last resort; ca_paging.hpp
// includes it. Every part answers whether a piece holds the faulting block now. One that answers false has changed
// nothing, but for place_in_pieces, whose plan may break off before the block and keeps what it placed.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

/// `end`, moved down to a 2 MiB boundary of pages where pieces should break there and `least` still fits.
template <class Page>
[[nodiscard]] constexpr Page break_at_superpage(Page end, Page least, bool superpages) noexcept {
    const Page rounded = align_down(end, superpage_order);
    return superpages && rounded >= least ? rounded : end;
}

}  // namespace detail

template <class Page, class Frame>
bool ca_paging<Page, Frame>::place(const wish& w) noexcept {
    return extend_neighbour(w) || place_whole(w) || place_in_pieces(w) || place_anchored(w);
}

/// Lets the piece before or after the gap run on into it. A piece of another area is extended only by the whole gap,
/// because a part would cost this area one run more; none is extended whose offset cannot hold the gap's superpages.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::extend_neighbour(const wish& w) noexcept {
    const std::size_t next = pieces_.position(w.space, w.gap.first);
    if (next > 0 && pieces_.is_of(next - 1, w.space) && pieces_[next - 1].where.pages.end() == w.gap.first &&
        can_hold(pieces_[next - 1], w)) {
        piece_type& p = pieces_[next - 1];
        const Frame from = p.where.frames().end();
        const std::optional<run<Frame>> cluster = clusters_.around(from);
        const page_count room = cluster ? cluster->end() - from : page_count{0};
        const page_count wanted = w.gap.count + w.above;
        Page end = w.gap.first + (room < wanted ? room : wanted);
        if (end < w.gap.end()) end = detail::break_at_superpage(end, w.block.end(), w.superpages);
        if (end >= w.gap.end() || (w.continues_below && end >= w.block.end())) {
            frames_.reserve({from, end - w.gap.first});
            p.where.pages.count += end - w.gap.first;
            return true;
        }
    }
    if (pieces_.is_of(next, w.space) && pieces_[next].where.pages.first == w.gap.end() && can_hold(pieces_[next], w)) {
        piece_type& p = pieces_[next];
        if (p.where.frame == frames_.managed().first) return false;
        const std::optional<run<Frame>> cluster = clusters_.around(p.where.frame - page_count{1});
        const page_count room = cluster ? p.where.frame - cluster->first : page_count{0};
        const page_count wanted = w.gap.count + w.below;
        const page_count most = room < wanted ? room : wanted;
        Page first = w.gap.end() - most;
        if (first > w.gap.first && w.superpages) {
            const Page rounded = align_up(first, superpage_order);
            if (rounded <= w.block.first) first = rounded;
        }
        if (first <= w.gap.first || (w.continues_above && first <= w.block.first)) {
            const page_count added = w.gap.end() - first;
            p.where = {{first, p.where.pages.count + added}, p.where.frame - added};
            frames_.reserve({p.where.frame, added});
            return true;
        }
    }
    return false;
}

/// One run for the whole gap: with headroom if one is long enough, else without. An area that was seen growing
/// goes to the longest run, because it will need more.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::place_whole(const wish& w) noexcept {
    const run<Page> roomy{w.gap.first - w.below, w.below + w.gap.count + w.above};
    const std::uint64_t superpage = superpage_order.pages().raw;
    if (w.seen_growing) {
        const std::optional<run<Frame>> longest = clusters_.longest();
        const page_count pad = longest ? padding(roomy.first, longest->first, superpage) : page_count{0};
        if (longest && longest->count >= pad + w.below + w.gap.count) {
            const page_count room = longest->count - pad;
            const run<Page> pages{roomy.first, room < roomy.count ? room : roomy.count};
            add_piece(w.space, {pages, longest->first + pad}, 0);
            ++counters_.placements;
            return true;
        }
    }
    for (const run<Page> pages : {roomy, w.gap}) {
        if (const std::optional<Frame> found = best_fit(pages, superpage)) {
            add_piece(w.space, {pages, *found}, 0);
            ++counters_.placements;
            return true;
        }
    }
    if (w.superpages) return false;
    const std::optional<Frame> found = best_fit(w.gap, 1);
    if (!found) return false;
    add_piece(w.space, {w.gap, *found}, 0);
    ++counters_.placements;
    return true;
}

/// All pieces of the gap at once, longest runs first and the best fit for the last: the fewest pieces. Only where
/// the area needs at most half of free memory, so that a large, sparsely used one does not use up the long runs.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::place_in_pieces(const wish& w) noexcept {
    if (w.area.raw > frames_.free_frames().raw / 2 || w.gap.count > frames_.unreserved_frames()) return false;
    const std::uint64_t superpage = superpage_order.pages().raw;
    run<Page> rest = w.gap;
    while (!rest.empty() && !pieces_.full()) {
        mapping<Page, Frame> next{rest, Frame{}};
        if (const std::optional<Frame> fits = best_fit(rest, superpage)) {
            next.frame = *fits;
        } else {
            const std::optional<run<Frame>> longest = clusters_.longest();
            if (!longest) break;
            const page_count pad = padding(rest.first, longest->first, superpage);
            if (longest->count <= pad) break;
            const Page least = rest.first + superpage_order.pages();
            const Page end = rest.first + (longest->count - pad);
            if (w.superpages && end < least) break;
            next = {run_between(rest.first, detail::break_at_superpage(end, rest.first + page_count{1}, w.superpages)),
                    longest->first + pad};
        }
        add_piece(w.space, next, 0);
        ++counters_.placements;
        rest = run_between(next.pages.end(), rest.end());
    }
    const std::size_t i = pieces_.position(w.space, w.block.first);
    return pieces_.holds(i, w.space, w.block.first) && pieces_[i].where.pages.contains(w.block);
}

/// One piece in the longest run, from the 2 MiB stretch of the fault on. For base pages the offset gives up its
/// congruence where no other place is left.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::place_anchored(const wish& w) noexcept {
    const std::optional<run<Frame>> longest = clusters_.longest();
    if (!longest) return false;
    const std::size_t next = pieces_.position(w.space, w.block.first);
    if (pieces_.holds(next, w.space, w.block.first)) return false;  // a plan that broke off inside the block
    const Page gap_end = pieces_.is_of(next, w.space) && pieces_[next].where.pages.first < w.gap.end()
                             ? pieces_[next].where.pages.first
                             : w.gap.end();
    Page gap_first = w.gap.first;
    if (next > 0 && pieces_.is_of(next - 1, w.space) && pieces_[next - 1].where.pages.end() > gap_first) {
        gap_first = pieces_[next - 1].where.pages.end();
    }
    const Page rounded = align_down(w.block.first, superpage_order);
    const Page near = rounded < gap_first ? gap_first : rounded;
    for (const std::uint64_t modulus : {superpage_order.pages().raw, std::uint64_t{1}}) {
        if (modulus == 1 && w.block.count != page_count{1}) break;
        for (const Page first : {near, w.block.first}) {
            const page_count pad = padding(first, longest->first, modulus);
            if (longest->count <= pad) continue;
            const page_count room = longest->count - pad;
            Page end = gap_end - first < room ? gap_end : first + room;
            if (end < w.block.end()) continue;
            if (end < gap_end) end = detail::break_at_superpage(end, w.block.end(), w.superpages);
            add_piece(w.space, {run_between(first, end), longest->first + pad}, 0);
            ++counters_.placements;
            return true;
        }
    }
    return false;
}

/// A place for the pages with page and frame equal modulo `modulus`.
template <class Page, class Frame>
std::optional<Frame> ca_paging<Page, Frame>::best_fit(run<Page> pages, std::uint64_t modulus) noexcept {
    return clusters_.best_fit({pages.count, modulus, pages.first.raw});
}

LONGREACH_NAMESPACE_END

#endif
