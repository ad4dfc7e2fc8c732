// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_RIVAL_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_RIVAL_TRIAL_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <longreach/workloads/rivals/hawkeye.hpp>
#include <longreach/workloads/rivals/ingens.hpp>
#include <longreach/workloads/rivals/ranger.hpp>
#include <map>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rival_world.hpp"

// Programs that map, store and give back while a daemon works, and slow models of what each daemon may do.

namespace longreach::model {

/// One step of a trial; places and counts are brought into range.
struct rival_step {
    enum kind_type : std::uint8_t { map, unmap, store, discard, pin, unpin, fork, heat, pass, settle };
    static constexpr std::uint8_t kinds = 10;

    kind_type kind{};
    std::uint8_t who = 0;
    std::uint8_t what = 0;
    std::uint16_t place = 0;
    std::uint16_t count = 0;

    friend std::ostream& operator<<(std::ostream& out, const rival_step& step) {
        static constexpr std::array<const char*, kinds> names{"map",   "unmap", "store", "discard", "pin",
                                                              "unpin", "fork",  "heat",  "pass",    "settle"};
        return out << "{rival_step::" << names[step.kind] << ", " << +step.who << ", " << +step.what << ", "
                   << step.place << ", " << step.count << '}';
    }
};

/// Resident pages of the regions of 2 MiB that lie in one area and have base pages only, by first page.
inline std::map<std::uint64_t, unsigned> base_regions(const watched_space& space) {
    std::map<std::uint64_t, unsigned> found;
    space.for_each_leaf(watched_space::table_type::all_pages(), [&](const watched_space::leaf_type& held) {
        const page_run region{align_down(held.page, superpage_order), superpage_order.pages()};
        if (held.size == base_order && space.find(held.page)->pages.contains(region)) ++found[region.first.raw];
    });
    return found;
}

inline std::uint64_t free_superpages(const buddy& frames) {
    std::uint64_t found = 0;
    for (pfn f = align_up(frames.managed().first, superpage_order); f < frames.managed().end();
         f += superpage_order.pages()) {
        found += frames.is_free(f, superpage_order) ? 1U : 0U;
    }
    return found;
}

inline std::uint64_t changes_of(const frame_watch& watch, watched_change::kind_type kind) {
    return static_cast<std::uint64_t>(std::count_if(watch.changes.begin(), watch.changes.end(),
                                                    [kind](const watched_change& c) { return c.kind == kind; }));
}

/// What a watch can recount of two daemons: all but passes and what they skipped.
inline daemon_costs recountable(const daemon_costs& a, const daemon_costs& b = {}) {
    daemon_costs all;
    all.promotions = a.promotions + b.promotions;
    all.demotions = a.demotions + b.demotions;
    all.migrated_pages = a.migrated_pages + b.migrated_pages;
    all.exchanged_pages = a.exchanged_pages + b.exchanged_pages;
    all.shootdowns = a.shootdowns + b.shootdowns;
    all.zeroed_bytes = a.zeroed_bytes + b.zeroed_bytes;
    all.copied_bytes = a.copied_bytes + b.copied_bytes;
    all.reclaimed_pages = a.reclaimed_pages + b.reclaimed_pages;
    return all;
}

/// Ingens over both spaces, each with its daemon.
class ingens_subject {
  public:
    static constexpr superpage_use faults = ingens<watched_space>::fault_path;
    explicit ingens_subject(std::uint8_t what) : options_(options_of(what)), daemons_{make(), make()} {}

    bool pass(rival_world& world, std::size_t which, const page_activity& activity) {
        before_ = base_regions(world.space(which));
        const std::uint64_t free = world.frames().free_frames().raw;
        const std::uint64_t whole = free_superpages(world.frames()) * 512;
        least_ = free != 0 && (free - whole) * 1000 / free < 500 ? 1 : 461;
        return daemons_[which].pass(world.space(which), world.frames(), activity);
    }
    [[nodiscard]] std::string check(rival_world& world, std::size_t which, const page_activity&) const {
        for (const watched_change& c : world.watch().changes) {
            if (before_.at(c.pages.first.raw) < least_) return "a region below the threshold was promoted";
        }
        const std::uint64_t made = changes_of(world.watch(), watched_change::collapsed);
        if (made != 0 && (made - 1) * 512 >= options_.pages_per_pass.raw) return "the budget was exceeded";
        const bool refused = daemons_[which].costs().skipped_unmovable != 0;
        if (!refused && (made * 512 < options_.pages_per_pass.raw) && free_superpages(world.frames()) != 0) {
            for (const auto& [first, resident] : base_regions(world.space(which))) {
                if (resident >= least_) return "a region that is used enough was left";
            }
        }
        return rival_world::told(daemons_[which].audit());
    }
    [[nodiscard]] daemon_costs costs() const { return recountable(daemons_[0].costs(), daemons_[1].costs()); }

