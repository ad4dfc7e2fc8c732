// SPDX-License-Identifier: MIT
// What magazines promise to processors that call one after the other: single frames without the lock, requests by name
// and for large blocks as exact as without magazines, everything back on demand.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/cpu_magazines.hpp>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "model/counting_lock.hpp"

LONGREACH_NAMESPACE_BEGIN

/// Reaches into magazines to break what their audit must notice.
struct cpu_magazines_corruption {
    template <class Magazines>
    static std::uint64_t& frames(Magazines& m, unsigned cpu) {
        return m.magazines_[cpu].frames;
    }
    template <class Magazines>
    static std::uint64_t& word(Magazines& m, unsigned cpu) {
        return m.magazines_[cpu].word;
    }
    template <class Magazines>
    static std::uint64_t& busy(Magazines& m, unsigned cpu) {
        return m.magazines_[cpu].busy;
    }
    template <class Magazines>
    static std::uint64_t& claimed(Magazines& m, unsigned cpu) {
        return m.magazines_[cpu].claimed;
    }
    template <class Magazines>
    static std::uint64_t& held(Magazines& m, std::size_t i) {
        return m.held_[i];
    }
};

LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

using model::counting_lock;

using magazines = cpu_magazines<pfn, counting_lock>;

struct cached_zone {
    cached_zone(std::uint64_t first, std::uint64_t count, unsigned cpus)
        : memory(buddy::required_bytes(page_count{count})),
          magazine_memory(magazines::required_bytes(page_count{count}, cpus)),
          frames({pfn{first}, page_count{count}}, memory),
          all(frames, lock, cpus, magazine_memory) {}

    std::vector<std::byte> memory;
    std::vector<std::byte> magazine_memory;
    buddy frames;
    counting_lock lock;
    magazines all;
};

frame_run run_of(std::uint64_t first, std::uint64_t count) { return {pfn{first}, page_count{count}}; }
std::optional<pfn> at(std::uint64_t frame) { return pfn{frame}; }

