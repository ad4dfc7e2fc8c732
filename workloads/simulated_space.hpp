// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_SIMULATED_SPACE_HPP
#define LONGREACH_WORKLOADS_SIMULATED_SPACE_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../allocator/config.hpp"
#include "../pagetable/vm/address_space.hpp"
#include "../pagetable/x86_64.hpp"
#include "sparse_frame_memory.hpp"
#include "zone.hpp"

// One address space over one zone, with the memory that its tables and records need.

LONGREACH_NAMESPACE_BEGIN

/// An address space of x86-64 with four levels and everything it keeps; `Policy` serves it alone.
template <class Page, class Frame, class Policy>
class simulated_space {
  public:
    using space_type = address_space<x86_64<4>, Page, Frame, sparse_frame_memory<Frame>, Policy>;
    using table_type = typename space_type::table_type;

    /// For a zone of `frames` frames, with faults of these sizes. `areas` bounds the map entries that exist at one
    /// time, `stretches` the touched stretches of pages, which decide how much memory the records of resident pages may
    /// need.
    simulated_space(Policy& policy, superpage_use superpages, run<Frame> frames, std::size_t areas,
                    std::size_t stretches)
        : entries_(areas),
          objects_(space_type::object_type::required_words(frames.count, stretches) * sizeof(std::uint64_t)),
          tables_(frames),
          space_(options_of(superpages), sparse_frame_memory<Frame>(tables_), policy, entries_, objects_.words()) {}
    simulated_space(const simulated_space&) = delete;
    simulated_space& operator=(const simulated_space&) = delete;

    [[nodiscard]] space_type& space() noexcept { return space_; }
    [[nodiscard]] const space_type& space() const noexcept { return space_; }

  private:
    [[nodiscard]] static space_options options_of(superpage_use superpages) noexcept {
        space_options options;
        options.superpages = superpages;
        return options;
    }

    std::vector<map_entry<Page>> entries_;
    lazy_memory objects_;
    sparse_frames<Frame> tables_;
    space_type space_;
};

LONGREACH_NAMESPACE_END

#endif
