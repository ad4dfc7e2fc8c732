// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_FINDINGS_HPP
#define LONGREACH_TESTS_MODEL_ZONE_FINDINGS_HPP

#include <cstdint>
#include <new>
#include <ostream>
#include <string>

#include "../../bench/zone_interface.h"

// What trials of an allocator behind zone_interface.h share: the zone, and how often it answered wrongly.

namespace longreach::model {

struct zone_findings {
    std::uint64_t operations = 0;  ///< allocations, exact requests and releases
    std::uint64_t audits = 0;
    std::uint64_t overlaps = 0;           ///< blocks handed out with a frame that is in use
    std::uint64_t misaligned = 0;         ///< blocks handed out that do not begin at a multiple of their size
    std::uint64_t out_of_range = 0;       ///< blocks handed out with a frame that the zone does not have
    std::uint64_t refused = 0;            ///< refusals of an order of which a block was free
    std::uint64_t refused_at = 0;         ///< exact requests refused though every frame was free
    std::uint64_t refused_meanwhile = 0;  ///< as `refused`, but other threads called at the same time
    std::string broken{};                 ///< the label of the first broken invariant

    /// Whether nothing was wrong; false refusals count only where `exact` is promised, and those while other threads
    /// call not at all, since a search that does not lock may miss a block that was given back behind it.
    [[nodiscard]] bool good(bool exact = true) const {
        return overlaps + misaligned + out_of_range == 0 && broken.empty() && (!exact || refused + refused_at == 0);
    }

    zone_findings& operator+=(const zone_findings& other) {
        operations += other.operations;
        audits += other.audits;
        overlaps += other.overlaps;
        misaligned += other.misaligned;
        out_of_range += other.out_of_range;
        refused += other.refused;
        refused_at += other.refused_at;
        refused_meanwhile += other.refused_meanwhile;
        if (broken.empty()) broken = other.broken;
        return *this;
    }

    friend std::ostream& operator<<(std::ostream& out, const zone_findings& f) {
        return out << f.operations << " operations, " << f.overlaps << " overlaps, " << f.misaligned << " misaligned, "
                   << f.out_of_range << " out of range, " << f.refused << " blocks and " << f.refused_at
                   << " exact requests falsely refused, " << f.refused_meanwhile
                   << " blocks while others called, audit " << (f.broken.empty() ? "good" : f.broken);
    }
};

/// A zone made through its table.
class table_zone {
  public:
    table_zone(const longreach_zone_interface& table, std::uint64_t frames, unsigned cpus)
        : table_(table), zone_(table.create(frames, cpus)) {
        if (zone_ == nullptr) throw std::bad_alloc();
    }
    ~table_zone() { table_.destroy(zone_); }
    table_zone(const table_zone&) = delete;
    table_zone& operator=(const table_zone&) = delete;

    std::uint64_t allocate(unsigned cpu, unsigned order) { return table_.allocate(zone_, cpu, order); }
    bool allocate_at(unsigned cpu, std::uint64_t frame, unsigned order) {
        return table_.allocate_at(zone_, cpu, frame, order) != 0;
    }
    void release(unsigned cpu, std::uint64_t frame, unsigned order) { table_.release(zone_, cpu, frame, order); }
    void audit(zone_findings& findings) {
        if (table_.audit == nullptr) return;
        ++findings.audits;
        const char* const label = table_.audit(zone_);
        if (label != nullptr && findings.broken.empty()) findings.broken = label;
    }

  private:
    const longreach_zone_interface& table_;
    void* zone_;
};

/// The largest order worth asking for: 0 where blocks of different orders cannot be in use at a time.
[[nodiscard]] inline unsigned largest_order(const longreach_zone_interface& table) {
    table_zone probe(table, 4096, 1);
    const bool mixes = probe.allocate(0, 0) != LONGREACH_NO_FRAME && probe.allocate(0, 1) != LONGREACH_NO_FRAME;
    return mixes ? table.max_order : 0;
}

}  // namespace longreach::model

#endif
