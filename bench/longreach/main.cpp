// SPDX-License-Identifier: MIT
#include <absl/strings/str_cat.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <longreach/workloads/input_error.hpp>
#include <span>
#include <string>
#include <string_view>

#include "command.hpp"

namespace longreach {

std::span<const command* const> commands() {
    static constexpr std::array<const command*, 4> all{&compare_command, &inspect_command, &replay_command,
                                                       &reproduce_command};
    return all;
}

namespace {

std::string overview() {
    std::string result =
        "longreach compares allocation policies and address translation on the memory behaviour of real programs, "
        "replays\n"
        "recorded boots of the original CA-paging kernel, and says how contiguous free memory is.\n\n"
        "Usage: longreach COMMAND [--flag=value ...]\n\nCommands:\n";
    for (const command* const each : commands()) {
        absl::StrAppend(&result, "  ", std::string(each->name), "  ", std::string(each->summary), "\n");
    }
    absl::StrAppend(&result,
                    "\nExample:\n  longreach compare --workload=redis --policy=thp,ca --hog=0,30\n\n"
                    "`longreach COMMAND --help` explains a command. Results go to stdout, everything else to stderr.\n"
                    "Exit codes: 0 good, 1 the run failed, 2 bad usage or bad input.\n");
    return result;
}

bool asks_for_help(std::string_view argument) { return argument == "--help" || argument == "-h" || argument == "help"; }

int run_program(std::span<char* const> arguments) {
    if (arguments.empty()) return bad_usage("longreach: expected a command; `longreach --help` lists them");
    const std::string_view name = arguments.front();
    if (asks_for_help(name)) {
        std::fputs(overview().c_str(), stdout);
        return exit_good;
    }
    for (const command* const each : commands()) {
        if (each->name != name) continue;
        for (const char* const argument : arguments.subspan(1)) {
            if (!asks_for_help(argument)) continue;
            std::fputs(help_text(*each).c_str(), stdout);
            return exit_good;
        }
        if (const std::string error = read_flags(*each, arguments.subspan(1)); !error.empty()) return bad_usage(error);
        return each->run();
    }
    return bad_usage(
        absl::StrCat("longreach: unknown command ", in_quotes(name), "; `longreach --help` lists the known ones"));
}

}

}

int main(int argc, char** argv) {
    const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
    std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of its write
    try {
        const int code = longreach::run_program(arguments.subspan(argc > 0 ? 1 : 0));
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
        return longreach::bad_usage("longreach: the results could not be written to stdout");
    } catch (const std::exception& error) {
        return longreach::bad_usage(absl::StrCat("longreach: ", error.what()));
    }
}
