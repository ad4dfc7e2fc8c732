// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_OFFSETS_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_OFFSETS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "../../allocator/config.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "artifact_rules.hpp"

// The original's memory of an area's offsets: a ring of 64 records {first page, page - frame}. No record is ever
// removed but by a newer one. Not thread-safe.

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I17 at most 64 records, the next slot is one of them or the one behind the last.
class artifact_offsets {
  public:
    using offset = map_offset<vpn, pfn>;
    static constexpr std::size_t capacity = 64;
    struct record {
        vpn first{};
        offset value{};
        friend bool operator==(const record&, const record&) = default;
    };
    struct found {
        std::optional<offset> value;  ///< what holds for the page
        std::optional<vpn> ceiling;   ///< where the next record above starts
    };

    /// The offset of the record with the greatest start at or below the page, else of the one with the smallest start
    /// above. O(64).
    [[nodiscard]] found lookup(vpn page, artifact_rules rules) const noexcept {
        const record* floor = nullptr;
        const record* ceiling = nullptr;
        for (std::size_t i = 0; i < count_; ++i) {
            const record& each = records_[i];
            if (each.first == vpn{0} && rules.has(artifact_rule::page_zero_ends_records)) break;
            if (each.first <= page) {
                if (floor == nullptr || each.first > floor->first) floor = &each;
            } else if (ceiling == nullptr || each.first < ceiling->first) {
                ceiling = &each;
            }
        }
        found result;
        if (ceiling != nullptr) result.ceiling = ceiling->first;
        const bool zero_is_none = rules.has(artifact_rule::zero_offset_is_none);
        for (const record* each : {floor, ceiling}) {
            if (each == nullptr || (zero_is_none && each->value == offset{})) continue;
            result.value = each->value;
            break;
        }
        return result;
    }

    void insert(vpn first, offset value, artifact_rules rules) noexcept {
        if (!rules.has(artifact_rule::older_record_wins)) {
            for (std::size_t i = 0; i < count_; ++i) {
                if (records_[i].first != first) continue;
                records_[i].value = value;
                return;
            }
        }
        if (next_ == capacity) next_ = 0;
        records_[next_++] = {first, value};
        if (next_ > count_) count_ = next_;
    }

    /// Forgets the records that `keep(record&)` refuses; it may change them.
    template <class Keep>
    void revise(Keep&& keep) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < count_; ++i) {
            record each = records_[i];
            if (keep(each)) records_[kept++] = each;
        }
        if (kept != count_) next_ = kept;
        count_ = kept;
    }

    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] const record& operator[](std::size_t i) const noexcept { return records_[i]; }

    violation audit() const noexcept {
        if (count_ > capacity || next_ > count_ || (count_ < capacity && next_ != count_)) {
            return {"artifact_offsets.I17", count_};
        }
        return {};
    }

  private:
    friend struct corrupt;

    std::array<record, capacity> records_{};
    std::size_t count_ = 0;
    std::size_t next_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
