// SPDX-License-Identifier: MIT
// The whole way of an access: TLBs, walk, SpOT; natively and in a virtual machine, on memory in one run.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <longreach/spot/cost.hpp>
#include <longreach/spot/mmu.hpp>
#include <longreach/spot/native_walker.hpp>
#include <longreach/spot/nested_walker.hpp>
#include <vector>

#include "../tests/model/paging.hpp"

namespace {

using namespace longreach;

constexpr std::size_t stream_length = 1 << 16;

std::vector<vpn> stream(std::uint64_t pages) {
    std::vector<vpn> result;
    std::uint64_t state = 88172645463325252U;
    for (std::size_t i = 0; i < stream_length; ++i) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        result.push_back(vpn{state % pages});
    }
    return result;
}

template <class Mmu>
void translate_all(benchmark::State& state, Mmu& mmu, std::uint64_t pages) {
    const std::vector<vpn> accesses = stream(pages);
    std::uint64_t sum = 0;
    for (auto _ : state) {
        for (const vpn page : accesses) sum += mmu.translate(0x401000, page, access_kind::load).frame.raw;
    }
    benchmark::DoNotOptimize(sum);
    const mmu_counters& counters = mmu.counters();
    const auto done = static_cast<double>(counters.accesses);
    const auto misses = static_cast<double>(counters.l2_misses == 0 ? 1 : counters.l2_misses);
    state.SetItemsProcessed(static_cast<std::int64_t>(counters.accesses));
    state.counters["l2_misses_per_1000"] = 1000.0 * static_cast<double>(counters.l2_misses) / done;
    state.counters["references_per_walk"] = static_cast<double>(counters.walk_refs()) / misses;
    state.counters["correct_percent"] = 100.0 * static_cast<double>(counters.spot_correct()) / misses;
    state.counters["walk_cycles_per_1000"] = 1000.0 * static_cast<double>(walk_cycles(counters)) / done;
    state.counters["spot_cycles_per_1000"] = 1000.0 * static_cast<double>(spot_cycles(counters)) / done;
}

std::size_t tables_for(std::uint64_t pages) { return static_cast<std::size_t>(pages / 512 + pages / 262144 + 8); }

template <walk_profile Profile>
void native(benchmark::State& state, std::uint64_t pages, order size) {
    model::native_paging paging(tables_for(pages));
    if (paging.map_run({vpn{0}, {pages}}, pfn{1 << 22}, size, model::open_leaf) != status::ok) {
        state.SkipWithError("out of tables");
        return;
    }
    using walker = native_walker<model::native_paging::table_type, Profile>;
    mmu<walker> mmu(walker(paging.tables()));
    translate_all(state, mmu, pages);
}

template <walk_profile Profile>
void nested(benchmark::State& state, std::uint64_t pages, order guest_size, order host_size) {
    const std::uint64_t guest_frames = 1 << 21;  // the guest's data lies from here on, its tables below
    model::guest_paging guest(tables_for(pages));
    model::host_paging host(tables_for(2 * guest_frames));
    if (guest.map_run({vpn{0}, {pages}}, gfn{guest_frames}, guest_size, model::open_leaf) != status::ok ||
        host.map_run({gfn{0}, {guest_frames + pages}}, pfn{1 << 22}, host_size, model::open_leaf) != status::ok) {
        state.SkipWithError("out of tables");
        return;
    }
    using walker = nested_walker<model::guest_paging::table_type, model::host_paging::table_type, Profile>;
    mmu<walker> mmu(walker(guest.tables(), host.tables()));
    translate_all(state, mmu, pages);
}

constexpr std::uint64_t mib_64 = 16384;
constexpr std::uint64_t gib_4 = 1 << 20;

void BM_translate(benchmark::State& state, std::uint64_t pages, order size) {
    native<default_walk_caches>(state, pages, size);
}
BENCHMARK_CAPTURE(BM_translate, native_128kib_4k, 32, base_order);
BENCHMARK_CAPTURE(BM_translate, native_4mib_4k, 1024, base_order);
BENCHMARK_CAPTURE(BM_translate, native_64mib_4k, mib_64, base_order);
BENCHMARK_CAPTURE(BM_translate, native_4gib_4k, gib_4, base_order);
BENCHMARK_CAPTURE(BM_translate, native_4gib_2m, gib_4, superpage_order);

void BM_translate_uncached(benchmark::State& state, std::uint64_t pages, order size) {
    native<no_walk_caches>(state, pages, size);
}
BENCHMARK_CAPTURE(BM_translate_uncached, native_4gib_4k, gib_4, base_order);

void BM_translate_nested(benchmark::State& state, std::uint64_t pages, order guest_size, order host_size) {
    nested<default_walk_caches>(state, pages, guest_size, host_size);
}
BENCHMARK_CAPTURE(BM_translate_nested, 64mib_4k_in_4k, mib_64, base_order, base_order);
BENCHMARK_CAPTURE(BM_translate_nested, 4gib_4k_in_4k, gib_4, base_order, base_order);
BENCHMARK_CAPTURE(BM_translate_nested, 4gib_2m_in_2m, gib_4, superpage_order, superpage_order);

void BM_translate_nested_uncached(benchmark::State& state, std::uint64_t pages, order guest_size, order host_size) {
    nested<no_walk_caches>(state, pages, guest_size, host_size);
}
BENCHMARK_CAPTURE(BM_translate_nested_uncached, 4gib_4k_in_4k, gib_4, base_order, base_order);

}  // namespace
