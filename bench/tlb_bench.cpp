// SPDX-License-Identifier: MIT
// How fast the TLBs answer, and how much they miss, on streams from all hits to all misses.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <longreach/spot/tlb_hierarchy.hpp>
#include <vector>

namespace {

using namespace longreach;

constexpr std::size_t stream_length = 1 << 16;

/// Pages at random below `pages`, or one after the other where `sequential`, 64 accesses to each.
std::vector<vpn> stream(std::uint64_t pages, bool sequential) {
    std::vector<vpn> result;
    std::uint64_t state = 88172645463325252U;
    for (std::size_t i = 0; i < stream_length; ++i) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        result.push_back(vpn{sequential ? i / 64 % pages : state % pages});
    }
    return result;
}

template <tlb_profile Profile>
void look_up(benchmark::State& state, std::uint64_t pages, bool sequential, order size) {
    const std::vector<vpn> accesses = stream(pages, sequential);
    tlb_hierarchy<vpn, pfn, Profile> tlbs;
    std::uint64_t first = 0, second = 0;
    for (auto _ : state) {
        for (const vpn page : accesses) {
            const auto found = tlbs.lookup(page, access_kind::load);
            first += found.level == tlb_level::first ? 0 : 1;
            if (found.level != tlb_level::none) continue;
            ++second;
            const vpn start = align_down(page, size);
            tlbs.fill(page, {start, pfn{start.raw}, size, {all_permissions}});
        }
    }
    const auto done = static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(stream_length);
    state.SetItemsProcessed(done);
    state.counters["l1_misses_per_1000"] = 1000.0 * static_cast<double>(first) / static_cast<double>(done);
    state.counters["l2_misses_per_1000"] = 1000.0 * static_cast<double>(second) / static_cast<double>(done);
    state.counters["reach_mib"] =
        static_cast<double>(to_bytes({Profile.second.entries() * size.pages().raw})) / (1024.0 * 1024.0);
}

void BM_lookup(benchmark::State& state, std::uint64_t pages, bool sequential, order size) {
    look_up<broadwell_tlbs>(state, pages, sequential, size);
}
BENCHMARK_CAPTURE(BM_lookup, hot_32_pages, 32, false, base_order);
BENCHMARK_CAPTURE(BM_lookup, sequential_64mib, 16384, true, base_order);
BENCHMARK_CAPTURE(BM_lookup, random_4mib, 1024, false, base_order);
BENCHMARK_CAPTURE(BM_lookup, random_64mib, 16384, false, base_order);
BENCHMARK_CAPTURE(BM_lookup, random_4gib, 1 << 20, false, base_order);
BENCHMARK_CAPTURE(BM_lookup, random_4gib_superpages, 1 << 20, false, superpage_order);

/// One unmapped page: every entry of every array is looked at.
void BM_invalidate(benchmark::State& state) {
    tlb_hierarchy<vpn, pfn> tlbs;
    for (std::uint64_t page = 0; page < 4096; ++page) {
        tlbs.fill(vpn{page}, {vpn{page}, pfn{page}, base_order, {all_permissions}});
    }
    std::uint64_t page = 0;
    for (auto _ : state) {
        tlbs.invalidate({vpn{page & 4095}, {1}});
        tlbs.fill(vpn{page & 4095}, {vpn{page & 4095}, pfn{page & 4095}, base_order, {all_permissions}});
        ++page;
    }
}
BENCHMARK(BM_invalidate)->Name("BM_invalidate/broadwell");

}  // namespace
