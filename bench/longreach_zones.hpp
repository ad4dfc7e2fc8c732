// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_ZONES_HPP
#define LONGREACH_BENCH_LONGREACH_ZONES_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <longreach/allocator/atomic_buddy.hpp>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/cpu_magazines.hpp>
#include <longreach/allocator/locked_buddy.hpp>
#include <new>
#include <optional>
#include <span>
#include <vector>

#include "baseline/id_stack.hpp"
#include "baseline/linux_buddy.hpp"
#include "baseline/textbook_buddy.hpp"
#include "membarrier_atomics.hpp"
#include "spin_lock.hpp"
#include "zone_of.hpp"

// This library's frame allocators behind the table of zone_interface.h, and the list of every zone that the suite has.
//
// A variant joins in three lines: a class (or an alias) for zone_of, its table, its entry in all_zones(); and one in
// restartable_zones(), if its start on memory that was touched before is to be timed.

namespace longreach::bench {

/// Nobody makes promises here, so the zones keep none to the frame.
inline constexpr buddy_options zone_options{block_choice::adaptive, false};

/// `buddy` itself, which does not lock: frames 0 to frames - 1 in memory of its own.
class buddy_zone {
  public:
    static constexpr unsigned max_order = buddy::max_order.raw;

    buddy_zone(std::uint64_t frames, unsigned /*cpus*/)
        : frames_{frames}, memory_(buddy::required_bytes(page_count{frames}, zone_options)) {
        start();
    }

    /// Makes every frame free, by starting afresh in the same memory.
    void start() { zone_.emplace(frame_run{pfn{0}, frames_}, memory_, zone_options); }

    std::uint64_t allocate(unsigned /*cpu*/, unsigned o) {
        const std::optional<pfn> block = zone_->allocate(order{o});
        return block ? block->raw : LONGREACH_NO_FRAME;
    }
    bool allocate_at(unsigned /*cpu*/, std::uint64_t frame, unsigned o) {
        return zone_->allocate_at(pfn{frame}, order{o}) == status::ok;
    }
    void free(unsigned /*cpu*/, std::uint64_t frame, unsigned o) { zone_->free(pfn{frame}, order{o}); }

    [[nodiscard]] std::size_t metadata_bytes() const { return sizeof(buddy) + memory_.size(); }
    [[nodiscard]] violation audit() const { return zone_->audit(); }

  private:
    page_count frames_;
    std::vector<std::byte> memory_;
    std::optional<buddy> zone_;
};

inline constexpr longreach_zone_interface buddy_zone_table = zone_of<buddy_zone>("buddy", 1);

/// A buddy with its lock, in memory of its own.
class locked_frames {
  public:
    explicit locked_frames(std::uint64_t frames)
        : memory_(buddy::required_bytes(page_count{frames}, zone_options)),
          frames_({pfn{0}, page_count{frames}}, memory_, zone_options),
          zone_(frames_, lock_) {}

    auto& zone() { return zone_; }
    [[nodiscard]] std::size_t memory_bytes() const { return memory_.size(); }
    [[nodiscard]] violation audit() const { return frames_.audit(); }

  private:
    std::vector<std::byte> memory_;
    buddy frames_;
    spin_lock lock_;
    locked_buddy<pfn, spin_lock> zone_;
};

/// An atomic buddy in memory of its own.
class atomic_frames {
  public:
    explicit atomic_frames(std::uint64_t frames)
        : memory_(atomic_buddy::required_bytes(page_count{frames})), zone_({pfn{0}, page_count{frames}}, memory_) {}

    auto& zone() { return zone_; }
    [[nodiscard]] std::size_t memory_bytes() const { return memory_.size(); }
    [[nodiscard]] violation audit() const { return zone_.audit(); }

  private:
    std::vector<std::byte> memory_;
    atomic_buddy zone_;
};

/// A zone that any thread calls without saying on which processor it runs.
template <class Frames>
class any_cpu_zone {
  public:
    static constexpr unsigned max_order = buddy::max_order.raw;

    any_cpu_zone(std::uint64_t frames, unsigned /*cpus*/) : frames_(frames) {}

    std::uint64_t allocate(unsigned /*cpu*/, unsigned o) {
        const std::optional<pfn> block = frames_.zone().allocate(order{o});
        return block ? block->raw : LONGREACH_NO_FRAME;
    }
    bool allocate_at(unsigned /*cpu*/, std::uint64_t frame, unsigned o) {
        return frames_.zone().allocate_at(pfn{frame}, order{o}) == status::ok;
    }
    void free(unsigned /*cpu*/, std::uint64_t frame, unsigned o) { frames_.zone().free(pfn{frame}, order{o}); }

