// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/zstd_lines.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/recording_text.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

using longreach_tests::scratch_directory;
using model::bytes_of;
using model::compressed;

/// All lines, and the message where an error ended them.
struct lines_and_error {
    std::vector<std::string> lines;
    std::string error;
};

lines_and_error drain(absl::StatusOr<zstd_lines> opened) {
    lines_and_error result;
    if (!opened.ok()) return {{}, std::string(opened.status().message())};
    while (const auto line = opened->next()) {
        result.lines.emplace_back(*line);
        EXPECT_EQ(opened->line_number(), result.lines.size());
    }
    EXPECT_FALSE(opened->next().has_value());
    result.error = std::string(opened->status().message());
    return result;
}

lines_and_error lines_of(std::string_view bytes, line_encoding encoding, line_limits limits = {}) {
    return drain(zstd_lines::over("memory", bytes_of(bytes), encoding, limits));
}

using strings = std::vector<std::string>;

TEST(zstd_lines, lines_come_without_their_feeds_and_the_last_feed_may_be_missing) {
    for (const std::string text : {"a\n\nbc\n", "a\n\nbc"}) {
        EXPECT_EQ(lines_of(text, line_encoding::plain).lines, (strings{"a", "", "bc"}));
        const lines_and_error packed = lines_of(compressed(text), line_encoding::zstd);
        EXPECT_EQ(packed.lines, (strings{"a", "", "bc"}));
        EXPECT_EQ(packed.error, "");
    }
}

TEST(zstd_lines, a_frame_without_text_has_no_line) {
    const lines_and_error result = lines_of(compressed(""), line_encoding::zstd);
    EXPECT_TRUE(result.lines.empty());
    EXPECT_EQ(result.error, "");
}

