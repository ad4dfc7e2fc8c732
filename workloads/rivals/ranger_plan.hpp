// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_RANGER_PLAN_HPP
#define LONGREACH_WORKLOADS_RIVALS_RANGER_PLAN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <span>
#include <tuple>
#include <vector>

#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "leaf_index.hpp"
#include "usable_runs.hpp"

// Where Translation Ranger wants pages to be: its anchors, and how new ones are chosen.

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

/// Wants every page of a run at the frame with the run's offset.
template <class Page, class Frame>
struct range_anchor {
    std::uint32_t space = 0;  ///< number of the address space
    run<Page> pages{};
    Frame frame{};  ///< wanted for the first page

    friend constexpr bool operator==(const range_anchor&, const range_anchor&) = default;
    [[nodiscard]] constexpr run<Frame> frames() const noexcept { return {frame, pages.count}; }
};

namespace detail {

/// The anchors of some spaces. Invariants: I1 they are not empty, sorted by space and page, and share no page. I2 they
/// share no frame.
template <class Page, class Frame>
class anchor_set {
  public:
    using anchor = range_anchor<Page, Frame>;

    [[nodiscard]] std::span<const anchor> all() const noexcept { return anchors_; }

    /// The anchor that holds the page, or null. O(log anchors).
    [[nodiscard]] const anchor* find(std::uint32_t space, Page page) const {
        const auto at = first_ending_after(space, page);
        return at != anchors_.end() && at->space == space && at->pages.contains(page) ? &*at : nullptr;
    }
    /// Hands each maximal part of the run that no anchor holds to `visit(run)`. O(log anchors), and the anchors inside.
    template <class Visit>
    void for_each_gap(std::uint32_t space, run<Page> pages, Visit&& visit) const {
        Page next = pages.first;
        for (auto at = first_ending_after(space, next); at != anchors_.end() && at->space == space; ++at) {
            if (at->pages.first >= pages.end()) break;
            if (at->pages.first > next) visit(run_between(next, at->pages.first));
            next = at->pages.end();
        }
        if (next < pages.end()) visit(run_between(next, pages.end()));
    }

    void add(const std::vector<anchor>& more) {
        anchors_.insert(anchors_.end(), more.begin(), more.end());
        std::sort(anchors_.begin(), anchors_.end(), [](const anchor& a, const anchor& b) {
            return std::tuple(a.space, a.pages.first) < std::tuple(b.space, b.pages.first);
        });
    }
    /// Forgets those for which `gone(anchor)` holds.
    template <class Gone>
    void remove_if(Gone&& gone) {
        anchors_.erase(std::remove_if(anchors_.begin(), anchors_.end(), gone), anchors_.end());
    }

    /// The frames of all of them, in address order.
    [[nodiscard]] std::vector<run<Frame>> frames() const {
        std::vector<run<Frame>> all;
        for (const anchor& a : anchors_) all.push_back(a.frames());
        std::sort(all.begin(), all.end(), [](run<Frame> a, run<Frame> b) { return a.first < b.first; });
        return all;
    }

    [[nodiscard]] violation audit() const {
        for (std::size_t i = 0; i < anchors_.size(); ++i) {
            const anchor& a = anchors_[i];
            if (a.pages.empty()) return {"anchor_set.I1", a.pages.first.raw};
            if (i == 0) continue;
            const anchor& below = anchors_[i - 1];
            if (below.space > a.space || (below.space == a.space && below.pages.end() > a.pages.first)) {
                return {"anchor_set.I1", a.pages.first.raw};
            }
        }
        const std::vector<run<Frame>> held = frames();
        for (std::size_t i = 1; i < held.size(); ++i) {
            if (held[i - 1].end() > held[i].first) return {"anchor_set.I2", held[i].first.raw};
        }
        return {};
    }

  private:
    friend struct longreach::corrupt;

    [[nodiscard]] auto first_ending_after(std::uint32_t space, Page page) const {
        return std::partition_point(anchors_.begin(), anchors_.end(), [&](const anchor& a) {
            return a.space < space || (a.space == space && a.pages.end() <= page);
        });
    }

    std::vector<anchor> anchors_;
};

/// Chooses anchors for what has none. Made for one pass.
///
/// The longest stretches go first: a whole area, its holes included, where what is left of memory can hold it, else its
/// resident stretches. Each goes behind its lower neighbour's anchor if it fits there, else to the shortest usable run
/// that holds it; failing that the longest run takes its first part, and the rest is a stretch of its own: so a new
/// range begins behind what cannot move. What would gain nothing stays where it is.
template <class Space>
class anchor_planner {
  public:
    using page = typename Space::table_type::page;
    using frame = typename Space::table_type::frame;
    using anchor = range_anchor<page, frame>;
    using anchors = anchor_set<page, frame>;

