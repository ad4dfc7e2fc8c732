// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_FINGERPRINT_HPP
#define LONGREACH_BENCH_LONGREACH_FINGERPRINT_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <longreach/workloads/random.hpp>

// Tells whether two sequences of words and texts are the same, the same on every machine. Against accidents, not
// against people who look for a collision.

namespace longreach {

class fingerprint {
  public:
    /// Each step is a bijection of the state, so a single changed word always shows.
    constexpr void add(std::uint64_t word) noexcept { state_ = splitmix64(state_ ^ word).next(); }
    /// Two texts one after the other differ from the same bytes cut elsewhere.
    constexpr void add(std::string_view text) noexcept {
        add(std::uint64_t{text.size()});
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            word = word << 8 | static_cast<unsigned char>(text[i]);
            if (i % 8 == 7 || i + 1 == text.size()) add(word);
            if (i % 8 == 7) word = 0;
        }
    }
    [[nodiscard]] constexpr std::uint64_t value() const noexcept { return state_; }

  private:
    std::uint64_t state_ = 0;
};

}

#endif
