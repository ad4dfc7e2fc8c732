// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_SPACE_COMPARISON_HPP
#define LONGREACH_TESTS_MODEL_SPACE_COMPARISON_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "address_space_model.hpp"

// An address space against its model, leaf by leaf.

namespace longreach::model {

/// Equal but for permissions and what walks mark, which the object learns late.
inline bool same_place(const model_leaf& one, const model_leaf& other) {
    return one.page == other.page && one.frame == other.frame && one.size == other.size &&
           one.attributes.contiguous == other.attributes.contiguous;
}

/// What is not in the space as it is in its model: entries, counters, resident leaves, leaves of the page table.
template <class Space>
[[nodiscard]] std::optional<std::string> compare_space(const Space& space, const address_space_model& model) {
    const auto expected = model.entries();
    const auto areas = space.entries();
    if (!std::equal(expected.begin(), expected.end(), areas.begin(), areas.end())) return "other entries";
    if (space.resident_pages().raw != model.frames().size()) return "another number of resident pages";
    if (space.faults() != model.counters()) return "other fault counters";
    std::vector<model_leaf> resident;
    std::vector<model_leaf> cached;
    for (const auto& [one, in_table] : model.leaves()) {
        resident.push_back(one);
        if (in_table) cached.push_back(one);
    }
    std::size_t next = 0;
    bool wrong = false;
    space.for_each_leaf(Space::table_type::all_pages(), [&](const model_leaf& held) {
        wrong = wrong || next == resident.size() || !same_place(held, resident[next]);
        ++next;
    });
    if (wrong || next != resident.size()) return "other resident leaves";
    next = 0;
    space.tables().for_each(Space::table_type::all_pages(), [&](const model_leaf& held) {
        wrong = wrong || next == cached.size() || held != cached[next];
        ++next;
    });
    if (wrong || next != cached.size()) return "other leaves in the page table";
    return std::nullopt;
}

}  // namespace longreach::model

#endif
