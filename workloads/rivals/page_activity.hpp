// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RIVALS_PAGE_ACTIVITY_HPP
#define LONGREACH_WORKLOADS_RIVALS_PAGE_ACTIVITY_HPP

#include <functional>
#include <utility>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"

// What a daemon may learn of a program beside its address space: what accessed bits and page contents would show it.
//
// The driver of a simulation supplies it: it knows the accesses of the stream. One thread.

LONGREACH_NAMESPACE_BEGIN

template <class Page>
class basic_page_activity {
  public:
    /// `coverage(first)`: base pages, 0 to 512, of the aligned 2 MiB at `first` that one sample finds accessed.
    /// `touched(page)`: whether the program ever accessed the page; asked of resident ones.
    basic_page_activity(std::function<unsigned(Page)> coverage, std::function<bool(Page)> touched)
        : coverage_(std::move(coverage)), touched_(std::move(touched)) {}

    [[nodiscard]] unsigned coverage(Page first) const { return coverage_(first); }
    /// A resident page that was never touched holds zeros.
    [[nodiscard]] bool was_touched(Page page) const { return touched_(page); }

    /// Of a program that goes on accessing all that is resident in `space`, which outlives the answer. No page holds
    /// zeros.
    template <class Space>
    [[nodiscard]] static basic_page_activity of_resident(const Space& space) {
        const auto count = [&space](Page first) {
            unsigned resident = 0;
            space.for_each_leaf({first, superpage_order.pages()},
                                [&](const auto& leaf) { resident += static_cast<unsigned>(leaf.size.pages().raw); });
            return resident;
        };
        return {count, [](Page) { return true; }};
    }

  private:
    std::function<unsigned(Page)> coverage_;
    std::function<bool(Page)> touched_;
};

using page_activity = basic_page_activity<vpn>;

LONGREACH_NAMESPACE_END

#endif
