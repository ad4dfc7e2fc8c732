// SPDX-License-Identifier: MIT
// Any bytes as a file of a recording, or as all of them: an answer or one line of error, never a crash; what was read
// can be written and read again; and a whole recording is refused exactly when the page-by-page model refuses it.
//
// The first byte says what the rest is: v f u m a t one file as plain text, z the same kinds compressed (their letter
// follows), r all six plain files divided by bytes 0x1e, d a drawn recording (eight bytes of seed).

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <longreach/workloads/recording_totals.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "../tests/model/recording_generator.hpp"
#include "../tests/model/recording_text.hpp"
#include "../tests/model/replay_model.hpp"

namespace {

using namespace longreach;

void demand(bool holds, const std::string& expected) {
    if (holds) return;
    std::fprintf(stderr, "expected %s\n", expected.c_str());
    std::abort();
}

/// Errors are one line that names the file and a place in it.
void check_message(const absl::Status& status, std::string_view file) {
    const std::string message(status.message());
    demand(message.find('\n') == std::string::npos, "one line, found " + message);
    demand(message.find(std::string(file)) == 0 && message.find(':') != std::string::npos,
           "a message that begins with " + std::string(file) + ":, found " + message);
    for (const char c : message) {
        demand(static_cast<unsigned char>(c) >= 0x20, "printable characters in " + message);
    }
}

std::optional<recording_kind> kind_of(char letter) {
    for (const recording_form& form : recording_forms) {
        if (form.name[0] == letter) return form.kind;
    }
    return std::nullopt;
}

recording without_sources(recording of) {
    of.vma_source = of.fault_source = of.upgrade_source = of.miss_source = of.access_source = of.total_source = {};
    return of;
}

void try_file(recording_kind kind, std::string_view bytes, line_encoding encoding) {
    recording read;
    // A small limit keeps a run short where a few bytes decompress to many.
    const absl::Status status = model::read_file(kind, "file", bytes, encoding, read, {4096, 1 << 20, 20});
    if (!status.ok()) return check_message(status, "file");
    const auto again = model::read_texts(model::texts_of(read), line_encoding::plain);
    demand(again.ok(), "to read what was written, found " + std::string(again.status().message()));
    demand(without_sources(*again) == without_sources(read), "the same records after writing and reading");
}

/// The model walks pages one by one, so it is asked only about small address spaces.
bool is_small(const recording& of) {
    std::uint64_t pages = 0;
    for (const vma_event& event : of.vmas) pages += event.pages.count.raw + event.moved_from.count.raw;
    return pages < 20000 && of.faults.size() < 1000;
}

void compare_with_model(recording of) {
    if (!is_small(of)) return;
    of.totals = {};
    const std::optional<recorded_footprint> needs = model::replay_model::replay(of);
    const absl::Status status = check_recording(of);
    demand(status.ok() == needs.has_value(), std::string(needs.has_value() ? "a sound recording" : "a refusal") +
                                                 ", found " + std::string(status.message()));
    if (needs.has_value()) demand(of.footprint == *needs, "the footprint of the model");
}

void try_recording(std::string_view bytes) {
    recording read;
    for (const recording_form& form : recording_forms) {
        const std::size_t end = bytes.find('\x1e');
        const std::string_view file = bytes.substr(0, end);
        bytes = end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1);
        if (file.empty()) continue;
        const absl::Status status = model::read_file(form.kind, form.name, file, line_encoding::plain, read);
        if (!status.ok()) return check_message(status, form.name);
    }
    compare_with_model(read);
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const std::string_view rest = bytes.substr(1);
    if (bytes.front() == 'r') {
        try_recording(rest);
    } else if (bytes.front() == 'z') {
        if (const auto kind = kind_of(rest.front())) try_file(*kind, rest.substr(1), line_encoding::zstd);
    } else if (bytes.front() == 'd') {
        std::uint64_t seed = 0;
        std::memcpy(&seed, rest.data(), rest.size() < sizeof seed ? rest.size() : sizeof seed);
        model::recording_generator generator(seed);
        recording drawn = generator.draw(100);
        compare_with_model(drawn);
        if (!drawn.faults.empty()) drawn.faults[seed % drawn.faults.size()].page += page_count{1};
        compare_with_model(drawn);
    } else if (const auto kind = kind_of(bytes.front())) {
        try_file(*kind, rest, line_encoding::plain);
    }
    return 0;
}
