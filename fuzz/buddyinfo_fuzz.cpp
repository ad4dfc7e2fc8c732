// SPDX-License-Identifier: MIT
// Any bytes as /proc/buddyinfo: zones or one line of error at a place within the input, never a crash; what was read
// can be printed and read again, and every index stays within its bounds and follows from a plain count.

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <longreach/workloads/buddyinfo.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace longreach;

void demand(bool holds, const std::string& expected) {
    if (holds) return;
    std::fprintf(stderr, "expected %s\n", expected.c_str());
    std::abort();
}

/// The number up to the next colon, which is cut off with it.
std::size_t take_number(std::string_view& text) {
    const std::size_t colon = text.find(':');
    demand(colon != std::string_view::npos && colon != 0 && colon < 10, "a number and a colon");
    std::size_t value = 0;
    for (const char c : text.substr(0, colon)) {
        demand(c >= '0' && c <= '9', "digits");
        value = value * 10 + static_cast<std::size_t>(c - '0');
    }
    text.remove_prefix(colon + 1);
    return value;
}

/// Errors are one line, `file:line:column: expected ..., found ...`, at a byte of the input or just behind it.
void check_message(std::string_view message, std::string_view input) {
    const std::string whole(message);
    for (const char c : message) demand(c >= 0x20 && c < 0x7f, "printable characters in " + whole);
    demand(message.size() < 400, "a short line, found " + whole);
    demand(message.substr(0, 5) == "file:", "the name first in " + whole);
    message.remove_prefix(5);
    const std::size_t line = take_number(message);
    const std::size_t column = take_number(message);
    demand(absl::StartsWith(std::string(message), " expected ") && absl::StrContains(std::string(message), ", found "),
           "what was expected and found in " + whole);
    demand(line >= 1, "lines from 1 in " + whole);
    for (std::size_t before = 1; before < line; ++before) {
        const std::size_t feed = input.find('\n');
        demand(feed != std::string_view::npos, "a line of the input in " + whole);
        input.remove_prefix(feed + 1);
    }
    const std::size_t end = std::min(input.find('\n'), input.size());
    demand(column >= 1 && column <= end + 1, "a column of the line in " + whole);
}

/// Indices by their definitions, from sums over blocks one order at a time.
void check_indices(const std::vector<std::uint64_t>& blocks) {
    std::uint64_t free = 0;
    for (std::size_t order = 0; order < blocks.size(); ++order) free += blocks[order] << order;
    demand(free == free_frames_from(blocks, 0), "the sum of free frames");
    demand(free < buddyinfo_frames_end, "fewer than 2^48 free frames");
    std::uint64_t small = 0;
    std::uint64_t largest = 0;
    for (std::size_t order = 0; order < blocks.size(); ++order) {
        const int fragmentation = fragmentation_index(blocks, order);
        const int unusable = unusable_index(blocks, order);
        const bool fits = small != free;
        demand((fragmentation == -1000) == fits, "-1000 exactly where a block is large enough");
        demand(fits || (fragmentation >= -500 && fragmentation <= 1000), "a fragmentation index from -500 to 1000");
        demand(free != 0 || (fragmentation == 0 && unusable == 1000), "0 and 1000 where nothing is free");
        demand(free == 0 || unusable == static_cast<int>(small * 1000 / free), "the share of smaller blocks");
        small += blocks[order] << order;
        if (blocks[order] != 0) largest = std::uint64_t{1} << order;
    }
    demand(largest_proven_run(blocks) == largest, "the largest block");
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto zones = parse_buddyinfo("file", bytes);
    if (!zones.ok()) {
        check_message(std::string(zones.status().message()), bytes);
        return 0;
    }
    std::string printed;
    for (const zone_free_blocks& each : *zones) {
        check_indices(each.blocks);
        printed += buddyinfo_line(each);
    }
    const auto again = parse_buddyinfo("printed", printed);
    demand(again.ok(), absl::StrCat("to read what was printed, found ", again.status().message()));
    demand(*again == *zones, "the same zones after printing and reading");
    return 0;
}
