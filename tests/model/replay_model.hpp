// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_REPLAY_MODEL_HPP
#define LONGREACH_TESTS_MODEL_REPLAY_MODEL_HPP

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/recording.hpp>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

// An address space page by page: what a recording may do, and what it needs, told the slow and obvious way.

namespace longreach::model {

/// Events applied to a map of pages; each answers whether it can be, and changes nothing where it cannot.
class replay_model {
  public:
    /// Whether stores need a fault by a store or an upgrade before them.
    explicit replay_model(bool upgrades_known) : upgrades_known_(upgrades_known) {}

    /// What the whole recording needs; nothing where an event cannot be.
    static std::optional<recorded_footprint> replay(const recording& from) {
        replay_model model(from.upgrade_source.present());
        std::vector<std::tuple<std::uint64_t, int, std::size_t>> order;
        const auto add = [&](int rank, const auto& records) {
            for (std::size_t i = 0; i < records.size(); ++i) order.emplace_back(records[i].seq, rank, i);
        };
        add(0, from.vmas);
        add(1, from.faults);
        add(2, from.upgrades);
        add(3, from.misses);
        add(4, from.accesses);
        std::sort(order.begin(), order.end());
        for (const auto& [seq, rank, index] : order) {
            const bool good = rank == 0   ? model.apply(from.vmas[index])
                              : rank == 1 ? model.apply(from.faults[index])
                              : rank == 2 ? model.apply(from.upgrades[index])
                              : rank == 3 ? model.apply(from.misses[index])
                                          : model.apply(from.accesses[index]);
            if (!good) return std::nullopt;
        }
        return model.needs();
    }

    recorded_footprint needs() const {
        recorded_footprint needs = needs_;
        needs.distinct_pages = ever_.size();
        needs.most_table_frames = tables(ever_);
        return needs;
    }

    bool apply(const vma_event& event) {
        const std::uint64_t first = event.pages.first.raw;
        const std::uint64_t end = event.pages.end().raw;
        switch (event.kind) {
            case vma_kind::init:
            case vma_kind::mmap:
            case vma_kind::brk_grow: {
                const bool fixed = event.kind == vma_kind::mmap && (event.flags & 0x10) != 0;
                if (!fixed && !free(event.pages)) return false;
                const bool copies = event.backing == vma_backing::file && (event.flags & 1) == 0;
                for (std::uint64_t p = first; p < end; ++p) pages_[p] = {*event.protection, copies, false, false};
                return true;
            }
            case vma_kind::munmap:
            case vma_kind::brk_shrink:
                unmap(event.pages);
                return true;
            case vma_kind::mprotect:
                if (!mapped(event.pages)) return false;
                for (std::uint64_t p = first; p < end; ++p) pages_[p].protection = *event.protection;
                return true;
            case vma_kind::mremap:
                return move(event);
            case vma_kind::empty:
                for (std::uint64_t p = first; p < end; ++p) {
                    const auto found = pages_.find(p);
                    if (found != pages_.end()) found->second.resident = found->second.stored = false;
                }
                return true;
            case vma_kind::brk_first:
            case vma_kind::advice:
                return true;
        }
        return false;
    }

    bool apply(const page_fault& fault) {
        page* const at = usable(fault.page.raw, fault.site.write != 0);
        if (at == nullptr || at->resident) return false;
        at->resident = true;
        at->stored = fault.site.write != 0;
        if (!ever_.insert(fault.page.raw).second) ++needs_.refaults;
        const std::set<std::uint64_t> now = resident();
        if (now.size() > needs_.peak_pages) {
            needs_.peak_pages = now.size();
            needs_.peak_seq = fault.seq;
            needs_.table_frames = tables(now);
        }
        return true;
    }

    bool apply(const page_upgrade& upgrade) {
        page* const at = usable(upgrade.page.raw, true);
        if (at == nullptr || !at->resident || at->stored) return false;
        at->stored = true;
        if (!at->private_file) return true;
        ++needs_.file_copies;
        const std::set<std::uint64_t> now = resident();
        needs_.copy_frames = std::max<std::uint64_t>(needs_.copy_frames, now.size() + tables(now) + 1);
        return true;
    }

