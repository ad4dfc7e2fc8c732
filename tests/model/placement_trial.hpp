// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_PLACEMENT_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_PLACEMENT_TRIAL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "placement_script.hpp"

// Two address spaces on one memory under ca_paging, and who owns every frame.
//
// The model knows nothing of placement. It knows that no frame is given twice, that a refusal means that no such block
// is left, that everything given back is free, and that a page whose piece names free frames gets those and no others.

namespace longreach::model {

class placement_trial {
  public:
    using policy_type = ca_paging<vpn, pfn>;

    explicit placement_trial(const placement_setting& setting)
        : owned_(setting.managed.count.raw, false),
          buddy_memory_(buddy::required_bytes(setting.managed.count)),
          map_memory_(contiguity_map::required_bytes(setting.managed.count)),
          piece_memory_(policy_type::required_bytes(setting.pieces)),
          frames_(setting.managed, buddy_memory_),
          clusters_(frames_, map_memory_),
          policy_(frames_, clusters_, piece_memory_) {
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
        for (std::size_t i = 0; i < owned_.size(); ++i) {
            const pfn f = frames_.managed().first + page_count{i};
            if (frames_.is_free(f, base_order) == owned_[i]) return "frame " + std::to_string(f.raw) + " is wrong";
        }
        return std::nullopt;
    }

    const policy_type& policy() const { return policy_; }
    const buddy& frames() const { return frames_; }

  private:
    struct area {
        std::uint32_t space;
        run<vpn> pages;
        bool grows_up;
        bool grows_down;
        bool away;
    };
    struct leaf {
        pfn frame;
        order size;
    };
    using table_type = std::map<std::uint64_t, leaf>;  // first page -> leaf

    struct view {
        const table_type& leaves;
        vpn first_mapped(run<vpn> pages) const {
            auto next = leaves.lower_bound(pages.first.raw);
            if (next != leaves.begin()) {
                const auto before = std::prev(next);
                if (before->first + before->second.size.pages().raw > pages.first.raw && !pages.empty()) {
                    return pages.first;
                }
            }
            return next != leaves.end() && next->first < pages.end().raw ? vpn{next->first} : pages.end();
        }
    };

    static page_count at(const area& a, const placement_operation& op) { return {op.position % a.pages.count.raw}; }

    std::size_t index(pfn f) const { return static_cast<std::size_t>((f - frames_.managed().first).raw); }
    bool any_owned(run<pfn> block) const {
        for (pfn f = block.first; f != block.end(); f += page_count{1}) {
            if (owned_[index(f)]) return true;
        }
        return false;
    }
    void own(run<pfn> block, bool value) {
        for (pfn f = block.first; f != block.end(); f += page_count{1}) owned_[index(f)] = value;
        owned_count_ = value ? owned_count_ + block.count.raw : owned_count_ - block.count.raw;
    }
    bool has_free_block(order size) const {
        if (size.pages() > frames_.managed().count) return false;
        const run<pfn> all = frames_.managed();
        for (pfn f = align_up(all.first, size); all.contains(run<pfn>{f, size.pages()}); f += size.pages()) {
            if (!any_owned({f, size.pages()})) return true;
        }
        return false;
    }

    void pin(const placement_setting& s) {
        std::uint64_t state = s.seed * 2 + 1;
        const order size = s.pinned_order;
        for (pfn f = align_up(s.managed.first, size); s.managed.contains(run<pfn>{f, size.pages()});
             f += size.pages()) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            if (state >> 61 >= s.pinned_eighths || frames_.allocate_at(f, size) != status::ok) continue;
            own({f, size.pages()}, true);
        }
    }

    std::string fault(area& a, vpn page, order size) {
        const run<vpn> block{page, size.pages()};
        table_type& table = tables_[a.space];
        if (!a.pages.contains(block) || view{table}.first_mapped(block) != block.end()) return {};

        // A piece of the page whose frames are free and lie as the leaf needs must be obeyed.
        std::optional<pfn> bound;
        const auto& pieces = policy_.pieces();
        const std::size_t before = pieces.position(a.space, page);
        if (pieces.holds(before, a.space, page) && pieces[before].where.pages.contains(block)) {
            const pfn target = pieces[before].target(page);
            if (is_aligned(target, size) && !any_owned({target, size.pages()})) bound = target;
        }
        const placement_counters counted = policy_.counters();
        const placement_request<vpn> request{a.space, page, size, a.pages, a.grows_up, a.grows_down};
        const std::optional<pfn> got = policy_.allocate(request, view{table});
        if (!got) return has_free_block(size) ? "a fault was refused although a block is free" : "";
        std::ostringstream told;
        told << "page " << page.raw << " got frame " << got->raw;
        if (!is_aligned(*got, size)) return told.str() + ", which is not aligned";
        if (!frames_.managed().contains(run<pfn>{*got, size.pages()})) return told.str() + ", which is not managed";
        if (any_owned({*got, size.pages()})) return told.str() + ", which somebody has";
        if (bound && *bound != *got) return told.str() + ", its piece says " + std::to_string(bound->raw);
        own({*got, size.pages()}, true);
        table[page.raw] = {*got, size};
        const std::size_t after = pieces.position(a.space, page);
        const bool placed = pieces.holds(after, a.space, page) && pieces[after].target(page) == *got;
        if (!placed && policy_.counters().ordinary == counted.ordinary) return told.str() + ", which no piece names";
        return {};
    }

