// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_PAPERS_PAPER_WORKLOAD_HPP
#define LONGREACH_WORKLOADS_PAPERS_PAPER_WORKLOAD_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../../allocator/config.hpp"
#include "../input_error.hpp"
#include "paper_plan.hpp"
#include "paper_programs.hpp"

// The workloads of the CA-paging paper (Alverti et al., ISCA 2020) at the paper's sizes, by name.
//
// A workload is small: it holds a plan, not pages. Copies share the plan. What is modelled, and what is guessed:
// workloads/README.md, "Full-size streams". Any number of threads may read one object.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

struct paper_program {
    std::string_view name;
    std::string_view description;
    unsigned threads = 1;
    std::uint64_t published_pages = 0;  ///< the paper's footprint in pages of 4 KiB
    void (*plan)(paper_plan&) = nullptr;
};

inline constexpr std::uint64_t gib_pages = gib / page_bytes;

/// In the paper's order. XSBench: 59999 x 2 MiB + 2081 x 4 KiB, as the paper's artifact prints it.
inline constexpr std::array<paper_program, 5> paper_programs{{
    {"svm29g", "LIBLINEAR trains an SVM on kdd12", 1, 29 * gib_pages, plan_svm},
    {"pagerank78g", "Ligra reads friendster and ranks its pages", paper_threads, 78 * gib_pages, plan_pagerank},
    {"hashjoin102g", "a chained hash table is built, then probed by all threads", paper_threads, 102 * gib_pages,
     plan_hash_join},
    {"xsbench120g", "XSBench, size XL, unionized grid", 1, 59'999 * 512 + 2'081, plan_xsbench},
    {"bt167g", "NAS BT, class E", paper_threads, 167 * gib_pages, plan_bt},
}};

}

class paper_workload {
  public:
    /// The largest number that sizes can be divided by.
    static constexpr std::uint64_t most_divided = 4096;

    /// One of detail::paper_programs, its arrays `divisor` times smaller, 1 to most_divided.
    explicit paper_workload(const detail::paper_program& program, std::uint64_t divisor = 1)
        : program_(&program), divisor_(divisor) {
        LONGREACH_CHECK(divisor >= 1 && divisor <= most_divided, "paper_workload.divisor");
        name_ = std::string(program.name);
        if (divisor != 1) absl::StrAppend(&name_, "/", divisor);
        auto made = std::make_shared<paper_plan>(divisor);
        program.plan(*made);
        heats_ = made->heats();
        std::sort(heats_.begin(), heats_.end(),
                  [](const page_heat& a, const page_heat& b) { return a.pages.first < b.pages.first; });
        touched_ = united(made->touched());
        plan_ = std::move(made);
    }

    /// `xsbench120g`, or `xsbench120g/16` for a sixteenth of it.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::string_view description() const noexcept { return program_->description; }
    [[nodiscard]] unsigned threads() const noexcept { return program_->threads; }
    [[nodiscard]] std::uint64_t divisor() const noexcept { return divisor_; }
    /// The same program with arrays that are smaller by this factor than those of the full size; what is small at full
    /// size (libraries, stacks, the brk heap) stays, and so do threads.
    [[nodiscard]] paper_workload scaled(std::uint64_t divisor) const { return paper_workload(*program_, divisor); }

    /// The footprint that the paper gives, divided.
    [[nodiscard]] std::uint64_t published_pages() const noexcept { return program_->published_pages / divisor_; }
    /// Most pages mapped at one time, without those that allow no access.
    [[nodiscard]] std::uint64_t total_pages() const noexcept { return plan_->areas().most_pages(); }
    /// First touches in the stream. A page that is unmapped, mapped and touched again counts again.
    [[nodiscard]] std::uint64_t touched_pages() const noexcept { return plan_->touched_pages(); }
    /// Most touched pages at one time: what is resident on base pages, and what published_pages() speaks of.
    [[nodiscard]] std::uint64_t peak_pages() const noexcept { return plan_->peak_pages(); }
    /// Most areas at one time, neighbouring anonymous memory of one protection being one area.
    [[nodiscard]] std::size_t most_areas() const noexcept { return plan_->areas().most_areas(); }
    /// No fewer than the 2 MiB regions that are ever touched: machine_options::stretches.
    [[nodiscard]] std::size_t most_regions() const noexcept {
        return static_cast<std::size_t>(plan_->touched_regions());
    }
    /// Names of mapped files; vma_event::file is an index into them.
    [[nodiscard]] const std::vector<std::string>& files() const noexcept { return plan_->files(); }
    [[nodiscard]] const paper_plan& plan() const noexcept { return *plan_; }

