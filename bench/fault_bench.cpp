// SPDX-License-Identifier: MIT
// Page faults per second: first touches of 16 areas of 64 MiB in 4 GiB of memory, of which a hog pins none or half.
//
// BM_fault is what every kernel does for a fault: look up the area, have the policy allocate, map in the page table.
// BM_space_fault is address_space::fault(), which also records what is resident and marks contiguous stretches.
// Both policies run the same loop over the same pages; `thp` pays for no contiguity map. Before anything is timed one
// round is checked: every frame once, nothing pinned, audits clean.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <longreach/allocator/buddy.hpp>
#include <longreach/allocator/ca_paging.hpp>
#include <longreach/allocator/contiguity_map.hpp>
#include <longreach/allocator/thp.hpp>
#include <longreach/pagetable/table.hpp>
#include <longreach/pagetable/vm/address_space.hpp>
#include <longreach/pagetable/vm/map_entries.hpp>
#include <longreach/pagetable/x86_64.hpp>
#include <longreach/workloads/random.hpp>
#include <longreach/workloads/zone.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace longreach;

constexpr run<pfn> all_frames{pfn{0}, page_count{std::uint64_t{1} << 20}};
constexpr std::uint64_t areas = 16;
constexpr page_count area_pages{std::uint64_t{1} << 14};
constexpr permissions read_write = user_permissions(true, true, false);

/// Areas lie 1 GiB and a bit apart, so that no two of them share a table of the lowest two levels.
run<vpn> area(std::uint64_t i) { return {vpn{0x555550000 + (i << 18) + i * 512 * 3}, area_pages}; }

// ------------------------------------------------------------------------------------- what is touched

struct pattern {
    const char* name;
    order size;
    bool random;  ///< each area in a random order, the areas interleaved at random; else one page after the other
};

std::vector<vpn> pages_of(const pattern& wanted) {
    std::vector<vpn> pages;
    for (std::uint64_t i = 0; i < areas; ++i) {
        for (vpn p = area(i).first; p < area(i).end(); p += wanted.size.pages()) pages.push_back(p);
    }
    // A random order of everything is a random order of each area and a random interleaving.
    if (wanted.random) random_numbers(1).shuffle(std::span<vpn>(pages));
    return pages;
}

// -------------------------------------------------------------------------------------- who allocates

class thp_side {
  public:
    using policy_type = thp<vpn, pfn>;
    explicit thp_side(buddy& frames) : policy_(frames) {}
    policy_type& policy() { return policy_; }
    [[nodiscard]] static std::size_t pieces() { return 0; }

  private:
    policy_type policy_;
};

class ca_side {
  public:
    using policy_type = ca_paging<vpn, pfn>;
    explicit ca_side(buddy& frames)
        : map_memory_(contiguity_map::required_bytes(all_frames.count)),
          clusters_(frames, map_memory_.bytes()),
          piece_memory_(policy_type::required_bytes(4096)),
          policy_(frames, clusters_, piece_memory_.bytes()) {}
    policy_type& policy() { return policy_; }
    [[nodiscard]] std::size_t pieces() const { return policy_.pieces().size(); }

  private:
    lazy_memory map_memory_;
    contiguity_map clusters_;
    lazy_memory piece_memory_;
    policy_type policy_;
};

/// Frames, of which a hog pins a part, and a policy.
template <class Side>
struct allocation {
    explicit allocation(unsigned hog_percent)
        : bits(buddy::required_bytes(all_frames.count)), frames(all_frames, bits.bytes()), side(frames) {
        std::vector<pfn> blocks;
        for (pfn f = all_frames.first; f < all_frames.end(); f += superpage_order.pages()) blocks.push_back(f);
        random_numbers(2).shuffle(std::span<pfn>(blocks));
        blocks.resize(blocks.size() * hog_percent / 100);
        for (const pfn f : blocks) benchmark::DoNotOptimize(frames.allocate_at(f, superpage_order));
        pinned = frames.managed().count - frames.free_frames();
    }

    lazy_memory bits;
    buddy frames;
    page_count pinned{};
    Side side;
};

