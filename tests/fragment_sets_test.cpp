// SPDX-License-Identifier: MIT
// What fragmented memory is built from: sets of units against sets of booleans, subsets, pinned frames, frames taken
// from a buddy however they are scattered, and audits that find what is broken.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <longreach/workloads/fragment/memory_image.hpp>
#include <longreach/workloads/fragment/pinned_frames.hpp>
#include <longreach/workloads/fragment/random_subset.hpp>
#include <longreach/workloads/fragment/unit_set.hpp>
#include <longreach/workloads/zone.hpp>
#include <utility>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

struct unit_set_corruption {
    static void drop_word(unit_set& set) { set.words_.pop_back(); }
    static void set_beyond(unit_set& set) { set.words_.back() |= std::uint64_t{1} << 63; }
};
struct pinned_frames_corruption {
    template <class Frame>
    static void miscount(pinned_frames<Frame>& pinned) {
        ++pinned.count_;
    }
    template <class Frame>
    static unit_set& bits(pinned_frames<Frame>& pinned) {
        return pinned.bits_;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

unit_set drawn(std::uint64_t size, std::uint64_t seed) {
    random_numbers random(seed);
    return random_subset(unit_set(size, true), random.below(size + 1), random);
}

std::vector<bool> plain(const unit_set& set) {
    std::vector<bool> result;
    for (std::uint64_t i = 0; i < set.size(); ++i) result.push_back(set.contains(i));
    return result;
}

constexpr std::uint64_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 200, 1000, 4096};

TEST(unit_set, blocks_are_the_units_that_are_wholly_in_it_and_units_bring_them_back) {
    for (const std::uint64_t size : sizes) {
        unit_set set = unit_set(size, true);
        if (size > 10) set.erase(size / 3, size / 10);
        for (unsigned k = 0; k < 8; ++k) {
            const unit_set blocks = set.blocks(k);
            ASSERT_EQ(blocks.size(), size >> k);
            std::vector<bool> covered(size);
            for (std::uint64_t i = 0; i < blocks.size(); ++i) {
                bool whole = true;
                for (std::uint64_t unit = i << k; unit < (i + 1) << k; ++unit) whole = whole && set.contains(unit);
                ASSERT_EQ(blocks.contains(i), whole) << size << " " << k << " " << i;
                for (std::uint64_t unit = i << k; unit < (i + 1) << k; ++unit) covered[unit] = whole;
            }
            EXPECT_EQ(plain(blocks.units(k, size)), covered);
            EXPECT_FALSE(blocks.audit());
            EXPECT_FALSE(blocks.units(k, size).audit());
        }
    }
}

TEST(unit_set, runs_members_and_counts_are_those_of_booleans) {
    for (const std::uint64_t size : sizes) {
        const unit_set set = drawn(size, size);
        const std::vector<bool> bits = plain(set);
        std::vector<bool> by_run(size);
        std::uint64_t last_end = 0;
        set.for_each_run([&](std::uint64_t first, std::uint64_t count) {
            EXPECT_TRUE(first == 0 || first > last_end);
            last_end = first + count;
            for (std::uint64_t i = first; i < first + count; ++i) by_run[i] = true;
        });
        std::vector<bool> by_member(size);
        set.for_each([&](std::uint64_t i) { by_member[i] = true; });
        EXPECT_EQ(by_run, bits);
        EXPECT_EQ(by_member, bits);
        EXPECT_EQ(set.count() + set.complement().count(), size);
        EXPECT_FALSE(set.complement().audit());
        EXPECT_EQ(set.next_member(size), size);
        EXPECT_EQ(set.next_gap(size), size);
    }
}

TEST(unit_set, insert_and_erase_change_just_their_units) {
    for (const std::uint64_t first : {0U, 1U, 63U, 64U, 100U}) {
        for (const std::uint64_t count : {0U, 1U, 63U, 64U, 65U, 100U}) {
            unit_set set(200);
            set.insert(first, count);
            for (std::uint64_t i = 0; i < 200; ++i) EXPECT_EQ(set.contains(i), i >= first && i < first + count);
            unit_set full(200, true);
            full.erase(first, count);
            EXPECT_EQ(full, set.complement());
        }
    }
}

TEST(unit_set, audit_finds_what_is_broken) {
    unit_set words(100);
    unit_set_corruption::drop_word(words);
    EXPECT_STREQ(words.audit().label, "unit_set.I1");
    unit_set bits(100);
    unit_set_corruption::set_beyond(bits);
    EXPECT_STREQ(bits.audit().label, "unit_set.I2");
}

TEST(random_subset, has_the_exact_number_of_members_of_sets_of_any_density) {
    for (const std::uint64_t size : {64U, 1000U, 100000U}) {
        for (const std::uint64_t step : {1U, 3U, 61U}) {
            unit_set set(size);
            for (std::uint64_t i = 0; i < size; i += step) set.insert(i);
            const std::uint64_t members = set.count();
            for (const std::uint64_t count :
                 {std::uint64_t{0}, std::uint64_t{1}, members / 3, members / 2, members - 1, members}) {
                random_numbers random(count);
                const unit_set chosen = random_subset(set, count, random);
                EXPECT_EQ(chosen.count(), count);
                unit_set outside = chosen;
                outside -= set;
                EXPECT_EQ(outside.count(), 0U);
            }
        }
    }
    random_numbers random(1);
    EXPECT_DEATH((void)random_subset(unit_set(10), 1, random), "");
}

TEST(random_subset, takes_every_member_as_often_as_any_other) {
    // Each of 100 is among 37 with a chance of 0.37: 7400 of 20000 times, with a standard deviation of 68.
    std::vector<unsigned> times(100);
    random_numbers random(5);
    const unit_set all(100, true);
    for (int i = 0; i < 20000; ++i) random_subset(all, 37, random).for_each([&](std::uint64_t unit) { ++times[unit]; });
    for (const unsigned n : times) EXPECT_NEAR(n, 7400, 340);
}

TEST(memory_image, frames_are_taken_from_a_buddy_just_as_they_are_named_and_read_back) {
    for (const std::uint64_t size : {1U, 511U, 512U, 513U, 1500U, 20000U}) {
        for (const std::uint64_t seed : {1U, 2U, 3U}) {
            simulated_zone<pfn> zone(page_count{size});
            const unit_set first = drawn(size, seed);
            take_frames(zone.frames(), first);
            EXPECT_EQ(frames_in_use(zone.frames()), first);
            take_frames(zone.frames(), first.complement());  // the rest, beside them
            EXPECT_EQ(zone.frames().free_frames().raw, 0U);
            EXPECT_FALSE(zone.frames().audit());
        }
    }
}

TEST(memory_image, frames_in_use_cannot_be_taken) {
    simulated_zone<pfn> zone(page_count{1000});
    unit_set wanted(1000);
    wanted.insert(17);
    take_frames(zone.frames(), wanted);
    EXPECT_DEATH(take_frames(zone.frames(), wanted), "");
}

TEST(pinned_frames, know_their_frames_and_runs) {
    pinned_frames<gfn> pinned;
    EXPECT_TRUE(pinned.empty());
    EXPECT_FALSE(pinned.contains(gfn{0}));
    unit_set some(100);
    some.insert(10, 5);
    pinned.add(some);
    unit_set more(100);
    more.insert(15, 2);
    pinned.add(more);
    std::vector<run<gfn>> runs;
    pinned.for_each_run([&](run<gfn> taken) { runs.push_back(taken); });
    EXPECT_EQ(runs, (std::vector<run<gfn>>{{gfn{10}, page_count{7}}}));
    EXPECT_EQ(pinned.count().raw, 7U);
    EXPECT_TRUE(pinned.contains(gfn{16}));
    EXPECT_FALSE(pinned.contains(gfn{17}));
    EXPECT_FALSE(pinned.contains(gfn{100}));
    EXPECT_DEATH(pinned.add(more), "");
    EXPECT_DEATH(pinned.add(unit_set(99)), "");
}

TEST(pinned_frames, audit_finds_what_is_broken) {
    unit_set some(100);
    some.insert(10, 5);
    pinned_frames<pfn> count;
    count.add(some);
    pinned_frames_corruption::miscount(count);
    EXPECT_STREQ(count.audit().label, "pinned_frames.I1");
    pinned_frames<pfn> bits;
    bits.add(some);
    unit_set_corruption::set_beyond(pinned_frames_corruption::bits(bits));
    EXPECT_STREQ(bits.audit().label, "unit_set.I2");
}

}  // namespace
}  // namespace longreach
