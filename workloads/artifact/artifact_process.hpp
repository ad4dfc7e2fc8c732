// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_PROCESS_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_PROCESS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../cases/replayed_process.hpp"
#include "artifact_policy.hpp"

// A process of the original: its pages, and the frames of its page tables, which are taken and given back in the
// original's order. Tables have four levels, made on the way to a page; a superpage deposits one more, so that it can
// be split later. Not thread-safe.
// Source: Linux 4.19, mm/memory.c, mm/huge_memory.c, include/asm-generic/tlb.h.

LONGREACH_NAMESPACE_BEGIN

class artifact_process {
  public:
    artifact_process(artifact_policy& policy, std::uint32_t number) : policy_(&policy), number_(number) {}

    [[nodiscard]] const replayed_process& memory() const noexcept { return memory_; }
    [[nodiscard]] replayed_process& memory() noexcept { return memory_; }

    /// Pages that were there before: so are their tables, in frames that nobody knows. Superpages are taken to be
    /// wherever they may.
    void assume(mapping<vpn, pfn> there, bool superpages) {
        while (!there.pages.empty()) {
            const bool large = superpages && is_aligned(there.pages.first, superpage_order) &&
                               is_aligned(there.frame, superpage_order) && there.pages.count >= superpage_order.pages();
            const order size = large ? superpage_order : base_order;
            for (std::size_t level = 0; level < levels; ++level) {
                tables_[level].emplace(table_of(there.pages.first, level), std::nullopt);
            }
            memory_.add(there.pages.first, {there.frame, size, true});
            there = {{there.pages.first + size.pages(), there.pages.count - size.pages()}, there.frame + size.pages()};
        }
    }

    /// The tables above a superpage, or down to the lowest for a base page, as far as they are missing.
    void prepare_tables(vpn page, order size) {
        for (std::size_t level = levels; level-- > (size == superpage_order ? 1 : 0);) make_table(level, page);
    }
    /// What follows a fault: the page is mapped, a superpage deposits a table.
    void install(vpn page, pfn frame, order size) {
        if (size == superpage_order) make_table(0, page);
        memory_.split_at(page);
        memory_.remove({page, size.pages()}, [](vpn, const replayed_process::leaf&) {});
        memory_.add(page, {frame, size, false});
    }

    /// A touch that is in no log: the first of its page, or a store to a superpage that is shared since a fork, which
    /// is copied without CA paging. False without memory.
    bool touch(vpn page, bool superpages) {
        const auto there = memory_.leaf_from(page);
        const bool present = there != memory_.leaves().end() && vpn{there->first} <= page;
        if (present && !there->second.foreign) return true;
        if (present) return copy(page, there->second.size);
        const replayed_process::area* area = memory_.find_area(page);
        const page_run region{align_down(page, superpage_order), superpage_order.pages()};
        if (area == nullptr) return false;
        const bool fits = area->pages.contains(region) && memory_.first_mapped(region) == region.end();
        return (superpages && fits && place(region.first, superpage_order, *area)) || place(page, base_order, *area);
    }

    void map(const replayed_process::area& area) { memory_.map(area); }

    /// Frees what the process has in the pages, and the tables that no area needs any more.
    void unmap(page_run pages) {
        memory_.unmap(pages);
        policy_->release(number_, pages);
        memory_.split_at(pages.first);
        memory_.split_at(pages.end());
        gather freed(*policy_, number_);
        memory_.remove(pages, [&](vpn page, const replayed_process::leaf& leaf) {
            if (leaf.size == superpage_order) take_table(0, table_of(page, 0), [&](pfn f) { policy_->free_table(f); });
            if (!leaf.foreign) freed.add(page, leaf.frame, leaf.size);
        });
        for (std::size_t level = 0; level < levels; ++level) {
            const std::uint64_t last = (pages.end().raw - 1) >> shifts[level];
            auto next = tables_[level].lower_bound(table_of(pages.first, level));
            while (next != tables_[level].end() && next->first <= last) {
                const std::uint64_t number = (next++)->first;
                const page_run covered{vpn{number << shifts[level]}, page_count{std::uint64_t{1} << shifts[level]}};
                const bool needed = std::any_of(memory_.areas().begin(), memory_.areas().end(),
                                                [&](const auto& area) { return area.pages.overlaps(covered); });
                if (!needed) take_table(level, number, [&](pfn f) { freed.add({}, f, base_order); });
            }
        }
        freed.finish();
    }

