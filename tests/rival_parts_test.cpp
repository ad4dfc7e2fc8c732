// SPDX-License-Identifier: MIT
// The parts that daemons stand on, against slow answers; and audits, each of whose labels is broken on purpose.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/rivals/hawkeye.hpp>
#include <longreach/workloads/rivals/ingens.hpp>
#include <longreach/workloads/rivals/ranger.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/rival_world.hpp"

LONGREACH_NAMESPACE_BEGIN

/// Breaks the invariants of daemons and their parts, one each.
struct corrupt {
    using space = model::watched_space;
    using runs = detail::usable_runs<pfn>;
    using anchors = detail::anchor_set<vpn, pfn>;

    static void promotions(ingens<space>& of) { ++of.costs_.promotions; }
    static void migrated(ingens<space>& of) { ++of.costs_.migrated_pages; }
    static void next(ingens<space>& of) { of.next_ = vpn{7}; }
    static void zeroed(hawkeye<space>& of) { of.costs_.zeroed_bytes += page_bytes; }
    static void region(hawkeye<space>& of, typename hawkeye<space>::region added) { of.regions_.push_back(added); }
    static void demotions(hawkeye<space>& of) { ++of.costs_.demotions; }
    static void copied(ranger<space>& of) { ++of.costs_.copied_bytes; }
    static void promotions(ranger<space>& of) { ++of.costs_.promotions; }
    static void odd_exchange(ranger<space>& of) {
        ++of.costs_.exchanged_pages;
        of.costs_.copied_bytes += page_bytes;
    }
    static void anchor(ranger<space>& of, const range_anchor<vpn, pfn>& added) {
        of.anchors_.anchors_.push_back(added);
    }
    static void short_run(runs& of) {
        of.by_address_[1000] = 1;
        of.by_length_.insert({1, 1000});
        of.total_ += page_count{1};
    }
    static void overlap(runs& of) {
        of.by_address_[1] = 100;
        of.by_length_.insert({100, 1});
        of.total_ += page_count{100};
    }
    static void length(runs& of) { of.by_length_.insert({100, 5000}); }
    static void missing(runs& of) { of.by_length_.clear(); }
    static void total(runs& of) { ++of.total_.raw; }
    static void two_places(detail::leaf_index<space>& of) { of.beside_[9999] = 0; }
    static void wrong_owner(detail::leaf_index<space>& of) { of.slots_[0].owner = of.slots_[1].owner; }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using model::rival_world;
using space_type = model::watched_space;

TEST(parts_of_daemons, free_runs_equal_a_scan_frame_by_frame) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        random_numbers random(seed);
        const frame_run managed{pfn{random.below(200)}, {1 + random.below(1500)}};
        std::vector<std::byte> memory(buddy::required_bytes(managed.count));
        buddy frames(managed, memory);
        const std::uint64_t share = random.below(4);
        for (pfn f = managed.first; f < managed.end(); f += page_count{1}) {
            if (random.below(1 + share * share * 30) == 0) {
                ASSERT_EQ(frames.allocate_at(f, base_order), status::ok);
            }
        }
        std::vector<frame_run> expected;
        for (pfn f = managed.first; f < managed.end(); f += page_count{1}) {
            if (!frames.is_free(f, base_order)) continue;
            if (expected.empty() || expected.back().end() != f) expected.push_back({f, page_count{0}});
            ++expected.back().count.raw;
        }
        std::vector<frame_run> found;
        detail::for_each_free_run(frames, [&](frame_run r) { found.push_back(r); });
        EXPECT_EQ(found, expected) << "seed " << seed;
    }
}

