// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_PAPERS_PAPER_STARTUP_HPP
#define LONGREACH_WORKLOADS_PAPERS_PAPER_STARTUP_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "../../allocator/config.hpp"
#include "paper_plan.hpp"

// What every program of the papers has before main(): its file, libraries, stack, and a heap that grows by brk.
//
// One list for all five, so that it makes no difference between them: 34 areas and 1505 touched pages, which is what
// the one published vector leaves for them (workloads/README.md, "Full-size streams").

LONGREACH_NAMESPACE_BEGIN

namespace detail {

struct startup_area {
    std::string_view file;  ///< empty: anonymous
    vma_protection allowed{};
    std::uint64_t pages = 0;
    std::uint64_t touched = 0;  ///< from the front
};

inline constexpr vma_protection of_code{true, false, true}, of_constants{true, false, false},
    of_variables{true, true, false}, of_gap{};

/// From the top of the mmap region down. Between code and data libraries of 2018 have a gap of up to 2 MiB.
inline constexpr std::array<startup_area, 28> libraries{{
    {"", of_variables, 1, 1},
    {"ld-2.27.so", of_variables, 1, 1},
    {"ld-2.27.so", of_constants, 1, 1},
    {"[vdso]", of_code, 2, 1},
    {"[vvar]", of_constants, 3, 1},
    {"ld-2.27.so", of_code, 39, 39},
    {"", of_variables, 4, 3},
    {"libc-2.27.so", of_variables, 2, 2},
    {"libc-2.27.so", of_constants, 4, 4},
    {"libc-2.27.so", of_gap, 512, 0},
    {"libc-2.27.so", of_code, 487, 300},
    {"", of_variables, 4, 1},
    {"libpthread-2.27.so", of_variables, 1, 1},
    {"libpthread-2.27.so", of_constants, 1, 1},
    {"libpthread-2.27.so", of_gap, 511, 0},
    {"libpthread-2.27.so", of_code, 26, 18},
    {"libgomp.so.1", of_variables, 1, 1},
    {"libgomp.so.1", of_constants, 1, 1},
    {"libgomp.so.1", of_gap, 511, 0},
    {"libgomp.so.1", of_code, 41, 24},
    {"libm-2.27.so", of_variables, 1, 1},
    {"libm-2.27.so", of_constants, 1, 1},
    {"libm-2.27.so", of_gap, 511, 0},
    {"libm-2.27.so", of_code, 413, 96},
    {"libdl-2.27.so", of_variables, 1, 1},
    {"libdl-2.27.so", of_constants, 1, 1},
    {"libdl-2.27.so", of_gap, 511, 0},
    {"libdl-2.27.so", of_code, 3, 2},
}};
inline constexpr std::uint64_t thread_local_pages = 2;
inline constexpr page_run program_stack{vpn{0x7ffffffde}, page_count{33}};
inline constexpr std::uint64_t stack_touched = 12, startup_touched = 1505, heap_step = 33;

/// Pieces of work of the first thread, whose order the seed decides.
class startup_touches {
  public:
    void add(page_run pages, bool store) {
        if (pages.empty()) return;
        phase_.lanes.push_back({{pages}, store ? access_kind::store : access_kind::load});
        total_ += pages.count.raw;
    }
    [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
    [[nodiscard]] touch_phase take() {
        phase_.threaded = false;
        return std::move(phase_);
    }

  private:
    touch_phase phase_{};
    std::uint64_t total_ = 0;
};

/// The heap grows by 132 KiB at a time, each of which is filled before the next.
inline void grow_heap(paper_plan& plan, vpn start, std::uint64_t touched) {
    plan.map(vma_kind::brk_first, {start, page_count{0}}, vma_backing::anonymous, paper_plan::read_write);
    for (std::uint64_t done = 0; done < touched; done += heap_step) {
        const page_run more{start + page_count{done}, page_count{heap_step}};
        plan.map(vma_kind::brk_grow, more, vma_backing::anonymous, paper_plan::read_write);
        plan.fill({{more.first, page_count{std::min(heap_step, touched - done)}}});
    }
}

/// Maps and touches all of it. Returns the program's zeroed static arrays of `static_bytes` bytes, which it touches
/// not.
inline paper_array start_program(paper_plan& plan, std::string_view program, std::uint64_t static_bytes = 0) {
    startup_touches touches;
    const auto place = [&](std::uint64_t first, std::uint64_t count, std::uint64_t touched, vma_protection allowed) {
        plan.map(vma_kind::init, {vpn{first}, page_count{count}}, vma_backing::file, allowed, 0, program);
        touches.add({vpn{first}, page_count{touched}}, allowed.write);
    };
    place(0x400, 30, 24, of_code);
    place(0x600, 1, 1, of_constants);
    place(0x601, 1, 1, of_variables);
    paper_array statics{{vpn{0x602}, page_count{0}}, 0};
    if (static_bytes != 0) statics = plan.place(statics.pages.first, static_bytes);
    const vpn heap = statics.pages.end() + page_count{0x2000};
    plan.map(vma_kind::init, program_stack, vma_backing::anonymous, of_variables, vma_event::map_grows_down);
    touches.add(run_between(program_stack.end() - page_count{stack_touched}, program_stack.end()), true);
    for (const startup_area& area : libraries) {
        const auto backing = area.file.empty() ? vma_backing::anonymous : vma_backing::file;
        const page_run pages = plan.map_below(page_count{area.pages}, backing, area.allowed, area.file);
        touches.add({pages.first, page_count{area.touched}}, area.allowed.write);
    }
    const page_count local{thread_local_pages};
    touches.add(plan.map_below(local, vma_backing::anonymous, of_variables), true);
    const std::uint64_t before_heap = touches.total();
    plan.touch(touches.take());
    grow_heap(plan, heap, startup_touched - before_heap);
    return statics;
}

}

LONGREACH_NAMESPACE_END

#endif
