// SPDX-License-Identifier: MIT
#ifndef LONGREACH_PAGETABLE_VM_CONTIGUITY_HPP
#define LONGREACH_PAGETABLE_VM_CONTIGUITY_HPP

#include <optional>

#include "../../allocator/config.hpp"
#include "../../allocator/frame_run.hpp"
#include "../../allocator/status.hpp"
#include "../../allocator/units.hpp"
#include "../leaf.hpp"

// The contiguity bit of resident leaves: set where the mapping around a leaf is long enough.
//
// A mapping is a maximal stretch that is contiguous in page and in frame. Its leaves carry the bit
// when it has at least `threshold` pages, 1 to 512, so 2 MiB leaves always do. A mapping below the
// threshold has fewer leaves than that, which bounds every step. A page that extends a marked
// mapping costs two lookups; the first `threshold` pages of one cost up to `threshold` each.
// Source: Alverti et al., ISCA 2020 (bit that filters SpOT's fills, 32 pages). The caller locks.

LONGREACH_NAMESPACE_BEGIN

/// Keeps the bits of an object, and of the page table that caches it. Made for one change; holds no state.
template <class Object, class Table>
class contiguity {
  public:
    using leaf_type = typename Object::leaf_type;
    using page = typename Table::page;

    contiguity(Object& object, Table& cache, page_count threshold) noexcept
        : object_(&object), cache_(&cache), threshold_(threshold) {}

    /// Whether a leaf that is about to be added will carry the bit. Trusts the bits of its neighbours.
    [[nodiscard]] bool reaches(const leaf_type& coming) const noexcept {
        if (coming.size.pages() >= threshold_) return true;
        const std::optional<leaf_type> below = leaf_below(coming);
        if (below && below->attributes.contiguous) return true;
        const std::optional<leaf_type> above = leaf_above(coming);
        if (above && above->attributes.contiguous) return true;
        page_count length = coming.size.pages();
        if (below) length += length_down(*below);
        if (above) length += length_up(*above);
        return length >= threshold_;
    }

    /// Marks what an added leaf, which carries the bit, made long enough.
    void spread(const leaf_type& added) noexcept {
        const std::optional<leaf_type> below = leaf_below(added);
        if (below && !below->attributes.contiguous) mark_down(*below, true);
        const std::optional<leaf_type> above = leaf_above(added);
        if (above && !above->attributes.contiguous) mark_up(*above, true);
    }

    /// Recounts the mappings that end, begin or go through at the start of `edge`, after leaves
    /// beside it came or went; elsewhere the bits are right.
    void recount(page edge) noexcept {
        std::optional<leaf_type> below;
        if (edge.raw != 0) below = object_->find(edge - page_count{1});
        const std::optional<leaf_type> above = object_->find(edge);
        if (below && above && follows(*below, *above)) {
            const bool reached = length_down(*below) + length_up(*above) >= threshold_;
            mark_down(*below, reached);
            mark_up(*above, reached);
            return;
        }
        if (below) mark_down(*below, length_down(*below) >= threshold_);
        if (above) mark_up(*above, length_up(*above) >= threshold_);
    }

    /// The first resident page whose bit differs from a full recount.
    [[nodiscard]] static std::optional<page> first_wrong(const Object& object, page_count threshold) {
        leaf_type first{};  // of the mapping that is being counted
        leaf_type last{};
        page_count length{0};
        std::optional<page> wrong;
        bool mixed = false;
        const auto close = [&] {
            if (length.raw != 0 && !wrong && (mixed || first.attributes.contiguous != (length >= threshold))) {
                wrong = first.page;
            }
        };
        object.for_each(Table::all_pages(), [&](const leaf_type& next) {
            if (length.raw != 0 && follows(last, next)) {
                mixed = mixed || next.attributes.contiguous != first.attributes.contiguous;
            } else {
                close();
                first = next;
                length = page_count{0};
                mixed = false;
            }
            length += next.size.pages();
            last = next;
        });
        close();
        return wrong;
    }

  private:
    [[nodiscard]] static bool follows(const leaf_type& below, const leaf_type& above) noexcept {
        return below.pages().end() == above.page && below.frames().end() == above.frame;
    }

    [[nodiscard]] std::optional<leaf_type> leaf_below(const leaf_type& of) const noexcept {
        if (of.page.raw == 0) return std::nullopt;
        const std::optional<leaf_type> found = object_->find(of.page - page_count{1});
        return found && follows(*found, of) ? found : std::nullopt;
    }
    [[nodiscard]] std::optional<leaf_type> leaf_above(const leaf_type& of) const noexcept {
        const std::optional<leaf_type> found = object_->find(of.pages().end());
        return found && follows(of, *found) ? found : std::nullopt;
    }

    /// Pages of the mapping from `top` downwards, as far as the threshold needs them.
    [[nodiscard]] page_count length_down(const leaf_type& top) const noexcept {
        page_count length{0};
        std::optional<leaf_type> next = top;
        for (; next && length < threshold_; next = leaf_below(*next)) length += next->size.pages();
        return length;
    }
    [[nodiscard]] page_count length_up(const leaf_type& bottom) const noexcept {
        page_count length{0};
        std::optional<leaf_type> next = bottom;
        for (; next && length < threshold_; next = leaf_above(*next)) length += next->size.pages();
        return length;
    }

    /// Sets the bits from `top` downwards; beyond `threshold` pages they are set already.
    void mark_down(const leaf_type& top, bool value) noexcept {
        page_count length{0};
        std::optional<leaf_type> next = top;
        for (; next && length < threshold_; next = leaf_below(*next)) {
            mark(*next, value);
            length += next->size.pages();
        }
    }
    void mark_up(const leaf_type& bottom, bool value) noexcept {
        page_count length{0};
        std::optional<leaf_type> next = bottom;
        for (; next && length < threshold_; next = leaf_above(*next)) {
            mark(*next, value);
            length += next->size.pages();
        }
    }

    void mark(const leaf_type& at, bool value) noexcept {
        if (at.attributes.contiguous == value) return;
        const auto change = [&](leaf_type old) {
            old.attributes.contiguous = value;
            return old;
        };
        object_->rewrite(at.pages(), change);
        cache_->rewrite(at.pages(), change);
    }

    Object* object_;
    Table* cache_;
    page_count threshold_;
};

LONGREACH_NAMESPACE_END

#endif
