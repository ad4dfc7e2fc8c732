// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/touched_pages.hpp>
#include <map>
#include <set>
#include <string_view>

LONGREACH_NAMESPACE_BEGIN
struct touched_pages_breaker {
    static void miscount_region(touched_pages& of) { ++of.regions_.begin()->second.count; }
    static void store_absent(touched_pages& of) { of.regions_.begin()->second.stored.word[7] = 1; }
    static void forget_past(touched_pages& of) { of.ever_.clear(); }
    static void miscount_pages(touched_pages& of) { ++of.resident_; }
    static void miscount_gib(touched_pages& of) { ++of.gib_.begin()->second; }
    static void lose_half_tib(touched_pages& of) { of.half_tib_.clear(); }
};
LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

std::uint64_t tables_of(const std::set<std::uint64_t>& pages) {
    std::set<std::uint64_t> lowest, middle, upper;
    for (const std::uint64_t page : pages) {
        lowest.insert(page >> 9);
        middle.insert(page >> 18);
        upper.insert(page >> 27);
    }
    return 1 + lowest.size() + middle.size() + upper.size();
}

TEST(touched_pages, pages_arrive_are_stored_to_move_and_go_as_in_a_set) {
    touched_pages pages;
    std::map<std::uint64_t, bool> model;
    std::set<std::uint64_t> ever;
    random_numbers random(1);
    const auto draw = [&] {
        constexpr std::uint64_t bases[] = {500, (1 << 18) - 10, (std::uint64_t{1} << 27) - 10};
        return vpn{bases[random.below(3)] + random.below(24)};
    };
    for (int i = 0; i < 20000; ++i) {
        const vpn page = draw();
        const page_run range{page, page_count{random.below(20)}};
        switch (random.below(6)) {
            case 0:
            case 1:
            case 2: {
                if (model.contains(page.raw)) break;
                const bool stored = random.chance(1, 2);
                ASSERT_EQ(pages.arrive(page, stored), ever.contains(page.raw));
                model[page.raw] = stored;
                ever.insert(page.raw);
                break;
            }
            case 3:
                pages.store(page);
                if (model.contains(page.raw)) model[page.raw] = true;
                break;
            case 4:
                pages.empty(range);
                for (std::uint64_t p = page.raw; p < range.end().raw; ++p) model.erase(p);
                break;
            default: {
                const page_run to{draw(), range.count};
                if (to.overlaps(range)) break;
                pages.empty(to);
                for (std::uint64_t p = to.first.raw; p < to.end().raw; ++p) model.erase(p);
                std::uint64_t moved = 0, again = 0;
                for (std::uint64_t k = 0; k < range.count.raw; ++k) {
                    const auto found = model.find(page.raw + k);
                    if (found == model.end()) continue;
                    model[to.first.raw + k] = found->second;
                    model.erase(page.raw + k);
                    ++moved;
                    again += ever.insert(to.first.raw + k).second ? 0U : 1U;
                }
                ASSERT_EQ(pages.move(range, to.first), std::pair(moved, again));
            }
        }
        ASSERT_EQ(pages.audit().label, nullptr);
        ASSERT_EQ(pages.resident(), model.size());
        ASSERT_EQ(pages.distinct(), ever.size());
        const vpn asked = draw();
        const auto found = model.find(asked.raw);
        ASSERT_EQ(pages.find(asked).resident, found != model.end());
        ASSERT_EQ(pages.find(asked).stored, found != model.end() && found->second);
        if (i % 50 != 0) continue;
        std::set<std::uint64_t> resident;
        for (const auto& [number, stored] : model) resident.insert(number);
        ASSERT_EQ(pages.table_frames(), tables_of(resident));
        ASSERT_EQ(pages.table_frames_ever(), tables_of(ever));
    }
}

TEST(touched_pages, emptying_a_huge_range_costs_what_lies_in_it) {
    touched_pages pages;
    pages.arrive(vpn{5}, true);
    pages.arrive(vpn{std::uint64_t{1} << 34}, false);
    pages.empty({vpn{6}, page_count{(std::uint64_t{1} << 35) - 6}});
    EXPECT_EQ(pages.resident(), 1U);
    EXPECT_TRUE(pages.find(vpn{5}).resident);
}

