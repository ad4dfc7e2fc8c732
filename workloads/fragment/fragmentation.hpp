// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_FRAGMENTATION_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_FRAGMENTATION_HPP

#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"

// What memory looks like before the program starts, as a list of steps that take frames for good, and its text.
// fragmentation_text.hpp reads the text, apply_fragmentation.hpp does the steps. Values only; no locks.

LONGREACH_NAMESPACE_BEGIN

/// hog:SIZE:PERCENT. Takes this share of the aligned pieces of a size, drawn at random.
struct hog_step {
    order size = superpage_order;  ///< 0 to 18
    unsigned percent = 0;          ///< 0 to 100
    friend bool operator==(const hog_step&, const hog_step&) = default;
};

/// scatter:PERCENT. Takes this share of the frames one by one.
struct scatter_step {
    unsigned percent = 0;  ///< 0 to 90
    friend bool operator==(const scatter_step&, const scatter_step&) = default;
};

/// unusable:SIZE:TARGET. Takes frames, or gives taken ones back, until the unusable free space index is the target.
struct unusable_step {
    order size = superpage_order;  ///< 0 to 18
    unsigned thousandths = 0;      ///< 0 to 1000
    friend bool operator==(const unusable_step&, const unusable_step&) = default;
};

/// age:OPERATIONS:PERCENT. Programs come and go for so many operations; this share of the memory stays in use.
struct age_step {
    static constexpr std::uint64_t most_operations = 100'000'000;
    static constexpr unsigned default_percent = 30;

    std::uint64_t operations = 0;        ///< at most most_operations
    unsigned percent = default_percent;  ///< 0 to 90
    friend bool operator==(const age_step&, const age_step&) = default;
};

/// snapshot:FILE. Only what the file calls free stays free.
struct snapshot_step {
    std::string file;  ///< not empty, without comma or line feed
    friend bool operator==(const snapshot_step&, const snapshot_step&) = default;
};

/// runs:COUNT:SIZE. Only so many free runs of about this size stay free.
struct runs_step {
    static constexpr std::uint64_t most_runs = std::uint64_t{1} << 20;

    std::uint64_t count = 0;  ///< 1 to most_runs
    page_count size{};        ///< 1 frame to 2^40 frames
    friend bool operator==(const runs_step&, const runs_step&) = default;
};

using fragmentation_step = std::variant<hog_step, scatter_step, unusable_step, age_step, snapshot_step, runs_step>;

/// Steps in order; none leaves memory as it is.
struct fragmentation {
    static constexpr std::size_t most_steps = 64;

    std::vector<fragmentation_step> steps{};
    friend bool operator==(const fragmentation&, const fragmentation&) = default;
};

/// The fragmentation that pins this share, 0 to 100 percent, of a memory at random in aligned 2 MiB: --hog=PERCENT.
[[nodiscard]] inline fragmentation hog_of(unsigned percent) {
    fragmentation result;
    if (percent != 0) result.steps.push_back(hog_step{superpage_order, percent});
    return result;
}

/// The percentage of such a hog, 0 for no fragmentation, and nothing for any other.
[[nodiscard]] inline std::optional<unsigned> hog_percent_of(const fragmentation& fragmented) {
    if (fragmented.steps.empty()) return 0;
    if (fragmented.steps.size() != 1) return std::nullopt;
    const auto* const hog = std::get_if<hog_step>(&fragmented.steps.front());
    if (hog == nullptr || hog->size != superpage_order) return std::nullopt;
    return hog->percent;
}

/// A size of memory in the largest of the units K, M, G and T that leaves a whole number: "2M", "1536K", "9G".
[[nodiscard]] inline std::string size_text(page_count size) {
    std::uint64_t kib = size.raw * (page_bytes >> 10);
    std::size_t unit = 0;
    for (; unit < 3 && kib != 0 && kib % 1024 == 0; ++unit) kib /= 1024;
    return absl::StrCat(kib, std::string(1, "KMGT"[unit]));
}
[[nodiscard]] inline std::string size_text(order size) { return size_text(size.pages()); }

/// A share in thousandths as a decimal fraction without zeros at its end: "0", "0.5", "0.125", "1".
[[nodiscard]] inline std::string share_text(unsigned thousandths) {
    if (thousandths % 1000 == 0) return absl::StrCat(thousandths / 1000);
    std::string digits = absl::StrCat(1000 + thousandths % 1000).substr(1);
    while (digits.back() == '0') digits.pop_back();
    return absl::StrCat(thousandths / 1000, ".", digits);
}

namespace detail {
[[nodiscard]] inline std::string text_of(const hog_step& s) {
    return absl::StrCat("hog:", size_text(s.size), ":", s.percent);
}
[[nodiscard]] inline std::string text_of(const scatter_step& s) { return absl::StrCat("scatter:", s.percent); }
[[nodiscard]] inline std::string text_of(const unusable_step& s) {
    return absl::StrCat("unusable:", size_text(s.size), ":", share_text(s.thousandths));
}
[[nodiscard]] inline std::string text_of(const age_step& s) {
    return absl::StrCat("age:", s.operations, ":", s.percent);
}
[[nodiscard]] inline std::string text_of(const snapshot_step& s) { return absl::StrCat("snapshot:", s.file); }
[[nodiscard]] inline std::string text_of(const runs_step& s) {
    return absl::StrCat("runs:", s.count, ":", size_text(s.size));
}
}

[[nodiscard]] inline std::string to_string(const fragmentation_step& step) {
    return std::visit([](const auto& s) { return detail::text_of(s); }, step);
}

/// The one text that parse_fragmentation reads as this value; "none" without steps.
[[nodiscard]] inline std::string to_string(const fragmentation& of) {
    if (of.steps.empty()) return "none";
    std::string text;
    for (const fragmentation_step& step : of.steps) absl::StrAppend(&text, text.empty() ? "" : ",", to_string(step));
    return text;
}

/// The same in a sentence: "hog 30 %" for the hog of --hog, "fragmented by age:1000000:30" otherwise.
[[nodiscard]] inline std::string words_of(const fragmentation& fragmented) {
    const std::optional<unsigned> percent = hog_percent_of(fragmented);
    return percent ? absl::StrCat("hog ", *percent, " %") : absl::StrCat("fragmented by ", to_string(fragmented));
}

LONGREACH_NAMESPACE_END

#endif
