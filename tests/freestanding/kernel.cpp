// SPDX-License-Identifier: MIT
// A kernel's use of floors 0 to 2: all memory is the caller's, and there is nothing else.
// Whoever compiles this text puts an include of every header in front of it.

namespace {

using namespace longreach;

/// Hands out the caller's memory, once.
class arena {
  public:
    explicit arena(std::span<std::byte> memory) : memory_(memory) {}

    [[nodiscard]] std::span<std::byte> bytes(std::size_t count) {
        const std::size_t rounded = (count + 15) / 16 * 16;
        LONGREACH_CHECK(rounded <= memory_.size(), "kernel.memory");
        const auto taken = memory_.first(rounded);
        memory_ = memory_.subspan(rounded);
        return taken;
    }
    template <class T>
    [[nodiscard]] std::span<T> array(std::size_t count) {
        T* first = reinterpret_cast<T*>(bytes(count * sizeof(T)).data());
        for (std::size_t i = 0; i < count; ++i) new (first + i) T{};
        return {first, count};
    }

  private:
    std::span<std::byte> memory_;
};

constexpr page_count frame_count{4096};
constexpr permissions all_rights = user_permissions(true, true, true);

/// Faults in an area of six superpages through a policy, then translates it, page by page.
template <class Policy>
bool run_process(Policy& policy, arena& memory, run<pfn> frames) {
    using space = address_space<x86_64<4>, vpn, pfn, flat_memory<pfn>, Policy>;
    const auto words = memory.array<std::uint64_t>(frames.count.raw * words_per_frame);
    const auto entries = memory.array<typename space::entry_type>(8);
    const auto object = memory.array<std::uint64_t>(space::object_type::required_words(frames.count, 8));
    const page_run area{vpn{0x7f000}, page_count{6 * 512}};

    space process({}, {frames, words}, policy, entries, object);
    if (process.map(area, all_rights, backing::anonymous(), {}) != status::ok) return false;
    mmu cores(native_walker(process.tables()));
    for (vpn page = area.first; page < area.end(); page += page_count{1}) {
        const auto touched = process.fault(page, access_kind::store);
        const auto seen = cores.translate(0x400000, page, access_kind::load);
        if (touched.outcome != status::ok || seen.end != walk_end::ok || seen.frame != touched.frame) return false;
    }
    if (cores.audit() || process.audit() || policy.audit()) return false;
    if (walk_cycles(cores.counters()) < spot_cycles(cores.counters())) return false;

    const auto block = policy.allocate({0, area.first, superpage_order, area}, process.object());
    if (!block || process.split(area.first) != status::ok) return false;
    if (process.exchange(area.first, area.first + page_count{9}) != status::ok) return false;
    if (process.collapse(area.first, *block).zeroed != page_count{0}) return false;
    const vpn last = area.end() - page_count{1};
    const auto single = policy.allocate({0, last, base_order, area}, process.object());
    if (!single || process.split(last) != status::ok || process.relocate(last, *single) != status::ok) return false;

    const page_run half{area.first, page_count{3 * 512 + 7}};
    if (process.protect(half, user_permissions(true, false, false)) != status::ok) return false;
    if (process.unmap(half) != status::ok || process.translate(area.first)) return false;
    process.drop_table();
    return process.unmap(area) == status::ok && !process.audit() && !policy.audit();
}

bool use_policies(arena memory, run<pfn> frames) {
    buddy free_frames(frames, memory.bytes(buddy::required_bytes(frames.count)));
    basic_contiguity_map<pfn> clusters(free_frames,
                                       memory.bytes(basic_contiguity_map<pfn>::required_bytes(frames.count)));
    ca_paging<vpn, pfn> contiguous(free_frames, clusters, memory.bytes(ca_paging<vpn, pfn>::required_bytes(16)));
    thp<vpn, pfn> ordinary(free_frames);
    eager<vpn, pfn> at_once(free_frames, memory.bytes(eager<vpn, pfn>::required_bytes(16)));
    random_placement<vpn, pfn> anywhere(free_frames, 1);
    const auto passes = [&](auto& policy) {
        arena own = memory;
        return run_process(policy, own, frames) && free_frames.free_frames() == frames.count;
    };
    return passes(contiguous) && passes(ordinary) && passes(at_once) && passes(anywhere);
}

/// Two processes that share memory after a fork, and a file: each sees its own stores, and nothing is left at the end.
bool use_families(arena memory, run<pfn> frames) {
    using policy_type = thp<vpn, pfn>;
    using space = address_space<x86_64<4>, vpn, pfn, flat_memory<pfn>, policy_type>;
    buddy free_frames(frames, memory.bytes(buddy::required_bytes(frames.count)));
    policy_type policy(free_frames);
    frame_references<pfn> references(frames, memory.bytes(frame_references<pfn>::required_bytes(frames.count)));
    const flat_memory<pfn> tables(frames, memory.array<std::uint64_t>(frames.count.raw * words_per_frame));
    const auto words = [&] {
        return memory.array<std::uint64_t>(space::object_type::required_words(page_count{1024}, 8));
    };
    space::cache_type files({.first_space = 10}, policy, references, memory.array<cached_file>(2), words());
    space parent({.number = 1}, tables, policy, memory.array<space::entry_type>(8), words(), {&references, &files});
    space child({.number = 2}, tables, policy, memory.array<space::entry_type>(8), words(), {&references, &files});
    program_break heap(parent, vpn{0x1000}, page_count{4096});
    no_lock lock;
    locked_space threads(child, lock);

    const page_run text{vpn{0x400}, page_count{20}};
    if (files.open(7, page_count{20}) != status::ok || heap.grow(page_count{1024}) != status::ok) return false;
    if (parent.map(text, all_rights, backing::of_file(7, 0), {.shared = true}) != status::ok) return false;
    if (parent.fault(heap.pages().first, access_kind::store).size != superpage_order) return false;
    if (parent.fault(text.first, access_kind::fetch).kind != fault_kind::file_page) return false;
    if (child.fork_of(parent) != status::ok) return false;
    if (threads.fault(heap.pages().first, access_kind::store).kind != fault_kind::copy) return false;
    if (parent.fault(heap.pages().first, access_kind::store).kind != fault_kind::reuse) return false;
    if (parent.audit() || child.audit() || files.audit() || references.audit()) return false;
    parent.exit();
    child.exec(3);
    return files.close(7) == status::ok && free_frames.free_frames() == frames.count;
}

/// A guest's page behind a host's: 4-level tables of 4 KiB pages make 24 references.
bool use_two_dimensions(arena memory, run<pfn> frames) {
    buddy host_frames(frames, memory.bytes(buddy::required_bytes(frames.count)));
    thp<gfn, pfn> host_policy(host_frames);
    table<x86_64<4>, gfn, pfn, flat_memory<pfn>> host(
        {frames, memory.array<std::uint64_t>(frames.count.raw * words_per_frame)});

    table_pool<gfn> guest_tables(memory.array<std::uint64_t>(table_pool<gfn>::required_words(page_count{8})));
    table<x86_64<4>, vpn, gfn, flat_memory<gfn>> guest(guest_tables.memory());
    const leaf_attributes attributes{.allowed = all_rights};
    if (guest.map(vpn{0x12345}, gfn{5}, base_order, attributes, guest_tables) != status::ok) return false;
    for (gfn page{0}; page < gfn{8}; page += page_count{1}) {
        const std::optional<pfn> behind = host_frames.allocate(base_order);
        if (!behind || host.map(page, *behind, base_order, attributes, host_policy) != status::ok) return false;
    }

    const auto walked = nested_walk(guest, host).walk(vpn{0x12345}, access_kind::load, [](const nested_reference&) {});
    mmu cores(nested_walker(guest, host));
    const auto seen = cores.miss(0x400000, vpn{0x12345}, access_kind::load);
    return walked.outcome == status::ok && walked.references == 24 && seen.frame == walked.found->frame &&
           !guest.audit() && !host.audit() && !cores.audit();
}

}

/// 0, or the number of the step that failed; `memory` is 64 MiB, aligned for any type.
extern "C" int kernel_main(std::byte* memory, std::size_t bytes) {
    const arena whole({memory, bytes});
    const run<pfn> frames{pfn{0x100}, frame_count};
    if (!use_policies(whole, frames)) return 1;
    if (!use_two_dimensions(whole, frames)) return 2;
    if (!use_families(whole, frames)) return 3;
    return 0;
}
