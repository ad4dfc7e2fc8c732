// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_BUDDYINFO_HPP
#define LONGREACH_WORKLOADS_BUDDYINFO_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "input_error.hpp"

// Counts of free blocks by zone and order: read and printed in the form of Linux's /proc/buddyinfo.
//
//   Node 0, zone   Normal   5575   4017   2374   1563    734    615    478    641    485    390   1623
//
// One line per zone; the count in column k (from 0) is of free blocks of 2^k frames. Where blocks lie is not in it: two
// free blocks may or may not adjoin. Memory stays within a few times the longest text. No state, no locks.
// Source: frag_show_print in Linux mm/vmstat.c; Documentation/filesystems/proc.rst.

LONGREACH_NAMESPACE_BEGIN

/// Most counts in one line. Linux has 11 on most machines (MAX_ORDER, later NR_PAGE_ORDERS) and up to 18 on some.
inline constexpr std::size_t most_buddyinfo_orders = 64;
/// All zones of a text hold fewer free frames than this, so that their bytes fit 64 bits for frames of up to 64 KiB.
inline constexpr std::uint64_t buddyinfo_frames_end = std::uint64_t{1} << 48;
/// The longest text: far more than the zones of 1024 nodes, the most that Linux can be built for.
inline constexpr std::size_t most_buddyinfo_bytes = std::size_t{4} << 20;

/// The free memory of one zone.
struct zone_free_blocks {
    std::uint32_t node = 0;             ///< below 2^31
    std::string zone;                   ///< a letter, then letters, digits and _, 8 at most
    std::vector<std::uint64_t> blocks;  ///< by order

    friend bool operator==(const zone_free_blocks&, const zone_free_blocks&) = default;
};

/// One line as Linux prints it, with its line feed.
[[nodiscard]] inline std::string buddyinfo_line(std::uint32_t node, std::string_view zone,
                                                std::span<const std::uint64_t> blocks) {
    std::string line = absl::StrFormat("Node %d, zone %8s ", node, zone);
    for (const std::uint64_t count : blocks) absl::StrAppendFormat(&line, "%6u ", count);
    return line + '\n';
}
[[nodiscard]] inline std::string buddyinfo_line(const zone_free_blocks& of) {
    return buddyinfo_line(of.node, of.zone, of.blocks);
}

namespace detail {

/// Reads a text line by line; the first thing that is not as expected ends it.
class buddyinfo_parser {
  public:
    buddyinfo_parser(std::string_view name, std::string_view text)
        : name_(name), text_(text.substr(0, most_buddyinfo_bytes)), cut_(text.size() > text_.size()) {}

    [[nodiscard]] absl::StatusOr<std::vector<zone_free_blocks>> parse() {
        for (std::size_t start = 0; start == 0 || start < text_.size();) {
            const std::size_t feed = text_.find('\n', start);
            last_ = feed == std::string_view::npos;
            line_ = text_.substr(start, last_ ? feed : feed - start);
            if (!line_.empty() && line_.back() == '\r') line_.remove_suffix(1);
            at_ = 0;
            ++number_;
            if (!read_line()) return status_;
            start = last_ ? text_.size() : feed + 1;
        }
        last_ = true;
        if (cut_ && !fail("the end of the file")) return status_;
        return std::move(zones_);
    }

  private:
    [[nodiscard]] bool read_line() {
        zone_free_blocks read;
        std::uint64_t node = 0;
        if (!take("Node") || !take_spaces()) return false;
        if (!take_number(node, std::uint64_t{1} << 31)) return fail("a node number below 2^31");
        read.node = static_cast<std::uint32_t>(node);
        if (!take(",") || !take_spaces() || !take("zone") || !take_spaces()) return false;
        const std::size_t named_at = at_;
        if (!take_zone(read.zone) || !take_counts(read.blocks)) return false;
        const auto [first, is_new] = seen_.try_emplace({read.node, read.zone}, number_);
        if (!is_new) {
            return fail_at(named_at, "each zone once",
                           absl::StrCat("node ", read.node, ", zone ", read.zone, " as in line ", first->second));
        }
        zones_.push_back(std::move(read));
        return true;
    }

    [[nodiscard]] bool take_zone(std::string& zone) {
        const std::string_view word = this->word();
        bool good = !word.empty() && word.size() <= 8 && is_letter(word.front());
        for (const char c : word.substr(0, 9)) good = good && (is_letter(c) || is_digit(c) || c == '_');
        if (!good) return fail("a zone name of at most 8 letters and digits, first a letter");
        zone = std::string(word);
        at_ += word.size();
        return true;
    }

