// SPDX-License-Identifier: MIT
// Counts of holders by example, and each of their invariants broken on purpose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <longreach/pagetable/vm/frame_references.hpp>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static auto& counts(frame_references<pfn>& r) { return r.counts_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

constexpr frame_run frames(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }

struct references_test : testing::Test {
    std::vector<frame_run> drop(frame_run held) {
        std::vector<frame_run> gone;
        references.drop(held, [&](frame_run last) { gone.push_back(last); });
        return gone;
    }

    std::vector<std::byte> memory =
        std::vector<std::byte>(frame_references<pfn>::required_bytes(page_count{3000}), std::byte{0xa5});
    frame_references<pfn> references{frames(100, 3000), memory};
};

TEST_F(references_test, a_frame_has_one_holder_until_it_is_shared_and_goes_with_its_last) {
    EXPECT_FALSE(references.shared(frames(100, 3000))) << "whatever the memory held";
    ASSERT_EQ(references.share(frames(200, 1)), status::ok);
    ASSERT_EQ(references.share(frames(200, 1)), status::ok);
    EXPECT_EQ(references.further_holders(pfn{200}), 2U);
    EXPECT_THAT(drop(frames(200, 1)), testing::IsEmpty());
    EXPECT_THAT(drop(frames(200, 1)), testing::IsEmpty());
    EXPECT_FALSE(references.shared(frames(200, 1)));
    EXPECT_THAT(drop(frames(200, 1)), testing::ElementsAre(frames(200, 1)));
}

TEST_F(references_test, the_frames_of_a_superpage_go_in_runs_between_those_that_others_still_hold) {
    ASSERT_EQ(references.share(frames(512, 512)), status::ok);
    EXPECT_THAT(drop(frames(512, 10)), testing::IsEmpty()) << "one holder split it and gave up the first ten";
    EXPECT_THAT(drop(frames(600, 1)), testing::IsEmpty());
    EXPECT_TRUE(references.shared(frames(512, 512)));
    EXPECT_THAT(drop(frames(512, 512)), testing::ElementsAre(frames(512, 10), frames(600, 1)));
    EXPECT_THAT(drop(frames(522, 78)), testing::ElementsAre(frames(522, 78)));
    EXPECT_EQ(references.further_holds(), 0U);
}

TEST_F(references_test, a_count_that_is_full_refuses_the_whole_run) {
    for (unsigned i = 0; i < 65535; ++i) ASSERT_EQ(references.share(frames(300, 1)), status::ok);
    EXPECT_EQ(references.share(frames(290, 20)), status::out_of_memory);
    EXPECT_FALSE(references.shared(frames(290, 10))) << "nothing changed";
    EXPECT_EQ(references.further_holders(pfn{300}), 65535U);
    EXPECT_EQ(references.audit().label, nullptr);
}

TEST_F(references_test, the_recount_of_a_full_count_finds_all_of_its_65536_holders) {
    for (unsigned i = 0; i < 65535; ++i) ASSERT_EQ(references.share(frames(300, 1)), status::ok);
    const auto recount = [&](unsigned holders) {
        return references.audit_holders([&](auto&& visit) {
            for (unsigned i = 0; i < holders; ++i) visit(frames(300, 1));
        });
    };
    EXPECT_EQ(recount(65536).label, nullptr);
    EXPECT_STREQ(recount(65535).label, "frame_references.I2");
    EXPECT_STREQ(recount(65537).label, "frame_references.I2");
}

TEST_F(references_test, I1_a_count_that_changed_behind_its_back_is_found) {
    corrupt::counts(references)[7] = 1;
    EXPECT_STREQ(references.audit().label, "frame_references.I1");
}

TEST_F(references_test, I2_a_frame_with_more_or_fewer_holders_than_its_count_says_is_found) {
    const auto recount = [&](std::vector<frame_run> held) {
        return references.audit_holders([&](auto&& visit) {
            for (const frame_run one : held) visit(one);
        });
    };
    ASSERT_EQ(references.share(frames(3000, 2)), status::ok);
    EXPECT_EQ(recount({frames(3000, 2), frames(2990, 20)}).label, nullptr);
    EXPECT_STREQ(recount({frames(2990, 20)}).label, "frame_references.I2");
    const violation broken = recount({frames(3000, 2), frames(2990, 20), frames(3005, 1)});
    EXPECT_STREQ(broken.label, "frame_references.I2");
    EXPECT_EQ(broken.where, 3005U);
}

}  // namespace
}  // namespace longreach
