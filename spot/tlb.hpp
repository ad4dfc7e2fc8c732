// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_TLB_HPP
#define LONGREACH_SPOT_TLB_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "../allocator/bits.hpp"
#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "recency.hpp"
#include "walker.hpp"

// A set-associative TLB with true LRU: translations by page and leaf size, one array of entries.
//
// It knows no table: what it holds is true until the caller, who changes the tables, invalidates it.
// It holds no address-space tags: switching spaces is flush(). Locks are the caller's.
// The set of a leaf is the low bits of its page number in units of its size.

LONGREACH_NAMESPACE_BEGIN

/// The shape of a TLB: `sets` a power of two, `ways` 1 to 8; no sets is no TLB: it never hits and keeps nothing.
struct tlb_geometry {
    unsigned sets = 0;
    unsigned ways = 0;

    [[nodiscard]] constexpr unsigned entries() const noexcept { return sets * ways; }
};

/// I1 (tlb.I1)  an entry lies in the set its page and size name, in one way only
/// I2 (tlb.I2)  the recency of a set is an order of its ways
/// I3 (tlb.I3)  entries() is the number of ways in use
/// I4 (tlb.I4)  the frame of an entry is aligned to its size
template <class Page, class Frame, tlb_geometry Geometry>
class tlb {
    static_assert(Geometry.sets == 0 || is_power_of_two(Geometry.sets), "a set is named by low bits");
    static_assert(Geometry.sets == 0 || (Geometry.ways >= 1 && Geometry.ways <= 8), "recency orders up to 8 ways");

  public:
    using leaf_type = leaf<Page, Frame>;

    /// Pages are below 2^52: what a virtual or physical address of 64 bits can name.
    static constexpr std::uint64_t page_limit = std::uint64_t{1} << 52;

    /// The leaf of 2^size pages around `page`, if it is here and allows the access; it becomes its set's newest.
    /// An entry that does not allow the access is a miss and keeps its place. Requires page.raw < page_limit.
    [[nodiscard]] constexpr std::optional<leaf_type> lookup(Page page, order size, access_kind kind) noexcept {
        if constexpr (Geometry.sets != 0) {
            LONGREACH_CHECK(page.raw < page_limit, "tlb.page");
            const std::uint64_t tag = tag_of(page, size);
            set& s = sets_[set_of(page, size)];
            const unsigned way = way_of(s, tag);
            if (way == no_way || !s.payload[way].attributes.allowed.allows(kind)) return std::nullopt;
            s.order_of_use.touch(way);
            return leaf_at(s, way);
        }
        return std::nullopt;
    }

    /// The leaf of 2^size pages around `page`, if it is here; changes nothing.
    [[nodiscard]] constexpr std::optional<leaf_type> peek(Page page, order size) const noexcept {
        if constexpr (Geometry.sets != 0) {
            LONGREACH_CHECK(page.raw < page_limit, "tlb.page");
            const set& s = sets_[set_of(page, size)];
            const unsigned way = way_of(s, tag_of(page, size));
            if (way != no_way) return leaf_at(s, way);
        }
        return std::nullopt;
    }

    /// Enters the leaf as its set's newest: over the entry of the same page and size, else over a free way, else over
    /// the way used longest ago. Requires page and frame aligned to 2^size and page.raw < page_limit.
    constexpr void fill(const leaf_type& entry) noexcept {
        if constexpr (Geometry.sets != 0) {
            LONGREACH_CHECK(entry.page.raw < page_limit, "tlb.page");
            LONGREACH_CHECK(is_aligned(entry.page, entry.size) && is_aligned(entry.frame, entry.size), "tlb.alignment");
            const std::uint64_t tag = tag_of(entry.page, entry.size);
            set& s = sets_[set_of(entry.page, entry.size)];
            unsigned way = way_of(s, tag);
            if (way == no_way && entries_ != Geometry.entries()) {
                way = way_of(s, no_tag);
                entries_ += way == no_way ? 0 : 1;
            }
            if (way == no_way) way = s.order_of_use.oldest();
            s.tags[way] = tag;
            s.payload[way] = {entry.frame, entry.attributes};
            s.order_of_use.touch(way);
        }
    }

