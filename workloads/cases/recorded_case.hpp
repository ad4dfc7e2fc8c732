// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_CASES_RECORDED_CASE_HPP
#define LONGREACH_WORKLOADS_CASES_RECORDED_CASE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/units.hpp"

// One workload of one recorded boot of the original CA-paging kernel, as values: the free memory it began with, what
// its processes did, what the kernel decided, and where every page lay at the end. case_reader.hpp reads it from files,
// ../artifact/artifact_replay.hpp and sound_replay.hpp replay it.

LONGREACH_NAMESPACE_BEGIN

/// What the kernel groups pageblocks (1024 frames) by, so that frames that cannot be moved lie together.
enum class migrate_type : std::uint8_t { unmovable, movable, reclaimable, highatomic, cma, isolate };

/// The zones of the recorded machine, in order of frames; a request looks in `normal` first.
enum class zone_name : std::uint8_t { dma32, normal };
inline constexpr std::size_t zone_count = 2;

/// Frames of each zone. The machine is the same for every recording: 6 GiB, a hole below 4 GiB, frame 0 belongs to
/// nobody.
inline constexpr std::array<frame_run, zone_count> zone_spans{
    {{pfn{0x1}, page_count{0x7ffdd - 0x1}}, {pfn{0x100000}, page_count{0x100000}}}};

/// Which list a free block is on.
enum class free_list : std::uint8_t { zone, per_cpu, reserved };

/// Consecutive entries of one free list, each 2^size frames behind the previous; lines keep the order of their list,
/// head to tail.
struct listed_blocks {
    zone_name zone{};
    order size{};
    migrate_type type{};
    free_list list{};
    unsigned cpu = 0;  ///< of a per-CPU list
    pfn first{};
    std::uint64_t blocks = 0;
};

/// Free memory at one moment.
struct memory_state {
    std::vector<listed_blocks> blocks;
    std::array<std::optional<pfn>, zone_count> rover{};  ///< next-fit rovers; nothing where the kernel had none
};

/// An area (VMA) as the fault log names it. One that grew has a new number and shares its start or end.
struct case_area {
    unsigned process = 0;
    page_run pages{};
};

/// One call of the original's allocator.
struct case_fault {
    std::uint64_t seq = 0;
    unsigned process = 0;
    order size{};
    vpn page{};                        ///< aligned to 2^size
    std::size_t area = 0;              ///< index into recorded_case::areas
    std::optional<pfn> target;         ///< what the area's offset predicts, before rounding up to 2 MiB
    std::optional<page_count> wanted;  ///< size passed on for a re-placement; nothing where it was uninitialised
    bool may_place = false;            ///< no other fault of the area was being served
    std::optional<pfn> got;            ///< nothing where no page was had; the kernel then tried again
    std::optional<pfn> rover_after;    ///< of zone Normal
    std::string fail_reasons;          ///< counters that moved, joined by spaces; empty for none
    std::string success_kind;
};

/// One thing that happened, in order.
struct case_step {
    enum class kind : std::uint8_t {
        fault,        ///< faults[fault] was served
        map,          ///< the pages became an area of the process (or joined one)
        unmap,        ///< the pages left the process
        fork,         ///< `process` was forked; `child` is the copy
        exit,         ///< the process ended
        plain_touch,  ///< the process wrote `pages`, from the first to the last, and its faults are in no log: CA
                      ///< paging is off for it, superpages of a forked copy were copied, or the case has no log at all
    };
    kind what{};
    unsigned process = 0;
    unsigned child = 0;
    std::size_t fault = 0;
    page_run pages{};
    bool grows_up = false;    ///< of a mapping: the heap
    bool grows_down = false;  ///< of a mapping: the stack, or memory at an address that the kernel chose
    bool separate = false;    ///< of a mapping: joins no neighbour, because it is of a file
};

/// One process of the workload, and what became of it.
struct case_process {
    std::string name;                       ///< "main", "peer" or "child"
    bool ca = true;                         ///< whether CA paging was on for it
    bool superpages = true;                 ///< whether its faults may take 2 MiB
    std::vector<page_run> counted;          ///< its own areas, those that index.csv counts
    std::vector<mapping<vpn, pfn>> before;  ///< pages present before the log begins
    std::vector<mapping<vpn, pfn>> after;   ///< pages present at the end
};

/// A workload with everything that is known of it.
struct recorded_case {
    std::string run;       ///< name of the boot, e.g. "E_2m_30_ca"
    std::string workload;  ///< e.g. "C1_rr4_2m"
    char kind = 0;         ///< first letter of the run: A to L, S or X
    bool logged = false;   ///< whether there is a fault log; without one the steps are the script's touches
    memory_state start;    ///< immediately before the first step
    memory_state end;      ///< no blocks where the record does not hold it
    std::vector<case_area> areas;
    std::vector<case_fault> faults;  ///< folded lines unfolded
    std::vector<case_step> steps;
    std::vector<case_process> processes;  ///< by number
};

LONGREACH_NAMESPACE_END

#endif