/// What a set of pages tells, page by page where two of them may differ.
void expect_equal(const touched_pages& one, const touched_pages& other, vpn first, std::uint64_t count) {
    ASSERT_EQ(one.resident(), other.resident());
    ASSERT_EQ(one.distinct(), other.distinct());
    ASSERT_EQ(one.table_frames(), other.table_frames());
    ASSERT_EQ(one.table_frames_ever(), other.table_frames_ever());
    for (vpn page = first; page < first + page_count{count}; page += page_count{1}) {
        ASSERT_EQ(one.find(page).resident, other.find(page).resident) << page.raw;
        ASSERT_EQ(one.find(page).stored, other.find(page).stored) << page.raw;
    }
}

TEST(touched_pages, a_run_arrives_as_its_pages_do_one_by_one) {
    touched_pages by_run;
    touched_pages by_page;
    random_numbers random(9);
    const vpn first{(std::uint64_t{1} << 27) - 900};  // over the edges of 2 MiB, 1 GiB and 512 GiB
    for (int i = 0; i < 300; ++i) {
        constexpr std::uint64_t lengths[] = {1, 2, 63, 64, 65, 130, 512, 1100};
        const page_run run{first + page_count{random.below(900)}, page_count{lengths[random.below(8)]}};
        if (random.chance(1, 3)) {
            by_run.empty(run);
            by_page.empty(run);
        } else {
            by_run.arrive(run);
            for (vpn page = run.first; page < run.end(); page += page_count{1}) {
                if (!by_page.find(page).resident) by_page.arrive(page, false);
            }
        }
        if (random.chance(1, 4)) {
            by_run.store(run.first);
            by_page.store(run.first);
        }
        ASSERT_EQ(by_run.audit().label, nullptr);
        expect_equal(by_run, by_page, first, 2000);
    }
}

TEST(touched_pages, nothing_arrives_with_an_empty_run) {
    touched_pages pages;
    pages.arrive(page_run{vpn{700}, page_count{0}});
    EXPECT_EQ(pages.resident(), 0U);
    EXPECT_EQ(pages.table_frames_ever(), 1U);
    EXPECT_EQ(pages.audit().label, nullptr);
}

TEST(touched_pages, resident_around_counts_the_pages_of_the_aligned_2_mib_that_holds_a_page) {
    touched_pages pages;
    std::set<std::uint64_t> model;
    random_numbers random(4);
    for (int i = 0; i < 2000; ++i) {
        const page_run run{vpn{random.below(2000)}, page_count{random.below(300)}};
        const bool goes = random.chance(1, 2);
        if (goes) pages.empty(run);
        if (!goes) pages.arrive(run);
        for (std::uint64_t p = run.first.raw; p < run.end().raw; ++p) {
            if (goes) model.erase(p);
            if (!goes) model.insert(p);
        }
        const std::uint64_t asked = random.below(2600);
        const std::uint64_t region = asked / 512 * 512;
        const auto held = std::distance(model.lower_bound(region), model.lower_bound(region + 512));
        ASSERT_EQ(pages.resident_around(vpn{asked}), static_cast<std::uint64_t>(held)) << asked;
    }
}

struct damage {
    const char* label;
    void (*breaks)(touched_pages&);
};

TEST(touched_pages_audit, each_broken_invariant_is_named) {
    const damage all[] = {
        {"touched_pages.I1", &touched_pages_breaker::miscount_region},
        {"touched_pages.I2", &touched_pages_breaker::store_absent},
        {"touched_pages.I2", &touched_pages_breaker::forget_past},
        {"touched_pages.I3", &touched_pages_breaker::miscount_pages},
        {"touched_pages.I3", &touched_pages_breaker::miscount_gib},
        {"touched_pages.I3", &touched_pages_breaker::lose_half_tib},
    };
    for (const damage& one : all) {
        touched_pages pages;
        pages.arrive(vpn{512}, false);
        ASSERT_EQ(pages.audit().label, nullptr);
        one.breaks(pages);
        ASSERT_NE(pages.audit().label, nullptr) << one.label;
        EXPECT_EQ(std::string_view(pages.audit().label), one.label);
    }
}

}
}
