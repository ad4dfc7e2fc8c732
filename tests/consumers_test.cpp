// SPDX-License-Identifier: MIT
// The ways to take longreach into another project, each walked to the end: build a program and run it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shell.hpp"

namespace longreach_tests {
namespace {

namespace fs = std::filesystem;

const fs::path source_dir = LONGREACH_SOURCE_DIR;
const std::string cmake = as_word(LONGREACH_CMAKE);
const std::string strict = as_word("-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror");

// What tests/consumers/main.cpp, the README's first program, prints: the pages of one area, at one offset.
const std::string first_output = "7f9a3 -> 7a3\n7f301 -> 101\n80568 -> 1368\n";

class consumer : public testing::Test {
  protected:
    /// A copy of what a user takes: the library's folders and its CMakeLists.txt.
    void copy_library(const fs::path& to) {
        fs::create_directories(to);
        for (const char* name : {"allocator", "pagetable", "spot", "workloads", "CMakeLists.txt"}) {
            if (fs::exists(source_dir / name)) fs::copy(source_dir / name, to / name, fs::copy_options::recursive);
        }
    }

    void succeed(const std::string& command) {
        const outcome result = shell(command);
        ASSERT_EQ(result.exit_code, 0) << command << "\n" << result.output;
    }

    /// Configures and builds tests/consumers/<name>, then runs it.
    void build_and_run(const std::string& name, const std::string& options) {
        const std::string build = as_word(scratch.path() / "build");
        ASSERT_NO_FATAL_FAILURE(succeed(cmake + " -G Ninja -S " + as_word(source_dir / "tests/consumers" / name) +
                                        " -B " + build + " -DCMAKE_CXX_COMPILER=" + as_word(LONGREACH_CXX) +
                                        " -DCMAKE_CXX_FLAGS=" + strict + " " + options));
        ASSERT_NO_FATAL_FAILURE(succeed(cmake + " --build " + build));
        run(scratch.path() / "build/consumer");
    }

    void run(const fs::path& program) {
        const outcome result = shell(as_word(program));
        EXPECT_EQ(result.exit_code, 0);
        EXPECT_THAT(result.output, testing::EndsWith(first_output));
    }

    scratch_directory scratch;
};

TEST_F(consumer, finds_the_installed_package) {
    const fs::path prefix = scratch.path() / "prefix";
    ASSERT_NO_FATAL_FAILURE(succeed(cmake + " --install " + as_word(LONGREACH_BINARY_DIR) +
                                    " --component library --prefix " + as_word(prefix)));
    EXPECT_FALSE(fs::exists(prefix / "include/longreach/workloads/recorded"));
    EXPECT_FALSE(fs::exists(prefix / "bin"));
    build_and_run("find_package", "-DCMAKE_PREFIX_PATH=" + as_word(prefix));
}

TEST_F(consumer, adds_a_checkout_of_any_name_as_a_subdirectory) {
    const fs::path checkout = scratch.path() / "a checkout (2)";
    copy_library(checkout);
    build_and_run("add_subdirectory", "-DLONGREACH_CHECKOUT=" + as_word(checkout));
}

TEST_F(consumer, copies_a_folder) {
    ASSERT_NO_FATAL_FAILURE(succeed("CXX=" + as_word(LONGREACH_CXX) + " " +
                                    as_word(source_dir / "tests/consumers/copied_folder/build") + " " +
                                    as_word(source_dir) + " " + as_word(scratch.path())));
    run(scratch.path() / "consumer");
}

TEST(readme, begins_with_the_first_program_and_its_real_output) {
    const std::string readme = contents(source_dir / "README.md");
    EXPECT_THAT(readme, testing::HasSubstr(contents(source_dir / "tests/consumers/main.cpp")));
    EXPECT_THAT(readme, testing::HasSubstr(first_output));
}

// Headers come and go between two builds; the forwarding headers follow.
TEST_F(consumer, sees_headers_come_and_go) {
    const fs::path checkout = scratch.path() / "checkout";
    const fs::path build = scratch.path() / "build";
    const fs::path forwarded = build / "include/longreach/spot/passing.hpp";
    const std::string options = " -DLONGREACH_TESTS=OFF -DLONGREACH_BENCHES=OFF -DLONGREACH_PROGRAM=OFF";
    copy_library(checkout);
    ASSERT_NO_FATAL_FAILURE(succeed(cmake + " -G Ninja -S " + as_word(checkout) + " -B " + as_word(build) +
                                    " -DCMAKE_CXX_COMPILER=" + as_word(LONGREACH_CXX) + options));
    const auto before = fs::last_write_time(build / "include/longreach/allocator/units.hpp");

    scratch.write("checkout/spot/passing.hpp", "// here\n");
    ASSERT_NO_FATAL_FAILURE(succeed(cmake + " --build " + as_word(build)));
    EXPECT_EQ(contents(forwarded), "#include \"" + (checkout / "spot/passing.hpp").string() + "\"\n");

    fs::remove(checkout / "spot/passing.hpp");
    ASSERT_NO_FATAL_FAILURE(succeed(cmake + " --build " + as_word(build)));
    EXPECT_FALSE(fs::exists(forwarded));
    EXPECT_EQ(fs::last_write_time(build / "include/longreach/allocator/units.hpp"), before);
}

}
}
