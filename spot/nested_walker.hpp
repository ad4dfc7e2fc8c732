// SPDX-License-Identifier: MIT
#ifndef LONGREACH_SPOT_NESTED_WALKER_HPP
#define LONGREACH_SPOT_NESTED_WALKER_HPP

#include <array>
#include <concepts>
#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../pagetable/format.hpp"
#include "../pagetable/leaf.hpp"
#include "../pagetable/nested.hpp"
#include "walk_cache.hpp"
#include "walker.hpp"

// Walks a guest's table inside a host's: each guest entry that is read costs a walk of the host first.
//
// With every cache off a walk makes (g + 1)(h + 1) - 1 references for g guest and h host levels. It reads both
// tables and leaves their accessed and dirty bits as they are. Locks are the caller's.
// Source: Bhargava et al., Accelerating two-dimensional page walks, ASPLOS 2008.

LONGREACH_NAMESPACE_BEGIN

/// `Guest` answers trace(page) and `Host` translate(page), as pagetable/table.hpp does; both outlive the walker.
/// Guest faults are reported before the host's. Audit: "tlb.I1" to "tlb.I4".
template <class Guest, class Host, walk_profile Profile = no_walk_caches>
requires std::same_as<typename Guest::frame, typename Host::page> && std::same_as<typename Host::page, gfn>
class nested_walker {
  public:
    using page = typename Guest::page;
    using frame = typename Host::frame;
    using guest_format = typename Guest::format;
    using host_format = typename Host::format;

    constexpr nested_walker(const Guest& guest, const Host& host) noexcept : guest_(&guest), host_(&host) {}

    [[nodiscard]] walk_answer<page, frame> walk(page p, access_kind kind) noexcept {
        const auto guest = guest_->trace(p);
        if (!guest.found) {
            return {walk_end::not_mapped};
        }
        if (!guest.found->attributes.allowed.allows(kind)) {
            return {walk_end::forbidden};
        }
        const unsigned lowest = leaf_level<guest_format>(guest.found->size);
        const unsigned first = upper_.first_level(p, lowest);

        // Every host translation the walk needs, in its order; only when all are there does anything change. An upper
        // entry from the cache names the host frame of its table, so the first table after a hit needs none.
        const unsigned tables = first < guest_format::levels ? first : first + 1;
        std::array<host_step, guest_format::levels + 1> steps{};
        unsigned count = 0;
        for (unsigned i = guest.count - (tables - lowest); i <= guest.count; ++i) {
            const bool data = i == guest.count;
            const gfn wanted = data ? guest.found->frame : guest.references[i].table;
            const auto found = host_->translate(wanted);
            if (!found) {
                return {walk_end::host_not_mapped, wanted};
            }
            if (!found->attributes.allowed.allows(data ? kind : access_to_guest_table)) {
                return {walk_end::host_forbidden, wanted};
            }
            steps[count++] = {wanted, *found};
        }

        upper_.fill(p, first, lowest);
        reference_counts references;
        references[reference_kind::upper] = first - lowest;
        references[reference_kind::leaf] = 1;
        for (unsigned i = 0; i < count; ++i) {
            const bool data = i + 1 == count;
            walk_host(steps[i], data ? reference_kind::host_leaf_of_data : reference_kind::host_leaf_of_table,
                      references);
        }
        const translation<frame> both = composed(*guest.found, steps[count - 1].found);
        const page start = align_down(p, both.size);
        return {walk_end::ok, gfn{}, {start, both.frame - (p - start), both.size, both.attributes}, references};
    }

    /// The guest's table changed for these pages. Drops every upper entry of the guest (Intel SDM volume 3A, section
    /// 4.10.4.1, INVLPG); what is cached of the host's table stays.
    constexpr void invalidate(run<page>) noexcept { upper_.flush(); }

    /// The host's table changed, or another guest address space runs.
    constexpr void flush() noexcept {
        upper_.flush();
        host_upper_.flush();
        nested_.flush();
    }

    [[nodiscard]] constexpr violation audit() const noexcept {
        if (const violation v = upper_.audit()) return v;
        if (const violation v = host_upper_.audit()) return v;
        return nested_.audit();
    }

    /// Upper entries that are cached, of both tables, and nested translations.
    [[nodiscard]] constexpr unsigned cached_entries() const noexcept {
        return upper_.entries() + host_upper_.entries() + nested_.entries();
    }

  private:
    friend struct corrupt;

    struct host_step {
        gfn wanted{};
        translation<frame> found{};
    };

    /// Counts the host's walk for one guest frame, after the nested TLB and the host's upper entries.
    constexpr void walk_host(const host_step& step, reference_kind leaf_kind, reference_counts& references) noexcept {
        const order size = step.found.size;
        if (nested_.lookup(step.wanted, size, access_kind::load)) return;
        const unsigned lowest = leaf_level<host_format>(size);
        const unsigned first = host_upper_.first_level(step.wanted, lowest);
        host_upper_.fill(step.wanted, first, lowest);
        references[reference_kind::host_upper] += first - lowest;
        references[leaf_kind] += 1;
        const gfn start = align_down(step.wanted, size);
        nested_.fill({start, step.found.frame - (step.wanted - start), size, {all_permissions}});
    }

    const Guest* guest_;
    const Host* host_;
    walk_cache<guest_format, page, Profile.upper> upper_{};
    walk_cache<host_format, gfn, Profile.host_upper> host_upper_{};
    tlb<gfn, frame, Profile.nested> nested_{};
};

LONGREACH_NAMESPACE_END

#endif
