// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_ADDRESS_SPACE_TRIAL_HPP
#define LONGREACH_TESTS_MODEL_ADDRESS_SPACE_TRIAL_HPP

#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "address_space_model.hpp"
#include "list_policy.hpp"

// An address space beside its model: performs one operation on both and says what went apart.

namespace longreach::model {

/// One call on an address space, in small numbers that any bytes can be.
struct space_operation {
    enum kind_type : std::uint8_t { map, unmap, protect, move, discard, touch, sweep, drop, aim, refuse, kinds };
    kind_type kind{};
    std::uint8_t what = 0;    ///< protection, backing and flags; or the access
    std::uint16_t place = 0;  ///< picks the first page
    std::uint16_t count = 0;  ///< picks a length
    std::uint16_t other = 0;  ///< picks the target of a move, or a frame

    friend std::ostream& operator<<(std::ostream& out, const space_operation& op) {
        static constexpr const char* names[] = {"map",   "unmap", "protect", "move", "discard",
                                                "touch", "sweep", "drop",    "aim",  "refuse"};
        return out << "{space_operation::" << names[op.kind] << ", " << int{op.what} << ", " << op.place << ", "
                   << op.count << ", " << op.other << '}';
    }
};

class address_space_trial {
  public:
    using policy_type = list_policy<vpn, pfn>;
    using space_type = address_space<x86_64<4>, vpn, pfn, flat_memory<pfn>, policy_type>;
    using object_type = space_type::object_type;
    static constexpr std::uint64_t table_frames = 40;
    static constexpr std::uint64_t page_frames = 6144;
    /// Eight superpages' worth of pages across a border of 1 GiB.
    static constexpr page_run universe{vpn{(std::uint64_t{1} << 18) - 2048}, page_count{4096}};

    /// Tables of an object that is often too small for what is touched.
    static constexpr page_count few_object_tables{8};

    explicit address_space_trial(const space_options& options = {}, std::size_t entries = 24,
                                 bool little_object_memory = false)
        : words_(table_frames * words_per_frame, 0x5a5a5a5a5a5a5a5aU),
          object_words_(little_object_memory ? table_pool<pfn>::required_words(few_object_tables)
                                             : object_type::required_words(universe.count, 32),
                        0xa5a5a5a5a5a5a5a5U),
          little_object_memory_(little_object_memory),
          entries_(entries),
          policy_(table_frames, page_frames),
          space_(options, flat_memory<pfn>({pfn{0}, page_count{table_frames}}, words_), policy_, entries_,
                 object_words_),
          model_(options) {}

    /// Performs the operation on both; what went apart, if anything.
    std::optional<std::string> perform(const space_operation& op) {
        policy_.refusals = 0;
        if (auto told = call(op)) return told;
        return compare();
    }

    [[nodiscard]] const space_type& space() const { return space_; }
    [[nodiscard]] policy_type& policy() { return policy_; }

  private:
    static page_run run_at(std::uint16_t place, std::uint16_t count) {
        const std::uint64_t first = place % universe.count.raw;
        // Half of all runs begin and end at 64 pages, so that neighbours and whole regions come up.
        const std::uint64_t grain = (count & 1U) != 0 ? 64 : 1;
        const std::uint64_t begin = first / grain * grain;
        const std::uint64_t length = grain == 64 ? (1 + count / 2U % 24) * 64 : count / 2U % 700;
        return intersection(page_run{universe.first + page_count{begin}, page_count{length}}, universe);
    }
    static permissions permissions_of(std::uint8_t what) {
        return user_permissions((what & 1U) != 0 || (what & 7U) == 6, (what & 2U) != 0, (what & 4U) != 0);
    }
    static backing backing_of(const space_operation& op) {
        return op.what / 8U % 4U == 3 ? backing::of_file(op.other % 3U, op.other % 100U) : backing::anonymous();
    }
    static area_flags flags_of(std::uint8_t what) {
        return {.shared = what / 32U % 4U == 1, .grows_up = false, .grows_down = what / 32U % 8U == 7};
    }
    static access_kind access_of(std::uint8_t what) { return static_cast<access_kind>(what % 3U); }

