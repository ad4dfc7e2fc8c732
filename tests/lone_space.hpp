// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_LONE_SPACE_HPP
#define LONGREACH_TESTS_LONE_SPACE_HPP

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <vector>

#include "model/list_policy.hpp"
#include "model/owned_space.hpp"
#include "space_terms.hpp"

// One address space that shares nothing, over a policy that gives frames from a list.

namespace longreach {

struct lone_space : testing::Test {
    using policy_type = model::list_policy<vpn, pfn>;
    using space_type = address_space<x86_64<4>, vpn, pfn, flat_memory<pfn>, policy_type>;
    static constexpr std::uint64_t table_frames = 40;

    explicit lone_space(space_options with = {.number = 3}, std::size_t capacity = 64,
                        page_count resident = page_count{8192}, std::size_t stretches = 16)
        : owned(with, flat_memory<pfn>{{pfn{0}, page_count{table_frames}}, words}, policy, capacity,
                space_type::object_type::required_words(resident, stretches)) {}

    void map(page_run where, permissions allowed = rw, backing source = {}, area_flags flags = plain) {
        ASSERT_EQ(space.map(where, allowed, source, flags), status::ok);
    }
    /// Touches each page of the run, which must work.
    void touch(page_run where, access_kind kind = access_kind::store) {
        for (vpn page = where.first; page < where.end(); page += page_count{1}) {
            ASSERT_EQ(space.fault(page, kind).outcome, status::ok);
        }
    }
    [[nodiscard]] pfn frame(std::uint64_t page) const { return space.object().find(vpn{page})->frame; }
    [[nodiscard]] bool contiguous(std::uint64_t page) const {
        return space.translate(vpn{page})->attributes.contiguous;
    }
    [[nodiscard]] std::vector<page_run> areas() const {
        std::vector<page_run> result;
        for (const auto& area : space.entries()) result.push_back(area.pages);
        return result;
    }
    void TearDown() override {
        if (expect_sound) {
            EXPECT_EQ(space.audit().label, nullptr) << space.audit().where;
            EXPECT_EQ(policy.audit().label, nullptr) << policy.audit().where;
            EXPECT_EQ(policy.frames_held(), space.resident_pages().raw);
        }
    }

    std::vector<std::uint64_t> words = std::vector<std::uint64_t>(table_frames * words_per_frame);
    policy_type policy{table_frames, 8192};
    model::owned_space<space_type> owned;
    space_type& space = owned.space;
    bool expect_sound = true;
};

}  // namespace longreach

#endif
