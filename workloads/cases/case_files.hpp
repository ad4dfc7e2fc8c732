// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_FILES_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_FILES_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../input_error.hpp"
#include "../zstd_lines.hpp"
#include "case_folder.hpp"
#include "csv_lines.hpp"
#include "recorded_case.hpp"

// The files of a recorded boot, one function each: free blocks, contiguity map, mapped pages, map entries. Every
// function finds what is wrong with a line by itself or beside its neighbours. The fault log is in case_faults.hpp.
// Formats: tests/groundtruth/README.md.

LONGREACH_NAMESPACE_BEGIN

/// Lines of the longest file that is accepted, and faults of the longest log after unfolding.
inline constexpr std::size_t most_case_lines = std::size_t{1} << 22;

[[nodiscard]] inline absl::StatusOr<csv_lines> open_case_csv(const case_folder& folder, const std::string& name,
                                                             std::initializer_list<const char*> columns) {
    absl::StatusOr<zstd_lines> lines = folder.open(name);
    if (!lines.ok()) return lines.status();
    return csv_lines::begin(*std::move(lines), columns);
}

/// The zone that holds all of these frames, or nothing.
[[nodiscard]] inline std::optional<zone_name> zone_of(frame_run frames) noexcept {
    for (std::size_t zone = 0; zone < zone_count; ++zone) {
        if (zone_spans[zone].contains(frames)) return static_cast<zone_name>(zone);
    }
    return std::nullopt;
}

namespace detail {

/// Adds rows to a list; refuses more than the limit.
template <class Row>
void keep_row(csv_lines& rows, std::vector<Row>& into, Row row) {
    if (into.size() == most_case_lines)
        return rows.reject_row(absl::StrCat("expected at most ", most_case_lines, " lines"));
    into.push_back(std::move(row));
}

/// Whether stretches of frames, each with the line that it is from, share a frame; the later line of the first two.
struct lined_frames {
    frame_run frames{};
    std::uint64_t line = 0;
};
[[nodiscard]] inline std::optional<std::pair<lined_frames, lined_frames>> find_overlap(std::vector<lined_frames> all) {
    std::sort(all.begin(), all.end(),
              [](const lined_frames& a, const lined_frames& b) { return a.frames.first < b.frames.first; });
    for (std::size_t i = 1; i < all.size(); ++i) {
        if (!all[i - 1].frames.overlaps(all[i].frames)) continue;
        const bool in_order = all[i - 1].line < all[i].line;
        return std::pair(all[in_order ? i - 1 : i], all[in_order ? i : i - 1]);
    }
    return std::nullopt;
}

[[nodiscard]] inline zone_name read_zone(csv_lines& rows, std::size_t column) {
    return rows.one_of<zone_name>(column, {{"DMA32", zone_name::dma32}, {"Normal", zone_name::normal}});
}

/// Which list, and for a per-CPU list whose.
inline void read_list(csv_lines& rows, std::size_t column, listed_blocks& into) {
    const std::string_view text = rows.text(column);
    if (text == "buddy") {
        into.list = free_list::zone;
    } else if (text == "reserved") {
        into.list = free_list::reserved;
    } else {
        into.list = free_list::per_cpu;
        const auto cpu = parse_digits(text.substr(0, 3) == "pcp" ? text.substr(3) : std::string_view(), 10);
        if (!cpu || *cpu >= 64) rows.reject(column, "buddy, reserved or pcp with a number below 64");
        into.cpu = static_cast<unsigned>(cpu.value_or(0));
    }
}

}

