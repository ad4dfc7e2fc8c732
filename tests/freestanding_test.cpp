// SPDX-License-Identifier: MIT
// Floors 0 to 2 in a kernel: no exceptions, no RTTI, no runtime, no data of their own, no recursion;
// and the test that says so finds each of them when it is planted.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "floor_rules.hpp"
#include "shell.hpp"

namespace longreach_tests {
namespace {

namespace fs = std::filesystem;

const fs::path source_dir = LONGREACH_SOURCE_DIR;

const std::string base_flags =
    "-std=c++20 -ffreestanding -fno-exceptions -fno-rtti -nostdlib -Wall -Wextra -Wpedantic -Wconversion -Wshadow "
    "-Werror ";

// What x86-64 kernels add: no vector registers, no red zone, addresses in the top 2 GiB.
const std::string kernel_flags = base_flags +
                                 "-O2 -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables "
                                 "-fno-threadsafe-statics "
#if defined(__x86_64__)
                                 "-mcmodel=kernel -mno-red-zone -mno-mmx -mno-sse -fcf-protection=none "
#endif
    ;

std::vector<fs::path> kernel_headers() {
    std::vector<fs::path> found;
    for (const auto& header : floor_rules(source_dir).headers()) {
        if (floor_of(header) < hosted_floor) found.push_back(header);
    }
    return found;
}

std::string include_of(const fs::path& header) { return "#include <longreach/" + header.generic_string() + ">\n"; }

std::string every_include() {
    std::string text;
    for (const auto& header : kernel_headers()) text += include_of(header);
    return text;
}

class freestanding : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        if (*GetParam() == '\0') GTEST_SKIP() << "clang++ is not installed";
    }

    /// Compiles `text` to scratch/<name>.o.
    [[nodiscard]] outcome compile(const std::string& name, const std::string& text, const std::string& flags) {
        scratch.write(name + ".cpp", text);
        return shell("cd " + as_word(scratch.path()) + " && " + as_word(GetParam()) + " " + flags + " -I " +
                     as_word(LONGREACH_BINARY_DIR "/include") + " -c " + name + ".cpp -o " + name + ".o");
    }

    /// What scratch/<name>.o asks for or holds that a kernel has no place for.
    [[nodiscard]] std::vector<std::string> complaints(const std::string& name) {
        const std::string object = as_word(scratch.path() / (name + ".o"));
        static const std::set<std::string> granted{"memcpy", "memmove", "memset", "memcmp"};
        std::vector<std::string> found;
        std::istringstream undefined(shell("nm -u -C " + object).output);
        for (std::string line; std::getline(undefined, line);) {
            const auto symbol = line.substr(line.find_last_of("UwWvV", line.find_first_not_of(' ')) + 2);
            if (granted.count(symbol) == 0) found.push_back("undefined " + symbol);
        }
        static const std::regex section(
            R"((\.(data|bss|tdata|tbss|init_array|ctors|gcc_except_table)\S*)\s+([1-9]\d*)\s.*)");
        std::istringstream sections(shell("size -A " + object).output);
        std::smatch match;
        for (std::string line; std::getline(sections, line);) {
            if (std::regex_match(line, match, section)) found.push_back("section " + match[2].str());
        }
        return found;
    }

    /// Complaints about a text that compiles.
    [[nodiscard]] std::vector<std::string> complaints_about(const std::string& text) {
        const outcome result = compile("planted", text, kernel_flags);
        EXPECT_EQ(result.exit_code, 0) << result.output;
        return complaints("planted");
    }

    scratch_directory scratch;
};

INSTANTIATE_TEST_SUITE_P(both, freestanding, testing::Values(LONGREACH_CXX, LONGREACH_CLANG),
                         [](const auto& compiler) { return compiler.index == 0 ? "this_compiler" : "clang"; });

TEST_P(freestanding, every_header_compiles_alone) {
    for (const auto& header : kernel_headers()) {
        const outcome result =
            compile("alone", include_of(header) + include_of(header), kernel_flags + "-fsyntax-only");
        EXPECT_EQ(result.exit_code, 0) << header << "\n" << result.output;
    }
}

TEST_P(freestanding, a_kernel_that_uses_them_all_needs_four_functions_and_no_data) {
    const std::string text = every_include() + contents(source_dir / "tests/freestanding/kernel.cpp");
    const outcome result = compile("kernel", text, kernel_flags);
    ASSERT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(complaints("kernel"), testing::IsEmpty());

    const outcome memory =
        compile("memory", contents(source_dir / "tests/freestanding/memory.cpp"), kernel_flags + "-fno-builtin");
    ASSERT_EQ(memory.exit_code, 0) << memory.output;
    const outcome linked = shell("cd " + as_word(scratch.path()) + " && " + as_word(GetParam()) +
                                 " -nostdlib -static -no-pie -Wl,-e,kernel_main,-Ttext-segment=0xffffffff80000000"
                                 " kernel.o memory.o -o kernel");
    EXPECT_EQ(linked.exit_code, 0) << linked.output;
}

