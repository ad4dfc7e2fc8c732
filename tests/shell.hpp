// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_SHELL_HPP
#define LONGREACH_TESTS_SHELL_HPP

// For tests that run compilers, scripts and programs: commands, their output, and scratch directories.

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace longreach_tests {

/// How a command ended.
struct outcome {
    int exit_code;       ///< 128 + the signal where one ended it
    std::string output;  ///< what it wrote to stdout and stderr
};

/// Runs `command` in /bin/sh and waits for it.
inline outcome shell(const std::string& command) {
    FILE* pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("no shell for: " + command);
    outcome result{};
    char buffer[4096];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) result.output.append(buffer, n);
    const int ended = pclose(pipe);
    result.exit_code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    return result;
}

/// A path, or any text, as one word of a shell command.
inline std::string as_word(const std::filesystem::path& text) {
    std::string word = "'";
    for (const char c : text.string()) {
        if (c == '\'') {
            word += "'\\''";
        } else {
            word += c;
        }
    }
    return word + "'";
}

/// An empty directory of its own, removed with what is in it at the end of its life.
class scratch_directory {
  public:
    scratch_directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "longreach test XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch directory like " + pattern);
        path_ = pattern;
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// Writes a file with the folders it needs; `name` is relative to the directory. Returns its path.
    std::filesystem::path write(const std::filesystem::path& name, std::string_view text) const {
        const auto file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream stream(file, std::ios::binary);
        if (!(stream << text).flush()) throw std::runtime_error("cannot write " + file.string());
        return file;
    }

  private:
    std::filesystem::path path_;
};

inline std::string contents(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) throw std::runtime_error("cannot read " + file.string());
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

}

#endif
