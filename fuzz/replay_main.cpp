// SPDX-License-Identifier: MIT
// Feeds every file below the given directories to a fuzz body, in the order of their paths:
// the corpus as a test that any compiler can build. Exits 2 where there is nothing to replay.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_below(const std::filesystem::path& place) {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::is_regular_file(place)) {
        files.push_back(place);
    } else if (std::filesystem::is_directory(place)) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
            if (entry.is_regular_file()) files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::size_t replay(const std::filesystem::path& place) {
    const auto files = files_below(place);
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
        std::fprintf(stderr, "%s: %zu bytes\n", file.c_str(), bytes.size());
        // As libFuzzer does it: an allocation of just this size, which a sanitizer can guard, and never null.
        const std::unique_ptr<std::uint8_t[]> input{new std::uint8_t[bytes.size()]};
        std::copy(bytes.begin(), bytes.end(), input.get());
        LLVMFuzzerTestOneInput(input.get(), bytes.size());
    }
    return files.size();
}

}

int main(int argc, char** argv) {
    std::size_t replayed = 0;
    try {
        for (int i = 1; i < argc; ++i) replayed += replay(argv[i]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
    std::printf("%zu inputs replayed\n", replayed);
    return replayed == 0 ? 2 : 0;
}
