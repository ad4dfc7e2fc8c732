// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_PAGE_CACHE_HPP
#define LONGREACH_WORKLOADS_ARTIFACT_ARTIFACT_PAGE_CACHE_HPP

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "artifact_policy.hpp"

// Frames for files that a process with CA paging reads ahead, as the original finds them: one offset per file, and at
// each 2 MiB of a file a superpage of which only the first frame is used at once; the others are reserved until the
// file's next pages want them. Not thread-safe.
// Source: the kernel released with CA paging (ISCA 2020, Linux 4.19.60), mm/readahead.c, mm/mempolicy.c.

LONGREACH_NAMESPACE_BEGIN

class artifact_page_cache {
  public:
    explicit artifact_page_cache(artifact_policy& policy) : policy_(&policy) {}

    /// A frame for page `index` of a file of `file_pages` whole pages; nothing where no memory is left. Where that
    /// happens to a superpage, the original stops.
    std::optional<pfn> allocate_file_page(std::uint32_t file, std::uint64_t index, page_count file_pages) {
        const bool large = file_pages >= superpage_order.pages() && is_aligned(pfn{index}, superpage_order);
        const order size = large ? superpage_order : base_order;
        state& known = files_[file];
        const pfn target{index - known.offset};
        std::optional<pfn> got = take_reserved(target);
        if (!got) {
            got = allocate(size, target, page_count{file_pages.raw > index ? file_pages.raw - index : 0});
            if (!got) {
                crashes_ += large;
                return std::nullopt;
            }
            if (large) reserve_behind(*got, known);
        }
        const bool moves = large || policy_->rules().has(artifact_rule::any_page_moves_file);
        if (*got != target && moves) known.offset = index - got->raw;
        return got;
    }

    /// The file is gone; its used frames were given back to the policy before.
    void drop(std::uint32_t file) {
        const auto found = files_.find(file);
        if (found == files_.end()) return;
        if (!policy_->rules().has(artifact_rule::reserved_frames_leak)) {
            for (const pfn block : found->second.blocks) {
                for (artifact_zone& zone : policy_->zones()) {
                    if (zone.contains(block)) zone.release_reserved({block, superpage_order.pages()});
                }
            }
        }
        found->second.blocks.clear();
        if (!policy_->rules().has(artifact_rule::recycled_files_keep_offset)) files_.erase(found);
    }

    /// Index - frame of the file's pages, as far as is remembered; 0 for none.
    [[nodiscard]] std::uint64_t offset(std::uint32_t file) const {
        const auto found = files_.find(file);
        return found == files_.end() ? 0 : found->second.offset;
    }
    [[nodiscard]] std::uint64_t crashes() const noexcept { return crashes_; }

  private:
    struct state {
        std::uint64_t offset = 0;
        std::vector<pfn> blocks;
    };

    /// One frame of those that are reserved; every attempt is counted, for base pages.
    std::optional<pfn> take_reserved(pfn target) {
        artifact_counters& counters = policy_->kernel_counters();
        artifact_taking taking{false, {}, artifact_failure::occupied};
        for (artifact_zone& zone : policy_->zones()) {
            if (zone.contains(target)) taking = zone.take_reserved(target);
        }
        if (!taking.taken) {
            counters.failed(base_order, policy_->is_valid(target) ? taking.why : artifact_failure::invalid_pfn);
            return std::nullopt;
        }
        counters.succeeded(base_order, taking.how);
        return target;
    }

    std::optional<pfn> allocate(order size, pfn target, page_count wanted) {
        artifact_decision made;
        made.wanted = wanted;
        if (target.raw != 0) made.target = target;
        policy_->serve(size, page_count{0}, made);
        return made.got;
    }

    void reserve_behind(pfn block, state& file) {
        for (artifact_zone& zone : policy_->zones()) {
            if (zone.contains(block)) zone.reserve_tail(block, superpage_order);
        }
        file.blocks.push_back(block);
    }

    artifact_policy* policy_;
    std::map<std::uint32_t, state> files_;
    std::uint64_t crashes_ = 0;
};

LONGREACH_NAMESPACE_END

#endif
