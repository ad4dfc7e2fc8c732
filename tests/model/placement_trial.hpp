// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_PLACEMENT_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_PLACEMENT_TRIAL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/placement.hpp>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "frame_account.hpp"
#include "placement_script.hpp"

// Two address spaces on one memory under a placement policy, and who owns every frame.
//
// The trial knows nothing of placement. It knows that no frame is given twice and that everything given back is free.
// What else a policy promises, its watch knows: ca_placement_watch.hpp, eager_placement_watch.hpp.

namespace longreach::model {

/// The leaves of one space by first page, and what a policy may ask about them.
struct trial_leaves {
    struct leaf {
        pfn frame;
        order size;
    };
    std::map<std::uint64_t, leaf> all;

    [[nodiscard]] vpn first_mapped(run<vpn> pages) const {
        auto next = all.lower_bound(pages.first.raw);
        if (next != all.begin()) {
            const auto before = std::prev(next);
            if (before->first + before->second.size.pages().raw > pages.first.raw && !pages.empty()) return pages.first;
        }
        return next != all.end() && next->first < pages.end().raw ? vpn{next->first} : pages.end();
    }
};

/// `Watch` makes the policy and says, each time "" or what was wrong: before a fault what is due, then whether it was
/// done, and what tables may get; it follows releases and moves, and knows which unowned frames the policy holds.
template <class Watch>
class placement_trial {
  public:
    using policy_type = typename Watch::policy_type;

    explicit placement_trial(const placement_setting& setting)
        : account_(setting.managed),
          buddy_memory_(buddy::required_bytes(setting.managed.count)),
          frames_(setting.managed, buddy_memory_),
          watch_(frames_, account_, setting) {
        pin(setting);
        // Areas of two spaces, alike: 0 and 1 are neighbours, 1 ends unaligned, 2 grows up, 3 grows down.
        for (unsigned i = 0; i < areas_.size(); ++i) {
            constexpr run<vpn> shapes[] = {{vpn{0x40000}, page_count{1536}},
                                           {vpn{0x40600}, page_count{700}},
                                           {vpn{0x80064}, page_count{37}},
                                           {vpn{0xc0000 - 300}, page_count{300}}};
            areas_[i] = {i / 4, shapes[i % 4], i % 4 == 2, i % 4 == 3, false};
        }
    }

    /// Performs an operation where it means something; says which promise was broken.
    std::optional<std::string> perform(const placement_operation& op) {
        area& a = areas_[op.area % areas_.size()];
        std::string told;
        switch (op.kind) {
            case placement_operation::fault:
                told = fault(a, a.pages.first + at(a, op), base_order);
                break;
            case placement_operation::fault_superpage:
                told = fault(a, align_down(a.pages.first + at(a, op), superpage_order), superpage_order);
                break;
            case placement_operation::unmap:
                unmap(a, at(a, op), op.count, false);
                break;
            case placement_operation::release:
                unmap(a, at(a, op), op.count, true);
                break;
            case placement_operation::grow:
                grow(a, op.count);
                break;
            case placement_operation::move:
                move(a);
                break;
            case placement_operation::table:
                told = allocate_table();
                break;
            case placement_operation::free_table:
                free_table(op.position);
                break;
            case placement_operation::lose:
                lose(a, at(a, op), op.count);
                break;
        }
        if (told.empty()) told = difference();
        if (told.empty()) return ++performed_ % 16 == 0 ? frame_difference() : std::nullopt;
        return told;
    }

    /// What is wrong with any frame; O(frames), so for every few operations and the end.
    std::optional<std::string> frame_difference() const {
        const auto held = watch_.held_frames();
        for (pfn f = frames_.managed().first; f < frames_.managed().end(); f += page_count{1}) {
            const bool unused = account_.is_free({f, page_count{1}}) && held.count(f.raw) == 0;
            if (frames_.is_free(f, base_order) != unused) return "frame " + std::to_string(f.raw) + " is wrong";
        }
        return std::nullopt;
    }

    const policy_type& policy() const { return watch_.policy(); }

  private:
    struct area {
        std::uint32_t space;
        run<vpn> pages;
        bool grows_up;
        bool grows_down;
        bool away;
    };
    static page_count at(const area& a, const placement_operation& op) { return {op.position % a.pages.count.raw}; }

    void pin(const placement_setting& s) {
        std::uint64_t state = s.seed * 2 + 1;
        const order size = s.pinned_order;
        for (pfn f = align_up(s.managed.first, size); s.managed.contains(run<pfn>{f, size.pages()});
             f += size.pages()) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            if (state >> 61 >= s.pinned_eighths || frames_.allocate_at(f, size) != status::ok) continue;
            account_.take({f, size.pages()}, frame_purpose::hole);
        }
    }

    std::string fault(area& a, vpn page, order size) {
        const run<vpn> block{page, size.pages()};
        trial_leaves& table = tables_[a.space];
        if (!a.pages.contains(block) || table.first_mapped(block) != block.end()) return {};
        const placement_request<vpn> request{a.space, page, size, a.pages, a.grows_up, a.grows_down};
        watch_.before(request, table);
        const std::optional<pfn> got = watch_.policy().allocate(request, table);
        if (!got) return watch_.refused(request);
        std::ostringstream told;
        told << "page " << page.raw << " got frame " << got->raw;
        if (!is_aligned(*got, size)) return told.str() + ", which is not aligned";
        if (!frames_.managed().contains(run<pfn>{*got, size.pages()})) return told.str() + ", which is not managed";
        if (!account_.is_free({*got, size.pages()})) return told.str() + ", which somebody has";
        account_.take({*got, size.pages()}, frame_purpose::page);
        table.all[page.raw] = {*got, size};
        const std::string wrong = watch_.served(request, *got);
        return wrong.empty() ? wrong : told.str() + wrong;
    }

