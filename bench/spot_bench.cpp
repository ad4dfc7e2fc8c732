// SPDX-License-Identifier: MIT
// How fast SpOT predicts and learns, and how often it is right, by instructions, offsets and index.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <longreach/spot/spot.hpp>
#include <vector>

namespace {

using namespace longreach;

constexpr std::size_t stream_length = 1 << 16;

struct miss {
    std::uint64_t pc;
    leaf<vpn, pfn> found;
};

/// `pcs` instructions `spacing` bytes apart, each at one offset of its own that changes with `percent` probability.
std::vector<miss> stream(std::uint64_t pcs, std::uint64_t spacing, unsigned percent) {
    std::vector<miss> result;
    std::vector<std::uint64_t> offset_of(pcs, 0);
    std::uint64_t state = 88172645463325252U;
    for (std::size_t i = 0; i < stream_length; ++i) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        const std::uint64_t which = (state >> 8) % pcs;
        if ((state >> 40) % 100 < percent) ++offset_of[which];
        const std::uint64_t page = state >> 32;
        result.push_back(
            {0x401000 + which * spacing,
             {vpn{page}, pfn{page + 4096 * (which + 1) + offset_of[which]}, base_order, {all_permissions, true}}});
    }
    return result;
}

template <spot_geometry Geometry, class Index>
void predict_and_train(benchmark::State& state, std::uint64_t pcs, std::uint64_t spacing, unsigned percent) {
    const std::vector<miss> misses = stream(pcs, spacing, percent);
    spot<vpn, pfn, Geometry, Index> predictor;
    std::uint64_t of_class[prediction_classes] = {};
    for (auto _ : state) {
        for (const miss& m : misses) {
            const auto predicted = predictor.predict(m.pc, m.found.page, access_kind::load);
            ++of_class[static_cast<std::size_t>(classify(predicted, m.found.frame))];
            predictor.train(m.pc, m.found);
        }
    }
    const auto done = static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(stream_length);
    state.SetItemsProcessed(done);
    state.counters["correct_percent"] = 100.0 * static_cast<double>(of_class[0]) / static_cast<double>(done);
    state.counters["mispredicted_percent"] = 100.0 * static_cast<double>(of_class[1]) / static_cast<double>(done);
}

void BM_spot(benchmark::State& state, std::uint64_t pcs, std::uint64_t spacing, unsigned percent) {
    predict_and_train<published_spot, low_bits_index>(state, pcs, spacing, percent);
}
BENCHMARK_CAPTURE(BM_spot, 1_pc, 1, 1, 0);
BENCHMARK_CAPTURE(BM_spot, 8_pcs, 8, 1, 0);
BENCHMARK_CAPTURE(BM_spot, 32_pcs, 32, 1, 0);
BENCHMARK_CAPTURE(BM_spot, 32_pcs_4_bytes_apart, 32, 4, 0);
BENCHMARK_CAPTURE(BM_spot, 32_pcs_10_percent_flips, 32, 1, 10);
BENCHMARK_CAPTURE(BM_spot, 256_pcs, 256, 1, 0);

void BM_spot_folded(benchmark::State& state, std::uint64_t pcs, std::uint64_t spacing, unsigned percent) {
    predict_and_train<published_spot, folded_index>(state, pcs, spacing, percent);
}
BENCHMARK_CAPTURE(BM_spot_folded, 32_pcs_4_bytes_apart, 32, 4, 0);

void BM_spot_ageing(benchmark::State& state, std::uint64_t pcs, std::uint64_t spacing, unsigned percent) {
    predict_and_train<spot_geometry{8, 4, 8}, low_bits_index>(state, pcs, spacing, percent);
}
BENCHMARK_CAPTURE(BM_spot_ageing, 256_pcs, 256, 1, 0);

}  // namespace
