// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ADDRESS_SPACE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_ADDRESS_SPACE_TRIAL_HPP

#include <algorithm>
#include <cstdint>
#include <deque>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <optional>
#include <string>
#include <vector>

#include "address_space_model.hpp"
#include "cache_trial.hpp"
#include "space_comparison.hpp"
#include "space_family.hpp"
#include "space_migration_trial.hpp"
#include "space_operation.hpp"

// Address spaces that fork and share files, beside their models: performs one operation on both and says what went
// apart.

namespace longreach::model {

/// What a trial is about; the spaces have the numbers options.number, + 1 and + 2.
struct trial_setting {
    space_options options{};
    std::size_t entries = 24;
    bool little_object_memory = false;  ///< objects are often too small for what is touched
    company together = company::files;
};

template <class World>
class basic_space_trial {
  public:
    using family_type = space_family<World>;
    using space_type = typename family_type::space_type;
    using outcome = std::optional<std::string>;  ///< what went apart, if anything
    static constexpr std::size_t spaces = 3;
    /// Eight superpages' worth of pages across a border of 1 GiB.
    static constexpr page_run universe{vpn{(std::uint64_t{1} << 18) - 2048}, page_count{4096}};
    static constexpr page_count few_object_tables{8};
    static constexpr page_count many_object_tables{32};

    basic_space_trial(World& world, const trial_setting& setting)
        : world_(world), setting_(setting), family_(world), files_(family_) {
        const page_count tables = setting.little_object_memory ? few_object_tables : many_object_tables;
        for (std::uint32_t i = 0; i < spaces; ++i) {
            space_options options = setting.options;
            options.number += i;
            members_.push_back({family_.add(options, setting.together, {setting.entries, tables}),
                                address_space_model(options, setting.together == company::files)});
        }
    }
    ~basic_space_trial() {
        for (member& one : members_) one.space.exit();
    }
    basic_space_trial(const basic_space_trial&) = delete;
    basic_space_trial& operator=(const basic_space_trial&) = delete;

    /// Performs the operation on both.
    outcome perform(const space_operation& op) {
        world_.policy().refusals = 0;
        if (auto told = call(members_[op.who % spaces], op)) return told;
        return compare();
    }
    /// Ends every space and empties the cache; nothing may be left.
    outcome finish() {
        world_.policy().withheld_tables = 0;
        for (member& one : members_) {
            one.space.exit();
            one.model.unmap(universe);
        }
        if (auto told = files_.evict(family_.cache().resident_pages().raw, count_holders())) return told;
        if (world_.policy().frames_held() + world_.policy().tables_held() != 0) return "frames are left at the end";
        if (family_.references().further_holds() != 0) return "holders are left at the end";
        return compare();
    }

    [[nodiscard]] const space_type& space(std::size_t i) const { return members_[i].space; }

  private:
    struct member {
        space_type& space;
        address_space_model model;
    };

    static page_run run_at(std::uint16_t place, std::uint16_t count) {
        return space_operation::run_in(universe, place, count);
    }

