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
    bool copied = true;  ///< false: a private file page that no store has reached
    bool cached = true;  ///< in the page table
    bool accessed = false;
    bool dirty = false;
};

using model_leaf = leaf<vpn, pfn>;

class address_space_model {
  public:
    explicit address_space_model(const space_options& options) : options_(options) {}

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
        bool same = true;
        for (std::uint64_t raw = pages.first.raw; raw < pages.end().raw; ++raw) {
            same = same && areas_[raw].alone.allowed == allowed;
        }
        if (same) return;
        demote(pages);
        for (std::uint64_t raw = pages.first.raw; raw < pages.end().raw; ++raw) areas_[raw].alone.allowed = allowed;
        mark_edges(pages);
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

    // ---- pages ----

    /// Whether a first touch of the page should take 2 MiB, if the policy has a block.
    [[nodiscard]] bool wants_superpage(vpn page) const {
        const page_run region{align_down(page, superpage_order), superpage_order.pages()};
        const auto next = frames_.lower_bound(region.first.raw);
        if (!options_.superpages || (next != frames_.end() && next->first < region.end().raw)) return false;
        if (areas_.at(page.raw).alone.source.is_file() || !covers(region)) return false;
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
    void copy(vpn page, pfn frame) {
        ++counters_.copies;
        frames_[page.raw] = {frame, page, base_order};
    }
    void refill(vpn page) {
        ++counters_.refills;
        each_of_leaf(page, &modelled_frame::cached, true);
    }
    void each_of_leaf(vpn page, bool modelled_frame::*flag, bool value) {
        const modelled_frame one = frames_.at(page.raw);
        for (std::uint64_t i = 0; i < one.size.pages().raw; ++i) frames_[one.leaf.raw + i].*flag = value;
    }
    void drop_table() {
        for (auto& [raw, one] : frames_) one.cached = false;
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
        for (const auto& [raw, page] : areas_) {
            if (!result.empty() && result.back().pages.end() == vpn{raw} && continues(vpn{raw})) {
                result.back().pages.count += page_count{1};
            } else {
                result.push_back(page.alone);
            }
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
    [[nodiscard]] const fault_counters& counters() const { return counters_; }

  private:
    template <class Map>
    static void erase(Map& map, page_run pages) {
        map.erase(map.lower_bound(pages.first.raw), map.lower_bound(pages.end().raw));
    }

    /// Splits the superpages that an end of the run cuts.
    void demote(page_run pages) {
        for (const vpn edge : {pages.first, pages.end()}) {
            const auto found = frames_.find(edge.raw);
            if (found == frames_.end() || found->second.leaf == edge) continue;
            const modelled_frame whole = found->second;
            ++counters_.demotions;
            for (std::uint64_t i = 0; i < whole.size.pages().raw; ++i) {
                modelled_frame& one = frames_[whole.leaf.raw + i];
                one.leaf = whole.leaf + page_count{i};
                one.size = base_order;
            }
        }
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
    std::map<std::uint64_t, modelled_page> areas_;
    std::map<std::uint64_t, modelled_frame> frames_;
    std::set<std::uint64_t> cuts_;
    fault_counters counters_{};
};

}  // namespace longreach::model

#endif
