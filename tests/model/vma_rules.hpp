// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_VMA_RULES_HPP
#define LONGREACH_TESTS_MODEL_VMA_RULES_HPP

#include <longreach/workloads/artifact/artifact_policy.hpp>

#include <cstdint>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/allocator/thp.hpp>
#include <longreach/workloads/random.hpp>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "frame_account.hpp"
#include "space_worlds.hpp"

// Memories with their rules for a vma_trial: what is free, who decides, and what must hold for each decision.

namespace longreach::model {

/// ca_paging or thp over a buddy.
template <class Policy>
class buddy_rules {
  public:
    static constexpr bool places = std::is_same_v<Policy, ca_paging<vpn, pfn>>;
    static constexpr bool serves_while_it_can = true;

    buddy_rules(frame_run managed, random_numbers&) : memory_(managed), policy_(make()) {}

    /// Everything but the holes, which are in order, becomes free.
    void start(std::span<const frame_run> holes) {
        std::size_t culprit = 0;
        const status taken = memory_.frames.allocate_runs_at(holes, culprit);
        LONGREACH_CHECK(taken == status::ok, "buddy_rules.holes");
    }

    [[nodiscard]] Policy& policy() { return policy_; }
    [[nodiscard]] const Policy& policy() const { return policy_; }
    [[nodiscard]] placement_counters counters() const { return policy_.counters(); }
    /// As a neighbour without a policy asks: what is promised is lent last.
    [[nodiscard]] std::optional<pfn> allocate_ordinary(order size) {
        if constexpr (places) {
            return policy_.allocate_anywhere(size);
        } else {
            return memory_.frames.allocate(size);
        }
    }
    void free_ordinary(pfn block, order size) { memory_.frames.free(block, size); }
    [[nodiscard]] page_count free_frames() const { return memory_.frames.free_frames(); }
    [[nodiscard]] bool is_free(pfn frame) const { return memory_.frames.is_free(frame, base_order); }

    template <class Mapped>
    [[nodiscard]] std::optional<pfn> allocate(const placement_request<vpn>& request, const Mapped& mapped,
                                              frame_account&) {
        ordinary_before_ = policy_.counters().ordinary;
        return policy_.allocate(request, mapped);
    }
    /// The frames that the policy must give: those that a piece names, if they are free and lie as the leaf needs.
    [[nodiscard]] std::optional<pfn> bound(const placement_request<vpn>& request, const frame_account& account) const {
        if constexpr (places) {
            const auto& pieces = policy_.pieces();
            const std::size_t i = pieces.position(request.space, request.page);
            if (!pieces.holds(i, request.space, request.page)) return {};
            if (!pieces[i].where.pages.contains(run<vpn>{request.page, request.size.pages()})) return {};
            const pfn target = pieces[i].target(request.page);
            if (is_aligned(target, request.size) && account.is_free({target, request.size.pages()})) return target;
        }
        return {};
    }
    /// Whether a piece names what was given, or the policy says that it took what there was.
    [[nodiscard]] bool follows(const placement_request<vpn>& request, pfn got) const {
        if constexpr (places) {
            if (policy_.counters().ordinary != ordinary_before_) return true;
            const auto& pieces = policy_.pieces();
            const std::size_t i = pieces.position(request.space, request.page);
            return pieces.holds(i, request.space, request.page) && pieces[i].target(request.page) == got;
        }
        return true;
    }

    [[nodiscard]] static bool hangs(std::uint32_t) { return false; }
    [[nodiscard]] violation audit() const { return policy_.audit(); }
    /// When nobody has a page any more: nothing is promised, no piece is left.
    [[nodiscard]] violation audit_empty() const {
        if (memory_.frames.unreserved_frames() != memory_.frames.free_frames()) return {"vma.I22", 0};
        if constexpr (places) {
            if (policy_.pieces().size() != 0) return {"vma.I22", policy_.pieces()[0].where.pages.first.raw};
        }
        return {};
    }

  private:
    Policy make() {
        if constexpr (places) {
            return Policy(memory_.frames, memory_.clusters, memory_.piece_bytes);
        } else {
            return Policy(memory_.frames);
        }
    }

