// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RECORDING_HPP
#define LONGREACH_WORKLOADS_RECORDING_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/units.hpp"

// A recorded program in memory: its mappings, first touches, first stores, TLB misses and accesses.
//
// These are plain values in file order; recording_reader.hpp makes them from text, recording_check.hpp
// proves that they fit together, stream.hpp merges them into one sequence of events. Nothing here is locked.
// `seq` is always the index, from 0, of a data access in the whole run. The format: workloads/README.md.

LONGREACH_NAMESPACE_BEGIN

/// Addresses of a recording lie below this: the user half of four-level x86-64.
inline constexpr std::uint64_t address_limit = std::uint64_t{1} << 47;

/// What a mapping lets the program do.
struct vma_protection {
    bool read = false;
    bool write = false;
    bool execute = false;

    friend constexpr bool operator==(const vma_protection&, const vma_protection&) = default;
};

/// What happened to the address space.
enum class vma_kind : std::uint8_t {
    init,        ///< a mapping that exists before the first instruction
    mmap,        ///< a new mapping; with `map_fixed` it replaces what was there
    munmap,      ///< the range is unmapped; holes in it are allowed
    mprotect,    ///< the range gets another protection
    brk_first,   ///< names the initial break: `pages` is empty
    brk_grow,    ///< the heap gains these pages
    brk_shrink,  ///< the heap gives these pages up
    mremap,      ///< `moved_from` becomes `pages`, and touched pages move with it
    empty,       ///< madvise(MADV_DONTNEED): the pages lose their contents but stay mapped
    advice,      ///< any other madvise; only noted
};

/// What stands behind a mapping.
enum class vma_backing : std::uint8_t { none, anonymous, file };

/// One line of `vmas`. It happened after access seq - 1 and before access seq.
struct vma_event {
    // Bits of `flags`, as in Linux on x86-64.
    static constexpr std::uint32_t map_shared = 0x1;
    static constexpr std::uint32_t map_private = 0x2;
    static constexpr std::uint32_t map_fixed = 0x10;
    static constexpr std::uint32_t map_grows_down = 0x100;
    static constexpr std::uint32_t mremap_fixed = 0x2;
    static constexpr std::uint32_t mremap_keeps_old = 0x4;

    std::uint64_t seq = 0;
    page_run pages{};             ///< the range, after a move for `mremap`; empty for `brk_first` alone
    page_run moved_from{};        ///< `mremap` alone: the range before
    std::uint64_t file_page = 0;  ///< `file` backing: offset into the file in pages
    std::uint32_t flags = 0;      ///< MAP_ bits, MREMAP_ bits for `mremap`
    std::uint32_t file = 0;       ///< `file` backing: index into recording::files
    std::uint32_t advice = 0;     ///< `empty` and `advice`: the argument of madvise
    vma_kind kind = vma_kind::init;
    vma_backing backing = vma_backing::none;     ///< `none` where it does not apply
    std::optional<vma_protection> protection{};  ///< empty where it does not apply

    friend bool operator==(const vma_event&, const vma_event&) = default;
    /// Whether a first store to a file page of this mapping takes a copy of its own.
    [[nodiscard]] bool is_private() const noexcept { return (flags & map_shared) == 0; }
};

/// A code address and what its instruction did, in eight bytes.
struct access_site {
    std::uint64_t pc : 48;    ///< address of the instruction
    std::uint64_t write : 1;  ///< 1 for a store, 0 for a load
    std::uint64_t size : 15;  ///< bytes, 1 to 4096, where the record has a size; otherwise 0

    constexpr access_site() noexcept : pc(0), write(0), size(0) {}
    constexpr access_site(std::uint64_t code_address, bool store, std::uint64_t bytes = 0) noexcept
        : pc(code_address & 0xffff'ffff'ffffU), write(store ? 1U : 0U), size(bytes & 0x7fffU) {}
    friend constexpr bool operator==(const access_site& a, const access_site& b) noexcept {
        return a.pc == b.pc && a.write == b.write && a.size == b.size;
    }
};

/// One line of `faults`: the first touch of a page since it was mapped or emptied.
struct page_fault {
    std::uint64_t seq = 0;
    vpn page{};
    access_site site{};

    friend bool operator==(const page_fault&, const page_fault&) = default;
};

/// One line of `upgrades`: the first store to a page whose first touch was a load.
struct page_upgrade {
    std::uint64_t seq = 0;
    vpn page{};
    access_site site{};

    friend bool operator==(const page_upgrade&, const page_upgrade&) = default;
};

