// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_TABLE_MODEL_HPP
#define LONGREACH_TESTS_MODEL_TABLE_MODEL_HPP

#include <cstdint>
#include <longreach/pagetable/leaf.hpp>
#include <longreach/pagetable/table.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "list_policy.hpp"

// What a page table should be: a sorted map of leaves, and as many tables as their prefixes need.

namespace longreach::model {

using native_leaf = leaf<vpn, pfn>;

inline std::ostream& operator<<(std::ostream& out, const native_leaf& l) {
    const leaf_attributes& a = l.attributes;
    return out << std::hex << l.page.raw << "->" << l.frame.raw << std::dec << " order " << l.size.raw << ' '
               << (a.allowed.read ? 'r' : '-') << (a.allowed.write ? 'w' : '-') << (a.allowed.execute ? 'x' : '-')
               << (a.allowed.user ? 'u' : '-') << (a.contiguous ? 'c' : '-') << (a.accessed ? 'a' : '-')
               << (a.dirty ? 'd' : '-');
}

/// The leaves of a table by first page.
class table_model {
  public:
    status map(const native_leaf& wanted) {
        const vpn first = first_mapped(wanted.pages());
        if (first != wanted.pages().end()) {
            return around(first)->size == wanted.size ? status::occupied : status::wrong_size;
        }
        leaves_[wanted.page.raw] = wanted;
        return status::ok;
    }
    /// Splits until no leaf reaches across `edge`.
    void cut(vpn edge) {
        while (const native_leaf* whole = around(edge)) {
            if (whole->page == edge) return;
            const native_leaf old = *whole;
            leaves_.erase(old.page.raw);
            const order size{old.size.raw - 9};
            for (std::uint64_t i = 0; i < 512; ++i) {
                const page_count step{i << size.raw};
                leaves_[(old.page + step).raw] = {old.page + step, old.frame + step, size, old.attributes};
            }
        }
    }
    void unmap(page_run pages) {
        if (pages.empty()) return;
        cut(pages.first);
        cut(pages.end());
        leaves_.erase(leaves_.lower_bound(pages.first.raw), leaves_.lower_bound(pages.end().raw));
    }
    void protect(page_run pages, permissions allowed) {
        if (pages.empty()) return;
        cut(pages.first);
        cut(pages.end());
        for (auto at = leaves_.lower_bound(pages.first.raw); at != leaves_.end() && at->first < pages.end().raw; ++at) {
            at->second.attributes.allowed = {true, allowed.write, allowed.execute, allowed.user};
        }
    }
    status walk(vpn page, access_kind kind) {
        const auto found = leaves_.upper_bound(page.raw);
        if (found == leaves_.begin()) return status::not_mapped;
        native_leaf& held = std::prev(found)->second;
        if (!held.pages().contains(page)) return status::not_mapped;
        if (!held.attributes.allowed.allows(kind)) return status::forbidden;
        held.attributes.accessed = true;
        held.attributes.dirty = held.attributes.dirty || kind == access_kind::store;
        return status::ok;
    }
    [[nodiscard]] const native_leaf* around(vpn page) const {
        const auto found = leaves_.upper_bound(page.raw);
        if (found == leaves_.begin()) return nullptr;
        const native_leaf& held = std::prev(found)->second;
        return held.pages().contains(page) ? &held : nullptr;
    }
    [[nodiscard]] vpn first_mapped(page_run pages) const {
        if (pages.empty()) return pages.end();
        if (around(pages.first) != nullptr) return pages.first;
        const auto next = leaves_.lower_bound(pages.first.raw);
        return next != leaves_.end() && next->first < pages.end().raw ? vpn{next->first} : pages.end();
    }
    /// One table for each level and prefix that leads to a leaf.
    [[nodiscard]] std::uint64_t tables() const {
        std::uint64_t count = 0;
        for (unsigned level = 1; level <= 4; ++level) {
            std::set<std::uint64_t> prefixes;
            for (const auto& [page, held] : leaves_) {
                if (held.size.raw / 9 + 1 <= level) prefixes.insert(page >> (9 * level));
            }
            count += prefixes.size();
        }
        return count;
    }
    [[nodiscard]] const std::map<std::uint64_t, native_leaf>& leaves() const { return leaves_; }

