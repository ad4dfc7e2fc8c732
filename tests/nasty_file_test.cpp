// SPDX-License-Identifier: MIT
// E24 of the situations in which the kernel released with CA paging goes wrong, labelled as in nasty_map_test.cpp: the
// pages of files. It keeps one offset to a file, moved by any page that misses, and takes 2 MiB for one page, of which
// it never gives back what is not read.

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/pagetable/vm/page_cache.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <optional>
#include <set>
#include <vector>

#include "model/mapped_zone.hpp"

namespace longreach {
namespace {

/// A memory whose frames ca_paging gives to the pages of up to 32 files.
struct file_memory : model::mapped_zone {
    using policy_type = ca_paging<vpn, pfn>;
    using cache_type = page_cache<x86_64<4>, vpn, pfn, policy_type>;

    explicit file_memory(std::uint64_t count)
        : mapped_zone(0, count),
          piece_memory(policy_type::required_bytes(256)),
          reference_memory(frame_references<pfn>::required_bytes({count})),
          object_words(cache_type::object_type::required_words({count}, 64)),
          policy(frames, clusters, piece_memory),
          references(frames.managed(), reference_memory),
          cache(cache_options{}, policy, references, files, object_words) {}

    void open(std::uint32_t file, std::uint64_t pages) { ASSERT_EQ(cache.open(file, {pages}), status::ok); }
    /// Page - frame of a page that is read now; every page keeps the frame it had.
    std::uint64_t offset_of(std::uint32_t file, std::uint64_t page) {
        const cached_page<pfn> got = cache.fetch(file, page);
        EXPECT_EQ(got.outcome, status::ok) << page;
        if (++fetches % 32 == 0) check();
        return page - got.frame.raw;
    }
    void check() {
        EXPECT_FALSE(policy.audit()) << policy.audit().label;
        EXPECT_FALSE(cache.audit()) << cache.audit().label;
    }
    /// How many different offsets the resident pages of a file have.
    std::size_t offsets(std::uint32_t file, std::uint64_t pages) const {
        std::set<std::uint64_t> all;
        for (std::uint64_t page = 0; page < pages; ++page) {
            if (const std::optional<pfn> frame = cache.resident(file, page)) all.insert(page - frame->raw);
        }
        return all.size();
    }

    std::vector<std::byte> piece_memory;
    std::vector<std::byte> reference_memory;
    std::vector<std::uint64_t> object_words;
    std::array<cached_file, 32> files{};
    policy_type policy;
    frame_references<pfn> references;
    cache_type cache;
    std::uint64_t fetches = 0;
};

TEST(nasty_file, E24_a_file_is_one_run_read_backwards_from_index_0_or_from_the_middle) {
    for (const std::uint64_t pages : {1U, 511U, 512U, 513U, 1300U}) {
        for (const std::uint64_t start : {std::uint64_t{0}, pages / 2, pages - 1}) {
            for (const bool backwards : {false, true}) {
                file_memory m(4096);
                m.open(7, pages);
                const std::uint64_t offset = m.offset_of(7, start);
                for (std::uint64_t i = 1; i < pages; ++i) {
                    const std::uint64_t page = backwards ? (start + pages - i) % pages : (start + i) % pages;
                    ASSERT_EQ(m.offset_of(7, page), offset) << page << " of " << pages << " from " << start;
                }
                EXPECT_EQ(m.frames.free_frames(), page_count{4096 - pages});
                EXPECT_EQ(m.policy.counters().placements, 1U);
                m.check();
            }
        }
    }
}

TEST(nasty_file, E24_a_page_that_misses_does_not_move_the_rest_of_the_file) {
    file_memory m(4096);
    m.open(7, 1024);
    const std::uint64_t offset = m.offset_of(7, 0);
    m.take(500 - offset);
    for (std::uint64_t page = 1; page < 1024; ++page) {
        ASSERT_EQ(m.offset_of(7, page) == offset, page != 500) << page;
    }
    EXPECT_EQ(m.offsets(7, 1024), 2U);
}

// There the unread rest of 2 MiB stays reserved for ever.
TEST(nasty_file, E24_one_page_of_every_file_takes_no_more_than_what_was_read_ahead) {
    constexpr std::uint64_t memory = 12 * 512;
    file_memory m(memory);
    for (std::uint32_t file = 0; file < 30; ++file) {
        m.open(file, 512);
        (void)m.offset_of(file, 17 * file);
    }
    EXPECT_EQ(m.frames.free_frames() + m.cache.resident_pages(), page_count{memory});
    EXPECT_LE(m.cache.resident_pages(), page_count{30 * 4});
    std::uint64_t given = 0;
    while (m.policy.allocate_table()) ++given;
    EXPECT_EQ(given, memory - m.cache.resident_pages().raw) << "what was promised to files is lent";
    EXPECT_EQ(m.cache.fetch(3, 400).outcome, status::out_of_memory);
    const page_count evicted = m.cache.evict({1000});
    EXPECT_EQ(m.frames.free_frames(), evicted);
    EXPECT_EQ(m.cache.resident_pages(), page_count{0});
    EXPECT_EQ(m.cache.fetch(3, 400).outcome, status::ok);
}

// There a new file in a recycled inode begins with the old one's offset.
TEST(nasty_file, E24_a_file_that_was_cut_or_closed_leaves_no_place_behind) {
    file_memory m(4096);
    m.open(7, 1000);
    const std::uint64_t offset = m.offset_of(7, 0);
    for (std::uint64_t page = 1; page < 1000; ++page) (void)m.offset_of(7, page);
    ASSERT_EQ(m.cache.resize(7, {300}), status::ok);
    EXPECT_EQ(m.frames.free_frames(), page_count{4096 - 300});
    EXPECT_EQ(m.frames.unreserved_frames(), m.frames.free_frames()) << "nothing is kept for what was cut";
    EXPECT_EQ(m.cache.fetch(7, 300).outcome, status::out_of_range);
    EXPECT_EQ(m.offset_of(7, 299), offset);
    ASSERT_EQ(m.cache.close(7), status::ok);
    EXPECT_EQ(m.policy.pieces().size(), 0U);
    EXPECT_EQ(m.clusters.longest(), (frame_run{pfn{0}, page_count{4096}}));
    m.open(7, 700);
    m.take((std::uint64_t{0} - offset) + 5);  // where the old file would want page 5
    for (std::uint64_t page = 0; page < 700; ++page) (void)m.offset_of(7, page);
    EXPECT_EQ(m.offsets(7, 700), 1U) << "the new file is placed where it fits";
}

TEST(nasty_file, E24_the_last_page_of_a_file_that_is_read_first_places_the_whole_file) {
    file_memory m(4096);
    m.open(1, 513);
    const std::uint64_t offset = m.offset_of(1, 512);
    EXPECT_EQ(m.offset_of(1, 0), offset);
    EXPECT_EQ(m.cache.fetch(1, 513).outcome, status::out_of_range);
}

}  // namespace
}  // namespace longreach
