// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_SNAPSHOT_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_SNAPSHOT_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/bits.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../buddyinfo.hpp"
#include "../cases/case_files.hpp"
#include "../cases/csv_lines.hpp"
#include "../input_error.hpp"
#include "../random.hpp"
#include "../zstd_lines.hpp"
#include "fragmentation.hpp"
#include "memory_image.hpp"
#include "random_subset.hpp"

// Memory as a file says it was: either every free block, with columns order, start_pfn and nblocks among others, as in
// recorded boots, or counts of free blocks as in /proc/buddyinfo, whose places are drawn at random. Plain, or packed
// with zstd where the name ends in .zst. No state.

LONGREACH_NAMESPACE_BEGIN

/// What a file says is free; one of the lists is empty.
struct memory_snapshot {
    std::string file;
    std::vector<detail::lined_frames> frames{};  ///< no two share a frame
    std::vector<zone_free_blocks> counts{};
};

/// Reads a file of either form. NotFound where it cannot be opened, InvalidArgument where it is not as it should be.
[[nodiscard]] inline absl::StatusOr<memory_snapshot> load_snapshot(const std::string& file);

/// The free frames of a zone as load_snapshot reads them: one line for each free run.
template <class Zone>
[[nodiscard]] std::string snapshot_text(const Zone& zone) {
    std::string text = "order,start_pfn,nblocks\n";
    frames_in_use(zone).complement().for_each_run([&](std::uint64_t first, std::uint64_t count) {
        absl::StrAppend(&text, "0,0x", absl::Hex(first), ",", count, "\n");
    });
    return text;
}

// -------------------------------------------------------------------------------------------- reading

namespace detail {

[[nodiscard]] inline absl::StatusOr<memory_snapshot> load_free_blocks(const std::string& file) {
    enum : std::size_t { size, start, count };
    absl::StatusOr<zstd_lines> lines = zstd_lines::open(file);
    if (!lines.ok()) return lines.status();
    absl::StatusOr<csv_lines> rows = csv_lines::begin(*std::move(lines), {"order", "start_pfn", "nblocks"});
    if (!rows.ok()) return rows.status();
    memory_snapshot result{file};
    constexpr std::uint64_t end = std::uint64_t{1} << 40;
    while (rows->next()) {
        const order of{static_cast<unsigned>(rows->decimal(size, 31))};
        const pfn first{rows->hexadecimal(start, end)};
        const std::uint64_t blocks = rows->decimal(count, end);
        if (!rows->status().ok()) break;
        if (blocks == 0) rows->reject(count, "at least one block");
        if (!is_aligned(first, of)) rows->reject(start, absl::StrCat("a multiple of 0x", absl::Hex(of.pages().raw)));
        if (blocks > (end - first.raw) >> of.raw) rows->reject(count, "blocks below frame 2^40");
        keep_row(*rows, result.frames, {{first, page_count{blocks << of.raw}}, rows->line_number()});
    }
    if (!rows->status().ok()) return rows->status();
    if (const auto shared = find_overlap(result.frames)) {
        return bad_input_at_line(
            rows->name(), shared->second.line,
            absl::StrCat("start_pfn: expected frames of no other block, found some of line ", shared->first.line));
    }
    return result;
}

}

inline absl::StatusOr<memory_snapshot> load_snapshot(const std::string& file) {
    absl::StatusOr<zstd_lines> lines = zstd_lines::open(file);
    if (!lines.ok()) return lines.status();
    std::string text;
    while (const std::optional<std::string_view> line = lines->next()) {
        if (text.empty() && !absl::StartsWith(std::string(*line), "Node")) return detail::load_free_blocks(file);
        absl::StrAppend(&text, std::string(*line), "\n");
        if (text.size() > most_buddyinfo_bytes) break;
    }
    if (!lines->status().ok()) return lines->status();
    absl::StatusOr<std::vector<zone_free_blocks>> counts = parse_buddyinfo(file, text);
    if (!counts.ok()) return counts.status();
    return memory_snapshot{file, {}, *std::move(counts)};
}

// --------------------------------------------------------------------------------------------- taking

namespace detail {

/// Draws places for counted blocks, from the largest order down. What is not drawn at an order falls into halves; of
/// the two at most one is drawn, so that no two blocks become one and every count stays as it was.
class drawn_blocks {
  public:
    /// Places lie inside `free`, a set of frames.
    drawn_blocks(const unit_set& free, std::size_t orders, random_numbers& random)
        : top_(static_cast<unsigned>(std::min<std::size_t>(orders - 1, ceil_log2(free.size())))),
          frames_(free.size()),
          random_(random) {
        const std::uint64_t block = std::uint64_t{1} << top_;
        unit_set padded((free.size() + block - 1) / block * block);
        std::copy(free.words().begin(), free.words().end(), padded.words().begin());
        whole_.push_back(std::move(padded));
        while (whole_.size() <= top_) whole_.push_back(whole_.back().pairs());
    }

