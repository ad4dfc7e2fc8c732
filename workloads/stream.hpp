// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_STREAM_HPP
#define LONGREACH_WORKLOADS_STREAM_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "../allocator/config.hpp"
#include "recording.hpp"

// The records of a recording as one sequence of events, in the order in which they happened.
//
// At equal `seq`: vmas, faults, upgrades, misses, accesses; within one file the file's order. The stream
// keeps positions only; the recording outlives it. One stream serves one thread.

LONGREACH_NAMESPACE_BEGIN

/// Which records a machine translates; `census` translates none.
enum class translation_feed : std::uint8_t { census, accesses, misses };

[[nodiscard]] constexpr std::string_view to_string(translation_feed feed) noexcept {
    return feed == translation_feed::census ? "census" : feed == translation_feed::accesses ? "accesses" : "misses";
}

/// Which records a stream holds beside mappings, faults and upgrades, which it always holds.
struct stream_selection {
    bool startup = false;  ///< the start-up window of `accesses`
    bool steady = false;   ///< the steady window of `accesses`
    bool misses = false;   ///< the window of `misses`

    /// What a machine with this feed needs.
    [[nodiscard]] static constexpr stream_selection of(translation_feed feed) noexcept {
        return {false, feed == translation_feed::accesses, feed == translation_feed::misses};
    }
    [[nodiscard]] static constexpr stream_selection everything() noexcept { return {true, true, true}; }
};

/// One event; the pointer is never null and points into the recording.
using stream_event = std::variant<const vma_event*, const page_fault*, const page_upgrade*, const recorded_miss*,
                                  const recorded_access*>;

/// The sequence number of an event's record.
[[nodiscard]] inline std::uint64_t seq_of(const stream_event& event) {
    return std::visit([](const auto* record) { return record->seq; }, event);
}

/// The window that a feed translates; nothing where the recording has none, and for `census`.
[[nodiscard]] inline const recorded_window* window_of(const recording& from, translation_feed feed) noexcept {
    if (feed == translation_feed::accesses) return from.steady.has_value() ? &*from.steady : nullptr;
    if (feed == translation_feed::misses) return from.miss_window.has_value() ? &*from.miss_window : nullptr;
    return nullptr;
}

/// Hands out events one after the other.
class recorded_stream {
  public:
    recorded_stream(const recording& from, stream_selection selected)
        : vmas_(from.vmas), faults_(from.faults), upgrades_(from.upgrades) {
        if (selected.misses) misses_ = from.misses;
        const std::span<const recorded_access> accesses(from.accesses);
        const auto records = [&](const recorded_window& window) {
            return accesses.subspan(window.first, window.count);
        };
        if (selected.startup && selected.steady) {
            accesses_ = accesses;
        } else if (selected.startup && from.startup.has_value()) {
            accesses_ = records(*from.startup);
        } else if (selected.steady && from.steady.has_value()) {
            accesses_ = records(*from.steady);
        }
    }
    recorded_stream(const recording& from, translation_feed feed) : recorded_stream(from, stream_selection::of(feed)) {}

    /// The next event, or nothing at the end. O(1).
    [[nodiscard]] std::optional<stream_event> next() {
        const std::uint64_t seq = next_seq();
        if (seq == no_seq) return std::nullopt;
        if (head(vmas_) == seq) return take(vmas_);
        if (head(faults_) == seq) return take(faults_);
        if (head(upgrades_) == seq) return take(upgrades_);
        if (head(misses_) == seq) return take(misses_);
        return take(accesses_);
    }

    /// The sequence number of the next event; no_seq at the end. O(1).
    [[nodiscard]] std::uint64_t next_seq() const noexcept {
        std::uint64_t seq = head(vmas_);
        for (const std::uint64_t other : {head(faults_), head(upgrades_), head(misses_), head(accesses_)}) {
            if (other < seq) seq = other;
        }
        return seq;
    }

    static constexpr std::uint64_t no_seq = ~std::uint64_t{0};

  private:
    template <class Record>
    [[nodiscard]] static std::uint64_t head(std::span<const Record> records) noexcept {
        return records.empty() ? no_seq : records.front().seq;
    }
    template <class Record>
    [[nodiscard]] static stream_event take(std::span<const Record>& records) noexcept {
        const Record* const record = records.data();
        records = records.subspan(1);
        return record;
    }

    std::span<const vma_event> vmas_;
    std::span<const page_fault> faults_;
    std::span<const page_upgrade> upgrades_;
    std::span<const recorded_miss> misses_;
    std::span<const recorded_access> accesses_;
};

LONGREACH_NAMESPACE_END

#endif
