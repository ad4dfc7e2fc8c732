// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_SPACE_OPERATION_HPP
#define LONGREACH_TESTS_MODEL_SPACE_OPERATION_HPP

#include <cstdint>
#include <longreach/pagetable/format.hpp>
#include <longreach/pagetable/vm/entry.hpp>
#include <ostream>

// One call on one of several address spaces, in small numbers that any bytes can be.

namespace longreach::model {

struct space_operation {
    enum kind_type : std::uint8_t {
        map,
        unmap,
        protect,
        move,
        discard,
        touch,
        sweep,
        drop,
        aim,
        refuse,
        advise,
        fill,
        fork,
        exit,
        read,
        resize,
        evict,
        whole,  ///< maps one or two superpages' worth of pages and touches them
        kinds
    };
    kind_type kind{};
    std::uint8_t what = 0;    ///< protection, backing and flags; or the access
    std::uint16_t place = 0;  ///< picks the first page
    std::uint16_t count = 0;  ///< picks a length
    std::uint16_t other = 0;  ///< picks the target of a move, a frame, or a file
    std::uint8_t who = 0;     ///< picks the space

    /// Most often everything but execution, so that faults get somewhere.
    [[nodiscard]] permissions allowed() const {
        if (other % 4U != 0) return user_permissions(true, true, false);
        return user_permissions((what & 1U) != 0 || (what & 7U) == 6, (what & 2U) != 0, (what & 4U) != 0);
    }
    [[nodiscard]] backing source() const {
        return what / 8U % 4U == 3 ? backing::of_file(other % 3U, other % 100U) : backing::anonymous();
    }
    [[nodiscard]] superpage_advice advice() const { return static_cast<superpage_advice>(what % 3U); }
    [[nodiscard]] area_flags flags() const {
        return {.shared = what / 32U % 4U == 1, .grows_up = false, .grows_down = what / 32U % 8U == 7};
    }
    [[nodiscard]] access_kind access() const {
        return what % 16U == 0 ? access_kind::fetch : what % 2U == 0 ? access_kind::load : access_kind::store;
    }

    friend std::ostream& operator<<(std::ostream& out, const space_operation& op) {
        static constexpr const char* names[] = {"map",   "unmap", "protect", "move",   "discard", "touch",
                                                "sweep", "drop",  "aim",     "refuse", "advise",  "fill",
                                                "fork",  "exit",  "read",    "resize", "evict",   "whole"};
        return out << "{space_operation::" << names[op.kind] << ", " << int{op.what} << ", " << op.place << ", "
                   << op.count << ", " << op.other << ", " << int{op.who} << '}';
    }
};

}  // namespace longreach::model

#endif
