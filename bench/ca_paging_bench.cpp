// SPDX-License-Identifier: MIT
// Faults of one 2 GiB area in 8 GiB of memory, of which a part is pinned in 2 MiB pieces: ca_paging and, with the
// same faults in the same order, thp.
//
// Counters: runs (stretches contiguous in page and frame at the end), placements, replacements, pieces.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/allocator/thp.hpp>
#include <optional>
#include <random>
#include <vector>

namespace {

using namespace longreach;

constexpr page_count frames_of_8g{std::uint64_t{2} << 20};
constexpr run<vpn> area{vpn{0x7f0000000}, page_count{std::uint64_t{1} << 19}};

struct memory_of_8g {
    explicit memory_of_8g(unsigned pinned_percent)
        : memory(buddy::required_bytes(frames_of_8g)),
          map_memory(contiguity_map::required_bytes(frames_of_8g)),
          piece_memory(ca_paging<vpn, pfn>::required_bytes(8192)),
          frames({pfn{0}, frames_of_8g}, memory),
          clusters(frames, map_memory) {
        std::mt19937_64 random(1);
        for (pfn f{0}; f < pfn{frames_of_8g.raw}; f += superpage_order.pages()) {
            if (random() % 100 < pinned_percent) benchmark::DoNotOptimize(frames.allocate_at(f, superpage_order));
        }
    }
    ca_paging<vpn, pfn> make(const ca_paging<vpn, pfn>*) { return {frames, clusters, piece_memory}; }
    thp<vpn, pfn> make(const thp<vpn, pfn>*) { return thp<vpn, pfn>(frames); }

    std::vector<std::byte> memory;
    std::vector<std::byte> map_memory;
    std::vector<std::byte> piece_memory;
    buddy frames;
    contiguity_map clusters;
};

void report_pieces(benchmark::State& state, const ca_paging<vpn, pfn>& policy) {
    state.counters["pieces"] = static_cast<double>(policy.pieces().size());
}
void report_pieces(benchmark::State&, const thp<vpn, pfn>&) {}

/// Every page of the area faults once per iteration, then all are freed.
template <class Policy>
void fault(benchmark::State& state, order size, bool random, unsigned pinned_percent) {
    memory_of_8g m(pinned_percent);
    std::vector<vpn> pages;
    for (vpn p = area.first; p < area.end(); p += size.pages()) pages.push_back(p);
    if (random) std::shuffle(pages.begin(), pages.end(), std::mt19937_64(2));
    std::vector<pfn> given(area.count.raw >> size.raw);
    const auto number = [&](vpn page) { return static_cast<std::size_t>((page - area.first).raw >> size.raw); };
    std::uint64_t runs = 0;
    placement_counters counted;
    for (auto _ : state) {
        Policy policy = m.make(static_cast<const Policy*>(nullptr));
        for (const vpn page : pages) {
            const std::optional<pfn> got = policy.allocate({1, page, size, area}, nothing_mapped<vpn>{});
            if (!got) state.SkipWithError("memory is short");
            given[number(page)] = got.value_or(pfn{});
        }
        state.PauseTiming();
        runs = 1;
        for (std::size_t i = 1; i < given.size(); ++i) runs += given[i] != given[i - 1] + size.pages();
        counted = policy.counters();
        report_pieces(state, policy);
        for (const vpn page : pages) policy.free(1, page, given[number(page)], size);
        policy.release(1, area);
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pages.size()));
    state.counters["runs"] = static_cast<double>(runs);
    state.counters["placements"] = static_cast<double>(counted.placements);
    state.counters["replacements"] = static_cast<double>(counted.replacements);
}

void BM_fault_ca_paging(benchmark::State& state, order size, bool random, unsigned pinned_percent) {
    fault<ca_paging<vpn, pfn>>(state, size, random, pinned_percent);
}
void BM_fault_thp(benchmark::State& state, order size, bool random, unsigned pinned_percent) {
    fault<thp<vpn, pfn>>(state, size, random, pinned_percent);
}

BENCHMARK_CAPTURE(BM_fault_ca_paging, 8GiB_4KiB_sequential, base_order, false, 0);
BENCHMARK_CAPTURE(BM_fault_ca_paging, 8GiB_4KiB_random, base_order, true, 0);
BENCHMARK_CAPTURE(BM_fault_ca_paging, 8GiB_4KiB_random_30pinned, base_order, true, 30);
BENCHMARK_CAPTURE(BM_fault_ca_paging, 8GiB_2MiB_sequential, superpage_order, false, 0);
BENCHMARK_CAPTURE(BM_fault_ca_paging, 8GiB_2MiB_random, superpage_order, true, 0);
BENCHMARK_CAPTURE(BM_fault_ca_paging, 8GiB_2MiB_random_30pinned, superpage_order, true, 30);

BENCHMARK_CAPTURE(BM_fault_thp, 8GiB_4KiB_sequential, base_order, false, 0);
BENCHMARK_CAPTURE(BM_fault_thp, 8GiB_4KiB_random, base_order, true, 0);
BENCHMARK_CAPTURE(BM_fault_thp, 8GiB_4KiB_random_30pinned, base_order, true, 30);
BENCHMARK_CAPTURE(BM_fault_thp, 8GiB_2MiB_sequential, superpage_order, false, 0);
BENCHMARK_CAPTURE(BM_fault_thp, 8GiB_2MiB_random, superpage_order, true, 0);
BENCHMARK_CAPTURE(BM_fault_thp, 8GiB_2MiB_random_30pinned, superpage_order, true, 30);

}  // namespace