TEST(cpu_magazines, single_frames_come_in_order_and_64_of_them_take_the_lock_once) {
    cached_zone z(0, 4096, 2);
    for (std::uint64_t f = 0; f < 64; ++f) ASSERT_EQ(z.all.allocate(0, base_order), at(f));
    EXPECT_EQ(z.lock.taken, 1U);
    EXPECT_EQ(z.all.allocate(1, base_order), at(64));
    EXPECT_EQ(z.all.allocate(0, base_order), at(128));
    EXPECT_EQ(z.lock.taken, 3U);
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, a_frame_of_the_magazine_s_word_comes_back_without_the_lock_any_other_to_the_zone) {
    cached_zone z(0, 4096, 2);
    ASSERT_EQ(z.all.allocate(0, base_order), at(0));
    ASSERT_EQ(z.all.allocate(1, base_order), at(64));
    const unsigned before = z.lock.taken;
    z.all.free(0, pfn{0}, base_order);
    EXPECT_EQ(z.lock.taken, before);
    EXPECT_EQ(z.all.allocate(0, base_order), at(0));
    z.all.free(0, pfn{64}, base_order);
    EXPECT_EQ(z.lock.taken, before + 1);
    EXPECT_TRUE(z.frames.is_free(pfn{64}, base_order));
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, frames_in_magazines_count_as_free) {
    cached_zone z(100, 1000, 3);
    EXPECT_EQ(z.all.cpus(), 3U);
    ASSERT_TRUE(z.all.allocate(0, base_order));
    ASSERT_TRUE(z.all.allocate(2, base_order));
    EXPECT_LT(z.frames.free_frames(), page_count{998});
    EXPECT_EQ(z.all.free_frames(), page_count{998});
    z.all.drain();
    EXPECT_EQ(z.frames.free_frames(), page_count{998});
    EXPECT_EQ(z.all.free_frames(), page_count{998});
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, a_frame_in_any_magazine_can_be_had_by_name) {
    cached_zone z(0, 4096, 2);
    ASSERT_EQ(z.all.allocate(0, base_order), at(0));
    ASSERT_EQ(z.all.allocate(1, base_order), at(64));
    EXPECT_EQ(z.all.allocate_at(pfn{70}, base_order), status::ok);
    EXPECT_EQ(z.all.allocate_at(pfn{70}, base_order), status::occupied);
    EXPECT_EQ(z.all.allocate_at(pfn{64}, base_order), status::occupied);
    EXPECT_EQ(z.all.allocate_at(pfn{32}, order{5}), status::ok);
    EXPECT_EQ(z.all.allocate_at(pfn{4096}, base_order), status::out_of_range);
    EXPECT_EQ(z.all.allocate_run_at(run_of(1, 31)), status::ok);
    EXPECT_EQ(z.all.allocate_run_at(run_of(4000, 97)), status::out_of_range);
    EXPECT_EQ(z.all.free_frames(), page_count{4096 - 66});
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, a_run_by_name_may_lie_in_several_magazines_and_the_zone) {
    cached_zone z(0, 512, 3);
    for (unsigned cpu = 0; cpu < 3; ++cpu) {
        const auto f = z.all.allocate(cpu, base_order);
        ASSERT_TRUE(f);
        z.all.free(cpu, *f, base_order);
    }
    EXPECT_EQ(z.frames.free_frames(), page_count{512 - 192});
    EXPECT_EQ(z.all.allocate_run_at(run_of(0, 512)), status::ok);
    EXPECT_EQ(z.all.free_frames(), page_count{0});
    z.all.free_run(run_of(0, 512));
    EXPECT_EQ(z.all.allocate_at(pfn{0}, superpage_order), status::ok);
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, a_refused_request_changes_no_answer) {
    cached_zone z(0, 1024, 2);
    ASSERT_EQ(z.all.allocate(0, base_order), at(0));
    EXPECT_EQ(z.all.allocate_at(pfn{0}, order{6}), status::occupied);
    EXPECT_EQ(z.all.allocate_run_at(run_of(0, 1024)), status::occupied);
    EXPECT_FALSE(z.all.allocate(1, order{10}));
    EXPECT_FALSE(z.all.allocate_run(page_count{1024}));
    EXPECT_EQ(z.all.free_frames(), page_count{1023});
    for (std::uint64_t f = 1; f < 1024; ++f) ASSERT_EQ(z.all.allocate_at(pfn{f}, base_order), status::ok);
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, a_block_that_fits_only_with_empty_magazines_is_found) {
    cached_zone z(0, 512, 2);
    const auto f = z.all.allocate(1, base_order);
    z.all.free(1, *f, base_order);
    EXPECT_EQ(z.all.allocate(0, superpage_order), at(0));
    z.all.free(0, pfn{0}, superpage_order);
    ASSERT_EQ(z.all.allocate(1, base_order), at(0));
    z.all.free(1, pfn{0}, base_order);
    EXPECT_EQ(z.all.allocate_run(page_count{500}), run_of(0, 500));
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, the_last_frame_is_found_in_another_s_magazine) {
    cached_zone z(0, 64, 2);
    for (std::uint64_t f = 0; f < 63; ++f) ASSERT_EQ(z.all.allocate(0, base_order), at(f));
    EXPECT_EQ(z.all.allocate(1, base_order), at(63));
    EXPECT_FALSE(z.all.allocate(0, base_order));
    EXPECT_FALSE(z.all.allocate(1, base_order));
    EXPECT_EQ(z.all.free_frames(), page_count{0});
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, two_magazines_may_be_at_one_word) {
    cached_zone z(0, 64, 2);
    for (std::uint64_t f = 0; f < 64; ++f) ASSERT_EQ(z.all.allocate(0, base_order), at(f));
    z.all.free(1, pfn{20}, base_order);
    z.all.free(1, pfn{21}, base_order);
    EXPECT_EQ(z.all.allocate(1, base_order), at(20)) << "its magazine is now at the word of the other one";
    z.all.free(0, pfn{5}, base_order);
    EXPECT_EQ(z.all.free_frames(), page_count{2});
    EXPECT_FALSE(z.all.audit());
    EXPECT_EQ(z.all.allocate_run_at(run_of(5, 1)), status::ok);
    EXPECT_EQ(z.all.allocate_run_at(run_of(21, 1)), status::ok);
    EXPECT_FALSE(z.all.audit());
}

/// Any calls of any processors: an exact request is refused only where a frame is in use.
TEST(cpu_magazines, they_answer_as_one_flag_per_frame_does) {
    for (const std::uint64_t first : {0U, 77U, 512U}) {
        constexpr std::uint64_t count = 1500;
        cached_zone z(first, count, 3);
        std::vector<bool> used(count);
        std::uint64_t free = count;
        std::mt19937 draw(static_cast<unsigned>(first));
        const auto set = [&](pfn f, std::uint64_t n, bool value) {
            for (std::uint64_t i = 0; i < n; ++i) {
                ASSERT_NE(used[f.raw - first + i], value);
                used[f.raw - first + i] = value;
            }
            free = value ? free - n : free + n;
        };
        for (int k = 0; k < 4000; ++k) {
            const unsigned cpu = static_cast<unsigned>(draw() % 3);
            const std::uint64_t i = draw() % count;
            if (draw() % 2 == 0) {
                const order o{draw() % 8 == 0 ? static_cast<unsigned>(draw() % 10) : 0};
                const auto f = z.all.allocate(cpu, o);
                ASSERT_TRUE(f || o.raw > 0 || free == 0);
                if (f) set(*f, o.pages().raw, true);
            } else if (draw() % 2 == 0) {
                const status told = z.all.allocate_at(pfn{first + i}, base_order);
                ASSERT_EQ(told, used[i] ? status::occupied : status::ok);
                if (told == status::ok) set(pfn{first + i}, 1, true);
            } else {
                for (std::uint64_t j = i; j < count && j < i + 30; ++j) {
                    if (!used[j]) continue;
                    z.all.free(cpu, pfn{first + j}, base_order);
                    set(pfn{first + j}, 1, false);
                }
            }
            ASSERT_EQ(z.all.free_frames(), page_count{free});
            const violation broken = z.all.audit();
            ASSERT_FALSE(broken) << broken.label;
        }
    }
}