/// Reaches table frames, and counts how often.
class counting_memory {
  public:
    counting_memory(std::span<std::uint64_t> words, std::uint64_t& references)
        : memory_(all_frames, words), references_(&references) {}
    [[nodiscard]] std::uint64_t read(pfn frame, unsigned index) const {
        ++*references_;
        return memory_.read(frame, index);
    }
    void write(pfn frame, unsigned index, std::uint64_t word) {
        ++*references_;
        memory_.write(frame, index, word);
    }
    void clear(pfn frame) { memory_.clear(frame); }
    [[nodiscard]] bool holds(pfn frame) const { return memory_.holds(frame); }

  private:
    flat_memory<pfn> memory_;
    std::uint64_t* references_;
};

// --------------------------------------------------------------------------------- what serves a fault

/// Entries, a policy and a page table, with nothing around them.
template <class Policy, class Memory>
class plain_faults {
  public:
    plain_faults(Policy& policy, Memory memory, order size)
        : policy_(policy), size_(size), storage_(areas), entries_(storage_), table_(memory) {}

    void map(run<vpn> pages) { entries_.insert({pages, read_write, {}, {}}); }

    bool fault(vpn page) {
        const map_entry<vpn>* const area = entries_.find(page);
        if (area == nullptr || !area->allowed.allows(access_kind::store)) return false;
        const std::optional<pfn> frame =
            policy_.allocate({1, page, size_, area->pages, area->flags.grows_up, area->flags.grows_down}, table_);
        if (!frame) return false;
        if (table_.map(page, *frame, size_, {area->allowed}, policy_) == status::ok) return true;
        policy_.free(1, page, *frame, size_);
        return false;
    }

    void unmap(run<vpn> pages) {
        const auto free = [&](const leaf<vpn, pfn>& gone) { policy_.free(1, gone.page, gone.frame, gone.size); };
        (void)table_.unmap(pages, policy_, free);
        policy_.release(1, pages);
        entries_.remove(pages);
    }

    [[nodiscard]] const auto& tables() const { return table_; }
    [[nodiscard]] bool is_sound() const { return !entries_.audit() && !table_.audit(); }

  private:
    Policy& policy_;
    order size_;
    std::vector<map_entry<vpn>> storage_;
    map_entries<vpn> entries_;
    table<x86_64<4>, vpn, pfn, Memory> table_;
};

/// A whole address space.
template <class Policy, class Memory>
class space_faults {
  public:
    space_faults(Policy& policy, Memory memory, order size)
        : storage_(2 * areas),
          object_words_(space_type::object_type::required_words(page_count{areas * area_pages.raw}, areas) *
                        sizeof(std::uint64_t)),
          space_({.number = 1, .superpages = size == superpage_order ? superpage_use::always : superpage_use::never},
                 memory, policy, storage_, object_words_.words()) {}

    void map(run<vpn> pages) { benchmark::DoNotOptimize(space_.map(pages, read_write, {}, {})); }
    bool fault(vpn page) { return space_.fault(page, access_kind::store).outcome == status::ok; }
    void unmap(run<vpn> pages) { benchmark::DoNotOptimize(space_.unmap(pages)); }
    [[nodiscard]] const auto& tables() const { return space_.tables(); }
    [[nodiscard]] bool is_sound() const { return !space_.audit(); }

  private:
    using space_type = address_space<x86_64<4>, vpn, pfn, Memory, Policy>;
    std::vector<map_entry<vpn>> storage_;
    lazy_memory object_words_;
    space_type space_;
};

// ------------------------------------------------------------------------------------------- one round

template <class Faults>
void map_areas(Faults& faults) {
    for (std::uint64_t i = 0; i < areas; ++i) faults.map(area(i));
}
template <class Faults>
void unmap_areas(Faults& faults) {
    for (std::uint64_t i = 0; i < areas; ++i) faults.unmap(area(i));
}

template <class Faults>
bool touch(Faults& faults, const std::vector<vpn>& pages) {
    bool all = true;
    for (const vpn page : pages) all &= faults.fault(page);
    return all;
}

