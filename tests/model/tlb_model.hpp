// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_TLB_MODEL_HPP
#define LONGREACH_TESTS_MODEL_TLB_MODEL_HPP

#include <cstddef>
#include <cstdint>
#include <list>
#include <longreach/spot/tlb.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

// A set-associative TLB as a textbook draws it: per set a list of leaves, newest first.
// And one step of using a TLB, which the property draws at random and the fuzzer decodes from its input.

namespace longreach::model {

template <class Page, class Frame>
class tlb_model {
  public:
    using leaf_type = leaf<Page, Frame>;

    explicit tlb_model(tlb_geometry geometry) : ways_(geometry.ways), sets_(geometry.sets) {}

    std::optional<leaf_type> lookup(Page page, order size, access_kind kind) {
        if (sets_.empty()) return std::nullopt;
        std::list<leaf_type>& set = set_of(page, size);
        for (auto it = set.begin(); it != set.end(); ++it) {
            if (it->size != size || !it->pages().contains(page) || !it->attributes.allowed.allows(kind)) continue;
            set.splice(set.begin(), set, it);
            return set.front();
        }
        return std::nullopt;
    }

    std::optional<leaf_type> peek(Page page, order size) const {
        for (const std::list<leaf_type>& set : sets_) {
            for (const leaf_type& entry : set) {
                if (entry.size == size && entry.pages().contains(page)) return entry;
            }
        }
        return std::nullopt;
    }

    void fill(const leaf_type& entry) {
        if (sets_.empty()) return;
        std::list<leaf_type>& set = set_of(entry.page, entry.size);
        set.remove_if([&](const leaf_type& old) { return old.page == entry.page && old.size == entry.size; });
        if (set.size() == ways_) set.pop_back();
        set.push_front(entry);
    }

    unsigned invalidate(run<Page> pages) {
        unsigned dropped = 0;
        for (std::list<leaf_type>& set : sets_) {
            dropped += static_cast<unsigned>(
                set.remove_if([&](const leaf_type& entry) { return entry.pages().overlaps(pages); }));
        }
        return dropped;
    }

    void flush() {
        for (std::list<leaf_type>& set : sets_) set.clear();
    }

    unsigned entries() const {
        std::size_t sum = 0;
        for (const std::list<leaf_type>& set : sets_) sum += set.size();
        return static_cast<unsigned>(sum);
    }

  private:
    std::list<leaf_type>& set_of(Page page, order size) { return sets_[(page.raw >> size.raw) % sets_.size()]; }

    std::size_t ways_;
    std::vector<std::list<leaf_type>> sets_;
};

/// One call of a TLB.
struct tlb_step {
    enum class call : std::uint8_t { lookup, peek, fill, invalidate, flush };

    call what = call::lookup;
    std::uint64_t page = 0;
    std::uint64_t frame = 0;  ///< fill
    std::uint64_t count = 0;  ///< invalidate: pages
    order size = base_order;
    bool writable = true;                  ///< fill
    access_kind kind = access_kind::load;  ///< lookup

    [[nodiscard]] leaf<vpn, pfn> entry() const {
        return {
            align_down(vpn{page}, size), align_down(pfn{frame}, size), size, {{true, writable, false, true}, writable}};
    }
};

inline std::ostream& operator<<(std::ostream& out, const tlb_step& step) {
    constexpr const char* names[] = {"lookup", "peek", "fill", "invalidate", "flush"};
    return out << names[static_cast<int>(step.what)] << "(page " << step.page << ", frame " << step.frame << ", count "
               << step.count << ", order " << step.size.raw << (step.writable ? ", writable" : ", read-only")
               << (step.kind == access_kind::store ? ", store)" : ", load)");
}

/// Takes the step with both and says where they differ; empty where they agree.
template <class Tlb>
[[nodiscard]] std::string difference(Tlb& tlb, tlb_model<vpn, pfn>& model, const tlb_step& step) {
    bool same = true;
    switch (step.what) {
        case tlb_step::call::lookup:
            same =
                tlb.lookup(vpn{step.page}, step.size, step.kind) == model.lookup(vpn{step.page}, step.size, step.kind);
            break;
        case tlb_step::call::peek:
            same = tlb.peek(vpn{step.page}, step.size) == model.peek(vpn{step.page}, step.size);
            break;
        case tlb_step::call::fill:
            tlb.fill(step.entry());
            model.fill(step.entry());
            break;
        case tlb_step::call::invalidate: {
            const run<vpn> pages{vpn{step.page}, {step.count}};
            same = tlb.invalidate(pages) == model.invalidate(pages);
            break;
        }
        case tlb_step::call::flush:
            tlb.flush();
            model.flush();
            break;
    }
    if (!same) return "the answer differs from the model's";
    if (tlb.entries() != model.entries()) return "the number of entries differs from the model's";
    if (const violation broken = tlb.audit()) return broken.label;
    return {};
}

}  // namespace longreach::model

#endif
