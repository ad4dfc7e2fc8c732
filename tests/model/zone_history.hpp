// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_HISTORY_HPP
#define LONGREACH_TESTS_MODEL_ZONE_HISTORY_HPP

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/frame_run.hpp>
#include <longreach/allocator/status.hpp>
#include <longreach/allocator/units.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "interleaving.hpp"

// What several threads may see of a small zone: operations on record, and the zone that allows or refuses them one at
// a time. Zones are those of one caller: `allocate(order)`, `free(frame, order)` and so on.

namespace longreach::model {

// AddressSanitizer's wide stack frames keep what earlier calls left in them, so that equal states look different and
// the search has no end: with it, a part of the schedules must do.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sees_every_schedule = false;
#elif defined(__has_feature)
inline constexpr bool sees_every_schedule = !__has_feature(address_sanitizer);
#else
inline constexpr bool sees_every_schedule = true;
#endif

inline exploration explored_with(memory_model memory) {
    exploration options{.memory = memory};
    if (!sees_every_schedule) options.state_limit = 3'000;
    return options;
}

/// Whether all schedules that were to be seen hold.
inline bool holds(const outcome& found) {
    return found.result == verdict::holds || (!sees_every_schedule && found.result == verdict::incomplete);
}

/// The frames of a zone, from number 0, that are free.
using free_frames = std::bitset<2048>;

inline free_frames frames_of(std::uint64_t first, std::uint64_t count) {
    free_frames set;
    for (std::uint64_t f = first; f < first + count; ++f) set.set(static_cast<std::size_t>(f));
    return set;
}

// Operations on record. A call's first argument is a frame (or what is asked for), its second a number of frames.

template <class Zone>
std::optional<pfn> record_allocate(Zone& z, unsigned k) {
    return operate({"allocate", 0, order{k}.pages().raw}, [&] { return z.allocate(order{k}); });
}
template <class Zone>
bool record_allocate_at(Zone& z, std::uint64_t f, unsigned k) {
    return operate({"allocate_at", f, order{k}.pages().raw}, [&] { return z.allocate_at(pfn{f}, order{k}); }) ==
           status::ok;
}
template <class Zone>
std::optional<pfn> record_allocate_run(Zone& z, std::uint64_t count) {
    return operate({"allocate_run", 0, count}, [&]() -> std::optional<pfn> {
        const auto found = z.allocate_run(page_count{count});
        return found ? std::optional<pfn>{found->first} : std::nullopt;
    });
}
template <class Zone>
bool record_allocate_run_at(Zone& z, std::uint64_t f, std::uint64_t count) {
    return operate({"allocate_at", f, count}, [&] {
               return z.allocate_run_at({pfn{f}, page_count{count}});
           }) == status::ok;
}
template <class Zone>
void record_free(Zone& z, std::uint64_t f, unsigned k) {
    operate({"free", f, order{k}.pages().raw}, [&] { z.free(pfn{f}, order{k}); });
}
template <class Zone>
void record_free_run(Zone& z, std::uint64_t f, std::uint64_t count) {
    operate({"free", f, count}, [&] { z.free_run({pfn{f}, page_count{count}}); });
}
/// In a zone that answers exactly: inside of a child, true at a moment of the call.
template <class Zone>
void record_is_free(Zone& z, std::uint64_t f, unsigned k) {
    operate({"is_free", f, order{k}.pages().raw}, [&] { return z.is_free(pfn{f}, order{k}); });
}

/// A zone as the records see it. An allocation without a name gets any free block or run; it gets nothing where none
/// is free, and where `gives_up_beside_others`, also while another operation is under way.
class specified_zone {
  public:
    explicit specified_zone(const free_frames& free) : free_(free) {}

    bool apply(const call& what, std::uint64_t result) {
        const std::string_view name = what.name;
        if (name == "free") return give(what.first, what.second);
        if (name == "is_free") return (result != 0) == is_free(what.first, what.second);
        if (name == "allocate_at") {
            if (result == static_cast<std::uint64_t>(status::ok)) return take(what.first, what.second);
            return result == static_cast<std::uint64_t>(status::occupied) && !is_free(what.first, what.second);
        }
        if (result != no_result) {
            return (name != "allocate" || result % what.second == 0) && take(result, what.second);
        }
        return name == "allocate_or_give_up" || !any_free(what.second, name == "allocate" ? what.second : 1);
    }
    const free_frames& free() const { return free_; }

  private:
    bool is_free(std::uint64_t first, std::uint64_t count) const {
        const free_frames wanted = frames_of(first, count);
        return (free_ & wanted) == wanted;
    }
    bool any_free(std::uint64_t count, std::uint64_t step) const {
        for (std::uint64_t f = 0; f + count <= free_.size(); f += step) {
            if (is_free(f, count)) return true;
        }
        return false;
    }
    bool take(std::uint64_t first, std::uint64_t count) {
        if (!is_free(first, count)) return false;
        free_ &= ~frames_of(first, count);
        return true;
    }
    bool give(std::uint64_t first, std::uint64_t count) {
        const free_frames given = frames_of(first, count);
        if ((free_ & given).any()) return false;
        free_ |= given;
        return true;
    }

    free_frames free_;
};

/// What is wrong with a history of a zone that had `before` free and now has `after`, or nothing. Where
/// `gives_up_beside_others` an allocation without a name may find nothing while another operation is under way.
inline std::string judge(const free_frames& before, const free_frames& after, history h, bool gives_up_beside_others) {
    std::vector<record> records(h.begin(), h.end());
    free_frames expected = before;  // flipped by each operation that took or gave, in whatever order
    for (std::size_t i = 0; i < records.size(); ++i) {
        record& r = records[i];
        const std::string_view name = r.what.name;
        const bool is_named = name == "allocate_at";
        if (name == "is_free") continue;
        if (name == "free") {
            expected ^= frames_of(r.what.first, r.what.second);
        } else if (is_named ? r.result == static_cast<std::uint64_t>(status::ok) : r.result != no_result) {
            expected ^= frames_of(is_named ? r.what.first : r.result, r.what.second);
        } else if (!is_named && gives_up_beside_others) {
            bool alone = true;
            for (std::size_t j = 0; j < h.size(); ++j)
                alone = alone && (j == i || precedes(h, i, j) || precedes(h, j, i));
            if (!alone) r.what.name = "allocate_or_give_up";
        }
    }
    if (!linearizable(specified_zone(before), history(records))) return "not linearizable";
    return expected == after ? "" : "frames are lost or made";
}

}  // namespace longreach::model

#endif