    /// The leaves that touch the pages go, each wholly; with `gone` the pages leave the address space.
    void unmap(area& a, page_count from, std::uint64_t count, bool gone) {
        auto& table = tables_[a.space].all;
        run<vpn> pages = intersection(run<vpn>{a.pages.first + from, page_count{count}}, a.pages);
        auto it = table.lower_bound(pages.first.raw);
        if (it != table.begin()) {
            const auto before = std::prev(it);
            if (before->first + before->second.size.pages().raw > pages.first.raw) it = before;
        }
        while (it != table.end() && it->first < pages.end().raw) {
            const vpn first{it->first};
            const trial_leaves::leaf mapped = it->second;
            const vpn end = first + mapped.size.pages();
            pages = run_between(first < pages.first ? first : pages.first, end > pages.end() ? end : pages.end());
            watch_.policy().free(a.space, first, mapped.frame, mapped.size);
            account_.give({mapped.frame, mapped.size.pages()}, frame_purpose::page);
            it = table.erase(it);
        }
        if (!gone) return;
        watch_.policy().release(a.space, pages);
        watch_.released(a.space, pages);
    }

    static void grow(area& a, std::uint64_t count) {
        const page_count more{count % 600};
        if (a.away || a.pages.count.raw + more.raw > 4096) return;
        if (a.grows_up) a.pages.count += more;
        if (a.grows_down) a.pages = {a.pages.first - more, a.pages.count + more};
    }

    /// To another place and back: the even areas by a multiple of 2 MiB, the odd ones not, which breaks superpages.
    void move(area& a) {
        const std::uint64_t which = static_cast<std::uint64_t>(&a - areas_.data());
        const page_count shift{0x1000000 + which % 2 * 13};
        const vpn to = a.away ? a.pages.first - shift : a.pages.first + shift;
        std::map<std::uint64_t, trial_leaves::leaf> moved;
        auto& table = tables_[a.space].all;
        for (auto it = table.lower_bound(a.pages.first.raw); it != table.end() && it->first < a.pages.end().raw;) {
            const std::uint64_t first = it->first - a.pages.first.raw + to.raw;
            if (which % 2 == 0) {
                moved[first] = it->second;
            } else {
                for (std::uint64_t i = 0; i < it->second.size.pages().raw; ++i) {
                    moved[first + i] = {it->second.frame + page_count{i}, base_order};
                }
            }
            it = table.erase(it);
        }
        table.merge(moved);
        watch_.policy().move(a.space, a.pages, to);
        watch_.moved(a.space, a.pages, to);
        a.pages.first = to;
        a.away = !a.away;
    }

    std::string allocate_table() {
        watch_.before_table();
        const std::optional<pfn> got = watch_.policy().allocate_table();
        if (got && !account_.is_free({*got, page_count{1}})) return "a table got a frame that somebody has";
        const std::string wrong = watch_.table(got);
        if (!wrong.empty() || !got) return wrong;
        account_.take({*got, page_count{1}}, frame_purpose::table);
        page_tables_.push_back(*got);
        return {};
    }
    void free_table(std::uint64_t which) {
        if (page_tables_.empty()) return;
        pfn& chosen = page_tables_[which % page_tables_.size()];
        watch_.policy().free_table(chosen);
        account_.give({chosen, page_count{1}}, frame_purpose::table);
        chosen = page_tables_.back();
        page_tables_.pop_back();
    }

    /// The page at `from`, or (by `count`) the last or the first of its 2 MiB.
    void lose(const area& a, page_count from, std::uint64_t count) {
        vpn page = a.pages.first + from;
        if (count % 4 == 2) page = align_down(page, superpage_order) + page_count{511};
        if (count % 4 == 3) page = align_down(page, superpage_order);
        const std::optional<pfn> target = watch_.aim(a.space, page);
        if (!target || frames_.allocate_at(*target, base_order) != status::ok) return;
        account_.take({*target, page_count{1}}, frame_purpose::table);
        page_tables_.push_back(*target);
    }

    std::string difference() {
        if (const violation broken = watch_.policy().audit()) {
            return "audit: " + std::string(broken.label) + " at " + std::to_string(broken.where);
        }
        if (account_.broken()) return "a frame was given twice, or back twice";
        const page_count unused = frames_.free_frames() + watch_.held();
        if (unused != account_.count(frame_purpose::free)) return "frames were lost or made";
        return watch_.difference();
    }

    frame_account account_;
    std::uint64_t performed_ = 0;
    std::vector<std::byte> buddy_memory_;
    buddy frames_;
    Watch watch_;
    std::array<area, placement_operation::areas> areas_{};
    std::array<trial_leaves, 2> tables_;
    std::vector<pfn> page_tables_;  ///< and other frames that belong to no page
};

/// Performs a whole script; where a promise is broken, says the operations up to it and which.
template <class Watch>
std::optional<std::string> run_script(placement_script script, std::size_t most) {
    placement_trial<Watch> trial(script.setting());
    std::ostringstream history;
    history << script.setting() << '\n';
    for (std::size_t i = 0; i < most && !script.done(); ++i) {
        const placement_operation op = script.next();
        history << op << '\n';
        if (const auto told = trial.perform(op)) return history.str() + *told;
    }
    if (const auto told = trial.frame_difference()) return history.str() + *told;
    return std::nullopt;
}

}  // namespace longreach::model

#endif
