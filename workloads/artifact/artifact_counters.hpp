// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_COUNTERS_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_COUNTERS_HPP

#include <absl/strings/str_format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"

// What the original counts, and the text of its files /proc/capaging/{success,failure,total_alloc}.
// Source: the kernel released with CA paging (ISCA 2020), include/linux/contiguity.h, fs/proc/contiguity.c.

LONGREACH_NAMESPACE_BEGIN

/// Why a target was refused, in the order of the original's file. Four are never counted.
enum class artifact_failure : std::uint8_t {
    invalid_pfn,      ///< no target, or no such frame
    exceed_memory,    ///< never
    guard_page,       ///< never here: a debugging aid
    occupied,         ///< mapped or referenced
    buddy_occupied,   ///< a sibling on the way up is mapped or referenced
    wrong_alignment,  ///< never: targets are rounded up
    exceed_zone,      ///< a sibling on the way up lies in another zone
    nothing_found,    ///< no free block was recognised on the way up
    buddy_guard,      ///< never here: a debugging aid
    subblock,         ///< free, but smaller than wanted
    pagecache,        ///< never
    numa,             ///< outside the zone that was tried
    uncounted,        ///< head of a 4 MiB block for a 4 KiB page, or a per-CPU frame for a superpage: in no file
};
inline constexpr std::array<std::string_view, 12> artifact_failure_names{
    "INVALID_PFN", "EXCEED_MEMORY", "GUARD_PAGE",  "OCCUPIED", "BUDDY_OCCUPIED", "WRONG_ALIGNMENT",
    "EXCEED_ZONE", "NOTHING_FOUND", "BUDDY_GUARD", "SUBBLOCK", "PAGECACHE",      "NUMA"};

/// How a target was had, in the order of the original's file.
enum class artifact_success : std::uint8_t {
    superblock,  ///< cut from a larger free block
    subblock,    ///< never
    exact,       ///< a free block of just that size
    reserved,    ///< a frame reserved behind a file's superpage
    pagecache,   ///< never
    uncounted,   ///< from a per-CPU list: in no file
};
inline constexpr std::array<std::string_view, 5> artifact_success_names{"SUPERBLOCK", "SUBBLOCK", "EXACT", "RESERVED",
                                                                        "PAGECACHE"};

class artifact_counters {
  public:
    void attempt() noexcept { ++attempts_; }
    void failed(order size, artifact_failure why) noexcept {
        if (why != artifact_failure::uncounted) ++failures_[size.raw][static_cast<std::size_t>(why)];
    }
    void succeeded(order size, artifact_success how) noexcept {
        if (how != artifact_success::uncounted) ++successes_[size.raw][static_cast<std::size_t>(how)];
    }

    [[nodiscard]] std::uint64_t total_alloc() const noexcept { return attempts_; }
    [[nodiscard]] std::uint64_t failures(order size, artifact_failure why) const noexcept {
        return failures_[size.raw][static_cast<std::size_t>(why)];
    }
    [[nodiscard]] std::uint64_t successes(order size, artifact_success how) const noexcept {
        return successes_[size.raw][static_cast<std::size_t>(how)];
    }

    [[nodiscard]] std::string total_alloc_text() const { return absl::StrFormat("%d\n", attempts_); }
    [[nodiscard]] std::string failure_text() const { return text(failures_, artifact_failure_names, ""); }
    [[nodiscard]] std::string success_text() const { return text(successes_, artifact_success_names, "\n\n"); }

  private:
    template <std::size_t Reasons>
    using table = std::array<std::array<std::uint64_t, Reasons>, 11>;

    template <std::size_t Reasons>
    static std::string text(const table<Reasons>& counts, const std::array<std::string_view, Reasons>& names,
                            std::string_view after_order) {
        std::string lines;
        std::array<std::uint64_t, Reasons> totals{};
        for (std::size_t size = 0; size < counts.size(); ++size) {
            absl::StrAppendFormat(&lines, "ORDER[%d]\n", size);
            append(lines, counts[size], names);
            lines += after_order;
            for (std::size_t i = 0; i < Reasons; ++i) totals[i] += counts[size][i];
        }
        lines += "TOTAL\n";
        append(lines, totals, names);
        return lines;
    }
    template <std::size_t Reasons>
    static void append(std::string& lines, const std::array<std::uint64_t, Reasons>& counts,
                       const std::array<std::string_view, Reasons>& names) {
        for (std::size_t i = 0; i < Reasons; ++i) absl::StrAppendFormat(&lines, "\t\t%s:\t%d\n", names[i], counts[i]);
    }

    std::uint64_t attempts_ = 0;
    table<artifact_failure_names.size()> failures_{};
    table<artifact_success_names.size()> successes_{};
};

LONGREACH_NAMESPACE_END

#endif
