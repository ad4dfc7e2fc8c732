// SPDX-License-Identifier: MIT
#include "comparison_identity.hpp"

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <variant>

#include "fingerprint.hpp"

namespace longreach {

namespace {

void add(fingerprint& to, const access_site& site) {
    to.add(std::uint64_t{site.pc});
    to.add(std::uint64_t{site.write} << 32 | site.size);
}

void add(fingerprint& to, page_run pages) {
    to.add(pages.first.raw);
    to.add(pages.count.raw);
}

void add(fingerprint& to, const vma_event& event) {
    to.add(event.seq);
    add(to, event.pages);
    add(to, event.moved_from);
    to.add(event.file_page);
    to.add(std::uint64_t{event.flags} << 32 | event.file);
    const vma_protection rights = event.protection.value_or(vma_protection{});
    const unsigned bits = (event.protection.has_value() ? 8U : 0U) | (rights.read ? 4U : 0U) |
                          (rights.write ? 2U : 0U) | (rights.execute ? 1U : 0U);
    to.add(std::uint64_t{event.advice} << 32 | static_cast<std::uint64_t>(event.kind) << 16 |
           static_cast<std::uint64_t>(event.backing) << 8 | bits);
}

/// Faults and upgrades.
template <class Touch>
void add_touches(fingerprint& to, const std::vector<Touch>& touches) {
    to.add(std::uint64_t{touches.size()});
    for (const Touch& each : touches) {
        to.add(each.seq);
        to.add(each.page.raw);
        add(to, each.site);
    }
}

/// Misses and accesses, with the window of them that is translated.
template <class Access>
void add_accesses(fingerprint& to, const std::vector<Access>& accesses, const std::optional<recorded_window>& window) {
    to.add(std::uint64_t{accesses.size()});
    for (const Access& each : accesses) {
        to.add(each.seq);
        to.add(each.va);
        add(to, each.site);
    }
    to.add(std::uint64_t{window ? window->first : 0});
    to.add(std::uint64_t{window ? window->count : 0});
}

void add(fingerprint& to, const recording& program) {
    to.add(program.name);
    to.add(std::uint64_t{program.vmas.size()});
    for (const vma_event& each : program.vmas) add(to, each);
    add_touches(to, program.faults);
    add_touches(to, program.upgrades);
    add_accesses(to, program.misses, program.miss_window);
    add_accesses(to, program.accesses, program.steady);
}

/// What a file holds; nothing where it cannot be read.
std::string bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}

std::uint64_t identity_of(const comparison& wanted, std::string_view flags) {
    fingerprint result;
    result.add(bytes_of("/proc/self/exe"));  // where the system shows it
    result.add(flags);
    for (const workload& program : wanted.programs) {
        // full-size streams are known by their names, which are flags, and by the program's file
        if (const recording* const recorded = program.as_recording()) add(result, *recorded);
    }
    for (const fragmentation& fragmented : wanted.fragmentations) {
        for (const fragmentation_step& step : fragmented.steps) {
            if (const auto* const snapshot = std::get_if<snapshot_step>(&step)) result.add(bytes_of(snapshot->file));
        }
    }
    return result.value();
}

}
