// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_POLICY_KINDS_HPP
#define LONGREACH_WORKLOADS_POLICY_KINDS_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../allocator/ca_paging.hpp"
#include "../allocator/config.hpp"
#include "../allocator/eager.hpp"
#include "../allocator/random_placement.hpp"
#include "../allocator/thp.hpp"
#include "../pagetable/vm/fault.hpp"
#include "policy_name.hpp"
#include "rivals/hawkeye.hpp"
#include "rivals/ingens.hpp"
#include "rivals/ranger.hpp"
#include "zone.hpp"

// What a machine needs to know of each policy: its object over a zone, the size of its faults, its daemon.
//
// A kind has `name`; `faults`, where its faults may take 2 MiB; `maps_at_once`, whether a mapping call touches all of
// its anonymous memory; `places_offline`, whether runs are
// those of an offline placement; `over<Page, Frame>`, the policy over a zone, with the seed of what it draws; and
// `daemon<Space>`, what works behind the program's back, or no_daemon.

LONGREACH_NAMESPACE_BEGIN

/// Of policies that do all their work in faults.
struct no_daemon {};

namespace detail {

/// What most kinds share.
template <policy_name Name, superpage_use Faults>
struct kind_base {
    static constexpr policy_name name = Name;
    static constexpr superpage_use faults = Faults;
    static constexpr bool maps_at_once = false;
    static constexpr bool places_offline = false;
    template <class Space>
    using daemon = no_daemon;
};

template <class Page, class Frame>
class thp_over {
  public:
    using policy_type = thp<Page, Frame>;
    thp_over(simulated_zone<Frame>& zone, std::uint64_t) : policy_(zone.frames()) {}
    [[nodiscard]] policy_type& policy() noexcept { return policy_; }

  private:
    policy_type policy_;
};

/// A policy that keeps pieces, with room for so many.
template <class Policy>
class piecewise_over {
  public:
    using policy_type = Policy;
    [[nodiscard]] policy_type& policy() noexcept { return policy_; }

  protected:
    template <class... Sources>
    explicit piecewise_over(std::size_t pieces, Sources&... sources)
        : memory_(Policy::required_bytes(pieces)), policy_(sources..., memory_.bytes()) {}

  private:
    lazy_memory memory_;
    policy_type policy_;
};

}

struct base4k_kind : detail::kind_base<policy_name::base4k, superpage_use::never> {
    template <class Page, class Frame>
    using over = detail::thp_over<Page, Frame>;
};

struct thp_kind : detail::kind_base<policy_name::thp, superpage_use::always> {
    template <class Page, class Frame>
    using over = detail::thp_over<Page, Frame>;
};

struct ca_kind : detail::kind_base<policy_name::ca, superpage_use::always> {
    template <class Page, class Frame>
    class over : public detail::piecewise_over<ca_paging<Page, Frame>> {
      public:
        over(simulated_zone<Frame>& zone, std::uint64_t)
            : detail::piecewise_over<ca_paging<Page, Frame>>(useful_pieces(zone), zone.frames(), zone.clusters()) {}

      private:
        /// As many as can pay off: one per 2 MiB of memory and some.
        [[nodiscard]] static std::size_t useful_pieces(const simulated_zone<Frame>& zone) {
            return static_cast<std::size_t>(zone.layout().frames().raw / 512 + 4096);
        }
    };
};

struct eager_kind : detail::kind_base<policy_name::eager, superpage_use::always> {
    static constexpr bool maps_at_once = true;
    template <class Page, class Frame>
    class over : public detail::piecewise_over<eager<Page, Frame>> {
      public:
        over(simulated_zone<Frame>& zone, std::uint64_t)
            : detail::piecewise_over<eager<Page, Frame>>(most_pieces, zone.frames()) {}

      private:
        /// More would only make faults slower: an area that is mapped at once asks for its pieces in order.
        static constexpr std::size_t most_pieces = 1024;
    };
};

struct random_kind : detail::kind_base<policy_name::random, superpage_use::always> {
    template <class Page, class Frame>
    class over {
      public:
        using policy_type = random_placement<Page, Frame>;
        over(simulated_zone<Frame>& zone, std::uint64_t seed) : policy_(zone.frames(), seed) {}
        [[nodiscard]] policy_type& policy() noexcept { return policy_; }

      private:
        policy_type policy_;
    };
};

struct ingens_kind : detail::kind_base<policy_name::ingens, superpage_use::never> {
    template <class Page, class Frame>
    using over = detail::thp_over<Page, Frame>;
    template <class Space>
    using daemon = ingens<Space>;
};

struct hawkeye_kind : detail::kind_base<policy_name::hawkeye, superpage_use::always> {
    template <class Page, class Frame>
    using over = detail::thp_over<Page, Frame>;
    template <class Space>
    using daemon = hawkeye<Space>;
};

struct ranger_kind : detail::kind_base<policy_name::ranger, superpage_use::always> {
    template <class Page, class Frame>
    using over = detail::thp_over<Page, Frame>;
    template <class Space>
    using daemon = ranger<Space>;
};

/// Faults as under thp; what is counted is the best placement of the same pages that is found offline.
struct ideal_kind : detail::kind_base<policy_name::ideal, superpage_use::always> {
    static constexpr bool places_offline = true;
    template <class Page, class Frame>
    using over = detail::thp_over<Page, Frame>;
};

LONGREACH_NAMESPACE_END

#endif
