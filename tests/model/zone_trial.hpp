// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_ZONE_TRIAL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "cluster_model.hpp"
#include "frame_model.hpp"
#include "zone_operation.hpp"

// Performs operations on the model and on a buddy with a contiguity map; what differs is told in words. The properties
// and the fuzzers of both classes are built from it.

namespace longreach::model {

struct zone_setting {
    frame_run managed{pfn{0}, page_count{1}};
    buddy_options options{};

    friend std::ostream& operator<<(std::ostream& out, const zone_setting& s) {
        return out << "zone [" << s.managed.first.raw << ", +" << s.managed.count.raw << ") choice "
                   << static_cast<int>(s.options.choice) << (s.options.exact_promises ? " exact" : " rounded");
    }
};

/// An operation in the terms of the zone it meets.
struct aimed_operation {
    zone_operation op{};
    frame_run frames{};  ///< what it names
    held_frames held{};  ///< what it gives back

    order size() const { return order{op.size}; }
    cluster_model::fit fit() const {
        const std::uint64_t modulus = std::uint64_t{1} << (op.size % 11);
        return {page_count{op.count}, modulus, frames.first.raw % modulus};
    }
    /// Five runs with gaps from -1 to 2 frames between them, in an order that is none.
    std::array<frame_run, 5> runs() const {
        std::array<frame_run, 5> all{};
        pfn f = frames.first;
        for (unsigned i = 0; i < all.size(); ++i) {
            const page_count length{(op.count + i * i) % 97 + (op.size % 5 == 4 ? 0 : 1)};
            all[i * 3 % all.size()] = {f, length};
            f += length + page_count{(op.count + i) % 7 == 6 ? ~std::uint64_t{0} : (op.size + i) % 3};
        }
        return all;
    }
};

/// The model and what its user holds.
class zone_state {
  public:
    explicit zone_state(const zone_setting& setting)
        : frames(setting.managed, setting.options), rover_(setting.managed.first) {}

    frame_model frames;
    std::vector<held_frames> held;

    bool possible(const zone_operation& op) const { return !held.empty() || !op.of_held(); }

    aimed_operation aim(const zone_operation& op) const {
        aimed_operation aimed{op, {frames.managed().first + page_count{op.position}, page_count{op.count}}, {}};
        if (op.of_held()) {
            aimed.held = held[op.position % held.size()];
            aimed.frames.first = aimed.held.frames.end() - page_count{1};
            if (op.kind == zone_operation::free) aimed.held.frames = aimed.held.given(op.size, op.count);
        }
        if (op.kind == zone_operation::allocate_at || op.kind == zone_operation::allocate_around) {
            aimed.frames = {align_down(aimed.frames.first, order{op.size}), order{op.size}.pages()};
        }
        return aimed;
    }

    /// Performs it as the zone `did`; answers what it should have done.
    zone_answer perform(const aimed_operation& aimed, const zone_answer& did) {
        switch (aimed.op.kind) {
            case zone_operation::allocate: {
                const auto found = frames.allocate(aimed.size(), did.frames.first);
                return took(found ? std::optional<frame_run>({*found, aimed.size().pages()}) : std::nullopt);
            }
            case zone_operation::allocate_run:
                return took(frames.allocate_run(aimed.frames.count, did.frames.first));
            case zone_operation::allocate_at:
            case zone_operation::allocate_around:
            case zone_operation::allocate_run_at: {
                const status outcome = frames.allocate_run_at(aimed.frames);
                if (outcome == status::ok) held.push_back({aimed.frames});
                return {outcome, {}};
            }
            case zone_operation::allocate_runs_at: {
                const auto runs = aimed.runs();
                std::size_t culprit = 0;
                const status outcome = frames.allocate_runs_at(runs, culprit);
                for (std::size_t i = 0; outcome == status::ok && i < runs.size(); ++i) held.push_back({runs[i]});
                return {outcome, {}, {culprit}};
            }
            case zone_operation::allocate_word: {
                const std::uint64_t suggested = did.outcome == status::ok ? did.numbers[0] : 0;
                const auto word = frames.allocate_word({did.frames.first, suggested});
                if (!word) return {status::out_of_memory, {}};
                held.push_back({{word->first, page_count{64}}, word->frames});
                return {status::ok, {word->first, page_count{64}}, {word->frames}};
            }
            case zone_operation::free:
                give_back(aimed);
                return {};
            case zone_operation::reserve:
            case zone_operation::unreserve:
                frames.set_promised(aimed.frames, aimed.op.kind == zone_operation::reserve);
                return {};
            case zone_operation::can_allocate:
                return {status::ok, {}, {frames.can_allocate(aimed.size()) ? 1U : 0U}};
            case zone_operation::count_blocks: {
                const auto counts = frames.count_blocks();
                return {status::ok, {}, {counts.begin(), counts.end()}};
            }
            case zone_operation::recover:
                frames.forget_promises();
                return {};
            default:
                return search(aimed, did);
        }
    }

