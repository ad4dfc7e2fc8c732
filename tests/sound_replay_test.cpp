// SPDX-License-Identifier: MIT
// A replay under the rules of ca_paging keeps account of every frame, whatever a case's processes do, and says how
// their memory lies at the end.

#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/cases/sound_replay.hpp>
#include <utility>
#include <vector>

namespace longreach {
namespace {

page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

/// A case that is written down step by step.
struct written_case : recorded_case {
    explicit written_case(unsigned count = 1) {
        run = "T1_written";
        workload = "written";
        kind = 'A';
        processes.resize(count);
    }
    void free(std::uint64_t first, std::uint64_t count, free_list list = free_list::zone) {
        listed_blocks line;
        line.first = pfn{first};
        line.blocks = count;
        line.list = list;
        start.blocks.push_back(line);
    }
    case_step& step(case_step::kind what, unsigned process, page_run where = {}) {
        case_step added;
        added.what = what;
        added.process = process;
        added.pages = where;
        steps.push_back(added);
        return steps.back();
    }
    /// Maps an area that counts.
    void map(page_run area, unsigned process = 0) {
        step(case_step::kind::map, process, area);
        processes[process].counted.push_back(area);
        areas.push_back({process, area});
    }
    /// Pages that the first process has had since before the log.
    void before(page_run area, std::uint64_t frame) { processes[0].before.push_back({area, pfn{frame}}); }
    /// The first process forks the second, of which the area counts.
    void fork(page_run counted) {
        step(case_step::kind::fork, 0).child = 1;
        processes[1].counted = {counted};
    }
    /// A touch that is in no log.
    void touch(page_run area, unsigned process = 0) { step(case_step::kind::plain_touch, process, area); }
    /// A fault of the log in the area that was mapped last.
    void fault(std::uint64_t page, order size = base_order, unsigned process = 0) {
        step(case_step::kind::fault, process).fault = faults.size();
        case_fault added;
        added.process = process;
        added.size = size;
        added.page = vpn{page};
        added.area = areas.size() - 1;
        added.got = pfn{1};
        faults.push_back(added);
    }
};

TEST(sound_replay, faults_of_both_sizes_get_one_run) {
    written_case c;
    c.free(0x1000, 5000);
    c.map(pages(1000, 2000));
    for (std::uint64_t p = 1000; p < 1024; ++p) c.fault(p);
    for (std::uint64_t p = 1024; p < 2560; p += 512) c.fault(p, superpage_order);
    for (std::uint64_t p = 2560; p < 3000; ++p) c.fault(p);
    const std::vector<case_result> results = replay_sound(c);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].failure, "");
    EXPECT_EQ(results[0].found.pages, 2000U);
    EXPECT_EQ(results[0].found.superpages, 3U);
    EXPECT_EQ(results[0].found.runs, 1U);
    EXPECT_EQ(results[0].faults, c.faults.size());
    EXPECT_EQ(results[0].ideal99, 1U);
    EXPECT_EQ(results[0].bound99, 1U);
}

TEST(sound_replay, all_zones_and_lists_are_one_memory_and_nothing_else_is_free) {
    written_case c;
    c.free(0x1000, 30);
    c.free(0x101e, 2, free_list::per_cpu);
    c.free(0x100000, 4, free_list::reserved);
    sound_replay replay(c);
    EXPECT_EQ(replay.frames().free_frames(), page_count{36});
    EXPECT_TRUE(replay.frames().is_free(pfn{0x1000}, order{5})) << "the per-CPU frames end the run of 32";
    EXPECT_TRUE(replay.run());
}

TEST(sound_replay, every_touched_2_Mi_b_takes_one_table_until_nothing_is_mapped_there) {
    written_case c;
    c.free(0x1000, 5000);
    c.map(pages(0, 2048));
    c.fault(0, superpage_order);
    c.fault(600);
    c.fault(601);
    sound_replay touched(c);
    ASSERT_TRUE(touched.run()) << touched.failure();
    EXPECT_EQ(touched.frames().free_frames(), page_count{5000 - 512 - 2 - 2});
    c.step(case_step::kind::unmap, 0, pages(256, 345));
    sound_replay partly(c);
    ASSERT_TRUE(partly.run()) << partly.failure();
    EXPECT_EQ(partly.frames().free_frames(), page_count{5000 - 256 - 1 - 2});
    c.step(case_step::kind::exit, 0);
    sound_replay ended(c);
    ASSERT_TRUE(ended.run()) << ended.failure();
    EXPECT_EQ(ended.frames().free_frames(), page_count{5000});
    EXPECT_EQ(ended.count(0).pages, 257U) << "as it was before the end";
}