/// One line of `misses`: an access that both levels of the reference filter missed.
struct recorded_miss {
    std::uint64_t seq = 0;
    std::uint64_t va = 0;
    access_site site{};

    friend bool operator==(const recorded_miss&, const recorded_miss&) = default;
};

/// One line of `accesses`: a load or store of site.size bytes; it may reach into the next page.
struct recorded_access {
    std::uint64_t seq = 0;
    std::uint64_t va = 0;
    access_site site{};

    friend bool operator==(const recorded_access&, const recorded_access&) = default;
};
static_assert(sizeof(page_fault) == 24 && sizeof(recorded_miss) == 24 && sizeof(recorded_access) == 24);

/// A stretch of the run, [from_seq, to_seq), whose records are the `count` ones from index `first` on.
struct recorded_window {
    std::string name;
    std::uint64_t from_seq = 0;
    std::uint64_t to_seq = 0;
    std::size_t first = 0;
    std::size_t count = 0;

    friend bool operator==(const recorded_window&, const recorded_window&) = default;
};

/// The file that records came from; knows the line of each.
struct record_source {
    std::string file;                       ///< as messages name it; empty where the recording has no such file
    std::vector<std::uint64_t> comments{};  ///< line numbers of the comment lines, the header being line 1

    friend bool operator==(const record_source&, const record_source&) = default;
    [[nodiscard]] bool present() const noexcept { return !file.empty(); }
    /// The line of the record with this index. O(comments).
    [[nodiscard]] std::uint64_t line_of(std::size_t index) const noexcept {
        std::uint64_t line = index + 1;
        for (const std::uint64_t comment : comments) line += comment <= line ? 1U : 0U;
        return line;
    }
};

/// The lines of `totals.txt`, in their order.
struct recorded_totals {
    std::vector<std::pair<std::string, std::uint64_t>> values;

    friend bool operator==(const recorded_totals&, const recorded_totals&) = default;
    [[nodiscard]] std::optional<std::uint64_t> value(std::string_view name) const {
        const auto found = std::find_if(values.begin(), values.end(), [&](const auto& v) { return v.first == name; });
        if (found == values.end()) return std::nullopt;
        return found->second;
    }
};

/// What a run on base pages needs at least, measured by replaying the recording.
struct recorded_footprint {
    std::uint64_t peak_pages = 0;         ///< most pages resident at once
    std::uint64_t peak_seq = 0;           ///< the access at which that is first so
    std::uint64_t table_frames = 0;       ///< four-level table frames at that moment, the root included: one for each
                                          ///< 2 MiB, 1 GiB and 512 GiB region that holds a resident page
    std::uint64_t most_table_frames = 0;  ///< the same over all regions ever touched, as if no table were freed
    std::uint64_t distinct_pages = 0;     ///< page numbers ever touched
    std::uint64_t refaults = 0;           ///< arrivals, by fault or move, at a page number touched before
    std::uint64_t moved_pages = 0;        ///< touched pages that mremap moved
    std::uint64_t copy_frames = 0;        ///< most frames in use while a private file page is copied, tables included
    std::uint64_t file_copies = 0;        ///< pages of private file mappings stored to; each takes a frame of its own

    friend bool operator==(const recorded_footprint&, const recorded_footprint&) = default;
    /// Frames without which the run cannot succeed on base pages.
    [[nodiscard]] std::uint64_t frames() const noexcept { return std::max(peak_pages + table_frames, copy_frames); }
};

/// A recorded program. Every vector is in file order, in which `seq` never decreases.
struct recording {
    std::string name;                  ///< the workload's name, from the header of `vmas`
    std::string command;               ///< how the program was called; empty where the header does not say
    std::vector<std::string> files{};  ///< names of mapped files
    std::vector<vma_event> vmas{};
    std::vector<page_fault> faults{};
    std::vector<page_upgrade> upgrades{};
    std::vector<recorded_miss> misses{};
    std::vector<recorded_access> accesses{};
    recorded_totals totals{};
    std::optional<recorded_window> startup{};      ///< of `accesses`
    std::optional<recorded_window> steady{};       ///< of `accesses`
    std::optional<recorded_window> miss_window{};  ///< of `misses`
    recorded_footprint footprint{};                ///< filled by check_recording()
    record_source vma_source{}, fault_source{}, upgrade_source{}, miss_source{}, access_source{}, total_source{};

    friend bool operator==(const recording&, const recording&) = default;
};

LONGREACH_NAMESPACE_END

#endif
