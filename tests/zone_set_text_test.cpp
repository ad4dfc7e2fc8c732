// SPDX-License-Identifier: MIT
// Our own zones in the form of /proc/buddyinfo, read back with the same free memory.

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/zone_set_text.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longreach {
namespace {

using counts = std::array<std::uint64_t, 11>;

TEST(linux_counts, counts_larger_blocks_as_those_of_the_last_order) {
    std::array<std::uint64_t, 31> blocks{};
    blocks[0] = 3;
    blocks[9] = 5;
    blocks[10] = 7;
    blocks[11] = 1;
    blocks[18] = 2;
    EXPECT_EQ(linux_counts(blocks), (counts{3, 0, 0, 0, 0, 0, 0, 0, 0, 5, 7 + 2 + 512}));
    EXPECT_EQ(free_frames_from(linux_counts(blocks), 0), free_frames_from(blocks, 0));
}

TEST(linux_counts, fills_missing_columns_with_zeros) {
    EXPECT_EQ(linux_counts(std::array<std::uint64_t, 2>{4, 6}), (counts{4, 6}));
    EXPECT_EQ(linux_counts({}), counts{});
}

/// Zones that know their memory.
struct owned_buddy {
    owned_buddy(std::uint64_t first, std::uint64_t count)
        : memory(buddy::required_bytes(page_count{count})), frames({pfn{first}, page_count{count}}, memory) {}
    owned_buddy(const owned_buddy&) = delete;
    owned_buddy& operator=(const owned_buddy&) = delete;

    std::vector<std::byte> memory;
    buddy frames;
};

/// DMA and DMA32 on node 0, Normal on both, that of node 0 with a hole.
struct machine {
    owned_buddy dma{1, 4095};
    owned_buddy dma32{4096, 16384};
    owned_buddy normal{0x100000, 6000};
    owned_buddy normal_above{0x110000, 1024};
    owned_buddy remote{0x200000, 1U << 18};
    std::array<node_zone<buddy>, 5> members{on_node(remote.frames, 1), on_node(normal_above.frames, 0),
                                            on_node(dma.frames, 0, 2), on_node(dma32.frames, 0, 1),
                                            on_node(normal.frames, 0)};
    std::vector<std::byte> memory = std::vector<std::byte>(zone_set<buddy>::required_bytes(5, 2));
    zone_set<buddy> zones{members, {2, {}}, memory};
};

std::string_view name_of(const node_zone<buddy>& zone) {
    return zone.frames.first < pfn{4096} ? "DMA" : zone.frames.first < pfn{0x100000} ? "DMA32" : "Normal";
}

TEST(buddyinfo_text, prints_a_line_per_node_and_zone_as_linux_does) {
    const machine m;
    EXPECT_EQ(buddyinfo_text(m.zones, name_of),
              "Node 0, zone      DMA      1      1      1      1      1      1      1      1      1      1      3 \n"
              "Node 0, zone    DMA32      0      0      0      0      0      0      0      0      0      0     16 \n"
              "Node 0, zone   Normal      0      0      0      0      1      1      1      0      1      1      6 \n"
              "Node 1, zone   Normal      0      0      0      0      0      0      0      0      0      0    256 \n");
}

TEST(buddyinfo_text, of_no_zone_is_empty) {
    std::vector<std::byte> memory(zone_set<buddy>::required_bytes(0, 1));
    EXPECT_EQ(buddyinfo_text(zone_set<buddy>({}, {}, memory), name_of), "");
}

TEST(buddyinfo_text, is_read_back_with_the_same_free_memory) {
    const machine m;
    random_numbers random(1);
    for (unsigned step = 0; step < 400; ++step) {
        const auto node = static_cast<std::uint32_t>(random.below(2));
        const std::optional<pfn> taken =
            m.zones.allocate(node, order{static_cast<unsigned>(random.below(11))}, fallback::none);
        if (taken && random.chance(1, 2)) m.zones.free(*taken, base_order);
        if (step % 20 != 0) continue;

        const auto read = parse_buddyinfo("zones", buddyinfo_text(m.zones, name_of));
        ASSERT_TRUE(read.ok()) << read.status();
        ASSERT_EQ(read->size(), 4U);
        std::array<std::uint64_t, 2> free{};
        for (const zone_free_blocks& line : *read) free.at(line.node) += free_frames_from(line.blocks, 0);
        EXPECT_EQ(page_count{free[0]}, m.zones.free_frames(0));
        EXPECT_EQ(page_count{free[1]}, m.zones.free_frames(1));
        EXPECT_EQ(read->front().blocks.size(), 11U);
    }
}

TEST(buddyinfo_text, counts_promised_frames_as_free) {
    machine m;
    const std::string before = buddyinfo_text(m.zones, name_of);
    m.normal.frames.reserve({pfn{0x100000}, page_count{700}});
    EXPECT_EQ(buddyinfo_text(m.zones, name_of), before);
}

}  // namespace
}  // namespace longreach
