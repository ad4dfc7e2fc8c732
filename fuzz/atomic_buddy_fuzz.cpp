// SPDX-License-Identifier: MIT
// Any calls of one thread leave an atomic zone equal to one flag per frame.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../tests/model/atomic_zone_trial.hpp"

namespace {

/// Bytes from the front; zeros beyond the end.
struct reader {
    const std::uint8_t* data;
    std::size_t size;

    unsigned byte() {
        if (size == 0) return 0;
        --size;
        return *data++;
    }
    std::uint64_t below(std::uint64_t bound) {
        const unsigned low = byte();
        return (low | byte() << 8) % bound;
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace longreach;
    using model::atomic_operation;
    reader in{data, size};
    const pfn first{in.below(1200)};
    const page_count count{1 + in.below(2800)};
    std::vector<atomic_operation> operations;
    while (in.size >= 4 && operations.size() < 256) {
        atomic_operation op;
        const unsigned kind = in.byte();
        op.kind = static_cast<atomic_operation::kind_type>(kind % atomic_operation::kinds);
        op.size = (kind & 0x80) != 0 ? in.byte() % 14 : 0;
        op.position = in.below(count.raw + 8);
        op.count = 1 + ((kind & 0x40) != 0 ? in.below(count.raw) : in.byte() % 40);
        operations.push_back(op);
    }
    if (const auto wrong = model::perform_all({first, count}, operations)) {
        std::fprintf(stderr, "%s\n", wrong->c_str());
        std::abort();
    }
    return 0;
}
