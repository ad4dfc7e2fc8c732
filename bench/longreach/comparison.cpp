// SPDX-License-Identifier: MIT
#include "comparison.hpp"

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <longreach/workloads/fragment/fragmentation.hpp>
#include <longreach/workloads/input_error.hpp>

#include "command.hpp"
#include "comparison_journal.hpp"
#include "interruption.hpp"
#include "progress_bar.hpp"
#include "run_policy.hpp"

namespace longreach {

namespace {

experiment experiment_of(const comparison& wanted, machine_mode mode, const fragmentation& fragmented,
                         policy_name policy, std::uint64_t seed) {
    experiment one;
    one.policy = policy;
    one.mode = mode;
    one.memory = wanted.memory;
    one.nodes = wanted.nodes;
    one.fragmented = fragmented;
    one.seed = seed;
    one.feed = wanted.feed;
    one.moment = wanted.moment;
    one.with_frame_maps = wanted.with_frame_maps;
    return one;
}

std::vector<comparison_row> combinations(const comparison& wanted) {
    std::vector<comparison_row> rows;
    for (const workload& program : wanted.programs) {
        for (const machine_mode mode : wanted.modes) {
            for (const fragmentation& fragmented : wanted.fragmentations) {
                for (const policy_name policy : wanted.policies) {
                    for (std::uint64_t seed = 1; seed <= wanted.seeds; ++seed) {
                        comparison_row row;
                        row.program = &program;
                        row.wanted = experiment_of(wanted, mode, fragmented, policy, seed);
                        rows.push_back(std::move(row));
                    }
                }
            }
        }
    }
    return rows;
}

std::string describe(const comparison_row& row) {
    return absl::StrCat(printable_name(row.program->name()), " ", std::string(to_string(row.wanted.policy)), " ",
                        std::string(to_string(row.wanted.mode)), " ", words_of(row.wanted.fragmented), " seed ",
                        row.wanted.seed);
}

/// Good where the program may fit into the memory; ResourceExhausted, with what it needs, where it cannot even on base
/// pages, whatever the policy and the seed.
absl::Status check_fit(const workload& program, const experiment& wanted) {
    const memory_need need = need_of(program, wanted);
    if (need.needed <= need.left) return absl::OkStatus();
    const double mib = static_cast<double>(to_bytes({need.needed})) / (1024.0 * 1024.0);
    return absl::ResourceExhaustedError(absl::StrFormat(
        "%s needs at least %d frames (%.1f MiB) on base pages, tables included; a memory of %d frames, %s, "
        "leaves %d",
        printable_name(program.name()), need.needed, mib, wanted.memory.raw * wanted.nodes, words_of(wanted.fragmented),
        need.left));
}

/// Runs one combination; what went wrong is said in a line that names it.
combination_answer run_one(const comparison_row& row) {
    if (absl::Status status = check_fit(*row.program, row.wanted); !status.ok()) return status;
    absl::Status status;
    try {
        combination_answer found = run_policy(*row.program, row.wanted);
        if (found.ok()) return found;
        status = found.status();
    } catch (const std::bad_alloc&) {
        status = absl::UnavailableError("this computer's own memory does not suffice for the simulation");
    }
    return absl::Status(status.code(), absl::StrCat(describe(row), ": ", status.message()));
}

/// Hands out the combinations to threads and takes back what they found, in order.
class worker_pool {
  public:
    /// What the journal holds is not run again.
    worker_pool(const std::vector<comparison_row>& rows, comparison_journal* journal)
        : rows_(rows), journal_(journal), answers_(rows.size()) {
        if (journal != nullptr) answers_ = journal->finished();
        finished_ = static_cast<std::size_t>(
            std::count_if(answers_.begin(), answers_.end(), [](const auto& answer) { return answer.has_value(); }));
        const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
        try {
            for (std::size_t i = 0; i < std::min(cores, rows.size() - finished_); ++i) {
                threads_.emplace_back([this] { work(); });
            }
        } catch (const std::system_error&) {  // fewer threads than cores will do, and take() works where there is none
        }
    }
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;
    ~worker_pool() {
        for (std::thread& thread : threads_) thread.join();
    }

    /// How many combinations are finished, in whatever order.
    [[nodiscard]] std::size_t finished() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return finished_;
    }

    /// Waits for combination `i`; calls `meanwhile()` every now and then.
    template <class Meanwhile>
    combination_answer take(std::size_t i, Meanwhile&& meanwhile) {
        meanwhile();
        if (threads_.empty() && !answers_[i]) work_on(i);
        std::unique_lock<std::mutex> lock(mutex_);
        while (!done_.wait_for(lock, std::chrono::milliseconds(50), [&] { return answers_[i].has_value(); })) {
            lock.unlock();
            meanwhile();
            lock.lock();
        }
        return *std::move(answers_[i]);
    }

    /// From here on nothing is finished and no line of the journal is begun; how many combinations are finished. The
    /// program has to end right after.
    [[nodiscard]] std::size_t stop() {
        mutex_.lock();
        return finished_;
    }

