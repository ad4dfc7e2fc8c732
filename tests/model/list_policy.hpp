// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_LIST_POLICY_HPP
#define LONGREACH_TESTS_MODEL_LIST_POLICY_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/placement.hpp>
#include <map>
#include <optional>
#include <set>
#include <vector>

// The plainest placement policy: the lowest free block from where it was last told to aim.
//
// Frames 0 to `tables` - 1 are for tables, the rest for pages. It refuses when told to, writes down
// for whom each frame is, and notes when a space gives back or moves what it was not given.

namespace longreach::model {

template <class Page, class Frame>
class list_policy {
  public:
    using page = Page;
    using frame = Frame;

    list_policy(std::uint64_t tables, std::uint64_t pages) : first_page_(tables), end_(tables + pages), aim_(tables) {
        for (std::uint64_t raw = 0; raw < tables; ++raw) free_tables_.insert(raw);
    }

    // ---- what a policy answers ----

    template <class Mapped>
    std::optional<Frame> allocate(const placement_request<Page>& request, const Mapped& mapped) {
        last_request = request;
        // A page that has a frame may ask for one more (the copy of a file page), a superpage may not.
        const run<Page> wanted{request.page, request.size.pages()};
        if (wanted.count.raw > 1 && mapped.first_mapped(wanted) != wanted.end())
            note("list_policy.mapped", request.page.raw);
        const std::uint64_t count = request.size.pages().raw;
        if (static_cast<int>(request.size.raw) <= refuse_up_to_order) return refused();
        if (request.size >= superpage_order && refuse_superpages) return refused();
        for (std::uint64_t turn = 0; turn < 2; ++turn) {
            const std::uint64_t from = turn == 0 ? aim_ : first_page_;
            for (std::uint64_t at = (from + count - 1) / count * count; at + count <= end_; at += count) {
                const auto taken = owner_.lower_bound(at);
                if (taken != owner_.end() && taken->first < at + count) continue;
                for (std::uint64_t i = 0; i < count; ++i) owner_[at + i] = {request.space, request.page.raw + i};
                aim_ = at + count;
                return Frame{at};
            }
        }
        return refused();
    }
    void free(std::uint32_t space, Page first, Frame at, order size) {
        for (std::uint64_t i = 0; i < size.pages().raw; ++i) {
            const auto found = owner_.find(at.raw + i);
            if (found == owner_.end() || found->second != owner{space, first.raw + i}) {
                note("list_policy.free", at.raw + i);
            } else {
                owner_.erase(found);
            }
        }
    }
    std::optional<Frame> allocate_table() {
        if (free_tables_.size() <= withheld_tables) return refused();
        const std::uint64_t raw = *free_tables_.begin();
        free_tables_.erase(free_tables_.begin());
        return Frame{raw};
    }
    void free_table(Frame table) {
        if (table.raw >= first_page_ || !free_tables_.insert(table.raw).second)
            note("list_policy.free_table", table.raw);
    }
    void release(std::uint32_t space, run<Page> pages) {
        for (const auto& [raw, who] : owner_) {
            if (who.space == space && pages.contains(Page{who.page})) note("list_policy.release", raw);
        }
        released_pages += pages.count.raw;
    }
    void move(std::uint32_t space, run<Page> pages, Page to) {
        for (auto& [raw, who] : owner_) {
            if (who.space != space || !pages.contains(Page{who.page})) continue;
            who.page = (to + (Page{who.page} - pages.first)).raw;
        }
    }
    [[nodiscard]] placement_counters counters() const { return {}; }
    [[nodiscard]] violation audit() const { return broken_; }

    // ---- what a test tells and asks it ----

    void aim(std::uint64_t where) { aim_ = first_page_ + where % (end_ - first_page_); }
    [[nodiscard]] std::uint64_t frames_held() const { return owner_.size(); }
    [[nodiscard]] std::uint64_t tables_held() const { return first_page_ - free_tables_.size(); }

    std::size_t withheld_tables = 0;  ///< table frames that it keeps to itself
    int refuse_up_to_order = -1;      ///< refuses page frames of orders up to this one
    bool refuse_superpages = false;
    std::uint64_t refusals = 0;
    std::uint64_t released_pages = 0;
    placement_request<Page> last_request{};

  private:
    struct owner {
        std::uint32_t space;
        std::uint64_t page;
        friend bool operator==(const owner&, const owner&) = default;
    };

    std::nullopt_t refused() {
        ++refusals;
        return std::nullopt;
    }
    void note(const char* label, std::uint64_t where) {
        if (!broken_) broken_ = {label, where};
    }

    std::uint64_t first_page_;
    std::uint64_t end_;
    std::uint64_t aim_;
    std::set<std::uint64_t> free_tables_;
    std::map<std::uint64_t, owner> owner_;
    violation broken_{};
};

static_assert(placement_policy<list_policy<vpn, pfn>>);

}  // namespace longreach::model

#endif
