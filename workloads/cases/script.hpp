// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_SCRIPT_HPP
#define LONGREACH_WORKLOADS_CASES_SCRIPT_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../input_error.hpp"
#include "../zstd_lines.hpp"
#include "csv_lines.hpp"

// `params.txt` of a recorded boot: how it was booted, and the scripts that its programs ran. Operations are checked
// here (known, right number of words, sizes that make sense) and carried out in script_walk.hpp.
// The language of the scripts: tests/groundtruth/README.md.

LONGREACH_NAMESPACE_BEGIN

/// What a line of a script asks for.
enum class script_verb : std::uint8_t {
    map,
    touch,
    part,
    round_robin,
    unmap,
    keep,
    keep_percent,
    drop_alternate,
    hold_free,
    superpages,
    heap,
    allocate,
    fork,
    read_file,
    map_file,
    map_shared,
    peer,
    turn,
    go,
    wait_for_peer,
    churn,
    threads,
    snapshot,
    clear_log,
    collect,
    hold
};

/// How a VMA is touched.
enum class touch_pattern : std::uint8_t { rising, falling, superpages, random, random_superpages, read };

/// One operation. Numbers are in the order of the line; sizes in bytes.
struct script_operation {
    script_verb verb{};
    touch_pattern pattern{};
    std::vector<std::string> names;      ///< of VMAs, scripts, snapshots, files
    std::vector<std::uint64_t> numbers;  ///< sizes, seeds, counts
    bool flag = false;                   ///< `thp off`, `threads ... same`
    std::uint64_t line = 0;              ///< of params.txt
};

struct script {
    std::string name;  ///< without folder and `.cawl`
    std::vector<script_operation> operations;
};

/// What params.txt says.
struct run_parameters {
    std::string file;
    std::string run;
    bool ca = false;  ///< mode=ca
    std::vector<std::string> workloads;
    std::vector<std::string> flags;  ///< e.g. "thp=never", "main=plain"
    std::vector<script> scripts;

    [[nodiscard]] bool has_flag(std::string_view flag) const {
        return std::find(flags.begin(), flags.end(), flag) != flags.end();
    }
    [[nodiscard]] const script* find(std::string_view name) const {
        const auto found =
            std::find_if(scripts.begin(), scripts.end(), [&](const script& each) { return each.name == name; });
        return found == scripts.end() ? nullptr : &*found;
    }
};

/// A number as scripts write it: decimal or 0x, with an optional K, M or G; below 2^40, nothing for anything else.
[[nodiscard]] inline std::optional<std::uint64_t> parse_script_number(std::string_view text) {
    unsigned shift = 0;
    if (!text.empty()) {
        const char unit = text.back();
        shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
        if (shift != 0) text.remove_suffix(1);
    }
    const bool prefixed = text.substr(0, 2) == "0x";
    const std::optional<std::uint64_t> value = prefixed ? parse_digits(text.substr(2), 16) : parse_digits(text, 10);
    if (!value || *value >= (std::uint64_t{1} << 40) >> shift) return std::nullopt;
    return *value << shift;
}