    buddy_memory memory_;
    Policy policy_;
    std::uint64_t ordinary_before_ = 0;
};

using sound_rules = buddy_rules<ca_paging<vpn, pfn>>;
using thp_rules = buddy_rules<thp<vpn, pfn>>;

/// The original, whole or with rules of its own switched off.
class original_rules {
  public:
    static constexpr bool serves_while_it_can = false;  // it spares 4 MiB blocks, keeps per-CPU frames, and hangs

    original_rules(frame_run managed, random_numbers& random)
        : rules_(some_rules(random)),
          zones_{artifact_zone(managed, options(rules_, random))},
          policy_(zones_, rules_) {}

    /// Everything but the holes, which are in order, becomes free.
    void start(std::span<const frame_run> holes) {
        pfn next = zone().span().first;
        for (const frame_run hole : holes) {
            zone().add_hole(hole);
            zone().donate(run_between(next, hole.first));
            next = hole.end();
        }
        zone().donate(run_between(next, zone().span().end()));
        zone().finish_boot();
    }

    [[nodiscard]] artifact_policy& policy() { return policy_; }
    [[nodiscard]] placement_counters counters() const { return policy_.counters(); }
    [[nodiscard]] std::optional<pfn> allocate_ordinary(order size) {
        if (size > top_order) return std::nullopt;
        return policy_.allocate_ordinary(size, migrate_type::movable);
    }
    void free_ordinary(pfn block, order size) { zone().free(block, size); }
    /// In the buddy, on per-CPU lists and reserved. O(frames).
    [[nodiscard]] page_count free_frames() const {
        const frame_run span = zones_.front().span();
        page_count sum{0};
        for (pfn f = span.first; f < span.end(); f += page_count{1}) sum += page_count{is_free(f) ? 1U : 0U};
        return sum;
    }
    [[nodiscard]] bool is_free(pfn frame) const { return zones_.front().is_free(frame); }

    template <class Mapped>
    [[nodiscard]] std::optional<pfn> allocate(const placement_request<vpn>& request, const Mapped&,
                                              frame_account& account) {
        const std::uint64_t blocks = zone().map().blocks(migrate_type::movable);
        const artifact_decision made = policy_.decide(request);
        if (made.success && made.got != align_up(*made.target, request.size)) account.note("vma.I11", made.got->raw);
        if (made.success && request.size == base_order && rules_.has(artifact_rule::small_pages_spare_blocks) &&
            zone().map().blocks(migrate_type::movable) != blocks) {
            account.note("vma.I13", made.got->raw);
        }
        return made.got;
    }
    [[nodiscard]] static std::optional<pfn> bound(const placement_request<vpn>&, const frame_account&) { return {}; }
    [[nodiscard]] static bool follows(const placement_request<vpn>&, pfn) { return true; }

    /// Whether the space asks forever for 2 MiB that do not exist.
    [[nodiscard]] bool hangs(std::uint32_t space) const { return policy_.is_hung(space); }
    [[nodiscard]] violation audit() const { return policy_.audit(); }
    [[nodiscard]] static violation audit_empty() { return {}; }

  private:
    /// All of them, all but the one that makes processes hang, or all but that and some more.
    static artifact_rules some_rules(random_numbers& random) {
        artifact_rules rules = artifact_rules::all();
        if (random.chance(1, 3)) return rules;
        rules = rules.without(artifact_rule::retries_forever);
        for (std::uint64_t i = random.below(2) * random.below(6); i != 0; --i) {
            const auto known = static_cast<std::uint64_t>(artifact_rule::count);
            rules = rules.without(static_cast<artifact_rule>(random.below(known)));
        }
        return rules;
    }
    static artifact_zone_options options(artifact_rules rules, random_numbers& random) {
        artifact_zone_options made;
        made.rules = rules;
        made.cpus = static_cast<unsigned>(1 + random.below(4));
        made.batch = static_cast<unsigned>(1 + random.below(63));
        made.high = 6 * made.batch;
        return made;
    }
    artifact_zone& zone() { return zones_.front(); }

    artifact_rules rules_;
    std::vector<artifact_zone> zones_;
    artifact_policy policy_;
};

}  // namespace longreach::model

#endif
