// SPDX-License-Identifier: MIT
// Points, distances, orders and offsets: what they compute, and what must not compile.

#include <gtest/gtest.h>

#include <limits>
#include <longreach/allocator/bits.hpp>
#include <longreach/allocator/frame_run.hpp>
#include <longreach/allocator/status.hpp>
#include <longreach/allocator/units.hpp>
#include <type_traits>

namespace longreach {
namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

// ------------------------------------------------------------------- what compiles and what does not

template <class A, class B>
concept addable = requires(A a, B b) {
    a + b;
};
template <class A, class B>
concept subtractable = requires(A a, B b) {
    a - b;
};
template <class A, class B>
concept equatable = requires(A a, B b) {
    a == b;
};
template <class A, class B>
concept ordered = requires(A a, B b) {
    a < b;
};
template <class Offset, class Point>
concept applicable = requires(Offset offset, Point p) {
    offset.apply(p);
};
template <class Run, class Other>
concept comparable_run = requires(Run run, Other other) {
    run.overlaps(other);
};

using offset = map_offset<vpn, pfn>;

static_assert(std::is_same_v<decltype(pfn{} + page_count{}), pfn>);
static_assert(std::is_same_v<decltype(pfn{} - page_count{}), pfn>);
static_assert(std::is_same_v<decltype(pfn{} - pfn{}), page_count>);
static_assert(std::is_same_v<decltype(page_count{} + page_count{}), page_count>);
static_assert(std::is_same_v<decltype(offset{}.apply(vpn{})), pfn>);
static_assert(addable<vpn, page_count> && equatable<pfn, pfn> && ordered<gfn, gfn> && applicable<offset, vpn>);

static_assert(!addable<pfn, pfn>, "the sum of two points means nothing");
static_assert(!addable<page_count, pfn>, "a distance is added on the right");
static_assert(!addable<pfn, std::uint64_t> && !addable<pfn, int>, "a bare integer is no distance");
static_assert(!addable<pfn, order>, "an order is no distance");
static_assert(!subtractable<pfn, vpn> && !subtractable<gfn, pfn> && !subtractable<page_count, pfn>);
static_assert(!equatable<vpn, pfn> && !equatable<gfn, pfn> && !equatable<vpn, gfn>);
static_assert(!equatable<pfn, std::uint64_t> && !equatable<pfn, page_count> && !equatable<page_count, order>);
static_assert(!ordered<vpn, pfn> && !ordered<pfn, page_count>);
static_assert(!applicable<offset, pfn> && !applicable<offset, gfn>, "an offset leads from pages to frames");
static_assert(!applicable<map_offset<gfn, pfn>, vpn> && !applicable<map_offset<vpn, gfn>, gfn>);
static_assert(!equatable<map_offset<vpn, gfn>, map_offset<gfn, pfn>> && !equatable<offset, page_count>);
static_assert(!comparable_run<run<pfn>, run<vpn>> && !equatable<run<pfn>, run<gfn>>);

static_assert(!std::is_convertible_v<std::uint64_t, pfn> && std::is_constructible_v<pfn, std::uint64_t>);
static_assert(!std::is_constructible_v<pfn, vpn> && !std::is_constructible_v<vpn, gfn>);
static_assert(!std::is_assignable_v<pfn&, gfn> && !std::is_assignable_v<pfn&, int>);
static_assert(!std::is_convertible_v<status, bool> && !std::is_convertible_v<violation, bool>);

static_assert(sizeof(pfn) == 8 && sizeof(page_count) == 8 && sizeof(offset) == 8 && sizeof(frame_run) == 16);
static_assert(std::is_trivially_copyable_v<pfn> && std::is_trivially_copyable_v<mapping<vpn, pfn>>);

// --------------------------------------------------------------------------------- points and distances

TEST(units, a_point_and_a_distance_give_a_point_and_back) {
    const pfn start{1000};
    EXPECT_EQ(start + page_count{24}, pfn{1024});
    EXPECT_EQ((start + page_count{24}) - start, page_count{24});
    EXPECT_EQ(pfn{1024} - page_count{24}, start);
    pfn moving = start;
    moving += page_count{5};
    moving -= page_count{2};
    EXPECT_EQ(moving, pfn{1003});
}

TEST(units, an_offset_leads_from_each_page_to_its_frame_even_below_zero) {
    for (const auto& [page, frame] : {std::pair{vpn{0x7f000}, pfn{12}}, std::pair{vpn{3}, pfn{0x500000}}}) {
        const auto apart = offset_between(page, frame);
        for (std::uint64_t i = 0; i < 600; i += 7) {
            EXPECT_EQ(apart.apply(page + page_count{i}), frame + page_count{i});
            EXPECT_EQ(offset_between(page + page_count{i}, frame + page_count{i}), apart);
        }
    }
}

TEST(units, bytes_become_pages_by_the_named_rounding) {
    EXPECT_EQ(floor_pages(4095), page_count{0});
    EXPECT_EQ(ceil_pages(4095), page_count{1});
    EXPECT_EQ(floor_pages(4096), page_count{1});
    EXPECT_EQ(ceil_pages(4096), page_count{1});
    EXPECT_EQ(ceil_pages(0), page_count{0});
    EXPECT_EQ(ceil_pages(largest), page_count{std::uint64_t{1} << 52});
    EXPECT_EQ(to_bytes({3}), 12288U);
}

TEST(units, an_order_is_a_power_of_two_of_pages) {
    EXPECT_EQ(to_bytes(base_order.pages()), 4096U);
    EXPECT_EQ(to_bytes(superpage_order.pages()), 2U << 20);
    EXPECT_EQ(to_bytes(giant_order.pages()), 1U << 30);
    EXPECT_EQ(order{63}.pages(), page_count{std::uint64_t{1} << 63});
}

TEST(units, alignment_agrees_with_division) {
    for (unsigned o = 0; o <= 10; ++o) {
        const std::uint64_t size = std::uint64_t{1} << o;
        for (std::uint64_t n = 0; n < 2100; ++n) {
            const pfn p{n};
            ASSERT_EQ(is_aligned(p, order{o}), n % size == 0);
            ASSERT_EQ(align_down(p, order{o}), pfn{n / size * size});
            ASSERT_EQ(align_up(p, order{o}), pfn{(n + size - 1) / size * size});
        }
    }
    EXPECT_EQ(align_up(pfn{largest}, superpage_order), pfn{0});
}

// ---------------------------------------------------------------------------------------------- bits

unsigned ones_naively(std::uint64_t word) {
    unsigned ones = 0;
    for (unsigned bit = 0; bit < 64; ++bit) ones += static_cast<unsigned>(word >> bit & 1);
    return ones;
}

unsigned trailing_naively(std::uint64_t word) {
    unsigned zeros = 0;
    while (zeros < 64 && (word >> zeros & 1) == 0) ++zeros;
    return zeros;
}

unsigned leading_naively(std::uint64_t word) {
    unsigned zeros = 0;
    while (zeros < 64 && (word >> (63 - zeros) & 1) == 0) ++zeros;
    return zeros;
}

TEST(bits, counts_agree_with_bit_by_bit_counts) {
    std::uint64_t state = 1;
    for (unsigned i = 0; i < 20000; ++i) {
        state = state * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX generator
        const std::uint64_t word = (state ^ state >> 31) & low_mask(i % 65) & ~low_mask(i / 65 % 65);
        ASSERT_EQ(count_ones(word), ones_naively(word)) << word;
        ASSERT_EQ(trailing_zeros(word), trailing_naively(word)) << word;
        ASSERT_EQ(leading_zeros(word), leading_naively(word)) << word;
        ASSERT_EQ(is_power_of_two(word), ones_naively(word) == 1) << word;
    }
}

TEST(bits, of_the_empty_and_the_full_word) {
    EXPECT_EQ(count_ones(0), 0U);
    EXPECT_EQ(trailing_zeros(0), 64U);
    EXPECT_EQ(leading_zeros(0), 64U);
    EXPECT_EQ(count_ones(largest), 64U);
    EXPECT_EQ(trailing_zeros(largest), 0U);
    EXPECT_EQ(leading_zeros(largest), 0U);
}

TEST(bits, a_low_mask_has_so_many_ones_at_the_bottom) {
    for (unsigned n = 0; n <= 64; ++n) {
        EXPECT_EQ(ones_naively(low_mask(n)), n);
        EXPECT_EQ(trailing_naively(~low_mask(n)), n);
    }
}

TEST(bits, logarithms_agree_with_repeated_doubling) {
    for (std::uint64_t value = 1; value < 5000; ++value) {
        unsigned below = 0;
        while ((std::uint64_t{2} << below) <= value) ++below;
        unsigned above = 0;
        while ((std::uint64_t{1} << above) < value) ++above;
        ASSERT_EQ(floor_log2(value), below) << value;
        ASSERT_EQ(ceil_log2(value), above) << value;
    }
    EXPECT_EQ(floor_log2(largest), 63U);
    EXPECT_EQ(ceil_log2(largest), 64U);
    EXPECT_EQ(ceil_log2(std::uint64_t{1} << 63), 63U);
}

TEST(bits, are_counted_at_compile_time_too) {
    static_assert(count_ones(0xf0f0) == 8 && trailing_zeros(0xf0f0) == 4 && leading_zeros(1) == 63);
    static_assert(floor_log2(513) == 9 && ceil_log2(513) == 10 && low_mask(9) == 511);
}

// ---------------------------------------------------------------------------------------------- runs

/// The run [first, first + count) of frames.
constexpr frame_run frames(std::uint64_t first, std::uint64_t count) { return {pfn{first}, {count}}; }

TEST(frame_run, contains_its_first_frame_but_not_its_end) {
    const frame_run r = frames(10, 5);
    EXPECT_FALSE(r.contains(pfn{9}));
    EXPECT_TRUE(r.contains(pfn{10}));
    EXPECT_TRUE(r.contains(pfn{14}));
    EXPECT_FALSE(r.contains(pfn{15}));
    EXPECT_EQ(r.end(), pfn{15});
}

TEST(frame_run, an_empty_run_contains_no_frame_and_overlaps_nothing_beside_it) {
    const frame_run nothing = frames(10, 0);
    EXPECT_TRUE(nothing.empty());
    EXPECT_FALSE(nothing.contains(pfn{10}));
    EXPECT_FALSE(nothing.overlaps(frames(10, 5)));
    EXPECT_FALSE(nothing.overlaps(nothing));
}

TEST(frame_run, containment_overlap_and_intersection_agree_with_sets_of_frames) {
    constexpr std::uint64_t n = 7;
    for (std::uint64_t a = 0; a < n; ++a) {
        for (std::uint64_t la = 1; a + la <= n; ++la) {
            for (std::uint64_t b = 0; b < n; ++b) {
                for (std::uint64_t lb = 1; b + lb <= n; ++lb) {
                    const std::uint64_t set_a = low_mask(static_cast<unsigned>(la)) << a;
                    const std::uint64_t set_b = low_mask(static_cast<unsigned>(lb)) << b;
                    const std::uint64_t both = set_a & set_b;
                    const frame_run shared = intersection(frames(a, la), frames(b, lb));
                    ASSERT_EQ(frames(a, la).overlaps(frames(b, lb)), both != 0);
                    ASSERT_EQ(frames(a, la).contains(frames(b, lb)), both == set_b);
                    ASSERT_EQ(shared.count.raw, ones_naively(both));
                    const unsigned first = both == 0 ? 0 : trailing_naively(both);
                    ASSERT_TRUE(both == 0 || shared.first.raw == first);
                }
            }
        }
    }
}

TEST(frame_run, between_two_points_is_empty_where_the_end_is_not_above_the_start) {
    EXPECT_EQ(run_between(pfn{3}, pfn{8}), frames(3, 5));
    EXPECT_TRUE(run_between(pfn{3}, pfn{3}).empty());
    EXPECT_TRUE(run_between(pfn{8}, pfn{3}).empty());
}

TEST(frame_run, a_mapping_knows_its_frames_and_its_offset) {
    const mapping<vpn, pfn> m{{vpn{100}, {8}}, pfn{40}};
    EXPECT_EQ(m.frames(), frames(40, 8));
    EXPECT_EQ(m.offset().apply(vpn{107}), pfn{47});
}

TEST(status, a_violation_without_a_label_says_that_all_holds) {
    EXPECT_FALSE(violation{});
    EXPECT_TRUE((violation{"units.example", 7}));
}

}
}
