// SPDX-License-Identifier: MIT
// Any bytes as files of a recorded boot of the original kernel: a case or one line of error, never a crash; a case that
// was read holds together, and is the same when its files are packed.
//
// The bytes are files divided by 0x1e, each a line with its name and its text behind; files that are not among them are
// those of a small case that can be read. A name that ends in `.zst` has packed bytes behind it.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <longreach/workloads/cases/case_census.hpp>
#include <longreach/workloads/cases/case_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "../tests/model/case_text.hpp"

namespace {

using namespace longreach;

void demand(bool holds, const std::string& expected) {
    if (holds) return;
    std::fprintf(stderr, "expected %s\n", expected.c_str());
    std::abort();
}

/// Errors are one line of printable characters that begins with the folder.
void check_message(const absl::Status& status) {
    const std::string message(status.message());
    const bool about_files = message.compare(0, 4, "run/") == 0 || message.compare(0, 8, "left out") == 0;
    demand(about_files, "a message about a file, found " + message);
    for (const char c : message) demand(static_cast<unsigned char>(c) >= 0x20, "printable characters in " + message);
}

/// Faults come once and in order, each where its process has memory.
void check_case(const recorded_case& of) {
    std::vector<page_run_set> mapped(of.processes.size());
    std::size_t next = 0;
    for (const case_step& step : of.steps) {
        demand(step.process < of.processes.size() && step.child < of.processes.size(), "processes of the case");
        if (step.what == case_step::kind::map) mapped[step.process].add(step.pages);
        if (step.what == case_step::kind::unmap) mapped[step.process].remove(step.pages);
        if (step.what == case_step::kind::fork) mapped[step.child] = mapped[step.process];
        if (step.what != case_step::kind::fault) continue;
        demand(step.fault == next++ && step.fault < of.faults.size(), "the faults in order");
        const case_fault& fault = of.faults[step.fault];
        demand(mapped[fault.process].contains(page_run{fault.page, fault.size.pages()}), "faults on mapped pages");
        demand(fault.area < of.areas.size(), "areas of the case");
    }
    demand(next == of.faults.size(), "every fault among the steps");
    for (const case_process& process : of.processes) static_cast<void>(recorded_census(process));
}

bool is_packed(const std::string& name) { return name.size() > 4 && name.compare(name.size() - 4, 4, ".zst") == 0; }

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    model::small_case plain;
    model::small_case packed;
    bool all_plain = true;
    while (!bytes.empty()) {
        const std::string_view file = bytes.substr(0, bytes.find('\x1e'));
        bytes.remove_prefix(file.size() == bytes.size() ? file.size() : file.size() + 1);
        const std::size_t feed = file.find('\n');
        const std::string name(file.substr(0, feed));
        const std::string text(feed == std::string_view::npos ? std::string_view() : file.substr(feed + 1));
        plain.text(name) = text;
        if (is_packed(name)) {
            plain.remove(name.substr(0, name.size() - 4));
            all_plain = false;
        } else {
            packed.remove(name);
            packed.text(name + ".zst") = model::packed(text);
        }
    }
    const absl::StatusOr<recorded_case> read = plain.load();
    if (!read.ok()) {
        check_message(read.status());
        return 0;
    }
    check_case(*read);
    if (!all_plain) return 0;
    const absl::StatusOr<recorded_case> again = packed.load();
    demand(again.ok(), "to read packed files as well, found " + std::string(again.status().message()));
    demand(model::describe(*read) == model::describe(*again), "the same case from packed files");
    return 0;
}
