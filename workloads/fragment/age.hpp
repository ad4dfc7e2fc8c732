// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_FRAGMENT_AGE_HPP
#define LONGREACH_WORKLOADS_FRAGMENT_AGE_HPP

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "../../allocator/bits.hpp"
#include "../../allocator/buddy.hpp"
#include "../../allocator/config.hpp"
#include "../../allocator/units.hpp"
#include "../random.hpp"
#include "../zone.hpp"
#include "fragmentation.hpp"
#include "memory_image.hpp"

// Takes what programs that came and went have left behind: allocations and frees of mixed orders and lifetimes in a
// buddy allocator of its own, which serves every request from the smallest sufficient block, as Linux's does.
//
// Eight programs run at a time; others sit idle until they exit and free all they have at once, but for a few small
// blocks that outlive them. README.md, "Fragmented memory", has the numbers. One object serves one step; no locks.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

class ageing {
  public:
    ageing(memory_image& memory, random_numbers& random)
        : memory_(memory),
          random_(random),
          most_outlived_(memory.usable() / kept_share),
          bits_(buddy::required_bytes(page_count{memory.frames()}, options)),
          frames_({pfn{0}, page_count{memory.frames()}}, bits_.bytes(), options) {
        take_frames(frames_, memory.taken);
        for (program& each : running_) begin(each);
    }

    /// Lets programs fill all that is free, come and go at nine tenths of it for so many allocations and frees, and
    /// shrink or grow to just `target` frames, which are free now.
    void run(std::uint64_t operations, std::uint64_t target) {
        const std::uint64_t level = std::max(target, frames_.free_frames().raw / 10 * 9);
        while (frames_.free_frames().raw != 0) grow(frames_.free_frames().raw);
        for (operations_ = 0; operations_ < operations;) {
            if (in_use_ >= level) {
                exit_one();
            } else if (random_.chance(3, 4)) {
                grow(frames_.free_frames().raw);
            } else {
                drop_newest();
            }
        }
        while (in_use_ > target) shrink(in_use_ - target);
        while (in_use_ < target) grow(target - in_use_);
        memory_.taken = frames_in_use(frames_);
    }

  private:
    static constexpr buddy_options options{block_choice::smallest, false};
    static constexpr std::uint64_t most_blocks = 4096;  // of one program
    static constexpr std::uint64_t outliving = 64;      // one small block in so many stays behind
    static constexpr order largest_outliving{3};
    static constexpr std::uint64_t kept_share = 64;  // at most one usable frame in so many belongs to no program

    struct block {
        pfn first{};
        order size{};
    };
    struct program {
        std::vector<block> blocks;
        std::uint64_t wanted = 0;  // blocks at its exit
    };

    /// A new program of 1 to most_blocks blocks, of small ones as many as of large ones.
    void begin(program& fresh) {
        fresh.blocks.clear();
        const std::uint64_t scale = std::uint64_t{1} << random_.below(floor_log2(most_blocks) + 1);
        fresh.wanted = scale + random_.below(scale);
    }

    /// Of 16 requests 6 are for single frames, 4 for 2 to 8, 3 for 16 to 256, 2 for 512 and one for 1024.
    [[nodiscard]] order draw_order() {
        const std::uint64_t kind = random_.below(16);
        if (kind < 6) return order{0};
        if (kind < 10) return order{1 + static_cast<unsigned>(random_.below(3))};
        if (kind < 13) return order{4 + static_cast<unsigned>(random_.below(5))};
        return order{kind < 15 ? 9U : 10U};
    }

    /// One running program takes a block of at most `most` (1 or more) frames; where no block of that order is free,
    /// half the order, and so on; nothing where memory is full.
    void grow(std::uint64_t most) {
        ++operations_;
        if (most == 0) return exit_one();
        program& at = running_[static_cast<std::size_t>(random_.below(running_.size()))];
        for (order size{std::min(draw_order().raw, floor_log2(most))};; --size.raw) {
            if (const std::optional<pfn> found = frames_.allocate(size)) {
                at.blocks.push_back({*found, size});
                in_use_ += size.pages().raw;
                break;
            }
            if (size == base_order) return exit_one();
        }
        if (at.blocks.size() < at.wanted) return;
        idle_.push_back(std::move(at));
        begin(at);
    }