    outcome call(member& m, const space_operation& op) {
        const page_run pages = run_at(op.place, op.count);
        switch (op.kind) {
            case space_operation::map:
                return map(m, {pages, op.allowed(), op.source(), op.flags()});
            case space_operation::unmap: {
                const status told = m.space.unmap(pages);
                if (told == status::ok) m.model.unmap(pages);
                return same(m, told, status::ok);
            }
            case space_operation::protect: {
                const status told = m.space.protect(pages, op.allowed());
                if (told == status::ok && !pages.empty()) m.model.protect(pages, op.allowed());
                return same(m, told, m.model.covers(pages) ? status::ok : status::not_mapped);
            }
            case space_operation::advise: {
                const status told = m.space.advise(pages, op.advice());
                if (told == status::ok && !pages.empty()) m.model.advise(pages, op.advice());
                return same(m, told, m.model.covers(pages) ? status::ok : status::not_mapped);
            }
            case space_operation::move:
                if (op.what % 8U == 7) {  // resizes
                    const page_count length{1 + op.other % 700U};
                    return move(m, pages, intersection(page_run{pages.first, length}, universe));
                }
                return move(m, pages, run_at(op.other, op.what % 2U != 0 ? op.place : op.count));
            case space_operation::discard: {
                const status told = m.space.discard(pages);
                if (told == status::ok) m.model.discard(pages);
                return same(m, told, status::ok);
            }
            case space_operation::touch:
                return touch(m, op.page_in(universe, m.space.entries()), op.access());
            case space_operation::sweep:
                return sweep(m, op);
            case space_operation::fill:
                return fill(m, pages);
            case space_operation::drop:
                m.space.drop_table();
                m.model.drop_table();
                return std::nullopt;
            case space_operation::fork:
                return fork(m, members_[(op.who + 1 + op.what % 2U) % spaces]);
            case space_operation::exit:
                m.space.exec(m.space.options().number);
                m.model.unmap(universe);
                return std::nullopt;
            case space_operation::read:
            case space_operation::resize:
            case space_operation::evict:
                return setting_.together == company::files ? file_call(op) : std::nullopt;
            case space_operation::whole:
                return map_whole(m, op);
            case space_operation::collapse:
            case space_operation::split:
            case space_operation::relocate:
            case space_operation::exchange:
                return migrate(m, op);
            case space_operation::aim:
                world_.aim(op.other);
                return std::nullopt;
            default:
                world_.policy().withheld_tables = op.what % 4U == 0 ? World::most_tables - op.other % 8U : 0;
                world_.policy().refuse_superpages = op.what % 3U == 1;
                world_.policy().refuse_up_to_order = op.what % 5U == 1 ? 9 : -1;
                return std::nullopt;
        }
    }

    // ---- areas and life ----

    outcome map(member& m, const map_entry<vpn>& area) {
        const status told = m.space.map(area.pages, area.allowed, area.source, area.flags);
        if (told == status::ok) m.model.map(area.pages, area.allowed, area.source, area.flags);
        return same(m, told, status::ok);
    }

    outcome map_whole(member& m, const space_operation& op) {
        const vpn first = align_down(run_at(op.place, 1).first, superpage_order);
        const page_run wanted = intersection(page_run{first, page_count{512 + op.what % 2U * 512}}, universe);
        if (auto told = map(m, {wanted, user_permissions(true, true, false), {}, {}})) return told;
        for (vpn page = first; page < wanted.end(); page += superpage_order.pages()) {
            if (auto told = touch(m, page + page_count{op.other % 512U}, op.access())) return told;
        }
        return std::nullopt;
    }

    outcome move(member& m, page_run from, page_run to) {
        if (from.empty() || to.empty() || (from.overlaps(to) && from.first != to.first)) return std::nullopt;
        const auto area = m.model.entry_around(from.first);
        const status told = m.space.move(from, to);
        if (!area || !area->pages.contains(from)) return same(m, told, status::not_mapped);
        if (told == status::ok) m.model.move(from, to);
        if (told == status::ok && world_.policy().refusals != 0) (void)adopt_cache(m);
        return same(m, told, status::ok);
    }

    outcome fork(member& parent, member& child) {
        if (setting_.together == company::none) return std::nullopt;
        child.space.exit();
        child.model.unmap(universe);
        const status told = child.space.fork_of(parent.space);
        if (told == status::ok) child.model.fork_of(parent.model);
        return same(child, told, status::ok);
    }

    outcome fill(member& m, page_run pages) {
        const status told = m.space.fill_table(pages);
        for (std::uint64_t filled = adopt_cache(m); filled != 0; --filled) m.model.count_refill();
        if (told != status::ok) return same(m, told, status::ok);
        for (auto at = m.model.frames().lower_bound(pages.first.raw);
             at != m.model.frames().end() && at->first < pages.end().raw; ++at) {
            if (!at->second.cached) return "a resident page is missing in a filled table";
        }
        return std::nullopt;
    }

    /// Takes over from the space which pages its table has, where that may depend on memory; answers how many leaves
    /// came.
    std::uint64_t adopt_cache(member& m) {
        std::uint64_t came = 0;
        for (auto& [raw, one] : m.model.frames()) {
            const bool before = one.cached;
            one.cached = m.space.translate(vpn{raw}).has_value();
            if (!before && one.cached && one.leaf.raw == raw) ++came;
        }
        return came;
    }

    outcome migrate(member& m, const space_operation& op) {
        std::vector<unsigned> holders(world_.frames().end().raw);  // all frames are alone where no space shares
        if (setting_.together != company::none) holders = count_holders();
        member& second = op.what % 4U == 0 ? members_[(op.who + 1U) % spaces] : m;
        const migration_trial<typename World::policy_type, space_type> daemon(world_.policy(), universe, holders);
        return daemon.perform(op, {m.space, m.model}, {second.space, second.model});
    }

