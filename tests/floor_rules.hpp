// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_FLOOR_RULES_HPP
#define LONGREACH_TESTS_FLOOR_RULES_HPP

// The rules of the house, read from the text of the headers:
//
//   include.up         a folder includes itself and lower floors only
//   include.form       a header of the library is included by a quoted, relative path
//   include.lost       a quoted include names a header that exists
//   include.standard   floors 0 to 2 use the freestanding standard headers only
//   guard.name         LONGREACH_<FOLDER>_<FILE>_HPP, with #ifndef, #define and the closing #endif
//   guard.once         no #pragma once
//   macro.place        macros other than the guard are defined in allocator/config.hpp only
//   macro.name         and begin with LONGREACH_
//   licence            the first line is the licence
//   word               floors 0 to 2 use no word that needs a runtime

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace longreach_tests {

inline constexpr std::array floor_names{"allocator", "pagetable", "spot", "workloads"};
inline constexpr int hosted_floor = 3;

struct finding {
    std::string file;  ///< relative to the scanned directory
    std::size_t line;
    std::string rule;
    std::string text;
};

inline std::ostream& operator<<(std::ostream& out, const finding& f) {
    return out << f.file << ":" << f.line << ": " << f.rule << ": " << f.text;
}

/// The floor of a path relative to the library, or -1 where it is none.
inline int floor_of(const std::filesystem::path& relative) {
    if (relative.empty()) return -1;
    const auto place = std::find(floor_names.begin(), floor_names.end(), relative.begin()->string());
    return place == floor_names.end() ? -1 : static_cast<int>(place - floor_names.begin());
}

/// LONGREACH_PAGETABLE_VM_ENTRY_HPP for pagetable/vm/entry.hpp.
inline std::string guard_name(const std::filesystem::path& relative) {
    std::string name = "LONGREACH_" + relative.generic_string();
    for (char& c : name) {
        c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::toupper(c)) : '_';
    }
    return name;
}

/// Blanks comments and the insides of literals; lines stay where they are. Include lines keep their names.
inline std::string without_comments(const std::string& source) {
    enum { code, line_comment, block_comment, text } state = code;
    std::string result = source;
    char closing = 0;
    bool directive = false;
    for (std::size_t i = 0; i < source.size(); ++i) {
        const char c = source[i];
        const char next = i + 1 < source.size() ? source[i + 1] : '\0';
        if (c == '\n') {
            if (state == line_comment || state == text) state = code;
            directive = false;
            continue;
        }
        if (state == code) {
            const bool inside_number = i > 0 && std::isxdigit(static_cast<unsigned char>(source[i - 1])) != 0;
            if (c == '#') directive = true;
            if (c == '/' && (next == '/' || next == '*')) {
                state = next == '/' ? line_comment : block_comment;
                result[i] = ' ';
                result[++i] = ' ';
            } else if (!directive && (c == '"' || (c == '\'' && !inside_number))) {
                state = text;
                closing = c;
            }
        } else if (state == text) {
            if (c == '\\') {
                result[i] = ' ';
                if (next != '\n') result[++i] = ' ';
            } else if (c == closing) {
                state = code;
            } else {
                result[i] = ' ';
            }
        } else {
            const bool closes = state == block_comment && c == '*' && next == '/';
            result[i] = ' ';
            if (closes) {
                result[++i] = ' ';
                state = code;
            }
        }
    }
    return result;
}

/// Reads one header after the other and keeps what breaks a rule.
class floor_rules {
  public:
    explicit floor_rules(std::filesystem::path library) : library_(std::move(library)) {}

    /// Scans every header below the library's folders, in the order of their paths.
    std::vector<finding> scan() {
        for (const auto& header : headers()) scan(header);
        return findings_;
    }

    /// Paths of all headers, relative to the library.
    [[nodiscard]] std::vector<std::filesystem::path> headers() const {
        std::vector<std::filesystem::path> found;
        for (const char* name : floor_names) {
            if (!std::filesystem::is_directory(library_ / name)) continue;
            for (const auto& entry : std::filesystem::recursive_directory_iterator(library_ / name)) {
                if (entry.path().extension() == ".hpp") {
                    found.push_back(std::filesystem::relative(entry.path(), library_));
                }
            }
        }
        std::sort(found.begin(), found.end());
        return found;
    }

