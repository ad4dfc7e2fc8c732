// SPDX-License-Identifier: MIT
// Every zone of the suite under random requests, by turns and by threads: ours hand out free, aligned blocks only and
// refuse none; and allocators that do otherwise, on purpose, are found out.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/workloads/random.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../bench/longreach_zones.hpp"
#include "model/zone_interface_trial.hpp"
#include "model/zone_threads_trial.hpp"

namespace longreach {
namespace {

using bench::all_zones;
using model::zone_findings;
using model::zone_interface_trial;
using model::zone_request;
using model::zone_threads_trial;

zone_findings by_turns(const longreach_zone_interface& table, std::uint64_t frames, unsigned cpus,
                       std::uint64_t operations, std::uint64_t audit_every) {
    zone_interface_trial trial(table, frames, cpus, audit_every);
    random_numbers random(frames + cpus);
    for (std::uint64_t i = 0; i < operations; ++i) trial.step(random);
    trial.finish();
    return trial.findings();
}

// ------------------------------------------------------------------------------------------------ every zone

class every_zone : public testing::TestWithParam<const longreach_zone_interface*> {
  protected:
    const longreach_zone_interface& table = *GetParam();

    bool is_fuzzed() const {
        const auto fuzzed = bench::fuzzed_zones();
        return std::find(fuzzed.begin(), fuzzed.end(), &table) != fuzzed.end();
    }
    bool is_null() const { return std::string_view(table.name) == "null"; }
    /// Linux's lists per CPU keep free frames from other CPUs and from exact requests.
    bool is_exact() const { return std::string_view(table.name) != "linux_buddy_with_cpu_lists"; }
};

INSTANTIATE_TEST_SUITE_P(all, every_zone, testing::ValuesIn(all_zones().begin(), all_zones().end()),
                         [](const auto& each) { return std::string(each.param->name); });

TEST_P(every_zone, is_asked_for_all_orders_that_it_takes) {
    const bool one_order = std::string_view(table.name) == "id_stack";
    EXPECT_EQ(model::largest_order(table), one_order ? 0 : table.max_order);
}

TEST_P(every_zone, hands_out_free_aligned_blocks_and_refuses_none) {
    for (const std::uint64_t frames : {1024U, 1500U, 4096U}) {
        for (const unsigned cpus : {1U, 3U}) {
            if (cpus > table.cpus) continue;
            const zone_findings found = by_turns(table, frames, cpus, 1500, is_fuzzed() ? 1 : 32);
            EXPECT_EQ(found.good(is_exact()), !is_null()) << found;
        }
    }
}

class every_threaded_zone : public every_zone {};

std::vector<const longreach_zone_interface*> threaded_zones() {
    std::vector<const longreach_zone_interface*> found;
    for (const longreach_zone_interface* const table : all_zones()) {
        if (table->cpus > 1) found.push_back(table);
    }
    return found;
}

INSTANTIATE_TEST_SUITE_P(all, every_threaded_zone, testing::ValuesIn(threaded_zones()),
                         [](const auto& each) { return std::string(each.param->name); });

TEST_P(every_threaded_zone, hands_out_free_aligned_blocks_and_refuses_none) {
    zone_threads_trial trial(table, 2048, 2, 1);
    for (unsigned round = 0; round < 2; ++round) trial.run(1500);
    trial.finish();
    EXPECT_TRUE(trial.findings().good(is_exact())) << trial.findings();
    const bool searches_unlocked = std::string_view(table.name) == "buddy_atomic";
    if (is_exact() && !searches_unlocked) {
        EXPECT_EQ(trial.findings().refused_meanwhile, 0U);
    }
}

// ------------------------------------------------------------------------------------------ planted defects

/// A buddy with a defect, at some of the requests.
enum class defect {
    none,
    hands_out_twice,      ///< frees the block it has just handed out
    misaligns,            ///< answers the frame after the block's first
    leaves_the_zone,      ///< answers a block behind the end
    refuses,              ///< nothing, though a block is free
    refuses_at,           ///< says that a free block is in use
    loses,                ///< a block that is given back
    breaks_an_invariant,  ///< so that its audit says so
};

template <defect Defect>
class defective_zone {
  public:
    static constexpr unsigned max_order = buddy::max_order.raw;

    defective_zone(std::uint64_t frames, unsigned /*cpus*/)
        : memory_(buddy::required_bytes(page_count{frames})), zone_({pfn{0}, page_count{frames}}, memory_) {}

    std::uint64_t allocate(unsigned /*cpu*/, unsigned o) {
        const bool now = strikes();
        if (Defect == defect::refuses && now) return LONGREACH_NO_FRAME;
        const std::optional<pfn> block = zone_.allocate(order{o});
        if (!block) return LONGREACH_NO_FRAME;
        if (Defect == defect::hands_out_twice && now) zone_.free(*block, order{o});
        if (Defect == defect::misaligns && now && o > 0) return block->raw + 1;
        if (Defect == defect::leaves_the_zone && now) return zone_.managed().count.raw >> o << o;
        return block->raw;
    }
    bool allocate_at(unsigned /*cpu*/, std::uint64_t frame, unsigned o) {
        if (Defect == defect::refuses_at && strikes()) return false;
        return zone_.allocate_at(pfn{frame}, order{o}) == status::ok;
    }
    void free(unsigned /*cpu*/, std::uint64_t frame, unsigned o) {
        if (Defect == defect::loses && strikes()) return;
        if (Defect == defect::hands_out_twice && zone_.is_free(pfn{frame}, order{o})) return;
        zone_.free(pfn{frame}, order{o});
    }
    [[nodiscard]] std::size_t metadata_bytes() const { return memory_.size(); }
    [[nodiscard]] violation audit() const {
        if (Defect == defect::breaks_an_invariant && calls_ % 100 == 99) return {"planted.I1", 0};
        return zone_.audit();
    }

