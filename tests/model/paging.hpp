// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_PAGING_HPP
#define LONGREACH_TESTS_MODEL_PAGING_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/pagetable/table.hpp>
#include <longreach/pagetable/table_pool.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <vector>

// Tables with memory of their own, for whoever needs something to walk.

namespace longreach::model {

/// One table and the pool that its own frames, numbered from 0, come from.
template <class Page, class Frame, class Format = x86_64<4>>
class paging {
  public:
    using table_type = table<Format, Page, Frame, flat_memory<Frame>>;

    explicit paging(std::size_t tables)
        : words_(table_pool<Frame>::required_words(page_count{tables})), pool_(words_), table_(pool_.memory()) {}
    paging(const paging&) = delete;
    paging& operator=(const paging&) = delete;

    status map(Page page, Frame frame, order size, const leaf_attributes& attributes) {
        return table_.map(page, frame, size, attributes, pool_);
    }
    /// Maps everything from `pages.first` on to the frames from `frame` on, by leaves of one size.
    status map_run(run<Page> pages, Frame frame, order size, const leaf_attributes& attributes) {
        return table_.map_run(mapping<Page, Frame>{pages, frame}, size, attributes, pool_);
    }
    status unmap(run<Page> pages) {
        return table_.unmap(pages, pool_, [](const leaf<Page, Frame>&) {});
    }
    status protect(run<Page> pages, permissions allowed) { return table_.protect(pages, allowed, pool_); }

    const table_type& tables() const { return table_; }
    table_type& tables() { return table_; }

  private:
    std::vector<std::uint64_t> words_;
    table_pool<Frame> pool_;
    table_type table_;
};

using native_paging = paging<vpn, pfn>;
using guest_paging = paging<vpn, gfn>;
using host_paging = paging<gfn, pfn>;

inline constexpr leaf_attributes open_leaf{all_permissions, true};        ///< every access, contiguous
inline constexpr leaf_attributes scattered_leaf{all_permissions, false};  ///< every access, not contiguous

}  // namespace longreach::model

#endif
