// SPDX-License-Identifier: MIT
#include "comparison_journal.hpp"

#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <type_traits>
#include <utility>

#include "fingerprint.hpp"
#include "output_file.hpp"

#include <longreach/workloads/input_error.hpp>

namespace longreach {

namespace {

// ---- the list of fields: every number of an outcome, for writing and for reading
//
// Each structured binding names all members, so a new member does not compile before it is listed here.

template <class Like, class Of>
concept either_const = std::same_as<std::remove_const_t<Like>, Of>;

template <either_const<census> Census, class Visit>
void each_number(Census& of, Visit& visit) {
    auto& [pages, superpages, runs, stretches99, n80, n90, n99, cover32, cover128] = of;
    visit(pages), visit(superpages), visit(runs), visit(stretches99), visit(n80), visit(n90), visit(n99);
    visit(cover32), visit(cover128);
}

template <either_const<machine_counters> Counters, class Visit>
void each_number(Counters& of, Visit& visit) {
    auto& [faults, placement] = of;
    auto& [placements, replacements, target_hits, target_refusals, ordinary] = placement;
    visit(faults), visit(placements), visit(replacements), visit(target_hits), visit(target_refusals);
    visit(ordinary);
}

template <either_const<mmu_counters> Counters, class Visit>
void each_number(Counters& of, Visit& visit) {
    auto& [accesses, l1_misses, l2_misses, faults, misses_of, walk_refs_of] = of;
    visit(accesses), visit(l1_misses), visit(l2_misses), visit(faults);
    for (auto& misses : misses_of) visit(misses);
    for (auto& references : walk_refs_of) {
        for (auto& count : references.of_kind) visit(count);
    }
}

template <either_const<run_costs> Costs, class Visit>
void each_number(Costs& of, Visit& visit) {
    auto& [daemon, bloat_pages, fault_zeroed_bytes, fault_ns, fault_ns_p50, fault_ns_p99, fault_ns_longest, settled_ns,
           covered_ns] = of;
    auto& [passes, promotions, demotions, migrated_pages, exchanged_pages, skipped_unmovable, shootdowns, zeroed_bytes,
           copied_bytes, reclaimed_pages] = daemon;
    visit(passes), visit(promotions), visit(demotions), visit(migrated_pages), visit(exchanged_pages);
    visit(skipped_unmovable), visit(shootdowns), visit(zeroed_bytes), visit(copied_bytes), visit(reclaimed_pages);
    visit(bloat_pages), visit(fault_zeroed_bytes), visit(fault_ns), visit(fault_ns_p50), visit(fault_ns_p99);
    visit(fault_ns_longest), visit(settled_ns), visit(covered_ns);
}

template <either_const<outcome> Outcome, class Visit>
void each_number(Outcome& of, Visit&& visit) {
    auto& [runs, guest_bound99, host_bound99, counters, host_counters, translation, costs, frame_maps] = of;
    static_cast<void>(frame_maps);  // a picture's: such a run has no journal
    each_number(runs, visit);
    visit(guest_bound99), visit(host_bound99);
    each_number(counters, visit);
    each_number(host_counters, visit);
    each_number(translation, visit);
    each_number(costs, visit);
}

// ---- numbers and lines as text

struct number_writer {
    std::string& text;

    void operator()(std::uint64_t number) const { absl::StrAppend(&text, " ", absl::Hex(number)); }
    void operator()(double number) const { (*this)(std::bit_cast<std::uint64_t>(number)); }
};

/// Words of a line, one after the other; empty where there are no more.
class words {
  public:
    explicit words(std::string_view text) : text_(text) {}

    std::string_view next() {
        const std::size_t end = std::min(text_.find(' '), text_.size());
        const std::string_view word = text_.substr(0, end);
        text_.remove_prefix(std::min(end + 1, text_.size()));
        return word;
    }
    [[nodiscard]] std::string_view rest() const noexcept { return text_; }

  private:
    std::string_view text_;
};

struct number_reader {
    words& from;
    bool& good;

