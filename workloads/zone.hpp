// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ZONE_HPP
#define LONGREACH_WORKLOADS_ZONE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "../allocator/buddy.hpp"
#include "../allocator/config.hpp"
#include "../allocator/contiguity_map.hpp"
#include "../allocator/frame_run.hpp"
#include "../allocator/units.hpp"
#include "fragment/fragmentation.hpp"
#include "fragment/hog.hpp"
#include "fragment/memory_image.hpp"
#include "fragment/pinned_frames.hpp"
#include "random.hpp"

// The physical memory of one simulated machine: frames 0 to n - 1, of which only the metadata exists. One node, or
// several of one size, one behind the other; no free run reaches from one into the next.

LONGREACH_NAMESPACE_BEGIN

/// Zeroed memory whose pages cost nothing until they are written.
class lazy_memory {
  public:
    explicit lazy_memory(std::size_t bytes) : start_(static_cast<std::byte*>(std::calloc(bytes, 1))), size_(bytes) {
        if (start_ == nullptr) throw std::bad_alloc();
    }
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {start_.get(), size_}; }
    [[nodiscard]] std::span<std::uint64_t> words() const noexcept {
        return {reinterpret_cast<std::uint64_t*>(start_.get()), size_ / sizeof(std::uint64_t)};
    }

  private:
    struct release {
        void operator()(std::byte* memory) const noexcept { std::free(memory); }
    };
    std::unique_ptr<std::byte, release> start_;
    std::size_t size_;
};

/// How a memory is divided.
struct zone_layout {
    /// The first frames of every node but the first: its own records, taken for good.
    static constexpr page_count node_records = superpage_order.pages();

    page_count memory{};  ///< frames of each node; with several nodes more than node_records
    unsigned nodes = 1;   ///< 1 or more

    [[nodiscard]] constexpr page_count frames() const noexcept { return {memory.raw * nodes}; }
};

template <class Frame>
class simulated_zone {
  public:
    explicit simulated_zone(page_count size, block_choice choice = block_choice::smallest)
        : simulated_zone(zone_layout{size}, choice) {}
    explicit simulated_zone(zone_layout layout, block_choice choice = block_choice::smallest)
        : layout_(layout),
          frame_bits_(basic_buddy<Frame>::required_bytes(layout.frames(), {choice})),
          frames_({Frame{0}, layout.frames()}, frame_bits_.bytes(), {choice}),
          cluster_tree_(basic_contiguity_map<Frame>::required_bytes(layout.frames())),
          clusters_(frames_, cluster_tree_.bytes()) {
        LONGREACH_CHECK(layout.nodes == 1 || layout.memory > zone_layout::node_records, "simulated_zone.nodes");
        unit_set records(layout.nodes == 1 ? 0 : layout.frames().raw);
        for (unsigned node = 1; node < layout.nodes; ++node) {
            records.insert(node * layout.memory.raw, zone_layout::node_records.raw);
        }
        pin(records);
    }
    simulated_zone(const simulated_zone&) = delete;
    simulated_zone& operator=(const simulated_zone&) = delete;

    [[nodiscard]] basic_buddy<Frame>& frames() noexcept { return frames_; }
    [[nodiscard]] basic_contiguity_map<Frame>& clusters() noexcept { return clusters_; }

    [[nodiscard]] const zone_layout& layout() const noexcept { return layout_; }

    /// Takes frames for good, all of which are free; no migration ever moves them. O(frames / 64).
    void pin(const unit_set& wanted) {
        take_frames(frames_, wanted);
        pinned_.add(wanted);
    }
    /// Takes `percent` (0 to 100) of the aligned 2 MiB blocks for good, drawn at random: hog:2M:PERCENT.
    void pin(unsigned percent, std::uint64_t seed) {
        memory_image memory = image();
        random_numbers random(seed);
        const absl::Status done = take(memory, hog_step{superpage_order, percent}, random);
        LONGREACH_CHECK(done.ok(), "simulated_zone.pin");
        pin(memory.pinned());
    }

    /// The frames that are pinned: by the hog, by other steps of a fragmentation, and as records of nodes.
    [[nodiscard]] const pinned_frames<Frame>& pinned() const noexcept { return pinned_; }

    /// What is taken now, for a fragmentation to go on from.
    [[nodiscard]] memory_image image() const {
        const unit_set used = frames_in_use(frames_);
        return {used, used, layout_.memory};
    }

    /// Hands every free run as it is now, in address order, to `visit(run<Frame>)`.
    template <class Visit>
    void for_each_free_run(Visit&& visit) {
        Frame from = frames_.managed().first;
        while (const auto cluster = clusters_.next(from, page_count{1})) {
            visit(*cluster);
            from = cluster->end();
        }
    }

    /// Lengths of the free runs as they are now, longest first.
    [[nodiscard]] std::vector<std::uint64_t> free_runs() {
        std::vector<std::uint64_t> lengths;
        for_each_free_run([&](run<Frame> cluster) { lengths.push_back(cluster.count.raw); });
        std::sort(lengths.begin(), lengths.end(), std::greater<>());
        return lengths;
    }

  private:
    zone_layout layout_;
    lazy_memory frame_bits_;
    basic_buddy<Frame> frames_;
    lazy_memory cluster_tree_;
    basic_contiguity_map<Frame> clusters_;
    pinned_frames<Frame> pinned_;
};

LONGREACH_NAMESPACE_END

#endif
