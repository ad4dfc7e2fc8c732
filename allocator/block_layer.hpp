// SPDX-License-Identifier: MIT
#ifndef LONGREACH_ALLOCATOR_BLOCK_LAYER_HPP
#define LONGREACH_ALLOCATOR_BLOCK_LAYER_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bit_tree.hpp"
#include "child.hpp"
#include "config.hpp"
#include "status.hpp"

// Free blocks of orders 0 to 8 among units, one bit each, in children of 512 units.
//
// A buddy has two layers: the units of the lower one are frames, those of the upper one are wholly free 2 MiB
// children. A child's free blocks are found in its bits; which child to look into says one bit_tree per order. A
// child is marked in one of two ways. Loose: with every order of which it has a free block, so the first marked child
// can serve. Snug: with every order of which it has a maximal free block, so the smallest block anywhere can serve.
// Marks err in one direction only: a marked order may be gone, and the search that misses it removes the mark.

LONGREACH_NAMESPACE_BEGIN

/// Which block serves a request.
enum class block_choice : std::uint8_t {
    /// The smallest block in children that are at least half used, so that mixed sizes do not break large blocks;
    /// then the lowest block in the lowest of the others, so that those above drain and fragmented memory heals.
    adaptive,
    lowest,    ///< the lowest block in the lowest child that has one
    fullest,   ///< the lowest block in the child with the fewest free units, to a power of two
    next_fit,  ///< the lowest block in the next child at or above the one that served last, cyclically
    smallest   ///< the smallest block anywhere, the lowest address among equals
};

/// What a layer derives from the bits of a child.
struct child_header {
    static constexpr unsigned snug = 1;    ///< flag: how it is marked
    static constexpr unsigned queued = 2;  ///< flag: a lower child that waits in the queue of changed children

    std::uint16_t free;      ///< free units, 0 to 512
    std::uint16_t orders;    ///< bit k: marked with order k, 0 to 8
    std::uint16_t promised;  ///< the promise of a lower child, see reserved_frames
    std::uint8_t nonzero;    ///< bit i: word i has a free unit
    std::uint8_t flags;
};

/// Where a block of a request was found.
struct block_place {
    static constexpr unsigned unknown = child_order;

    std::uint64_t child;      ///< or block_layer::none
    unsigned position = 0;    ///< 0 to 511
    unsigned from = unknown;  ///< order of the maximal block it is cut from, where that is known
};

/// Invariants, by child: I1 the free count and the set of nonzero words equal a recount; I2 a child is in the trees
/// of exactly its marked orders, and the sets of trees in use are right; I3 with `fullest`, a child with free units
/// is in the tree of its fill and in no other.
class block_layer {
  public:
    static constexpr std::uint64_t none = ~std::uint64_t{0};
    static constexpr unsigned all_orders = (1U << child_order) - 1;

    /// 64-bit words for the trees over this many children.
    [[nodiscard]] static constexpr std::size_t required_words(std::uint64_t children, block_choice choice) noexcept {
        const unsigned trees = choice == block_choice::adaptive  ? 2 * child_order
                               : choice == block_choice::fullest ? 2 * child_order + 1
                                                                 : child_order;
        return bit_tree::required_words(children) * trees;
    }

    constexpr block_layer() = default;

    /// A layer over `words` and `headers`, one of each per child and set by the caller, with empty trees.
    block_layer(std::span<child_words> words, std::span<child_header> headers, std::span<std::uint64_t> tree_words,
                block_choice choice) noexcept
        : words_(words.data()),
          headers_(headers.data()),
          children_(words.size()),
          choice_(choice),
          snug_below_(choice == block_choice::smallest   ? child_frames + 1
                      : choice == block_choice::adaptive ? child_frames / 2
                                                         : 0),
          loose_from_(choice == block_choice::smallest ? child_frames + 1 : child_frames * 5 / 8) {
        const std::size_t each = bit_tree::required_words(children_);
        std::size_t used = 0;
        const auto next_tree = [&] { return bit_tree(children_, tree_words.subspan(each * used++, each)); };
        for (unsigned k = 0; k < child_order; ++k) {
            if (snug_below_ <= child_frames) loose_[k] = next_tree();
            if (snug_below_ != 0) snug_[k] = next_tree();
        }
        for (unsigned k = 0; choice == block_choice::fullest && k <= child_order; ++k) by_fill_[k] = next_tree();
    }

