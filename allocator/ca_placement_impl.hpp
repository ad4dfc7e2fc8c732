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
auto ca_paging<Page, Frame>::wish_for(const placement_request<Page>& request, run<Page> gap, bool replacing) noexcept
    -> wish {
    const run<Page> area = request.area;
    const bool may_grow = request.grows_up || request.grows_down;
    const Page first_superpage = align_up(area.first, superpage_order);
    wish w{request.space, gap, {request.page, request.size.pages()}, area.count};
    w.superpages =
        may_grow || (first_superpage >= area.first && first_superpage + superpage_order.pages() <= area.end());
    if (request.size == base_order && w.superpages) w.superpages = holds_superpage();
    const std::size_t next = pieces_.position(request.space, gap.first);
    const bool has_previous = next > 0 && pieces_.is_of(next - 1, request.space);
    const bool has_next = pieces_.is_of(next, request.space);
    w.continues_below = has_previous && pieces_[next - 1].where.pages.end() > area.first;
    w.continues_above = has_next && pieces_[next].where.pages.first < area.end();
    if (replacing) return w;

    // Neighbouring maps are one area: it may be seen to grow on the side on which nobody foretold it.
    const bool grew_up = may_grow && gap.end() == area.end() && w.continues_below;
    const bool grew_down = may_grow && gap.first == area.first && w.continues_above;
    w.seen_growing = grew_up || grew_down;
    const std::optional<run<Frame>> longest = clusters_.longest();
    const page_count plenty{longest ? longest->count.raw / plentiful : 0};
    page_count room = area.count < least_headroom ? least_headroom : area.count;
    room = room < plenty ? plenty : room;
    room = room > most_headroom ? most_headroom : room;
    // Headroom ends at a 2 MiB boundary: ordinary allocations prefer broken 2 MiB, and would settle right behind it.
    if (grew_up || (request.grows_up && gap.end() == area.end())) {
        const Page limit =
            has_next ? pieces_[next].where.pages.first : align_down(Page{~std::uint64_t{0}}, superpage_order);
        w.room = room;
        const Page end = limit - gap.end() < room ? limit : align_up(gap.end() + room, superpage_order);
        w.above = (end < limit ? end : limit) - gap.end();
    }
    if (grew_down || (request.grows_down && gap.first == area.first)) {
        const Page limit = has_previous ? pieces_[next - 1].where.pages.end() : Page{0};
        const Page first = gap.first - limit < room ? limit : align_down(gap.first - room, superpage_order);
        w.below = gap.first - (first > limit ? first : limit);
    }
    return w;
}

/// Whether any cluster has an aligned 2 MiB.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::holds_superpage() noexcept {
    return clusters_.best_fit({superpage_order.pages(), superpage_order.pages().raw, 0}).has_value();
}

template <class Page, class Frame>
bool ca_paging<Page, Frame>::place(const wish& w) noexcept {
    if (w.block.count == superpage_order.pages() && !holds_superpage()) return false;
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
            p.room_below = p.room_below || first < w.gap.first;
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
    if (w.seen_growing) {
        const std::optional<run<Frame>> longest = clusters_.longest();
        if (longest && place_in(w, *longest)) return true;
    }
    run<Page> roomy = w.with_headroom();
    if (w.above < w.room) roomy.count += w.room - w.above;
    for (const run<Page> pages : {roomy, w.with_headroom(), w.gap}) {
        const std::optional<Frame> found = best_fit(pages, superpage_order.pages().raw);
        if (found && place_in(w, *clusters_.around(*found))) return true;
    }
    if (w.superpages) return false;
    const std::optional<Frame> found = best_fit(w.gap, 1);
    if (!found) return false;
    add_piece(w.space, {w.gap, *found});
    ++counters_.placements;
    return true;
}

