// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_COMPARISON_JOURNAL_HPP
#define LONGREACH_BENCH_LONGREACH_COMPARISON_JOURNAL_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <longreach/workloads/experiment.hpp>

// The finished rows of a comparison on disk, so that a run that was ended can go on where it stopped.
//
// A text: one line that names the comparison, then a line for each finished combination, in the order in which they
// were finished, each appended by one write() and closed by a checksum. A process that is killed leaves at most a last
// line that is not whole. The file is locked while it is open. Not for several threads.

namespace longreach {

/// What a combination came to: its outcome, or ResourceExhausted with the reason why it does not fit. Any other status
/// is a failure, of which no journal is kept.
using combination_answer = absl::StatusOr<outcome>;

/// Whether the answer says that the combination does not fit.
[[nodiscard]] inline bool does_not_fit(const combination_answer& answer) {
    return absl::IsResourceExhausted(answer.status());
}

/// Which comparison a journal is of.
struct journal_subject {
    std::uint64_t identity = 0;  ///< identity_of()
    std::size_t combinations = 0;
};

/// The name that a comparison's journal has where the user gives none, in $XDG_STATE_HOME/longreach or
/// ~/.local/state/longreach, which is made where it is missing.
[[nodiscard]] absl::StatusOr<std::string> default_journal(const journal_subject& of);

/// A line for one combination, with its checksum and without a line feed. Frame maps are left out.
[[nodiscard]] std::string journal_line(std::size_t combination, const combination_answer& answer);

struct journal_entry {
    std::size_t combination = 0;
    combination_answer answer = absl::UnknownError("");
};

/// Reads back such a line, every number as it was; nothing where it is not one that journal_line() wrote.
[[nodiscard]] std::optional<journal_entry> read_journal_line(std::string_view line);

class comparison_journal {
  public:
    /// Opens and locks the journal. To resume, reads what it holds, which has to be of the same comparison; otherwise
    /// starts it afresh. A file that is no journal is never changed. One line that says what is wrong.
    [[nodiscard]] static absl::StatusOr<std::unique_ptr<comparison_journal>> open(const std::string& path,
                                                                                  const journal_subject& of,
                                                                                  bool resume);
    comparison_journal(const comparison_journal&) = delete;
    comparison_journal& operator=(const comparison_journal&) = delete;
    ~comparison_journal();

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// What was read, by combination.
    [[nodiscard]] const std::vector<std::optional<combination_answer>>& finished() const noexcept { return finished_; }
    /// Of how many combinations it holds the answers, those added included.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Keeps one more answer. Where that fails, stderr says so once and nothing more is kept.
    void add(std::size_t combination, const combination_answer& answer);
    /// Deletes the file: everything is done.
    void remove() const noexcept;

  private:
    comparison_journal(std::string path, int file, const journal_subject& of)
        : path_(std::move(path)), file_(file), finished_(of.combinations) {}

    [[nodiscard]] absl::Status read(std::string_view text, const journal_subject& of);
    [[nodiscard]] absl::Status start(const journal_subject& of);
    [[nodiscard]] bool append(std::string line);

    std::string path_;
    int file_;
    std::vector<std::optional<combination_answer>> finished_;
    std::size_t size_ = 0;
    std::uint64_t bytes_ = 0;  ///< of whole lines in the file
    bool broken_ = false;
};

}

#endif