  private:
    void scan(const std::filesystem::path& header) {
        header_ = header;
        lines_.clear();
        std::ifstream stream(library_ / header);
        std::stringstream whole;
        whole << stream.rdbuf();
        if (whole.str().rfind("// SPDX-License-Identifier: MIT\n", 0) != 0) add(0, "licence", "first line");

        std::stringstream code(without_comments(whole.str()));
        for (std::string line; std::getline(code, line);) lines_.push_back(line);
        check_guard();
        for (std::size_t i = 0; i < lines_.size(); ++i) check_line(i);
    }

    void check_line(std::size_t i) {
        static const std::regex include(R"re(\s*#\s*include\s*([<"])([^>"]*)[>"].*)re");
        static const std::regex once(R"(\s*#\s*pragma\s+once\b.*)");
        static const std::regex macro(R"(\s*#\s*define\s+(\w+).*)");
        static const std::regex word(
            R"(\b(virtual|throw|try|catch|typeid|dynamic_cast|thread_local|co_await|co_yield)\b)"
            R"(|\bstd::(popcount|countl_zero|countr_zero|min|max|sort|function|string|vector)\b|\.(at|value)\()");
        std::smatch match;
        const std::string& line = lines_[i];
        if (std::regex_match(line, match, include)) check_include(i, match[1] == "\"", match[2]);
        if (std::regex_match(line, once)) add(i, "guard.once", line);
        if (std::regex_match(line, match, macro)) check_macro(i, match[1]);
        if (floor_of(header_) < hosted_floor && std::regex_search(line, match, word)) add(i, "word", match[0]);
    }

    void check_include(std::size_t i, bool relative, const std::string& name) {
        static constexpr std::array freestanding{
            "cstddef", "cstdint", "climits", "limits", "type_traits", "concepts", "compare",
            "bit",     "new",     "utility", "array",  "span",        "optional", "initializer_list"};
        if (!relative) {
            const auto first = std::filesystem::path(name).begin()->string();
            if (first == "longreach" || floor_of(name) >= 0) {
                add(i, "include.form", name);
            } else if (floor_of(header_) < hosted_floor &&
                       std::find(freestanding.begin(), freestanding.end(), name) == freestanding.end()) {
                add(i, "include.standard", name);
            }
            return;
        }
        const auto target = (header_.parent_path() / name).lexically_normal();
        const bool from_root = floor_of(name) >= 0 && !std::filesystem::exists(library_ / target);
        if (std::filesystem::path(name).is_absolute() || from_root) {
            add(i, "include.form", name);
        } else if (floor_of(target) < 0 || floor_of(target) > floor_of(header_)) {
            add(i, "include.up", name);
        } else if (!std::filesystem::exists(library_ / target)) {
            add(i, "include.lost", name);
        }
    }

    void check_guard() {
        std::vector<std::size_t> used;
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            if (lines_[i].find_first_not_of(" \t\r") != std::string::npos) used.push_back(i);
        }
        const auto name = guard_name(header_);
        const bool guarded = used.size() >= 3 && lines_[used[0]] == "#ifndef " + name &&
                             lines_[used[1]] == "#define " + name && lines_[used.back()].rfind("#endif", 0) == 0;
        if (!guarded) add(used.empty() ? 0 : used[0], "guard.name", "expected " + name);
    }

    void check_macro(std::size_t i, const std::string& name) {
        if (name == guard_name(header_)) return;
        if (header_ != std::filesystem::path("allocator/config.hpp")) {
            add(i, "macro.place", name);
        } else if (name.rfind("LONGREACH_", 0) != 0) {
            add(i, "macro.name", name);
        }
    }

    void add(std::size_t index, const char* rule, const std::string& text) {
        findings_.push_back({header_.generic_string(), index + 1, rule, text});
    }

    std::filesystem::path library_;
    std::filesystem::path header_;
    std::vector<std::string> lines_;
    std::vector<finding> findings_;
};

}

#endif
