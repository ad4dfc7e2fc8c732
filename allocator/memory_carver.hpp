// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_MEMORY_CARVER_HPP
#define LONGREACH_ALLOCATOR_MEMORY_CARVER_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "config.hpp"

// Cuts typed arrays off the front of the memory that a caller hands to a class.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

class memory_carver {
  public:
    explicit memory_carver(std::span<std::byte> memory) noexcept : rest_(memory) {}

    /// `count` elements, aligned to at least `alignment`, holding whatever bytes the memory held.
    template <class T>
    [[nodiscard]] std::span<T> take(std::size_t count, std::size_t alignment = alignof(T)) noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        const std::size_t misfit = reinterpret_cast<std::uintptr_t>(rest_.data()) % alignment;
        const std::size_t skip = misfit == 0 ? 0 : alignment - misfit;
        LONGREACH_CHECK(rest_.size() >= skip + count * sizeof(T), "memory.too_small");
        T* first = reinterpret_cast<T*>(rest_.data() + skip);
        rest_ = rest_.subspan(skip + count * sizeof(T));
        return {first, count};
    }

    /// The same, every element value-initialized.
    template <class T>
    [[nodiscard]] std::span<T> take_zeroed(std::size_t count) noexcept {
        const std::span<T> taken = take<T>(count);
        for (T& element : taken) element = T{};
        return taken;
    }

  private:
    std::span<std::byte> rest_;
};

}  // namespace detail

LONGREACH_NAMESPACE_END

#endif
