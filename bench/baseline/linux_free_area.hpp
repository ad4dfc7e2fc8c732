// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_BASELINE_LINUX_FREE_AREA_HPP
#define LONGREACH_BENCH_BASELINE_LINUX_FREE_AREA_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/status.hpp>
#include <vector>

#include "../zone_interface.h"

// The free areas of a Linux zone: a 64-byte record per frame, like struct page, and a list of free blocks per order,
// linked through the records of their first frames.
//
// Source: Linux 6.x mm/page_alloc.c (__rmqueue_smallest, expand, __free_one_page, buddy_merge_likely, page_is_buddy,
// break_down_buddy_pages), re-created, not copied. Left out: what linux_buddy.hpp names. The caller locks.

namespace longreach::baseline {

struct list_links {
    list_links* next;
    list_links* previous;
};

/// One frame: 64 bytes, of which what Linux keeps there for other purposes is padding.
struct alignas(64) frame_record {
    list_links links{};        ///< on a free area's or a CPU's list; first, as the lists rely on it
    std::uint32_t buddy = 0;   ///< 1 where a block on a free area's list begins here
    std::uint32_t order = 0;   ///< of that block
    std::uint32_t parked = 0;  ///< order + 1 where a block on a CPU's list begins here; only that CPU writes it
};
static_assert(sizeof(frame_record) == 64);

/// A circular list through records, linked both ways.
class frame_list {
  public:
    frame_list() { head_ = {&head_, &head_}; }
    frame_list(const frame_list&) = delete;
    frame_list& operator=(const frame_list&) = delete;

    class iterator {
      public:
        explicit iterator(const list_links* at) : at_(at) {}
        const frame_record& operator*() const { return reinterpret_cast<const frame_record&>(*at_); }
        iterator& operator++() { return at_ = at_->next, *this; }
        bool operator!=(const iterator& other) const { return at_ != other.at_; }

      private:
        const list_links* at_;
    };
    [[nodiscard]] iterator begin() const { return iterator(head_.next); }
    [[nodiscard]] iterator end() const { return iterator(&head_); }

    [[nodiscard]] bool empty() const { return head_.next == &head_; }
    [[nodiscard]] frame_record& front() { return reinterpret_cast<frame_record&>(*head_.next); }
    [[nodiscard]] frame_record& back() { return reinterpret_cast<frame_record&>(*head_.previous); }

    void push_front(frame_record& record) { insert(record.links, head_, *head_.next); }
    void push_back(frame_record& record) { insert(record.links, *head_.previous, head_); }
    static void remove(frame_record& record) {
        record.links.previous->next = record.links.next;
        record.links.next->previous = record.links.previous;
    }

    /// How many records the list has; more than `most` where they are more or their links disagree.
    [[nodiscard]] std::uint64_t count_well_linked(std::uint64_t most) const {
        std::uint64_t count = 0;
        for (const list_links* at = &head_; count <= most; ++count) {
            if (at->next->previous != at) return most + 1;
            at = at->next;
            if (at == &head_) return count;
        }
        return most + 1;
    }

  private:
    static void insert(list_links& added, list_links& before, list_links& after) {
        added = {&after, &before};
        before.next = &added;
        after.previous = &added;
    }

    list_links head_{};
};

/// Marks the block of order k at f in a map of frames; false where it is misaligned, outside or overlaps.
inline bool claim(std::vector<bool>& taken, std::uint64_t f, unsigned k) {
    const std::uint64_t size = std::uint64_t{1} << k;
    if (f % size != 0 || f + size > taken.size()) return false;
    for (std::uint64_t i = f; i < f + size; ++i) {
        if (taken[i]) return false;
        taken[i] = true;
    }
    return true;
}

/// I1 a record marked `buddy` begins an aligned block of at most order 10 inside the zone; these do not overlap.
/// I2 each area's list holds the blocks of its order, once each, linked both ways.
/// I3 no two free blocks are the halves of a larger one. I4 each area counts its blocks. I5 the zone counts its free
/// frames.
class linux_free_area {
  public:
    static constexpr unsigned max_order = 10;

    explicit linux_free_area(std::uint64_t frames) : records_(frames) {
        std::uint64_t block = 0;
        for (; block + size(max_order) <= frames; block += size(max_order)) link(block, max_order, true);
        for (unsigned k = max_order; k-- > 0;) {
            if ((frames >> k & 1) == 0) continue;
            link(block, k, true);
            block += size(k);
        }
        free_frames_ = frames;
    }

