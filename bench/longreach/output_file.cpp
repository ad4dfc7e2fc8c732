// SPDX-License-Identifier: MIT
#include "output_file.hpp"

#include <absl/status/statusor.h>
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
    /// Beside `path`, which is no link.
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
    /// With the permissions of the file that has the name, or of a new one.
    [[nodiscard]] bool become(const std::string& path) noexcept {
        named_ = fchmod(file_, mode_of(path)) == 0 && std::rename(name_.c_str(), path.c_str()) == 0;
        return named_;
    }

  private:
    static mode_t mode_of(const std::string& path) noexcept {
        struct stat there {};
        if (stat(path.c_str(), &there) == 0) return there.st_mode & 07777;
        const mode_t masked = umask(0);
        umask(masked);
        return 0666 & ~masked;
    }

    std::string name_;
    int file_;
    bool named_ = false;
};

/// Whether `path` is what a stream of this program goes to.
bool is_stream(const std::string& path, int stream) noexcept {
    struct stat file {};
    struct stat open {};
    return stat(path.c_str(), &file) == 0 && fstat(stream, &open) == 0 && file.st_dev == open.st_dev &&
           file.st_ino == open.st_ino;
}

/// What the path names at the end of all links: a regular file, or nothing yet.
absl::StatusOr<std::string> place_of(const std::string& path) {
    constexpr unsigned most_links = 40;  // as Linux follows
    std::error_code error;
    const fs::file_status there = fs::status(path, error);
    if (fs::exists(there) && !fs::is_regular_file(there)) {
        return cannot_write(path, fs::is_directory(there) ? "it is a folder" : "it is no regular file");
    }
    if (holds_own_output(path)) {
        return cannot_write(path, "other results go there");
    }
    fs::path place = path;
    for (unsigned links = 0; fs::is_symlink(fs::symlink_status(place, error)); ++links) {
        if (links == most_links) return cannot_write(path, std::strerror(ELOOP));
        const fs::path next = fs::read_symlink(place, error);
        if (error) return cannot_write(path, error.message());
        place = place.parent_path() / next;
    }
    if (place.filename().empty()) return cannot_write(path, "it names a folder");
    return place.string();
}

}

bool holds_own_output(const std::string& path) noexcept {
    return is_stream(path, STDOUT_FILENO) || is_stream(path, STDERR_FILENO);
}

absl::Status check_output(const std::string& path) {
    const absl::StatusOr<std::string> place = place_of(path);
    if (!place.ok()) return place.status();
    const file_aside aside(*place);
    return aside.open() ? absl::OkStatus() : cannot_write(path, std::strerror(errno));
}

absl::Status write_output(const std::string& path, std::string_view bytes) {
    const absl::StatusOr<std::string> place = place_of(path);
    if (!place.ok()) return place.status();
    file_aside aside(*place);
    if (!aside.open() || !aside.write_all(bytes) || !aside.become(*place)) {
        return cannot_write(path, std::strerror(errno));
    }
    return absl::OkStatus();
}

}
