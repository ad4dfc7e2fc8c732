// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_MMU_MODEL_HPP
#define LONGREACH_TESTS_MODEL_MMU_MODEL_HPP

#include <cstdint>
#include <longreach/spot/mmu.hpp>
#include <longreach/spot/native_walker.hpp>
#include <longreach/spot/nested_walker.hpp>
#include <map>
#include <ostream>
#include <string>

#include "paging.hpp"

// What memory looks like to a program: a map from page to frame, natively or through a guest's frames.
// The MMU has no say in it: whatever it keeps and guesses, it must answer as these maps do.

namespace longreach::model {

struct page_entry {
    std::uint64_t frame;
    permissions allowed;
};
using page_map = std::map<std::uint64_t, page_entry>;

/// TLBs so small that a handful of pages makes every array overflow.
inline constexpr tlb_profile tiny_tlbs{{2, 2}, {1, 2}, {1, 1}, {4, 3}, {1, 2}};

/// One change of the tables, or one access.
struct mmu_step {
    enum class call : std::uint8_t {
        access,
        map,
        unmap,
        protect,
        host_map,
        host_unmap,
        host_protect,
        invalidate,
        flush
    };

    call what = call::access;
    std::uint64_t pc = 0;
    std::uint64_t page = 0;   ///< or guest frame, where the host's table changes
    std::uint64_t frame = 0;  ///< map
    std::uint64_t count = 0;  ///< pages to unmap, protect, invalidate
    order size = base_order;  ///< map
    bool writable = true;
    bool contiguous = true;
    bool past_tlbs = false;  ///< access: a recorded miss
    access_kind kind = access_kind::load;

    [[nodiscard]] permissions allowed() const { return {true, writable, false, true}; }
};

inline std::ostream& operator<<(std::ostream& out, const mmu_step& step) {
    constexpr const char* names[] = {"access",     "map",          "unmap",      "protect", "host_map",
                                     "host_unmap", "host_protect", "invalidate", "flush"};
    return out << names[static_cast<int>(step.what)] << "(page " << step.page << ", frame " << step.frame << ", count "
               << step.count << ", order " << step.size.raw << ", pc " << step.pc
               << (step.writable ? ", writable" : ", read-only") << (step.contiguous ? ", contiguous" : "")
               << (step.past_tlbs ? ", past the TLBs" : "")
               << (step.kind == access_kind::store ? ", store)" : ", load)");
}

/// Frames for the guest's tables, from guest frame 0 on; the host always maps them.
inline constexpr std::uint64_t guest_tables = 64;

/// The tables as maps, and how many accesses were translated.
struct mmu_model {
    bool is_virtual = false;
    page_map pages{};  ///< page to frame, or to guest frame
    page_map host{};   ///< guest frame to frame
    std::uint64_t translated = 0;

    struct expectation {
        walk_end end = walk_end::not_mapped;
        gfn host_page{};
        pfn frame{};
    };
    [[nodiscard]] expectation expected(std::uint64_t page, access_kind kind) const {
        const auto found = pages.find(page);
        if (found == pages.end()) {
            return {};
        }
        if (!found->second.allowed.allows(kind)) {
            return {walk_end::forbidden};
        }
        if (!is_virtual) {
            return {walk_end::ok, gfn{}, pfn{found->second.frame}};
        }
        const auto behind = host.find(found->second.frame);
        if (behind == host.end()) {
            return {walk_end::host_not_mapped, gfn{found->second.frame}};
        }
        if (!behind->second.allowed.allows(kind)) {
            return {walk_end::host_forbidden, gfn{found->second.frame}};
        }
        return {walk_end::ok, gfn{}, pfn{behind->second.frame}};
    }
};

/// The first page of the block that a step maps.
inline std::uint64_t block_of(std::uint64_t page, order size) { return page & ~(size.pages().raw - 1); }

/// Maps the step's block in the table if it is free in the map; says what is wrong with the table's answer.
template <class Page, class Frame, class Format>
[[nodiscard]] std::string map_block(paging<Page, Frame, Format>& tables, page_map& map, const mmu_step& step) {
    const std::uint64_t page = block_of(step.page, step.size);
    const std::uint64_t frame = block_of(step.frame, step.size);
    const auto next = map.lower_bound(page);
    const bool free = next == map.end() || next->first >= page + step.size.pages().raw;
    const status answer = tables.map(Page{page}, Frame{frame}, step.size, {step.allowed(), step.contiguous});
    if ((answer == status::ok) != free) return "map() disagrees about what is free";
    for (std::uint64_t i = 0; free && i < step.size.pages().raw; ++i) {
        map[page + i] = {frame + i, step.allowed()};
    }
    return {};
}

/// Unmaps the step's pages in the table and in the map.
template <class Page, class Frame, class Format>
[[nodiscard]] std::string unmap_pages(paging<Page, Frame, Format>& tables, page_map& map, const mmu_step& step) {
    map.erase(map.lower_bound(step.page), map.lower_bound(step.page + step.count));
    return tables.unmap({Page{step.page}, {step.count}}) == status::ok ? "" : "unmap() failed";
}

/// Protects the step's pages in the table and in the map.
template <class Page, class Frame, class Format>
[[nodiscard]] std::string protect_pages(paging<Page, Frame, Format>& tables, page_map& map, const mmu_step& step) {
    const auto end = map.lower_bound(step.page + step.count);
    for (auto it = map.lower_bound(step.page); it != end; ++it) it->second.allowed = step.allowed();
    return tables.protect({Page{step.page}, {step.count}}, step.allowed()) == status::ok ? "" : "protect() failed";
}

/// Changes the tables that programs' pages are looked up in, and tells the MMU which pages to forget; does nothing for
/// a change of the host's.
template <class Paging, class Mmu>
[[nodiscard]] std::string change_pages(Paging& tables, Mmu& mmu, page_map& map, const mmu_step& step) {
    std::string told;
    switch (step.what) {
        case mmu_step::call::map:
            return map_block(tables, map, step);
        case mmu_step::call::unmap:
            told = unmap_pages(tables, map, step);
            break;
        case mmu_step::call::protect:
            told = protect_pages(tables, map, step);
            break;
        case mmu_step::call::invalidate:
            break;
        case mmu_step::call::flush:
            mmu.flush();
            return {};
        default:
            return {};
    }
    mmu.invalidate({vpn{step.page}, {step.count}});
    return told;
}

/// Tables and an MMU with every cache on, natively.
class native_subject {
  public:
    using walker = native_walker<native_paging::table_type, default_walk_caches>;

