// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_ZONE_SET_HPP
#define LONGREACH_ALLOCATOR_ZONE_SET_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "buddy.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "memory_carver.hpp"
#include "status.hpp"
#include "units.hpp"

// The zones of a machine: which one holds a frame, and in which order they serve a NUMA node.
//
// A zone is a basic_buddy, or anything that is called alike, such as a locked_buddy. Zones may leave holes between them
// and adjoin, but no block or run spans two. The set itself never changes once made, so it needs no lock; its zones
// lock as they do. Not for zones that appear later, and not for promises, which a placement makes to a zone.
// Source: the distances of the ACPI specification 6.5, 5.2.17 (SLIT); the order of M. Gorman, Understanding the Linux
// Virtual Memory Manager, 2.1 and 2.4 (zonelists, a node at a time).

LONGREACH_NAMESPACE_BEGIN

/// A zone of a set, and where it belongs.
template <class Zone>
struct node_zone {
    Zone* zone = nullptr;
    run<typename Zone::frame> frames{};  ///< all that it manages
    std::uint32_t node = 0;
    std::uint32_t preference = 0;  ///< of the zones of a node the lowest serves first, then the lowest address
};

template <class Frame>
[[nodiscard]] node_zone<basic_buddy<Frame>> on_node(basic_buddy<Frame>& zone, std::uint32_t node,
                                                    std::uint32_t preference = 0) noexcept {
    return {&zone, zone.managed(), node, preference};
}

/// How far the memory of every node is from every node.
struct node_distances {
    static constexpr unsigned local = 10;
    static constexpr unsigned unreachable = 255;

    std::uint32_t nodes = 1;
    /// nodes * nodes distances: that of node `to` seen from node `from` is at from * nodes + to; 255 where it is out of
    /// reach. Empty: every other node is equally far.
    std::span<const std::uint8_t> matrix{};

    [[nodiscard]] unsigned between(std::uint32_t from, std::uint32_t to) const noexcept {
        if (matrix.empty()) return from == to ? local : 2 * local;
        return matrix[static_cast<std::size_t>(from) * nodes + to];
    }
};

/// Where a request goes that its own node cannot serve.
enum class fallback : std::uint8_t {
    nearest,  ///< to the other nodes, the nearest first, of equally near ones the lowest number first
    none,     ///< nowhere
};

/// Invariants: I1 zones are sorted by their first frame, hold at least one and share none. I2 the order of every node
/// names each zone within its reach once: its own, then by distance, node, preference and address. I3 every zone
/// manages the frames that the set says.
template <class Zone>
class zone_set {
  public:
    using frame = typename Zone::frame;
    using member = node_zone<Zone>;

    static constexpr std::size_t most_zones = 65535;

    /// Bytes of memory to pass: 2 per zone and node, and 4 per node.
    [[nodiscard]] static constexpr std::size_t required_bytes(std::size_t zones, std::uint32_t nodes) noexcept {
        return (zones + 2) * nodes * sizeof(std::uint16_t) + alignof(std::uint16_t);
    }

    /// Whether these zones, in any order, make a set. If not, `culprit` is the number of the first one at fault:
    /// `occupied` where it shares a frame with one before it, `out_of_range` where it has no frame or no zone, reaches
    /// beyond 2^63, its node is not below `nodes`, or it is one more than most_zones. For what firmware says about a
    /// machine. O(zones^2).
    static status check(std::span<const member> zones, std::uint32_t nodes, std::size_t& culprit) noexcept {
        for (std::size_t i = 0; i < zones.size(); ++i) {
            culprit = i;
            const run<frame> frames = zones[i].frames;
            const bool wraps = frames.end() < frames.first || frames.end().raw >> 63 != 0;
            if (frames.empty() || wraps || zones[i].zone == nullptr) return status::out_of_range;
            if (zones[i].node >= nodes || i >= most_zones) return status::out_of_range;
            for (std::size_t j = 0; j < i; ++j) {
                if (zones[i].frames.overlaps(zones[j].frames)) return status::occupied;
            }
        }
        return status::ok;
    }