TEST(cpu_magazines, memory_of_any_alignment_is_enough) {
    for (std::size_t skip = 0; skip < 65; ++skip) {
        std::vector<std::byte> memory(buddy::required_bytes(page_count{3000}));
        std::vector<std::byte> magazine_memory(magazines::required_bytes(page_count{3000}, 4) + skip);
        buddy frames(run_of(511, 3000), memory);
        counting_lock lock;
        magazines all(frames, lock, 4, std::span(magazine_memory).subspan(skip));
        EXPECT_TRUE(all.allocate(3, base_order));
        EXPECT_FALSE(all.audit());
    }
}

TEST(cpu_magazines, its_audit_finds_each_broken_invariant) {
    using corruption = cpu_magazines_corruption;
    const auto label_after = [](auto damage) {
        cached_zone z(0, 4096, 3);
        (void)z.all.allocate(0, base_order);
        (void)z.all.allocate(1, base_order);
        damage(z.all);
        const violation broken = z.all.audit();
        return std::string_view(broken ? broken.label : "none");
    };
    EXPECT_EQ(label_after([](magazines&) {}), "none");
    EXPECT_EQ(label_after([](magazines& m) { corruption::frames(m, 2) = 1; }), "cpu_magazines.I1");
    EXPECT_EQ(label_after([](magazines& m) { m.free_run(run_of(5, 1)); }), "cpu_magazines.I1") << "free in the zone";
    EXPECT_EQ(label_after([](magazines& m) {
                  corruption::word(m, 2) = 0;
                  corruption::frames(m, 2) = 2;
              }),
              "cpu_magazines.I1")
        << "in two magazines";
    EXPECT_EQ(label_after([](magazines& m) { corruption::held(m, 0) = 1; }), "cpu_magazines.I2");
    EXPECT_EQ(label_after([](magazines& m) { corruption::busy(m, 2) = 1; }), "cpu_magazines.I3");
    EXPECT_EQ(label_after([](magazines& m) { corruption::claimed(m, 0) = 1; }), "cpu_magazines.I3");
}

TEST(cpu_magazines, what_callers_must_not_do_ends_the_program) {
    cached_zone z(0, 1024, 2);
    ASSERT_EQ(z.all.allocate(0, base_order), at(0));
    EXPECT_DEATH(z.all.free(0, pfn{1}, base_order), "") << "in the magazine already";
    EXPECT_DEATH(z.all.free(0, pfn{100}, base_order), "") << "in the zone already";
    EXPECT_DEATH(z.all.free(0, pfn{1024}, base_order), "");
}

TEST(cpu_magazines, a_refused_request_leaves_the_magazine_at_its_word_alone) {
    cached_zone z(0, 4096, 2);
    const std::optional<pfn> used = z.all.allocate(0, base_order);
    ASSERT_TRUE(used);
    EXPECT_EQ(z.all.allocate_at(*used, base_order), status::occupied);
    EXPECT_EQ(z.all.allocate_at(align_down(*used, order{6}), order{6}), status::occupied);
    const unsigned before = z.lock.taken;
    EXPECT_TRUE(z.all.allocate(0, base_order));
    EXPECT_EQ(z.lock.taken, before) << "the next frame still comes from the magazine";
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, promised_frames_are_lent_only_when_no_magazine_has_another) {
    cached_zone z(0, 128, 2);
    z.frames.reserve({pfn{64}, page_count{64}});
    ASSERT_EQ(z.all.allocate(0, base_order), pfn{0});  // 63 more are in its magazine
    const std::optional<pfn> other = z.all.allocate(1, base_order);
    ASSERT_TRUE(other);
    EXPECT_LT(other->raw, 64U);
    for (int i = 0; i < 62; ++i) ASSERT_LT(z.all.allocate(i % 2 == 0 ? 0 : 1, base_order)->raw, 64U);
    EXPECT_GE(z.all.allocate(0, base_order)->raw, 64U);
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, several_steps_together_see_the_zone_with_empty_magazines) {
    cached_zone z(0, 1024, 2);
    const std::optional<pfn> used = z.all.allocate(0, base_order);
    ASSERT_TRUE(used);
    const page_count free = z.all.together([](buddy& frames) { return frames.free_frames(); });
    EXPECT_EQ(free, page_count{1023});
    EXPECT_FALSE(z.all.audit());
}

TEST(cpu_magazines, frames_in_magazines_are_free_again_after_a_recovery) {
    cached_zone z(300, 4000, 2);
    ASSERT_TRUE(z.all.allocate(0, base_order));
    ASSERT_TRUE(z.all.allocate(1, base_order));
    ASSERT_LT(z.frames.free_frames(), page_count{3998});
    z.frames.recover();
    counting_lock lock;
    const auto again = magazines::recovered(z.frames, lock, 2, z.magazine_memory);
    EXPECT_EQ(z.frames.free_frames(), page_count{3998});
    EXPECT_EQ(again.managed(), z.frames.managed());
    EXPECT_FALSE(z.frames.audit());
}

}  // namespace
}  // namespace longreach