    /// The frames of `counts[k]` blocks of each order k.
    [[nodiscard]] absl::StatusOr<unit_set> draw(const std::vector<std::uint64_t>& counts) {
        for (std::size_t k = top_ + 1; k < counts.size(); ++k) {
            if (counts[k] != 0) return no_room(k, counts[k], 0);
        }
        unit_set result(whole_.front().size());
        unit_set open(whole_[top_].size(), true);  // units that are not free as a whole
        for (unsigned k = top_;; --k) {
            unit_set places = k == top_ ? whole_[k] : parents_with_room(open, k);
            const std::uint64_t found = places.count();
            if (counts[k] > found) return no_room(k, counts[k], found);
            places = random_subset(places, counts[k], random_);
            if (k != top_) {
                places = one_half_of(places, k);
                open = open.units(1, whole_[k].size());
            }
            open -= places;
            result |= places.units(k, result.size());
            if (k == 0) break;
        }
        unit_set cut(frames_);
        std::copy_n(result.words().begin(), cut.words().size(), cut.words().begin());
        return cut;
    }

  private:
    [[nodiscard]] static absl::Status no_room(std::size_t k, std::uint64_t wanted, std::uint64_t found) {
        return absl::InvalidArgumentError(
            absl::StrCat("expected room for ", wanted, " free blocks of order ", k, ", found it for ", found));
    }

    /// The open units of order k + 1 of which a half is free, by their numbers.
    [[nodiscard]] unit_set parents_with_room(const unit_set& open, unsigned k) const {
        unit_set result = open;
        result -= whole_[k].complement().pairs();
        return result;
    }
    /// A free half of each.
    [[nodiscard]] unit_set one_half_of(const unit_set& parents, unsigned k) {
        unit_set result(whole_[k].size());
        parents.for_each([&](std::uint64_t parent) {
            const std::uint64_t first = 2 * parent;
            const bool both = whole_[k].contains(first) && whole_[k].contains(first + 1);
            const std::uint64_t half = both ? random_.below(2) : whole_[k].contains(first) ? 0U : 1U;
            result.insert(first + half);
        });
        return result;
    }

    unsigned top_;
    std::uint64_t frames_;
    random_numbers& random_;
    std::vector<unit_set> whole_;  // by order: the units that are free now
};

[[nodiscard]] inline absl::Status take_counted(memory_image& memory, const memory_snapshot& snapshot,
                                               random_numbers& random) {
    const std::uint64_t node_frames = memory.node_frames.raw;
    const std::uint64_t nodes = memory.frames() / node_frames;
    std::map<std::uint32_t, std::vector<std::uint64_t>> counts;  // of all zones of a node
    for (const zone_free_blocks& each : snapshot.counts) {
        if (each.node >= nodes) {
            return bad_input(snapshot.file, absl::StrCat("expected nodes below ", nodes, ", found node ", each.node));
        }
        std::vector<std::uint64_t>& sum = counts[each.node];
        sum.resize(each.blocks.size());
        for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += each.blocks[k];
    }
    unit_set left(memory.frames());
    for (const auto& [node, blocks] : counts) {
        unit_set free(memory.frames());
        free.insert(node * node_frames, node_frames);
        free -= memory.taken;
        const absl::StatusOr<unit_set> drawn = drawn_blocks(free, blocks.size(), random).draw(blocks);
        if (!drawn.ok()) {
            return bad_input(snapshot.file, absl::StrCat("node ", node, ": ", drawn.status().message()));
        }
        left |= *drawn;
    }
    memory.taken |= left.complement();
    return absl::OkStatus();
}

}

/// Takes every frame that the snapshot does not call free. Refused where the snapshot has free frames behind the end of
/// memory, or counts more blocks than there is room for.
[[nodiscard]] inline absl::Status take(memory_image& memory, const memory_snapshot& snapshot, random_numbers& random) {
    if (!snapshot.counts.empty()) return detail::take_counted(memory, snapshot, random);
    unit_set free(memory.frames());
    for (const detail::lined_frames& each : snapshot.frames) {
        if (each.frames.end().raw > memory.frames()) {
            return bad_input_at_line(
                snapshot.file, each.line,
                absl::StrCat("start_pfn: expected frames below 0x", absl::Hex(memory.frames()),
                             ", the end of memory, found up to 0x", absl::Hex(each.frames.end().raw)));
        }
        free.insert(each.frames.first.raw, each.frames.count.raw);
    }
    memory.taken |= free.complement();
    return absl::OkStatus();
}

[[nodiscard]] inline absl::Status take(memory_image& memory, const snapshot_step& step, random_numbers& random) {
    const absl::StatusOr<memory_snapshot> read = load_snapshot(step.file);
    return read.ok() ? take(memory, *read, random) : read.status();
}

LONGREACH_NAMESPACE_END

#endif
