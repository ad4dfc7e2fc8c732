// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_RULES_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_RULES_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "../../allocator/config.hpp"

// What the original CA-paging kernel does otherwise than is right, by name. Each can be switched off alone, to see
// what it costs; with all of them on, artifact_policy decides exactly as the original.
// Source: the kernel released with CA paging (ISCA 2020, Linux 4.19.60).

LONGREACH_NAMESPACE_BEGIN

enum class artifact_rule : std::uint8_t {
    // ---- next-fit placement ----

    /// The walk over free ranges ends one too early: the range just before the rover's is never looked at, so that a
    /// fit is missed.
    skips_range_before_rover,
    /// Frames of the rover's own range that lie below the rover are never looked at, not even last.
    ignores_frames_below_rover,
    /// A rover on any free block counts as sound, whatever its size: on a small block the kernel stops.
    trusts_small_rover,
    /// A zone without a free 4 MiB block at boot starts with a range that does not exist, at frame 0; choosing it stops
    /// the kernel.
    bogus_first_range,

    // ---- free lists ----

    /// A freed 4 MiB block is sorted by probing both ways in step, until either way leaves the zone or meets a hole:
    /// the block then goes to an end of the list, and to both ends where both ways end at once.
    one_sided_sorting,
    /// What is left of a carved block goes to the list of the request's migrate type, whatever the pageblock's is.
    remainders_follow_request,

    // ---- taking a target ----

    /// A containing free block is recognised only where the target lies in its upper half: others count as refused
    /// although they are free.
    climbs_upper_halves,
    /// 4 KiB targets are never cut from a free 4 MiB block: memory that was never used serves none.
    small_pages_spare_blocks,
    /// A frame taken from another processor's list is subtracted from the own list's length.
    miscounts_per_cpu,
    /// Placed superpages are never subtracted from the number of free frames, frames from per-CPU lists twice:
    /// watermarks are checked against a number that drifts.
    drifting_free_count,
    /// A process larger than the zone has its target looked up in the target's zone, but placements in the zone that
    /// is being tried: the target of a far zone is taken in a near one's turn.
    large_process_spills,

    // ---- offsets ----

    /// Offsets count from the area's first page even where that is not on a 2 MiB boundary, and superpage targets are
    /// rounded up: 4 KiB pages and superpages of one area differ in their offset.
    unaligned_offsets,
    /// The size wanted by a first fault whose target is refused is not initialised, in practice huge: the longest
    /// range is taken, whatever the area needs.
    boundless_first_wish,
    /// Offset 0 means "none", also where page and frame are equal.
    zero_offset_is_none,
    /// A record for page 0 counts as the end of the records: those behind it are never seen.
    page_zero_ends_records,
    /// A second record for one page is added behind the first, which keeps winning: every fault places anew.
    older_record_wins,
    /// A 4 KiB fault that misses its target neither places anew nor records where it went: the next one misses too.
    small_faults_leave_no_record,
    /// A fault that finds another one of its area in progress aims at the frame of its own page's number, and may not
    /// place.
    latecomers_miss,

    // ---- the life of an area ----

    /// A stack made by exec never takes part.
    stacks_stay_out,
    /// Both parts of a split area keep all records, also those of the other part.
    splits_copy_all,
    /// Of two areas that become one, the records of the upper are lost.
    merges_forget,
    /// A moved area keeps its records at the old addresses: they name wrong frames.
    moves_keep_old_pages,
    /// A child aims at its parent's frames, which are in use: copies are never contiguous.
    children_aim_at_parents,
    /// Where no 2 MiB block is left, the fault is tried again forever; 4 KiB pages are never used instead.
    retries_forever,

    // ---- files ----

    /// Any page that misses, even a 4 KiB one, moves the offset of the whole file.
    any_page_moves_file,
    /// Frames reserved behind the head of a file's 2 MiB block stay reserved until that very frame is wanted.
    reserved_frames_leak,
    /// A new file in a recycled inode starts with the old file's offset.
    recycled_files_keep_offset,

    count  ///< number of rules
};

/// A set of rules.
class artifact_rules {
  public:
    constexpr artifact_rules() = default;
    constexpr artifact_rules(std::initializer_list<artifact_rule> rules) noexcept {
        for (const artifact_rule rule : rules) bits_ |= bit(rule);
    }

    /// The original.
    [[nodiscard]] static constexpr artifact_rules all() noexcept {
        artifact_rules rules;
        rules.bits_ = bit(artifact_rule::count) - 1;
        return rules;
    }

    friend constexpr bool operator==(const artifact_rules&, const artifact_rules&) = default;
    [[nodiscard]] constexpr bool has(artifact_rule rule) const noexcept { return (bits_ & bit(rule)) != 0; }
    [[nodiscard]] constexpr artifact_rules without(artifact_rule rule) const noexcept {
        artifact_rules rules = *this;
        rules.bits_ &= ~bit(rule);
        return rules;
    }

  private:
    static constexpr std::uint32_t bit(artifact_rule rule) noexcept {
        return std::uint32_t{1} << static_cast<unsigned>(rule);
    }

    std::uint32_t bits_ = 0;
};

static_assert(static_cast<std::size_t>(artifact_rule::count) < 32);

LONGREACH_NAMESPACE_END

#endif
