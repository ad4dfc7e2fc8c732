// SPDX-License-Identifier: MIT
// The contiguity map answers with maximal runs of free, unreserved frames, exact to the frame.

#include <gtest/gtest.h>

#include <cstddef>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "model/mapped_zone.hpp"

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a map to break what its audit must notice.
struct contiguity_map_corruption {
    static std::uint16_t& longest_in(contiguity_map& m, std::uint64_t child) { return m.tree_.leaves_[child].longest; }
    static std::uint16_t& prefix_of(contiguity_map& m, std::uint64_t child) { return m.tree_.leaves_[child].prefix; }
    static std::uint32_t& suffix_at(contiguity_map& m, unsigned level, std::uint64_t i) {
        return m.tree_.levels_[level][i].suffix;
    }
    static bit_tree& broken(contiguity_map& m) { return m.tree_.bins_.broken_; }
    static bit_tree& bin(contiguity_map& m, unsigned c) { return m.tree_.bins_.bins_[c]; }
    static std::uint64_t& classes_in_use(contiguity_map& m) { return m.tree_.bins_.used_[0]; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using zone = model::mapped_zone;
using cluster = std::optional<frame_run>;
cluster run_of(std::uint64_t first, std::uint64_t count) { return frame_run{pfn{first}, page_count{count}}; }
constexpr cluster nothing = std::nullopt;
frame_run free_run(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }

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

TEST(contiguity_map, worst_fit_is_the_longest_cluster_if_it_suffices) {
    zone z(0, 5000);
    z.leave({free_run(10, 700), free_run(1000, 2000), free_run(3500, 1000)});
    EXPECT_EQ(z.clusters.worst_fit(page_count{1}), run_of(1000, 2000));
    EXPECT_EQ(z.clusters.worst_fit(page_count{2000}), run_of(1000, 2000));
    EXPECT_EQ(z.clusters.worst_fit(page_count{2001}), nothing);
}

TEST(contiguity_map, first_fit_is_the_lowest_cluster_that_suffices) {
    zone z(5, 5000);
    z.leave({free_run(10, 700), free_run(1000, 2000), free_run(3500, 1000)});
    EXPECT_EQ(z.clusters.first_fit(page_count{700}), run_of(10, 700));
    EXPECT_EQ(z.clusters.first_fit(page_count{701}), run_of(1000, 2000));
    EXPECT_EQ(z.clusters.first_fit(page_count{2001}), nothing);
}

TEST(contiguity_map, next_fit_goes_on_behind_what_was_asked_for_and_round) {
    zone z(0, 5000);
    z.leave({free_run(10, 700), free_run(1000, 2000), free_run(3500, 1000)});
    EXPECT_EQ(z.clusters.rover(), pfn{0});
    EXPECT_EQ(z.clusters.next_fit(page_count{100}), run_of(10, 700));
    EXPECT_EQ(z.clusters.rover(), pfn{110});
    EXPECT_EQ(z.clusters.next_fit(page_count{601}), run_of(1000, 2000)) << "600 are left of the first";
    EXPECT_EQ(z.clusters.next_fit(page_count{600}), run_of(1601, 1399)) << "the rest of the second";
    EXPECT_EQ(z.clusters.next_fit(page_count{1000}), run_of(3500, 1000));
    EXPECT_EQ(z.clusters.next_fit(page_count{600}), run_of(10, 700)) << "nothing above: again from the start";
    z.clusters.set_rover(pfn{4000});
    EXPECT_EQ(z.clusters.next_fit(page_count{501}), run_of(10, 700));
    EXPECT_EQ(z.clusters.next_fit(page_count{3000}), nothing);
    EXPECT_EQ(z.clusters.rover(), pfn{511}) << "what finds nothing moves nothing";
}

TEST(contiguity_map, a_rover_that_wrapped_sees_the_whole_of_the_cluster_it_stood_in) {
    zone z(0, 5000);
    z.leave({free_run(1000, 2000)});
    z.clusters.set_rover(pfn{2000});
    EXPECT_EQ(z.clusters.next_fit(page_count{1500}), run_of(1000, 2000));
}

// ------------------------------------------------------------------------------- best fit

using place = std::optional<pfn>;

TEST(contiguity_map, best_fit_is_the_shortest_cluster_that_suffices_the_lowest_of_equals) {
    zone z(0, 30000);
    z.leave({free_run(3, 700), free_run(1000, 2000), free_run(3500, 1000), free_run(5000, 700), free_run(6000, 1),
             free_run(8192, 10000)});
    EXPECT_EQ(z.clusters.best_fit(page_count{1}), pfn{6000});
    EXPECT_EQ(z.clusters.best_fit(page_count{2}), pfn{3});
    EXPECT_EQ(z.clusters.best_fit(page_count{700}), pfn{3});
    EXPECT_EQ(z.clusters.best_fit(page_count{701}), pfn{3500});
    EXPECT_EQ(z.clusters.best_fit(page_count{1001}), pfn{1000});
    EXPECT_EQ(z.clusters.best_fit(page_count{2001}), pfn{8192});
    EXPECT_EQ(z.clusters.best_fit(page_count{10001}), place{});
}

TEST(contiguity_map, best_fit_places_the_first_frame_where_its_offset_wants_it) {
    zone z(0, 30000);
    z.leave({free_run(100, 1000), free_run(2048, 1500), free_run(8200, 2000)});
    EXPECT_EQ(z.clusters.best_fit({page_count{512}, 512, 0}), pfn{512}) << "588 remain from there on";
    EXPECT_EQ(z.clusters.best_fit({page_count{589}, 512, 0}), pfn{2048});
    EXPECT_EQ(z.clusters.best_fit({page_count{1000}, 512, 100}), pfn{100});
    EXPECT_EQ(z.clusters.best_fit({page_count{1000}, 512, 612}), pfn{100}) << "residues are modulo the modulus";
    EXPECT_EQ(z.clusters.best_fit({page_count{1400}, 512, 100}), pfn{2148});
    EXPECT_EQ(z.clusters.best_fit({page_count{1401}, 512, 100}), pfn{8292});
    EXPECT_EQ(z.clusters.best_fit({page_count{1500}, 512, 7}), place{}) << "8711 is the first, 1489 are left";
}

TEST(contiguity_map, best_fit_takes_the_lowest_of_equals_that_lie_otherwise_on_the_superpages) {
    zone z(0, 30000);  // 2048 frames each: four whole superpages, then three with ragged ends
    z.leave({free_run(512, 2048), free_run(5000, 2048)});
    EXPECT_EQ(z.clusters.best_fit(page_count{2048}), pfn{512});
    EXPECT_EQ(z.clusters.best_fit(page_count{2000}), pfn{512});
    EXPECT_EQ(z.clusters.best_fit({page_count{1500}, 256, 249}), pfn{761});
}

TEST(contiguity_map, best_fit_finds_a_place_behind_64_that_are_too_short) {
    zone z(0, 70 * 2048);
    std::vector<frame_run> runs;  // each holds one whole superpage
    for (std::uint64_t i = 0; i < 70; ++i) {
        runs.push_back(i == 66 ? free_run(i * 2048 + 20, 1480) : free_run(i * 2048 + 500, 600));
    }
    z.leave(runs);
    EXPECT_EQ(z.clusters.best_fit(page_count{1480}), pfn{66 * 2048 + 20});
    EXPECT_EQ(z.clusters.best_fit({page_count{1400}, 64, 63}), pfn{66 * 2048 + 63});
    EXPECT_EQ(z.clusters.best_fit(page_count{1481}), place{});
}

TEST(contiguity_map, searches_for_what_spans_many_words_of_superpages_see_every_run_whole) {
    const std::uint64_t superpages = 1000;
    zone z(300, superpages * 512);
    const std::uint64_t cut[] = {300 + 40 * 512 + 77, 64 * 512, 190 * 512 + 3, 192 * 512, 700 * 512 + 511};
    for (const std::uint64_t f : cut) z.take(f);
    const std::uint64_t end = 300 + superpages * 512;
    EXPECT_EQ(z.clusters.longest(), run_of(192 * 512 + 1, 700 * 512 + 511 - 192 * 512 - 1));
    EXPECT_EQ(z.clusters.first_fit(page_count{100 * 512}), run_of(64 * 512 + 1, 126 * 512 + 2));
    EXPECT_EQ(z.clusters.next(pfn{200 * 512}, page_count{500 * 512}), run_of(200 * 512, 500 * 512 + 511));
    EXPECT_EQ(z.clusters.next(pfn{200 * 512}, page_count{500 * 512 + 512}), nothing);
    EXPECT_EQ(z.clusters.next(pfn{500 * 512}, page_count{201 * 512}), run_of(701 * 512, end - 701 * 512));
    EXPECT_EQ(z.clusters.best_fit(page_count{130 * 512}), pfn{701 * 512});
    EXPECT_FALSE(z.clusters.audit());
}

TEST(contiguity_map, for_each_visits_all_clusters_in_address_order) {
    zone z(3, 30000);
    z.leave({free_run(3, 700), free_run(1000, 2000), free_run(29000, 1003)});
    std::vector<frame_run> seen;
    z.clusters.for_each([&seen](frame_run r) { seen.push_back(r); });
    EXPECT_EQ(seen, (std::vector<frame_run>{free_run(3, 700), free_run(1000, 2000), free_run(29000, 1003)}));
}

TEST(contiguity_map, the_next_map_of_a_zone_sees_what_happened_without_one) {
    const page_count count{5000};
    std::vector<std::byte> memory(buddy::required_bytes(count));
    std::vector<std::byte> map_memory(contiguity_map::required_bytes(count));
    buddy frames({pfn{0}, count}, memory);
    {
        const contiguity_map first(frames, map_memory);
        ASSERT_EQ(frames.allocate_at(pfn{600}, base_order), status::ok);
    }
    ASSERT_EQ(frames.allocate_at(pfn{2000}, base_order), status::ok);
    contiguity_map second(frames, map_memory);
    EXPECT_EQ(second.longest(), run_of(2001, 2999));
    EXPECT_FALSE(second.audit());
}

TEST(contiguity_map, follows_a_zone_that_is_recovered) {
    zone z(0, 200 * 512);
    z.take(100 * 512);
    z.frames.reserve(free_run(0, 90 * 512));
    EXPECT_EQ(z.clusters.longest(), run_of(100 * 512 + 1, 100 * 512 - 1));
    z.take(150 * 512);
    z.frames.recover();
    EXPECT_EQ(z.clusters.longest(), run_of(0, 100 * 512)) << "promises are forgotten";
    EXPECT_FALSE(z.clusters.audit());
}

TEST(contiguity_map_death, a_search_for_no_frames_is_refused) {
    zone z(0, 64);
    EXPECT_DEATH((void)z.clusters.next(pfn{0}, page_count{0}), "");
    EXPECT_DEATH((void)z.clusters.best_fit(page_count{0}), "");
    EXPECT_DEATH((void)z.clusters.best_fit({page_count{1}, 3, 0}), "");
}

TEST(contiguity_map, audit_finds_a_child_whose_node_differs_from_its_bits_I1) {
    zone z(0, 4096);
    contiguity_map_corruption::longest_in(z.clusters, 3) = 100;
    EXPECT_EQ(z.clusters.audit().label, std::string_view("contiguity_map.I1"));
    EXPECT_EQ(z.clusters.audit().where, 3U);
    contiguity_map_corruption::longest_in(z.clusters, 3) = 512;
    contiguity_map_corruption::prefix_of(z.clusters, 0) = 0;
    EXPECT_EQ(z.clusters.audit().label, std::string_view("contiguity_map.I1"));
}

TEST(contiguity_map, audit_finds_a_node_that_differs_from_the_two_below_it_I2) {
    zone z(0, 4096);
    contiguity_map_corruption::suffix_at(z.clusters, 2, 1) = 7;
    EXPECT_EQ(z.clusters.audit().label, std::string_view("contiguity_map.I2"));
    EXPECT_EQ(z.clusters.audit().where, 4U) << "the first child below it";
}

TEST(contiguity_map, audit_looks_into_the_classes_of_whole_superpages) {
    zone broken(0, 8 * 512);
    broken.take(0);
    broken.clusters.refresh();
    contiguity_map_corruption::broken(broken.clusters).erase(0);
    EXPECT_EQ(broken.clusters.audit().label, std::string_view("cluster_bins.I1"));
    zone missing(0, 8 * 512);
    contiguity_map_corruption::bin(missing.clusters, 7).erase(0);
    EXPECT_EQ(missing.clusters.audit().label, std::string_view("cluster_bins.I2"));
    zone unused(0, 8 * 512);
    contiguity_map_corruption::classes_in_use(unused.clusters) = 1;
    EXPECT_EQ(unused.clusters.audit().label, std::string_view("cluster_bins.I3"));
    zone beyond(0, 8 * 512);
    contiguity_map_corruption::broken(beyond.clusters).insert(60);
    EXPECT_EQ(beyond.clusters.audit().label, std::string_view("bit_tree.I2"));
}

}  // namespace
}  // namespace longreach