/// One round that is not timed: whether it is right, and its counters beside the time.
template <class Side, template <class, class> class Faults>
bool check(benchmark::State& state, const pattern& wanted, const std::vector<vpn>& pages, allocation<Side>& memory,
           const lazy_memory& words) {
    using faults_type = Faults<typename Side::policy_type, counting_memory>;
    std::uint64_t references = 0;
    faults_type faults(memory.side.policy(), counting_memory(words.words(), references), wanted.size);
    map_areas(faults);
    if (!touch(faults, pages)) return false;
    const double count = static_cast<double>(pages.size());
    state.counters["references"] = static_cast<double>(references) / count;
    const placement_counters counted = memory.side.policy().counters();
    state.counters["hits"] = static_cast<double>(counted.target_hits) / count;
    state.counters["replacements"] = static_cast<double>(counted.replacements);
    state.counters["pieces"] = static_cast<double>(memory.side.pieces());

    std::vector<bool> taken(all_frames.count.raw);
    std::uint64_t twice = 0;
    std::uint64_t runs = 0;
    pfn end{};
    vpn next{};
    faults.tables().for_each(faults.tables().all_pages(), [&](const leaf<vpn, pfn>& found) {
        for (pfn f = found.frame; f < found.frames().end(); f += page_count{1}) {
            twice += taken[f.raw] ? 1 : 0;
            taken[f.raw] = true;
        }
        runs += found.frame != end || found.page != next ? 1 : 0;
        end = found.frames().end();
        next = found.pages().end();
    });
    state.counters["runs"] = static_cast<double>(runs);
    const page_count used = memory.frames.managed().count - memory.frames.free_frames();
    const page_count known = memory.pinned + faults.tables().mapped_pages() + faults.tables().table_count();
    const bool right = twice == 0 && used == known && faults.is_sound() && !memory.side.policy().audit();
    unmap_areas(faults);
    return right && memory.frames.managed().count - memory.frames.free_frames() == memory.pinned;
}

template <class Side, template <class, class> class Faults>
void run_faults(benchmark::State& state, const pattern& wanted, unsigned hog_percent) {
    const std::vector<vpn> pages = pages_of(wanted);
    const lazy_memory words(static_cast<std::size_t>(to_bytes(all_frames.count)));
    allocation<Side> memory(hog_percent);
    if (!check<Side, Faults>(state, wanted, pages, memory, words)) return state.SkipWithError("a round went wrong");
    Faults<typename Side::policy_type, flat_memory<pfn>> faults(memory.side.policy(), {all_frames, words.words()},
                                                                wanted.size);
    bool all = true;
    for (auto _ : state) {
        state.PauseTiming();
        map_areas(faults);
        state.ResumeTiming();
        all &= touch(faults, pages);
        state.PauseTiming();
        unmap_areas(faults);
        state.ResumeTiming();
    }
    if (!all) state.SkipWithError("a fault failed");
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pages.size()));
}

template <template <class, class> class Faults>
void add(const char* name, const pattern& wanted, unsigned hog_percent) {
    const auto add_side = [&](const char* policy, auto body) {
        const std::string full =
            std::string(name) + "/" + policy + "/" + wanted.name + "/hog" + std::to_string(hog_percent);
        benchmark::RegisterBenchmark(full.c_str(), body, wanted, hog_percent)->Unit(benchmark::kMillisecond);
    };
    add_side("thp", run_faults<thp_side, Faults>);
    add_side("ca", run_faults<ca_side, Faults>);
}

}  // namespace

int main(int argc, char** argv) {
    const pattern patterns[] = {{"4KiB_sequential", base_order, false},
                                {"4KiB_random", base_order, true},
                                {"2MiB_sequential", superpage_order, false},
                                {"2MiB_random", superpage_order, true}};
    for (const pattern& wanted : patterns) {
        for (const unsigned hog_percent : {0U, 50U}) {
            add<plain_faults>("BM_fault", wanted, hog_percent);
            add<space_faults>("BM_space_fault", wanted, hog_percent);
        }
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