    [[nodiscard]] std::uint64_t frames() const { return records_.size(); }
    [[nodiscard]] std::size_t record_bytes() const { return records_.size() * sizeof(frame_record); }
    [[nodiscard]] frame_record& record(std::uint64_t frame) { return records_[frame]; }
    [[nodiscard]] const frame_record& record(std::uint64_t frame) const { return records_[frame]; }
    [[nodiscard]] std::uint64_t frame_of(const frame_record& record) const {
        return static_cast<std::uint64_t>(&record - records_.data());
    }

    /// The first block of the smallest sufficient order; the upper halves go to the heads of their lists.
    std::uint64_t take(unsigned order) {
        for (unsigned k = order; k <= max_order; ++k) {
            if (areas_[k].blocks.empty()) continue;
            frame_record& found = areas_[k].blocks.front();
            unlink(found, k);
            const std::uint64_t block = frame_of(found);
            while (k > order) {
                --k;
                link(block + size(k), k, false);
            }
            free_frames_ -= size(order);
            return block;
        }
        return LONGREACH_NO_FRAME;
    }

    /// Exactly this block, out of the free block around it.
    bool take_at(std::uint64_t frame, unsigned order) {
        if (frame >= frames()) return false;
        for (unsigned k = order; k <= max_order; ++k) {
            std::uint64_t block = frame & ~(size(k) - 1);
            if (!is_free_block(block, k)) continue;
            unlink(records_[block], k);
            while (k > order) {
                --k;
                const bool upper = (frame & size(k)) != 0;
                link(upper ? block : block + size(k), k, false);
                if (upper) block += size(k);
            }
            free_frames_ -= size(order);
            return true;
        }
        return false;
    }

    /// Merges as far as possible; goes to its list's tail where its buddy's buddy suggests that it will merge soon.
    void give(std::uint64_t frame, unsigned order) {
        free_frames_ += size(order);
        unsigned k = order;
        for (; k < max_order; ++k) {
            const std::uint64_t other = frame ^ size(k);
            if (!is_free_block(other, k)) break;
            unlink(records_[other], k);
            frame &= ~size(k);
        }
        const bool merges_soon = k + 1 < max_order && is_free_block((frame & ~size(k)) ^ size(k + 1), k + 1);
        link(frame, k, merges_soon);
    }

    /// One flag per frame: whether it is in a block of some area's list.
    [[nodiscard]] std::vector<bool> free_map() const {
        std::vector<bool> free(frames());
        for (const frame_record& r : records_) {
            if (r.buddy != 0) (void)claim(free, frame_of(r), r.order);
        }
        return free;
    }

    [[nodiscard]] violation audit() const {
        std::vector<bool> taken(frames());
        std::uint64_t blocks = 0;
        std::uint64_t total = 0;
        for (const frame_record& r : records_) {
            if (r.buddy == 0) continue;
            const std::uint64_t f = frame_of(r);
            if (r.order > max_order || !claim(taken, f, r.order)) return {"linux.I1", f};
            if (r.order < max_order && is_free_block(f ^ size(r.order), r.order)) return {"linux.I3", f};
            ++blocks;
            total += size(r.order);
        }
        if (const violation found = audit_lists(blocks)) return found;
        if (total != free_frames_) return {"linux.I5", free_frames_};
        return {};
    }

  private:
    friend struct baseline_corruption;  // tests break invariants through it

    struct area {
        frame_list blocks;
        std::uint64_t count = 0;
    };

    static constexpr std::uint64_t size(unsigned order) { return std::uint64_t{1} << order; }

    [[nodiscard]] bool is_free_block(std::uint64_t frame, unsigned k) const {
        return frame < frames() && records_[frame].buddy != 0 && records_[frame].order == k;
    }

    void link(std::uint64_t frame, unsigned k, bool last) {
        frame_record& r = records_[frame];
        r.buddy = 1;
        r.order = k;
        if (last) {
            areas_[k].blocks.push_back(r);
        } else {
            areas_[k].blocks.push_front(r);
        }
        ++areas_[k].count;
    }

    void unlink(frame_record& r, unsigned k) {
        frame_list::remove(r);
        r.buddy = 0;
        --areas_[k].count;
    }

    violation audit_lists(std::uint64_t blocks) const {
        for (unsigned k = 0; k <= max_order; ++k) {
            const std::uint64_t listed = areas_[k].blocks.count_well_linked(blocks);
            if (listed > blocks) return {"linux.I2", k};
            for (const frame_record& r : areas_[k].blocks) {
                if (r.buddy == 0 || r.order != k) return {"linux.I2", frame_of(r)};
            }
            if (listed != areas_[k].count) return {"linux.I4", k};
            blocks -= listed;
        }
        if (blocks != 0) return {"linux.I2", blocks};
        return {};
    }

    std::vector<frame_record> records_;
    std::array<area, max_order + 1> areas_{};
    std::uint64_t free_frames_ = 0;
};

}  // namespace longreach::baseline

#endif