    std::optional<std::string> call(const space_operation& op) {
        const page_run pages = run_at(op.place, op.count);
        switch (op.kind) {
            case space_operation::map: {
                const status told = space_.map(pages, permissions_of(op.what), backing_of(op), flags_of(op.what));
                if (told == status::ok) {
                    model_.map(pages, permissions_of(op.what), backing_of(op), flags_of(op.what));
                }
                return same(told, status::ok);
            }
            case space_operation::unmap: {
                const status told = space_.unmap(pages);
                if (told == status::ok) model_.unmap(pages);
                return same(told, status::ok);
            }
            case space_operation::protect:
                return protect(pages, permissions_of(op.what));
            case space_operation::move:
                if (op.what % 8U == 7) {  // resizes
                    const page_count length{1 + op.other % 700U};
                    return move(pages, intersection(page_run{pages.first, length}, universe));
                }
                return move(pages, run_at(op.other, op.what % 2U != 0 ? op.place : op.count));
            case space_operation::discard: {
                const status told = space_.discard(pages);
                if (told == status::ok) model_.discard(pages);
                return same(told, status::ok);
            }
            case space_operation::touch:
                return touch(pages.first, access_of(op.what));
            case space_operation::sweep:
                return sweep(op);
            case space_operation::drop:
                space_.drop_table();
                model_.drop_table();
                return std::nullopt;
            case space_operation::aim:
                policy_.aim(op.other);
                return std::nullopt;
            default:
                policy_.withheld_tables = op.what % 4U == 0 ? table_frames - op.other % 8U : 0;
                policy_.refuse_superpages = op.what % 3U == 1;
                policy_.refuse_up_to_order = op.what % 5U == 1 ? 9 : -1;
                return std::nullopt;
        }
    }

    std::optional<std::string> protect(page_run pages, permissions allowed) {
        const status told = space_.protect(pages, allowed);
        if (!model_.covers(pages)) return same(told, status::not_mapped);
        if (told == status::ok && !pages.empty()) model_.protect(pages, allowed);
        return same(told, status::ok);
    }

    std::optional<std::string> move(page_run from, page_run to) {
        if (from.empty() || to.empty() || (from.overlaps(to) && from.first != to.first)) return std::nullopt;
        const auto area = model_.entry_around(from.first);
        const status told = space_.move(from, to);
        if (!area || !area->pages.contains(from)) return same(told, status::not_mapped);
        if (told == status::ok) model_.move(from, to);
        if (told == status::ok && policy_.refusals != 0) adopt_cache();
        return same(told, status::ok);
    }

    /// Touches every `other`th page of a stretch, so that long mappings come up.
    std::optional<std::string> sweep(const space_operation& op) {
        const std::uint64_t step = op.other % 8U == 0 ? 2 : 1;
        for (std::uint64_t i = 0; i < op.count % 100U; ++i) {
            const vpn page = universe.first + page_count{(op.place + i * step) % universe.count.raw};
            policy_.refusals = 0;
            if (auto told = touch(page, access_of(op.what))) return told;
        }
        return std::nullopt;
    }

    std::optional<std::string> touch(vpn page, access_kind kind) {
        const auto result = space_.fault(page, kind);
        if (auto told = follow(page, kind, result)) return told;
        if (result.outcome == status::ok) {
            // Possible afterwards, as promised.
            if (space_.tables().walk(page, kind).outcome != status::ok) return "the walk after a fault fails";
            model_.each_of_leaf(page, &modelled_frame::accessed, true);
            if (kind == access_kind::store) model_.each_of_leaf(page, &modelled_frame::dirty, true);
        }
        return std::nullopt;
    }

