// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_FRAME_MODEL_HPP
#define LONGREACH_TESTS_MODEL_FRAME_MODEL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/frame_run.hpp>
#include <longreach/allocator/status.hpp>
#include <longreach/allocator/units.hpp>
#include <optional>
#include <span>
#include <vector>

// A zone of frames as one would draw it: one free flag and one promised flag per frame, every question answered by
// looking at all of them. It fixes what basic_buddy must answer, not how.

namespace longreach::model {

class frame_model {
  public:
    explicit frame_model(frame_run managed, buddy_options options = {})
        : managed_(managed),
          options_(options),
          free_(managed.count.raw, 1),
          promised_(managed.count.raw, 0),
          free_count_(managed.count.raw),
          open_count_(managed.count.raw) {}

    frame_run managed() const { return managed_; }
    buddy_options options() const { return options_; }
    bool is_free(pfn f) const { return managed_.contains(f) && free_[index(f)] != 0; }
    bool is_promised(pfn f) const { return managed_.contains(f) && promised_[index(f)] != 0; }
    bool is_open(pfn f) const { return is_free(f) && !is_promised(f); }

    bool is_free(pfn block, order o) const {
        return all_of(block, o, [this](pfn f) { return is_free(f); });
    }
    bool is_open(pfn block, order o) const {
        return all_of(block, o, [this](pfn f) { return is_open(f); });
    }

    std::uint64_t free_frames() const { return free_count_; }
    std::uint64_t open_frames() const { return open_count_; }

    void set_free(frame_run frames, bool value) { mark(free_, frames, value); }

    /// Without exact promises only whole children are promised, and a promise that loses a part is lost.
    void set_promised(frame_run frames, bool value) {
        if (options_.exact_promises) return mark_promised(intersection(frames, managed_), value);
        for (const frame_run child : children()) {
            const frame_run part = intersection(frames, child);
            if (part.empty()) continue;
            if (!value) mark_promised(child, false);
            if (value && part.count == superpage_order.pages()) mark_promised(child, true);
        }
    }
    void forget_promises() { mark_promised(managed_, false); }

    // Taking. What next_fit and adaptive take depends on what they did before: `suggested`, the zone's own answer, is
    // taken if it is the lowest block of some child (next_fit) or any block (adaptive), in a broken child if one has
    // any.

    std::optional<pfn> allocate(order o, std::optional<pfn> suggested = {}) {
        const std::optional<pfn> found = find(o, suggested);
        if (found) set_free({*found, o.pages()}, false);
        return found;
    }
    bool can_allocate(order o) const { return find(o, {}).has_value(); }

    std::optional<frame_run> allocate_run(page_count count, std::optional<pfn> suggested = {}) {
        std::optional<pfn> first = find_open(order{ceil_log2(count.raw)}, suggested);
        if (!first) first = first_run(count, [this](pfn f) { return is_open(f); });
        if (!first) first = first_run(count, [this](pfn f) { return is_free(f); });
        if (!first) return std::nullopt;
        set_free({*first, count}, false);
        return frame_run{*first, count};
    }

    status allocate_run_at(frame_run frames) {
        if (frames.empty() || !managed_.contains(frames)) return status::out_of_range;
        for (pfn f = frames.first; f != frames.end(); f += page_count{1}) {
            if (!is_free(f)) return status::occupied;
        }
        set_free(frames, false);
        return status::ok;
    }

    status allocate_runs_at(std::span<const frame_run> runs, std::size_t& culprit) {
        const frame_model before = *this;
        for (culprit = 0; culprit < runs.size(); ++culprit) {
            const status taken = allocate_run_at(runs[culprit]);
            if (taken == status::ok) continue;
            *this = before;
            return taken;
        }
        return status::ok;
    }

