// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_HAWKEYE_HPP
#define LONGREACH_WORKLOADS_RIVALS_HAWKEYE_HPP

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../../pagetable/vm/fault.hpp"
#include "daemon_costs.hpp"
#include "page_activity.hpp"
#include "region_promotion.hpp"

// HawkEye: regions are promoted hottest first, superpages of zeros are broken up when memory is short, and free frames
// are zeroed before faults need them.
//
// The variant that the paper calls HawkEye-G; one of these serves one address space. Not here: see
// allocator/README.md. One thread.
// Source: Panwar, Bansal, Gopinath, HawkEye: Efficient Fine-grained OS Support for Huge Pages, ASPLOS 2019.

LONGREACH_NAMESPACE_BEGIN

struct hawkeye_options {
    unsigned newest_percent = 50;     ///< weight of the newest sample in the moving average (heuristic)
    unsigned short_percent = 85;      ///< bloat is recovered from this share of memory in use on (the paper's)
    unsigned relaxed_percent = 70;    ///< until the share is below this one (the paper's)
    unsigned least_zero_pages = 256;  ///< of a superpage that is broken up, 1 to 512 (heuristic: half)
    /// Base pages copied and zeroed by promotions in a pass, or one region more.
    page_count pages_per_pass{30 * daemon_pages_per_second.raw};
    page_count zeroed_ahead_per_pass{30 * daemon_pages_per_second.raw};  ///< free frames zeroed in a pass
    std::uint64_t interval_ns = 30'000'000'000;                          ///< a sample every 30 s (the paper's)
};

/// Invariants:
///   I1  what was copied and zeroed is what promotions and zeroing ahead account for
///   I2  the regions are sorted and aligned, and each has the bucket of its average
///   I3  every demotion gave back at least the pages that it needs to
template <class Space>
class hawkeye {
  public:
    using page = typename Space::table_type::page;
    using frame = typename Space::table_type::frame;

    /// What faults of the spaces may take: zeroing ahead is there to make 2 MiB faults cheap. The paper's variant with
    /// 4 KiB faults needs no more than spaces made with the other.
    static constexpr superpage_use fault_path = superpage_use::always;
    static constexpr superpage_use asynchronous_fault_path = superpage_use::never;

    static constexpr unsigned buckets = 10;
    /// 0-49, 50-99, … 400-449, 450-512 pages.
    [[nodiscard]] static constexpr unsigned bucket_of(unsigned pages) noexcept {
        return pages / 50 < buckets ? pages / 50 : buckets - 1;
    }

    explicit hawkeye(const hawkeye_options& options = {}) : options_(options) {
        LONGREACH_CHECK(options.newest_percent >= 1 && options.newest_percent <= 100, "hawkeye.newest_percent");
        LONGREACH_CHECK(options.least_zero_pages >= 1, "hawkeye.least_zero_pages");
    }

    /// One sample, and what it leads to within the budget; whether something changed. O(resident leaves), and O(512)
    /// questions to `activity` for each superpage while memory is short.
    bool pass(Space& space, basic_buddy<frame>& frames, const basic_page_activity<page>& activity) {
        ++costs_.passes;
        count_faults(space);
        const std::uint64_t before = costs_.promotions + costs_.demotions;
        const std::uint64_t used = used_percent(frames);
        if (used >= options_.short_percent) recovering_ = true;
        if (used < options_.relaxed_percent) recovering_ = false;
        if (recovering_) recover(space, frames, activity);
        sample(space, activity);
        if (!recovering_) promote(space, frames);
        zero_ahead(frames);
        return costs_.promotions + costs_.demotions != before;
    }

    [[nodiscard]] std::uint64_t interval_ns() const noexcept { return options_.interval_ns; }
    [[nodiscard]] const daemon_costs& costs() const noexcept { return costs_; }
    /// Bytes of first touches that found no frame zeroed ahead and had to zero their own: those of the passes so far.
    [[nodiscard]] std::uint64_t zeroed_in_fault_bytes() const noexcept { return to_bytes(zeroed_in_fault_); }
    /// Free frames zeroed ahead and not yet used, as far as they are still free.
    [[nodiscard]] page_count zeroed_frames() const noexcept { return zeroed_; }

