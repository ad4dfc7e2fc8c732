// SPDX-License-Identifier: MIT
// Faults of an address space, with the plainest placement there is: what entries, object, table and bits cost.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <memory>
#include <optional>
#include <vector>

namespace {

using namespace longreach;

constexpr std::uint64_t tables = 8192;

/// Gives out frames one after the other and takes tables from a list of their own.
class bump_policy {
  public:
    using page = vpn;
    using frame = pfn;

    template <class Mapped>
    std::optional<pfn> allocate(const placement_request<vpn>& request, const Mapped&) {
        next_ = align_up(next_, request.size);
        const pfn block = next_;
        next_ += request.size.pages();
        return block;
    }
    void free(std::uint32_t, vpn, pfn, order) {}
    std::optional<pfn> allocate_table() {
        if (!freed_.empty()) {
            const pfn table = freed_.back();
            freed_.pop_back();
            return table;
        }
        return pfn{used_++};
    }
    void free_table(pfn table) { freed_.push_back(table); }
    void release(std::uint32_t, run<vpn>) {}
    void move(std::uint32_t, run<vpn>, vpn) {}
    void fork(std::uint32_t, std::uint32_t) {}
    [[nodiscard]] placement_counters counters() const { return {}; }
    [[nodiscard]] violation audit() const { return {}; }

  private:
    pfn next_{std::uint64_t{1} << 20};
    std::uint64_t used_ = 0;
    std::vector<pfn> freed_;
};

struct world {
    using space_type = address_space<x86_64<4>, vpn, pfn, flat_memory<pfn>, bump_policy>;

    explicit world(bool superpages)
        : words(tables * words_per_frame),
          object_words(space_type::object_type::required_words(page_count{std::uint64_t{1} << 20}, 64)),
          entries(64),
          space({.superpages = superpages ? superpage_use::always : superpage_use::never},
                {{pfn{0}, page_count{tables}}, words}, policy, entries, object_words) {}

    std::vector<std::uint64_t> words;
    std::vector<std::uint64_t> object_words;
    std::vector<map_entry<vpn>> entries;
    bump_policy policy;
    space_type space;
};

constexpr permissions read_write = user_permissions(true, true, false);

/// First touches of 32 areas, in order or scattered over them.
void faults(benchmark::State& state, bool superpages) {
    const auto count = static_cast<std::uint64_t>(state.range(0));
    const bool random = state.range(1) != 0;
    const auto w = std::make_unique<world>(superpages);
    const std::uint64_t area_pages = count / 32;
    for (auto _ : state) {
        state.PauseTiming();
        for (std::uint64_t i = 0; i < 32; ++i) {
            (void)w->space.map({vpn{i << 18}, page_count{area_pages}}, read_write, {}, {});
        }
        state.ResumeTiming();
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t n = random ? i * 0x9e3779b1U & (count - 1) : i;
            const vpn page{(n / area_pages << 18) + n % area_pages};
            benchmark::DoNotOptimize(w->space.fault(page, access_kind::store));
        }
        state.counters["pages"] = static_cast<double>(w->space.resident_pages().raw);
        state.counters["table_bytes_per_page"] =
            static_cast<double>(to_bytes(w->space.tables().table_count())) / static_cast<double>(count);
        state.PauseTiming();
        (void)w->space.unmap(world::space_type::table_type::all_pages());
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_fault_4k(benchmark::State& state) { faults(state, false); }
BENCHMARK(BM_fault_4k)->ArgNames({"pages", "random"})->ArgsProduct({{1 << 16, 1 << 19}, {0, 1}});

void BM_fault_2m(benchmark::State& state) { faults(state, true); }
BENCHMARK(BM_fault_2m)->ArgNames({"pages", "random"})->Args({1 << 19, 0});

void BM_unmap(benchmark::State& state) {
    const auto count = static_cast<std::uint64_t>(state.range(0));
    const auto w = std::make_unique<world>(false);
    for (auto _ : state) {
        state.PauseTiming();
        (void)w->space.map({vpn{0}, page_count{count}}, read_write, {}, {});
        for (std::uint64_t i = 0; i < count; ++i) (void)w->space.fault(vpn{i}, access_kind::store);
        state.ResumeTiming();
        benchmark::DoNotOptimize(w->space.unmap({vpn{0}, page_count{count}}));
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_unmap)->ArgName("pages")->Arg(1 << 16);

void BM_protect_one_page(benchmark::State& state) {
    const auto w = std::make_unique<world>(false);
    (void)w->space.map({vpn{0}, page_count{1 << 16}}, read_write, {}, {});
    for (std::uint64_t i = 0; i < 1 << 16; ++i) (void)w->space.fault(vpn{i}, access_kind::store);
    bool open = false;
    for (auto _ : state) {
        benchmark::DoNotOptimize(w->space.protect({vpn{777}, page_count{1}}, user_permissions(true, open, false)));
        open = !open;
    }
}
BENCHMARK(BM_protect_one_page);

}  // namespace
