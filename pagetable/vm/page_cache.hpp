// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_PAGE_CACHE_HPP
#define LONGREACH_PAGETABLE_VM_PAGE_CACHE_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/placement.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../duplicates.hpp"
#include "../format.hpp"
#include "../leaf.hpp"
#include "frame_references.hpp"
#include "memory_object.hpp"

// The pages of files that are in memory, shared by every mapping of every address space.
//
// Pages come in by read-ahead, one frame of 4 KiB each. The policy is asked in the name of the file: its pages are
// the file's, its area is the whole file, and its space number is the file's own, so that a policy which keeps
// page - frame unchanged does so for the file. The cache is one holder of a frame, every mapping one more. It reads
// no content, so nothing is ever written back. The caller locks. Window: Linux 4.19, mm/readahead.c (32 pages at most).

LONGREACH_NAMESPACE_BEGIN

struct corrupt;  // how tests break invariants

/// Chosen once for a page cache.
struct cache_options {
    /// For the policy, files are spaces of this number and those after it, as many as may be open.
    std::uint32_t first_space = std::uint32_t{1} << 31;
    page_count first_window{4};     ///< pages of the first read-ahead of a stretch; each next one is twice as long
    page_count longest_window{32};  ///< at least first_window
};

/// A file that the cache knows; the caller passes room for as many as may be open at one time.
struct cached_file {
    bool open = false;
    std::uint32_t number = 0;  ///< the caller's, as in backing::file
    page_count size{};
    page_count resident{};
    std::uint64_t next = 0;  ///< page after the last read-ahead
    page_count window{};     ///< of the last read-ahead
};

/// A page of a file.
template <class Frame>
struct cached_page {
    status outcome = status::out_of_range;  ///< ok, out_of_range (no such file, or beyond its end), out_of_memory
    Frame frame{};
};

/// Counted since construction.
struct cache_counters {
    std::uint64_t windows = 0;  ///< read-aheads
    std::uint64_t pages = 0;    ///< pages that they brought
    std::uint64_t dropped = 0;  ///< pages given back

    friend constexpr bool operator==(const cache_counters&, const cache_counters&) = default;
};

/// Invariants, beside those of its object:
///   I1  a resident page lies in an open file, before its end, and is a leaf of 4 KiB
///   I2  each file's number of resident pages is that of a recount
///   I3  open files have different numbers, and closed ones hold nothing
///   I4  a frame is behind one page of one file
template <page_table_format Format, class Page, class Frame, placement_policy Policy>
class page_cache {
  public:
    using object_type = memory_object<Format, Page, Frame>;
    using leaf_type = leaf<Page, Frame>;

    static constexpr std::size_t most_files = 1024;
    /// The largest file: 256 GiB with four levels.
    static constexpr page_count most_pages{spanned_pages<Format>().raw / most_files};

    /// Empty. `object_words` (object_type::required_words) is the memory for its records; the cached_file array is the
    /// caller's too, and so are policy and references, which are those of the spaces. All must outlive it.
    page_cache(const cache_options& options, Policy& policy, frame_references<Frame>& references,
               std::span<cached_file> files, std::span<std::uint64_t> object_words) noexcept
        : options_(options), policy_(&policy), references_(&references), files_(files), object_(object_words) {
        LONGREACH_CHECK(files.size() <= most_files, "page_cache.files");
        LONGREACH_CHECK(options.first_window.raw >= 1 && options.first_window <= options.longest_window,
                        "page_cache.window");
        for (cached_file& file : files_) file = {};
    }
    page_cache(const page_cache&) = delete;
    page_cache& operator=(const page_cache&) = delete;

    // ---- files ----

    /// Makes a file known. occupied where its number is; out_of_memory where there is no place for one more;
    /// out_of_range above most_pages.
    status open(std::uint32_t number, page_count size) {
        if (find(number) != nullptr) return status::occupied;
        if (size > most_pages) return status::out_of_range;
        for (cached_file& file : files_) {
            if (file.open) continue;
            file = {.open = true, .number = number, .size = size};
            return status::ok;
        }
        return status::out_of_memory;
    }

    /// Gives the file another size; the pages beyond go. occupied where one of them is mapped: the spaces let go
    /// first (address_space::forget_file). not_mapped where the file is not open; out_of_range above most_pages.
    status resize(std::uint32_t number, page_count size) {
        cached_file* file = opened(number);
        if (file == nullptr) return status::not_mapped;
        if (size > most_pages) return status::out_of_range;
        const run<Page> beyond = run_between(Page{size.raw}, Page{file->size.raw});
        if (mapped(*file, beyond)) return status::occupied;
        (void)drop_from(*file, beyond);
        if (!beyond.empty()) policy_->release(space_of(*file), beyond);
        file->size = size;
        return status::ok;
    }

