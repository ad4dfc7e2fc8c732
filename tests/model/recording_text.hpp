// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_RECORDING_TEXT_HPP
#define LONGREACH_TESTS_MODEL_RECORDING_TEXT_HPP

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <zstd.h>

#include <array>
#include <cstdint>
#include <longreach/workloads/recording.hpp>
#include <longreach/workloads/recording_header.hpp>
#include <longreach/workloads/recording_reader.hpp>
#include <longreach/workloads/zstd_lines.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

// The recorder's side of the format: a recording as the text of its files.

namespace longreach::model {

/// The text of each file, by recording_kind; empty where there is none.
using recording_texts = std::array<std::string, 6>;

inline std::string header_line(recording_kind kind, const recording& from) {
    const recording_form& form = form_of(kind);
    std::string line =
        absl::StrCat("# longreach-trace v0 kind=", form.name, " workload=", from.name, " columns=", form.columns);
    if (!from.command.empty()) absl::StrAppend(&line, " command=\"", from.command, "\"");
    return line + "\n";
}

inline const char* rw(const access_site& site) { return site.write != 0 ? "W" : "R"; }

inline std::string event_name(vma_kind kind) {
    switch (kind) {
        case vma_kind::init:
            return "init";
        case vma_kind::mmap:
            return "mmap";
        case vma_kind::munmap:
            return "munmap";
        case vma_kind::mprotect:
            return "mprotect";
        case vma_kind::brk_first:
        case vma_kind::brk_grow:
        case vma_kind::brk_shrink:
            return "brk";
        case vma_kind::mremap:
            return "mremap";
        case vma_kind::empty:
        case vma_kind::advice:
            return "madvise";
    }
    return "";
}

inline std::string aux_of(const vma_event& event) {
    switch (event.kind) {
        case vma_kind::init:
        case vma_kind::mmap:
            return absl::StrFormat("off=%x", event.file_page * page_bytes);
        case vma_kind::brk_first:
            return "first";
        case vma_kind::brk_grow:
            return "grow";
        case vma_kind::brk_shrink:
            return "shrink";
        case vma_kind::mremap:
            return absl::StrFormat("from=%x+%d", event.moved_from.first.raw * page_bytes,
                                   to_bytes(event.moved_from.count));
        case vma_kind::empty:
        case vma_kind::advice:
            return absl::StrCat("advice=", event.advice);
        default:
            return "-";
    }
}

inline std::string vma_line(const vma_event& event, const recording& from) {
    std::string prot = "-";
    if (event.protection.has_value()) {
        prot = {event.protection->read ? 'r' : '-', event.protection->write ? 'w' : '-',
                event.protection->execute ? 'x' : '-'};
    }
    const std::string backing = event.backing == vma_backing::none        ? "-"
                                : event.backing == vma_backing::anonymous ? "anon"
                                                                          : "file:" + from.files[event.file];
    return absl::StrFormat("%d %s %x %d %s %x %s %s\n", event.seq, event_name(event.kind),
                           event.pages.first.raw * page_bytes, to_bytes(event.pages.count), prot, event.flags, backing,
                           aux_of(event));
}

inline std::string text_of_accesses(const recording& from) {
    std::string text = header_line(recording_kind::accesses, from);
    for (const auto* window : {&from.startup, &from.steady}) {
        if (!window->has_value()) continue;
        absl::StrAppend(&text, "# window ", (*window)->name, "\n");
        for (std::size_t i = 0; i < (*window)->count; ++i) {
            const recorded_access& access = from.accesses[(*window)->first + i];
            absl::StrAppendFormat(&text, "%d %x %x %s %d\n", access.seq, std::uint64_t{access.site.pc}, access.va,
                                  rw(access.site), std::uint64_t{access.site.size});
        }
    }
    return text;
}

/// Writes every file that the recording has.
inline recording_texts texts_of(const recording& from) {
    recording_texts texts;
    const auto text = [&](recording_kind kind) -> std::string& {
        std::string& into = texts[static_cast<std::size_t>(kind)];
        if (into.empty()) into = header_line(kind, from);
        return into;
    };
    if (from.vma_source.present()) {
        for (const vma_event& event : from.vmas) text(recording_kind::vmas) += vma_line(event, from);
        (void)text(recording_kind::vmas);
    }
    if (from.fault_source.present()) {
        std::string& into = text(recording_kind::faults);
        for (const page_fault& fault : from.faults) {
            absl::StrAppendFormat(&into, "%d %x %x %s\n", fault.seq, fault.page.raw * page_bytes,
                                  std::uint64_t{fault.site.pc}, rw(fault.site));
        }
    }
    if (from.upgrade_source.present()) {
        std::string& into = text(recording_kind::upgrades);
        for (const page_upgrade& upgrade : from.upgrades) {
            absl::StrAppendFormat(&into, "%d %x %x\n", upgrade.seq, upgrade.page.raw * page_bytes,
                                  std::uint64_t{upgrade.site.pc});
        }
    }
    if (from.miss_source.present()) {
        std::string& into = text(recording_kind::misses);
        absl::StrAppendFormat(&into, "# window %s from_seq=%d to_seq=%d\n", from.miss_window->name,
                              from.miss_window->from_seq, from.miss_window->to_seq);
        for (const recorded_miss& miss : from.misses) {
            absl::StrAppendFormat(&into, "%d %x %x %s\n", miss.seq, std::uint64_t{miss.site.pc}, miss.va,
                                  rw(miss.site));
        }
    }
    if (from.access_source.present())
        texts[static_cast<std::size_t>(recording_kind::accesses)] = text_of_accesses(from);
    if (from.total_source.present()) {
        std::string& into = text(recording_kind::totals);
        for (const auto& [name, value] : from.totals.values) absl::StrAppend(&into, name, " ", value, "\n");
    }
    return texts;
}

inline std::span<const unsigned char> bytes_of(std::string_view text) {
    return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

/// One zstd frame that holds the text, with a checksum.
inline std::string compressed(std::string_view text, int level = 1) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    ZSTD_CCtx* const context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    const std::size_t size = ZSTD_compress2(context, packed.data(), packed.size(), text.data(), text.size());
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(size) != 0) throw std::runtime_error(ZSTD_getErrorName(size));
    packed.resize(size);
    return packed;
}

