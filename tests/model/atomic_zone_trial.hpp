// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ATOMIC_ZONE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_ATOMIC_ZONE_TRIAL_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/atomic_buddy.hpp>
#include <optional>
#include <string>
#include <vector>

// Operations on an atomic zone by one thread alone, compared with one flag per frame. Which block an allocation without
// a name gets is the zone's choice, as long as one is free exactly when the flags say so.

namespace longreach::model {

struct atomic_operation {
    enum kind_type : unsigned { allocate, allocate_at, allocate_run, allocate_run_at, free_block, free_part, recover };
    static constexpr unsigned kinds = 7;

    kind_type kind = allocate;
    unsigned size = 0;           ///< an order
    std::uint64_t position = 0;  ///< a frame of the zone, or a little beyond
    std::uint64_t count = 1;     ///< of frames
};

class atomic_zone_trial {
  public:
    explicit atomic_zone_trial(frame_run managed)
        : managed_(managed),
          memory_(atomic_buddy::required_bytes(managed.count)),
          zone_(managed, memory_),
          is_free_(static_cast<std::size_t>(managed.count.raw), true) {}

    /// Performs one operation; what is wrong then, or nothing.
    std::optional<std::string> perform(const atomic_operation& op) {
        const char* wrong = answer_to(op);
        if (wrong == nullptr && zone_.free_frames().raw != free_) wrong = "free_frames";
        if (wrong != nullptr) return std::string(wrong);
        if (const violation broken = zone_.audit()) return std::string(broken.label);
        return std::nullopt;
    }
    /// Compares every frame.
    std::optional<std::string> compare() const {
        for (std::uint64_t i = 0; i < managed_.count.raw; ++i) {
            if (zone_.is_free(managed_.first + page_count{i}, base_order) != is_free_[i]) return "a frame differs";
        }
        return std::nullopt;
    }

  private:
    const char* answer_to(const atomic_operation& op) {
        const order o{op.size};
        const pfn here = managed_.first + page_count{op.position};
        const frame_run wanted{here, page_count{op.count}};
        switch (op.kind) {
            case atomic_operation::allocate:
                return judge_allocate(o);
            case atomic_operation::allocate_at:
                return judge_exact({align_down(here, o), o.pages()}, zone_.allocate_at(align_down(here, o), o));
            case atomic_operation::allocate_run:
                return judge_run(wanted.count);
            case atomic_operation::allocate_run_at:
                return judge_exact(wanted, zone_.allocate_run_at(wanted));
            case atomic_operation::free_block:
                return give_block(here, o);
            case atomic_operation::free_part:
                return give_part(wanted);
            case atomic_operation::recover:
                zone_.recover();
                return nullptr;
        }
        return "no such operation";
    }

    const char* judge_allocate(order o) {
        const std::optional<pfn> found = zone_.allocate(o);
        if (!found) return any_block(o) ? "allocate found nothing though a block is free" : nullptr;
        const frame_run block{*found, o.pages()};
        if (!is_aligned(*found, o)) return "allocate: misaligned";
        if (!all(block, true)) return "allocate: not free";
        if (o.raw < child_order && breaks_a_whole_one_for_nothing(*found, o)) return "allocate broke a whole superpage";
        return set(block, false);
    }
    const char* judge_run(page_count count) {
        const auto found = zone_.allocate_run(count);
        if (!found) return any_run(count) ? "allocate_run found nothing though a run is free" : nullptr;
        if (found->count != count || !all(*found, true)) return "allocate_run: not free, or of another length";
        return set(*found, false);
    }
    const char* judge_exact(frame_run wanted, status told) {
        if (wanted.empty() || !managed_.contains(wanted)) {
            return told == status::out_of_range ? nullptr : "exact: not out_of_range";
        }
        if (told == status::ok) return all(wanted, true) ? set(wanted, false) : "exact: not free";
        if (told != status::occupied) return "exact: wrong status";
        return all(wanted, true) ? "exact: a free run is refused" : nullptr;
    }
    /// Gives back a block that is wholly in use.
    const char* give_block(pfn here, order o) {
        const frame_run block{align_down(here, o), o.pages()};
        if (!managed_.contains(block) || !all(block, false)) return nullptr;
        zone_.free(block.first, o);
        return set(block, true);
    }
    /// Gives back the first stretch in use at or after `wanted`, as long as it, at most.
    const char* give_part(frame_run wanted) {
        pfn first = wanted.first;
        while (managed_.contains(first) && is_free_[index(first)]) first += page_count{1};
        pfn end = first;
        while (managed_.contains(end) && !is_free_[index(end)] && end - first < wanted.count) end += page_count{1};
        if (end == first) return nullptr;
        zone_.free_run(run_between(first, end));
        return set(run_between(first, end), true);
    }

    std::size_t index(pfn f) const { return static_cast<std::size_t>((f - managed_.first).raw); }
    bool all(frame_run frames, bool free) const {
        if (!managed_.contains(frames)) return false;
        for (pfn f = frames.first; f != frames.end(); f += page_count{1}) {
            if (is_free_[index(f)] != free) return false;
        }
        return true;
    }
    bool any_block(order o) const {
        for (pfn f = align_up(managed_.first, o); managed_.contains(frame_run{f, o.pages()}); f += o.pages()) {
            if (all({f, o.pages()}, true)) return true;
        }
        return false;
    }
    bool any_run(page_count count) const {
        std::uint64_t length = 0;
        for (const bool free : is_free_) {
            length = free ? length + 1 : 0;
            if (length >= count.raw) return true;
        }
        return false;
    }
    bool is_whole(pfn f) const { return all({align_down(f, superpage_order), superpage_order.pages()}, true); }
    bool breaks_a_whole_one_for_nothing(pfn found, order o) const {
        if (!is_whole(found)) return false;
        for (pfn f = align_up(managed_.first, o); managed_.contains(frame_run{f, o.pages()}); f += o.pages()) {
            if (all({f, o.pages()}, true) && !is_whole(f)) return true;
        }
        return false;
    }
    const char* set(frame_run frames, bool free) {
        for (pfn f = frames.first; f != frames.end(); f += page_count{1}) is_free_[index(f)] = free;
        free_ = free ? free_ + frames.count.raw : free_ - frames.count.raw;
        return nullptr;
    }

    frame_run managed_;
    std::vector<std::byte> memory_;
    atomic_buddy zone_;
    std::vector<bool> is_free_;
    std::uint64_t free_ = managed_.count.raw;
};

/// Performs all operations on a zone; the first thing that is wrong, with the number of its operation, or nothing.
inline std::optional<std::string> perform_all(frame_run managed, const std::vector<atomic_operation>& operations) {
    atomic_zone_trial trial(managed);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const atomic_operation& op = operations[i];
        if (const auto wrong = trial.perform(op)) {
            return "operation " + std::to_string(i) + " (kind " + std::to_string(op.kind) + ", order " +
                   std::to_string(op.size) + ", frame " + std::to_string(op.position) + ", count " +
                   std::to_string(op.count) + "): " + *wrong;
        }
    }
    return trial.compare();
}

}  // namespace longreach::model

#endif
