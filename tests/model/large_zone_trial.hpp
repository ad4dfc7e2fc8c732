// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_LARGE_ZONE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_LARGE_ZONE_TRIAL_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <optional>
#include <ostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "cluster_model.hpp"
#include "free_runs.hpp"

// A zone of hundreds or thousands of superpages in which whole superpages and their ragged ends come and go, and a
// contiguity map whose every search is compared with a look at all runs.

namespace longreach::model {

struct large_setting {
    std::uint64_t first = 0;
    std::uint64_t superpages = 1;
    std::uint64_t operations = 1;
    std::uint64_t seed = 0;

    friend std::ostream& operator<<(std::ostream& out, const large_setting& s) {
        return out << "first " << s.first << " superpages " << s.superpages << " operations " << s.operations
                   << " seed " << s.seed;
    }
};

class large_zone_trial {
  public:
    explicit large_zone_trial(const large_setting& setting)
        : setting_(setting),
          random_(setting.seed),
          expected_({pfn{setting.first}, page_count{setting.superpages * child_frames - setting.seed % 700 % 513}}),
          memory_(buddy::required_bytes(expected_.managed().count)),
          map_memory_(contiguity_map::required_bytes(expected_.managed().count)),
          frames_(expected_.managed(), memory_),
          clusters_(frames_, map_memory_),
          rover_(expected_.managed().first) {}

    /// Performs the operations of the setting; says what went wrong.
    std::optional<std::string> run() {
        std::string told;
        for (std::uint64_t i = 0; i < setting_.operations && told.empty(); ++i) {
            for (std::uint64_t changes = 1 + below(3); changes != 0; --changes) change(told);
            search(told);
            if (i % 32 == 0) check(told);
        }
        check(told);
        if (told.empty()) return std::nullopt;
        std::ostringstream all;
        all << setting_ << ": " << told;
        return all.str();
    }

  private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    /// A length that is often a few superpages, sometimes many, and rarely a whole number of them.
    page_count length() {
        const std::uint64_t most = setting_.superpages < 300 ? setting_.superpages : 300;
        const std::uint64_t whole = below(4) == 0 ? below(most) : below(most < 6 ? most : 6);
        const std::uint64_t rest = below(3) == 0 ? below(child_frames) : below(2) * below(4);
        return page_count{whole * child_frames + rest + (whole + rest == 0)};
    }
    /// A frame near the border of a superpage, of 64 or of 512 of them more often than elsewhere.
    pfn somewhere() {
        const order grid{static_cast<unsigned>(below(4) == 0 ? 0 : below(3) == 0 ? 15 : below(5) == 0 ? 18 : 9)};
        const pfn f = align_down(expected_.managed().first + page_count{below(expected_.managed().count.raw)}, grid);
        const pfn moved = below(3) == 0 ? f - page_count{below(600)} : f;
        return expected_.managed().contains(moved) ? moved : expected_.managed().first;
    }

    void change(std::string& told) {
        const std::uint64_t what = below(10);
        if (what < 4 && !held_.empty()) return give_back();
        if (what == 4) return allocate(told);
        if (what == 5) return below(8) == 0 ? frames_.recover() : void();
        if (what == 6) return cut_alike(told);
        take_at(intersection(frame_run{somewhere(), length()}, expected_.managed()), told);
    }
    void take_at(frame_run wanted, std::string& told) {
        const status should = expected_.is_free(wanted) ? status::ok : status::occupied;
        if (frames_.allocate_run_at(wanted) != should) told = "allocate_run_at of " + text(wanted);
        if (should == status::ok) take(wanted);
    }
    void take(frame_run frames) {
        expected_.take(frames);
        held_.push_back(frames);
    }
    void give_back() {
        const std::size_t i = below(held_.size());
        const frame_run frames = held_[i];
        frames_.free_run(frames);
        expected_.give(frames);
        held_[i] = held_.back();
        held_.pop_back();
    }
    /// Blocks of whole superpages are served lowest first.
    void allocate(std::string& told) {
        const order size{9 + static_cast<unsigned>(below(13))};
        const std::optional<pfn> should = expected_.lowest(size);
        if (frames_.allocate(size) != should) told = "allocate of order " + std::to_string(size.raw);
        if (should) take({*should, size.pages()});
    }
    /// Cuts a cluster down to the length of another one, which lies otherwise on the superpages.
    void cut_alike(std::string& told) {
        const std::vector<frame_run> all = expected_.clusters();
        if (all.empty()) return;
        const frame_run pattern = all[below(all.size())];
        const frame_run cluster = all[below(all.size())];
        if (pattern.count >= cluster.count) return;
        take_at({below(2) == 0 ? cluster.first + pattern.count : cluster.end() - pattern.count - page_count{1},
                 page_count{1}},
                told);
    }

