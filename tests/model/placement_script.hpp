// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_PLACEMENT_SCRIPT_HPP
#define LONGREACH_TESTS_MODEL_PLACEMENT_SCRIPT_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/frame_run.hpp>
#include <longreach/allocator/units.hpp>
#include <ostream>
#include <string_view>

// What placement_trial.hpp performs: operations on areas, the memory they are on, and both decoded from bytes.

namespace longreach::model {

struct placement_operation {
    enum kind_type : std::uint8_t {
        fault,
        fault_superpage,
        unmap,
        release,
        grow,
        move,
        table,
        free_table,  ///< what table and lose took
        lose         ///< somebody else takes the frame that a page's piece names
    };
    static constexpr unsigned kinds = 9;
    static constexpr unsigned areas = 8;

    kind_type kind{};
    unsigned area{};
    std::uint64_t position{};  ///< pages after the area's first; for free_table: which table
    std::uint64_t count{};     ///< pages, for unmap, release and grow

    friend std::ostream& operator<<(std::ostream& out, const placement_operation& op) {
        constexpr std::string_view names[] = {"fault", "fault_superpage", "unmap",      "release", "grow",
                                              "move",  "table",           "free_table", "lose"};
        return out << '{' << names[op.kind] << " area " << op.area << " +" << op.position << " count " << op.count
                   << '}';
    }
};

/// The memory of a trial: its frames, how many pieces fit, and which frames somebody else holds.
struct placement_setting {
    frame_run managed{pfn{0}, page_count{1}};
    std::size_t pieces = 1;
    unsigned pinned_eighths = 0;  ///< share of the memory that is pinned, in eighths
    order pinned_order{};         ///< in blocks of this order
    std::uint64_t seed = 0;

    friend std::ostream& operator<<(std::ostream& out, const placement_setting& s) {
        return out << "zone [" << s.managed.first.raw << ", +" << s.managed.count.raw << ") pieces " << s.pieces
                   << " pinned " << s.pinned_eighths << "/8 in order " << s.pinned_order.raw << " seed " << s.seed;
    }
};

/// A setting and operations from bytes: five for the memory, then four for each operation.
class placement_script {
  public:
    placement_script(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {
        const std::uint64_t first = byte();
        const std::uint64_t count = byte();
        const unsigned pieces = byte();
        const unsigned pinned = byte();
        setting_.managed = {pfn{first * 37 % 1300}, page_count{1 + count * 24}};
        setting_.pieces = 1 + pieces % 64;
        setting_.pinned_eighths = pinned % 8;
        setting_.pinned_order = order{pinned / 8 % 10};
        setting_.seed = byte();
    }

    const placement_setting& setting() const { return setting_; }
    bool done() const { return used_ >= size_; }

    placement_operation next() {
        const unsigned head = byte();
        const std::uint64_t low = byte();
        const std::uint64_t high = byte();
        placement_operation op;
        using kind = placement_operation::kind_type;
        constexpr std::array<kind, 16> weighted{
            kind::fault, kind::fault, kind::fault, kind::fault,     kind::fault_superpage, kind::fault_superpage,
            kind::unmap, kind::unmap, kind::lose,  kind::lose,      kind::fault_superpage, kind::release,
            kind::grow,  kind::move,  kind::table, kind::free_table};
        op.kind = weighted[head % 16];
        op.area = head / 16 % placement_operation::areas;
        op.position = low | high << 8;
        op.count = 1 + byte() * 5;
        return op;
    }

  private:
    unsigned byte() { return used_ < size_ ? data_[used_++] : 0U; }

    const std::uint8_t* data_;
    std::size_t size_;
    std::size_t used_ = 0;
    placement_setting setting_;
};

}  // namespace longreach::model

#endif
