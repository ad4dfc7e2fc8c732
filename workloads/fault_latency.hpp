// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FAULT_LATENCY_HPP
#define LONGREACH_WORKLOADS_FAULT_LATENCY_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "../allocator/config.hpp"
#include "../allocator/units.hpp"

// How long faults would take, by a stated model, and how those times are distributed.
//
// The model charges trap and table work once per fault and zeroing by the byte; searching for frames is free, because
// every policy here finds them in well under a microsecond. It ranks policies by what they zero while a program waits;
// it is no prediction of a machine. Integers only, so the same everywhere. One thread.

LONGREACH_NAMESPACE_BEGIN

/// Nanoseconds of the parts of a fault. Source: Panwar et al., HawkEye, ASPLOS 2019, table 1 (Haswell-EP server): a
/// 4 KiB fault takes 3.5 us with zeroing and 2.65 us without, a 2 MiB fault 465 us and 13 us.
struct fault_latency_model {
    std::uint64_t base_fault_ns = 2650;
    std::uint64_t superpage_fault_ns = 13'000;
    std::uint64_t zero_base_ns = 850;
    std::uint64_t zero_superpage_ns = 452'000;

    /// A fault that maps one leaf of this size (base_order or superpage_order) of frames that were zeroed before or
    /// have to be.
    [[nodiscard]] constexpr std::uint64_t fault_ns(order size, bool zeroed_before = false) const noexcept {
        const bool superpage = size == superpage_order;
        return (superpage ? superpage_fault_ns : base_fault_ns) + (zeroed_before ? 0 : zeroing_ns(size));
    }
    [[nodiscard]] constexpr std::uint64_t zeroing_ns(order size) const noexcept {
        return size == superpage_order ? zero_superpage_ns : zero_base_ns;
    }
};

/// Times in nanoseconds, kept to one part in 32: a power of two is one row of 32 equal steps.
class latency_histogram {
  public:
    void add(std::uint64_t ns) noexcept {
        ++counts_[bin_of(ns)];
        ++count_;
        total_ += ns;
        if (ns > longest_) longest_ = ns;
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// Sum of all times.
    [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
    [[nodiscard]] std::uint64_t longest() const noexcept { return longest_; }

    /// A time that at least `permille` (0 to 1000) of all times do not exceed, at most a 32nd above the least such
    /// time; 0 where there is none. O(bins).
    [[nodiscard]] std::uint64_t quantile(unsigned permille) const noexcept {
        std::uint64_t seen = 0;
        for (std::size_t bin = 0; bin < bins; ++bin) {
            seen += counts_[bin];
            if (counts_[bin] == 0 || seen * 1000 < count_ * permille) continue;
            const std::uint64_t last = last_of(bin);
            return last < longest_ ? last : longest_;
        }
        return longest_;
    }

    friend bool operator==(const latency_histogram&, const latency_histogram&) = default;

  private:
    static constexpr unsigned step_bits = 5;
    static constexpr std::size_t steps = std::size_t{1} << step_bits;
    static constexpr std::size_t bins = (64 - step_bits + 1) * steps;

    /// Times below 32 have a bin each.
    [[nodiscard]] static constexpr std::size_t bin_of(std::uint64_t ns) noexcept {
        if (ns < steps) return static_cast<std::size_t>(ns);
        const auto shift = static_cast<unsigned>(std::bit_width(ns)) - step_bits - 1;
        return (shift + 1) * steps + static_cast<std::size_t>((ns >> shift) - steps);
    }
    [[nodiscard]] static constexpr std::uint64_t last_of(std::size_t bin) noexcept {
        if (bin < steps) return bin;
        const std::size_t shift = bin / steps - 1;
        return ((bin % steps + steps + 1) << shift) - 1;
    }

    std::array<std::uint64_t, bins> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t total_ = 0;
    std::uint64_t longest_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