    [[nodiscard]] bool take_counts(std::vector<std::uint64_t>& blocks) {
        const std::size_t wanted = zones_.empty() ? most_buddyinfo_orders : zones_.front().blocks.size();
        while (true) {
            const std::size_t order = blocks.size();
            const bool apart = skip_spaces();
            if (at_ == line_.size()) {
                if (zones_.empty() ? order != 0 : order == wanted) return true;
                return fail(zones_.empty() ? std::string("a count of free blocks")
                                           : absl::StrCat(wanted, " counts as in line 1"));
            }
            if (!apart) return fail("a space");
            if (order == wanted) {
                return fail(absl::StrCat("the line to end after ", wanted,
                                         zones_.empty() ? " counts, the most there can be" : " counts as in line 1"));
            }
            const std::size_t count_at = at_;
            std::uint64_t count = 0;
            if (!take_number(count, 0)) return fail("a count of free blocks");
            const std::uint64_t most = (buddyinfo_frames_end - 1 - frames_) >> order;
            if (count > most) {
                at_ = count_at;
                return fail(absl::StrCat("at most ", most, " free blocks of order ", order,
                                         " (fewer than 2^48 free frames in all)"));
            }
            frames_ += count << order;
            blocks.push_back(count);
        }
    }

    [[nodiscard]] bool take(std::string_view text) {
        if (line_.substr(at_, text.size()) != text) return fail(in_quotes(text));
        at_ += text.size();
        return true;
    }
    [[nodiscard]] bool take_spaces() { return skip_spaces() || fail("a space"); }
    [[nodiscard]] bool skip_spaces() noexcept {
        const std::size_t before = at_;
        while (at_ != line_.size() && line_[at_] == ' ') ++at_;
        return at_ != before;
    }

    /// A decimal number; false, with nothing taken, where there is none or it is not below `end` (0: no end). Numbers
    /// of 2^64 and above read as 2^64 - 1.
    [[nodiscard]] bool take_number(std::uint64_t& into, std::uint64_t end) noexcept {
        constexpr std::uint64_t most = ~std::uint64_t{0};
        std::size_t at = at_;
        std::uint64_t value = 0;
        for (; at != line_.size() && is_digit(line_[at]); ++at) {
            const auto digit = static_cast<std::uint64_t>(line_[at] - '0');
            value = value > (most - digit) / 10 ? most : value * 10 + digit;
        }
        const bool whole = at == line_.size() || line_[at] == ' ' || line_[at] == ',';
        if (at == at_ || !whole || (end != 0 && value >= end)) return false;
        at_ = at;
        into = value;
        return true;
    }

    [[nodiscard]] static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
    [[nodiscard]] static bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
    [[nodiscard]] std::string_view word() const noexcept {
        const std::string_view rest = line_.substr(at_);
        return rest.substr(0, rest.find(' '));
    }

    /// False, with the error at what stands here instead.
    [[nodiscard]] bool fail(std::string_view expected) { return fail_at(at_, expected, found()); }
    [[nodiscard]] std::string found() const {
        if (cut_ && last_ && at_ + word().size() == line_.size()) {
            return absl::StrCat("more than ", most_buddyinfo_bytes, " bytes");
        }
        if (at_ == line_.size()) return last_ ? "the end of the file" : "the end of the line";
        return line_[at_] == ' ' ? "a space" : in_quotes(word());
    }
    [[nodiscard]] bool fail_at(std::size_t at, std::string_view expected, std::string_view found) {
        status_ = bad_input_at_column(name_, number_, at + 1,
                                      absl::StrCat("expected ", std::string(expected), ", found ", std::string(found)));
        return false;
    }

    std::string_view name_;
    std::string_view text_;
    bool cut_;                  // text_ is only the beginning
    std::string_view line_;     // without its ending
    std::size_t at_ = 0;        // what follows in line_
    std::uint64_t number_ = 0;  // of the line, from 1
    bool last_ = false;         // no line feed follows
    std::uint64_t frames_ = 0;  // free, in all zones so far
    std::vector<zone_free_blocks> zones_;
    std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> seen_;  // the line of each zone
    absl::Status status_;
};

}

/// Reads a whole text; at least one line. Lines may end in a carriage return and a line feed, the last one in nothing;
/// fields may stand any number of spaces apart. All lines have as many counts as the first, and no zone comes twice.
/// The error is one line: `name:line:column: expected ..., found ...`; lines and columns count from 1, columns bytes.
[[nodiscard]] inline absl::StatusOr<std::vector<zone_free_blocks>> parse_buddyinfo(std::string_view name,
                                                                                   std::string_view text) {
    return detail::buddyinfo_parser(name, text).parse();
}

