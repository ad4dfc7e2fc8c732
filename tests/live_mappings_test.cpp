// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdint>
#include <longreach/workloads/live_mappings.hpp>
#include <longreach/workloads/random.hpp>
#include <map>
#include <optional>
#include <string_view>

LONGREACH_NAMESPACE_BEGIN
struct live_mappings_breaker {
    static void put(live_mappings& of, std::uint64_t first, std::uint64_t end, mapping_rules rules) {
        of.ranges_[first] = {end, rules};
    }
};
LONGREACH_NAMESPACE_END

namespace longreach {
namespace {

constexpr mapping_rules read_only{{true, false, false}, false};
constexpr mapping_rules read_write{{true, true, false}, false};

page_run pages(std::uint64_t first, std::uint64_t count) { return {vpn{first}, page_count{count}}; }

TEST(live_mappings, every_page_answers_as_it_was_mapped_last) {
    live_mappings mappings;
    std::map<std::uint64_t, mapping_rules> model;
    random_numbers random(1);
    for (int i = 0; i < 20000; ++i) {
        const page_run range = pages(random.below(60), random.below(12));
        const std::uint64_t end = range.end().raw;
        const mapping_rules rules{{true, random.chance(1, 2), false}, random.chance(1, 2)};
        switch (random.below(4)) {
            case 0:
                mappings.map(range, rules);
                for (std::uint64_t p = range.first.raw; p < end; ++p) model[p] = rules;
                break;
            case 1:
                mappings.unmap(range);
                for (std::uint64_t p = range.first.raw; p < end; ++p) model.erase(p);
                break;
            case 2:
                if (mappings.first_unmapped(range) != range.end()) break;
                mappings.protect(range, rules.protection);
                for (std::uint64_t p = range.first.raw; p < end; ++p) model[p].protection = rules.protection;
                break;
            default:
                break;
        }
        ASSERT_EQ(mappings.audit().label, nullptr);
        std::uint64_t mapped = range.first.raw;
        while (mapped < end && !model.contains(mapped)) ++mapped;
        std::uint64_t unmapped = range.first.raw;
        while (unmapped < end && model.contains(unmapped)) ++unmapped;
        if (!range.empty()) {
            ASSERT_EQ(mappings.first_mapped(range).raw, mapped);
        }
        ASSERT_EQ(mappings.first_unmapped(range).raw, unmapped);
        const std::uint64_t page = random.below(80);
        const auto expected = model.find(page);
        const std::optional<mapping_rules> found = mappings.find(vpn{page});
        ASSERT_EQ(found.has_value(), expected != model.end());
        if (found.has_value()) {
            ASSERT_EQ(*found, expected->second);
        }
    }
}

TEST(live_mappings, loads_need_any_permission_and_stores_the_permission_to_write) {
    EXPECT_TRUE(read_only.allows(false));
    EXPECT_FALSE(read_only.allows(true));
    EXPECT_TRUE(read_write.allows(true));
    EXPECT_TRUE((mapping_rules{{false, false, true}, false}).allows(false));
    EXPECT_FALSE(mapping_rules{}.allows(false));
}

TEST(live_mappings_audit, a_range_that_is_empty_or_reaches_into_the_next_breaks_I1) {
    live_mappings empty;
    live_mappings_breaker::put(empty, 5, 5, read_only);
    EXPECT_EQ(std::string_view(empty.audit().label), "live_mappings.I1");
    live_mappings overlapping;
    overlapping.map(pages(10, 5), read_only);
    live_mappings_breaker::put(overlapping, 8, 12, read_write);
    EXPECT_EQ(std::string_view(overlapping.audit().label), "live_mappings.I1");
    EXPECT_EQ(overlapping.audit().where, 10U);
}

TEST(live_mappings_audit, equal_neighbours_that_touch_break_I2) {
    live_mappings mappings;
    mappings.map(pages(10, 5), read_only);
    live_mappings_breaker::put(mappings, 15, 20, read_only);
    EXPECT_EQ(std::string_view(mappings.audit().label), "live_mappings.I2");
    EXPECT_EQ(mappings.audit().where, 15U);
}

}
}
