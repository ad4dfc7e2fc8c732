// SPDX-License-Identifier: MIT
// Real threads on every concurrent zone: no frame has two owners, none is lost, and a free frame asked for by name is
// never refused. A second in all; LONGREACH_STRESS=<seconds> makes it as long.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <longreach/allocator/atomic_buddy.hpp>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/cpu_magazines.hpp>
#include <longreach/allocator/locked_buddy.hpp>
#include <longreach/allocator/locks.hpp>
#include <longreach/workloads/random.hpp>
#include <optional>
#include <thread>
#include <vector>

namespace longreach {
namespace {

constexpr frame_run managed{pfn{1000}, page_count{5000}};

double seconds_per_case() {
    const char* const asked = std::getenv("LONGREACH_STRESS");
    return std::max(0.15, asked == nullptr ? 0.0 : std::atof(asked) / 6);
}

// --------------------------------------------------------------------------- zones, and how one thread calls them

struct locked_zone {
    locked_buddy<pfn, spin_lock<>>& for_thread(unsigned) { return all; }
    page_count free_frames() { return all.free_frames(); }
    violation audit() { return all.audit(); }

    std::vector<std::byte> memory = std::vector<std::byte>(buddy::required_bytes(managed.count));
    buddy frames{managed, memory};
    spin_lock<> lock;
    locked_buddy<pfn, spin_lock<>> all{frames, lock};
};

struct magazine_zone {
    using magazines = cpu_magazines<pfn, spin_lock<>>;
    struct processor {
        magazines& all;
        unsigned cpu;

        std::optional<pfn> allocate(order o) { return all.allocate(cpu, o); }
        status allocate_at(pfn f, order o) { return all.allocate_at(f, o); }
        std::optional<frame_run> allocate_run(page_count n) { return all.allocate_run(n); }
        status allocate_run_at(frame_run r) { return all.allocate_run_at(r); }
        void free(pfn f, order o) { all.free(cpu, f, o); }
        void free_run(frame_run r) { all.free_run(r); }
    };
    processor for_thread(unsigned i) { return {all, i}; }
    page_count free_frames() { return all.free_frames(); }
    violation audit() {
        if (const violation broken = all.audit()) return broken;
        all.drain();
        return all.audit();
    }

    std::vector<std::byte> memory = std::vector<std::byte>(buddy::required_bytes(managed.count));
    std::vector<std::byte> magazine_memory = std::vector<std::byte>(magazines::required_bytes(managed.count, 4));
    buddy frames{managed, memory};
    spin_lock<> lock;
    magazines all{frames, lock, 4, magazine_memory};
};

struct atomic_zone {
    atomic_buddy& for_thread(unsigned) { return all; }
    page_count free_frames() { return all.free_frames(); }
    violation audit() { return all.audit(); }

    std::vector<std::byte> memory = std::vector<std::byte>(atomic_buddy::required_bytes(managed.count));
    atomic_buddy all{managed, memory};
};

// -------------------------------------------------------------------------------------------------------- the checks

/// Who holds each frame; 0 is nobody.
class owners {
  public:
    /// Writes down a new owner of each frame, and counts where it was not `from` that had it.
    void hand_over(frame_run frames, unsigned from, unsigned to) {
        for (pfn f = frames.first; f != frames.end(); f += page_count{1}) {
            const auto i = static_cast<std::size_t>((f - managed.first).raw);
            errors_ += owner_[i].exchange(to, std::memory_order_relaxed) != from;
        }
    }
    unsigned errors() const { return errors_; }

  private:
    std::vector<std::atomic<unsigned>> owner_ = std::vector<std::atomic<unsigned>>(managed.count.raw);
    std::atomic<unsigned> errors_{0};
};

/// One thread that allocates, asks by name and gives back at random.
template <class Zone>
class client {
  public:
    client(Zone zone, owners& table, unsigned me) : zone_(zone), table_(table), me_(me), draw_(me) {}

