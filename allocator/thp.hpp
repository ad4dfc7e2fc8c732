// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_THP_HPP
#define LONGREACH_ALLOCATOR_THP_HPP

#include <cstdint>
#include <optional>

#include "buddy.hpp"
#include "config.hpp"
#include "placement.hpp"

// The policy to compare with: every fault takes whatever block the buddy gives first.
//
// With 2 MiB faults this is what transparent superpages do without compaction: a 2 MiB block where one is
// free, scattered as the free blocks lie. It remembers nothing. Not thread-safe: the caller locks.

LONGREACH_NAMESPACE_BEGIN

template <class Page, class Frame>
class thp {
  public:
    using page = Page;
    using frame = Frame;

    explicit thp(basic_buddy<Frame>& frames) noexcept : frames_(frames) {}

    template <class Mapped>
    [[nodiscard]] std::optional<Frame> allocate(const placement_request<Page>& request, const Mapped&) noexcept {
        const std::optional<Frame> found = frames_.allocate(request.size);
        if (found) ++counters_.ordinary;
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
    basic_buddy<Frame>& frames_;
    placement_counters counters_;
};

static_assert(placement_policy<thp<vpn, pfn>>);

LONGREACH_NAMESPACE_END

#endif
