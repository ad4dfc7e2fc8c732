// SPDX-License-Identifier: MIT
#include <absl/flags/flag.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <longreach/workloads/buddyinfo.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "byte_units.hpp"
#include "command.hpp"
#include "report.hpp"
#include "table.hpp"

ABSL_FLAG(std::string, buddyinfo, "",
          "counts of free blocks to inspect: /proc/buddyinfo, a saved copy of it, or - for stdin");
ABSL_FLAG(std::string, page, "4K", "size of a frame on the machine that the counts come from: 4K, 16K, 64K");

namespace longreach {

namespace {

/// The free memory of one zone, or of all of them together.
struct inspected_zone {
    std::int64_t node;  // -1 for all
    std::string zone;
    std::vector<std::uint64_t> blocks;
};

/// The zones, and behind them their sum.
std::vector<inspected_zone> with_total(const std::vector<zone_free_blocks>& zones) {
    std::vector<inspected_zone> result;
    inspected_zone total{-1, "all", std::vector<std::uint64_t>(zones.front().blocks.size())};
    for (const zone_free_blocks& each : zones) {
        for (std::size_t order = 0; order < each.blocks.size(); ++order) total.blocks[order] += each.blocks[order];
        result.push_back({each.node, each.zone, each.blocks});
    }
    result.push_back(std::move(total));
    return result;
}

/// 2^exponent bytes.
std::string power_text(std::size_t exponent) {
    return absl::StrCat(std::uint64_t{1} << exponent % 10, std::string(1, "BKMGTPEZY"[exponent / 10]));
}

/// Bytes, to a tenth where they are no whole number of the largest unit.
std::string size_text(std::uint64_t bytes) {
    if (bytes == 0) return "0";
    const std::size_t unit = byte_unit(bytes, 6);
    const char name = "BKMGTPE"[unit];
    const std::uint64_t one = std::uint64_t{1} << 10 * unit;
    if (bytes % one == 0) return absl::StrFormat("%d%c", bytes / one, name);
    return absl::StrFormat("%.1f%c", static_cast<double>(bytes) / static_cast<double>(one), name);
}

std::string thousandths_text(int value) {
    return absl::StrFormat("%s%d.%03d", value < 0 ? "-" : "", std::abs(value) / 1000, std::abs(value) % 1000);
}

void print_lines(const std::vector<inspected_zone>& zones, unsigned page_shift, report_format format) {
    report_lines lines(format);
    for (const inspected_zone& each : zones) {
        for (std::size_t order = 0; order < each.blocks.size(); ++order) {
            lines.add({{"node", each.node},
                       {"zone", each.zone},
                       {"order", std::uint64_t{order}},
                       {"page_bytes", std::uint64_t{1} << page_shift},
                       {"free_blocks", each.blocks[order]},
                       {"free_bytes", (each.blocks[order] << order) << page_shift},
                       {"unusable_index", unusable_index(each.blocks, order) / 1000.0},
                       {"fragmentation_index", fragmentation_index(each.blocks, order) / 1000.0},
                       {"zone_free_bytes", free_frames_from(each.blocks, 0) << page_shift},
                       {"zone_largest_run_bytes", largest_proven_run(each.blocks) << page_shift}});
        }
    }
}

/// A table with a line for each zone and a column for each order, headed by the size of its blocks, and `more` behind.
template <class Cell>
void print_table(const char* title, const std::vector<inspected_zone>& zones, unsigned page_shift, Cell&& cell,
                 const std::vector<std::pair<const char*, std::string (*)(const inspected_zone&, unsigned)>>& more) {
    std::vector<std::string> heading{"node", "zone"};
    for (std::size_t order = 0; order < zones.front().blocks.size(); ++order) {
        heading.push_back(power_text(page_shift + order));
    }
    for (const auto& column : more) heading.emplace_back(column.first);
    text_table table(std::move(heading));
    for (const inspected_zone& each : zones) {
        std::vector<std::string> row{each.node < 0 ? "all" : absl::StrCat(each.node), each.zone};
        for (std::size_t order = 0; order < each.blocks.size(); ++order) row.push_back(cell(each.blocks, order));
        for (const auto& column : more) row.push_back(column.second(each, page_shift));
        table.add(std::move(row));
    }
    std::printf("%s\n%s\n", title, table.str(2).c_str());
}

void print_tables(const std::vector<inspected_zone>& zones, unsigned page_shift) {
    using counts = std::span<const std::uint64_t>;
    print_table("Free memory in blocks of", zones, page_shift,
                [&](counts blocks, std::size_t order) { return size_text((blocks[order] << order) << page_shift); },
                {{"free", [](const inspected_zone& of,
                             unsigned shift) { return size_text(free_frames_from(of.blocks, 0) << shift); }},
                 {"largest run", [](const inspected_zone& of, unsigned shift) {
                      return size_text(largest_proven_run(of.blocks) << shift);
                  }}});
    print_table("Unusable index: share of free memory in blocks too small for a request of", zones, page_shift,
                [](counts blocks, std::size_t order) { return thousandths_text(unusable_index(blocks, order)); }, {});
    print_table("Fragmentation index for a request of", zones, page_shift,
                [](counts blocks, std::size_t order) {
                    const int index = fragmentation_index(blocks, order);
                    return index == -1000 ? "-" : thousandths_text(index);
                },
                {});
    std::fputs(
        "largest run: the largest free block; blocks that adjoin make longer runs, which counts cannot prove.\n"
        "Fragmentation index: why a request fails, towards 0 for lack of memory, towards 1 because free memory is\n"
        "scattered; - where a block is free and it does not fail. Both indices are those of Linux (extfrag_index and\n"
        "unusable_index in debugfs); the last line takes all zones as one.\n",
        stdout);
}

int run_inspect() {
    static constexpr std::pair<const char*, unsigned> pages[] = {{"4K", 12}, {"16K", 14}, {"64K", 16}};
    report_format format = report_format::table;
    unsigned page_shift = 12;
    const std::string file = absl::GetFlag(FLAGS_buddyinfo);
    absl::Status status =
        file.empty() ? bad_flag("buddyinfo", "", "a file, such as /proc/buddyinfo") : absl::OkStatus();
    if (status.ok()) status = choose("page", absl::GetFlag(FLAGS_page), pages, page_shift);
    if (status.ok()) status = read_format(format);
    if (!status.ok()) return bad_usage(absl::StrCat("longreach inspect: ", status.message()));
    const absl::StatusOr<std::vector<zone_free_blocks>> zones = load_buddyinfo(file);
    if (!zones.ok()) {
        // What is wrong in the file begins with its place, so that editors find it.
        const char* const who = absl::IsInvalidArgument(zones.status()) ? "" : "longreach inspect: ";
        return bad_usage(absl::StrCat(who, zones.status().message()));
    }
    const std::vector<inspected_zone> all = with_total(*zones);
    if (format == report_format::table) {
        print_tables(all, page_shift);
    } else {
        print_lines(all, page_shift, format);
    }
    return exit_good;
}

}

const command inspect_command{
    "inspect", "reads /proc/buddyinfo and prints free memory, the largest free run and fragmentation indices",
    "Reads the counts of free blocks of a Linux machine and prints, for each zone and order, the free memory in such\n"
    "blocks, the share of free memory too scattered for a request of that order, and the fragmentation index; for "
    "each\n"
    "zone and for all together also the free memory and the largest run that the counts prove. That is one block:\n"
    "several blocks, even of the largest order, may or may not adjoin.\n\n"
    "Usage: longreach inspect --buddyinfo=FILE [--flag=value ...]\n\n"
    "Examples:\n"
    "  longreach inspect --buddyinfo=/proc/buddyinfo\n"
    "  longreach inspect --buddyinfo=saved.txt --format=json\n"
    "  ssh host cat /proc/buddyinfo | longreach inspect --buddyinfo=- --page=64K\n",
    "inspect.cpp", run_inspect};

}
