// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_POLICY_NAME_HPP
#define LONGREACH_WORKLOADS_POLICY_NAME_HPP

#include <cstdint>
#include <string_view>
#include <utility>

#include "../allocator/config.hpp"

// The policies that can be compared, by name; allocator/README.md says what each does.

LONGREACH_NAMESPACE_BEGIN

enum class policy_name : std::uint8_t { thp, ca, base4k, random, eager, ingens, hawkeye, ranger, ideal };

/// All of them, as flags and reports write them.
inline constexpr std::pair<const char*, policy_name> policy_names[] = {
    {"thp", policy_name::thp},         {"ca", policy_name::ca},         {"base4k", policy_name::base4k},
    {"random", policy_name::random},   {"eager", policy_name::eager},   {"ingens", policy_name::ingens},
    {"hawkeye", policy_name::hawkeye}, {"ranger", policy_name::ranger}, {"ideal", policy_name::ideal}};

[[nodiscard]] constexpr std::string_view to_string(policy_name policy) noexcept {
    for (const auto& [name, value] : policy_names) {
        if (value == policy) return name;
    }
    return "";
}

LONGREACH_NAMESPACE_END

#endif
