// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_RIVAL_WORLD_HPP
#define LONGREACH_TESTS_MODEL_RIVAL_WORLD_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <longreach/allocator/thp.hpp>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <longreach/workloads/rivals/daemon_costs.hpp>
#include <longreach/workloads/rivals/page_activity.hpp>
#include <longreach/workloads/sparse_frame_memory.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "owned_space.hpp"

// A small memory whose frames have contents, and address spaces in it that watch what a daemon asks of them.
//
// Contents are tags, 0 for zeros: a store writes a new one. What a daemon does moves tags from frame to frame as its
// copies would, so that every page can be asked for its own afterwards.

namespace longreach::model {

/// One change of a resident leaf that a daemon made.
struct watched_change {
    enum kind_type : std::uint8_t { collapsed, split, moved, swapped, discarded };
    kind_type kind{};
    std::uint32_t space = 0;
    page_run pages{};
    pfn from{};  ///< of the first page, where it moved or was swapped
};

/// What all spaces of a memory tell.
struct frame_watch {
    explicit frame_watch(buddy& zone) : frames(zone) {}

    void complain(const std::string& what) {
        if (error.empty()) error = what;
    }
    [[nodiscard]] std::uint64_t content(pfn f) const {
        const auto found = contents.find(f.raw);
        return found == contents.end() ? 0 : found->second;
    }
    void copy(pfn from, pfn to, page_count count) {
        for (std::uint64_t i = 0; i < count.raw; ++i) contents[to.raw + i] = content(from + page_count{i});
    }
    void zero(frame_run where) {
        for (std::uint64_t i = 0; i < where.count.raw; ++i) contents[where.first.raw + i] = 0;
    }

    buddy& frames;
    std::map<std::uint64_t, std::uint64_t> contents;  ///< what was written, by frame; garbage outlives its page
    std::set<std::uint64_t> pinned;                   ///< frames of somebody else, who does not move
    daemon_costs counted{};                           ///< recounted from the changes alone
    std::vector<watched_change> changes;              ///< of the pass under way
    std::string error;
};

/// exchange() of address spaces, where a member of that name hides it.
template <class Space>
status exchange_leaves(Space& one, vpn a, Space& other, vpn b) {
    return exchange(one, a, other, b);
}

/// An address space whose changes by daemons are checked and recounted.
class watched_space : public address_space<x86_64<4>, vpn, pfn, sparse_frame_memory<pfn>, thp<vpn, pfn>> {
  public:
    using base = address_space<x86_64<4>, vpn, pfn, sparse_frame_memory<pfn>, thp<vpn, pfn>>;
    using base::base;

    void watch(frame_watch& by) { watch_ = &by; }

    collapse_result collapse(vpn first, pfn block) {
        const page_run region{first, superpage_order.pages()};
        std::map<std::uint64_t, pfn> before;
        for_each_leaf(region, [&](const leaf_type& held) { before[held.page.raw] = held.frame; });
        expect_taken({block, region.count});
        const collapse_result made = base::collapse(first, block);
        if (made.outcome != status::ok) return made;
        watch_->zero({block, region.count});
        for (const auto& [page, frame] : before) watch_->copy(frame, block + (vpn{page} - first), page_count{1});
        note({watched_change::collapsed, options().number, region, {}});
        ++watch_->counted.promotions;
        ++watch_->counted.shootdowns;
        watch_->counted.migrated_pages += before.size();
        watch_->counted.copied_bytes += before.size() * page_bytes;
        watch_->counted.zeroed_bytes += (512 - before.size()) * page_bytes;
        return made;
    }

    status split(vpn page) {
        const status done = base::split(page);
        if (done != status::ok) return done;
        note({watched_change::split, options().number, {page, superpage_order.pages()}, {}});
        ++watch_->counted.demotions;
        ++watch_->counted.shootdowns;
        return done;
    }

    /// Asked by a daemon.
    status discard(page_run pages) {
        std::uint64_t resident = 0;
        for_each_leaf(pages, [&](const leaf_type& held) {
            if (!pages.contains(held.pages())) watch_->complain("a leaf is given back in part");
            resident += held.size.pages().raw;
        });
        const status done = base::discard(pages);
        note({watched_change::discarded, options().number, pages, {}});
        watch_->counted.reclaimed_pages += resident;
        ++watch_->counted.shootdowns;
        return done;
    }
    /// Asked by the program.
    status forget(page_run pages) { return base::discard(pages); }

