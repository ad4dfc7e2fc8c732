// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_CACHE_MODEL_HPP
#define LONGREACH_TESTS_MODEL_CACHE_MODEL_HPP

#include <algorithm>
#include <cstdint>
#include <longreach/pagetable/vm/page_cache.hpp>
#include <map>
#include <utility>
#include <vector>

// What a page cache should hold, page by page.

namespace longreach::model {

struct modelled_file {
    std::uint64_t size = 0;
    std::uint64_t next = 0;
    std::uint64_t window = 0;
};

class cache_model {
  public:
    /// Slot of the file and page in it; files are opened once, in the order of their numbers.
    using place = std::pair<std::uint64_t, std::uint64_t>;

    cache_model(const cache_options& options, const std::vector<std::uint64_t>& sizes) : options_(options) {
        for (const std::uint64_t size : sizes) files_.push_back({size, 0, 0});
    }

    [[nodiscard]] const modelled_file& file(std::uint64_t number) const { return files_[number]; }
    [[nodiscard]] bool holds(std::uint64_t number, std::uint64_t page) const {
        return pages_.count({number, page}) != 0;
    }
    [[nodiscard]] const std::map<place, pfn>& pages() const { return pages_; }

    /// The pages that a fetch of `page` should bring: none where it is resident.
    [[nodiscard]] std::vector<std::uint64_t> wanted(std::uint64_t number, std::uint64_t page) const {
        std::vector<std::uint64_t> result;
        if (holds(number, page)) return result;
        for (std::uint64_t p = page; p < std::min(page + next_window(number, page), files_[number].size); ++p) {
            if (!holds(number, p)) result.push_back(p);
        }
        return result;
    }
    /// A fetch of `page`, which was not resident, brought at least that one.
    void fetched(std::uint64_t number, std::uint64_t page) {
        modelled_file& file = files_[number];
        file.window = next_window(number, page);
        file.next = std::min(page + file.window, file.size);
    }
    void add(std::uint64_t number, std::uint64_t page, pfn frame) { pages_[{number, page}] = frame; }

    /// The pages of `number` from `first` up to `end`.
    [[nodiscard]] std::vector<place> between(std::uint64_t number, std::uint64_t first, std::uint64_t end) const {
        std::vector<place> result;
        for (auto at = pages_.lower_bound({number, first}); at != pages_.end() && at->first < place{number, end};
             ++at) {
            result.push_back(at->first);
        }
        return result;
    }
    void resize(std::uint64_t number, std::uint64_t size) { files_[number].size = size; }
    void remove(const place& at) { pages_.erase(at); }

    /// All pages, from where the last eviction ended on and round.
    [[nodiscard]] std::vector<place> from_hand() const {
        std::vector<place> result;
        const auto hand = pages_.lower_bound(hand_);
        for (auto at = hand; at != pages_.end(); ++at) result.push_back(at->first);
        for (auto at = pages_.begin(); at != hand; ++at) result.push_back(at->first);
        return result;
    }
    void set_hand(const place& passed) { hand_ = {passed.first, passed.second + 1}; }

  private:
    [[nodiscard]] std::uint64_t next_window(std::uint64_t number, std::uint64_t page) const {
        const modelled_file& file = files_[number];
        if (file.window == 0 || file.next != page) return options_.first_window.raw;
        return std::min(2 * file.window, options_.longest_window.raw);
    }

    cache_options options_;
    std::vector<modelled_file> files_;
    std::map<place, pfn> pages_;
    place hand_{0, 0};
};

}  // namespace longreach::model

#endif
