// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_SHARED_WORDS_HPP
#define LONGREACH_TESTS_MODEL_SHARED_WORDS_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

// What an access to a shared word does, with or without store buffers. The words themselves live in the tested object.
// Store buffers as in Sewell et al., x86-TSO: A Rigorous and Usable Programmer's Model, 2010.

namespace longreach::model {

enum class memory_model : std::uint8_t {
    sequential,    ///< every store is seen by all at once
    store_buffers  ///< x86-TSO: a store waits in its thread's queue until the schedule flushes it
};

enum class access_kind : std::uint8_t {
    load,
    store,
    fetch_or,
    fetch_and,
    fetch_add,
    exchange,
    compare_exchange,
    heavy_fence,
    flush
};

constexpr const char* name(access_kind k) {
    constexpr const char* names[] = {
        "load", "store", "fetch_or", "fetch_and", "fetch_add", "exchange", "compare_exchange", "heavy_fence", "flush"};
    return names[static_cast<std::size_t>(k)];
}

struct access {
    access_kind kind = access_kind::load;
    std::uint64_t* word = nullptr;
    std::uint64_t value = 0;     ///< what is written, or what is combined with the word
    std::uint64_t expected = 0;  ///< of a compare_exchange
};

/// What the word holds after an access that found `before`.
constexpr std::uint64_t value_after(const access& a, std::uint64_t before) {
    switch (a.kind) {
        case access_kind::store:
        case access_kind::exchange:
            return a.value;
        case access_kind::fetch_or:
            return before | a.value;
        case access_kind::fetch_and:
            return before & a.value;
        case access_kind::fetch_add:
            return before + a.value;
        case access_kind::compare_exchange:
            return before == a.expected ? a.value : before;
        default:
            return before;
    }
}

/// Hash of a sequence of words, 128 bits wide; equal digests are taken for equal sequences.
struct digest {
    std::uint64_t first = 0x243f6a8885a308d3;
    std::uint64_t second = 0x13198a2e03707344;

    constexpr void absorb(std::uint64_t word) {
        first = std::rotl((first ^ word) * 0x9e3779b97f4a7c15, 29);
        second = std::rotl((second + word) * 0xc2b2ae3d27d4eb4f, 37);
    }
    constexpr void absorb(const digest& other) {
        absorb(other.first);
        absorb(other.second);
    }
    /// Whole words only; a stack is read as it is, guard zones of sanitizers included.
    [[gnu::noinline, gnu::no_sanitize_address]] void absorb(std::span<const std::byte> bytes) {
        using word [[gnu::may_alias]] = std::uint64_t;
        const word* const words = reinterpret_cast<const word*>(bytes.data());
        for (std::size_t i = 0; i < bytes.size() / sizeof(word); ++i) absorb(words[i]);
    }
    friend constexpr bool operator==(const digest&, const digest&) = default;
};

/// The shared words as each thread sees them.
class shared_words {
  public:
    shared_words(memory_model m, unsigned threads) : buffered_(m == memory_model::store_buffers), buffers_(threads) {}

    void reset() {
        for (auto& b : buffers_) b.clear();
    }
    /// Whether the access can be made now: one that drains buffers waits until the schedule has flushed them.
    bool is_ready(unsigned thread, const access& a) const {
        switch (a.kind) {
            case access_kind::load:
            case access_kind::store:
                return true;
            case access_kind::heavy_fence:
                return are_flushed();
            default:
                return buffers_[thread].empty();
        }
    }
    /// Whether the access is seen by its own thread only, until it is flushed.
    bool is_private(const access& a) const { return buffered_ && a.kind == access_kind::store; }

    std::uint64_t seen_by(unsigned thread, const std::uint64_t* word) const {
        const auto& buffer = buffers_[thread];
        for (auto b = buffer.rbegin(); b != buffer.rend(); ++b) {
            if (b->word == word) return b->value;
        }
        return *word;
    }
    /// Makes the access and answers what the thread saw in the word before.
    std::uint64_t perform(unsigned thread, const access& a) {
        if (a.kind == access_kind::heavy_fence) return 0;
        const std::uint64_t before = seen_by(thread, a.word);
        if (is_private(a)) {
            buffers_[thread].push_back({a.word, a.value});
        } else if (a.kind != access_kind::load) {
            *a.word = value_after(a, before);
        }
        return before;
    }

    bool are_flushed() const {
        for (const auto& b : buffers_) {
            if (!b.empty()) return false;
        }
        return true;
    }
    bool can_flush(unsigned thread) const { return !buffers_[thread].empty(); }
    /// Lets all see the thread's oldest waiting store, and answers it; `before` is what they saw until then.
    access flush(unsigned thread, std::uint64_t& before) {
        const waiting_store oldest = buffers_[thread].front();
        buffers_[thread].pop_front();
        before = std::exchange(*oldest.word, oldest.value);
        return {access_kind::flush, oldest.word, oldest.value, 0};
    }
    /// The waiting stores, words told by their distance from `base`.
    void absorb_into(digest& d, const std::byte* base) const {
        for (const auto& buffer : buffers_) {
            d.absorb(buffer.size());
            for (const waiting_store& s : buffer) {
                d.absorb(static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(s.word) - base));
                d.absorb(s.value);
            }
        }
    }

  private:
    struct waiting_store {
        std::uint64_t* word;
        std::uint64_t value;
    };

    bool buffered_;
    std::vector<std::deque<waiting_store>> buffers_;
};

}  // namespace longreach::model

#endif
