// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_CACHE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_CACHE_TRIAL_HPP

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache_model.hpp"

// The page cache of a family beside its model: performs one operation on both and says what went apart.

namespace longreach::model {

template <class Family>
class cache_trial {
  public:
    using outcome = std::optional<std::string>;
    /// How many pages of spaces and files each frame is behind.
    using holders = std::vector<unsigned>;

    explicit cache_trial(Family& family)
        : family_(family), model_(Family::cache_rules, {file_sizes.begin(), file_sizes.end()}) {
        for (std::uint32_t file = 0; file < file_sizes.size(); ++file) {
            (void)cache().open(file, page_count{file_sizes[file]});
        }
    }

    [[nodiscard]] const cache_model& model() const { return model_; }

    /// The model reads ahead as the cache did; only refusals may keep pages out, from one of them on.
    outcome follow_fetch(std::uint32_t file, std::uint64_t page) {
        bool came = false;
        for (const std::uint64_t next : model_.wanted(file, page)) {
            const auto frame = cache().resident(file, next);
            if (!frame && !refused()) return "a page was not read ahead";
            if (!frame) break;
            if (!came) model_.fetched(file, page);
            came = true;
            model_.add(file, next, *frame);
        }
        return std::nullopt;
    }

    outcome read(std::uint32_t file, std::uint64_t first, std::uint64_t count) {
        const status told = cache().read(file, {vpn{first}, page_count{count}});
        for (std::uint64_t page = first; page < first + count && page < model_.file(file).size; ++page) {
            if (auto apart = follow_fetch(file, page)) return apart;
            if (!model_.holds(file, page)) return expect(told == status::out_of_memory && refused(), "read");
        }
        return expect(told == status::ok, "read");
    }

    outcome resize(std::uint32_t file, std::uint64_t size, const holders& held) {
        const auto beyond = model_.between(file, size, ~std::uint64_t{0});
        bool mapped = false;
        for (const auto& at : beyond) mapped = mapped || held.at(model_.pages().at(at).raw) != 1;
        const status told = cache().resize(file, page_count{size});
        if (told == status::ok) {
            for (const auto& at : beyond) model_.remove(at);
            model_.resize(file, size);
        }
        return expect(told == (mapped ? status::occupied : status::ok), "resize");
    }

    outcome evict(std::uint64_t wanted, const holders& held) {
        std::uint64_t left = wanted;
        for (const auto& at : model_.from_hand()) {
            if (left == 0) break;
            model_.set_hand(at);
            if (held.at(model_.pages().at(at).raw) != 1) continue;
            model_.remove(at);
            --left;
        }
        return expect(cache().evict(page_count{wanted}).raw == wanted - left, "evict");
    }

    [[nodiscard]] outcome compare() const {
        const auto& cache = family_.cache();
        if (cache.resident_pages().raw != model_.pages().size()) return "another number of cached pages";
        for (const auto& [at, frame] : model_.pages()) {
            if (cache.resident(static_cast<std::uint32_t>(at.first), at.second) != frame) return "other cached pages";
        }
        return std::nullopt;
    }

  private:
    static constexpr std::array<std::uint64_t, 3> file_sizes{64, 512, 5000};

    static outcome expect(bool as_expected, const std::string& what) {
        if (as_expected) return std::nullopt;
        return "the cache did otherwise than expected: " + what;
    }
    [[nodiscard]] auto& cache() { return family_.cache(); }
    [[nodiscard]] bool refused() { return family_.policy().refusals != 0; }

    Family& family_;
    cache_model model_;
};

}  // namespace longreach::model

#endif
