// SPDX-License-Identifier: MIT
// What the trial behind vma_stress finds: rules that break one promise each, and the label under which it is noticed.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/vma_rules.hpp"
#include "model/vma_trial.hpp"

namespace longreach {
namespace {

using model::sound_rules;
using model::thp_rules;

enum class fault { none, gives_twice, refuses, leaves_its_pieces, miscounts, forgets };

/// ca_paging, but for one fault that begins after a while.
class faulty_rules : public sound_rules {
  public:
    using sound_rules::sound_rules;
    static inline fault kind = fault::none;

    template <class Mapped>
    std::optional<pfn> allocate(const placement_request<vpn>& request, const Mapped& mapped,
                                model::frame_account& account) {
        if (++calls_ > 100) {
            if (kind == fault::gives_twice && request.size == base_order) return last_;
            if (kind == fault::refuses) return std::nullopt;
            if (kind == fault::leaves_its_pieces) return allocate_ordinary(request.size);
        }
        const std::optional<pfn> got = sound_rules::allocate(request, mapped, account);
        if (got) last_ = *got;
        return got;
    }
    page_count free_frames() const {
        return sound_rules::free_frames() - page_count{kind == fault::miscounts && calls_ > 100 ? 1U : 0U};
    }
    placement_counters counters() const {
        return kind == fault::forgets && calls_ > 100 ? placement_counters{} : sound_rules::counters();
    }

  private:
    unsigned calls_ = 0;
    pfn last_{};
};

/// The label of the first thing wrong in the first trials.
std::string first_label(fault kind) {
    faulty_rules::kind = kind;
    for (std::uint64_t number = 1; number <= 3; ++number) {
        const auto trial = std::make_unique<model::vma_trial<faulty_rules>>(number);
        for (unsigned step = 0; step < 400; ++step) {
            if (const violation broken = trial->step()) return broken.label;
            if (const violation broken = trial->audit()) return broken.label;
        }
    }
    return "good";
}

TEST(vma_trial, finds_nothing_where_nothing_is_wrong) { EXPECT_EQ(first_label(fault::none), "good"); }

TEST(vma_trial, finds_a_frame_that_is_given_twice) { EXPECT_EQ(first_label(fault::gives_twice), "vma.I20"); }

TEST(vma_trial, finds_a_frame_that_the_memory_does_not_have_and_one_that_comes_back_from_another_use) {
    model::frame_account foreign({pfn{10}, page_count{100}});
    foreign.take({pfn{109}, page_count{2}}, model::frame_purpose::page);
    EXPECT_EQ(std::string(foreign.broken().label), "vma.I11");
    model::frame_account mistaken({pfn{10}, page_count{100}});
    mistaken.take({pfn{20}, page_count{2}}, model::frame_purpose::page);
    mistaken.give({pfn{20}, page_count{1}}, model::frame_purpose::table);
    EXPECT_EQ(std::string(mistaken.broken().label), "vma.I9");
}

TEST(vma_trial, finds_a_refusal_while_a_block_is_free) { EXPECT_EQ(first_label(fault::refuses), "vma.I12"); }

TEST(vma_trial, finds_a_page_that_does_not_follow_its_piece) {
    const std::string label = first_label(fault::leaves_its_pieces);
    EXPECT_TRUE(label == "vma.I12" || label == "vma.I19") << label;
}

TEST(vma_trial, finds_a_frame_that_nobody_has_and_that_is_not_free) {
    EXPECT_EQ(first_label(fault::miscounts), "vma.I9");
}

TEST(vma_trial, finds_counters_that_shrink) { EXPECT_EQ(first_label(fault::forgets), "vma.I23"); }

/// A trial whose memory is not at its end what it was at its start.
class leaking_rules : public thp_rules {
  public:
    using thp_rules::thp_rules;
    bool is_free(pfn frame) const { return thp_rules::is_free(frame) && !(ended && frame.raw % 1024 == 1023); }
    static inline bool ended = false;
};

TEST(vma_trial, finds_a_frame_that_is_not_free_again_at_the_end) {
    model::vma_trial<leaking_rules> trial(3);
    for (unsigned step = 0; step < 200; ++step) ASSERT_FALSE(trial.step());
    leaking_rules::ended = true;
    EXPECT_EQ(std::string(trial.finish().label), "vma.I22");
}

TEST(vma_trial, every_set_of_rules_ends_as_it_began) {
    for (std::uint64_t number = 1; number <= 4; ++number) {
        model::vma_trial<model::thp_rules> plain(number);
        model::vma_trial<model::original_rules> original(number);
        for (unsigned step = 0; step < 300; ++step) {
            ASSERT_FALSE(plain.step());
            ASSERT_FALSE(original.step());
        }
        EXPECT_FALSE(plain.finish());
        EXPECT_FALSE(original.finish());
    }
}

}  // namespace
}  // namespace longreach
