// SPDX-License-Identifier: MIT
// The full-size workloads: their sizes are the papers', and their streams can be what a program does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/allocator/thp.hpp>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <longreach/workloads/apply_event.hpp>
#include <longreach/workloads/papers/paper_stream.hpp>
#include <longreach/workloads/sparse_frame_memory.hpp>
#include <longreach/workloads/zone.hpp>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "paper_replay.hpp"

namespace longreach {
namespace {

using testing::HasSubstr;

paper_workload named(const std::string& name) { return find_paper_workloads(name)->front(); }

TEST(paper_stream, footprints_are_the_papers_within_1_5_percent_and_the_published_vector_exactly) {
    for (const paper_workload& workload : paper_workloads()) {
        const auto published = static_cast<double>(workload.published_pages());
        EXPECT_NEAR(static_cast<double>(workload.peak_pages()), published, 0.015 * published) << workload.name();
    }
    EXPECT_EQ(named("xsbench120g").peak_pages(), 30'721'569U) << "59999 x 512 + 2081: 120,006 MiB";
}

TEST(paper_stream, at_full_size_every_page_is_touched_once_where_it_is_mapped_and_the_sums_are_those_announced) {
    for (const paper_workload& workload : paper_workloads()) {
        SCOPED_TRACE(workload.name());
        paper_replay replay(workload);
        EXPECT_EQ(replay.play(1), std::nullopt);
        EXPECT_EQ(replay.touched, workload.touched_pages());
        EXPECT_EQ(replay.peak, workload.peak_pages());
        EXPECT_EQ(replay.most_mapped, workload.total_pages());
        EXPECT_EQ(replay.threads.size(), workload.threads());
        EXPECT_LE(replay.runs, 5'000'000U);
        EXPECT_EQ(workload.plan().areas().audit().label, nullptr);
    }
}

TEST(paper_stream, one_seed_gives_one_stream_and_another_seed_changes_nothing_but_the_order) {
    for (const paper_workload& workload : paper_workloads(64)) {
        SCOPED_TRACE(workload.name());
        paper_replay first(workload), again(workload), other(workload);
        ASSERT_EQ(first.play(1), std::nullopt);
        ASSERT_EQ(again.play(1), std::nullopt);
        ASSERT_EQ(other.play(2), std::nullopt);
        EXPECT_EQ(first.fingerprint, again.fingerprint);
        EXPECT_NE(first.fingerprint, other.fingerprint);
        EXPECT_EQ(first.contents, other.contents);
        EXPECT_EQ(first.touched, other.touched);
    }
}

TEST(paper_stream, the_stream_of_a_seed_is_the_same_on_every_compiler) {
    const std::map<std::string, std::uint64_t> recorded{{"svm29g/256", 14087813007553542437U},
                                                        {"pagerank78g/256", 10219698245171826606U},
                                                        {"hashjoin102g/256", 18316169051649679228U},
                                                        {"xsbench120g/256", 10267957104907371045U},
                                                        {"bt167g/256", 9887197681453268637U}};
    for (const paper_workload& workload : paper_workloads(256)) {
        paper_replay replay(workload);
        ASSERT_EQ(replay.play(7), std::nullopt);
        EXPECT_EQ(replay.fingerprint, recorded.at(workload.name())) << workload.name();
    }
}

TEST(paper_stream, a_copied_stream_goes_on_as_the_original_does) {
    paper_stream original(named("hashjoin102g/1024"), 3);
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(original.next());
    paper_stream copy = original;
    while (const auto event = original.next()) ASSERT_EQ(copy.next(), event);
    EXPECT_FALSE(copy.next());
}

TEST(paper_stream, threads_interleave_where_the_program_has_several) {
    for (const paper_workload& workload : paper_workloads(16)) {
        paper_replay replay(workload);
        ASSERT_EQ(replay.play(1), std::nullopt);
        const double share = static_cast<double>(replay.switches) / static_cast<double>(replay.runs);
        if (workload.threads() == 1) {
            EXPECT_EQ(replay.switches, 0U) << workload.name();
        }
        // PageRank's block of 64 KiB is three runs; in the hash join only the probing is parallel.
        if (workload.name() == "pagerank78g/16") {
            EXPECT_GT(share, 0.3);
        }
        if (workload.name() == "bt167g/16") {
            EXPECT_GT(share, 0.5);
        }
        if (workload.name() == "hashjoin102g/16") {
            EXPECT_GT(replay.switches, 150U) << "of 192 superpages of results and 19 stacks";
        }
    }
}

/// Random touches of the hash table: few of the first hundred are neighbours, and nearly all come early.
TEST(paper_stream, hash_buckets_are_touched_in_random_order_while_the_first_nodes_are_filled) {
    const paper_workload workload = named("hashjoin102g/16");
    paper_stream stream(workload, 1);
    std::vector<page_run> arrays;
    std::uint64_t heads_touched = 0, nodes_at_90 = 0, nodes_touched = 0, neighbours = 0;
    vpn before{0};
    while (const auto event = stream.next()) {
        if (const auto* mapping = std::get_if<vma_event>(&*event)) {
            if (mapping->kind == vma_kind::mmap) arrays.push_back(mapping->pages);
            continue;
        }
        const page_run pages = std::get<touch_run>(*event).pages;
        if (arrays.size() != 2) continue;  // the table and its nodes
        if (arrays[0].contains(pages)) {
            ASSERT_EQ(pages.count.raw, 1U);
            neighbours += pages.first == before + page_count{1} ? 1U : 0U;
            before = pages.first;
            ++heads_touched;
            if (heads_touched * 10 <= arrays[0].count.raw * 9) nodes_at_90 = nodes_touched;
        } else {
            nodes_touched += pages.count.raw;
        }
    }
    EXPECT_EQ(heads_touched, arrays[0].count.raw);
    EXPECT_EQ(nodes_touched, arrays[1].count.raw);
    EXPECT_LT(neighbours, heads_touched / 100);
    EXPECT_LT(nodes_at_90, nodes_touched / 100) << "512 draws fall on each page in all, so 90 % need 1/200 of them";
}

TEST(paper_stream, random_touches_miss_no_page_even_where_draws_are_few) {
    static constexpr detail::paper_program few{"few", "", 1, 1, [](paper_plan& plan) {
                                                   const paper_array table = plan.allocate(1000 * page_bytes, 0);
                                                   const paper_array nodes = plan.allocate(50 * page_bytes, 0);
                                                   plan.fill_and_scatter(nodes.pages, table.pages, 3);
                                               }};
    const paper_workload workload(few);
    paper_replay replay(workload);
    EXPECT_EQ(replay.play(1), std::nullopt);
    EXPECT_EQ(replay.touched, 1001U + 51U);
    EXPECT_EQ(replay.touched, workload.touched_pages());
}

TEST(paper_stream, the_large_area_of_xsbench_is_the_published_one) {
    const paper_workload workload = named("xsbench120g");
    EXPECT_EQ(workload.most_areas(), 34U) << "35 published; vsyscall lies beyond the user half";
    page_run large;
    for (const booked_area& area : workload.plan().areas().all()) {
        if (area.pages.count > large.count) large = area.pages;
    }
    const vpn first = align_up(large.first, superpage_order);
    EXPECT_EQ((align_down(large.end(), superpage_order) - first).raw / 512, 59'999U);
    EXPECT_GT(static_cast<double>(large.count.raw), 0.9999 * static_cast<double>(workload.peak_pages()));
}

TEST(paper_stream, three_programs_map_more_than_they_touch) {
    const auto unused = [](const char* name) {
        const paper_workload workload = named(name);
        return static_cast<double>(workload.total_pages()) / static_cast<double>(workload.peak_pages()) - 1;
    };
    EXPECT_NEAR(unused("svm29g"), 0.061, 0.01);
    EXPECT_NEAR(unused("pagerank78g"), 0.50, 0.02);
    EXPECT_NEAR(unused("hashjoin102g"), 0.178, 0.01);
    EXPECT_LT(unused("xsbench120g"), 0.001);
    EXPECT_LT(unused("bt167g"), 0.001);
}

TEST(paper_stream, what_is_mapped_in_vain_is_known_as_never_touched) {
    for (const char* name : {"svm29g/256", "hashjoin102g/256", "xsbench120g/256", "bt167g/256"}) {
        const paper_workload workload = named(name);
        std::uint64_t touched = 0;
        for (const booked_area& area : workload.plan().areas().all()) {
            for (vpn page = area.pages.first; page < area.pages.end(); page += page_count{1}) {
                touched += workload.ever_touches(page) ? 1U : 0U;
            }
        }
        EXPECT_EQ(touched, workload.peak_pages())
            << name << ": what is mapped at the end is the peak, all of it in use";
    }
    EXPECT_FALSE(named("svm29g").ever_touches(vpn{0}));
    EXPECT_FALSE(named("svm29g").ever_touches(vpn{0x7ffffffff}));
}

TEST(paper_stream, a_place_that_is_used_again_in_part_was_touched_as_a_whole) {
    static constexpr detail::paper_program reusing{"reusing", "", 1, 1, [](paper_plan& plan) {
                                                       const paper_array large = plan.allocate(99 * page_bytes, 0);
                                                       plan.fill({large.pages});
                                                       plan.release(large);
                                                       (void)plan.allocate(9 * page_bytes, 0);  // never touched
                                                       plan.fill({plan.allocate(9 * page_bytes, 0).pages});
                                                   }};
    const paper_workload workload(reusing);
    const std::uint64_t top = area_book::map_top.raw;
    for (std::uint64_t page = top - 100; page < top; ++page) EXPECT_TRUE(workload.ever_touches(vpn{page}));
    EXPECT_FALSE(workload.ever_touches(vpn{top - 101}));
    EXPECT_FALSE(workload.ever_touches(vpn{top}));
}

TEST(paper_stream, scaled_workloads_keep_areas_steps_and_ratios) {
    for (const paper_workload& full : paper_workloads()) {
        for (const std::uint64_t divisor : {2U, 16U, 64U}) {
            const paper_workload small = full.scaled(divisor);
            SCOPED_TRACE(small.name());
            EXPECT_EQ(small.name(), full.name() + "/" + std::to_string(divisor));
            EXPECT_EQ(small.divisor(), divisor);
            EXPECT_EQ(small.threads(), full.threads());
            EXPECT_EQ(small.most_areas(), full.most_areas());
            ASSERT_EQ(small.plan().steps().size(), full.plan().steps().size());
            // All but the 1505 pages of start-up, the stacks and a page for each array is divided.
            const auto left = static_cast<double>(20 * 300 + 1505);
            const auto times = static_cast<double>(divisor);
            EXPECT_NEAR(static_cast<double>(small.peak_pages()) * times, static_cast<double>(full.peak_pages()),
                        left * times);
            EXPECT_NEAR(static_cast<double>(small.touched_pages()) * times, static_cast<double>(full.touched_pages()),
                        left * times);
            for (std::size_t i = 0; i < full.plan().steps().size(); ++i) {
                EXPECT_EQ(small.plan().steps()[i].index(), full.plan().steps()[i].index());
            }
        }
    }
}

TEST(paper_stream, names_stand_for_workloads_and_unknown_ones_are_refused_in_one_line) {
    EXPECT_EQ(find_paper_workloads("papers")->size(), 5U);
    EXPECT_EQ(find_paper_workloads("papers/16")->front().name(), "svm29g/16");
    EXPECT_EQ(find_paper_workloads("bt167g")->front().name(), "bt167g");
    EXPECT_EQ(find_paper_workloads("bt167g/1")->front().name(), "bt167g");
    EXPECT_EQ(named("xsbench120g/4096").divisor(), 4096U);
    for (const char* unknown : {"", "bt", "hashjoin", "svm29", "SVM29G", "paper", "/16"}) {
        const auto found = find_paper_workloads(unknown);
        EXPECT_EQ(found.status().code(), absl::StatusCode::kNotFound) << unknown;
        EXPECT_THAT(std::string(found.status().message()), HasSubstr("expected papers")) << unknown;
        EXPECT_EQ(found.status().message().find('\n'), std::string::npos);
    }
    for (const char* wrong : {"bt167g/", "bt167g/0", "bt167g/-2", "bt167g/+2", "papers/4097", "bt167g/2/2", "bt167g/ 2",
                              "bt167g/99999999999999999999"}) {
        const auto found = find_paper_workloads(wrong);
        EXPECT_EQ(found.status().code(), absl::StatusCode::kInvalidArgument) << wrong;
        EXPECT_THAT(std::string(found.status().message()), HasSubstr("expected a divisor of 1 to 4096")) << wrong;
    }
}

/// The hottest and the coldest arrays of each program, by the place of a page that only they have.
TEST(paper_stream, coverage_tells_hot_arrays_from_cold_ones) {
    const paper_workload xsbench = named("xsbench120g");
    std::map<unsigned, std::uint64_t> regions;  // of each coverage
    for (const booked_area& area : xsbench.plan().areas().all()) {
        for (vpn page = align_down(area.pages.first, superpage_order); page < area.pages.end();
             page += page_count{512}) {
            ++regions[xsbench.coverage(page)];
        }
    }
    EXPECT_NEAR(static_cast<double>(regions[512]), 993'641 / 512.0, 2) << "grids of the nuclides";
    EXPECT_NEAR(static_cast<double>(regions[490]), 331'214 / 512.0, 2) << "energies";
    EXPECT_NEAR(static_cast<double>(regions[7]), 29'395'209 / 512.0, 2) << "rows of indices";
    EXPECT_EQ(xsbench.coverage(vpn{0}), 0U);
    EXPECT_EQ(xsbench.coverage(vpn{0x7ffffffff}), 0U);
    for (const paper_workload& workload : paper_workloads()) {
        for (const booked_area& area : workload.plan().areas().all()) {
            EXPECT_LE(workload.coverage(align_down(area.pages.first, superpage_order)), 512U);
        }
    }
}

/// A zone, a policy and one address space.
template <class Policy>
struct small_machine {
    using space_type = address_space<x86_64<4>, vpn, pfn, sparse_frame_memory<pfn>, Policy>;

    explicit small_machine(const paper_workload& of)
        : workload(of),
          zone(page_count{(of.total_pages() + of.total_pages() / 4) / 512 * 512 + 64 * 512}),
          policy_memory(ca_paging<vpn, pfn>::required_bytes(4096)),
          policy(made_policy()),
          entries(of.most_areas() + 2),
          objects(space_type::object_type::required_words(zone.frames().managed().count, of.most_regions()) *
                  sizeof(std::uint64_t)),
          tables(zone.frames().managed()),
          space(space_options{}, sparse_frame_memory<pfn>(tables), policy, entries, objects.words()) {}

    Policy made_policy() {
        if constexpr (std::is_same_v<Policy, thp<vpn, pfn>>) {
            return Policy(zone.frames());
        } else {
            return Policy(zone.frames(), zone.clusters(), policy_memory.bytes());
        }
    }

    void run(std::uint64_t seed) {
        paper_stream stream(workload, seed);
        while (const auto event = stream.next()) {
            if (const auto* mapping = std::get_if<vma_event>(&*event)) {
                ASSERT_EQ(apply_event(space, *mapping, [](page_run) {}), status::ok);
                most_areas = std::max(most_areas, space.entries().size());
                continue;
            }
            const auto& touched = std::get<touch_run>(*event);
            for (vpn page = touched.pages.first; page < touched.pages.end(); page += page_count{1}) {
                if (space.translate(page)) continue;
                ASSERT_EQ(space.fault(page, touched.kind).outcome, status::ok);
            }
            most_resident = std::max(most_resident, space.resident_pages().raw);
        }
    }

    paper_workload workload;
    simulated_zone<pfn> zone;
    lazy_memory policy_memory;
    Policy policy;
    std::vector<map_entry<vpn>> entries;
    lazy_memory objects;
    sparse_frames<pfn> tables;
    space_type space;
    std::size_t most_areas = 0;
    std::uint64_t most_resident = 0;
};

TEST(paper_stream, an_address_space_takes_every_event_and_has_the_areas_that_were_announced) {
    for (const paper_workload& workload : paper_workloads(256)) {
        SCOPED_TRACE(workload.name());
        small_machine<thp<vpn, pfn>> ordinary(workload);
        small_machine<ca_paging<vpn, pfn>> ca(workload);
        ASSERT_NO_FATAL_FAILURE(ordinary.run(1));
        ASSERT_NO_FATAL_FAILURE(ca.run(1));
        EXPECT_EQ(ca.most_areas, workload.most_areas());
        EXPECT_GE(ca.most_resident, workload.peak_pages());
        EXPECT_LE(ca.most_resident, workload.total_pages());
        EXPECT_EQ(ca.most_resident, ordinary.most_resident);
        EXPECT_EQ(ca.space.audit().label, nullptr);
        EXPECT_EQ(ordinary.space.audit().label, nullptr);
    }
}

TEST(paper_stream_death, a_divisor_that_cannot_be_is_the_callers_error) {
    const paper_workload workload = named("svm29g/4096");
    EXPECT_DEATH((void)workload.scaled(0), "");
    EXPECT_DEATH((void)workload.scaled(4097), "");
}

}  // namespace
}  // namespace longreach
