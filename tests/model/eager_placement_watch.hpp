// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_EAGER_PLACEMENT_WATCH_HPP
#define LONGREACH_TESTS_MODEL_EAGER_PLACEMENT_WATCH_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/bits.hpp>
#include <longreach/allocator/eager.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "placement_trial.hpp"

// What eager promises in a placement_trial, page by page: whatever is held for a page it gets, a page without anything
// gets frames for all pages around it or nothing at all, and each block was the largest that fitted and was free.

namespace longreach::model {

class eager_placement_watch {
  public:
    using policy_type = eager<vpn, pfn>;

    eager_placement_watch(buddy& frames, const frame_account& account, const placement_setting& setting)
        : account_(account),
          most_pieces_(setting.pieces),
          piece_memory_(policy_type::required_bytes(setting.pieces)),
          policy_(frames, piece_memory_) {}

    [[nodiscard]] policy_type& policy() { return policy_; }
    [[nodiscard]] const policy_type& policy() const { return policy_; }

    void before(const placement_request<vpn>& request, const trial_leaves& leaves) {
        gap_ = {request.page, page_count{0}};
        const auto& mine = held_[request.space];
        for (std::uint64_t i = 0; i < request.size.pages().raw; ++i) {
            const vpn page = request.page + page_count{i};
            if (mine.count(page.raw) != 0) continue;
            const auto open = [&](vpn at) {
                return request.area.contains(at) && mine.count(at.raw) == 0 &&
                       leaves.first_mapped({at, page_count{1}}) != at;
            };
            vpn first = page;
            while (open(first - page_count{1})) first -= page_count{1};
            vpn end = page;
            while (open(end)) end += page_count{1};
            gap_ = run_between(first, end);
            break;
        }
        room_ = policy_.pieces().size() < most_pieces_;
    }
    [[nodiscard]] std::string refused(const placement_request<vpn>& request) const {
        if (unused() < gap_.count.raw) return {};
        if (request.size == base_order) return "a page was refused although memory can hold its area";
        const auto due = frames_for(request);
        return due && is_aligned(*due, request.size) ? "a superpage was refused although it is held" : "";
    }
    [[nodiscard]] std::string served(const placement_request<vpn>& request, pfn got) {
        if (gap_.empty()) return held_block(request, got);
        std::map<std::uint64_t, pfn> taken;
        for (std::uint64_t i = 0; i < request.size.pages().raw; ++i) {
            const vpn page = request.page + page_count{i};
            if (gap_.contains(page)) taken[page.raw] = got + page_count{i};
        }
        for_each_held([&](std::uint32_t space, vpn page, pfn frame) {
            if (space == request.space && gap_.contains(page)) taken[page.raw] = frame;
        });
        if (unused() + request.size.pages().raw < gap_.count.raw) return ", but memory cannot hold the area";
        const std::string wrong = check_blocks(taken, got, request.size);
        if (!wrong.empty()) return wrong;
        for (const auto& [raw, frame] : taken) held_[request.space][raw] = frame;
        return held_block(request, got);
    }
    void released(std::uint32_t space, run<vpn> pages) {
        auto& mine = held_[space];
        mine.erase(mine.lower_bound(pages.first.raw), mine.lower_bound(pages.end().raw));
    }
    void moved(std::uint32_t space, run<vpn> pages, vpn to) {
        auto& mine = held_[space];
        std::map<std::uint64_t, pfn> there;
        for (auto at = mine.lower_bound(pages.first.raw); at != mine.end() && at->first < pages.end().raw;) {
            there[at->first - pages.first.raw + to.raw] = at->second;
            at = mine.erase(at);
        }
        mine.merge(there);
    }
    void before_table() {}
    [[nodiscard]] std::string table(const std::optional<pfn>& got) const {
        return !got && unused() != 0 ? "a table was refused although a frame is free" : "";
    }
    /// Some frame: no frame that is held can be lost.
    [[nodiscard]] std::optional<pfn> aim(std::uint32_t, vpn page) const {
        return account_.managed().first + page_count{page.raw * 37 % account_.managed().count.raw};
    }
    [[nodiscard]] page_count held() const { return policy_.held(); }
    [[nodiscard]] std::set<std::uint64_t> held_frames() const {
        std::set<std::uint64_t> all;
        for (const auto& mine : held_) {
            for (const auto& [page, frame] : mine) all.insert(frame.raw);
        }
        return all;
    }

    /// Holds what the policy says it does; while its pieces are all in use it may have given some back.
    [[nodiscard]] std::string difference() {
        std::array<std::map<std::uint64_t, pfn>::const_iterator, 2> next{held_[0].begin(), held_[1].begin()};
        bool same = true;
        for_each_held([&](std::uint32_t space, vpn page, pfn frame) {
            const bool more = next[space] != held_[space].end();
            same = same && more && next[space]->first == page.raw && next[space]->second == frame;
            if (same) ++next[space];
        });
        if (same && next[0] == held_[0].end() && next[1] == held_[1].end()) return {};
        return policy_.pieces().size() + 1 < most_pieces_ ? "other frames are held" : take_over();
    }