    anchor_planner(std::span<Space* const> spaces, const leaf_index<Space>& leaves, const basic_buddy<frame>& frames,
                   const anchors& known, page_count least)
        : spaces_(spaces), leaves_(leaves), frames_(frames), known_(known), usable_(least) {}

    [[nodiscard]] std::vector<anchor> plan() {
        std::vector<piece> wholes = pieces();
        if (wholes.empty()) return {};
        find_usable();
        std::sort(wholes.begin(), wholes.end(), [](const piece& a, const piece& b) { return longer{}(b, a); });
        page_count left = usable_.total();
        for (const piece& whole : wholes) {
            if (whole.pages.count <= left) {
                left -= whole.pages.count;
                waiting_.push(whole);
            } else {
                split_at_holes(whole);
            }
        }
        while (!waiting_.empty() && !usable_.empty()) {
            const piece next = waiting_.top();
            waiting_.pop();
            place(next);
        }
        return std::move(made_);
    }

  private:
    static constexpr std::uint64_t superpage = std::uint64_t{1} << superpage_order.raw;

    struct piece {
        std::uint32_t space = 0;  ///< index of its space
        run<page> pages{};
    };
    struct longer {  // as std::priority_queue wants it
        bool operator()(const piece& a, const piece& b) const {
            return std::tuple(a.pages.count, b.space, b.pages.first) <
                   std::tuple(b.pages.count, a.space, a.pages.first);
        }
    };

    [[nodiscard]] std::uint32_t number_of(std::uint32_t space) const { return spaces_[space]->options().number; }
    [[nodiscard]] bool is_resident(std::uint32_t space, run<page> pages) const {
        return spaces_[space]->object().first_mapped(pages) != pages.end();
    }

    /// What holds resident pages without an anchor.
    [[nodiscard]] std::vector<piece> pieces() const {
        std::vector<piece> found;
        for (std::uint32_t s = 0; s < spaces_.size(); ++s) {
            for (const auto& area : spaces_[s]->entries()) {
                known_.for_each_gap(number_of(s), area.pages, [&](run<page> gap) {
                    if (is_resident(s, gap)) found.push_back({s, gap});
                });
            }
        }
        return found;
    }

    /// Frames that are free or held by a leaf that can move, without those that anchors want already.
    void find_usable() {
        const std::vector<run<frame>> wanted = known_.frames();
        std::size_t next_wanted = 0;
        run<frame> open{};
        const auto close = [&] {
            frame from = open.first;
            while (next_wanted < wanted.size() && wanted[next_wanted].end() <= from) ++next_wanted;
            std::size_t at = next_wanted;
            for (; at < wanted.size() && wanted[at].first < open.end(); ++at) {
                usable_.add(run_between(from, wanted[at].first));
                from = wanted[at].end();
            }
            usable_.add(run_between(from, open.end()));
        };
        const auto append = [&](run<frame> more) {
            if (open.end() == more.first) {
                open.count += more.count;
                return;
            }
            close();
            open = more;
        };
        std::vector<run<frame>> held;
        leaves_.for_each_movable([&](run<frame> r) {
            if (!held.empty() && held.back().end() == r.first) {
                held.back().count += r.count;
            } else {
                held.push_back(r);
            }
        });
        std::size_t next_held = 0;
        for_each_free_run(frames_, [&](run<frame> free) {
            for (; next_held < held.size() && held[next_held].first < free.first; ++next_held) append(held[next_held]);
            append(free);
        });
        for (; next_held < held.size(); ++next_held) append(held[next_held]);
        close();
    }

    void split_at_holes(const piece& whole) {
        run<page> open{whole.pages.first, page_count{0}};
        const auto leaves = leaves_.leaves();
        for (auto i = leaves_.first_at(whole.space, whole.pages.first);
             i < leaves.size() && leaves[i].space == whole.space && leaves[i].first < whole.pages.end(); ++i) {
            const run<page> part = intersection(leaves[i].pages(), whole.pages);
            if (open.end() == part.first) {
                open.count += part.count;
                continue;
            }
            if (!open.empty()) waiting_.push({whole.space, open});
            open = part;
        }
        if (!open.empty()) waiting_.push({whole.space, open});
    }