    /// Forgets the file and what of it is resident; occupied and not_mapped as in resize().
    status close(std::uint32_t number) {
        const status emptied = resize(number, page_count{0});
        if (emptied == status::ok) *opened(number) = {};
        return emptied;
    }

    // ---- pages ----

    /// The frame of a page of the file. Where it is not resident it becomes so, with the pages that are read ahead
    /// with it, as far as memory lasts; these stay resident whatever the caller does next.
    [[nodiscard]] cached_page<Frame> fetch(std::uint32_t number, std::uint64_t page) {
        cached_file* file = opened(number);
        if (file == nullptr || page >= file->size.raw) return {};
        if (const auto resident = object_.find(key(*file, page))) return {status::ok, resident->frame};
        if (!read_ahead(*file, page)) return {status::out_of_memory, {}};
        return {status::ok, object_.find(key(*file, page))->frame};
    }

    /// read(): what of the run lies in the file becomes resident. out_of_memory leaves what was brought by then.
    status read(std::uint32_t number, run<Page> pages) {
        const cached_file* file = find(number);
        if (file == nullptr) return status::out_of_range;
        const run<Page> wanted = intersection(pages, whole(*file));
        for (Page page = wanted.first; page < wanted.end(); page += page_count{1}) {
            if (const cached_page<Frame> got = fetch(number, page.raw); got.outcome != status::ok) return got.outcome;
        }
        return status::ok;
    }

    /// Gives back the pages of the run that nobody maps; answers how many.
    page_count drop(std::uint32_t number, run<Page> pages) {
        cached_file* file = opened(number);
        if (file == nullptr) return page_count{0};
        return drop_from(*file, intersection(pages, whole(*file)));
    }

    /// Gives back up to `wanted` pages that nobody maps, of any file, going round: what was passed last time comes
    /// last.
    page_count evict(page_count wanted) {
        page_count given{0};
        const Page start = hand_;
        given += evict_between(start, everything().end(), wanted);
        if (given < wanted) given += evict_between(Page{0}, start, wanted - given);
        return given;
    }

    // ---- questions ----

    /// The frame of a page, if it is resident; changes nothing.
    [[nodiscard]] std::optional<Frame> resident(std::uint32_t number, std::uint64_t page) const noexcept {
        const cached_file* file = find(number);
        if (file == nullptr || page >= file->size.raw) return std::nullopt;
        const std::optional<leaf_type> found = object_.find(key(*file, page));
        if (!found) return std::nullopt;
        return found->frame;
    }
    [[nodiscard]] const cached_file* find(std::uint32_t number) const noexcept {
        const std::size_t at = position(number);
        return at < files_.size() ? &files_[at] : nullptr;
    }
    /// The number under which the policy knows an open file.
    [[nodiscard]] std::uint32_t space_of(const cached_file& file) const noexcept {
        return options_.first_space + static_cast<std::uint32_t>(slot(file));
    }
    /// Whether the policy knows a file of the cache under that number, or may come to.
    [[nodiscard]] bool has_space(std::uint32_t number) const noexcept {
        return number - options_.first_space < files_.size();
    }
    [[nodiscard]] page_count resident_pages() const noexcept { return object_.resident_pages(); }
    [[nodiscard]] const cache_counters& counters() const noexcept { return counters_; }
    [[nodiscard]] const frame_references<Frame>& references() const noexcept { return *references_; }

    /// Hands every frame that the cache holds to `visit(run<Frame>)`, for frame_references::audit_holders.
    template <class Visit>
    void for_each_hold(Visit&& visit) const {
        object_.for_each(everything(), [&](const leaf_type& held) { visit(held.frames()); });
    }

    /// O(files^2 + pages).
    [[nodiscard]] violation audit() const {
        if (const violation broken = object_.audit()) return broken;
        if (const violation broken = audit_files()) return broken;
        violation broken;
        object_.for_each(everything(), [&](const leaf_type& held) {
            const cached_file& file = files_[held.page.raw / most_pages.raw % files_.size()];
            const bool inside = file.open && held.page.raw - base(file).raw < file.size.raw;
            if (!broken && (!inside || held.size != base_order)) broken = {"page_cache.I1", held.page.raw};
        });
        if (broken) return broken;
        const std::optional<Frame> twice = first_duplicate<Frame>([&](auto&& visit) { for_each_hold(visit); });
        return twice ? violation{"page_cache.I4", twice->raw} : violation{};
    }

  private:
    friend struct corrupt;

    /// One file of the cache, as a policy asks about it.
    struct file_pages {
        const object_type& all;
        page_count base;
        [[nodiscard]] Page first_mapped(run<Page> pages) const noexcept {
            return all.first_mapped({pages.first + base, pages.count}) - base;
        }
    };

