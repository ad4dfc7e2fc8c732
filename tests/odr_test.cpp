// SPDX-License-Identifier: MIT
// Every header in several translation units of one program, at one check level and at two.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "odr/odr.hpp"
#include "shell.hpp"

namespace longreach_tests {
namespace {

TEST(odr, units_of_one_check_level_share_their_functions) { EXPECT_EQ(odr::first(), odr::second()); }

TEST(odr, units_of_two_check_levels_do_not) { EXPECT_NE(odr::first(), odr::unchecked()); }

TEST(odr, each_unit_keeps_its_own_level) {
    EXPECT_TRUE(odr::first_checks());
    EXPECT_FALSE(odr::unchecked_checks());
}

TEST(odr, the_kernel_does_its_work_at_both_levels_of_one_program) {
    std::vector<std::byte> memory(std::size_t{64} << 20);
    EXPECT_EQ(odr::first_kernel(memory.data(), memory.size()), 0);
    EXPECT_EQ(odr::unchecked_kernel(memory.data(), memory.size()), 0);
}

/// Two files, the first with `flags`, compiled and linked as one program.
outcome link_pair(const std::string& flags) {
    const scratch_directory scratch;
    const std::string include = "#include <longreach/allocator/frame_run.hpp>\n";
    scratch.write("taker.cpp", include + "unsigned long take(longreach::frame_run r) { return r.count.raw; }\n");
    scratch.write("giver.cpp", include +
                                   "unsigned long take(longreach::frame_run);\n"
                                   "int main() { return take({longreach::pfn{1}, {2}}) == 2 ? 0 : 1; }\n");
    const std::string compiler =
        as_word(LONGREACH_CXX) + " -std=c++20 -I " + as_word(LONGREACH_BINARY_DIR "/include") + " ";
    return shell("cd " + as_word(scratch.path()) + " && " + compiler + flags + " -c taker.cpp && " + compiler +
                 " -c giver.cpp && " + compiler + " taker.o giver.o -o pair && ./pair");
}

TEST(odr, an_object_passes_between_units_of_one_level) {
    const outcome result = link_pair("-DLONGREACH_CHECKS=1");
    EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(odr, passing_an_object_between_levels_does_not_link) {
    const outcome result = link_pair("-DLONGREACH_CHECKS=0");
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.output, testing::HasSubstr("undefined reference to `take("));
}

}
}
