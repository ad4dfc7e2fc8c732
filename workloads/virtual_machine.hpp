// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_VIRTUAL_MACHINE_HPP
#define LONGREACH_WORKLOADS_VIRTUAL_MACHINE_HPP

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "../allocator/config.hpp"
#include "../allocator/placement.hpp"
#include "../spot/nested_walker.hpp"
#include "apply_event.hpp"
#include "frame_map.hpp"
#include "machine.hpp"
#include "simulated_space.hpp"
#include "zone.hpp"

// A machine whose memory is one area of a host's address space: both place frames, with the same policy.
//
// The guest's frames are the host's pages, counted from the start of that area, which lies at a 1 GiB boundary; so
// alignment is the same in both. The host maps a guest frame when the guest first touches it, which is when the
// guest's policy hands it out, for data and for tables; pinned guest frames are never touched. What the guest frees
// stays mapped in the host.

LONGREACH_NAMESPACE_BEGIN

/// The host of one virtual machine.
template <class Kind>
class simulated_host {
  public:
    using policy_kind = typename Kind::template over<gfn, pfn>;
    using memory_type = simulated_space<gfn, pfn, typename policy_kind::policy_type>;

    /// Twice the guest's memory, pinned in the same share.
    explicit simulated_host(const machine_options& options)
        : zone_(page_count{2 * options.memory.raw}),
          policy_(zone_),
          memory_(policy_.policy(), zone_.frames().managed(), 4, 4) {
        zone_.pin(options.hog_percent, 2 * options.seed + 1);
        const status mapped = memory_.space().map({gfn{0}, options.memory}, user_permissions(true, true, true),
                                                  backing::anonymous(), area_flags{});
        LONGREACH_CHECK(mapped == status::ok, "simulated_host.map");
    }

    /// The guest touches its frames: those without a frame of the host get one.
    status touch(run<gfn> frames) {
        for (gfn g = frames.first; g < frames.end();) {
            auto mapped = memory_.space().translate(g);
            if (!mapped) {
                if (const status outcome = memory_.space().fault(g, access_kind::store).outcome;
                    outcome != status::ok) {
                    exhausted_ = true;
                    return outcome;
                }
                mapped = memory_.space().translate(g);
            }
            g = align_down(g, mapped->size) + mapped->size.pages();
        }
        return status::ok;
    }

    [[nodiscard]] const typename memory_type::space_type& space() const noexcept { return memory_.space(); }
    [[nodiscard]] std::vector<std::uint64_t> free_runs() { return zone_.free_runs(); }
    [[nodiscard]] frame_map frames_under(const frame_map& guest) {
        return map_host_frames(guest, memory_.space(), zone_);
    }
    [[nodiscard]] machine_counters counters() {
        return detail::counters_of(memory_.space(), policy_.policy().counters());
    }
    /// Whether a touch ever found no frame.
    [[nodiscard]] bool exhausted() const noexcept { return exhausted_; }
    violation audit() {
        if (const violation broken = memory_.space().audit()) return broken;
        return policy_.policy().audit();
    }

  private:
    simulated_zone<pfn> zone_;
    policy_kind policy_;
    memory_type memory_;
    bool exhausted_ = false;
};

/// A guest's policy whose frames the host backs before the guest gets them; a frame that the host cannot back is not
/// handed out.
template <class Policy, class Host>
class backed_policy {
  public:
    using page = typename Policy::page;
    using frame = typename Policy::frame;

    backed_policy(Policy& policy, Host& host) noexcept : policy_(policy), host_(host) {}

    template <class Mapped>
    [[nodiscard]] std::optional<frame> allocate(const placement_request<page>& request, const Mapped& mapped) {
        const std::optional<frame> block = policy_.allocate(request, mapped);
        if (!block || host_.touch({*block, request.size.pages()}) == status::ok) return block;
        policy_.free(request.space, request.page, *block, request.size);
        return {};
    }
    void free(std::uint32_t space, page first, frame block, order size) { policy_.free(space, first, block, size); }
    [[nodiscard]] std::optional<frame> allocate_table() {
        const std::optional<frame> table = policy_.allocate_table();
        if (!table || host_.touch({*table, page_count{1}}) == status::ok) return table;
        policy_.free_table(*table);
        return {};
    }
    void free_table(frame table) { policy_.free_table(table); }
    void release(std::uint32_t space, run<page> pages) { policy_.release(space, pages); }
    void move(std::uint32_t space, run<page> pages, page to) { policy_.move(space, pages, to); }
    void fork(std::uint32_t parent, std::uint32_t child) { policy_.fork(parent, child); }
    [[nodiscard]] placement_counters counters() const { return policy_.counters(); }
    violation audit() const { return policy_.audit(); }

