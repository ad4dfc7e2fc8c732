// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_COMMAND_HPP
#define LONGREACH_BENCH_LONGREACH_COMMAND_HPP

#include <span>
#include <string>
#include <string_view>

// What a subcommand of the program is, and how its flags are read.
//
// A subcommand is one source file: its flags are the ABSL_FLAGs defined there and, for all of them, in report.cpp, and
// nothing else is accepted.

namespace longreach {

/// Exit codes: the run is good, the run's own check failed, bad usage or bad input; from 128 on, added to a signal that
/// ended it.
enum exit_code : int { exit_good = 0, exit_failed = 1, exit_bad_input = 2, exit_by_signal = 128 };

/// A flag of another subcommand that this one takes as well, with its own default.
struct borrowed_flag {
    std::string_view name;
    std::string_view value;
};

struct command {
    std::string_view name;
    std::string_view summary;        ///< one line, for the list of subcommands
    std::string_view help;           ///< what it does, with an example; the flags follow
    std::string_view source;         ///< file name of the source that defines its flags, e.g. "compare.cpp"
    int (*run)();                    ///< after the flags were read; returns an exit_code
    std::string* operand = nullptr;  ///< takes the one argument that is no flag; null where the command has none
    std::span<const borrowed_flag> borrowed{};
};

extern const command compare_command;
extern const command inspect_command;
extern const command replay_command;
extern const command reproduce_command;

/// Every subcommand, in the order in which help lists them.
[[nodiscard]] std::span<const command* const> commands();

/// Reads `--name=value`, `--name value` and `--switch` arguments into the flags of a subcommand, and its operand.
/// Answers what is wrong in one line, or nothing.
[[nodiscard]] std::string read_flags(const command& of, std::span<char* const> arguments);

/// The subcommand's own flags with the values they have, a line for each in the order of their names; without `except`.
[[nodiscard]] std::string flag_values(const command& of, std::span<const std::string_view> except);

/// The help text of a subcommand with all its flags and defaults.
[[nodiscard]] std::string help_text(const command& of);

/// Says on stderr, in one line, why the program ends, and returns exit_bad_input.
int bad_usage(std::string_view message);

}

#endif
