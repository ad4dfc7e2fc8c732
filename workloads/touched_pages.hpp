// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_TOUCHED_PAGES_HPP
#define LONGREACH_WORKLOADS_TOUCHED_PAGES_HPP

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "../allocator/bits.hpp"
#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"

// Which pages are resident, which of them were stored to, and which were ever resident; one bit each.
//
// Pages lie in regions of 512, as many as one table of the lowest level maps; a region costs memory
// while it holds a resident page, 64 bytes for ever after. Not for several threads.

LONGREACH_NAMESPACE_BEGIN

/// A set of resident pages that counts them, and the four-level table frames that would map them.
///
/// I1: a region is kept exactly while it holds a resident page, and knows their number.
/// I2: only resident pages count as stored to, and every resident page counts as ever resident.
/// I3: the numbers of pages and of regions per 1 GiB and 512 GiB agree with the regions.
class touched_pages {
  public:
    struct state {
        bool resident = false;
        bool stored = false;
    };

    [[nodiscard]] state find(vpn page) const {
        const region* const found = region_of(page);
        if (found == nullptr) return {};
        return {found->resident.test(page), found->stored.test(page)};
    }

    /// A page that is not resident becomes so; answers whether it was ever before. O(log regions).
    bool arrive(vpn page, bool stored) {
        auto [place, fresh] = regions_.try_emplace(page.raw / region_pages);
        region& into = place->second;
        if (fresh) count_region(place->first, 1);
        into.resident.set(page);
        if (stored) into.stored.set(page);
        ++into.count;
        ++resident_;
        recent_ = {place->first, &into};
        page_bits& past = ever_of(place->first);
        const bool before = past.test(page);
        if (!before) ++distinct_;
        past.set(page);
        return before;
    }

    /// All these pages become resident; those that are stay so. O(regions) and a step per 64 pages.
    void arrive(page_run pages) {
        for (vpn at = pages.first; at < pages.end();) {
            const std::uint64_t number = at.raw / region_pages;
            const vpn end{(number + 1) * region_pages};
            const page_run part = run_between(at, end < pages.end() ? end : pages.end());
            at = part.end();
            auto [place, fresh] = regions_.try_emplace(number);
            if (fresh) count_region(number, 1);
            page_bits& past = ever_of(number);
            for (std::size_t w = 0; w < words; ++w) {
                const std::uint64_t coming = range_mask(part, number * region_pages + w * 64);
                const unsigned more = count_ones(coming & ~place->second.resident.word[w]);
                distinct_ += count_ones(coming & ~past.word[w]);
                place->second.resident.word[w] |= coming;
                place->second.count += more;
                resident_ += more;
                past.word[w] |= coming;
            }
        }
    }

    /// How many pages of the aligned 2 MiB that holds `page` are resident. O(log regions).
    [[nodiscard]] unsigned resident_around(vpn page) const {
        const region* const found = region_of(page);
        return found == nullptr ? 0 : found->count;
    }

    /// A resident page is stored to.
    void store(vpn page) {
        const auto found = regions_.find(page.raw / region_pages);
        if (found != regions_.end() && found->second.resident.test(page)) found->second.stored.set(page);
    }

    /// The pages are resident no longer. O(regions that lose pages).
    void empty(page_run pages) {
        if (pages.empty()) return;
        auto at = regions_.lower_bound(pages.first.raw / region_pages);
        while (at != regions_.end() && at->first * region_pages < pages.end().raw) {
            region& from = at->second;
            for (std::size_t w = 0; w < words; ++w) {
                const std::uint64_t leaving = range_mask(pages, at->first * region_pages + w * 64);
                const unsigned lost = count_ones(from.resident.word[w] & leaving);
                from.count -= lost;
                resident_ -= lost;
                from.resident.word[w] &= ~leaving;
                from.stored.word[w] &= ~leaving;
            }
            at = from.count == 0 ? drop(at) : std::next(at);
        }
    }

    /// What is resident in `from` becomes resident at `to` instead, page by page; nothing is resident at `to`
    /// outside `from`. Answers the numbers of pages that moved, and of those that came to a page resident before.
    std::pair<std::uint64_t, std::uint64_t> move(page_run from, vpn to) {
        std::vector<std::pair<vpn, bool>> moving;
        const auto end = regions_.upper_bound(from.empty() ? 0 : (from.end().raw - 1) / region_pages);
        for (auto at = regions_.lower_bound(from.first.raw / region_pages); !from.empty() && at != end; ++at) {
            for (std::uint64_t i = 0; i < region_pages; ++i) {
                const vpn page{at->first * region_pages + i};
                if (!from.contains(page) || !at->second.resident.test(page)) continue;
                moving.emplace_back(page, at->second.stored.test(page));
            }
        }
        empty(from);
        std::uint64_t again = 0;
        for (const auto& [page, stored] : moving) again += arrive(to + (page - from.first), stored) ? 1U : 0U;
        return {moving.size(), again};
    }

