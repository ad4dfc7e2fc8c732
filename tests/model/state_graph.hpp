// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_STATE_GRAPH_HPP
#define LONGREACH_TESTS_MODEL_STATE_GRAPH_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

// The steps between the states of a search, to ask afterwards which states lead to no ending. State 0 is the first.

namespace longreach::model {

class state_graph {
  public:
    /// A step from a state to another, which it is the first to reach or not.
    void connect(std::uint32_t from, unsigned choice, std::uint32_t to, bool is_first) {
        steps_.push_back({to, from});
        if (!is_first) return;
        if (ways_.size() <= to) ways_.resize(to + 1);
        ways_[to] = {from, choice};
    }
    void end(std::uint32_t state) { endings_.push_back(state); }

    /// Some state of `states` from which no ending can be reached.
    std::optional<std::uint32_t> trap(std::size_t states) {
        std::sort(steps_.begin(), steps_.end(), [](const step& a, const step& b) { return a.to < b.to; });
        std::vector<unsigned char> ends(states, 0);
        std::vector<std::uint32_t> open = endings_;
        for (const std::uint32_t s : open) ends[s] = 1;
        while (!open.empty()) {
            const std::uint32_t state = open.back();
            open.pop_back();
            auto s = std::lower_bound(steps_.begin(), steps_.end(), state,
                                      [](const step& a, std::uint32_t to) { return a.to < to; });
            for (; s != steps_.end() && s->to == state; ++s) {
                if (ends[s->from] == 0) open.push_back(s->from);
                ends[s->from] = 1;
            }
        }
        const auto stuck = std::find(ends.begin(), ends.end(), static_cast<unsigned char>(0));
        if (stuck == ends.end()) return std::nullopt;
        return static_cast<std::uint32_t>(stuck - ends.begin());
    }
    /// The choices that first led to the state.
    std::vector<unsigned> way_to(std::uint32_t state) const {
        std::vector<unsigned> choices;
        for (; state != 0; state = ways_[state].from) choices.push_back(ways_[state].choice);
        std::reverse(choices.begin(), choices.end());
        return choices;
    }

  private:
    struct step {
        std::uint32_t to;
        std::uint32_t from;
    };
    struct way {
        std::uint32_t from = 0;
        unsigned choice = 0;
    };

    std::vector<step> steps_;
    std::vector<way> ways_;
    std::vector<std::uint32_t> endings_;
};

}  // namespace longreach::model

#endif
