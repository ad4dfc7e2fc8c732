// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_ZONE_OF_HPP
#define LONGREACH_BENCH_ZONE_OF_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <longreach/allocator/status.hpp>

#include "zone_interface.h"

// Makes the C table of zone_interface.h from a C++ class, so that a class need not spell out the table by hand.
//
// The functions of the table do nothing but call the member of the same name, which is inlined into them: one indirect
// call per operation is all that the table costs.

namespace longreach::bench {

/// What the class must have; the members mean what the table's comments say.
template <class Zone>
concept frame_zone = requires(Zone zone, const Zone seen, unsigned cpu, std::uint64_t frame, unsigned order) {
    // The zone of `frames` free frames, its metadata touched; throws std::bad_alloc where memory is short.
    requires std::constructible_from<Zone, std::uint64_t, unsigned>;
    { Zone::max_order } -> std::convertible_to<unsigned>;
    { zone.allocate(cpu, order) } -> std::same_as<std::uint64_t>;
    { zone.free(cpu, frame, order) } -> std::same_as<void>;
    { seen.metadata_bytes() } -> std::same_as<std::size_t>;
    { seen.audit() } -> std::same_as<violation>;
};

/// A zone that can also take exactly one block that its caller names.
template <class Zone>
concept exact_zone = frame_zone<Zone> && requires(Zone zone, unsigned cpu, std::uint64_t frame, unsigned order) {
    { zone.allocate_at(cpu, frame, order) } -> std::same_as<bool>;
};

template <frame_zone Zone>
struct zone_calls {
    static void* create(std::uint64_t frames, unsigned cpus) {
        try {
            return new Zone(frames, cpus);
        } catch (const std::exception&) {
            return nullptr;
        }
    }
    static void destroy(void* zone) { delete static_cast<Zone*>(zone); }
    static std::uint64_t allocate(void* zone, unsigned cpu, unsigned order) {
        return static_cast<Zone*>(zone)->allocate(cpu, order);
    }
    static void release(void* zone, unsigned cpu, std::uint64_t frame, unsigned order) {
        static_cast<Zone*>(zone)->free(cpu, frame, order);
    }
    static int allocate_at(void* zone, unsigned cpu, std::uint64_t frame, unsigned order) requires exact_zone<Zone> {
        return static_cast<Zone*>(zone)->allocate_at(cpu, frame, order);
    }
    static std::size_t metadata_bytes(const void* zone) { return static_cast<const Zone*>(zone)->metadata_bytes(); }
    static const char* audit(void* zone) { return static_cast<const Zone*>(zone)->audit().label; }
};

/// The table of `Zone`, which up to `cpus` threads may call at a time.
template <frame_zone Zone>
[[nodiscard]] constexpr longreach_zone_interface zone_of(const char* name, unsigned cpus) {
    using calls = zone_calls<Zone>;
    longreach_zone_interface table{};
    table.name = name;
    table.max_order = Zone::max_order;
    table.cpus = cpus;
    table.create = &calls::create;
    table.destroy = &calls::destroy;
    table.allocate = &calls::allocate;
    table.release = &calls::release;
    if constexpr (exact_zone<Zone>) table.allocate_at = &calls::allocate_at;
    table.metadata_bytes = &calls::metadata_bytes;
    table.audit = &calls::audit;
    return table;
}

}  // namespace longreach::bench

#endif