  private:
    Policy& policy_;
    Host& host_;
};

template <class Kind>
class virtual_machine {
  public:
    explicit virtual_machine(const machine_options& options)
        : host_(options),
          zone_(options.memory),
          guest_policy_(zone_),
          policy_(guest_policy_.policy(), host_),
          memory_(policy_, zone_.frames().managed(), options.areas, options.stretches) {
        zone_.pin(options.hog_percent, 2 * options.seed);
    }

    [[nodiscard]] std::vector<std::uint64_t> free_runs() { return zone_.free_runs(); }
    [[nodiscard]] std::vector<std::uint64_t> host_free_runs() { return host_.free_runs(); }

    status apply(const vma_event& event) {
        return apply_event(memory_.space(), event, [this](page_run pages) { mmu_.invalidate(pages); });
    }

    status touch(vpn page, access_kind kind) { return detail::touch_page(memory_.space(), mmu_, page, kind); }

    void begin_translation() { mmu_.begin(memory_.space().tables(), host_.space().tables()); }
    status translate(std::uint64_t pc, vpn page, access_kind kind, bool through_tlbs) {
        return mmu_.translate(pc, page, kind, through_tlbs, [&](const auto& answer) {
            const bool of_host = answer.end == walk_end::host_not_mapped;
            return of_host ? host_.touch({answer.host_page, page_count{1}}) : touch(page, kind);
        });
    }

    [[nodiscard]] std::uint64_t resident_pages() const { return memory_.space().resident_pages().raw; }
    [[nodiscard]] census count() const {
        run_counter counter;
        for (const auto& entry : memory_.space().entries()) {
            counter.next_entry();
            memory_.space().for_each_mapping(entry.pages, [&](const mapping<vpn, gfn>& part) {
                const auto page_of = [&](gfn g) { return part.pages.first + (g - part.frame); };
                host_.space().for_each_mapping(part.frames(), [&](const mapping<gfn, pfn>& below) {
                    counter.add(page_of(below.pages.first).raw, below.frame.raw, below.pages.count.raw);
                });
            });
        }
        return take_census(std::move(counter.runs), std::move(counter.stretches),
                           memory_.space().resident_superpages());
    }

    [[nodiscard]] std::vector<frame_map> frame_maps() {
        std::vector<frame_map> maps{map_frames(memory_.space(), zone_)};
        maps.push_back(host_.frames_under(maps.front()));
        return maps;
    }

    [[nodiscard]] machine_counters counters() { return detail::counters_of(memory_.space(), policy_.counters()); }
    [[nodiscard]] machine_counters host_counters() { return host_.counters(); }
    [[nodiscard]] mmu_counters translation() const { return mmu_.counters(); }
    [[nodiscard]] bool host_exhausted() const noexcept { return host_.exhausted(); }

    violation audit() {
        if (const violation broken = memory_.space().audit()) return broken;
        if (const violation broken = policy_.audit()) return broken;
        if (const violation broken = host_.audit()) return broken;
        return mmu_.audit();
    }

  private:
    using host_type = simulated_host<Kind>;
    using policy_kind = typename Kind::template over<vpn, gfn>;
    using policy_type = backed_policy<typename policy_kind::policy_type, host_type>;
    using memory_type = simulated_space<vpn, gfn, policy_type>;
    using walker_type = nested_walker<typename memory_type::table_type, typename host_type::memory_type::table_type,
                                      default_walk_caches>;

    host_type host_;
    simulated_zone<gfn> zone_;
    policy_kind guest_policy_;
    policy_type policy_;
    memory_type memory_;
    detail::translator<walker_type> mmu_;
};

static_assert(simulated_machine<virtual_machine<thp_kind>>);

LONGREACH_NAMESPACE_END

#endif