TEST(sound_replay, pages_from_before_the_log_keep_their_frames_and_count) {
    written_case c;
    c.free(0x1000, 5000);
    c.map(pages(0, 10));
    c.before(pages(0, 4), 0x900);
    for (std::uint64_t p = 4; p < 10; ++p) c.fault(p);
    const std::vector<case_result> results = replay_sound(c);
    EXPECT_EQ(results[0].failure, "");
    EXPECT_EQ(results[0].found.pages, 10U);
    EXPECT_EQ(results[0].found.runs, 2U);
    EXPECT_EQ(results[0].ideal99, 2U);
}

TEST(sound_replay, a_process_without_ca_paging_leaves_the_others_their_runs) {
    written_case c(2);
    c.processes[0].ca = false;
    c.free(0x1000, 8192);
    c.map(pages(0, 2048), 0);
    c.map(pages(0, 2048), 1);
    for (std::uint64_t p = 0; p < 2048; p += 512) {
        c.touch(pages(p, 512));
        c.fault(p, superpage_order, 1);
    }
    const std::vector<case_result> results = replay_sound(c);
    EXPECT_EQ(results[0].failure, "");
    EXPECT_EQ(results[0].found.superpages, 4U);
    EXPECT_LE(results[0].found.runs, 2U);
    EXPECT_EQ(results[1].found.runs, 1U);
}

TEST(sound_replay, where_no_superpage_is_left_base_pages_serve) {
    written_case c;
    for (std::uint64_t n = 0; n < 8; ++n) c.free(0x1000 + n * 512, n == 3 ? 512 : 500);
    c.map(pages(0, 2048));
    c.touch(pages(0, 2048));
    sound_replay replay(c);
    ASSERT_TRUE(replay.run()) << replay.failure();
    EXPECT_EQ(replay.refused(), 0U);
    EXPECT_EQ(replay.count(0).pages, 2048U);
    EXPECT_EQ(replay.count(0).superpages, 1U);
    EXPECT_LE(replay.count(0).n99, 5U);
}

TEST(sound_replay, out_of_memory_ends_cleanly_and_loses_nothing) {
    written_case c;
    c.free(0x1000, 1100);
    c.map(pages(0, 4096));
    c.touch(pages(0, 4096));
    sound_replay replay(c);
    ASSERT_TRUE(replay.run()) << replay.failure();
    EXPECT_EQ(replay.frames().free_frames(), page_count{0});
    EXPECT_EQ(replay.count(0).pages + replay.refused(), 4096U);
    EXPECT_GE(replay.count(0).pages, 1096U);
    c.step(case_step::kind::exit, 0);
    sound_replay ended(c);
    ASSERT_TRUE(ended.run()) << ended.failure();
    EXPECT_EQ(ended.frames().free_frames(), page_count{1100});
}

TEST(sound_replay, a_fault_that_the_kernel_repeated_counts_once) {
    written_case c;
    c.free(0x1000, 100);
    c.map(pages(0, 10));
    c.fault(0);
    c.faults.back().got.reset();
    c.fault(0);
    sound_replay replay(c);
    ASSERT_TRUE(replay.run()) << replay.failure();
    EXPECT_EQ(replay.frames().free_frames(), page_count{98});
}

TEST(sound_replay, a_forked_child_copies_what_it_writes_and_frees_only_its_own) {
    written_case c(2);
    c.free(0x1000, 5000);
    c.map(pages(0, 1024));
    for (std::uint64_t p = 0; p < 1024; p += 512) c.fault(p, superpage_order);
    c.fork(pages(0, 1024));
    for (std::uint64_t p = 0; p < 512; ++p) c.fault(p, base_order, 1);
    sound_replay forked(c);
    ASSERT_TRUE(forked.run()) << forked.failure();
    EXPECT_EQ(forked.frames().free_frames(), page_count{5000 - 1024 - 2 - 2 - 512});
    EXPECT_EQ(forked.count(0).runs, 1U);
    EXPECT_EQ(forked.count(1).runs, 2U) << "its copies are one, the shared superpage the other";
    c.step(case_step::kind::exit, 1);
    sound_replay ended(c);
    ASSERT_TRUE(ended.run()) << ended.failure();
    EXPECT_EQ(ended.frames().free_frames(), page_count{5000 - 1024 - 2});
    EXPECT_EQ(ended.count(1).pages, 1024U);
    c.step(case_step::kind::exit, 0);
    sound_replay all(c);
    ASSERT_TRUE(all.run()) << all.failure();
    EXPECT_EQ(all.frames().free_frames(), page_count{5000});
}

