// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_OWNED_SPACE_HPP
#define LONGREACH_TESTS_MODEL_OWNED_SPACE_HPP

#include <cstddef>
#include <cstdint>
#include <longreach/pagetable/vm/address_space.hpp>
#include <vector>

// An address space with the memory of its areas and its object, which is not zero at first.

namespace longreach::model {

template <class Space>
struct owned_space {
    /// At most `areas` areas; `words` as object_type::required_words says, the rest as the space itself takes it.
    template <class Memory, class Policy>
    owned_space(const space_options& options, Memory tables, Policy& policy, std::size_t areas, std::size_t words,
                const typename Space::sharing& shared = {})
        : object_words(words, 0xa5a5a5a5a5a5a5a5U),
          entries(areas),
          space(options, tables, policy, entries, object_words, shared) {}

    std::vector<std::uint64_t> object_words;
    std::vector<map_entry<vpn>> entries;
    Space space;
};

}  // namespace longreach::model

#endif
