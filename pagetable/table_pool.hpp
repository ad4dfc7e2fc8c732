// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_TABLE_POOL_HPP
#define LONGREACH_PAGETABLE_TABLE_POOL_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../allocator/config.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/status.hpp"
#include "../allocator/units.hpp"
#include "frame_memory.hpp"

// Tables out of the caller's memory: source and memory at once, for trees that hardware never walks.
//
// Tables are numbered from 0 in the Frame type of the tree that uses them. Free ones form a list
// through their first words, and those never used yet are not touched. The caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Invariants:
///   I1  the list of freed tables stays inside the used part and ends after as many as are counted
template <class Frame>
class table_pool {
  public:
    [[nodiscard]] static constexpr std::size_t required_words(page_count tables) noexcept {
        return static_cast<std::size_t>(tables.raw) * words_per_frame;
    }

    /// Holds words.size() / 512 tables.
    explicit table_pool(std::span<std::uint64_t> words) noexcept
        : words_(words), capacity_(words.size() / words_per_frame) {}
    table_pool(const table_pool&) = delete;
    table_pool& operator=(const table_pool&) = delete;

    [[nodiscard]] std::optional<Frame> allocate_table() noexcept {
        if (freed_ != 0) {
            const std::uint64_t first = head_;
            head_ = words_[first * words_per_frame];
            --freed_;
            return Frame{first};
        }
        if (used_ == capacity_) return std::nullopt;
        return Frame{used_++};
    }

    void free_table(Frame table) noexcept {
        LONGREACH_CHECK(table.raw < used_, "table_pool.foreign_table");
        words_[table.raw * words_per_frame] = head_;
        head_ = table.raw;
        ++freed_;
    }

    [[nodiscard]] page_count free_tables() const noexcept { return {freed_ + capacity_ - used_}; }
    /// Tables given out and not given back.
    [[nodiscard]] page_count given_tables() const noexcept { return {used_ - freed_}; }
    /// The words of the tables; valid as long as the caller's memory.
    [[nodiscard]] flat_memory<Frame> memory() const noexcept {
        return {run<Frame>{Frame{}, page_count{capacity_}}, words_};
    }

    [[nodiscard]] violation audit() const {
        std::uint64_t next = head_;
        for (std::uint64_t i = 0; i < freed_; ++i) {
            if (next >= used_) return {"table_pool.I1", next};
            next = words_[next * words_per_frame];
        }
        return next == end_of_list ? violation{} : violation{"table_pool.I1", next};
    }

  private:
    friend struct corrupt;
    static constexpr std::uint64_t end_of_list = ~std::uint64_t{0};

    std::span<std::uint64_t> words_;
    std::uint64_t capacity_;
    std::uint64_t used_ = 0;  // tables 0 to used_ - 1 were allocated at least once
    std::uint64_t freed_ = 0;
    std::uint64_t head_ = end_of_list;
};

static_assert(table_source<table_pool<pfn>, pfn>);

LONGREACH_NAMESPACE_END

#endif