    /// A set of zones that check() finds good; sorts them by address. The zones, their array, the distances and
    /// `memory`, of required_bytes(zones.size(), distances.nodes), outlive it. O(nodes * zones^2).
    zone_set(std::span<member> zones, node_distances distances, std::span<std::byte> memory) noexcept
        : zones_(zones), distances_(distances) {
        LONGREACH_CHECK(zones.size() <= most_zones, "zone_set.too_many");
        const std::size_t square = static_cast<std::size_t>(distances.nodes) * distances.nodes;
        LONGREACH_CHECK(distances.matrix.empty() || distances.matrix.size() == square, "zone_set.distances");
        detail::memory_carver carve(memory);
        order_ = carve.take_zeroed<std::uint16_t>(zones.size() * distances.nodes);
        own_ = carve.take_zeroed<std::uint16_t>(distances.nodes);
        reachable_ = carve.take_zeroed<std::uint16_t>(distances.nodes);
        sort_by_address();
        for (std::uint32_t node = 0; node < distances.nodes; ++node) find_order(node);
    }

    /// In address order.
    [[nodiscard]] std::span<const member> zones() const noexcept { return zones_; }
    [[nodiscard]] std::uint32_t nodes() const noexcept { return distances_.nodes; }

    /// The zone that manages a frame; null where none does. O(log zones).
    [[nodiscard]] const member* holding(frame f) const noexcept {
        std::size_t low = 0;  // zones before it begin at or below f, zones from `high` on above
        for (std::size_t high = zones_.size(); low != high;) {
            const std::size_t middle = low + (high - low) / 2;
            if (zones_[middle].frames.first <= f) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low != 0 && zones_[low - 1].frames.contains(f) ? &zones_[low - 1] : nullptr;
    }

    /// Takes a free block of 2^o frames from the first zone in the order of `node`, which is below nodes(), that has
    /// one. A zone lends promised frames before the next zone is asked: nearness goes before promises.
    [[nodiscard]] std::optional<frame> allocate(std::uint32_t node, order o,
                                                fallback then = fallback::nearest) const noexcept {
        for (const std::uint16_t i : candidates(node, then)) {
            if (const std::optional<frame> found = zones_[i].zone->allocate(o)) return found;
        }
        return {};
    }

    /// The same for a run of exactly `count` (1 or more) frames.
    [[nodiscard]] std::optional<run<frame>> allocate_run(std::uint32_t node, page_count count,
                                                         fallback then = fallback::nearest) const noexcept {
        for (const std::uint16_t i : candidates(node, then)) {
            if (const std::optional<run<frame>> found = zones_[i].zone->allocate_run(count)) return found;
        }
        return {};
    }

    /// As basic_buddy::allocate_at; `out_of_range` also where the block does not lie in a single zone.
    status allocate_at(frame want, order o) const noexcept {
        const member* const found = holding(want);
        return found == nullptr ? status::out_of_range : found->zone->allocate_at(want, o);
    }
    /// As basic_buddy::allocate_run_at; `out_of_range` also where the run does not lie in a single zone.
    status allocate_run_at(run<frame> frames) const noexcept {
        const member* const found = holding(frames.first);
        return found == nullptr ? status::out_of_range : found->zone->allocate_run_at(frames);
    }

    /// Gives back 2^o frames of one zone that were taken, by whatever calls.
    void free(frame block, order o) const noexcept {
        const member* const found = holding(block);
        LONGREACH_CHECK(found != nullptr && found->frames.contains(run<frame>{block, o.pages()}), "zone_set.foreign");
        found->zone->free(block, o);
    }
    /// Gives back frames (1 or more) of one zone that were taken, by whatever calls.
    void free_run(run<frame> frames) const noexcept {
        const member* const found = holding(frames.first);
        LONGREACH_CHECK(found != nullptr && found->frames.contains(frames), "zone_set.foreign");
        found->zone->free_run(frames);
    }

    /// Free frames of a node's own zones.
    [[nodiscard]] page_count free_frames(std::uint32_t node) const noexcept {
        page_count sum{};
        for (const std::uint16_t i : candidates(node, fallback::none)) sum += zones_[i].zone->free_frames();
        return sum;
    }
    [[nodiscard]] page_count free_frames() const noexcept {
        page_count sum{};
        for (const member& each : zones_) sum += each.zone->free_frames();
        return sum;
    }

    /// Recounts the set, then audits every zone.
    [[nodiscard]] violation audit() const noexcept {
        for (std::size_t i = 0; i < zones_.size(); ++i) {
            const run<frame> frames = zones_[i].frames;
            if (frames.empty() || (i != 0 && frames.first < zones_[i - 1].frames.end())) return {"zone_set.I1", i};
            if constexpr (requires(const Zone& zone) { zone.managed(); }) {
                if (!(zones_[i].zone->managed() == frames)) return {"zone_set.I3", i};
            }
        }
        for (std::uint32_t node = 0; node < nodes(); ++node) {
            if (!is_in_order(node)) return {"zone_set.I2", node};
        }
        for (const member& each : zones_) {
            if (const violation broken = each.zone->audit()) return broken;
        }
        return {};
    }

  private:
    friend struct zone_set_corruption;  // tests break invariants through it

    [[nodiscard]] std::span<const std::uint16_t> candidates(std::uint32_t node, fallback then) const noexcept {
        LONGREACH_CHECK(node < nodes(), "zone_set.node");
        return order_.subspan(node * zones_.size(), then == fallback::none ? own_[node] : reachable_[node]);
    }

    [[nodiscard]] bool is_reachable(std::uint32_t from, const member& to) const noexcept {
        return from == to.node || distances_.between(from, to.node) < node_distances::unreachable;
    }

    /// Whether zone `a` serves node `from` before zone `b`; zones are numbered by address.
    [[nodiscard]] bool serves_before(std::uint32_t from, std::size_t a, std::size_t b) const noexcept {
        const member& x = zones_[a];
        const member& y = zones_[b];
        if (x.node != y.node) {
            if (x.node == from || y.node == from) return x.node == from;
            const unsigned to_x = distances_.between(from, x.node);
            const unsigned to_y = distances_.between(from, y.node);
            return to_x != to_y ? to_x < to_y : x.node < y.node;
        }
        return x.preference != y.preference ? x.preference < y.preference : a < b;
    }

    void sort_by_address() noexcept {
        for (std::size_t i = 0; i < zones_.size(); ++i) {
            const member moved = zones_[i];
            std::size_t at = i;
            for (; at != 0 && moved.frames.first < zones_[at - 1].frames.first; --at) zones_[at] = zones_[at - 1];
            zones_[at] = moved;
        }
        for (std::size_t i = 0; i < zones_.size(); ++i) {
            LONGREACH_CHECK(!zones_[i].frames.empty() && zones_[i].node < nodes(), "zone_set.zone");
            LONGREACH_CHECK(i == 0 || zones_[i - 1].frames.end() <= zones_[i].frames.first, "zone_set.overlap");
        }
    }

    void find_order(std::uint32_t node) noexcept {
        const std::span<std::uint16_t> order = order_.subspan(node * zones_.size(), zones_.size());
        std::size_t count = 0;
        for (std::size_t i = 0; i < zones_.size(); ++i) {
            if (!is_reachable(node, zones_[i])) continue;
            std::size_t at = count++;
            for (; at != 0 && serves_before(node, i, order[at - 1]); --at) order[at] = order[at - 1];
            order[at] = static_cast<std::uint16_t>(i);
            own_[node] = static_cast<std::uint16_t>(own_[node] + (zones_[i].node == node));
        }
        reachable_[node] = static_cast<std::uint16_t>(count);
    }

    [[nodiscard]] bool is_in_order(std::uint32_t node) const noexcept {
        std::size_t own = 0;
        std::size_t reachable = 0;
        for (const member& each : zones_) {
            own += each.node == node;
            reachable += is_reachable(node, each);
        }
        if (own_[node] != own || reachable_[node] != reachable) return false;
        const std::span<const std::uint16_t> order = candidates(node, fallback::nearest);
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (order[i] >= zones_.size() || !is_reachable(node, zones_[order[i]])) return false;
            if (i != 0 && !serves_before(node, order[i - 1], order[i])) return false;
        }
        return true;
    }

    std::span<member> zones_;
    node_distances distances_;
    std::span<std::uint16_t> order_{};      ///< for each node zones_.size() numbers, of which the first count
    std::span<std::uint16_t> own_{};        ///< how many of them are the node's own
    std::span<std::uint16_t> reachable_{};  ///< how many count
};

LONGREACH_NAMESPACE_END

#endif