    [[nodiscard]] std::uint64_t resident() const noexcept { return resident_; }
    [[nodiscard]] std::uint64_t distinct() const noexcept { return distinct_; }
    /// Frames of a four-level table that maps the resident pages in 4 KiB leaves, the root included.
    [[nodiscard]] std::uint64_t table_frames() const noexcept {
        return 1 + regions_.size() + gib_.size() + half_tib_.size();
    }
    /// The same for all pages ever resident.
    [[nodiscard]] std::uint64_t table_frames_ever() const noexcept {
        return 1 + ever_.size() + ever_gib_.size() + ever_half_tib_.size();
    }

    /// Recounts from the ground. O(regions).
    [[nodiscard]] violation audit() const {
        std::uint64_t pages = 0;
        std::map<std::uint64_t, std::uint32_t> gib;
        std::map<std::uint64_t, std::uint32_t> half_tib;
        for (const auto& [number, kept] : regions_) {
            const auto past = ever_.find(number);
            unsigned count = 0;
            for (std::size_t w = 0; w < words; ++w) {
                count += count_ones(kept.resident.word[w]);
                const std::uint64_t before = past == ever_.end() ? 0 : past->second.word[w];
                if ((kept.stored.word[w] & ~kept.resident.word[w]) != 0 || (kept.resident.word[w] & ~before) != 0) {
                    return {"touched_pages.I2", number * region_pages + w * 64};
                }
            }
            if (count == 0 || count != kept.count) return {"touched_pages.I1", number * region_pages};
            pages += count;
            ++gib[number >> 9];
            ++half_tib[number >> 18];
        }
        if (pages != resident_) return {"touched_pages.I3", pages};
        for (const auto& [counted, known] : {std::pair(&gib, &gib_), std::pair(&half_tib, &half_tib_)}) {
            if (counted->size() != known->size()) return {"touched_pages.I3", counted->size()};
            for (const auto& [number, count] : *counted) {
                const auto found = known->find(number);
                if (found == known->end() || found->second != count) return {"touched_pages.I3", number};
            }
        }
        return {};
    }

  private:
    friend struct touched_pages_breaker;
    static constexpr std::uint64_t region_pages = 512;
    static constexpr std::size_t words = region_pages / 64;

    struct page_bits {
        std::array<std::uint64_t, words> word{};

        [[nodiscard]] bool test(vpn page) const noexcept {
            return (word[page.raw % region_pages / 64] >> (page.raw % 64) & 1U) != 0;
        }
        void set(vpn page) noexcept { word[page.raw % region_pages / 64] |= std::uint64_t{1} << (page.raw % 64); }
    };
    struct region {
        page_bits resident;
        page_bits stored;
        unsigned count = 0;
    };
    using region_map = std::map<std::uint64_t, region>;
    using count_map = absl::flat_hash_map<std::uint64_t, std::uint32_t>;

    /// The bits of the 64 pages from `first` that lie in `pages`.
    [[nodiscard]] static std::uint64_t range_mask(page_run pages, std::uint64_t first) noexcept {
        const page_run inside = intersection(pages, page_run{vpn{first}, page_count{64}});
        if (inside.empty()) return 0;
        return low_mask(static_cast<unsigned>(inside.count.raw)) << (inside.first.raw - first);
    }

    [[nodiscard]] const region* region_of(vpn page) const {
        const std::uint64_t number = page.raw / region_pages;
        if (recent_.second == nullptr || recent_.first != number) {
            const auto found = regions_.find(number);
            if (found == regions_.end()) return nullptr;
            recent_ = {number, &found->second};
        }
        return recent_.second;
    }

    /// The pages of a region that were ever resident.
    [[nodiscard]] page_bits& ever_of(std::uint64_t number) {
        auto [past, never] = ever_.try_emplace(number);
        if (never) {
            ever_gib_.try_emplace(number >> 9);
            ever_half_tib_.try_emplace(number >> 18);
        }
        return past->second;
    }

    void count_region(std::uint64_t number, std::uint32_t change) {
        gib_[number >> 9] += change;
        half_tib_[number >> 18] += change;
    }

    region_map::iterator drop(region_map::iterator at) {
        recent_ = {};
        for (auto [counts, number] : {std::pair(&gib_, at->first >> 9), std::pair(&half_tib_, at->first >> 18)}) {
            const auto found = counts->find(number);
            if (--found->second == 0) counts->erase(found);
        }
        return regions_.erase(at);
    }

    region_map regions_;  // by page number / 512; its nodes stay where they are
    count_map gib_;       // regions kept, per 1 GiB
    count_map half_tib_;  // regions kept, per 512 GiB
    absl::flat_hash_map<std::uint64_t, page_bits> ever_;
    count_map ever_gib_;       // keys alone
    count_map ever_half_tib_;  // keys alone
    std::uint64_t resident_ = 0;
    std::uint64_t distinct_ = 0;
    mutable std::pair<std::uint64_t, const region*> recent_{0, nullptr};  // the region met last
};

LONGREACH_NAMESPACE_END

#endif