    /// What is known of a region that still has base pages.
    struct region {
        page first{};
        unsigned resident = 0;
        std::uint32_t average = 0;  ///< moving average of its coverage, in 64ths of a page
        unsigned bucket = 0;
        std::int64_t rank = 0;  ///< the higher, the sooner within its bucket
    };
    /// The access map: what the last pass knew, in address order, regions promoted by it included.
    [[nodiscard]] const std::vector<region>& access_map() const noexcept { return regions_; }

    [[nodiscard]] violation audit() const noexcept {
        const std::uint64_t filled = costs_.promotions * superpage_order.pages().raw;
        if (to_bytes({filled + zeroed_ahead_}) != costs_.copied_bytes + costs_.zeroed_bytes ||
            costs_.copied_bytes != to_bytes({costs_.migrated_pages})) {
            return {"hawkeye.I1", costs_.promotions};
        }
        for (std::size_t i = 0; i < regions_.size(); ++i) {
            const region& r = regions_[i];
            if (!is_aligned(r.first, superpage_order) || (i != 0 && regions_[i - 1].first >= r.first) ||
                r.bucket != bucket_of(r.average / one_page)) {
                return {"hawkeye.I2", r.first.raw};
            }
        }
        if (costs_.reclaimed_pages < costs_.demotions * options_.least_zero_pages) {
            return {"hawkeye.I3", costs_.reclaimed_pages};
        }
        return {};
    }

  private:
    friend struct corrupt;

    static constexpr std::uint32_t one_page = 64;  ///< of an average

    [[nodiscard]] static std::uint64_t used_percent(const basic_buddy<frame>& frames) {
        const std::uint64_t all = frames.managed().count.raw;
        return (all - frames.free_frames().raw) * 100 / all;
    }

    /// Lets the first touches since the last pass use up frames zeroed ahead.
    void count_faults(const Space& space) {
        const fault_counters& now = space.faults();
        const std::uint64_t pages = now.first_touches - now.superpages + now.superpages * superpage_order.pages().raw;
        const std::uint64_t fresh = pages - std::exchange(faulted_, pages);
        const std::uint64_t served = std::min(fresh, zeroed_.raw);
        zeroed_ -= page_count{served};
        zeroed_in_fault_ += page_count{fresh - served};
    }

    void zero_ahead(const basic_buddy<frame>& frames) {
        const std::uint64_t free = frames.free_frames().raw;
        if (zeroed_.raw > free) zeroed_.raw = free;  // others took them
        const std::uint64_t more = std::min(free - zeroed_.raw, options_.zeroed_ahead_per_pass.raw);
        zeroed_.raw += more;
        zeroed_ahead_ += more;
        costs_.zeroed_bytes += to_bytes({more});
    }

    // ---- the access map ----

    void sample(const Space& space, const basic_page_activity<page>& activity) {
        std::vector<region> known = std::move(regions_);
        regions_.clear();
        std::size_t at = 0;
        for (const auto& area : space.entries()) {
            detail::for_each_region(space, area, page{0}, [&](const detail::superpage_region<page>& seen) {
                while (at < known.size() && known[at].first < seen.first) ++at;
                const bool old = at < known.size() && known[at].first == seen.first;
                if (!seen.is_superpage) add_sample(seen, activity.coverage(seen.first), old ? &known[at] : nullptr);
                return true;
            });
        }
    }

