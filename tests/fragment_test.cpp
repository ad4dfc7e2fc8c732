// SPDX-License-Identifier: MIT
// Fragmented memory: what every step promises about the frames that it takes, on zones of one node and of several.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/fragment/apply_fragmentation.hpp>
#include <longreach/workloads/fragment/fragmentation_report.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "fragment_zone.hpp"

namespace longreach {
namespace {

using longreach_tests::expect_sound;
using longreach_tests::fragment;
using longreach_tests::fragment_refusal;
using longreach_tests::pinned_runs;
using testing::EndsWith;
using testing::StartsWith;

using zone = simulated_zone<pfn>;
constexpr page_count half_gib{1U << 17};

std::vector<frame_run> pins(std::string_view text, std::uint64_t seed, page_count memory = half_gib) {
    zone memory_of(memory);
    fragment(memory_of, text, seed);
    return pinned_runs(memory_of);
}

// ---- every step

class every_step : public testing::TestWithParam<const char*> {};

TEST_P(every_step, takes_the_same_frames_for_the_same_seed_and_others_for_another) {
    EXPECT_EQ(pins(GetParam(), 3), pins(GetParam(), 3));
    EXPECT_NE(pins(GetParam(), 3), pins(GetParam(), 4));
}

TEST_P(every_step, leaves_buddy_map_and_pins_sound_and_counts_every_frame_once) {
    for (const zone_layout layout : {zone_layout{half_gib}, zone_layout{page_count{(1U << 16) + 777}},
                                     zone_layout{page_count{(1U << 16) + 777}, 2}, zone_layout{half_gib, 3}}) {
        zone memory(layout);
        const page_count records = memory.pinned().count();
        const page_count taken = fragment(memory, GetParam(), 5);
        EXPECT_EQ(memory.pinned().count(), records + taken);
        expect_sound(memory);
    }
}

INSTANTIATE_TEST_SUITE_P(fragmentation, every_step,
                         testing::Values("hog:2M:30", "hog:4K:30", "hog:32K:50", "hog:256K:50", "hog:1M:50",
                                         "hog:16M:50", "scatter:1", "scatter:50", "scatter:90", "unusable:2M:0.5",
                                         "unusable:64K:0.9", "age:2000", "age:2000:60", "runs:5:24M", "runs:100:64K",
                                         "hog:2M:20,scatter:5,unusable:2M:0.7,runs:3:64K,age:500:0"));

TEST(fragmentation, none_takes_nothing) {
    zone memory(half_gib);
    EXPECT_EQ(fragment(memory, "none", 1), page_count{0});
    EXPECT_EQ(memory.frames().free_frames(), half_gib);
    EXPECT_TRUE(memory.pinned().empty());
}

TEST(fragmentation, a_refused_step_leaves_the_zone_as_it_was_whatever_came_before_it) {
    zone memory(zone_layout{half_gib, 2});
    fragment(memory, "hog:2M:10", 1);
    const std::vector<frame_run> before = pinned_runs(memory);
    EXPECT_EQ(fragment_refusal(memory, "scatter:30,hog:2M:50", 1),
              "fragmentation: step 2, \"hog:2M:50\": expected 230 free pieces of 2M, found 0");
    EXPECT_EQ(pinned_runs(memory), before);
    expect_sound(memory);
}

TEST(fragmentation, frames_in_use_before_are_neither_pinned_nor_given_back_nor_counted) {
    zone memory(half_gib);
    const run<pfn> program{pfn{1000}, page_count{500}};
    ASSERT_EQ(memory.frames().allocate_run_at(program), status::ok);
    zone other(half_gib);
    ASSERT_EQ(other.frames().allocate_run_at(program), status::ok);
    EXPECT_EQ(fragment(memory, "scatter:50", 1), page_count{((1U << 17) - 500) / 2});
    EXPECT_EQ(memory.frames().free_frames(), half_gib - program.count - memory.pinned().count());
    // This target wants all memory back, and gets all but the program's, which keeps two pieces broken.
    EXPECT_LT(fragment(other, "scatter:50,unusable:2M:0", 1).raw, 524U);
    EXPECT_EQ(other.frames().count_free_in(program).raw, 0U);
    for (const frame_run& pinned : pinned_runs(other)) EXPECT_FALSE(pinned.overlaps(program));
}

// ---- hog and scatter

TEST(fragmentation_hog, of_2M_pins_just_what_the_zones_own_hog_does) {
    for (const unsigned percent : {1U, 30U, 50U, 99U, 100U}) {
        zone hogged(half_gib);
        hogged.pin(percent, 42);
        EXPECT_EQ(pins("hog:2M:" + std::to_string(percent), 42), pinned_runs(hogged));
    }
}

TEST(fragmentation_hog, of_2M_draws_what_published_figures_were_drawn_from) {
    // The first of a list of all pieces, shuffled from its end by the generator of the seed.
    std::vector<std::uint64_t> pieces;
    for (std::uint64_t i = 0; i < 256; ++i) pieces.push_back(i);
    random_numbers random(17);
    random.shuffle(std::span<std::uint64_t>(pieces));
    pieces.resize(256 * 30 / 100);
    zone memory(half_gib);
    fragment(memory, "hog:2M:30", 17);
    for (const std::uint64_t piece : pieces) {
        EXPECT_TRUE(memory.pinned().contains(pfn{piece * 512}));
        EXPECT_TRUE(memory.pinned().contains(pfn{piece * 512 + 511}));
    }
    EXPECT_EQ(memory.pinned().count().raw, pieces.size() * 512);
}

TEST(fragmentation_hog, pins_its_exact_share_in_aligned_pieces_of_every_size) {
    for (unsigned k = 0; k <= 14; ++k) {
        const std::string text = "hog:" + size_text(order{k}) + ":37";
        zone memory(half_gib);
        fragment(memory, text, k);
        EXPECT_EQ(memory.pinned().count().raw, ((1U << (17 - k)) * 37 / 100) << k) << text;
        memory.pinned().for_each_run([&](run<pfn> taken) {
            EXPECT_TRUE(is_aligned(taken.first, order{k}) && is_aligned(taken.end(), order{k})) << text;
        });
        memory.for_each_free_run([&](run<pfn> left) { EXPECT_TRUE(is_aligned(left.first, order{k})) << text; });
    }
}

TEST(fragmentation_hog, draws_pieces_from_everywhere) {
    for (const char* const text : {"scatter:50", "hog:32K:50", "hog:128K:50"}) {
        zone memory(half_gib);
        fragment(memory, text, 9);
        for (std::uint64_t part = 0; part < 16; ++part) {
            const std::uint64_t frames = half_gib.raw / 16;
            const page_count left = memory.frames().count_free_in({pfn{part * frames}, page_count{frames}});
            EXPECT_GT(left.raw, frames * 2 / 5) << text;  // expected 1/2
            EXPECT_LT(left.raw, frames * 3 / 5) << text;
        }
    }
}

TEST(fragmentation_hog, goes_on_with_pieces_that_earlier_steps_left_free) {
    zone memory(half_gib);
    fragment(memory, "hog:1M:50,hog:1M:50", 1);
    EXPECT_EQ(memory.frames().free_frames().raw, 0U);
}

TEST(fragmentation_hog, of_the_whole_memory_leaves_what_is_smaller_than_a_piece) {
    zone memory(page_count{512 * 7 + 99});
    fragment(memory, "hog:2M:100", 1);
    EXPECT_EQ(memory.frames().free_frames().raw, 99U);
    zone tiny(page_count{5});
    fragment(tiny, "hog:1G:100,hog:8K:100", 1);
    EXPECT_EQ(tiny.free_runs(), std::vector<std::uint64_t>{1});
}

TEST(fragmentation_scatter, every_number_of_frames_is_exact) {
    for (std::uint64_t frames = 1; frames < 300; frames += 7) {
        for (const unsigned percent : {0U, 1U, 50U, 89U, 90U}) {
            zone memory(page_count{frames});
            EXPECT_EQ(fragment(memory, "scatter:" + std::to_string(percent), frames).raw, frames * percent / 100);
        }
    }
}

TEST(fragmentation_scatter, every_pair_of_frames_is_as_likely_as_any_other) {
    // 2 of 5 frames: 10 pairs, each expected 1000 times in 10000, with a standard deviation of 30.
    std::vector<unsigned> seen(32);
    for (std::uint64_t seed = 0; seed < 10000; ++seed) {
        zone memory(page_count{5});
        fragment(memory, "scatter:40", seed);
        ++seen[static_cast<std::size_t>(memory.pinned().bits().words()[0])];
    }
    for (std::size_t set = 0; set < seen.size(); ++set) {
        if (count_ones(set) == 2) {
            EXPECT_NEAR(seen[set], 1000, 150) << set;
        } else {
            EXPECT_EQ(seen[set], 0U) << set;
        }
    }
}

// ---- the unusable free space index

TEST(fragmentation_unusable, reaches_its_target_from_fresh_memory_and_from_any_hog) {
    for (const std::string before : {"", "hog:2M:30,", "scatter:5,", "scatter:60,", "hog:64K:80,", "age:1000,"}) {
        for (const unsigned target : {0U, 1U, 100U, 500U, 905U, 999U, 1000U}) {
            zone memory(half_gib);
            fragment(memory, before + "unusable:1M:" + share_text(target), target);
            EXPECT_NEAR(unusable_index(memory, order{8}), static_cast<int>(target), 10) << before << target;
            expect_sound(memory);
        }
    }
}

TEST(fragmentation_unusable, pins_few_frames_and_frees_no_more_than_it_must) {
    zone fresh(half_gib);
    EXPECT_EQ(fragment(fresh, "unusable:2M:0.5", 1).raw, 128U) << "one frame in half of the pieces";
    zone hogged(half_gib);
    const page_count hog = fragment(hogged, "hog:2M:50,unusable:2M:0", 1);
    EXPECT_EQ(hog.raw, half_gib.raw / 2) << "a hog of 2M pieces leaves no smaller ones, so nothing is given back";
}

TEST(fragmentation_unusable, refuses_a_target_that_memory_does_not_have) {
    zone memory(half_gib);
    EXPECT_EQ(fragment_refusal(memory, "unusable:4K:0.5", 1),
              "fragmentation: step 1, \"unusable:4K:0.5\": expected an index within 0.01 of 0.5 to be possible here, "
              "reached 0");
    EXPECT_THAT(fragment_refusal(memory, "unusable:256M:0.25", 1), EndsWith("reached 0.499"));
    EXPECT_THAT(fragment_refusal(memory, "unusable:1G:0.5", 1), EndsWith("reached 1"));
    EXPECT_THAT(fragment_refusal(memory, "hog:4K:100,unusable:2M:0.5", 1),
                EndsWith("expected free memory, found none"));
    EXPECT_TRUE(memory.pinned().empty());
    zone nodes(zone_layout{half_gib, 2});  // the records break one piece of 256 MiB of the four
    EXPECT_THAT(fragment_refusal(nodes, "unusable:256M:0", 1), EndsWith("reached 0.248"));
}

// ---- ageing

TEST(fragmentation_age, leaves_its_exact_share_in_use) {
    for (const char* const operations : {"0", "1", "1000", "50000"}) {
        for (const unsigned percent : {0U, 1U, 30U, 90U}) {
            zone memory(half_gib);
            fragment(memory, "age:" + std::string(operations) + ":" + std::to_string(percent), 3);
            EXPECT_EQ(memory.pinned().count().raw, half_gib.raw * percent / 100);
        }
    }
}

TEST(fragmentation_age, leaves_free_memory_in_runs_of_very_different_lengths) {
    zone memory(page_count{1U << 20});
    fragment(memory, "age:100000", 1);
    const fragmentation_report report = report_fragmentation(memory);
    EXPECT_GT(report.runs, 1000U);
    EXPECT_GT(report.longest_run.raw, 2048U);
    EXPECT_GT(report.unusable_2m, 20);
    EXPECT_LT(report.unusable_2m, 500);
}

TEST(fragmentation_age, keeps_what_earlier_steps_took_and_is_refused_without_room) {
    zone memory(half_gib);
    fragment(memory, "hog:2M:50,age:1000:30", 1);
    zone hog(half_gib);
    fragment(hog, "hog:2M:50", 1);
    EXPECT_EQ(memory.pinned().count().raw, hog.pinned().count().raw + half_gib.raw * 30 / 100);
    hog.pinned().for_each_run([&](run<pfn> taken) { EXPECT_TRUE(memory.pinned().contains(taken.first)); });
    zone full(half_gib);
    EXPECT_EQ(fragment_refusal(full, "scatter:80,age:5:30", 1),
              "fragmentation: step 2, \"age:5:30\": expected 39321 free frames, found 26215");
}

// ---- runs

TEST(fragmentation_runs, leaves_so_many_of_about_the_size_and_nothing_else) {
    zone memory(zone_layout{page_count{1U << 18}, 2});
    fragment(memory, "runs:14:64M", 7);
    const std::vector<std::uint64_t> lengths = memory.free_runs();
    ASSERT_EQ(lengths.size(), 14U);
    std::uint64_t sum = 0;
    for (const std::uint64_t length : lengths) {
        EXPECT_GE(length, 16384U * 3 / 4);
        EXPECT_LE(length, 16384U * 5 / 4);
        sum += length;
    }
    EXPECT_EQ(sum, 14U * 16384);
    EXPECT_NE(lengths.front(), lengths.back());
}

TEST(fragmentation_runs, of_two_large_nodes_lie_in_both) {
    zone memory(zone_layout{page_count{64U << 18}, 2});
    fragment(memory, "runs:10:2G", 1);
    unsigned first_node = 0;
    unsigned runs = 0;
    memory.for_each_free_run([&](run<pfn> left) {
        ++runs;
        first_node += left.end().raw <= (64U << 18);
        EXPECT_TRUE(left.end().raw <= (64U << 18) || left.first.raw >= (64U << 18) + 512);
    });
    EXPECT_EQ(runs, 10U);
    EXPECT_GT(first_node, 0U);
    EXPECT_LT(first_node, 10U);
}

TEST(fragmentation_runs, fit_as_tightly_as_they_must) {
    zone memory(page_count{1000});
    fragment(memory, "runs:500:4K", 1);
    EXPECT_EQ(memory.free_runs(), std::vector<std::uint64_t>(500, 1));
    expect_sound(memory);
    zone one(page_count{1000});
    fragment(one, "runs:1:4000K", 1);
    EXPECT_EQ(one.free_runs(), std::vector<std::uint64_t>{1000});
}

TEST(fragmentation_runs, stay_inside_what_earlier_steps_left_free) {
    zone memory(half_gib);
    fragment(memory, "hog:16M:50,runs:4:8M", 2);
    zone hog(half_gib);
    fragment(hog, "hog:16M:50", 2);
    memory.for_each_free_run([&](run<pfn> left) { EXPECT_EQ(hog.frames().count_free_in(left), left.count); });
}

TEST(fragmentation_runs, are_refused_where_memory_has_no_room_for_them) {
    zone memory(half_gib);
    EXPECT_EQ(fragment_refusal(memory, "runs:14:9G", 1),
              "fragmentation: step 1, \"runs:14:9G\": expected room for 14 free runs of 9G, found it for 0");
    EXPECT_THAT(fragment_refusal(memory, "runs:5:120M", 1), EndsWith("found it for 4"));
    EXPECT_THAT(fragment_refusal(memory, "runs:1048576:4096T", 1), EndsWith("found it for 0"));
    EXPECT_THAT(fragment_refusal(memory, "scatter:50,runs:2:64M", 1), EndsWith("found it for 0"));
}

// ---- nodes

TEST(zone_nodes, no_free_run_crosses_a_border) {
    zone memory(zone_layout{page_count{5000}, 3});
    EXPECT_EQ(memory.free_runs(), (std::vector<std::uint64_t>{5000, 5000 - 512, 5000 - 512}));
    EXPECT_EQ(pinned_runs(memory),
              (std::vector<frame_run>{{pfn{5000}, page_count{512}}, {pfn{10000}, page_count{512}}}));
    EXPECT_EQ(memory.frames().managed(), (run<pfn>{pfn{0}, page_count{15000}}));
    EXPECT_EQ(memory.layout().nodes, 3U);
    expect_sound(memory);
}

TEST(zone_nodes, one_node_is_what_a_zone_has_been) {
    zone memory(page_count{5000});
    EXPECT_EQ(memory.free_runs(), std::vector<std::uint64_t>{5000});
    EXPECT_EQ(memory.layout().nodes, 1U);
}

TEST(zone_nodes, several_need_room_for_their_records) {
    EXPECT_DEATH(zone(zone_layout{page_count{512}, 2}), "");
    EXPECT_DEATH(zone(zone_layout{page_count{5000}, 0}), "");
}

// ---- the report

TEST(fragmentation_report, of_fresh_memory_is_one_run) {
    zone memory(page_count{2U << 18});
    EXPECT_EQ(report_fragmentation(memory),
              (fragmentation_report{
                  page_count{2U << 18}, page_count{2U << 18}, {}, 1, page_count{2U << 18}, 0, 0, 1000, 1000}));
}

TEST(fragmentation_report, counts_runs_by_length_and_blocks_by_alignment) {
    zone memory(page_count{2U << 18});
    unit_set pins(2U << 18);
    pins.insert(100);  // breaks the first piece of 2 MiB and of 1 GiB; behind it lies a run of nearly 2 GiB
    pins.insert((2U << 18) - 1);
    memory.pin(pins);
    const fragmentation_report report = report_fragmentation(memory);
    const std::uint64_t free = (2U << 18) - 2;
    EXPECT_EQ(report.free.raw, free);
    EXPECT_EQ(report.pinned.raw, 2U);
    EXPECT_EQ(report.runs, 2U);
    EXPECT_EQ(report.longest_run.raw, free - 100);
    EXPECT_EQ(report.unusable_2m, static_cast<int>(2 * 511 * 1000 / free));
    EXPECT_EQ(report.unusable_1g, 1000);
    EXPECT_EQ(report.in_runs_2m, static_cast<int>((free - 100) * 1000 / free));
    EXPECT_EQ(report.in_runs_1g, report.in_runs_2m);
    EXPECT_EQ(unusable_index(memory, order{0}), 0);
    EXPECT_EQ(free_in_runs(memory, page_count{1}).raw, free);
    EXPECT_EQ(free_in_runs(memory, page_count{100}).raw, free);
    EXPECT_EQ(free_in_runs(memory, page_count{101}).raw, free - 100);
    EXPECT_EQ(free_in_runs(memory, page_count{free}).raw, 0U);
}

TEST(fragmentation_report, of_full_memory_has_no_usable_share) {
    zone memory(page_count{512});
    fragment(memory, "hog:4K:100", 1);
    EXPECT_EQ(report_fragmentation(memory), (fragmentation_report{page_count{512}, {}, page_count{512}}));
}

}  // namespace
}  // namespace longreach