    void operator()(std::uint64_t& number) const {
        good = absl::SimpleHexAtoi(std::string(from.next()), &number) && good;
    }
    void operator()(double& number) const {
        std::uint64_t bits = 0;
        (*this)(bits);
        number = std::bit_cast<double>(bits);
    }
};

std::string checksum_of(std::string_view text) {
    fingerprint sum;
    sum.add(text);
    return absl::StrFormat("%016x", sum.value());
}

std::string with_checksum(std::string text) { return absl::StrCat(text, " ", checksum_of(text)); }

/// The line without its checksum; nothing where that does not fit.
std::optional<std::string_view> without_checksum(std::string_view line) {
    const std::size_t space = line.rfind(' ');
    if (space == std::string_view::npos || checksum_of(line.substr(0, space)) != line.substr(space + 1)) return {};
    return line.substr(0, space);
}

// ---- the file

/// How the first line begins.
constexpr std::string_view signature = "longreach-journal ";

/// `v1` changes with the form of the lines.
std::string first_line(const journal_subject& of) {
    return with_checksum(absl::StrCat(std::string(signature), "v1 comparison ", absl::StrFormat("%016x", of.identity),
                                      " combinations ", of.combinations));
}

absl::Status cannot_keep(const std::string& path, std::string_view why) {
    return bad_input(path, absl::StrCat("expected a file in which a journal can be kept: ", std::string(why)));
}

/// An open file; closed, and so unlocked, unless it is handed on.
class open_file {
  public:
    explicit open_file(int number) : number_(number) {}
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;
    ~open_file() {
        if (number_ >= 0) close(number_);
    }
    [[nodiscard]] int number() const noexcept { return number_; }
    int release() noexcept { return std::exchange(number_, -1); }

