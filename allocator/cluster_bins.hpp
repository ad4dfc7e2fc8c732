// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_CLUSTER_BINS_HPP
#define LONGREACH_ALLOCATOR_CLUSTER_BINS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bit_tree.hpp"
#include "bits.hpp"
#include "config.hpp"
#include "status.hpp"

// The maximal runs of wholly free children, by size: each length up to 16 has a class of its own, above it four
// classes share a doubling. A class is the set of the children at which its runs begin.
//
// Best fit starts at the class of the size it needs. Runs change only when a whole child breaks or heals. The caller
// owns the words and does the locking. Source of size classes with subdivisions: TLSF (Masmano et al., ECRTS 2004).

LONGREACH_NAMESPACE_BEGIN

/// Invariants: I1 a child is in the set of broken ones exactly where it is not wholly free; I2 the first child of every
/// run is in the class of the run's length, and nothing else is in a class; I3 the set of classes in use is right.
class cluster_bins {
  public:
    static constexpr unsigned exact_classes = 16;
    static constexpr unsigned max_classes = 96;  // runs up to 2^24 - 1 children

    /// The class of a run of `length` (1 or more) whole children.
    [[nodiscard]] static constexpr unsigned class_of(std::uint64_t length) noexcept {
        if (length <= exact_classes) return static_cast<unsigned>(length - 1);
        const unsigned log = floor_log2(length);
        return exact_classes + 4 * (log - 4) + static_cast<unsigned>(length >> (log - 2) & 3);
    }
    /// No run of a class is shorter.
    [[nodiscard]] static constexpr std::uint64_t shortest(unsigned size_class) noexcept {
        if (size_class < exact_classes) return size_class + 1;
        const unsigned rest = size_class - exact_classes;
        return std::uint64_t{4 + rest % 4} << (rest / 4 + 2);
    }

    [[nodiscard]] static constexpr std::size_t required_words(std::uint64_t children) noexcept {
        return bit_tree::required_words(children) * (class_of(children) + 2);
    }

    cluster_bins() = default;

    /// Over children of which none is whole.
    cluster_bins(std::uint64_t children, std::span<std::uint64_t> words) noexcept
        : children_(children), classes_(class_of(children) + 1) {
        const std::size_t each = bit_tree::required_words(children);
        LONGREACH_CHECK(classes_ <= max_classes, "cluster_bins.size");
        for (unsigned c = 0; c < classes_; ++c) bins_[c] = bit_tree(children, words.subspan(c * each, each));
        broken_ = bit_tree(children, words.subspan(classes_ * each, each));
        for (std::uint64_t child = 0; child < children; ++child) broken_.insert(child);
    }

    [[nodiscard]] unsigned classes() const noexcept { return classes_; }
    /// The first class at or above this one that has a run, or classes().
    [[nodiscard]] unsigned next_class(unsigned size_class) const noexcept {
        for (unsigned i = size_class / 64; i < used_.size(); ++i) {
            const std::uint64_t rest = i == size_class / 64 ? used_[i] & ~low_mask(size_class % 64) : used_[i];
            if (rest != 0) return i * 64 + lowest_one(rest);
        }
        return classes_;
    }
    /// The first run of a class that begins at or after `from`, or children().
    [[nodiscard]] std::uint64_t next_run(unsigned size_class, std::uint64_t from) const noexcept {
        return from == 0 ? bins_[size_class].first() : bins_[size_class].first(from);
    }
    [[nodiscard]] bool is_whole(std::uint64_t child) const noexcept { return !broken_.test(child); }
    /// Bit i is set where child 64 * word + i is whole.
    [[nodiscard]] std::uint64_t whole_word(std::uint64_t word) const noexcept {
        const std::uint64_t rest = children_ - word * 64;
        return ~broken_.word(word) & low_mask(rest < 64 ? static_cast<unsigned>(rest) : 64U);
    }
    /// One above the last whole child of the run that holds, or begins at, `child`.
    [[nodiscard]] std::uint64_t end_of_run(std::uint64_t child) const noexcept { return broken_.first(child); }

    /// A child breaks, or becomes wholly free. O(log64 children).
    void set_whole(std::uint64_t child, bool whole) noexcept {
        const std::uint64_t end = broken_.first(child + 1);
        const std::uint64_t before = child == 0 ? children_ : broken_.last(child - 1);
        const std::uint64_t first = before == children_ ? 0 : before + 1;
        if (whole) {
            broken_.erase(child);
            file(first, child, false);
            file(child + 1, end, false);
            file(first, end, true);
        } else {
            broken_.insert(child);
            file(first, end, false);
            file(first, child, true);
            file(child + 1, end, true);
        }
    }

    template <class IsWhole>
    violation audit(IsWhole is_whole) const noexcept {
        std::uint64_t first = 0;  // of the run that ends before child
        std::uint64_t runs = 0;
        for (std::uint64_t child = 0; child <= children_; ++child) {
            const bool whole = child != children_ && is_whole(child);
            if (child != children_ && broken_.test(child) == whole) return {"cluster_bins.I1", child};
            if (whole) continue;
            if (first != child) {
                ++runs;
                if (!bins_[class_of(child - first)].test(first)) return {"cluster_bins.I2", first};
            }
            first = child + 1;
        }
        for (unsigned c = 0; c < classes_; ++c) {
            for (std::uint64_t i = bins_[c].first(); i != children_; i = bins_[c].first(i + 1)) --runs;
            if ((used_[c / 64] >> (c % 64) & 1) != static_cast<std::uint64_t>(!bins_[c].empty())) {
                return {"cluster_bins.I3", c};
            }
            if (const violation broken = bins_[c].audit()) return broken;
        }
        if (runs != 0) return {"cluster_bins.I2", runs};
        return broken_.audit();
    }

  private:
    friend struct contiguity_map_corruption;  // tests break invariants through it

    /// Puts the run [first, end), unless it is empty, into its class or takes it out.
    void file(std::uint64_t first, std::uint64_t end, bool present) noexcept {
        if (first >= end) return;
        const unsigned c = class_of(end - first);
        if (present) {
            bins_[c].insert(first);
        } else {
            bins_[c].erase(first);
        }
        const std::uint64_t bit = std::uint64_t{1} << (c % 64);
        used_[c / 64] = bins_[c].empty() ? used_[c / 64] & ~bit : used_[c / 64] | bit;
    }

    std::uint64_t children_ = 0;
    unsigned classes_ = 0;
    std::array<bit_tree, max_classes> bins_{};
    bit_tree broken_{};
    std::array<std::uint64_t, (max_classes + 63) / 64> used_{};  ///< classes that have a run
};

LONGREACH_NAMESPACE_END

#endif
