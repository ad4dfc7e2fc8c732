// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_MACHINE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_MACHINE_TRIAL_HPP

#include <array>
#include <cstdint>
#include <longreach/workloads/native_machine.hpp>
#include <longreach/workloads/virtual_machine.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

// One printable step of a program on a simulated machine, taken on the machine and on a model that knows of each page
// only whether it belongs to an area and what may be done with it.

namespace longreach::model {

/// The window of pages that trials use: 8 MiB from a page that no table starts with.
inline constexpr vpn first_trial_page{(std::uint64_t{1} << 27) - 700};
inline constexpr std::uint64_t trial_pages = 2048;

struct machine_step {
    enum kind_type : std::uint8_t { map, map_file, unmap, protect, discard, move, load, store, translate };
    static constexpr unsigned kinds = 9;

    kind_type kind{};
    std::uint64_t page{};   ///< in the window
    std::uint64_t count{};  ///< pages, at least 1; for load, store and translate how many are touched
    std::uint64_t to{};     ///< move: the new place
    bool writable = true;   ///< map, protect

    friend std::ostream& operator<<(std::ostream& out, const machine_step& s) {
        constexpr std::string_view names[] = {"map",  "map_file", "unmap", "protect",  "discard",
                                              "move", "load",     "store", "translate"};
        out << '{' << names[s.kind] << " +" << s.page << " count " << s.count;
        if (s.kind == move) out << " to +" << s.to;
        if (s.kind <= map_file || s.kind == protect) out << (s.writable ? " rw" : " r");
        return out << '}';
    }
};

/// Areas, page by page.
class machine_model {
  public:
    struct page_state {
        bool writable = false;
        bool file = false;
        bool touched = false;
    };
    using pages_type = std::array<std::optional<page_state>, trial_pages>;

    /// Whether an access is allowed.
    [[nodiscard]] bool allows(std::uint64_t page, access_kind kind) const {
        return pages_[page] && (kind != access_kind::store || pages_[page]->writable);
    }
    void touch(std::uint64_t page) { pages_[page]->touched = true; }
    [[nodiscard]] const pages_type& pages() const { return pages_; }

    /// The step as an event of a recording, or nothing where a program could not do it. Changes the areas.
    std::optional<vma_event> happen(const machine_step& s) {
        vma_event event;
        event.pages = {first_trial_page + page_count{s.page}, page_count{s.count}};
        event.protection = vma_protection{true, s.writable, false};
        event.flags = vma_event::map_private | vma_event::map_fixed;
        switch (s.kind) {
            case machine_step::map:
            case machine_step::map_file:
                event.kind = vma_kind::mmap;
                event.backing = s.kind == machine_step::map ? vma_backing::anonymous : vma_backing::file;
                for (std::uint64_t i = 0; i < s.count; ++i) {
                    pages_[s.page + i] = page_state{s.writable, s.kind == machine_step::map_file, false};
                }
                return event;
            case machine_step::unmap:
                event.kind = vma_kind::munmap;
                for (std::uint64_t i = 0; i < s.count; ++i) pages_[s.page + i].reset();
                return event;
            case machine_step::protect:
                event.kind = vma_kind::mprotect;
                for (std::uint64_t i = 0; i < s.count; ++i) {
                    if (!pages_[s.page + i]) return {};
                }
                for (std::uint64_t i = 0; i < s.count; ++i) pages_[s.page + i]->writable = s.writable;
                return event;
            case machine_step::discard:
                event.kind = vma_kind::empty;
                for (std::uint64_t i = 0; i < s.count; ++i) {
                    if (pages_[s.page + i]) pages_[s.page + i]->touched = false;
                }
                return event;
            case machine_step::move:
                return happen_move(s, event);
            default:
                return {};
        }
    }

