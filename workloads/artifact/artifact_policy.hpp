// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_POLICY_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_POLICY_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/placement.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "artifact_areas.hpp"
#include "artifact_counters.hpp"
#include "artifact_rules.hpp"
#include "artifact_zone.hpp"

// CA paging as the original kernel does it, as a placement policy: which frame a fault aims at, how it is had, and
// what is remembered. For comparing with records and with better rules, not for use. Not thread-safe.
// Source: the kernel released with CA paging (ISCA 2020, Linux 4.19.60), mm/mempolicy.c, mm/page_alloc.c.

LONGREACH_NAMESPACE_BEGIN

/// Everything that the policy decided for one fault.
struct artifact_decision {
    std::optional<pfn> target;                   ///< what the offset predicts, before rounding up to 2 MiB
    std::optional<page_count> wanted;            ///< size for a re-placement; nothing where it is not initialised
    std::optional<pfn> placed;                   ///< where a first fault placed the area
    std::vector<artifact_failure> failures;      ///< one per zone that refused the target
    std::optional<artifact_success> success;     ///< how the target was had
    bool replaced = false;                       ///< the frames are those of a re-placement
    std::vector<artifact_offsets::record> made;  ///< offset records, in order
    std::optional<pfn> got;
};

class artifact_policy {
  public:
    using page = vpn;
    using frame = pfn;

    /// Serves from the zones, in the order in which requests look at them; the first is where areas are placed. They
    /// outlive the policy, and were given the same rules.
    artifact_policy(std::span<artifact_zone> zones, artifact_rules rules)
        : zones_(zones), rules_(rules), areas_(rules) {
        LONGREACH_CHECK(!zones.empty(), "artifact_policy.no_zone");
    }

    /// As the original, a fault that finds no frames may have moved the rover and made a record. Shared superpages are
    /// copied without CA paging.
    template <class Mapped>
    [[nodiscard]] std::optional<pfn> allocate(const placement_request<vpn>& request, const Mapped& mapped) {
        const page_run first{request.page, page_count{1}};
        if (request.size == superpage_order && mapped.first_mapped(first) != first.end()) {
            return allocate_ordinary(request.size, migrate_type::movable);
        }
        return decide(request).got;
    }
    /// The same in full, for a fault on a page that is not mapped.
    [[nodiscard]] artifact_decision decide(const placement_request<vpn>& request);
    /// Takes frames near `made.target`, of a process with so many pages, and completes the decision.
    void serve(order size, page_count process_pages, artifact_decision& made);

    void free(std::uint32_t, vpn, pfn block, order size) { give_back(block, size); }
    [[nodiscard]] std::optional<pfn> allocate_table() { return allocate_ordinary(base_order, migrate_type::unmovable); }
    void free_table(pfn table) { give_back(table, base_order); }
    /// Frames as a process without CA paging gets them.
    [[nodiscard]] std::optional<pfn> allocate_ordinary(order size, migrate_type type);

    void release(std::uint32_t space, run<vpn> pages) {
        areas_.release(space, pages);
        if (areas_.pages(space).raw == 0) hung_.erase(space);
    }
    void move(std::uint32_t space, run<vpn> pages, vpn to) { areas_.move(space, pages, to); }
    void fork(std::uint32_t parent, std::uint32_t child) {
        areas_.fork(parent, child);
        if (plain_.count(parent) != 0) plain_.insert(child);
    }

    /// The space does without CA paging.
    void set_plain(std::uint32_t space) { plain_.insert(space); }
    /// A record that was made before the policy watched.
    void learn(std::uint32_t space, page_run area, vpn first, map_offset<vpn, pfn> value) {
        areas_.find(space, area).insert(first, value, rules_);
    }

    /// What is recorded for an area that is now these pages.
    [[nodiscard]] const artifact_offsets& records(std::uint32_t space, page_run area) {
        return areas_.find(space, area);
    }
    /// Called before a fault takes ordinary frames of a zone, which a replay may prepare.
    void before_ordinary(std::function<void(artifact_zone&, order)> call) { before_ordinary_ = std::move(call); }

    [[nodiscard]] placement_counters counters() const noexcept { return summary_; }
    [[nodiscard]] const artifact_counters& kernel_counters() const noexcept { return counters_; }
    /// Superpage faults without frames, which the original tries again forever.
    [[nodiscard]] std::uint64_t livelocks() const noexcept { return livelocks_; }
    [[nodiscard]] bool is_hung(std::uint32_t space) const { return hung_.count(space) != 0; }
    /// Whether the original takes the number for one of a frame.
    [[nodiscard]] bool is_valid(pfn wanted) const noexcept;
    [[nodiscard]] artifact_counters& kernel_counters() noexcept { return counters_; }
    [[nodiscard]] std::span<artifact_zone> zones() const noexcept { return zones_; }
    [[nodiscard]] artifact_rules rules() const noexcept { return rules_; }

    /// Of all zones and areas; O(frames).
    violation audit() const {
        for (const artifact_zone& zone : zones_) {
            if (const violation broken = zone.audit()) return broken;
        }
        return areas_.audit();
    }

  private:
    friend struct corrupt;

    /// What "not initialised" is in practice: more than any zone has.
    static constexpr page_count boundless{std::uint64_t{1} << 52};
    /// The number of the frame that the original takes a missing one for; no memory is there.
    static constexpr pfn no_frame{0x5800000000};

    [[nodiscard]] bool has(artifact_rule rule) const noexcept { return rules_.has(rule); }
    void aim(const placement_request<vpn>& request, bool alone, artifact_offsets& offsets, artifact_decision& made);
    template <class Use>
    void each_zone_with_room(order size, Use&& use);
    void try_zone(artifact_zone& zone, order size, page_count process_pages, artifact_decision& made);
    void give_back(pfn block, order size);
    void count(const artifact_decision& made) noexcept;

    std::span<artifact_zone> zones_;
    artifact_rules rules_;
    artifact_areas areas_;
    std::set<std::uint32_t> plain_;
    std::set<std::uint32_t> hung_;
    artifact_counters counters_;
    placement_counters summary_;
    std::uint64_t livelocks_ = 0;
    std::function<void(artifact_zone&, order)> before_ordinary_;
};

static_assert(placement_policy<artifact_policy>);

LONGREACH_NAMESPACE_END

#include "artifact_policy_impl.hpp"

#endif