/// Reads one file of a recording from bytes.
inline absl::Status read_file(recording_kind kind, std::string name, std::string_view bytes, line_encoding encoding,
                              recording& into, line_limits limits = {}) {
    absl::StatusOr<zstd_lines> lines = zstd_lines::over(std::move(name), bytes_of(bytes), encoding, limits);
    if (!lines.ok()) return lines.status();
    switch (kind) {
        case recording_kind::vmas:
            return read_vmas(*lines, into);
        case recording_kind::faults:
            return read_faults(*lines, into);
        case recording_kind::upgrades:
            return read_upgrades(*lines, into);
        case recording_kind::misses:
            return read_misses(*lines, into);
        case recording_kind::accesses:
            return read_accesses(*lines, into);
        case recording_kind::totals:
            return read_totals(*lines, into);
    }
    return absl::InternalError("no such kind");
}

/// Reads every text that is not empty; files are called by their kind.
inline absl::StatusOr<recording> read_texts(const recording_texts& texts, line_encoding encoding) {
    recording into;
    for (const recording_form& form : recording_forms) {
        const std::string& text = texts[static_cast<std::size_t>(form.kind)];
        if (text.empty()) continue;
        const std::string stored = encoding == line_encoding::zstd ? compressed(text) : text;
        if (absl::Status status = read_file(form.kind, form.name, stored, encoding, into); !status.ok()) return status;
    }
    return into;
}

}

#endif