TEST_P(freestanding, without_checks_it_needs_no_more) {
    const std::string text = every_include() + contents(source_dir / "tests/freestanding/kernel.cpp");
    const outcome result = compile("unchecked", text, kernel_flags + "-DLONGREACH_CHECKS=0");
    ASSERT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(complaints("unchecked"), testing::IsEmpty());
}

TEST_P(freestanding, a_heap_is_found) {
    EXPECT_THAT(complaints_about("int* f() { return new int; }"),
                testing::ElementsAre("undefined operator new(unsigned long)"));
}

TEST_P(freestanding, an_exception_is_found) {
    const outcome result = compile("planted", "void f() { throw 1; }", kernel_flags);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.output, testing::HasSubstr("exception"));
}

TEST_P(freestanding, run_time_type_information_is_found) {
    const outcome result =
        compile("planted", "struct a { virtual ~a(); };\nstruct b : a {};\nb* f(a* x) { return dynamic_cast<b*>(x); }",
                kernel_flags);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.output, testing::HasSubstr("rtti"));
}

TEST_P(freestanding, a_pure_virtual_function_is_found) {
    EXPECT_THAT(complaints_about("struct a { a(); virtual void f() = 0; };\na::a() {}"),
                testing::Contains("undefined __cxa_pure_virtual"));
}

TEST_P(freestanding, a_call_of_the_compilers_runtime_is_found) {
    EXPECT_THAT(
        complaints_about("__extension__ using wide = unsigned __int128;\nwide f(wide a, wide b) { return a / b; }"),
        testing::ElementsAre("undefined __udivti3"));
}

TEST_P(freestanding, a_call_of_the_c_library_is_found) {
    EXPECT_THAT(complaints_about("extern \"C\" int puts(const char*);\nint f() { return puts(\"here\"); }"),
                testing::ElementsAre("undefined puts"));
}

TEST_P(freestanding, a_variable_with_a_value_is_found) {
    EXPECT_THAT(complaints_about("int counter = 1;"), testing::ElementsAre("section data"));
}

TEST_P(freestanding, a_zeroed_variable_is_found) {
    EXPECT_THAT(complaints_about("inline int counter = 0;\nint* f() { return &counter; }"),
                testing::ElementsAre("section bss"));
}

TEST_P(freestanding, a_static_local_is_found) {
    EXPECT_THAT(complaints_about("int f() { static int calls = 0; return ++calls; }"),
                testing::ElementsAre("section bss"));
}

TEST_P(freestanding, a_thread_local_is_found) {
    EXPECT_THAT(complaints_about("thread_local int counter = 1;"), testing::ElementsAre("section tdata"));
}

TEST_P(freestanding, a_constant_table_is_no_finding) {
    EXPECT_THAT(complaints_about("extern const int powers[3];\nconst int powers[3]{1, 2, 4};"), testing::IsEmpty());
}

// --------------------------------------------------------------------------------------- recursion

/// The first function that can reach itself in the call graphs that g++ writes, or nothing.
std::string first_recursion(const std::string& graph) {
    std::map<std::string, std::set<std::string>> calls;
    static const std::regex edge(R"re(edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)")re");
    for (std::sregex_iterator i(graph.begin(), graph.end(), edge), end; i != end; ++i) calls[(*i)[1]].insert((*i)[2]);

    for (const auto& [start, unused] : calls) {
        std::set<std::string> reached;
        std::vector<std::string> pending{start};
        while (!pending.empty()) {
            const std::string caller = pending.back();
            pending.pop_back();
            for (const auto& callee : calls[caller]) {
                if (callee == start) return start;
                if (reached.insert(callee).second) pending.push_back(callee);
            }
        }
    }
    return {};
}

class call_graph : public testing::Test {
  protected:
    std::string first_recursion_in(const std::string& text) {
        scratch.write("calls.cpp", text);
        const outcome result =
            shell("cd " + as_word(scratch.path()) + " && " + as_word(LONGREACH_CXX) + " " + base_flags +
                  "-O0 -fcallgraph-info -I " + as_word(LONGREACH_BINARY_DIR "/include") + " -c calls.cpp -o calls.o");
        EXPECT_EQ(result.exit_code, 0) << result.output;
        return first_recursion(contents(scratch.path() / "calls.ci"));
    }

    void SetUp() override {
#if defined(__clang__)
        GTEST_SKIP() << "clang writes no call graph";
#endif
    }

    scratch_directory scratch;
};

TEST_F(call_graph, of_the_kernel_has_no_cycle) {
    EXPECT_EQ(first_recursion_in(every_include() + contents(source_dir / "tests/freestanding/kernel.cpp")), "");
}

TEST_F(call_graph, shows_a_function_that_calls_itself) {
    EXPECT_NE(first_recursion_in("int f(int n) { return n == 0 ? 0 : 1 + f(n - 1); }"), "");
}

TEST_F(call_graph, shows_functions_that_call_each_other) {
    EXPECT_NE(first_recursion_in("int g(int);\nint f(int n) { return n == 0 ? 0 : g(n - 1); }\n"
                                 "int h(int n) { return f(n); }\nint g(int n) { return h(n); }"),
              "");
}

}
}
