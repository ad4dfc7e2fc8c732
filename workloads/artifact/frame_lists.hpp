// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_FRAME_LISTS_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_FRAME_LISTS_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../allocator/config.hpp"

// Doubly linked lists of frames that keep the order in which frames were put in. A frame is on one list at most; each
// list is a ring through an end node of its own. All operations O(1). Not thread-safe.

LONGREACH_NAMESPACE_BEGIN

class frame_lists {
  public:
    using node = std::uint32_t;  ///< a frame's index, or a list's end

    frame_lists(std::size_t frames, std::size_t lists) : frames_(static_cast<node>(frames)), links_(frames + lists) {
        for (node end = frames_; end < links_.size(); ++end) links_[end] = {end, end};
    }

    /// The end of a list: before its first frame and after its last.
    [[nodiscard]] node end(std::size_t list) const noexcept { return frames_ + static_cast<node>(list); }
    [[nodiscard]] bool is_end(node n) const noexcept { return n >= frames_; }
    [[nodiscard]] node next(node n) const noexcept { return links_[n].next; }
    [[nodiscard]] node previous(node n) const noexcept { return links_[n].previous; }
    [[nodiscard]] node first(std::size_t list) const noexcept { return next(end(list)); }
    [[nodiscard]] node last(std::size_t list) const noexcept { return previous(end(list)); }
    [[nodiscard]] bool empty(std::size_t list) const noexcept { return is_end(first(list)); }

    void insert_after(node where, node frame) noexcept {
        const node behind = next(where);
        links_[frame] = {behind, where};
        links_[where].next = frame;
        links_[behind].previous = frame;
    }
    void push_front(std::size_t list, node frame) noexcept { insert_after(end(list), frame); }
    void push_back(std::size_t list, node frame) noexcept { insert_after(last(list), frame); }
    /// Takes a frame out of whatever list it is on.
    void erase(node frame) noexcept {
        links_[links_[frame].previous].next = links_[frame].next;
        links_[links_[frame].next].previous = links_[frame].previous;
    }

  private:
    struct link {
        node next;
        node previous;
    };

    node frames_;
    std::vector<link> links_;
};

LONGREACH_NAMESPACE_END

#endif