  private:
    /// mremap moves a part of one area to a place that does not overlap it.
    std::optional<vma_event> happen_move(const machine_step& s, vma_event event) {
        if (s.page < s.to + s.count && s.to < s.page + s.count) return {};
        for (std::uint64_t i = 0; i < s.count; ++i) {
            const auto& here = pages_[s.page + i];
            const auto& first = pages_[s.page];
            if (!here || here->file || here->writable != first->writable) return {};
        }
        event.kind = vma_kind::mremap;
        event.flags = 0;
        event.protection.reset();
        event.moved_from = event.pages;
        event.pages.first = first_trial_page + page_count{s.to};
        for (std::uint64_t i = 0; i < s.count; ++i) {
            pages_[s.to + i] = pages_[s.page + i];
            pages_[s.page + i].reset();
        }
        return event;
    }

    pages_type pages_{};
};

/// A machine with its model; `step` answers what went wrong, or nothing.
template <simulated_machine Machine>
class machine_trial {
  public:
    explicit machine_trial(page_count memory = page_count{4096}, unsigned hog = 25)
        : machine_(std::make_unique<Machine>(machine_options{memory, hog_of(hog), 7, 3 * trial_pages, trial_pages})) {
        machine_->begin_translation();
    }

    /// Takes the step; `thorough` audits the machine after it, which costs far more than the step.
    std::string step(const machine_step& s, bool thorough = true) {
        std::string found;
        if (s.kind >= machine_step::load) {
            for (std::uint64_t i = 0; i < s.count && found.empty(); ++i) found = access(s, s.page + i);
        } else if (const std::optional<vma_event> event = model_.happen(s)) {
            const status done = machine_->apply(*event);
            if (done != status::ok)
                found = "the event was answered with status " + std::to_string(static_cast<int>(done));
        }
        if (found.empty() && thorough) found = check();
        if (found.empty()) return {};
        std::ostringstream text;
        text << s << ": " << found;
        return text.str();
    }

    [[nodiscard]] Machine& machine() { return *machine_; }

  private:
    std::string access(const machine_step& s, std::uint64_t page) {
        const vpn where = first_trial_page + page_count{page};
        const access_kind kind = s.kind == machine_step::store ? access_kind::store : access_kind::load;
        const status done = s.kind == machine_step::translate
                                ? machine_->translate(0x400000 + page % 5, where, kind, page % 2 == 0)
                                : machine_->touch(where, kind);
        if (done == status::out_of_memory) return {};  // small memories may fill; nothing may be lost by it
        if ((done == status::ok) != model_.allows(page, kind)) {
            return "page +" + std::to_string(page) + ": status " + std::to_string(static_cast<int>(done));
        }
        if (done == status::ok) model_.touch(page);
        return {};
    }

    /// Everything touched is mapped, nothing outside areas is, and the machine's own invariants hold.
    std::string check() {
        std::uint64_t touched = 0;
        std::uint64_t areas = 0;
        for (const auto& page : model_.pages()) {
            touched += page && page->touched ? 1U : 0U;
            areas += page ? 1U : 0U;
        }
        const std::uint64_t resident = machine_->resident_pages();
        if (resident < touched || resident > areas) {
            return std::to_string(resident) + " pages are mapped, touched are " + std::to_string(touched) +
                   ", areas have " + std::to_string(areas);
        }
        const census counted = machine_->count();
        if (counted.pages != resident) return "the census counts " + std::to_string(counted.pages) + " pages";
        const mmu_counters t = machine_->translation();
        if (t.spot_correct() + t.spot_mispredicted() + t.spot_no_prediction() != t.l2_misses) return "lost predictions";
        if (const violation broken = machine_->audit()) {
            return std::string(broken.label) + " at " + std::to_string(broken.where);
        }
        return {};
    }

    std::unique_ptr<Machine> machine_;
    machine_model model_;
};

/// A step from raw numbers, any of which are good.
[[nodiscard]] inline machine_step make_step(unsigned kind, std::uint64_t page, std::uint64_t count, std::uint64_t to,
                                            bool writable) {
    machine_step s;
    s.kind = static_cast<machine_step::kind_type>(kind % machine_step::kinds);
    s.page = page % trial_pages;
    const std::uint64_t most = s.kind >= machine_step::load ? 64 : trial_pages;
    s.count = 1 + count % most;
    s.count = s.count > trial_pages - s.page ? trial_pages - s.page : s.count;
    s.to = to % (trial_pages - s.count + 1);
    s.writable = writable;
    return s;
}

}  // namespace longreach::model

#endif
