// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_SPACE_WORLDS_HPP
#define LONGREACH_TESTS_MODEL_SPACE_WORLDS_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <longreach/allocator/eager.hpp>
#include <longreach/allocator/thp.hpp>
#include <longreach/pagetable/frame_memory.hpp>
#include <type_traits>
#include <vector>

#include "list_policy.hpp"
#include "watched_policy.hpp"

// Memories in which address spaces live: frames, a watched policy that gives them out, and the words of tables.

namespace longreach::model {

/// Frames of a list_policy.
class list_world {
  public:
    using policy_type = list_policy<vpn, pfn>;
    static constexpr std::uint64_t most_tables = 60;

    explicit list_world(std::uint64_t pages = 6144)
        : tables_{pfn{0}, {most_tables}},
          frames_{pfn{0}, {most_tables + pages}},
          words_(most_tables * words_per_frame, 0x5a5a5a5a5a5a5a5aU),
          policy_(most_tables, pages) {}

    [[nodiscard]] frame_run frames() const { return frames_; }
    [[nodiscard]] flat_memory<pfn> tables() { return {tables_, words_}; }
    [[nodiscard]] policy_type& policy() { return policy_; }
    void aim(std::uint64_t where) { policy_.aim(where); }
    /// Frames that the memory itself says are in use.
    [[nodiscard]] std::uint64_t frames_given() const { return policy_.frames_held() + policy_.tables_held(); }

  private:
    frame_run tables_;
    frame_run frames_;
    std::vector<std::uint64_t> words_;
    policy_type policy_;
};

/// A buddy with its contiguity map, made before the policy that needs it.
struct buddy_memory {
    explicit buddy_memory(frame_run managed)
        : bytes(buddy::required_bytes(managed.count)),
          frames(managed, bytes),
          cluster_bytes(basic_contiguity_map<pfn>::required_bytes(managed.count)),
          clusters(frames, cluster_bytes),
          piece_bytes(ca_paging<vpn, pfn>::required_bytes(64)) {}

    std::vector<std::byte> bytes;
    buddy frames;
    std::vector<std::byte> cluster_bytes;
    basic_contiguity_map<pfn> clusters;
    std::vector<std::byte> piece_bytes;
};

/// Frames of a buddy under `Inner`: thp, ca_paging or eager.
template <class Inner>
class buddy_world {
  public:
    using policy_type = watched_policy<Inner>;
    static constexpr std::uint64_t most_tables = 60;

    explicit buddy_world(std::uint64_t frames = 4096)
        : memory_({pfn{64}, {frames}}), words_(frames * words_per_frame), policy_(make()) {}

    [[nodiscard]] frame_run frames() const { return memory_.frames.managed(); }
    [[nodiscard]] flat_memory<pfn> tables() { return {frames(), words_}; }
    [[nodiscard]] policy_type& policy() { return policy_; }
    [[nodiscard]] buddy& zone() { return memory_.frames; }
    /// Takes the frames of every other block from somewhere on, and gives back those of the time before.
    void aim(std::uint64_t where) {
        for (const pfn held : pinned_) memory_.frames.free(held, base_order);
        pinned_.clear();
        for (std::uint64_t i = where % 64; i < where / 64 % 1024; i += 2) {
            const pfn one = frames().first + page_count{i * 7 % frames().count.raw};
            if (memory_.frames.allocate_at(one, base_order) == status::ok) pinned_.push_back(one);
        }
    }

    [[nodiscard]] std::uint64_t frames_given() const {
        const std::uint64_t used = (frames().count - memory_.frames.free_frames()).raw - pinned_.size();
        if constexpr (std::is_same_v<Inner, eager<vpn, pfn>>) return used - policy_.inner().held().raw;
        return used;
    }

  private:
    policy_type make() {
        if constexpr (std::is_same_v<Inner, thp<vpn, pfn>>) {
            return policy_type(most_tables, memory_.frames);
        } else if constexpr (std::is_same_v<Inner, eager<vpn, pfn>>) {
            return policy_type(most_tables, memory_.frames, memory_.piece_bytes);
        } else {
            return policy_type(most_tables, memory_.frames, memory_.clusters, memory_.piece_bytes);
        }
    }

    buddy_memory memory_;
    std::vector<std::uint64_t> words_;
    policy_type policy_;
    std::vector<pfn> pinned_;
};

using thp_world = buddy_world<thp<vpn, pfn>>;
using ca_world = buddy_world<ca_paging<vpn, pfn>>;
using eager_world = buddy_world<eager<vpn, pfn>>;

}  // namespace longreach::model

#endif
