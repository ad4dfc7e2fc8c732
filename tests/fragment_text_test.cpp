// SPDX-License-Identifier: MIT
// The text of a fragmentation: what is read, how it is printed again, and what is said about anything else.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <longreach/workloads/fragment/fragmentation_text.hpp>
#include <string>
#include <string_view>

namespace longreach {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string reprinted(std::string_view text) {
    const absl::StatusOr<fragmentation> read = parse_fragmentation(text);
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? to_string(*read) : std::string();
}

std::string refusal(std::string_view text) {
    const absl::StatusOr<fragmentation> read = parse_fragmentation(text);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(read.status().message());
}

TEST(fragmentation_text, every_step_is_read_into_its_value) {
    const absl::StatusOr<fragmentation> read = parse_fragmentation(
        "hog:2M:30,scatter:10,unusable:1G:0.5,age:1000000,age:7:0,snapshot:a/b:c.csv.zst,runs:14:9G");
    ASSERT_TRUE(read.ok()) << read.status();
    const fragmentation expected{{hog_step{order{9}, 30}, scatter_step{10}, unusable_step{order{18}, 500},
                                  age_step{1000000, 30}, age_step{7, 0}, snapshot_step{"a/b:c.csv.zst"},
                                  runs_step{14, page_count{9U << 18}}}};
    EXPECT_EQ(*read, expected);
}

TEST(fragmentation_text, one_canonical_form_is_printed_whatever_form_was_read) {
    EXPECT_EQ(reprinted("none"), "none");
    EXPECT_EQ(reprinted("hog:1024K:007"), "hog:1M:7");
    EXPECT_EQ(reprinted("hog:4K:100,hog:1G:0"), "hog:4K:100,hog:1G:0");
    EXPECT_EQ(reprinted("age:5"), "age:5:30");
    EXPECT_EQ(reprinted("unusable:2M:0.500"), "unusable:2M:0.5");
    EXPECT_EQ(reprinted("unusable:2M:0.125,unusable:4K:1.000,unusable:8K:0.0,unusable:8K:0.05"),
              "unusable:2M:0.125,unusable:4K:1,unusable:8K:0,unusable:8K:0.05");
    EXPECT_EQ(reprinted("runs:1:1536K,runs:1:2048K,runs:2:4096T,runs:3:1024G"),
              "runs:1:1536K,runs:1:2M,runs:2:4096T,runs:3:1T");
    EXPECT_EQ(reprinted("snapshot:/x y/z"), "snapshot:/x y/z");
}

TEST(fragmentation_text, the_default_of_every_step_is_a_text_that_can_be_read) {
    for (const fragmentation_step& step : {fragmentation_step(hog_step{}), fragmentation_step(scatter_step{}),
                                           fragmentation_step(unusable_step{}), fragmentation_step(age_step{})}) {
        EXPECT_EQ(reprinted(to_string(step)), to_string(step));
    }
}

struct bad_text {
    const char* text;
    const char* message;
};

class fragmentation_refusals : public testing::TestWithParam<bad_text> {};

TEST_P(fragmentation_refusals, are_one_line_that_names_the_step_and_what_was_expected) {
    const std::string message = refusal(GetParam().text);
    EXPECT_THAT(message, StartsWith("fragmentation: step "));
    EXPECT_THAT(message, EndsWith(GetParam().message));
    EXPECT_THAT(message, HasSubstr("expected "));
    EXPECT_THAT(message, Not(HasSubstr("\n")));
}

constexpr const char* names = "expected one of hog, scatter, unusable, age, snapshot and runs, found ";
constexpr bad_text bad_texts[] = {
    {"", "step 1, \"\": expected one of hog, scatter, unusable, age, snapshot and runs, found nothing"},
    {",", "step 1, \"\": expected one of hog, scatter, unusable, age, snapshot and runs, found nothing"},
    {"hog:2M:5,", "step 2, \"\": expected one of hog, scatter, unusable, age, snapshot and runs, found nothing"},
    {"none,hog:2M:5",
     "step 1, \"none\": expected one of hog, scatter, unusable, age, snapshot and runs, found \"none\""},
    {"Hog:2M:5", "expected one of hog, scatter, unusable, age, snapshot and runs, found \"Hog\""},
    {" hog:2M:5", "expected one of hog, scatter, unusable, age, snapshot and runs, found \" hog\""},
    {"a\nb", "step 1, \"a\\nb\": expected one of hog, scatter, unusable, age, snapshot and runs, found \"a\\nb\""},
    {"hog", "step 1, \"hog\": expected a power of two from 4K to 1G as size, found nothing"},
    {"hog:", "expected a power of two from 4K to 1G as size, found nothing"},
    {"hog:30", "expected a power of two from 4K to 1G as size, found \"30\""},
    {"hog:M:30", "expected a power of two from 4K to 1G as size, found \"M\""},
    {"hog:3M:30", "expected a power of two from 4K to 1G as size, found \"3M\""},
    {"hog:2K:30", "expected a power of two from 4K to 1G as size, found \"2K\""},
    {"hog:2m:30", "expected a power of two from 4K to 1G as size, found \"2m\""},
    {"hog:2MB:30", "expected a power of two from 4K to 1G as size, found \"2MB\""},
    {"hog:2G:30", "expected a power of two from 4K to 1G as size, found \"2G\""},
    {"hog:0M:30", "expected a power of two from 4K to 1G as size, found \"0M\""},
    {"hog:18446744073709551620K:30", "as size, found \"18446744073709551620K\""},
    {"hog:17592186044416T:30", "as size, found \"17592186044416T\""},
    {"hog:2M", "expected a percentage from 0 to 100, found nothing"},
    {"hog:2M:", "expected a percentage from 0 to 100, found nothing"},
    {"hog:2M:101", "expected a percentage from 0 to 100, found \"101\""},
    {"hog:2M:-1", "expected a percentage from 0 to 100, found \"-1\""},
    {"hog:2M:3x", "expected a percentage from 0 to 100, found \"3x\""},
    {"hog:2M:1.5", "expected a percentage from 0 to 100, found \"1.5\""},
    {"hog:2M:99999999999999999999", "expected a percentage from 0 to 100, found \"99999999999999999999\""},
    {"hog:2M:30:", "expected the step to end, found \":\""},
    {"hog:2M:30:4", "expected the step to end, found \":4\""},
    {"hog:2M:30,scatter:91", "step 2, \"scatter:91\": expected a percentage from 0 to 90, found \"91\""},
    {"scatter", "expected a percentage from 0 to 90, found nothing"},
    {"unusable:2M", "expected an index from 0 to 1 with at most three decimals, found nothing"},
    {"unusable:2M:2", "expected an index from 0 to 1 with at most three decimals, found \"2\""},
    {"unusable:2M:1.001", "expected an index from 0 to 1 with at most three decimals, found \"1.001\""},
    {"unusable:2M:0.", "expected an index from 0 to 1 with at most three decimals, found \"0.\""},
    {"unusable:2M:.5", "expected an index from 0 to 1 with at most three decimals, found \".5\""},
    {"unusable:2M:0.5000", "expected an index from 0 to 1 with at most three decimals, found \"0.5000\""},
    {"unusable:2M:0.5x", "expected an index from 0 to 1 with at most three decimals, found \"0.5x\""},
    {"unusable:2M:0..5", "expected an index from 0 to 1 with at most three decimals, found \"0..5\""},
    {"unusable:2M:50%", "expected an index from 0 to 1 with at most three decimals, found \"50%\""},
    {"unusable:3M:0.5", "expected a power of two from 4K to 1G as size, found \"3M\""},
    {"age", "expected a number of operations from 0 to 100000000, found nothing"},
    {"age:1e6", "expected a number of operations from 0 to 100000000, found \"1e6\""},
    {"age:100000001", "expected a number of operations from 0 to 100000000, found \"100000001\""},
    {"age:10:", "expected a percentage from 0 to 90, found nothing"},
    {"age:10:91", "expected a percentage from 0 to 90, found \"91\""},
    {"age:10:9:8", "expected the step to end, found \":8\""},
    {"snapshot", "expected the name of a file, found nothing"},
    {"snapshot:", "expected the name of a file, found nothing"},
    {"snapshot:a\nb", "expected the name of a file, found \"a\\nb\""},
    {"runs", "expected a number of runs from 1 to 1048576, found nothing"},
    {"runs:0:9G", "expected a number of runs from 1 to 1048576, found \"0\""},
    {"runs:1048577:4K", "expected a number of runs from 1 to 1048576, found \"1048577\""},
    {"runs:14", "expected a multiple of 4K up to 4096T as size, such as 9G, found nothing"},
    {"runs:14:0G", "expected a multiple of 4K up to 4096T as size, such as 9G, found \"0G\""},
    {"runs:14:6K", "expected a multiple of 4K up to 4096T as size, such as 9G, found \"6K\""},
    {"runs:14:4097T", "expected a multiple of 4K up to 4096T as size, such as 9G, found \"4097T\""},
    {"runs:14:9G:", "expected the step to end, found \":\""},
};
INSTANTIATE_TEST_SUITE_P(fragmentation_text, fragmentation_refusals, testing::ValuesIn(bad_texts));

TEST(fragmentation_text, the_first_wrong_word_of_the_first_wrong_step_is_named) {
    EXPECT_EQ(refusal("scatter:1,hog:3M:200,what"),
              "fragmentation: step 2, \"hog:3M:200\": expected a power of two from 4K to 1G as size, found \"3M\"");
    EXPECT_THAT(refusal("x"), HasSubstr(names));
}

TEST(fragmentation_text, has_at_most_64_steps) {
    std::string text = "scatter:0";
    for (int i = 1; i < 64; ++i) text += ",scatter:0";
    EXPECT_EQ(reprinted(text), text);
    EXPECT_EQ(refusal(text + ",scatter:1"), "fragmentation: step 65, \"scatter:1\": expected at most 64 steps");
}

TEST(fragmentation_text, a_message_stays_short_and_printable_whatever_the_text) {
    const std::string message = refusal(std::string(100000, '\x01') + ":2M");
    EXPECT_LT(message.size(), 600U);
    for (const char c : message) EXPECT_GE(c, ' ');
    EXPECT_THAT(refusal(std::string_view("snapshot:a\0b", 12)),
                EndsWith("expected the name of a file, found \"a\\x00\\x62\""));
}

}  // namespace
}  // namespace longreach
