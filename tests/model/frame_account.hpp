// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_FRAME_ACCOUNT_HPP
#define LONGREACH_TESTS_MODEL_FRAME_ACCOUNT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/placement.hpp>
#include <optional>
#include <set>
#include <vector>

// What every frame of a memory is in use for, by what was asked and answered: one byte to a frame, so that checking
// a million requests costs little.

namespace longreach::model {

enum class frame_purpose : std::uint8_t { free, page, table, neighbour, hole };

class frame_account {
  public:
    explicit frame_account(frame_run managed) : managed_(managed), purposes_(managed.count.raw, frame_purpose::free) {
        counts_[0] = managed.count.raw;
    }

    void take(frame_run frames, frame_purpose purpose) {
        if (!managed_.contains(frames)) return note("vma.I11", frames.first.raw);
        change(frames, frame_purpose::free, purpose, "vma.I20");
    }
    void give(frame_run frames, frame_purpose purpose) {
        if (!managed_.contains(frames)) return note("vma.I9", frames.first.raw);
        change(frames, purpose, frame_purpose::free, "vma.I9");
    }

    [[nodiscard]] frame_run managed() const { return managed_; }
    [[nodiscard]] page_count count(frame_purpose purpose) const { return {counts_[static_cast<std::size_t>(purpose)]}; }
    [[nodiscard]] frame_purpose purpose(pfn frame) const { return purposes_[(frame - managed_.first).raw]; }
    [[nodiscard]] bool is_free(frame_run frames) const {
        if (!managed_.contains(frames)) return false;
        const auto first = purposes_.begin() + static_cast<std::ptrdiff_t>((frames.first - managed_.first).raw);
        const auto end = first + static_cast<std::ptrdiff_t>(frames.count.raw);
        return std::find_if(first, end, [](frame_purpose p) { return p != frame_purpose::free; }) == end;
    }
    /// O(frames).
    [[nodiscard]] bool has_free_block(order size) const {
        for (pfn block = align_up(managed_.first, size); managed_.contains(frame_run{block, size.pages()});
             block += size.pages()) {
            if (is_free({block, size.pages()})) return true;
        }
        return false;
    }

    void note(const char* label, std::uint64_t where) {
        if (!broken_) broken_ = {label, where};
    }
    [[nodiscard]] violation broken() const { return broken_; }

  private:
    void change(frame_run frames, frame_purpose from, frame_purpose to, const char* label) {
        for (std::uint64_t i = 0; i < frames.count.raw; ++i) {
            frame_purpose& one = purposes_[(frames.first - managed_.first).raw + i];
            if (one != from) note(label, frames.first.raw + i);
            --counts_[static_cast<std::size_t>(one)];
            ++counts_[static_cast<std::size_t>(to)];
            one = to;
        }
    }

    frame_run managed_;
    std::vector<frame_purpose> purposes_;
    std::array<std::uint64_t, 5> counts_{};
    violation broken_{};
};

/// The policy of some rules, every answer of which goes to the account. Some spaces do without it: what they get is
/// what the allocator gives anybody.
template <class Rules>
class accounted_policy {
  public:
    using page = vpn;
    using frame = pfn;

    accounted_policy(Rules& rules, frame_account& account) : rules_(rules), account_(account) {}

    template <class Mapped>
    [[nodiscard]] std::optional<pfn> allocate(const placement_request<vpn>& request, const Mapped& mapped) {
        const bool plain = is_plain(request.space);
        std::optional<pfn> bound;
        if (!plain) bound = rules_.bound(request, account_);
        const std::optional<pfn> got =
            plain ? rules_.allocate_ordinary(request.size) : rules_.allocate(request, mapped, account_);
        if (!got) {
            if (Rules::serves_while_it_can && account_.has_free_block(request.size)) {
                account_.note("vma.I12", request.page.raw);
            }
            return got;
        }
        if (!is_aligned(*got, request.size)) account_.note("vma.I11", got->raw);
        account_.take({*got, request.size.pages()}, frame_purpose::page);
        if (bound && bound != got) account_.note("vma.I12", bound->raw);
        if (!plain && !rules_.follows(request, *got)) account_.note("vma.I19", got->raw);
        return got;
    }
    void free(std::uint32_t space, vpn first, pfn block, order size) {
        account_.give({block, size.pages()}, frame_purpose::page);
        rules_.policy().free(space, first, block, size);
    }
    [[nodiscard]] std::optional<pfn> allocate_table() {
        const std::optional<pfn> table = rules_.policy().allocate_table();
        if (table) account_.take({*table, page_count{1}}, frame_purpose::table);
        if (!table && Rules::serves_while_it_can && account_.has_free_block(base_order)) account_.note("vma.I12", 0);
        return table;
    }
    void free_table(pfn table) {
        account_.give({table, page_count{1}}, frame_purpose::table);
        rules_.policy().free_table(table);
    }
    void release(std::uint32_t space, run<vpn> pages) { rules_.policy().release(space, pages); }
    void move(std::uint32_t space, run<vpn> pages, vpn to) { rules_.policy().move(space, pages, to); }
    void fork(std::uint32_t parent, std::uint32_t child) {
        if (is_plain(parent)) plain_.insert(child);
        rules_.policy().fork(parent, child);
    }
    [[nodiscard]] placement_counters counters() const { return rules_.counters(); }
    [[nodiscard]] violation audit() const {
        const violation broken = account_.broken();
        return broken ? broken : rules_.audit();
    }

    void set_plain(std::uint32_t space) { plain_.insert(space); }
    [[nodiscard]] bool is_plain(std::uint32_t space) const { return plain_.count(space) != 0; }

  private:
    Rules& rules_;
    frame_account& account_;
    std::set<std::uint32_t> plain_;
};

}  // namespace longreach::model

#endif
