// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_INTERLEAVER_HPP
#define LONGREACH_TESTS_MODEL_INTERLEAVER_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fiber.hpp"
#include "linearizability.hpp"
#include "shared_words.hpp"
#include "state_graph.hpp"

// The search over schedules behind interleaving.hpp. Depth first; each schedule is replayed from a new world.
//
// A schedule whose state was met before is not followed further. The state is all bytes of the world, the waiting
// stores, and per thread its next access, its live stack, its operations with their results, how many operations of
// each thread had finished when each of them began, and whether it waits. So equal states have equal futures, equal
// results so far, and the same operations preceding the same. An endless loop without pause() is a cycle of states,
// which is not an error as long as the schedule can leave it: a state from which no ending can be reached is reported.

namespace longreach::model {

struct exploration {
    memory_model memory = memory_model::sequential;
    bool heavy_fences = true;  ///< false: a heavy fence does nothing, to see that the checker misses it
    std::uint64_t state_limit = 1'000'000;
    std::size_t step_limit = 2'000;  ///< of one schedule
    bool reduce = true;              ///< false: follow each schedule to its end, to see that nothing is lost otherwise
};

enum class verdict {
    holds,       ///< in every schedule
    violation,   ///< the report says which schedule and why
    deadlock,    ///< a state is reached from which no schedule ends; the report shows how
    incomplete,  ///< a limit came first, nothing wrong was met before
};

struct outcome {
    verdict result = verdict::incomplete;
    std::uint64_t states = 0;     ///< different states met
    std::uint64_t schedules = 0;  ///< worlds built
    std::uint64_t endings = 0;    ///< different states in which all threads had finished
    std::uint64_t steps = 0;      ///< accesses and flushes made, replays included
    std::string report;           ///< why the result is not `holds`: message, schedule, operations
};

class interleaver {
  public:
    static constexpr unsigned most_threads = 4;

    /// `build` makes the world in `place`, which is zeroed before; `bodies` are the threads; `check` tells what is
    /// wrong with a finished world and its operations, or nothing.
    interleaver(const exploration& options, std::span<std::byte> place, std::function<void()> build,
                std::vector<std::function<void()>> bodies, std::function<std::string(history)> check)
        : options_(options),
          place_(place),
          build_(std::move(build)),
          bodies_(std::move(bodies)),
          check_(std::move(check)),
          words_(options.memory, static_cast<unsigned>(bodies_.size())),
          threads_(bodies_.size()),
          fibers_(bodies_.size()) {
        if (bodies_.empty() || bodies_.size() > most_threads) std::abort();
        records_.reserve(64);
    }

    /// The search whose thread is running, if one is.
    static interleaver* inside() { return inside_; }

    outcome run() {
        do {
            restart();
            replay();
            extend();
            ++outcome_.schedules;
        } while (!failed_ && visited_.size() <= options_.state_limit && backtrack());
        if (!failed_ && !cut_) look_for_traps();
        outcome_.states = visited_.size();
        if (!failed_) outcome_.result = cut_ ? verdict::incomplete : verdict::holds;
        if (!failed_ && cut_) outcome_.report = "a limit of states or steps was reached";
        return outcome_;
    }

    // What the running thread calls.

    /// A scheduling point, then the access; answers what the thread saw in the word before.
    [[gnu::noinline]] std::uint64_t make(const access& a) {
        thread_state& t = threads_[running_];
        t.pending = a;
        note(a);
        fibers_[running_].yield();  // the search makes the access, so that nothing of it is on this stack
        return t.answer;
    }
    /// Only in the model with store buffers, and when not weakened, is the fence anything.
    void fence() {
        if (options_.memory == memory_model::store_buffers && options_.heavy_fences) {
            make({access_kind::heavy_fence, nullptr, 0, 0});
        }
    }
    /// The thread goes on when a word has changed since its last pause, or since its operation began: until then
    /// another turn of its loop would do the same again. So a turn that changes a word itself is followed by another.
    [[gnu::noinline]] void pause() {
        thread_state& t = threads_[running_];
        t.is_waiting = !t.has_news;
        t.has_news = false;
    }
    [[gnu::noinline]] void begin(const call& what) {
        thread_state& t = threads_[running_];
        t.is_opening = true;
        t.is_waiting = t.has_news = false;
        t.operation = records_.size();
        t.past.absorb(reinterpret_cast<std::uintptr_t>(what.name));
        t.past.absorb(what.first);
        t.past.absorb(what.second);
        records_.push_back({running_, what, 0, 0, 0, false});
    }
    [[gnu::noinline]] void end(std::uint64_t result) {
        thread_state& t = threads_[running_];
        if (t.is_opening) open_operation(t);
        record& r = records_[t.operation];
        r.responded = clock_;
        r.result = result;
        r.finished = true;
        t.past.absorb(result);
        ++t.finished;
    }
    /// The schedule so far shows a violation; the thread goes no further.
    [[noreturn]] void fail(const char* message) {
        fail(verdict::violation, message);
        fibers_[running_].yield();
        std::abort();
    }

