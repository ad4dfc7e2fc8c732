// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_FRAGMENTATION_TEXT_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_FRAGMENTATION_TEXT_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/bits.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../cases/csv_lines.hpp"
#include "../input_error.hpp"
#include "fragmentation.hpp"

// Reads the text of a fragmentation, such as "hog:2M:30,scatter:1". What is wrong is said in one line that names the
// step and what was expected. No file is opened. No state, no locks.

LONGREACH_NAMESPACE_BEGIN

/// What is said about a step: `fragmentation: step 2, "hog:3M:10": expected ...`. Steps count from 1.
[[nodiscard]] inline absl::Status bad_fragmentation(std::size_t number, std::string_view step, std::string_view what) {
    return bad_input("fragmentation", absl::StrCat("step ", number, ", ", in_quotes(step), ": ", std::string(what)));
}

namespace detail {

/// Splits one step at its colons and reads its words; the first that is not as expected ends it.
class fragmentation_step_parser {
  public:
    fragmentation_step_parser(std::size_t number, std::string_view text) : number_(number), text_(text), rest_(text) {}

    [[nodiscard]] absl::StatusOr<fragmentation_step> parse() {
        const std::string_view name = next_word();
        fragmentation_step step;
        if (name == "hog") {
            const order size = take_order();
            step = hog_step{size, take_percent(100)};
        } else if (name == "scatter") {
            step = scatter_step{take_percent(90)};
        } else if (name == "unusable") {
            const order size = take_order();
            step = unusable_step{size, take_share()};
        } else if (name == "age") {
            const std::uint64_t operations = take_number("a number of operations", 0, age_step::most_operations);
            step = age_step{operations, more() ? take_percent(90) : age_step::default_percent};
        } else if (name == "snapshot") {
            step = snapshot_step{take_file()};
        } else if (name == "runs") {
            const std::uint64_t count = take_number("a number of runs", 1, runs_step::most_runs);
            step = runs_step{count, take_size()};
        } else {
            fail("one of hog, scatter, unusable, age, snapshot and runs", name);
        }
        if (more()) fail("the step to end", absl::StrCat(":", std::string(rest_)));
        if (!status_.ok()) return status_;
        return step;
    }

  private:
    [[nodiscard]] bool more() const noexcept { return !ended_; }

    /// The text up to the next colon, which is cut off with it; nothing at the end.
    std::string_view next_word() noexcept {
        if (ended_) return {};
        const std::size_t colon = rest_.find(':');
        const std::string_view word = rest_.substr(0, colon);
        ended_ = colon == std::string_view::npos;
        rest_ = ended_ ? std::string_view() : rest_.substr(colon + 1);
        return word;
    }

    [[nodiscard]] std::uint64_t take_number(std::string_view what, std::uint64_t least, std::uint64_t most) {
        const std::string_view word = next_word();
        const std::optional<std::uint64_t> value = parse_digits(word, 10);
        if (value && *value >= least && *value <= most) return *value;
        fail(absl::StrCat(std::string(what), " from ", least, " to ", most), word);
        return least;
    }
    [[nodiscard]] unsigned take_percent(unsigned most) {
        return static_cast<unsigned>(take_number("a percentage", 0, most));
    }

    /// Frames of a size such as 64K; nothing where the text is none, or above 4 PiB.
    [[nodiscard]] static std::optional<std::uint64_t> frames_of(std::string_view word) {
        constexpr std::string_view units = "KMGT";
        const std::size_t unit = word.empty() ? std::string_view::npos : units.find(word.back());
        if (unit == std::string_view::npos) return std::nullopt;
        const std::optional<std::uint64_t> value = parse_digits(word.substr(0, word.size() - 1), 10);
        constexpr std::uint64_t most_kib = std::uint64_t{1} << 42;
        if (!value || *value > most_kib >> (10 * unit)) return std::nullopt;
        const std::uint64_t kib = *value << (10 * unit);
        if (kib % (page_bytes >> 10) != 0) return std::nullopt;
        return kib / (page_bytes >> 10);
    }
    [[nodiscard]] order take_order() {
        const std::string_view word = next_word();
        const std::optional<std::uint64_t> frames = frames_of(word);
        if (frames && is_power_of_two(*frames) && *frames <= giant_order.pages().raw) {
            return order{floor_log2(*frames)};
        }
        fail("a power of two from 4K to 1G as size", word);
        return order{};
    }
    [[nodiscard]] page_count take_size() {
        const std::string_view word = next_word();
        const std::optional<std::uint64_t> frames = frames_of(word);
        if (frames && *frames != 0) return page_count{*frames};
        fail("a multiple of 4K up to 4096T as size, such as 9G", word);
        return page_count{1};
    }

    /// A decimal fraction from 0 to 1 with at most three digits behind the point.
    [[nodiscard]] unsigned take_share() {
        const std::string_view word = next_word();
        const std::size_t point = std::min(word.find('.'), word.size());
        std::string digits(word.substr(point == word.size() ? point : point + 1));
        const bool in_form = digits.size() <= 3 && digits.empty() == (point == word.size());
        digits.resize(3, '0');
        const std::optional<std::uint64_t> whole = parse_digits(word.substr(0, point), 10);
        const std::optional<std::uint64_t> part = parse_digits(digits, 10);
        if (in_form && whole && part && *whole <= 1 && *whole * 1000 + *part <= 1000) {
            return static_cast<unsigned>(*whole * 1000 + *part);
        }
        fail("an index from 0 to 1 with at most three decimals", word);
        return 0;
    }

    [[nodiscard]] std::string take_file() {
        const std::string_view name = rest_;
        ended_ = true;
        rest_ = {};
        if (name.empty() || name.find_first_of(std::string_view("\n\r\0", 3)) != std::string_view::npos) {
            fail("the name of a file", name);
        }
        return std::string(name);
    }

    void fail(std::string_view expected, std::string_view found) {
        if (!status_.ok()) return;
        status_ = bad_fragmentation(number_, text_,
                                    absl::StrCat("expected ", std::string(expected), ", found ",
                                                 found.empty() ? std::string("nothing") : in_quotes(found)));
    }

    std::size_t number_;
    std::string_view text_;
    std::string_view rest_;  // behind the words taken so far
    bool ended_ = false;     // no word is left
    absl::Status status_;
};

}

/// Reads "none", or steps with commas between them. InvalidArgument with one line where the text is anything else.
[[nodiscard]] inline absl::StatusOr<fragmentation> parse_fragmentation(std::string_view text) {
    fragmentation result;
    if (text == "none") return result;
    for (bool last = false; !last;) {
        const std::size_t comma = text.find(',');
        const std::string_view step = text.substr(0, comma);
        const std::size_t number = result.steps.size() + 1;
        if (number > fragmentation::most_steps) {
            return bad_fragmentation(number, step,
                                     absl::StrCat("expected at most ", fragmentation::most_steps, " steps"));
        }
        absl::StatusOr<fragmentation_step> read = detail::fragmentation_step_parser(number, step).parse();
        if (!read.ok()) return read.status();
        result.steps.push_back(*std::move(read));
        last = comma == std::string_view::npos;
        if (!last) text.remove_prefix(comma + 1);
    }
    return result;
}

LONGREACH_NAMESPACE_END

#endif
