// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_TABLE_AUDIT_HPP
#define LONGREACH_PAGETABLE_TABLE_AUDIT_HPP

#include <array>
#include <cstdint>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "duplicates.hpp"
#include "format.hpp"

// The full visit of a tree of tables, and the recount behind table::audit(), which trusts no counter.

LONGREACH_NAMESPACE_BEGIN

/// Hands every table below `root_entry`, upper ones first, to `visit(Frame, level, first page,
/// entry that references it)`, which answers whether to go below it.
template <class Format, class Page, class Frame, class Memory, class Visit>
void visit_tables(const Memory& memory, std::uint64_t root_entry, Visit&& visit) {
    std::array<Frame, Format::levels> path{};
    std::array<unsigned, Format::levels> next{};  // entry of the path's table to look at next
    std::array<Page, Format::levels> first{};     // first page below the path's table
    unsigned level = Format::levels + 1;          // of `entry`
    std::uint64_t entry = root_entry;
    Page start{};
    while (true) {
        if (Format::is_present(entry) && (level > Format::levels || !Format::is_leaf(entry, level))) {
            const Frame below{Format::frame_number(entry)};
            if (visit(below, level - 1, start, entry) && level > 2) {
                --level;
                path[level - 1] = below;
                first[level - 1] = start;
                next[level - 1] = 0;
            }
        }
        for (;; ++level) {  // absent entries are passed over in one go
            if (level > Format::levels) return;
            entry = 0;
            unsigned index = next[level - 1];
            while (index < 1U << Format::index_bits && !Format::is_present(entry)) {
                entry = memory.read(path[level - 1], index++);
            }
            next[level - 1] = index;
            if (!Format::is_present(entry)) continue;
            start = first[level - 1] + page_count{(index - 1) * level_order<Format>(level).pages().raw};
            break;
        }
    }
}

/// What a visit of one table finds: its present entries and leaves, or a violation.
struct table_recount {
    unsigned present = 0;
    unsigned leaves = 0;
    violation broken{};
};

/// Recounts the entries of one table of `level`.
template <class Format, class Memory, class Frame>
[[nodiscard]] table_recount recount_entries(const Memory& memory, Frame table, unsigned level) {
    table_recount result;
    for (unsigned index = 0; index < 1U << Format::index_bits; ++index) {
        const std::uint64_t entry = memory.read(table, index);
        if (!Format::is_present(entry)) {
            if (entry != 0) result.broken = {"table.I5", table.raw};
            continue;
        }
        ++result.present;
        if (!Format::is_leaf(entry, level)) continue;
        ++result.leaves;
        const Frame first{Format::frame_number(entry)};
        if (level > Format::largest_leaf_level || !is_aligned(first, level_order<Format>(level))) {
            result.broken = {"table.I3", table.raw};
        }
    }
    return result;
}

/// The first invariant of the table that does not hold.
template <class Table>
[[nodiscard]] violation audit_table(const Table& subject) {
    using Format = typename Table::format;
    using Frame = typename Table::frame;
    violation broken;
    std::uint64_t tables = 0;
    std::array<std::uint64_t, Format::levels> leaves{};
    subject.for_each_table([&](Frame table, unsigned level, auto, std::uint64_t reference) {
        if (broken || ++tables > subject.table_count().raw) return false;
        if (!subject.memory().holds(table)) {
            broken = {"table.I1", table.raw};
            return false;
        }
        const table_recount found = recount_entries<Format>(subject.memory(), table, level);
        leaves[level - 1] += found.leaves;
        if (found.broken) {
            broken = found.broken;
        } else if (found.present == 0 || Format::occupancy(reference) != found.present) {
            broken = {"table.I2", table.raw};
        } else if (Format::touched(reference, level + 1, false) !=
                   Format::touched(Format::table(table.raw, found.present), level + 1, false)) {
            broken = {"table.I6", table.raw};
        }
        return !broken;
    });
    if (broken) return broken;
    const auto twice = first_duplicate<Frame>([&](auto&& visit) {
        std::uint64_t budget = subject.table_count().raw + 1;
        subject.for_each_table([&](Frame table, unsigned, auto, std::uint64_t) {
            if (budget == 0) return false;
            --budget;
            visit(run<Frame>{table, page_count{1}});
            return subject.memory().holds(table);
        });
    });
    if (twice) return {"table.I1", twice->raw};
    if (tables != subject.table_count().raw) return {"table.I4", tables};
    for (unsigned level = 1; level <= Format::levels; ++level) {
        if (leaves[level - 1] != subject.leaf_count(level_order<Format>(level))) return {"table.I4", level};
    }
    return {};
}

LONGREACH_NAMESPACE_END

#endif