    /// The open frames of the word in which an order-0 request would be served; where blocks are chosen by size, those
    /// in no larger block than that request's.
    std::optional<frame_word<pfn>> allocate_word(frame_word<pfn> suggested = {}) {
        std::optional<pfn> frame;
        if (suggested.frames != 0) frame = suggested.first + page_count{lowest_one(suggested.frames)};
        const std::optional<pfn> found = find_open(base_order, frame);
        if (!found) return std::nullopt;
        frame_word<pfn> word = frames_around(*found, order{6});
        if (options_.choice == block_choice::smallest) word = frames_around(*found, open_block_around(*found));
        for (order most = base_order; options_.choice == block_choice::adaptive && most.raw < 6; ++most.raw) {
            const frame_word<pfn> fewer = frames_around(*found, most);
            if (fewer.frames == suggested.frames) word = fewer;
        }
        for (unsigned i = 0; i < 64; ++i) {
            if ((word.frames >> i & 1) != 0) set_free({word.first + page_count{i}, page_count{1}}, false);
        }
        return word;
    }
    void free_word(frame_word<pfn> word) {
        for (unsigned i = 0; i < 64; ++i) {
            if ((word.frames >> i & 1) != 0) set_free({word.first + page_count{i}, page_count{1}}, true);
        }
    }

    /// Free blocks of each order that are not part of a larger one.
    std::array<std::uint64_t, buddy::max_order.raw + 1> count_blocks() const {
        std::array<std::uint64_t, buddy::max_order.raw + 1> counts{};
        for (pfn f = managed_.first; f < managed_.end();) {
            if (!is_free(f)) {
                f += page_count{1};
                continue;
            }
            order k = base_order;
            while (k < buddy::max_order && is_free(align_down(f, order{k.raw + 1}), order{k.raw + 1})) ++k.raw;
            ++counts[k.raw];
            f += k.pages();
        }
        return counts;
    }

    /// Maximal runs of open frames.
    std::vector<frame_run> clusters() const {
        std::vector<frame_run> all;
        std::size_t length = 0;  // of the cluster that ends before i
        for (std::size_t i = 0; i <= free_.size(); ++i) {
            if (i != free_.size() && free_[i] != 0 && promised_[i] == 0) {
                ++length;
            } else if (length != 0) {
                all.push_back({managed_.first + page_count{i - length}, page_count{length}});
                length = 0;
            }
        }
        return all;
    }

  private:
    std::size_t index(pfn f) const { return static_cast<std::size_t>((f - managed_.first).raw); }

    /// Order, 6 at most, of the largest open block around an open frame.
    order open_block_around(pfn f) const {
        order k = base_order;
        while (k.raw < 6 && is_open(align_down(f, order{k.raw + 1}), order{k.raw + 1})) ++k.raw;
        return k;
    }
    /// The open frames in the word of f that are in no open block of more than `most`.
    frame_word<pfn> frames_around(pfn f, order most) const {
        frame_word<pfn> word{align_down(f, order{6}), 0};
        for (unsigned i = 0; i < 64; ++i) {
            const pfn here = word.first + page_count{i};
            if (is_open(here) && open_block_around(here) <= most) word.frames |= std::uint64_t{1} << i;
        }
        return word;
    }

    void mark_promised(frame_run frames, bool value) { mark(promised_, frames, value); }
    void mark(std::vector<unsigned char>& flags, frame_run frames, bool value) {
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) {
            free_count_ -= is_free(f);
            open_count_ -= is_open(f);
            flags[index(f)] = value;
            free_count_ += is_free(f);
            open_count_ += is_open(f);
        }
    }

    /// The managed parts of the aligned blocks of 2^o frames that the zone touches.
    std::vector<frame_run> parts(order o) const {
        std::vector<frame_run> all;
        for (pfn f = align_down(managed_.first, o); f < managed_.end(); f += o.pages()) {
            all.push_back(intersection(frame_run{f, o.pages()}, managed_));
        }
        return all;
    }
    std::vector<frame_run> children() const { return parts(superpage_order); }

    template <class Predicate>
    bool all_of(pfn block, order o, Predicate holds) const {
        if (!managed_.contains(frame_run{block, o.pages()})) return false;
        for (std::uint64_t i = 0; i < o.pages().raw; ++i) {
            if (!holds(block + page_count{i})) return false;
        }
        return true;
    }
    template <class Predicate>
    static std::uint64_t count_if(frame_run frames, Predicate holds) {
        std::uint64_t total = 0;
        for (pfn f = frames.first; f != frames.end(); f += page_count{1}) total += holds(f);
        return total;
    }
    template <class Predicate>
    std::optional<pfn> first_run(page_count count, Predicate holds) const {
        page_count length{0};
        for (pfn f = managed_.first; f < managed_.end(); f += page_count{1}) {
            length = holds(f) ? length + page_count{1} : page_count{0};
            if (length == count) return f + page_count{1} - count;
        }
        return std::nullopt;
    }
    template <class Predicate>
    std::optional<pfn> first_block(order o, frame_run within, Predicate holds) const {
        for (pfn f = align_up(within.first, o); within.contains(frame_run{f, o.pages()}); f += o.pages()) {
            if (all_of(f, o, holds)) return f;
        }
        return std::nullopt;
    }