  private:
    static zone_answer found(const std::optional<frame_run>& frames) {
        return frames ? zone_answer{status::ok, *frames} : zone_answer{status::out_of_memory, {}};
    }
    zone_answer took(const std::optional<frame_run>& taken) {
        if (taken) held.push_back({*taken});
        return found(taken);
    }
    void give_back(const aimed_operation& aimed) {
        if (aimed.held.of_word != 0) {
            frames.free_word({aimed.held.frames.first, aimed.held.of_word});
        } else {
            frames.set_free(aimed.held.frames, true);
        }
        held_frames& from = held[aimed.op.position % held.size()];
        if (from.of_word == 0 && from.frames.count > aimed.held.frames.count) {
            from.frames = run_between(aimed.held.frames.end(), from.frames.end());
            return;
        }
        from = held.back();
        held.pop_back();
    }

    zone_answer search(const aimed_operation& aimed, const zone_answer& did) {
        const cluster_model clusters(frames.clusters());
        const auto [first, count] = aimed.frames;
        switch (aimed.op.kind) {
            case zone_operation::next:
                return found(clusters.next(first, count));
            case zone_operation::longest:
                return found(clusters.longest());
            case zone_operation::around:
                return found(clusters.around(first));
            case zone_operation::next_fit:
                return found(clusters.next_fit(rover_, count));
            case zone_operation::worst_fit:
                return found(clusters.worst_fit(count));
            default: {
                std::optional<pfn> answer;
                if (did.outcome == status::ok) answer = did.frames.first;
                if (!clusters.allows_best_fit(aimed.fit(), answer)) answer = clusters.best_fit(aimed.fit());
                return found(answer ? std::optional<frame_run>({*answer, count}) : std::nullopt);
            }
        }
    }

    pfn rover_;
};

/// The classes under test over memory of their own.
class zone_under_test {
  public:
    explicit zone_under_test(const zone_setting& setting)
        : setting_(setting),
          memory_(buddy::required_bytes(setting.managed.count, setting.options)),
          map_memory_(contiguity_map::required_bytes(setting.managed.count)),
          frames_(setting.managed, memory_, setting.options),
          clusters_(frames_, map_memory_) {}

    zone_answer perform(const aimed_operation& aimed) {
        switch (aimed.op.kind) {
            case zone_operation::allocate: {
                const auto first = frames_.allocate(aimed.size());
                return found(first ? std::optional<frame_run>({*first, aimed.size().pages()}) : std::nullopt);
            }
            case zone_operation::allocate_run:
                return found(frames_.allocate_run(aimed.frames.count));
            case zone_operation::allocate_at:
            case zone_operation::allocate_around:
                return {frames_.allocate_at(aimed.frames.first, aimed.size()), {}};
            case zone_operation::allocate_run_at:
                return {frames_.allocate_run_at(aimed.frames), {}};
            case zone_operation::allocate_runs_at: {
                std::size_t culprit = 0;
                const status outcome = frames_.allocate_runs_at(aimed.runs(), culprit);
                return {outcome, {}, {culprit}};
            }
            case zone_operation::allocate_word: {
                const auto word = frames_.allocate_word();
                if (!word) return {status::out_of_memory, {}};
                return {status::ok, {word->first, page_count{64}}, {word->frames}};
            }
            case zone_operation::free:
                aimed.held.give_back(frames_, aimed.op.size);
                return {};
            case zone_operation::reserve:
                frames_.reserve(aimed.frames);
                return {};
            case zone_operation::unreserve:
                frames_.unreserve(aimed.frames);
                return {};
            case zone_operation::can_allocate:
                return {status::ok, {}, {frames_.can_allocate(aimed.size()) ? 1U : 0U}};
            case zone_operation::count_blocks: {
                const auto counts = frames_.count_blocks();
                return {status::ok, {}, {counts.begin(), counts.end()}};
            }
            case zone_operation::recover:
                recover();
                return {};
            default:
                return search(aimed);
        }
    }

    /// What is wrong with the zone after an operation, beside its answer.
    std::optional<std::string> difference(const frame_model& expected) const {
        if (const violation broken = frames_.audit()) {
            return "audit: " + std::string(broken.label) + " at " + std::to_string(broken.where);
        }
        if (frames_.free_frames().raw == expected.free_frames() &&
            frames_.unreserved_frames().raw == expected.open_frames()) {
            return std::nullopt;
        }
        std::ostringstream told;
        told << "free " << frames_.free_frames().raw << ", unreserved " << frames_.unreserved_frames().raw
             << "; expected " << expected.free_frames() << ", " << expected.open_frames();
        return told.str();
    }