    bool apply(const recorded_miss& miss) { return used(miss.va, miss.site.write != 0); }
    bool apply(const recorded_access& access) {
        return used(access.va, access.site.write != 0) &&
               used(access.va + access.site.size - 1, access.site.write != 0);
    }

  private:
    [[nodiscard]] std::set<std::uint64_t> resident() const {
        std::set<std::uint64_t> numbers;
        for (const auto& [number, state] : pages_) {
            if (state.resident) numbers.insert(number);
        }
        return numbers;
    }

    struct page {
        vma_protection protection;
        bool private_file = false;
        bool resident = false;
        bool stored = false;
    };

    template <class Numbers>
    static std::uint64_t tables(const Numbers& pages) {
        std::set<std::uint64_t> of_2m, of_1g, of_512g;
        for (const std::uint64_t number : pages) {
            of_2m.insert(number / 512);
            of_1g.insert(number / 512 / 512);
            of_512g.insert(number / 512 / 512 / 512);
        }
        return 1 + of_2m.size() + of_1g.size() + of_512g.size();
    }

    bool mapped(page_run pages) const {
        for (std::uint64_t p = pages.first.raw; p < pages.end().raw; ++p) {
            if (!pages_.contains(p)) return false;
        }
        return true;
    }
    bool free(page_run pages) const {
        const auto next = pages_.lower_bound(pages.first.raw);
        return next == pages_.end() || next->first >= pages.end().raw;
    }
    void unmap(page_run pages) {
        for (std::uint64_t p = pages.first.raw; p < pages.end().raw; ++p) pages_.erase(p);
    }

    bool move(const vma_event& event) {
        const page_run from = event.moved_from;
        const page_run to = event.pages;
        if (!mapped(from) || !pages_.contains(from.first.raw)) return false;
        const vma_protection protection = event.protection.value_or(pages_[from.first.raw].protection);
        const bool private_file = pages_[from.first.raw].private_file;
        if (from.first == to.first) {
            const page_run gained = run_between(from.end(), to.end());
            if (!gained.empty() && !free(gained)) return false;
            for (std::uint64_t p = gained.first.raw; p < gained.end().raw; ++p) {
                pages_[p] = {protection, private_file, false, false};
            }
            unmap(run_between(to.end(), from.end()));
            return true;
        }
        if (from.overlaps(to)) return false;
        if ((event.flags & 2) == 0 && !free(to)) return false;
        for (std::uint64_t i = 0; i < to.count.raw; ++i) {
            page moved{protection, private_file, false, false};
            if (i < from.count.raw) {
                const page& old = pages_[from.first.raw + i];
                moved.resident = old.resident;
                moved.stored = old.stored;
            }
            pages_[to.first.raw + i] = moved;
            if (!moved.resident) continue;
            ++needs_.moved_pages;
            if (!ever_.insert(to.first.raw + i).second) ++needs_.refaults;
        }
        if ((event.flags & 4) == 0) {
            unmap(from);
        } else {
            for (std::uint64_t p = from.first.raw; p < from.end().raw; ++p) {
                pages_[p].resident = pages_[p].stored = false;
            }
        }
        return true;
    }

    page* usable(std::uint64_t number, bool store) {
        const auto found = pages_.find(number);
        if (found == pages_.end()) return nullptr;
        const vma_protection& p = found->second.protection;
        return (store ? p.write : p.read || p.write || p.execute) ? &found->second : nullptr;
    }

    bool used(std::uint64_t va, bool store) {
        const page* const at = usable(va / page_bytes, store);
        return at != nullptr && at->resident && (!store || at->stored || !upgrades_known_);
    }

    bool upgrades_known_;
    std::map<std::uint64_t, page> pages_;
    std::set<std::uint64_t> ever_;
    recorded_footprint needs_;
};

}

#endif
