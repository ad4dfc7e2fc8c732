// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ADDRESS_SPACE_MODEL_HPP
#define LONGREACH_TESTS_MODEL_ADDRESS_SPACE_MODEL_HPP

#include <algorithm>
#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

// What an address space should be, page by page: which area a page lies in, and which frame it has.

namespace longreach::model {

/// A page that lies in an area.
struct modelled_page {
    map_entry<vpn> alone;  ///< the area as if it were this page only
};

/// A page that has a frame.
struct modelled_frame {
    pfn frame{};
    vpn leaf{};          ///< first page of its leaf
    order size{};        ///< of its leaf
    bool copied = true;  ///< false: the first store has to copy it, or to find that nobody else holds it
    bool cached = true;  ///< in the page table
    bool accessed = false;
    bool dirty = false;
};

using model_leaf = leaf<vpn, pfn>;

class address_space_model {
  public:
    /// `cached_files`: pages of files come from a cache.
    explicit address_space_model(const space_options& options, bool cached_files = false)
        : options_(options), cached_files_(cached_files) {}

    // ---- areas ----

    void map(page_run pages, permissions allowed, const backing& source, const area_flags& flags) {
        if (pages.empty()) return;
        unmap(pages);
        cuts_.erase(cuts_.lower_bound(pages.first.raw), cuts_.upper_bound(pages.end().raw));
        const map_entry<vpn> area{pages, allowed, source, flags};
        for (std::uint64_t i = 0; i < pages.count.raw; ++i) {
            areas_[pages.first.raw + i] = {
                area.from(pages.first + page_count{i}).until(pages.first + page_count{i + 1})};
        }
        mark_edges(pages);
    }
    void unmap(page_run pages) {
        if (!touches(pages)) return;
        discard(pages);
        erase(areas_, pages);
        mark_edges(pages);
    }
    void protect(page_run pages, permissions allowed) {
        alter(pages, [allowed](map_entry<vpn>& area) { area.allowed = allowed; });
    }
    void advise(page_run pages, superpage_advice advice) {
        alter(pages, [advice](map_entry<vpn>& area) { area.flags.superpages = advice; });
    }
    void move(page_run from, page_run to) {
        const map_entry<vpn> area = areas_.at(from.first.raw).alone;
        if (from.first == to.first) {
            const page_run more = run_between(from.end(), to.end());
            unmap(run_between(to.end(), from.end()));
            backing source = area.source;
            if (source.is_file()) source.first_page += from.count.raw;
            map(more, area.allowed, source, area.flags);
            return;
        }
        const page_run kept{from.first, std::min(from.count, to.count)};
        demote(from);
        demote(kept);
        discard(to);
        discard(run_between(kept.end(), from.end()));
        std::map<std::uint64_t, modelled_frame> moving;
        for (std::uint64_t i = 0; i < kept.count.raw; ++i) {
            const auto found = frames_.find(from.first.raw + i);
            if (found == frames_.end()) continue;
            modelled_frame one = found->second;
            const vpn place = to.first + page_count{i};
            const bool congruent = is_aligned(vpn{place.raw - (found->first - one.leaf.raw)}, one.size);
            one.leaf = congruent ? vpn{place.raw - (found->first - one.leaf.raw)} : place;
            if (!congruent && found->first == found->second.leaf.raw) ++counters_.demotions;
            if (!congruent) one.size = base_order;
            moving[place.raw] = one;
            frames_.erase(found);
        }
        unmap(from);
        map(to, area.allowed, area.source, area.flags);
        for (const auto& [raw, one] : moving) frames_[raw] = one;
    }
    void discard(page_run pages) {
        if (pages.empty()) return;
        demote(pages);
        erase(frames_, pages);
    }

    /// Gives up every page of the file from `first` on.
    void forget_file(std::uint32_t file, std::uint64_t first) {
        for (const auto& [raw, page] : areas_) {
            const backing& source = page.alone.source;
            if (source.is_file() && source.file == file && source.first_page >= first) frames_.erase(raw);
        }
    }
    /// The area that a fault on `page` would extend, without the page.
    [[nodiscard]] std::optional<map_entry<vpn>> area_above(vpn page) const {
        const auto next = areas_.upper_bound(page.raw);
        if (options_.stack_limit.raw == 0 || areas_.count(page.raw) != 0 || next == areas_.end()) return std::nullopt;
        const map_entry<vpn> above = *entry_around(vpn{next->first});
        if (!above.flags.grows_down || above.source.is_file()) return std::nullopt;
        if (above.pages.end() - page > options_.stack_limit) return std::nullopt;
        return above;
    }
    /// Makes `page` the first one of the area above it.
    void extend(vpn page, map_entry<vpn> above) {
        ++counters_.extensions;
        const vpn was = above.pages.first;
        cuts_.erase(cuts_.lower_bound(page.raw), cuts_.upper_bound(was.raw));
        cuts_.insert(page.raw);
        for (vpn next = page; next < was; next += page_count{1}) {
            above.pages = {next, page_count{1}};
            areas_[next.raw] = {above};
        }
    }
    /// Becomes a child of the other one, whose private pages wait to be copied from now on, as do its own.
    void fork_of(address_space_model& parent) {
        for (auto& [raw, one] : parent.frames_) {
            one.copied = one.copied && parent.areas_.at(raw).alone.flags.shared;
        }
        areas_ = parent.areas_;
        cuts_ = parent.cuts_;
        frames_ = parent.frames_;
        for (auto& [raw, one] : frames_) one.cached = one.accessed = one.dirty = false;
    }

