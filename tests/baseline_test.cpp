// SPDX-License-Identifier: MIT
// The suite's baselines against a map of frames: they hand out free, aligned blocks only and refuse what they must;
// and for every label of their audits a zone that breaks it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../bench/baseline/id_stack.hpp"
#include "../bench/baseline/linux_buddy.hpp"
#include "../bench/baseline/textbook_buddy.hpp"
#include "../bench/zone_interface.h"

namespace longreach::baseline {

/// Reaches into baselines to break what their audits must notice.
struct baseline_corruption {
    static std::vector<std::uint64_t>& ids(id_stack& z) { return z.ids_; }

    static auto& marks(textbook_buddy& z) { return z.marks_; }
    static auto& links(textbook_buddy& z) { return z.links_; }
    static auto& heads(textbook_buddy& z) { return z.heads_; }
    static auto& nonempty(textbook_buddy& z) { return z.nonempty_; }
    static auto& free(textbook_buddy& z) { return z.free_; }
    static void push(textbook_buddy& z, std::uint64_t f, unsigned k) { z.push(f, k); }
    static constexpr std::uint32_t none = textbook_buddy::none;

    static linux_free_area& area(linux_buddy& z) { return z.area_; }
    static linux_free_area& area(linux_buddy_with_cpu_lists& z) { return z.area_; }
    static void link(linux_free_area& a, std::uint64_t f, unsigned k) { a.link(f, k, false); }
    static std::uint64_t& count(linux_free_area& a, unsigned k) { return a.areas_[k].count; }
    static std::uint64_t& free(linux_free_area& a) { return a.free_frames_; }
    static unsigned& parked_frames(linux_buddy_with_cpu_lists& z, unsigned cpu) { return z.cpus_[cpu].frames; }
    static frame_list& parked_list(linux_buddy_with_cpu_lists& z, unsigned cpu, unsigned list) {
        return z.cpus_[cpu].lists[list];
    }
};

}  // namespace longreach::baseline

namespace longreach {
namespace {

using namespace baseline;
using corrupt = baseline_corruption;

constexpr std::uint64_t size_of(unsigned order) { return std::uint64_t{1} << order; }

// ------------------------------------------------------------------------------- against a map of frames

/// One flag per frame.
class frame_map {
  public:
    explicit frame_map(std::uint64_t frames) : set_(frames) {}

    bool any_in(std::uint64_t frame, unsigned order) const {
        for (std::uint64_t f = frame; f < frame + size_of(order); ++f) {
            if (f >= set_.size() || set_[f]) return true;
        }
        return false;
    }
    bool none_in_any_block(unsigned order) const {
        for (std::uint64_t f = 0; f < set_.size(); f += size_of(order)) {
            if (!any_in(f, order)) return true;
        }
        return false;
    }
    void mark(std::uint64_t frame, unsigned order, bool value) {
        for (std::uint64_t f = frame; f < frame + size_of(order); ++f) set_[f] = value;
    }
    bool empty() const {
        for (const bool b : set_) {
            if (b) return false;
        }
        return true;
    }

  private:
    std::vector<bool> set_;
};

/// Random calls through a table, each checked against the map and followed by an audit.
class trial {
  public:
    trial(const longreach_zone_interface& table, std::uint64_t frames, unsigned cpus, std::uint64_t seed)
        : table_(table),
          frames_(frames),
          cpus_(cpus),
          zone_(table.create(frames, cpus)),
          random_(seed),
          used_(frames),
          one_order_(std::string_view(table.name) == "id_stack") {}
    ~trial() { table_.destroy(zone_); }
    trial(const trial&) = delete;
    trial& operator=(const trial&) = delete;

    void run(unsigned steps) {
        ASSERT_NE(zone_, nullptr);
        for (unsigned i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) {
            const std::uint64_t kind = random_.below(one_order_ ? 4 : 6);
            const auto cpu = static_cast<unsigned>(random_.below(cpus_));
            if (kind < 2) {
                allocate(cpu);
            } else if (kind < 4 || table_.allocate_at == nullptr) {
                release(cpu);
            } else {
                allocate_at(cpu);
            }
            ASSERT_STREQ(table_.audit(zone_), nullptr) << "step " << i;
        }
        while (!live_.empty()) release(0);
        EXPECT_TRUE(used_.empty());
        EXPECT_STREQ(table_.audit(zone_), nullptr);
    }

