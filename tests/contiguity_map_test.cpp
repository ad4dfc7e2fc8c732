// SPDX-License-Identifier: MIT
// The contiguity map answers with maximal runs of free, unreserved frames, exact to the frame.

#include <gtest/gtest.h>

#include <cstddef>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a map to break what its audit must notice.
struct contiguity_map_corruption {
    static std::uint16_t& longest_in(contiguity_map& m, std::uint64_t child) { return m.leaves_[child].longest; }
    static std::uint16_t& prefix_of(contiguity_map& m, std::uint64_t child) { return m.leaves_[child].prefix; }
    static std::uint32_t& suffix_at(contiguity_map& m, unsigned level, std::uint64_t i) {
        return m.levels_[level][i].suffix;
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

struct zone {
    zone(std::uint64_t first, std::uint64_t count)
        : memory(buddy::required_bytes(page_count{count})),
          map_memory(contiguity_map::required_bytes(page_count{count})),
          frames({pfn{first}, page_count{count}}, memory),
          clusters(frames, map_memory) {}

    void take(std::uint64_t frame, order size = base_order) {
        ASSERT_EQ(frames.allocate_at(pfn{frame}, size), status::ok);
    }

    std::vector<std::byte> memory;
    std::vector<std::byte> map_memory;
    buddy frames;
    contiguity_map clusters;
};

using cluster = std::optional<frame_run>;
cluster run_of(std::uint64_t first, std::uint64_t count) { return frame_run{pfn{first}, page_count{count}}; }
constexpr cluster nothing = std::nullopt;

TEST(contiguity_map, a_fresh_zone_of_any_shape_is_one_cluster) {
    for (const std::uint64_t first : {0U, 1U, 511U, 512U, 1000U}) {
        for (const std::uint64_t count : {1U, 2U, 512U, 513U, 5000U, 9999U}) {
            zone z(first, count);
            EXPECT_EQ(z.clusters.longest(), run_of(first, count));
            EXPECT_EQ(z.clusters.next(pfn{0}, page_count{1}), run_of(first, count));
            EXPECT_EQ(z.clusters.next(pfn{0}, page_count{count}), run_of(first, count));
            EXPECT_EQ(z.clusters.next(pfn{0}, page_count{count + 1}), nothing);
            EXPECT_EQ(z.clusters.around(pfn{first + count - 1}), run_of(first, count));
            EXPECT_EQ(z.clusters.around(pfn{first + count}), nothing);
            EXPECT_FALSE(z.clusters.audit());
        }
    }
}

TEST(contiguity_map, one_used_frame_cuts_a_cluster_in_two) {
    for (const std::uint64_t used : {1U, 63U, 64U, 511U, 512U, 1023U, 1024U, 4094U}) {
        zone z(0, 4096);
        z.take(used);
        EXPECT_EQ(z.clusters.around(pfn{0}), run_of(0, used));
        EXPECT_EQ(z.clusters.around(pfn{used}), nothing);
        EXPECT_EQ(z.clusters.around(pfn{4095}), run_of(used + 1, 4095 - used));
        EXPECT_EQ(z.clusters.next(pfn{0}, page_count{used + 1}),
                  4095 - used >= used + 1 ? run_of(used + 1, 4095 - used) : nothing);
        EXPECT_FALSE(z.clusters.audit());
    }
}

TEST(contiguity_map, freeing_the_frame_between_joins_two_clusters) {
    zone z(0, 4096);
    z.take(1024, superpage_order);
    EXPECT_EQ(z.clusters.longest(), run_of(1536, 2560));
    z.frames.free(pfn{1024}, superpage_order);
    EXPECT_EQ(z.clusters.longest(), run_of(0, 4096));
}

TEST(contiguity_map, the_longest_is_the_lowest_of_equals) {
    zone z(0, 3 * 1000 + 2);
    z.take(1000);
    z.take(2001);
    EXPECT_EQ(z.clusters.longest(), run_of(0, 1000));
    z.take(999);
    EXPECT_EQ(z.clusters.longest(), run_of(1001, 1000));
}

TEST(contiguity_map, a_search_from_inside_a_cluster_sees_only_the_rest_of_it) {
    zone z(0, 2048);
    z.take(1000);
    EXPECT_EQ(z.clusters.next(pfn{300}, page_count{1}), run_of(300, 700));
    EXPECT_EQ(z.clusters.next(pfn{300}, page_count{701}), run_of(1001, 1047));
    EXPECT_EQ(z.clusters.next(pfn{512}, page_count{488}), run_of(512, 488)) << "also where a child begins";
    EXPECT_EQ(z.clusters.next(pfn{2047}, page_count{1}), run_of(2047, 1));
    EXPECT_EQ(z.clusters.next(pfn{2048}, page_count{1}), nothing);
    EXPECT_EQ(z.clusters.next(pfn{~std::uint64_t{0}}, page_count{1}), nothing);
}

TEST(contiguity_map, promised_frames_are_in_no_cluster_and_return_when_unpromised) {
    zone z(0, 4096);
    z.frames.reserve({pfn{700}, page_count{600}});
    EXPECT_EQ(z.clusters.around(pfn{0}), run_of(0, 700));
    EXPECT_EQ(z.clusters.around(pfn{1000}), nothing);
    EXPECT_EQ(z.clusters.longest(), run_of(1300, 2796));
    z.frames.unreserve({pfn{700}, page_count{600}});
    EXPECT_EQ(z.clusters.longest(), run_of(0, 4096));
}

TEST(contiguity_map, a_full_zone_has_no_cluster) {
    zone z(0, 1024);
    z.take(0, order{10});
    EXPECT_EQ(z.clusters.longest(), nothing);
    EXPECT_EQ(z.clusters.next(pfn{0}, page_count{1}), nothing);
}

TEST(contiguity_map, a_cluster_across_many_children_is_found_from_both_ends) {
    zone z(100, 64 * 512);
    z.take(100);
    z.take(100 + 64 * 512 - 1);
    const cluster all = run_of(101, 64 * 512 - 2);
    for (std::uint64_t f = 101; f < 100 + 64 * 512 - 1; f += 509) ASSERT_EQ(z.clusters.around(pfn{f}), all);
    EXPECT_EQ(z.clusters.next(pfn{0}, page_count{60 * 512}), all);
}

TEST(contiguity_map_death, a_search_for_no_frames_is_refused) {
    zone z(0, 64);
    EXPECT_DEATH((void)z.clusters.next(pfn{0}, page_count{0}), "");
}

TEST(contiguity_map, audit_finds_a_child_whose_node_differs_from_its_bits_I1) {
    zone z(0, 4096);
    contiguity_map_corruption::longest_in(z.clusters, 3) = 100;
    EXPECT_EQ(z.clusters.audit().label, std::string_view("contiguity_map.I1"));
    EXPECT_EQ(z.clusters.audit().where, 1536U);
    contiguity_map_corruption::longest_in(z.clusters, 3) = 512;
    contiguity_map_corruption::prefix_of(z.clusters, 0) = 0;
    EXPECT_EQ(z.clusters.audit().label, std::string_view("contiguity_map.I1"));
}

TEST(contiguity_map, audit_finds_a_node_that_differs_from_the_two_below_it_I2) {
    zone z(0, 4096);
    contiguity_map_corruption::suffix_at(z.clusters, 2, 1) = 7;
    EXPECT_EQ(z.clusters.audit().label, std::string_view("contiguity_map.I2"));
    EXPECT_EQ(z.clusters.audit().where, 2048U);
}

}  // namespace
}  // namespace longreach