namespace detail {

/// How the words behind a verb read, one letter each: n name, # number, p pattern (with its seed), s `split` or
/// `same`, o `on` or `off`; behind `?` they may be missing, and `*` repeats the last.
struct verb_form {
    const char* word;
    script_verb verb;
    const char* form;
};
inline constexpr std::array<verb_form, 26> verb_forms{{{"map", script_verb::map, "n#?#"},
                                                       {"touch", script_verb::touch, "np"},
                                                       {"part", script_verb::part, "n##"},
                                                       {"rr", script_verb::round_robin, "#n*"},
                                                       {"unmap", script_verb::unmap, "n"},
                                                       {"keep", script_verb::keep, "n###"},
                                                       {"keeppct", script_verb::keep_percent, "n###"},
                                                       {"dropalt", script_verb::drop_alternate, "n#"},
                                                       {"holdfree", script_verb::hold_free, "#"},
                                                       {"thp", script_verb::superpages, "o"},
                                                       {"brk", script_verb::heap, "#"},
                                                       {"malloc", script_verb::allocate, "##"},
                                                       {"fork", script_verb::fork, "np"},
                                                       {"readfile", script_verb::read_file, "n?#"},
                                                       {"mapfile", script_verb::map_file, "nn"},
                                                       {"mapshared", script_verb::map_shared, "nn#"},
                                                       {"peer", script_verb::peer, "n"},
                                                       {"turn", script_verb::turn, ""},
                                                       {"go", script_verb::go, ""},
                                                       {"waitpeer", script_verb::wait_for_peer, ""},
                                                       {"churn", script_verb::churn, "##"},
                                                       {"threads", script_verb::threads, "n#s"},
                                                       {"snap", script_verb::snapshot, "n"},
                                                       {"clearlog", script_verb::clear_log, ""},
                                                       {"collect", script_verb::collect, "n"},
                                                       {"hold", script_verb::hold, ""}}};

inline constexpr std::array<std::pair<const char*, touch_pattern>, 6> pattern_words{
    {{"seq", touch_pattern::rising},
     {"rev", touch_pattern::falling},
     {"seq2m", touch_pattern::superpages},
     {"rand", touch_pattern::random},
     {"rand2m", touch_pattern::random_superpages},
     {"read", touch_pattern::read}}};

/// The words of a line, read by the form of its verb. Holds the first thing that is wrong.
class operation_words {
  public:
    explicit operation_words(std::string_view line) {
        for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos;) {
            const std::size_t end = line.find_first_of(" \t", at);
            words_.push_back(line.substr(at, end - at));
            at = line.find_first_not_of(" \t", end);
        }
    }
    [[nodiscard]] bool empty() const noexcept { return words_.empty(); }
    [[nodiscard]] std::string_view front() const { return words_.front(); }
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

    void read(const char* form, script_operation& into) {
        std::size_t at = 1;
        bool optional = false;
        for (const char* what = form; *what != 0 && problem_.empty(); ++what) {
            if (*what == '?') {
                optional = true;
            } else if (*what == '*') {
                while (at < words_.size()) take(what[-1], words_[at++], into);
            } else if (at < words_.size()) {
                take(*what, words_[at++], into);
                if (*what == 'p') read_seed(at, into);
            } else if (!optional) {
                problem_ = absl::StrCat("expected more words behind ", in_quotes(words_.front()));
            }
        }
        if (problem_.empty() && at < words_.size()) {
            problem_ = absl::StrCat("expected the line to end, found ", in_quotes(words_[at]));
        }
    }

  private:
    void take(char what, std::string_view word, script_operation& into) {
        if (what == 'n') {
            into.names.emplace_back(word);
        } else if (what == '#') {
            take_number(word, into);
        } else if (what == 'o' || what == 's') {
            const char* const yes = what == 'o' ? "off" : "same";
            const char* const no = what == 'o' ? "on" : "split";
            into.flag = word == yes;
            if (word != yes && word != no) {
                problem_ = absl::StrCat("expected ", yes, " or ", no, ", found ", in_quotes(word));
            }
        } else {
            for (const auto& [name, pattern] : pattern_words) {
                if (word != name) continue;
                into.pattern = pattern;
                return;
            }
            problem_ = absl::StrCat("expected seq, rev, seq2m, rand, rand2m or read, found ", in_quotes(word));
        }
    }

    void take_number(std::string_view word, script_operation& into) {
        const std::optional<std::uint64_t> number = parse_script_number(word);
        if (!number) {
            problem_ = absl::StrCat("expected a number below 2^40, such as 512M, found ", in_quotes(word));
        }
        into.numbers.push_back(number.value_or(0));
    }

    void read_seed(std::size_t& at, script_operation& into) {
        const bool seeded = into.pattern == touch_pattern::random || into.pattern == touch_pattern::random_superpages;
        if (!problem_.empty() || !seeded) return;
        if (at == words_.size()) {
            problem_ = "expected a seed behind the pattern";
        } else {
            take_number(words_[at++], into);
        }
    }

    std::vector<std::string_view> words_;
    std::string problem_;
};

/// Whether a word may be part of a file name: letters, digits, `_`, `-` and `.`, not first.
[[nodiscard]] inline bool is_plain_name(std::string_view text) {
    if (text.empty() || text.size() > 128 || text.front() == '.') return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    });
}

