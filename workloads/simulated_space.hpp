// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_SIMULATED_SPACE_HPP
#define LONGREACH_WORKLOADS_SIMULATED_SPACE_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../allocator/ca_paging.hpp"
#include "../allocator/config.hpp"
#include "../allocator/thp.hpp"
#include "../pagetable/vm/address_space.hpp"
#include "../pagetable/x86_64.hpp"
#include "sparse_frame_memory.hpp"
#include "zone.hpp"

// One address space over one zone, with the memory that its tables and records need.

LONGREACH_NAMESPACE_BEGIN

/// The policy `thp` over a zone.
struct thp_kind {
    static constexpr std::string_view name = "thp";
    template <class Page, class Frame>
    class over {
      public:
        using policy_type = thp<Page, Frame>;
        explicit over(simulated_zone<Frame>& zone) : policy_(zone.frames()) {}
        [[nodiscard]] thp<Page, Frame>& policy() noexcept { return policy_; }

      private:
        thp<Page, Frame> policy_;
    };
};

/// The policy `ca` over a zone, with room for as many pieces as can pay off: one per 2 MiB of memory and some.
struct ca_kind {
    static constexpr std::string_view name = "ca";
    template <class Page, class Frame>
    class over {
      public:
        using policy_type = ca_paging<Page, Frame>;
        explicit over(simulated_zone<Frame>& zone)
            : memory_(ca_paging<Page, Frame>::required_bytes(zone.frames().managed().count.raw / 512 + 4096)),
              policy_(zone.frames(), zone.clusters(), memory_.bytes()) {}
        [[nodiscard]] ca_paging<Page, Frame>& policy() noexcept { return policy_; }

      private:
        lazy_memory memory_;
        ca_paging<Page, Frame> policy_;
    };
};

/// An address space of x86-64 with four levels and everything it keeps; `Policy` serves it alone.
template <class Page, class Frame, class Policy>
class simulated_space {
  public:
    using space_type = address_space<x86_64<4>, Page, Frame, sparse_frame_memory<Frame>, Policy>;
    using table_type = typename space_type::table_type;

    /// For a zone of `frames` frames. `areas` bounds the map entries that exist at one time, `stretches` the touched
    /// stretches of pages, which decide how much memory the records of resident pages may need.
    simulated_space(Policy& policy, run<Frame> frames, std::size_t areas, std::size_t stretches)
        : entries_(areas),
          objects_(space_type::object_type::required_words(frames.count, stretches) * sizeof(std::uint64_t)),
          tables_(frames),
          space_(space_options{}, sparse_frame_memory<Frame>(tables_), policy, entries_, objects_.words()) {}
    simulated_space(const simulated_space&) = delete;
    simulated_space& operator=(const simulated_space&) = delete;

    [[nodiscard]] space_type& space() noexcept { return space_; }
    [[nodiscard]] const space_type& space() const noexcept { return space_; }

  private:
    std::vector<map_entry<Page>> entries_;
    lazy_memory objects_;
    sparse_frames<Frame> tables_;
    space_type space_;
};

LONGREACH_NAMESPACE_END

#endif
