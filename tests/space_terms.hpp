// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_SPACE_TERMS_HPP
#define LONGREACH_TESTS_SPACE_TERMS_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>

// The words of the tests of address spaces and their page cache, and the way to what their audits must notice.

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    template <class Space>
    static auto& table(Space& s) {
        return s.table_;
    }
    /// Of a space or a page cache.
    template <class Owner>
    static auto& object(Owner& o) {
        return o.object_;
    }
    template <class Object>
    static auto& pool(Object& o) {
        return o.pool_;
    }
    template <class Cache>
    static auto& file(Cache& c, std::size_t slot) {
        return c.files_[slot];
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {

inline constexpr permissions rw = user_permissions(true, true, false);
inline constexpr permissions ro = user_permissions(true, false, false);
inline constexpr area_flags plain{};
inline constexpr area_flags stack{.grows_down = true};

constexpr page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

}  // namespace longreach

#endif