    void place(const piece& wanted) {
        const page first = wanted.pages.first;
        if (first.raw != 0) {
            const anchor* below = known_.find(number_of(wanted.space), first - page_count{1});
            if (below != nullptr && usable_.contains({below->frames().end(), wanted.pages.count})) {
                return settle(wanted, below->frames().end());
            }
        }
        const bool congruent = align_up(first, superpage_order) + superpage_order.pages() <= wanted.pages.end();
        const std::uint64_t modulus = congruent ? superpage : 1;
        if (const auto found = usable_.best_fit(wanted.pages.count, modulus, first.raw & (modulus - 1))) {
            return settle(wanted, *found);
        }
        place_first_part(wanted, modulus);
    }

    /// Gives the longest usable run to as many pages as fit, and lets the rest wait.
    void place_first_part(const piece& wanted, std::uint64_t modulus) {
        const run<frame> longest = usable_.longest();
        const page first = wanted.pages.first;
        std::uint64_t pad = (first.raw - longest.first.raw) & (modulus - 1);
        page_count room = pad < longest.count.raw ? longest.count - page_count{pad} : page_count{0};
        if (room.raw == 0) {  // base pages may lie at any offset
            pad = 0;
            room = longest.count;
        }
        run<page> part = intersection({first, room}, wanted.pages);
        const mapping<page, frame> now = mapping_at(wanted, room);
        if (now.pages.count >= room && usable_.contains(now.frames())) {
            settle({wanted.space, now.pages}, now.frame);
            return wait({wanted.space, run_between(now.pages.end(), wanted.pages.end())});
        }
        part = whole_leaves(wanted.space, part, ((first.raw - longest.first.raw - pad) & (superpage - 1)) == 0);
        if (part.empty()) return place_first_leaf(wanted);
        settle({wanted.space, part}, longest.first + page_count{pad});
        wait({wanted.space, run_between(part.end(), wanted.pages.end())});
    }

    /// The longest run cannot hold the first leaf, a superpage: another one may, else it stays, whoever wants its
    /// frames.
    void place_first_leaf(const piece& wanted) {
        const run<page> leaf = leaves_.leaves()[leaves_.first_at(wanted.space, wanted.pages.first)].pages();
        if (wanted.pages.contains(leaf)) {
            const auto found = usable_.best_fit(leaf.count, superpage, leaf.first.raw & (superpage - 1));
            if (found) settle({wanted.space, leaf}, *found);
        }
        wait({wanted.space, run_between(leaf.end(), wanted.pages.end())});
    }

    void wait(const piece& rest) {
        if (!rest.pages.empty() && is_resident(rest.space, rest.pages)) waiting_.push(rest);
    }

    void settle(const piece& placed, frame at) {
        usable_.take({at, placed.pages.count});
        made_.push_back({number_of(placed.space), placed.pages, at});
    }

    /// How the first pages of a piece are mapped now with one offset, up to `enough` of them; empty where the first is
    /// not resident.
    [[nodiscard]] mapping<page, frame> mapping_at(const piece& of, page_count enough) const {
        const auto leaves = leaves_.leaves();
        mapping<page, frame> found{{of.pages.first, page_count{0}}, {}};
        for (auto i = leaves_.first_at(of.space, of.pages.first); i < leaves.size(); ++i) {
            const auto& leaf = leaves[i];
            if (leaf.space != of.space || leaf.first > found.pages.end() || found.pages.end() >= of.pages.end()) break;
            const frame here = leaf.at + (found.pages.end() - leaf.first);
            if (found.pages.empty()) found.frame = here;
            if (here != found.frames().end()) break;
            found.pages.count += intersection(leaf.pages(), of.pages).count;
            if (found.pages.count >= enough) break;
        }
        return found;
    }

    /// The run without the part of its last superpage that it cuts, or from its first superpage on where these may not
    /// lie in it.
    [[nodiscard]] run<page> whole_leaves(std::uint32_t space, run<page> part, bool superpages) const {
        const auto leaves = leaves_.leaves();
        if (!superpages) {
            for (auto i = leaves_.first_at(space, part.first);
                 i < leaves.size() && leaves[i].space == space && leaves[i].first < part.end(); ++i) {
                if (leaves[i].size != base_order) return run_between(part.first, leaves[i].first);
            }
            return part;
        }
        const auto last = leaves_.first_at(space, part.end());
        if (last < leaves.size() && leaves[last].space == space && leaves[last].first < part.end()) {
            return run_between(part.first, leaves[last].first);
        }
        return part;
    }

    std::span<Space* const> spaces_;
    const leaf_index<Space>& leaves_;
    const basic_buddy<frame>& frames_;
    const anchors& known_;
    usable_runs<frame> usable_;
    std::priority_queue<piece, std::vector<piece>, longer> waiting_;
    std::vector<anchor> made_;
};

}
LONGREACH_NAMESPACE_END

#endif
