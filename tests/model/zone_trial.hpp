// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_ZONE_TRIAL_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "frame_model.hpp"

// One printable operation on a zone, performed on the model and on a buddy with a contiguity map; what differs is
// told in words. The properties and the fuzzers of both classes are built from it.

namespace longreach::model {

struct zone_operation {
    enum kind_type : std::uint8_t {
        allocate,
        allocate_at,
        allocate_around,  ///< exactly the block that holds the last frame of somebody's block
        free,
        reserve,
        unreserve,
        next,
        longest,
        around
    };
    static constexpr unsigned kinds_of_buddy = 6;
    static constexpr unsigned kinds = 9;

    kind_type kind{};
    unsigned size{};           ///< order, for the allocations
    std::uint64_t position{};  ///< frames after the zone's first; for allocate_around and free: which live block
    std::uint64_t count{};     ///< frames, for reserve, unreserve and next

    friend std::ostream& operator<<(std::ostream& out, const zone_operation& op) {
        constexpr std::string_view names[] = {"allocate",  "allocate_at", "allocate_around", "free",  "reserve",
                                              "unreserve", "next",        "longest",         "around"};
        const bool of_live = op.kind == allocate_around || op.kind == free;
        out << '{' << names[op.kind];
        if (op.kind <= allocate_around) out << " order " << op.size;
        if (op.kind != allocate && op.kind != longest) out << (of_live ? " live " : " +") << op.position;
        if (op.kind == reserve || op.kind == unreserve || op.kind == next) out << " count " << op.count;
        return out << '}';
    }
};

/// What an operation answered, as numbers that can be compared and printed.
struct zone_answer {
    status outcome = status::ok;
    frame_run frames{};
    friend bool operator==(const zone_answer&, const zone_answer&) = default;
    friend std::ostream& operator<<(std::ostream& out, const zone_answer& a) {
        if (a.outcome != status::ok) return out << "status " << static_cast<int>(a.outcome);
        return out << '[' << a.frames.first.raw << ", +" << a.frames.count.raw << ')';
    }
};

struct live_block {
    pfn first{};
    order size{};
};

/// The model and the blocks that its user holds.
struct zone_state {
    explicit zone_state(frame_run managed) : frames(managed) {}

    frame_model frames;
    std::vector<live_block> live;

    bool possible(const zone_operation& op) const {
        return !live.empty() || (op.kind != zone_operation::free && op.kind != zone_operation::allocate_around);
    }
    pfn frame_of(const zone_operation& op) const {
        const pfn f = frames.managed().first + page_count{op.position};
        if (op.kind == zone_operation::allocate_at) return align_down(f, order{op.size});
        if (op.kind != zone_operation::allocate_around) return f;
        const live_block block = block_of(op);
        return align_down(block.first + (block.size.pages() - page_count{1}), order{op.size});
    }
    live_block block_of(const zone_operation& op) const { return live[op.position % live.size()]; }

    zone_answer perform(const zone_operation& op) {
        const order size{op.size};
        const frame_run target{frame_of(op), page_count{op.count}};
        switch (op.kind) {
            case zone_operation::allocate: {
                const std::optional<pfn> found = frames.allocate(size);
                if (!found) return {status::out_of_memory, {}};
                live.push_back({*found, size});
                return {status::ok, {*found, size.pages()}};
            }
            case zone_operation::allocate_at:
            case zone_operation::allocate_around: {
                const status outcome = frames.allocate_at(target.first, size);
                if (outcome == status::ok) live.push_back({target.first, size});
                return {outcome, {}};
            }
            case zone_operation::free: {
                const live_block block = block_of(op);
                frames.set_free({block.first, block.size.pages()}, true);
                live[op.position % live.size()] = live.back();
                live.pop_back();
                return {};
            }
            case zone_operation::reserve:
                frames.set_promised(target, true);
                return {};
            case zone_operation::unreserve:
                frames.set_promised(target, false);
                return {};
            case zone_operation::next:
                return answer(frames.next(target.first, target.count));
            case zone_operation::longest:
                return answer(frames.longest());
            case zone_operation::around:
                return answer(frames.around(target.first));
        }
        return {};
    }
    static zone_answer answer(const std::optional<frame_run>& found) {
        return found ? zone_answer{status::ok, *found} : zone_answer{status::out_of_memory, {}};
    }
};

/// The classes under test over memory of their own.
struct zone_under_test {
    explicit zone_under_test(frame_run managed)
        : memory(buddy::required_bytes(managed.count)),
          map_memory(contiguity_map::required_bytes(managed.count)),
          frames(managed, memory),
          clusters(frames, map_memory) {}

    std::vector<std::byte> memory;
    std::vector<std::byte> map_memory;
    buddy frames;
    contiguity_map clusters;

