// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_SPACE_MIGRATION_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_SPACE_MIGRATION_TRIAL_HPP

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <optional>
#include <string>
#include <vector>

#include "address_space_model.hpp"
#include "space_operation.hpp"

// What daemons do to address spaces, beside their models: collapse, split, relocate, exchange. The model says which
// outcome is due before the space is asked.

namespace longreach::model {

/// Made for one operation.
template <class Policy, class Space>
class migration_trial {
  public:
    struct party {
        Space& space;
        address_space_model& model;
    };
    using outcome = std::optional<std::string>;  ///< what went apart, if anything

    /// `holders` says how many pages of spaces and files each frame is behind; none where nothing shares.
    migration_trial(Policy& policy, page_run universe, const std::vector<unsigned>& holders)
        : policy_(policy), universe_(universe), holders_(holders) {}

    outcome perform(const space_operation& op, const party& m, const party& second) const {
        const vpn page = op.page_in(universe_, m.space.entries());
        switch (op.kind) {
            case space_operation::collapse:
                return collapse(m, op.what % 16U == 0 ? page : align_down(page, superpage_order), op);
            case space_operation::split: {
                const status due = due_of_split(m, page);
                const status told = m.space.split(page);
                if (due == status::ok && told == status::ok) m.model.split(page);
                if (due == status::ok && told == status::out_of_memory) return std::nullopt;  // of tables
                return same(told, due);
            }
            case space_operation::relocate:
                return relocate(m, page, op);
            default:
                return swap(m, page, second, universe_.first + page_count{op.count * 7U % universe_.count.raw}, op);
        }
    }

  private:
    static outcome same(status told, status due) {
        if (told == due) return std::nullopt;
        return "status " + std::to_string(static_cast<int>(told)) + " instead of " +
               std::to_string(static_cast<int>(due)) + " of a migration";
    }

    static const modelled_frame* held_at(const party& m, vpn page) {
        const auto found = m.model.frames().find(page.raw);
        return found == m.model.frames().end() ? nullptr : &found->second;
    }
    /// Whether any frame of the page's leaf is behind another page, too.
    [[nodiscard]] bool is_shared(const party& m, const modelled_frame& held) const {
        for (std::uint64_t i = 0; i < held.size.pages().raw; ++i) {
            if (holders_[m.model.frames().at(held.leaf.raw + i).frame.raw] > 1) return true;
        }
        return false;
    }

    /// Frames for a leaf of the model's size at `page`, which lies in an area, in the name of that page.
    std::optional<pfn> take(const party& m, vpn page, order size) const {
        const page_run area = m.model.entry_around(page)->pages;
        return policy_.allocate({m.space.options().number, page, size, area}, m.space.object());
    }

    [[nodiscard]] status due_of_collapse(const party& m, vpn first) const {
        const auto area = m.model.entry_around(first);
        if (!is_aligned(first, superpage_order)) return status::wrong_size;
        const page_run region{first, superpage_order.pages()};
        if (!area || !area->pages.contains(region)) return status::not_mapped;
        const bool unwanted = area->flags.superpages == superpage_advice::unwanted;
        if (area->source.is_file() || unwanted) return status::forbidden;
        status due = status::not_mapped;
        for (vpn page = first; page < region.end(); page += page_count{1}) {
            const modelled_frame* held = held_at(m, page);
            if (held == nullptr) continue;
            if (held->size != base_order) return status::wrong_size;
            if (is_shared(m, *held)) return status::occupied;
            due = status::ok;
        }
        return due;
    }
    outcome collapse(const party& m, vpn first, const space_operation& op) const {
        const status due = due_of_collapse(m, first);
        if (due != status::ok) return same(m.space.collapse(first, pfn{512}).outcome, due);
        const std::optional<pfn> block = take(m, first, superpage_order);
        if (!block) return std::nullopt;
        if (op.what % 16U == 1) {
            const status told = m.space.collapse(first, *block + page_count{1}).outcome;
            policy_.free(m.space.options().number, first, *block, superpage_order);
            return same(told, status::wrong_size);
        }
        const std::size_t before = m.model.frames().size();
        const collapse_result told = m.space.collapse(first, *block);
        m.model.collapse(first, *block);
        if (policy_.refusals != 0 && !m.space.translate(first)) m.model.uncache({first, superpage_order.pages()});
        const page_count zeroed{m.model.frames().size() - before};
        if (told.zeroed != zeroed || told.copied + zeroed != superpage_order.pages()) return "a collapse miscounts";
        return same(told.outcome, status::ok);
    }

    [[nodiscard]] static status due_of_split(const party& m, vpn page) {
        const modelled_frame* held = held_at(m, page);
        if (held == nullptr) return status::not_mapped;
        return held->size == base_order ? status::wrong_size : status::ok;
    }

    outcome relocate(const party& m, vpn page, const space_operation& op) const {
        const modelled_frame* held = held_at(m, page);
        if (held == nullptr) return same(m.space.relocate(page, pfn{0}), status::not_mapped);
        if (is_shared(m, *held)) return same(m.space.relocate(page, pfn{0}), status::occupied);
        const vpn first = held->leaf;
        const order size = held->size;
        const std::optional<pfn> to = take(m, first, size);
        if (!to) return std::nullopt;
        if (size == superpage_order && op.what % 4U == 1) {
            const status told = m.space.relocate(page, *to + page_count{1});
            policy_.free(m.space.options().number, first, *to, size);
            return same(told, status::wrong_size);
        }
        const status told = m.space.relocate(page, *to);
        m.model.relocate(first, *to);
        return same(told, status::ok);
    }

    outcome swap(const party& one, vpn a, const party& two, vpn b, const space_operation& op) const {
        if (op.what % 2U == 0) b = op.page_in(universe_, two.space.entries());
        if (const auto next = two.model.frames().lower_bound(b.raw); next != two.model.frames().end()) {
            if (op.what % 8U != 7) b = vpn{next->first};
        }
        const bool alone = &one.space == &two.space;
        const auto told = alone ? one.space.exchange(a, b) : exchange(one.space, a, two.space, b);
        const modelled_frame* first = held_at(one, a);
        const modelled_frame* second = held_at(two, b);
        if (first == nullptr || second == nullptr) return same(told, status::not_mapped);
        if (first->size != second->size) return same(told, status::wrong_size);
        if (is_shared(one, *first) || is_shared(two, *second)) return same(told, status::occupied);
        const modelled_frame from = one.model.frames().at(first->leaf.raw);
        const modelled_frame to = two.model.frames().at(second->leaf.raw);
        one.model.relocate(from.leaf, to.frame);
        two.model.relocate(to.leaf, from.frame);
        policy_.exchanged(from.frame, to.frame, from.size);
        return same(told, status::ok);
    }

    Policy& policy_;
    page_run universe_;
    const std::vector<unsigned>& holders_;
};

}  // namespace longreach::model

#endif