    [[nodiscard]] std::size_t metadata_bytes() const { return sizeof(*this) + frames_.memory_bytes(); }
    [[nodiscard]] violation audit() const { return frames_.audit(); }

  private:
    static_assert(buddy::max_order == atomic_buddy::max_order);
    Frames frames_;
};

using locked_zone = any_cpu_zone<locked_frames>;  ///< `locked_buddy` with a spin lock
using atomic_zone = any_cpu_zone<atomic_frames>;  ///< `atomic_buddy`, which needs none

inline constexpr longreach_zone_interface locked_zone_table = zone_of<locked_zone>("buddy_locked", 64);
inline constexpr longreach_zone_interface atomic_zone_table = zone_of<atomic_zone>("buddy_atomic", 64);

/// `cpu_magazines` over a buddy with a spin lock.
class magazine_zone {
  public:
    static constexpr unsigned max_order = buddy::max_order.raw;
    using magazines = cpu_magazines<pfn, spin_lock, membarrier_atomics>;

    magazine_zone(std::uint64_t frames, unsigned cpus)
        : memory_(buddy::required_bytes(page_count{frames}, zone_options)),
          magazine_memory_(magazines::required_bytes(page_count{frames}, cpus)),
          frames_({pfn{0}, page_count{frames}}, memory_, zone_options),
          zone_(frames_, lock_, cpus, magazine_memory_) {
        if (!membarrier_atomics::prepare()) throw std::bad_alloc();
    }

    std::uint64_t allocate(unsigned cpu, unsigned o) {
        const std::optional<pfn> block = zone_.allocate(cpu, order{o});
        return block ? block->raw : LONGREACH_NO_FRAME;
    }
    bool allocate_at(unsigned /*cpu*/, std::uint64_t frame, unsigned o) {
        return zone_.allocate_at(pfn{frame}, order{o}) == status::ok;
    }
    void free(unsigned cpu, std::uint64_t frame, unsigned o) { zone_.free(cpu, pfn{frame}, order{o}); }

    [[nodiscard]] std::size_t metadata_bytes() const {
        return sizeof(*this) + memory_.size() + magazine_memory_.size();
    }
    [[nodiscard]] violation audit() const { return zone_.audit(); }

  private:
    std::vector<std::byte> memory_;
    std::vector<std::byte> magazine_memory_;
    buddy frames_;
    spin_lock lock_;
    mutable magazines zone_;
};

inline constexpr longreach_zone_interface magazine_zone_table = zone_of<magazine_zone>("buddy_magazine", 64);

/// The harness alone and the baselines: here to be compared with.
inline constexpr const longreach_zone_interface* reference_zones[] = {
    &baseline::null_zone,
    &baseline::id_stack_zone,
    &baseline::textbook_buddy_zone,
    &baseline::linux_buddy_zone,
    &baseline::linux_buddy_with_cpu_lists_zone,
};

/// Every zone of the suite, the reference zones first, then this library's variants; without magazines, and with a line
/// on stderr, where the kernel lacks what those need.
[[nodiscard]] inline std::span<const longreach_zone_interface* const> all_zones() {
    static const std::vector<const longreach_zone_interface*> zones = [] {
        std::vector<const longreach_zone_interface*> all(std::begin(reference_zones), std::end(reference_zones));
        all.insert(all.end(), {&buddy_zone_table, &locked_zone_table});
        if (membarrier_atomics::prepare()) {
            all.push_back(&magazine_zone_table);
        } else {
            std::fprintf(stderr, "%s is left out: no private expedited membarrier here\n", magazine_zone_table.name);
        }
        all.push_back(&atomic_zone_table);
        return all;
    }();
    return zones;
}

/// The zones that fuzzers and stress run: all but the reference zones. They must refuse nothing that is free, of any
/// order up to their largest, to no CPU, and by its address where they have such a call.
[[nodiscard]] inline std::span<const longreach_zone_interface* const> fuzzed_zones() {
    return all_zones().subspan(std::size(reference_zones));
}

/// A zone that can start anew in the memory it has.
struct restartable_zone {
    const longreach_zone_interface* table;
    void (*start)(void* zone);  ///< of a zone that the table created
};

template <class Zone>
void start_zone(void* zone) {
    static_cast<Zone*>(zone)->start();
}

[[nodiscard]] inline std::span<const restartable_zone> restartable_zones() {
    static constexpr restartable_zone zones[] = {
        {&buddy_zone_table, &start_zone<buddy_zone>},
    };
    return zones;
}

}  // namespace longreach::bench

#endif