  private:
    std::map<std::uint64_t, native_leaf> leaves_;
};

/// One call on a table, in small numbers that any bytes can be.
struct table_operation {
    enum kind_type : std::uint8_t { map, map_run, unmap, protect, walk, first_mapped, withhold, kinds };
    kind_type kind{};
    std::uint8_t size = 0;    ///< 0 to 2: 4 KiB, 2 MiB, 1 GiB
    std::uint16_t place = 0;  ///< picks a page
    std::uint16_t count = 0;  ///< picks a length
    std::uint16_t frame = 0;

    friend std::ostream& operator<<(std::ostream& out, const table_operation& op) {
        static constexpr const char* names[] = {"map",  "map_run",      "unmap",   "protect",
                                                "walk", "first_mapped", "withhold"};
        return out << '{' << names[op.kind] << ", " << int{op.size} << ", " << op.place << ", " << op.count << ", "
                   << op.frame << '}';
    }
};

/// A table with memory of its own beside its model.
class table_trial {
  public:
    using table_type = table<x86_64<4>, vpn, pfn, flat_memory<pfn>>;
    static constexpr std::uint64_t table_frames = 64;

    table_trial()
        : words_(table_frames * words_per_frame, 0x5a5a5a5a5a5a5a5aU),
          policy_(table_frames, 1),
          table_(flat_memory<pfn>({pfn{0}, page_count{table_frames}}, words_)) {}

    /// Performs the call on both; what went apart, if anything.
    std::optional<std::string> perform(const table_operation& op) {
        policy_.refusals = 0;
        if (auto told = call(op)) return told;
        return compare();
    }
    [[nodiscard]] const table_type& tables() const { return table_; }

  private:
    static order size_of(const table_operation& op) { return {9U * (op.size % 3U)}; }

    /// Pages beside the places where tables of each level meet.
    static vpn page_of(const table_operation& op) {
        static constexpr std::uint64_t bases[] = {0,
                                                  512,
                                                  std::uint64_t{1} << 18,
                                                  std::uint64_t{1} << 27,
                                                  (std::uint64_t{1} << 36) - 1024,
                                                  (std::uint64_t{1} << 27) - 1024,
                                                  std::uint64_t{511} << 18,
                                                  5000};
        return vpn{bases[op.place % 8U] + op.place / 8U % 1024U};
    }
    static page_run run_of(const table_operation& op) {
        static constexpr std::uint64_t scales[] = {1, 1, 64, 512, std::uint64_t{1} << 18};
        return {page_of(op), page_count{op.count % 700U * scales[op.size % 5U]}};
    }
    static permissions permissions_of(const table_operation& op) {
        return {true, (op.frame & 1U) != 0, (op.frame & 2U) != 0, (op.frame & 4U) != 0};
    }
    static access_kind access_of(const table_operation& op) { return static_cast<access_kind>(op.count % 3U); }