    // ---- faults ----

    /// Touches every page or every other page of a stretch, so that long mappings come up.
    outcome sweep(member& m, const space_operation& op) {
        const std::uint64_t step = op.other % 8U == 0 ? 2 : 1;
        const std::uint64_t first = (op.page_in(universe, m.space.entries()) - universe.first).raw;
        const std::uint64_t pages = op.count % (op.other % 16U < 3 ? 600U : 100U);
        for (std::uint64_t i = 0; i < pages; ++i) {
            const vpn page = universe.first + page_count{(first + i * step) % universe.count.raw};
            world_.policy().refusals = 0;
            if (auto told = touch(m, page, op.access())) return told;
        }
        return std::nullopt;
    }

    outcome touch(member& m, vpn page, access_kind kind) {
        const auto result = m.space.fault(page, kind);
        if (auto told = follow(m, page, kind, result)) return told;
        if (result.outcome != status::ok) return std::nullopt;
        if (m.space.tables().walk(page, kind).outcome != status::ok) return "the walk after a fault fails";
        m.model.each_of_leaf(page, &modelled_frame::accessed, true);
        if (kind == access_kind::store) m.model.each_of_leaf(page, &modelled_frame::dirty, true);
        return std::nullopt;
    }

    /// Checks one fault against the model, which then follows it.
    outcome follow(member& m, vpn page, access_kind kind, const fault_result<pfn>& result) {
        const auto area = m.model.areas().find(page.raw);
        if (area == m.model.areas().end()) {
            const auto above = m.model.area_above(page);
            if (!above) return same(m, result.outcome, status::not_mapped);
            if (!above->allowed.allows(kind)) return same(m, result.outcome, status::forbidden);
            if (result.outcome != status::ok) return same(m, result.outcome, status::ok);
            m.model.extend(page, *above);
            return first_touch(m, page, kind, result);
        }
        if (!area->second.alone.allowed.allows(kind)) return same(m, result.outcome, status::forbidden);
        const auto held = m.model.frames().find(page.raw);
        const bool absent = held == m.model.frames().end();
        const bool cached_file = area->second.alone.source.is_file() && m.model.cached_files();
        if (absent && cached_file) return file_touch(m, page, kind, result);
        if (result.outcome != status::ok) return same(m, result.outcome, status::ok);
        if (absent) return first_touch(m, page, kind, result);
        if (kind == access_kind::store && !held->second.copied) return store_to_held(m, page, held->second, result);
        const fault_kind expected = held->second.cached ? fault_kind::none : fault_kind::refill;
        if (held->second.frame != result.frame || held->second.size != result.size) return "a refill has another frame";
        if (expected == fault_kind::refill) m.model.refill(page);
        return result.kind == expected ? outcome() : "a fault of another kind than none or refill";
    }

    outcome first_touch(member& m, vpn page, access_kind kind, const fault_result<pfn>& result) {
        const bool superpage = m.model.wants_superpage(page) && result.size == superpage_order;
        const bool refused = world_.policy().refusals != 0 || setting_.little_object_memory;
        if (m.model.wants_superpage(page) && !superpage && !refused) return "a superpage was not taken";
        if (result.size != (superpage ? superpage_order : base_order)) return "a leaf of the wrong size";
        const vpn leaf = align_down(page, result.size);
        m.model.touch(leaf, result.size, result.frame - (page - leaf), kind);
        return result.kind == fault_kind::first_touch ? outcome() : "a fault of another kind than first_touch";
    }

    outcome file_touch(member& m, vpn page, access_kind kind, const fault_result<pfn>& result) {
        const map_entry<vpn>& alone = m.model.areas().at(page.raw).alone;
        const std::uint32_t file = alone.source.file;
        const std::uint64_t at = alone.source.first_page;
        if (at >= files_.model().file(file).size) return same(m, result.outcome, status::out_of_range);
        if (auto told = files_.follow_fetch(file, at)) return told;
        if (result.outcome != status::ok) return same(m, result.outcome, status::ok);
        if (!files_.model().holds(file, at)) return "a page was mapped that the cache lacks";
        if (kind == access_kind::store && !alone.flags.shared) return first_touch(m, page, kind, result);
        if (result.frame != files_.model().pages().at({file, at})) return "a file page has another frame";
        m.model.map_file(page, result.frame);
        return result.kind == fault_kind::file_page ? outcome() : "a fault of another kind than file_page";
    }

