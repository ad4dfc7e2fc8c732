// SPDX-License-Identifier: MIT
// The original kernel's zone: each invariant of it and of its map broken on purpose; and random steps against a plain
// model, after each of which every invariant holds.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/workloads/artifact/artifact_zone.hpp>
#include <longreach/workloads/random.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "model/artifact_zones.hpp"

LONGREACH_NAMESPACE_BEGIN

struct corrupt {
    static auto& map(artifact_zone& z) { return z.map_; }
    static auto& sizes(artifact_zone& z) { return z.sizes_; }
    static auto& free_frames(artifact_zone& z) { return z.free_frames_; }
    static auto& per_cpu_counts(artifact_zone& z) { return z.per_cpu_counts_; }
    static void set_used(artifact_zone& z, pfn frame) { z.states_[z.index(frame)] = artifact_zone::state::used; }
    /// Adds a block to its list without merging it.
    static void insert(artifact_zone& z, pfn block, order size) {
        z.set_states(block, size, artifact_zone::state::tail);
        z.link_front(block, size, migrate_type::movable);
    }
    static auto& ranges(artifact_map& m, migrate_type type) { return m.lists_[static_cast<std::size_t>(type)]; }
    static auto& home(artifact_map& m) { return m.home_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using namespace artifact_trial;

// ---- audits ----

struct artifact_zone_audit : ::testing::Test {
    artifact_zone zone = free_zone(4);
};

TEST_F(artifact_zone_audit, I1_a_map_with_other_frames_than_the_free_blocks_is_found) {
    corrupt::ranges(corrupt::map(zone), migrate_type::movable).clear();
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I1");
}

TEST_F(artifact_zone_audit, I4_a_free_block_that_the_map_does_not_know_is_found) {
    corrupt::map(zone).remove(block(1), migrate_type::movable);
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I4");
}

TEST_F(artifact_zone_audit, I6_a_missing_rover_is_found) {
    corrupt::map(zone).set_rover(migrate_type::movable, std::nullopt);
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I6");
    corrupt::map(zone).set_rover(migrate_type::movable, block(4));
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I6");
}

TEST_F(artifact_zone_audit, I7_two_free_buddies_apart_are_found) {
    const pfn lower = *zone.allocate(order{8}, migrate_type::movable);
    corrupt::insert(zone, lower, order{8});
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I7");
}

TEST_F(artifact_zone_audit, I8_a_wrong_number_of_free_frames_is_found) {
    ++corrupt::free_frames(zone).raw;
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I8");
    --corrupt::free_frames(zone).raw;
    ++corrupt::per_cpu_counts(zone)[0];
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I8");
}

TEST_F(artifact_zone_audit, I9_a_frame_in_two_states_is_found) {
    corrupt::set_used(zone, block(2) + page_count{9});
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I9");
}

TEST_F(artifact_zone_audit, I28_a_block_on_the_list_of_another_size_is_found) {
    corrupt::sizes(zone)[0] = 9;
    EXPECT_STREQ(zone.audit().label, "artifact_zone.I28");
}

TEST_F(artifact_zone_audit, map_I2_overlapping_ranges_are_found) {
    auto& ranges = corrupt::ranges(corrupt::map(zone), migrate_type::movable);
    ranges.emplace(block(1).raw, top.raw);
    EXPECT_STREQ(corrupt::map(zone).audit().label, "artifact_map.I2");
}

TEST_F(artifact_zone_audit, map_I3_a_range_of_half_blocks_is_found) {
    corrupt::ranges(corrupt::map(zone), migrate_type::movable).begin()->second -= 1;
    EXPECT_STREQ(corrupt::map(zone).audit().label, "artifact_map.I3");
}

TEST_F(artifact_zone_audit, map_I4_a_block_that_names_another_list_is_found) {
    corrupt::home(corrupt::map(zone))[2] = 0;
    EXPECT_STREQ(corrupt::map(zone).audit().label, "artifact_map.I4");
}

// ---- random steps ----

/// What a zone is, said plainly: who has each frame.
struct plain_zone {
    explicit plain_zone(frame_run span, bool holes) : span_(span), free(span.count.raw, true) {
        if (!holes) return;
        for (std::uint64_t i = 1500; i < 1600 && i < free.size(); ++i) free[i] = false;
    }
    [[nodiscard]] bool is_free(frame_run frames) const {
        if (!span_.contains(frames)) return false;
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) {
            if (!free[(f - span_.first).raw]) return false;
        }
        return true;
    }
    void set(frame_run frames, bool to) {
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) free[(f - span_.first).raw] = to;
    }
    frame_run span_;
    std::vector<bool> free;
};

