// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_EMBEDDED_HPP
#define LONGREACH_WORKLOADS_EMBEDDED_HPP

#include <span>

// The recordings that travel inside a binary: the files of workloads/recorded/, byte for byte.
//
// CMake generates the one definition, in the static library `longreach_recordings` of the suite;
// whoever takes only the headers has none. It lies outside the namespace of the check level,
// so that the one definition serves both levels. Read-only, hence needs no lock.

namespace longreach {

/// One file of a recording, compressed as it lies in the tree.
struct embedded_file {
    const char* name;            ///< folder and file: "gups/gups.vmas.zst"
    const unsigned char* begin;  ///< its first byte
    const unsigned char* end;    ///< one past its last byte
};

/// Every bundled file in the order of their names; empty where the tree holds no recording.
[[nodiscard]] std::span<const embedded_file> embedded_recordings();

}

#endif
