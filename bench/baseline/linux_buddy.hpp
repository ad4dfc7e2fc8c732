// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_BASELINE_LINUX_BUDDY_HPP
#define LONGREACH_BENCH_BASELINE_LINUX_BUDDY_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/status.hpp>
#include <mutex>
#include <vector>

#include "../spin_lock.hpp"
#include "../zone_of.hpp"
#include "linux_free_area.hpp"

// The frame allocator of Linux, as far as its cost and its placement go: free areas alone, and with per-CPU lists.
//
// Source: Linux 6.x mm/page_alloc.c (rmqueue_pcplist, rmqueue_bulk, free_unref_page, free_pcppages_bulk,
// take_page_off_buddy), re-created, not copied. Left out: migrate types, watermarks, statistics, interrupt masking, the
// growing of a free batch, draining the lists of other processors when memory is short, the lock of a per-CPU list
// (private here), checks of the caller. Orders above 10 are refused, as there.
// linux_buddy does not lock; linux_buddy_with_cpu_lists takes a spin lock around the free areas.

namespace longreach::baseline {

/// The free areas alone.
class linux_buddy {
  public:
    static constexpr unsigned max_order = linux_free_area::max_order;

    linux_buddy(std::uint64_t frames, unsigned /*cpus*/) : area_(frames) {}

    std::uint64_t allocate(unsigned /*cpu*/, unsigned order) {
        return order > max_order ? LONGREACH_NO_FRAME : area_.take(order);
    }
    /// Never refuses a free block.
    bool allocate_at(unsigned /*cpu*/, std::uint64_t frame, unsigned order) {
        return order <= max_order && area_.take_at(frame, order);
    }
    void free(unsigned /*cpu*/, std::uint64_t frame, unsigned order) { area_.give(frame, order); }

    [[nodiscard]] std::size_t metadata_bytes() const { return sizeof *this + area_.record_bytes(); }
    [[nodiscard]] violation audit() const { return area_.audit(); }

  private:
    friend struct baseline_corruption;  // tests break invariants through it

    linux_free_area area_;
};

/// Free areas behind lists of blocks of orders 0 to 3 and 9 for each CPU, filled and emptied in batches.
///
/// Blocks on these lists are free to nobody but their CPU's allocate: they are not merged, and allocate_at refuses
/// them, which is a property of Linux. A call with a CPU number is made by one thread at a time.
///
/// I6 each list holds aligned blocks of its order that overlap no other free block, marked as parked, linked both ways.
/// I7 no other frame is marked as parked, and each CPU counts its parked frames. I1 to I5: those of linux_free_area.
class linux_buddy_with_cpu_lists {
  public:
    static constexpr unsigned max_order = linux_free_area::max_order;
    static constexpr unsigned batch = 63;
    static constexpr unsigned high = 378;

    linux_buddy_with_cpu_lists(std::uint64_t frames, unsigned cpus) : area_(frames), cpus_(cpus) {}

    std::uint64_t allocate(unsigned cpu, unsigned order) {
        if (order > max_order) return LONGREACH_NO_FRAME;
        if (!is_listed(order)) {
            const std::lock_guard<bench::spin_lock> guard(lock_);
            return area_.take(order);
        }
        cpu_lists& own = cpus_[cpu];
        frame_list& list = own.lists[list_of(order)];
        if (list.empty() && !fetch(own, order)) return LONGREACH_NO_FRAME;
        frame_record& block = list.front();
        frame_list::remove(block);
        block.parked = 0;
        own.frames -= 1U << order;
        return area_.frame_of(block);
    }

    /// Refuses a free block exactly where some frame of it is parked on a CPU's list.
    bool allocate_at(unsigned /*cpu*/, std::uint64_t frame, unsigned order) {
        const std::lock_guard<bench::spin_lock> guard(lock_);
        return order <= max_order && area_.take_at(frame, order);
    }

    void free(unsigned cpu, std::uint64_t frame, unsigned order) {
        if (!is_listed(order)) {
            const std::lock_guard<bench::spin_lock> guard(lock_);
            return area_.give(frame, order);
        }
        cpu_lists& own = cpus_[cpu];
        park(own, area_.record(frame), order, true);
        if (own.frames >= high) flush(own, list_of(order));
    }