    /// The leaves that touch the pages go, each wholly; with `gone` the pages leave the address space.
    void unmap(area& a, page_count from, std::uint64_t count, bool gone) {
        table_type& table = tables_[a.space];
        run<vpn> pages = intersection(run<vpn>{a.pages.first + from, page_count{count}}, a.pages);
        auto it = table.lower_bound(pages.first.raw);
        if (it != table.begin()) {
            const auto before = std::prev(it);
            if (before->first + before->second.size.pages().raw > pages.first.raw) it = before;
        }
        while (it != table.end() && it->first < pages.end().raw) {
            const vpn first{it->first};
            const leaf mapped = it->second;
            const vpn end = first + mapped.size.pages();
            pages = run_between(first < pages.first ? first : pages.first, end > pages.end() ? end : pages.end());
            policy_.free(a.space, first, mapped.frame, mapped.size);
            own({mapped.frame, mapped.size.pages()}, false);
            it = table.erase(it);
        }
        if (gone) policy_.release(a.space, pages);
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
        table_type moved;
        table_type& table = tables_[a.space];
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
        policy_.move(a.space, a.pages, to);
        a.pages.first = to;
        a.away = !a.away;
    }

    /// Who must lend a frame now: when the piece among those with a free frame gave its last block that gave none for
    /// the longest time. Nothing where a frame is left that nobody was promised.
    std::optional<std::uint64_t> lender() const {
        std::optional<std::uint64_t> oldest;
        if (frames_.unreserved_frames().raw != 0) return oldest;
        for (std::size_t i = 0; i < policy_.pieces().size(); ++i) {
            const auto& p = policy_.pieces()[i];
            if (frames_.count_free_in(p.where.frames()).raw == 0) continue;
            if (!oldest || p.used < *oldest) oldest = p.used;
        }
        return oldest;
    }

    bool lent_by(pfn frame, std::uint64_t used) const {
        for (std::size_t i = 0; i < policy_.pieces().size(); ++i) {
            const auto& p = policy_.pieces()[i];
            if (p.where.frames().contains(frame) && p.used == used) return true;
        }
        return false;
    }

    std::string allocate_table() {
        const std::optional<std::uint64_t> used = lender();
        const std::optional<pfn> got = policy_.allocate_table();
        if (got && used && !lent_by(*got, *used)) return "a table was lent by a piece that gave a block later";
        if (!got) return has_free_block(base_order) ? "a table was refused although a frame is free" : "";
        if (any_owned({*got, page_count{1}})) return "a table got a frame that somebody has";
        own({*got, page_count{1}}, true);
        page_tables_.push_back(*got);
        return {};
    }
    void free_table(std::uint64_t which) {
        if (page_tables_.empty()) return;
        pfn& chosen = page_tables_[which % page_tables_.size()];
        policy_.free_table(chosen);
        own({chosen, page_count{1}}, false);
        chosen = page_tables_.back();
        page_tables_.pop_back();
    }

    /// The page at `from`, or (by `count`) the last or the first of its 2 MiB.
    void lose(const area& a, page_count from, std::uint64_t count) {
        vpn page = a.pages.first + from;
        if (count % 4 == 2) page = align_down(page, superpage_order) + page_count{511};
        if (count % 4 == 3) page = align_down(page, superpage_order);
        const auto& pieces = policy_.pieces();
        const std::size_t i = pieces.position(a.space, page);
        if (!pieces.holds(i, a.space, page)) return;
        const pfn target = pieces[i].target(page);
        if (frames_.allocate_at(target, base_order) != status::ok) return;
        own({target, page_count{1}}, true);
        page_tables_.push_back(target);
    }

    std::string difference() const {
        if (const violation broken = policy_.audit()) {
            return "audit: " + std::string(broken.label) + " at " + std::to_string(broken.where);
        }
        if (frames_.free_frames().raw + owned_count_ != owned_.size()) return "frames were lost or made";
        return {};
    }

    std::vector<bool> owned_;
    std::uint64_t owned_count_ = 0;
    std::uint64_t performed_ = 0;
    std::vector<std::byte> buddy_memory_;
    std::vector<std::byte> map_memory_;
    std::vector<std::byte> piece_memory_;
    buddy frames_;
    contiguity_map clusters_;
    policy_type policy_;
    std::array<area, placement_operation::areas> areas_{};
    std::array<table_type, 2> tables_;
    std::vector<pfn> page_tables_;  ///< and other frames that belong to no page
};

/// Performs a whole script; where a promise is broken, says the operations up to it and which.
inline std::optional<std::string> run_script(placement_script script, std::size_t most) {
    placement_trial trial(script.setting());
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
