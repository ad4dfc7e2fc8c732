// SPDX-License-Identifier: MIT
// Nasty lives of areas, under thp and under ca_paging over a real buddy: odd sizes, refaults, splits, forks, moves,
// no superpage left, no memory left. After each, nothing is lost. E15 to E26 are the case numbers of the list that the
// original kernel's study gives.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/space_family.hpp"

namespace longreach {
namespace {

constexpr permissions rw = user_permissions(true, true, false);
constexpr area_flags plain{};

constexpr page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

template <class World>
struct nasty_spaces : testing::Test {
    using family_type = model::space_family<World>;
    using space_type = typename family_type::space_type;
    static constexpr bool contiguous = std::is_same_v<World, model::ca_world>;

    void TearDown() override {
        sound("at the end");
        parent.exit();
        child.exit();
        for (const pfn stolen : stolen_) zone.free(stolen, base_order);
        EXPECT_EQ(zone.free_frames(), world.frames().count) << "every frame is back";
        EXPECT_EQ(family.references().further_holds(), 0U);
        EXPECT_EQ(family.audit().label, nullptr);
    }
    void sound(const std::string& when) { EXPECT_EQ(family.audit().label, nullptr) << when; }

    void map(page_run where, area_flags flags = plain) { ASSERT_EQ(parent.map(where, rw, {}, flags), status::ok); }
    static fault_result<pfn> load(space_type& space, std::uint64_t page) {
        return space.fault(vpn{page}, access_kind::load);
    }
    static fault_result<pfn> store(space_type& space, std::uint64_t page) {
        return space.fault(vpn{page}, access_kind::store);
    }
    static void store_all(space_type& space, page_run where) {
        for (vpn page = where.first; page < where.end(); page += page_count{1}) {
            ASSERT_EQ(space.fault(page, access_kind::store).outcome, status::ok);
        }
    }
    /// Contiguity is promised by ca_paging only.
    void expect_at_most(std::size_t most, page_run where) {
        std::size_t count = 0;
        parent.for_each_mapping(where, [&](const mapping<vpn, pfn>&) { ++count; });
        if (contiguous) {
            EXPECT_LE(count, most) << where.first.raw << " + " << where.count.raw;
        }
    }
    /// Somebody else takes a frame that is free.
    void steal(pfn frame) {
        ASSERT_EQ(zone.allocate_at(frame, base_order), status::ok);
        stolen_.push_back(frame);
    }
    /// Takes one frame of every 2 MiB block that is free.
    void break_every_superpage_left() {
        for (pfn block = align_up(world.frames().first, superpage_order); block < world.frames().end();
             block += superpage_order.pages()) {
            if (zone.is_free(block, superpage_order)) steal(block + page_count{300});
        }
    }

    World world{16384};
    family_type family{world};
    buddy& zone = world.zone();
    space_type& parent = family.add({.number = 1, .stack_limit = page_count{4096}});
    space_type& child = family.add({.number = 2});

