// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_ZONE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../cases/recorded_case.hpp"
#include "artifact_counters.hpp"
#include "artifact_map.hpp"
#include "artifact_rules.hpp"
#include "frame_lists.hpp"

// One zone of the original kernel: Linux 4.19's buddy with its lists in order, per-CPU lists and migrate types, and
// what CA paging added: taking a named frame, next-fit placement, the sorted list of 4 MiB blocks, reserved frames.
// It is a model for replaying records, not an allocator to use: see allocator/buddy.hpp. Not thread-safe.
// Source: the kernel released with CA paging (ISCA 2020, Linux 4.19.60), mm/page_alloc.c.

LONGREACH_NAMESPACE_BEGIN

/// What a zone is made of, beside its frames.
struct artifact_zone_options {
    artifact_rules rules = artifact_rules::all();
    unsigned cpus = 1;
    unsigned batch = 63;    ///< frames moved to or from a per-CPU list at once; Linux 4.19: of a zone of 1 GiB or more
    unsigned high = 378;    ///< length of all a CPU's lists from which a batch goes back: 6 batches
    page_count low{0};      ///< free frames that a request leaves where another zone can serve it
    page_count least{0};    ///< free frames that a request leaves in any case
    page_count managed{0};  ///< frames that the boot left to the zone; 0 for all
};

/// How taking a target went.
struct artifact_taking {
    bool taken = false;
    artifact_success how{};  ///< where taken
    artifact_failure why{};  ///< where not
};

/// Invariants: I1 the map has as many frames as the free 4 MiB blocks; I4 every free 4 MiB block is in the map, and no
/// other frame; I6 the rover lies in the zone, and is absent only where no range is (it may stand on no free block: the
/// original leaves it behind where a placement takes the only range's block, or a block changes its type; frame 0
/// stands for the range that never was); I7 free blocks are aligned and disjoint, and no two free buddies below 4 MiB
/// are apart; I8 the numbers of free and of per-CPU frames are those of the lists (per-CPU: summed, since the original
/// books some on the wrong one); I9 each frame is in one state; I28 lists are linked both ways and hold frames of their
/// kind and size only.
class artifact_zone {
  public:
    explicit artifact_zone(frame_run span, artifact_zone_options options = {});

    // ---- the start: all frames are in use until told otherwise ----

    /// A hole: the frames do not exist.
    void add_hole(frame_run frames) noexcept;
    /// Puts recorded blocks at the tail of their list, and takes over their migrate type.
    void append(const listed_blocks& line);
    /// Frees frames as the boot does, as movable.
    void donate(frame_run frames);
    /// Makes the map as the boot does, with the rover on the first range.
    void finish_boot();
    /// Makes the map as it was recorded, with the rover on `rover`; where that is nothing and there is a range, on the
    /// first.
    void finish_start(std::optional<pfn> rover);

    // ---- the ordinary allocator ----

    /// Whether the lists have a block of this size, and giving it leaves more than `mark` frames free.
    [[nodiscard]] bool has_room(order size, page_count mark) const noexcept;
    std::optional<pfn> allocate(order size, migrate_type type);
    void free(pfn block, order size);
    // What a record proves about allocations that are in no log:

    /// Takes this very frame out of wherever it is free; false where it is not.
    bool withdraw(pfn frame);
    /// Makes a frame the next that an ordinary movable 4 KiB request gets, wherever it was free or if it was in use
    /// since before the start; false where it was given out since.
    bool hand_next(pfn frame);
    /// A frame in use since before the start holds kernel objects; false where it is not such a frame.
    bool mark_slab(pfn frame);
    /// Such a frame has no reference count of its own; false where it is not such a frame.
    bool mark_unreferenced(pfn frame);
    /// Fills the own per-CPU list where it is empty, as the next request would.
    void refill_per_cpu(migrate_type type);

    // ---- CA paging ----

