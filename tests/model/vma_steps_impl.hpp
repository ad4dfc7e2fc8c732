// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_VMA_STEPS_IMPL_HPP
#define LONGREACH_TESTS_MODEL_VMA_STEPS_IMPL_HPP

#include <span>

#include "vma_trial.hpp"

// How a vma_trial begins, and its steps; vma_trial.hpp includes it.

namespace longreach::model {

// ---------------------------------------------------------------------------------- what it is made of

/// 1,024 frames every other time, up to 8,192 otherwise, from anywhere on.
template <class Rules>
frame_run vma_trial<Rules>::any_memory() {
    constexpr std::uint64_t starts[] = {0, 1, 512, 1000, 1024, 4096};
    const std::uint64_t first = random_.chance(1, 4) ? random_.below(5000) : starts[random_.below(6)];
    const std::uint64_t count = random_.chance(1, 2) ? 1024 + random_.below(2) : 1024 + random_.below(7169);
    return {pfn{first}, page_count{count}};
}

/// Half as many pages again as there are frames, across a border of 1 GiB.
template <class Rules>
page_run vma_trial<Rules>::any_universe() {
    const std::uint64_t count = managed_.count.raw + managed_.count.raw / 2;
    return {vpn{(std::uint64_t{1} << 18) - count / 3}, page_count{count}};
}

template <class Rules>
space_options vma_trial<Rules>::any_options() {
    space_options options;
    options.number = next_number_++;
    const std::uint64_t use = random_.below(8);
    if (use == 0) options.superpages = superpage_use::never;
    if (use == 1) options.superpages = superpage_use::advised;
    if (random_.chance(1, 2)) options.stack_limit = page_count{600};
    return options;
}

/// Some frames do not exist, or were taken by a boot loader.
template <class Rules>
void vma_trial<Rules>::dig_holes() {
    std::vector<frame_run> holes;
    if (random_.chance(1, 3)) {
        const std::uint64_t step = 64 + random_.below(managed_.count.raw);
        for (pfn next = managed_.first + page_count{random_.below(step)}; next < managed_.end();) {
            const frame_run hole = intersection(frame_run{next, page_count{1 + random_.below(step / 4)}}, managed_);
            holes.push_back(hole);
            account_.take(hole, frame_purpose::hole);
            next = hole.end() + page_count{1 + random_.below(step)};
        }
    }
    rules_.start(holes);
}

/// Short or long, at a superpage, at 64 pages or anywhere.
template <class Rules>
page_run vma_trial<Rules>::any_run() {
    constexpr std::uint64_t lengths[] = {1, 16, 64, 511, 512, 513, 1023, 1024};
    constexpr std::uint64_t grains[] = {512, 64, 1};
    std::uint64_t grain = grains[random_.below(3)];
    const std::uint64_t first = random_.below(universe_.count.raw);
    std::uint64_t length = random_.chance(1, 3) ? 1 + random_.below(700) : lengths[random_.below(8)];
    if (random_.chance(1, 4)) {
        grain = 512;
        length = 512 * (1 + random_.below(4));
    }
    const vpn start{(universe_.first.raw + first) / grain * grain};
    return intersection(page_run{start, page_count{length}}, universe_);
}

/// The area of any page, so rather a large one, or any area.
template <class Rules>
const map_entry<vpn>* vma_trial<Rules>::any_area(const space_type& space) {
    const map_entry<vpn>* const hit = space.find(universe_.first + page_count{random_.below(universe_.count.raw)});
    if (hit != nullptr) return hit;
    const auto areas = space.entries();
    return areas.empty() ? nullptr : &areas[static_cast<std::size_t>(random_.below(areas.size()))];
}

template <class Rules>
auto vma_trial<Rules>::any_space() -> space_type& {
    const auto i = static_cast<std::size_t>(random_.below(processes));
    concerned_[i] = true;
    return members_[i].space;
}

/// All of it, its start, its end or something inside.
template <class Rules>
page_run vma_trial<Rules>::part_of(page_run pages) {
    const std::uint64_t count = pages.count.raw;
    const std::uint64_t before = random_.chance(1, 2) ? random_.below(count) : 0;
    const std::uint64_t length = random_.chance(1, 2) ? count - before : 1 + random_.below(count - before);
    return {pages.first + page_count{before}, page_count{length}};
}

template <class Rules>
permissions vma_trial<Rules>::any_rights() {
    if (random_.chance(3, 4)) return user_permissions(true, true, false);
    const std::uint64_t bits = random_.below(8);
    return user_permissions((bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0);
}

// ---------------------------------------------------------------------------------- steps

/// Only where frames, or places for areas, are gone may anything be refused for want of memory.
template <class Rules>
void vma_trial<Rules>::told(status outcome) {
    if (outcome != status::out_of_memory) return;
    ++counts_.out_of_memory;
    constexpr page_count enough_for_tables{8};
    bool full = false;
    for (const member& one : members_) full = full || one.space.entries().size() + 4 > most_areas;
    if (Rules::serves_while_it_can && !full && rules_.free_frames() > enough_for_tables) {
        account_.note("vma.I12", rules_.free_frames().raw);
    }
}

template <class Rules>
void vma_trial<Rules>::map(space_type& space) {
    last_ = "map";
    backing source;
    area_flags flags;
    if (random_.chance(1, 6)) {
        source = backing::of_file(static_cast<std::uint32_t>(random_.below(most_files)), random_.below(300));
    } else {
        flags.grows_up = random_.chance(1, 3);
        flags.grows_down = !flags.grows_up && random_.chance(1, 6);
    }
    flags.shared = random_.chance(1, 8);
    if (random_.chance(1, 4)) flags.superpages = static_cast<superpage_advice>(random_.below(3));
    told(space.map(any_run(), any_rights(), source, flags));
}

/// Continues an area upwards (heaps) or downwards, as far as nothing is in the way.
template <class Rules>
void vma_trial<Rules>::grow(space_type& space) {
    last_ = "grow";
    const map_entry<vpn>* const found = any_area(space);
    if (found == nullptr || found->source.is_file()) return;
    const map_entry<vpn> area = *found;
    const page_count more{1 + random_.below(random_.chance(1, 2) ? 40 : 700)};
    const bool up = area.flags.grows_up || (!area.flags.grows_down && random_.chance(1, 2));
    const page_run added =
        intersection(up ? page_run{area.pages.end(), more} : page_run{area.pages.first - more, more}, universe_);
    if (added.empty() || space.has_area_in(added)) return;
    told(space.map(added, area.allowed, area.source, area.flags));
}

template <class Rules>
void vma_trial<Rules>::shrink(space_type& space) {
    last_ = "shrink";
    const map_entry<vpn>* const area = any_area(space);
    if (area == nullptr) return;
    const page_run pages = area->pages;
    const page_count less{1 + random_.below(pages.count.raw)};
    told(space.unmap(random_.chance(1, 2) ? page_run{pages.end() - less, less} : page_run{pages.first, less}));
}

template <class Rules>
void vma_trial<Rules>::move(space_type& space) {
    last_ = "move";
    const map_entry<vpn>* const area = any_area(space);
    if (area == nullptr) return;
    const page_run from = part_of(area->pages);
    page_run to = intersection(page_run{any_run().first, from.count}, universe_);
    if (random_.chance(1, 3)) {  // by whole superpages, so that pieces go along
        to = intersection(page_run{vpn{to.first.raw - to.first.raw % 512 + from.first.raw % 512}, from.count},
                          universe_);
    }
    if (random_.chance(1, 6)) to = intersection(page_run{from.first, page_count{1 + random_.below(1500)}}, universe_);
    if (to.empty() || (from.overlaps(to) && from.first != to.first)) return;
    told(space.move(from, to));
}

template <class Rules>
void vma_trial<Rules>::alter(space_type& space) {
    const map_entry<vpn>* const area = any_area(space);
    const page_run pages = area == nullptr || random_.chance(1, 4) ? any_run() : part_of(area->pages);
    switch (random_.below(4)) {
        case 0:
            last_ = "protect";
            return told(space.protect(pages, any_rights()));
        case 1:
            last_ = "advise";
            return told(space.advise(pages, static_cast<superpage_advice>(random_.below(3))));
        case 2:
            last_ = "unmap";
            return told(space.unmap(pages));
        default:
            last_ = "discard";
            return told(space.discard(pages));
    }
}

/// After a fault that says ok the access works, on the frame that it names.
template <class Rules>
void vma_trial<Rules>::touch(space_type& space, vpn page, access_kind kind) {
    ++counts_.faults;
    const map_entry<vpn>* const area = space.find(page);
    const bool allowed = area != nullptr && area->allowed.allows(kind);
    const fault_result<pfn> result = space.fault(page, kind);
    told(result.outcome);
    if (result.outcome == status::ok) {
        const auto walked = space.tables().walk(page, kind);
        const auto mapped = space.translate(page);
        if (walked.outcome != status::ok || !mapped || mapped->frame != result.frame)
            account_.note("vma.I20", page.raw);
    } else if (allowed && result.outcome != status::out_of_memory && result.outcome != status::out_of_range) {
        account_.note("vma.I12", page.raw);
    }
}

/// Touches pages upwards, downwards, superpage by superpage or anywhere in an area, or below one that grows down.
template <class Rules>
void vma_trial<Rules>::burst(space_type& space) {
    last_ = "touch";
    const map_entry<vpn>* const area = any_area(space);
    const page_run pages = area == nullptr || random_.chance(1, 16) ? any_run() : area->pages;
    if (pages.empty()) return;
    const bool below = area != nullptr && area->flags.grows_down && random_.chance(1, 4);
    const std::uint64_t shape = random_.below(4);
    const std::uint64_t start = random_.below(pages.count.raw);
    const std::uint64_t kinds = random_.below(6);
    const auto kind = kinds < 4 ? access_kind::store : kinds == 4 ? access_kind::load : access_kind::fetch;
    if (below) touch(space, pages.first - page_count{1 + random_.below(700)}, kind);
    for (std::uint64_t i = 0, count = 1 + random_.below(16); i < count && !below && !account_.broken(); ++i) {
        std::uint64_t at = random_.below(pages.count.raw);
        if (shape == 0) at = (start + i) % pages.count.raw;
        if (shape == 1) at = (start + pages.count.raw - i % pages.count.raw) % pages.count.raw;
        if (shape == 2) at = (start + 512 * i) % pages.count.raw;
        touch(space, pages.first + page_count{at}, kind);
    }
}

template <class Rules>
void vma_trial<Rules>::fork(space_type& parent) {
    last_ = "fork";
    space_type& child = any_space();
    if (&child == &parent) return;
    child.exec(next_number_++);
    told(child.fork_of(parent));
    ++counts_.forks;
}

template <class Rules>
void vma_trial<Rules>::life(space_type& space) {
    switch (random_.below(4)) {
        case 0:
            last_ = "exec";
            space.exec(next_number_++);
            if (random_.chance(1, 6)) policy_.set_plain(space.options().number);
            return;
        case 1:
            last_ = "exit";
            return space.exit();
        case 2:
            last_ = "drop_table";
            return space.drop_table();
        default:
            last_ = "fill_table";
            return told(space.fill_table(any_run()));
    }
}

template <class Rules>
void vma_trial<Rules>::use_file() {
    const auto file = static_cast<std::uint32_t>(random_.below(most_files));
    const cached_file* const known = std::as_const(cache_).find(file);
    if (known == nullptr) {
        last_ = "open";
        return told(cache_.open(file, page_count{1 + random_.below(1300)}));
    }
    const std::uint64_t size = known->size.raw;
    const std::uint64_t what = random_.below(8);
    if (what < 4) {
        last_ = "read";
        const vpn first{random_.chance(1, 4) ? 0 : random_.below(size + 1)};
        told(cache_.read(file, {first, page_count{random_.below(48)}}));
    } else if (what < 6) {
        last_ = "evict";
        (void)cache_.evict(page_count{random_.below(200)});
    } else {
        last_ = "truncate";
        const page_count wanted{what == 6 ? 0 : random_.below(1300)};
        concerned_.fill(true);
        for (member& one : members_) one.space.forget_file(file, wanted.raw);
        const status cut = what == 6 ? cache_.close(file) : cache_.resize(file, wanted);
        if (cut != status::ok) account_.note("vma.I20", file);  // nobody maps it any more
    }
}

/// A neighbour takes blocks, now and then all there are, or gives some or all back.
template <class Rules>
void vma_trial<Rules>::press() {
    if (!pressure_.empty() && (rules_.free_frames() < page_count{64} || random_.chance(1, 2))) {
        last_ = "relieve";
        const std::size_t keep = random_.chance(1, 2) ? 0 : static_cast<std::size_t>(random_.below(pressure_.size()));
        random_.shuffle(std::span<block>(pressure_));
        for (; pressure_.size() > keep; pressure_.pop_back()) {
            const auto [first, size] = pressure_.back();
            account_.give({first, size.pages()}, frame_purpose::neighbour);
            rules_.free_ordinary(first, size);
        }
        return;
    }
    last_ = "press";
    constexpr unsigned sizes[] = {0, 0, 3, 6, 9, 10};
    const order size{sizes[random_.below(6)]};
    const bool all = random_.chance(1, 8);
    std::uint64_t wanted = all ? managed_.count.raw : random_.below(managed_.count.raw / 4);
    for (wanted >>= size.raw; wanted != 0; --wanted) {
        const std::optional<pfn> got = rules_.allocate_ordinary(size);
        if (!got) {
            if (Rules::serves_while_it_can && account_.has_free_block(size)) account_.note("vma.I12", size.raw);
            return;
        }
        account_.take({*got, size.pages()}, frame_purpose::neighbour);
        pressure_.emplace_back(*got, size);
    }
}

template <class Rules>
violation vma_trial<Rules>::step() {
    ++counts_.operations;
    concerned_.fill(false);
    space_type& space = any_space();
    if (rules_.hangs(space.options().number)) {
        last_ = "kill";
        space.exit();
        return account_.broken();
    }
    const std::uint64_t what = random_.below(100);
    if (what < 14) {
        map(space);
    } else if (what < 22) {
        grow(space);
    } else if (what < 27) {
        shrink(space);
    } else if (what < 32) {
        move(space);
    } else if (what < 47) {
        alter(space);
    } else if (what < 84) {
        burst(space);
    } else if (what < 88) {
        fork(space);
    } else if (what < 92) {
        life(space);
    } else if (what < 97) {
        use_file();
    } else {
        press();
    }
    return account_.broken();
}

}  // namespace longreach::model

#endif
