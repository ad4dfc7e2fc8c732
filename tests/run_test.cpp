// SPDX-License-Identifier: MIT
// The script ./run: its usage, its set-up on machines that lack packages, and the replay of corpora.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "shell.hpp"

namespace longreach_tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const fs::path source_dir = LONGREACH_SOURCE_DIR;

/// A copy of the script in a directory of its own, and a folder of programs that hides the machine's.
class run_script : public testing::Test {
  protected:
    run_script() {
        fs::create_directory(scratch.path() / "bin");
        fs::copy(source_dir / "run", scratch.path() / "run");
        stub("id", "echo 1000");
        stub("sudo", "exit 1");
        stub("dpkg-query", "exit 1");
        stub("apt-get", "echo apt-get \"$@\"");
        stub("cmake", "echo cmake \"$@\"; exit 3");
    }

    void stub(const std::string& name, const std::string& body) {
        const auto file = scratch.write("bin/" + name, "#!/bin/sh\n" + body + "\n");
        fs::permissions(file, fs::perms::owner_all);
    }

    outcome run(const std::string& arguments) {
        return shell("PATH=" + as_word(scratch.path() / "bin") + ":$PATH LONGREACH_SETUP=on " +
                     as_word(scratch.path() / "run") + " " + arguments);
    }

    static bool on_debian() {
        return fs::exists("/etc/os-release") &&
               shell("grep -qE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release").exit_code == 0;
    }

    scratch_directory scratch;
};

TEST_F(run_script, helps_with_every_command) {
    const outcome result = run("help");
    EXPECT_EQ(result.exit_code, 0);
    for (const char* command : {"test", "build", "bench", "fuzz", "stress", "format"}) {
        EXPECT_THAT(result.output, HasSubstr(std::string("\n  ") + command));
    }
}

TEST_F(run_script, refuses_what_it_does_not_know) {
    for (const char* arguments : {"tests", "test debug", "test release clang", "build fuzz", "fuzz 0", "fuzz soon",
                                  "fuzz 1 2", "stress -1", "format --help", "\"\""}) {
        const outcome result = run(arguments);
        EXPECT_EQ(result.exit_code, 2) << arguments;
        EXPECT_THAT(result.output, HasSubstr("usage: ./run")) << arguments;
        EXPECT_THAT(result.output, Not(HasSubstr("apt-get install"))) << arguments;
    }
}

TEST_F(run_script, without_root_prints_the_one_command_to_type) {
    if (!on_debian()) GTEST_SKIP() << "not Debian or Ubuntu";
    const outcome result = run("");
    EXPECT_EQ(result.exit_code, 2) << result.output;
    EXPECT_THAT(result.output, HasSubstr("apt-get install -y --no-install-recommends g++ cmake ninja-build git "
                                         "ca-certificates libabsl-dev libzstd-dev nlohmann-json3-dev'\n"));
}

TEST_F(run_script, names_only_the_packages_that_are_missing_and_that_the_command_needs) {
    if (!on_debian()) GTEST_SKIP() << "not Debian or Ubuntu";
    stub("dpkg-query",
         "for p in g++ cmake ninja-build git ca-certificates libabsl-dev libzstd-dev clang libgtest-dev; do\n"
         "echo \"$p installed\"; done; echo 'libgmock-dev config-files'; exit 1");
    EXPECT_THAT(run("build").output, HasSubstr("recommends nlohmann-json3-dev'\n"));
    EXPECT_THAT(run("test").output,
                HasSubstr("recommends nlohmann-json3-dev libgmock-dev librapidcheck-dev libbenchmark-dev'\n"));
    EXPECT_THAT(run("fuzz 5").output,
                HasSubstr("recommends nlohmann-json3-dev libclang-rt-14-dev llvm-14 clang-format'\n"));
    EXPECT_THAT(run("format").output, HasSubstr("recommends clang-format'\n"));
}

TEST_F(run_script, as_root_installs_and_goes_on) {
    if (!on_debian()) GTEST_SKIP() << "not Debian or Ubuntu";
    stub("id", "echo 0");
    const outcome result = run("build");
    EXPECT_EQ(result.exit_code, 3) << result.output;
    EXPECT_THAT(result.output, HasSubstr("DPkg::Lock::Timeout=300 install -y --no-install-recommends g++ cmake"));
    EXPECT_THAT(result.output, HasSubstr("cmake --preset release"));
}

TEST_F(run_script, goes_through_sudo_where_it_asks_for_no_password) {
    if (!on_debian()) GTEST_SKIP() << "not Debian or Ubuntu";
    stub("sudo", "[ \"$1\" = -n ] || { echo through sudo; exec \"$@\"; }");
    const outcome result = run("build");
    EXPECT_EQ(result.exit_code, 3) << result.output;
    EXPECT_THAT(result.output, HasSubstr("through sudo"));
    EXPECT_THAT(result.output, HasSubstr("install -y --no-install-recommends g++ cmake"));
}

TEST_F(run_script, touches_no_package_where_none_is_missing_or_none_may_be_touched) {
    stub("dpkg-query", "for p in \"$@\"; do echo \"$p installed\"; done");
    EXPECT_THAT(run("build").output, Not(HasSubstr("apt-get")));
    stub("dpkg-query", "exit 1");
    const outcome off = shell("export LONGREACH_SETUP=off; PATH=" + as_word(scratch.path() / "bin") + ":$PATH " +
                              as_word(scratch.path() / "run") + " build");
    EXPECT_EQ(off.exit_code, 3) << off.output;
    EXPECT_THAT(off.output, Not(HasSubstr("apt-get")));
}

// ----------------------------------------------------------------------------------- replay of a corpus

class replay : public testing::Test {
  protected:
    void SetUp() override {
        scratch.write("body.cpp",
                      "#include <cstddef>\n#include <cstdint>\n#include <cstdlib>\n"
                      "extern \"C\" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {\n"
                      "    if (data == nullptr || (size > 0 && data[0] == '!')) std::abort();\n    return 0;\n}\n");
        const outcome built =
            shell("cd " + as_word(scratch.path()) + " && " + as_word(LONGREACH_CXX) + " -std=c++20 body.cpp " +
                  as_word(source_dir / "fuzz/replay_main.cpp") + " -o replay");
        ASSERT_EQ(built.exit_code, 0) << built.output;
    }
    outcome run(const std::string& arguments) {
        return shell("cd " + as_word(scratch.path()) + " && ./replay " + arguments);
    }

    scratch_directory scratch;
};

TEST_F(replay, feeds_every_file_of_every_directory) {
    scratch.write("a/one", "1");
    scratch.write("a/deep/two", "");
    scratch.write("b/three", "333");
    const outcome result = run("a b");
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.output, HasSubstr("a/deep/two: 0 bytes\na/one: 1 bytes\n"));
    EXPECT_THAT(result.output, HasSubstr("b/three: 3 bytes\n"));
    EXPECT_THAT(result.output, testing::EndsWith("3 inputs replayed\n"));
}

TEST_F(replay, fails_where_there_is_nothing_to_feed) {
    fs::create_directory(scratch.path() / "empty");
    EXPECT_EQ(run("empty").exit_code, 2);
    EXPECT_EQ(run("absent").exit_code, 2);
    EXPECT_EQ(run("").exit_code, 2);
}

TEST_F(replay, fails_where_the_body_breaks_and_names_the_file) {
    scratch.write("a/bad", "!");
    const outcome result = run("a");
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.output, HasSubstr("a/bad"));
}

}
}
