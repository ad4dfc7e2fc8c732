// SPDX-License-Identifier: MIT
// What scripts of the recorded programs do: turns, forks, parts, rounds, threads; and the sets of pages behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <longreach/workloads/cases/page_sets.hpp>
#include <longreach/workloads/cases/script_walk.hpp>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace longreach {
namespace {

absl::StatusOr<run_parameters> parameters_of(const std::string& script) {
    static std::string kept;  // outlives the reader
    kept = "run=A9_ca\nmode=ca\nworkloads=W\n--- script W.cawl\n" + script;
    const std::span<const unsigned char> bytes(reinterpret_cast<const unsigned char*>(kept.data()), kept.size());
    absl::StatusOr<zstd_lines> lines = zstd_lines::over("params.txt", bytes, line_encoding::plain);
    if (!lines.ok()) return lines.status();
    return read_parameters(*std::move(lines));
}

/// Events as short words: process, letter, first page of the VMA's slot and length in hexadecimal.
std::string told(const std::string& script) {
    const absl::StatusOr<run_parameters> parameters = parameters_of(script);
    if (!parameters.ok()) return std::string(parameters.status().message());
    std::string result;
    script_walk walk(*parameters, *parameters->find("W"));
    const auto runs = [](const std::vector<page_run>& all) {
        std::string text;
        for (const page_run& run : all) {
            const std::uint64_t page = run.first.raw - (1ULL << 32);
            absl::StrAppend(&text, " ", page >> 24, ":", page & 0xffffff, "+", run.count.raw);
        }
        return text;
    };
    const absl::Status status = walk.run([&](const script_event& event) {
        const std::size_t kind = static_cast<std::size_t>(event.what);
        absl::StrAppend(&result, result.empty() ? "" : ", ", event.process, std::string(1, "mutrfxspo"[kind]));
        if (!event.pages.empty()) result += runs({event.pages});
        result += runs(event.touched);
        if (!event.name.empty()) absl::StrAppend(&result, " ", event.name);
        if (event.what == script_event::kind::superpages) result += event.on ? " on" : " off";
        return absl::OkStatus();
    });
    return status.ok() ? result : std::string(status.message());
}

TEST(script_walk, maps_each_vma_64_gib_behind_the_one_before) {
    EXPECT_EQ(told("map A 8K\nmap B 5000 12K\nunmap A\n"), "0m 0:0+2, 0m 1:3+2, 0u 0:0+2");
    EXPECT_EQ(told("map A 8K\nunmap A\nmap A 4K\ntouch A seq\n"), "0m 0:0+2, 0u 0:0+2, 0m 1:0+1, 0t 1:0+1");
}

TEST(script_walk, touches_by_pattern) {
    EXPECT_EQ(told("map A 12K\ntouch A seq\n"), "0m 0:0+3, 0t 0:0+3");
    EXPECT_EQ(told("map A 12K\ntouch A rev\n"), "0m 0:0+3, 0t 0:2+1 0:1+1 0:0+1");
    EXPECT_EQ(told("map A 5M\ntouch A seq2m\n"), "0m 0:0+1280, 0t 0:0+1 0:512+1 0:1024+1");
    EXPECT_EQ(told("map A 12K\ntouch A read\n"), "0m 0:0+3, 0r 0:0+3");
    EXPECT_EQ(told("map A 20K\npart A 4K 5000\n"), "0m 0:0+5, 0t 0:1+2");
    EXPECT_EQ(told("map A 12K\nmap B 20K\nrr 8K A B\n"), "0m 0:0+3, 0m 1:0+5, 0t 0:0+2 1:0+2 0:2+1 1:2+2 1:4+1");
    EXPECT_EQ(told("map A 16K\nthreads A 2 split\n"), "0m 0:0+4, 0o, 0t 0:0+1 0:2+1 0:1+1 0:3+1");
    EXPECT_EQ(told("map A 16K\nthreads A 2 same\n"), "0m 0:0+4, 0o, 0t 0:0+4");
}

TEST(script_walk, draws_as_the_recorded_programs_do) {
    // From a program with the generator of the recorded ones, written down apart from this one.
    EXPECT_EQ(random_order(8, 7), (std::vector<std::uint32_t>{0, 3, 2, 5, 7, 6, 4, 1}));
    EXPECT_EQ(random_order(5, 0), (std::vector<std::uint32_t>{4, 2, 3, 1, 0}));
    EXPECT_TRUE(random_order(0, 1).empty());
}

TEST(script_walk, keeps_chunks_until_few_enough_pages_are_left) {
    EXPECT_EQ(told("map A 32K\nkeep A 4K 6 7\n"), "0m 0:0+8, 0u 0:0+1, 0u 0:3+1");
}

TEST(script_walk, takes_turns_with_a_peer) {
    EXPECT_EQ(told("map A 8K\npeer /cases/V.cawl\npart A 0 4K\nturn\npart A 4K 4K\nturn\nsnap after\n"
                   "--- script V.cawl\nthp off\nmap B 8K\npart B 0 4K\nturn\npart B 4K 4K\nturn\nhold\n"),
              "0m 0:0+2, 0t 0:0+1, 1p off, 1m 0:0+2, 1t 0:0+1, 0t 0:1+1, 1t 0:1+1, 0s after");
    // A peer that holds or ends gives the turn back for good; only at its end does its memory go.
    EXPECT_EQ(told("peer V\nturn\nturn\nsnap after\n--- script V\nmap B 4K\nhold\n"), "1m 0:0+1, 0s after");
    EXPECT_EQ(told("peer V\nturn\nturn\nsnap after\n--- script V\nmap B 4K\n"), "1m 0:0+1, 1x, 0s after");
}

TEST(script_walk, ends_at_hold) { EXPECT_EQ(told("map A 4K\nhold\ntouch A seq\n"), "0m 0:0+1"); }

TEST(script_walk, gives_a_fork_its_own_number) {
    EXPECT_EQ(told("map A 8K\nfork A rev\ntouch A seq\n"), "0m 0:0+2, 0f, 1t 0:1+1 0:0+1, 1s child, 1x, 0t 0:0+2");
    EXPECT_EQ(told("map A 8K\nfork A seq\nfork A seq\n"), "its script forks more than once");
}

TEST(script_walk, passes_over_memory_that_is_not_the_allocators) {
    EXPECT_EQ(told("mapshared S /tmp/x 8K\nmapfile F /x\ntouch S seq\nunmap S\nreadfile /x\n# end\n\n"),
              "0o 0:0+2, 0o 1:0+1, 0o");
}

RC_GTEST_PROP(page_sets, are_what_a_set_of_pages_is, ()) {
    page_run_set runs;
    page_bits bits;
    std::set<std::uint64_t> pages;
    constexpr std::uint64_t lowest = 490;  // on both sides of a 2 MiB boundary
    const auto steps = *rc::gen::inRange(1, 60);
    for (int i = 0; i < steps; ++i) {
        const std::uint64_t first = lowest + *rc::gen::inRange<std::uint64_t>(1, 40);
        const std::uint64_t count = *rc::gen::inRange<std::uint64_t>(0, 12);
        const page_run run{vpn{first}, page_count{count}};
        if (*rc::gen::arbitrary<bool>()) {
            std::uint64_t fresh = 0;
            for (const page_run& added : runs.add(run)) {
                for (vpn page = added.first; page < added.end(); page += page_count{1}) {
                    RC_ASSERT(run.contains(page) && pages.count(page.raw) == 0);
                    ++fresh;
                }
            }
            bits.add(run);
            const std::size_t before = pages.size();
            for (std::uint64_t p = first; p < first + count; ++p) pages.insert(p);
            RC_ASSERT(pages.size() - before == fresh);
        } else {
            runs.remove(run);
            bits.remove(run);
            for (std::uint64_t p = first; p < first + count; ++p) pages.erase(p);
        }
        for (std::uint64_t p = lowest; p < lowest + 60; ++p) {
            RC_ASSERT(runs.contains(vpn{p}) == (pages.count(p) != 0));
            RC_ASSERT(bits.contains(vpn{p}) == (pages.count(p) != 0));
        }
        vpn end{0};
        for (const page_run& each : runs.runs()) {
            RC_ASSERT(!each.empty() && (end == vpn{0} || each.first > end));
            end = each.end();
        }
    }
}

}
}