/// Reads `W.SNAP.free_blocks.csv`: blocks lie in their zone, aligned, and share no frame.
[[nodiscard]] inline absl::StatusOr<std::vector<listed_blocks>> read_free_blocks(const case_folder& folder,
                                                                                 const std::string& name) {
    enum : std::size_t { zone, size, type, list, start, count };
    absl::StatusOr<csv_lines> rows =
        open_case_csv(folder, name, {"zone", "order", "migratetype", "list", "start_pfn", "nblocks"});
    if (!rows.ok()) return rows.status();
    std::vector<listed_blocks> blocks;
    std::vector<detail::lined_frames> frames;
    while (rows->next()) {
        listed_blocks block;
        block.zone = detail::read_zone(*rows, zone);
        block.size = order{static_cast<unsigned>(rows->decimal(size, 11))};
        block.type = rows->one_of<migrate_type>(type, {{"unmovable", migrate_type::unmovable},
                                                       {"movable", migrate_type::movable},
                                                       {"reclaimable", migrate_type::reclaimable},
                                                       {"highatomic", migrate_type::highatomic},
                                                       {"cma", migrate_type::cma},
                                                       {"isolate", migrate_type::isolate}});
        detail::read_list(*rows, list, block);
        block.first = pfn{rows->hexadecimal(start, std::uint64_t{1} << 40)};
        block.blocks = rows->decimal(count, std::uint64_t{1} << 21);
        if (!rows->status().ok()) break;
        if (block.blocks == 0) rows->reject(count, "at least one block");
        if (!is_aligned(block.first, block.size)) {
            rows->reject(start, absl::StrCat("a multiple of 0x", absl::Hex(block.size.pages().raw)));
        }
        const frame_run covered{block.first, page_count{block.blocks << block.size.raw}};
        if (zone_of(covered) != block.zone) rows->reject(start, "blocks inside their zone");
        detail::keep_row(*rows, blocks, block);
        frames.push_back({covered, rows->line_number()});
    }
    if (!rows->status().ok()) return rows->status();
    if (const auto shared = detail::find_overlap(std::move(frames))) {
        return bad_input_at_line(
            rows->name(), shared->second.line,
            absl::StrCat("start_pfn: expected frames of no other block, found some of line ", shared->first.line));
    }
    return blocks;
}

/// Reads the next-fit rovers from `W.SNAP.contiguity_map.csv`. A zone without free blocks of the largest order has
/// none; the original then prints a frame far beyond memory.
[[nodiscard]] inline absl::StatusOr<std::array<std::optional<pfn>, zone_count>> read_rovers(const case_folder& folder,
                                                                                            const std::string& name) {
    enum : std::size_t { zone, start, end };
    absl::StatusOr<csv_lines> rows = open_case_csv(folder, name, {"zone", "start_pfn", "end_pfn"});
    if (!rows.ok()) return rows.status();
    constexpr pfn no_rover{0x5800000000};
    std::array<std::optional<pfn>, zone_count> rovers{};
    while (rows->next()) {
        if (rows->text(end) != "ROVER") continue;
        const zone_name of = detail::read_zone(*rows, zone);
        const pfn rover{rows->hexadecimal(start)};
        if (!rows->status().ok()) break;
        if (rover == no_rover) continue;
        if (zone_of({rover, page_count{1}}) != of) rows->reject(start, "a frame of the zone");
        rovers[static_cast<std::size_t>(of)] = rover;
    }
    if (!rows->status().ok()) return rows->status();
    return rovers;
}

/// Reads `boot_contiguity_map.csv` as free blocks of the largest order; a rover stands on each zone's first.
[[nodiscard]] inline absl::StatusOr<memory_state> read_boot_memory(const case_folder& folder, const std::string& name) {
    enum : std::size_t { zone, start, end };
    absl::StatusOr<csv_lines> rows = open_case_csv(folder, name, {"zone", "start_pfn", "end_pfn"});
    if (!rows.ok()) return rows.status();
    memory_state state;
    std::vector<detail::lined_frames> frames;
    while (rows->next()) {
        if (rows->text(end) == "ROVER") continue;
        const zone_name of = detail::read_zone(*rows, zone);
        const pfn first{rows->hexadecimal(start, std::uint64_t{1} << 40)};
        const pfn last{rows->hexadecimal(end, std::uint64_t{1} << 40)};
        if (!rows->status().ok()) break;
        const order top{10};
        const frame_run covered = run_between(first, last);
        if (covered.empty() || !is_aligned(first, top) || !is_aligned(last, top)) {
            rows->reject(start, "a range of multiples of 0x400");
        }
        if (zone_of(covered) != of) rows->reject(start, "a range inside its zone");
        detail::keep_row(*rows, state.blocks,
                         {of, top, migrate_type::movable, free_list::zone, 0, first, covered.count.raw >> top.raw});
        frames.push_back({covered, rows->line_number()});
        std::optional<pfn>& rover = state.rover[static_cast<std::size_t>(of)];
        if (!rover) rover = first;
    }
    if (!rows->status().ok()) return rows->status();
    if (const auto shared = detail::find_overlap(std::move(frames))) {
        return bad_input_at_line(rows->name(), shared->second.line, "start_pfn: expected frames of no other range");
    }
    return state;
}