    void step() {
        const std::uint64_t what = draw_.below(16);
        const order o{draw_.below(4) == 0 ? static_cast<unsigned>(draw_.below(11)) : 0};
        if (what < 6 || held_.size() > 60) {
            if (!held_.empty()) give_one();
        } else if (what < 11) {
            if (const std::optional<pfn> f = zone_.allocate(o)) hold({*f, o.pages()});
        } else if (what == 11) {
            if (const auto found = zone_.allocate_run(page_count{1 + draw_.below(700)})) hold(*found);
        } else if (what < 14) {
            const pfn want = align_down(managed.first + page_count{draw_.below(managed.count.raw)}, o);
            if (zone_.allocate_at(want, o) == status::ok) hold({want, o.pages()});
        } else if (what == 14) {
            const frame_run want{managed.first + page_count{draw_.below(4900)}, page_count{1 + draw_.below(100)}};
            if (zone_.allocate_run_at(want) == status::ok) hold(want);
        } else if (!held_.empty()) {
            EXPECT_EQ(zone_.allocate_run_at(held_[any_held()]), status::occupied);
        }
    }
    void give_all() {
        while (!held_.empty()) give_one();
    }

  private:
    std::size_t any_held() { return static_cast<std::size_t>(draw_.below(held_.size())); }

    void hold(frame_run frames) {
        table_.hand_over(frames, 0, me_);
        held_.push_back(frames);
    }
    void give_one() {
        const std::size_t i = any_held();
        const frame_run frames = held_[i];
        held_[i] = held_.back();
        held_.pop_back();
        table_.hand_over(frames, me_, 0);
        const order o{floor_log2(frames.count.raw)};
        if (frames.count == o.pages() && is_aligned(frames.first, o)) {
            zone_.free(frames.first, o);
        } else {
            zone_.free_run(frames);
        }
    }

    Zone zone_;
    owners& table_;
    unsigned me_;
    random_numbers draw_;
    std::vector<frame_run> held_;
};

/// Calls `round(thread)` in so many threads, again and again, for the length of a case.
template <class Round>
void repeat_in_threads(unsigned count, Round round) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds_per_case());
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i) {
        threads.emplace_back([=] {
            while (std::chrono::steady_clock::now() < end) round(i);
        });
    }
    for (std::thread& t : threads) t.join();
}

template <class Zone>
class concurrent_stress : public testing::Test {};
using zones = testing::Types<locked_zone, magazine_zone, atomic_zone>;
TYPED_TEST_SUITE(concurrent_stress, zones);

TYPED_TEST(concurrent_stress, no_frame_has_two_owners_and_none_is_lost) {
    TypeParam zone;
    owners table;
    using view = decltype(zone.for_thread(0));
    std::vector<client<view>> clients;
    for (unsigned i = 0; i < 4; ++i) clients.emplace_back(zone.for_thread(i), table, i + 1);
    repeat_in_threads(4, [&](unsigned i) {
        for (int k = 0; k < 500; ++k) clients[i].step();
    });
    for (client<view>& c : clients) c.give_all();
    EXPECT_EQ(table.errors(), 0U);
    EXPECT_EQ(zone.free_frames(), managed.count);
    const violation broken = zone.audit();
    EXPECT_FALSE(broken) << broken.label << " at " << broken.where;
}

/// Stretches of 40 frames belong to two threads by turns, so most words and many calls of both meet in one word.
TYPED_TEST(concurrent_stress, free_frames_are_never_refused_to_who_names_them) {
    TypeParam zone;
    std::vector<random_numbers> draws{random_numbers(1), random_numbers(2)};
    std::atomic<unsigned> refusals{0};
    repeat_in_threads(2, [&](unsigned i) {
        auto&& mine = zone.for_thread(i);
        random_numbers& draw = draws[i];
        for (int k = 0; k < 500; ++k) {
            const std::uint64_t skip = draw.below(40);
            const frame_run want{managed.first + page_count{(draw.below(60) * 2 + i) * 40 + skip},
                                 page_count{1 + draw.below(40 - skip)}};
            if (mine.allocate_run_at(want) == status::ok) {
                mine.free_run(want);
            } else {
                ++refusals;
            }
        }
    });
    EXPECT_EQ(refusals, 0U);
    EXPECT_EQ(zone.free_frames(), managed.count);
    EXPECT_FALSE(zone.audit());
}

}  // namespace
}  // namespace longreach
