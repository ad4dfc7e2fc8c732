// SPDX-License-Identifier: MIT
// Several threads in one address space, and in a family that shares frames: two faults on one superpage give one
// allocation, and nothing is lost. A second in all; LONGREACH_STRESS=<seconds> makes it as long.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <longreach/allocator/locks.hpp>
#include <longreach/pagetable/vm/locked_space.hpp>
#include <longreach/workloads/random.hpp>
#include <thread>
#include <vector>

#include "model/space_family.hpp"

namespace longreach {
namespace {

constexpr permissions rw = user_permissions(true, true, false);
constexpr unsigned threads_at_a_time = 4;

constexpr page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

double seconds_per_case() {
    const char* const asked = std::getenv("LONGREACH_STRESS");
    return std::max(0.15, asked == nullptr ? 0.0 : std::atof(asked) / 6);
}

/// Calls `work(thread)` once in each thread, all started together.
template <class Work>
void in_threads(Work work) {
    std::atomic<unsigned> ready{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < threads_at_a_time; ++i) {
        threads.emplace_back([&, i] {
            ++ready;
            while (ready != threads_at_a_time) std::this_thread::yield();
            work(i);
        });
    }
    for (std::thread& t : threads) t.join();
}

template <class World>
struct threads_in_a_space : testing::Test {
    using family_type = model::space_family<World>;
    using space_type = typename family_type::space_type;
    using locked = locked_space<space_type, spin_lock<>>;

    void TearDown() override {
        EXPECT_EQ(family.audit().label, nullptr) << family.audit().where;
        parent.exit();
        child.exit();
        EXPECT_EQ(family.policy().frames_held() + family.policy().tables_held(), 0U) << "nothing is lost";
        EXPECT_EQ(family.references().further_holds(), 0U);
    }

    World world{4096};
    family_type family{world};
    space_type& parent = family.add({.number = 1});
    space_type& child = family.add({.number = 2});
    spin_lock<> lock;
    locked of_parent{parent, lock};
    locked of_child{child, lock};
};

using worlds = testing::Types<model::list_world, model::thp_world, model::ca_world>;
TYPED_TEST_SUITE(threads_in_a_space, worlds);

TYPED_TEST(threads_in_a_space, faults_on_one_superpage_give_one_allocation) {
    ASSERT_EQ(this->parent.map(pages(0, 2048), rw, {}, {}), status::ok);
    for (std::uint64_t region = 0; region < 4; ++region) {
        std::atomic<unsigned> first_touches{0};
        std::atomic<unsigned> others{0};
        in_threads([&](unsigned i) {
            const auto told = this->of_parent.fault(vpn{region * 512 + i * 100}, access_kind::store);
            if (told.outcome != status::ok) return;
            ++(told.kind == fault_kind::first_touch ? first_touches : others);
        });
        EXPECT_EQ(first_touches, 1U);
        EXPECT_EQ(others, threads_at_a_time - 1);
    }
    EXPECT_EQ(this->family.policy().frames_held(), 2048U);
    EXPECT_EQ(this->parent.faults().superpages, 4U);
}

TYPED_TEST(threads_in_a_space, random_faults_of_many_threads_leave_every_page_with_one_frame) {
    ASSERT_EQ(this->parent.map(pages(100, 1500), rw, {}, {}), status::ok);
    std::atomic<unsigned> failures{0};
    in_threads([&](unsigned i) {
        random_numbers draw(i + 1);
        for (unsigned k = 0; k < 2000; ++k) {
            const vpn page{100 + draw.below(1500)};
            const auto told = this->of_parent.fault(page, draw.below(2) == 0 ? access_kind::load : access_kind::store);
            failures += told.outcome != status::ok;
        }
    });
    EXPECT_EQ(failures, 0U);
    EXPECT_EQ(this->parent.resident_pages().raw, this->family.policy().frames_held());
}

TYPED_TEST(threads_in_a_space, a_family_that_copies_unmaps_and_forks_at_the_same_time_stays_sound) {
    ASSERT_EQ(this->parent.map(pages(0, 1024), rw, {}, {}), status::ok);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds_per_case());
    in_threads([&](unsigned i) {
        random_numbers draw(i + 1);
        auto& mine = i % 2 == 0 ? this->of_parent : this->of_child;
        while (std::chrono::steady_clock::now() < end) {
            const vpn page{draw.below(1024)};
            switch (draw.below(40)) {
                case 0:
                    (void)mine.together([&](auto& space) {
                        return space.discard({page, page_count{draw.below(600)}});
                    });
                    break;
                case 1:
                    (void)this->of_child.together([&](auto& space) {
                        space.exit();
                        return space.fork_of(this->parent);
                    });
                    break;
                default:
                    (void)mine.fault(page, draw.below(2) == 0 ? access_kind::load : access_kind::store);
            }
        }
    });
}

}  // namespace
}  // namespace longreach