    static std::string text(frame_run frames) {
        return "[" + std::to_string(frames.first.raw) + ", +" + std::to_string(frames.count.raw) + ")";
    }
    static std::string text(const std::optional<frame_run>& frames) { return frames ? text(*frames) : "none"; }
    template <class Answer>
    static void compare(std::string& told, const std::string& what, const Answer& does, const Answer& should) {
        if (does != should) told = what + " answered " + text(does) + ", expected " + text(should);
    }

    void search(std::string& told) {
        const cluster_model clusters(expected_.clusters());
        page_count least = length();
        if (below(2) == 0 && !clusters.all().empty()) {  // just what one cluster has, or one frame more
            least = clusters.all()[below(clusters.all().size())].count + page_count{below(2)};
        }
        const pfn from = somewhere();
        const std::string asked = " from " + std::to_string(from.raw) + " for " + std::to_string(least.raw);
        compare(told, "next" + asked, clusters_.next(from, least), clusters.next(from, least));
        compare(told, "first_fit" + asked, clusters_.first_fit(least), clusters.first_fit(least));
        compare(told, "worst_fit" + asked, clusters_.worst_fit(least), clusters.worst_fit(least));
        compare(told, "around" + asked, clusters_.around(from), clusters.around(from));
        if (below(4) == 0) {
            clusters_.set_rover(from);
            rover_ = from;
        }
        compare(told, "next_fit" + asked, clusters_.next_fit(least), clusters.next_fit(rover_, least));
        if (clusters_.rover() != rover_) told = "the rover went elsewhere";
        const std::uint64_t modulus = std::uint64_t{1} << (below(2) == 0 ? 0 : below(12));
        const contiguity_map::fit wanted{least, modulus, below(modulus)};
        const std::optional<pfn> place = clusters_.best_fit(wanted);
        if (clusters.allows_best_fit(wanted, place)) return;
        told = "best_fit" + asked + " modulo " + std::to_string(modulus) + " residue " +
               std::to_string(wanted.residue) + " answered " + std::to_string(place ? place->raw : 0) + ", expected " +
               std::to_string(clusters.best_fit(wanted).value_or(pfn{0}).raw);
    }

    void check(std::string& told) {
        if (!told.empty()) return;
        if (const violation broken = frames_.audit()) told = std::string("audit: ") + broken.label;
        clusters_.refresh();
        if (const violation broken = clusters_.audit()) told = std::string("audit: ") + broken.label;
        if (frames_.free_frames().raw != expected_.free_frames()) told = "free frames differ";
        std::vector<frame_run> all;
        clusters_.for_each([&all](frame_run cluster) { all.push_back(cluster); });
        if (all != expected_.clusters()) told = "for_each visits other clusters";
        std::uint64_t counted = 0;
        const auto blocks = frames_.count_blocks();
        for (std::size_t k = 0; k < blocks.size(); ++k) counted += blocks[k] << k;
        if (counted != expected_.free_frames()) told = "the blocks of all orders are not the free frames";
    }

    large_setting setting_;
    std::mt19937_64 random_;
    free_runs expected_;
    std::vector<std::byte> memory_;
    std::vector<std::byte> map_memory_;
    buddy frames_;
    contiguity_map clusters_;
    pfn rover_;
    std::vector<frame_run> held_;
};

}  // namespace longreach::model

#endif
