// SPDX-License-Identifier: MIT
// The situations in which the page-collect tool of CA paging counts wrong, labelled as in nasty_map_test.cpp: E28 one
// machine, E29 a machine in a machine.

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <longreach/workloads/census.hpp>
#include <longreach/workloads/native_machine.hpp>
#include <longreach/workloads/virtual_machine.hpp>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/placement_machine.hpp"

namespace longreach {
namespace {

constexpr vpn heap{std::uint64_t{1} << 27};  // on a 1 GiB boundary
const machine_options small{page_count{8192}, {}, 1, 64, 64};

vma_event event_of(vma_kind kind, std::uint64_t first, std::uint64_t count, bool writable = true) {
    vma_event event;
    event.kind = kind;
    event.pages = {heap + page_count{first}, page_count{count}};
    event.flags = vma_event::map_private;
    event.backing = vma_backing::anonymous;
    event.protection = vma_protection{true, writable, false};
    return event;
}

template <class Machine>
void map_pages(Machine& machine, std::uint64_t first, std::uint64_t count) {
    ASSERT_EQ(machine.apply(event_of(vma_kind::mmap, first, count)), status::ok);
}
template <class Machine>
void unmap_pages(Machine& machine, std::uint64_t first, std::uint64_t count) {
    ASSERT_EQ(machine.apply(event_of(vma_kind::munmap, first, count)), status::ok);
}
template <class Machine>
void touch_pages(Machine& machine, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        ASSERT_EQ(machine.touch(heap + page_count{first + i}, access_kind::load), status::ok);
    }
}

/// So many runs of each length, longest first.
std::vector<std::uint64_t> lengths(std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> counted) {
    std::vector<std::uint64_t> all;
    for (const auto& [length, count] : counted) all.insert(all.end(), count, length);
    return all;
}
std::uint64_t sum(const std::vector<std::uint64_t>& all) { return pages_in_longest(all, all.size()); }

// ---------------------------------------------------------------------------------- E28: one machine

// The tool counts a run of length 1 at every start, and never the last run of a process.
TEST(nasty_census, E28_absent_first_pages_add_no_run_and_the_last_run_counts) {
    native_machine<ca_kind> machine(small);
    map_pages(machine, 3, 400);
    touch_pages(machine, 13, 100);
    const census counted = machine.count();
    EXPECT_EQ(counted.runs, 1U);
    EXPECT_EQ(counted.pages, 100U);
    EXPECT_EQ(counted.n99, 1U);
}

// The tool skips 512 pages at a hole that follows 2 MiB.
TEST(nasty_census, E28_a_hole_behind_a_superpage_hides_nothing) {
    native_machine<ca_kind> machine(small);
    map_pages(machine, 0, 512 + 300);
    touch_pages(machine, 0, 1);
    touch_pages(machine, 512 + 5, 90);
    const census counted = machine.count();
    EXPECT_EQ(counted.superpages, 1U);
    EXPECT_EQ(counted.pages, 512U + 90);
    EXPECT_EQ(counted.runs, 2U);
}

// The tool counts the first page of a superpage that is mapped by 4 KiB as 512.
TEST(nasty_census, E28_a_superpage_that_was_split_counts_by_what_is_left_of_it) {
    native_machine<ca_kind> machine(small);
    map_pages(machine, 0, 1024);
    touch_pages(machine, 0, 1);
    touch_pages(machine, 512, 1);
    unmap_pages(machine, 100, 50);
    const census counted = machine.count();
    EXPECT_EQ(counted.superpages, 1U);
    EXPECT_EQ(counted.pages, 1024U - 50);
    EXPECT_EQ(counted.runs, 2U) << "100 pages, and all behind the hole";
}

TEST(nasty_census, E28_an_empty_process_has_no_run) {
    native_machine<ca_kind> machine(small);
    EXPECT_EQ(machine.count().runs, 0U);
    map_pages(machine, 0, 1000);
    const census counted = machine.count();
    EXPECT_EQ(counted.pages, 0U);
    EXPECT_EQ(counted.runs, 0U);
    EXPECT_EQ(counted.n80 + counted.n90 + counted.n99 + counted.stretches99, 0U);
    EXPECT_EQ(counted.cover32, 0.0);
    EXPECT_EQ(counted.cover128, 0.0);
}

TEST(nasty_census, E28_one_page_is_one_run_that_covers_everything) {
    native_machine<ca_kind> machine(small);
    map_pages(machine, 7, 1);
    touch_pages(machine, 7, 1);
    const census counted = machine.count();
    EXPECT_EQ(counted.runs, 1U);
    EXPECT_EQ(counted.n80, 1U);
    EXPECT_EQ(counted.n99, 1U);
    EXPECT_EQ(counted.cover32, 1.0);
}

// The tool prints 0 where there are exactly as many runs as asked for, or fewer.
TEST(nasty_census, E28_exactly_32_64_128_or_256_runs_cover_everything) {
    for (const std::uint64_t n : {32U, 64U, 128U, 256U}) {
        for (const std::uint64_t more : {0U, 1U}) {
            const auto runs = lengths({{10, n + more}});
            EXPECT_EQ(pages_in_longest(runs, n), 10 * n);
            EXPECT_EQ(pages_in_longest(runs, n + 1), 10 * (n + more));
        }
    }
    EXPECT_EQ(take_census(lengths({{10, 32}}), {320}, 0).cover32, 1.0);
    EXPECT_EQ(take_census(lengths({{10, 128}}), {1280}, 0).cover128, 1.0);
    EXPECT_DOUBLE_EQ(take_census(lengths({{10, 33}}), {330}, 0).cover32, 320.0 / 330);
}

// The values that the tool prints rightly.
TEST(nasty_census, E28_shares_agree_with_the_tool_where_it_is_right) {
    const census equal = take_census(lengths({{10, 33}}), {330}, 0);
    EXPECT_EQ(equal.n80, 27U);
    EXPECT_EQ(equal.n90, 30U);
    EXPECT_EQ(equal.n99, 33U);
    const auto runs = lengths({{512, 100}, {10, 200}, {1, 500}});
    const census mixed = take_census(runs, runs, 100);
    EXPECT_EQ(mixed.pages, 53700U);
    EXPECT_EQ(mixed.n80, 84U);
    EXPECT_EQ(mixed.n90, 95U);
    EXPECT_EQ(mixed.n99, 297U);
    EXPECT_EQ(pages_in_longest(runs, 32), 16384U);
    EXPECT_EQ(pages_in_longest(runs, 64), 32768U);
    EXPECT_EQ(pages_in_longest(runs, 128), 51480U);
    EXPECT_EQ(pages_in_longest(runs, 256), 52760U);
}

// The tool divides by 0 pages.
TEST(nasty_census, E28_no_pages_at_all_need_no_run) {
    EXPECT_EQ(fewest_runs({}, 0, 99), 0U);
    EXPECT_EQ(fewest_runs({0, 0}, 0, 80), 0U);
    EXPECT_EQ(take_census({}, {}, 0).cover128, 0.0);
}

// The tool counts with 24 bits of precision, and areas of 8 TiB overflow it.
TEST(nasty_census, E28_shares_of_more_than_2_to_the_24_pages_are_exact_to_the_page) {
    constexpr std::uint64_t percent = std::uint64_t{1} << 24;
    EXPECT_EQ(fewest_runs({99 * percent, percent}, 100 * percent, 99), 1U);
    EXPECT_EQ(fewest_runs({99 * percent - 1, percent, 1}, 100 * percent, 99), 2U);
    constexpr std::uint64_t huge = std::uint64_t{1} << 40;
    EXPECT_EQ(fewest_runs({huge, 1}, huge + 1, 99), 1U);
    EXPECT_EQ(sum({huge, huge}), 2 * huge);
}

// The tool charges aligned starts with a piece too many.
TEST(nasty_census, E28_a_run_counts_once_wherever_it_starts) {
    for (const std::uint64_t first : {0U, 1U, 511U, 512U, 513U, 1024U}) {
        run_counter count;
        count.next_entry();
        for (std::uint64_t i = 0; i < 3000; ++i) count.add(first + i, 7 * 512 + first + i, 1);
        EXPECT_EQ(count.runs, std::vector<std::uint64_t>{3000}) << first;
    }
}

// The tool starts a run anew at the next line of maps but cuts the old one at the wrong place.
TEST(nasty_census, E28_a_run_ends_with_its_area_and_areas_that_are_one_share_one) {
    native_machine<ca_kind> machine(small);
    map_pages(machine, 10, 100);
    ASSERT_EQ(machine.apply(event_of(vma_kind::mmap, 110, 100, false)), status::ok);
    touch_pages(machine, 10, 200);
    EXPECT_EQ(machine.count().runs, 2U) << "contiguous in page and frame, but two areas";
    ASSERT_EQ(machine.apply(event_of(vma_kind::mprotect, 110, 100)), status::ok);
    EXPECT_EQ(machine.count().runs, 1U) << "now it is one area";
    EXPECT_EQ(machine.count().pages, 200U);
}

// ------------------------------------------------------------------------- E29: a machine in a machine

/// Where the pages of either dimension go, and by which leaves: a page goes `shift` frames above its number, counted
/// from `heap` in the guest, where the shift is that of the last entry at or below it.
struct plan {
    std::map<std::uint64_t, std::uint64_t> shifts;
    order leaf;
};
plan guest_plan;  // NOLINT: a policy kind has no other way to be told
plan host_plan;   // NOLINT

template <class Page, class Frame>
class planned {
  public:
    using page = Page;
    using frame = Frame;