    [[nodiscard]] std::uint64_t children() const noexcept { return children_; }
    [[nodiscard]] block_choice choice() const noexcept { return choice_; }
    [[nodiscard]] child_words& words(std::uint64_t child) const noexcept { return words_[child]; }
    [[nodiscard]] child_header& header(std::uint64_t child) const noexcept { return headers_[child]; }
    [[nodiscard]] bool is_snug(std::uint64_t child) const noexcept {
        return (headers_[child].flags & child_header::snug) != 0;
    }

    // Searches. A `view` says what the layer cannot see: any(child), whether some units are not to be given away;
    // words(child), the ones that are; is_kept(child), whether a child with every unit free belongs to the layer
    // above, and is_lowest_kept(child), whether that layer has none below it.

    /// The block of order k that a request takes by the layer's choice; child `none` where there is none. Marks that
    /// turn out to be out of date go on the way. O(log64 children); with `fullest` O(children / 64).
    template <class View>
    [[nodiscard]] block_place search(unsigned k, View view) noexcept;

    /// The lowest child marked with order k, where that is all that counts, or `none`.
    [[nodiscard, gnu::always_inline]] std::uint64_t lowest(unsigned k) const noexcept {
        return (loose_used_ >> k & 1) != 0 && choice_ <= block_choice::lowest && snug_used_ == 0 ? loose_[k].first()
                                                                                                 : none;
    }

    /// The free units of a word that order-0 requests may take one after the other where `place` was found for one:
    /// they are in no larger maximal block than that, or the child is loose.
    [[nodiscard]] static std::uint64_t ready_units(std::uint64_t word, block_place place) noexcept {
        if (place.from >= 6) return word;
        std::uint64_t larger = detail::free_blocks(word, place.from + 1);
        for (unsigned j = 0; j <= place.from; ++j) larger |= larger << (1U << j);
        return word & ~larger;
    }

    // Changes of bits. The caller keeps the marks: see below.

    /// Takes free units [position, position + 2^k) of a child.
    [[gnu::always_inline]] void clear(std::uint64_t child, unsigned position, unsigned k) noexcept {
        if (k >= 6) return clear_words(child, position / 64, k);
        clear_word(child, position / 64, block_mask(position, k), 1U << k);
    }
    /// Takes `count` free units of word i of a child.
    [[gnu::always_inline]] void clear_word(std::uint64_t child, unsigned i, std::uint64_t units,
                                           unsigned count) noexcept {
        child_header& header = headers_[child];
        std::uint64_t& word = words_[child][i];
        word &= ~units;
        if (word == 0) header.nonzero = static_cast<std::uint8_t>(header.nonzero & ~(1U << i));
        set_free(child, header.free - count);
    }
    /// Takes the lowest free unit of a child that has one, and says its position.
    [[gnu::always_inline]] unsigned clear_first(std::uint64_t child) noexcept {
        child_header& header = headers_[child];
        const unsigned i = lowest_one(header.nonzero);
        std::uint64_t& word = words_[child][i];
        const unsigned position = i * 64 + lowest_one(word);
        word &= word - 1;
        if (word == 0) header.nonzero = static_cast<std::uint8_t>(header.nonzero & (header.nonzero - 1));
        set_free(child, header.free - 1U);
        return position;
    }

