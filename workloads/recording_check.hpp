// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_RECORDING_CHECK_HPP
#define LONGREACH_WORKLOADS_RECORDING_CHECK_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "../allocator/config.hpp"
#include "input_error.hpp"
#include "live_mappings.hpp"
#include "recording.hpp"
#include "stream.hpp"
#include "touched_pages.hpp"

// Whether the files of a recording fit together: a replay of all events, in order, before anyone relies on them.
//
// Afterwards it is certain that every fault, upgrade, miss and access lies in a live mapping that allows it,
// that no page is touched first twice and none used before its first touch, and that totals agree with the
// lines. What is not asked: whether code addresses are executable, and whether windows are complete.

LONGREACH_NAMESPACE_BEGIN

/// Replays a recording's events and measures what they need. One object serves one replay.
class recording_replay {
  public:
    explicit recording_replay(const recording& from) : from_(&from) {}

    /// The footprint, or the first event that cannot be.
    [[nodiscard]] absl::StatusOr<recorded_footprint> run_to_end() {
        recorded_stream stream(*from_, stream_selection::everything());
        while (const std::optional<stream_event> event = stream.next()) {
            std::visit([this](const auto* record) { replay(*record); }, *event);
            if (!failure_.ok()) return failure_;
        }
        footprint_.distinct_pages = touched_.distinct();
        footprint_.most_table_frames = touched_.table_frames_ever();
        return footprint_;
    }

  private:
    template <class Record>
    void fail(const record_source& source, const std::vector<Record>& records, const Record& record,
              std::string_view what) {
        const auto index = static_cast<std::size_t>(&record - records.data());
        failure_ = bad_input_at_line(source.file, source.line_of(index), what);
    }
    void fail(const vma_event& event, std::string_view what) { fail(from_->vma_source, from_->vmas, event, what); }
    [[nodiscard]] static std::string address_of(vpn page) { return absl::StrCat(absl::Hex(page.raw * page_bytes)); }

    void replay(const vma_event& event) {
        switch (event.kind) {
            case vma_kind::init:
            case vma_kind::mmap:
            case vma_kind::brk_grow:
                return map(event);
            case vma_kind::munmap:
            case vma_kind::brk_shrink:
                touched_.empty(event.pages);
                return mappings_.unmap(event.pages);
            case vma_kind::mprotect:
                if (!need_mapped(event, event.pages)) return;
                return mappings_.protect(event.pages, *event.protection);
            case vma_kind::mremap:
                return move(event);
            case vma_kind::empty:
                return touched_.empty(event.pages);
            case vma_kind::brk_first:
            case vma_kind::advice:
                return;
        }
    }

    void map(const vma_event& event) {
        const bool replaces = event.kind == vma_kind::mmap && (event.flags & vma_event::map_fixed) != 0;
        if (!replaces && !need_free(event, event.pages, "without MAP_FIXED")) return;
        touched_.empty(event.pages);
        mappings_.map(event.pages, {*event.protection, event.backing == vma_backing::file && event.is_private()});
    }

    void move(const vma_event& event) {
        const page_run from = event.moved_from;
        const page_run to = event.pages;
        const std::optional<mapping_rules> old = mappings_.find(from.first);
        if (!old.has_value() || !need_mapped(event, from)) {
            return fail(event, absl::StrCat("aux: expected a mapped range, found nothing at ",
                                            address_of(mappings_.first_unmapped(from))));
        }
        const mapping_rules rules{event.protection.value_or(old->protection), old->private_file};
        if (from.first == to.first) {
            if (to.count > from.count) {
                if (!need_free(event, run_between(from.end(), to.end()), "growing in place")) return;
                return mappings_.map(run_between(from.end(), to.end()), rules);
            }
            touched_.empty(run_between(to.end(), from.end()));
            return mappings_.unmap(run_between(to.end(), from.end()));
        }
        if (from.overlaps(to)) return fail(event, "start: expected a new range apart from the old one");
        if ((event.flags & vma_event::mremap_fixed) == 0 && !need_free(event, to, "without MREMAP_FIXED")) return;
        touched_.empty(to);
        if (to.count < from.count) touched_.empty({from.first + to.count, from.count - to.count});
        const auto [moved, again] = touched_.move(from, to.first);
        footprint_.moved_pages += moved;
        footprint_.refaults += again;
        mappings_.map(to, rules);
        if ((event.flags & vma_event::mremap_keeps_old) == 0) mappings_.unmap(from);
    }