  private:
    void work() {
        while (const std::optional<std::size_t> mine = next()) work_on(*mine);
    }

    std::optional<std::size_t> next() {
        const std::lock_guard<std::mutex> lock(mutex_);
        while (next_ < rows_.size() && answers_[next_]) ++next_;
        if (next_ == rows_.size()) return {};
        return next_++;
    }

    void work_on(std::size_t mine) {
        combination_answer answer = run_one(rows_[mine]);
        const std::lock_guard<std::mutex> lock(mutex_);
        if (journal_ != nullptr && (answer.ok() || does_not_fit(answer))) journal_->add(mine, answer);
        answers_[mine] = std::move(answer);
        ++finished_;
        done_.notify_all();
    }

    const std::vector<comparison_row>& rows_;
    comparison_journal* journal_;
    std::vector<std::optional<combination_answer>> answers_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable done_;
    std::size_t next_ = 0;
    std::size_t finished_ = 0;
};

/// What the policies of a comparison reached, so that `ideal`, which comes last, is never worse than any.
class best_of_policies {
  public:
    best_of_policies(std::size_t places, const comparison& wanted)
        : best_(places), seeds_(wanted.seeds), policies_(wanted.policies.size()) {}

    /// Rows come in order. One of `ideal` takes over whatever is better than its own.
    void take(std::size_t i, comparison_row& row) {
        const std::size_t place = i / (seeds_ * policies_) * seeds_ + i % seeds_;
        census& runs = row.found.runs;
        std::optional<census>& best = best_[place];
        if (!best) best = runs;
        for (const auto fewer : {&census::runs, &census::n80, &census::n90, &census::n99}) {
            (*best).*fewer = std::min((*best).*fewer, runs.*fewer);
        }
        for (const auto more : {&census::cover32, &census::cover128}) {
            (*best).*more = std::max((*best).*more, runs.*more);
        }
        if (row.wanted.policy != policy_name::ideal) return;
        for (const auto member : {&census::runs, &census::n80, &census::n90, &census::n99}) {
            runs.*member = (*best).*member;
        }
        for (const auto member : {&census::cover32, &census::cover128}) runs.*member = (*best).*member;
    }

  private:
    std::vector<std::optional<census>> best_;  ///< by workload, mode, fragmentation and seed
    std::size_t seeds_;
    std::size_t policies_;
};

[[noreturn]] void end_interrupted(const std::string& command, worker_pool& pool, progress_bar& progress,
                                  std::size_t all, bool has_journal) {
    const std::size_t finished = pool.stop();
    progress.clear();
    std::fprintf(stderr, "longreach %s: interrupted after %zu of %zu combinations; %s\n", command.c_str(), finished,
                 all,
                 has_journal ? "to go on, give the same command with --resume" : "there is no journal to go on from");
    std::fflush(stdout);
    std::_Exit(exit_by_signal + interruption());
}

}

absl::Status check_memory(const comparison& wanted) {
    for (const workload& program : wanted.programs) {
        for (const fragmentation& fragmented : wanted.fragmentations) {
            const absl::Status status =
                check_fit(program, experiment_of(wanted, machine_mode::native, fragmented, policy_name::thp, 1));
            if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("--memory: ", status.message()));
        }
    }
    return absl::OkStatus();
}

bool run_rows(std::string_view command, std::vector<comparison_row> rows, comparison_journal* journal,
              const std::function<void(comparison_row&)>& take) {
    const std::string name(command);
    progress_bar progress(rows.size(), journal == nullptr ? 0 : journal->size());
    worker_pool pool(rows, journal);
    std::set<std::string> said;  // seeds and policies often share a reason
    bool all_good = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        comparison_row& row = rows[i];
        combination_answer answer = pool.take(i, [&] {
            if (interruption() != 0) end_interrupted(name, pool, progress, rows.size(), journal != nullptr);
            progress.show(pool.finished());
        });
        progress.clear();
        if (answer.ok()) {
            row.end = row_end::found;
            row.found = *std::move(answer);
        } else {
            row.end = does_not_fit(answer) ? row_end::does_not_fit : row_end::failed;
            all_good = all_good && row.end != row_end::failed;
            const std::string why(answer.status().message());
            if (said.insert(why).second) std::fprintf(stderr, "longreach %s: %s\n", name.c_str(), why.c_str());
        }
        take(row);
    }
    return all_good;
}

bool run_comparison(const comparison& wanted, comparison_journal* journal,
                    const std::function<void(const comparison_row&)>& take) {
    std::vector<comparison_row> rows = combinations(wanted);
    best_of_policies best(rows.size() / std::max<std::size_t>(wanted.policies.size(), 1), wanted);
    std::size_t i = 0;
    return run_rows("compare", std::move(rows), journal, [&](comparison_row& row) {
        if (row.end == row_end::found) best.take(i, row);
        ++i;
        take(row);
    });
}

}
