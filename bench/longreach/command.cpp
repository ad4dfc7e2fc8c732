// SPDX-License-Identifier: MIT
#include "command.hpp"

#include <absl/flags/commandlineflag.h>
#include <absl/flags/reflection.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include <algorithm>
#include <cstdio>
#include <longreach/workloads/input_error.hpp>
#include <map>

namespace longreach {

namespace {

std::string text(absl::string_view view) { return {view.data(), view.size()}; }

/// Whether the flag is defined in the subcommand's source.
bool is_own(const absl::CommandLineFlag& flag, const command& of) {
    return absl::EndsWith(flag.Filename(), absl::StrCat("/longreach/", std::string(of.source)));
}

/// The default of a flag that the subcommand borrows; null for any other.
const borrowed_flag* borrowed_by(const absl::CommandLineFlag& flag, const command& by) {
    for (const borrowed_flag& each : by.borrowed) {
        if (text(flag.Name()) == each.name) return &each;
    }
    return nullptr;
}

/// Whether the flag is defined in the subcommand's source or with what all subcommands have, or borrowed.
bool belongs(const absl::CommandLineFlag& flag, const command& to) {
    return is_own(flag, to) || borrowed_by(flag, to) != nullptr ||
           absl::EndsWith(flag.Filename(), "/longreach/report.cpp");
}

using flags_by_name = std::map<std::string, const absl::CommandLineFlag*>;

/// The flags that `wanted(flag)` chooses.
template <class Wanted>
flags_by_name flags_if(Wanted&& wanted) {
    flags_by_name sorted;
    for (const auto& [name, flag] : absl::GetAllFlags()) {
        if (wanted(*flag)) sorted.emplace(text(name), flag);
    }
    return sorted;
}

std::string unknown_flag(const command& of, std::string_view name) {
    return absl::StrCat("longreach ", std::string(of.name), ": unknown flag --", printable_name(name), "; `longreach ",
                        std::string(of.name), " --help` lists the known ones");
}

}

std::string read_flags(const command& of, std::span<char* const> arguments) {
    for (const borrowed_flag& each : of.borrowed) {
        std::string error;
        (void)absl::FindCommandLineFlag(std::string(each.name))->ParseFrom(std::string(each.value), &error);
    }
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (argument.substr(0, 1) != "-" && of.operand != nullptr && of.operand->empty() && !argument.empty()) {
            *of.operand = std::string(argument);
            continue;
        }
        if (argument.substr(0, 2) != "--" || argument.size() == 2) {
            return absl::StrCat("longreach ", std::string(of.name), ": unexpected argument ", in_quotes(argument),
                                "; flags have the form --name=value");
        }
        const std::size_t equals = argument.find('=');
        const std::string name(argument.substr(2, equals == std::string_view::npos ? equals : equals - 2));
        absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(name);
        if (flag == nullptr || !belongs(*flag, of)) return unknown_flag(of, name);
        std::string value;
        if (equals != std::string_view::npos) {
            value = std::string(argument.substr(equals + 1));
        } else if (flag->IsOfType<bool>()) {
            value = "true";
        } else if (i + 1 < arguments.size()) {
            value = arguments[++i];
        } else {
            return absl::StrCat("longreach ", std::string(of.name), ": --", name, " needs a value");
        }
        std::string error;
        if (!flag->ParseFrom(value, &error)) {
            return absl::StrCat("longreach ", std::string(of.name), ": --", name, "=", in_quotes(value), ": ",
                                printable_name(error));
        }
    }
    return {};
}

std::string flag_values(const command& of, std::span<const std::string_view> except) {
    std::string result;
    for (const auto& [name, flag] : flags_if([&](const auto& each) { return is_own(each, of); })) {
        if (std::find(except.begin(), except.end(), std::string_view(name)) != except.end()) continue;
        absl::StrAppend(&result, name, "=", flag->CurrentValue(), "\n");
    }
    return result;
}

std::string help_text(const command& of) {
    std::string result = absl::StrCat(std::string(of.help), "\nFlags:\n");
    for (const auto& [name, flag] : flags_if([&](const auto& each) { return belongs(each, of); })) {
        const borrowed_flag* const borrowed = borrowed_by(*flag, of);
        const std::string value = borrowed != nullptr ? std::string(borrowed->value) : flag->DefaultValue();
        absl::StrAppend(&result, "  --", name, "=", value, "\n      ",
                        absl::StrReplaceAll(flag->Help(), {{"\n", "\n      "}}), "\n");
    }
    return result;
}

int bad_usage(std::string_view message) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
    return exit_bad_input;
}

}
