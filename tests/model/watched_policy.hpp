// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_WATCHED_POLICY_HPP
#define LONGREACH_TESTS_MODEL_WATCHED_POLICY_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/placement.hpp>
#include <map>
#include <optional>
#include <set>
#include <utility>

// A placement policy under watch: it refuses when told to, writes down for whom each frame is, and notes when the
// policy gives a frame twice, or a space gives back or moves what it was not given.

namespace longreach::model {

template <class Inner>
class watched_policy {
  public:
    using page = typename Inner::page;
    using frame = typename Inner::frame;

    /// Of all frames, `tables` at a time may be tables; the rest makes the policy.
    template <class... Arguments>
    explicit watched_policy(std::uint64_t tables, Arguments&&... arguments)
        : most_tables_(tables), inner_(std::forward<Arguments>(arguments)...) {}

    // ---- what a policy answers ----

    template <class Mapped>
    std::optional<frame> allocate(const placement_request<page>& request, const Mapped& mapped) {
        last_request = request;
        if (static_cast<int>(request.size.raw) <= refuse_up_to_order) return refused();
        if (request.size >= superpage_order && refuse_superpages) return refused();
        const std::optional<frame> block = inner_.allocate(request, mapped);
        if (!block) return refused();
        for (std::uint64_t i = 0; i < request.size.pages().raw; ++i) {
            const owner who{request.space, request.page.raw + i};
            if (tables_.count(block->raw + i) != 0 || !owner_.emplace(block->raw + i, who).second) {
                note("watched_policy.given_twice", block->raw + i);
            }
        }
        return block;
    }
    void free(std::uint32_t space, page first, frame at, order size) {
        for (std::uint64_t i = 0; i < size.pages().raw; ++i) {
            const auto found = owner_.find(at.raw + i);
            const bool known = found != owner_.end();
            if (!known || (!forked_ && found->second != owner{space, first.raw + i})) {
                note("watched_policy.free", at.raw + i);
            }
            if (known) owner_.erase(found);
        }
        inner_.free(space, first, at, size);
    }
    std::optional<frame> allocate_table() {
        if (tables_.size() + withheld_tables >= most_tables_) return refused();
        const std::optional<frame> table = inner_.allocate_table();
        if (!table) return refused();
        if (owner_.count(table->raw) != 0 || !tables_.insert(table->raw).second) {
            note("watched_policy.given_twice", table->raw);
        }
        return table;
    }
    void free_table(frame table) {
        if (tables_.erase(table.raw) == 0) note("watched_policy.free_table", table.raw);
        inner_.free_table(table);
    }
    void release(std::uint32_t space, run<page> pages) {
        for (const auto& [raw, who] : owner_) {
            if (!forked_ && who.space == space && pages.contains(page{who.page})) note("watched_policy.release", raw);
        }
        released_pages += pages.count.raw;
        inner_.release(space, pages);
    }
    void move(std::uint32_t space, run<page> pages, page to) {
        for (auto& [raw, who] : owner_) {
            if (who.space != space || !pages.contains(page{who.page})) continue;
            who.page = (to + (page{who.page} - pages.first)).raw;
        }
        inner_.move(space, pages, to);
    }
    /// A test says that two blocks changed hands, which no policy hears of.
    void exchanged(frame a, frame b, order size) {
        for (std::uint64_t i = 0; i < size.pages().raw; ++i) std::swap(owner_.at(a.raw + i), owner_.at(b.raw + i));
    }
    void fork(std::uint32_t parent, std::uint32_t child) {
        forked_ = true;
        inner_.fork(parent, child);
    }
    [[nodiscard]] placement_counters counters() const { return inner_.counters(); }
    [[nodiscard]] violation audit() const { return broken_ ? broken_ : inner_.audit(); }

    // ---- what a test tells and asks it ----

    [[nodiscard]] std::uint64_t frames_held() const { return owner_.size(); }
    [[nodiscard]] std::uint64_t tables_held() const { return tables_.size(); }
    [[nodiscard]] Inner& inner() { return inner_; }
    [[nodiscard]] const Inner& inner() const { return inner_; }

    std::size_t withheld_tables = 0;  ///< table frames that it keeps to itself
    int refuse_up_to_order = -1;      ///< refuses page frames of orders up to this one
    bool refuse_superpages = false;
    std::uint64_t refusals = 0;
    std::uint64_t released_pages = 0;
    placement_request<page> last_request{};

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

    std::uint64_t most_tables_;
    Inner inner_;
    bool forked_ = false;  // from then on the last holder of a frame need not be the one that asked for it
    std::set<std::uint64_t> tables_;
    std::map<std::uint64_t, owner> owner_;
    violation broken_{};
};

}  // namespace longreach::model

#endif
