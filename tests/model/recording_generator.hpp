// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_RECORDING_GENERATOR_HPP
#define LONGREACH_TESTS_MODEL_RECORDING_GENERATOR_HPP

#include <algorithm>
#include <cstdint>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/recording.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "replay_model.hpp"

// Recordings drawn at random that are sound by construction: candidates that the page-by-page model refuses are
// dropped.

namespace longreach::model {

class recording_generator {
  public:
    explicit recording_generator(std::uint64_t seed)
        : random_(seed), has_upgrades_(random_.chance(3, 4)), model_(has_upgrades_) {}

    /// About `steps` events; the sources say which files there are.
    recording draw(std::uint64_t steps) {
        recording into;
        into.name = "drawn";
        if (random_.chance(1, 2)) into.command = "drawn --with \"quotes\"";
        into.files = {"a.so", "b"};
        into.vma_source.file = "vmas";
        into.fault_source.file = "faults";
        if (has_upgrades_) into.upgrade_source.file = "upgrades";
        const bool has_misses = random_.chance(3, 4);
        const bool has_accesses = random_.chance(3, 4);
        if (has_accesses) begin_windows(into);
        for (std::uint64_t i = 0; i < steps; ++i) {
            switch (random_.below(8)) {
                case 0:
                case 1:
                    keep(into.vmas, 0, vma());
                    break;
                case 2:
                case 3:
                case 4:
                    keep(into.faults, 1, page_fault{0, page(), site(0)});
                    break;
                case 5:
                    if (has_upgrades_) keep(into.upgrades, 2, page_upgrade{0, page(), access_site(pc(), true)});
                    break;
                case 6:
                    if (has_misses) keep(into.misses, 3, recorded_miss{0, address(), site(0)});
                    break;
                default:
                    if (has_accesses) keep_access(into);
            }
        }
        name_files(into);
        if (has_misses) {
            into.miss_source.file = "misses";
            const std::uint64_t from = into.misses.empty() ? seq_ : into.misses.front().seq;
            into.miss_window = recorded_window{"steady", from, seq_ + 1, 0, into.misses.size()};
        }
        if (has_accesses) into.access_source.file = "accesses";
        return into;
    }

    recorded_footprint needs() const { return model_.needs(); }

  private:
    /// Few pages, near each other and on both sides of table boundaries.
    vpn page() {
        constexpr std::uint64_t bases[] = {1, 512 - 4, (std::uint64_t{1} << 18) - 3, (std::uint64_t{1} << 27) - 5,
                                           (std::uint64_t{1} << 35) - 20};
        return vpn{bases[random_.below(5)] + random_.below(12)};
    }
    std::uint64_t address() { return page().raw * page_bytes + random_.below(page_bytes); }
    std::uint64_t pc() { return 0x401000 + random_.below(64); }
    access_site site(std::uint64_t size) { return access_site(pc(), random_.chance(1, 2), size); }
    page_run pages() { return {page(), page_count{1 + random_.below(8)}}; }

    vma_event vma() {
        constexpr vma_kind kinds[] = {vma_kind::init,       vma_kind::mmap,   vma_kind::mmap,     vma_kind::mmap,
                                      vma_kind::munmap,     vma_kind::mremap, vma_kind::mprotect, vma_kind::brk_first,
                                      vma_kind::brk_grow,   vma_kind::mremap, vma_kind::empty,    vma_kind::advice,
                                      vma_kind::brk_shrink, vma_kind::mmap,   vma_kind::mmap,     vma_kind::brk_grow};
        vma_event event;
        event.kind = kinds[random_.below(std::size(kinds))];
        event.pages = pages();
        const bool makes = event.kind == vma_kind::init || event.kind == vma_kind::mmap;
        if (makes || event.kind == vma_kind::mprotect || event.kind == vma_kind::brk_grow ||
            (event.kind == vma_kind::mremap && random_.chance(1, 2))) {
            event.protection = vma_protection{random_.chance(7, 8), random_.chance(3, 4), random_.chance(1, 4)};
        }
        if (makes) {
            event.backing = random_.chance(1, 2) ? vma_backing::file : vma_backing::anonymous;
            if (event.backing == vma_backing::file) event.file = static_cast<std::uint32_t>(random_.below(2));
            event.file_page = random_.below(100);
            event.flags = static_cast<std::uint32_t>(random_.below(3)) | (random_.chance(1, 3) ? 0x10U : 0U);
        }
        if (event.kind == vma_kind::brk_first) event.pages.count = page_count{0};
        if (event.kind == vma_kind::mremap) {
            event.moved_from = pages();
            if (random_.chance(1, 4)) event.moved_from.first = event.pages.first;
            event.flags = static_cast<std::uint32_t>(random_.below(8));
        }
        if (event.kind == vma_kind::empty) event.advice = 4;
        if (event.kind == vma_kind::advice) event.advice = 14;
        return event;
    }

    template <class Record>
    void keep(std::vector<Record>& records, int rank, Record record) {
        if (rank < rank_ || random_.chance(1, 2)) {
            seq_ += 1 + random_.below(3);
            rank_ = 0;
        }
        record.seq = seq_;
        if (!model_.apply(record)) return;
        rank_ = rank;
        records.push_back(record);
    }

    void begin_windows(recording& into) {
        if (random_.chance(1, 2)) into.startup = recorded_window{"startup", 0, 0, 0, 0};
        if (!into.startup.has_value() || random_.chance(3, 4)) into.steady = recorded_window{"steady", 0, 0, 0, 0};
    }

    void keep_access(recording& into) {
        // Once the steady window has begun nothing more goes to the one before it.
        const bool steady = !into.startup.has_value() ||
                            (into.steady.has_value() && (into.steady->count != 0 || random_.chance(1, 20)));
        std::optional<recorded_window>& window = steady ? into.steady : into.startup;
        const std::size_t before = into.accesses.size();
        keep(into.accesses, 4, recorded_access{0, address(), site(1 + random_.below(64))});
        if (into.accesses.size() == before) return;
        const std::uint64_t seq = into.accesses.back().seq;
        if (window->count == 0) window->from_seq = seq;
        if (window->count == 0) window->first = before;
        window->to_seq = seq + 1;
        ++window->count;
        rank_ = 5;  // nothing else has this number
    }

    /// Numbers files by first use and drops those that no mapping names, as a reader does.
    static void name_files(recording& into) {
        std::vector<std::string> used;
        for (vma_event& event : into.vmas) {
            if (event.backing != vma_backing::file) continue;
            const std::string& name = into.files[event.file];
            auto found = std::find(used.begin(), used.end(), name);
            if (found == used.end()) found = used.insert(used.end(), name);
            event.file = static_cast<std::uint32_t>(found - used.begin());
        }
        into.files = used;
        // A window without accesses begins where the file has got to.
        for (auto* window : {&into.startup, &into.steady}) {
            if (!window->has_value() || (*window)->count != 0) continue;
            (*window)->first = window == &into.steady ? into.accesses.size() : 0;
        }
    }

    random_numbers random_;
    bool has_upgrades_;
    replay_model model_;
    std::uint64_t seq_ = 0;
    int rank_ = 0;
};

}

#endif