/// Reads `W.SNAP.runs.csv`: pages in rising order, each once, at most most_case_lines of them.
[[nodiscard]] inline absl::StatusOr<std::vector<mapping<vpn, pfn>>> read_mapped_pages(const case_folder& folder,
                                                                                      const std::string& name) {
    enum : std::size_t { page, frame, count };
    absl::StatusOr<csv_lines> rows = open_case_csv(folder, name, {"va_page", "pfn", "npages"});
    if (!rows.ok()) return rows.status();
    std::vector<mapping<vpn, pfn>> mapped;
    std::uint64_t pages = 0;
    while (rows->next()) {
        mapping<vpn, pfn> found;
        found.pages.first = vpn{rows->hexadecimal(page, std::uint64_t{1} << 36)};
        found.frame = pfn{rows->hexadecimal(frame, std::uint64_t{1} << 40)};
        found.pages.count = page_count{rows->decimal(count, std::uint64_t{1} << 36)};
        if (!rows->status().ok()) break;
        if (found.pages.empty()) rows->reject(count, "at least one page");
        if (!zone_of(found.frames())) rows->reject(frame, "frames of one zone");
        if (!mapped.empty() && found.pages.first < mapped.back().pages.end()) {
            rows->reject(page, "a page behind those of the line before");
        }
        if (found.pages.count.raw > most_case_lines - pages) {
            rows->reject(count, absl::StrCat("at most ", most_case_lines, " pages in all"));
        }
        pages += found.pages.count.raw;
        detail::keep_row(*rows, mapped, found);
    }
    if (!rows->status().ok()) return rows->status();
    return mapped;
}

/// One line of `/proc/PID/maps`.
struct recorded_entry {
    page_run pages{};
    bool private_writable = false;
    std::string name;  ///< "[heap]", "[stack]", a file; empty for anonymous memory
};

/// Reads `W.SNAP.maps.txt`; entries of the kernel's half of the address space are passed over.
[[nodiscard]] inline absl::StatusOr<std::vector<recorded_entry>> read_map_entries(const case_folder& folder,
                                                                                  const std::string& file) {
    absl::StatusOr<zstd_lines> lines = folder.open(file);
    if (!lines.ok()) return lines.status();
    std::vector<recorded_entry> entries;
    while (const std::optional<std::string_view> line = lines->next()) {
        const std::string_view range = line->substr(0, line->find(' '));
        const std::size_t dash = range.find('-');
        if (range.substr(0, 8) == "ffffffff") continue;
        std::optional<std::uint64_t> start;
        std::optional<std::uint64_t> end;
        if (dash != std::string_view::npos) {
            start = parse_digits(range.substr(0, dash), 16);
            end = parse_digits(range.substr(dash + 1), 16);
        }
        constexpr std::uint64_t limit = std::uint64_t{1} << 48;
        if (!start || !end || *start >= *end || *end >= limit || *start % page_bytes != 0 || *end % page_bytes != 0) {
            return lines->error_here(absl::StrCat("expected a range of page addresses, found ", in_quotes(range)));
        }
        recorded_entry entry;
        entry.pages = run_between(vpn{*start / page_bytes}, vpn{*end / page_bytes});
        if (!entries.empty() && entry.pages.first < entries.back().pages.end()) {
            return lines->error_here("expected a range behind that of the line before");
        }
        if (entries.size() == 65536) return lines->error_here("expected at most 65536 lines");
        entry.private_writable = line->substr(range.size(), 5) == " rw-p" || line->substr(range.size(), 5) == " rwxp";
        // Behind the range: protection, offset, device, inode; the name, if any, is the last word.
        const std::size_t last = line->find_last_not_of(' ');
        const std::size_t space = line->find_last_of(' ', last);
        const std::string_view word = line->substr(space + 1, last - space);
        if (!word.empty() && (word.front() == '/' || word.front() == '[')) entry.name = std::string(word);
        entries.push_back(std::move(entry));
    }
    if (!lines->status().ok()) return lines->status();
    return entries;
}

LONGREACH_NAMESPACE_END

#endif
