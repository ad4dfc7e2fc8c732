// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAME_MAP_HPP
#define LONGREACH_WORKLOADS_FRAME_MAP_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/units.hpp"
#include "../pagetable/vm/entry.hpp"
#include "zone.hpp"

// Who has which frame of a memory at one moment: every frame once, in runs of one owner.
//
// Taken from an address space and its zone when somebody asks; nothing here is kept up to date while a program runs.
// Frames are numbers from 0, the guest's own in a guest's map. A run of an area is the census's: contiguous in page
// and frame, and in a host's map in guest page and host frame.

LONGREACH_NAMESPACE_BEGIN

/// What a frame is used for.
enum class frame_use : std::uint8_t {
    free,
    reserved,     ///< free as well, but set aside by the policy
    area,         ///< a page of an area of the program
    table,        ///< a page table over this memory
    guest_table,  ///< a host's frame: a page table of the guest
    idle,         ///< a host's frame: mapped for a guest frame that the guest does not use
    pinned,       ///< by the hog or another fragmentation, or a node's own records
    other,        ///< taken, and none of these
};

/// Neighbouring frames of one owner.
struct owned_frames {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    frame_use use = frame_use::free;
    std::uint32_t area = 0;  ///< `area`: index into frame_map::areas
    vpn page{};              ///< `area`: the page in the first frame

    friend bool operator==(const owned_frames&, const owned_frames&) = default;
    [[nodiscard]] std::uint64_t end() const noexcept { return first + count; }
    /// Whether `next` belongs to the same run.
    [[nodiscard]] bool goes_on_with(const owned_frames& next) const noexcept {
        if (next.first != end() || next.use != use) return false;
        return use != frame_use::area || (next.area == area && next.page == page + page_count{count});
    }
};

/// How much there is of one owner.
struct frame_total {
    std::uint64_t frames = 0;
    std::uint64_t runs = 0;

    friend bool operator==(const frame_total&, const frame_total&) = default;
    frame_total& operator+=(const frame_total& other) noexcept {
        frames += other.frames;
        runs += other.runs;
        return *this;
    }
};

struct frame_map {
    std::uint64_t frames = 0;             ///< of the memory
    std::vector<owned_frames> runs{};     ///< cover every frame once, in order; no two neighbours are one run
    std::vector<map_entry<vpn>> areas{};  ///< of the program, in page order; some may have no frame

    [[nodiscard]] frame_total total(frame_use use) const {
        frame_total sum;
        for (const owned_frames& each : runs) {
            if (each.use != use) continue;
            sum.frames += each.count;
            ++sum.runs;
        }
        return sum;
    }
    /// By index into `areas`.
    [[nodiscard]] std::vector<frame_total> area_totals() const {
        std::vector<frame_total> sums(areas.size());
        for (const owned_frames& each : runs) {
            if (each.use != frame_use::area) continue;
            sums[each.area].frames += each.count;
            ++sums[each.area].runs;
        }
        return sums;
    }
};

namespace detail {

/// Puts what was found in order and joins it; the frames between are `reserved` where `is_free(frame number)`, and
/// `other` elsewhere. No frame may be found twice.
template <class IsFree>
[[nodiscard]] frame_map complete_frame_map(std::uint64_t frames, IsFree&& is_free, std::vector<owned_frames> found,
                                           std::vector<map_entry<vpn>> areas) {
    std::sort(found.begin(), found.end(),
              [](const owned_frames& a, const owned_frames& b) { return a.first < b.first; });
    frame_map result{frames, {}, std::move(areas)};
    const auto append = [&](const owned_frames& next) {
        if (!result.runs.empty() && result.runs.back().goes_on_with(next)) {
            result.runs.back().count += next.count;
        } else {
            result.runs.push_back(next);
        }
    };
    std::uint64_t covered = 0;
    const auto cover_until = [&](std::uint64_t end) {
        for (; covered < end; ++covered)
            append({covered, 1, is_free(covered) ? frame_use::reserved : frame_use::other});
    };
    for (const owned_frames& each : found) {
        LONGREACH_CHECK(each.first >= covered && each.end() <= frames, "frame_map.found_twice");
        cover_until(each.first);
        append(each);
        covered = each.end();
    }
    cover_until(frames);
    return result;
}

/// What a zone itself knows, free runs and pinned ones, and the tables that lie in it.
template <class Space, class Zone>
[[nodiscard]] std::vector<owned_frames> frames_beside_areas(const Space& space, Zone& zone) {
    std::vector<owned_frames> found;
    zone.for_each_free_run([&](auto free) { found.push_back({free.first.raw, free.count.raw, frame_use::free}); });
    zone.pinned().for_each_run([&](auto pinned) {
        found.push_back({pinned.first.raw, pinned.count.raw, frame_use::pinned});
    });
    space.tables().for_each_table([&](auto frame, unsigned, auto, std::uint64_t) {
        found.push_back({frame.raw, 1, frame_use::table});
        return true;
    });
    return found;
}

/// The map of a zone from what was found in it.
template <class Zone>
[[nodiscard]] frame_map frame_map_of(Zone& zone, std::vector<owned_frames> found, std::vector<map_entry<vpn>> areas) {
    auto& frames = zone.frames();
    const auto first = frames.managed().first;
    const auto is_free = [&](std::uint64_t number) { return frames.is_free(first + page_count{number}, base_order); };
    return complete_frame_map(frames.managed().count.raw, is_free, std::move(found), std::move(areas));
}

}

/// The memory of a native machine or of a guest, whose only address space is `space`. O(r log r) in runs.
template <class Space, class Zone>
[[nodiscard]] frame_map map_frames(const Space& space, Zone& zone) {
    std::vector<owned_frames> found = detail::frames_beside_areas(space, zone);
    std::vector<map_entry<vpn>> areas;
    for (const auto& entry : space.entries()) {
        const auto number = static_cast<std::uint32_t>(areas.size());
        areas.push_back(entry);
        space.for_each_mapping(entry.pages, [&](const auto& part) {
            found.push_back({part.frame.raw, part.pages.count.raw, frame_use::area, number, part.pages.first});
        });
    }
    return detail::frame_map_of(zone, std::move(found), std::move(areas));
}

/// The memory of a host whose only address space is one guest's memory: its frames belong to whom the guest's do.
template <class Space, class Zone>
[[nodiscard]] frame_map map_host_frames(const frame_map& guest, const Space& space, Zone& zone) {
    std::vector<owned_frames> found = detail::frames_beside_areas(space, zone);
    for (const owned_frames& above : guest.runs) {
        space.for_each_mapping({gfn{above.first}, page_count{above.count}}, [&](const auto& part) {
            owned_frames below{part.frame.raw, part.pages.count.raw, frame_use::idle};
            if (above.use == frame_use::table) below.use = frame_use::guest_table;
            if (above.use == frame_use::area) {
                below.use = frame_use::area;
                below.area = above.area;
                below.page = above.page + page_count{part.pages.first.raw - above.first};
            }
            found.push_back(below);
        });
    }
    return detail::frame_map_of(zone, std::move(found), guest.areas);
}

LONGREACH_NAMESPACE_END

#endif