    /// Gives units [position, position + 2^k) of a child back; false, and nothing changed, where one is free already.
    [[gnu::always_inline]] bool set(std::uint64_t child, unsigned position, unsigned k) noexcept {
        if (k >= 6) return set_words(child, position / 64, k);
        return set_word(child, position / 64, block_mask(position, k), 1U << k);
    }
    /// Gives `count` units of word i of a child back; false, and nothing changed, where one is free already.
    [[gnu::always_inline]] bool set_word(std::uint64_t child, unsigned i, std::uint64_t units,
                                         unsigned count) noexcept {
        child_header& header = headers_[child];
        std::uint64_t& word = words_[child][i];
        if ((word & units) != 0) return false;
        word |= units;
        header.nonzero = static_cast<std::uint8_t>(header.nonzero | 1U << i);
        set_free(child, header.free + count);
        return true;
    }

    /// Takes or gives back every unit of a child.
    [[gnu::always_inline]] void fill(std::uint64_t child, bool free) noexcept {
        for (std::uint64_t& word : words_[child]) word = free ? ~std::uint64_t{0} : 0;
        headers_[child].nonzero = free ? 0xff : 0;
        set_free(child, free ? child_frames : 0);
    }

    // Changes of marks.

    /// After units were taken: of a block of order k out of a maximal one of order `from`, as far as that is known.
    [[gnu::always_inline]] void note_taken(std::uint64_t child, unsigned k, unsigned from, const auto& view) noexcept {
        if (needs_marks(child, k, from)) change_marks(child, k, from, view);
    }
    /// Whether note_taken has anything to do.
    [[nodiscard, gnu::always_inline]] bool needs_marks(std::uint64_t child, unsigned k, unsigned from) const noexcept {
        const child_header& header = headers_[child];
        if (header.free == 0) return true;
        if ((header.flags & child_header::snug) == 0) return header.free < snug_below_;
        return (split_orders(header, k, from) & ~static_cast<unsigned>(header.orders)) != 0;
    }
    /// note_taken where it has.
    [[gnu::noinline]] void change_marks(std::uint64_t child, unsigned k, unsigned from, const auto& view) noexcept {
        if (headers_[child].free == 0) return unmark(child, all_orders);
        if (!is_snug(child)) return index(child, view.words(child));
        mark(child, split_orders(headers_[child], k, from));
    }

    /// After the block of order k at `position` was given back to a child without promises that is not whole now.
    [[gnu::always_inline]] void note_given(std::uint64_t child, unsigned position, unsigned k) noexcept {
        const child_header& header = headers_[child];
        if ((header.flags & child_header::snug) != 0) return note_given_snug(child, position, k);
        const unsigned marked = lowest_one(header.orders + 1U);  // orders below are marked
        if (marked > k && header.free < 1U << marked) return;
        if (marked == child_order) return;
        if (marked > k && !is_free_block(words_[child], position >> marked << marked, marked)) return;
        raise_to_enclosing(child, position, k);
    }

    /// Marks a child afresh from the units that may be given away.
    void index(std::uint64_t child, const child_words& open) noexcept {
        unmark(child, all_orders);
        child_header& header = headers_[child];
        const bool snug = header.free < snug_below_ || (is_snug(child) && header.free < loose_from_);
        header.flags =
            static_cast<std::uint8_t>(snug ? header.flags | child_header::snug : header.flags & ~child_header::snug);
        mark(child, snug ? maximal_orders(open) : (1U << orders_present(open)) - 1);
    }

    /// A whole child that the layer above kept is about to be broken.
    void index_broken(std::uint64_t child) noexcept {
        unmark(child, all_orders);
        child_header& header = headers_[child];
        header.flags = static_cast<std::uint8_t>(snug_below_ > child_frames ? header.flags | child_header::snug
                                                                            : header.flags & ~child_header::snug);
        mark(child, all_orders);
    }