    /// Takes 2^size frames at `target`, aligned and in the zone. A failure changes nothing.
    artifact_taking take(pfn target, order size);
    /// Next fit: names room for `wanted` frames and moves the rover behind them; nothing is taken.
    std::optional<pfn> choose(page_count wanted);
    /// The same, and takes the first 2^size frames.
    std::optional<pfn> place(page_count wanted, order size);
    /// Takes one frame that is reserved for the page cache. A failure changes nothing.
    artifact_taking take_reserved(pfn target);
    /// Reserves all but the first frame of a block that was just taken.
    void reserve_tail(pfn block, order size);
    /// Gives back what is still reserved of these frames.
    void release_reserved(frame_run frames);

    // ---- questions ----

    [[nodiscard]] const artifact_zone_options& options() const noexcept { return options_; }
    [[nodiscard]] frame_run span() const noexcept { return span_; }
    [[nodiscard]] page_count managed() const noexcept {
        return options_.managed.raw == 0 ? span_.count : options_.managed;
    }
    [[nodiscard]] bool contains(pfn frame) const noexcept { return span_.contains(frame); }
    [[nodiscard]] bool exists(pfn frame) const noexcept { return contains(frame) && state_at(frame) != state::missing; }
    /// Whether the frame is in a free block, on a per-CPU list, or reserved.
    [[nodiscard]] bool is_free(pfn frame) const noexcept;
    /// Whether the frame is in a free block of the buddy.
    [[nodiscard]] bool in_buddy(pfn frame) const noexcept;
    [[nodiscard]] const artifact_map& map() const noexcept { return map_; }
    [[nodiscard]] std::optional<pfn> rover() const noexcept { return map_.rover(migrate_type::movable); }
    /// The free 4 MiB block that follows another on the list of movable ones, after the last the first.
    [[nodiscard]] std::optional<pfn> block_behind(pfn block) const noexcept;
    /// The frames of a per-CPU list, head first.
    [[nodiscard]] std::vector<pfn> per_cpu_frames(unsigned cpu, migrate_type type) const;
    /// What is free, list by list in their order, one line per block.
    [[nodiscard]] std::vector<listed_blocks> dump(zone_name name) const;
    [[nodiscard]] page_count free_frames() const noexcept { return free_frames_; }
    /// The kernel's own number, which drifts.
    [[nodiscard]] std::int64_t reported_free() const noexcept { return reported_free_; }
    /// Situations in which the original stops with a BUG.
    [[nodiscard]] std::uint64_t crashes() const noexcept { return crashes_; }
    void run_on(unsigned cpu) noexcept { cpu_ = cpu; }

    violation audit() const;

  private:
    friend struct corrupt;
    using node = frame_lists::node;
    enum class state : std::uint8_t {
        missing,       // no such frame
        before,        // in use since before the start
        slab,          // the same, and known to hold small kernel objects
        unreferenced,  // the same, and known to be counted as nobody's: inside a block of several frames
        used,          // given out as unmovable or reclaimable
        used_movable,  // given out as movable
        tail,          // in a free block
        head,          // first of a free block
        per_cpu,       // on a per-CPU list
        reserved,      // reserved for the page cache
    };
    static constexpr bool in_use(state s) noexcept { return s <= state::used_movable && s != state::unreferenced; }
    static constexpr std::size_t per_cpu_types = 3;
    /// The recorded kernel has no pages of hugetlbfs, whose size pageblocks would have else.
    static constexpr order pageblock_order = top_order;

    // Numbers of lists: free blocks, reserved blocks, per-CPU frames.
    static constexpr std::size_t buddy_list(order size, migrate_type type) noexcept {
        return size.raw * migrate_types + static_cast<std::size_t>(type);
    }
    static constexpr std::size_t buddy_lists = (top_order.raw + 1) * migrate_types;
    static constexpr std::size_t reserved_list(order size, migrate_type type) noexcept {
        return buddy_lists + buddy_list(size, type);
    }
    static constexpr std::size_t per_cpu_list(unsigned cpu, migrate_type type) noexcept {
        return 2 * buddy_lists + cpu * per_cpu_types + static_cast<std::size_t>(type);
    }
    static constexpr migrate_type per_cpu_type(migrate_type type) noexcept {
        return static_cast<std::size_t>(type) < per_cpu_types ? type : migrate_type::movable;
    }