    /// Index of the open file of that number, or of none.
    [[nodiscard]] std::size_t position(std::uint32_t number) const noexcept {
        std::size_t at = 0;
        while (at < files_.size() && !(files_[at].open && files_[at].number == number)) ++at;
        return at;
    }
    [[nodiscard]] cached_file* opened(std::uint32_t number) noexcept {
        const std::size_t at = position(number);
        return at < files_.size() ? &files_[at] : nullptr;
    }
    [[nodiscard]] std::size_t slot(const cached_file& file) const noexcept {
        return static_cast<std::size_t>(&file - files_.data());
    }
    [[nodiscard]] static run<Page> whole(const cached_file& file) noexcept { return {Page{0}, file.size}; }
    /// Pages of the object in front of the file's.
    [[nodiscard]] page_count base(const cached_file& file) const noexcept { return {slot(file) * most_pages.raw}; }
    [[nodiscard]] Page key(const cached_file& file, std::uint64_t page) const noexcept {
        return Page{page} + base(file);
    }
    [[nodiscard]] run<Page> keys(const cached_file& file, run<Page> pages) const noexcept {
        return {pages.first + base(file), pages.count};
    }
    [[nodiscard]] static constexpr run<Page> everything() noexcept { return {Page{0}, spanned_pages<Format>()}; }

    /// Brings `page`, which is not resident, and what the window after it lacks; whether at least the page came.
    bool read_ahead(cached_file& file, std::uint64_t page) {
        page_count window = options_.first_window;
        if (page == file.next && file.window.raw != 0) {
            const page_count doubled = file.window + file.window;
            window = doubled < options_.longest_window ? doubled : options_.longest_window;
        }
        const run<Page> wanted = intersection({Page{page}, window}, whole(file));
        if (!bring(file, page)) return false;
        ++counters_.windows;
        file.window = window;
        file.next = wanted.end().raw;
        for (std::uint64_t next = page + 1; next < wanted.end().raw; ++next) {
            if (!object_.find(key(file, next)) && !bring(file, next)) break;
        }
        return true;
    }

    /// Gives one page that is not resident a frame, or changes nothing.
    bool bring(cached_file& file, std::uint64_t page) {
        const Page at = key(file, page);
        if (!object_.room_to_add(at, base_order)) return false;
        placement_request<Page> request;
        request.space = space_of(file);
        request.page = Page{page};
        request.size = base_order;
        request.area = whole(file);
        const std::optional<Frame> frame = policy_->allocate(request, file_pages{object_, base(file)});
        if (!frame) return false;
        object_.add({at, *frame, base_order, {all_permissions}});
        file.resident += page_count{1};
        ++counters_.pages;
        return true;
    }

    /// Whether somebody else holds a page of the run.
    [[nodiscard]] bool mapped(const cached_file& file, run<Page> pages) const {
        bool any = false;
        object_.for_each(keys(file, pages),
                         [&](const leaf_type& held) { any = any || references_->shared(held.frames()); });
        return any;
    }

    page_count drop_from(cached_file& file, run<Page> pages) {
        page_count given{0};
        const run<Page> all = keys(file, pages);
        for (Page next = all.first; (next = object_.first_mapped(run_between(next, all.end()))) != all.end();
             next += page_count{1}) {
            given += drop_page(file, next);
        }
        return given;
    }

    /// Gives back the resident page at a key unless it is mapped; answers how many pages went.
    page_count drop_page(cached_file& file, Page at) {
        const leaf_type held = *object_.find(at);
        if (references_->shared(held.frames())) return page_count{0};
        object_.remove(held.pages(), [](const leaf_type&) {});
        policy_->free(space_of(file), at - base(file), held.frame, base_order);
        file.resident -= page_count{1};
        ++counters_.dropped;
        return page_count{1};
    }

    page_count evict_between(Page first, Page end, page_count wanted) {
        page_count given{0};
        for (Page next = first; given < wanted; next += page_count{1}) {
            next = object_.first_mapped(run_between(next, end));
            if (next >= end) break;
            given += drop_page(files_[next.raw / most_pages.raw], next);
            hand_ = next + page_count{1};
        }
        return given;
    }

    [[nodiscard]] violation audit_files() const {
        for (const cached_file& file : files_) {
            page_count resident{0};
            object_.for_each({Page{0} + base(file), most_pages},
                             [&](const leaf_type& held) { resident += held.size.pages(); });
            if (resident != file.resident) return {"page_cache.I2", file.number};
            if (!file.open && resident.raw != 0) return {"page_cache.I3", slot(file)};
            if (file.open && find(file.number) != &file) return {"page_cache.I3", file.number};
        }
        return {};
    }

    cache_options options_;
    Policy* policy_;
    frame_references<Frame>* references_;
    std::span<cached_file> files_;
    object_type object_;  // file i's pages from i * most_pages on
    Page hand_{};         // where evict() goes on
    cache_counters counters_{};
};

LONGREACH_NAMESPACE_END

#endif