/// Reads a file, a pipe or, where the path is `-`, stdin, which messages call by this name. NotFound where it cannot be
/// opened or read, InvalidArgument where parse_buddyinfo refuses what it says.
[[nodiscard]] inline absl::StatusOr<std::vector<zone_free_blocks>> load_buddyinfo(const std::string& path) {
    struct close_file {
        void operator()(std::FILE* file) const noexcept {
            if (file != stdin) std::fclose(file);
        }
    };
    const bool standard = path == "-";
    const std::string name = standard ? "stdin" : path;
    errno = 0;
    const std::unique_ptr<std::FILE, close_file> file(standard ? stdin : std::fopen(path.c_str(), "rb"));
    if (file == nullptr) return missing_input(name, absl::StrCat("cannot be opened: ", std::strerror(errno)));
    std::string text;
    char chunk[4096];
    while (text.size() <= most_buddyinfo_bytes) {
        const std::size_t count = std::fread(chunk, 1, sizeof chunk, file.get());
        if (count == 0) break;
        text.append(chunk, count);
    }
    if (std::ferror(file.get()) != 0) {
        return missing_input(name, absl::StrCat("cannot be read: ", std::strerror(errno)));
    }
    return parse_buddyinfo(name, text);
}

/// Counts in the columns that most Linux machines print, orders 0 to 10: a larger block counts as those of order 10
/// that it is made of, since Linux has none larger. The free frames stay the same.
[[nodiscard]] inline std::array<std::uint64_t, 11> linux_counts(std::span<const std::uint64_t> blocks) noexcept {
    std::array<std::uint64_t, 11> counts{};
    constexpr std::size_t last = counts.size() - 1;
    for (std::size_t order = 0; order < blocks.size(); ++order) {
        if (order <= last) {
            counts[order] += blocks[order];
        } else {
            counts[last] += blocks[order] << (order - last);
        }
    }
    return counts;
}

/// Free frames in blocks of at least 2^`order` frames.
[[nodiscard]] inline std::uint64_t free_frames_from(std::span<const std::uint64_t> blocks, std::size_t order) noexcept {
    std::uint64_t frames = 0;
    for (; order < blocks.size(); ++order) frames += blocks[order] << order;
    return frames;
}

/// Frames of the largest run that the counts prove: one block of the largest order that has any; 0 where none is free.
/// Longer runs exist where blocks adjoin, which counts cannot tell, not even of several blocks of the last order.
[[nodiscard]] inline std::uint64_t largest_proven_run(std::span<const std::uint64_t> blocks) noexcept {
    for (std::size_t order = blocks.size(); order-- != 0;) {
        if (blocks[order] != 0) return std::uint64_t{1} << order;
    }
    return 0;
}

/// Why a request for 2^`order` frames fails, in thousandths: towards 0 for lack of memory, towards 1000 because what is
/// free is scattered; -1000 where a block is free and the request does not fail, 0 where nothing is free at all.
/// Negative down to -500 where less than the request is free in a few blocks. The integers of Linux's extfrag_index.
/// Source: __fragmentation_index in Linux mm/vmstat.c; M. Gorman, "mm: export fragmentation index via debugfs", 2010.
[[nodiscard]] inline int fragmentation_index(std::span<const std::uint64_t> blocks, std::size_t order) noexcept {
    std::uint64_t total = 0;
    for (const std::uint64_t count : blocks) total += count;
    if (total == 0) return 0;
    if (free_frames_from(blocks, order) != 0) return -1000;
    const std::uint64_t requests = free_frames_from(blocks, 0) * 1000 >> order;  // that free memory would make
    return 1000 - static_cast<int>((1000 + requests) / total);
}

/// The share of free memory, in thousandths, that lies in blocks too small for a request of 2^`order` frames; 1000
/// where nothing is free. The integers of Linux's unusable_index.
/// Source: unusable_free_index in Linux mm/vmstat.c; M. Gorman, "mm: export unusable free space index", 2010.
[[nodiscard]] inline int unusable_index(std::span<const std::uint64_t> blocks, std::size_t order) noexcept {
    const std::uint64_t free = free_frames_from(blocks, 0);
    if (free == 0) return 1000;
    return static_cast<int>((free - free_frames_from(blocks, order)) * 1000 / free);
}

LONGREACH_NAMESPACE_END

#endif
