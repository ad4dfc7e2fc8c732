// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_OUTPUT_FILE_HPP
#define LONGREACH_BENCH_LONGREACH_OUTPUT_FILE_HPP

#include <absl/status/status.h>

#include <string>
#include <string_view>

// A file of results: written aside, in the folder where it shall lie, and then given its name. Links are followed, and
// stay; an existing file keeps its permissions.

namespace longreach {

/// Whether results or diagnostics of this program go to the file that `path` names.
[[nodiscard]] bool holds_own_output(const std::string& path) noexcept;

/// Whether write_output() would find a place to write to; leaves nothing behind. One line that says why not.
[[nodiscard]] absl::Status check_output(const std::string& path);

/// Writes the whole file or none: what had the name before keeps it until all bytes are there.
[[nodiscard]] absl::Status write_output(const std::string& path, std::string_view bytes);

}

#endif
