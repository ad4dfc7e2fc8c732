// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_CASE_TEXT_HPP
#define LONGREACH_TESTS_MODEL_CASE_TEXT_HPP

#include <zstd.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <longreach/workloads/cases/case_reader.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

// A small recorded case as text, for tests that change it; and cases as text, for tests that compare them.

namespace longreach::model {

/// The files of one run with one workload, in memory: a VMA of 2 MiB and five pages, touched in order.
class small_case {
  public:
    small_case() {
        text("params.txt") =
            "run=A1_small_ca\nmode=ca\nworkloads=W\nflags=\n--- script W.cawl\nmap A 0x205000\nclearlog\nsnap before\n"
            "touch A seq\nsnap after\nhold\n";
        text("W.before.free_blocks.csv") =
            "zone,order,migratetype,list,start_pfn,nblocks\nDMA32,10,movable,buddy,0x400,3\n"
            "Normal,10,movable,buddy,0x105400,4\nNormal,3,movable,buddy,0x1f9000,1\nNormal,0,movable,pcp0,0x1f9010,1\n";
        text("W.before.contiguity_map.csv") =
            "zone,start_pfn,end_pfn\nDMA32,0x5800000000,ROVER\nNormal,0x105400,ROVER\n";
        text("W.before.runs.csv") = "va_page,pfn,npages\n0x4c9,0x1f8000,3\n0x4cc,0x1f8010,1\n";
        text("W.before.maps.txt") =
            "004c9000-004cc000 rw-p 000c8000 00:02 153    /bin/cawl\n"
            "004cc000-0051d000 rw-p 00000000 00:00 0      [heap]\n"
            "100000000000-100000205000 rw-p 00000000 00:00 0 \n";
        text("W.after.runs.csv") =
            "va_page,pfn,npages\n0x100000000,0x105400,512\n0x100000200,0x1f9000,4\n0x100000204,0x1f9010,1\n";
        text("W.fault_vmas.csv") = "vma,proc,vm_start,vm_end\n0,0,0x100000000000,0x100000205000\n";
        text("W.faults.csv") =
            "seq,proc,order,va_page,vma,target_pfn,want_pages,allow_placement,got_pfn,rover_after,fail_reasons,"
            "success_kind,repeat\n"
            "0,0,9,0x100000000,0,0x105400,uninit,1,0x105400,0x115400,-,SUPERBLOCK,1\n"
            "1,0,0,0x100000200,0,0x105600,5,1,0x1f9000,0x115400,-,EXACT,4\n"
            "5,0,0,0x100000204,0,0x0,1,1,0x1f9010,0x115400,NOTHING_FOUND,-,1\n";
    }

    std::string& text(const std::string& name) { return files_[name]; }
    void remove(const std::string& name) { files_.erase(name); }
    /// Replaces the first occurrence of a text, which has to be there.
    void replace(const std::string& name, const std::string& from, const std::string& to) {
        std::string& all = files_.at(name);
        const std::size_t at = all.find(from);
        if (at == std::string::npos) throw std::runtime_error("no " + from + " in " + name);
        all.replace(at, from.size(), to);
    }

    [[nodiscard]] case_folder folder() const { return case_folder("run", files_); }

    [[nodiscard]] absl::StatusOr<recorded_case> load() const {
        case_list found;
        if (absl::Status status = find_run_cases(folder(), found); !status.ok()) return status;
        if (found.cases.empty()) return absl::NotFoundError("left out: " + found.skipped.at(0).reason);
        return load_case(found.cases.front());
    }
    [[nodiscard]] std::string refusal() const {
        const absl::StatusOr<recorded_case> read = load();
        return read.ok() ? std::string("it was read") : std::string(read.status().message());
    }

  private:
    case_folder::contents files_;
};

/// The text as one zstd frame.
inline std::string packed(const std::string& text) {
    std::string bytes(ZSTD_compressBound(text.size()), '\0');
    bytes.resize(ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), 3));
    return bytes;
}

/// Writes a packed file unpacked.
inline void unpack(const std::string& from, const std::string& to) {
    absl::StatusOr<zstd_lines> lines = zstd_lines::open(from);
    if (!lines.ok()) throw std::runtime_error(std::string(lines.status().message()));
    std::ofstream out(to);
    while (const auto line = lines->next()) out << *line << '\n';
}

inline std::string without_first_column(const std::string& text) {
    std::istringstream lines(text);
    std::string result;
    for (std::string line; std::getline(lines, line);) result += line.substr(line.find(',') + 1) + "\n";
    return result;
}

/// All that a case holds, so that equal texts are equal cases.
inline std::string describe(const recorded_case& of) {
    std::ostringstream out;
    out << of.run << ' ' << of.workload << ' ' << of.kind << ' ' << of.logged << std::hex << '\n';
    const auto number = [](const auto& value) { return value ? static_cast<long long>(value->raw) : -1; };
    for (const memory_state* state : {&of.start, &of.end}) {
        for (const listed_blocks& b : state->blocks) {
            out << static_cast<int>(b.zone) << ' ' << b.size.raw << ' ' << static_cast<int>(b.type) << ' '
                << static_cast<int>(b.list) << ' ' << b.cpu << ' ' << b.first.raw << ' ' << b.blocks << '\n';
        }
        for (const auto& rover : state->rover) out << "rover " << number(rover) << '\n';
    }
    for (const case_area& a : of.areas) {
        out << "area " << a.process << ' ' << a.pages.first.raw << ' ' << a.pages.count.raw << '\n';
    }
    for (const case_fault& f : of.faults) {
        out << "fault " << f.seq << ' ' << f.process << ' ' << f.size.raw << ' ' << f.page.raw << ' ' << f.area << ' '
            << number(f.target) << ' ' << number(f.wanted) << ' ' << f.may_place << ' ' << number(f.got) << ' '
            << number(f.rover_after) << ' ' << f.fail_reasons << ' ' << f.success_kind << '\n';
    }
    for (const case_step& s : of.steps) {
        out << "step " << static_cast<int>(s.what) << ' ' << s.process << ' ' << s.child << ' ' << s.fault << ' '
            << s.pages.first.raw << ' ' << s.pages.count.raw << ' ' << s.grows_up << s.grows_down << s.separate << '\n';
    }
    for (const case_process& p : of.processes) {
        out << "process " << p.name << ' ' << p.ca << p.superpages << '\n';
        for (const page_run& run : p.counted) out << "counted " << run.first.raw << ' ' << run.count.raw << '\n';
        for (const auto* mapped : {&p.before, &p.after}) {
            for (const auto& m : *mapped) {
                out << m.pages.first.raw << ' ' << m.frame.raw << ' ' << m.pages.count.raw << '\n';
            }
        }
    }
    return out.str();
}

}

#endif