    explicit planned(basic_buddy<Frame>& frames) : frames_(frames), next_table_(frames.managed().end()) {}

    template <class Mapped>
    std::optional<Frame> allocate(const placement_request<Page>& request, const Mapped&) {
        constexpr bool is_guest = std::is_same_v<Page, vpn>;
        const plan& follow = is_guest ? guest_plan : host_plan;
        const std::uint64_t n = request.page.raw - (is_guest ? heap.raw : 0);
        const Frame wanted{n + std::prev(follow.shifts.upper_bound(n))->second};
        if (request.size > follow.leaf || !is_aligned(wanted, request.size)) return {};
        if (frames_.allocate_at(wanted, request.size) != status::ok) return {};
        return wanted;
    }
    void free(std::uint32_t, Page, Frame block, order size) { frames_.free(block, size); }
    std::optional<Frame> allocate_table() {
        next_table_ -= page_count{1};
        if (frames_.allocate_at(next_table_, base_order) != status::ok) return {};
        return next_table_;
    }
    void free_table(Frame table) { frames_.free(table, base_order); }
    void release(std::uint32_t, run<Page>) {}
    void move(std::uint32_t, run<Page>, Page) {}
    void fork(std::uint32_t, std::uint32_t) {}
    [[nodiscard]] placement_counters counters() const { return {}; }
    [[nodiscard]] violation audit() const { return frames_.audit(); }