    /// What is wrong with any frame, or with a zone recovered from a copy of the bits; O(frames), so for every few
    /// operations and the end.
    std::optional<std::string> frame_difference(const frame_model& expected) {
        std::vector<std::byte> copy = memory_;
        const std::span<std::byte> aligned = same_alignment(copy);
        damage(aligned);
        buddy again = buddy::recovered(setting_.managed, aligned, setting_.options);
        if (const violation broken = again.audit()) return std::string("recovered audit: ") + broken.label;
        if (again.unreserved_frames() != frames_.free_frames()) return "recovered: free frames differ";
        std::ostringstream told;
        for (pfn f = expected.managed().first; f != expected.managed().end(); f += page_count{1}) {
            const std::uint64_t child = (f - frames_.base()).raw / child_frames;
            const unsigned position = static_cast<unsigned>(f.raw % child_frames);
            const bool open = is_free_block(frames_.unreserved(child), position, 0);
            const bool free = frames_.is_free(f, base_order);
            if (free == expected.is_free(f) && open == expected.is_open(f) && again.is_free(f, base_order) == free) {
                continue;
            }
            told << "frame " << f.raw << ": free " << free << ", open " << open << "; expected " << expected.is_free(f)
                 << ", " << expected.is_open(f);
            return told.str();
        }
        return std::nullopt;
    }

    /// The same as difference() for the map, which is brought up to date first.
    std::optional<std::string> map_difference(const frame_model& expected) {
        clusters_.refresh();
        if (const violation broken = clusters_.audit()) {
            return "audit: " + std::string(broken.label) + " at " + std::to_string(broken.where);
        }
        std::vector<frame_run> all;
        clusters_.for_each([&all](frame_run cluster) { all.push_back(cluster); });
        if (all != expected.clusters()) return "for_each visits other clusters";
        return std::nullopt;
    }

  private:
    static zone_answer found(const std::optional<frame_run>& frames) {
        return frames ? zone_answer{status::ok, *frames} : zone_answer{status::out_of_memory, {}};
    }

    zone_answer search(const aimed_operation& aimed) {
        const auto [first, count] = aimed.frames;
        switch (aimed.op.kind) {
            case zone_operation::next:
                return found(clusters_.next(first, count));
            case zone_operation::longest:
                return found(clusters_.longest());
            case zone_operation::around:
                return found(clusters_.around(first));
            case zone_operation::next_fit:
                return found(clusters_.next_fit(count));
            case zone_operation::worst_fit:
                return found(clusters_.worst_fit(count));
            default: {
                const auto place = clusters_.best_fit(aimed.fit());
                return found(place ? std::optional<frame_run>({*place, count}) : std::nullopt);
            }
        }
    }

    /// Where the bits begin in memory handed to a buddy.
    static std::size_t skip_of(const void* memory) { return (64 - reinterpret_cast<std::uintptr_t>(memory) % 64) % 64; }

    /// Overwrites all but the bits.
    void damage(std::span<std::byte> memory) const {
        const std::size_t bits = skip_of(memory.data()) + frames_.children() * sizeof(child_words);
        for (std::size_t i = bits; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * 167 % 251);
    }
    void recover() {
        damage(memory_);
        frames_.recover();
    }
    /// The part of a copy of memory_, made longer, that is aligned like memory_ and holds the same bytes.
    std::span<std::byte> same_alignment(std::vector<std::byte>& copy) const {
        copy.resize(memory_.size() + 64);
        const std::size_t shift = (skip_of(copy.data()) + 64 - skip_of(memory_.data())) % 64;
        for (std::size_t i = memory_.size(); i-- > 0;) copy[shift + i] = memory_[i];
        return std::span(copy).subspan(shift, memory_.size());
    }

    zone_setting setting_;
    std::vector<std::byte> memory_;
    std::vector<std::byte> map_memory_;
    buddy frames_;
    contiguity_map clusters_;
};

/// Performs one operation on both; says what differs.
inline std::optional<std::string> perform(const zone_operation& op, zone_state& expected, zone_under_test& actual) {
    const aimed_operation aimed = expected.aim(op);
    const zone_answer does = actual.perform(aimed);
    const zone_answer should = expected.perform(aimed, does);
    if (!(should == does)) {
        std::ostringstream told;
        told << "answered " << does << ", expected " << should;
        return told.str();
    }
    return actual.difference(expected.frames);
}

/// Performs all operations that are possible; on a difference says those up to it and what differs.
inline std::optional<std::string> perform_all(const zone_setting& setting, std::span<const zone_operation> operations,
                                              bool with_map) {
    zone_state expected(setting);
    zone_under_test actual(setting);
    std::ostringstream history;
    history << setting << '\n';
    const auto deep_difference = [&]() -> std::optional<std::string> {
        if (const auto told = actual.frame_difference(expected.frames)) return told;
        return with_map ? actual.map_difference(expected.frames) : std::nullopt;
    };
    unsigned performed = 0;
    for (const zone_operation& op : operations) {
        if (!expected.possible(op)) continue;
        history << op << '\n';
        if (const auto told = perform(op, expected, actual)) return history.str() + *told;
        if (++performed % 8 != 0) continue;  // changed children wait for the map until it is asked
        if (const auto told = deep_difference()) return history.str() + *told;
    }
    if (const auto told = deep_difference()) return history.str() + *told;
    return std::nullopt;
}

}  // namespace longreach::model

#endif