  private:
    struct block {
        std::uint64_t frame;
        unsigned order;
    };

    /// Orders 0 to 11, small ones more often; those that the table does not take are left out.
    unsigned draw_order() {
        const auto drawn = static_cast<unsigned>(random_.below(1 + random_.below(12)));
        return drawn > table_.max_order ? 0 : drawn;
    }

    /// The frames that this zone will not hand out: those in use and those parked.
    frame_map withheld() const {
        frame_map held = used_;
        if (table_.create != linux_buddy_with_cpu_lists_zone.create) return held;
        const auto& zone = *static_cast<const linux_buddy_with_cpu_lists*>(zone_);
        for (std::uint64_t f = 0; f < frames_; ++f) {
            if (zone.parked_mark(f) != 0) held.mark(f, zone.parked_mark(f) - 1, true);
        }
        return held;
    }
    bool has_parked_block(unsigned order) const {
        if (table_.create != linux_buddy_with_cpu_lists_zone.create) return false;
        const auto& zone = *static_cast<const linux_buddy_with_cpu_lists*>(zone_);
        for (std::uint64_t f = 0; f < frames_; ++f) {
            if (zone.parked_mark(f) == order + 1) return true;
        }
        return false;
    }

    void allocate(unsigned cpu) {
        const unsigned order = draw_order();
        const bool in_areas = withheld().none_in_any_block(order);
        const bool in_list = has_parked_block(order);
        const bool other_order = one_order_ && !live_.empty() && live_.front().order != order;
        const std::uint64_t got = table_.allocate(zone_, cpu, order);
        if (got == LONGREACH_NO_FRAME) {
            EXPECT_TRUE(other_order || !in_areas) << "a free block of order " << order << " was refused";
            EXPECT_FALSE(in_list && cpus_ == 1) << "a parked block of order " << order << " was refused to its CPU";
            return;
        }
        EXPECT_TRUE(in_areas || in_list);
        EXPECT_FALSE(other_order);
        take(got, order);
    }

    void allocate_at(unsigned cpu) {
        const unsigned order = draw_order();
        const std::uint64_t want = random_.below(frames_ + frames_ / 8) >> order << order;
        const bool grantable = !withheld().any_in(want, order);
        const bool granted = table_.allocate_at(zone_, cpu, want, order) != 0;
        ASSERT_EQ(granted, grantable) << want << " of order " << order;
        if (granted) take(want, order);
    }

    void take(std::uint64_t frame, unsigned order) {
        ASSERT_EQ(frame % size_of(order), 0U);
        ASSERT_LE(frame + size_of(order), frames_);
        ASSERT_FALSE(used_.any_in(frame, order)) << frame << " was handed out twice";
        used_.mark(frame, order, true);
        live_.push_back({frame, order});
    }

    /// A live block, or one half of it after the other, with other calls between.
    void release(unsigned cpu) {
        if (live_.empty()) return;
        const std::size_t i = random_.below(live_.size());
        block& chosen = live_[i];
        if (!one_order_ && chosen.order > 0 && random_.below(3) == 0) {
            --chosen.order;
            const block upper{chosen.frame + size_of(chosen.order), chosen.order};
            live_.push_back(upper);
            return;
        }
        used_.mark(chosen.frame, chosen.order, false);
        table_.release(zone_, cpu, chosen.frame, chosen.order);
        chosen = live_.back();
        live_.pop_back();
    }

