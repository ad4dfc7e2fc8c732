// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_TOUCH_ORDER_HPP
#define LONGREACH_WORKLOADS_CASES_TOUCH_ORDER_HPP

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "script.hpp"

// In which order the recorded programs touch the pages of a VMA: their only source of randomness is the generator
// here, so that the order can be told again. Nothing else should use it; see ../random.hpp.
// Generator: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (xorshift64*).

LONGREACH_NAMESPACE_BEGIN

/// The generator of the recorded programs.
class script_random {
  public:
    explicit script_random(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15U + 1) {}

    [[nodiscard]] std::uint64_t next() noexcept {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1DU;
    }

  private:
    std::uint64_t state_;
};

/// The numbers 0 to `count` - 1, at most 2^32, shuffled (Fisher and Yates, from the end).
[[nodiscard]] inline std::vector<std::uint32_t> random_order(std::uint64_t count, std::uint64_t seed) {
    std::vector<std::uint32_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0U);
    script_random random(seed);
    for (std::size_t i = order.size(); i-- > 1;) {
        std::swap(order[i], order[static_cast<std::size_t>(random.next() % (i + 1))]);
    }
    return order;
}

/// The pages of a VMA in the order in which a pattern touches them. The patterns with superpages touch the first page
/// of each 2 MiB, counted from the start of the VMA.
[[nodiscard]] inline std::vector<page_run> touch_order(page_run vma, touch_pattern pattern, std::uint64_t seed) {
    const std::uint64_t pages = vma.count.raw;
    const std::uint64_t steps = (pages + superpage_order.pages().raw - 1) >> superpage_order.raw;
    std::vector<page_run> result;
    const auto touch = [&](std::uint64_t page) { result.push_back({vma.first + page_count{page}, page_count{1}}); };
    switch (pattern) {
        case touch_pattern::rising:
        case touch_pattern::read:
            result.push_back(vma);
            break;
        case touch_pattern::falling:
            for (std::uint64_t page = pages; page-- > 0;) touch(page);
            break;
        case touch_pattern::superpages:
            for (std::uint64_t step = 0; step < steps; ++step) touch(step << superpage_order.raw);
            break;
        case touch_pattern::random:
            for (const std::uint32_t page : random_order(pages, seed)) touch(page);
            break;
        case touch_pattern::random_superpages:
            for (const std::uint32_t step : random_order(steps, seed)) {
                touch(std::uint64_t{step} << superpage_order.raw);
            }
            break;
    }
    return result;
}

LONGREACH_NAMESPACE_END

#endif
