// SPDX-License-Identifier: MIT
// Zones of several nodes, with holes between them, in any order: found by address, asked by distance; and for every
// label of the audit a set that breaks it.

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/locked_buddy.hpp>
#include <longreach/allocator/zone_set.hpp>
#include <longreach/workloads/random.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

LONGREACH_NAMESPACE_BEGIN

/// Reaches into a set to break what its audit must notice.
struct zone_set_corruption {
    static auto order(zone_set<buddy>& s) { return s.order_; }
    static auto own(zone_set<buddy>& s) { return s.own_; }
    static auto reachable(zone_set<buddy>& s) { return s.reachable_; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using corrupt = zone_set_corruption;
using zones = zone_set<buddy>;

struct shape {
    frame_run frames;
    std::uint32_t node;
    std::uint32_t preference = 0;
};

constexpr frame_run frames_from(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }

/// Buddies of these shapes, and a set of them.
class machine {
  public:
    machine(std::vector<shape> shapes, node_distances distances)
        : set_memory(zones::required_bytes(shapes.size(), distances.nodes)) {
        for (const shape& each : shapes) {
            memory.emplace_back(buddy::required_bytes(each.frames.count));
            buddies.push_back(std::make_unique<buddy>(each.frames, memory.back()));
            members.push_back(on_node(*buddies.back(), each.node, each.preference));
        }
        set.emplace(members, distances, set_memory);
    }

    std::vector<std::vector<std::byte>> memory;
    std::vector<std::unique_ptr<buddy>> buddies;
    std::vector<node_zone<buddy>> members;
    std::vector<std::byte> set_memory;
    std::optional<zones> set;
};

/// Two zones on node 0, one on node 1, two on node 2, given in no order: a hole below frame 16, one from 4096 to 8192;
/// node 0 prefers its upper zone. Nodes 0 and 2 are neighbours, 1 is far from both.
constexpr std::array<std::uint8_t, 9> three_nodes{10, 40,  20,  //
                                                  40, 10,  30,  //
                                                  20, 255, 10};
machine small_machine() {
    return machine({{frames_from(8192, 1000), 2},
                    {frames_from(16, 1008), 0, 1},
                    {frames_from(9192, 500), 2, 1},
                    {frames_from(2048, 2048), 1},
                    {frames_from(1024, 1024), 0, 0}},
                   {3, three_nodes});
}

TEST(zone_set, sorts_zones_by_address) {
    const machine m = small_machine();
    std::vector<std::uint64_t> firsts;
    for (const auto& each : m.set->zones()) firsts.push_back(each.frames.first.raw);
    EXPECT_EQ(firsts, (std::vector<std::uint64_t>{16, 1024, 2048, 8192, 9192}));
    EXPECT_FALSE(m.set->audit());
}

TEST(zone_set, finds_the_zone_of_every_frame_and_none_for_those_in_holes) {
    const machine m = small_machine();
    for (std::uint64_t f = 0; f < 10000; ++f) {
        const node_zone<buddy>* expected = nullptr;
        for (const auto& each : m.members) {
            if (each.frames.contains(pfn{f})) expected = &each;
        }
        ASSERT_EQ(m.set->holding(pfn{f}), expected) << f;
    }
    EXPECT_EQ(m.set->holding(pfn{~std::uint64_t{0}}), nullptr);
}

TEST(zone_set, a_set_of_no_zone_serves_nobody) {
    const machine m({}, {2, {}});
    EXPECT_EQ(m.set->holding(pfn{0}), nullptr);
    EXPECT_EQ(m.set->allocate(1, base_order), std::nullopt);
    EXPECT_EQ(m.set->allocate_at(pfn{0}, base_order), status::out_of_range);
    EXPECT_EQ(m.set->free_frames(), page_count{0});
    EXPECT_FALSE(m.set->audit());
}

/// The zones that serve `node`, one frame at a time until nothing is left: their first frames.
std::vector<std::uint64_t> served_in_turn(const machine& m, std::uint32_t node, fallback then = fallback::nearest) {
    std::vector<std::uint64_t> turns;
    while (const std::optional<pfn> f = m.set->allocate(node, base_order, then)) {
        const std::uint64_t first = m.set->holding(*f)->frames.first.raw;
        if (turns.empty() || turns.back() != first) turns.push_back(first);
    }
    return turns;
}
using firsts = std::vector<std::uint64_t>;

TEST(zone_set, serves_a_node_from_its_preferred_zone_then_from_the_nearest_nodes) {
    EXPECT_EQ(served_in_turn(small_machine(), 0), (firsts{1024, 16, 8192, 9192, 2048}));
    EXPECT_EQ(served_in_turn(small_machine(), 1), (firsts{2048, 8192, 9192, 1024, 16}));
}

TEST(zone_set, leaves_out_nodes_that_are_unreachable) {
    EXPECT_EQ(served_in_turn(small_machine(), 2), (firsts{8192, 9192, 1024, 16}));
}

TEST(zone_set, serves_a_strict_request_from_its_own_node_only) {
    EXPECT_EQ(served_in_turn(small_machine(), 0, fallback::none), (firsts{1024, 16}));
    EXPECT_EQ(served_in_turn(small_machine(), 1, fallback::none), (firsts{2048}));
}

TEST(zone_set, takes_nodes_by_number_where_all_are_equally_far) {
    const std::vector<shape> shapes{{frames_from(0, 64), 3}, {frames_from(64, 64), 1}, {frames_from(128, 64), 0}};
    EXPECT_EQ(served_in_turn(machine(shapes, {4, {}}), 1), (firsts{64, 128, 0}));
    EXPECT_EQ(served_in_turn(machine(shapes, {4, {}}), 2), (firsts{128, 64, 0}));  // a node without memory
}

TEST(zone_set, a_node_serves_itself_first_whatever_the_distances_say) {
    static constexpr std::array<std::uint8_t, 4> odd{255, 10, 10, 200};
    const std::vector<shape> shapes{{frames_from(0, 64), 0}, {frames_from(64, 64), 1}};
    EXPECT_EQ(served_in_turn(machine(shapes, {2, odd}), 0), (firsts{0, 64}));
    EXPECT_EQ(served_in_turn(machine(shapes, {2, odd}), 1), (firsts{64, 0}));
}

TEST(zone_set, takes_exactly_the_block_that_is_named_wherever_it_is) {
    const machine m = small_machine();
    EXPECT_EQ(m.set->allocate_at(pfn{2560}, superpage_order), status::ok);
    EXPECT_EQ(m.set->allocate_at(pfn{2561}, base_order), status::occupied);
    EXPECT_EQ(m.set->allocate_at(pfn{4096}, base_order), status::out_of_range);  // a hole
    EXPECT_EQ(m.set->allocate_at(pfn{0}, order{5}), status::out_of_range);       // begins in a hole
    EXPECT_EQ(m.set->allocate_at(pfn{9728}, superpage_order), status::out_of_range);
    EXPECT_EQ(m.set->free_frames(1), page_count{1536});
    m.set->free(pfn{2560}, superpage_order);
    EXPECT_EQ(m.set->free_frames(1), page_count{2048});
}

TEST(zone_set, no_block_or_run_spans_two_zones_that_adjoin) {
    const machine m = small_machine();
    EXPECT_EQ(m.set->allocate_at(pfn{0}, order{11}), status::out_of_range);
    EXPECT_EQ(m.set->allocate_run_at(frames_from(1000, 100)), status::out_of_range);
    EXPECT_EQ(m.set->allocate(2, order{10}, fallback::none), std::nullopt);
    EXPECT_EQ(m.set->allocate_run(2, page_count{1001}, fallback::none), std::nullopt);
    EXPECT_EQ(m.set->free_frames(), page_count{1008 + 1024 + 2048 + 1000 + 500});
}

TEST(zone_set, takes_and_frees_runs_of_any_length) {
    const machine m = small_machine();
    const std::optional<frame_run> own = m.set->allocate_run(2, page_count{700});
    ASSERT_TRUE(own);
    EXPECT_TRUE(frames_from(8192, 1000).contains(*own));
    const std::optional<frame_run> other = m.set->allocate_run(2, page_count{1001});
    ASSERT_TRUE(other);
    EXPECT_TRUE(frames_from(1024, 1024).contains(*other));
    EXPECT_EQ(m.set->allocate_run_at(frames_from(9200, 7)), status::ok);
    EXPECT_EQ(m.set->allocate_run_at(frames_from(9206, 2)), status::occupied);
    m.set->free_run(*own);
    m.set->free_run(*other);
    m.set->free_run(frames_from(9200, 7));
    EXPECT_EQ(m.set->free_frames(), page_count{1008 + 1024 + 2048 + 1000 + 500});
    EXPECT_FALSE(m.set->audit());
}

TEST(zone_set, zones_may_lock_themselves) {
    std::vector<std::byte> memory(buddy::required_bytes(page_count{1024}));
    buddy frames(frames_from(0, 1024), memory);
    spin_lock<> lock;
    using locked = locked_buddy<pfn, spin_lock<>>;
    locked zone(frames, lock);
    std::array<node_zone<locked>, 1> members{{{&zone, frames.managed()}}};
    std::vector<std::byte> set_memory(zone_set<locked>::required_bytes(1, 1));
    const zone_set<locked> set(members, {}, set_memory);
    const std::optional<pfn> taken = set.allocate(0, superpage_order);
    ASSERT_TRUE(taken);
    EXPECT_EQ(set.free_frames(), page_count{512});
    set.free(*taken, superpage_order);
    EXPECT_EQ(set.free_frames(0), page_count{1024});
    EXPECT_FALSE(set.audit());
}

// ------------------------------------------------------------------------------------ what makes no set

TEST(zone_set, says_which_zone_makes_no_set) {
    std::vector<std::byte> memory(buddy::required_bytes(page_count{4096}));
    buddy any(frames_from(0, 4096), memory);
    const auto of = [&](frame_run frames, std::uint32_t node) { return node_zone<buddy>{&any, frames, node, 0}; };
    std::size_t culprit = 99;
    const auto check = [&](std::vector<node_zone<buddy>> all) { return zones::check(all, 2, culprit); };

    EXPECT_EQ(check({of(frames_from(512, 512), 1), of(frames_from(0, 512), 0), of(frames_from(1024, 1), 1)}),
              status::ok);
    EXPECT_EQ(check({}), status::ok);
    EXPECT_EQ(check({of(frames_from(~std::uint64_t{0} - 9, 100), 0)}), status::out_of_range) << "beyond the last frame";
    EXPECT_EQ(check({of(frames_from(512, 512), 0), of(frames_from(0, 100), 0), of(frames_from(1023, 9), 1)}),
              status::occupied);
    EXPECT_EQ(culprit, 2U);
    EXPECT_EQ(check({of(frames_from(100, 1), 0), of(frames_from(0, 512), 0)}), status::occupied);
    EXPECT_EQ(culprit, 1U);
    EXPECT_EQ(check({of(frames_from(0, 512), 0), of(frames_from(512, 512), 2)}), status::out_of_range);
    EXPECT_EQ(culprit, 1U);
    EXPECT_EQ(check({of(frames_from(0, 0), 0)}), status::out_of_range);
    EXPECT_EQ(culprit, 0U);
}

using zone_set_deathtest = testing::Test;

TEST(zone_set_deathtest, what_callers_must_not_do_ends_the_program) {
    const machine m = small_machine();
    EXPECT_DEATH((machine({{frames_from(0, 512), 0}, {frames_from(511, 512), 0}}, {1, {}})), "");
    EXPECT_DEATH((machine({{frames_from(0, 512), 1}}, {1, {}})), "");
    EXPECT_DEATH((machine({{frames_from(0, 512), 0}}, {2, three_nodes})), "");
    EXPECT_DEATH((void)m.set->allocate(3, base_order), "");
    EXPECT_DEATH(m.set->free(pfn{4096}, base_order), "");
    EXPECT_DEATH(m.set->free_run(frames_from(1000, 100)), "");
}

// ------------------------------------------------------------------------------------ the audit

TEST(zone_set_audit, finds_zones_out_of_order_or_sharing_frames) {
    machine m = small_machine();
    m.members[1].frames.first = pfn{1023};
    EXPECT_STREQ(m.set->audit().label, "zone_set.I1");
    machine swapped = small_machine();
    std::swap(swapped.members[0], swapped.members[1]);
    EXPECT_STREQ(swapped.set->audit().label, "zone_set.I1");
    machine empty = small_machine();
    empty.members[4].frames.count = page_count{0};
    EXPECT_STREQ(empty.set->audit().label, "zone_set.I1");
}

TEST(zone_set_audit, finds_a_wrong_order_of_service) {
    machine swapped = small_machine();
    std::swap(corrupt::order(*swapped.set)[2], corrupt::order(*swapped.set)[3]);
    EXPECT_STREQ(swapped.set->audit().label, "zone_set.I2");
    machine twice = small_machine();
    corrupt::order(*twice.set)[1] = corrupt::order(*twice.set)[0];
    EXPECT_STREQ(twice.set->audit().label, "zone_set.I2");
    machine beyond = small_machine();
    corrupt::order(*beyond.set)[4] = 5;
    EXPECT_STREQ(beyond.set->audit().label, "zone_set.I2");
    machine shorter = small_machine();
    --corrupt::reachable(*shorter.set)[1];
    EXPECT_STREQ(shorter.set->audit().label, "zone_set.I2");
    machine stricter = small_machine();
    --corrupt::own(*stricter.set)[2];
    EXPECT_STREQ(stricter.set->audit().label, "zone_set.I2");
}

TEST(zone_set_audit, finds_a_zone_that_manages_other_frames) {
    machine m = small_machine();
    m.members[4].frames.count -= page_count{1};
    EXPECT_STREQ(m.set->audit().label, "zone_set.I3");
}

// ------------------------------------------------------------------------------- against a map of frames

/// One flag per frame of the machine: whether it is free.
class free_map {
  public:
    explicit free_map(const machine& m) : machine_(m), free_(12000) {
        for (const auto& each : m.members) set(each.frames, true);
    }
    bool all(frame_run frames) const {
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) {
            if (f.raw >= free_.size() || !free_[f.raw]) return false;
        }
        return true;
    }
    void set(frame_run frames, bool free) {
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) free_[f.raw] = free;
    }
    /// Whether a zone has a free block of the order.
    bool has_block(const node_zone<buddy>& zone, order o) const {
        for (pfn f = align_up(zone.frames.first, o); zone.frames.contains(frame_run{f, o.pages()}); f += o.pages()) {
            if (all({f, o.pages()})) return true;
        }
        return false;
    }
    bool has_run(const node_zone<buddy>& zone, page_count count) const {
        page_count length{};
        for (pfn f = zone.frames.first; f < zone.frames.end(); f += page_count{1}) {
            length = free_[f.raw] ? length + page_count{1} : page_count{0};
            if (length == count) return true;
        }
        return false;
    }
    page_count count(std::uint32_t node) const {
        page_count sum{};
        for (const auto& each : machine_.members) {
            for (pfn f = each.frames.first; each.node == node && f < each.frames.end(); f += page_count{1}) {
                sum += page_count{free_[f.raw] ? 1U : 0U};
            }
        }
        return sum;
    }

