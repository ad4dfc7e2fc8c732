// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_CASE_FOLDER_HPP
#define LONGREACH_WORKLOADS_CASES_CASE_FOLDER_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "../../allocator/config.hpp"
#include "../input_error.hpp"
#include "../zstd_lines.hpp"

// The files of one recorded boot: in a folder, each plain or packed with zstd (`.zst` behind its name), or in memory.

LONGREACH_NAMESPACE_BEGIN

class case_folder {
  public:
    /// Files by name.
    using contents = std::map<std::string, std::string>;

    /// No folder: it has no file.
    case_folder() = default;
    explicit case_folder(std::string path) : path_(std::move(path)) {}
    /// Files in memory; `path` is what messages call their folder.
    case_folder(std::string path, contents files)
        : path_(std::move(path)), files_(std::make_shared<const contents>(std::move(files))) {}

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] bool in_memory() const noexcept { return files_ != nullptr; }
    [[nodiscard]] bool has(const std::string& name) const { return !find(name).empty(); }

    /// The path of a file, or what it would be.
    [[nodiscard]] std::string place(const std::string& name) const {
        const std::string found = find(name);
        return join(found.empty() ? name : found);
    }

    /// Opens a file; the lines live no longer than the folder.
    [[nodiscard]] absl::StatusOr<zstd_lines> open(const std::string& name) const {
        constexpr line_limits limits{4096, std::uint64_t{1} << 30, 27};
        const std::string found = find(name);
        if (found.empty()) return missing_input(join(name), "expected this file, plain or with .zst");
        if (!in_memory()) return zstd_lines::open(join(found), limits);
        const std::string& bytes = files_->at(found);
        return zstd_lines::over(join(found), {reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()},
                                found == name ? line_encoding::plain : line_encoding::zstd, limits);
    }

  private:
    [[nodiscard]] std::string join(const std::string& name) const {
        return (std::filesystem::path(path_) / name).string();
    }

    /// The file's name as it is there; empty where neither form is.
    [[nodiscard]] std::string find(const std::string& name) const {
        for (const char* const ending : {"", ".zst"}) {
            std::string known = name + ending;
            if (is_there(known)) return known;
        }
        return {};
    }

    /// Files that cannot be reached, such as links that lead nowhere, are there: opening them says what is wrong.
    [[nodiscard]] bool is_there(const std::string& name) const {
        if (in_memory()) return files_->count(name) != 0;
        if (path_.empty()) return false;
        std::error_code unknown;
        return std::filesystem::symlink_status(join(name), unknown).type() != std::filesystem::file_type::not_found;
    }

    std::string path_;
    std::shared_ptr<const contents> files_;  // null on disk
};

LONGREACH_NAMESPACE_END

#endif