  private:
    static constexpr unsigned nobody = ~0U;

    struct thread_state {
        access pending;
        std::uint64_t answer = 0;
        digest past;  // operations and results
        std::size_t operation = 0;
        std::uint64_t finished = 0;
        bool is_opening = false;  // an operation has begun and made no access yet
        bool is_waiting = false;  // paused, until there is news
        bool has_news = false;
    };
    struct traced {
        unsigned thread;
        access made;
        std::uint64_t before;
    };
    /// A state on the current schedule: what may be chosen there still, and what was. A choice is a thread to step, or
    /// the number of threads plus the one whose oldest store to flush.
    struct node {
        std::uint32_t state;
        std::uint32_t remaining;
        unsigned taken;
    };
    struct hash {
        std::size_t operator()(const digest& d) const { return static_cast<std::size_t>(d.first ^ d.second); }
    };

    void tick() {
        ++clock_;
        ++outcome_.steps;
    }
    unsigned threads() const { return static_cast<unsigned>(threads_.size()); }

    static void enter(void* self) {
        interleaver& i = *static_cast<interleaver*>(self);
        i.bodies_[i.running_]();
    }
    void resume(unsigned thread) {
        running_ = thread;
        interleaver* const outer = std::exchange(inside_, this);
        fibers_[thread].resume();
        inside_ = outer;
        running_ = nobody;
    }
    /// A new world, each thread run up to its first access.
    void restart() {
        std::memset(place_.data(), 0, place_.size());
        build_();
        words_.reset();
        records_.clear();
        trace_.clear();
        clock_ = 0;
        for (unsigned i = 0; i < threads() && !failed_; ++i) {
            threads_[i] = thread_state{};
            fibers_[i].start(&interleaver::enter, this);
            resume(i);
        }
    }
    void replay() {
        for (std::size_t i = 0; i < path_.size() && !failed_; ++i) take(path_[i].taken);
    }
    /// From the state at hand to an end, or to a state met before.
    void extend() {
        while (!failed_) {
            const auto [met, is_new] = visited_.try_emplace(survey(), static_cast<std::uint32_t>(visited_.size()));
            const std::uint32_t state = met->second;
            if (!path_.empty()) graph_.connect(path_.back().state, path_.back().taken, state, is_new);
            if (!is_new && options_.reduce) return;
            const std::uint32_t open = choices();
            if (open == 0) return finish(state);
            if (visited_.size() > options_.state_limit || path_.size() >= options_.step_limit) {
                cut_ = true;
                return;
            }
            path_.push_back({state, open, 0});
            choose(path_.back(), path_.size() == 1 ? 0 : path_[path_.size() - 2].taken);
            take(path_.back().taken);
        }
    }
    /// After a complete search: a state that leads to no ending is a loop that no schedule can leave.
    void look_for_traps() {
        const std::optional<std::uint32_t> trap = graph_.trap(visited_.size());
        if (!trap) return;
        restart();
        for (const unsigned choice : graph_.way_to(*trap)) take(choice);
        fail(verdict::deadlock, "from here on no schedule ends");
    }
    bool backtrack() {
        while (!path_.empty() && path_.back().remaining == 0) path_.pop_back();
        if (path_.empty()) return false;
        choose(path_.back(), nobody);
        return true;
    }
    /// The preferred choice if it is open, which keeps schedules readable; else the lowest.
    static void choose(node& n, unsigned preferred) {
        const bool is_open = preferred < 32 && (n.remaining >> preferred & 1) != 0;
        n.taken = is_open ? preferred : static_cast<unsigned>(std::countr_zero(n.remaining));
        n.remaining &= ~(std::uint32_t{1} << n.taken);
    }
    std::uint32_t choices() const {
        std::uint32_t open = 0;
        for (unsigned i = 0; i < threads(); ++i) {
            const thread_state& t = threads_[i];
            if (fibers_[i].finished() || !words_.is_ready(i, t.pending)) continue;
            if (t.is_waiting && !t.has_news) continue;
            open |= std::uint32_t{1} << i;
        }
        for (unsigned i = 0; i < threads(); ++i) {
            if (words_.can_flush(i)) open |= std::uint32_t{1} << (threads() + i);
        }
        return open;
    }
    void take(unsigned choice) {
        tick();
        if (choice >= threads()) {
            std::uint64_t before = 0;
            const access made = words_.flush(choice - threads(), before);
            trace_.push_back({choice - threads(), made, before});
            if (made.value != before) tell_others(choice - threads());
            return;
        }
        if (fibers_[choice].finished()) return fail(verdict::violation, "a body is not deterministic");
        thread_state& t = threads_[choice];
        if (t.is_opening) open_operation(t);
        if (t.is_waiting) t.is_waiting = t.has_news = false;
        t.answer = words_.perform(choice, t.pending);
        trace_.push_back({choice, t.pending, t.answer});
        if (value_after(t.pending, t.answer) != t.answer) {
            t.has_news = true;
            if (!words_.is_private(t.pending)) tell_others(choice);
        }
        resume(choice);
    }
    void tell_others(unsigned writer) {
        for (unsigned i = 0; i < threads(); ++i) threads_[i].has_news = threads_[i].has_news || i != writer;
    }
    void open_operation(thread_state& t) {
        t.is_opening = false;
        records_[t.operation].invoked = clock_;
        for (const thread_state& other : threads_) t.past.absorb(other.finished);
    }
    digest survey() const {
        digest all;
        all.absorb(place_);
        words_.absorb_into(all, place_.data());
        for (unsigned i = 0; i < threads(); ++i) {
            const thread_state& t = threads_[i];
            all.absorb(t.past.first);
            all.absorb(t.past.second);
            all.absorb(t.finished * 16 + t.is_opening * 8U + t.is_waiting * 4U + t.has_news * 2U +
                       fibers_[i].finished() * 1U);
            if (fibers_[i].finished()) continue;
            all.absorb(static_cast<std::uint64_t>(t.pending.kind));
            all.absorb(reinterpret_cast<std::uintptr_t>(t.pending.word));
            all.absorb(t.pending.value);
            all.absorb(t.pending.expected);
            all.absorb(fibers_[i].live_stack().size());
            all.absorb(fibers_[i].live_stack());
        }
        return all;
    }
    void finish(std::uint32_t state) {
        for (unsigned i = 0; i < threads(); ++i) {
            if (!fibers_[i].finished()) return fail(verdict::deadlock, "no thread can go on");
        }
        ++outcome_.endings;
        graph_.end(state);
        const std::string wrong = check_(records_);
        if (!wrong.empty()) fail(verdict::violation, wrong);
    }
    /// Shared words must be the world's.
    void note(const access& a) {
        if (a.word == nullptr) return;
        const auto offset = reinterpret_cast<std::uintptr_t>(a.word) - reinterpret_cast<std::uintptr_t>(place_.data());
        if (offset >= place_.size() || offset % sizeof(std::uint64_t) != 0) {
            fail("a shared word lies outside of the world, or across two of its words");
        }
    }
    void fail(verdict v, const std::string& message) {
        failed_ = true;
        outcome_.result = v;
        outcome_.report = message + "\nschedule:\n";
        for (std::size_t i = 0; i < trace_.size(); ++i) outcome_.report += describe_step(i + 1, trace_[i]);
        for (unsigned i = 0; i < threads(); ++i) {
            if (!fibers_[i].finished() && i != running_) {
                outcome_.report += "  thread " + std::to_string(i) + " stands before" + text_of(threads_[i].pending) +
                                   (threads_[i].is_waiting ? ", waiting\n" : "\n");
            }
        }
        outcome_.report += "operations:\n" + describe(records_);
    }
    std::string text_of(const access& a) const {
        std::string text = std::string(" ") + name(a.kind);
        if (a.word != nullptr) {
            text += " word " + std::to_string((reinterpret_cast<std::byte*>(a.word) - place_.data()) / 8);
        }
        if (a.kind == access_kind::compare_exchange) text += " " + std::to_string(a.expected) + " to";
        if (a.kind != access_kind::load && a.word != nullptr) text += " " + std::to_string(a.value);
        return text;
    }
    std::string describe_step(std::size_t number, const traced& s) const {
        std::string text = "  " + std::to_string(number) + ". thread " + std::to_string(s.thread) + text_of(s.made);
        const bool reads = s.made.kind != access_kind::store && s.made.kind != access_kind::flush;
        if (reads && s.made.word != nullptr) text += ", saw " + std::to_string(s.before);
        return text + "\n";
    }

    static inline interleaver* inside_ = nullptr;

    exploration options_;
    std::span<std::byte> place_;
    std::function<void()> build_;
    std::vector<std::function<void()>> bodies_;
    std::function<std::string(history)> check_;
    shared_words words_;
    std::vector<thread_state> threads_;
    std::deque<fiber> fibers_;
    std::unordered_map<digest, std::uint32_t, hash> visited_;
    state_graph graph_;
    std::vector<node> path_;
    std::vector<record> records_;
    std::vector<traced> trace_;
    std::uint64_t clock_ = 0;
    unsigned running_ = nobody;
    bool failed_ = false;
    bool cut_ = false;
    outcome outcome_;
};

}  // namespace longreach::model

#endif