  private:
    bool strikes() { return ++calls_ % 16 == 0; }

    std::vector<std::byte> memory_;
    buddy zone_;
    std::uint64_t calls_ = 0;
};

template <defect Defect>
zone_findings findings_of() {
    static constexpr longreach_zone_interface table = bench::zone_of<defective_zone<Defect>>("planted", 1);
    // Until something is found: what a broken zone does after that is not defined.
    zone_interface_trial trial(table, 1100, 1);
    random_numbers random(1);
    for (unsigned i = 0; i < 3000 && trial.findings().good(); ++i) trial.step(random);
    if (trial.findings().good()) trial.finish();
    return trial.findings();
}

TEST(zone_interface_trial, finds_nothing_wrong_with_a_good_zone) {
    const zone_findings found = findings_of<defect::none>();
    EXPECT_TRUE(found.good()) << found;
    EXPECT_GT(found.operations, 3000U);
}

TEST(zone_interface_trial, finds_a_frame_that_is_handed_out_twice) {
    EXPECT_GT(findings_of<defect::hands_out_twice>().overlaps, 0U);
}

TEST(zone_interface_trial, finds_a_block_that_begins_between_blocks) {
    EXPECT_GT(findings_of<defect::misaligns>().misaligned, 0U);
}

TEST(zone_interface_trial, finds_a_block_that_the_zone_does_not_have) {
    EXPECT_GT(findings_of<defect::leaves_the_zone>().out_of_range, 0U);
}

TEST(zone_interface_trial, finds_a_free_block_that_is_refused) {
    const zone_findings found = findings_of<defect::refuses>();
    EXPECT_GT(found.refused, 0U);
    EXPECT_FALSE(found.good());
    EXPECT_TRUE(found.good(false));
}

TEST(zone_interface_trial, finds_a_free_block_that_is_refused_to_an_exact_request) {
    EXPECT_GT(findings_of<defect::refuses_at>().refused_at, 0U);
}

TEST(zone_interface_trial, finds_frames_that_are_lost) {
    const zone_findings found = findings_of<defect::loses>();
    EXPECT_GT(found.refused + found.refused_at, 0U);
}

TEST(zone_interface_trial, finds_a_broken_invariant) {
    EXPECT_EQ(findings_of<defect::breaks_an_invariant>().broken, "planted.I1");
}

// -------------------------------------------------------------------------- planted defects that threads find

/// A locked buddy that every so often refuses an exact request, or hands the same block to two.
template <defect Defect>
class defective_locked_zone : public bench::locked_zone {
  public:
    using bench::locked_zone::locked_zone;

    std::uint64_t allocate(unsigned cpu, unsigned o) {
        const bool now = __atomic_add_fetch(&calls_, 1, __ATOMIC_RELAXED) % 64 == 0;
        if (Defect == defect::refuses && now) return LONGREACH_NO_FRAME;
        const std::uint64_t block = bench::locked_zone::allocate(cpu, o);
        if (Defect == defect::hands_out_twice && now && block != LONGREACH_NO_FRAME) free(cpu, block, o);
        return block;
    }
    bool allocate_at(unsigned cpu, std::uint64_t frame, unsigned o) {
        if (Defect == defect::refuses_at && __atomic_add_fetch(&calls_, 1, __ATOMIC_RELAXED) % 64 == 0) return false;
        return bench::locked_zone::allocate_at(cpu, frame, o);
    }

  private:
    std::uint64_t calls_ = 0;
};

template <defect Defect>
zone_findings findings_of_threads(std::uint64_t operations) {
    static constexpr longreach_zone_interface table = bench::zone_of<defective_locked_zone<Defect>>("planted", 2);
    zone_threads_trial trial(table, 2048, 2, 1);
    trial.run(operations);
    return trial.findings();
}

TEST(zone_threads_trial, finds_nothing_wrong_with_a_good_zone) {
    const zone_findings found = findings_of_threads<defect::none>(3000);
    EXPECT_TRUE(found.good()) << found;
    EXPECT_EQ(found.operations, 6000U);
}

TEST(zone_threads_trial, finds_a_free_block_that_is_refused) {
    const zone_findings found = findings_of_threads<defect::refuses>(3000);
    EXPECT_GT(found.refused + found.refused_meanwhile, 0U);
}

TEST(zone_threads_trial, finds_a_free_block_that_is_refused_to_an_exact_request) {
    EXPECT_GT(findings_of_threads<defect::refuses_at>(6000).refused_at, 0U);
}

TEST(zone_threads_trial, finds_a_frame_that_two_threads_hold) {
    // Few enough operations that neither gives such a block back, which the buddy would not survive.
    std::uint64_t overlaps = 0;
    static constexpr longreach_zone_interface table =
        bench::zone_of<defective_locked_zone<defect::hands_out_twice>>("planted", 2);
    zone_threads_trial trial(table, 2048, 2, 1);
    for (unsigned i = 0; i < 200 && overlaps == 0; ++i) {
        trial.perform(i % 2, {zone_request::allocate, {0, 0}});
        overlaps = trial.findings().overlaps;
    }
    EXPECT_EQ(overlaps, 1U);
}

}  // namespace
}  // namespace longreach