TEST(parts_of_daemons, usable_runs_answer_as_a_list_of_runs_does) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        random_numbers random(seed);
        detail::usable_runs<pfn> runs(page_count{4});
        std::vector<frame_run> list;
        std::uint64_t at = 0;
        for (std::uint64_t i = 0; i < 40; ++i) {
            const frame_run next{pfn{at += 1 + random.below(20)}, page_count{1 + random.below(60)}};
            at += next.count.raw;
            runs.add(next);
            if (next.count.raw >= 4) list.push_back(next);
        }
        while (!runs.empty()) {
            const auto longest = std::min_element(list.begin(), list.end(), [](frame_run a, frame_run b) {
                return a.count != b.count ? a.count > b.count : a.first < b.first;
            });
            EXPECT_EQ(runs.longest(), *longest);
            const page_count wanted{1 + random.below(longest->count.raw)};
            const std::uint64_t modulus = std::uint64_t{1} << random.below(4);
            const std::uint64_t residue = random.below(modulus);
            std::optional<frame_run> best;  // and where in it
            for (const frame_run& r : list) {
                const std::uint64_t pad = (residue - r.first.raw) % modulus;
                if (r.count.raw < pad + wanted.raw) continue;
                if (!best || r.count < best->count || (r.count == best->count && r.first < best->first)) best = r;
            }
            const auto found = runs.best_fit(wanted, modulus, residue);
            ASSERT_EQ(found.has_value(), best.has_value());
            const frame_run taken = found ? frame_run{*found, wanted} : *longest;
            if (best) {
                EXPECT_EQ(found->raw, best->first.raw + (residue - best->first.raw) % modulus);
            }
            ASSERT_TRUE(runs.contains(taken));
            runs.take(taken);
            std::vector<frame_run> left;
            for (const frame_run& r : list) {
                for (const frame_run part : {run_between(r.first, std::min(r.end(), taken.first)),
                                             run_between(std::max(r.first, taken.end()), r.end())}) {
                    if (part.count.raw >= 4 && (r.overlaps(taken) || part == r)) left.push_back(part);
                }
            }
            std::sort(left.begin(), left.end(), [](frame_run a, frame_run b) { return a.first < b.first; });
            left.erase(std::unique(left.begin(), left.end()), left.end());
            list = left;
            EXPECT_FALSE(runs.contains(taken));
            ASSERT_FALSE(runs.audit());
        }
        EXPECT_TRUE(list.empty());
    }
}

TEST(parts_of_daemons, a_run_that_misses_by_its_alignment_again_and_again_does_not_hide_one_that_fits) {
    detail::usable_runs<pfn> runs(page_count{1});
    for (std::uint64_t i = 0; i < 100; ++i) runs.add({pfn{i * 2048 + 1}, page_count{512}});
    runs.add({pfn{100 * 2048 + 1}, page_count{1023}});
    EXPECT_EQ(runs.best_fit(page_count{512}, 512, 0), pfn{100 * 2048 + 512});
}

/// A superpage and ten base pages in one space, as many in another.
struct indexed_leaves : testing::Test {
    indexed_leaves() {
        for (std::size_t which = 0; which < 2; ++which) {
            EXPECT_EQ(world.map({vpn{512}, page_count{512}}, which), status::ok);
            EXPECT_EQ(world.map({vpn{2048}, page_count{10}}, which), status::ok);
            EXPECT_EQ(world.store(vpn{512}, which), status::ok);
            world.store_all({vpn{2048}, page_count{10}}, 1, which);
        }
    }
    rival_world world{8 * 512, superpage_use::always};
    std::array<space_type*, 2> both = world.both();
};

TEST_F(indexed_leaves, every_frame_has_the_holder_that_the_spaces_say) {
    detail::leaf_index<space_type> index{std::span<space_type* const>(both)};
    ASSERT_EQ(index.leaves().size(), 22U);
    for (std::uint32_t i = 0; i < 22; ++i) {
        const auto& leaf = index.leaves()[i];
        EXPECT_EQ(both[leaf.space]->object().find(leaf.first)->frame, leaf.at);
        for (page_count k{0}; k < leaf.size.pages(); k += page_count{1}) EXPECT_EQ(index.holder(leaf.at + k), i);
    }
    EXPECT_EQ(index.first_at(0, vpn{600}), 0U) << "the leaf that holds the page";
    EXPECT_EQ(index.first_at(0, vpn{1024}), 1U);
    EXPECT_EQ(index.first_at(0, vpn{9999}), 11U) << "what comes after the space's last";
    EXPECT_EQ(index.first_at(1, vpn{0}), 11U);
    EXPECT_FALSE(index.audit());
}

TEST_F(indexed_leaves, holders_follow_moves_and_swaps) {
    detail::leaf_index<space_type> index{std::span<space_type* const>(both)};
    const pfn old = index.leaves()[0].at;
    index.move(0, pfn{7 * 512});
    EXPECT_FALSE(index.holder(old + page_count{9}));
    EXPECT_EQ(index.holder(pfn{7 * 512 + 9}), 0U);
    index.move(5, old + page_count{3});
    EXPECT_EQ(index.holder(old + page_count{3}), 5U) << "a base page where a superpage was";
    EXPECT_FALSE(index.holder(old));
    const pfn other = index.leaves()[11].at;
    index.swap(0, 11);
    EXPECT_EQ(index.holder(pfn{7 * 512}), 11U);
    EXPECT_EQ(index.holder(other), 0U);
    EXPECT_FALSE(index.audit());
}