  private:
    static ingens_options options_of(std::uint8_t what) {
        ingens_options options;
        if (what % 2 != 0) options.pages_per_pass = page_count{600};
        return options;
    }
    [[nodiscard]] ingens<watched_space> make() const { return ingens<watched_space>(options_); }

    ingens_options options_;
    std::array<ingens<watched_space>, rival_world::space_count> daemons_;
    std::map<std::uint64_t, unsigned> before_;
    unsigned least_ = 0;
};

/// HawkEye over both spaces, each with its daemon, beside a slow access map.
class hawkeye_subject {
  public:
    static constexpr superpage_use faults = hawkeye<watched_space>::fault_path;
    explicit hawkeye_subject(std::uint8_t what) : options_(options_of(what)), daemons_{make(), make()} {}

    bool pass(rival_world& world, std::size_t which, const page_activity& activity) {
        used_ = used_percent(world);
        resident_.clear();
        world.space(which).for_each_mapping(watched_space::table_type::all_pages(), [&](const auto& part) {
            for (page_count i{0}; i < part.pages.count; i += page_count{1}) {
                resident_.push_back((part.pages.first + i).raw);
            }
        });
        return daemons_[which].pass(world.space(which), world.frames(), activity);
    }

    [[nodiscard]] std::string check(rival_world& world, std::size_t which, const page_activity& activity) {
        const auto& changes = world.watch().changes;
        std::map<std::uint64_t, known> now;
        for (const auto& seen : daemons_[which].access_map()) {
            now[seen.first.raw] = follow(which, seen.first, activity.coverage(seen.first));
            if (now[seen.first.raw].bucket != seen.bucket) return "a region is in the wrong bucket";
        }
        maps_[which] = now;
        unsigned hottest = hawkeye<watched_space>::buckets;
        for (const watched_change& c : changes) {
            if (c.kind == watched_change::collapsed) {
                const unsigned bucket = now.at(c.pages.first.raw).bucket;
                if (bucket > hottest) return "a hotter region was promoted after a colder one";
                hottest = bucket;
            } else if (c.kind == watched_change::discarded) {
                if (used_ < options_.relaxed_percent) return "pages were given back while memory was not short";
                for (vpn p = c.pages.first; p < c.pages.end(); p += page_count{1}) {
                    if (world.was_stored(which, p)) return "a page that was stored to was given back";
                    if (!std::binary_search(resident_.begin(), resident_.end(), p.raw)) return "an absent page went";
                }
            }
        }
        return rival_world::told(daemons_[which].audit());
    }

    /// Without what was zeroed ahead, of which the watch knows nothing.
    [[nodiscard]] daemon_costs costs() const {
        daemon_costs all = recountable(daemons_[0].costs(), daemons_[1].costs());
        all.zeroed_bytes = all.promotions * 512 * page_bytes - all.copied_bytes;
        return all;
    }

  private:
    struct known {
        std::uint32_t average = 0;
        unsigned bucket = 0;
    };

    static std::uint64_t used_percent(rival_world& world) {
        const std::uint64_t all = world.frames().managed().count.raw;
        return (all - world.frames().free_frames().raw) * 100 / all;
    }
    static hawkeye_options options_of(std::uint8_t what) {
        hawkeye_options options;
        options.pages_per_pass = page_count{1024};
        options.least_zero_pages = what % 2 != 0 ? 1 : 256;
        options.short_percent = 60;
        options.relaxed_percent = 40;
        return options;
    }
    [[nodiscard]] hawkeye<watched_space> make() const { return hawkeye<watched_space>(options_); }

    [[nodiscard]] known follow(std::size_t which, vpn first, unsigned coverage) const {
        const auto old = maps_[which].find(first.raw);
        const std::uint32_t newest = std::min(coverage, 512U) * 64;
        known now{old == maps_[which].end() ? newest : (newest * 50 + old->second.average * 50) / 100, 0};
        while (now.bucket < 9 && now.average / 64 >= (now.bucket + 1) * 50) ++now.bucket;
        return now;
    }

    hawkeye_options options_;
    std::array<hawkeye<watched_space>, rival_world::space_count> daemons_;
    std::array<std::map<std::uint64_t, known>, rival_world::space_count> maps_;
    std::vector<std::uint64_t> resident_;  // of the space before the pass
    std::uint64_t used_ = 0;
};

/// One ranger over both spaces.
class ranger_subject {
  public:
    static constexpr superpage_use faults = ranger<watched_space>::fault_path;
    explicit ranger_subject(std::uint8_t what) : daemon_(options_of(what)) {}