  private:
    basic_buddy<Frame>& frames_;
    Frame next_table_;
};

struct planned_kind : detail::kind_base<policy_name::thp, superpage_use::always> {
    template <class Page, class Frame>
    class over {
      public:
        using policy_type = planned<Page, Frame>;
        over(simulated_zone<Frame>& zone, std::uint64_t) : policy_(zone.frames()) {}
        [[nodiscard]] policy_type& policy() noexcept { return policy_; }

      private:
        policy_type policy_;
    };
};

/// 2 MiB of pages, all touched, under these plans.
struct planned_machine : virtual_machine<planned_kind> {
    planned_machine(const plan& guest, const plan& host) : virtual_machine(with(guest, host)) {
        map_pages(*this, 0, 512);
        touch_pages(*this, 0, 512);
    }
    static const machine_options& with(const plan& guest, const plan& host) {
        guest_plan = guest;
        host_plan = host;
        return small;
    }
};

TEST(nasty_census, E29_a_guest_superpage_on_4_Ki_b_frames_of_the_host_is_one_run_until_the_host_jumps) {
    const planned_machine one({{{0, 512}}, superpage_order}, {{{0, 1000}}, base_order});
    EXPECT_EQ(one.count().superpages, 1U) << "of the guest";
    EXPECT_EQ(one.count().pages, 512U);
    EXPECT_EQ(one.count().runs, 1U);
    const planned_machine cut({{{0, 512}}, superpage_order}, {{{0, 1000}, {512 + 100, 2000}}, base_order});
    EXPECT_EQ(cut.count().superpages, 1U);
    EXPECT_EQ(cut.count().runs, 2U);
    EXPECT_EQ(cut.count().n80, 1U) << "412 of 512 pages";
    EXPECT_EQ(cut.count().n99, 2U);
}

TEST(nasty_census, E29_a_host_superpage_under_4_Ki_b_pages_of_the_guest_is_one_run_until_the_guest_jumps) {
    const planned_machine one({{{0, 512}}, base_order}, {{{0, 0}}, superpage_order});
    EXPECT_EQ(one.count().superpages, 0U);
    EXPECT_EQ(one.count().runs, 1U);
    const planned_machine cut({{{0, 512}, {200, 1024}}, base_order}, {{{0, 0}}, superpage_order});
    EXPECT_EQ(cut.count().runs, 2U);
    EXPECT_EQ(cut.count().pages, 512U);
}

// The tool leaves the size of such a page as it was.
TEST(nasty_census, E29_superpages_of_both_that_lie_differently_are_counted_by_page) {
    const planned_machine shifted({{{0, 512 + 256}}, superpage_order}, {{{0, 0}}, superpage_order});
    EXPECT_EQ(shifted.count().superpages, 0U) << "the guest finds no aligned frame and takes 4 KiB";
    EXPECT_EQ(shifted.count().pages, 512U);
    EXPECT_EQ(shifted.count().runs, 1U) << "across two host superpages that adjoin";
    const planned_machine apart({{{0, 512 + 256}}, superpage_order}, {{{0, 0}, {1024, 1024}}, superpage_order});
    EXPECT_EQ(apart.count().runs, 2U) << "across two that do not";
}

// The tool ends a run where the guest frame jumps although the host frame goes on.
TEST(nasty_census, E29_a_jump_of_the_guest_frame_ends_no_run_where_the_host_frame_goes_on) {
    const planned_machine machine({{{0, 512}, {100, 1536}}, base_order},
                                  {{{0, 0}, {1536 + 100, std::uint64_t{0} - 1024}}, base_order});
    EXPECT_EQ(machine.count().runs, 1U);
    EXPECT_EQ(machine.count().pages, 512U);
}

TEST(nasty_census, E29_a_change_of_rights_inside_a_run_ends_it_as_long_as_it_lasts) {
    planned_machine machine({{{0, 512}}, base_order}, {{{0, 0}}, superpage_order});
    ASSERT_EQ(machine.apply(event_of(vma_kind::mprotect, 100, 50, false)), status::ok);
    EXPECT_EQ(machine.count().runs, 3U);
    ASSERT_EQ(machine.apply(event_of(vma_kind::mprotect, 100, 50, true)), status::ok);
    EXPECT_EQ(machine.count().runs, 1U);
}

// The tool takes frame 0xffffffff for "not mapped".
TEST(nasty_census, E29_no_frame_number_means_that_a_page_is_absent) {
    for (const std::uint64_t sentinel : {std::uint64_t{0xffffffff}, std::numeric_limits<std::uint64_t>::max() >> 2}) {
        run_counter count;
        count.next_entry();
        for (std::uint64_t i = 0; i < 8; ++i) count.add(i, sentinel - 4 + i, 1);
        EXPECT_EQ(count.runs, std::vector<std::uint64_t>{8});
        model::placement_machine memory(64, sentinel - 32);
        memory.touch_all(model::area_of(0, 64));
        EXPECT_EQ(memory.runs(), 1U);
    }
}

}  // namespace
}  // namespace longreach