    // ---- pages ----

    /// Whether advice and options let the page's area take 2 MiB.
    [[nodiscard]] bool takes_superpages(vpn page) const {
        const map_entry<vpn>& area = areas_.at(page.raw).alone;
        if (area.source.is_file() || options_.superpages == superpage_use::never) return false;
        const superpage_advice wanted = area.flags.superpages;
        return options_.superpages == superpage_use::advised ? wanted == superpage_advice::wanted
                                                             : wanted != superpage_advice::unwanted;
    }

    /// Whether a first touch of the page should take 2 MiB, if the policy has a block.
    [[nodiscard]] bool wants_superpage(vpn page) const {
        const page_run region{align_down(page, superpage_order), superpage_order.pages()};
        const auto next = frames_.lower_bound(region.first.raw);
        if (!takes_superpages(page) || (next != frames_.end() && next->first < region.end().raw)) return false;
        if (!covers(region)) return false;
        for (vpn inner = region.first + page_count{1}; inner < region.end(); inner += page_count{1}) {
            if (!continues(inner)) return false;
        }
        return true;
    }
    void touch(vpn leaf, order size, pfn frame, access_kind kind) {
        const map_entry<vpn>& area = areas_.at(leaf.raw).alone;
        ++counters_.first_touches;
        counters_.superpages += size == superpage_order ? 1 : 0;
        for (std::uint64_t i = 0; i < size.pages().raw; ++i) {
            modelled_frame one;
            one.frame = frame + page_count{i};
            one.leaf = leaf;
            one.size = size;
            one.copied = !area.source.is_file() || area.flags.shared || kind == access_kind::store;
            frames_[leaf.raw + i] = one;
        }
    }
    /// Maps a page that the file cache holds.
    void map_file(vpn page, pfn frame) {
        ++counters_.file_pages;
        modelled_frame one;
        one.frame = frame;
        one.leaf = page;
        one.copied = areas_.at(page.raw).alone.flags.shared;
        frames_[page.raw] = one;
    }
    /// Gives 2^size pages from `first` on frames of their own.
    void copy(vpn first, order size, pfn frame) {
        ++counters_.copies;
        if (size == base_order) split(first);
        for (std::uint64_t i = 0; i < size.pages().raw; ++i) {
            frames_[first.raw + i] = {frame + page_count{i}, first, size};
        }
    }
    /// Lets 2^size pages from `first` on be stored to where they are.
    void reuse(vpn first, order size) {
        ++counters_.reuses;
        if (size == base_order) split(first);
        for (std::uint64_t i = 0; i < size.pages().raw; ++i) {
            modelled_frame& one = frames_.at(first.raw + i);
            one.copied = true;
            one.cached = true;
        }
    }
    /// Makes the 2 MiB at `first` one leaf at `block`; what it lacked is there now.
    void collapse(vpn first, pfn block) {
        modelled_frame whole{block, first, superpage_order, true, false};
        const auto end = frames_.lower_bound(first.raw + superpage_order.pages().raw);
        for (auto at = frames_.lower_bound(first.raw); at != end; ++at) {
            whole.cached = whole.cached || at->second.cached;
            whole.accessed = whole.accessed || at->second.accessed;
            whole.dirty = whole.dirty || at->second.dirty;
        }
        for (std::uint64_t i = 0; i < superpage_order.pages().raw; ++i, whole.frame += page_count{1}) {
            frames_[first.raw + i] = whole;
        }
    }
    /// Gives the leaf from `first` on the frames from `to` on.
    void relocate(vpn first, pfn to) {
        const page_count count = frames_.at(first.raw).size.pages();
        for (std::uint64_t i = 0; i < count.raw; ++i) frames_.at(first.raw + i).frame = to + page_count{i};
    }
    /// Splits the superpage that holds the page, if one does.
    void split(vpn page) {
        const modelled_frame whole = frames_.at(page.raw);
        if (whole.size == base_order) return;
        ++counters_.demotions;
        for (std::uint64_t i = 0; i < whole.size.pages().raw; ++i) {
            modelled_frame& one = frames_[whole.leaf.raw + i];
            one.leaf = whole.leaf + page_count{i};
            one.size = base_order;
        }
    }
    void refill(vpn page) {
        ++counters_.refills;
        each_of_leaf(page, &modelled_frame::cached, true);
    }
    void each_of_leaf(vpn page, bool modelled_frame::*flag, bool value) {
        const modelled_frame one = frames_.at(page.raw);
        for (std::uint64_t i = 0; i < one.size.pages().raw; ++i) frames_[one.leaf.raw + i].*flag = value;
    }
    void drop_table() { uncache({vpn{0}, page_count{~std::uint64_t{0}}}); }
    void uncache(page_run pages) {
        for (auto& [raw, one] : frames_) one.cached = one.cached && !pages.contains(vpn{raw});
    }

