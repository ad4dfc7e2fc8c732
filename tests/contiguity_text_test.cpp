// SPDX-License-Identifier: MIT
// A contiguity map as the original kernel prints its own, exact to the frame or cut to its 4 MiB blocks.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/workloads/contiguity_text.hpp>
#include <string>
#include <vector>

namespace longreach {
namespace {

struct zone {
    zone(std::uint64_t first, std::uint64_t count)
        : memory(buddy::required_bytes(page_count{count})),
          map_memory(contiguity_map::required_bytes(page_count{count})),
          frames({pfn{first}, page_count{count}}, memory),
          clusters(frames, map_memory) {}

    void take(std::uint64_t first, std::uint64_t count) {
        ASSERT_EQ(frames.allocate_run_at({pfn{first}, page_count{count}}), status::ok);
    }

    std::vector<std::byte> memory;
    std::vector<std::byte> map_memory;
    buddy frames;
    contiguity_map clusters;
};

constexpr contiguity_view of_the_original{contiguity_unit.pages(), true};

/// 64 MiB from frame 0x100000 on: free are 7 MiB that begin and end inside 4 MiB blocks, 1 MiB, and 8 MiB of whole
/// ones.
struct scattered_zone : zone {
    scattered_zone() : zone(0x100000, 0x4000) {
        take(0x100000, 0x200);
        take(0x100900, 0x700);
        take(0x101100, 0x700);
        take(0x102000, 0x2000);
    }
};

TEST(contiguity_text, prints_a_free_zone_as_one_range) {
    zone z(0x100000, 0x40000);
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Normal"),
              "Node 0, zone   Normal [0x100000--0x140000](1024MB), \nNext fit rover: 0x100000\n\n");
}

TEST(contiguity_text, shows_runs_of_4_MiB_and_more_exact_to_the_frame) {
    scattered_zone z;
    EXPECT_EQ(contiguity_text(z.clusters, 1, "DMA32"),
              "Node 1, zone    DMA32 [0x100200--0x100900](7MB), [0x101800--0x102000](8MB), \n"
              "Next fit rover: 0x100000\n\n");
}

TEST(contiguity_text, shows_shorter_runs_where_asked) {
    scattered_zone z;
    EXPECT_EQ(
        contiguity_text(z.clusters, 0, "Normal", {page_count{1}}),
        "Node 0, zone   Normal [0x100200--0x100900](7MB), [0x101000--0x101100](1MB), [0x101800--0x102000](8MB), \n"
        "Next fit rover: 0x100000\n\n");
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Normal", {page_count{0x701}}),
              "Node 0, zone   Normal [0x101800--0x102000](8MB), \nNext fit rover: 0x100000\n\n");
}

TEST(contiguity_text, shows_what_the_original_would_of_the_same_memory) {
    scattered_zone z;
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Normal", of_the_original),
              "Node 0, zone   Normal [0x100400--0x100800](4MB), [0x101800--0x102000](8MB), \n"
              "Next fit rover: 0x100000\n\n");
    z.take(0x100400, 1);  // no whole block is left of the first
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Normal", of_the_original),
              "Node 0, zone   Normal [0x101800--0x102000](8MB), \nNext fit rover: 0x100000\n\n");
}

TEST(contiguity_text, rounds_sizes_down_to_whole_MiB) {
    zone z(0, 1024 + 255);
    EXPECT_EQ(contiguity_text(z.clusters, 0, "DMA"),
              "Node 0, zone      DMA [0x0--0x4ff](4MB), \nNext fit rover: 0x0\n\n");
    EXPECT_EQ(contiguity_text(z.clusters, 0, "DMA", of_the_original),
              "Node 0, zone      DMA [0x0--0x400](4MB), \nNext fit rover: 0x0\n\n");
}

TEST(contiguity_text, prints_where_next_fit_goes_on) {
    zone z(0x100000, 0x40000);
    ASSERT_TRUE(z.clusters.next_fit(page_count{0x1234}));
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Normal"),
              "Node 0, zone   Normal [0x100000--0x140000](1024MB), \nNext fit rover: 0x101234\n\n");
}

TEST(contiguity_text, leaves_out_promised_frames) {
    zone z(0, 0x2000);
    z.frames.reserve({pfn{0x800}, page_count{0x400}});
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Normal"),
              "Node 0, zone   Normal [0x0--0x800](8MB), [0xc00--0x2000](20MB), \nNext fit rover: 0x0\n\n");
}

TEST(contiguity_text, names_no_range_where_no_run_is_long_enough) {
    zone z(0, 1023);
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Movable"), "Node 0, zone  Movable \nNext fit rover: 0x0\n\n");
    z.take(0, 1023);
    EXPECT_EQ(contiguity_text(z.clusters, 0, "Movable", {page_count{1}}),
              "Node 0, zone  Movable \nNext fit rover: 0x0\n\n");
}

}  // namespace
}  // namespace longreach
