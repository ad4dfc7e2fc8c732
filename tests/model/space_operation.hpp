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
        whole,     ///< maps one or two superpages' worth of pages and touches them
        collapse,  ///< this and the next three as daemons do them, page or region picked near an area
        split,
        relocate,
        exchange,
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

    /// A stretch of `universe`. Half of all begin and end at 64 pages or at superpages, so that neighbours and whole
    /// regions come up.
    [[nodiscard]] static page_run run_in(page_run universe, std::uint16_t place, std::uint16_t count) {
        const std::uint64_t first = place % universe.count.raw;
        const std::uint64_t grain = (count & 1U) == 0 ? 1 : (count & 2U) == 0 ? 64 : 512;
        const std::uint64_t begin = first / grain * grain;
        const std::uint64_t length = grain == 1 ? count / 2U % 700 : (1 + count / 4U % (1536 / grain)) * grain;
        return intersection(page_run{universe.first + page_count{begin}, page_count{length}}, universe);
    }
    /// A page: three times of four of one of the areas.
    template <class Areas>
    [[nodiscard]] vpn page_in(page_run universe, const Areas& areas) const {
        if (areas.empty() || other % 4U == 0) return universe.first + page_count{place % universe.count.raw};
        const page_run area = areas[place % areas.size()].pages;
        return area.first + page_count{place / 8U % area.count.raw};
    }

    friend std::ostream& operator<<(std::ostream& out, const space_operation& op) {
        static constexpr const char* names[] = {"map",      "unmap", "protect",  "move",    "discard", "touch",
                                                "sweep",    "drop",  "aim",      "refuse",  "advise",  "fill",
                                                "fork",     "exit",  "read",     "resize",  "evict",   "whole",
                                                "collapse", "split", "relocate", "exchange"};
        return out << "{space_operation::" << names[op.kind] << ", " << int{op.what} << ", " << op.place << ", "
                   << op.count << ", " << op.other << ", " << int{op.who} << '}';
    }
};

}  // namespace longreach::model

#endif
