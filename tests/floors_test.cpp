// SPDX-License-Identifier: MIT
// The tree keeps the rules of the house, and the scanner that says so finds each rule broken.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floor_rules.hpp"
#include "shell.hpp"

namespace longreach_tests {
namespace {

/// A header that breaks no rule, with `body` between its guards.
std::string header(const std::string& path, const std::string& body) {
    const auto guard = guard_name(path);
    return "// SPDX-License-Identifier: MIT\n#ifndef " + guard + "\n#define " + guard + "\n" + body + "\n#endif\n";
}

/// A small library in a directory of its own, to which a test adds one bad header.
class planted : public testing::Test {
  protected:
    planted() {
        add("allocator/config.hpp", "#define LONGREACH_CHECK(c) (void)(c)");
        add("allocator/units.hpp", "#include <cstdint>\n#include \"config.hpp\"");
        add("pagetable/table.hpp", "#include \"../allocator/units.hpp\"\n#include <span>");
        add("pagetable/vm/entry.hpp", "#include \"../../allocator/units.hpp\"\n#include \"../table.hpp\"");
        add("spot/spot.hpp", "#include \"../pagetable/vm/entry.hpp\"");
        add("workloads/machine.hpp",
            "#include \"../spot/spot.hpp\"\n#include <vector>\n#include <absl/strings/cord.h>");
    }

    void add(const std::string& path, const std::string& body) { tree_.write(path, header(path, body)); }
    void add_raw(const std::string& path, const std::string& text) { tree_.write(path, text); }

    /// The rules that the tree breaks, with the files that do.
    std::vector<std::string> broken() {
        std::vector<std::string> rules;
        for (const auto& f : floor_rules(tree_.path()).scan()) rules.push_back(f.file + " " + f.rule);
        return rules;
    }

  private:
    scratch_directory tree_;
};

TEST(floors, the_library_keeps_every_rule) {
    floor_rules rules(LONGREACH_SOURCE_DIR);
    EXPECT_THAT(rules.headers(), testing::Contains(std::filesystem::path("allocator/units.hpp")));
    EXPECT_THAT(rules.scan(), testing::IsEmpty());
}

TEST_F(planted, a_tree_that_keeps_every_rule_has_no_finding) { EXPECT_THAT(broken(), testing::IsEmpty()); }

TEST_F(planted, a_folder_that_includes_a_higher_floor_is_found) {
    add("allocator/bad.hpp", "#include \"../pagetable/table.hpp\"");
    EXPECT_THAT(broken(), testing::ElementsAre("allocator/bad.hpp include.up"));
}

TEST_F(planted, a_header_that_leaves_the_library_is_found) {
    add_raw("tests/model.hpp", "");
    add("spot/bad.hpp", "#include \"../tests/model.hpp\"");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp include.up"));
}

TEST_F(planted, an_include_from_the_root_of_the_tree_is_found) {
    add("spot/bad.hpp", "#include \"allocator/units.hpp\"");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp include.form"));
}

TEST_F(planted, an_include_in_angle_brackets_of_the_library_itself_is_found) {
    add("spot/bad.hpp", "#include <longreach/allocator/units.hpp>");
    add("workloads/bad.hpp", "#include <spot/spot.hpp>");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp include.form", "workloads/bad.hpp include.form"));
}

TEST_F(planted, an_absolute_include_is_found) {
    add("spot/bad.hpp", "#include \"/usr/include/stdint.h\"");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp include.form"));
}

TEST_F(planted, an_include_of_a_header_that_does_not_exist_is_found) {
    add("spot/bad.hpp", "#include \"../allocator/unit.hpp\"");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp include.lost"));
}

TEST_F(planted, a_hosted_standard_header_below_the_workloads_is_found) {
    add("allocator/bad.hpp", "#include <algorithm>");
    add("pagetable/vm/bad.hpp", "#  include <vector>  // why not");
    add("spot/bad.hpp", "#include <string.h>");
    EXPECT_THAT(broken(),
                testing::ElementsAre("allocator/bad.hpp include.standard", "pagetable/vm/bad.hpp include.standard",
                                     "spot/bad.hpp include.standard"));
}

TEST_F(planted, an_include_inside_a_comment_is_no_finding) {
    add("spot/fine.hpp", "// #include <vector>\n/* #include <string>\n#include <map>\n*/");
    EXPECT_THAT(broken(), testing::IsEmpty());
}

TEST_F(planted, a_guard_of_another_name_is_found) {
    add_raw("spot/bad.hpp", header("spot/good.hpp", ""));
    EXPECT_THAT(broken(), testing::Contains("spot/bad.hpp guard.name"));
}

TEST_F(planted, a_guard_that_leaves_out_a_subfolder_is_found) {
    add_raw("pagetable/vm/bad.hpp", header("pagetable/bad.hpp", ""));
    EXPECT_THAT(broken(), testing::Contains("pagetable/vm/bad.hpp guard.name"));
}

TEST_F(planted, a_header_without_a_guard_is_found) {
    add_raw("spot/bad.hpp", "// SPDX-License-Identifier: MIT\nstruct x;\n");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp guard.name"));
}

TEST_F(planted, pragma_once_is_found) {
    add("spot/bad.hpp", "#pragma once");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp guard.once"));
}

TEST_F(planted, a_macro_outside_the_configuration_header_is_found) {
    add("spot/bad.hpp", "#define LONGREACH_WAYS 4");
    add("workloads/bad.hpp", "#define ROUND(x) (x)");
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp macro.place", "workloads/bad.hpp macro.place"));
}

TEST_F(planted, a_macro_without_the_prefix_is_found) {
    add("allocator/config.hpp", "#define CHECK(c) (void)(c)");
    EXPECT_THAT(broken(), testing::ElementsAre("allocator/config.hpp macro.name"));
}

TEST_F(planted, a_header_without_its_licence_line_is_found) {
    add_raw("spot/bad.hpp", "\n" + header("spot/bad.hpp", ""));
    EXPECT_THAT(broken(), testing::ElementsAre("spot/bad.hpp licence"));
}

TEST_F(planted, a_word_that_needs_a_runtime_is_found) {
    add("allocator/bad.hpp", "struct a { virtual void f(); };");
    add("pagetable/bad.hpp", "inline int b() { return std::popcount(7U); }");
    add("spot/bad.hpp", "inline int c(auto& x) { return x.at(1); }");
    EXPECT_THAT(broken(),
                testing::ElementsAre("allocator/bad.hpp word", "pagetable/bad.hpp word", "spot/bad.hpp word"));
}

TEST_F(planted, such_a_word_in_a_comment_or_a_literal_is_no_finding) {
    add("allocator/fine.hpp",
        "// the virtual page\n/* try */ constexpr const char* c = \"throw \\\" catch\"; // 1'000");
    add("workloads/fine.hpp", "inline void f() { throw 1; }");
    EXPECT_THAT(broken(), testing::IsEmpty());
}

}
}