    /// A region that rose to its bucket goes before those there, one that fell behind them (the paper's rule), and
    /// among those of one pass the lower address first.
    void add_sample(const detail::superpage_region<page>& seen, unsigned coverage, const region* old) {
        const std::uint32_t newest = std::min(coverage, 512U) * one_page;
        region now{seen.first, seen.resident, newest, 0, 0};
        const auto pass_number = static_cast<std::int64_t>(costs_.passes);
        if (old != nullptr) {
            now.average = (newest * options_.newest_percent + old->average * (100 - options_.newest_percent)) / 100;
            now.rank = old->rank;
        }
        now.bucket = bucket_of(now.average / one_page);
        if (old == nullptr || now.bucket > old->bucket) now.rank = pass_number;
        if (old != nullptr && now.bucket < old->bucket) now.rank = -pass_number;
        regions_.push_back(now);
    }

    // ---- promotion ----

    void promote(Space& space, basic_buddy<frame>& frames) {
        std::vector<const region*> order;
        for (const region& r : regions_) {
            if (r.average != 0 && !gave_back(r)) order.push_back(&r);
        }
        std::sort(order.begin(), order.end(), [](const region* a, const region* b) {
            return std::tuple(b->bucket, b->rank, a->first) < std::tuple(a->bucket, a->rank, b->first);
        });
        std::uint64_t pages = 0;
        for (const region* r : order) {
            if (pages >= options_.pages_per_pass.raw || used_percent(frames) >= options_.short_percent) return;
            const detail::promotion made = detail::promote(space, frames, r->first, costs_);
            if (made == detail::promotion::no_block) return;
            if (made == detail::promotion::refused) costs_.skipped_unmovable += r->resident;
            if (made == detail::promotion::done) pages += superpage_order.pages().raw;
        }
    }

    /// Whether the region gave pages of zeros back and none came since: promoting it would bring them back.
    [[nodiscard]] bool gave_back(const region& r) const {
        const auto found = given_back_.find(r.first.raw);
        return found != given_back_.end() && r.resident <= found->second;
    }

    // ---- bloat recovery ----

    /// Breaks up superpages that hold many pages of zeros, and gives those pages back, until memory is not short.
    void recover(Space& space, const basic_buddy<frame>& frames, const basic_page_activity<page>& activity) {
        for (const auto& area : space.entries()) {
            const bool all =
                detail::for_each_region(space, area, page{0}, [&](const detail::superpage_region<page>& seen) {
                    if (seen.is_superpage) recover_from(space, seen.pages(), activity);
                    recovering_ = used_percent(frames) >= options_.relaxed_percent;
                    return recovering_;
                });
            if (!all) return;
        }
    }

    void recover_from(Space& space, run<page> pages, const basic_page_activity<page>& activity) {
        std::vector<run<page>> zeros;
        std::uint64_t count = 0;
        for (page p = pages.first; p < pages.end(); p += page_count{1}) {
            if (activity.was_touched(p)) continue;
            ++count;
            if (!zeros.empty() && zeros.back().end() == p) {
                ++zeros.back().count.raw;
            } else {
                zeros.push_back({p, page_count{1}});
            }
        }
        if (count < options_.least_zero_pages || space.split(pages.first) != status::ok) return;
        ++costs_.demotions;
        costs_.shootdowns += 1 + zeros.size();
        costs_.reclaimed_pages += count;
        zeroed_ += page_count{count};  // zeros they were, and are
        for (const run<page>& stretch : zeros) {
            const status given = space.discard(stretch);
            LONGREACH_CHECK(given == status::ok, "hawkeye.discard");  // base pages: nothing to split
        }
        given_back_[pages.first.raw] = static_cast<unsigned>(pages.count.raw - count);
    }

    hawkeye_options options_;
    std::vector<region> regions_;
    absl::flat_hash_map<std::uint64_t, unsigned> given_back_;  ///< resident pages left in regions that gave some back
    std::uint64_t faulted_ = 0;                                ///< base pages first touched, up to the last pass
    bool recovering_ = false;
    page_count zeroed_{};             ///< free frames zeroed ahead
    std::uint64_t zeroed_ahead_ = 0;  ///< all that ever were, by the daemon
    page_count zeroed_in_fault_{};
    daemon_costs costs_{};
};

LONGREACH_NAMESPACE_END

#endif