TEST_F(indexed_leaves, nobody_holds_frames_that_a_fork_shares) {
    ASSERT_EQ(world.fork(), status::ok);
    detail::leaf_index<space_type> index{std::span<space_type* const>(both)};
    for (const auto& leaf : index.leaves()) EXPECT_FALSE(index.holder(leaf.at));
    EXPECT_FALSE(index.audit());
}

TEST_F(indexed_leaves, a_leaf_with_two_places_or_a_wrong_one_is_found) {
    detail::leaf_index<space_type> twice{std::span<space_type* const>(both)};
    corrupt::two_places(twice);
    EXPECT_STREQ(twice.audit().label, "leaf_index.I1");
    detail::leaf_index<space_type> wrong{std::span<space_type* const>(both)};
    corrupt::wrong_owner(wrong);
    EXPECT_STREQ(wrong.audit().label, "leaf_index.I1");
}

TEST(audit_of_usable_runs, finds_what_is_broken) {
    const auto label_after = [](auto&& breaks) {
        detail::usable_runs<pfn> runs(page_count{4});
        runs.add({pfn{0}, page_count{50}});
        EXPECT_FALSE(runs.audit());
        breaks(runs);
        return std::string(runs.audit().label);
    };
    EXPECT_EQ(label_after(corrupt::short_run), "usable_runs.I1");
    EXPECT_EQ(label_after(corrupt::overlap), "usable_runs.I1");
    EXPECT_EQ(label_after(corrupt::length), "usable_runs.I2");
    EXPECT_EQ(label_after(corrupt::missing), "usable_runs.I2");
    EXPECT_EQ(label_after(corrupt::total), "usable_runs.I2");
}

template <class Daemon, class Break>
std::string label_after(Break&& breaks) {
    Daemon daemon;
    EXPECT_FALSE(daemon.audit());
    breaks(daemon);
    const violation broken = daemon.audit();
    return broken ? broken.label : "nothing";
}

TEST(audit_of_ingens, finds_what_is_broken) {
    using daemon = ingens<space_type>;
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::promotions(d); }), "ingens.I1");
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::migrated(d); }), "ingens.I1");
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::next(d); }), "ingens.I2");
}

TEST(audit_of_hawkeye, finds_what_is_broken) {
    using daemon = hawkeye<space_type>;
    const daemon::region good{vpn{512}, 1, 100 * 64, 2, 0};
    EXPECT_EQ(label_after<daemon>([&](daemon& d) { corrupt::region(d, good); }), "nothing");
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::zeroed(d); }), "hawkeye.I1");
    EXPECT_EQ(label_after<daemon>([&](daemon& d) {
                  corrupt::region(d, good);
                  corrupt::region(d, good);
              }),
              "hawkeye.I2")
        << "not sorted";
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::region(d, {vpn{5}, 1, 0, 0, 0}); }), "hawkeye.I2");
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::region(d, {vpn{512}, 1, 0, 1, 0}); }), "hawkeye.I2");
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::demotions(d); }), "hawkeye.I3");
}

TEST(audit_of_ranger, finds_what_is_broken) {
    using daemon = ranger<space_type>;
    using anchor = range_anchor<vpn, pfn>;
    const anchor good{3, {vpn{512}, page_count{10}}, pfn{100}};
    const auto with = [&](const anchor& second) {
        return label_after<daemon>([&](daemon& d) {
            corrupt::anchor(d, good);
            corrupt::anchor(d, second);
        });
    };
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::copied(d); }), "ranger.I1");
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::promotions(d); }), "ranger.I2");
    EXPECT_EQ(label_after<daemon>([](daemon& d) { corrupt::odd_exchange(d); }), "ranger.I2");
    EXPECT_EQ(with({3, {vpn{522}, page_count{10}}, pfn{110}}), "nothing");
    EXPECT_EQ(with({9, {vpn{512}, page_count{10}}, pfn{110}}), "nothing");
    EXPECT_EQ(with({3, {vpn{521}, page_count{10}}, pfn{110}}), "anchor_set.I1") << "they share a page";
    EXPECT_EQ(with({2, {vpn{600}, page_count{10}}, pfn{110}}), "anchor_set.I1") << "not sorted";
    EXPECT_EQ(with({3, {vpn{600}, page_count{0}}, pfn{110}}), "anchor_set.I1") << "empty";
    EXPECT_EQ(with({3, {vpn{600}, page_count{10}}, pfn{91}}), "anchor_set.I2") << "they share a frame";
}

}  // namespace
}  // namespace longreach