    status relocate(vpn page, pfn to) {
        const std::optional<leaf_type> held = object().find(page);
        if (!held) return base::relocate(page, to);
        expect_taken({to, held->size.pages()});
        const status done = base::relocate(page, to);
        if (done != status::ok) return done;
        watch_->copy(held->frame, to, held->size.pages());
        note({watched_change::moved, options().number, held->pages(), held->frame});
        ++watch_->counted.shootdowns;
        watch_->counted.migrated_pages += held->size.pages().raw;
        watch_->counted.copied_bytes += to_bytes(held->size.pages());
        return done;
    }

    status exchange(vpn a, vpn b) { return swap(*this, a, *this, b); }
    friend status exchange(watched_space& one, vpn a, watched_space& other, vpn b) { return swap(one, a, other, b); }

  private:
    static status swap(watched_space& one, vpn a, watched_space& other, vpn b) {
        const auto first = one.object().find(a);
        const auto second = other.object().find(b);
        const status done = exchange_leaves<base>(one, a, other, b);
        if (done != status::ok || first->frame == second->frame) return done;
        frame_watch& watch = *one.watch_;
        for (std::uint64_t i = 0; i < first->size.pages().raw; ++i) {
            const pfn here = first->frame + page_count{i};
            const pfn there = second->frame + page_count{i};
            const std::uint64_t kept = watch.content(here);
            watch.contents[here.raw] = watch.content(there);
            watch.contents[there.raw] = kept;
        }
        one.note({watched_change::swapped, one.options().number, first->pages(), first->frame});
        one.note({watched_change::swapped, other.options().number, second->pages(), second->frame});
        watch.counted.shootdowns += 2;
        watch.counted.exchanged_pages += 2 * first->size.pages().raw;
        watch.counted.copied_bytes += 2 * to_bytes(first->size.pages());
        return done;
    }

    /// A daemon names only frames that it took: nobody's page, not free, not somebody else's.
    void expect_taken(frame_run frames) {
        for (pfn f = frames.first; f < frames.end(); f += page_count{1}) {
            if (watch_->frames.is_free(f, base_order)) watch_->complain("a page moves to a free frame");
            if (watch_->pinned.count(f.raw) != 0) watch_->complain("a page moves to an unmovable frame");
        }
        for_each_hold([&](frame_run held) {
            if (held.overlaps(frames)) watch_->complain("a page moves to the frame of another");
        });
    }
    void note(const watched_change& change) { watch_->changes.push_back(change); }

    frame_watch* watch_ = nullptr;
};

/// A buddy, thp over it, two address spaces, what they wrote, and somebody who pins frames.
class rival_world {
  public:
    static constexpr std::size_t space_count = 2;
    static constexpr std::array<std::uint32_t, space_count> numbers{3, 9};

    /// `count` frames from `first` on.
    explicit rival_world(std::uint64_t count, superpage_use faults = superpage_use::never, std::uint64_t first = 64)
        : managed_{pfn{first}, {count}},
          bits_(buddy::required_bytes(managed_.count)),
          zone_(managed_, bits_),
          policy_(zone_),
          counts_(frame_references<pfn>::required_bytes(managed_.count)),
          references_(managed_, counts_),
          tables_(managed_),
          watch_(zone_),
          spaces_{owned(numbers[0], faults), owned(numbers[1], faults)} {
        for (owned_space<watched_space>& each : spaces_) each.space.watch(watch_);
    }

    [[nodiscard]] watched_space& space(std::size_t which = 0) { return spaces_[which].space; }
    [[nodiscard]] std::array<watched_space*, space_count> both() { return {&space(0), &space(1)}; }
    [[nodiscard]] buddy& frames() { return zone_; }
    [[nodiscard]] frame_watch& watch() { return watch_; }

    status map(page_run pages, std::size_t which = 0) {
        const status done = space(which).map(pages, user_permissions(true, true, false), {}, {});
        if (done == status::ok) forget_tags(which, pages);
        return done;
    }
    status unmap(page_run pages, std::size_t which = 0) {
        const status done = space(which).unmap(pages);
        if (done == status::ok) forget_tags(which, pages);
        return done;
    }
    status discard(page_run pages, std::size_t which = 0) {
        const status done = space(which).forget(pages);
        if (done == status::ok) forget_tags(which, pages);
        return done;
    }

