// SPDX-License-Identifier: MIT
// On memories of a few frames, or of a few superpages, the ideal placement is the best of all that exist, and the bound
// is not above it.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <longreach/workloads/cases/ideal_placement.hpp>
#include <vector>

#include "model/offline_model.hpp"

namespace longreach {
namespace {

/// Compares with every placement there is, in units of 2^unit pages.
void expect_the_best(order unit) {
    const std::uint64_t step = unit.pages().raw;
    const auto bits =
        *rc::gen::container<std::vector<bool>>(9, rc::gen::weightedElement<bool>({{3, true}, {1, false}}));
    const unsigned percent = *rc::gen::element(60U, 80U, 99U);
    std::vector<frame_run> free;
    std::uint64_t left = 0;
    for (std::size_t f = 0; f < bits.size(); ++f) {
        if (!bits[f]) continue;
        ++left;
        if (f == 0 || !bits[f - 1]) free.push_back({pfn{f * step}, page_count{0}});
        free.back().count.raw += step;
    }
    std::vector<unsigned> lengths;
    std::vector<wanted_stretch> stretches;
    std::vector<std::uint64_t> pages;
    std::uint64_t wanted = 0;
    while (wanted < std::min<std::uint64_t>(left, 6) && *rc::gen::inRange(0, 6) != 0) {
        const auto length =
            *rc::gen::inRange<unsigned>(1, static_cast<unsigned>(std::min<std::uint64_t>(left, 6) - wanted) + 1);
        const vpn first{(lengths.size() + 1) * 100 * step};
        lengths.push_back(length);
        pages.push_back(length * step);
        stretches.push_back({0, {first, page_count{length * step}}, unit == superpage_order});
        wanted += length;
    }
    if (lengths.empty()) return;
    const std::uint64_t best = model::offline_model(lengths, bits, percent).fewest();
    const ideal_placement found(stretches, free, {{}}, percent);
    RC_ASSERT(found.runs() == runs_by_process{best});
    const std::uint64_t superpages = unit == superpage_order ? wanted : 0;
    RC_ASSERT(fewest_possible_runs(pages, superpages, free, percent) <= best);
}

RC_GTEST_PROP(ideal_placement_property, equals_exhaustive_search_on_base_pages, ()) { expect_the_best(base_order); }

RC_GTEST_PROP(ideal_placement_property, equals_exhaustive_search_on_superpages, ()) {
    expect_the_best(superpage_order);
}

}  // namespace
}  // namespace longreach