    /// Performs the operation on the frames that the model's state before it made of it.
    zone_answer perform(const zone_operation& op, pfn frame, live_block block) {
        const order size{op.size};
        const frame_run target{frame, page_count{op.count}};
        switch (op.kind) {
            case zone_operation::allocate: {
                const std::optional<pfn> found = frames.allocate(size);
                if (!found) return {status::out_of_memory, {}};
                return {status::ok, {*found, size.pages()}};
            }
            case zone_operation::allocate_at:
            case zone_operation::allocate_around:
                return {frames.allocate_at(target.first, size), {}};
            case zone_operation::free:
                frames.free(block.first, block.size);
                return {};
            case zone_operation::reserve:
                frames.reserve(target);
                return {};
            case zone_operation::unreserve:
                frames.unreserve(target);
                return {};
            case zone_operation::next:
                return zone_state::answer(clusters.next(target.first, target.count));
            case zone_operation::longest:
                return zone_state::answer(clusters.longest());
            case zone_operation::around:
                return zone_state::answer(clusters.around(target.first));
        }
        return {};
    }

    /// What is wrong with the zone after an operation, beside its answer.
    std::optional<std::string> difference(const frame_model& expected) {
        std::ostringstream told;
        if (const violation broken = frames.audit()) {
            told << "audit: " << broken.label << " at " << broken.where;
            return told.str();
        }
        if (frames.free_frames().raw != expected.free_frames() ||
            frames.unreserved_frames().raw != expected.open_frames()) {
            told << "free " << frames.free_frames().raw << ", unreserved " << frames.unreserved_frames().raw
                 << "; expected " << expected.free_frames() << ", " << expected.open_frames();
            return told.str();
        }
        return std::nullopt;
    }

    /// What is wrong with any frame; O(frames), so for every few operations and the end.
    std::optional<std::string> frame_difference(const frame_model& expected) const {
        std::ostringstream told;
        for (pfn f = expected.managed().first; f != expected.managed().end(); f += page_count{1}) {
            const std::uint64_t child = (f - frames.base()).raw / child_frames;
            const unsigned position = static_cast<unsigned>(f.raw % child_frames);
            const bool open = is_free_block(frames.unreserved(child), position, 0);
            if (frames.is_free(f, base_order) == expected.is_free(f) && open == expected.is_open(f)) continue;
            told << "frame " << f.raw << ": free " << frames.is_free(f, base_order) << ", open " << open
                 << "; expected " << expected.is_free(f) << ", " << expected.is_open(f);
            return told.str();
        }
        return std::nullopt;
    }

    /// The same as difference() for the map, which is brought up to date first.
    std::optional<std::string> map_difference() {
        clusters.refresh();
        if (const violation broken = clusters.audit()) {
            return "audit: " + std::string(broken.label) + " at " + std::to_string(broken.where);
        }
        return std::nullopt;
    }
};

/// Performs one operation on both; says what differs.
inline std::optional<std::string> perform(const zone_operation& op, zone_state& expected, zone_under_test& actual,
                                          bool with_map) {
    const pfn frame = expected.frame_of(op);
    const live_block block = expected.live.empty() ? live_block{} : expected.block_of(op);
    const zone_answer should = expected.perform(op);
    const zone_answer does = actual.perform(op, frame, block);
    if (!(should == does)) {
        std::ostringstream told;
        told << "answered " << does << ", expected " << should;
        return told.str();
    }
    if (const auto told = actual.difference(expected.frames)) return told;
    return with_map ? actual.map_difference() : std::nullopt;
}

/// Operations from bytes: the first two choose the zone, then four bytes make one operation.
class zone_script {
  public:
    zone_script(const std::uint8_t* data, std::size_t size, unsigned kinds) : data_(data), size_(size), kinds_(kinds) {
        const std::uint64_t first = byte();
        const std::uint64_t count = byte();
        managed_ = {pfn{first * 37 % 1300}, page_count{1 + count * 11}};
    }

    frame_run managed() const { return managed_; }
    bool done() const { return used_ >= size_; }

    zone_operation next() {
        const unsigned head = byte();
        const std::uint64_t low = byte();
        const std::uint64_t position = low | static_cast<std::uint64_t>(byte()) << 8;
        const unsigned tail = byte();
        zone_operation op;
        op.kind = static_cast<zone_operation::kind_type>(head % kinds_);
        op.size = head / 16 % 13;
        op.position = position % (managed_.count.raw + 8);  // a little beyond the zone, too
        op.count = tail < 128 ? 1 + tail : (tail - 127) * 16;
        return op;
    }

  private:
    unsigned byte() { return used_ < size_ ? data_[used_++] : 0U; }

    const std::uint8_t* data_;
    std::size_t size_;
    unsigned kinds_;
    std::size_t used_ = 0;
    frame_run managed_{};
};

/// Performs a whole script; on a difference says the operations up to it and what differs.
inline std::optional<std::string> run_script(zone_script script, bool with_map, std::size_t most) {
    zone_state expected(script.managed());
    zone_under_test actual(script.managed());
    std::ostringstream history;
    history << "zone [" << script.managed().first.raw << ", +" << script.managed().count.raw << ")\n";
    for (std::size_t i = 0; i < most && !script.done(); ++i) {
        const zone_operation op = script.next();
        if (!expected.possible(op)) continue;
        history << op << '\n';
        if (const auto told = perform(op, expected, actual, with_map)) return history.str() + *told;
        if (i % 16 != 15) continue;
        if (const auto told = actual.frame_difference(expected.frames)) return history.str() + *told;
    }
    if (const auto told = actual.frame_difference(expected.frames)) return history.str() + *told;
    return std::nullopt;
}

}  // namespace longreach::model

#endif
