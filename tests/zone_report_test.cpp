// SPDX-License-Identifier: MIT
// The tables behind zone_bench: what was run and nothing else, and goals that are met only by work that was done.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "../bench/zone_report.hpp"

namespace longreach::bench {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr goal at_most_double{"twice", {"work", "ours", "8GiB"}, {"work", "theirs", "8GiB"}, bound::ratio_at_most, 2};

/// What `print` writes.
template <class Print>
std::string printed(Print print) {
    std::FILE* const file = std::tmpfile();
    print(file);
    std::rewind(file);
    std::string text;
    std::array<char, 512> part{};
    for (std::size_t n; (n = std::fread(part.data(), 1, part.size(), file)) > 0;) text.append(part.data(), n);
    std::fclose(file);
    return text;
}

measurements with(double ours, double theirs) {
    measurements run;
    run.add("BM_work/ours/8GiB", "ns", ours);
    run.add("BM_work/theirs/8GiB", "ns", theirs);
    return run;
}

TEST(zone_report, a_goal_is_met_by_the_ratio_of_medians) {
    EXPECT_THAT(goal_line(with(20, 10), at_most_double), EndsWith("  yes\n"));
    EXPECT_THAT(goal_line(with(21, 10), at_most_double), EndsWith("  no\n"));
}

TEST(zone_report, a_goal_is_not_met_where_its_work_was_refused_something) {
    measurements run = with(10, 10);
    run.add("BM_work/ours/8GiB", "refused", 0);
    EXPECT_THAT(goal_line(run, at_most_double), EndsWith("  yes\n"));
    run.add("BM_work/ours/8GiB", "refused", 1);
    EXPECT_THAT(goal_line(run, at_most_double), EndsWith("  no\n"));
}

TEST(zone_report, a_goal_whose_work_failed_is_told_and_one_that_was_not_run_is_not) {
    measurements run;
    run.add("BM_work/ours/8GiB", "ns", 1);
    EXPECT_EQ(goal_line(run, at_most_double), "");
    run.fail("BM_work/theirs/8GiB");
    EXPECT_THAT(goal_line(run, at_most_double), EndsWith("  failed\n"));
}

TEST(zone_report, tables_hold_what_was_run) {
    const auto tables = [](const measurements& run) {
        return printed([&run](std::FILE* out) {
            print_medians(run, {{"work", "8GiB"}, {"rest", "8GiB"}}, {"ours", "theirs"}, out);
            print_goals(run, out);
        });
    };
    EXPECT_EQ(tables({}), "");
    const std::string some = tables(with(1, 2));
    EXPECT_THAT(some, HasSubstr("work/8GiB                                       1.000    2.000\n"));
    EXPECT_THAT(some, Not(HasSubstr("rest")));
    EXPECT_THAT(some, Not(HasSubstr("goal")));
}

}  // namespace
}  // namespace longreach::bench
