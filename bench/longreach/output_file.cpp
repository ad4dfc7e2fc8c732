// SPDX-License-Identifier: MIT
#include "output_file.hpp"

#include <absl/strings/str_cat.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <longreach/workloads/input_error.hpp>

namespace longreach {

namespace {

namespace fs = std::filesystem;

absl::Status cannot_write(const std::string& path, std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(printable_name(path), ": expected a file that can be written: ", std::string(why)));
}

/// The file beside the final one; removed unless it got its name.
class file_aside {
  public:
    explicit file_aside(const std::string& path) : name_(path + ".XXXXXX"), file_(mkstemp(name_.data())) {}
    file_aside(const file_aside&) = delete;
    file_aside& operator=(const file_aside&) = delete;
    ~file_aside() {
        if (file_ < 0) return;
        close(file_);
        if (!named_) unlink(name_.c_str());
    }

    [[nodiscard]] bool open() const noexcept { return file_ >= 0; }
    [[nodiscard]] bool write_all(std::string_view bytes) const noexcept {
        while (!bytes.empty()) {
            const ssize_t done = write(file_, bytes.data(), bytes.size());
            if (done < 0 && errno == EINTR) continue;
            if (done <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(done));
        }
        return true;
    }
    /// With the permissions of a new file.
    [[nodiscard]] bool become(const std::string& path) noexcept {
        const mode_t masked = umask(0);
        umask(masked);
        named_ = fchmod(file_, 0666 & ~masked) == 0 && std::rename(name_.c_str(), path.c_str()) == 0;
        return named_;
    }

  private:
    std::string name_;
    int file_;
    bool named_ = false;
};

}

absl::Status check_output(const std::string& path) {
    std::error_code error;
    const fs::file_status there = fs::status(path, error);
    if (fs::exists(there) && !fs::is_regular_file(there)) {
        return cannot_write(path, fs::is_directory(there) ? "it is a folder" : "it is no regular file");
    }
    if (fs::path(path).filename().empty()) return cannot_write(path, "it names a folder");
    const file_aside aside(path);
    return aside.open() ? absl::OkStatus() : cannot_write(path, std::strerror(errno));
}

absl::Status write_output(const std::string& path, std::string_view bytes) {
    file_aside aside(path);
    if (!aside.open() || !aside.write_all(bytes) || !aside.become(path)) {
        return cannot_write(path, std::strerror(errno));
    }
    return absl::OkStatus();
}

}
