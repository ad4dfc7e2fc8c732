// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_FAMILY_OF_SPACES_HPP
#define LONGREACH_TESTS_FAMILY_OF_SPACES_HPP

#include <gtest/gtest.h>

#include <cstdint>

#include "model/space_family.hpp"
#include "space_terms.hpp"

// Address spaces that share frames and files, over a policy that gives frames from a list; at its end nothing is lost.

namespace longreach {

struct family_of_spaces : testing::Test {
    using family_type = model::space_family<model::list_world>;
    using space_type = family_type::space_type;

    explicit family_of_spaces(std::uint64_t memory_pages = 6144) : world(memory_pages) {}

    void TearDown() override {
        if (!expect_sound) return;
        EXPECT_EQ(family.audit().label, nullptr) << family.audit().where;
        family.exit_all();
        EXPECT_EQ(policy.frames_held() + policy.tables_held(), 0U) << "nothing is lost";
        EXPECT_EQ(family.references().further_holds(), 0U);
        EXPECT_EQ(family.audit().label, nullptr);
    }

    static fault_result<pfn> load(space_type& space, std::uint64_t page) {
        return space.fault(vpn{page}, access_kind::load);
    }
    static fault_result<pfn> store(space_type& space, std::uint64_t page) {
        return space.fault(vpn{page}, access_kind::store);
    }

    model::list_world world;
    family_type family{world};
    model::list_world::policy_type& policy = family.policy();
    bool expect_sound = true;
};

/// A parent, whose stacks have at most 2048 pages, and what it may become the parent of.
struct life_of_a_space : family_of_spaces {
    life_of_a_space() : family_of_spaces(16384) {}

    void map(page_run where, permissions allowed = rw, area_flags flags = plain) {
        ASSERT_EQ(parent.map(where, allowed, {}, flags), status::ok);
    }
    static bool can_store(space_type& space, std::uint64_t page) {
        return space.tables().walk(vpn{page}, access_kind::store).outcome == status::ok;
    }
    static pfn frame(const space_type& space, std::uint64_t page) {
        const auto held = *space.object().find(vpn{page});
        return held.frame + (vpn{page} - held.page);
    }

    space_type& parent = family.add({.number = 1, .stack_limit = page_count{2048}});
    space_type& child = family.add({.number = 2});
    space_type& grandchild = family.add({.number = 3});
};

}  // namespace longreach

#endif