    // ---- what follows from it ----

    [[nodiscard]] bool touches(page_run pages) const {
        const auto next = areas_.lower_bound(pages.first.raw);
        return !pages.empty() && next != areas_.end() && next->first < pages.end().raw;
    }
    [[nodiscard]] bool covers(page_run pages) const {
        for (std::uint64_t raw = pages.first.raw; raw < pages.end().raw; ++raw) {
            if (areas_.count(raw) == 0) return false;
        }
        return true;
    }
    /// All entries, found by asking for each page whether it continues the one before it.
    [[nodiscard]] std::vector<map_entry<vpn>> entries() const {
        std::vector<map_entry<vpn>> result;
        const map_entry<vpn>* below = nullptr;
        auto cut = cuts_.begin();
        for (const auto& [raw, page] : areas_) {
            while (cut != cuts_.end() && *cut < raw) ++cut;
            const bool uncut = cut == cuts_.end() || *cut != raw;
            if (below != nullptr && below->pages.end() == vpn{raw} && (uncut || mergeable(*below, page.alone))) {
                result.back().pages.count += page_count{1};
            } else {
                result.push_back(page.alone);
            }
            below = &page.alone;
        }
        return result;
    }
    [[nodiscard]] std::optional<map_entry<vpn>> entry_around(vpn page) const {
        for (const map_entry<vpn>& area : entries()) {
            if (area.pages.contains(page)) return area;
        }
        return std::nullopt;
    }
    /// Every leaf with a frame as the page table should show it, and whether the table has it.
    [[nodiscard]] std::vector<std::pair<model_leaf, bool>> leaves() const {
        std::vector<std::pair<model_leaf, bool>> result;
        for (auto first = frames_.begin(); first != frames_.end();) {
            // One mapping: up to where page or frame stop counting on.
            auto end = first;
            std::uint64_t length = 0;
            do {
                ++end;
                ++length;
            } while (end != frames_.end() && end->first == first->first + length &&
                     end->second.frame == first->second.frame + page_count{length});
            const bool contiguous = length >= options_.contiguity_threshold.raw;
            for (; first != end; ++first) {
                const modelled_frame& one = first->second;
                if (one.leaf.raw != first->first) continue;
                permissions shown = allowed(one.leaf);
                shown.read = true;
                result.push_back(
                    {{one.leaf, one.frame, one.size, {shown, contiguous, one.accessed, one.dirty}}, one.cached});
            }
        }
        return result;
    }
    [[nodiscard]] permissions allowed(vpn page) const {
        permissions both = areas_.at(page.raw).alone.allowed;
        both.write = both.write && frames_.at(page.raw).copied;
        return both;
    }
    [[nodiscard]] const std::map<std::uint64_t, modelled_page>& areas() const { return areas_; }
    [[nodiscard]] const std::map<std::uint64_t, modelled_frame>& frames() const { return frames_; }
    std::map<std::uint64_t, modelled_frame>& frames() { return frames_; }
    [[nodiscard]] bool cached_files() const { return cached_files_; }
    [[nodiscard]] const fault_counters& counters() const { return counters_; }
    void count_refill() { ++counters_.refills; }

  private:
    template <class Map>
    static void erase(Map& map, page_run pages) {
        map.erase(map.lower_bound(pages.first.raw), map.lower_bound(pages.end().raw));
    }

    /// Splits the superpages that an end of the run cuts.
    void demote(page_run pages) {
        for (const vpn edge : {pages.first, pages.end()}) {
            const auto found = frames_.find(edge.raw);
            if (found != frames_.end() && found->second.leaf != edge) split(edge);
        }
    }
    template <class Change>
    void alter(page_run pages, Change change) {
        bool same = true;
        for (std::uint64_t raw = pages.first.raw; raw < pages.end().raw; ++raw) {
            map_entry<vpn> changed = areas_[raw].alone;
            change(changed);
            same = same && areas_[raw].alone == changed;
        }
        if (same) return;
        demote(pages);
        for (std::uint64_t raw = pages.first.raw; raw < pages.end().raw; ++raw) change(areas_[raw].alone);
        mark_edges(pages);
    }
    /// Areas that do not merge stay cut where an operation cut them.
    void mark_edges(page_run pages) {
        cuts_.insert(pages.first.raw);
        cuts_.insert(pages.end().raw);
    }
    /// Whether `page` and the one before it lie in one entry.
    [[nodiscard]] bool continues(vpn page) const {
        const map_entry<vpn>& below = areas_.at(page.raw - 1).alone;
        const map_entry<vpn>& above = areas_.at(page.raw).alone;
        return mergeable(below, above) || cuts_.count(page.raw) == 0;
    }

    space_options options_;
    bool cached_files_;
    std::map<std::uint64_t, modelled_page> areas_;
    std::map<std::uint64_t, modelled_frame> frames_;
    std::set<std::uint64_t> cuts_;
    fault_counters counters_{};
};

}  // namespace longreach::model

#endif
