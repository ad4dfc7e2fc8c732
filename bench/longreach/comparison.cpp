// SPDX-License-Identifier: MIT
#include "comparison.hpp"

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <longreach/workloads/input_error.hpp>

#include "progress_bar.hpp"

namespace longreach {

namespace {

std::vector<comparison_row> combinations(const comparison& wanted) {
    std::vector<comparison_row> rows;
    for (const recording& program : wanted.programs) {
        for (const machine_mode mode : wanted.modes) {
            for (const unsigned hog : wanted.hogs) {
                for (const policy_name policy : wanted.policies) {
                    for (std::uint64_t seed = 1; seed <= wanted.seeds; ++seed) {
                        rows.push_back({&program,
                                        {policy, mode, wanted.memory, hog, seed, wanted.feed, wanted.moment,
                                         wanted.with_frame_maps},
                                        {}});
                    }
                }
            }
        }
    }
    return rows;
}

std::string describe(const comparison_row& row) {
    return absl::StrCat(printable_name(row.program->name), " ", std::string(to_string(row.wanted.policy)), " ",
                        std::string(to_string(row.wanted.mode)), " hog ", row.wanted.hog_percent, " seed ",
                        row.wanted.seed);
}

/// Hands out the combinations to threads and takes back what they found, in order.
class worker_pool {
  public:
    explicit worker_pool(std::vector<comparison_row>& rows) : rows_(rows), answers_(rows.size()) {
        const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
        try {
            for (std::size_t i = 0; i < std::min(cores, rows.size()); ++i) threads_.emplace_back([this] { work(); });
        } catch (const std::system_error&) {  // fewer threads than cores will do, and take() works where there is none
        }
    }
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;
    ~worker_pool() {
        for (std::thread& thread : threads_) thread.join();
    }

    /// Waits for combination `i`.
    absl::StatusOr<outcome> take(std::size_t i) {
        if (threads_.empty() && i == next_) work_on(next_++);
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [&] { return answers_[i].has_value(); });
        return *std::move(answers_[i]);
    }

  private:
    void work() {
        while (true) {
            std::size_t mine = 0;
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                if (next_ == rows_.size()) return;
                mine = next_++;
            }
            work_on(mine);
        }
    }

    void work_on(std::size_t mine) {
        absl::StatusOr<outcome> answer = run_one(rows_[mine]);
        const std::lock_guard<std::mutex> lock(mutex_);
        answers_[mine] = std::move(answer);
        done_.notify_all();
    }

    static absl::StatusOr<outcome> run_one(const comparison_row& row) {
        try {
            return run_experiment(*row.program, row.wanted);
        } catch (const std::bad_alloc&) {
            return absl::ResourceExhaustedError("this computer's own memory does not suffice for the simulation");
        }
    }

    std::vector<comparison_row>& rows_;
    std::vector<std::optional<absl::StatusOr<outcome>>> answers_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable done_;
    std::size_t next_ = 0;
};

}

absl::Status check_memory(const comparison& wanted) {
    const auto mib = [](std::uint64_t frames) { return static_cast<double>(to_bytes({frames})) / (1024.0 * 1024.0); };
    for (const recording& program : wanted.programs) {
        for (const unsigned hog : wanted.hogs) {
            experiment smallest;
            smallest.memory = wanted.memory;
            smallest.hog_percent = hog;
            const memory_need need = need_of(program, smallest);
            if (need.needed <= need.left) continue;
            return absl::InvalidArgumentError(absl::StrFormat(
                "--memory: %s needs at least %d frames (%.1f MiB) on base pages, tables included; a memory of %d "
                "frames "
                "with a hog of %d %% leaves %d",
                printable_name(program.name), need.needed, mib(need.needed), wanted.memory.raw, hog, need.left));
        }
    }
    return absl::OkStatus();
}

bool run_comparison(const comparison& wanted, const std::function<void(const comparison_row&)>& take) {
    std::vector<comparison_row> rows = combinations(wanted);
    const progress_bar progress(rows.size());
    worker_pool pool(rows);
    bool all_good = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        progress.show(i);
        absl::StatusOr<outcome> found = pool.take(i);
        if (found.ok()) {
            rows[i].found = *std::move(found);
            progress.clear();
            take(rows[i]);
        } else {
            all_good = false;
            progress.clear();
            const absl::string_view why = found.status().message();
            std::fprintf(stderr, "longreach compare: %s: %.*s\n", describe(rows[i]).c_str(),
                         static_cast<int>(why.size()), why.data());
        }
    }
    return all_good;
}

}