    /// One running program frees what it took last: a buffer, a table, a short-lived page.
    void drop_newest() {
        program& at = running_[static_cast<std::size_t>(random_.below(running_.size()))];
        ++operations_;
        if (at.blocks.empty()) return;
        free(at.blocks.back());
        at.blocks.pop_back();
    }

    /// An idle program, or else a running one, frees everything; each block counts.
    void exit_one() {
        program gone;
        if (idle_.empty()) {
            program& at = running_[static_cast<std::size_t>(random_.below(running_.size()))];
            gone = std::exchange(at, {});
            begin(at);
        } else {
            std::swap(idle_[static_cast<std::size_t>(random_.below(idle_.size()))], idle_.back());
            gone = std::move(idle_.back());
            idle_.pop_back();
        }
        operations_ += gone.blocks.size() + 1;
        for (const block& each : gone.blocks) {
            if (each.size <= largest_outliving && random_.below(outliving) == 0) {
                keep(each);
            } else {
                free(each);
            }
        }
    }

    /// A block that outlives its program; where these are too many, others go.
    void keep(block small) {
        outlived_.push_back(small);
        outlived_frames_ += small.size.pages().raw;
        while (outlived_frames_ > most_outlived_) drop_outlived();
    }
    void drop_outlived() {
        std::swap(outlived_[static_cast<std::size_t>(random_.below(outlived_.size()))], outlived_.back());
        const block gone = outlived_.back();
        outlived_.pop_back();
        outlived_frames_ -= gone.size.pages().raw;
        free(gone);
    }

    /// Gives back at most `most` (1 or more) frames: a whole program, or of one as much as is left to give.
    void shrink(std::uint64_t most) {
        program* last = nullptr;
        if (!idle_.empty()) {
            std::swap(idle_[static_cast<std::size_t>(random_.below(idle_.size()))], idle_.back());
            last = &idle_.back();
        } else {
            for (program& each : running_) {
                if (!each.blocks.empty()) last = &each;
            }
        }
        if (last == nullptr) return drop_outlived();
        while (most != 0 && !last->blocks.empty()) {
            block& end = last->blocks.back();
            if (end.size.pages().raw > most) {  // its upper half goes later, or never
                --end.size.raw;
                last->blocks.push_back({end.first + end.size.pages(), end.size});
                continue;
            }
            most -= end.size.pages().raw;
            free(end);
            last->blocks.pop_back();
        }
        if (last->blocks.empty() && !idle_.empty()) idle_.pop_back();
    }

    void free(const block& gone) {
        frames_.free(gone.first, gone.size);
        in_use_ -= gone.size.pages().raw;
    }

    memory_image& memory_;
    random_numbers& random_;
    std::uint64_t most_outlived_;  // frames
    lazy_memory bits_;
    buddy frames_;
    std::array<program, 8> running_{};
    std::vector<program> idle_;
    std::vector<block> outlived_;
    std::uint64_t outlived_frames_ = 0;
    std::uint64_t in_use_ = 0;      // frames of programs and of what outlived them
    std::uint64_t operations_ = 0;  // allocations and frees so far
};

}

/// Refused where less is free than is to stay in use.
[[nodiscard]] inline absl::Status take(memory_image& memory, const age_step& step, random_numbers& random) {
    const std::uint64_t target = memory.usable() * step.percent / 100;
    const std::uint64_t free = memory.free();
    if (target > free) {
        return absl::InvalidArgumentError(absl::StrCat("expected ", target, " free frames, found ", free));
    }
    detail::ageing(memory, random).run(step.operations, target);
    return absl::OkStatus();
}

LONGREACH_NAMESPACE_END

#endif
