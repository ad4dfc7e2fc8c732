// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_INTERFACE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_ZONE_INTERFACE_TRIAL_HPP

#include <cstdint>
#include <longreach/allocator/bits.hpp>
#include <vector>

#include "../../bench/zone_interface.h"
#include "zone_findings.hpp"
#include "zone_request.hpp"

// Any requests to any allocator, through the table that the benches use, against one bit per frame: what an allocator
// must never do, whatever its policy.
//
// One thread calls with several CPU numbers by turns; zone_threads_trial is the same for threads.

namespace longreach::model {

/// The frames in use of a zone; what lies behind its end counts as in use.
class used_frames {
  public:
    explicit used_frames(std::uint64_t frames) : frames_(frames), words_(frames / 64 + 1) {
        words_.back() = ~low_mask(static_cast<unsigned>(frames % 64));
    }

    [[nodiscard]] std::uint64_t frames() const { return frames_; }
    [[nodiscard]] bool fits(zone_block b) const { return b.frame < frames_ && frames_of(b.order) <= frames_ - b.frame; }

    /// Whether some frame of an aligned block that fits is in use.
    [[nodiscard]] bool any(zone_block b) const {
        std::uint64_t found = 0;
        for (std::uint64_t i = 0; i < words_of(b); ++i) found |= words_[b.frame / 64 + i] & mask_of(b);
        return found != 0;
    }
    void set(zone_block b, bool used) {
        for (std::uint64_t i = 0; i < words_of(b); ++i) {
            std::uint64_t& word = words_[b.frame / 64 + i];
            word = used ? word | mask_of(b) : word & ~mask_of(b);
        }
    }

    /// Whether some block of the order is free.
    [[nodiscard]] bool has_free(unsigned order) const {
        for (zone_block b{0, order}; fits(b); b.frame += frames_of(order)) {
            if (!any(b)) return true;
        }
        return false;
    }

  private:
    [[nodiscard]] static std::uint64_t words_of(zone_block b) { return b.order < 6 ? 1 : frames_of(b.order - 6); }
    [[nodiscard]] static std::uint64_t mask_of(zone_block b) {
        return b.order < 6 ? low_mask(1U << b.order) << (b.frame % 64) : ~std::uint64_t{0};
    }

    std::uint64_t frames_;
    std::vector<std::uint64_t> words_;
};

class zone_interface_trial {
  public:
    /// Audits after every `audit_every` operations.
    zone_interface_trial(const longreach_zone_interface& table, std::uint64_t frames, unsigned cpus,
                         std::uint64_t audit_every = 1)
        : cpus_(cpus),
          audit_every_(audit_every),
          zone_(table, frames, cpus),
          used_(frames),
          user_(frames, largest_order(table), table.allocate_at != nullptr) {}

    [[nodiscard]] const zone_findings& findings() const { return findings_; }

    /// One operation as the numbers say.
    template <class Source>
    void step(Source& source) {
        const auto cpu = static_cast<unsigned>(source.below(cpus_));
        perform(cpu, user_.draw(source));
    }

    void perform(unsigned cpu, const zone_request& request) {
        const zone_block block = request.block;
        switch (request.kind) {
            case zone_request::allocate: {
                const std::uint64_t got = zone_.allocate(cpu, block.order);
                if (got != LONGREACH_NO_FRAME) {
                    take({got, block.order});
                } else {
                    findings_.refused += used_.has_free(block.order);
                }
                break;
            }
            case zone_request::allocate_at:
                if (zone_.allocate_at(cpu, block.frame, block.order)) {
                    take(block);
                } else {
                    findings_.refused_at += used_.fits(block) && !used_.any(block);
                }
                break;
            case zone_request::release:
                used_.set(block, false);
                zone_.release(cpu, block.frame, block.order);
                break;
        }
        if (++findings_.operations % audit_every_ == 0) zone_.audit(findings_);
    }

    void release_all() {
        for (unsigned cpu = 0; user_.holds_any(); cpu = (cpu + 1) % cpus_) perform(cpu, user_.give_back_last());
    }

    /// Gives everything back, takes every frame one by one and gives those back: finds frames that were lost.
    void finish() {
        release_all();
        for (std::uint64_t f = 0; f < used_.frames(); ++f) {
            perform(static_cast<unsigned>(f % cpus_), {zone_request::allocate, {}});
        }
        release_all();
        zone_.audit(findings_);
    }

  private:
    /// Counts what is wrong with a block that was handed out; holds it where nothing is.
    void take(zone_block b) {
        const bool aligned = b.frame % frames_of(b.order) == 0;
        const bool fits = used_.fits(b);
        const bool overlaps = aligned && fits && used_.any(b);
        findings_.misaligned += !aligned;
        findings_.out_of_range += !fits;
        findings_.overlaps += overlaps;
        if (!aligned || !fits || overlaps) return;
        used_.set(b, true);
        user_.hold(b);
    }

    unsigned cpus_;
    std::uint64_t audit_every_;
    table_zone zone_;
    used_frames used_;
    zone_user user_;
    zone_findings findings_;
};

}  // namespace longreach::model

#endif