/// One line of a script; nothing for an empty line or a comment.
[[nodiscard]] inline absl::StatusOr<std::optional<script_operation>> parse_operation(std::string_view line,
                                                                                     const zstd_lines& at) {
    operation_words words(line);
    if (words.empty() || words.front().front() == '#') return std::nullopt;
    const auto* const form = std::find_if(verb_forms.begin(), verb_forms.end(),
                                          [&](const verb_form& each) { return words.front() == each.word; });
    if (form == verb_forms.end()) {
        return at.error_here(
            absl::StrCat("expected an operation such as map or touch, found ", in_quotes(words.front())));
    }
    script_operation operation;
    operation.verb = form->verb;
    operation.line = at.line_number();
    words.read(form->form, operation);
    if (!words.problem().empty()) return at.error_here(words.problem());
    if (operation.verb == script_verb::snapshot && !is_plain_name(operation.names[0])) {
        return at.error_here(absl::StrCat("expected a name, found ", in_quotes(operation.names[0])));
    }
    return operation;
}

/// `D1_peer` of `/cases/D1_peer.cawl`.
[[nodiscard]] inline std::string_view script_name(std::string_view path) {
    path = path.substr(path.rfind('/') + 1);
    constexpr std::string_view ending = ".cawl";
    if (path.size() > ending.size() && path.substr(path.size() - ending.size()) == ending) {
        path.remove_suffix(ending.size());
    }
    return path;
}

/// A line `key=value` in front of the scripts.
[[nodiscard]] inline absl::Status read_parameter(std::string_view line, run_parameters& into, const zstd_lines& at) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos)
        return at.error_here(absl::StrCat("expected name=value, found ", in_quotes(line)));
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "run") {
        if (!is_plain_name(value)) return at.error_here(absl::StrCat("run: expected a name, found ", in_quotes(value)));
        into.run = std::string(value);
    } else if (key == "mode") {
        if (value != "ca" && value != "def") {
            return at.error_here(absl::StrCat("mode: expected ca or def, found ", in_quotes(value)));
        }
        into.ca = value == "ca";
    } else if (key == "workloads" || key == "flags") {
        const char separator = key == "flags" && value.find(',') == std::string_view::npos ? ' ' : ',';
        for (const auto word : absl::StrSplit(std::string(value), separator, absl::SkipEmpty())) {
            const std::string name(word.data(), word.size());
            if (key == "flags") {
                into.flags.push_back(name);
            } else if (!is_plain_name(name)) {
                return at.error_here(absl::StrCat("workloads: expected names, found ", in_quotes(name)));
            } else if (std::find(into.workloads.begin(), into.workloads.end(), name) != into.workloads.end()) {
                return at.error_here(absl::StrCat("workloads: expected each name once, found ", in_quotes(name)));
            } else {
                into.workloads.push_back(name);
            }
        }
    }
    return absl::OkStatus();
}

}

/// Reads params.txt. Names that nothing here needs are passed over.
[[nodiscard]] inline absl::StatusOr<run_parameters> read_parameters(zstd_lines lines) {
    constexpr std::size_t most_lines = 65536;
    constexpr std::string_view heading = "--- script ";
    run_parameters into;
    into.file = lines.name();
    while (const std::optional<std::string_view> line = lines.next()) {
        if (lines.line_number() > most_lines) {
            return lines.error_here(absl::StrCat("expected at most ", most_lines, " lines"));
        }
        if (line->substr(0, heading.size()) == heading) {
            const std::string_view name = detail::script_name(line->substr(heading.size()));
            if (!detail::is_plain_name(name) || into.find(name) != nullptr) {
                return lines.error_here(absl::StrCat("expected a name, each once, found ", in_quotes(name)));
            }
            into.scripts.push_back({std::string(name), {}});
        } else if (into.scripts.empty()) {
            if (line->empty()) continue;
            if (absl::Status status = detail::read_parameter(*line, into, lines); !status.ok()) return status;
        } else {
            auto operation = detail::parse_operation(*line, lines);
            if (!operation.ok()) return operation.status();
            if (*operation) into.scripts.back().operations.push_back(**std::move(operation));
        }
    }
    if (!lines.status().ok()) return lines.status();
    if (into.run.empty()) return lines.error_here("expected run=NAME, found the end of the file");
    if (into.workloads.empty()) return lines.error_here("expected workloads=NAMES, found the end of the file");
    return into;
}

LONGREACH_NAMESPACE_END

#endif