TEST(zstd_lines, frames_may_follow_one_another_in_the_middle_of_a_line) {
    const std::string skippable("\x53\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
    const lines_and_error result = lines_of(compressed("one\nt") + skippable + compressed("wo\n"), line_encoding::zstd);
    EXPECT_EQ(result.lines, (strings{"one", "two"}));
    EXPECT_EQ(result.error, "");
}

TEST(zstd_lines, long_texts_come_through_whole_from_file_and_memory) {
    random_numbers random(1);
    strings lines;
    std::string text;
    for (int i = 0; i < 60000; ++i) {
        lines.push_back(std::to_string(random.next()).substr(0, static_cast<std::size_t>(random.below(20))));
        text += lines.back() + "\n";
    }
    const scratch_directory folder;
    EXPECT_EQ(drain(zstd_lines::open(folder.write("t", text).string())).lines, lines);
    for (const int level : {1, 19}) {
        const std::string packed = compressed(text, level);
        EXPECT_EQ(drain(zstd_lines::open(folder.write("t.zst", packed).string())).lines, lines);
        EXPECT_EQ(lines_of(packed, line_encoding::zstd).lines, lines);
    }
}

TEST(zstd_lines, a_highly_compressed_text_is_drained_after_its_last_byte_of_input) {
    std::string text;
    for (int i = 0; i < 300000; ++i) text += "0123456789\n";
    const lines_and_error result = lines_of(compressed(text), line_encoding::zstd);
    EXPECT_EQ(result.lines.size(), 300000U);
    EXPECT_EQ(result.error, "");
}

TEST(zstd_lines, an_empty_input_is_named) {
    EXPECT_EQ(lines_of("", line_encoding::zstd).error, "memory: byte 0: the file is empty");
    const scratch_directory folder;
    const std::string file = folder.write("empty.zst", "").string();
    EXPECT_EQ(drain(zstd_lines::open(file)).error, file + ": byte 0: the file is empty");
}

TEST(zstd_lines, a_missing_file_and_a_folder_are_named) {
    const scratch_directory folder;
    const std::string missing = (folder.path() / "missing.zst").string();
    EXPECT_EQ(drain(zstd_lines::open(missing)).error, missing + ": cannot be opened: No such file or directory");
    std::filesystem::create_directory(folder.path() / "folder.zst");
    const std::string directory = (folder.path() / "folder.zst").string();
    EXPECT_EQ(drain(zstd_lines::open(directory)).error, directory + ": expected a regular file");
}

TEST(zstd_lines, what_is_not_zstd_is_shown) {
    EXPECT_EQ(lines_of("# longreach", line_encoding::zstd).error,
              "memory: byte 0: expected a zstd frame (28 b5 2f fd), found \"# lo\"");
    EXPECT_EQ(lines_of("\x1f\x8b\x08", line_encoding::zstd).error,
              "memory: byte 0: expected a zstd frame (28 b5 2f fd), found \"\\x1f\\x8b\\x08\"");
}

TEST(zstd_lines, a_frame_cut_off_anywhere_is_named_with_the_byte_at_which_it_ends) {
    random_numbers random(2);
    std::string text;
    for (int i = 0; i < 20000; ++i) text += std::to_string(random.next()) + "\n";
    const std::string packed = compressed(text);
    for (std::size_t size = 1; size < packed.size(); size += size < 40 ? 1 : packed.size() / 50) {
        const lines_and_error result = lines_of(std::string_view(packed).substr(0, size), line_encoding::zstd);
        EXPECT_EQ(result.error, "memory: byte " + std::to_string(size) + ": the file ends inside a zstd frame");
    }
    const std::string_view without_checksum = std::string_view(packed).substr(0, packed.size() - 4);
    EXPECT_NE(lines_of(without_checksum, line_encoding::zstd).error, "");
}

TEST(zstd_lines, a_damaged_frame_is_an_error_that_names_a_byte) {
    random_numbers random(3);
    std::string text;
    for (int i = 0; i < 2000; ++i) text += std::to_string(random.next()) + "\n";
    const std::string packed = compressed(text);
    for (std::size_t at = 4; at < packed.size(); at += 97) {
        std::string damaged = packed;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
        EXPECT_NE(lines_of(damaged, line_encoding::zstd).error.find("memory: byte "), std::string::npos) << at;
    }
}

TEST(zstd_lines, garbage_after_the_frame_is_an_error) {
    const std::string packed = compressed("a\nb\n");
    const lines_and_error result = lines_of(packed + "garbage", line_encoding::zstd);
    EXPECT_EQ(result.lines, (strings{"a", "b"}));
    EXPECT_EQ(result.error.find("memory: byte " + std::to_string(packed.size())), 0U) << result.error;
    EXPECT_NE(result.error.find("bad zstd data"), std::string::npos);
}

TEST(zstd_lines, a_zero_byte_is_named_with_its_line_and_column) {
    const lines_and_error result = lines_of(std::string("ab\ncd\0e\n", 8), line_encoding::plain);
    EXPECT_EQ(result.lines, (strings{"ab"}));
    EXPECT_EQ(result.error, "memory:2: a zero byte at column 3");
}

TEST(zstd_lines, a_line_may_be_as_long_as_the_limit_and_no_longer) {
    const line_limits limits{10, 1 << 20, 27};
    EXPECT_EQ(lines_of("0123456789\nab\n", line_encoding::plain, limits).lines, (strings{"0123456789", "ab"}));
    EXPECT_EQ(lines_of("ab\n0123456789", line_encoding::plain, limits).lines, (strings{"ab", "0123456789"}));
    EXPECT_EQ(lines_of("ab\n0123456789x\n", line_encoding::plain, limits).error,
              "memory:2: the line is longer than 10 bytes");
    const std::string endless(1 << 19, 'x');
    EXPECT_EQ(lines_of(compressed("ab\n" + endless), line_encoding::zstd, limits).error,
              "memory:2: the line is longer than 10 bytes");
    EXPECT_EQ(lines_of("ab\n0123456789x", line_encoding::plain, limits).error,
              "memory:2: the line is longer than 10 bytes");
}

TEST(zstd_lines, a_text_longer_than_the_limit_is_not_read_to_its_end) {
    std::string text;
    for (int i = 0; i < 1000000; ++i) text += "x\n";
    const lines_and_error result = lines_of(compressed(text), line_encoding::zstd, {10, 1 << 20, 27});
    EXPECT_EQ(result.error, "memory: the text is longer than 1048576 bytes");
    EXPECT_LT(result.lines.size(), 1000000U);
}

TEST(zstd_lines, a_frame_that_wants_a_larger_window_than_the_limit_is_refused) {
    // A frame header that asks for a window of 2^31 bytes: magic, descriptor 0, window exponent 21.
    const std::string bomb("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
    const lines_and_error result = lines_of(bomb, line_encoding::zstd);
    EXPECT_NE(result.error.find("memory: byte"), std::string::npos);
    EXPECT_NE(result.error.find("too much memory"), std::string::npos) << result.error;
}

TEST(zstd_lines, a_file_name_with_unprintable_bytes_stays_on_one_line) {
    const std::string error = drain(zstd_lines::open("no\nsuch\x01.zst")).error;
    EXPECT_EQ(error, "no\\nsuch\\x01.zst: cannot be opened: No such file or directory");
}

}
}
