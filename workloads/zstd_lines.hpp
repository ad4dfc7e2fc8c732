// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ZSTD_LINES_HPP
#define LONGREACH_WORKLOADS_ZSTD_LINES_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <zstd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "input_error.hpp"

// Lines of text, one at a time, from a file or from memory, compressed with zstd or plain.
//
// Whatever the bytes are, memory stays within the limits: 256 KiB, one line and one zstd window. Every
// frame of the input must be whole; frames may follow one another, and checksums are verified.
// The last line feed may be missing. One reader serves one thread.
// Format: RFC 8878 (Zstandard).

LONGREACH_NAMESPACE_BEGIN

/// How the bytes of an input are stored.
enum class line_encoding : std::uint8_t { zstd, plain };

/// What a reader refuses to go beyond.
struct line_limits {
    std::size_t line_bytes = 4096;                      ///< longest line
    std::uint64_t text_bytes = std::uint64_t{8} << 30;  ///< longest text, after decompression
    int window_log =
        27;  ///< log2 of the largest zstd window: 128 MiB, what `zstd` itself writes at most without --long
};

/// Reads lines front to back.
///
/// next() returns them until it returns nothing; then status() says whether that was the end of the text.
class zstd_lines {
  public:
    /// Opens a file; `.zst` at the end of its name means zstd, all else is plain text. Empty files are errors.
    [[nodiscard]] static absl::StatusOr<zstd_lines> open(const std::string& path, line_limits limits = {}) {
        std::error_code unknown;
        const std::filesystem::file_status found = std::filesystem::status(path, unknown);
        if (std::filesystem::exists(found) && !std::filesystem::is_regular_file(found)) {
            return bad_input(path, "expected a regular file");
        }
        errno = 0;
        file_handle file(std::fopen(path.c_str(), "rb"));
        if (file == nullptr) return missing_input(path, absl::StrCat("cannot be opened: ", std::strerror(errno)));
        const std::string_view ending = ".zst";
        const bool compressed =
            path.size() >= ending.size() && std::string_view(path).substr(path.size() - ending.size()) == ending;
        zstd_lines lines(path, compressed ? line_encoding::zstd : line_encoding::plain, limits);
        lines.file_ = std::move(file);
        lines.chunk_.resize(chunk_bytes);
        return begin(std::move(lines));
    }

    /// Reads bytes that outlive the reader; `name` is what messages call them.
    [[nodiscard]] static absl::StatusOr<zstd_lines> over(std::string name, std::span<const unsigned char> bytes,
                                                         line_encoding encoding, line_limits limits = {}) {
        zstd_lines lines(std::move(name), encoding, limits);
        lines.input_ = {bytes.data(), bytes.size(), 0};
        lines.consumed_ = bytes.size();
        return begin(std::move(lines));
    }

    /// The next line without its line feed, valid until the next call; nothing at the end and at an error.
    [[nodiscard]] std::optional<std::string_view> next() {
        while (status_.ok()) {
            const std::size_t left = end_ - begin_;
            const char* const start = text_.data() + begin_;
            const auto* const feed = static_cast<const char*>(std::memchr(start + searched_, '\n', left - searched_));
            if (feed != nullptr) return take(static_cast<std::size_t>(feed - start), 1);
            searched_ = left;
            if (left > limits_.line_bytes) break;
            if (!refill()) {
                if (status_.ok() && left != 0) return take(left, 0);
                return std::nullopt;
            }
        }
        if (status_.ok()) fail_line_length();
        return std::nullopt;
    }

