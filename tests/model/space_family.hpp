// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_SPACE_FAMILY_HPP
#define LONGREACH_TESTS_MODEL_SPACE_FAMILY_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <vector>

#include "owned_space.hpp"
#include "space_worlds.hpp"

// Address spaces over one world that can fork each other and share the files of one page cache, with all their memory.

namespace longreach::model {

/// What spaces share: nothing (no fork), frames after a fork, or the pages of files too.
enum class company : std::uint8_t { none, forks, files };

template <class World>
class space_family {
  public:
    using policy_type = typename World::policy_type;
    using space_type = address_space<x86_64<4>, vpn, pfn, flat_memory<pfn>, policy_type>;
    using object_type = typename space_type::object_type;
    using cache_type = typename space_type::cache_type;
    static constexpr cache_options cache_rules{.first_space = 100};
    static constexpr std::size_t most_files = 3;

    /// Room of one member.
    struct room {
        std::size_t entries = 64;
        page_count object_tables{64};
    };

    explicit space_family(World& world, const cache_options& rules = cache_rules)
        : world_(world),
          reference_memory_(frame_references<pfn>::required_bytes(world.frames().count)),
          references_(world.frames(), reference_memory_),
          cache_words_(object_type::required_words(page_count{8192}, 16)),
          cache_(rules, world.policy(), references_, files_, cache_words_) {}
    space_family(const space_family&) = delete;
    space_family& operator=(const space_family&) = delete;

    /// One more space, which lives as long as the family.
    space_type& add(const space_options& options, company what = company::files, const room& size = {}) {
        members_.emplace_back(*this, options, what, size);
        return members_.back().space;
    }

    /// Ends every space; those that ended before stay as they are.
    void exit_all() {
        for (member& one : members_) one.space.exit();
    }

    [[nodiscard]] World& world() { return world_; }
    [[nodiscard]] policy_type& policy() { return world_.policy(); }
    [[nodiscard]] frame_references<pfn>& references() { return references_; }
    [[nodiscard]] cache_type& cache() { return cache_; }
    [[nodiscard]] const cache_type& cache() const { return cache_; }

    /// Every audit there is, and a recount of who holds which frame.
    [[nodiscard]] violation audit() const {
        if (const violation broken = world_.policy().audit()) return broken;
        if (const violation broken = cache_.audit()) return broken;
        if (const violation broken = references_.audit()) return broken;
        for (const member& one : members_) {
            if (const violation broken = one.space.audit()) return broken;
        }
        return references_.audit_holders([&](auto&& visit) {
            for (const member& one : members_) {
                if (one.shares) one.space.for_each_hold(visit);
            }
            cache_.for_each_hold(visit);
        });
    }

  private:
    struct member : owned_space<space_type> {
        member(space_family& family, const space_options& options, company what, const room& size)
            : owned_space<space_type>(options, family.world_.tables(), family.world_.policy(), size.entries,
                                      table_pool<pfn>::required_words(size.object_tables),
                                      {what != company::none ? &family.references_ : nullptr,
                                       what == company::files ? &family.cache_ : nullptr}),
              shares(what != company::none) {}

        bool shares;
    };

    World& world_;
    std::vector<std::byte> reference_memory_;
    frame_references<pfn> references_;
    std::array<cached_file, most_files> files_{};
    std::vector<std::uint64_t> cache_words_;
    cache_type cache_;
    std::deque<member> members_;
};

}  // namespace longreach::model

#endif