    /// Whether a block on some CPU's list begins at this frame; its order is then its mark - 1.
    [[nodiscard]] unsigned parked_mark(std::uint64_t frame) const { return area_.record(frame).parked; }

    [[nodiscard]] std::size_t metadata_bytes() const {
        return sizeof *this + area_.record_bytes() + cpus_.size() * sizeof cpus_[0];
    }

    [[nodiscard]] violation audit() const {
        if (const violation found = area_.audit()) return found;
        return audit_parked();
    }

  private:
    friend struct baseline_corruption;  // tests break invariants through it

    static constexpr unsigned superpage_order = 9;
    static constexpr unsigned largest_small_order = 3;
    static constexpr unsigned list_count = largest_small_order + 2;

    struct alignas(64) cpu_lists {
        std::array<frame_list, list_count> lists;
        unsigned frames = 0;  ///< parked, in base frames
    };

    static constexpr bool is_listed(unsigned order) { return order <= largest_small_order || order == superpage_order; }
    static constexpr unsigned list_of(unsigned order) {
        return order == superpage_order ? largest_small_order + 1 : order;
    }
    static constexpr unsigned order_of(unsigned list) { return list > largest_small_order ? superpage_order : list; }

    static void park(cpu_lists& own, frame_record& block, unsigned order, bool first) {
        if (first) {
            own.lists[list_of(order)].push_front(block);
        } else {
            own.lists[list_of(order)].push_back(block);
        }
        block.parked = order + 1;
        own.frames += 1U << order;
    }

    /// Moves a batch from the free areas to an empty list, in the order in which the areas give it.
    bool fetch(cpu_lists& own, unsigned order) {
        const unsigned wanted = batch >> order < 2 ? 2 : batch >> order;
        const std::lock_guard<bench::spin_lock> guard(lock_);
        for (unsigned i = 0; i < wanted; ++i) {
            const std::uint64_t block = area_.take(order);
            if (block == LONGREACH_NO_FRAME) return i != 0;
            park(own, area_.record(block), order, false);
        }
        return true;
    }

    /// Gives a batch of frames back, the longest parked first, beginning with one list and going round.
    void flush(cpu_lists& own, unsigned list) {
        const std::lock_guard<bench::spin_lock> guard(lock_);
        for (unsigned given = 0; given < batch; list = (list + 1) % list_count) {
            const unsigned order = order_of(list);
            while (given < batch && !own.lists[list].empty()) {
                frame_record& block = own.lists[list].back();
                frame_list::remove(block);
                block.parked = 0;
                own.frames -= 1U << order;
                given += 1U << order;
                area_.give(area_.frame_of(block), order);
            }
        }
    }

    violation audit_parked() const {
        std::vector<bool> taken = area_.free_map();
        std::uint64_t marks = 0;
        for (std::uint64_t f = 0; f < area_.frames(); ++f) marks += parked_mark(f) != 0;
        for (const cpu_lists& own : cpus_) {
            std::uint64_t total = 0;
            for (unsigned i = 0; i < list_count; ++i) {
                const unsigned k = order_of(i);
                const std::uint64_t blocks = own.lists[i].count_well_linked(marks);
                if (blocks > marks) return {"linux.I6", i};
                marks -= blocks;
                total += blocks << k;
                for (const frame_record& block : own.lists[i]) {
                    const std::uint64_t f = area_.frame_of(block);
                    if (block.parked != k + 1 || !claim(taken, f, k)) return {"linux.I6", f};
                }
            }
            if (total != own.frames) return {"linux.I7", total};
        }
        if (marks != 0) return {"linux.I7", marks};
        return {};
    }

    linux_free_area area_;
    std::vector<cpu_lists> cpus_;
    bench::spin_lock lock_;
};

inline constexpr longreach_zone_interface linux_buddy_zone = bench::zone_of<linux_buddy>("linux_buddy", 1);
inline constexpr longreach_zone_interface linux_buddy_with_cpu_lists_zone =
    bench::zone_of<linux_buddy_with_cpu_lists>("linux_buddy_with_cpu_lists", 64);

}  // namespace longreach::baseline

#endif