    /// Drops every entry that shares a page with `pages` and says how many; keeps the recency of the rest.
    /// Cost: looks at every entry.
    constexpr unsigned invalidate(run<Page> pages) noexcept {
        unsigned dropped = 0;
        if (entries_ == 0) return dropped;
        for (set& s : sets_) {
            for (unsigned way = 0; way < Geometry.ways; ++way) {
                if (s.tags[way] == no_tag || !leaf_at(s, way).pages().overlaps(pages)) continue;
                s.tags[way] = no_tag;
                ++dropped;
            }
        }
        entries_ -= dropped;
        return dropped;
    }

    /// Drops every entry.
    constexpr void flush() noexcept {
        sets_ = {};
        entries_ = 0;
    }

    /// How many entries are in use.
    [[nodiscard]] constexpr unsigned entries() const noexcept { return entries_; }

    /// The first broken invariant, at the index of its set.
    [[nodiscard]] constexpr violation audit() const noexcept {
        unsigned used = 0;
        for (std::size_t index = 0; index < sets_.size(); ++index) {
            const set& s = sets_[index];
            if (!s.order_of_use.is_order()) {
                return {"tlb.I2", index};
            }
            for (unsigned way = 0; way < Geometry.ways; ++way) {
                if (s.tags[way] == no_tag) continue;
                ++used;
                const leaf_type entry = leaf_at(s, way);
                if (set_of(entry.page, entry.size) != index || way_of(s, s.tags[way]) != way) {
                    return {"tlb.I1", index};
                }
                if (!is_aligned(entry.frame, entry.size)) {
                    return {"tlb.I4", index};
                }
            }
        }
        if (used != entries_) {
            return {"tlb.I3", entries_};
        }
        return {};
    }

  private:
    friend struct corrupt;

    struct contents {
        Frame frame{};
        leaf_attributes attributes{};
    };

    // The way's page in units of its size, and below it the size as an order; no_tag is a free way.
    static constexpr std::uint64_t no_tag = ~std::uint64_t{0};
    static constexpr unsigned no_way = 8;
    static constexpr unsigned size_bits = 6;

    static constexpr std::array<std::uint64_t, Geometry.ways> all_free() noexcept {
        std::array<std::uint64_t, Geometry.ways> tags{};
        for (std::uint64_t& tag : tags) tag = no_tag;
        return tags;
    }

    struct set {
        std::array<std::uint64_t, Geometry.ways> tags = all_free();
        recency<Geometry.ways == 0 ? 1 : Geometry.ways> order_of_use{};
        std::array<contents, Geometry.ways> payload{};
    };

    [[nodiscard]] static constexpr std::uint64_t tag_of(Page page, order size) noexcept {
        return ((page.raw >> size.raw) << size_bits) | size.raw;
    }
    [[nodiscard]] static constexpr std::size_t set_of(Page page, order size) noexcept {
        return static_cast<std::size_t>((page.raw >> size.raw) & (Geometry.sets - 1));
    }
    /// The lowest way with that tag, or no_way. Looks at all ways, since which one matches is past predicting.
    [[nodiscard]] static constexpr unsigned way_of(const set& s, std::uint64_t tag) noexcept {
        unsigned ways = 1U << no_way;
        for (unsigned way = 0; way < Geometry.ways; ++way) ways |= (s.tags[way] == tag ? 1U : 0U) << way;
        return trailing_zeros(ways);
    }
    [[nodiscard]] static constexpr leaf_type leaf_at(const set& s, unsigned way) noexcept {
        const order size{static_cast<unsigned>(s.tags[way] & low_mask(size_bits))};
        const Page page{(s.tags[way] >> size_bits) << size.raw};
        return {page, s.payload[way].frame, size, s.payload[way].attributes};
    }

    std::array<set, Geometry.sets> sets_{};
    unsigned entries_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