    /// Stores a new tag to the page.
    status store(vpn page, std::size_t which = 0) {
        std::map<std::uint64_t, pfn> before;  // frames around the page
        const page_run region{align_down(page, superpage_order), superpage_order.pages()};
        space(which).for_each_mapping(region, [&](const mapping<vpn, pfn>& part) {
            for (page_count i{0}; i < part.pages.count; i += page_count{1}) {
                before[(part.pages.first + i).raw] = part.frame + i;
            }
        });
        const fault_result<pfn> answer = space(which).fault(page, access_kind::store);
        if (answer.outcome != status::ok) return answer.outcome;
        const vpn first = align_down(page, answer.size);
        for (page_count i{0}; i < answer.size.pages(); i += page_count{1}) {
            const pfn now = answer.frame - (page - first) + i;
            if (answer.kind == fault_kind::first_touch) watch_.zero({now, page_count{1}});
            if (answer.kind == fault_kind::copy) watch_.copy(before.at((first + i).raw), now, page_count{1});
        }
        watch_.contents[answer.frame.raw] = ++last_tag_;
        tags_[which][page.raw] = last_tag_;
        return status::ok;
    }
    /// Stores to every `step`-th page of the run, as far as it goes.
    void store_all(page_run pages, std::uint64_t step = 1, std::size_t which = 0) {
        for (vpn page = pages.first; page < pages.end(); page += page_count{step}) (void)store(page, which);
    }
    [[nodiscard]] bool was_stored(std::size_t which, vpn page) const { return tags_[which].count(page.raw) != 0; }

    /// The second space becomes a child of the first.
    status fork() {
        space(1).exit();
        tags_[1].clear();
        const status done = space(1).fork_of(space(0));
        if (done == status::ok) tags_[1] = tags_[0];
        return done;
    }

    /// Somebody takes the block for good.
    status pin(pfn block, order size = base_order) {
        const status done = zone_.allocate_at(block, size);
        for (std::uint64_t i = 0; done == status::ok && i < size.pages().raw; ++i) watch_.pinned.insert(block.raw + i);
        return done;
    }
    void unpin_all() {
        for (const std::uint64_t f : watch_.pinned) zone_.free(pfn{f}, base_order);
        watch_.pinned.clear();
    }

    /// Says what is wrong: an audit, a page without its content, a frame that nobody has.
    [[nodiscard]] std::string check() {
        if (!watch_.error.empty()) return watch_.error;
        std::set<std::uint64_t> used = watch_.pinned;
        for (std::size_t which = 0; which < space_count; ++which) {
            if (const violation broken = space(which).audit()) return told(broken);
            if (const std::string wrong = check_contents(which); !wrong.empty()) return wrong;
            space(which).for_each_hold([&](frame_run held) { insert(used, held); });
            space(which).tables().for_each_table([&](pfn table, unsigned, vpn, std::uint64_t) {
                used.insert(table.raw);
                return true;
            });
        }
        if (const violation broken = policy_.audit()) return told(broken);
        if (used.size() != (managed_.count - zone_.free_frames()).raw) return "a frame is nobody's, or two hold it";
        return {};
    }

    [[nodiscard]] static std::string told(const violation& broken) {
        return broken ? std::string(broken.label) + " at " + std::to_string(broken.where) : std::string();
    }

  private:
    owned_space<watched_space> owned(std::uint32_t number, superpage_use faults) {
        return {space_options{.number = number, .superpages = faults},
                sparse_frame_memory<pfn>(tables_),
                policy_,
                32,
                watched_space::object_type::required_words(page_count{16384}, 32),
                {&references_, nullptr}};
    }
    void forget_tags(std::size_t which, page_run pages) {
        auto& tags = tags_[which];
        tags.erase(tags.lower_bound(pages.first.raw), tags.lower_bound(pages.end().raw));
    }
    static void insert(std::set<std::uint64_t>& into, frame_run frames) {
        for (std::uint64_t i = 0; i < frames.count.raw; ++i) into.insert(frames.first.raw + i);
    }
    [[nodiscard]] std::string check_contents(std::size_t which) {
        std::string wrong;
        std::size_t found = 0;
        space(which).for_each_leaf(watched_space::table_type::all_pages(), [&](const watched_space::leaf_type& held) {
            for (page_count i{0}; i < held.size.pages(); i += page_count{1}) {
                const auto tag = tags_[which].find((held.page + i).raw);
                found += tag != tags_[which].end() ? 1U : 0U;
                const std::uint64_t expected = tag == tags_[which].end() ? 0 : tag->second;
                if (watch_.content(held.frame + i) == expected) continue;
                wrong = "page " + std::to_string((held.page + i).raw) + " lost its content";
            }
        });
        if (wrong.empty() && found != tags_[which].size()) wrong = "a page that was stored to is not resident";
        return wrong;
    }

    frame_run managed_;
    std::vector<std::byte> bits_;
    buddy zone_;
    thp<vpn, pfn> policy_;
    std::vector<std::byte> counts_;
    frame_references<pfn> references_;
    sparse_frames<pfn> tables_;
    frame_watch watch_;
    std::array<owned_space<watched_space>, space_count> spaces_;
    std::array<std::map<std::uint64_t, std::uint64_t>, space_count> tags_;  ///< what each page holds, by page
    std::uint64_t last_tag_ = 0;
};

}  // namespace longreach::model

#endif
