// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_CONFIDENCE_HPP
#define LONGREACH_BENCH_LONGREACH_CONFIDENCE_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

// The mean of a few figures and how far it can be trusted: its 95 % confidence interval by Student's t.
//
// Only the four operations and square roots, which IEEE 754 rounds exactly: no library's other functions decide a
// digit.

namespace longreach {

/// The 97.5 % quantile of Student's t distribution, within 4e-8; `degrees` is at least 1.
///
/// Up to 30 degrees of freedom a table, computed with 30 digits from the regularized incomplete beta function; beyond,
/// the expansion around the normal distribution (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5).
[[nodiscard]] inline double student_t975(std::uint64_t degrees) noexcept {
    static constexpr std::array<double, 30> table{
        12.7062047362, 4.30265272975, 3.18244630528, 2.7764451052,  2.57058183564, 2.44691185114,
        2.36462425159, 2.3060041352,  2.2621571628,  2.22813885199, 2.20098516009, 2.17881282967,
        2.16036865646, 2.14478668792, 2.13144954556, 2.11990529922, 2.10981557783, 2.10092204024,
        2.09302405441, 2.08596344727, 2.07961384473, 2.0738730679,  2.06865761042, 2.06389856163,
        2.05953855275, 2.05552943864, 2.05183051648, 2.0484071418,  2.04522964213, 2.0422724563};
    if (degrees <= table.size()) return table[static_cast<std::size_t>(degrees) - 1];
    constexpr double normal = 1.95996398454005424;
    constexpr std::array<double, 4> terms{2.37227123029856278, 2.8224986157396118, 2.55584967950772333,
                                          1.58953404339382354};
    double result = normal;
    auto scale = static_cast<double>(degrees);
    for (const double term : terms) {
        result += term / scale;
        scale *= static_cast<double>(degrees);
    }
    return result;
}

/// A mean; the true one lies within `half_width` of it with 95 % confidence, for figures that are independent and
/// normally distributed.
struct estimate {
    double mean = 0;        ///< 0 of no figure
    double half_width = 0;  ///< 0 of fewer than two figures, which tell nothing about it
};

[[nodiscard]] inline estimate estimate_of(const std::vector<double>& figures) noexcept {
    if (figures.empty()) return {};
    const double first = figures.front();
    if (std::all_of(figures.begin(), figures.end(), [&](double figure) { return figure == first; })) return {first, 0};
    estimate result;
    const auto count = static_cast<double>(figures.size());
    for (const double figure : figures) result.mean += figure;
    result.mean /= count;
    double squares = 0;
    for (const double figure : figures) squares += (figure - result.mean) * (figure - result.mean);
    result.half_width = student_t975(figures.size() - 1) * std::sqrt(squares / (count - 1) / count);
    return result;
}

}

#endif