    [[nodiscard]] std::string change(mmu_model& model, const mmu_step& step) {
        return change_pages(paging_, mmu_, model.pages, step);
    }
    auto& mmu_of() { return mmu_; }

  private:
    native_paging paging_{64};
    mmu<walker, tiny_tlbs> mmu_{walker(paging_.tables())};
};

/// A guest's tables in a host's, and an MMU with every cache on.
class virtual_subject {
  public:
    using walker = nested_walker<guest_paging::table_type, host_paging::table_type, default_walk_caches>;

    virtual_subject() { (void)host_.map_run({gfn{0}, {guest_tables}}, pfn{1 << 20}, base_order, open_leaf); }

    [[nodiscard]] std::string change(mmu_model& model, const mmu_step& step) {
        std::string told;
        switch (step.what) {
            case mmu_step::call::host_map:
                return map_block(host_, model.host, step);
            case mmu_step::call::host_unmap:
                told = unmap_pages(host_, model.host, step);
                break;
            case mmu_step::call::host_protect:
                told = protect_pages(host_, model.host, step);
                break;
            default:
                return change_pages(guest_, mmu_, model.pages, step);
        }
        mmu_.invalidate_all();
        return told.empty() ? told : "host: " + told;
    }
    auto& mmu_of() { return mmu_; }

  private:
    guest_paging guest_{guest_tables};
    host_paging host_{64};
    mmu<walker, tiny_tlbs> mmu_{walker(guest_.tables(), host_.tables())};
};

/// Takes the step with both and says where they differ; empty where they agree.
template <class Subject>
[[nodiscard]] std::string difference(Subject& subject, mmu_model& model, const mmu_step& step) {
    if (step.what != mmu_step::call::access) return subject.change(model, step);

    auto& mmu = subject.mmu_of();
    const mmu_model::expectation expected = model.expected(step.page, step.kind);
    model.translated += expected.end == walk_end::ok ? 1 : 0;
    const mmu_counters before = mmu.counters();
    const auto answer = step.past_tlbs ? mmu.miss(step.pc, vpn{step.page}, step.kind)
                                       : mmu.translate(step.pc, vpn{step.page}, step.kind);
    if (answer.end != expected.end) return "the access ends differently";
    if (answer.host_page != expected.host_page) return "another guest frame is missing";
    if (answer.end == walk_end::ok && answer.frame != expected.frame) return "a wrong frame was handed out";
    const mmu_counters& after = mmu.counters();
    if (answer.end == walk_end::ok) {
        const std::uint64_t missed = step.past_tlbs || answer.event == mmu_event::walked ? 1 : 0;
        if (after.l2_misses != before.l2_misses + missed) return "the L2 misses are miscounted";
    } else {
        mmu_counters untouched = before;
        ++untouched.faults;
        if (after != untouched) return "a fault changed more than the count of faults";
    }
    if (after.accesses != model.translated) return "the accesses are miscounted";
    if (const violation broken = mmu.audit()) return broken.label;
    return {};
}

}  // namespace longreach::model

#endif
