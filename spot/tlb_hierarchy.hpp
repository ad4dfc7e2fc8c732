// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_TLB_HIERARCHY_HPP
#define LONGREACH_SPOT_TLB_HIERARCHY_HPP

#include <cstdint>
#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "tlb.hpp"
#include "walker.hpp"

// The two levels of data TLBs: a first level per leaf size, a second that 4 KiB and 2 MiB share.
//
// An access looks into the first level; if it misses, into the second, which updates its recency and
// fills the first. A leaf that was walked fills both. The levels are neither inclusive nor exclusive:
// what one evicts stays in the other. Instruction fetches, prefetches and address-space tags are not modelled.
// Locks are the caller's.

LONGREACH_NAMESPACE_BEGIN

/// The TLBs of a processor. Where a level has none for a leaf's size, it holds the leaf in pieces of its next smaller
/// size, the piece around the accessed page at a time.
struct tlb_profile {
    tlb_geometry first_base{};       ///< first level, 4 KiB
    tlb_geometry first_superpage{};  ///< first level, 2 MiB
    tlb_geometry first_giant{};      ///< first level, 1 GiB
    tlb_geometry second{};           ///< second level, 4 KiB and (unless base_only) 2 MiB
    tlb_geometry second_giant{};     ///< second level, 1 GiB
    bool base_only = false;          ///< the second level holds 4 KiB alone
};

/// Intel Broadwell: 64 x 4-way, 32 x 4-way and 4 fully associative entries; 1536 x 6-way shared, 16 x 4-way for 1 GiB.
/// Source: Intel 64 and IA-32 Architectures Optimization Reference Manual, 248966, Broadwell TLB parameters; the
/// machine of Alverti et al., ISCA 2020. True LRU is this model's: the processor's replacement is not published.
inline constexpr tlb_profile broadwell_tlbs{{16, 4}, {8, 4}, {1, 4}, {256, 6}, {4, 4}};

/// The filter that the recordings' misses passed: Broadwell's 4 KiB entries and nothing else.
inline constexpr tlb_profile reference_filter{{16, 4}, {}, {}, {256, 6}, {}, true};

/// No TLB at all: every access misses.
inline constexpr tlb_profile no_tlbs{};

/// Where a lookup ended.
enum class tlb_level : std::uint8_t { first, second, none };

/// The audit of each member array, under its own labels ("tlb.I1" ...), first level first.
template <class Page, class Frame, tlb_profile Profile = broadwell_tlbs>
class tlb_hierarchy {
  public:
    using leaf_type = leaf<Page, Frame>;

    struct answer {
        tlb_level level = tlb_level::none;
        leaf_type entry{};  ///< where level is not none
    };

    /// The leaf around `page` that allows the access. A hit in the second level fills the first; a miss in both
    /// changes nothing. The usual case alone is inlined, by force: that doubles the rate of hits (BM_lookup).
    [[nodiscard, gnu::always_inline]] constexpr answer lookup(Page page, access_kind kind) noexcept {
        if (const auto entry = first_base_.lookup(page, base_order, kind)) {
            return {tlb_level::first, *entry};
        }
        return lookup_further(page, kind);
    }

    /// Enters a walked leaf, which translates `page`, into both levels.
    constexpr void fill(Page page, const leaf_type& entry) noexcept {
        fill_first(page, entry);
        if (Profile.second_giant.sets != 0 && entry.size >= giant_order) {
            second_giant_.fill(piece_of(entry, page, giant_order));
        } else if (!Profile.base_only && entry.size >= superpage_order) {
            second_.fill(piece_of(entry, page, superpage_order));
            second_has_superpages_ = true;
        } else {
            second_.fill(piece_of(entry, page, base_order));
        }
    }

    /// Drops every entry that shares a page with `pages`. Cost: looks at every entry.
    constexpr void invalidate(run<Page> pages) noexcept {
        first_base_.invalidate(pages);
        first_superpage_.invalidate(pages);
        first_giant_.invalidate(pages);
        second_.invalidate(pages);
        second_giant_.invalidate(pages);
    }

    /// Drops every entry.
    constexpr void flush() noexcept { *this = tlb_hierarchy{}; }

    [[nodiscard]] constexpr violation audit() const noexcept {
        if (const violation v = first_base_.audit()) return v;
        if (const violation v = first_superpage_.audit()) return v;
        if (const violation v = first_giant_.audit()) return v;
        if (const violation v = second_.audit()) return v;
        return second_giant_.audit();
    }

  private:
    friend struct corrupt;

    [[nodiscard]] constexpr answer lookup_further(Page page, access_kind kind) noexcept {
        if (const auto entry = look_into(first_superpage_, page, superpage_order, kind)) {
            return {tlb_level::first, *entry};
        }
        if (const auto entry = look_into(first_giant_, page, giant_order, kind)) {
            return {tlb_level::first, *entry};
        }

        std::optional<leaf_type> entry = second_.lookup(page, base_order, kind);
        if (!entry && second_has_superpages_) entry = look_into(second_, page, superpage_order, kind);
        if (!entry) entry = look_into(second_giant_, page, giant_order, kind);
        if (!entry) {
            return {};
        }
        fill_first(page, *entry);
        return {tlb_level::second, *entry};
    }

    /// An empty TLB is not worth a lookup.
    template <class Tlb>
    [[nodiscard]] static constexpr std::optional<leaf_type> look_into(Tlb& tlb, Page page, order size,
                                                                      access_kind kind) noexcept {
        if (tlb.entries() == 0) return std::nullopt;
        return tlb.lookup(page, size, kind);
    }

    constexpr void fill_first(Page page, const leaf_type& entry) noexcept {
        if (Profile.first_giant.sets != 0 && entry.size >= giant_order) {
            first_giant_.fill(piece_of(entry, page, giant_order));
        } else if (Profile.first_superpage.sets != 0 && entry.size >= superpage_order) {
            first_superpage_.fill(piece_of(entry, page, superpage_order));
        } else {
            first_base_.fill(piece_of(entry, page, base_order));
        }
    }

    tlb<Page, Frame, Profile.first_base> first_base_{};
    tlb<Page, Frame, Profile.first_superpage> first_superpage_{};
    tlb<Page, Frame, Profile.first_giant> first_giant_{};
    tlb<Page, Frame, Profile.second> second_{};
    tlb<Page, Frame, Profile.second_giant> second_giant_{};
    bool second_has_superpages_ = false;  ///< a 2 MiB leaf was entered since the last flush
};

LONGREACH_NAMESPACE_END

#endif