    std::optional<std::string> call(const table_operation& op) {
        switch (op.kind) {
            case table_operation::map: {
                const native_leaf wanted{align_down(page_of(op), size_of(op)),
                                         pfn{std::uint64_t{op.frame} << size_of(op).raw},
                                         size_of(op),
                                         {permissions_of(op), (op.count & 1U) != 0, false, false}};
                const status told = table_.map(wanted.page, wanted.frame, wanted.size, wanted.attributes, policy_);
                return same(told, policy_.refusals == 0 ? model_.map(wanted) : status::out_of_memory);
            }
            case table_operation::map_run:
                return map_run(op);
            case table_operation::unmap: {
                std::uint64_t gone = 0;
                const std::uint64_t mapped = table_.mapped_pages().raw;
                const status told =
                    table_.unmap(run_of(op), policy_, [&](const native_leaf& l) { gone += l.size.pages().raw; });
                if (table_.mapped_pages().raw + gone != mapped) return "unmap did not hand out what it removed";
                if (policy_.refusals == 0) model_.unmap(run_of(op));
                return same(told, status::ok);
            }
            case table_operation::protect: {
                const status told = table_.protect(run_of(op), permissions_of(op), policy_);
                if (policy_.refusals == 0) model_.protect(run_of(op), permissions_of(op));
                return same(told, status::ok);
            }
            case table_operation::walk: {
                const auto told = table_.walk(page_of(op), access_of(op));
                const status expected = model_.walk(page_of(op), access_of(op));
                const native_leaf* held = model_.around(page_of(op));
                if (held != nullptr && told.trace.count != 4 - held->size.raw / 9) return "a walk of another length";
                return same(told.outcome, expected);
            }
            case table_operation::first_mapped:
                if (table_.first_mapped(run_of(op)) == model_.first_mapped(run_of(op))) return std::nullopt;
                return "first_mapped found another page";
            default:
                policy_.withheld_tables = op.count % 8U == 0 ? table_frames - op.place % 16U : 0;
                return std::nullopt;
        }
    }

    std::optional<std::string> map_run(const table_operation& op) {
        const order size = size_of(op);
        const page_count count{(op.count % 700U) << size.raw};
        const mapping<vpn, pfn> wanted{{align_down(page_of(op), size), count},
                                       pfn{std::uint64_t{op.frame} << size.raw}};
        const leaf_attributes attributes{permissions_of(op)};
        const status told = table_.map_run(wanted, size, attributes, policy_);
        if (wanted.pages.end().raw > spanned_pages<x86_64<4>>().raw) return same(told, status::out_of_range);
        if (model_.first_mapped(wanted.pages) != wanted.pages.end()) return same(told, status::occupied);
        for (vpn page = wanted.pages.first; policy_.refusals == 0 && page < wanted.pages.end(); page += size.pages()) {
            leaf_attributes expressed = attributes;
            expressed.allowed.read = true;
            (void)model_.map({page, wanted.offset().apply(page), size, expressed});
        }
        return same(told, status::ok);
    }

    /// A refusal by the source excuses out_of_memory, and nothing else does.
    std::optional<std::string> same(status told, status expected) const {
        if (policy_.refusals != 0) expected = status::out_of_memory;
        if (told == expected) return std::nullopt;
        return "status " + std::to_string(static_cast<int>(told)) + " instead of " +
               std::to_string(static_cast<int>(expected));
    }

    [[nodiscard]] std::optional<std::string> compare() const {
        if (const violation broken = table_.audit()) return broken.label + (" at " + std::to_string(broken.where));
        if (const violation broken = policy_.audit()) return broken.label + (" at " + std::to_string(broken.where));
        auto expected = model_.leaves().begin();
        std::optional<std::string> wrong;
        table_.for_each(table_type::all_pages(), [&](const native_leaf& held) {
            if (wrong) return;
            std::ostringstream text;
            if (expected == model_.leaves().end()) {
                text << "leaf too many: " << held;
                wrong = text.str();
            } else if (expected->second != held) {
                text << "leaf " << held << " instead of " << expected->second;
                wrong = text.str();
            } else {
                ++expected;
            }
        });
        if (wrong) return wrong;
        if (expected != model_.leaves().end()) return "a leaf is missing";
        if (table_.table_count().raw != model_.tables())
            return "tables kept: " + std::to_string(table_.table_count().raw);
        if (table_.table_count().raw != policy_.tables_held()) return "table frames lost";
        return std::nullopt;
    }

    std::vector<std::uint64_t> words_;
    list_policy<vpn, pfn> policy_;
    table_type table_;
    table_model model_;
};

}  // namespace longreach::model

#endif
