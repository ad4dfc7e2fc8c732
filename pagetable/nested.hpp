// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_NESTED_HPP
#define LONGREACH_PAGETABLE_NESTED_HPP

#include <concepts>
#include <cstdint>
#include <optional>

#include "../allocator/config.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "format.hpp"
#include "leaf.hpp"

// The two-dimensional walk of a virtual machine: guest table over host table.
//
// Each entry of the guest's table lies in a guest frame, so reading it needs a host walk of its own:
// g guest levels over h host levels make g*h + g + h references. Nothing is cached here; a cache
// model looks at each reference and leaves out what it holds. The caller locks both tables.
// Source: Intel SDM volume 3C, section 28.3 (EPT); Bhargava et al., ASPLOS 2008.

LONGREACH_NAMESPACE_BEGIN

enum class dimension : std::uint8_t { guest, host };

/// One memory access of a nested walk.
struct nested_reference {
    dimension of = dimension::guest;  ///< whose table was read
    unsigned level = 0;               ///< level of the entry in that table
    pfn table{};                      ///< host frame that holds the entry
    unsigned index = 0;               ///< entry in that frame
    gfn translated{};                 ///< host: the guest frame being translated; guest: the frame of the guest's table

    friend constexpr bool operator==(const nested_reference&, const nested_reference&) = default;
};

/// What a nested walk came to.
struct nested_result {
    status outcome = status::not_mapped;      ///< ok, not_mapped or forbidden
    dimension refused_by = dimension::guest;  ///< where it ended, unless ok
    gfn missing{};                            ///< refused by the host: the guest frame in question
    unsigned references = 0;                  ///< memory accesses, the last one included
    std::optional<translation<pfn>> found{};  ///< ok: both mappings in one
};

/// Both mappings of one page in one: the smaller leaf size, the permissions that both give, contiguous
/// where both are, accessed and dirty as the guest sees it.
[[nodiscard]] constexpr translation<pfn> composed(const translation<gfn>& guest,
                                                  const translation<pfn>& host) noexcept {
    translation<pfn> both{host.frame, guest.size < host.size ? guest.size : host.size, guest.attributes};
    both.attributes.allowed = intersection(guest.attributes.allowed, host.attributes.allowed);
    both.attributes.contiguous = guest.attributes.contiguous && host.attributes.contiguous;
    return both;
}

/// How a host that keeps accessed and dirty bits sees the reading of a guest's table: as a store (SDM
/// 28.3.5). One that maps a guest's table read-only refuses every walk through it.
inline constexpr access_kind access_to_guest_table = access_kind::store;

/// A table of one dimension.
template <class T, class Page, class Frame>
concept maps_between = std::same_as<typename T::page, Page> && std::same_as<typename T::frame, Frame>;

/// Composes vpn -> gfn and gfn -> pfn; tables in the wrong order do not compile.
template <class GuestTable, class HostTable>
requires(maps_between<GuestTable, vpn, gfn>&& maps_between<HostTable, gfn, pfn>) class nested_walk {
  public:
    /// References of the longest walk.
    static constexpr unsigned max_references = (GuestTable::format::levels + 1) * (HostTable::format::levels + 1) - 1;

    nested_walk(GuestTable& guest, HostTable& host) noexcept : guest_(&guest), host_(&host) {}

    /// Where a page is mapped in the host, by composed(). Changes nothing.
    [[nodiscard]] std::optional<translation<pfn>> translate(vpn wanted) const noexcept {
        const auto in_guest = guest_->translate(wanted);
        if (!in_guest) return std::nullopt;
        const auto in_host = host_->translate(in_guest->frame);
        if (!in_host) return std::nullopt;
        return composed(*in_guest, *in_host);
    }

    /// Walks both tables for an access and hands each reference, in order, to `visit(const nested_reference&)`.
    /// Sets accessed and dirty in both.
    template <class Visit>
    nested_result walk(vpn wanted, access_kind kind, Visit&& visit) {
        nested_result result;
        const auto in_guest = guest_->trace(wanted);
        for (unsigned i = 0; i < in_guest.count; ++i) {
            const reference<gfn>& step = in_guest.references[i];
            const auto at = host_walk(step.table, access_to_guest_table, result, visit);
            if (!at) return result;
            ++result.references;
            visit(nested_reference{dimension::guest, step.level, at->frame, step.index, step.table});
        }
        if (!in_guest.found) return result;
        if (!in_guest.found->attributes.allowed.allows(kind)) {
            result.outcome = status::forbidden;
            return result;
        }
        const auto target = host_walk(in_guest.found->frame, kind, result, visit);
        if (!target) return result;
        const auto committed = guest_->walk(wanted, kind);
        result.outcome = status::ok;
        result.found = composed(*committed.trace.found, *target);
        return result;
    }

    nested_result walk(vpn wanted, access_kind kind) {
        return walk(wanted, kind, [](const nested_reference&) {});
    }

  private:
    /// One host walk; where the host refuses, nothing, and `result` says why.
    template <class Visit>
    std::optional<translation<pfn>> host_walk(gfn wanted, access_kind kind, nested_result& result, Visit& visit) {
        const auto found = host_->walk(wanted, kind);
        result.references += found.trace.count;
        for (unsigned i = 0; i < found.trace.count; ++i) {
            const reference<pfn>& step = found.trace.references[i];
            visit(nested_reference{dimension::host, step.level, step.table, step.index, wanted});
        }
        if (found.outcome == status::ok) return found.trace.found;
        result.outcome = found.outcome;
        result.refused_by = dimension::host;
        result.missing = wanted;
        return std::nullopt;
    }

    GuestTable* guest_;
    HostTable* host_;
};

LONGREACH_NAMESPACE_END

#endif
