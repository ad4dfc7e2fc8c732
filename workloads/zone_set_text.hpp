// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ZONE_SET_TEXT_HPP
#define LONGREACH_WORKLOADS_ZONE_SET_TEXT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/zone_set.hpp"
#include "buddyinfo.hpp"

// The zones of a machine in the form of /proc/buddyinfo.
//
// Promised frames are free and counted. Not for zones without count_blocks(), such as those behind a lock. No state, no
// locks.

LONGREACH_NAMESPACE_BEGIN

/// One line per node and zone name, nodes ascending and a node's zones by address, with Linux's 11 columns.
/// `name_of(const node_zone<Zone>&)` says what a zone is called, as parse_buddyinfo wants it; zones of a node with one
/// name share a line, as a Linux zone with a hole does. O(children of all zones).
template <class Zone, class Name>
[[nodiscard]] std::string buddyinfo_text(const zone_set<Zone>& zones, Name name_of) {
    std::vector<zone_free_blocks> lines;
    for (const node_zone<Zone>& each : zones.zones()) {
        const std::string_view name = name_of(each);
        const auto same = [&](const zone_free_blocks& line) { return line.node == each.node && line.zone == name; };
        auto line = std::find_if(lines.begin(), lines.end(), same);
        if (line == lines.end()) line = lines.insert(line, {each.node, std::string(name), {}});
        const auto counts = linux_counts(each.zone->count_blocks());
        line->blocks.resize(counts.size());
        for (std::size_t order = 0; order < counts.size(); ++order) line->blocks[order] += counts[order];
    }
    const auto by_node = [](const zone_free_blocks& a, const zone_free_blocks& b) { return a.node < b.node; };
    std::stable_sort(lines.begin(), lines.end(), by_node);
    std::string text;
    for (const zone_free_blocks& line : lines) text += buddyinfo_line(line);
    return text;
}

LONGREACH_NAMESPACE_END

#endif