    [[nodiscard]] node index(pfn frame) const noexcept { return static_cast<node>((frame - base_).raw); }
    [[nodiscard]] pfn frame_at(node n) const noexcept { return base_ + page_count{n}; }
    [[nodiscard]] state state_at(pfn frame) const noexcept { return states_[index(frame)]; }
    void set_states(pfn first, order size, state to) noexcept;
    [[nodiscard]] migrate_type pageblock_type(pfn frame) const noexcept {
        return pageblocks_[index(frame) >> pageblock_order.raw];
    }
    void set_pageblock_type(pfn frame, migrate_type type) noexcept {
        pageblocks_[index(frame) >> pageblock_order.raw] = type;
    }
    bool mark(pfn frame, state as) noexcept;
    [[nodiscard]] bool is_head(pfn frame, order size) const noexcept {
        return contains(frame) && state_at(frame) == state::head && sizes_[index(frame)] == size.raw;
    }
    [[nodiscard]] bool has(artifact_rule rule) const noexcept { return options_.rules.has(rule); }

    // Free blocks: frames of a block have state `tail`, its first one `head`.
    void make_head(pfn block, order size) noexcept;
    void link_front(pfn block, order size, migrate_type type);
    void link_back(pfn block, order size, migrate_type type);
    void build_map();
    void link_sorted(pfn block, migrate_type type);
    void unlink(pfn block, order size) noexcept;
    void map_add(pfn block, migrate_type type);
    void map_remove(pfn block, bool move_rover);
    void move_rover_off(pfn block);

    void free_to_buddy(pfn block, order size, migrate_type type);
    void expand(pfn block, order low, order high, migrate_type type);
    std::optional<pfn> take_smallest(order size, migrate_type type);
    std::optional<pfn> take_any(order size, migrate_type type);
    bool steal(order size, migrate_type type);
    void steal_block(pfn block, order size, migrate_type type, bool whole);
    page_count move_pageblock(pfn block, migrate_type to, page_count& movable);
    std::optional<pfn> take_per_cpu(migrate_type type);
    void free_per_cpu(pfn frame, migrate_type type);
    void drain_per_cpu(std::uint64_t count);
    std::optional<unsigned> per_cpu_owner(pfn frame) const noexcept;
    void take_frames(pfn block, order size, migrate_type type) noexcept;

    void carve(pfn block, order from, pfn target, order size);
    void take_from_per_cpu(pfn frame);
    template <class IsHead>
    [[nodiscard]] std::optional<order> containing_block(pfn target, order size, order limit, IsHead&& is_head,
                                                        artifact_failure& why) const noexcept;
    void link_reserved(pfn block, order size);
    violation audit_list(std::size_t list, order size, state head, std::uint64_t& frames) const;
    violation audit_free_blocks() const;
    violation audit_map() const;

    frame_run span_;
    pfn base_;
    artifact_zone_options options_;
    frame_lists lists_;
    std::vector<state> states_;
    std::vector<std::uint8_t> sizes_;  // orders, of free heads and reserved heads
    std::vector<bool> reserved_heads_;
    std::vector<migrate_type> pageblocks_;
    std::vector<std::int64_t> per_cpu_counts_;
    artifact_map map_;
    page_count free_frames_{0};
    std::int64_t reported_free_ = 0;
    std::uint64_t crashes_ = 0;
    unsigned cpu_ = 0;
    bool started_ = false;
};

LONGREACH_NAMESPACE_END

#include "artifact_zone_audit_impl.hpp"
#include "artifact_zone_buddy_impl.hpp"
#include "artifact_zone_start_impl.hpp"
#include "artifact_zone_taking_impl.hpp"

#endif
