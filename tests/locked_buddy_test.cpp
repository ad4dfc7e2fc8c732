// SPDX-License-Identifier: MIT
// A locked buddy answers as its buddy does, and holds the lock exactly while it works.

#include <gtest/gtest.h>

#include <cstddef>
#include <longreach/allocator/locked_buddy.hpp>
#include <optional>
#include <vector>

#include "model/counting_lock.hpp"

namespace longreach {
namespace {

using model::counting_lock;

static_assert(lockable<counting_lock> && lockable<no_lock> && lockable<spin_lock<>>);

template <class Lock>
struct locked_zone {
    std::vector<std::byte> memory = std::vector<std::byte>(buddy::required_bytes(page_count{2048}));
    buddy frames{{pfn{0}, page_count{2048}}, memory};
    Lock lock{};
    locked_buddy<pfn, Lock> all{frames, lock};
};

template <class Lock>
void make_every_call(locked_zone<Lock>& z) {
    EXPECT_EQ(z.all.allocate(base_order), std::optional(pfn{0}));
    EXPECT_EQ(z.all.allocate_at(pfn{7}, base_order), status::ok);
    EXPECT_EQ(z.all.allocate_at(pfn{0}, order{3}), status::occupied);
    EXPECT_EQ(z.all.allocate_run_at({pfn{2000}, page_count{49}}), status::out_of_range);
    EXPECT_EQ(z.all.allocate_run_at({pfn{2000}, page_count{48}}), status::ok);
    const auto run = z.all.allocate_run(page_count{600});
    ASSERT_TRUE(run);
    EXPECT_EQ(z.all.free_frames(), page_count{2048 - 650});
    z.all.free_run(*run);
    z.all.free(pfn{7}, base_order);
    const bool both = z.all.together([](buddy& b) {
        return b.allocate_at(pfn{100}, base_order) == status::ok && b.allocate_at(pfn{101}, base_order) == status::ok;
    });
    EXPECT_TRUE(both);
    EXPECT_FALSE(z.all.audit());
}

TEST(locked_buddy, every_call_takes_the_lock_once_and_gives_it_back) {
    locked_zone<counting_lock> z;
    make_every_call(z);
    EXPECT_EQ(z.lock.taken, 11U);
    EXPECT_FALSE(z.lock.held);
}

TEST(locked_buddy, it_works_with_a_spin_lock_and_without_a_lock) {
    locked_zone<spin_lock<>> spinning;
    make_every_call(spinning);
    locked_zone<no_lock> alone;
    make_every_call(alone);
}

}  // namespace
}  // namespace longreach