    const longreach_zone_interface& table_;
    std::uint64_t frames_;
    unsigned cpus_;
    void* zone_;
    random_numbers random_;
    frame_map used_;
    bool one_order_;
    std::vector<block> live_;
};

class baseline_zone : public testing::TestWithParam<const longreach_zone_interface*> {};

INSTANTIATE_TEST_SUITE_P(all, baseline_zone,
                         testing::Values(&id_stack_zone, &textbook_buddy_zone, &linux_buddy_zone,
                                         &linux_buddy_with_cpu_lists_zone),
                         [](const auto& each) { return std::string(each.param->name); });

TEST_P(baseline_zone, hands_out_free_blocks_and_refuses_nothing_it_could_give) {
    for (const std::uint64_t frames : {1U, 63U, 1000U, 1024U, 2500U}) trial(*GetParam(), frames, 1, frames).run(3000);
}

class baseline_zone_of_cpus : public baseline_zone {};

INSTANTIATE_TEST_SUITE_P(all, baseline_zone_of_cpus, testing::Values(&linux_buddy_with_cpu_lists_zone),
                         [](const auto& each) { return std::string(each.param->name); });

TEST_P(baseline_zone_of_cpus, hand_out_free_blocks_for_two_cpus_that_take_turns) {
    for (const std::uint64_t frames : {512U, 3000U}) trial(*GetParam(), frames, 2, frames).run(4000);
}

TEST_P(baseline_zone, hands_out_every_frame_once_and_then_none) {
    const longreach_zone_interface& table = *GetParam();
    for (const std::uint64_t frames : {1U, 511U, 1025U, 4096U}) {
        void* zone = table.create(frames, 1);
        std::set<std::uint64_t> seen;
        for (std::uint64_t i = 0; i < frames; ++i) {
            const std::uint64_t f = table.allocate(zone, 0, 0);
            ASSERT_LT(f, frames);
            ASSERT_TRUE(seen.insert(f).second);
        }
        EXPECT_EQ(table.allocate(zone, 0, 0), LONGREACH_NO_FRAME);
        for (const std::uint64_t f : seen) table.release(zone, 0, f, 0);
        EXPECT_STREQ(table.audit(zone), nullptr);
        table.destroy(zone);
    }
}

TEST_P(baseline_zone_of_cpus, threads_with_their_own_cpus_never_hold_the_same_frame) {
    const longreach_zone_interface& table = *GetParam();
    constexpr std::uint64_t frames = 4096;
    void* zone = table.create(frames, 2);
    std::vector<std::atomic<int>> holders(frames);
    std::atomic<unsigned> overlaps{0};
    const auto change = [&](std::uint64_t frame, unsigned order, int from, int to) {
        for (std::uint64_t f = frame; f < frame + size_of(order); ++f) overlaps += holders[f].exchange(to) != from;
    };
    const auto work = [&](unsigned cpu) {
        random_numbers random(cpu);
        std::vector<std::pair<std::uint64_t, unsigned>> live;
        const int self = static_cast<int>(cpu) + 1;
        for (unsigned i = 0; i < 50000; ++i) {
            const auto order = static_cast<unsigned>(random.below(1 + random.below(11)));
            if (random.below(2) == 0 && !live.empty()) {
                std::swap(live[random.below(live.size())], live.back());
                change(live.back().first, live.back().second, self, 0);
                table.release(zone, cpu, live.back().first, live.back().second);
                live.pop_back();
                continue;
            }
            std::uint64_t f = random.below(frames) >> order << order;
            if (random.below(4) != 0) {
                f = table.allocate(zone, cpu, order);
            } else if (table.allocate_at(zone, cpu, f, order) == 0) {
                f = LONGREACH_NO_FRAME;
            }
            if (f == LONGREACH_NO_FRAME) continue;
            change(f, order, 0, self);
            live.emplace_back(f, order);
        }
        for (const auto& [f, order] : live) {
            change(f, order, self, 0);
            table.release(zone, cpu, f, order);
        }
    };
    std::thread other(work, 1U);
    work(0);
    other.join();
    EXPECT_EQ(overlaps, 0U);
    EXPECT_STREQ(table.audit(zone), nullptr);
    table.destroy(zone);
}

// ------------------------------------------------------------------------------- what each is known for

TEST(baseline_tables, say_what_each_can) {
    EXPECT_EQ(id_stack_zone.allocate_at, nullptr) << "a stack cannot find a frame by its address";
    EXPECT_NE(textbook_buddy_zone.allocate_at, nullptr);
    EXPECT_EQ(textbook_buddy_zone.max_order, 18U);
    EXPECT_EQ(linux_buddy_zone.max_order, 10U);
    EXPECT_GE(linux_buddy_with_cpu_lists_zone.cpus, 2U);
}

TEST(baseline_tables, answer_null_where_memory_is_short) {
    EXPECT_EQ(id_stack_zone.create(std::uint64_t{1} << 62, 1), nullptr);
    EXPECT_EQ(linux_buddy_zone.create(std::uint64_t{1} << 62, 1), nullptr);
}

TEST(baseline_tables, metadata_is_8_9_and_64_bytes_per_frame) {
    const auto per_frame = [](const longreach_zone_interface& table) {
        constexpr std::uint64_t frames = std::uint64_t{1} << 16;
        void* zone = table.create(frames, 1);
        const std::size_t bytes = table.metadata_bytes(zone);
        table.destroy(zone);
        return static_cast<double>(bytes) / static_cast<double>(frames);
    };
    EXPECT_NEAR(per_frame(id_stack_zone), 8, 0.1);
    EXPECT_NEAR(per_frame(textbook_buddy_zone), 9, 0.1);
    EXPECT_NEAR(per_frame(linux_buddy_zone), 64, 0.1);
    EXPECT_NEAR(per_frame(linux_buddy_with_cpu_lists_zone), 64, 0.1);
    EXPECT_EQ(per_frame(null_zone), 0);
}

TEST(null_allocator, answers_some_frame_of_the_zone_and_takes_anything) {
    null_allocator z(4, 1);
    for (unsigned i = 0; i < 10; ++i) EXPECT_LT(z.allocate(0, 0), 4U);
    EXPECT_TRUE(z.allocate_at(0, 3, 0));
    EXPECT_FALSE(z.audit());
}

TEST(id_stack, hands_out_blocks_of_another_order_once_all_are_free) {
    id_stack z(1024, 1);
    EXPECT_EQ(z.allocate(0, 0), 0U) << "the lowest first";
    EXPECT_EQ(z.allocate(0, 9), LONGREACH_NO_FRAME);
    EXPECT_EQ(z.allocate(0, 0), 1U) << "the refusal changed nothing";
    z.free(0, 1, 0);
    z.free(0, 0, 0);
    EXPECT_EQ(z.allocate(0, 9), 0U);
    EXPECT_EQ(z.allocate(0, 9), 512U);
    EXPECT_EQ(z.allocate(0, 9), LONGREACH_NO_FRAME);
    EXPECT_FALSE(z.audit());
}

TEST(textbook_buddy, splits_and_merges_up_to_order_18) {
    textbook_buddy z(std::uint64_t{3} << 18, 1);
    EXPECT_EQ(z.allocate(0, 18), 0U);
    EXPECT_EQ(z.allocate(0, 0), std::uint64_t{1} << 18);
    EXPECT_TRUE(z.allocate_at(0, std::uint64_t{2} << 18, 18));
    EXPECT_EQ(z.allocate(0, 18), LONGREACH_NO_FRAME);
    z.free(0, std::uint64_t{1} << 18, 0);
    EXPECT_EQ(z.allocate(0, 18), std::uint64_t{1} << 18) << "merged again";
}

TEST(textbook_buddy, takes_the_block_freed_last) {
    textbook_buddy z(64, 1);
    for (unsigned i = 0; i < 64; ++i) ASSERT_NE(z.allocate(0, 0), LONGREACH_NO_FRAME);
    z.free(0, 8, 0);
    z.free(0, 40, 0);
    EXPECT_EQ(z.allocate(0, 0), 40U);
}

TEST(linux_buddy, refuses_orders_above_10) {
    linux_buddy z(8192, 1);
    EXPECT_EQ(z.allocate(0, 11), LONGREACH_NO_FRAME);
    EXPECT_FALSE(z.allocate_at(0, 0, 11));
    EXPECT_EQ(z.allocate(0, 10), 0U);
}

TEST(linux_buddy, a_block_that_will_merge_soon_waits_at_the_tail) {
    linux_buddy z(64, 1);
    for (unsigned i = 0; i < 64; ++i) ASSERT_NE(z.allocate(0, 0), LONGREACH_NO_FRAME);
    z.free(0, 8, 0);
    z.free(0, 34, 0);
    z.free(0, 35, 0);  // an order-1 block at 34, so freeing 32 would make it part of an order-2 block
    z.free(0, 32, 0);
    EXPECT_EQ(z.allocate(0, 0), 8U) << "32 was freed later, but went behind";
    EXPECT_EQ(z.allocate(0, 0), 32U);
}

TEST(linux_buddy_with_cpu_lists, a_frame_parked_on_a_list_is_refused_by_its_address) {
    linux_buddy_with_cpu_lists z(4096, 2);
    EXPECT_EQ(z.allocate(0, 0), 0U) << "and 62 more are parked";
    EXPECT_EQ(z.parked_mark(0), 0U);
    EXPECT_EQ(z.parked_mark(1), 1U);
    EXPECT_FALSE(z.allocate_at(0, 1, 0));
    EXPECT_FALSE(z.allocate_at(0, 62, 0));
    EXPECT_TRUE(z.allocate_at(0, 63, 0));
    EXPECT_EQ(z.allocate(1, 0), 64U) << "another CPU has a list of its own";
    EXPECT_EQ(z.allocate(0, 0), 1U);
    EXPECT_FALSE(z.audit());
}

TEST(linux_buddy_with_cpu_lists, gives_a_batch_back_at_the_high_mark) {
    linux_buddy_with_cpu_lists z(4096, 1);
    constexpr unsigned high = linux_buddy_with_cpu_lists::high;
    constexpr unsigned batch = linux_buddy_with_cpu_lists::batch;
    for (unsigned i = 0; i < high; ++i) ASSERT_EQ(z.allocate(0, 0), i);  // whole batches: nothing stays parked
    for (unsigned i = 0; i < high - 1; ++i) z.free(0, i, 0);
    EXPECT_EQ(z.parked_mark(0), 1U);
    z.free(0, high - 1, 0);
    EXPECT_EQ(z.parked_mark(batch - 1), 0U) << "the first freed went back";
    EXPECT_EQ(z.parked_mark(batch), 1U);
    EXPECT_FALSE(z.audit());
}

// ------------------------------------------------------------------------------- audits, broken label by label

template <class Zone>
std::string found_by_audit(const Zone& zone) {
    const violation found = zone.audit();
    return found ? found.label : "nothing";
}

TEST(id_stack_audit, I1_a_number_outside_the_zone) {
    id_stack z(16, 1);
    corrupt::ids(z)[3] = 16;
    EXPECT_EQ(found_by_audit(z), "id_stack.I1");
}

TEST(id_stack_audit, I1_a_number_that_no_block_begins_at) {
    id_stack z(16, 1);
    z.free(0, z.allocate(0, 2), 2);
    corrupt::ids(z)[0] = 5;
    EXPECT_EQ(found_by_audit(z), "id_stack.I1");
}

TEST(id_stack_audit, I2_a_block_freed_twice) {
    id_stack z(16, 1);
    const std::uint64_t f = z.allocate(0, 0);
    (void)z.allocate(0, 0);
    z.free(0, f, 0);
    z.free(0, f, 0);
    EXPECT_EQ(found_by_audit(z), "id_stack.I2");
}

/// Frame 0 of 64 is in use, so that a block of each order 0 to 5 is free: at 1, 2, 4, 8, 16 and 32.
template <class Zone>
struct broken : testing::Test {
    broken() { EXPECT_EQ(zone.allocate(0, 0), 0U); }
    Zone zone{64, 2};
};

using broken_textbook = broken<textbook_buddy>;

TEST_F(broken_textbook, nothing_is_found_before_anything_is_broken) { EXPECT_EQ(found_by_audit(zone), "nothing"); }

TEST_F(broken_textbook, I1_a_mark_of_no_order) {
    corrupt::marks(zone)[32] = textbook_buddy::max_order + 2;
    EXPECT_EQ(found_by_audit(zone), "textbook.I1");
}

TEST_F(broken_textbook, I1_a_misaligned_block) {
    corrupt::marks(zone)[2] = 3 + 1;
    EXPECT_EQ(found_by_audit(zone), "textbook.I1");
}

TEST_F(broken_textbook, I1_blocks_that_overlap) {
    corrupt::marks(zone)[40] = 1;
    EXPECT_EQ(found_by_audit(zone), "textbook.I1");
}

TEST_F(broken_textbook, I2_a_link_back_that_leads_elsewhere) {
    corrupt::links(zone)[2].previous = 1;
    EXPECT_EQ(found_by_audit(zone), "textbook.I2");
}

TEST_F(broken_textbook, I2_a_list_that_goes_round) {
    corrupt::links(zone)[2] = {2, 2};
    EXPECT_EQ(found_by_audit(zone), "textbook.I2");
}

TEST_F(broken_textbook, I2_a_block_on_no_list) {
    corrupt::heads(zone)[1] = corrupt::none;
    corrupt::nonempty(zone) &= ~2U;
    EXPECT_EQ(found_by_audit(zone), "textbook.I2");
}

TEST_F(broken_textbook, I3_halves_that_were_not_merged) {
    corrupt::push(zone, 0, 0);
    EXPECT_EQ(found_by_audit(zone), "textbook.I3");
}

TEST_F(broken_textbook, I4_an_order_that_the_mask_forgot) {
    corrupt::nonempty(zone) ^= 1U << 4;
    EXPECT_EQ(found_by_audit(zone), "textbook.I4");
}

TEST_F(broken_textbook, I5_a_wrong_count) {
    ++corrupt::free(zone);
    EXPECT_EQ(found_by_audit(zone), "textbook.I5");
}

using broken_linux = broken<linux_buddy>;

TEST_F(broken_linux, nothing_is_found_before_anything_is_broken) { EXPECT_EQ(found_by_audit(zone), "nothing"); }

TEST_F(broken_linux, I1_a_block_of_order_11) {
    corrupt::area(zone).record(32).order = 11;
    EXPECT_EQ(found_by_audit(zone), "linux.I1");
}

TEST_F(broken_linux, I1_blocks_that_overlap) {
    corrupt::link(corrupt::area(zone), 40, 0);
    EXPECT_EQ(found_by_audit(zone), "linux.I1");
}

TEST_F(broken_linux, I2_a_block_on_the_list_of_another_order) {
    corrupt::area(zone).record(32).order = 4;
    EXPECT_EQ(found_by_audit(zone), "linux.I2");
}

TEST_F(broken_linux, I2_a_link_back_that_leads_elsewhere) {
    frame_record& block = corrupt::area(zone).record(32);
    block.links.previous = &corrupt::area(zone).record(16).links;
    EXPECT_EQ(found_by_audit(zone), "linux.I2");
}

TEST_F(broken_linux, I2_a_block_on_no_list) {
    frame_list::remove(corrupt::area(zone).record(32));
    --corrupt::count(corrupt::area(zone), 5);
    EXPECT_EQ(found_by_audit(zone), "linux.I2");
}

TEST_F(broken_linux, I3_halves_that_were_not_merged) {
    corrupt::link(corrupt::area(zone), 0, 0);
    EXPECT_EQ(found_by_audit(zone), "linux.I3");
}

TEST_F(broken_linux, I4_an_area_that_counts_wrong) {
    ++corrupt::count(corrupt::area(zone), 5);
    EXPECT_EQ(found_by_audit(zone), "linux.I4");
}

TEST_F(broken_linux, I5_a_zone_that_counts_wrong) {
    --corrupt::free(corrupt::area(zone));
    EXPECT_EQ(found_by_audit(zone), "linux.I5");
}

using broken_cpu_lists = broken<linux_buddy_with_cpu_lists>;  // 1 to 62 are parked on CPU 0's list, 63 is free

TEST_F(broken_cpu_lists, nothing_is_found_before_anything_is_broken) { EXPECT_EQ(found_by_audit(zone), "nothing"); }

TEST_F(broken_cpu_lists, I1_of_the_areas_is_found_too) {
    corrupt::area(zone).record(63).order = 11;
    EXPECT_EQ(found_by_audit(zone), "linux.I1");
}

TEST_F(broken_cpu_lists, I6_a_mark_of_another_order) {
    corrupt::area(zone).record(4).parked = 2;
    EXPECT_EQ(found_by_audit(zone), "linux.I6");
}

TEST_F(broken_cpu_lists, I6_a_parked_block_that_reaches_into_a_free_one) {
    for (const std::uint64_t f : {60U, 61U, 62U}) {
        frame_list::remove(corrupt::area(zone).record(f));
        corrupt::area(zone).record(f).parked = 0;
    }
    corrupt::parked_list(zone, 0, 2).push_front(corrupt::area(zone).record(60));  // order 2: 60 to 63
    corrupt::area(zone).record(60).parked = 2 + 1;
    ++corrupt::parked_frames(zone, 0);
    EXPECT_EQ(found_by_audit(zone), "linux.I6");
}

TEST_F(broken_cpu_lists, I6_a_link_back_that_leads_elsewhere) {
    corrupt::area(zone).record(4).links.previous = &corrupt::area(zone).record(9).links;
    EXPECT_EQ(found_by_audit(zone), "linux.I6");
}

TEST_F(broken_cpu_lists, I7_a_mark_of_a_frame_in_use) {
    corrupt::area(zone).record(0).parked = 1;
    EXPECT_EQ(found_by_audit(zone), "linux.I7");
}

TEST_F(broken_cpu_lists, I7_a_cpu_that_counts_wrong) {
    ++corrupt::parked_frames(zone, 1);
    EXPECT_EQ(found_by_audit(zone), "linux.I7");
}

}  // namespace
}  // namespace longreach