TEST(sound_replay, superpages_from_before_the_log_are_copied_whole_by_a_forked_child) {
    written_case c(2);
    c.free(0x1000, 5000);
    c.map(pages(0, 1100));
    c.before(pages(0, 1100), 0x800);
    c.fork(pages(0, 1100));
    c.touch(pages(5, 1), 1);
    sound_replay replay(c);
    ASSERT_TRUE(replay.run()) << replay.failure();
    EXPECT_EQ(replay.count(0).superpages, 2U);
    EXPECT_EQ(replay.count(0).runs, 1U);
    EXPECT_EQ(replay.count(1).superpages, 2U);
    EXPECT_EQ(replay.count(1).runs, 2U) << "one whole copy, the rest is its parent's";
    EXPECT_EQ(replay.frames().free_frames(), page_count{5000 - 512 - 3}) << "with three tables";
    for (const unsigned process : {1U, 0U}) c.step(case_step::kind::exit, process);
    sound_replay ended(c);
    ASSERT_TRUE(ended.run()) << ended.failure();
    EXPECT_EQ(ended.frames().free_frames(), page_count{5000}) << "frames from before are nobody's to give back";
}

TEST(sound_replay, pages_from_before_the_log_are_copied_one_by_one_where_no_superpage_is_left) {
    written_case c(2);
    for (std::uint64_t n = 0; n < 4; ++n) c.free(0x1000 + n * 512, 500);
    c.map(pages(0, 512));
    c.before(pages(0, 512), 0x800);
    c.fork(pages(0, 512));
    c.touch(pages(0, 512), 1);
    sound_replay replay(c);
    ASSERT_TRUE(replay.run()) << replay.failure();
    EXPECT_EQ(replay.count(0).superpages, 1U);
    EXPECT_EQ(replay.count(1).superpages, 0U);
    EXPECT_EQ(replay.count(1).pages, 512U);
    EXPECT_EQ(replay.frames().free_frames(), page_count{2000 - 512 - 1});
}

TEST(sound_replay, pages_from_before_the_log_are_superpages_only_where_the_kernel_maps_them_so) {
    written_case c(3);
    c.free(0x1000, 5000);
    for (unsigned process = 0; process < 3; ++process) c.map(pages(process == 1 ? 10 : 0, 512), process);
    c.processes[0].before.push_back({pages(0, 512), pfn{0x801}});  // not congruent
    c.processes[1].before.push_back({pages(0, 512), pfn{0xa00}});  // not in one area
    c.processes[2].before.push_back({pages(0, 512), pfn{0xc00}});
    c.processes[2].superpages = false;
    const sound_replay replay(c);
    for (unsigned process = 0; process < 3; ++process) EXPECT_EQ(replay.process(process).leaves().size(), 512U);
}

TEST(sound_replay, a_long_case_ends_soon_where_it_is_told_to) {
    written_case c;
    c.free(0x1000, 5000);
    c.map(pages(0, 10));
    for (int i = 0; i < 10000; ++i) c.step(case_step::kind::unmap, 0, pages(20, 1));
    for (const bool one_long_touch : {false, true}) {
        if (one_long_touch) {
            c.steps.resize(1);
            c.map(pages(100000, 512 * 10000));
            c.touch(pages(100000, 512 * 10000));
        }
        int asked = 0;
        EXPECT_TRUE(replay_sound(c, [&] { return ++asked < 3; }).empty());
        EXPECT_EQ(asked, 3);
    }
    c.steps.clear();
    EXPECT_EQ(replay_sound(c, [] { return true; }).size(), 1U);
}

TEST(sound_replay, the_ideal_is_split_between_processes_as_the_replay_did_where_sums_are_equal) {
    written_case c(2);
    c.free(0x1000, 100);
    c.free(0x2000, 60);
    c.free(0x3000, 40);
    c.free(0x4000, 2);  // for page tables
    for (unsigned process = 0; process < 2; ++process) c.map(pages(0, 100), process);
    for (const unsigned last : {0U, 1U}) {
        c.steps.resize(2);
        c.touch(pages(0, 100), 1 - last);
        c.touch(pages(0, 100), last);
        const std::vector<case_result> results = replay_sound(c);
        EXPECT_EQ(results[0].found.n99 + results[1].found.n99, 3U);
        for (const case_result& each : results) EXPECT_EQ(each.ideal99, each.found.n99);
    }
}

TEST(sound_replay, the_ideal_takes_what_the_record_reached_into_account) {
    written_case c;
    c.free(0x1000, 100);
    c.free(0x2000, 100);
    c.map(pages(0, 150));
    for (std::uint64_t p = 0; p < 150; ++p) c.fault(p);
    EXPECT_EQ(replay_sound(c)[0].ideal99, 2U);
    c.processes[0].after.push_back({pages(0, 150), pfn{0x1000}});
    const case_result result = replay_sound(c)[0];
    EXPECT_EQ(result.recorded->n99, 1U);
    EXPECT_EQ(result.ideal99, 1U);
    EXPECT_EQ(result.bound99, 2U) << "the bound asks the free memory only";
}

}  // namespace
}  // namespace longreach