    bool pass(rival_world& world, std::size_t, const page_activity&) {
        const auto both = world.both();
        return daemon_.pass(std::span<watched_space* const>(both), world.frames());
    }
    [[nodiscard]] std::string check(rival_world& world, std::size_t, const page_activity&) const {
        for (const watched_change& c : world.watch().changes) {
            for (const auto& anchor : daemon_.anchors()) {
                if (anchor.space != c.space || !anchor.pages.contains(c.pages)) continue;
                const pfn wanted = anchor.frame + (c.pages.first - anchor.pages.first);
                if (wanted == c.from) return "a leaf that had reached its wanted frames was moved";
            }
        }
        return rival_world::told(daemon_.audit());
    }
    [[nodiscard]] daemon_costs costs() const { return recountable(daemon_.costs()); }

  private:
    static ranger_options options_of(std::uint8_t what) {
        ranger_options options;
        if (what % 2 != 0) options.pages_per_pass = page_count{700};
        options.least_run = page_count{what % 4 < 2 ? 32U : 1U};
        return options;
    }
    ranger<watched_space> daemon_;
};

/// Two programs, a daemon, and the checks after every step.
template <class Subject>
class rival_trial {
  public:
    static constexpr std::uint64_t pages = 6 * 512;

    /// `what` chooses the daemon's options, the faults, and how much memory there is.
    explicit rival_trial(std::uint8_t what)
        : world_(what % 8 < 4 ? 3000 : 6144, what % 16 < 8 ? Subject::faults : superpage_use::always), subject_(what) {}

    /// What is wrong after the step, or nothing.
    [[nodiscard]] std::optional<std::string> perform(const rival_step& step) {
        std::string wrong = apply(step);
        if (wrong.empty()) wrong = world_.check();
        if (wrong.empty()) return std::nullopt;
        return std::optional<std::string>{std::move(wrong)};
    }

  private:
    [[nodiscard]] std::string apply(const rival_step& step) {
        const std::size_t who = step.who % rival_world::space_count;
        const page_run where{vpn{4096 + step.place % pages}, page_count{1 + step.count % 1100U}};
        switch (step.kind) {
            case rival_step::map:
                (void)world_.map(where, who);
                break;
            case rival_step::unmap:
                (void)world_.unmap(where, who);
                break;
            case rival_step::store:
                world_.store_all(where, 1 + (step.what % 4 == 3 ? step.what % 64U : 0), who);
                break;
            case rival_step::discard:
                (void)world_.discard({where.first, page_count{1 + step.count % 64U}}, who);
                break;
            case rival_step::pin:
                pin(step);
                break;
            case rival_step::unpin:
                world_.unpin_all();
                break;
            case rival_step::fork:
                (void)world_.fork();
                break;
            case rival_step::heat:
                heat_[who][align_down(where.first, superpage_order).raw] = step.count % 513U;
                break;
            case rival_step::pass:
                return pass(who).second;
            case rival_step::settle:
                return settle(who);
        }
        return {};
    }

    void pin(const rival_step& step) {
        const buddy& zone = world_.frames();
        const pfn any = zone.managed().first + page_count{step.place % zone.managed().count.raw};
        if (step.what % 2 != 0) {
            (void)world_.pin(align_down(any, superpage_order), superpage_order);
            return;
        }
        for (std::uint64_t i = 0; i < step.count % 64U; ++i) {
            const pfn next = any + page_count{i * (1 + step.what)};
            if (zone.managed().contains(next)) (void)world_.pin(next);
        }
    }

    /// One pass and its checks: whether it changed something, and what is wrong.
    [[nodiscard]] std::pair<bool, std::string> pass(std::size_t who) {
        frame_watch& watch = world_.watch();
        watch.changes.clear();
        const page_activity activity([this, who](vpn first) { return coverage(who, first); },
                                     [this, who](vpn page) { return world_.was_stored(who, page); });
        const bool changed = subject_.pass(world_, who, activity);
        if (changed == watch.changes.empty()) return {changed, "the pass does not say whether it changed something"};
        if (subject_.costs() != watch.counted) return {changed, "the costs differ from a recount"};
        return {changed, subject_.check(world_, who, activity)};
    }
    [[nodiscard]] std::string settle(std::size_t who) {
        for (unsigned passes = 0; passes < 200; ++passes) {
            const auto [changed, wrong] = pass(who);
            if (!wrong.empty() || !changed) return wrong;
        }
        return "passes over spaces that do not change do not end";
    }
    [[nodiscard]] unsigned coverage(std::size_t who, vpn first) const {
        const auto found = heat_[who].find(first.raw);
        return found == heat_[who].end() ? 0 : found->second;
    }

    rival_world world_;
    Subject subject_;
    std::array<std::map<std::uint64_t, unsigned>, rival_world::space_count> heat_;  // coverage, by region
};

}  // namespace longreach::model

#endif
