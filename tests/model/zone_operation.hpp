// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_OPERATION_HPP
#define LONGREACH_TESTS_MODEL_ZONE_OPERATION_HPP

#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/frame_run.hpp>
#include <ostream>
#include <string_view>
#include <vector>

// One printable operation on a zone of frames with a contiguity map, and what it answers.

namespace longreach::model {

struct zone_operation {
    enum kind_type : std::uint8_t {
        allocate,
        allocate_at,
        allocate_around,  ///< exactly the block that holds the last frame of what somebody holds
        allocate_run,
        allocate_run_at,
        allocate_runs_at,  ///< five runs around `position`, some of which touch or overlap
        allocate_word,
        free,
        reserve,
        unreserve,
        can_allocate,
        count_blocks,
        recover,  ///< after everything but the bits was overwritten
        next,
        longest,
        around,
        next_fit,
        best_fit,
        worst_fit
    };
    static constexpr std::string_view names[] = {
        "allocate",      "allocate_at", "allocate_around", "allocate_run", "allocate_run_at", "allocate_runs_at",
        "allocate_word", "free",        "reserve",         "unreserve",    "can_allocate",    "count_blocks",
        "recover",       "next",        "longest",         "around",       "next_fit",        "best_fit",
        "worst_fit"};

    /// How often each kind is drawn: a zone should be neither full nor empty for long.
    static constexpr kind_type drawn[32] = {allocate,
                                            allocate,
                                            allocate,
                                            allocate,
                                            allocate,
                                            allocate,
                                            allocate_at,
                                            allocate_at,
                                            allocate_around,
                                            allocate_around,
                                            allocate_run,
                                            allocate_run,
                                            allocate_run_at,
                                            allocate_run_at,
                                            allocate_runs_at,
                                            allocate_word,
                                            allocate_word,
                                            free,
                                            free,
                                            free,
                                            free,
                                            free,
                                            free,
                                            free,
                                            free,
                                            free,
                                            reserve,
                                            unreserve,
                                            unreserve,
                                            can_allocate,
                                            count_blocks,
                                            recover};
    static constexpr kind_type questions[8] = {next,     longest,  around,   next_fit,
                                               next_fit, best_fit, best_fit, worst_fit};

    kind_type kind{};
    unsigned size{};           ///< order, for the allocations; of the modulus, for best_fit; for free: in which way
    std::uint64_t position{};  ///< frames after the zone's first; for allocate_around and free: what somebody holds
    std::uint64_t count{};     ///< frames, for runs, promises and searches

    bool of_held() const { return kind == allocate_around || kind == free; }

    friend std::ostream& operator<<(std::ostream& out, const zone_operation& op) {
        return out << '{' << names[op.kind] << " size " << op.size << (op.of_held() ? " held " : " +") << op.position
                   << " count " << op.count << '}';
    }
};

/// What an operation answered, as numbers that can be compared and printed.
struct zone_answer {
    status outcome = status::ok;
    frame_run frames{};
    std::vector<std::uint64_t> numbers{};  ///< whatever else was answered

    friend bool operator==(const zone_answer&, const zone_answer&) = default;
    friend std::ostream& operator<<(std::ostream& out, const zone_answer& a) {
        out << "status " << static_cast<int>(a.outcome) << " [" << a.frames.first.raw << ", +" << a.frames.count.raw
            << ')';
        for (const std::uint64_t number : a.numbers) out << ' ' << number;
        return out;
    }
};

/// Frames that somebody took in one call: a run, which may be a block, or some frames of one word.
struct held_frames {
    frame_run frames{};
    std::uint64_t of_word = 0;  ///< 0: the whole run

    /// What is given back at once: everything, or in one way of four the first part of a run; the rest stays held.
    frame_run given(unsigned way, std::uint64_t part) const {
        if (of_word != 0 || way % 4 != 3 || part >= frames.count.raw || part == 0) return frames;
        return {frames.first, page_count{part}};
    }

    /// Gives them back in one of the ways that a zone allows.
    template <class Zone>
    void give_back(Zone& zone, unsigned way) const {
        if (of_word != 0) {
            if (way % 2 == 0) return zone.free_word({frames.first, of_word});
            for (unsigned i = 0; i < 64; ++i) {
                if ((of_word >> i & 1) != 0) zone.free(frames.first + page_count{i}, base_order);
            }
            return;
        }
        const order whole{floor_log2(frames.count.raw)};
        if (way % 3 == 0 && whole.pages() == frames.count && is_aligned(frames.first, whole)) {
            return zone.free(frames.first, whole);
        }
        if (way % 3 == 1) return zone.free_run(frames);
        for (pfn f = frames.first; f != frames.end();) {  // its blocks
            order k = base_order;
            while (is_aligned(f, order{k.raw + 1}) && f + order{k.raw + 1}.pages() <= frames.end()) ++k.raw;
            zone.free(f, k);
            f += k.pages();
        }
    }
};

}  // namespace longreach::model

#endif