  private:
    int number_;
};

/// Whether the name still belongs to the open file: another run may have deleted it between opening and locking.
bool is_still_named(const std::string& path, int file) {
    struct stat named {};
    struct stat opened {};
    return stat(path.c_str(), &named) == 0 && fstat(file, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

absl::StatusOr<int> open_locked(const std::string& path) {
    constexpr unsigned most_tries = 100;
    for (unsigned tries = 0; tries < most_tries; ++tries) {
        open_file file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666));
        if (file.number() < 0) return cannot_keep(path, std::strerror(errno));
        struct stat about {};
        if (fstat(file.number(), &about) != 0 || !S_ISREG(about.st_mode)) {
            return cannot_keep(path, "it is no regular file");
        }
        if (holds_own_output(path)) return cannot_keep(path, "other results go there");
        if (flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
            return cannot_keep(path, errno == EWOULDBLOCK ? "another run is using it" : std::strerror(errno));
        }
        if (is_still_named(path, file.number())) return file.release();
    }
    return cannot_keep(path, "other runs are using it");
}

absl::StatusOr<std::string> contents_of(const std::string& path, int file) {
    std::string text;
    char buffer[1 << 16];
    while (true) {
        const ssize_t count = pread(file, buffer, sizeof buffer, static_cast<off_t>(text.size()));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return cannot_keep(path, std::strerror(errno));
        if (count == 0) return text;
        text.append(buffer, static_cast<std::size_t>(count));
        const std::size_t known = std::min(text.size(), signature.size());
        if (text.compare(0, known, signature.substr(0, known)) != 0) {
            return bad_input_at_line(path, 1, "expected a journal of longreach compare, found something else");
        }
    }
}

}

absl::StatusOr<std::string> default_journal(const journal_subject& of) {
    namespace fs = std::filesystem;
    const auto folder_of = [](const char* variable) {
        const char* const value = std::getenv(variable);
        return value != nullptr && value[0] == '/' ? fs::path(value) : fs::path();
    };
    fs::path folder = folder_of("XDG_STATE_HOME");
    if (folder.empty()) {
        folder = folder_of("HOME");
        if (folder.empty()) return absl::NotFoundError("neither XDG_STATE_HOME nor HOME names a folder");
        folder = folder / ".local" / "state";
    }
    folder /= "longreach";
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return cannot_keep(folder.string(), error.message());
    return (folder / absl::StrFormat("compare-%016x.journal", of.identity)).string();
}

std::string journal_line(std::size_t combination, const combination_answer& answer) {
    std::string text = absl::StrCat(combination);
    if (answer.ok()) {
        text += " found";
        each_number(*answer, number_writer{text});
    } else {
        const absl::string_view why = answer.status().message();
        absl::StrAppend(&text, " does_not_fit ", absl::CEscape(why));
    }
    return with_checksum(std::move(text));
}

std::optional<journal_entry> read_journal_line(std::string_view line) {
    const std::optional<std::string_view> text = without_checksum(line);
    if (!text) return {};
    words from(*text);
    journal_entry entry;
    if (!absl::SimpleAtoi(std::string(from.next()), &entry.combination)) return {};
    const std::string_view end = from.next();
    if (end == "does_not_fit") {
        std::string why;
        if (!absl::CUnescape(std::string(from.rest()), &why)) return {};
        entry.answer = absl::ResourceExhaustedError(why);
        return entry;
    }
    bool good = end == "found";
    outcome found;
    each_number(found, number_reader{from, good});
    if (!good || !from.rest().empty()) return {};
    entry.answer = std::move(found);
    return entry;
}

absl::StatusOr<std::unique_ptr<comparison_journal>> comparison_journal::open(const std::string& path,
                                                                             const journal_subject& of, bool resume) {
    const absl::StatusOr<int> file = open_locked(path);
    if (!file.ok()) return file.status();
    std::unique_ptr<comparison_journal> journal(new comparison_journal(path, *file, of));
    const absl::StatusOr<std::string> text = contents_of(path, *file);
    if (!text.ok()) return text.status();
    absl::Status status = resume ? journal->read(*text, of) : absl::OkStatus();
    if (status.ok() && journal->bytes_ == 0) status = journal->start(of);
    if (!status.ok()) return status;
    return journal;
}

comparison_journal::~comparison_journal() { close(file_); }

absl::Status comparison_journal::read(std::string_view text, const journal_subject& of) {
    std::uint64_t number = 1;
    const auto wrong = [&](std::string_view expected) {
        return bad_input_at_line(path_, number, absl::StrCat("expected ", std::string(expected)));
    };
    std::size_t whole = 0;
    for (std::size_t end = 0; (end = text.find('\n', whole)) != std::string_view::npos; whole = end + 1, ++number) {
        const std::string_view line = text.substr(whole, end - whole);
        if (number == 1) {
            if (!without_checksum(line)) return wrong("a line that fits its checksum");
            if (line == first_line(of)) continue;
            return wrong("the journal of this comparison by this build of the program, found that of another");
        }
        std::optional<journal_entry> entry = read_journal_line(line);
        if (!entry && end + 1 == text.size()) break;  // torn
        if (!entry) return wrong("a line that fits its checksum");
        if (entry->combination >= finished_.size()) return wrong("a combination of this comparison");
        std::optional<combination_answer>& place = finished_[entry->combination];
        if (place) return wrong(absl::StrCat("each combination once, found ", entry->combination, " again"));
        place = std::move(entry->answer);
        ++size_;
    }
    if (ftruncate(file_, static_cast<off_t>(whole)) != 0) return cannot_keep(path_, std::strerror(errno));
    bytes_ = whole;
    return absl::OkStatus();
}

absl::Status comparison_journal::start(const journal_subject& of) {
    if (ftruncate(file_, 0) == 0 && append(first_line(of))) return absl::OkStatus();
    return cannot_keep(path_, std::strerror(errno));
}

bool comparison_journal::append(std::string line) {
    line += '\n';
    for (std::string_view rest = line; !rest.empty();) {
        const ssize_t count = write(file_, rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
    bytes_ += line.size();
    return true;
}

void comparison_journal::add(std::size_t combination, const combination_answer& answer) {
    if (broken_) return;
    if (append(journal_line(combination, answer))) {
        ++size_;
        return;
    }
    broken_ = true;
    std::fprintf(stderr, "longreach compare: %s: from here on nothing is kept: %s\n", printable_name(path_).c_str(),
                 std::strerror(errno));
    [[maybe_unused]] const int cut = ftruncate(file_, static_cast<off_t>(bytes_));  // a torn line would do no harm
}

void comparison_journal::remove() const noexcept { unlink(path_.c_str()); }

}