    [[gnu::always_inline]] void mark(std::uint64_t child, unsigned orders) noexcept {
        child_header& header = headers_[child];
        orders &= ~static_cast<unsigned>(header.orders);
        if (orders != 0) add_marks(child, orders);
    }
    [[gnu::always_inline]] void unmark(std::uint64_t child, unsigned orders) noexcept {
        orders &= headers_[child].orders;
        if (orders != 0) remove_marks(child, orders);
    }

    // Start.

    /// Empties the trees; recount() or start_whole() of every child must follow.
    void forget() noexcept;
    /// The header of a child whose bits are all set, in empty trees; without marks.
    void start_whole(std::uint64_t child) noexcept {
        headers_[child] = {0, 0, 0, 0xff, first_flags()};
        set_free(child, child_frames);
    }
    /// Derives a child's header from its bits, after forget(); without marks.
    void recount(std::uint64_t child) noexcept;

    violation audit() const noexcept;

  private:
    friend struct buddy_corruption;  // tests break invariants through it

    [[gnu::always_inline]] void set_free(std::uint64_t child, unsigned free) noexcept {
        if (choice_ == block_choice::fullest) refile(child, headers_[child].free, free);
        headers_[child].free = static_cast<std::uint16_t>(free);
    }
    /// Where no child is ever loose, none begins so: there are no trees for it.
    [[nodiscard]] std::uint8_t first_flags() const noexcept {
        return snug_below_ > child_frames ? child_header::snug : 0;
    }
    [[gnu::noinline]] void refile(std::uint64_t child, unsigned before, unsigned after) noexcept {
        if (before != 0) by_fill_[floor_log2(before)].erase(child);
        if (after != 0) by_fill_[floor_log2(after)].insert(child);
    }
    void clear_words(std::uint64_t child, unsigned i, unsigned k) noexcept;
    bool set_words(std::uint64_t child, unsigned i, unsigned k) noexcept;

    void add_marks(std::uint64_t child, unsigned orders) noexcept;
    void remove_marks(std::uint64_t child, unsigned orders) noexcept;
    void raise_to_enclosing(std::uint64_t child, unsigned position, unsigned k) noexcept;
    void note_given_snug(std::uint64_t child, unsigned position, unsigned k) noexcept;
    /// Orders of which a snug child may have maximal blocks since one of order `from` lost one of order k: its other
    /// parts, or, where `from` is not known, all below the largest order marked.
    [[nodiscard, gnu::always_inline]] static unsigned split_orders(const child_header& header, unsigned k,
                                                                   unsigned from) noexcept {
        if (from != block_place::unknown) return (1U << from) - (1U << k);
        return header.orders == 0 ? 0 : (1U << floor_log2(header.orders)) - 1;
    }

    [[nodiscard]] unsigned find(std::uint64_t child, unsigned k) const noexcept;
    [[nodiscard]] unsigned find_maximal(std::uint64_t child, unsigned k) const noexcept;
    [[nodiscard]] std::uint64_t choose_loose(unsigned k) noexcept;
    [[nodiscard]] std::uint64_t first_common(const bit_tree& a, const bit_tree& b) const noexcept;

    child_words* words_ = nullptr;
    child_header* headers_ = nullptr;
    std::uint64_t children_ = 0;
    std::uint64_t rover_ = 0;
    block_choice choice_ = block_choice::lowest;
    unsigned snug_below_ = 0;  ///< a child with fewer free units becomes snug
    unsigned loose_from_ = 0;  ///< a child with so many free units becomes loose
    unsigned loose_used_ = 0;  ///< bit k: loose_[k] is not empty
    unsigned snug_used_ = 0;
    std::array<bit_tree, child_order> loose_{};        ///< loose children marked with order k
    std::array<bit_tree, child_order> snug_{};         ///< snug children marked with order k
    std::array<bit_tree, child_order + 1> by_fill_{};  ///< children with 2^k to 2^(k+1) - 1 free units
};

LONGREACH_NAMESPACE_END

#include "block_layer_impl.hpp"

#endif