    /// The first maximal block of the smallest order from o to `most` in `within`. Maximal: the block twice as
    /// large around it does not hold throughout.
    template <class Predicate>
    std::optional<pfn> smallest_block(order o, unsigned most, frame_run within, Predicate holds) const {
        for (order k = o; k.raw <= most && k.raw < 63 && k.pages() <= within.count; ++k.raw) {
            for (pfn f = align_up(within.first, k); within.contains(frame_run{f, k.pages()}); f += k.pages()) {
                if (!all_of(f, k, holds)) continue;
                const order twice{k.raw + 1};
                if (k.raw == most || !all_of(align_down(f, twice), twice, holds)) return f;
            }
        }
        return std::nullopt;
    }

    std::optional<pfn> find(order o, std::optional<pfn> suggested) const {
        const std::optional<pfn> found = find_open(o, suggested);
        return found ? found : lent_block(o);
    }

    /// Up to order 8 the broken children are asked, then whole children by the aligned GiB they lie in.
    std::optional<pfn> find_open(order o, std::optional<pfn> suggested) const {
        const auto open = [this](pfn f) { return is_open(f); };
        if (options_.choice == block_choice::smallest) return smallest_block(o, 63, managed_, open);
        choosing broken{options_.choice, suggested};
        for (const frame_run child : children()) {
            const bool whole = child.count == superpage_order.pages() && is_open(child.first, superpage_order);
            if (o >= superpage_order || whole) continue;
            std::optional<pfn> block = first_block(o, child, open);
            const bool any_will_do = block && options_.choice == block_choice::adaptive && suggested &&
                                     is_aligned(*suggested, o) && child.contains(*suggested) && is_open(*suggested, o);
            if (any_will_do) block = suggested;
            broken.offer(block, count_if(child, [this](pfn f) { return is_free(f); }));
        }
        if (broken.chosen) return broken.chosen;
        const order size = o < superpage_order ? superpage_order : o;
        if (size >= giant_order) return first_block(size, managed_, open);
        choosing whole{options_.choice == block_choice::adaptive ? block_choice::lowest : options_.choice, suggested};
        for (const frame_run group : parts(giant_order)) {
            std::uint64_t units = 0;
            for (pfn f = align_up(group.first, superpage_order); f < group.end(); f += superpage_order.pages()) {
                units += is_open(f, superpage_order);
            }
            whole.offer(first_block(size, group, open), units);
        }
        return whole.chosen;
    }

    /// Keeps the block that a choice prefers; blocks are offered in address order.
    struct choosing {
        block_choice choice;
        std::optional<pfn> suggested;
        std::optional<pfn> chosen{};
        unsigned best = 64;

        void offer(std::optional<pfn> block, std::uint64_t free_units) {
            if (!block) return;
            unsigned rank = 0;
            if (choice == block_choice::fullest) rank = floor_log2(free_units);
            if (choice == block_choice::next_fit || choice == block_choice::adaptive) rank = block == suggested ? 0 : 1;
            if (rank >= best) return;
            best = rank;
            chosen = block;
        }
    };

    /// Up to 2 MiB: the first child with a promise that has a block, and there the smallest. Above: the lowest block.
    std::optional<pfn> lent_block(order o) const {
        const auto holds = [this](pfn f) { return is_free(f); };
        if (o > superpage_order) return first_block(o, managed_, holds);
        for (const frame_run child : children()) {
            if (count_if(child, [this](pfn f) { return is_promised(f); }) == 0) continue;
            if (const auto found = smallest_block(o, superpage_order.raw, child, holds)) return found;
        }
        return std::nullopt;
    }

    frame_run managed_;
    buddy_options options_;
    std::vector<unsigned char> free_;  // bytes: a sanitized std::vector<bool> is slow
    std::vector<unsigned char> promised_;
    std::uint64_t free_count_;
    std::uint64_t open_count_;
};

}  // namespace longreach::model

#endif
