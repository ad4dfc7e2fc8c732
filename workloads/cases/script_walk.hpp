// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_SCRIPT_WALK_HPP
#define LONGREACH_WORKLOADS_CASES_SCRIPT_WALK_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../input_error.hpp"
#include "script.hpp"
#include "touch_order.hpp"

// Carries out a script in the mind: which pages its processes map, touch and unmap, in order.
//
// Two processes take turns as the scripts say; `go` lets the second run until it gives its turn, as if the first
// waited. What a C library decides (heap, malloc, thread stacks) and what depends on free memory is not foretold.

LONGREACH_NAMESPACE_BEGIN

/// One thing that a script does.
struct script_event {
    enum class kind : std::uint8_t {
        map,         ///< `pages` became a VMA
        unmap,       ///< `pages` left it
        touch,       ///< `touched` were written, in this order
        read,        ///< `touched` were read
        fork,        ///< `process` was forked; `child` is the copy
        exit,        ///< `process` ended
        snapshot,    ///< of `process`, called `name`
        superpages,  ///< `process` may take superpages where `on`
        unforeseen,  ///< memory was used that the script does not name
    };
    kind what{};
    unsigned process = 0;
    unsigned child = 0;
    bool on = false;
    bool threads = false;  ///< of `unforeseen`: threads were started, which may race for a page
    page_run pages{};
    std::vector<page_run> touched{};  ///< each run from its first page to its last
    std::string name{};
    std::uint64_t line = 0;  ///< of params.txt
};

/// The processes of a script by number.
inline constexpr unsigned main_process = 0;

/// Walks one script and that of its peer.
class script_walk {
  public:
    /// What may be asked of one walk, so that no script runs for ever.
    static constexpr std::uint64_t most_pages = std::uint64_t{1} << 23;      ///< touched in all
    static constexpr std::uint64_t most_vma_pages = std::uint64_t{1} << 22;  ///< of one VMA

    script_walk(const run_parameters& from, const script& main) : from_(&from) { start(main, "main"); }

    /// Every event up to the end of the first script; `take(script_event&&)` returns a Status, and the first that is
    /// not good ends the walk.
    template <class Take>
    [[nodiscard]] absl::Status run(Take&& take) {
        while (current_ != nobody) {
            cursor& runs = processes_[current_];
            events_.clear();
            if (runs.next == runs.text->operations.size()) {
                end_script();
            } else if (absl::Status status = carry_out(runs.text->operations[runs.next++]); !status.ok()) {
                return status;
            }
            for (script_event& event : events_) {
                if (absl::Status status = take(std::move(event)); !status.ok()) return status;
            }
        }
        return absl::OkStatus();
    }

    /// Names of the processes so far, by number: "main", "peer", "child".
    [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }

  private:
    struct named_vma {
        std::string name;
        page_run pages{};
        bool file = false;
    };
    struct cursor {
        const script* text = nullptr;
        std::size_t next = 0;
        bool finished = false;
        std::vector<named_vma> vmas{};
        std::uint64_t slots = 0;
    };
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

    void start(const script& text, const char* name) {
        cursor added;
        added.text = &text;
        numbers_.push_back(static_cast<unsigned>(names_.size()));
        processes_.push_back(std::move(added));
        names_.emplace_back(name);
    }

    [[nodiscard]] absl::Status wrong(const script_operation& at, std::string_view what) const {
        return bad_input_at_line(from_->file, at.line, what);
    }

    /// The script that runs gives its turn or ends.
    void pass_turn() {
        if (processes_.size() == 2 && !processes_[1 - current_].finished) current_ = 1 - current_;
    }
    /// A script ends and its process with it; what comes behind the end of the first is not told.
    void end_script() {
        if (current_ != main_process) add(script_event::kind::exit, {});
        leave();
    }
    void leave() {
        processes_[current_].finished = true;
        current_ = current_ == 1 ? 0 : nobody;
    }

