// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_PLACEMENT_MACHINE_HPP
#define LONGREACH_TESTS_MODEL_PLACEMENT_MACHINE_HPP

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <longreach/allocator/ca_paging.hpp>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "mapped_zone.hpp"

// Areas of address spaces on a memory under ca_paging, page by page: faults, what they got, and how many runs that is.

namespace longreach::model {

struct area {
    run<vpn> pages;
    std::uint32_t space = 1;
    bool grows_up = false;
    bool grows_down = false;
};

inline area area_of(std::uint64_t first, std::uint64_t count) { return {{vpn{first}, page_count{count}}}; }

/// A memory under ca_paging and what is mapped where.
class placement_machine : public mapped_zone {
  public:
    using policy_type = ca_paging<vpn, pfn>;

    explicit placement_machine(std::uint64_t frames_count, std::uint64_t first = 0, std::size_t pieces = 64)
        : mapped_zone(first, frames_count),
          piece_memory_(policy_type::required_bytes(pieces)),
          policy(frames, clusters, piece_memory_) {}

    std::optional<pfn> touch(const area& a, std::uint64_t page, order size = base_order) {
        const placement_request<vpn> request{a.space, vpn{page}, size, a.pages, a.grows_up, a.grows_down};
        const std::optional<pfn> got = policy.allocate(request, view{leaves_[a.space]});
        if (got) {
            for (std::uint64_t i = 0; i < size.pages().raw; ++i) {
                EXPECT_TRUE(given_.insert(got->raw + i).second) << "frame " << got->raw + i << " was given twice";
                leaves_[a.space][page + i] = *got + page_count{i};
            }
        }
        const violation broken = policy.audit();
        EXPECT_FALSE(broken) << broken.label << " at " << broken.where;
        return got;
    }
    void touch_all(const area& a) {
        for (vpn p = a.pages.first; p < a.pages.end(); p += page_count{1}) ASSERT_TRUE(touch(a, p.raw));
    }
    /// Whether the page has a frame.
    bool holds(const area& a, std::uint64_t page) const {
        const auto table = leaves_.find(a.space);
        return table != leaves_.end() && table->second.count(page) != 0;
    }
    void drop(const area& a, std::uint64_t page, std::uint64_t count = 1) {
        for (std::uint64_t p = page; p < page + count; ++p) {
            const auto it = leaves_[a.space].find(p);
            if (it == leaves_[a.space].end()) continue;
            policy.free(a.space, vpn{p}, it->second, base_order);
            given_.erase(it->second.raw);
            leaves_[a.space].erase(it);
        }
    }
    void unmap(const area& a, std::uint64_t page, std::uint64_t count) {
        drop(a, page, count);
        policy.release(a.space, {vpn{page}, page_count{count}});
        EXPECT_FALSE(policy.audit());
    }
    /// Somebody else takes the block at this very frame.
    void occupy(std::uint64_t frame, order size = base_order) { take(frame, size); }
    void occupy_superpages(std::initializer_list<std::uint64_t> numbers) {
        for (const std::uint64_t n : numbers) occupy(n * 512, superpage_order);
    }

    /// Runs contiguous in page and frame among the mapped pages of a space.
    std::size_t runs(std::uint32_t space = 1) const {
        std::size_t count = 0;
        std::pair<std::uint64_t, std::uint64_t> next{0, 0};
        for (const auto& [page, frame] : leaves_.at(space)) {
            if (count == 0 || next != std::pair{page, frame.raw}) ++count;
            next = {page + 1, frame.raw + 1};
        }
        return count;
    }
    std::size_t piece_count() const { return policy.pieces().size(); }
    const piece<vpn, pfn>& piece_of(std::uint64_t page, std::uint32_t space = 1) const {
        return policy.pieces()[policy.pieces().position(space, vpn{page})];
    }

  private:
    struct view {
        const std::map<std::uint64_t, pfn>& leaves;
        vpn first_mapped(run<vpn> pages) const {
            const auto next = leaves.lower_bound(pages.first.raw);
            return next != leaves.end() && next->first < pages.end().raw ? vpn{next->first} : pages.end();
        }
    };

    std::vector<std::byte> piece_memory_;
    std::map<std::uint32_t, std::map<std::uint64_t, pfn>> leaves_;
    std::set<std::uint64_t> given_;

  public:
    policy_type policy;
};

}  // namespace longreach::model

#endif
