// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_ENTRY_HPP
#define LONGREACH_PAGETABLE_VM_ENTRY_HPP

#include <cstdint>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"
#include "../format.hpp"

// A map entry: one area of an address space, and what its pages are.

LONGREACH_NAMESPACE_BEGIN

/// Where the pages of an area come from.
struct backing {
    enum class kind : std::uint8_t { anonymous, file };

    kind source = kind::anonymous;
    std::uint32_t file = 0;        ///< the caller's number of the file; 0 for anonymous memory
    std::uint64_t first_page = 0;  ///< page of the file behind the area's first page; 0 for anonymous memory

    friend constexpr bool operator==(const backing&, const backing&) = default;
    [[nodiscard]] constexpr bool is_file() const noexcept { return source == kind::file; }
    [[nodiscard]] static constexpr backing anonymous() noexcept { return {}; }
    [[nodiscard]] static constexpr backing of_file(std::uint32_t file, std::uint64_t first_page) noexcept {
        return {kind::file, file, first_page};
    }
};

/// What the program said about superpages in an area (Linux: madvise with MADV_HUGEPAGE and MADV_NOHUGEPAGE).
enum class superpage_advice : std::uint8_t { none, wanted, unwanted };

/// How an area behaves beside its protection and backing.
struct area_flags {
    bool shared = false;      ///< stores change the page itself, not a copy
    bool grows_up = false;    ///< may later be extended at its end (heaps, anonymous maps)
    bool grows_down = false;  ///< may later be extended at its start (stacks)
    superpage_advice superpages = superpage_advice::none;

    friend constexpr bool operator==(const area_flags&, const area_flags&) = default;
};

/// One area of an address space.
template <class Page>
struct map_entry {
    run<Page> pages{};
    permissions allowed{};  ///< made by user_permissions()
    backing source{};
    area_flags flags{};

    friend constexpr bool operator==(const map_entry&, const map_entry&) = default;

    /// The page of the file behind a page of the area; requires a file.
    [[nodiscard]] constexpr std::uint64_t file_page(Page page) const noexcept {
        return source.first_page + (page - pages.first).raw;
    }
    /// The same area without its pages before `first`.
    [[nodiscard]] constexpr map_entry from(Page first) const noexcept {
        map_entry part = *this;
        part.pages = run_between(first, pages.end());
        if (source.is_file()) part.source.first_page = file_page(first);
        return part;
    }
    /// The same area without its pages from `end` on.
    [[nodiscard]] constexpr map_entry until(Page end) const noexcept {
        map_entry part = *this;
        part.pages = run_between(pages.first, end);
        return part;
    }
};

/// Whether two neighbours are one area: anonymous, of equal protection and flags.
template <class Page>
[[nodiscard]] constexpr bool mergeable(const map_entry<Page>& below, const map_entry<Page>& above) noexcept {
    return below.pages.end() == above.pages.first && below.allowed == above.allowed && below.flags == above.flags &&
           !below.source.is_file() && !above.source.is_file();
}

LONGREACH_NAMESPACE_END

#endif
