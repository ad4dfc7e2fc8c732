// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_PAPER_REPLAY_HPP
#define LONGREACH_TESTS_PAPER_REPLAY_HPP

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <longreach/workloads/live_mappings.hpp>
#include <longreach/workloads/papers/paper_stream.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>

// Plays a stream of the papers against a plain record of mappings and touched pages, and says what cannot be.

namespace longreach {

class paper_replay {
  public:
    explicit paper_replay(const paper_workload& of) : workload_(of) {}

    /// Plays the whole stream; the first thing that is wrong, or nothing.
    std::optional<std::string> play(std::uint64_t seed) {
        paper_stream stream(workload_, seed);
        while (const auto event = stream.next()) {
            if (const auto* mapping = std::get_if<vma_event>(&*event)) apply(*mapping);
            if (const auto* now = std::get_if<touch_run>(&*event)) touch(*now);
            if (wrong_) return wrong_;
        }
        return std::nullopt;
    }

    std::uint64_t touched = 0, resident = 0, peak = 0, mapped = 0, most_mapped = 0;
    std::uint64_t mapping_events = 0, runs = 0, switches = 0;  ///< switches: runs by another thread than the one before
    std::set<unsigned> threads{};
    /// Of the touches between two mapping events, summed and mixed so that their order does not count.
    std::uint64_t contents = 0;
    /// Of all events in their order.
    std::uint64_t fingerprint = 0;
    [[nodiscard]] const live_mappings& mappings() const { return mappings_; }

  private:
    static std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return splitmix64(a ^ splitmix64(b).next()).next(); }

    void fail(const char* what, vpn page) { wrong_ = std::string(what) + " at page " + std::to_string(page.raw); }

    void apply(const vma_event& event) {
        ++mapping_events;
        if (event.seq != touched) fail("the clock of a mapping event", event.pages.first);
        contents = mix(contents, event.pages.first.raw) + event.pages.count.raw;
        fingerprint = mix(fingerprint, event.pages.first.raw ^ event.seq << 20);
        const bool maps =
            event.kind == vma_kind::init || event.kind == vma_kind::mmap || event.kind == vma_kind::brk_grow;
        if (maps) {
            if (mappings_.first_mapped(event.pages) != event.pages.end()) fail("mapped twice", event.pages.first);
            mappings_.map(event.pages, {*event.protection, event.backing == vma_backing::file});
            if (event.protection->read) mapped += event.pages.count.raw;
        } else if (event.kind == vma_kind::munmap || event.kind == vma_kind::mprotect) {
            if (mappings_.first_unmapped(event.pages) != event.pages.end()) fail("not mapped", event.pages.first);
            mapped -= event.pages.count.raw;
            if (event.kind == vma_kind::munmap) mappings_.unmap(event.pages);
            if (event.kind == vma_kind::mprotect) mappings_.protect(event.pages, *event.protection);
            forget(event.pages);
        } else if (event.kind != vma_kind::brk_first) {
            fail("an unexpected kind of event", event.pages.first);
        }
        most_mapped = std::max(most_mapped, mapped);
    }

    void forget(page_run pages) {
        for (vpn page = pages.first; page < pages.end();) {
            const vpn end = std::min(pages.end(), align_down(page, superpage_order) + superpage_order.pages());
            const auto found = regions_.find(page.raw / 512);
            for (; page < end; page += page_count{1}) {
                if (found == regions_.end() || !found->second[page.raw % 512]) continue;
                found->second.reset(page.raw % 512);
                --resident;
            }
        }
    }

    void touch(const touch_run& now) {
        const page_run pages = now.pages;
        if (pages.empty()) return fail("an empty run", pages.first);
        if (pages.first.raw / 512 != (pages.end() - page_count{1}).raw / 512) fail("a run beyond 2 MiB", pages.first);
        if (now.seq != touched) fail("the clock", pages.first);
        for (const vpn page : {pages.first, pages.end() - page_count{1}}) {
            const auto rules = mappings_.find(page);
            if (!rules || !rules->allows(now.kind == access_kind::store)) fail("a touch that is not allowed", page);
        }
        if (mappings_.first_unmapped(pages) != pages.end()) fail("a touch of what is not mapped", pages.first);
        std::bitset<512>& region = regions_[pages.first.raw / 512];
        for (vpn page = pages.first; page < pages.end(); page += page_count{1}) {
            if (region[page.raw % 512]) fail("a second touch", page);
            if (!workload_.ever_touches(page)) fail("a touch that was not announced", page);
            region.set(page.raw % 512);
            contents += splitmix64(page.raw * 4 + static_cast<std::uint64_t>(now.kind)).next();
        }
        fingerprint = mix(fingerprint, pages.first.raw ^ pages.count.raw << 40 ^ std::uint64_t{now.thread} << 54);
        ++runs;
        touched += pages.count.raw;
        resident += pages.count.raw;
        peak = std::max(peak, resident);
        switches += now.thread != last_thread_ ? 1U : 0U;
        last_thread_ = now.thread;
        threads.insert(now.thread);
    }

    paper_workload workload_;
    live_mappings mappings_{};
    std::unordered_map<std::uint64_t, std::bitset<512>> regions_{};
    std::optional<std::string> wrong_{};
    unsigned last_thread_ = 0;
};

}  // namespace longreach

#endif