    outcome store_to_held(member& m, vpn page, const modelled_frame& held, const fault_result<pfn>& result) {
        const bool owns = setting_.together == company::files ||
                          (setting_.together == company::forks && !m.model.areas().at(page.raw).alone.source.is_file());
        const auto holders = count_holders();
        const auto alone = [&](vpn first, order size) {
            bool all = owns;
            for (std::uint64_t i = 0; i < size.pages().raw && all; ++i) {
                all = holders.at(m.model.frames().at(first.raw + i).frame.raw) == 1;
            }
            return all;
        };
        const bool whole = alone(held.leaf, held.size);
        const bool superpage = held.size == superpage_order && m.model.takes_superpages(page);
        if (superpage && !whole && result.size != held.size && world_.policy().refusals == 0) {
            return "a superpage was not copied whole";
        }
        const bool large = held.size == superpage_order && result.size == superpage_order;
        if (large && !whole && !superpage) return "a superpage was copied against advice";
        if (result.size != (large || whole ? held.size : base_order)) return "a copy of the wrong size";
        const vpn first = align_down(page, result.size);
        const bool reused = alone(first, result.size);
        if (result.kind != (reused ? fault_kind::reuse : fault_kind::copy)) return "a fault of another kind than copy";
        if (reused != (result.frame == held.frame)) return "a copy has the old frame, or a page in use a new one";
        if (reused) {
            m.model.reuse(first, result.size);
        } else {
            m.model.copy(first, result.size, result.frame - (page - first));
        }
        return std::nullopt;
    }

    /// How many pages of spaces and files each frame is behind.
    [[nodiscard]] std::vector<unsigned> count_holders() const {
        std::vector<unsigned> holders(world_.frames().end().raw);
        for (const member& one : members_) {
            for (const auto& [raw, held] : one.model.frames()) ++holders[held.frame.raw];
        }
        for (const auto& [at, frame] : files_.model().pages()) ++holders[frame.raw];
        return holders;
    }

    // ---- files ----

    outcome file_call(const space_operation& op) {
        const std::uint32_t file = op.other % 3U;
        if (op.kind == space_operation::read) return files_.read(file, op.place % 600U, op.count % 40U);
        if (op.kind == space_operation::evict) return files_.evict(op.count % 50U, count_holders());
        const std::uint64_t size = op.place % 700U;
        if (op.what % 2U == 0) {
            for (member& one : members_) {
                one.space.forget_file(file, size);
                one.model.forget_file(file, size);
            }
        }
        return files_.resize(file, size, count_holders());
    }

    // ---- comparison ----

    /// out_of_memory is excused by a refusal of the policy, by full entries or by little memory for the
    /// object, and by nothing else.
    outcome same(const member& m, status told, status expected) const {
        if (told == expected) return std::nullopt;
        const bool full = m.space.entries().size() + 5 > setting_.entries;
        const bool excused = world_.policy().refusals != 0 || full || setting_.little_object_memory;
        if (told == status::out_of_memory && expected == status::ok && excused) return std::nullopt;
        return "status " + std::to_string(static_cast<int>(told)) + " instead of " +
               std::to_string(static_cast<int>(expected));
    }

    static outcome say(const violation& broken) { return broken.label + (" at " + std::to_string(broken.where)); }

    [[nodiscard]] outcome compare() const {
        if (const violation broken = family_.audit()) return say(broken);
        std::uint64_t tables = 0;
        for (const member& one : members_) {
            if (auto told = compare_space(one.space, one.model)) return told;
            tables += one.space.tables().table_count().raw;
        }
        const auto holders = count_holders();
        const auto held = holders.size() - static_cast<std::size_t>(std::count(holders.begin(), holders.end(), 0U));
        if (world_.policy().frames_held() != held) return "frames lost or kept";
        if (world_.policy().tables_held() != tables) return "table frames lost";
        if (world_.frames_given() != held + tables) return "the memory lost frames";
        return files_.compare();
    }

    World& world_;
    trial_setting setting_;
    family_type family_;
    cache_trial<family_type> files_;
    std::deque<member> members_;
};

}  // namespace longreach::model

#endif