    /// How many of the 512 pages from `first` on the program touches within a second of its steady phase, 0 to 512.
    /// Where pages of several arrays lie there, each adds its share. O(log arrays).
    [[nodiscard]] unsigned coverage(vpn first) const {
        const page_run region{first, superpage_order.pages()};
        auto heat = std::partition_point(heats_.begin(), heats_.end(),
                                         [&](const page_heat& h) { return h.pages.end() <= region.first; });
        std::uint64_t pages = 0;
        for (; heat != heats_.end() && heat->pages.first < region.end(); ++heat) {
            pages += intersection(heat->pages, region).count.raw * heat->per_region;
        }
        return static_cast<unsigned>(pages / region.count.raw);
    }

    /// Whether the program touches the page at any time. What is resident and never touched, as part of a superpage or
    /// mapped in advance, holds zeros. O(log arrays).
    [[nodiscard]] bool ever_touches(vpn page) const {
        const auto place = std::partition_point(touched_.begin(), touched_.end(),
                                                [&](page_run touched) { return touched.end() <= page; });
        return place != touched_.end() && place->contains(page);
    }

  private:
    /// The same pages as runs that are in order and apart.
    [[nodiscard]] static std::vector<page_run> united(std::vector<page_run> runs) {
        std::sort(runs.begin(), runs.end(), [](page_run a, page_run b) { return a.first < b.first; });
        std::vector<page_run> apart;
        for (const page_run next : runs) {
            if (apart.empty() || apart.back().end() < next.first) {
                apart.push_back(next);
            } else {
                apart.back() = run_between(apart.back().first, std::max(apart.back().end(), next.end()));
            }
        }
        return apart;
    }

    const detail::paper_program* program_;
    std::uint64_t divisor_;
    std::string name_;
    std::shared_ptr<const paper_plan> plan_;
    std::vector<page_heat> heats_;   // by first page
    std::vector<page_run> touched_;  // by first page, apart
};

/// All five, in the paper's order, their arrays `divisor` times smaller.
[[nodiscard]] inline std::vector<paper_workload> paper_workloads(std::uint64_t divisor = 1) {
    std::vector<paper_workload> all;
    for (const detail::paper_program& program : detail::paper_programs) all.emplace_back(program, divisor);
    return all;
}

/// The workloads that a name stands for: `papers` is all five, and `/N` behind a name divides sizes by N.
/// NotFound for an unknown name, InvalidArgument for a wrong divisor, each with one line that says what was expected.
[[nodiscard]] inline absl::StatusOr<std::vector<paper_workload>> find_paper_workloads(std::string_view name) {
    const std::size_t slash = name.find('/');
    const std::string_view base = name.substr(0, slash);
    const auto known = std::find_if(detail::paper_programs.begin(), detail::paper_programs.end(),
                                    [&](const detail::paper_program& program) { return program.name == base; });
    if (known == detail::paper_programs.end() && base != "papers") {
        const std::string names =
            absl::StrJoin(detail::paper_programs, ", ", [](std::string* out, const detail::paper_program& program) {
                absl::StrAppend(out, std::string(program.name));
            });
        return missing_input(name.empty() ? "the empty name" : name,
                             absl::StrCat("expected papers (all of them), ", names, ", or one of these and /N"));
    }
    std::uint64_t divisor = 1;
    if (slash != std::string_view::npos) {
        const std::string digits(name.substr(slash + 1));
        const bool plain = !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
        if (!plain || !absl::SimpleAtoi(digits, &divisor) || divisor == 0 || divisor > paper_workload::most_divided) {
            return bad_input(name, absl::StrCat("expected a divisor of 1 to ", paper_workload::most_divided,
                                                " behind the slash, found ", in_quotes(digits)));
        }
    }
    if (base == "papers") return paper_workloads(divisor);
    return std::vector<paper_workload>{paper_workload(*known, divisor)};
}

LONGREACH_NAMESPACE_END

#endif