    /// Checks one fault against the model, which then follows it.
    std::optional<std::string> follow(vpn page, access_kind kind, const fault_result<pfn>& result) {
        const auto area = model_.areas().find(page.raw);
        if (area == model_.areas().end()) return same(result.outcome, status::not_mapped);
        if (!area->second.alone.allowed.allows(kind)) return same(result.outcome, status::forbidden);
        if (result.outcome != status::ok) return same(result.outcome, status::ok);
        const auto held = model_.frames().find(page.raw);
        fault_kind expected = fault_kind::first_touch;
        if (held == model_.frames().end()) {
            const bool superpage = model_.wants_superpage(page) && result.size == superpage_order;
            if (model_.wants_superpage(page) && !superpage && policy_.refusals == 0) return "a superpage was not taken";
            if (result.size != (superpage ? superpage_order : base_order)) return "a leaf of the wrong size";
            const vpn leaf = align_down(page, result.size);
            model_.touch(leaf, result.size, result.frame - (page - leaf), kind);
        } else if (kind == access_kind::store && !held->second.copied) {
            expected = fault_kind::copy;
            if (held->second.frame == result.frame) return "a copy has the old frame";
            model_.copy(page, result.frame);
        } else {
            expected = held->second.cached ? fault_kind::none : fault_kind::refill;
            if (held->second.frame != result.frame || held->second.size != result.size)
                return "a refill has another frame";
            if (expected == fault_kind::refill) model_.refill(page);
        }
        if (result.kind != expected) return "a fault of another kind";
        return std::nullopt;
    }

    /// A move that found no frame for its tables may leave pages out of the page table.
    void adopt_cache() {
        for (auto& [raw, one] : model_.frames()) one.cached = space_.translate(vpn{raw}).has_value();
    }

    /// out_of_memory is excused by a refusal of the policy, by full entries or by little memory for the
    /// object, and by nothing else.
    std::optional<std::string> same(status told, status expected) const {
        if (told == expected) return std::nullopt;
        const bool full = space_.entries().size() + 5 > entries_.size();
        const bool excused = policy_.refusals != 0 || full || little_object_memory_;
        if (told == status::out_of_memory && expected == status::ok && excused) return std::nullopt;
        return "status " + std::to_string(static_cast<int>(told)) + " instead of " +
               std::to_string(static_cast<int>(expected));
    }

    [[nodiscard]] std::optional<std::string> compare() const {
        if (const violation broken = space_.audit()) return broken.label + (" at " + std::to_string(broken.where));
        if (const violation broken = policy_.audit()) return broken.label + (" at " + std::to_string(broken.where));
        const auto expected = model_.entries();
        const auto areas = space_.entries();
        if (!std::equal(expected.begin(), expected.end(), areas.begin(), areas.end())) return "other entries";
        if (space_.resident_pages().raw != model_.frames().size()) return "another number of resident pages";
        if (space_.faults() != model_.counters()) return "other fault counters";
        if (policy_.frames_held() != model_.frames().size()) return "frames lost or kept";
        if (policy_.tables_held() != space_.tables().table_count().raw) return "table frames lost";
        std::vector<model_leaf> resident;
        std::vector<model_leaf> cached;
        for (const auto& [one, in_table] : model_.leaves()) {
            resident.push_back(one);
            if (in_table) cached.push_back(one);
        }
        std::size_t next = 0;
        bool wrong = false;
        space_.for_each_leaf(space_type::table_type::all_pages(), [&](const model_leaf& held) {
            wrong = wrong || next == resident.size() || !same_place(held, resident[next]);
            ++next;
        });
        if (wrong || next != resident.size()) return "other resident leaves";
        next = 0;
        space_.tables().for_each(space_type::table_type::all_pages(), [&](const model_leaf& held) {
            wrong = wrong || next == cached.size() || held != cached[next];
            ++next;
        });
        if (wrong || next != cached.size()) return "other leaves in the page table";
        return std::nullopt;
    }

    /// Equal but for permissions and what walks mark, which the object learns late.
    static bool same_place(const model_leaf& one, const model_leaf& other) {
        return one.page == other.page && one.frame == other.frame && one.size == other.size &&
               one.attributes.contiguous == other.attributes.contiguous;
    }

    std::vector<std::uint64_t> words_;
    std::vector<std::uint64_t> object_words_;
    bool little_object_memory_;
    std::vector<map_entry<vpn>> entries_;
    policy_type policy_;
    space_type space_;
    address_space_model model_;
};

}  // namespace longreach::model

#endif
