// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_VMA_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_VMA_TRIAL_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/vm/page_cache.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/zone.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "frame_account.hpp"
#include "owned_space.hpp"

// The life of several processes on one small memory, at random, and what must hold after every step of it. It knows no
// pages of its own: see address_space_trial.hpp for a model of each; here millions of steps are to be checked.
//
// Invariants, numbered as in the tests of the original kernel's model, and who checks which (B: buddy and its map, A:
// the original's zone and map, C: ca_paging, V: this trial, which says vma.I9 and so on):
// * I1 I2 I3 I29: clusters are what is free, maximal, sorted, disjoint, in the zone. B contiguity_map.I1 I2 and
//   cluster_bins.I1-I3 recount them from the frames' bits; A artifact_zone.I1, artifact_map.I2 I3.
// * I4 I5: every block knows its cluster, no record is lost. A artifact_zone.I4, artifact_map.I4; B has no records.
// * I6 I16: the rover is where it may be. A artifact_zone.I6; C has none.
// * I7 I8 I28: buddies are merged, lists and counters right. B buddy.I1-I7, block_layer; A artifact_zone.I7 I8 I28.
// * I9: every frame is in one state, and as many are free as the allocator says. V.
// * I10: what is left of a block that was cut. A artifact_zone.I7 (no two free buddies stay apart); B follows from
//   buddy.I2 I3, because blocks are derived from bits.
// * I11: what is given lies in the zone, aligned, and was free; what a piece names is what is given. V.
// * I12: no target that is free is refused (C), and no request while a block is free. V; the original does both.
// * I13: a 4 KiB target of the original takes nothing from free 4 MiB blocks. V.
// * I14 I15: a placement is as long as can be and takes nothing. Unit tests; there is nothing to see from outside.
// * I17 I18: A artifact_offsets.I17; C ca_paging.I1 to I3, pieces sorted and in the zone, none over-full.
// * I19: every page has the frame that its piece names, or was counted as an ordinary one (C). V.
// * I20: no frame is given twice, and each has as many holders as is counted. V, frame_references.I1 I2,
//   address_space.I4 I7 I8, page_cache.I4.
// * I21: every fault here is alone; tests/concurrent_space_test.cpp has faults at the same time.
// * I22: when all have left, what was free at first is free, and nothing is promised. V.
// * I23: counters only grow. V.
// * I24 I25: pages in runs are resident pages, shares are ordered. V, by a census.
// * I26: two dimensions. machine_property, which runs a guest on a host.
// * I27: pages of a file keep its offset. I19, because a file is a space to the policy.

namespace longreach::model {

/// Counts of what a trial did.
struct vma_counts {
    std::uint64_t operations = 0;
    std::uint64_t audits = 0;
    std::uint64_t faults = 0;
    std::uint64_t superpages = 0;
    std::uint64_t copies = 0;
    std::uint64_t forks = 0;
    std::uint64_t out_of_memory = 0;  ///< operations that found none left

    vma_counts& operator+=(const vma_counts& other) {
        operations += other.operations;
        audits += other.audits;
        faults += other.faults;
        superpages += other.superpages;
        copies += other.copies;
        forks += other.forks;
        out_of_memory += other.out_of_memory;
        return *this;
    }
};

template <class Rules>
class vma_trial {
  public:
    using policy_type = accounted_policy<Rules>;
    using space_type = address_space<x86_64<4>, vpn, pfn, flat_memory<pfn>, policy_type>;
    using object_type = typename space_type::object_type;
    using cache_type = typename space_type::cache_type;
    static constexpr std::size_t processes = 4;
    static constexpr std::size_t most_areas = 400;
    static constexpr std::size_t most_files = 3;
    static constexpr std::uint32_t file_numbers = 1'000'000;  ///< spaces of the policy from here on are files

    /// The same number gives the same trial.
    explicit vma_trial(std::uint64_t number)
        : random_(number),
          managed_(any_memory()),
          universe_(any_universe()),
          account_(managed_),
          rules_(managed_, random_),
          policy_(rules_, account_),
          words_(flat_memory<pfn>::required_bytes(managed_.count)),
          reference_memory_(frame_references<pfn>::required_bytes(managed_.count)),
          references_(managed_, reference_memory_),
          cache_words_(object_type::required_words(managed_.count, 2 * most_files + 2)),
          cache_(cache_options{.first_space = file_numbers}, policy_, references_, files_, cache_words_) {
        dig_holes();
        for (pfn f = managed_.first; f < managed_.end(); f += page_count{1})
            free_at_first_.push_back(rules_.is_free(f));
        for (std::size_t i = 0; i < processes; ++i) {
            members_.emplace_back(any_options(), flat_memory<pfn>(managed_, words_.words()), policy_, most_areas,
                                  object_type::required_words(universe_.count, 2),
                                  typename space_type::sharing{&references_, &cache_});
        }
        policy_.set_plain(members_.back().space.options().number);  // a neighbour without CA paging
    }
    vma_trial(const vma_trial&) = delete;
    vma_trial& operator=(const vma_trial&) = delete;

    /// Does one thing. What is wrong afterwards, as far as one sees without an audit.
    violation step();
    /// What is wrong with the memory, the files, who holds what, the spaces that the last step concerned, and one
    /// other, each in turn. O(frames + resident pages).
    [[nodiscard]] violation audit();
    /// Everybody leaves, and all must be as at the start.
    [[nodiscard]] violation finish();

    [[nodiscard]] const vma_counts& counts() const { return counts_; }
    [[nodiscard]] page_count frames() const { return managed_.count; }
    /// What the last step was.
    [[nodiscard]] const char* last() const { return last_; }

  private:
    using member = owned_space<space_type>;
    using block = std::pair<pfn, order>;

    // ---- what it is made of, and steps: vma_steps_impl.hpp
    frame_run any_memory();
    page_run any_universe();
    space_options any_options();
    void dig_holes();
    [[nodiscard]] page_run any_run();
    [[nodiscard]] const map_entry<vpn>* any_area(const space_type& space);
    [[nodiscard]] page_run part_of(page_run pages);
    [[nodiscard]] space_type& any_space();
    [[nodiscard]] permissions any_rights();

    void map(space_type& space);
    void grow(space_type& space);
    void shrink(space_type& space);
    void move(space_type& space);
    void alter(space_type& space);
    void touch(space_type& space, vpn page, access_kind kind);
    void burst(space_type& space);
    void fork(space_type& parent);
    void life(space_type& space);
    void use_file();
    void press();
    void told(status outcome);

    // ---- checks: vma_checks_impl.hpp
    [[nodiscard]] violation audit_holders();
    [[nodiscard]] violation audit_counters();
    [[nodiscard]] violation audit_census(const space_type& space) const;

    random_numbers random_;
    frame_run managed_;
    page_run universe_;
    frame_account account_;
    Rules rules_;
    policy_type policy_;
    lazy_memory words_;
    std::vector<std::byte> reference_memory_;
    frame_references<pfn> references_;
    std::array<cached_file, most_files> files_{};
    std::vector<std::uint64_t> cache_words_;
    cache_type cache_;
    std::deque<member> members_;
    std::array<bool, processes> concerned_{};  ///< by the last step
    std::uint32_t next_number_ = 1;
    std::vector<bool> free_at_first_;
    std::vector<block> pressure_;  ///< what a neighbour without pages holds
    placement_counters counted_{};
    vma_counts counts_{};
    const char* last_ = "start";
};

}  // namespace longreach::model

#include "vma_checks_impl.hpp"
#include "vma_steps_impl.hpp"

#endif
