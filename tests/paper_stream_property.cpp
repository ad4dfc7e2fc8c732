// SPDX-License-Identifier: MIT
// Workloads of the papers at sizes and with seeds drawn at random: whatever these are, the stream is a possible one.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <longreach/workloads/papers/paper_stream.hpp>
#include <optional>

#include "paper_replay.hpp"

namespace longreach {
namespace {

RC_GTEST_PROP(paper_stream, any_size_and_seed_touch_what_was_announced_once_and_where_it_is_mapped,
              (std::uint64_t seed)) {
    const auto program = *rc::gen::inRange<std::size_t>(0, detail::paper_programs.size());
    const auto divisor = *rc::gen::inRange<std::uint64_t>(200, paper_workload::most_divided + 1);
    const paper_workload workload(detail::paper_programs[program], divisor);
    paper_replay replay(workload);
    if (const auto wrong = replay.play(seed)) RC_FAIL(workload.name() + ": " + *wrong);
    RC_ASSERT(replay.touched == workload.touched_pages());
    RC_ASSERT(replay.peak == workload.peak_pages());
    RC_ASSERT(replay.most_mapped == workload.total_pages());
    RC_ASSERT(replay.threads.size() == workload.threads());
    RC_ASSERT(workload.plan().areas().audit().label == nullptr);
    paper_replay other(workload);
    RC_ASSERT(!other.play(seed + 1));
    RC_ASSERT(other.contents == replay.contents);
}

/// Coverage is a sum over arrays: it never passes 512, and is nothing where nothing is mapped.
RC_GTEST_PROP(paper_stream, coverage_is_at_most_a_region_and_nothing_far_from_any_area, ()) {
    const auto program = *rc::gen::inRange<std::size_t>(0, detail::paper_programs.size());
    const paper_workload workload(detail::paper_programs[program], *rc::gen::inRange<std::uint64_t>(1, 100));
    const auto region = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 26);
    const page_run pages{vpn{region * 512}, superpage_order.pages()};
    bool mapped = false;
    for (const page_heat& heat : workload.plan().heats()) mapped = mapped || heat.pages.overlaps(pages);
    RC_ASSERT(workload.coverage(pages.first) <= (mapped ? 512U : 0U));
}

}  // namespace
}  // namespace longreach
