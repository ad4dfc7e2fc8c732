// SPDX-License-Identifier: MIT
#ifndef LONGREACH_TESTS_MODEL_SPOT_MODEL_HPP
#define LONGREACH_TESTS_MODEL_SPOT_MODEL_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <longreach/spot/spot.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

// SpOT's table from its description: per set a list of entries, the one used last first.
// And one miss of a TLB, which the property draws at random and the fuzzer decodes from its input.

namespace longreach::model {

template <class Page, class Frame, class Index = low_bits_index>
class spot_model {
  public:
    explicit spot_model(spot_geometry geometry) : geometry_(geometry), sets_(geometry.sets) {}

    std::optional<Frame> predict(std::uint64_t pc, Page page, access_kind kind) const {
        for (const entry& e : sets_[set_of(pc)].entries) {
            if (e.pc != pc) continue;
            if (e.counter < 2 || !e.allowed.allows(kind)) return std::nullopt;
            return Frame{page.raw - e.distance};
        }
        return std::nullopt;
    }

    void train(std::uint64_t pc, const leaf<Page, Frame>& walked) {
        set& s = sets_[set_of(pc)];
        const std::uint64_t distance = walked.page.raw - walked.frame.raw;
        for (auto it = s.entries.begin(); it != s.entries.end(); ++it) {
            if (it->pc != pc) continue;
            s.entries.splice(s.entries.begin(), s.entries, it);
            if (it->distance == distance) {
                it->counter = it->counter == 3 ? 3 : it->counter + 1;
                it->allowed = walked.attributes.allowed;
            } else {
                it->counter = it->counter == 0 ? 0 : it->counter - 1;
                if (it->counter == 0 && walked.attributes.contiguous) {
                    *it = {pc, distance, walked.attributes.allowed, 1};
                }
            }
            return;
        }
        if (!walked.attributes.contiguous) return;
        if (s.entries.size() == geometry_.ways && !evict(s)) {
            ++s.refusals;
            if (geometry_.age_after != 0 && s.refusals % geometry_.age_after == 0) --s.entries.back().counter;
            return;
        }
        s.entries.push_front({pc, distance, walked.attributes.allowed, 1});
    }

    void flush() {
        for (set& s : sets_) {
            s = {};
        }
    }

    unsigned entries() const {
        std::size_t sum = 0;
        for (const set& s : sets_) sum += s.entries.size();
        return static_cast<unsigned>(sum);
    }

  private:
    struct entry {
        std::uint64_t pc;
        std::uint64_t distance;
        permissions allowed;
        int counter;
    };
    struct set {
        std::list<entry> entries{};
        std::uint64_t refusals = 0;
    };

    // Drops the entry without confidence that was used longest ago, if there is one.
    static bool evict(set& s) {
        for (auto it = s.entries.rbegin(); it != s.entries.rend(); ++it) {
            if (it->counter == 0) {
                s.entries.erase(std::next(it).base());
                return true;
            }
        }
        return false;
    }

    std::size_t set_of(std::uint64_t pc) const {
        unsigned bits = 0;
        while ((1U << bits) < geometry_.sets) ++bits;
        return static_cast<std::size_t>(Index::set_of(pc, bits));
    }

    spot_geometry geometry_;
    std::vector<set> sets_;
};

/// One miss: the instruction asks for a prediction, then learns what the walk found. Or a flush.
struct spot_step {
    bool flush = false;
    std::uint64_t pc = 0;
    std::uint64_t page = 0;
    std::uint64_t frame = 0;
    access_kind kind = access_kind::load;
    bool contiguous = true;
    bool writable = true;

    [[nodiscard]] leaf<vpn, pfn> walked() const {
        return {vpn{page}, pfn{frame}, base_order, {{true, writable, false, true}, contiguous}};
    }
};

inline std::ostream& operator<<(std::ostream& out, const spot_step& step) {
    if (step.flush) return out << "flush()";
    return out << (step.kind == access_kind::store ? "store" : "load") << "(pc " << step.pc << ", page " << step.page
               << " -> frame " << step.frame << (step.contiguous ? ", contiguous" : "")
               << (step.writable ? ", writable)" : ")");
}

/// Takes the step with both and says where they differ; empty where they agree.
template <class Spot, class Index>
[[nodiscard]] std::string difference(Spot& spot, spot_model<vpn, pfn, Index>& model, const spot_step& step) {
    bool same = true;
    if (step.flush) {
        spot.flush();
        model.flush();
    } else {
        same = spot.predict(step.pc, vpn{step.page}, step.kind) == model.predict(step.pc, vpn{step.page}, step.kind);
        spot.train(step.pc, step.walked());
        model.train(step.pc, step.walked());
    }
    if (!same) return "the prediction differs from the model's";
    if (spot.entries() != model.entries()) return "the number of entries differs from the model's";
    if (const violation broken = spot.audit()) return broken.label;
    return {};
}

}  // namespace longreach::model

#endif
