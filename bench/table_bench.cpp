// SPDX-License-Identifier: MIT
// Page tables: mapping and walking, in order and at random, with the references and the memory that they cost.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <longreach/allocator/units.hpp>
#include <longreach/pagetable/nested.hpp>
#include <longreach/pagetable/table.hpp>
#include <longreach/pagetable/table_pool.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <vector>

namespace {

using namespace longreach;

constexpr std::uint64_t pages_of_4_gib = std::uint64_t{1} << 20;
constexpr leaf_attributes open_leaf{all_permissions, true, false, false};

/// A table and a pool that is large enough for 4 GiB of base pages.
template <class Page = vpn, class Frame = pfn>
struct room {
    std::vector<std::uint64_t> words =
        std::vector<std::uint64_t>(table_pool<Frame>::required_words(page_count{pages_of_4_gib / 512 + 16}));
    table_pool<Frame> pool{words};
    table<x86_64<4>, Page, Frame, flat_memory<Frame>> pages{pool.memory()};

    void fill(order size) {
        (void)pages.map_run({{Page{0}, page_count{pages_of_4_gib}}, Frame{0}}, size, open_leaf, pool);
    }
    void clear() {
        (void)pages.unmap(pages.all_pages(), pool, [](const leaf<Page, Frame>&) {});
    }
    /// Bytes of tables for each mapped page.
    [[nodiscard]] double bytes_per_page() const {
        return static_cast<double>(to_bytes(pages.table_count())) / static_cast<double>(pages.mapped_pages().raw);
    }
};

/// Numbers up to `mask` in no visible order, some of them more than once (a linear congruential generator).
struct scattered {
    std::uint64_t mask;
    std::uint64_t state = 12345;
    std::uint64_t next() { return (state = (state * 6364136223846793005U + 1442695040888963407U)) >> 20 & mask; }
};

void BM_map(benchmark::State& state) {
    room<> r;
    const auto count = static_cast<std::uint64_t>(state.range(0));
    const bool random = state.range(1) != 0;
    // An odd multiplier modulo a power of two is a permutation.
    const std::uint64_t step = random ? 0x9e3779b1U : 1U;
    for (auto _ : state) {
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t page = i * step & (count - 1);
            benchmark::DoNotOptimize(r.pages.map(vpn{page}, pfn{page}, base_order, open_leaf, r.pool));
        }
        state.counters["bytes_per_page"] = r.bytes_per_page();
        state.PauseTiming();
        r.clear();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_map)->ArgNames({"pages", "random"})->ArgsProduct({{1 << 16, 1 << 20}, {0, 1}});

void BM_map_run(benchmark::State& state) {
    room<> r;
    const order size{static_cast<unsigned>(state.range(0))};
    for (auto _ : state) {
        r.fill(size);
        state.counters["bytes_per_page"] = r.bytes_per_page();
        state.PauseTiming();
        r.clear();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pages_of_4_gib >> size.raw));
}
BENCHMARK(BM_map_run)->ArgName("order")->Arg(0)->Arg(9);

void BM_unmap_run(benchmark::State& state) {
    room<> r;
    for (auto _ : state) {
        state.PauseTiming();
        r.fill(base_order);
        state.ResumeTiming();
        r.clear();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pages_of_4_gib));
}
BENCHMARK(BM_unmap_run);

void BM_translate_random(benchmark::State& state) {
    room<> r;
    r.fill(order{static_cast<unsigned>(state.range(0))});
    scattered order_of_pages{pages_of_4_gib - 1};
    for (auto _ : state) benchmark::DoNotOptimize(r.pages.translate(vpn{order_of_pages.next()}));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_translate_random)->ArgName("order")->Arg(0)->Arg(9);

void BM_walk_random(benchmark::State& state) {
    room<> r;
    r.fill(order{static_cast<unsigned>(state.range(0))});
    scattered order_of_pages{pages_of_4_gib - 1};
    std::uint64_t references = 0;
    for (auto _ : state) {
        const auto told = r.pages.walk(vpn{order_of_pages.next()}, access_kind::load);
        references += told.trace.count;
        benchmark::DoNotOptimize(told.trace.found->frame);
    }
    state.counters["references"] = static_cast<double>(references) / static_cast<double>(state.iterations());
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_walk_random)->ArgName("order")->Arg(0)->Arg(9);

void BM_walk_dependent(benchmark::State& state) {
    room<> r;
    r.fill(base_order);
    std::uint64_t next = 1;
    for (auto _ : state) {
        const auto told = r.pages.walk(vpn{next}, access_kind::load);
        next = (told.trace.found->frame.raw * 2654435761U + 1) & (pages_of_4_gib - 1);
    }
    benchmark::DoNotOptimize(next);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_walk_dependent);

void BM_nested_walk_random(benchmark::State& state) {
    const order guest_leaf{static_cast<unsigned>(state.range(0))};
    const order host_leaf{static_cast<unsigned>(state.range(1))};
    room<vpn, gfn> guest;
    room<gfn, pfn> host;
    guest.fill(guest_leaf);
    host.fill(host_leaf);
    nested_walk walker(guest.pages, host.pages);
    scattered order_of_pages{pages_of_4_gib - 1};
    std::uint64_t references = 0;
    for (auto _ : state) {
        const nested_result told = walker.walk(vpn{order_of_pages.next()}, access_kind::load);
        references += told.references;
        benchmark::DoNotOptimize(told.found->frame);
    }
    state.counters["references"] = static_cast<double>(references) / static_cast<double>(state.iterations());
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_nested_walk_random)->ArgNames({"guest", "host"})->Args({0, 0})->Args({9, 0})->Args({9, 9});

void BM_first_mapped(benchmark::State& state) {
    room<> r;
    (void)r.pages.map(vpn{(std::uint64_t{1} << 36) - 1}, pfn{0}, base_order, open_leaf, r.pool);
    for (auto _ : state) benchmark::DoNotOptimize(r.pages.first_mapped(r.pages.all_pages()));
}
BENCHMARK(BM_first_mapped);

}  // namespace
