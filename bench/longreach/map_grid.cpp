// SPDX-License-Identifier: MIT
#include "map_grid.hpp"

#include <algorithm>
#include <numeric>

namespace longreach {

namespace {

constexpr std::uint64_t most_lines = 64;
constexpr std::uint64_t least_folded = 3;

/// Whether a line is worth drawing because of these frames.
bool of_interest(const owned_frames& owned) {
    return owned.use != frame_use::free && owned.use != frame_use::reserved && owned.use != frame_use::pinned;
}

struct line_span {
    std::uint64_t first;  // numbers of lines
    std::uint64_t end;
    bool folded;
};

/// Appends lines without anything of interest: few as they are, many folded.
void append_dull(std::vector<line_span>& spans, std::uint64_t first, std::uint64_t end) {
    for (; first < end && end - first < least_folded; ++first) spans.push_back({first, first + 1, false});
    if (first < end) spans.push_back({first, end, true});
}

/// All lines of `line` frames, in order; neighbours that are drawn form one span.
std::vector<line_span> spans_of(const frame_map& map, std::uint64_t line) {
    std::vector<line_span> spans;
    std::uint64_t next = 0;
    for (const owned_frames& each : map.runs) {
        if (!of_interest(each)) continue;
        const std::uint64_t first = std::max(next, each.first / line);
        const std::uint64_t end = (each.end() - 1) / line + 1;
        if (end <= next) continue;
        append_dull(spans, next, first);
        spans.push_back({first, end, false});
        next = end;
    }
    append_dull(spans, next, (map.frames + line - 1) / line);
    return spans;
}

std::uint64_t count_lines(const frame_map& map, std::uint64_t line) {
    std::uint64_t count = 0;
    for (const line_span& span : spans_of(map, line)) count += span.folded ? 1 : span.end - span.first;
    return count;
}

/// Adds a run of one class to the cells of a line that it lies in.
void add_to(map_line& line, std::uint64_t cell, const owned_frames& owned, std::size_t of) {
    const std::uint64_t end = std::min(owned.end(), line.end());
    for (std::uint64_t at = std::max(owned.first, line.first); at < end;) {
        const std::uint64_t number = line.folded ? 0 : (at - line.first) / cell;
        const std::uint64_t stop = line.folded ? end : std::min(end, line.first + (number + 1) * cell);
        line.cells[static_cast<std::size_t>(number)][of] += stop - at;
        at = stop;
    }
}

/// Fills the cells of lines that cover the memory in order.
void fill(std::vector<map_line>& lines, const frame_map& map, const classifier& classes, std::uint64_t cell) {
    std::size_t at = 0;
    for (const owned_frames& each : map.runs) {
        const std::size_t of = classes.of(each);
        while (lines[at].end() <= each.first) ++at;
        for (std::size_t i = at; i < lines.size() && lines[i].first < each.end(); ++i) add_to(lines[i], cell, each, of);
    }
}

map_line empty_line(std::uint64_t first, std::uint64_t end, std::uint64_t cell, bool folded) {
    map_line line{first, end - first, folded, {}};
    line.cells.resize(folded ? 1 : static_cast<std::size_t>((line.count + cell - 1) / cell));
    return line;
}

}

classifier::classifier(const frame_map& by, std::uint64_t least_long)
    : least_long_(least_long), class_of_area_(by.areas.size(), class_small_area) {
    const std::vector<frame_total> totals = by.area_totals();
    std::vector<std::uint32_t> order(totals.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return totals[a].frames > totals[b].frames; });
    for (const std::uint32_t area : order) {
        if (named_.size() == most_named || totals[area].frames == 0) break;
        class_of_area_[area] = 2 * named_.size();
        named_.push_back(area);
    }
}

std::size_t classifier::of(const owned_frames& owned) const {
    switch (owned.use) {
        case frame_use::free:
            return class_free;
        case frame_use::reserved:
            return class_reserved;
        case frame_use::area:
            return class_of_area_[owned.area] + (owned.count < least_long_ ? 1 : 0);
        case frame_use::table:
            return class_table;
        case frame_use::guest_table:
            return class_guest_table;
        case frame_use::idle:
            return class_idle;
        case frame_use::pinned:
            return class_pinned;
        case frame_use::other:
            break;
    }
    return class_other;
}

map_scale scale_for(const std::vector<frame_map>& maps) {
    std::uint64_t largest = 0;
    for (const frame_map& map : maps) largest = std::max(largest, map.frames);
    map_scale scale;
    while (scale.columns > 16 && largest < scale.columns * scale.columns / 4) scale.columns /= 2;
    const auto fits = [&](const frame_map& map) { return count_lines(map, scale.line()) <= most_lines; };
    while (scale.line() < largest && !std::all_of(maps.begin(), maps.end(), fits)) scale.square *= 2;
    return scale;
}

std::vector<map_line> lines_of(const frame_map& map, const classifier& classes, const map_scale& scale) {
    std::vector<map_line> lines;
    for (const line_span& span : spans_of(map, scale.line())) {
        const std::uint64_t step = span.folded ? span.end - span.first : 1;
        for (std::uint64_t number = span.first; number < span.end; number += step) {
            const std::uint64_t end = std::min(map.frames, (number + step) * scale.line());
            lines.push_back(empty_line(number * scale.line(), end, scale.square, span.folded));
        }
    }
    fill(lines, map, classes, scale.square);
    return lines;
}

map_line strip_of(const frame_map& map, const classifier& classes, std::uint64_t cells, std::uint64_t& cell) {
    cell = std::max<std::uint64_t>(1, (map.frames + cells - 1) / cells);
    std::vector<map_line> lines{empty_line(0, map.frames, cell, false)};
    fill(lines, map, classes, cell);
    return std::move(lines.front());
}

std::array<std::size_t, bands_per_square> bands_of(const class_shares& shares) {
    const std::uint64_t all = std::accumulate(shares.begin(), shares.end(), std::uint64_t{0});
    std::array<std::size_t, owner_classes> height{};
    std::size_t used = 0;
    const auto owed = [&](std::size_t c) {  // in frames times bands: what the class lacks
        return static_cast<double>(shares[c]) * static_cast<double>(bands_per_square) -
               static_cast<double>(height[c]) * static_cast<double>(all);
    };
    const auto by_need = [&](std::size_t a, std::size_t b) {
        const bool a_starves = shares[a] != 0 && height[a] == 0 && a != class_free;
        const bool b_starves = shares[b] != 0 && height[b] == 0 && b != class_free;
        return a_starves != b_starves ? b_starves : owed(a) < owed(b);
    };
    std::array<std::size_t, owner_classes> order{};
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (; used < bands_per_square; ++used) ++height[*std::max_element(order.begin(), order.end(), by_need)];
    std::array<std::size_t, bands_per_square> bands{};
    std::size_t at = 0;
    for (std::size_t c = 0; c < owner_classes; ++c) {
        for (std::size_t i = 0; i < height[c]; ++i) bands[at++] = c;
    }
    return bands;
}

}