  private:
    std::vector<pfn> stolen_;
};

using worlds = testing::Types<model::thp_world, model::ca_world>;
TYPED_TEST_SUITE(nasty_spaces, worlds);

TYPED_TEST(nasty_spaces, E15_areas_of_odd_starts_and_sizes_take_superpages_exactly_where_whole_ones_fit) {
    random_numbers draw(15);
    for (const std::uint64_t start : {1U, 2U, 255U, 256U, 510U, 511U}) {
        for (const std::uint64_t size : {511U, 512U, 513U, 1023U}) {
            const page_run area = pages(5120 + start, size);
            const vpn whole = align_up(area.first, superpage_order);
            const bool fits = whole + superpage_order.pages() <= area.end();
            for (unsigned way = 0; way < 4; ++way) {
                std::vector<std::uint64_t> touched;
                for (std::uint64_t i = 0; i < size; ++i) touched.push_back(area.first.raw + i);
                if (way == 1) std::rotate(touched.begin(), touched.begin() + static_cast<int>(size / 2), touched.end());
                if (way == 2) std::reverse(touched.begin(), touched.end());
                for (std::size_t i = size; way == 3 && i > 1; --i) std::swap(touched[i - 1], touched[draw.below(i)]);
                this->map(area);
                for (const std::uint64_t page : touched) ASSERT_EQ(this->store(this->parent, page).outcome, status::ok);
                EXPECT_EQ(this->parent.resident_pages(), area.count);
                EXPECT_EQ(this->parent.resident_superpages(), fits ? 1U : 0U);
                this->expect_at_most(1, area);
                this->sound(std::to_string(start) + " " + std::to_string(size));
                ASSERT_EQ(this->parent.unmap(area), status::ok);
            }
        }
    }
}

TYPED_TEST(nasty_spaces, E17_a_superpage_whose_frames_were_lost_twice_is_placed_anew_twice) {
    this->map(pages(0, 2048));
    this->store_all(this->parent, pages(0, 2048));
    for (unsigned i = 0; i < 2; ++i) {
        const pfn lost = this->parent.translate(vpn{512})->frame;
        ASSERT_EQ(this->parent.discard(pages(512, 512)), status::ok);
        this->steal(lost + page_count{7});
        const auto again = this->store(this->parent, 600);
        EXPECT_EQ(again.kind, fault_kind::first_touch);
        EXPECT_EQ(again.size, superpage_order);
        EXPECT_NE(this->parent.translate(vpn{512})->frame, lost);
        this->sound("after a loss");
    }
    this->expect_at_most(3, pages(0, 2048));
}

TYPED_TEST(nasty_spaces, E17_a_superpage_that_was_discarded_and_lost_nothing_gets_the_same_frames) {
    this->map(pages(0, 2048));
    this->store_all(this->parent, pages(0, 2048));
    const pfn before = this->parent.translate(vpn{512})->frame;
    ASSERT_EQ(this->parent.discard(pages(512, 512)), status::ok);
    ASSERT_EQ(this->store(this->parent, 600).outcome, status::ok);
    EXPECT_TRUE(!this->contiguous || this->parent.translate(vpn{512})->frame == before);
}

TYPED_TEST(nasty_spaces, E20_halves_that_part_and_meet_again_are_one_area_and_one_run) {
    this->map(pages(1000, 3000));
    ASSERT_EQ(this->store(this->parent, 2000).outcome, status::ok);
    ASSERT_EQ(this->parent.protect(pages(2500, 1500), user_permissions(true, false, false)), status::ok);
    ASSERT_EQ(this->load(this->parent, 3900).outcome, status::ok);
    this->store_all(this->parent, pages(1000, 1500));
    this->sound("apart");
    ASSERT_EQ(this->parent.protect(pages(2500, 1500), rw), status::ok);
    EXPECT_EQ(this->parent.entries().size(), 1U);
    this->store_all(this->parent, pages(1000, 3000));
    EXPECT_EQ(this->parent.resident_pages(), page_count{3000});
    this->expect_at_most(1, pages(1000, 3000));
}

TYPED_TEST(nasty_spaces, E20_a_hole_in_the_middle_and_a_stack_that_grows_below_its_first_page) {
    this->map(pages(8000, 2000), {.grows_down = true});
    this->store_all(this->parent, pages(8000, 2000));
    ASSERT_EQ(this->parent.unmap(pages(8500, 700)), status::ok);
    this->sound("with a hole");
    this->map(pages(8500, 700), {.grows_down = true});
    EXPECT_EQ(this->parent.entries().size(), 1U);
    for (std::uint64_t page = 7999; page > 7000; --page) ASSERT_EQ(this->store(this->parent, page).outcome, status::ok);
    EXPECT_EQ(this->parent.faults().extensions, 999U);
    this->store_all(this->parent, pages(7001, 2999));
    EXPECT_EQ(this->parent.resident_pages(), page_count{2999});
    this->expect_at_most(4, pages(7001, 2999));
}

TYPED_TEST(nasty_spaces, E20_room_kept_for_growth_goes_with_its_space_though_somebody_took_a_frame_of_it) {
    this->map(pages(0, 600), {.grows_up = true});
    this->store_all(this->parent, pages(0, 600));
    const pfn beyond = this->parent.translate(vpn{599})->frame + page_count{1};
    if (this->zone.is_free(beyond, base_order)) this->steal(beyond);
    ASSERT_EQ(this->parent.unmap(pages(500, 100)), status::ok);
    this->parent.exit();
    EXPECT_EQ(this->zone.unreserved_frames(), this->zone.free_frames()) << "nothing is promised to anybody";
}

TYPED_TEST(nasty_spaces, E20_room_kept_for_growth_ends_before_the_next_place_of_the_space) {
    this->map(pages(4100, 100));
    this->map(pages(5000, 100));
    this->store_all(this->parent, pages(4100, 100));
    this->store_all(this->parent, pages(5000, 100));
    this->map(pages(4250, 50), {.grows_up = true});  // 512 pages more, rounded up to 2 MiB, would end at 5120
    ASSERT_EQ(this->store(this->parent, 4250).outcome, status::ok);
    this->sound("grows up");
    ASSERT_EQ(this->parent.unmap(pages(4250, 50)), status::ok);
    this->map(pages(4900, 50), {.grows_down = true});  // and rounded down begin at 4096
    ASSERT_EQ(this->store(this->parent, 4900).outcome, status::ok);
}

TYPED_TEST(nasty_spaces, E21_fork_then_parent_write_child_write_child_exec_and_exit) {
    this->map(pages(100, 1500));
    this->store_all(this->parent, pages(100, 1500));
    const std::uint64_t tables = this->family.policy().tables_held();
    ASSERT_EQ(this->child.fork_of(this->parent), status::ok);
    this->store_all(this->parent, pages(100, 300));
    this->sound("after the parent's stores");
    this->store_all(this->child, pages(350, 700));
    this->sound("after the child's stores");
    EXPECT_EQ(this->family.policy().frames_held(), 1500U + 300 + 112 + 1024)
        << "the child reused 350 to 399, copied 400 to 511, and two superpages whole";
    this->child.exec(3);
    EXPECT_EQ(this->family.policy().frames_held(), 1500U);
    EXPECT_EQ(this->family.policy().tables_held(), tables);
    this->store_all(this->parent, pages(100, 1500));
    EXPECT_EQ(this->family.policy().frames_held(), 1500U) << "all its own again, without one more copy";
    ASSERT_EQ(this->child.fork_of(this->parent), status::ok);
    this->child.exit();
}

TYPED_TEST(nasty_spaces, E21_a_superpage_is_copied_whole_while_there_is_a_block_and_page_by_page_after) {
    this->map(pages(0, 1024));
    this->store_all(this->parent, pages(0, 1024));
    ASSERT_EQ(this->child.fork_of(this->parent), status::ok);
    EXPECT_EQ(this->store(this->child, 5).size, superpage_order);
    this->break_every_superpage_left();
    const auto second = this->store(this->child, 600);
    EXPECT_EQ(second.kind, fault_kind::copy);
    EXPECT_EQ(second.size, base_order);
    this->store_all(this->child, pages(512, 512));
    EXPECT_EQ(this->family.policy().frames_held(), 2048U);
    EXPECT_EQ(this->store(this->parent, 700).kind, fault_kind::reuse);
    EXPECT_EQ(this->parent.resident_superpages(), 2U) << "the parent's are whole";
}

TYPED_TEST(nasty_spaces, E22_areas_moved_up_and_down_take_faults_beside_what_moved) {
    this->map(pages(2048, 1024));
    this->store_all(this->parent, pages(2048, 600));
    for (const std::uint64_t to : {20480U, 1024U, 30007U}) {
        const std::uint64_t from = this->parent.entries()[0].pages.first.raw;
        ASSERT_EQ(this->parent.move(pages(from, 1024), pages(to, 1024)), status::ok);
        this->sound("moved to " + std::to_string(to));
        ASSERT_EQ(this->store(this->parent, to + 1023).outcome, status::ok);
        ASSERT_EQ(this->parent.map(pages(to + 1024, 10), rw, {}, plain), status::ok);
        ASSERT_EQ(this->store(this->parent, to + 1030).outcome, status::ok);
        ASSERT_EQ(this->parent.unmap(pages(to + 1024, 10)), status::ok);
    }
    this->store_all(this->parent, pages(30007, 1024));
    EXPECT_EQ(this->parent.resident_pages(), page_count{1024});
}

TYPED_TEST(nasty_spaces, E23_without_any_superpage_left_areas_take_single_pages_and_ca_keeps_them_together) {
    this->break_every_superpage_left();
    this->map(pages(0, 4096));
    this->store_all(this->parent, pages(0, 4096));
    EXPECT_EQ(this->parent.resident_superpages(), 0U);
    EXPECT_EQ(this->parent.resident_pages(), page_count{4096});
    this->expect_at_most(18, pages(0, 4096));  // free runs have 511 frames: no placement needs fewer than 9
}

TYPED_TEST(nasty_spaces, E25_memory_that_runs_out_falls_back_to_single_pages_then_refuses_and_loses_nothing) {
    this->map(pages(0, 9000));
    this->map(pages(20000, 9000));
    std::uint64_t resident = 0;
    bool refused = false;
    for (std::uint64_t i = 0; i < 9000; ++i) {
        for (const std::uint64_t page : {i, 20000 + i}) {
            const auto told = this->store(this->parent, page);
            refused = refused || told.outcome == status::out_of_memory;
            resident += told.outcome == status::ok ? 1 : 0;
        }
    }
    EXPECT_TRUE(refused);
    EXPECT_EQ(this->zone.free_frames(), page_count{0});
    EXPECT_EQ(this->parent.resident_pages().raw + this->parent.tables().table_count().raw, 16384U);
    EXPECT_LE(resident, this->parent.resident_pages().raw);
    this->sound("full");
    ASSERT_EQ(this->parent.unmap(pages(0, 9000)), status::ok);
    EXPECT_EQ(this->store(this->parent, 28999).outcome, status::ok) << "what one gives up the other gets";
}

TYPED_TEST(nasty_spaces, E26_there_is_no_zero_page_a_load_takes_the_frame_that_the_store_then_finds) {
    this->map(pages(100, 1500));
    std::vector<pfn> loaded;
    for (std::uint64_t page = 100; page < 1600; ++page) loaded.push_back(this->load(this->parent, page).frame);
    EXPECT_EQ(this->parent.resident_pages(), page_count{1500});
    for (std::uint64_t page = 100; page < 1600; ++page) {
        const auto stored = this->store(this->parent, page);
        EXPECT_EQ(stored.kind, fault_kind::none);
        EXPECT_EQ(stored.frame, loaded[page - 100]);
    }
    EXPECT_EQ(this->parent.faults().copies, 0U);
}

}  // namespace
}  // namespace longreach
