// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_UNUSABLE_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_UNUSABLE_HPP

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../random.hpp"
#include "fragmentation.hpp"
#include "memory_image.hpp"
#include "random_subset.hpp"

// Brings the unusable free space index of an order to a target: the share of free memory that lies in blocks too small
// for a request of that order.
//
// Above it, pieces give back what steps took of them, partly taken ones first; below it, single frames of free pieces
// are taken; both drawn at random. No state.
// Source of the index: M. Gorman and A. Whitcroft, The what, the why and the where to of anti-fragmentation, Ottawa
// Linux Symposium 2006; Linux mm/vmstat.c. Of the target: M. Mansi and M. M. Swift, Characterizing physical memory
// fragmentation, 2024.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

class unusable_target {
  public:
    unusable_target(memory_image& memory, const unusable_step& step, random_numbers& random)
        : memory_(memory), size_(step.size), target_(step.thousandths), random_(random) {
        recount();
    }

    [[nodiscard]] absl::Status reach() {
        if (free_ == 0) return absl::InvalidArgumentError("expected free memory, found none");
        while (excess() > 0 && give_back()) recount();
        if (excess() < 0 && pages() > 1) take_some();
        const std::uint64_t found = (free_ - usable_) * 1000 / free_;
        const std::uint64_t apart = found > target_ ? found - target_ : target_ - found;
        if (apart <= tolerance) return absl::OkStatus();
        return absl::InvalidArgumentError(absl::StrCat(
            "expected an index within ", share_text(tolerance), " of ", share_text(static_cast<unsigned>(target_)),
            " to be possible here, reached ", share_text(static_cast<unsigned>(found))));
    }

  private:
    static constexpr unsigned tolerance = 10;  // thousandths

    [[nodiscard]] std::uint64_t pages() const noexcept { return size_.pages().raw; }

    void recount() {
        whole_ = memory_.taken.complement().blocks(size_.raw);
        free_ = memory_.free();
        usable_ = whole_.count() << size_.raw;
    }

    /// Thousandths of a frame of free memory that are unusable beyond the target; below 2^52 in size.
    [[nodiscard]] std::int64_t excess() const noexcept {
        return static_cast<std::int64_t>((free_ - usable_) * 1000) - static_cast<std::int64_t>(free_ * target_);
    }

    /// Frees pieces, as many as their mean says or a little less or more; false where none is left to free.
    [[nodiscard]] bool give_back() {
        unit_set broken = memory_.kept.complement().blocks(size_.raw);
        broken -= whole_;
        unit_set partly = broken;
        partly -= memory_.taken.blocks(size_.raw);
        if (partly.count() != 0) broken = partly;
        const std::uint64_t count = broken.count();
        if (count == 0) return false;
        unit_set theirs = broken.units(size_.raw, memory_.frames());
        theirs &= memory_.taken;
        const std::uint64_t taken = theirs.count();
        // Each gives c frames of its own and makes all its p usable: the excess falls by 1000 (p - c) + target c.
        const std::uint64_t fall = (1000 * (pages() * count - taken) + target_ * taken) / count;
        const std::uint64_t wanted = fall == 0 ? count : static_cast<std::uint64_t>(excess()) / fall + 1;
        memory_.taken -= random_subset(broken, std::min(wanted, count), random_).units(size_.raw, memory_.frames());
        return true;
    }

    /// Takes one frame of each of as many free pieces as come closest: each raises the excess by 1000 (p - 1) + target.
    void take_some() {
        const std::uint64_t rise = 1000 * (pages() - 1) + target_;
        const std::uint64_t wanted = (static_cast<std::uint64_t>(-excess()) + rise / 2) / rise;
        const std::uint64_t count = std::min(wanted, whole_.count());
        random_subset(whole_, count, random_).for_each([this](std::uint64_t piece) {
            memory_.taken.insert((piece << size_.raw) + random_.next() % pages());
        });
        free_ -= count;
        usable_ -= count << size_.raw;
    }

    memory_image& memory_;
    order size_;
    std::uint64_t target_;
    random_numbers& random_;
    unit_set whole_;            // free pieces
    std::uint64_t free_ = 0;    // frames
    std::uint64_t usable_ = 0;  // frames of free pieces
};

}

/// Refused where the target cannot be reached within 0.01: pieces are too large for so small a memory, other programs
/// have what would have to be free, or nothing is free.
[[nodiscard]] inline absl::Status take(memory_image& memory, const unusable_step& step, random_numbers& random) {
    return detail::unusable_target(memory, step, random).reach();
}

LONGREACH_NAMESPACE_END

#endif
