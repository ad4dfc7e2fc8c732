// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_REQUEST_HPP
#define LONGREACH_TESTS_MODEL_ZONE_REQUEST_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

// What is asked of an allocator behind zone_interface.h: requests drawn from numbers, and the blocks that they got.
//
// The numbers come from anything with below(n): random_numbers, or byte_numbers over the bytes of a fuzzer.

namespace longreach::model {

struct zone_block {
    std::uint64_t frame = 0;
    unsigned order = 0;
};

[[nodiscard]] constexpr std::uint64_t frames_of(unsigned order) { return std::uint64_t{1} << order; }

struct zone_request {
    enum kind_type { allocate, allocate_at, release } kind = allocate;
    zone_block block{};  ///< an allocation needs only its order
};

/// Numbers from bytes: each takes as many as its bound needs, the first the most significant; 0 once none are left.
class byte_numbers {
  public:
    byte_numbers(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

    [[nodiscard]] bool empty() const { return left_ == 0; }
    std::uint64_t below(std::uint64_t bound) {
        std::uint64_t value = 0;
        for (std::uint64_t reach = bound - 1; reach != 0 && left_ != 0; reach >>= 8) {
            value = value << 8 | *data_++;
            --left_;
        }
        return value % bound;
    }

  private:
    const std::uint8_t* data_;
    std::size_t left_;
};

/// One user of a zone.
class zone_user {
  public:
    /// Of a zone of so many frames; `exact` where it takes exact requests.
    zone_user(std::uint64_t frames, unsigned largest_order, bool exact)
        : frames_(frames), largest_order_(largest_order), exact_(exact) {}

    /// A request; one to release has already left the blocks that the user holds. How much is taken and given back, and
    /// how large, changes now and then, so that the zone is full at times, of small blocks or of any, and empty at
    /// others.
    template <class Source>
    [[nodiscard]] zone_request draw(Source& source) {
        if (singly_ != 0 && !held_.empty()) {
            --singly_;
            return give_back_last();
        }
        const std::uint64_t kind = source.below(256);
        if (kind == 255 && source.below(4) == 0) {
            taking_ = 8 + source.below(248);
            order_limit_ = static_cast<unsigned>(source.below(16));
        }
        if (kind >= taking_ && !held_.empty()) {
            const zone_block given = draw_held(source, kind % 2 == 0, kind % 4 == 1);
            return kind % 8 != 2 || given.order > 6 ? zone_request{zone_request::release, given} : split(given);
        }
        const unsigned order = draw_order(source);
        if (!exact_ || kind % 3 != 0) return {zone_request::allocate, {0, order}};
        return {zone_request::allocate_at, {source.below(frames_ + frames_ / 16) >> order << order, order}};
    }

    void hold(zone_block block) { held_.push_back(block); }
    [[nodiscard]] bool holds_any() const { return !held_.empty(); }
    [[nodiscard]] zone_request give_back_last() {
        const zone_block last = held_.back();
        held_.pop_back();
        return {zone_request::release, last};
    }

  private:
    /// Small ones most of the time; now and then one that the zone cannot hold.
    template <class Source>
    unsigned draw_order(Source& source) {
        const std::uint64_t drawn = source.below(32);
        if (drawn < 16) return 0;
        auto order = static_cast<unsigned>(drawn < 28 ? drawn % 4 : source.below(15));
        if (order > order_limit_) order %= order_limit_ + 1;
        return order > largest_order_ ? 0 : order;
    }

    /// A held block, one of the last few or any, or an aligned part of it, of which the rest stays behind as blocks of
    /// their own.
    template <class Source>
    zone_block draw_held(Source& source, bool recent, bool part) {
        const std::size_t i =
            held_.size() - 1 - source.below(recent ? std::min<std::size_t>(held_.size(), 8) : held_.size());
        zone_block given = held_[i];
        held_[i] = held_.back();
        held_.pop_back();
        if (!part || given.order == 0) return given;
        const auto order = static_cast<unsigned>(source.below(given.order));
        const std::uint64_t where = source.below(frames_of(given.order));
        while (given.order != order) {
            --given.order;
            const std::uint64_t upper = given.frame + frames_of(given.order);
            const bool in_upper = (where >> given.order & 1) != 0;
            held_.push_back({in_upper ? given.frame : upper, given.order});
            if (in_upper) given.frame = upper;
        }
        return given;
    }

    /// The first of requests to release a block frame by frame.
    zone_request split(zone_block given) {
        for (std::uint64_t i = 0; i < frames_of(given.order); ++i) held_.push_back({given.frame + i, 0});
        singly_ = frames_of(given.order) - 1;
        return give_back_last();
    }

    std::uint64_t frames_;
    unsigned largest_order_;
    bool exact_;
    std::uint64_t taking_ = 160;  ///< of 256 requests so many take
    unsigned order_limit_ = 15;
    std::uint64_t singly_ = 0;  ///< so many of the blocks held last are to be released next
    std::vector<zone_block> held_;
};

}  // namespace longreach::model

#endif
