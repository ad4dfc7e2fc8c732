// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ZONE_SCRIPT_HPP
#define LONGREACH_TESTS_MODEL_ZONE_SCRIPT_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "zone_trial.hpp"

// Zones and operations as a fuzzer's bytes say them.

namespace longreach::model {

/// A zone and operations from bytes: the first three choose the zone, then four bytes make one operation.
class zone_script {
  public:
    zone_script(const std::uint8_t* data, std::size_t size, bool with_map)
        : data_(data), size_(size), with_map_(with_map) {
        const std::uint64_t first = byte();
        const std::uint64_t count = byte();
        const unsigned how = byte();
        setting_.options.choice = static_cast<block_choice>(how % 8 % 5);
        setting_.options.exact_promises = (how & 8) == 0;
        setting_.managed = {pfn{first * 37 % 1300}, page_count{(how & 16) != 0 ? 1 + count : 1024 + count * 28}};
        if ((how & 32) != 0) setting_.managed.first += giant_order.pages() - page_count{2048};
        if ((how & 64) != 0) setting_.managed.first += page_count{std::uint64_t{1} << 50};
    }

    const zone_setting& setting() const { return setting_; }

    std::vector<zone_operation> operations(std::size_t most) {
        std::vector<zone_operation> all;
        while (all.size() < most && used_ < size_) all.push_back(next());
        return all;
    }

  private:
    unsigned byte() { return used_ < size_ ? data_[used_++] : 0U; }

    zone_operation next() {
        const unsigned head = byte();
        const std::uint64_t low = byte();
        const unsigned high = byte();
        const unsigned tail = byte();
        zone_operation op;
        const bool asks = with_map_ && tail % 4 == 3;
        op.kind = asks ? zone_operation::questions[head % 8] : zone_operation::drawn[head % 32];
        op.size = (head / 32 + high / 128 * 7) % 14;
        op.position = (low | high << 8) % (setting_.managed.count.raw + 8);  // a little beyond the zone, too
        op.count = tail < 160 ? 1 + tail : (tail - 127) * 64;
        return op;
    }

    const std::uint8_t* data_;
    std::size_t size_;
    bool with_map_;
    std::size_t used_ = 0;
    zone_setting setting_{};
};

}  // namespace longreach::model

#endif