struct random_zone : ::testing::TestWithParam<std::uint64_t> {};

// Frames are never given out twice, refusals change nothing, sound rules never refuse a free block that a list holds,
// and every invariant holds after each step: on spans that start and end anywhere, with and without a hole.
TEST_P(random_zone, keeps_to_a_plain_model) {
    random_numbers random(GetParam());
    const bool right = GetParam() % 2 != 0;
    const bool holes = GetParam() % 3 == 0;
    const frame_run span{base + page_count{random.below(1500)}, page_count{1024 + random.below(7168)}};
    artifact_zone zone(span, with(right ? artifact_rules{} : artifact_rules::all()));
    plain_zone plain(span, holes);
    if (holes) {
        zone.add_hole({span.first + page_count{1500}, page_count{100}});
        zone.donate({span.first, page_count{std::min<std::uint64_t>(1500, span.count.raw)}});
        if (span.count.raw > 1600) zone.donate(run_between(span.first + page_count{1600}, span.end()));
    } else {
        zone.donate(span);
    }
    zone.finish_boot();
    std::vector<std::pair<pfn, order>> held;
    const auto keep = [&](pfn first, order size) {
        ASSERT_TRUE(is_aligned(first, size));
        ASSERT_TRUE(plain.is_free({first, size.pages()})) << "given out twice";
        plain.set({first, size.pages()}, false);
        held.emplace_back(first, size);
    };
    for (int step = 0; step < 600; ++step) {
        const order size = random.below(2) == 0 ? base_order : order{static_cast<unsigned>(random.below(11))};
        const auto type = static_cast<migrate_type>(random.below(8) == 0 ? 0 : 1);
        const pfn target = align_down(span.first + page_count{random.below(span.count.raw)}, size);
        switch (random.below(5)) {
            case 0:
                if (const auto got = zone.allocate(size, type)) keep(*got, size);
                break;
            case 1: {
                if (!zone.exists(target) || !zone.contains(target + (size.pages() - page_count{1}))) break;
                const bool was_free = plain.is_free({target, size.pages()});
                const page_count free_before = zone.free_frames();
                const bool whole = zone.in_buddy(target) && was_free;
                const artifact_taking taking = zone.take(target, size);
                if (taking.taken) {
                    keep(target, size);
                } else {
                    EXPECT_EQ(zone.free_frames(), free_before);
                    if (right && size == base_order) {
                        EXPECT_FALSE(whole) << "a free frame was refused";
                    }
                }
                break;
            }
            case 2:
                if (const auto got = zone.place(page_count{random.below(4096)}, superpage_order)) {
                    keep(*got, superpage_order);
                }
                break;
            default:
                if (held.empty()) break;
                const std::size_t i = random.below(held.size());
                zone.free(held[i].first, held[i].second);
                plain.set({held[i].first, held[i].second.pages()}, true);
                held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
        }
        const violation broken = zone.audit();
        ASSERT_EQ(broken.label, nullptr) << broken.label << " at " << broken.where << " in step " << step;
    }
    // I9: when everything is given back, every frame is on some list again.
    for (const auto& [first, size] : held) zone.free(first, size);
    const page_count listed_frames = zone.free_frames() + per_cpu_frames(zone);
    const auto free = static_cast<std::uint64_t>(std::count(plain.free.begin(), plain.free.end(), true));
    std::uint64_t given_back = 0;
    for (const auto& [first, size] : held) given_back += size.pages().raw;
    EXPECT_EQ(listed_frames.raw, free + given_back);
}

INSTANTIATE_TEST_SUITE_P(seeds, random_zone, ::testing::Range<std::uint64_t>(1, 25));

}  // namespace
}  // namespace longreach
