// SPDX-License-Identifier: MIT
// What a run is charged: the pages that a program touched and still has, through every mapping event, and the time and
// the zeroed bytes of its faults.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/run_account.hpp>
#include <set>

namespace longreach {
namespace {

constexpr std::uint64_t base_bytes = page_bytes;
constexpr std::uint64_t superpage_bytes = 512 * page_bytes;
constexpr fault_latency_model model;

page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

vma_event event_of(vma_kind kind, page_run where) {
    vma_event event;
    event.kind = kind;
    event.pages = where;
    return event;
}

vma_event move_of(page_run from, page_run to) {
    vma_event event = event_of(vma_kind::mremap, to);
    event.moved_from = from;
    return event;
}

fault_result<pfn> fault_of(fault_kind kind, order size = base_order) { return {status::ok, kind, size, pfn{}}; }

bool has(const run_account& account, std::uint64_t page) { return account.pages().find(vpn{page}).resident; }

// ---- pages

TEST(run_account_pages, a_mapping_over_touched_pages_and_one_that_goes_leave_none_of_them) {
    for (const vma_kind kind : {vma_kind::init, vma_kind::mmap, vma_kind::munmap, vma_kind::brk_grow,
                                vma_kind::brk_shrink, vma_kind::empty}) {
        run_account account;
        account.touched(pages(1000, 100));
        account.changed(event_of(kind, pages(1010, 20)));
        EXPECT_EQ(account.pages().resident(), 80U);
        EXPECT_TRUE(has(account, 1009));
        EXPECT_FALSE(has(account, 1010));
        EXPECT_FALSE(has(account, 1029));
        EXPECT_TRUE(has(account, 1030));
    }
}

TEST(run_account_pages, rights_advice_and_the_first_break_touch_and_lose_nothing) {
    for (const vma_kind kind : {vma_kind::mprotect, vma_kind::advice, vma_kind::brk_first}) {
        run_account account;
        account.touched(pages(1000, 100));
        account.changed(event_of(kind, pages(1000, kind == vma_kind::brk_first ? 0 : 100)));
        EXPECT_EQ(account.pages().resident(), 100U);
    }
}

TEST(run_account_pages, mremap_in_place_loses_what_it_cuts_off_and_gains_nothing) {
    run_account account;
    account.touched(pages(1000, 100));
    account.changed(move_of(pages(1000, 100), pages(1000, 150)));
    EXPECT_EQ(account.pages().resident(), 100U);
    account.changed(move_of(pages(1000, 150), pages(1000, 30)));
    EXPECT_EQ(account.pages().resident(), 30U);
    EXPECT_TRUE(has(account, 1029));
}

TEST(run_account_pages, mremap_takes_what_fits_to_the_new_place_and_loses_what_was_there) {
    run_account account;
    account.touched(pages(1000, 10));
    account.touched(pages(5000, 40));
    account.changed(move_of(pages(1000, 20), pages(5005, 5)));
    EXPECT_EQ(account.pages().resident(), 40U);  // five of them are those moved
    EXPECT_FALSE(has(account, 1000));
    EXPECT_FALSE(has(account, 1007));  // cut off
    account.changed(move_of(pages(5000, 10), pages(9000, 100)));
    EXPECT_TRUE(has(account, 9009));
    EXPECT_FALSE(has(account, 9010));
    EXPECT_FALSE(has(account, 5009));
    EXPECT_TRUE(has(account, 5010));
}

/// A mapping event on a set of pages.
void happen_to(std::set<std::uint64_t>& touched, const vma_event& event) {
    const auto lose = [&](page_run run) {
        touched.erase(touched.lower_bound(run.first.raw), touched.lower_bound(run.end().raw));
    };
    if (event.kind != vma_kind::mremap) {
        if (event.kind != vma_kind::mprotect) lose(event.pages);
        return;
    }
    std::set<std::uint64_t> moved;
    for (std::uint64_t i = 0; i < std::min(event.moved_from.count, event.pages.count).raw; ++i) {
        if (touched.contains(event.moved_from.first.raw + i)) moved.insert(event.pages.first.raw + i);
    }
    lose(event.moved_from);
    if (event.moved_from.first != event.pages.first) lose(event.pages);
    touched.insert(moved.begin(), moved.end());
}

TEST(run_account_pages, any_events_leave_the_pages_that_a_set_has) {
    constexpr vma_kind kinds[] = {vma_kind::mmap,   vma_kind::munmap, vma_kind::empty,
                                  vma_kind::mremap, vma_kind::mremap, vma_kind::mprotect};
    run_account account;
    std::set<std::uint64_t> touched;
    random_numbers random(3);
    const auto draw = [&] { return pages(400 + random.below(400), 1 + random.below(150)); };
    for (int i = 0; i < 5000; ++i) {
        const page_run where = draw();
        if (random.chance(1, 2)) {
            account.touched(where);
            for (std::uint64_t p = where.first.raw; p < where.end().raw; ++p) touched.insert(p);
        } else {
            vma_event event = event_of(kinds[random.below(6)], where);
            if (event.kind == vma_kind::mremap) {
                event.moved_from = draw();
                if (random.chance(1, 3)) event.moved_from.first = where.first;
                if (event.moved_from.first != where.first && event.moved_from.overlaps(where)) continue;
            }
            account.changed(event);
            happen_to(touched, event);
        }
        ASSERT_EQ(account.pages().resident(), touched.size()) << i;
        const std::uint64_t asked = 400 + random.below(600);
        ASSERT_EQ(has(account, asked), touched.contains(asked)) << i;
        ASSERT_EQ(account.pages().audit().label, nullptr);
    }
}

// ---- time

TEST(run_account_time, each_kind_of_fault_takes_the_time_of_the_model) {
    struct known {
        fault_kind kind;
        order size;
        std::uint64_t ns;
        std::uint64_t zeroed;
    };
    const known all[] = {
        {fault_kind::first_touch, base_order, model.base_fault_ns + model.zero_base_ns, base_bytes},
        {fault_kind::first_touch, superpage_order, model.superpage_fault_ns + model.zero_superpage_ns, superpage_bytes},
        {fault_kind::copy, base_order, model.base_fault_ns + model.zero_base_ns, 0},  // written, but not zeroed
        {fault_kind::copy, superpage_order, model.superpage_fault_ns + model.zero_superpage_ns, 0},
        {fault_kind::refill, base_order, model.base_fault_ns, 0},
        {fault_kind::reuse, base_order, model.base_fault_ns, 0},
        {fault_kind::file_page, base_order, model.base_fault_ns, 0},
        {fault_kind::refill, superpage_order, model.superpage_fault_ns, 0},
    };
    for (const known& each : all) {
        run_account account;
        account.served(fault_of(each.kind, each.size));
        EXPECT_EQ(account.now_ns(), each.ns) << static_cast<int>(each.kind) << " order " << each.size.raw;
        const run_costs costs = account.costs();
        EXPECT_EQ(costs.fault_ns, each.ns);
        EXPECT_EQ(costs.fault_ns_longest, each.ns);
        EXPECT_EQ(costs.fault_ns_p50, each.ns);
        EXPECT_EQ(costs.fault_zeroed_bytes, each.zeroed);
    }
}

TEST(run_account_time, a_mapping_call_is_one_fault_however_much_it_brings_and_none_where_it_brings_nothing) {
    run_account account;
    account.end_call();
    EXPECT_EQ(account.now_ns(), 0U);
    for (int i = 0; i < 10; ++i) account.mapped_at_once(superpage_order);
    for (int i = 0; i < 3; ++i) account.mapped_at_once(base_order);
    EXPECT_EQ(account.now_ns(), 0U) << "the call has not returned";
    account.end_call();
    account.end_call();
    const std::uint64_t call = model.base_fault_ns + 10 * model.zero_superpage_ns + 3 * model.zero_base_ns;
    EXPECT_EQ(account.now_ns(), call);
    account.served(fault_of(fault_kind::first_touch));
    const run_costs costs = account.costs();
    EXPECT_EQ(costs.fault_ns, call + model.base_fault_ns + model.zero_base_ns);
    EXPECT_EQ(costs.fault_ns_longest, call);
    EXPECT_EQ(costs.fault_ns_p99, call);
    EXPECT_LT(costs.fault_ns_p50, call) << "one of two";
    EXPECT_EQ(costs.fault_zeroed_bytes, 10 * superpage_bytes + 4 * base_bytes);
}

TEST(run_account_time, frames_zeroed_ahead_serve_first_touches_until_they_are_used_up) {
    run_account account;
    account.zeroed_ahead(page_count{512 + 2});
    account.served(fault_of(fault_kind::first_touch, superpage_order));
    EXPECT_EQ(account.now_ns(), model.superpage_fault_ns);
    account.served(fault_of(fault_kind::first_touch, superpage_order));  // two frames do not serve it
    EXPECT_EQ(account.now_ns(), 2 * model.superpage_fault_ns + model.zero_superpage_ns);
    account.served(fault_of(fault_kind::copy));  // nor are they of use to a copy
    std::uint64_t so_far = 2 * model.superpage_fault_ns + model.zero_superpage_ns + model.fault_ns(base_order);
    EXPECT_EQ(account.now_ns(), so_far);
    for (int i = 0; i < 3; ++i) account.served(fault_of(fault_kind::first_touch));
    so_far += 3 * model.base_fault_ns + model.zero_base_ns;
    EXPECT_EQ(account.now_ns(), so_far);
    EXPECT_EQ(account.costs().fault_zeroed_bytes, superpage_bytes + base_bytes);
    account.zeroed_ahead(page_count{1});
    account.zeroed_ahead(page_count{0});  // the last word counts
    account.served(fault_of(fault_kind::first_touch));
    EXPECT_EQ(account.now_ns(), so_far + model.fault_ns(base_order));
}

}
}
