// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/stream.hpp>
#include <tuple>
#include <variant>
#include <vector>

#include "model/recording_generator.hpp"

namespace longreach {
namespace {

/// An event as (seq, rank of its file, index in it).
using place = std::tuple<std::uint64_t, std::size_t, std::ptrdiff_t>;

std::vector<place> places_of(const recording& from, stream_selection selected) {
    std::vector<place> places;
    recorded_stream stream(from, selected);
    while (true) {
        const std::uint64_t announced = stream.next_seq();
        const auto event = stream.next();
        if (!event.has_value()) {
            EXPECT_EQ(announced, recorded_stream::no_seq);
            return places;
        }
        EXPECT_EQ(announced, seq_of(*event));
        std::ptrdiff_t index = 0;
        switch (event->index()) {
            case 0:
                index = std::get<0>(*event) - from.vmas.data();
                break;
            case 1:
                index = std::get<1>(*event) - from.faults.data();
                break;
            case 2:
                index = std::get<2>(*event) - from.upgrades.data();
                break;
            case 3:
                index = std::get<3>(*event) - from.misses.data();
                break;
            default:
                index = std::get<4>(*event) - from.accesses.data();
        }
        places.emplace_back(announced, event->index(), index);
    }
}

TEST(stream, events_come_by_sequence_number_then_file_then_line) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const recording from = model::recording_generator(seed).draw(300);
        std::vector<place> expected;
        const auto add = [&](std::size_t rank, const auto& records, std::size_t first, std::size_t end) {
            for (std::size_t i = first; i < end; ++i) {
                expected.emplace_back(records[i].seq, rank, static_cast<std::ptrdiff_t>(i));
            }
        };
        const auto begin_common = [&] {
            expected.clear();
            add(0, from.vmas, 0, from.vmas.size());
            add(1, from.faults, 0, from.faults.size());
            add(2, from.upgrades, 0, from.upgrades.size());
        };
        const auto add_window = [&](const std::optional<recorded_window>& window) {
            if (window.has_value()) add(4, from.accesses, window->first, window->first + window->count);
        };
        begin_common();
        add(3, from.misses, 0, from.misses.size());
        add(4, from.accesses, 0, from.accesses.size());
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(places_of(from, stream_selection::everything()), expected);
        begin_common();
        add_window(from.steady);
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(places_of(from, stream_selection::of(translation_feed::accesses)), expected);
        begin_common();
        add_window(from.startup);
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(places_of(from, {true, false, false}), expected);
        begin_common();
        add(3, from.misses, 0, from.misses.size());
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(places_of(from, stream_selection::of(translation_feed::misses)), expected);
    }
}

TEST(stream, the_five_files_at_one_sequence_number_come_in_the_order_of_the_format) {
    recording from;
    from.vmas.emplace_back();
    from.faults.emplace_back();
    from.faults.emplace_back();
    from.upgrades.emplace_back();
    from.misses.emplace_back();
    from.accesses.emplace_back();
    from.steady = recorded_window{"steady", 0, 1, 0, 1};
    const std::vector<place> expected{{0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 2, 0}, {0, 3, 0}, {0, 4, 0}};
    EXPECT_EQ(places_of(from, stream_selection::everything()), expected);
}

TEST(stream, an_empty_recording_has_no_event) {
    const recording nothing;
    recorded_stream stream(nothing, stream_selection::everything());
    EXPECT_FALSE(stream.next().has_value());
    EXPECT_FALSE(stream.next().has_value());
}

TEST(stream, the_window_of_a_feed_is_the_one_that_it_translates) {
    recording from;
    EXPECT_EQ(window_of(from, translation_feed::accesses), nullptr);
    from.steady = recorded_window{"steady", 5, 6, 0, 1};
    from.miss_window = recorded_window{"whole", 0, 9, 0, 0};
    EXPECT_EQ(window_of(from, translation_feed::accesses)->from_seq, 5U);
    EXPECT_EQ(window_of(from, translation_feed::misses)->to_seq, 9U);
    EXPECT_EQ(window_of(from, translation_feed::census), nullptr);
    EXPECT_EQ(to_string(translation_feed::accesses), "accesses");
    EXPECT_EQ(to_string(translation_feed::misses), "misses");
    EXPECT_EQ(to_string(translation_feed::census), "census");
}

}
}