    script_event& add(script_event::kind what, const script_operation& at) {
        script_event event;
        event.what = what;
        event.process = numbers_[current_];
        event.line = at.line;
        events_.push_back(std::move(event));
        return events_.back();
    }

    [[nodiscard]] absl::StatusOr<const named_vma*> find(const script_operation& at, std::string_view name) const {
        const std::vector<named_vma>& vmas = processes_[current_].vmas;
        const auto found =
            std::find_if(vmas.rbegin(), vmas.rend(), [&](const named_vma& each) { return each.name == name; });
        if (found == vmas.rend())
            return wrong(at, absl::StrCat("expected a VMA of this script, found ", in_quotes(name)));
        return &*found;
    }

    [[nodiscard]] absl::Status charge(const script_operation& at, std::uint64_t pages) {
        if (pages > most_pages - touched_) {
            return wrong(at, absl::StrCat("expected at most ", most_pages, " touched pages in all"));
        }
        touched_ += pages;
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status add_map(const script_operation& at, const std::string& name, std::uint64_t bytes,
                                       std::uint64_t shift, bool file) {
        cursor& runs = processes_[current_];
        constexpr std::uint64_t slot_pages = std::uint64_t{1} << 24;  // 64 GiB
        const std::uint64_t pages = ceil_pages(bytes).raw;
        if (pages == 0 || pages > most_vma_pages || shift % page_bytes != 0 ||
            shift / page_bytes > slot_pages - pages) {
            return wrong(at, absl::StrCat("expected 1 to ", most_vma_pages, " pages within 64 GiB"));
        }
        if (runs.slots == 128) return wrong(at, "expected at most 128 VMAs in one script");
        const vpn first{(std::uint64_t{1} << 32) + runs.slots++ * slot_pages + shift / page_bytes};
        runs.vmas.push_back({name, {first, page_count{pages}}, file});
        add(file ? script_event::kind::unforeseen : script_event::kind::map, at).pages = runs.vmas.back().pages;
        return absl::OkStatus();
    }

    /// Touches as a pattern says; a file's pages are not the allocator's business.
    [[nodiscard]] absl::Status add_touch(const script_operation& at, const named_vma& vma, touch_pattern pattern,
                                         std::uint64_t seed) {
        if (vma.file) return absl::OkStatus();
        if (absl::Status status = charge(at, vma.pages.count.raw); !status.ok()) return status;
        const bool reads = pattern == touch_pattern::read;
        add(reads ? script_event::kind::read : script_event::kind::touch, at).touched =
            touch_order(vma.pages, pattern, seed);
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status carry_out(const script_operation& at) {
        switch (at.verb) {
            case script_verb::map:
                return add_map(at, at.names[0], at.numbers[0], at.numbers.size() > 1 ? at.numbers[1] : 0, false);
            case script_verb::map_file:
                return add_map(at, at.names[0], page_bytes, 0, true);
            case script_verb::map_shared:
                return add_map(at, at.names[0], at.numbers[0], 0, true);
            case script_verb::touch:
                return on_vma(at, [&](const named_vma& vma) { return add_touch(at, vma, at.pattern, seed_of(at)); });
            case script_verb::part:
                return on_vma(at, [&](const named_vma& vma) { return part(at, vma); });
            case script_verb::unmap:
                return on_vma(at, [&](const named_vma& vma) { return unmap(at, vma); });
            case script_verb::keep:
                return on_vma(at, [&](const named_vma& vma) { return keep(at, vma); });
            case script_verb::fork:
                return on_vma(at, [&](const named_vma& vma) { return fork(at, vma); });
            case script_verb::threads:
                return on_vma(at, [&](const named_vma& vma) { return threads(at, vma); });
            case script_verb::round_robin:
                return round_robin(at);
            case script_verb::churn:
                return churn(at);
            case script_verb::peer:
                return start_peer(at);
            case script_verb::superpages:
                add(script_event::kind::superpages, at).on = !at.flag;
                break;
            case script_verb::snapshot:
                add(script_event::kind::snapshot, at).name = at.names[0];
                break;
            case script_verb::heap:
            case script_verb::allocate:
            case script_verb::read_file:
                add(script_event::kind::unforeseen, at);
                break;
            case script_verb::turn:
            case script_verb::go:
                pass_turn();
                break;
            case script_verb::hold:
                leave();
                break;
            case script_verb::keep_percent:
            case script_verb::hold_free:
            case script_verb::drop_alternate:
                return absl::UnimplementedError("its script has an operation of the hog");
            case script_verb::wait_for_peer:
            case script_verb::clear_log:
            case script_verb::collect:
                break;
        }
        return absl::OkStatus();
    }

    template <class Act>
    [[nodiscard]] absl::Status on_vma(const script_operation& at, Act&& act) {
        absl::StatusOr<const named_vma*> vma = find(at, at.names[0]);
        if (!vma.ok()) return vma.status();
        return act(named_vma(**vma));
    }

    [[nodiscard]] static std::uint64_t seed_of(const script_operation& at) {
        return at.numbers.empty() ? 0 : at.numbers.back();
    }

    [[nodiscard]] absl::Status part(const script_operation& at, const named_vma& vma) {
        const std::uint64_t bytes = to_bytes(vma.pages.count);
        if (at.numbers[0] > bytes || at.numbers[1] > bytes - at.numbers[0]) {
            return wrong(at, absl::StrCat("expected a part of the VMA's ", bytes, " bytes"));
        }
        const page_count first = floor_pages(at.numbers[0]);
        const page_run pages{vma.pages.first + first, ceil_pages(at.numbers[1])};
        if (!vma.pages.contains(pages)) return wrong(at, "expected a part that begins with a page");
        if (absl::Status status = charge(at, pages.count.raw); !status.ok()) return status;
        if (!vma.file) add(script_event::kind::touch, at).touched.push_back(pages);
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status unmap(const script_operation& at, const named_vma& vma) {
        if (!vma.file) add(script_event::kind::unmap, at).pages = vma.pages;
        return absl::OkStatus();
    }

    /// Unmaps chunks in random order until few enough pages are left.
    [[nodiscard]] absl::Status keep(const script_operation& at, const named_vma& vma) {
        const page_count chunk = floor_pages(at.numbers[0]);
        if (chunk.raw == 0 || at.numbers[0] % page_bytes != 0) return wrong(at, "expected chunks of whole pages");
        std::uint64_t have = vma.pages.count.raw;
        if (absl::Status status = charge(at, have); !status.ok()) return status;
        for (const std::uint32_t number : random_order(have / chunk.raw, at.numbers[2])) {
            if (have <= at.numbers[1]) break;
            add(script_event::kind::unmap, at).pages = {vma.pages.first + page_count{number * chunk.raw}, chunk};
            have -= chunk.raw;
        }
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status fork(const script_operation& at, const named_vma& vma) {
        if (std::find(names_.begin(), names_.end(), "child") != names_.end()) {
            return absl::UnimplementedError("its script forks more than once");
        }
        const unsigned child = static_cast<unsigned>(names_.size());
        names_.emplace_back("child");
        add(script_event::kind::fork, at).child = child;
        const std::size_t mine = events_.size();
        if (absl::Status status = add_touch(at, vma, at.pattern, seed_of(at)); !status.ok()) return status;
        add(script_event::kind::snapshot, at).name = "child";
        add(script_event::kind::exit, at);
        for (std::size_t i = mine; i < events_.size(); ++i) events_[i].process = child;
        return absl::OkStatus();
    }

    /// Each thread writes its part, or all of it; they are taken to advance page by page together.
    [[nodiscard]] absl::Status threads(const script_operation& at, const named_vma& vma) {
        const std::uint64_t count = at.numbers[0];
        if (count == 0 || count > 64) return wrong(at, "expected 1 to 64 threads");
        if (absl::Status status = charge(at, vma.pages.count.raw); !status.ok()) return status;
        add(script_event::kind::unforeseen, at).threads = true;
        std::vector<page_run>& touched = add(script_event::kind::touch, at).touched;
        const std::uint64_t part = to_bytes(vma.pages.count) / count;
        if (at.flag || part % page_bytes != 0) {
            touched.push_back(vma.pages);
            return absl::OkStatus();
        }
        for (std::uint64_t page = 0; page < part / page_bytes; ++page) {
            for (std::uint64_t thread = 0; thread < count; ++thread) {
                touched.push_back({vma.pages.first + page_count{thread * (part / page_bytes) + page}, page_count{1}});
            }
        }
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status round_robin(const script_operation& at) {
        const page_count chunk = floor_pages(at.numbers[0]);
        if (chunk.raw == 0 || at.numbers[0] % page_bytes != 0) return wrong(at, "expected chunks of whole pages");
        std::vector<page_run> vmas;
        for (const std::string& name : at.names) {
            absl::StatusOr<const named_vma*> vma = find(at, name);
            if (!vma.ok()) return vma.status();
            if ((*vma)->file) continue;
            if (absl::Status status = charge(at, (*vma)->pages.count.raw); !status.ok()) return status;
            vmas.push_back((*vma)->pages);
        }
        std::vector<page_run>& touched = add(script_event::kind::touch, at).touched;
        bool more = true;
        for (page_count done{0}; more; done += chunk) {
            more = false;
            for (const page_run& vma : vmas) {
                if (done >= vma.count) continue;
                touched.push_back({vma.first + done, std::min(chunk, vma.count - done)});
                more = true;
            }
        }
        return absl::OkStatus();
    }

    /// Maps and unmaps 32 slots at random.
    [[nodiscard]] absl::Status churn(const script_operation& at) {
        if (at.numbers[1] > 65536) return wrong(at, "expected at most 65536 steps");
        script_random random(at.numbers[0]);
        std::array<page_run, 32> slots{};
        for (std::uint64_t step = 0; step < at.numbers[1]; ++step) {
            const std::uint64_t first = random.next();
            const std::uint64_t second = random.next();
            page_run& slot = slots[first % slots.size()];
            if (!slot.empty()) {
                add(script_event::kind::unmap, at).pages = slot;
                slot = {};
                continue;
            }
            std::uint64_t bytes = ((first >> 8) % 32 + 1) << 21;
            if ((second & 1) != 0) bytes += ((second >> 8) % 64) << 12;
            constexpr touch_pattern patterns[] = {touch_pattern::rising, touch_pattern::falling,
                                                  touch_pattern::random_superpages};
            slot = {vpn{(std::uint64_t{1} << 32) + (first % slots.size() << 24)}, floor_pages(bytes)};
            add(script_event::kind::map, at).pages = slot;
            const named_vma vma{{}, slot, false};
            if (absl::Status status = add_touch(at, vma, patterns[(second >> 20) % 3], step); !status.ok())
                return status;
        }
        return absl::OkStatus();
    }

    [[nodiscard]] absl::Status start_peer(const script_operation& at) {
        if (current_ != main_process || processes_.size() == 2) {
            return absl::UnimplementedError("its script starts more than one peer");
        }
        const script* const text = from_->find(detail::script_name(at.names[0]));
        if (text == nullptr)
            return wrong(at, absl::StrCat("expected a script of this file, found ", in_quotes(at.names[0])));
        start(*text, "peer");
        return absl::OkStatus();
    }

    const run_parameters* from_;
    std::vector<cursor> processes_;  // main, peer
    std::vector<unsigned> numbers_;  // of these among all processes
    std::vector<std::string> names_;
    std::size_t current_ = 0;
    std::vector<script_event> events_;
    std::uint64_t touched_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
