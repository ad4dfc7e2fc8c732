// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_RANDOM_PLACEMENT_HPP
#define LONGREACH_ALLOCATOR_RANDOM_PLACEMENT_HPP

#include <cstdint>
#include <optional>

#include "buddy.hpp"
#include "config.hpp"
#include "frame_run.hpp"
#include "placement.hpp"
#include "status.hpp"
#include "units.hpp"

// The floor to compare with: every fault takes a random free block of its size.
//
// A policy that scatters more than this one does so on purpose. It remembers nothing but the state of its generator:
// the same seed and the same requests give the same frames. Not thread-safe: the caller locks.
// Source of the generator: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.

LONGREACH_NAMESPACE_BEGIN

template <class Page, class Frame>
class random_placement {
  public:
    using page = Page;
    using frame = Frame;

    random_placement(basic_buddy<Frame>& frames, std::uint64_t seed) noexcept : frames_(frames), state_(seed) {}

    /// Draws up to 16 aligned blocks of the zone and takes the first free one: every free block is equally likely then.
    /// If none is free, which has probability (1 - f)^16 where f of all blocks are free, it takes the next free block
    /// above the last one drawn, cyclically: a free block is then as likely as the used stretch below it is long.
    /// Constant time as long as memory is not short; then O(frames / 64).
    template <class Mapped>
    [[nodiscard]] std::optional<Frame> allocate(const placement_request<Page>& request, const Mapped&) noexcept {
        LONGREACH_CHECK(request.size <= superpage_order, "random_placement.size");
        if (!frames_.can_allocate(request.size)) return std::nullopt;
        const Frame found = find(request.size);
        const status taken = frames_.allocate_at(found, request.size);
        LONGREACH_CHECK(taken == status::ok, "random_placement.lost");
        ++counters_.ordinary;
        return found;
    }
    void free(std::uint32_t, Page, Frame block, order size) noexcept { frames_.free(block, size); }
    [[nodiscard]] std::optional<Frame> allocate_table() noexcept { return frames_.allocate(base_order); }
    void free_table(Frame table) noexcept { frames_.free(table, base_order); }
    void release(std::uint32_t, run<Page>) noexcept {}
    void move(std::uint32_t, run<Page>, Page) noexcept {}
    void fork(std::uint32_t, std::uint32_t) noexcept {}
    [[nodiscard]] placement_counters counters() const noexcept { return counters_; }
    violation audit() const noexcept { return frames_.audit(); }

  private:
    static constexpr unsigned draws = 16;

    /// A free block of that size, of which there is one.
    [[nodiscard]] Frame find(order size) noexcept {
        const run<Frame> all = frames_.managed();
        const Frame first = align_up(all.first, size);
        const std::uint64_t blocks = (align_down(all.end(), size) - first).raw >> size.raw;
        Frame drawn{};
        for (unsigned i = 0; i < draws; ++i) {
            drawn = first + page_count{(next() % blocks) << size.raw};
            if (frames_.is_free(drawn, size)) return drawn;
        }
        const std::optional<Frame> above = frames_.find_first_free(run_between(drawn, all.end()), size);
        return above ? *above : *frames_.find_first_free(all, size);
    }

    /// 64 random bits: splitmix64.
    [[nodiscard]] std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }

    basic_buddy<Frame>& frames_;
    std::uint64_t state_;
    placement_counters counters_;
};

static_assert(placement_policy<random_placement<vpn, pfn>>);

LONGREACH_NAMESPACE_END

#endif
