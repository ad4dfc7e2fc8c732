// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_LIST_POLICY_HPP
#define LONGREACH_TESTS_MODEL_LIST_POLICY_HPP

#include <cstdint>
#include <longreach/allocator/placement.hpp>
#include <optional>
#include <set>

#include "watched_policy.hpp"

// The plainest placement policy: the lowest free block from where it was last told to aim.
//
// Frames 0 to `tables` - 1 are for tables, the rest for pages.

namespace longreach::model {

template <class Page, class Frame>
class lowest_free {
  public:
    using page = Page;
    using frame = Frame;

    lowest_free(std::uint64_t tables, std::uint64_t pages) : first_page_(tables), end_(tables + pages), aim_(tables) {
        for (std::uint64_t raw = 0; raw < tables; ++raw) free_tables_.insert(raw);
    }

    template <class Mapped>
    std::optional<Frame> allocate(const placement_request<Page>& request, const Mapped&) {
        const std::uint64_t count = request.size.pages().raw;
        for (std::uint64_t turn = 0; turn < 2; ++turn) {
            const std::uint64_t from = turn == 0 ? aim_ : first_page_;
            for (std::uint64_t at = (from + count - 1) / count * count; at + count <= end_; at += count) {
                const auto taken = taken_.lower_bound(at);
                if (taken != taken_.end() && *taken < at + count) continue;
                for (std::uint64_t i = 0; i < count; ++i) taken_.insert(at + i);
                aim_ = at + count;
                return Frame{at};
            }
        }
        return std::nullopt;
    }
    void free(std::uint32_t, Page, Frame at, order size) {
        taken_.erase(taken_.lower_bound(at.raw), taken_.lower_bound(at.raw + size.pages().raw));
    }
    std::optional<Frame> allocate_table() {
        if (free_tables_.empty()) return std::nullopt;
        const std::uint64_t raw = *free_tables_.begin();
        free_tables_.erase(free_tables_.begin());
        return Frame{raw};
    }
    void free_table(Frame table) { free_tables_.insert(table.raw); }
    void release(std::uint32_t, run<Page>) {}
    void move(std::uint32_t, run<Page>, Page) {}
    void fork(std::uint32_t, std::uint32_t) {}
    [[nodiscard]] placement_counters counters() const { return {}; }
    [[nodiscard]] violation audit() const { return {}; }

    void aim(std::uint64_t where) { aim_ = first_page_ + where % (end_ - first_page_); }

  private:
    std::uint64_t first_page_;
    std::uint64_t end_;
    std::uint64_t aim_;
    std::set<std::uint64_t> free_tables_;
    std::set<std::uint64_t> taken_;
};

template <class Page, class Frame>
class list_policy : public watched_policy<lowest_free<Page, Frame>> {
  public:
    list_policy(std::uint64_t tables, std::uint64_t pages)
        : watched_policy<lowest_free<Page, Frame>>(tables, tables, pages) {}
    void aim(std::uint64_t where) { this->inner().aim(where); }
};

static_assert(placement_policy<list_policy<vpn, pfn>>);

}  // namespace longreach::model

#endif