  private:
    const machine& machine_;
    std::vector<bool> free_;
};

/// The zone that must serve: the first of the order worked out by hand that `can`.
template <class Can>
const node_zone<buddy>* first_that(const machine& m, std::uint32_t node, fallback then, Can can) {
    static const std::array<firsts, 3> orders{firsts{1024, 16, 8192, 9192, 2048}, firsts{2048, 8192, 9192, 1024, 16},
                                              firsts{8192, 9192, 1024, 16}};
    for (const std::uint64_t first : orders[node]) {
        const node_zone<buddy>* const zone = m.set->holding(pfn{first});
        if ((then == fallback::nearest || zone->node == node) && can(*zone)) return zone;
    }
    return nullptr;
}

TEST(zone_set, any_requests_are_served_as_a_map_of_frames_says) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const machine m = small_machine();
        free_map map(m);
        random_numbers random(seed);
        std::vector<frame_run> held;
        for (unsigned step = 0; step < 300; ++step) {
            const auto node = static_cast<std::uint32_t>(random.below(3));
            const fallback then = random.chance(1, 3) ? fallback::none : fallback::nearest;
            const order o{static_cast<unsigned>(random.below(12))};
            std::optional<frame_run> taken;
            switch (random.below(5)) {
                case 0:
                case 1: {
                    const auto* const zone = first_that(m, node, then, [&](auto& z) { return map.has_block(z, o); });
                    if (const auto block = m.set->allocate(node, o, then)) taken = frame_run{*block, o.pages()};
                    ASSERT_EQ(zone, taken ? m.set->holding(taken->first) : nullptr) << seed << ' ' << step;
                    break;
                }
                case 2: {
                    const page_count count{1 + random.below(600)};
                    const auto* const zone = first_that(m, node, then, [&](auto& z) { return map.has_run(z, count); });
                    taken = m.set->allocate_run(node, count, then);
                    ASSERT_EQ(zone, taken ? m.set->holding(taken->first) : nullptr) << seed << ' ' << step;
                    break;
                }
                case 3: {
                    const frame_run want{align_down(pfn{random.below(11000)}, o), o.pages()};
                    const auto* const zone = m.set->holding(want.first);
                    const bool inside = zone != nullptr && zone->frames.contains(want);
                    const status outcome = m.set->allocate_at(want.first, o);
                    ASSERT_EQ(outcome, !inside ? status::out_of_range : map.all(want) ? status::ok : status::occupied);
                    if (outcome == status::ok) taken = want;
                    break;
                }
                default:
                    if (held.empty()) break;
                    std::swap(held[random.below(held.size())], held.back());
                    m.set->free_run(held.back());
                    map.set(held.back(), true);
                    held.pop_back();
                    break;
            }
            if (taken) {
                ASSERT_TRUE(map.all(*taken)) << seed << ' ' << step;
                map.set(*taken, false);
                held.push_back(*taken);
            }
            ASSERT_FALSE(m.set->audit()) << seed << ' ' << step << ' ' << m.set->audit().label;
        }
        for (std::uint32_t node = 0; node < 3; ++node) EXPECT_EQ(m.set->free_frames(node), map.count(node));
    }
}

}  // namespace
}  // namespace longreach