    void exit() { unmap({vpn{0}, page_count{std::uint64_t{1} << 36}}); }

    /// Becomes a copy: shares its parent's frames, and has tables of its own.
    void become_copy_of(const artifact_process& parent) {
        memory_.become_copy_of(parent.memory_);
        std::vector<std::pair<vpn, replayed_process::leaf>> leaves;
        for (const auto& [page, leaf] : parent.memory_.leaves()) leaves.emplace_back(vpn{page}, leaf);
        for (auto& [page, leaf] : leaves) {
            prepare_tables(page, leaf.size);
            if (leaf.size == superpage_order) make_table(0, page);
            leaf.foreign = true;
            memory_.add(page, leaf);
        }
    }

  private:
    static constexpr std::size_t levels = 3;                          // below the root
    static constexpr std::array<unsigned, levels> shifts{9, 18, 27};  // log2 of the pages that a table covers

    /// Frames on their way back: collected in batches, and freed batch by batch at the end. All but the first, small
    /// batch need a frame for themselves.
    class gather {
      public:
        gather(artifact_policy& policy, std::uint32_t space) : policy_(&policy), space_(space) {
            batches_.emplace_back();
        }

        void add(vpn page, pfn frame, order size) {
            batches_[used_ - 1].push_back({page, frame, size});
            if (batches_[used_ - 1].size() < (used_ == 1 ? first_batch : later_batch)) return;
            if (used_ < batches_.size()) {
                ++used_;
                return;
            }
            const std::optional<pfn> room = batches_.size() <= most_batches ? policy_->allocate_table() : std::nullopt;
            if (!room) return flush();
            rooms_.push_back(*room);
            batches_.emplace_back();
            ++used_;
        }
        void finish() {
            flush();
            for (const pfn room : rooms_) policy_->free_table(room);
        }

      private:
        struct block {
            vpn page;
            pfn frame;
            order size;
        };
        static constexpr std::size_t first_batch = 8;
        static constexpr std::size_t later_batch = 510;
        static constexpr std::size_t most_batches = 19;

        /// Superpages go back at once, base pages behind them, last first.
        void flush() {
            for (std::vector<block>& batch : batches_) {
                for (const block& each : batch) {
                    if (each.size != base_order) policy_->free(space_, each.page, each.frame, each.size);
                }
                for (auto each = batch.rbegin(); each != batch.rend(); ++each) {
                    if (each->size == base_order) policy_->free(space_, each->page, each->frame, each->size);
                }
                batch.clear();
            }
            used_ = 1;
        }

        artifact_policy* policy_;
        std::uint32_t space_;
        std::vector<std::vector<block>> batches_;
        std::vector<pfn> rooms_;
        std::size_t used_ = 1;
    };

    bool place(vpn page, order size, const replayed_process::area& area) {
        prepare_tables(page, size);
        const placement_request<vpn> request{number_, page, size, area.pages, area.grows_up, area.grows_down};
        const std::optional<pfn> got = policy_->decide(request).got;
        if (got) install(page, *got, size);
        return got.has_value();
    }
    bool copy(vpn page, order size) {
        const vpn first = align_down(page, size);
        const std::optional<pfn> got = policy_->allocate_ordinary(size, migrate_type::movable);
        if (got) install(first, *got, size);
        return got.has_value();
    }

    static std::uint64_t table_of(vpn page, std::size_t level) noexcept { return page.raw >> shifts[level]; }

    void make_table(std::size_t level, vpn page) {
        const auto [where, added] = tables_[level].emplace(table_of(page, level), std::nullopt);
        if (added) where->second = policy_->allocate_table();
    }
    template <class Visit>
    void take_table(std::size_t level, std::uint64_t number, Visit&& visit) {
        const auto found = tables_[level].find(number);
        if (found == tables_[level].end()) return;
        if (found->second) visit(*found->second);
        tables_[level].erase(found);
    }

    artifact_policy* policy_;
    std::uint32_t number_;
    replayed_process memory_;
    std::array<std::map<std::uint64_t, std::optional<pfn>>, levels> tables_;
};

LONGREACH_NAMESPACE_END

#endif