    [[nodiscard]] bool need_mapped(const vma_event& event, page_run pages) {
        const vpn hole = mappings_.first_unmapped(pages);
        if (hole == pages.end()) return true;
        fail(event, absl::StrCat("address ", address_of(hole), " lies outside every VMA"));
        return false;
    }

    [[nodiscard]] bool need_free(const vma_event& event, page_run pages, const char* why) {
        const vpn taken = mappings_.first_mapped(pages);
        if (taken == pages.end()) return true;
        fail(event, absl::StrCat("expected free pages (", why, "), found a mapping at ", address_of(taken)));
        return false;
    }

    /// What keeps an access to `address` from being possible, or nothing.
    [[nodiscard]] std::optional<std::string> refusal(std::uint64_t address, bool store) const {
        const std::optional<mapping_rules> rules = mappings_.find(vpn{address / page_bytes});
        if (!rules.has_value()) return absl::StrCat("address ", absl::Hex(address), " lies outside every VMA");
        if (rules->allows(store)) return std::nullopt;
        return absl::StrCat("the VMA of address ", absl::Hex(address), " does not allow a ", store ? "store" : "load");
    }

    void replay(const page_fault& fault) {
        const bool store = fault.site.write != 0;
        const auto wrong = [&](std::string_view what) { fail(from_->fault_source, from_->faults, fault, what); };
        if (const auto reason = refusal(fault.page.raw * page_bytes, store)) return wrong(*reason);
        if (touched_.find(fault.page).resident) {
            return wrong(absl::StrCat("a second fault on page ", address_of(fault.page), ", which is resident"));
        }
        if (touched_.arrive(fault.page, store)) ++footprint_.refaults;
        if (touched_.resident() > footprint_.peak_pages) {
            footprint_.peak_pages = touched_.resident();
            footprint_.peak_seq = fault.seq;
            footprint_.table_frames = touched_.table_frames();
        }
    }

    void replay(const page_upgrade& upgrade) {
        const auto wrong = [&](std::string_view what) { fail(from_->upgrade_source, from_->upgrades, upgrade, what); };
        if (const auto reason = refusal(upgrade.page.raw * page_bytes, true)) return wrong(*reason);
        const touched_pages::state state = touched_.find(upgrade.page);
        const std::string page = address_of(upgrade.page);
        if (!state.resident) return wrong(absl::StrCat("an upgrade of page ", page, ", which was not touched before"));
        if (state.stored) return wrong(absl::StrCat("an upgrade of page ", page, ", which was stored to before"));
        touched_.store(upgrade.page);
        if (!mappings_.find(upgrade.page)->private_file) return;
        ++footprint_.file_copies;
        // The page has two frames while it is copied.
        const std::uint64_t frames = touched_.resident() + touched_.table_frames() + 1;
        if (frames > footprint_.copy_frames) footprint_.copy_frames = frames;
    }

    void replay(const recorded_miss& miss) {
        if (const auto reason = misuse(miss.va, miss.va, miss.site.write != 0)) {
            fail(from_->miss_source, from_->misses, miss, *reason);
        }
    }

    void replay(const recorded_access& access) {
        const bool store = access.site.write != 0;
        std::optional<std::string> reason = misuse(access.va, access.va, store);
        const std::uint64_t last = access.va + access.site.size - 1;
        if (!reason.has_value() && last / page_bytes != access.va / page_bytes) reason = misuse(last, access.va, store);
        if (reason.has_value()) fail(from_->access_source, from_->accesses, access, *reason);
    }

    /// What is wrong with the use of a page that should have been touched before, or nothing.
    [[nodiscard]] std::optional<std::string> misuse(std::uint64_t address, std::uint64_t va, bool store) const {
        if (auto reason = refusal(address, store)) return reason;
        const touched_pages::state state = touched_.find(vpn{address / page_bytes});
        if (!state.resident) return absl::StrCat("address ", absl::Hex(va), " is used before the fault of its page");
        if (store && !state.stored && from_->upgrade_source.present()) {
            return absl::StrCat("address ", absl::Hex(va),
                                " is stored to, but its page has neither a fault by a store "
                                "nor an upgrade before");
        }
        return std::nullopt;
    }

    const recording* from_;
    live_mappings mappings_;
    touched_pages touched_;
    recorded_footprint footprint_;
    absl::Status failure_;
};

LONGREACH_NAMESPACE_END

#endif