  private:
    template <class Visit>
    void for_each_held(Visit visit) const {
        for (std::size_t i = 0; i < policy_.pieces().size(); ++i) {
            const auto& p = policy_.pieces()[i];
            for (page_count j{0}; j < p.where.pages.count; j += page_count{1}) {
                visit(p.space, p.where.pages.first + j, p.where.frame + j);
            }
        }
    }
    /// Forgets what the policy no longer holds; it may hold nothing new.
    [[nodiscard]] std::string take_over() {
        std::array<std::map<std::uint64_t, pfn>, 2> now;
        bool known = true;
        for_each_held([&](std::uint32_t space, vpn page, pfn frame) {
            const auto before = held_[space].find(page.raw);
            known = known && before != held_[space].end() && before->second == frame;
            now[space].emplace_hint(now[space].end(), page.raw, frame);
        });
        held_ = now;
        return known ? "" : "a frame is held that was not taken";
    }
    /// Frames that nobody has and that are held for no page.
    [[nodiscard]] std::uint64_t unused() const {
        return account_.count(frame_purpose::free).raw - held_[0].size() - held_[1].size();
    }

    /// The first frame held for the request's pages, if all of them are held in a row.
    [[nodiscard]] std::optional<pfn> frames_for(const placement_request<vpn>& request) const {
        const auto& mine = held_[request.space];
        const auto first = mine.find(request.page.raw);
        if (first == mine.end()) return std::nullopt;
        for (std::uint64_t i = 0; i < request.size.pages().raw; ++i) {
            const auto next = mine.find(request.page.raw + i);
            if (next == mine.end() || next->second != first->second + page_count{i}) return std::nullopt;
        }
        return first->second;
    }
    /// The request's pages got what was held for them, and nothing is held for them from now on.
    [[nodiscard]] std::string held_block(const placement_request<vpn>& request, pfn got) {
        const auto due = frames_for(request);
        if (due && *due != got) return ", but frame " + std::to_string(due->raw) + " is held";
        if (!due && request.size != base_order) return ", which is no superpage";
        released(request.space, {request.page, request.size.pages()});
        return {};
    }

    /// Whether the frames of the gap's pages are blocks, each the largest that fitted and was free at its turn.
    [[nodiscard]] std::string check_blocks(const std::map<std::uint64_t, pfn>& taken, pfn got, order size) const {
        std::vector<char> open(account_.managed().count.raw);
        const auto index = [&](pfn f) { return static_cast<std::size_t>((f - account_.managed().first).raw); };
        for (std::size_t i = 0; i < open.size(); ++i) {
            open[i] = account_.is_free({account_.managed().first + page_count{i}, page_count{1}}) ? 1 : 0;
        }
        for (page_count i{0}; i < size.pages(); i += page_count{1}) open[index(got + i)] = 1;
        for (const std::uint64_t raw : held_frames()) open[index(pfn{raw})] = 0;
        const auto is_open = [&](pfn first, order o) {
            for (page_count i{0}; i < o.pages(); i += page_count{1}) {
                if (open[index(first + i)] == 0) return false;
            }
            return true;
        };
        const auto exists = [&](order o) {
            const run<pfn> all = account_.managed();
            for (pfn f = align_up(all.first, o); all.contains(run<pfn>{f, o.pages()}); f += o.pages()) {
                if (is_open(f, o)) return true;
            }
            return false;
        };
        const bool full = policy_.pieces().size() + 1 >= most_pieces_;  // then what came last, or a part, may lack
        order most{63};
        for (vpn next = gap_.first; next < gap_.end() && room_;) {
            order o{floor_log2((gap_.end() - next).raw)};
            if (o > most) o = most;  // nothing is freed meanwhile
            while (!exists(o)) --o.raw;
            most = o;
            const pfn first = taken.count(next.raw) != 0 ? taken.at(next.raw) : pfn{0};
            for (std::uint64_t i = 0; i < o.pages().raw; ++i, next += page_count{1}) {
                const auto one = taken.find(next.raw);
                if (one == taken.end() && full) return {};
                if (one == taken.end() || one->second != first + page_count{i}) {
                    return ", but at page " + std::to_string(next.raw) + " a block of order " + std::to_string(o.raw) +
                           " is broken";
                }
            }
            if (!is_aligned(first, o) || !is_open(first, o)) return ", from a block that was not free";
            for (std::uint64_t i = 0; i < o.pages().raw; ++i) open[index(first + page_count{i})] = 0;
        }
        return {};
    }

    const frame_account& account_;
    std::size_t most_pieces_;
    std::vector<std::byte> piece_memory_;
    policy_type policy_;
    std::array<std::map<std::uint64_t, pfn>, 2> held_;  ///< by space and page
    run<vpn> gap_;                                      ///< the pages that the request at hand must get frames for
    bool room_ = false;
};

}  // namespace longreach::model

#endif
