// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_CA_PLACEMENT_WATCH_HPP
#define LONGREACH_TESTS_MODEL_CA_PLACEMENT_WATCH_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "placement_trial.hpp"

// What ca_paging promises in a placement_trial: a refusal means that no such block is left, a page whose piece names
// free frames gets those and no others, and the piece that was used least recently lends.

namespace longreach::model {

class ca_placement_watch {
  public:
    using policy_type = ca_paging<vpn, pfn>;

    ca_placement_watch(buddy& frames, const frame_account& account, const placement_setting& setting)
        : frames_(frames),
          account_(account),
          map_memory_(contiguity_map::required_bytes(setting.managed.count)),
          piece_memory_(policy_type::required_bytes(setting.pieces)),
          clusters_(frames, map_memory_),
          policy_(frames, clusters_, piece_memory_) {}

    [[nodiscard]] policy_type& policy() { return policy_; }
    [[nodiscard]] const policy_type& policy() const { return policy_; }

    /// A piece of the page whose frames are free and lie as the leaf needs must be obeyed.
    void before(const placement_request<vpn>& request, const trial_leaves&) {
        bound_.reset();
        counted_ = policy_.counters();
        const run<vpn> block{request.page, request.size.pages()};
        const std::size_t i = policy_.pieces().position(request.space, request.page);
        if (!policy_.pieces().holds(i, request.space, request.page)) return;
        if (!policy_.pieces()[i].where.pages.contains(block)) return;
        const pfn target = policy_.pieces()[i].target(request.page);
        if (is_aligned(target, request.size) && account_.is_free({target, request.size.pages()})) bound_ = target;
    }
    [[nodiscard]] std::string refused(const placement_request<vpn>& request) const {
        return account_.has_free_block(request.size) ? "a fault was refused although a block is free" : "";
    }
    [[nodiscard]] std::string served(const placement_request<vpn>& request, pfn got) const {
        if (bound_ && *bound_ != got) return ", its piece says " + std::to_string(bound_->raw);
        const auto& pieces = policy_.pieces();
        const std::size_t i = pieces.position(request.space, request.page);
        const bool placed = pieces.holds(i, request.space, request.page) && pieces[i].target(request.page) == got;
        if (!placed && policy_.counters().ordinary == counted_.ordinary) return ", which no piece names";
        return {};
    }
    void released(std::uint32_t, run<vpn>) {}
    void moved(std::uint32_t, run<vpn>, vpn) {}

    /// Who must lend a frame now: when the piece among those with a free frame gave its last block that gave none for
    /// the longest time. Nothing where a frame is left that nobody was promised.
    void before_table() {
        lender_.reset();
        if (frames_.unreserved_frames().raw != 0) return;
        for (std::size_t i = 0; i < policy_.pieces().size(); ++i) {
            const auto& p = policy_.pieces()[i];
            if (frames_.count_free_in(p.where.frames()).raw == 0) continue;
            if (!lender_ || p.used < *lender_) lender_ = p.used;
        }
    }
    [[nodiscard]] std::string table(const std::optional<pfn>& got) const {
        if (!got) return account_.has_free_block(base_order) ? "a table was refused although a frame is free" : "";
        if (!lender_) return {};
        for (std::size_t i = 0; i < policy_.pieces().size(); ++i) {
            const auto& p = policy_.pieces()[i];
            if (p.where.frames().contains(*got) && p.used == *lender_) return {};
        }
        return "a table was lent by a piece that gave a block later";
    }

    /// The frame whose loss a page would notice.
    [[nodiscard]] std::optional<pfn> aim(std::uint32_t space, vpn page) const {
        const auto& pieces = policy_.pieces();
        const std::size_t i = pieces.position(space, page);
        if (!pieces.holds(i, space, page)) return std::nullopt;
        return pieces[i].target(page);
    }
    [[nodiscard]] static page_count held() { return {}; }
    [[nodiscard]] static std::set<std::uint64_t> held_frames() { return {}; }
    [[nodiscard]] static std::string difference() { return {}; }

  private:
    buddy& frames_;
    const frame_account& account_;
    std::vector<std::byte> map_memory_;
    std::vector<std::byte> piece_memory_;
    contiguity_map clusters_;
    policy_type policy_;
    std::optional<pfn> bound_;
    placement_counters counted_;
    std::optional<std::uint64_t> lender_;
};

}  // namespace longreach::model

#endif