    /// Good until an error ended the lines.
    [[nodiscard]] const absl::Status& status() const noexcept { return status_; }
    /// The number of the line that next() returned last, from 1; 0 before the first.
    [[nodiscard]] std::uint64_t line_number() const noexcept { return line_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// An error at the line that next() returned last (or at the first, before that).
    [[nodiscard]] absl::Status error_here(std::string_view what) const {
        return bad_input_at_line(name_, line_ == 0 ? 1 : line_, what);
    }

  private:
    static constexpr std::size_t chunk_bytes = 128 << 10;
    struct close_file {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    struct free_stream {
        void operator()(ZSTD_DStream* stream) const noexcept { ZSTD_freeDStream(stream); }
    };
    using file_handle = std::unique_ptr<std::FILE, close_file>;

    zstd_lines(std::string name, line_encoding encoding, line_limits limits)
        : name_(std::move(name)), encoding_(encoding), limits_(limits) {}

    static absl::StatusOr<zstd_lines> begin(zstd_lines lines) {
        lines.text_.resize(chunk_bytes + lines.limits_.line_bytes + 1);
        if (lines.encoding_ == line_encoding::zstd) {
            lines.stream_.reset(ZSTD_createDStream());
            if (lines.stream_ == nullptr) return absl::ResourceExhaustedError("no memory for a zstd stream");
            const std::size_t set =
                ZSTD_DCtx_setParameter(lines.stream_.get(), ZSTD_d_windowLogMax, lines.limits_.window_log);
            if (ZSTD_isError(set) != 0) return absl::InvalidArgumentError("bad zstd window limit");
        }
        if (!lines.more_input()) {
            if (!lines.status_.ok()) return lines.status_;
            return bad_input_at_byte(lines.name_, 0, "the file is empty");
        }
        if (lines.encoding_ == line_encoding::zstd) {
            const absl::Status magic = lines.check_magic();
            if (!magic.ok()) return magic;
        }
        return lines;
    }

    /// Looks at the first bytes, so that "not zstd at all" is told apart from a damaged frame.
    [[nodiscard]] absl::Status check_magic() const {
        constexpr unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
        const auto* const bytes = static_cast<const unsigned char*>(input_.src);
        const bool skippable =
            input_.size >= 4 && (bytes[0] & 0xf0U) == 0x50 && bytes[1] == 0x2a && bytes[2] == 0x4d && bytes[3] == 0x18;
        const std::size_t known = input_.size < 4 ? input_.size : 4;
        if (skippable || std::memcmp(bytes, magic, known) == 0) return absl::OkStatus();
        return bad_input_at_byte(name_, 0,
                                 absl::StrCat("expected a zstd frame (28 b5 2f fd), found ",
                                              in_quotes({reinterpret_cast<const char*>(bytes), known})));
    }

    /// Cuts `length` bytes off as a line and skips `feed` more.
    [[nodiscard]] std::optional<std::string_view> take(std::size_t length, std::size_t feed) {
        const std::string_view line(text_.data() + begin_, length);
        begin_ += length + feed;
        searched_ = 0;
        ++line_;
        if (length > limits_.line_bytes) {
            --line_;
            fail_line_length();
            return std::nullopt;
        }
        if (length != 0) {
            if (const void* const zero = std::memchr(line.data(), 0, length); zero != nullptr) {
                const auto column = static_cast<const char*>(zero) - line.data() + 1;
                status_ = error_here(absl::StrCat("a zero byte at column ", column));
                return std::nullopt;
            }
        }
        return line;
    }

    void fail_line_length() {
        status_ =
            bad_input_at_line(name_, line_ + 1, absl::StrCat("the line is longer than ", limits_.line_bytes, " bytes"));
    }

    /// Appends text; false at the end of the input and at an error.
    [[nodiscard]] bool refill() {
        if (begin_ != 0) {
            std::memmove(text_.data(), text_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        const std::size_t before = end_;
        while (end_ == before) {
            if (input_.pos == input_.size && !flushing_ && !more_input()) {
                if (status_.ok() && in_frame_) {
                    status_ = bad_input_at_byte(name_, consumed_, "the file ends inside a zstd frame");
                }
                return false;
            }
            if (!(encoding_ == line_encoding::zstd ? decompress() : copy())) return false;
        }
        total_ += end_ - before;
        if (total_ > limits_.text_bytes) {
            status_ = bad_input(name_, absl::StrCat("the text is longer than ", limits_.text_bytes, " bytes"));
        }
        return status_.ok();
    }

    [[nodiscard]] bool copy() {
        const std::size_t room = text_.size() - end_;
        const std::size_t there = input_.size - input_.pos;
        const std::size_t count = there < room ? there : room;
        std::memcpy(text_.data() + end_, static_cast<const char*>(input_.src) + input_.pos, count);
        input_.pos += count;
        end_ += count;
        return true;
    }

    [[nodiscard]] bool decompress() {
        ZSTD_outBuffer out{text_.data() + end_, text_.size() - end_, 0};
        const std::size_t hint = ZSTD_decompressStream(stream_.get(), &out, &input_);
        if (ZSTD_isError(hint) != 0) {
            status_ = bad_input_at_byte(name_, consumed_ - (input_.size - input_.pos),
                                        absl::StrCat("bad zstd data: ", ZSTD_getErrorName(hint)));
            return false;
        }
        in_frame_ = hint != 0;
        // A full output buffer may leave text inside the decoder that needs no further input.
        flushing_ = hint != 0 && out.pos == out.size;
        end_ += out.pos;
        return true;
    }

    /// Makes the next bytes of the input available; false at its end and at an error.
    [[nodiscard]] bool more_input() {
        if (file_ == nullptr) return input_.pos < input_.size;
        errno = 0;
        const std::size_t count = std::fread(chunk_.data(), 1, chunk_.size(), file_.get());
        if (count == 0 && std::ferror(file_.get()) != 0) {
            status_ = bad_input_at_byte(name_, consumed_, absl::StrCat("cannot be read: ", std::strerror(errno)));
        }
        input_ = {chunk_.data(), count, 0};
        consumed_ += count;
        return count != 0;
    }

    std::string name_;
    line_encoding encoding_;
    line_limits limits_;
    file_handle file_;                                   // null when reading from memory
    std::vector<unsigned char> chunk_;                   // what was read from the file last
    std::unique_ptr<ZSTD_DStream, free_stream> stream_;  // null for plain text
    ZSTD_inBuffer input_{nullptr, 0, 0};
    std::uint64_t consumed_ = 0;  // bytes of the input up to the end of input_
    std::uint64_t total_ = 0;     // bytes of text so far
    bool in_frame_ = false;       // a frame has begun and not ended
    bool flushing_ = false;       // the decoder may hold text for which it needs no input
    std::vector<char> text_;      // unread text is [begin_, end_)
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t searched_ = 0;  // bytes after begin_ that hold no line feed
    std::uint64_t line_ = 0;
    absl::Status status_;
};

LONGREACH_NAMESPACE_END

#endif
