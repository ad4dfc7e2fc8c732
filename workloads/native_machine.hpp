// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_NATIVE_MACHINE_HPP
#define LONGREACH_WORKLOADS_NATIVE_MACHINE_HPP

#include <cstdint>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "../spot/native_walker.hpp"
#include "apply_event.hpp"
#include "frame_map.hpp"
#include "machine.hpp"
#include "simulated_space.hpp"
#include "zone.hpp"

// A machine with one memory and one table: what the program's operating system decides is all there is.

LONGREACH_NAMESPACE_BEGIN

template <class Kind>
class native_machine {
  public:
    explicit native_machine(const machine_options& options)
        : zone_(options.memory),
          policy_(zone_),
          memory_(policy_.policy(), zone_.frames().managed(), options.areas, options.stretches) {
        zone_.pin(options.hog_percent, 2 * options.seed);
    }

    [[nodiscard]] std::vector<std::uint64_t> free_runs() { return zone_.free_runs(); }
    [[nodiscard]] std::vector<std::uint64_t> host_free_runs() { return {}; }

    status apply(const vma_event& event) {
        return apply_event(memory_.space(), event, [this](page_run pages) { mmu_.invalidate(pages); });
    }

    status touch(vpn page, access_kind kind) { return detail::touch_page(memory_.space(), mmu_, page, kind); }

    void begin_translation() { mmu_.begin(memory_.space().tables()); }
    status translate(std::uint64_t pc, vpn page, access_kind kind, bool through_tlbs) {
        return mmu_.translate(pc, page, kind, through_tlbs, [&](const auto&) { return touch(page, kind); });
    }

    [[nodiscard]] std::uint64_t resident_pages() const { return memory_.space().resident_pages().raw; }
    [[nodiscard]] census count() const {
        run_counter counter;
        for (const auto& entry : memory_.space().entries()) {
            counter.next_entry();
            memory_.space().for_each_mapping(entry.pages, [&](const auto& part) {
                counter.add(part.pages.first.raw, part.frame.raw, part.pages.count.raw);
            });
        }
        return take_census(std::move(counter.runs), std::move(counter.stretches),
                           memory_.space().resident_superpages());
    }

    [[nodiscard]] std::vector<frame_map> frame_maps() { return {map_frames(memory_.space(), zone_)}; }

    [[nodiscard]] machine_counters counters() {
        return detail::counters_of(memory_.space(), policy_.policy().counters());
    }
    [[nodiscard]] machine_counters host_counters() const { return {}; }
    [[nodiscard]] mmu_counters translation() const { return mmu_.counters(); }
    [[nodiscard]] bool host_exhausted() const noexcept { return false; }

    violation audit() {
        if (const violation broken = memory_.space().audit()) return broken;
        if (const violation broken = policy_.policy().audit()) return broken;
        return mmu_.audit();
    }

  private:
    using policy_kind = typename Kind::template over<vpn, pfn>;
    using memory_type = simulated_space<vpn, pfn, typename policy_kind::policy_type>;

    simulated_zone<pfn> zone_;
    policy_kind policy_;
    memory_type memory_;
    detail::translator<native_walker<typename memory_type::table_type, default_walk_caches>> mmu_;
};

static_assert(simulated_machine<native_machine<thp_kind>>);

LONGREACH_NAMESPACE_END

#endif
