// SPDX-License-Identifier: MIT
// What plans of the full-size workloads are made of: the order of random touches, areas and gaps, arrays and slices.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/papers/paper_plan.hpp>
#include <longreach/workloads/papers/scattered_order.hpp>
#include <set>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN
struct corrupt_area_book {
    static std::vector<booked_area>& areas(area_book& of) { return of.areas_; }
};
LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

constexpr vma_protection read_write{true, true, false};

page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

TEST(scattered_order, every_number_comes_once_whatever_the_count) {
    for (std::uint64_t count = 1; count < 700; ++count) {
        const scattered_order order(count, count * 31);
        std::vector<bool> seen(count, false);
        for (std::uint64_t place = 0; place < count; ++place) {
            const std::uint64_t number = order.at(place);
            ASSERT_LT(number, count);
            ASSERT_FALSE(seen[number]) << count;
            seen[number] = true;
        }
    }
}

TEST(scattered_order, seeds_differ_and_numbers_jump_about) {
    constexpr std::uint64_t count = 1'000'003;
    const scattered_order order(count, 1), same(count, 1), other(count, 2);
    std::uint64_t near = 0, equal = 0;
    double sum = 0;
    for (std::uint64_t place = 0; place < 10'000; ++place) {
        const std::uint64_t number = order.at(place);
        ASSERT_EQ(number, same.at(place));
        equal += number == other.at(place) ? 1U : 0U;
        sum += static_cast<double>(number);
        const std::uint64_t after = order.at(place + 1);
        near += after - number + 512 < 1024 ? 1U : 0U;
    }
    EXPECT_LT(equal, 5U);
    EXPECT_LT(near, 60U) << "of 10000, about 10 by chance";
    EXPECT_NEAR(sum / 10'000, count / 2.0, count / 50.0);
}

TEST(scattered_order_death, no_number_and_no_place_beyond_the_last) {
    EXPECT_DEATH(scattered_order(0, 1), "");
    EXPECT_DEATH((void)scattered_order(5, 1).at(5), "");
}

TEST(area_book, a_mapping_goes_to_the_end_of_the_highest_gap_that_is_large_enough) {
    area_book book;
    const std::uint64_t top = area_book::map_top.raw;
    EXPECT_EQ(book.highest_gap(page_count{10}), vpn{top - 10});
    book.add({pages(top - 100, 40), read_write, true});  // below it all is free, above it 60 pages
    EXPECT_EQ(book.highest_gap(page_count{60}), vpn{top - 60});
    EXPECT_EQ(book.highest_gap(page_count{61}), vpn{top - 161});
    book.add({pages(top + 50, 10), read_write, true});  // a stack beyond the region does not count
    EXPECT_EQ(book.highest_gap(page_count{60}), vpn{top - 60});
}

TEST(area_book, anonymous_neighbours_of_one_protection_are_one_area) {
    area_book book;
    book.add({pages(100, 10), read_write, true});
    book.add({pages(120, 10), read_write, true});
    EXPECT_EQ(book.all().size(), 2U);
    book.add({pages(110, 10), read_write, true});
    ASSERT_EQ(book.all().size(), 1U);
    EXPECT_EQ(book.all()[0].pages, pages(100, 30));
    book.add({pages(130, 10), {true, false, false}, true});
    book.add({pages(90, 10), read_write, false});
    EXPECT_EQ(book.all().size(), 3U);
    book.add({pages(140, 10), {}, true});
    EXPECT_EQ(book.most_pages(), 50U) << "what allows nothing does not count";
    book.remove(pages(105, 10));
    EXPECT_EQ(book.all().size(), 5U);
    EXPECT_EQ(book.most_areas(), 5U);
    EXPECT_EQ(book.audit().label, nullptr);
}

TEST(area_book, its_audit_notices_what_is_broken) {
    const auto label = [](const std::vector<booked_area>& areas) {
        area_book book;
        corrupt_area_book::areas(book) = areas;
        return std::string_view(book.audit().label);
    };
    const booked_area first{pages(100, 10), read_write, true};
    EXPECT_EQ(label({{pages(100, 0), read_write, true}}), "area_book.I1");
    EXPECT_EQ(label({first, {pages(109, 10), read_write, true}}), "area_book.I1");
    EXPECT_EQ(label({first, {pages(90, 10), read_write, true}}), "area_book.I1");
    EXPECT_EQ(label({first, {pages(110, 10), read_write, true}}), "area_book.I2");
}

TEST(area_book_death, a_mapping_larger_than_the_address_space_has_no_place) {
    EXPECT_DEATH((void)area_book().highest_gap(page_count{area_book::map_top.raw}), "");
}

TEST(paper_plan, slices_of_an_array_meet_without_sharing_a_page_and_fill_it) {
    for (const std::uint64_t divisor : {1U, 3U, 64U}) {
        paper_plan plan(divisor);
        const paper_array array = plan.allocate(17'000'003, 0);
        EXPECT_EQ(array.pages.count, ceil_pages(17'000'003 / divisor + 16));
        vpn at = array.pages.first;
        for (std::uint64_t from = 0; from < array.bytes; from += 1'000'001) {
            const page_run slice = array.slice(from, std::min(from + 1'000'001, array.bytes));
            EXPECT_EQ(slice.first, at);
            at = slice.end();
        }
        EXPECT_EQ(at, array.pages.end());
    }
}

TEST(paper_plan, what_is_freed_gives_its_place_to_the_next_array_that_fits) {
    paper_plan plan(1);
    const paper_array first = plan.allocate(1 << 20, 0);
    const paper_array second = plan.allocate(1 << 20, 0);
    EXPECT_EQ(second.pages.end(), first.pages.first);
    plan.fill({first.pages});
    plan.fill({second.pages});
    plan.release(first);
    EXPECT_EQ(plan.allocate(1 << 21, 0).pages.end(), second.pages.first);
    const paper_array again = plan.allocate(1 << 20, 0);
    EXPECT_EQ(again.pages, first.pages);
    plan.fill({again.pages});
    EXPECT_EQ(plan.touched_pages(), 3 * first.pages.count.raw);
    EXPECT_EQ(plan.peak_pages(), 2 * first.pages.count.raw);
    plan.release(again);
    plan.release(second);
    const paper_array last = plan.allocate(std::uint64_t{1} << 24, 0);
    plan.fill({last.pages});
    EXPECT_EQ(plan.peak_pages(), last.pages.count.raw) << "nothing else is left";
}

TEST(paper_plan, the_last_word_about_the_heat_of_a_page_counts) {
    paper_plan plan(1);
    plan.heat(pages(100, 100), 10);
    plan.heat(pages(120, 30), 20);
    plan.heat(pages(90, 20), 30);
    std::uint64_t known = 0;
    for (const page_heat& heat : plan.heats()) {
        known += heat.pages.count.raw;
        if (heat.pages.contains(vpn{115})) {
            EXPECT_EQ(heat.per_region, 10U);
        }
        if (heat.pages.contains(vpn{149})) {
            EXPECT_EQ(heat.per_region, 20U);
        }
        if (heat.pages.contains(vpn{150})) {
            EXPECT_EQ(heat.per_region, 10U);
        }
        if (heat.pages.contains(vpn{109})) {
            EXPECT_EQ(heat.per_region, 30U);
        }
    }
    EXPECT_EQ(known, 110U);
}

}  // namespace
}  // namespace longreach
