// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_WORKLOAD_HPP
#define LONGREACH_WORKLOADS_WORKLOAD_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../allocator/config.hpp"
#include "papers/paper_workload.hpp"
#include "recording.hpp"

// A program that an experiment can run: a recording, or one of the papers' workloads at full size.

LONGREACH_NAMESPACE_BEGIN

class workload {
  public:
    workload(recording of) : source_(std::move(of)) {}       // NOLINT(google-explicit-constructor)
    workload(paper_workload of) : source_(std::move(of)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] const std::string& name() const {
        if (const recording* const recorded = as_recording()) return recorded->name;
        return std::get<paper_workload>(source_).name();
    }
    /// Null where it is no recording.
    [[nodiscard]] const recording* as_recording() const noexcept { return std::get_if<recording>(&source_); }
    /// Null where it is no full-size stream.
    [[nodiscard]] const paper_workload* as_paper() const noexcept { return std::get_if<paper_workload>(&source_); }

    /// Names of the files that it maps; a mapping's number is an index into them.
    [[nodiscard]] const std::vector<std::string>& files() const {
        if (const recording* const recorded = as_recording()) return recorded->files;
        return std::get<paper_workload>(source_).files();
    }
    /// Most pages that it has touched and still has at one time.
    [[nodiscard]] std::uint64_t peak_pages() const {
        if (const recording* const recorded = as_recording()) return recorded->footprint.peak_pages;
        return std::get<paper_workload>(source_).peak_pages();
    }
    /// Frames without which it cannot run on base pages, tables included.
    [[nodiscard]] std::uint64_t frames() const {
        if (const recording* const recorded = as_recording()) return recorded->footprint.frames();
        return peak_pages() + (peak_pages() + 511) / 512;
    }

  private:
    std::variant<recording, paper_workload> source_;
};

LONGREACH_NAMESPACE_END

#endif
