// SPDX-License-Identifier: MIT
// Means with their intervals, and how far a long job says it is.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "../bench/longreach/confidence.hpp"
#include "../bench/longreach/progress_bar.hpp"

namespace longreach {
namespace {

/// The distribution function of Student's t, by Simpson's rule over its density.
double student_t(double t, double degrees) {
    const double scale =
        std::exp(std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2)) / std::sqrt(degrees * std::acos(-1.0));
    const auto density = [&](double x) { return scale * std::pow(1 + x * x / degrees, -(degrees + 1) / 2); };
    constexpr int steps = 20'000;
    double sum = density(0) + density(t);
    for (int i = 1; i < steps; ++i) sum += (i % 2 == 0 ? 2 : 4) * density(t * i / steps);
    return 0.5 + sum * t / steps / 3;
}

TEST(confidence, quantiles_are_those_of_the_printed_table) {
    // Two-sided 95 %, to three decimals, as every textbook prints it (e.g. NIST/SEMATECH e-Handbook, 1.3.6.7.2).
    const std::vector<std::pair<std::uint64_t, double>> printed{
        {1, 12.706}, {2, 4.303},  {3, 3.182},  {4, 2.776},  {5, 2.571},  {9, 2.262},   {10, 2.228},  {20, 2.086},
        {29, 2.045}, {30, 2.042}, {31, 2.040}, {40, 2.021}, {60, 2.000}, {100, 1.984}, {120, 1.980}, {1000, 1.962}};
    for (const auto& [degrees, quantile] : printed) EXPECT_NEAR(student_t975(degrees), quantile, 0.0005) << degrees;
}

TEST(confidence, quantiles_leave_two_and_a_half_percent_above_them) {
    for (std::uint64_t degrees = 1; degrees <= 64; ++degrees) {
        EXPECT_NEAR(student_t(student_t975(degrees), static_cast<double>(degrees)), 0.975, 3e-9) << degrees;
    }
    EXPECT_NEAR(student_t(student_t975(1000), 1000), 0.975, 3e-9);
}

TEST(confidence, mean_and_interval_are_those_computed_by_hand) {
    // Sum of squares around 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32; t(7) = 2.364624; 2.364624 * sqrt(32 / 7 / 8).
    const estimate eight = estimate_of({2, 4, 4, 4, 5, 5, 7, 9});
    EXPECT_EQ(eight.mean, 5.0);
    EXPECT_NEAR(eight.half_width, 1.787488, 1e-6);
    // Two figures: t(1) = 12.706205 times half their distance.
    const estimate two = estimate_of({10, 13});
    EXPECT_EQ(two.mean, 11.5);
    EXPECT_NEAR(two.half_width, 19.059307, 1e-6);
}

TEST(confidence, equal_figures_are_certain_and_few_say_nothing) {
    const estimate equal = estimate_of({0.1, 0.1, 0.1});
    EXPECT_EQ(equal.mean, 0.1) << "without the error of a sum";
    EXPECT_EQ(equal.half_width, 0.0);
    EXPECT_EQ(estimate_of({7}).mean, 7.0);
    EXPECT_EQ(estimate_of({7}).half_width, 0.0);
    EXPECT_EQ(estimate_of({}).mean, 0.0);
}

TEST(progress, says_how_far_it_is_and_how_long_it_takes) {
    EXPECT_EQ(progress_text(0, 4, {}), "[........................................] 0 of 4");
    EXPECT_EQ(progress_text(1, 4, 65), "[##########..............................] 1 of 4, 1:05 left");
    EXPECT_EQ(progress_text(4, 4, 3723), "[########################################] 4 of 4, 1:02:03 left");
}

TEST(progress, time_left_counts_only_steps_of_this_run) {
    EXPECT_FALSE(seconds_left(100, 0, 10)) << "nothing is known before the first step";
    EXPECT_EQ(seconds_left(20, 10, 30), 61U);
    EXPECT_EQ(seconds_left(0.5, 2, 1), 1U);
}

}
}
