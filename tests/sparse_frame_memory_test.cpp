// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/sparse_frame_memory.hpp>
#include <map>
#include <string_view>
#include <utility>

LONGREACH_NAMESPACE_BEGIN
struct sparse_frames_breaker {
    static void miscount(sparse_frames<pfn>& of) { ++of.frames_; }
};
LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

TEST(sparse_frame_memory, every_word_reads_as_it_was_written_last) {
    const frame_run managed{pfn{1000}, page_count{1 << 20}};
    sparse_frames<pfn> store(managed);
    sparse_frame_memory<pfn> memory(store);
    std::map<std::pair<std::uint64_t, unsigned>, std::uint64_t> model;
    random_numbers random(1);
    for (int i = 0; i < 20000; ++i) {
        const pfn frame{1000 + random.below(8) * 100003 % (1 << 20)};
        const auto index = static_cast<unsigned>(random.below(words_per_frame));
        if (random.chance(1, 100)) {
            memory.clear(frame);
            for (unsigned w = 0; w < words_per_frame; ++w) model.erase({frame.raw, w});
        } else if (random.chance(1, 2)) {
            const std::uint64_t word = random.next();
            memory.write(frame, index, word);
            model[{frame.raw, index}] = word;
        }
        const auto found = model.find({frame.raw, index});
        ASSERT_EQ(memory.read(frame, index), found == model.end() ? 0 : found->second);
    }
    EXPECT_LE(store.frames().raw, 8U);
    EXPECT_EQ(store.audit().label, nullptr);
}

TEST(sparse_frame_memory, copies_of_a_handle_reach_the_same_words) {
    sparse_frames<gfn> store({gfn{0}, page_count{10}});
    sparse_frame_memory<gfn> one(store);
    const sparse_frame_memory<gfn> other = one;
    one.write(gfn{9}, 511, 77);
    EXPECT_EQ(other.read(gfn{9}, 511), 77U);
    EXPECT_EQ(other.read(gfn{8}, 511), 0U);
}

TEST(sparse_frame_memory, frames_cost_nothing_until_they_hold_a_table) {
    sparse_frames<pfn> store({pfn{0}, sparse_frames<pfn>::most_frames});
    EXPECT_EQ(store.frames(), page_count{0});
    EXPECT_EQ(store.read(pfn{123456789}, 0), 0U);
    EXPECT_EQ(store.frames(), page_count{0});
    store.clear(pfn{(std::uint64_t{1} << 30) - 1});
    store.clear(pfn{(std::uint64_t{1} << 30) - 1});
    EXPECT_EQ(store.frames(), page_count{1});
    EXPECT_EQ(store.audit().label, nullptr);
}

TEST(sparse_frame_memory, it_holds_the_frames_it_manages_and_no_other) {
    sparse_frames<pfn> store({pfn{100}, page_count{4097}});
    const sparse_frame_memory<pfn> memory(store);
    EXPECT_FALSE(memory.holds(pfn{99}));
    EXPECT_TRUE(memory.holds(pfn{100}));
    EXPECT_TRUE(memory.holds(pfn{4196}));
    EXPECT_FALSE(memory.holds(pfn{4197}));
    store.write(pfn{4196}, 0, 1);
    EXPECT_EQ(store.read(pfn{4196}, 0), 1U);
}

TEST(sparse_frame_memory_death, foreign_frames_and_too_large_memories_are_the_callers_fault) {
    sparse_frames<pfn> store({pfn{100}, page_count{10}});
    EXPECT_DEATH((void)store.read(pfn{99}, 0), "");
    EXPECT_DEATH(store.write(pfn{110}, 0, 1), "");
    EXPECT_DEATH(sparse_frames<pfn>({pfn{0}, page_count{(std::uint64_t{1} << 31) + 1}}), "");
}

TEST(sparse_frame_memory_audit, a_wrong_count_of_frames_is_found) {
    sparse_frames<pfn> store({pfn{0}, page_count{10}});
    store.clear(pfn{3});
    sparse_frames_breaker::miscount(store);
    EXPECT_EQ(std::string_view(store.audit().label), "sparse_frames.I1");
}

}
}