/// The gap and as much headroom as there is, at the start of a cluster; at its end where only downward growth is
/// foreseen, so that the rest of the cluster lies where the area grows.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::place_in(const wish& w, run<Frame> cluster) noexcept {
    const run<Page> wanted = w.with_headroom();
    const std::uint64_t superpage = superpage_order.pages().raw;
    if (w.above.raw == 0 && w.below.raw != 0) {
        const page_count pad{(cluster.end().raw - wanted.end().raw) & (superpage - 1)};
        if (cluster.count < pad + w.gap.count) return false;
        const page_count room = cluster.count - pad;
        const page_count count = room < wanted.count ? room : wanted.count;
        add_piece(w.space, {{wanted.end() - count, count}, cluster.end() - (pad + count)}, 0, true);
    } else {
        const page_count pad = padding(wanted.first, cluster.first, superpage);
        if (cluster.count < pad + w.below + w.gap.count) return false;
        const page_count room = cluster.count - pad;
        add_piece(w.space, {{wanted.first, room < wanted.count ? room : wanted.count}, cluster.first + pad});
    }
    ++counters_.placements;
    return true;
}

/// All pieces of the gap at once, longest runs first and the best fit for the last: the fewest pieces. Only where
/// the area needs at most five eighths of free memory, so that a large, sparsely used one does not use up the long
/// runs.
template <class Page, class Frame>
bool ca_paging<Page, Frame>::place_in_pieces(const wish& w) noexcept {
    const std::uint64_t most = frames_.free_frames().raw * planned_share_numerator / planned_share_denominator;
    if (w.area.raw > most || w.gap.count > frames_.unreserved_frames()) return false;
    run<Page> rest = w.gap;
    while (!rest.empty() && !pieces_.full()) {
        mapping<Page, Frame> next{rest, Frame{}};
        const bool superpages = holds_superpage();  // else what is left gets base pages, and congruence costs frames
        const std::uint64_t modulus = superpages ? superpage_order.pages().raw : 1;
        if (const std::optional<Frame> fits = best_fit(rest, modulus)) {
            next.frame = *fits;
        } else {
            const std::optional<run<Frame>> longest = clusters_.longest();
            if (!longest) break;
            const page_count pad = padding(rest.first, longest->first, modulus);
            if (longest->count <= pad) break;
            const Page end = rest.first + (longest->count - pad);
            const bool breaks = superpages && w.superpages;
            if (breaks && end < rest.first + superpage_order.pages()) break;
            next = {run_between(rest.first, detail::break_at_superpage(end, rest.first + page_count{1}, breaks)),
                    longest->first + pad};
        }
        add_piece(w.space, next);
        ++counters_.placements;
        rest = run_between(next.pages.end(), rest.end());
    }
    const std::size_t i = pieces_.position(w.space, w.block.first);
    return pieces_.holds(i, w.space, w.block.first) && pieces_[i].where.pages.contains(w.block);
}

/// One piece in the longest run, from the 2 MiB stretch of the fault on, and before it where the gap behind is shorter
/// than the run. For base pages the offset gives up its congruence where no other place is left.
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
    const bool superpages = holds_superpage();
    for (const std::uint64_t modulus : {superpage_order.pages().raw, std::uint64_t{1}}) {
        if (modulus == 1 ? w.block.count != page_count{1} : !superpages) continue;
        for (const Page first : {near, w.block.first}) {
            const page_count pad = padding(first, longest->first, modulus);
            if (longest->count <= pad) continue;
            const page_count room = longest->count - pad;
            Page end = gap_end - first < room ? gap_end : first + room;
            if (end < w.block.end()) continue;
            if (end < gap_end) end = detail::break_at_superpage(end, w.block.end(), w.superpages);
            // what the run has left serves the pages before: backward touch must not begin a run each time
            const page_count spare = room - (end - first);
            const page_count before = end < gap_end ? page_count{0} : first - gap_first;
            const page_count more{(before < spare ? before : spare).raw & ~(modulus - 1)};
            add_piece(w.space, {run_between(first - more, end), longest->first + pad});
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
