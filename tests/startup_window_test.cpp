// SPDX-License-Identifier: MIT
// The two-level TLB against an independent one: the filter that the recorder ran inside the emulator.
//
// Every bundled recording says how many misses that filter had after the program's first 100,000 accesses.
// Fed with those accesses and the mappings that end among them, ours must have exactly as many.

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <longreach/spot/tlb_hierarchy.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace longreach {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::string decompressed(const fs::path& file) {
    const std::string packed = bytes_of(file);
    std::string text;
    std::vector<char> block(ZSTD_DStreamOutSize());
    ZSTD_DStream* stream = ZSTD_createDStream();
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    while (in.pos < in.size) {
        ZSTD_outBuffer out{block.data(), block.size(), 0};
        if (ZSTD_isError(ZSTD_decompressStream(stream, &out, &in)) != 0) break;
        text.append(block.data(), out.pos);
    }
    ZSTD_freeDStream(stream);
    return text;
}

/// One line of `vmas` that empties pages.
struct emptied {
    std::uint64_t seq;
    std::vector<run<vpn>> pages;
};

run<vpn> pages_of(std::uint64_t address, std::uint64_t bytes) { return {vpn{address / page_bytes}, ceil_pages(bytes)}; }

std::vector<emptied> emptied_pages(const fs::path& file) {
    std::vector<emptied> result;
    std::istringstream text(decompressed(file));
    for (std::string line; std::getline(text, line);) {
        if (line[0] == '#') continue;
        std::istringstream columns(line);
        std::uint64_t seq = 0, start = 0, length = 0, flags = 0;
        std::string event, prot, flag_text, backing, aux;
        columns >> seq >> event >> std::hex >> start >> std::dec >> length >> prot >> flag_text >> backing >> aux;
        if (flag_text != "-") flags = std::stoull(flag_text, nullptr, 16);
        const bool fixed = event == "mmap" && (flags & 0x10) != 0;
        const bool shrunk = event == "brk" && aux == "shrink";
        const bool discarded = event == "madvise" && aux == "advice=4";
        if (event == "munmap" || fixed || shrunk || discarded) {
            result.push_back({seq, {pages_of(start, length)}});
        }
        if (event == "mremap") {
            const std::size_t plus = aux.find('+');
            result.push_back({seq,
                              {pages_of(start, length), pages_of(std::stoull(aux.substr(5, plus - 5), nullptr, 16),
                                                                 std::stoull(aux.substr(plus + 1)))}});
        }
    }
    return result;
}

std::map<std::string, std::uint64_t> totals(const fs::path& file) {
    std::map<std::string, std::uint64_t> values;
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) {
        if (line[0] == '#') continue;
        const std::size_t space = line.find(' ');
        values[line.substr(0, space)] = std::stoull(line.substr(space + 1));
    }
    return values;
}

struct miss_counts {
    std::uint64_t accesses = 0;
    std::uint64_t first = 0;
    std::uint64_t second = 0;
};

miss_counts replay_startup(const fs::path& folder, const std::string& name) {
    const std::vector<emptied> gone = emptied_pages(folder / (name + ".vmas.zst"));
    std::istringstream text(decompressed(folder / (name + ".accesses.zst")));
    tlb_hierarchy<vpn, pfn, reference_filter> tlbs;
    miss_counts counts;
    const auto access = [&](vpn page) {
        const tlb_level level = tlbs.lookup(page, access_kind::load).level;
        counts.first += level == tlb_level::first ? 0 : 1;
        counts.second += level == tlb_level::none ? 1 : 0;
        if (level == tlb_level::none) {
            tlbs.fill(page, {page, pfn{page.raw}, base_order, {all_permissions}});
        }
    };
    std::size_t next = 0;
    for (std::string line; std::getline(text, line);) {
        if (line[0] == '#') continue;
        std::istringstream columns(line);
        std::uint64_t seq = 0, pc = 0, address = 0, size = 0;
        char kind = 0;
        columns >> seq >> std::hex >> pc >> address >> kind >> std::dec >> size;
        if (seq >= 100'000) break;
        for (; next < gone.size() && gone[next].seq <= seq; ++next) {
            for (const run<vpn>& pages : gone[next].pages) tlbs.invalidate(pages);
        }
        ++counts.accesses;
        const vpn first{address / page_bytes};
        const vpn last{(address + size - 1) / page_bytes};
        access(first);
        if (last != first) access(last);
    }
    EXPECT_FALSE(tlbs.audit());
    return counts;
}

TEST(startupWindow, misses_are_exactly_those_of_the_recorders_own_filter) {
    const fs::path recorded = fs::path(LONGREACH_SOURCE_DIR) / "workloads" / "recorded";
    ASSERT_TRUE(fs::is_directory(recorded));
    unsigned recordings = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(recorded)) {
        const std::string name = entry.path().filename().string();
        if (!fs::exists(entry.path() / (name + ".accesses.zst"))) continue;
        SCOPED_TRACE(name);
        const auto expected = totals(entry.path() / (name + ".totals.txt"));
        const miss_counts counts = replay_startup(entry.path(), name);
        EXPECT_EQ(counts.accesses, 100'000U);
        EXPECT_EQ(counts.first, expected.at("first_window_l1_misses"));
        EXPECT_EQ(counts.second, expected.at("first_window_l2_misses"));
        ++recordings;
    }
    EXPECT_EQ(recordings, 7U);
}

}  // namespace
}  // namespace longreach
