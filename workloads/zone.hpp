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
#include "random.hpp"

// The physical memory of one simulated machine: frames 0 to n - 1, of which only the metadata exists.

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

template <class Frame>
class simulated_zone {
  public:
    explicit simulated_zone(page_count size, block_choice choice = block_choice::smallest)
        : frame_bits_(basic_buddy<Frame>::required_bytes(size, {choice})),
          frames_({Frame{0}, size}, frame_bits_.bytes(), {choice}),
          cluster_tree_(basic_contiguity_map<Frame>::required_bytes(size)),
          clusters_(frames_, cluster_tree_.bytes()) {}
    simulated_zone(const simulated_zone&) = delete;
    simulated_zone& operator=(const simulated_zone&) = delete;

    [[nodiscard]] basic_buddy<Frame>& frames() noexcept { return frames_; }
    [[nodiscard]] basic_contiguity_map<Frame>& clusters() noexcept { return clusters_; }

    /// Takes `percent` (0 to 100) of the aligned 2 MiB blocks of a fresh zone for good, drawn at random: the hog.
    void pin(unsigned percent, std::uint64_t seed) {
        std::vector<Frame> blocks;
        const order size = superpage_order;
        for (Frame f{0}; frames_.managed().contains(run<Frame>{f, size.pages()}); f += size.pages())
            blocks.push_back(f);
        random_numbers random(seed);
        random.shuffle(std::span<Frame>(blocks));
        blocks.resize(blocks.size() * percent / 100);
        for (const Frame f : blocks) {
            const status taken = frames_.allocate_at(f, size);
            LONGREACH_CHECK(taken == status::ok, "simulated_zone.pin");
        }
        pinned_ = std::move(blocks);
    }

    /// The 2 MiB blocks that the hog took, in the order of the draw.
    [[nodiscard]] std::span<const Frame> pinned() const noexcept { return pinned_; }

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
    lazy_memory frame_bits_;
    basic_buddy<Frame> frames_;
    lazy_memory cluster_tree_;
    basic_contiguity_map<Frame> clusters_;
    std::vector<Frame> pinned_;
};

LONGREACH_NAMESPACE_END

#endif
